//! Datagrams between processes of one machine.

use std::io;
use std::net::Shutdown;
use std::path::Path;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;

use super::SocketAddr;
use super::socket_addr::{at, at_socket2, from_socket2};
use crate::io::ReadBuf;
use crate::net::datagram;
use crate::readiness::News;
use crate::registered::ready::is_would_block;
use crate::registered::{Registered, never};
use crate::sys;
use crate::time::sleep;

/// How long a sender waits that has found its peer's queue full. If it isn't connected to the peer, Linux has no event for
/// it when there is room, but one for each try in vain: without a pause it would turn in a circle.
const SHORTEST_PAUSE: Duration = Duration::from_micros(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// A socket for datagrams between processes of one machine.
///
/// No datagram is lost on the way, unlike with UDP: a sender waits while its peer's queue is full.
///
/// One socket can exchange datagrams with any number of peers ([`send_to`](Self::send_to) and
/// [`recv_from`](Self::recv_from)), or with one that it is connected to ([`send`](Self::send) and [`recv`](Self::recv)). All
/// its functions take `&self`, so tasks can share it in an `Arc`. A datagram is received in whole: what does not fit into
/// the buffer is lost.
///
/// Binding makes a file at the path, which has to be removed afterwards. Abstract names leave nothing behind; see
/// [`SocketAddr`].
///
/// ```
/// use heist::net::UnixDatagram;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("socket");
///     let server = UnixDatagram::bind(&path)?;
///     let client = UnixDatagram::unbound()?;
///     client.send_to(b"hello", &path).await?;
///
///     let mut buffer = [0; 64];
///     let (length, peer) = server.recv_from(&mut buffer).await?;
///     assert_eq!(&buffer[..length], b"hello");
///     assert!(peer.is_unnamed());
///     Ok(())
/// }
/// ```
pub struct UnixDatagram {
    socket: Registered<mio::net::UnixDatagram>,
}

ready_methods!(UnixDatagram, poll_recv_ready, poll_send_ready);
std_socket!(UnixDatagram, std::os::unix::net::UnixDatagram);
receive_methods!(
    UnixDatagram,
    SocketAddr,
    "Any error that the operating system returns."
);

impl UnixDatagram {
    /// Binds to a path.
    ///
    /// # Errors
    ///
    /// If there is a file at the path already, or the path is longer than the system allows (about 100 bytes).
    ///
    /// [`UnixDatagram`] has an example.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        Self::register(mio::net::UnixDatagram::bind_addr(&at(path.as_ref())?)?)
    }

    /// A socket without an address. It can send, but nobody can send to it.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`UnixDatagram`] has an example.
    pub fn unbound() -> io::Result<UnixDatagram> {
        Self::register(mio::net::UnixDatagram::unbound()?)
    }

    /// Two sockets, connected to each other.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// ```
    /// use heist::net::UnixDatagram;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (one, other) = UnixDatagram::pair()?;
    ///     assert_eq!(one.send(b"hello").await?, 5);
    ///     let mut buffer = [0; 16];
    ///     assert_eq!(other.recv(&mut buffer).await?, 5);
    ///     Ok(())
    /// }
    /// ```
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = mio::net::UnixDatagram::pair()?;
        Ok((Self::register(one)?, Self::register(other)?))
    }

    pub(super) fn register(socket: mio::net::UnixDatagram) -> io::Result<UnixDatagram> {
        let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
        let socket = Registered::new(socket, interest, News::READY)?;
        Ok(UnixDatagram { socket })
    }

    /// Makes a socket from one of the standard library. Call `set_nonblocking(true)` on that first. Otherwise
    /// this panics, or operations on this one block their threads.
    ///
    /// # Errors
    ///
    /// If the operating system can't watch the socket for events.
    ///
    /// # Panics
    ///
    /// If the socket is in blocking mode, on Unix, in programs with debug assertions.
    #[track_caller]
    pub fn from_std(datagram: std::os::unix::net::UnixDatagram) -> io::Result<UnixDatagram> {
        sys::expect_nonblocking(&datagram)?;
        Self::register(mio::net::UnixDatagram::from_std(datagram))
    }

    /// Turns the socket into one of the standard library, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the operating system can't stop watching the socket.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixDatagram> {
        let socket = self.socket.into_inner()?;
        Ok(socket.into())
    }

    /// Sets the peer that [`send`](Self::send) sends to. From then on the socket receives from that peer only.
    ///
    /// # Errors
    ///
    /// If there is no socket at that path.
    ///
    /// ```
    /// use heist::net::UnixDatagram;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let folder = tempfile::tempdir()?;
    ///     let path = folder.path().join("socket");
    ///     let (server, client) = (UnixDatagram::bind(&path)?, UnixDatagram::unbound()?);
    ///     client.connect(&path)?;
    ///     client.send(b"hello").await?;
    ///     let mut buffer = [0; 16];
    ///     assert_eq!(server.recv(&mut buffer).await?, 5);
    ///     assert_eq!(client.peer_addr()?.as_pathname(), Some(&*path));
    ///     Ok(())
    /// }
    /// ```
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        SockRef::from(self.socket.io()).connect(&at_socket2(path.as_ref())?)
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr().map(SocketAddr)
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    ///
    /// If it is not connected.
    ///
    /// [`connect`](Self::connect) has an example.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().peer_addr().map(SocketAddr)
    }

    /// Closes one direction, or both. A receiver gets the datagrams that were sent before, and then empty ones.
    ///
    /// # Errors
    ///
    /// If it is not connected.
    ///
    /// ```
    /// use std::net::Shutdown;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (one, other) = heist::net::UnixDatagram::pair()?;
    ///     one.shutdown(Shutdown::Both)?;
    ///     assert!(other.send(b"too late").await.is_err());
    ///     Ok(())
    /// }
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.io().shutdown(how)
    }

    /// Sends a datagram to the connected peer. Returns its length. Waits while the peer's queue is full.
    ///
    /// # Errors
    ///
    /// If the socket isn't connected, or its peer is gone. Any other error that the operating system returns.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future before it is ready, nothing has been sent.
    ///
    /// [`pair`](Self::pair) has an example.
    pub async fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        let send = || self.socket.io().send(buffer);
        self.socket.writes().io(send, never).await
    }

    /// Polls for [`send`](Self::send). If several tasks poll to send, only the last one is woken.
    ///
    /// # Errors
    ///
    /// If the socket isn't connected, or its peer is gone. Any other error that the operating system returns.
    pub fn poll_send(&self, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let send = || self.socket.io().send(buffer);
        self.socket.writes().poll_io(cx, send, never)
    }

    /// Sends a datagram to the connected peer, or fails with `WouldBlock`.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or any other error that the operating system returns.
    pub fn try_send(&self, buffer: &[u8]) -> io::Result<usize> {
        let send = || self.socket.io().send(buffer);
        self.socket.writes().try_io(send, never)
    }

    /// Sends a datagram to the socket at a path. Returns its length. Waits while that socket's queue is full. If you send
    /// much, [`connect`](Self::connect) first and then [`send`](Self::send): that notices sooner when there is room.
    ///
    /// # Errors
    ///
    /// If there is no socket at the path. Any other error that the operating system returns.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future before it is ready, nothing has been sent.
    ///
    /// ```
    /// use heist::net::UnixDatagram;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let folder = tempfile::tempdir()?;
    ///     let path = folder.path().join("socket");
    ///     let (server, client) = (UnixDatagram::bind(&path)?, UnixDatagram::unbound()?);
    ///     client.send_to(b"hello", &path).await?;
    ///     let mut buffer = [0; 16];
    ///     assert_eq!(server.recv(&mut buffer).await?, 5);
    ///     Ok(())
    /// }
    /// ```
    pub async fn send_to<P: AsRef<Path>>(&self, buffer: &[u8], target: P) -> io::Result<usize> {
        let target = at_socket2(target.as_ref())?;
        let writes = self.socket.writes();
        let mut pause = SHORTEST_PAUSE;
        loop {
            writes.ready().await?;
            let send = || SockRef::from(self.socket.io()).send_to(buffer, &target);
            let result = writes.try_io(send, never);
            if !is_would_block(&result) {
                return result;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Polls for [`send_to`](Self::send_to). If several tasks poll to send, only the last one is woken. Use
    /// [`send_to`](Self::send_to) if you can: while the queue of a peer that the socket isn't connected to is full, Linux
    /// wakes a task that polls again and again.
    ///
    /// # Errors
    ///
    /// See [`send_to`](Self::send_to).
    pub fn poll_send_to<P: AsRef<Path>>(
        &self,
        cx: &mut Context<'_>,
        buffer: &[u8],
        target: P,
    ) -> Poll<io::Result<usize>> {
        let target = at_socket2(target.as_ref())?;
        let send = || SockRef::from(self.socket.io()).send_to(buffer, &target);
        self.socket.writes().poll_io(cx, send, never)
    }

    /// Sends a datagram to the socket at a path, or fails with `WouldBlock`.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or any other error that the operating system returns.
    pub fn try_send_to<P: AsRef<Path>>(&self, buffer: &[u8], target: P) -> io::Result<usize> {
        let target = at_socket2(target.as_ref())?;
        let send = || SockRef::from(self.socket.io()).send_to(buffer, &target);
        self.socket.writes().try_io(send, never)
    }

    fn receive(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        datagram::receive(SockRef::from(self.socket.io()), buffer)
    }

    fn receive_from(&self, buffer: &mut ReadBuf<'_>) -> io::Result<(usize, SocketAddr)> {
        let (len, sender) = datagram::receive_from(SockRef::from(self.socket.io()), buffer)?;
        Ok((len, from_socket2(&sender)?))
    }
}
