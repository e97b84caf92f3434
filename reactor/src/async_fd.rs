//! Waiting for any descriptor. The guard that a wait gives holds what was seen, so it clears nothing newer.
#![allow(unsafe_code)]

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll, ready};

use crate::io::{Interest, Ready};
use crate::readiness::News;
use crate::registered::Registered;
use crate::registered::ready::{Both, is_would_block};

mod guard;

pub use guard::{AsyncFdReadyGuard, AsyncFdReadyMutGuard, TryIoError};

/// What the poller watches: the descriptor of a value.
#[derive(Debug)]
struct Watched<T>(T);

impl<T: AsRawFd> AsRawFd for Watched<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Lets tasks wait until a file descriptor is ready: a device, a socket of a foreign library, an `eventfd`.
///
/// It owns the value that has the descriptor, such as an [`OwnedFd`](std::os::fd::OwnedFd), and deregisters the descriptor
/// before the value is dropped. The descriptor should be in non-blocking mode. Some can't be waited for: regular files are
/// always ready, and the system refuses them.
///
/// [`async_io`](Self::async_io) is the simplest way to use it: it waits, calls your operation, and waits again if the
/// operation would block.
///
/// [`readable`](Self::readable) and its like return a guard. The descriptor counts as ready until an operation has failed
/// with `WouldBlock` and you tell the guard so. The guard's [`try_io`](AsyncFdReadyGuard::try_io) calls an operation and does
/// that by itself; otherwise call [`clear_ready`](AsyncFdReadyGuard::clear_ready). If an event has come since the guard was
/// made, clearing does nothing.
///
/// The value should keep its descriptor. If you exchange it through [`get_mut`](Self::get_mut), the new descriptor is not
/// watched.
///
/// ```
/// use heist::io::unix::AsyncFd;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let (mut there, here) = UnixStream::pair()?;
///     here.set_nonblocking(true)?;
///     let here = AsyncFd::new(here)?;
///
///     there.write_all(b"hello")?;
///     let mut heard = [0; 8];
///     let length = loop {
///         let mut guard = here.readable().await?;
///         match guard.try_io(|fd| fd.get_ref().read(&mut heard)) {
///             Ok(result) => break result?,
///             Err(_would_block) => continue,
///         }
///     };
///     assert_eq!(&heard[..length], b"hello");
///     Ok(())
/// }
/// ```
///
/// The same with [`async_io`](Self::async_io):
///
/// ```
/// use heist::io::Interest;
/// use heist::io::unix::AsyncFd;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let (mut there, here) = UnixStream::pair()?;
///     here.set_nonblocking(true)?;
///     let here = AsyncFd::new(here)?;
///
///     there.write_all(b"hello")?;
///     let mut heard = [0; 8];
///     let length = here.async_io(Interest::READABLE, |mut socket| socket.read(&mut heard)).await?;
///     assert_eq!(&heard[..length], b"hello");
///     Ok(())
/// }
/// ```
pub struct AsyncFd<T: AsRawFd> {
    io: Registered<Watched<T>>,
}

impl<T: AsRawFd + AsFd> AsyncFd<T> {
    /// Watches the descriptor of `inner`, for reading and writing.
    ///
    /// Unlike tokio's, this function asks for a value that lends its descriptor ([`AsFd`]), so it is safe. For any other
    /// there is [`register`](Self::register).
    ///
    /// # Errors
    ///
    /// If the system can't watch the descriptor, because it is one of a regular file or watched already. `inner` is dropped
    /// then; see [`try_new`](Self::try_new).
    ///
    /// [`AsyncFd`] has an example.
    pub fn new(inner: T) -> io::Result<AsyncFd<T>> {
        Ok(Self::try_new(inner)?)
    }

    /// Watches the descriptor of `inner` for what `interest` asks for. Otherwise like [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    ///
    /// ```
    /// use heist::io::Interest;
    /// use heist::io::unix::AsyncFd;
    /// use std::io::{PipeReader, Read, Write, pipe};
    ///
    /// fn watch(reader: PipeReader) -> std::io::Result<AsyncFd<PipeReader>> {
    ///     // SAFETY: this call touches no memory.
    ///     unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&reader), libc::F_SETFL, libc::O_NONBLOCK) };
    ///     // Nothing can be written to this end of a pipe.
    ///     AsyncFd::with_interest(reader, Interest::READABLE)
    /// }
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (reader, mut writer) = pipe()?;
    ///     let reader = watch(reader)?;
    ///     writer.write_all(b"hello")?;
    ///     let mut heard = [0; 8];
    ///     let read = |mut pipe: &PipeReader| pipe.read(&mut heard);
    ///     assert_eq!(reader.async_io(Interest::READABLE, read).await?, 5);
    ///     Ok(())
    /// }
    /// ```
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
        Ok(Self::try_with_interest(inner, interest)?)
    }

    /// Like [`new`](Self::new), but the error gives `inner` back.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    ///
    /// ```
    /// use heist::io::unix::AsyncFd;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let file = std::fs::File::open(std::env::current_exe()?)?;
    ///     # #[cfg(target_os = "linux")]
    ///     # {
    ///     let (file, error) = AsyncFd::try_new(file).unwrap_err().into_parts();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    ///     # drop(file);
    ///     # }
    ///     Ok(())
    /// }
    /// ```
    pub fn try_new(inner: T) -> Result<AsyncFd<T>, AsyncFdRegisterError<T>> {
        Self::try_with_interest(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// Like [`with_interest`](Self::with_interest), but the error gives `inner` back.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    ///
    /// [`try_new`](Self::try_new) has an example.
    pub fn try_with_interest(
        inner: T,
        interest: Interest,
    ) -> Result<AsyncFd<T>, AsyncFdRegisterError<T>> {
        Self::watch(inner, interest)
    }
}

impl<T: AsRawFd> AsyncFd<T> {
    /// Watches the descriptor of `inner`, for reading and writing. This is for values that don't implement [`AsFd`], such as
    /// a number. If yours does, use [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// If the system can't watch the descriptor. The error gives `inner` back.
    ///
    /// # Safety
    ///
    /// Until the `AsyncFd` is dropped, `inner` must have one and the same descriptor, which stays open and which it may use.
    ///
    /// ```
    /// use heist::io::unix::AsyncFd;
    /// use std::os::fd::AsRawFd;
    /// use std::os::unix::net::UnixStream;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (here, _there) = UnixStream::pair()?;
    ///     here.set_nonblocking(true)?;
    ///     // SAFETY: `here` keeps the descriptor open for longer than `watched` lives.
    ///     let watched = unsafe { AsyncFd::register(here.as_raw_fd()) }?;
    ///     assert!(watched.writable().await?.ready().is_writable());
    ///     drop(watched);
    ///     drop(here);
    ///     Ok(())
    /// }
    /// ```
    pub unsafe fn register(inner: T) -> Result<AsyncFd<T>, AsyncFdRegisterError<T>> {
        Self::watch(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// Watches the descriptor of `inner` for what `interest` asks for. Otherwise like [`register`](Self::register).
    ///
    /// # Errors
    ///
    /// See [`register`](Self::register).
    ///
    /// # Safety
    ///
    /// See [`register`](Self::register).
    ///
    /// [`register`](Self::register) has an example.
    pub unsafe fn register_with_interest(
        inner: T,
        interest: Interest,
    ) -> Result<AsyncFd<T>, AsyncFdRegisterError<T>> {
        Self::watch(inner, interest)
    }

    fn watch(inner: T, interest: Interest) -> Result<AsyncFd<T>, AsyncFdRegisterError<T>> {
        match Registered::try_new(Watched(inner), interest.to_mio(), News::NONE) {
            Ok(io) => Ok(AsyncFd { io }),
            Err((Watched(inner), cause)) => Err(AsyncFdRegisterError { inner, cause }),
        }
    }

    /// The value.
    ///
    /// ```
    /// use heist::io::unix::AsyncFd;
    /// use std::os::unix::net::UnixStream;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (here, _there) = UnixStream::pair()?;
    ///     here.set_nonblocking(true)?;
    ///     let here = AsyncFd::new(here)?;
    ///     assert!(here.get_ref().peer_addr()?.is_unnamed());
    ///     let _socket: UnixStream = here.into_inner();
    ///     Ok(())
    /// }
    /// ```
    pub fn get_ref(&self) -> &T {
        &self.io.io().0
    }

    /// The value. Don't exchange its descriptor.
    ///
    /// [`get_ref`](Self::get_ref) has an example.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.io.io_mut().0
    }

    /// Stops watching the descriptor, and returns the value.
    ///
    /// [`get_ref`](Self::get_ref) has an example.
    pub fn into_inner(self) -> T {
        self.io.take().0
    }

    /// Polls for [`readable`](Self::readable). If several tasks poll to read, only the last one is woken.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    ///
    /// ```
    /// use heist::io::unix::AsyncFd;
    /// use std::future::poll_fn;
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use std::task::{Context, Poll, ready};
    ///
    /// /// Reads, in a type that implements a `poll_read` of its own.
    /// fn poll_read(
    ///     socket: &AsyncFd<UnixStream>,
    ///     cx: &mut Context<'_>,
    ///     buffer: &mut [u8],
    /// ) -> Poll<std::io::Result<usize>> {
    ///     loop {
    ///         let mut guard = ready!(socket.poll_read_ready(cx))?;
    ///         if let Ok(result) = guard.try_io(|fd| fd.get_ref().read(buffer)) {
    ///             return Poll::Ready(result);
    ///         }
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (mut there, here) = UnixStream::pair()?;
    ///     here.set_nonblocking(true)?;
    ///     let here = AsyncFd::new(here)?;
    ///     there.write_all(b"hello")?;
    ///     let mut heard = [0; 8];
    ///     assert_eq!(poll_fn(|cx| poll_read(&here, cx, &mut heard)).await?, 5);
    ///     Ok(())
    /// }
    /// ```
    pub fn poll_read_ready<'a>(
        &'a self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        let seen = Both::read(ready!(self.io.reads().poll_seen(cx))?);
        Poll::Ready(Ok(AsyncFdReadyGuard::new(self, Interest::READABLE, seen)))
    }

    /// Polls for [`readable_mut`](Self::readable_mut). Only the last task that polls to read is woken.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    ///
    /// [`poll_read_ready`](Self::poll_read_ready) has an example.
    pub fn poll_read_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        let seen = Both::read(ready!(self.io.reads().poll_seen(cx))?);
        Poll::Ready(Ok(AsyncFdReadyMutGuard::new(
            self,
            Interest::READABLE,
            seen,
        )))
    }

    /// Polls for [`writable`](Self::writable). If several tasks poll to write, only the last one is woken.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    ///
    /// [`poll_read_ready`](Self::poll_read_ready) has an example for the other direction.
    pub fn poll_write_ready<'a>(
        &'a self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        let seen = Both::write(ready!(self.io.writes().poll_seen(cx))?);
        Poll::Ready(Ok(AsyncFdReadyGuard::new(self, Interest::WRITABLE, seen)))
    }

    /// Polls for [`writable_mut`](Self::writable_mut). Only the last task that polls to write is woken.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    ///
    /// [`poll_read_ready`](Self::poll_read_ready) has an example for the other direction.
    pub fn poll_write_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        let seen = Both::write(ready!(self.io.writes().poll_seen(cx))?);
        Poll::Ready(Ok(AsyncFdReadyMutGuard::new(
            self,
            Interest::WRITABLE,
            seen,
        )))
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
    ///
    /// ```
    /// use heist::io::Interest;
    /// use heist::io::unix::AsyncFd;
    /// use std::os::unix::net::UnixStream;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (here, _there) = UnixStream::pair()?;
    ///     here.set_nonblocking(true)?;
    ///     let here = AsyncFd::new(here)?;
    ///     // Nothing has come yet, but there is room to write.
    ///     let guard = here.ready(Interest::READABLE | Interest::WRITABLE).await?;
    ///     assert!(guard.ready().is_writable() && !guard.ready().is_readable());
    ///     Ok(())
    /// }
    /// ```
    pub async fn ready(&self, interest: Interest) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        let seen = self.io.news(interest).await?;
        Ok(AsyncFdReadyGuard::new(self, interest, seen))
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
    ///
    /// [`readable_mut`](Self::readable_mut) has an example.
    pub async fn ready_mut(
        &mut self,
        interest: Interest,
    ) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        let seen = self.io.news(interest).await?;
        Ok(AsyncFdReadyMutGuard::new(self, interest, seen))
    }

    /// Waits until a read may succeed.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// [`AsyncFd`] has an example.
    pub async fn readable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interest::READABLE).await
    }

    /// Like [`readable`](Self::readable), with a guard that lends the value for changes.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// ```
    /// use heist::io::unix::AsyncFd;
    /// use std::io::{BufRead, BufReader, Write};
    /// use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
    /// use std::os::unix::net::UnixStream;
    ///
    /// /// A reader that has to be changed to be read from.
    /// struct Lines(BufReader<UnixStream>);
    ///
    /// impl AsFd for Lines {
    ///     fn as_fd(&self) -> BorrowedFd<'_> {
    ///         self.0.get_ref().as_fd()
    ///     }
    /// }
    ///
    /// impl AsRawFd for Lines {
    ///     fn as_raw_fd(&self) -> RawFd {
    ///         self.0.get_ref().as_raw_fd()
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (mut there, here) = UnixStream::pair()?;
    ///     here.set_nonblocking(true)?;
    ///     let mut here = AsyncFd::new(Lines(BufReader::new(here)))?;
    ///     there.write_all(b"hello\n")?;
    ///
    ///     let mut line = String::new();
    ///     let length = loop {
    ///         let mut guard = here.readable_mut().await?;
    ///         match guard.try_io(|fd| fd.get_mut().0.read_line(&mut line)) {
    ///             Ok(result) => break result?,
    ///             Err(_would_block) => continue,
    ///         }
    ///     };
    ///     assert_eq!((length, &*line), (6, "hello\n"));
    ///     Ok(())
    /// }
    /// ```
    pub async fn readable_mut(&mut self) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.ready_mut(Interest::READABLE).await
    }

    /// Waits until a write may succeed.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// ```
    /// use heist::io::unix::AsyncFd;
    /// use std::io::Write;
    /// use std::os::unix::net::UnixStream;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (here, _there) = UnixStream::pair()?;
    ///     here.set_nonblocking(true)?;
    ///     let here = AsyncFd::new(here)?;
    ///     let written = loop {
    ///         let mut guard = here.writable().await?;
    ///         match guard.try_io(|fd| fd.get_ref().write(b"hello")) {
    ///             Ok(result) => break result?,
    ///             Err(_would_block) => continue,
    ///         }
    ///     };
    ///     assert_eq!(written, 5);
    ///     Ok(())
    /// }
    /// ```
    pub async fn writable(&self) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        self.ready(Interest::WRITABLE).await
    }

    /// Like [`writable`](Self::writable), with a guard that lends the value for changes.
    ///
    /// # Errors
    ///
    /// If the runtime that it belongs to has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// [`readable_mut`](Self::readable_mut) has an example for the other direction.
    pub async fn writable_mut(&mut self) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        self.ready_mut(Interest::WRITABLE).await
    }

    /// Waits until the descriptor is ready for what `interest` asks for, and calls `f`, which should do one operation on it.
    /// If `f` fails with `WouldBlock`, this waits again. Any other result of `f` is returned.
    ///
    /// # Errors
    ///
    /// The error of `f`. Also if the runtime that it belongs to has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, `f` is not called any more.
    ///
    /// [`AsyncFd`] has an example.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut f: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.io.async_io(interest, || f(self.get_ref())).await
    }

    /// Like [`async_io`](Self::async_io), but lends the value for changes.
    ///
    /// # Errors
    ///
    /// The error of `f`. Also if the runtime that it belongs to has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, `f` is not called any more.
    ///
    /// [`AsyncFd`] has an example of [`async_io`](Self::async_io).
    pub async fn async_io_mut<R>(
        &mut self,
        interest: Interest,
        mut f: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            let seen = self.io.news(interest).await?;
            let result = f(self.get_mut());
            if !is_would_block(&result) {
                return result;
            }
            self.io.clear_for(interest, seen);
        }
    }

    /// Calls `f` if the descriptor is ready for what `interest` asks for. If `f` fails with `WouldBlock`, the descriptor
    /// counts as not ready until there is an event.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the descriptor isn't ready, or the error of `f`. If the runtime that it belongs to has been shut down.
    ///
    /// ```
    /// use heist::io::Interest;
    /// use heist::io::unix::AsyncFd;
    /// use std::io::{ErrorKind, Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (mut there, here) = UnixStream::pair()?;
    ///     here.set_nonblocking(true)?;
    ///     let here = AsyncFd::new(here)?;
    ///     let mut heard = [0; 8];
    ///     let nothing = here.try_io(Interest::READABLE, |mut socket| socket.read(&mut heard));
    ///     assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock);
    ///
    ///     there.write_all(b"hello")?;
    ///     let _guard = here.readable().await?;
    ///     let length = here.try_io(Interest::READABLE, |mut socket| socket.read(&mut heard))?;
    ///     assert_eq!(length, 5);
    ///     Ok(())
    /// }
    /// ```
    pub fn try_io<R>(
        &self,
        interest: Interest,
        f: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.io.try_io_for(interest, || f(self.get_ref()))
    }

    /// Like [`try_io`](Self::try_io), but lends the value for changes.
    ///
    /// # Errors
    ///
    /// See [`try_io`](Self::try_io).
    ///
    /// [`try_io`](Self::try_io) has an example.
    pub fn try_io_mut<R>(
        &mut self,
        interest: Interest,
        f: impl FnOnce(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        let seen = self.io.look_for(interest)?;
        let result = f(self.get_mut());
        if is_would_block(&result) {
            self.io.clear_for(interest, seen);
        }
        result
    }

    fn clear(&self, seen: Both, which: Ready) -> Both {
        self.io.clear(seen, which)
    }

    fn clear_for(&self, interest: Interest, seen: Both) {
        self.io.clear_for(interest, seen);
    }
}

impl<T: AsRawFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.get_ref().as_raw_fd()
    }
}

impl<T: AsRawFd + AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd")
            .field("inner", self.get_ref())
            .finish()
    }
}

/// The system can't watch a descriptor.
pub struct AsyncFdRegisterError<T> {
    inner: T,
    cause: io::Error,
}

/// The older name of [`AsyncFdRegisterError`].
#[deprecated(note = "`AsyncFdRegisterError` is the same")]
pub type AsyncFdTryNewError<T> = AsyncFdRegisterError<T>;

impl<T> AsyncFdRegisterError<T> {
    /// The value that has the descriptor, and the system's error.
    ///
    /// [`AsyncFd::try_new`] has an example.
    pub fn into_parts(self) -> (T, io::Error) {
        (self.inner, self.cause)
    }
}

impl<T> fmt::Display for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl<T> fmt::Debug for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.cause, f)
    }
}

impl<T> Error for AsyncFdRegisterError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl<T> From<AsyncFdRegisterError<T>> for io::Error {
    fn from(error: AsyncFdRegisterError<T>) -> io::Error {
        error.cause
    }
}
