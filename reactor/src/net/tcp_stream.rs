//! A TCP connection.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;

use super::addr::{ToSocketAddrs, no_address, resolve};
use crate::readiness::{News, Seen};
use crate::registered::Registered;

/// What [`TcpStream::ready`] waits for: one direction at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest {
    readable: bool,
    writable: bool,
}

impl Interest {
    /// That a read is worth trying.
    pub const READABLE: Interest = Interest {
        readable: true,
        writable: false,
    };
    /// That a write is worth trying.
    pub const WRITABLE: Interest = Interest {
        readable: false,
        writable: true,
    };

    /// Whether reads are included.
    pub const fn is_readable(self) -> bool {
        self.readable
    }

    /// Whether writes are included.
    pub const fn is_writable(self) -> bool {
        self.writable
    }
}

impl std::ops::BitOr for Interest {
    type Output = Interest;
    fn bitor(self, other: Interest) -> Interest {
        Interest {
            readable: self.readable || other.readable,
            writable: self.writable || other.writable,
        }
    }
}

/// What a connection was found ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    read: Option<Seen>,
    write: Option<Seen>,
}

impl Ready {
    /// Whether a read is worth trying.
    pub fn is_readable(self) -> bool {
        self.read.is_some_and(Seen::is_ready)
    }

    /// Whether a write is worth trying.
    pub fn is_writable(self) -> bool {
        self.write.is_some_and(Seen::is_ready)
    }

    /// Whether the peer, or we, closed the reading direction.
    pub fn is_read_closed(self) -> bool {
        self.read.is_some_and(Seen::is_closed)
    }

    /// Whether the peer, or we, closed the writing direction.
    pub fn is_write_closed(self) -> bool {
        self.write.is_some_and(Seen::is_closed)
    }

    /// Whether an error waits to be fetched by an operation.
    pub fn is_error(self) -> bool {
        [self.read, self.write]
            .into_iter()
            .flatten()
            .any(Seen::is_error)
    }
}

/// A TCP connection.
///
/// It is read and written by [`futures_io::AsyncRead`] and [`futures_io::AsyncWrite`], which it implements, and by
/// the `try_*` functions. A task that reads and one that writes may share it: by [`split`](Self::split) or
/// [`into_split`](Self::into_split). Dropping it closes the connection.
///
/// ```
/// use heist_reactor::io::{AsyncReadExt, AsyncWriteExt};
/// use heist_reactor::net::{TcpListener, TcpStream};
/// # use heist_reactor::testing::block_on;
/// # block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
/// let (mut server, _) = listener.accept().await.unwrap();
///
/// client.write_all(b"hello").await.unwrap();
/// let mut heard = [0; 5];
/// server.read_exact(&mut heard).await.unwrap();
/// assert_eq!(&heard, b"hello");
/// # });
/// ```
pub struct TcpStream {
    socket: Registered<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first of the addresses that answers.
    ///
    /// # Errors
    ///
    /// Where none does, with the last address's error; where there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the attempt up.
    pub async fn connect<A: ToSocketAddrs>(address: A) -> io::Result<TcpStream> {
        let mut last = None;
        for address in resolve(address).await? {
            let connected = match mio::net::TcpStream::connect(address) {
                Ok(socket) => Self::connected(socket).await,
                Err(error) => Err(error),
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    /// Waits for a connect under way.
    pub(super) async fn connected(socket: mio::net::TcpStream) -> io::Result<TcpStream> {
        let stream = Self::register(socket, News::NONE)?;
        let socket = stream.socket.io();
        let finish = || match (socket.take_error()?, socket.peer_addr()) {
            (Some(error), _) => Err(error),
            // Woken for nothing: the attempt still goes on.
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
        // So that events tell of an urgent byte: a read stops before it.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let interest = interest | mio::Interest::PRIORITY;
        let socket = Registered::new(socket, interest, news)?;
        Ok(TcpStream { socket })
    }

    /// Takes over a connection of std's, which must be in non-blocking mode.
    ///
    /// # Errors
    ///
    /// Where it can't be registered with the poller.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        Self::register(mio::net::TcpStream::from_std(stream), News::READY)
    }

    /// Gives it up as a connection of std's, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// Where it can't be taken out of the poller.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.socket.into_inner().map(std::net::TcpStream::from)
    }

    /// Completes once one of the operations in `interest` is worth trying, with a `try_*` function. It may be wrong:
    /// the operation says so by `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Where the reactor has been shut down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let mut read = self.socket.reads().news();
        let mut write = self.socket.writes().news();
        let found = std::future::poll_fn(|cx| {
            let found = Ready {
                read: poll_one(interest.readable, &mut read, cx),
                write: poll_one(interest.writable, &mut write, cx),
            };
            if found.read.is_some() || found.write.is_some() {
                Poll::Ready(found)
            } else {
                Poll::Pending
            }
        })
        .await;
        if [found.read, found.write]
            .into_iter()
            .flatten()
            .any(Seen::is_shut_down)
        {
            // The error has one home.
            self.socket.reads().ready().await?;
        }
        Ok(found)
    }

    /// Completes once a read is worth trying. As [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// Where the reactor has been shut down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.reads().ready().await
    }

    /// Completes once a write is worth trying. As [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// Where the reactor has been shut down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.writes().ready().await
    }

    /// Polls for [`readable`](Self::readable). Of several pollers of this direction the last is woken.
    ///
    /// # Errors
    ///
    /// Where the reactor has been shut down.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.reads().poll_ready(cx)
    }

    /// Polls for [`writable`](Self::writable). Of several pollers of this direction the last is woken.
    ///
    /// # Errors
    ///
    /// Where the reactor has been shut down.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.writes().poll_ready(cx)
    }

    /// Reads what is there, and fails with `WouldBlock` where nothing is. 0: the peer will send no more.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, and as the system tells.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let short = short_of(asked([buffer.len()]));
        let read = || self.socket.io().read(buffer);
        self.socket.reads().try_io(read, short)
    }

    /// Reads what is there into several buffers, one after the other. As [`try_read`](Self::try_read).
    ///
    /// # Errors
    ///
    /// `WouldBlock`, and as the system tells.
    pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let empty = leading_empty(buffers);
        let buffers = &mut buffers[empty..];
        let short = short_of(asked(buffers.iter().map(|buffer| buffer.len())));
        let read = || self.socket.io().read_vectored(buffers);
        self.socket.reads().try_io(read, short)
    }

    /// Writes what fits, and fails with `WouldBlock` where nothing does.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, and as the system tells.
    pub fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        let write = || self.socket.io().write(buffer);
        self.socket
            .writes()
            .try_io(write, short_of(asked([buffer.len()])))
    }

    /// Writes what fits of several buffers, one after the other. As [`try_write`](Self::try_write).
    ///
    /// # Errors
    ///
    /// `WouldBlock`, and as the system tells.
    pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let buffers = &buffers[leading_empty(buffers)..];
        let short = short_of(asked(buffers.iter().map(|buffer| buffer.len())));
        let write = || self.socket.io().write_vectored(buffers);
        self.socket.writes().try_io(write, short)
    }

    /// Reads and leaves what it has read to be read again.
    ///
    /// # Errors
    ///
    /// As the system tells.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let peek = || self.socket.io().peek(buffer);
        self.socket.reads().io(peek, |_| false).await
    }

    /// Polls for [`peek`](Self::peek). Of several pollers of this direction the last is woken.
    ///
    /// # Errors
    ///
    /// As the system tells.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let peek = || self.socket.io().peek(buffer);
        self.socket.reads().poll_io(cx, peek, |_| false)
    }

    pub(super) fn poll_read_shared(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let short = short_of(asked([buffer.len()]));
        let read = || self.socket.io().read(buffer);
        self.socket.reads().poll_io(cx, read, short)
    }

    pub(super) fn poll_read_vectored_shared(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let empty = leading_empty(buffers);
        let buffers = &mut buffers[empty..];
        let short = short_of(asked(buffers.iter().map(|buffer| buffer.len())));
        let read = || self.socket.io().read_vectored(buffers);
        self.socket.reads().poll_io(cx, read, short)
    }

    pub(super) fn poll_write_shared(
        &self,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = || self.socket.io().write(buffer);
        self.socket
            .writes()
            .poll_io(cx, write, short_of(asked([buffer.len()])))
    }

    pub(super) fn poll_write_vectored_shared(
        &self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let buffers = &buffers[leading_empty(buffers)..];
        let short = short_of(asked(buffers.iter().map(|buffer| buffer.len())));
        let write = || self.socket.io().write_vectored(buffers);
        self.socket.writes().poll_io(cx, write, short)
    }

    /// Closes the writing direction; the peer reads the end of the stream. Where the connection is gone already that is
    /// no error. For the event loop, which shares its connections; [`AsyncWriteExt::shutdown`] is for users.
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
    /// As the system tells.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// As the system tells.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Takes the error that the system has kept for this connection, if there is one.
    ///
    /// # Errors
    ///
    /// As the system tells.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.io().take_error()
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// As the system tells.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.io().nodelay()
    }

    /// Sets whether small writes are sent at once, rather than kept back until more has come or the peer has
    /// confirmed what was sent before.
    ///
    /// # Errors
    ///
    /// As the system tells.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.io().set_nodelay(nodelay)
    }

    /// The time to live of what is sent.
    ///
    /// # Errors
    ///
    /// As the system tells.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.io().ttl()
    }

    /// Sets the time to live of what is sent.
    ///
    /// # Errors
    ///
    /// As the system tells.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.io().set_ttl(ttl)
    }

    /// See [`set_linger`](Self::set_linger).
    ///
    /// # Errors
    ///
    /// As the system tells.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self.socket.io()).linger()
    }

    /// Sets for how long closing goes on sending what has not been sent yet. `None`: as the system does by itself.
    /// Zero: not at all, the connection is reset. Anything else makes closing block the thread for that long, at
    /// most.
    ///
    /// # Errors
    ///
    /// As the system tells.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(self.socket.io()).set_linger(linger)
    }
}

/// Polls for one direction, where it is of interest.
fn poll_one(
    wanted: bool,
    news: &mut crate::registered::WaitForNews<'_>,
    cx: &mut Context<'_>,
) -> Option<Seen> {
    if !wanted {
        return None;
    }
    match Pin::new(news).poll(cx) {
        Poll::Ready(seen) => Some(seen),
        Poll::Pending => None,
    }
}

/// How many bytes the system is asked for by an operation on buffers of these lengths.
fn asked(lens: impl IntoIterator<Item = usize>) -> usize {
    /// How many buffers std hands to the system, which takes no more.
    const MOST_BUFFERS: usize = 1024;
    /// The system takes no more bytes than an `i32` counts, less up to a page.
    const MOST_BYTES: usize = 0x7fff_0000;
    let lens = lens.into_iter().take(MOST_BUFFERS);
    // The same bytes may be written many times at once.
    lens.fold(0, usize::saturating_add).min(MOST_BYTES)
}

/// Whether an operation went through for less than it was asked for, though for more than none.
fn short_of(asked: usize) -> impl Fn(&usize) -> bool {
    move |&done| 0 < done && done < asked
}

/// How many buffers to leave out in front, so that the system takes one with room, where there is one. With none but
/// empty ones it would do nothing, which of a read means the end.
fn leading_empty<B: Deref<Target = [u8]>>(buffers: &[B]) -> usize {
    let filled = buffers.iter().position(|buffer| !buffer.is_empty());
    filled.unwrap_or(0)
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for TcpStream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.io().as_fd()
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.io().as_raw_fd()
    }
}

impl futures_io::AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_read_shared(cx, buffer)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_read_vectored_shared(cx, buffers)
    }
}

impl futures_io::AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_shared(cx, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored_shared(cx, buffers)
    }

    /// Does nothing: what has been written is the system's to send.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes the writing direction: the peer reads the end of the stream.
    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_down_writing())
    }
}

#[cfg(test)]
mod tests {
    use super::{asked, short_of};

    #[test]
    fn short_is_less_than_the_system_was_asked_for() {
        let (gigabyte, short) = (1 << 30, short_of(asked([3, 4])));
        assert!(short(&1) && short(&6) && !short(&0) && !short(&7));
        assert!(!short_of(asked([]))(&0) && !short_of(asked([0, 0]))(&0));
        // No more than 1,024 buffers.
        let short = short_of(asked([1; 1_025]));
        assert!(short(&1_023) && !short(&1_024));
        // No more than 2^31 bytes less a page, of 4 KiB or 64.
        for lens in [vec![3 * gigabyte], vec![gigabyte; 3], vec![usize::MAX; 2]] {
            let short = short_of(asked(lens));
            assert!(short(&gigabyte) && !short(&0x7fff_0000) && !short(&0x7fff_f000));
        }
    }
}
