//! `sock_recv` and its like: operations on sockets that the program has, as futures.
//!
//! An operation is tried first. Only if it would block, a copy of the descriptor is watched for as long as it takes.

use std::fs::File;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, recvfrom};
use socket2::{SockAddr, SockRef, Socket};

use crate::event_loop::EventLoop;
use crate::event_loop::base::within::within;
use crate::event_loop::transports::barrier::Source;
#[cfg(target_os = "linux")]
use crate::event_loop::transports::sendfile::sendfile;
use crate::event_loop::transports::socket::{self, Described};
use crate::io::Interest;
use crate::io::unix::AsyncFd;

impl EventLoop {
    /// Receives up to `size` bytes. An empty result means that the peer won't send any more, or that `size` is 0.
    ///
    /// The socket may be of any kind that std, heist or a crate has. It must be in non-blocking mode.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the socket is in blocking mode. Any error of the operating system.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::os::unix::net::UnixStream;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (one, other) = UnixStream::pair()?;
    ///     one.set_nonblocking(true)?;
    ///     other.set_nonblocking(true)?;
    ///     let event_loop = EventLoop::current();
    ///     event_loop.sock_sendall(&one, b"hello").await?;
    ///     assert_eq!(event_loop.sock_recv(&other, 100).await?, b"hello");
    ///     Ok(())
    /// }
    /// ```
    pub async fn sock_recv(&self, sock: &impl AsFd, size: usize) -> io::Result<Vec<u8>> {
        let mut data = vec![0; size];
        let length = self.sock_recv_into(sock, &mut data).await?;
        data.truncate(length);
        Ok(data)
    }

    /// Receives into `buffer`, and returns how much. Otherwise like [`sock_recv`](Self::sock_recv).
    ///
    /// # Cancel safety, errors
    ///
    /// See [`sock_recv`](Self::sock_recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::{io::Write, os::unix::net::UnixStream};
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let (one, mut other) = UnixStream::pair()?;
    /// one.set_nonblocking(true)?;
    /// other.write_all(b"hello")?;
    /// let mut buffer = [0; 100];
    /// let length = EventLoop::current().sock_recv_into(&one, &mut buffer).await?;
    /// assert_eq!(&buffer[..length], b"hello");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sock_recv_into(&self, sock: &impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
        let received = self.sock(sock, Interest::READABLE, |sock| {
            io::Read::read(&mut &**sock, buffer)
        });
        received.await
    }

    /// Receives a datagram of up to `size` bytes, and the address of its sender. What is longer is cut off.
    ///
    /// # Cancel safety, errors
    ///
    /// See [`sock_recv`](Self::sock_recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::net::UdpSocket;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let (one, other) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// one.set_nonblocking(true)?;
    /// other.send_to(b"hello", one.local_addr()?)?;
    /// let (data, from) = EventLoop::current().sock_recvfrom(&one, 100).await?;
    /// assert_eq!((&*data, from), (&b"hello"[..], other.local_addr()?));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sock_recvfrom(
        &self,
        sock: &impl AsFd,
        size: usize,
    ) -> io::Result<(Vec<u8>, SocketAddr)> {
        let mut data = vec![0; size];
        let (length, from) = self.sock_recvfrom_into(sock, &mut data).await?;
        data.truncate(length);
        Ok((data, from))
    }

    /// Receives a datagram into `buffer`, and returns its length and the address of its sender. What is longer than
    /// `buffer` is cut off.
    ///
    /// # Cancel safety, errors
    ///
    /// See [`sock_recv`](Self::sock_recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::net::UdpSocket;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (one, other) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    ///     one.set_nonblocking(true)?;
    ///     other.send_to(b"hello", one.local_addr()?)?;
    ///     let mut buffer = [0; 100];
    ///     let (length, from) = EventLoop::current().sock_recvfrom_into(&one, &mut buffer).await?;
    ///     assert_eq!((&buffer[..length], from), (&b"hello"[..], other.local_addr()?));
    ///     Ok(())
    /// }
    /// ```
    pub async fn sock_recvfrom_into(
        &self,
        sock: &impl AsFd,
        buffer: &mut [u8],
    ) -> io::Result<(usize, SocketAddr)> {
        let received = self.sock(sock, Interest::READABLE, |sock| {
            Ok(recvfrom(&**sock, &mut *buffer, RecvFlags::empty())?)
        });
        let (length, _, from) = received.await?;
        let other = || io::Error::new(ErrorKind::InvalidData, "the peer has no IP address");
        let from = from.and_then(|from| SocketAddr::try_from(from).ok());
        Ok((length, from.ok_or_else(other)?))
    }

    /// Sends all of `data`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, a part of `data` may have been sent.
    ///
    /// # Errors
    ///
    /// See [`sock_recv`](Self::sock_recv). After an error, a part of `data` may have been sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::{io::Read, os::unix::net::UnixStream};
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let (one, mut other) = UnixStream::pair()?;
    /// one.set_nonblocking(true)?;
    /// EventLoop::current().sock_sendall(&one, b"hello").await?;
    /// let mut heard = [0; 5];
    /// other.read_exact(&mut heard)?;
    /// assert_eq!(&heard, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sock_sendall(&self, sock: &impl AsFd, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let sent = self.sock(sock, Interest::WRITABLE, |sock| sock.send(data));
            data = &data[sent.await?..];
        }
        Ok(())
    }

    /// Sends `count` bytes of a file from `offset` on, or all up to its end. Returns how much was sent.
    ///
    /// See [`Transport::sendfile`](crate::event_loop::Transport::sendfile) for how the bytes go.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, a part of the file may have been sent.
    ///
    /// # Errors
    ///
    /// See [`sock_recv`](Self::sock_recv). Fails if reading the file does. After an error, a part may have been sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     # let mut file = tempfile::tempfile()?;
    ///     # file.write_all(b"the whole file")?;
    ///     let (one, mut other) = UnixStream::pair()?;
    ///     one.set_nonblocking(true)?;
    ///     assert_eq!(EventLoop::current().sock_sendfile(&one, file, 4, Some(5)).await?, 5);
    ///     let mut data = [0; 5];
    ///     other.read_exact(&mut data)?;
    ///     assert_eq!(&data, b"whole");
    ///     Ok(())
    /// }
    /// ```
    pub async fn sock_sendfile(
        &self,
        sock: &impl AsFd,
        file: File,
        offset: u64,
        count: Option<u64>,
    ) -> io::Result<u64> {
        let sock = sock.as_fd();
        let work = async move {
            check(&SockRef::from(&sock))?;
            let same = sock.try_clone_to_owned()?;
            let sink = Sink(AsyncFd::with_interest(same, Interest::WRITABLE)?);
            let sink: Arc<dyn socket::Socket> = Arc::new(sink);
            let mut source = Source::new(file, offset, count);
            source.send_to(&sink).await?;
            Ok(source.sent())
        };
        within(self, work).await
    }

    /// Sends a datagram to `address`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the datagram was not sent.
    ///
    /// # Errors
    ///
    /// See [`sock_recv`](Self::sock_recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::net::UdpSocket;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (one, other) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    ///     one.set_nonblocking(true)?;
    ///     other.set_nonblocking(true)?;
    ///     let event_loop = EventLoop::current();
    ///     event_loop.sock_sendto(&one, b"hello", other.local_addr()?).await?;
    ///     let (data, from) = event_loop.sock_recvfrom(&other, 100).await?;
    ///     assert_eq!((&data[..], from), (&b"hello"[..], one.local_addr()?));
    ///     Ok(())
    /// }
    /// ```
    pub async fn sock_sendto(
        &self,
        sock: &impl AsFd,
        data: &[u8],
        address: SocketAddr,
    ) -> io::Result<usize> {
        let address = SockAddr::from(address);
        let sent = self.sock(sock, Interest::WRITABLE, |sock| {
            sock.send_to(data, &address)
        });
        sent.await
    }

    /// Connects a socket to `address`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the attempt may go on. Close the socket to end it.
    ///
    /// # Errors
    ///
    /// See [`sock_recv`](Self::sock_recv). Any error of connecting.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use socket2::{Domain, Socket, Type};
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    /// client.set_nonblocking(true)?;
    /// EventLoop::current().sock_connect(&client, listener.local_addr()?).await?;
    /// assert_eq!(client.local_addr()?.as_socket(), Some(listener.accept()?.1));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sock_connect(&self, sock: &impl AsFd, address: SocketAddr) -> io::Result<()> {
        let address = SockAddr::from(address);
        let mut started = false;
        let connected = self.sock(sock, Interest::WRITABLE, |sock| {
            if started {
                return match sock.take_error()? {
                    Some(error) => Err(error),
                    None => Ok(()),
                };
            }
            started = true;
            match sock.connect(&address) {
                Err(error) if is_under_way(&error) => Err(ErrorKind::WouldBlock.into()),
                done => done,
            }
        });
        connected.await
    }

    /// Accepts a connection of a listening socket. The socket that is returned is in non-blocking mode.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no connection is lost.
    ///
    /// # Errors
    ///
    /// See [`sock_recv`](Self::sock_recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use socket2::{Domain, Socket, Type};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let event_loop = EventLoop::current();
    ///     let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///     listener.set_nonblocking(true)?;
    ///     let client = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    ///     client.set_nonblocking(true)?;
    ///
    ///     event_loop.sock_connect(&client, listener.local_addr()?).await?;
    ///     let (accepted, _from) = event_loop.sock_accept(&listener).await?;
    ///     event_loop.sock_sendall(&client, b"hello").await?;
    ///     assert_eq!(event_loop.sock_recv(&accepted, 100).await?, b"hello");
    ///     Ok(())
    /// }
    /// ```
    pub async fn sock_accept(
        &self,
        sock: &impl AsFd,
    ) -> io::Result<(std::net::TcpStream, SocketAddr)> {
        let accepted = self.sock(sock, Interest::READABLE, |sock| sock.accept());
        let (stream, from) = accepted.await?;
        stream.set_nonblocking(true)?;
        let other = || io::Error::new(ErrorKind::InvalidData, "the peer has no IP address");
        Ok((stream.into(), from.as_socket().ok_or_else(other)?))
    }

    /// Tries `operation` until it would not block. In between, waits until the socket is ready.
    fn sock<R>(
        &self,
        sock: &impl AsFd,
        interest: Interest,
        mut operation: impl FnMut(&SockRef<'_>) -> io::Result<R>,
    ) -> impl Future<Output = io::Result<R>> {
        let sock = sock.as_fd();
        let work = async move {
            let socket = SockRef::from(&sock);
            check(&socket)?;
            match tried(&mut operation, &socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            let watched = AsyncFd::with_interest(sock.try_clone_to_owned()?, interest)?;
            watched
                .async_io(interest, |_| tried(&mut operation, &socket))
                .await
        };
        within(self, work)
    }
}

fn tried<R>(
    operation: &mut impl FnMut(&SockRef<'_>) -> io::Result<R>,
    socket: &SockRef<'_>,
) -> io::Result<R> {
    loop {
        match operation(socket) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn check(socket: &Socket) -> io::Result<()> {
    if socket.nonblocking()? {
        return Ok(());
    }
    let message = "the socket must be in non-blocking mode";
    Err(io::Error::new(ErrorKind::InvalidInput, message))
}

fn is_under_way(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::EINPROGRESS)
}

/// A socket of the program that a file is sent to. It is not read.
struct Sink(AsyncFd<OwnedFd>);

impl Described for Sink {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

impl socket::Socket for Sink {
    fn try_read(&self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::Unsupported.into())
    }

    fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        self.0
            .try_io(Interest::WRITABLE, |fd| SockRef::from(fd).send(data))
    }

    #[cfg(target_os = "linux")]
    fn try_sendfile(&self, file: &File, offset: u64, count: u64) -> io::Result<u64> {
        self.0
            .try_io(Interest::WRITABLE, |fd| sendfile(fd, file, offset, count))
    }

    fn shut_down_writing(&self) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx).map_ok(drop)
    }
}
