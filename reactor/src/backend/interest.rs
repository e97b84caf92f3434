//! What to wait for at a source.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// What to wait for at a socket or another source: that a read may succeed, that a write may, or both.
///
/// ```
/// use heist::io::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// assert_eq!(both.remove(Interest::READABLE), Some(Interest::WRITABLE));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interest(u8);

impl Interest {
    /// A read may succeed, or the reading direction is closed.
    pub const READABLE: Interest = Interest(1);
    /// A write may succeed, or the writing direction is closed.
    pub const WRITABLE: Interest = Interest(1 << 1);
    /// An error waits to be fetched.
    pub const ERROR: Interest = Interest(1 << 2);
    /// There is an urgent byte.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const PRIORITY: Interest = Interest(1 << 3);

    /// Whether it includes reads.
    pub const fn is_readable(self) -> bool {
        self.0 & Self::READABLE.0 != 0
    }

    /// Whether it includes writes.
    pub const fn is_writable(self) -> bool {
        self.0 & Self::WRITABLE.0 != 0
    }

    /// Whether it includes errors.
    pub const fn is_error(self) -> bool {
        self.0 & Self::ERROR.0 != 0
    }

    /// Whether it includes urgent bytes.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const fn is_priority(self) -> bool {
        self.0 & Self::PRIORITY.0 != 0
    }

    /// Whether it includes urgent bytes. This system doesn't report them.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) const fn is_priority(self) -> bool {
        false
    }

    /// This and `other`.
    #[must_use = "this returns a new interest"]
    pub const fn add(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }

    /// This without `other`. `None` if nothing is left.
    #[must_use = "this returns a new interest"]
    pub fn remove(self, other: Interest) -> Option<Interest> {
        let left = self.0 & !other.0;
        (left != 0).then_some(Interest(left))
    }

    /// The same for the poller. It always reports errors, so `ERROR` alone asks for nothing else that it could leave out.
    #[cfg(unix)]
    pub(crate) fn to_mio(self) -> mio::Interest {
        let read = self.is_readable() || self.is_error();
        let mut interest = match (read, self.is_writable()) {
            (true, true) => mio::Interest::READABLE | mio::Interest::WRITABLE,
            (false, true) => mio::Interest::WRITABLE,
            (true, false) => mio::Interest::READABLE,
            (false, false) => {
                #[cfg(any(target_os = "linux", target_os = "android"))]
                return mio::Interest::PRIORITY;
                #[cfg(not(any(target_os = "linux", target_os = "android")))]
                mio::Interest::READABLE
            }
        };
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.is_priority() {
            interest |= mio::Interest::PRIORITY;
        }
        let _ = &mut interest;
        interest
    }
}

impl From<mio::Interest> for Interest {
    fn from(interest: mio::Interest) -> Interest {
        let mut bits = 0;
        if interest.is_readable() {
            bits |= Self::READABLE.0;
        }
        if interest.is_writable() {
            bits |= Self::WRITABLE.0;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if interest.is_priority() {
            bits |= Self::PRIORITY.0;
        }
        Interest(bits)
    }
}

impl BitOr for Interest {
    type Output = Interest;

    fn bitor(self, other: Interest) -> Interest {
        self.add(other)
    }
}

impl BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Interest) {
        *self = *self | other;
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.is_readable(), "READABLE"),
            (self.is_writable(), "WRITABLE"),
            (self.is_priority(), "PRIORITY"),
            (self.is_error(), "ERROR"),
        ];
        let mut separator = "";
        for (_, name) in parts.iter().filter(|part| part.0) {
            write!(f, "{separator}{name}")?;
            separator = " | ";
        }
        Ok(())
    }
}
