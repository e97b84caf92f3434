//! A TCP connection.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;

use super::addr::{ToSocketAddrs, no_address, resolve};
use crate::io::{Interest, ReadBuf, Ready};
use crate::readiness::News;
use crate::registered::Registered;

/// A TCP connection.
///
/// It implements [`AsyncRead`](crate::io::AsyncRead) and [`AsyncWrite`](crate::io::AsyncWrite), and the traits of
/// `futures_io`. [`AsyncReadExt`](crate::io::AsyncReadExt) and [`AsyncWriteExt`](crate::io::AsyncWriteExt) add `read`,
/// `write_all` and the like. One task can read while another writes: see [`split`](Self::split) and
/// [`into_split`](Self::into_split). Dropping the stream closes the connection.
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncWriteExt};
/// use heist::net::{TcpListener, TcpStream};
/// # #[heist::main]
/// # async fn main() {
/// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
/// let (mut server, _) = listener.accept().await.unwrap();
///
/// client.write_all(b"hello").await.unwrap();
/// let mut heard = [0; 5];
/// server.read_exact(&mut heard).await.unwrap();
/// assert_eq!(&heard, b"hello");
/// # }
/// ```
pub struct TcpStream {
    pub(super) socket: Registered<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the host. If it has several addresses, they are tried in turn until one answers.
    ///
    /// # Errors
    ///
    /// If no address answers: the error of the last one. If there is no address.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the attempt is given up.
    pub async fn connect<A: ToSocketAddrs>(address: A) -> io::Result<TcpStream> {
        let mut last = None;
        for address in resolve(address).await? {
            let connected = match mio::net::TcpStream::connect(address) {
                Ok(socket) => Self::connected(socket).await,
                Err(error) => Err(error),
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    /// Waits for a connect under way.
    pub(super) async fn connected(socket: mio::net::TcpStream) -> io::Result<TcpStream> {
        let stream = Self::register(socket, News::NONE)?;
        let socket = stream.socket.io();
        let finish = || match (socket.take_error()?, socket.peer_addr()) {
            (Some(error), _) => Err(error),
            // The wake was for nothing: the attempt still goes on.
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            (None, peer) => peer.map(drop),
        };
        stream.socket.writes().io(finish, |()| false).await?;
        Ok(stream)
    }

    pub(super) fn register(socket: mio::net::TcpStream, news: News) -> io::Result<TcpStream> {
        let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
        // So that events report an urgent byte: a read stops before it.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let interest = interest | mio::Interest::PRIORITY;
        let socket = Registered::new(socket, interest, news)?;
        Ok(TcpStream { socket })
    }

    /// Makes a stream from one of the standard library. That one must be in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the operating system can't watch the socket for events.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        Self::register(mio::net::TcpStream::from_std(stream), News::READY)
    }

    /// Turns the stream into one of the standard library, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the operating system can't stop watching the socket.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.socket.into_inner().map(std::net::TcpStream::from)
    }

    /// Waits until one of the operations in `interest` may succeed. Then call a `try_*` function. It can still fail with
    /// `WouldBlock`: in that case wait again.
    ///
    /// # Errors
    ///
    /// If the runtime that the socket belongs to has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.socket.ready(interest).await
    }

    /// Waits until a read may succeed. See [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// If the runtime that the socket belongs to has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.reads().ready().await
    }

    /// Waits until a write may succeed. See [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// If the runtime that the socket belongs to has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.writes().ready().await
    }

    /// Polls for [`readable`](Self::readable). If several tasks poll to read, only the last one is woken.
    ///
    /// # Errors
    ///
    /// If the runtime that the socket belongs to has been shut down.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.reads().poll_ready(cx)
    }

    /// Polls for [`writable`](Self::writable). If several tasks poll to write, only the last one is woken.
    ///
    /// # Errors
    ///
    /// If the runtime that the socket belongs to has been shut down.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.writes().poll_ready(cx)
    }

    /// Reads the bytes that have arrived. Returns 0 if the peer will send no more, and fails with `WouldBlock` if there is
    /// nothing to read yet.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or any other error that the operating system returns.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.try_read(&mut ReadBuf::new(buffer))
    }

    /// Reads into several buffers, one after the other. Otherwise like [`try_read`](Self::try_read).
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or any other error that the operating system returns.
    pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.socket.try_read_vectored(buffers)
    }

    /// Writes as much as fits, and returns how much. Fails with `WouldBlock` if nothing fits.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or any other error that the operating system returns.
    pub fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        self.socket.try_write(buffer)
    }

    /// Writes from several buffers, one after the other. Otherwise like [`try_write`](Self::try_write).
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or any other error that the operating system returns.
    pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.try_write_vectored(buffers)
    }

    /// Calls `f` if the stream is ready for what `interest` asks for. `f` should do one operation on the socket. If it fails with
    /// `WouldBlock`, the stream counts as not ready, until there is an event.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the stream isn't ready, or the error of `f`.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        f: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.socket.try_io_for(interest, f)
    }

    /// Calls `f` each time when the stream is ready for what `interest` asks for, until `f` doesn't fail with `WouldBlock` any
    /// more. `f` should do one operation on the socket.
    ///
    /// # Errors
    ///
    /// The error of `f`, or if the runtime that the socket belongs to has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, `f` is not called any more.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        f: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.socket.async_io(interest, f).await
    }

    /// Reads bytes without removing them: the next read returns them again.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let peek = || self.socket.io().peek(buffer);
        self.socket.reads().io(peek, |_| false).await
    }

    /// Polls for [`peek`](Self::peek). If several tasks poll to read, only the last one is woken.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let peek = || self.socket.io().peek(buffer);
        self.socket.reads().poll_io(cx, peek, |_| false)
    }

    /// Closes the writing direction. The peer reads the end of the stream. If the connection is gone already, this is
    /// not an error. This is for the event loop, which shares its connections. Users call [`AsyncWriteExt::shutdown`].
    ///
    /// [`AsyncWriteExt::shutdown`]: crate::io::AsyncWriteExt::shutdown
    #[doc(hidden)]
    pub fn shut_down_writing(&self) -> io::Result<()> {
        match self.socket.io().shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Takes the pending error of this connection, if there is one.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.io().take_error()
    }

    /// Whether small writes are sent at once. See [`set_nodelay`](Self::set_nodelay).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.io().nodelay()
    }

    /// Sets whether small writes are sent at once. Otherwise the system may wait until there is more to send, or until the
    /// peer has confirmed what was sent before.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.io().set_nodelay(nodelay)
    }

    /// The time to live (TTL) of the packets that are sent.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.io().ttl()
    }

    /// Sets the time to live (TTL) of the packets that are sent.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.io().set_ttl(ttl)
    }

    /// How long closing waits for unsent data. See [`set_linger`](Self::set_linger).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self.socket.io()).linger()
    }

    /// Sets how long closing waits for unsent data.
    ///
    /// - `None`: closing doesn't wait. The system sends the rest in the background.
    /// - Zero: unsent data is dropped, and the connection is reset.
    /// - Any other: closing blocks the thread until all is sent, for that long at most.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(self.socket.io()).set_linger(linger)
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for TcpStream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.io().as_fd()
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.io().as_raw_fd()
    }
}

stream_io! { [] TcpStream: this => this, this.shut_down_writing() }
