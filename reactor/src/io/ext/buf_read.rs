//! [`AsyncBufReadExt`].

use std::future::{Future, poll_fn};
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::io::AsyncBufRead;
use crate::io::operation::{Operate, Operation, poll_each};

/// Async functions to read up to a byte, or line by line.
///
/// ```
/// use heist::io::AsyncBufReadExt;
///
/// #[heist::main]
/// async fn main() {
///     let mut lines = (&b"one\ntwo\n"[..]).lines();
///     while let Some(line) = lines.next_line().await.unwrap() {
///         assert!(line == "one" || line == "two");
///     }
/// }
/// ```
pub trait AsyncBufReadExt: AsyncBufRead {
    /// Reads up to the next `byte`, or to the end if there is none. Appends what was read to `buf`, with `byte` itself. Returns
    /// how many bytes were read. 0 means the end.
    ///
    /// # Errors
    ///
    /// Any error from the reader except `Interrupted`. What was read so far stays in `buf`.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, what was read so far is in `buf`. Call this again to go on.
    ///
    /// ```
    /// use heist::io::AsyncBufReadExt;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut reader = &b"key=value"[..];
    ///     let mut key = Vec::new();
    ///     assert_eq!(reader.read_until(b'=', &mut key).await?, 4);
    ///     assert_eq!((&key[..], reader), (&b"key="[..], &b"value"[..]));
    ///     Ok(())
    /// }
    /// ```
    fn read_until<'a>(
        &'a mut self,
        byte: u8,
        buf: &'a mut Vec<u8>,
    ) -> Operate<'a, Self, ReadUntil<'a>>
    where
        Self: Unpin,
    {
        let start = buf.len();
        Operate::new(self, ReadUntil { byte, buf, start })
    }

    /// Reads up to the next line feed, or to the end if there is none. Appends what was read to `buf`, with the line feed
    /// itself. Returns how many bytes were read. 0 means the end.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the line isn't UTF-8. The line is lost then, and `buf` unchanged. Any error from the reader except
    /// `Interrupted`. What was read so far is appended to `buf` then, if it is UTF-8.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, what was read so far is lost, and `buf` is unchanged. [`read_until`](Self::read_until) and
    /// [`lines`](Self::lines) lose nothing.
    ///
    /// ```
    /// use heist::io::AsyncBufReadExt;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut reader = &b"one\ntwo"[..];
    ///     let mut line = String::new();
    ///     assert_eq!(reader.read_line(&mut line).await?, 4);
    ///     assert_eq!(line, "one\n");
    ///     line.clear();
    ///     assert_eq!(reader.read_line(&mut line).await?, 3);
    ///     assert_eq!(reader.read_line(&mut line).await?, 0);
    ///     Ok(())
    /// }
    /// ```
    fn read_line<'a>(&'a mut self, buf: &'a mut String) -> Operate<'a, Self, ReadLine<'a>>
    where
        Self: Unpin,
    {
        let bytes = Vec::new();
        Operate::new(self, ReadLine { bytes, buf })
    }

    /// Splits what is read into parts at each `byte`. See [`Split`].
    fn split(self, byte: u8) -> Split<Self>
    where
        Self: Sized,
    {
        Split {
            reader: self,
            byte,
            part: Vec::new(),
        }
    }

    /// Returns what the buffer holds. If it is empty, it is filled first. An empty slice means the end. The bytes stay in the
    /// buffer until you call [`consume`](Self::consume).
    ///
    /// # Errors
    ///
    /// Any error from the reader.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// ```
    /// use heist::io::AsyncBufReadExt;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut reader = &b"12 apples"[..];
    ///     assert_eq!(reader.fill_buf().await.unwrap(), b"12 apples");
    ///     reader.consume(3);
    ///     assert_eq!(reader.fill_buf().await.unwrap(), b"apples");
    /// }
    /// ```
    fn fill_buf(&mut self) -> FillBuf<'_, Self>
    where
        Self: Unpin,
    {
        FillBuf { reader: Some(self) }
    }

    /// Takes `amt` bytes out of the buffer. They must be among those that [`fill_buf`](Self::fill_buf) has shown.
    ///
    /// [`fill_buf`](Self::fill_buf) has an example.
    fn consume(&mut self, amt: usize)
    where
        Self: Unpin,
    {
        Pin::new(self).consume(amt);
    }

    /// Splits what is read into lines, without the characters that end them. See [`Lines`].
    ///
    /// [`AsyncBufReadExt`] has an example.
    fn lines(self) -> Lines<Self>
    where
        Self: Sized,
    {
        Lines {
            parts: self.split(b'\n'),
        }
    }
}

impl<R: AsyncBufRead + ?Sized> AsyncBufReadExt for R {}

/// Polls up to the next `byte`, or to the end. Appends what was read to `buffer`.
fn poll_until<R: AsyncBufRead + ?Sized>(
    mut reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    byte: u8,
    buffer: &mut Vec<u8>,
) -> Poll<Result<()>> {
    poll_each(cx, |cx| {
        let available = ready!(reader.as_mut().poll_fill_buf(cx))?;
        let found = memchr::memchr(byte, available);
        let taken = found.map_or(available.len(), |at| at + 1);
        buffer.extend_from_slice(&available[..taken]);
        reader.as_mut().consume(taken);
        Poll::Ready(Ok((found.is_some() || taken == 0).then_some(())))
    })
}

/// [`AsyncBufReadExt::read_until`].
pub struct ReadUntil<'a> {
    byte: u8,
    buf: &'a mut Vec<u8>,
    /// How long it was before.
    start: usize,
}

impl<R: AsyncBufRead + ?Sized> Operation<R> for ReadUntil<'_> {
    type Output = usize;

    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        ready!(poll_until(io, cx, self.byte, self.buf))?;
        Poll::Ready(Ok(self.buf.len() - self.start))
    }
}

/// [`AsyncBufReadExt::read_line`].
pub struct ReadLine<'a> {
    bytes: Vec<u8>,
    buf: &'a mut String,
}

impl<R: AsyncBufRead + ?Sized> Operation<R> for ReadLine<'_> {
    type Output = usize;

    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let read = ready!(poll_until(io, cx, b'\n', &mut self.bytes));
        let line = String::from_utf8(std::mem::take(&mut self.bytes));
        if let Ok(line) = &line {
            self.buf.push_str(line);
        }
        read?;
        Poll::Ready(match line {
            Ok(line) => Ok(line.len()),
            Err(error) => Err(Error::new(ErrorKind::InvalidData, error.utf8_error())),
        })
    }
}

/// The future of [`AsyncBufReadExt::fill_buf`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct FillBuf<'a, R: ?Sized> {
    /// `None` once it has completed.
    reader: Option<&'a mut R>,
}

impl<'a, R: AsyncBufRead + Unpin + ?Sized> Future for FillBuf<'a, R> {
    type Output = Result<&'a [u8]>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reader = self.reader.as_mut().expect("polled after it has completed");
        if ready!(Pin::new(&mut **reader).poll_fill_buf(cx))?.is_empty() {
            return Poll::Ready(Ok(&[]));
        }
        let reader = self.reader.take().expect("it was there");
        // The buffer isn't empty, so this returns it once more, and now for `'a`.
        match Pin::new(reader).poll_fill_buf(cx) {
            Poll::Pending => panic!("a reader does not show again what is in its buffer"),
            filled => filled,
        }
    }
}

pin_project! {
    /// What [`AsyncBufReadExt::lines`] returns.
    #[derive(Debug)]
    #[must_use = "nothing is read until you call `next_line`"]
    pub struct Lines<R> {
        #[pin]
        parts: Split<R>,
    }
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Reads the next line, without the line feed at its end or the carriage return before that. Returns `None` at the end.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the line isn't UTF-8: the error holds a [`FromUtf8Error`](std::string::FromUtf8Error) with the bytes,
    /// and the next call reads the line after it. Any error from the reader except `Interrupted`.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// [`AsyncBufReadExt`] has an example.
    pub async fn next_line(&mut self) -> Result<Option<String>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next_line(cx)).await
    }
}

impl<R> Lines<R> {
    /// The reader.
    pub fn get_ref(&self) -> &R {
        &self.parts.reader
    }

    /// The reader. If you read from it, lines may be torn.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.parts.reader
    }

    /// The reader. What was read of the next line is lost.
    pub fn into_inner(self) -> R {
        self.parts.reader
    }
}

impl<R: AsyncBufRead> Lines<R> {
    /// Polls for [`next_line`](Self::next_line).
    ///
    /// # Errors
    ///
    /// As [`next_line`](Self::next_line).
    pub fn poll_next_line(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<String>>> {
        let parts = self.project().parts;
        let Some(part) = ready!(parts.poll_next(cx))? else {
            return Poll::Ready(Ok(None));
        };
        let mut line = part.bytes;
        if part.ended && line.last() == Some(&b'\r') {
            line.pop();
        }
        Poll::Ready(match String::from_utf8(line) {
            Ok(line) => Ok(Some(line)),
            Err(error) => Err(Error::new(ErrorKind::InvalidData, error)),
        })
    }
}

pin_project! {
    /// What [`AsyncBufReadExt::split`] returns.
    ///
    /// ```
    /// use heist::io::AsyncBufReadExt;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     // Slices have a `split` of their own, so it is called by its trait's name here.
    ///     let mut parts = AsyncBufReadExt::split(&b"a,b"[..], b',');
    ///     assert_eq!(parts.next_segment().await.unwrap().unwrap(), b"a");
    ///     assert_eq!(parts.next_segment().await.unwrap().unwrap(), b"b");
    ///     assert_eq!(parts.next_segment().await.unwrap(), None);
    /// }
    /// ```
    #[derive(Debug)]
    #[must_use = "nothing is read until you call `next_segment`"]
    pub struct Split<R> {
        #[pin]
        reader: R,
        byte: u8,
        // What was read of the next part.
        part: Vec<u8>,
    }
}

/// A part, and whether the byte stood at its end.
struct Part {
    bytes: Vec<u8>,
    ended: bool,
}

impl<R: AsyncBufRead + Unpin> Split<R> {
    /// Reads the next part, without the byte at its end. Returns `None` at the end.
    ///
    /// # Errors
    ///
    /// Any error from the reader except `Interrupted`.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// [`Split`] has an example.
    pub async fn next_segment(&mut self) -> Result<Option<Vec<u8>>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next_segment(cx)).await
    }
}

impl<R: AsyncBufRead> Split<R> {
    /// Polls for [`next_segment`](Self::next_segment).
    ///
    /// # Errors
    ///
    /// As [`next_segment`](Self::next_segment).
    pub fn poll_next_segment(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Vec<u8>>>> {
        let next = ready!(self.poll_next(cx))?;
        Poll::Ready(Ok(next.map(|part| part.bytes)))
    }

    /// Polls for the next part.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<Part>>> {
        let this = self.project();
        ready!(poll_until(this.reader, cx, *this.byte, this.part))?;
        if this.part.is_empty() {
            return Poll::Ready(Ok(None));
        }
        let mut bytes = std::mem::take(this.part);
        let ended = bytes.last() == Some(this.byte);
        if ended {
            bytes.pop();
        }
        Poll::Ready(Ok(Some(Part { bytes, ended })))
    }
}
