//! A connection in two halves: one reads, one writes.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::SocketAddr;
use super::stream::UnixStream;

/// The reading half of a [`UnixStream`], from [`UnixStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a UnixStream);

/// The writing half of a [`UnixStream`], from [`UnixStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a UnixStream);

/// The reading half of a [`UnixStream`], from [`UnixStream::into_split`].
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncWriteExt};
/// use heist::net::UnixStream;
/// # #[heist::main]
/// # async fn main() -> std::io::Result<()> {
/// let (one, mut other) = UnixStream::pair()?;
/// let (mut read, mut write) = one.into_split();
/// write.write_all(b"all that there is").await?;
/// drop(write); // the other end reads the end of the stream
/// let mut heard = Vec::new();
/// other.read_to_end(&mut heard).await?;
/// other.write_all(&heard).await?;
/// drop(other);
///
/// let mut answer = String::new();
/// read.read_to_string(&mut answer).await?;
/// assert_eq!(answer, "all that there is");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OwnedReadHalf(Arc<UnixStream>);

/// The writing half of a [`UnixStream`], from [`UnixStream::into_split`]. Dropping it closes the writing direction. Call
/// [`forget`](Self::forget) to drop it without that.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<UnixStream>,
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

impl UnixStream {
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

impl AsRef<UnixStream> for ReadHalf<'_> {
    fn as_ref(&self) -> &UnixStream {
        self.0
    }
}

impl AsRef<UnixStream> for WriteHalf<'_> {
    fn as_ref(&self) -> &UnixStream {
        self.0
    }
}

impl OwnedReadHalf {
    /// Puts the two halves together again.
    ///
    /// # Errors
    ///
    /// If the halves don't belong to the same connection. The error holds both.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<UnixStream, ReuniteError> {
        if !Arc::ptr_eq(&self.0, &other.stream) {
            return Err(ReuniteError(self, other));
        }
        other.forget();
        Ok(Arc::try_unwrap(self.0).expect("there were only two halves"))
    }
}

impl AsRef<UnixStream> for OwnedReadHalf {
    fn as_ref(&self) -> &UnixStream {
        &self.0
    }
}

impl OwnedWriteHalf {
    /// Puts the two halves together again.
    ///
    /// # Errors
    ///
    /// If the halves don't belong to the same connection. The error holds both.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<UnixStream, ReuniteError> {
        other.reunite(self)
    }

    /// Drops the half without closing the writing direction.
    pub fn forget(mut self) {
        self.close_on_drop = false;
    }
}

impl AsRef<UnixStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &UnixStream {
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
