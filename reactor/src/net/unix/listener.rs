//! A Unix socket that accepts connections.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::task::{Context, Poll, ready};

use socket2::SockRef;

use super::stream::UnixStream;
use super::{SocketAddr, socket_addr};
use crate::readiness::News;
use crate::registered::{Registered, never};
use crate::sys;

/// A Unix socket that accepts connections.
///
/// Binding makes a file at the path, which has to be removed afterwards: neither dropping the listener nor the end of the
/// process does that. Abstract names leave nothing behind; see [`SocketAddr`].
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncWriteExt};
/// use heist::net::{UnixListener, UnixStream};
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("socket");
///     let listener = UnixListener::bind(&path)?;
///     let mut client = UnixStream::connect(&path).await?;
///     let (mut server, _) = listener.accept().await?;
///
///     client.write_all(b"hello").await?;
///     let mut heard = [0; 5];
///     server.read_exact(&mut heard).await?;
///     assert_eq!(&heard, b"hello");
///     Ok(())
/// }
/// ```
pub struct UnixListener {
    socket: Registered<mio::net::UnixListener>,
}

std_socket!(UnixListener, std::os::unix::net::UnixListener);

impl UnixListener {
    /// Binds to a path and listens on it.
    ///
    /// # Errors
    ///
    /// If there is a file at the path already, or the path is longer than the system allows (about 100 bytes).
    ///
    /// [`UnixListener`] has an example.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        Self::bind_addr(&SocketAddr(socket_addr::at(path.as_ref())?))
    }

    /// Binds to an address and listens on it.
    ///
    /// # Errors
    ///
    /// If the address is in use.
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<UnixListener> {
        Self::register(mio::net::UnixListener::bind_addr(&socket_addr.0)?)
    }

    pub(super) fn register(socket: mio::net::UnixListener) -> io::Result<UnixListener> {
        let socket = Registered::new(socket, mio::Interest::READABLE, News::READY)?;
        Ok(UnixListener { socket })
    }

    /// Makes a listener from one of the standard library. Call `set_nonblocking(true)` on that first. Otherwise
    /// this panics, or operations on this one block their threads.
    ///
    /// # Errors
    ///
    /// If the operating system can't watch the socket for events.
    ///
    /// # Panics
    ///
    /// If the listener is in blocking mode, on Unix, in programs with debug assertions.
    #[track_caller]
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<UnixListener> {
        sys::expect_nonblocking(&listener)?;
        Self::register(mio::net::UnixListener::from_std(listener))
    }

    /// Turns the listener into one of the standard library, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the operating system can't stop watching the socket.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixListener> {
        let socket = self.socket.into_inner()?;
        Ok(socket.into())
    }

    /// Waits for the next connection. Returns it with the peer's address, which usually has no name.
    ///
    /// # Errors
    ///
    /// If the system can't hand out the connection, for instance because the process has too many open files. The listener
    /// stays usable. Wait a little before you call this again.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, no connection is lost.
    ///
    /// ```
    /// use heist::net::{UnixListener, UnixStream};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let folder = tempfile::tempdir()?;
    ///     let path = folder.path().join("socket");
    ///     let listener = UnixListener::bind(&path)?;
    ///     let _client = UnixStream::connect(&path).await?;
    ///     let (server, _) = listener.accept().await?;
    ///     assert_eq!(server.local_addr()?.as_pathname(), Some(&*path));
    ///     Ok(())
    /// }
    /// ```
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let accept = || self.accept_now();
        let (stream, peer) = self.socket.reads().io(accept, never).await?;
        Ok((UnixStream::register(stream)?, peer))
    }

    /// Polls for the next connection. If several tasks poll, only the last one is woken.
    ///
    /// # Errors
    ///
    /// See [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let accept = || self.accept_now();
        let (stream, peer) = ready!(self.socket.reads().poll_io(cx, accept, never))?;
        Poll::Ready(UnixStream::register(stream).map(|stream| (stream, peer)))
    }

    /// Takes a connection that waits. mio's own function leaves out abstract names, and panics if the peer has a path that
    /// fills all of its address.
    fn accept_now(&self) -> io::Result<(mio::net::UnixStream, SocketAddr)> {
        let listener = SockRef::from(self.socket.io());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let (stream, peer) = listener.accept4(libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK)?;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let (stream, peer) = listener.accept()?;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        stream.set_nonblocking(true)?;
        let peer = socket_addr::from_socket2(&peer)?;
        Ok((OwnedFd::from(stream).into(), peer))
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr().map(SocketAddr)
    }

    /// Takes the pending error of this socket, if there is one.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.io().take_error()
    }
}
