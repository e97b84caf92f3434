//! A socket that takes connections.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use super::addr::{ToSocketAddrs, no_address, resolve};
use super::{TcpSocket, TcpStream};
use crate::readiness::News;
use crate::registered::Registered;

/// A TCP socket that listens for connections.
///
/// ```
/// use heist_reactor::net::{TcpListener, TcpStream};
/// # use heist_reactor::testing::block_on;
/// # block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
/// let (_server, peer) = listener.accept().await.unwrap();
/// assert_eq!(peer, client.local_addr().unwrap());
/// # });
/// ```
pub struct TcpListener {
    socket: Registered<mio::net::TcpListener>,
}

impl TcpListener {
    /// Listens on the first of the addresses that can be bound. Port 0 takes a free one. On Unix, an address in use
    /// by connections that are only being wound up may be bound again.
    ///
    /// # Errors
    ///
    /// Where none can be bound, with the last address's error; where there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future binds nothing, or closes what was bound.
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

    /// Takes over a listener of std's, which must be in non-blocking mode.
    ///
    /// # Errors
    ///
    /// Where it can't be registered with the poller.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        Self::register(mio::net::TcpListener::from_std(listener))
    }

    /// Gives it up as a listener of std's, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// Where it can't be taken out of the poller.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        self.socket.into_inner().map(std::net::TcpListener::from)
    }

    /// Completes with the next connection and the peer's address.
    ///
    /// # Errors
    ///
    /// Where the system can't give the connection out, for want of descriptors, say. The listener goes on, and it is
    /// for the caller to wait a little before asking again.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost by dropping the future.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = self
            .socket
            .reads()
            .io(|| self.socket.io().accept(), |_| false);
        let (stream, peer) = accepted.await?;
        Ok((TcpStream::register(stream, News::READY)?, peer))
    }

    /// Polls for the next connection. Of several callers the last is woken.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let accept = || self.socket.io().accept();
        let (stream, peer) = ready!(self.socket.reads().poll_io(cx, accept, |_| false))?;
        Poll::Ready(TcpStream::register(stream, News::READY).map(|stream| (stream, peer)))
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// As the system tells.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }

    /// The time to live of what it sends.
    ///
    /// # Errors
    ///
    /// As the system tells.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.io().ttl()
    }

    /// Sets the time to live of what it sends.
    ///
    /// # Errors
    ///
    /// As the system tells.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.io().set_ttl(ttl)
    }
}

impl TcpSocket {
    /// Listens for connections; the system keeps up to `backlog` of them until they are accepted.
    ///
    /// # Errors
    ///
    /// As the system tells, and where it can't be registered with the poller.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.0.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::register(mio::net::TcpListener::from_std(self.0.into()))
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for TcpListener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.io().as_fd()
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.io().as_raw_fd()
    }
}
