//! A connection between processes of one machine.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::path::Path;

use super::{SocketAddr, UCred, socket_addr};
use crate::io::ReadBuf;
use crate::readiness::News;
use crate::registered::bytes::{Reader, Sink, Stream};
use crate::registered::{Registered, never};
use crate::sys;

/// A connection between processes of one machine, or of one process with itself.
///
/// It implements [`AsyncRead`](crate::io::AsyncRead) and [`AsyncWrite`](crate::io::AsyncWrite), and the traits of
/// `futures_io`. One task can read while another writes: see [`split`](Self::split) and [`into_split`](Self::into_split).
/// Dropping the stream closes the connection.
///
/// To pass file descriptors to the peer, call the `sendmsg` of another crate in [`async_io`](Self::async_io) or
/// [`try_io`](Self::try_io).
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncWriteExt};
/// use heist::net::UnixStream;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let (mut one, mut other) = UnixStream::pair()?;
///     one.write_all(b"hello").await?;
///     drop(one);
///     let mut heard = String::new();
///     other.read_to_string(&mut heard).await?;
///     assert_eq!(heard, "hello");
///     Ok(())
/// }
/// ```
pub struct UnixStream {
    pub(super) socket: Registered<mio::net::UnixStream>,
}

/// A read stops behind bytes that a descriptor came along with, whatever follows them.
impl Stream for mio::net::UnixStream {
    const SHORT_MEANS_DRAINED: bool = false;
}

impl Reader for mio::net::UnixStream {
    #[inline]
    fn read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        sys::recv(self, buffer)
    }
}

impl Sink for mio::net::UnixStream {
    #[inline]
    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        sys::send(self, buffer)
    }

    fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        sys::send_vectored(self, buffers)
    }
}

ready_methods!(UnixStream, poll_read_ready, poll_write_ready);
try_methods! { [read] UnixStream: this => this.socket }
try_methods! { [write] UnixStream: this => this.socket }
std_socket!(UnixStream, std::os::unix::net::UnixStream);
stream_io! { [] UnixStream: this => this, this.shut_down_writing() }

impl AsRef<UnixStream> for UnixStream {
    fn as_ref(&self) -> &UnixStream {
        self
    }
}

impl UnixStream {
    /// Connects to the socket at a path.
    ///
    /// # Errors
    ///
    /// If nobody listens there. On Linux, `WouldBlock` if more connections wait to be accepted than the listener allows.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the attempt is given up.
    ///
    /// ```
    /// use heist::io::{AsyncReadExt, AsyncWriteExt};
    /// use heist::net::{UnixListener, UnixStream};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let folder = tempfile::tempdir()?;
    ///     let listener = UnixListener::bind(folder.path().join("socket"))?;
    ///     let mut client = UnixStream::connect(folder.path().join("socket")).await?;
    ///     client.write_all(b"hello").await?;
    ///     drop(client);
    ///
    ///     let (mut server, _) = listener.accept().await?;
    ///     let mut all = String::new();
    ///     server.read_to_string(&mut all).await?;
    ///     assert_eq!(all, "hello");
    ///     Ok(())
    /// }
    /// ```
    pub async fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        let address = socket_addr::at(path.as_ref())?;
        Self::connect_addr(&SocketAddr(address)).await
    }

    /// Connects to the socket at an address. See [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// See [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the attempt is given up.
    pub async fn connect_addr(socket_addr: &SocketAddr) -> io::Result<UnixStream> {
        Self::connected(mio::net::UnixStream::connect_addr(&socket_addr.0)?).await
    }

    /// Waits for a connect that may be under way.
    pub(super) async fn connected(socket: mio::net::UnixStream) -> io::Result<UnixStream> {
        let stream = Self::register(socket)?;
        let socket = stream.socket.io();
        let finish = || match (socket.take_error()?, socket.peer_addr()) {
            (Some(error), _) => Err(error),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
                Err(io::ErrorKind::WouldBlock.into())
            }
            (None, peer) => peer.map(drop),
        };
        stream.socket.writes().io(finish, never).await?;
        Ok(stream)
    }

    pub(super) fn register(socket: mio::net::UnixStream) -> io::Result<UnixStream> {
        let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
        let socket = Registered::new(socket, interest, News::READY)?;
        Ok(UnixStream { socket })
    }

    /// Two sockets, connected to each other. [`UnixStream`] has an example.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = mio::net::UnixStream::pair()?;
        Ok((Self::register(one)?, Self::register(other)?))
    }

    /// Makes a stream from one of the standard library. Call `set_nonblocking(true)` on that first. Otherwise
    /// this panics, or operations on this one block their threads.
    ///
    /// # Errors
    ///
    /// If the operating system can't watch the socket for events.
    ///
    /// # Panics
    ///
    /// If the stream is in blocking mode, on Unix, in programs with debug assertions.
    #[track_caller]
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
        sys::expect_nonblocking(&stream)?;
        Self::register(mio::net::UnixStream::from_std(stream))
    }

    /// Turns the stream into one of the standard library, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the operating system can't stop watching the socket.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixStream> {
        let socket = self.socket.into_inner()?;
        Ok(socket.into())
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr().map(SocketAddr)
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().peer_addr().map(SocketAddr)
    }

    /// The user, group and process of the other end, as they were when it connected or listened.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns. `Unsupported` if it can't tell.
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (one, _other) = heist::net::UnixStream::pair()?;
    ///     let peer = one.peer_cred()?;
    ///     # #[cfg(target_os = "linux")]
    ///     assert_eq!(peer.pid(), Some(std::process::id() as i32));
    ///     Ok(())
    /// }
    /// ```
    pub fn peer_cred(&self) -> io::Result<UCred> {
        let (pid, uid, gid) = sys::peer_cred(self.as_fd())?;
        Ok(UCred { pid, uid, gid })
    }

    /// Closes the writing direction. The peer reads the end of the stream. If the connection is gone already, this is not
    /// an error.
    pub(super) fn shut_down_writing(&self) -> io::Result<()> {
        match self.socket.io().shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}
