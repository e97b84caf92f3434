//! A Unix socket that is neither connected nor listening yet.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use socket2::{Domain, Socket, Type};

use super::datagram::UnixDatagram;
use super::listener::UnixListener;
use super::socket_addr::at_socket2;
use super::stream::UnixStream;

/// A Unix socket that is neither connected nor listening yet. Use it to bind a stream before you connect it, or to choose
/// how many connections may wait to be accepted.
///
/// ```
/// use heist::net::{UnixSocket, UnixStream};
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("socket");
///     let socket = UnixSocket::new_stream()?;
///     socket.bind(&path)?;
///     let listener = socket.listen(16)?;
///     let _stream = UnixStream::connect(&path).await?;
///     listener.accept().await?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct UnixSocket(Socket);

crate::sys::as_descriptor! { UnixSocket: this => this.0 }
crate::sys::own_descriptor! { UnixSocket, UnixSocket, socket => socket.0 }

impl UnixSocket {
    /// A socket for datagrams.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn new_datagram() -> io::Result<UnixSocket> {
        Self::new(Type::DGRAM)
    }

    /// A socket for a stream of bytes.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn new_stream() -> io::Result<UnixSocket> {
        Self::new(Type::STREAM)
    }

    fn new(kind: Type) -> io::Result<UnixSocket> {
        let socket = Socket::new(Domain::UNIX, kind, None)?;
        socket.set_nonblocking(true)?;
        Ok(UnixSocket(socket))
    }

    /// Fails if the socket is not of that kind.
    fn require(&self, kind: Type, what: &'static str) -> io::Result<()> {
        if self.0.r#type()? == kind {
            Ok(())
        } else {
            Err(io::Error::other(what))
        }
    }

    /// Binds the socket to a path.
    ///
    /// # Errors
    ///
    /// If there is a file at the path already, or the path is longer than the system allows.
    pub fn bind(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.0.bind(&at_socket2(path.as_ref())?)
    }

    /// Listens for connections. The system keeps up to `backlog` of them until they are accepted.
    ///
    /// # Errors
    ///
    /// If the socket is one for datagrams. Any error that the operating system returns.
    pub fn listen(self, backlog: u32) -> io::Result<UnixListener> {
        self.require(Type::STREAM, "listen cannot be called on a datagram socket")?;
        self.0.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        UnixListener::register(OwnedFd::from(self.0).into())
    }

    /// Connects the socket to the one at a path.
    ///
    /// # Errors
    ///
    /// If the socket is one for datagrams. Otherwise see [`UnixStream::connect`].
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the socket is closed.
    pub async fn connect(self, path: impl AsRef<Path>) -> io::Result<UnixStream> {
        self.require(
            Type::STREAM,
            "connect cannot be called on a datagram socket",
        )?;
        let address = at_socket2(path.as_ref())?;
        if let Err(error) = self.0.connect(&address)
            && error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error())
        {
            return Err(error);
        }
        UnixStream::connected(OwnedFd::from(self.0).into()).await
    }

    /// Turns the socket into one that exchanges datagrams.
    ///
    /// # Errors
    ///
    /// If the socket is one for a stream.
    pub fn datagram(self) -> io::Result<UnixDatagram> {
        self.require(Type::DGRAM, "datagram cannot be called on a stream socket")?;
        UnixDatagram::register(OwnedFd::from(self.0).into())
    }
}
