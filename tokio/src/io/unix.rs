//! Waiting for any file descriptor.
//!
//! heist's `AsyncFd` asks for a value that lends its descriptor. This one is made of any value that has one, as tokio's is.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll, ready};

use heist::io::unix as heist_unix;
use heist::io::{Interest, Ready};

#[doc(hidden)]
#[allow(deprecated)]
pub use heist_unix::AsyncFdTryNewError;
pub use heist_unix::{AsyncFdRegisterError, TryIoError};

/// Lets tasks wait until a file descriptor is ready.
///
/// It is heist's [`AsyncFd`](heist_unix::AsyncFd), but for the functions that make one.
#[repr(transparent)]
pub struct AsyncFd<T: AsRawFd>(heist_unix::AsyncFd<T>);

impl<T: AsRawFd> AsyncFd<T> {
    /// Watches the descriptor of `inner`, for reading and writing. The value must keep its descriptor open until the
    /// `AsyncFd` is dropped.
    ///
    /// # Errors
    ///
    /// If the system can't watch the descriptor.
    pub fn new(inner: T) -> io::Result<AsyncFd<T>> {
        Ok(Self::try_new(inner)?)
    }

    /// Watches the descriptor of `inner` for what `interest` asks for. Otherwise like [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
        Ok(Self::try_with_interest(inner, interest)?)
    }

    /// Like [`new`](Self::new), but the error gives `inner` back.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn try_new(inner: T) -> Result<AsyncFd<T>, AsyncFdRegisterError<T>> {
        Self::try_with_interest(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// Like [`with_interest`](Self::with_interest), but the error gives `inner` back.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn try_with_interest(
        inner: T,
        interest: Interest,
    ) -> Result<AsyncFd<T>, AsyncFdRegisterError<T>> {
        // SAFETY: The caller keeps the descriptor open, as the documentation asks. If the caller doesn't, events of another
        // file arrive; no memory depends on it.
        unsafe { heist_unix::AsyncFd::register_with_interest(inner, interest) }.map(AsyncFd)
    }

    /// Like [`try_new`](Self::try_new).
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    ///
    /// # Safety
    ///
    /// Until the `AsyncFd` is dropped, `inner` must have one and the same descriptor, which stays open.
    pub unsafe fn register(inner: T) -> Result<AsyncFd<T>, AsyncFdRegisterError<T>> {
        Self::try_new(inner)
    }

    /// Like [`try_with_interest`](Self::try_with_interest).
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    ///
    /// # Safety
    ///
    /// See [`register`](Self::register).
    pub unsafe fn register_with_interest(
        inner: T,
        interest: Interest,
    ) -> Result<AsyncFd<T>, AsyncFdRegisterError<T>> {
        Self::try_with_interest(inner, interest)
    }

    /// The value.
    pub fn get_ref(&self) -> &T {
        self.0.get_ref()
    }

    /// The value. Don't exchange its descriptor.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }

    /// Stops watching the descriptor, and returns the value.
    pub fn into_inner(self) -> T {
        self.0.into_inner()
    }

    /// Polls for [`readable`](Self::readable). If several tasks poll to read, only the last one is woken.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    pub fn poll_read_ready<'a>(
        &'a self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        let guard = ready!(self.0.poll_read_ready(cx))?;
        Poll::Ready(Ok(AsyncFdReadyGuard(guard)))
    }

    /// Polls for [`readable_mut`](Self::readable_mut). Only the last task that polls to read is woken.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    pub fn poll_read_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        let guard = ready!(self.0.poll_read_ready_mut(cx))?;
        Poll::Ready(Ok(AsyncFdReadyMutGuard(guard)))
    }

    /// Polls for [`writable`](Self::writable). If several tasks poll to write, only the last one is woken.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    pub fn poll_write_ready<'a>(
        &'a self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        let guard = ready!(self.0.poll_write_ready(cx))?;
        Poll::Ready(Ok(AsyncFdReadyGuard(guard)))
    }

    /// Polls for [`writable_mut`](Self::writable_mut). Only the last task that polls to write is woken.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    pub fn poll_write_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        let guard = ready!(self.0.poll_write_ready_mut(cx))?;
        Poll::Ready(Ok(AsyncFdReadyMutGuard(guard)))
    }

    /// Waits until the descriptor may be ready for something that `interest` asks for. The guard says for what.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    pub async fn ready(&self, interest: Interest) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.0.ready(interest).await.map(AsyncFdReadyGuard)
    }

    /// Like [`ready`](Self::ready), with a guard that lends the value for changes.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    pub async fn ready_mut(
        &mut self,
        interest: Interest,
    ) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.0.ready_mut(interest).await.map(AsyncFdReadyMutGuard)
    }

    /// Waits until a read may succeed. Otherwise like [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    pub async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interest::READABLE).await
    }

    /// Waits until a read may succeed. Otherwise like [`ready_mut`](Self::ready_mut).
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    pub async fn readable_mut(&mut self) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.ready_mut(Interest::READABLE).await
    }

    /// Waits until a write may succeed. Otherwise like [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    pub async fn writable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interest::WRITABLE).await
    }

    /// Waits until a write may succeed. Otherwise like [`ready_mut`](Self::ready_mut).
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    pub async fn writable_mut(&mut self) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.ready_mut(Interest::WRITABLE).await
    }

    /// Waits until the descriptor is ready for what `interest` asks for, and calls `f`. If `f` fails with `WouldBlock`, this
    /// waits again.
    ///
    /// # Errors
    ///
    /// The error of `f`. Also if the runtime that it belongs to has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, `f` is not called any more.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        f: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.0.async_io(interest, f).await
    }

    /// Like [`async_io`](Self::async_io), but lends the value for changes.
    ///
    /// # Errors
    ///
    /// See [`async_io`](Self::async_io).
    pub async fn async_io_mut<R>(
        &mut self,
        interest: Interest,
        f: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.0.async_io_mut(interest, f).await
    }

    /// Calls `f` if the descriptor is ready for what `interest` asks for.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the descriptor isn't ready, or the error of `f`. If the runtime that it belongs to has been shut down.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        f: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.0.try_io(interest, f)
    }

    /// Like [`try_io`](Self::try_io), but lends the value for changes.
    ///
    /// # Errors
    ///
    /// See [`try_io`](Self::try_io).
    pub fn try_io_mut<R>(
        &mut self,
        interest: Interest,
        f: impl FnOnce(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.0.try_io_mut(interest, f)
    }

    fn of(fd: &heist_unix::AsyncFd<T>) -> &AsyncFd<T> {
        let fd: *const heist_unix::AsyncFd<T> = fd;
        // SAFETY: The type is transparent, so what is valid as the one is valid as the other. The lifetime is that of `fd`.
        unsafe { &*fd.cast() }
    }

    fn of_mut(fd: &mut heist_unix::AsyncFd<T>) -> &mut AsyncFd<T> {
        let fd: *mut heist_unix::AsyncFd<T> = fd;
        // SAFETY: The type is transparent, so what is valid as the one is valid as the other. The lifetime is that of `fd`,
        // which nobody else has meanwhile.
        unsafe { &mut *fd.cast() }
    }
}

impl<T: AsRawFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl<T: AsRawFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: The one that made the `AsyncFd` keeps the descriptor open while it lives.
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Says that the descriptor of an [`AsyncFd`] is ready. If an operation would block all the same, tell the guard.
#[must_use = "the descriptor counts as ready until the guard is told otherwise"]
pub struct AsyncFdReadyGuard<'a, T: AsRawFd>(heist_unix::AsyncFdReadyGuard<'a, T>);

/// Says that the descriptor of an [`AsyncFd`] is ready. If an operation would block all the same, tell the guard. It lends
/// the value for changes.
#[must_use = "the descriptor counts as ready until the guard is told otherwise"]
pub struct AsyncFdReadyMutGuard<'a, T: AsRawFd>(heist_unix::AsyncFdReadyMutGuard<'a, T>);

/// What both guards have.
macro_rules! guard {
    ($guard:ident) => {
        impl<T: AsRawFd> $guard<'_, T> {
            /// Makes the descriptor count as not ready until there is an event. Call this only if an operation has failed
            /// with `WouldBlock`.
            pub fn clear_ready(&mut self) {
                self.0.clear_ready();
            }

            /// Like [`clear_ready`](Self::clear_ready), for a part of what the descriptor is ready for.
            pub fn clear_ready_matching(&mut self, ready: Ready) {
                self.0.clear_ready_matching(ready);
            }

            /// Does nothing: the descriptor still counts as ready.
            pub fn retain_ready(&mut self) {}

            /// What the descriptor was ready for when the guard was made, less what has been cleared by it.
            pub fn ready(&self) -> Ready {
                self.0.ready()
            }
        }

        impl<T: AsRawFd + fmt::Debug> fmt::Debug for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

guard!(AsyncFdReadyGuard);
guard!(AsyncFdReadyMutGuard);

impl<'a, T: AsRawFd> AsyncFdReadyGuard<'a, T> {
    /// Calls `f`, which should do one operation on the descriptor. If `f` fails with `WouldBlock`, the descriptor counts as
    /// not ready until there is an event.
    ///
    /// # Errors
    ///
    /// If `f` fails with `WouldBlock`. Any other result of it is within `Ok`.
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&'a AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        self.0.try_io(|fd| f(AsyncFd::of(fd)))
    }

    /// What was waited for.
    pub fn get_ref(&self) -> &'a AsyncFd<T> {
        AsyncFd::of(self.0.get_ref())
    }

    /// The value that has the descriptor.
    pub fn get_inner(&self) -> &'a T {
        self.0.get_inner()
    }
}

impl<T: AsRawFd> AsyncFdReadyMutGuard<'_, T> {
    /// Calls `f`, which should do one operation on the descriptor. If `f` fails with `WouldBlock`, the descriptor counts as
    /// not ready until there is an event.
    ///
    /// # Errors
    ///
    /// If `f` fails with `WouldBlock`. Any other result of it is within `Ok`.
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&mut AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        self.0.try_io(|fd| f(AsyncFd::of_mut(fd)))
    }

    /// What was waited for.
    pub fn get_ref(&self) -> &AsyncFd<T> {
        AsyncFd::of(self.0.get_ref())
    }

    /// What was waited for.
    pub fn get_mut(&mut self) -> &mut AsyncFd<T> {
        AsyncFd::of_mut(self.0.get_mut())
    }

    /// The value that has the descriptor.
    pub fn get_inner(&self) -> &T {
        self.0.get_inner()
    }

    /// The value that has the descriptor.
    pub fn get_inner_mut(&mut self) -> &mut T {
        self.0.get_inner_mut()
    }
}
