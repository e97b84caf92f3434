//! A UDP socket.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use socket2::SockRef;

use super::addr::{ToSocketAddrs, ip, no_address, resolve};
use super::datagram;
use crate::io::ReadBuf;
use crate::readiness::News;
use crate::registered::{Registered, never};
use crate::sys;

mod options;

/// A UDP socket.
///
/// One socket can exchange datagrams with any number of peers ([`send_to`](Self::send_to) and
/// [`recv_from`](Self::recv_from)), or with one that it is connected to ([`send`](Self::send) and [`recv`](Self::recv)). All
/// its functions take `&self`, so tasks can share it in an `Arc`: one receives while another sends.
///
/// Each receive takes one whole datagram. What does not fit into the buffer is lost. If you don't know how long the
/// datagrams are, take a buffer of 65,536 bytes.
///
/// ```
/// use heist::net::UdpSocket;
///
/// #[heist::main]
/// async fn main() {
///     let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
///     let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
///     client.connect(server.local_addr().unwrap()).await.unwrap();
///
///     client.send(b"hello").await.unwrap();
///     let mut buffer = [0; 1500];
///     let (length, peer) = server.recv_from(&mut buffer).await.unwrap();
///     server.send_to(&buffer[..length], peer).await.unwrap();
///     assert_eq!(client.recv(&mut buffer).await.unwrap(), 5);
///     assert_eq!(&buffer[..5], b"hello");
/// }
/// ```
///
/// # Wait, then try
///
/// [`readable`](Self::readable), [`writable`](Self::writable) and [`ready`](Self::ready) wait until an operation may
/// succeed. Then a `try_` function does it, and never waits:
///
/// ```
/// use heist::net::UdpSocket;
/// use std::io::ErrorKind;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let server = UdpSocket::bind("127.0.0.1:0").await?;
///     let client = UdpSocket::bind("127.0.0.1:0").await?;
///     client.connect(server.local_addr()?).await?;
///
///     client.writable().await?;
///     assert_eq!(client.try_send(b"hello")?, 5);
///
///     let mut buffer = [0; 1500];
///     let (length, peer) = loop {
///         server.readable().await?;
///         match server.try_recv_from(&mut buffer) {
///             Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
///             result => break result?,
///         }
///     };
///     assert_eq!((&buffer[..length], peer), (&b"hello"[..], client.local_addr()?));
///
///     server.send_to(b"hello yourself", peer).await?;
///     // The free part of a `Vec` needs no zeros first.
///     let mut answer = Vec::with_capacity(1500);
///     client.recv_buf(&mut answer).await?;
///     assert_eq!(answer, b"hello yourself");
///     assert_eq!(client.try_recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
///     Ok(())
/// }
/// ```
pub struct UdpSocket {
    socket: Registered<mio::net::UdpSocket>,
}

ready_methods!(UdpSocket, poll_recv_ready, poll_send_ready);
std_socket!(UdpSocket, std::net::UdpSocket);
receive_methods!(
    UdpSocket,
    SocketAddr,
    "`ConnectionRefused` if the peer's machine has refused a datagram that was sent. Any other error that the operating system \
     returns."
);

impl UdpSocket {
    /// Binds to an address. If there are several addresses, they are tried in turn until one can be bound. Port 0 picks a
    /// free port.
    ///
    /// # Errors
    ///
    /// If no address can be bound: the error of the last one. If there is no address.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing stays bound.
    ///
    /// [`UdpSocket`] has an example.
    pub async fn bind<A: ToSocketAddrs>(address: A) -> io::Result<UdpSocket> {
        let mut last = None;
        for address in resolve(address).await? {
            match mio::net::UdpSocket::bind(address) {
                Ok(socket) => return Self::register(socket),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    fn register(socket: mio::net::UdpSocket) -> io::Result<UdpSocket> {
        let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
        let socket = Registered::new(socket, interest, News::READY)?;
        Ok(UdpSocket { socket })
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
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    ///     socket.set_nonblocking(true).unwrap();
    ///     let socket = heist::net::UdpSocket::from_std(socket).unwrap();
    ///     drop(socket);
    /// }
    /// ```
    #[track_caller]
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        sys::expect_nonblocking(&socket)?;
        Self::register(mio::net::UdpSocket::from_std(socket))
    }

    /// Turns the socket into one of the standard library, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the operating system can't stop watching the socket.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        self.socket.into_inner().map(std::net::UdpSocket::from)
    }

    /// Sets the peer that [`send`](Self::send) sends to. From then on the socket receives from that peer only. If there are
    /// several addresses, they are tried in turn. Calling this again sets another peer.
    ///
    /// # Errors
    ///
    /// If the system takes no address: the error of the last one. If there is no address. Nothing is sent, so a peer that
    /// isn't there is no error yet.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the socket has the peer that it had before.
    ///
    /// ```
    /// use heist::net::UdpSocket;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let server = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let client = UdpSocket::bind("127.0.0.1:0").await?;
    ///     client.connect(server.local_addr()?).await?;
    ///     client.send(b"hello").await?;
    ///
    ///     let mut buffer = [0; 16];
    ///     let (length, peer) = server.recv_from(&mut buffer).await?;
    ///     assert_eq!((&buffer[..length], peer), (&b"hello"[..], client.local_addr()?));
    ///     Ok(())
    /// }
    /// ```
    pub async fn connect<A: ToSocketAddrs>(&self, address: A) -> io::Result<()> {
        let mut last = None;
        for address in resolve(address).await? {
            match self.socket.io().connect(address) {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// ```
    /// use heist::net::UdpSocket;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    ///     assert!(one.peer_addr().is_err());
    ///     one.connect(other.local_addr()?).await?;
    ///     assert_eq!(one.peer_addr()?, other.local_addr()?);
    ///     Ok(())
    /// }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    ///
    /// If it is not connected.
    ///
    /// [`local_addr`](Self::local_addr) has an example.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Sends a datagram to the connected peer. Returns its length.
    ///
    /// # Errors
    ///
    /// If the socket isn't connected. `ConnectionRefused` if the peer's machine has refused an earlier datagram. Any other
    /// error that the operating system returns.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future before it is ready, nothing has been sent.
    ///
    /// [`UdpSocket`] has an example.
    pub async fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        let send = || self.socket.io().send(buffer);
        self.socket.writes().io(send, never).await
    }

    /// Polls for [`send`](Self::send). If several tasks poll to send, only the last one is woken.
    ///
    /// # Errors
    ///
    /// See [`send`](Self::send).
    ///
    /// ```
    /// use heist::net::UdpSocket;
    /// use std::future::poll_fn;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    ///     one.connect(other.local_addr()?).await?;
    ///     assert_eq!(poll_fn(|cx| one.poll_send(cx, b"hello")).await?, 5);
    ///     Ok(())
    /// }
    /// ```
    pub fn poll_send(&self, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let send = || self.socket.io().send(buffer);
        self.socket.writes().poll_io(cx, send, never)
    }

    /// Sends a datagram to the connected peer, or fails with `WouldBlock`.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or any other error that the operating system returns.
    ///
    /// [`UdpSocket`](Self#wait-then-try) has an example.
    pub fn try_send(&self, buffer: &[u8]) -> io::Result<usize> {
        let send = || self.socket.io().send(buffer);
        self.socket.writes().try_io(send, never)
    }

    /// Sends a datagram to an address. If `address` stands for several, it goes to the first. Returns its length.
    ///
    /// # Errors
    ///
    /// If there is no address. Any error that the operating system returns.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future before it is ready, nothing has been sent.
    ///
    /// ```
    /// use heist::net::UdpSocket;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    ///     assert_eq!(one.send_to(b"hello", other.local_addr()?).await?, 5);
    ///     let mut buffer = [0; 16];
    ///     assert_eq!(other.recv_from(&mut buffer).await?, (5, one.local_addr()?));
    ///     Ok(())
    /// }
    /// ```
    pub async fn send_to<A: ToSocketAddrs>(&self, buffer: &[u8], address: A) -> io::Result<usize> {
        let address = resolve(address).await?.next().ok_or_else(no_address)?;
        let send = || self.socket.io().send_to(buffer, address);
        self.socket.writes().io(send, never).await
    }

    /// Polls for [`send_to`](Self::send_to). If several tasks poll to send, only the last one is woken.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buffer: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        let send = || self.socket.io().send_to(buffer, target);
        self.socket.writes().poll_io(cx, send, never)
    }

    /// Sends a datagram to an address, or fails with `WouldBlock`.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or any other error that the operating system returns.
    pub fn try_send_to(&self, buffer: &[u8], target: SocketAddr) -> io::Result<usize> {
        let send = || self.socket.io().send_to(buffer, target);
        self.socket.writes().try_io(send, never)
    }

    /// Receives a datagram and leaves it in place: the next receive returns it again.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, no datagram is lost.
    ///
    /// [`peek_from`](Self::peek_from) has an example.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let peek = || self.look(&mut ReadBuf::new(buffer));
        self.socket.reads().io(peek, never).await
    }

    /// Polls for [`peek`](Self::peek). If several tasks poll to receive, only the last one is woken.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let peek = || self.look(buffer);
        self.socket.reads().poll_io(cx, peek, never).map_ok(drop)
    }

    /// Like [`peek`](Self::peek), or fails with `WouldBlock`.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or any other error that the operating system returns.
    pub fn try_peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let peek = || self.look(&mut ReadBuf::new(buffer));
        self.socket.reads().try_io(peek, never)
    }

    /// Like [`peek`](Self::peek), and returns who has sent the datagram as well.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, no datagram is lost.
    ///
    /// ```
    /// use heist::net::UdpSocket;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    ///     one.send_to(b"hello", other.local_addr()?).await?;
    ///     let mut buffer = [0; 16];
    ///     assert_eq!(other.peek_from(&mut buffer).await?, (5, one.local_addr()?));
    ///     // It is still there.
    ///     assert_eq!(other.recv_from(&mut buffer).await?, (5, one.local_addr()?));
    ///     Ok(())
    /// }
    /// ```
    pub async fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let peek = || self.look_from(&mut ReadBuf::new(buffer));
        self.socket.reads().io(peek, never).await
    }

    /// Polls for [`peek_from`](Self::peek_from). If several tasks poll to receive, only the last one is woken.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let peek = || self.look_from(buffer);
        let (_, sender) = ready!(self.socket.reads().poll_io(cx, peek, never))?;
        Poll::Ready(Ok(sender))
    }

    /// Like [`peek_from`](Self::peek_from), or fails with `WouldBlock`.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or any other error that the operating system returns.
    pub fn try_peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let peek = || self.look_from(&mut ReadBuf::new(buffer));
        self.socket.reads().try_io(peek, never)
    }

    /// Returns who has sent the next datagram, and leaves it in place.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, no datagram is lost.
    ///
    /// ```
    /// use heist::net::UdpSocket;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    ///     one.send_to(b"hello", other.local_addr()?).await?;
    ///     assert_eq!(other.peek_sender().await?, one.local_addr()?);
    ///     Ok(())
    /// }
    /// ```
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        let look = || self.sender();
        self.socket.reads().io(look, never).await
    }

    /// Polls for [`peek_sender`](Self::peek_sender). If several tasks poll to receive, only the last one is woken.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        let look = || self.sender();
        self.socket.reads().poll_io(cx, look, never)
    }

    /// Like [`peek_sender`](Self::peek_sender), or fails with `WouldBlock`.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or any other error that the operating system returns.
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        let look = || self.sender();
        self.socket.reads().try_io(look, never)
    }

    fn receive(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        let io = self.socket.io();
        io.try_io(|| datagram::receive(SockRef::from(io), buffer))
    }

    fn receive_from(&self, buffer: &mut ReadBuf<'_>) -> io::Result<(usize, SocketAddr)> {
        let io = self.socket.io();
        let (len, sender) = io.try_io(|| datagram::receive_from(SockRef::from(io), buffer))?;
        Ok((len, ip(&sender)?))
    }

    fn look(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        let io = self.socket.io();
        io.try_io(|| datagram::peek(SockRef::from(io), buffer))
    }

    fn look_from(&self, buffer: &mut ReadBuf<'_>) -> io::Result<(usize, SocketAddr)> {
        let io = self.socket.io();
        let (len, sender) = io.try_io(|| datagram::peek_from(SockRef::from(io), buffer))?;
        Ok((len, ip(&sender)?))
    }

    fn sender(&self) -> io::Result<SocketAddr> {
        let io = self.socket.io();
        ip(&io.try_io(|| SockRef::from(io).peek_sender())?)
    }
}
