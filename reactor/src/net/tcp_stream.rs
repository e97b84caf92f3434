//! A TCP connection.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;

use super::addr::{ToSocketAddrs, resolve};
use super::datagram;
use super::race::connect_any;
use crate::io::ReadBuf;
use crate::readiness::News;
use crate::registered::{Registered, never};
use crate::sys;

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
///
/// #[heist::main]
/// async fn main() {
///     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
///     let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
///     let (mut server, _) = listener.accept().await.unwrap();
///
///     client.write_all(b"hello").await.unwrap();
///     let mut heard = [0; 5];
///     server.read_exact(&mut heard).await.unwrap();
///     assert_eq!(&heard, b"hello");
/// }
/// ```
///
/// # Wait, then try
///
/// [`readable`](Self::readable), [`writable`](Self::writable) and [`ready`](Self::ready) wait until an operation may
/// succeed. Then a `try_` function does it, and never waits. So a task needs a buffer only while there is something to read:
///
/// ```
/// use heist::io::Interest;
/// use heist::net::{TcpListener, TcpStream};
/// use std::io::ErrorKind;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///
///     client.writable().await?;
///     assert_eq!(client.try_write(b"hello")?, 5);
///
///     let heard = loop {
///         server.readable().await?;
///         let mut buffer = Vec::with_capacity(1024);
///         match server.try_read_buf(&mut buffer) {
///             Ok(_) => break buffer,
///             Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
///             Err(error) => return Err(error),
///         }
///     };
///     assert_eq!(heard, b"hello");
///
///     // Nothing is left to read, but there is room to write.
///     let ready = server.ready(Interest::READABLE | Interest::WRITABLE).await?;
///     assert!(ready.is_writable());
///     Ok(())
/// }
/// ```
///
/// [`async_io`](Self::async_io) does both with an operation of your own, and [`try_io`](Self::try_io) only tries it:
///
/// ```
/// use heist::io::{AsyncWriteExt, Interest};
/// use heist::net::{TcpListener, TcpStream};
/// use socket2::SockRef;
/// use std::io::{ErrorKind, Read};
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///
///     let mut buffer = [0; 16];
///     let mut read = || (&*SockRef::from(&server)).read(&mut buffer);
///     let nothing = server.try_io(Interest::READABLE, &mut read);
///     assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock);
///
///     client.write_all(b"hello").await?;
///     assert_eq!(server.async_io(Interest::READABLE, &mut read).await?, 5);
///     Ok(())
/// }
/// ```
pub struct TcpStream {
    pub(super) socket: Registered<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the host.
    ///
    /// If it has several addresses, they race, as RFC 8305 ("happy eyeballs") says. Attempts start in the order of the
    /// addresses, but with IPv4 and IPv6 by turns. The next attempt starts when one fails, or after 250 ms. The first one to
    /// succeed is the connection, and the others are given up. So an address that doesn't answer costs 250 ms. This holds
    /// for the addresses of a name, in the order in which the system sorts them, and for a list of addresses. (In tokio, an
    /// attempt starts only after the one before has failed.)
    ///
    /// # Errors
    ///
    /// If the name can't be resolved, or if there is no address. If no address answers, the error names all of them, and has
    /// the kind of the last one that failed. For the kind, an attempt that only found no route to its address counts only
    /// if all did. If there is only one address, its error is returned as it is.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, all attempts are given up.
    ///
    /// ```
    /// use heist::io::{AsyncReadExt, AsyncWriteExt};
    /// use heist::net::{TcpListener, TcpStream};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let listener = TcpListener::bind("localhost:0").await?;
    ///     let mut client = TcpStream::connect(("localhost", listener.local_addr()?.port())).await?;
    ///     client.write_all(b"hello").await?;
    ///
    ///     let (mut server, _) = listener.accept().await?;
    ///     let mut word = [0; 5];
    ///     server.read_exact(&mut word).await?;
    ///     assert_eq!(&word, b"hello");
    ///     Ok(())
    /// }
    /// ```
    pub async fn connect<A: ToSocketAddrs>(address: A) -> io::Result<TcpStream> {
        connect_any(resolve(address).await?, Self::connect_to).await
    }

    async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
        Self::connected(mio::net::TcpStream::connect(address)?).await
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
    ///
    /// ```
    /// use heist::io::AsyncWriteExt;
    /// use heist::net::TcpStream;
    /// use std::net::TcpListener;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    ///     client.set_nonblocking(true)?;
    ///     let mut client = TcpStream::from_std(client)?;
    ///     client.write_all(b"hello").await?;
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        sys::expect_nonblocking(&stream)?;
        Self::register(mio::net::TcpStream::from_std(stream), News::READY)
    }

    /// Turns the stream into one of the standard library, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the operating system can't stop watching the socket.
    ///
    /// ```
    /// use heist::net::{TcpListener, TcpStream};
    /// use std::io::Write;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let mut client = client.into_std()?;
    ///     client.set_nonblocking(false)?;
    ///     client.write_all(b"hello")?;
    ///     Ok(())
    /// }
    /// ```
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.socket.into_inner().map(std::net::TcpStream::from)
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
    ///
    /// ```
    /// use heist::io::{AsyncReadExt, AsyncWriteExt};
    /// use heist::net::{TcpListener, TcpStream};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
    ///     client.write_all(b"GET /").await?;
    ///
    ///     let (mut server, _) = listener.accept().await?;
    ///     let mut first = [0; 1];
    ///     server.peek(&mut first).await?;
    ///     assert_eq!(&first, b"G");
    ///     // It is still there.
    ///     let mut all = [0; 5];
    ///     server.read_exact(&mut all).await?;
    ///     assert_eq!(&all, b"GET /");
    ///     Ok(())
    /// }
    /// ```
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let peek = || self.socket.io().peek(buffer);
        self.socket.reads().io(peek, never).await
    }

    /// Polls for [`peek`](Self::peek), into the unfilled part of `buffer`. Returns how many bytes it has read. If several
    /// tasks poll to read, only the last one is woken.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`peek`](Self::peek) has an example.
    pub fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let io = self.socket.io();
        let peek = || io.try_io(|| datagram::peek(SockRef::from(io), buffer));
        self.socket.reads().poll_io(cx, peek, never)
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
    ///
    /// ```
    /// use heist::net::{TcpListener, TcpStream};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (server, _) = listener.accept().await?;
    ///     assert_eq!(client.local_addr()?, server.peer_addr()?);
    ///     assert_eq!(client.peer_addr()?, server.local_addr()?);
    ///     Ok(())
    /// }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`local_addr`](Self::local_addr) has an example.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Whether small writes are sent at once. See [`set_nodelay`](Self::set_nodelay).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`set_nodelay`](Self::set_nodelay) has an example.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.io().nodelay()
    }

    /// Sets whether small writes are sent at once. Otherwise the system may wait until there is more to send, or until the
    /// peer has confirmed what was sent before.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// ```
    /// use heist::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     client.set_nodelay(true)?;
    ///     client.set_ttl(16)?;
    ///     client.set_linger(Some(Duration::from_secs(1)))?;
    ///     assert!(client.nodelay()?);
    ///     assert_eq!((client.ttl()?, client.linger()?), (16, Some(Duration::from_secs(1))));
    ///     Ok(())
    /// }
    /// ```
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.io().set_nodelay(nodelay)
    }

    /// The time to live (TTL) of the packets that are sent.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`set_nodelay`](Self::set_nodelay) has an example that sets this too.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.io().ttl()
    }

    /// Sets the time to live (TTL) of the packets that are sent.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`set_nodelay`](Self::set_nodelay) has an example that sets this too.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.io().set_ttl(ttl)
    }

    /// How long closing waits for unsent data. See [`set_linger`](Self::set_linger).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// [`set_nodelay`](Self::set_nodelay) has an example that sets this too.
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
    ///
    /// [`set_nodelay`](Self::set_nodelay) has an example that sets this too.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(self.socket.io()).set_linger(linger)
    }

    /// Makes closing drop unsent data and reset the connection. See [`set_linger`](Self::set_linger).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))
    }

    /// Whether the system confirms at once what arrives (`TCP_QUICKACK`).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn quickack(&self) -> io::Result<bool> {
        SockRef::from(self.socket.io()).tcp_quickack()
    }

    /// Sets whether the system confirms at once what arrives (`TCP_QUICKACK`). Otherwise it waits a little, to confirm more
    /// at a time. The system changes this by itself later on, so set it again after each read.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        SockRef::from(self.socket.io()).set_tcp_quickack(quickack)
    }
}

ready_methods!(TcpStream, poll_read_ready, poll_write_ready);
try_methods! { [read] TcpStream: this => this.socket }
try_methods! { [write] TcpStream: this => this.socket }
std_socket!(TcpStream, std::net::TcpStream);

impl AsRef<TcpStream> for TcpStream {
    fn as_ref(&self) -> &TcpStream {
        self
    }
}

stream_io! { [] TcpStream: this => this, this.shut_down_writing() }
