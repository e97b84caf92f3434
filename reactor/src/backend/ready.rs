//! What a source is ready for.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Sub};

use super::Interest;

const READABLE: u8 = 1;
const WRITABLE: u8 = 1 << 1;
const READ_CLOSED: u8 = 1 << 2;
const WRITE_CLOSED: u8 = 1 << 3;
const ERROR: u8 = 1 << 4;
const PRIORITY: u8 = 1 << 5;

/// What a socket or another source is ready for. An operation for which it is ready may still find that it is not.
///
/// ```
/// use heist::io::Ready;
///
/// let ready = Ready::READABLE | Ready::READ_CLOSED;
/// assert!(ready.is_readable() && ready.is_read_closed() && !ready.is_writable());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ready(u8);

impl Ready {
    /// Nothing.
    pub const EMPTY: Ready = Ready(0);
    /// A read may succeed.
    pub const READABLE: Ready = Ready(READABLE);
    /// A write may succeed.
    pub const WRITABLE: Ready = Ready(WRITABLE);
    /// The reading direction is closed, by the peer or by this side.
    pub const READ_CLOSED: Ready = Ready(READ_CLOSED);
    /// The writing direction is closed, by the peer or by this side.
    pub const WRITE_CLOSED: Ready = Ready(WRITE_CLOSED);
    /// There is an urgent byte.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const PRIORITY: Ready = Ready(PRIORITY);
    /// An error waits to be fetched.
    pub const ERROR: Ready = Ready(ERROR);
    /// All of these.
    pub const ALL: Ready = Ready(if cfg!(any(target_os = "linux", target_os = "android")) {
        READABLE | WRITABLE | READ_CLOSED | WRITE_CLOSED | ERROR | PRIORITY
    } else {
        READABLE | WRITABLE | READ_CLOSED | WRITE_CLOSED | ERROR
    });

    /// Whether it is nothing.
    pub fn is_empty(self) -> bool {
        self == Ready::EMPTY
    }

    /// Whether a read may succeed, if only to find the direction closed.
    pub fn is_readable(self) -> bool {
        self.has(READABLE | READ_CLOSED)
    }

    /// Whether a write may succeed, if only to find the direction closed.
    pub fn is_writable(self) -> bool {
        self.has(WRITABLE | WRITE_CLOSED)
    }

    /// Whether the reading direction is closed, by the peer or by this side.
    pub fn is_read_closed(self) -> bool {
        self.has(READ_CLOSED)
    }

    /// Whether the writing direction is closed, by the peer or by this side.
    pub fn is_write_closed(self) -> bool {
        self.has(WRITE_CLOSED)
    }

    /// Whether there is an urgent byte.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn is_priority(self) -> bool {
        self.has_priority()
    }

    /// Whether an error waits to be fetched.
    pub fn is_error(self) -> bool {
        self.has(ERROR)
    }

    /// Whether there is an urgent byte, on systems that don't report one as well.
    pub(crate) fn has_priority(self) -> bool {
        self.has(PRIORITY)
    }

    /// Whether a read may succeed, whether a write may, and which of these directions is closed.
    #[cfg(unix)]
    pub(crate) fn parts(self) -> [bool; 4] {
        [READABLE, WRITABLE, READ_CLOSED, WRITE_CLOSED].map(|part| self.has(part))
    }

    fn has(self, any: u8) -> bool {
        self.0 & any != 0
    }

    /// The part of it that has to do with `interest`.
    pub(crate) fn of(self, interest: Interest) -> Ready {
        let mut part = 0;
        if interest.is_readable() {
            part |= READABLE | READ_CLOSED;
        }
        if interest.is_writable() {
            part |= WRITABLE | WRITE_CLOSED;
        }
        if interest.is_priority() {
            part |= PRIORITY | READ_CLOSED;
        }
        if interest.is_error() {
            part |= ERROR;
        }
        Ready(self.0 & part)
    }

    /// This, and `ready` if `condition` holds.
    #[must_use]
    pub(crate) fn and(self, condition: bool, ready: Ready) -> Ready {
        if condition { self | ready } else { self }
    }

    /// This, and an urgent byte if `condition` holds.
    #[must_use]
    pub(crate) fn and_priority(self, condition: bool) -> Ready {
        self.and(condition, Ready(PRIORITY))
    }
}

impl BitOr for Ready {
    type Output = Ready;

    fn bitor(self, other: Ready) -> Ready {
        Ready(self.0 | other.0)
    }
}

impl BitOrAssign for Ready {
    fn bitor_assign(&mut self, other: Ready) {
        self.0 |= other.0;
    }
}

impl BitAnd for Ready {
    type Output = Ready;

    fn bitand(self, other: Ready) -> Ready {
        Ready(self.0 & other.0)
    }
}

impl Sub for Ready {
    type Output = Ready;

    fn sub(self, other: Ready) -> Ready {
        Ready(self.0 & !other.0)
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("is_readable", &self.is_readable())
            .field("is_writable", &self.is_writable())
            .field("is_read_closed", &self.is_read_closed())
            .field("is_write_closed", &self.is_write_closed())
            .field("is_error", &self.is_error())
            .field("is_priority", &self.has_priority())
            .finish()
    }
}
