//! A connection in two halves: one reads, one writes.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::TcpStream;
use crate::io::ReadBuf;

/// The reading half of a [`TcpStream`], from [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The writing half of a [`TcpStream`], from [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

/// The reading half of a [`TcpStream`], from [`TcpStream::into_split`].
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncWriteExt};
/// use heist::net::{TcpListener, TcpStream};
/// # #[heist::main]
/// # async fn main() {
/// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
/// let (mut server, _) = listener.accept().await.unwrap();
///
/// let (mut read, mut write) = client.into_split();
/// write.write_all(b"all that there is").await.unwrap();
/// drop(write); // the server reads the end of the stream
/// let mut heard = Vec::new();
/// server.read_to_end(&mut heard).await.unwrap();
/// server.write_all(&heard).await.unwrap();
/// drop(server);
///
/// let mut answer = String::new();
/// read.read_to_string(&mut answer).await.unwrap();
/// assert_eq!(answer, "all that there is");
/// # }
/// ```
#[derive(Debug)]
pub struct OwnedReadHalf(Arc<TcpStream>);

/// The writing half of a [`TcpStream`], from [`TcpStream::into_split`]. Dropping it closes the writing direction. Call
/// [`forget`](Self::forget) to drop it without that.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    close_on_drop: bool,
}

/// The two halves don't belong to the same connection.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tried to reunite halves that are not from the same connection")
    }
}

impl Error for ReuniteError {}

impl TcpStream {
    /// Splits the stream into a reading half and a writing half, which borrow it.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        (ReadHalf(self), WriteHalf(self))
    }

    /// Splits the stream into a reading half and a writing half that can go to different tasks. Dropping the writing half
    /// closes the writing direction.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let stream = Arc::new(self);
        let write = OwnedWriteHalf {
            stream: stream.clone(),
            close_on_drop: true,
        };
        (OwnedReadHalf(stream), write)
    }
}

impl ReadHalf<'_> {
    /// Reads bytes without removing them. See [`TcpStream::peek`].
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    pub async fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.peek(buffer).await
    }

    /// Polls for [`peek`](Self::peek). See [`TcpStream::poll_peek`].
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn poll_peek(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_peek(cx, buffer)
    }
}

impl AsRef<TcpStream> for ReadHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

impl AsRef<TcpStream> for WriteHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

impl OwnedReadHalf {
    /// Puts the two halves together again.
    ///
    /// # Errors
    ///
    /// If the halves don't belong to the same connection. The error holds both.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.0, &other.stream) {
            return Err(ReuniteError(self, other));
        }
        other.forget();
        Ok(Arc::try_unwrap(self.0).expect("there were only two halves"))
    }

    /// Reads bytes without removing them. See [`TcpStream::peek`].
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    pub async fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.peek(buffer).await
    }

    /// Polls for [`peek`](Self::peek). See [`TcpStream::poll_peek`].
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns.
    pub fn poll_peek(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_peek(cx, buffer)
    }
}

impl AsRef<TcpStream> for OwnedReadHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.0
    }
}

impl OwnedWriteHalf {
    /// Puts the two halves together again.
    ///
    /// # Errors
    ///
    /// If the halves don't belong to the same connection. The error holds both.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        other.reunite(self)
    }

    /// Drops the half without closing the writing direction.
    pub fn forget(mut self) {
        self.close_on_drop = false;
    }
}

impl AsRef<TcpStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

impl OwnedWriteHalf {
    /// Closes the writing direction, which dropping it need not do after that.
    fn shut_down_writing(&mut self) -> io::Result<()> {
        let closed = self.stream.shut_down_writing();
        self.close_on_drop &= closed.is_err();
        closed
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.close_on_drop {
            // Nobody is left to be told about an error, and only closing the connection follows.
            let _ = self.stream.shut_down_writing();
        }
    }
}

half_methods! { ReadHalf<'_>: this => this.0, readable, SocketAddr }
half_methods! { OwnedReadHalf: this => this.0, readable, SocketAddr }
half_methods! { WriteHalf<'_>: this => this.0, writable, SocketAddr }
half_methods! { OwnedWriteHalf: this => this.stream, writable, SocketAddr }
try_methods! { [read] ReadHalf<'_>: this => this.0.socket }
try_methods! { [read] OwnedReadHalf: this => this.0.socket }
try_methods! { [write] WriteHalf<'_>: this => this.0.socket }
try_methods! { [write] OwnedWriteHalf: this => this.stream.socket }
stream_io! { [read] ReadHalf<'_>: this => this.0 }
stream_io! { [read] OwnedReadHalf: this => this.0 }
stream_io! { [write] WriteHalf<'_>: this => this.0, this.0.shut_down_writing() }
stream_io! { [write] OwnedWriteHalf: this => this.stream, this.shut_down_writing() }
