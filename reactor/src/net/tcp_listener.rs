//! A socket that accepts connections.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use super::addr::{ToSocketAddrs, no_address, resolve};
use super::{TcpSocket, TcpStream};
use crate::readiness::News;
use crate::registered::{Registered, never};
use crate::sys;

/// A TCP socket that accepts connections.
///
/// ```
/// use heist::net::{TcpListener, TcpStream};
///
/// #[heist::main]
/// async fn main() {
///     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
///     let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
///     let (_server, peer) = listener.accept().await.unwrap();
///     assert_eq!(peer, client.local_addr().unwrap());
/// }
/// ```
pub struct TcpListener {
    socket: Registered<mio::net::TcpListener>,
}

impl TcpListener {
    /// Binds to an address and listens on it. If there are several addresses, they are tried in turn until one can be
    /// bound. Port 0 picks a free port. On Unix the address may be in use by old connections that are still closing
    /// (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// If no address can be bound: the error of the last one. If there is no address.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing stays bound.
    ///
    /// ```
    /// use heist::net::TcpListener;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     // The system chooses a free port.
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     println!("listening on {}", listener.local_addr()?);
    ///     Ok(())
    /// }
    /// ```
    pub async fn bind<A: ToSocketAddrs>(address: A) -> io::Result<TcpListener> {
        let addresses = resolve(address).await?;
        let mut last = None;
        for address in addresses {
            match Self::bind_one(address) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
        let socket = TcpSocket::new_for(address)?;
        // Windows would let two sockets have the same address.
        if cfg!(not(windows)) {
            socket.set_reuseaddr(true)?;
        }
        socket.bind(address)?;
        socket.listen(1024)
    }

    fn register(socket: mio::net::TcpListener) -> io::Result<TcpListener> {
        let socket = Registered::new(socket, mio::Interest::READABLE, News::READY)?;
        Ok(TcpListener { socket })
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
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///     listener.set_nonblocking(true)?;
    ///     let listener = heist::net::TcpListener::from_std(listener)?;
    ///     let _std: std::net::TcpListener = listener.into_std()?;
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        sys::expect_nonblocking(&listener)?;
        Self::register(mio::net::TcpListener::from_std(listener))
    }

    /// Turns the listener into one of the standard library, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the operating system can't stop watching the socket.
    ///
    /// [`from_std`](Self::from_std) has an example.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        self.socket.into_inner().map(std::net::TcpListener::from)
    }

    /// Waits for the next connection. Returns it with the peer's address.
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
    /// use heist::net::{TcpListener, TcpStream};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (_server, peer) = listener.accept().await?;
    ///     assert_eq!(peer, client.local_addr()?);
    ///     Ok(())
    /// }
    /// ```
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = self.socket.reads().io(|| self.socket.io().accept(), never);
        let (stream, peer) = accepted.await?;
        Ok((TcpStream::register(stream, News::READY)?, peer))
    }

    /// Polls for the next connection. If several tasks poll, only the last one is woken.
    ///
    /// # Errors
    ///
    /// See [`accept`](Self::accept).
    ///
    /// ```
    /// use heist::net::{TcpListener, TcpStream};
    /// use std::future::poll_fn;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (_server, peer) = poll_fn(|cx| listener.poll_accept(cx)).await?;
    ///     assert_eq!(peer, client.local_addr()?);
    ///     Ok(())
    /// }
    /// ```
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let accept = || self.socket.io().accept();
        let (stream, peer) = ready!(self.socket.reads().poll_io(cx, accept, never))?;
        Poll::Ready(TcpStream::register(stream, News::READY).map(|stream| (stream, peer)))
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`bind`](Self::bind) has an example.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }

    /// The time to live (TTL) of the packets that it sends.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`set_ttl`](Self::set_ttl) has an example.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.io().ttl()
    }

    /// Sets the time to live (TTL) of the packets that it sends.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let listener = heist::net::TcpListener::bind("127.0.0.1:0").await?;
    ///     listener.set_ttl(16)?;
    ///     assert_eq!(listener.ttl()?, 16);
    ///     Ok(())
    /// }
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.io().set_ttl(ttl)
    }
}

impl TcpSocket {
    /// Listens for connections. The system keeps up to `backlog` of them until they are accepted.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`TcpSocket`] has an example.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.0.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::register(mio::net::TcpListener::from_std(self.0.into()))
    }
}

std_socket!(TcpListener, std::net::TcpListener);
