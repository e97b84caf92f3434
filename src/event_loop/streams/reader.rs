//! The reading side of a stream.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::shared::{Arrived, Shared};

/// Reads from a stream: [`EventLoop::open_connection`](crate::event_loop::EventLoop::open_connection) says how to get one.
///
/// What has arrived and was not read is kept. If that is more than twice the limit (64 KiB without another), the peer is
/// not read from until some of it was read.
///
/// If the connection is lost with an error, each read returns it.
pub struct StreamReader {
    shared: Arc<Shared>,
}

/// The stream ended before all was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncompleteReadError {
    /// What was there.
    pub partial: Vec<u8>,
    /// How much was asked for, if the read asked for an amount.
    pub expected: Option<usize>,
}

/// The separator did not come within the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitOverrunError {
    /// How many bytes are there before the separator, or before the place where it may still begin.
    pub consumed: usize,
    found: bool,
}

/// Why a read failed that needs something in particular.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream ended too early.
    Incomplete(IncompleteReadError),
    /// The separator is too far away. Nothing was taken from the stream.
    LimitOverrun(LimitOverrunError),
    /// The connection was lost.
    Io(io::Error),
}

impl StreamReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Reads up to `size` bytes: what is there, at least one byte. An empty result means that the stream is at its end,
    /// or that `size` is 0.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost.
    ///
    /// # Errors
    ///
    /// The error with which the connection was lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::Write;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (mut reader, _writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// listener.accept()?.0.write_all(b"a")?;
    /// assert_eq!(reader.read(100).await?, b"a");
    /// // The peer has closed the connection.
    /// assert_eq!(reader.read(100).await?, b"");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read(&mut self, size: usize) -> io::Result<Vec<u8>> {
        if size == 0 {
            return Ok(Vec::new());
        }
        let read = self.shared.read(|arrived| {
            if arrived.buffer.is_empty() && !arrived.eof {
                return None;
            }
            Some(arrived.buffer.take(size))
        });
        read.await
    }

    /// Reads all up to the end of the stream.
    ///
    /// There is no limit, so use it for peers that you trust.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost.
    ///
    /// # Errors
    ///
    /// The error with which the connection was lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::Write;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (mut reader, _writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// listener.accept()?.0.write_all(b"hello")?;
    /// assert_eq!(reader.read_to_end().await?, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let read = |arrived: Arrived<'_>| arrived.eof.then(|| arrived.buffer.take_all());
        self.shared.read(read).await
    }

    /// Reads exactly `size` bytes.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost.
    ///
    /// # Errors
    ///
    /// [`ReadError::Incomplete`] if the stream ends before. It has what was there. [`ReadError::Io`] if the connection
    /// was lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, ReadError};
    /// use std::io::Write;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (mut reader, _writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// listener.accept()?.0.write_all(b"hello")?;
    /// assert_eq!(reader.readexactly(4).await.unwrap(), b"hell");
    /// let Err(ReadError::Incomplete(error)) = reader.readexactly(4).await else { panic!() };
    /// assert_eq!(error.partial, b"o");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn readexactly(&mut self, size: usize) -> Result<Vec<u8>, ReadError> {
        let read = self.shared.read(|arrived| {
            if arrived.buffer.len() >= size {
                return Some(Ok(arrived.buffer.take(size)));
            }
            arrived.eof.then(|| {
                Err(ReadError::Incomplete(IncompleteReadError {
                    partial: arrived.buffer.take_all(),
                    expected: Some(size),
                }))
            })
        });
        read.await?
    }

    /// Reads up to and including the next line feed. At the end of the stream, the last line may lack it, and an empty
    /// result means that there is no more.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the line is longer than the limit. What was there of it is thrown away. The error with which the
    /// connection was lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::Write;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (mut reader, _writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// listener.accept()?.0.write_all(b"one\ntwo")?;
    /// assert_eq!(reader.readline().await?, b"one\n");
    /// assert_eq!(reader.readline().await?, b"two");
    /// assert_eq!(reader.readline().await?, b"");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn readline(&mut self) -> io::Result<Vec<u8>> {
        match self.readuntil([b"\n"]).await {
            Ok(line) => Ok(line),
            Err(ReadError::Incomplete(error)) => Ok(error.partial),
            Err(ReadError::LimitOverrun(error)) => {
                let throw = |arrived: Arrived<'_>| {
                    let line = error.consumed + usize::from(error.found);
                    // Without a line feed in sight, the rest of what is there belongs to the line too.
                    let thrown = if error.found { line } else { usize::MAX };
                    drop(arrived.buffer.take(thrown));
                    Some(())
                };
                self.shared.read(throw).await?;
                Err(ReadError::LimitOverrun(error).into())
            }
            Err(ReadError::Io(error)) => Err(error),
        }
    }

    /// Reads up to and including the first of several separators. The one that ends first counts.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost.
    ///
    /// # Errors
    ///
    /// [`ReadError::Incomplete`] if the stream ends before. It has what was there. [`ReadError::LimitOverrun`] if the
    /// separator doesn't begin within the limit; nothing is taken from the stream then. [`ReadError::Io`] if the
    /// connection was lost, or if there is no separator, or an empty one.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::Write;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///     let event_loop = EventLoop::current();
    ///     let (mut reader, _writer) = event_loop.open_connection(listener.local_addr()?).await?;
    ///     listener.accept()?.0.write_all(b"one;two\nthree")?;
    ///     assert_eq!(reader.readuntil(["\n", ";"]).await.unwrap(), b"one;");
    ///     assert_eq!(reader.readuntil(["\n", ";"]).await.unwrap(), b"two\n");
    ///     assert!(reader.readuntil(["\n", ";"]).await.is_err());
    ///     Ok(())
    /// }
    /// ```
    pub async fn readuntil<S: AsRef<[u8]>>(
        &mut self,
        separators: impl IntoIterator<Item = S>,
    ) -> Result<Vec<u8>, ReadError> {
        let separators: Vec<S> = separators.into_iter().collect();
        let mut search = Search::new(separators.iter().map(AsRef::as_ref).collect())?;
        self.shared.read(|arrived| search.look(arrived)).await?
    }

    /// Whether the stream is at its end and all was read.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::Write;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (mut reader, _writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// assert!(!reader.at_eof());
    /// listener.accept()?.0.write_all(b"hello")?;
    /// reader.read_to_end().await?;
    /// assert!(reader.at_eof());
    /// # Ok(())
    /// # }
    /// ```
    pub fn at_eof(&self) -> bool {
        self.shared.at_eof()
    }
}

/// A search for separators in data that grows.
struct Search<'a> {
    separators: Vec<&'a [u8]>,
    longest: usize,
    /// No separator begins before this.
    from: usize,
}

impl<'a> Search<'a> {
    fn new(separators: Vec<&'a [u8]>) -> io::Result<Self> {
        let longest = separators.iter().map(|separator| separator.len()).max();
        match longest {
            Some(longest) if separators.iter().all(|separator| !separator.is_empty()) => Ok(Self {
                separators,
                longest,
                from: 0,
            }),
            _ => {
                let message = "a read until a separator needs one that is not empty";
                Err(io::Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }

    fn look(&mut self, arrived: Arrived<'_>) -> Option<Result<Vec<u8>, ReadError>> {
        if let Some((start, end)) = self.find(arrived.buffer) {
            if start > arrived.limit {
                return Some(Err(ReadError::LimitOverrun(LimitOverrunError {
                    consumed: start,
                    found: true,
                })));
            }
            return Some(Ok(arrived.buffer.take(end)));
        }
        self.from = (arrived.buffer.len() + 1).saturating_sub(self.longest);
        if self.from > arrived.limit {
            return Some(Err(ReadError::LimitOverrun(LimitOverrunError {
                consumed: self.from,
                found: false,
            })));
        }
        arrived.eof.then(|| {
            Err(ReadError::Incomplete(IncompleteReadError {
                partial: arrived.buffer.take_all(),
                expected: None,
            }))
        })
    }

    /// Where the first separator starts and ends: the one that ends first.
    fn find(&self, buffer: &[u8]) -> Option<(usize, usize)> {
        let from = self.from.min(buffer.len());
        let unseen = &buffer[from..];
        if let [&[byte]] = self.separators[..] {
            let start = from + unseen.iter().position(|other| *other == byte)?;
            return Some((start, start + 1));
        }
        // End by end, so that what comes after a separator is not looked at, whichever it is.
        (1..=unseen.len()).find_map(|end| {
            let mut separators = self.separators.iter();
            let found = separators.find(|separator| unseen[..end].ends_with(separator))?;
            Some((from + end - found.len(), from + end))
        })
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReader")
            .field("at_eof", &self.at_eof())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for IncompleteReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = self.partial.len();
        match self.expected {
            Some(expected) => write!(f, "the stream ended after {read} of {expected} bytes"),
            None => write!(
                f,
                "the stream ended after {read} bytes, without a separator"
            ),
        }
    }
}

impl fmt::Display for LimitOverrunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let consumed = self.consumed;
        match self.found {
            true => write!(
                f,
                "the separator comes after {consumed} bytes, above the limit"
            ),
            false => write!(
                f,
                "no separator in {consumed} bytes, which is above the limit"
            ),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete(error) => error.fmt(f),
            Self::LimitOverrun(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for IncompleteReadError {}
impl Error for LimitOverrunError {}
impl Error for ReadError {}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Incomplete(error) => Self::new(ErrorKind::UnexpectedEof, error),
            ReadError::LimitOverrun(error) => Self::new(ErrorKind::InvalidData, error),
            ReadError::Io(error) => error,
        }
    }
}
