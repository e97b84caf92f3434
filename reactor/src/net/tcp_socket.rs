//! A socket that is neither connected nor listening yet.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::TcpStream;
use super::addr::ip;

/// A TCP socket that is neither connected nor listening yet. Use it to set options before you connect or listen.
///
/// ```
/// use heist::net::TcpSocket;
///
/// #[heist::main]
/// async fn main() {
///     let socket = TcpSocket::new_v4().unwrap();
///     socket.set_reuseaddr(true).unwrap();
///     socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
///     let listener = socket.listen(128).unwrap();
///     let client = TcpSocket::new_v4().unwrap();
///     client.connect(listener.local_addr().unwrap()).await.unwrap();
/// }
/// ```
///
/// With options:
///
/// ```
/// use heist::net::{TcpListener, TcpSocket};
/// use std::time::Duration;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///
///     let socket = TcpSocket::new_v4()?;
///     socket.set_nodelay(true)?;
///     socket.set_keepalive(true)?;
///     socket.set_linger(Some(Duration::from_secs(1)))?;
///     socket.set_send_buffer_size(32 * 1024)?;
///     socket.set_recv_buffer_size(32 * 1024)?;
///     assert!(socket.nodelay()? && socket.keepalive()?);
///     assert!(socket.send_buffer_size()? >= 32 * 1024);
///
///     let stream = socket.connect(listener.local_addr()?).await?;
///     assert!(stream.nodelay()?);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct TcpSocket(pub(super) Socket);

impl TcpSocket {
    /// A new socket for IPv4.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`TcpSocket`] has an example.
    pub fn new_v4() -> io::Result<TcpSocket> {
        Self::new(Domain::IPV4)
    }

    /// A new socket for IPv6.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn new_v6() -> io::Result<TcpSocket> {
        Self::new(Domain::IPV6)
    }

    /// A socket for the family of `address`.
    pub(super) fn new_for(address: SocketAddr) -> io::Result<TcpSocket> {
        Self::new(Domain::for_address(address))
    }

    fn new(domain: Domain) -> io::Result<TcpSocket> {
        // socket2 makes the socket close on exec. On systems that have a flag for it, it also keeps a write to a closed
        // socket from raising SIGPIPE.
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        Ok(TcpSocket(socket))
    }

    /// Sets whether the socket may bind to an address that old, closing connections still use (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`TcpSocket`] has an example.
    pub fn set_reuseaddr(&self, reuse: bool) -> io::Result<()> {
        self.0.set_reuse_address(reuse)
    }

    /// Whether it may bind to an address that closing connections use. See [`set_reuseaddr`](Self::set_reuseaddr).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn reuseaddr(&self) -> io::Result<bool> {
        self.0.reuse_address()
    }

    /// Sets whether several sockets may listen on one address (`SO_REUSEPORT`). The system spreads connections over them.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// ```
    /// use heist::net::TcpSocket;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let first = TcpSocket::new_v4()?;
    ///     first.set_reuseport(true)?;
    ///     first.bind("127.0.0.1:0".parse().unwrap())?;
    ///     let first = first.listen(128)?;
    ///
    ///     let second = TcpSocket::new_v4()?;
    ///     second.set_reuseport(true)?;
    ///     second.bind(first.local_addr()?)?;
    ///     let second = second.listen(128)?;
    ///     assert_eq!(first.local_addr()?, second.local_addr()?);
    ///     Ok(())
    /// }
    /// ```
    #[cfg(all(
        unix,
        not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))
    ))]
    pub fn set_reuseport(&self, reuse: bool) -> io::Result<()> {
        self.0.set_reuse_port(reuse)
    }

    /// Whether several sockets may listen on one address. See [`set_reuseport`](Self::set_reuseport).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`set_reuseport`](Self::set_reuseport) has an example of the setting.
    #[cfg(all(
        unix,
        not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))
    ))]
    pub fn reuseport(&self) -> io::Result<bool> {
        self.0.reuse_port()
    }

    /// Sets whether the system checks that the peer of a silent connection is still there.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`TcpSocket`] has an example.
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        self.0.set_keepalive(keepalive)
    }

    /// Whether the system checks that a silent peer is still there. See [`set_keepalive`](Self::set_keepalive).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`TcpSocket`] has an example.
    pub fn keepalive(&self) -> io::Result<bool> {
        self.0.keepalive()
    }

    /// Sets the size of the system's send buffer.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`TcpSocket`] has an example.
    pub fn set_send_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.0.set_send_buffer_size(bytes as usize)
    }

    /// The size of the system's send buffer. Linux doubles the size that was set, for its own needs.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`TcpSocket`] has an example.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.0.send_buffer_size().map(|bytes| bytes as u32)
    }

    /// Sets the size of the system's receive buffer.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`TcpSocket`] has an example.
    pub fn set_recv_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.0.set_recv_buffer_size(bytes as usize)
    }

    /// The size of the system's receive buffer. Linux doubles the size that was set, for its own needs.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.0.recv_buffer_size().map(|bytes| bytes as u32)
    }

    /// Sets how long closing waits for unsent data. See [`TcpStream::set_linger`].
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`TcpSocket`] has an example.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.0.set_linger(linger)
    }

    /// Makes closing drop unsent data and reset the connection. See [`TcpStream::set_linger`].
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))
    }

    /// How long closing waits for unsent data. See [`TcpStream::set_linger`].
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.0.linger()
    }

    /// Sets whether small writes are sent at once. See [`TcpStream::set_nodelay`].
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`TcpSocket`] has an example.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.0.set_tcp_nodelay(nodelay)
    }

    /// Whether small writes are sent at once. See [`TcpStream::set_nodelay`].
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`TcpSocket`] has an example.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.0.tcp_nodelay()
    }

    /// Takes the pending error of this socket, if there is one.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.0.take_error()
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip(&self.0.local_addr()?)
    }

    /// Binds the socket to a local address.
    ///
    /// # Errors
    ///
    /// If the address is in use, or isn't one of this machine.
    ///
    /// [`TcpSocket`] has an example.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.0.bind(&address.into())
    }

    /// Connects the socket to an address.
    ///
    /// # Errors
    ///
    /// If the connection can't be made.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the socket is closed.
    ///
    /// [`TcpSocket`] has an example.
    pub async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        if let Err(error) = self.0.connect(&address.into())
            && !is_in_progress(&error)
        {
            return Err(error);
        }
        TcpStream::connected(mio::net::TcpStream::from_std(self.0.into())).await
    }

    /// Makes a socket from a stream of the standard library. That one must be in non-blocking mode, and not connected yet.
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     use socket2::{Domain, Socket, Type};
    ///
    ///     let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    ///     socket.set_nonblocking(true).unwrap();
    ///     let socket = heist::net::TcpSocket::from_std_stream(socket.into());
    ///     drop(socket);
    /// }
    /// ```
    pub fn from_std_stream(stream: std::net::TcpStream) -> TcpSocket {
        TcpSocket(stream.into())
    }
}

crate::sys::as_descriptor! { TcpSocket: this => this.0 }
crate::sys::own_descriptor! { TcpSocket, TcpSocket, socket => socket.0 }
ip_options! { TcpSocket: this => this.0 }

/// Whether a connect that did not complete goes on by itself. Unix then says EINPROGRESS or EINTR, Windows
/// WSAEWOULDBLOCK.
pub(super) fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) {
        return true;
    }
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
