//! What a wait for a descriptor gives.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;

use super::AsyncFd;
use crate::io::{Interest, Ready};
use crate::registered::ready::{Both, is_would_block};

/// What was seen of a descriptor, as far as it has not been cleared.
#[derive(Debug, Clone, Copy)]
struct Event {
    interest: Interest,
    seen: Both,
    ready: Ready,
}

impl Event {
    fn new(interest: Interest, seen: Both) -> Event {
        let ready = seen.ready().of(interest);
        Event {
            interest,
            seen,
            ready,
        }
    }

    /// Clears `which`, but for the news that a direction has been closed: that stays until an operation finds otherwise.
    fn clear<T: AsRawFd>(mut self, fd: &AsyncFd<T>, which: Ready) -> Option<Event> {
        let open = (self.ready & which) - Ready::READ_CLOSED - Ready::WRITE_CLOSED;
        self.seen = fd.clear(self.seen, open);
        self.ready = self.ready - which;
        (!self.ready.is_empty()).then_some(self)
    }
}

/// Says that the descriptor of an [`AsyncFd`] is ready. If an operation would block all the same, tell the guard.
#[must_use = "the descriptor counts as ready until the guard is told otherwise"]
pub struct AsyncFdReadyGuard<'a, T: AsRawFd> {
    async_fd: &'a AsyncFd<T>,
    event: Option<Event>,
}

/// Says that the descriptor of an [`AsyncFd`] is ready. If an operation would block all the same, tell the guard. It lends
/// the value for changes.
#[must_use = "the descriptor counts as ready until the guard is told otherwise"]
pub struct AsyncFdReadyMutGuard<'a, T: AsRawFd> {
    async_fd: &'a mut AsyncFd<T>,
    event: Option<Event>,
}

/// The operation would block, so the next wait lasts until there is an event.
#[derive(Debug)]
pub struct TryIoError(());

impl fmt::Display for TryIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation would block")
    }
}

impl Error for TryIoError {}

/// What both guards have.
macro_rules! guard {
    ($guard:ident) => {
        impl<T: AsRawFd> $guard<'_, T> {
            /// Makes the descriptor count as not ready until there is an event. Call this only if an operation has failed
            /// with `WouldBlock`. Otherwise the next wait may never end, because what is ready already is not reported
            /// again. If an event has come since the guard was made, this does nothing. A closed direction stays ready.
            ///
            /// ```
            /// use heist::io::unix::AsyncFd;
            /// use std::io::{ErrorKind, Read, Write};
            /// use std::os::unix::net::UnixStream;
            ///
            /// #[heist::main]
            /// async fn main() -> std::io::Result<()> {
            ///     let (mut there, here) = UnixStream::pair()?;
            ///     here.set_nonblocking(true)?;
            ///     let mut here = AsyncFd::new(here)?;
            ///     there.write_all(b"hello")?;
            ///
            ///     let mut heard = [0; 8];
            ///     let length = loop {
            ///         let mut guard = here.readable_mut().await?;
            ///         match guard.get_inner_mut().read(&mut heard) {
            ///             Err(error) if error.kind() == ErrorKind::WouldBlock => guard.clear_ready(),
            ///             result => {
            ///                 // There may be more to read.
            ///                 guard.retain_ready();
            ///                 break result?;
            ///             }
            ///         }
            ///     };
            ///     assert_eq!(length, 5);
            ///     Ok(())
            /// }
            /// ```
            pub fn clear_ready(&mut self) {
                self.clear_ready_matching(Ready::ALL);
            }

            /// Like [`clear_ready`](Self::clear_ready), for a part of what the descriptor is ready for.
            ///
            /// [`clear_ready`](Self::clear_ready) has an example.
            pub fn clear_ready_matching(&mut self, ready: Ready) {
                if let Some(event) = self.event.take() {
                    self.event = event.clear(&*self.async_fd, ready);
                }
            }

            /// Does nothing: the descriptor still counts as ready. A call makes that plain to readers of the code.
            ///
            /// [`clear_ready`](Self::clear_ready) has an example.
            pub fn retain_ready(&mut self) {}

            /// What the descriptor was ready for when the guard was made, less what has been cleared by it.
            ///
            /// [`AsyncFd::ready`] has an example.
            pub fn ready(&self) -> Ready {
                self.event.map_or(Ready::EMPTY, |event| event.ready)
            }

            /// Clears all after an operation that would block.
            fn settle<R>(&mut self, result: io::Result<R>) -> Result<io::Result<R>, TryIoError> {
                if !is_would_block(&result) {
                    return Ok(result);
                }
                if let Some(event) = self.event.take() {
                    self.async_fd.clear_for(event.interest, event.seen);
                }
                Err(TryIoError(()))
            }
        }

        impl<T: AsRawFd + fmt::Debug> fmt::Debug for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($guard))
                    .field("async_fd", &self.async_fd)
                    .finish()
            }
        }
    };
}

guard!(AsyncFdReadyGuard);
guard!(AsyncFdReadyMutGuard);

impl<'a, T: AsRawFd> AsyncFdReadyGuard<'a, T> {
    pub(super) fn new(async_fd: &'a AsyncFd<T>, interest: Interest, seen: Both) -> Self {
        let event = Some(Event::new(interest, seen));
        Self { async_fd, event }
    }

    /// Calls `f`, which should do one operation on the descriptor. If `f` fails with `WouldBlock`, the descriptor counts as
    /// not ready for what the guard was made for, until there is an event.
    ///
    /// # Errors
    ///
    /// If `f` fails with `WouldBlock`. Any other result of it is within `Ok`.
    ///
    /// [`AsyncFd`] has an example.
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&'a AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        let result = f(self.async_fd);
        self.settle(result)
    }

    /// What was waited for.
    pub fn get_ref(&self) -> &'a AsyncFd<T> {
        self.async_fd
    }

    /// The value that has the descriptor.
    ///
    /// [`AsyncFdReadyGuard::clear_ready`] has an example.
    pub fn get_inner(&self) -> &'a T {
        self.async_fd.get_ref()
    }
}

impl<'a, T: AsRawFd> AsyncFdReadyMutGuard<'a, T> {
    pub(super) fn new(async_fd: &'a mut AsyncFd<T>, interest: Interest, seen: Both) -> Self {
        let event = Some(Event::new(interest, seen));
        Self { async_fd, event }
    }

    /// Calls `f`, which should do one operation on the descriptor. If `f` fails with `WouldBlock`, the descriptor counts as
    /// not ready for what the guard was made for, until there is an event.
    ///
    /// # Errors
    ///
    /// If `f` fails with `WouldBlock`. Any other result of it is within `Ok`.
    ///
    /// [`AsyncFd::readable_mut`] has an example.
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&mut AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        let result = f(self.async_fd);
        self.settle(result)
    }

    /// What was waited for.
    pub fn get_ref(&self) -> &AsyncFd<T> {
        self.async_fd
    }

    /// What was waited for.
    pub fn get_mut(&mut self) -> &mut AsyncFd<T> {
        self.async_fd
    }

    /// The value that has the descriptor.
    pub fn get_inner(&self) -> &T {
        self.async_fd.get_ref()
    }

    /// The value that has the descriptor.
    ///
    /// [`clear_ready`](Self::clear_ready) has an example.
    pub fn get_inner_mut(&mut self) -> &mut T {
        self.async_fd.get_mut()
    }
}
