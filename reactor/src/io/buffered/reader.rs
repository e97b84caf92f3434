//! [`BufReader`].

use std::fmt;
use std::io::{Error, Result, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::io::polls::poll_read_slice;
use crate::io::traits::forward_write;
use crate::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, CHUNK, ReadBuf};

pin_project! {
    /// A reader with a buffer, so that many small reads become few large ones, and lines can be read.
    ///
    /// If the buffer is empty, a read that is at least as large as the buffer doesn't use it. If you drop the reader or call
    /// [`into_inner`](Self::into_inner), what is left in the buffer is lost. Writes go directly to the stream inside.
    ///
    /// ```
    /// use heist::io::{AsyncBufReadExt, BufReader};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut reader = BufReader::new(&b"one\ntwo"[..]);
    ///     let mut line = String::new();
    ///     reader.read_line(&mut line).await.unwrap();
    ///     assert_eq!(line, "one\n");
    ///     assert_eq!(reader.buffer(), b"two");
    /// }
    /// ```
    pub struct BufReader<R> {
        #[pin]
        inner: R,
        buffer: Box<[u8]>,
        // What was read and not taken yet is between the two.
        position: usize,
        filled: usize,
        seek: Seek,
    }
}

/// Where a seek stands.
#[derive(Debug, Clone, Copy)]
enum Seek {
    None,
    /// To be begun.
    Wanted(SeekFrom),
    /// The reader inside is at it. Then it goes on by so many bytes, if that can't be done at once.
    Underway(Option<i64>),
}

impl<R: AsyncRead> BufReader<R> {
    /// A reader with a buffer of 8 KiB.
    ///
    /// [`BufReader`] has an example.
    pub fn new(inner: R) -> Self {
        Self::with_capacity(CHUNK, inner)
    }

    /// A reader with a buffer of `capacity` bytes.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    ///
    /// [`buffer`](Self::buffer) has an example.
    #[track_caller]
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        assert!(capacity > 0, "capacity must be greater than zero");
        Self {
            inner,
            buffer: vec![0; capacity].into(),
            position: 0,
            filled: 0,
            seek: Seek::None,
        }
    }
}

impl<R> BufReader<R> {
    /// The reader inside.
    ///
    /// [`buffer`](Self::buffer) has an example.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The reader inside. What you read from it isn't in order with what is in the buffer.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The reader inside, pinned.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().inner
    }

    /// The reader inside. What is in the buffer is lost.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// What is in the buffer. The buffer isn't filled if that is nothing.
    ///
    /// ```
    /// use heist::io::{AsyncReadExt, BufReader};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut reader = BufReader::with_capacity(4, &b"abcdef"[..]);
    ///     assert_eq!(reader.read_u8().await?, b'a');
    ///     assert_eq!((reader.buffer(), *reader.get_ref()), (&b"bcd"[..], &b"ef"[..]));
    ///     Ok(())
    /// }
    /// ```
    pub fn buffer(&self) -> &[u8] {
        &self.buffer[self.position..self.filled]
    }

    /// The reader inside, and what puts the buffer round another one.
    pub(super) fn take_apart<T>(self) -> (R, impl FnOnce(T) -> BufReader<T>) {
        let around = move |inner| BufReader {
            inner,
            buffer: self.buffer,
            position: self.position,
            filled: self.filled,
            seek: self.seek,
        };
        (self.inner, around)
    }

    fn discard(self: Pin<&mut Self>) {
        let this = self.project();
        (*this.position, *this.filled) = (0, 0);
    }
}

impl<R: AsyncRead> AsyncRead for BufReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        if self.buffer().is_empty() && buf.remaining() >= self.buffer.len() {
            return self.get_pin_mut().poll_read(cx, buf);
        }
        let available = ready!(self.as_mut().poll_fill_buf(cx))?;
        let taken = available.len().min(buf.remaining());
        buf.put_slice(&available[..taken]);
        self.consume(taken);
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncRead> AsyncBufRead for BufReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        let this = self.project();
        if this.position >= this.filled {
            let filled = ready!(poll_read_slice(this.inner, cx, this.buffer))?;
            (*this.position, *this.filled) = (0, filled);
        }
        Poll::Ready(Ok(&this.buffer[*this.position..*this.filled]))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        let this = self.project();
        *this.position = this.position.saturating_add(amt).min(*this.filled);
    }
}

impl<R: AsyncRead + AsyncSeek> AsyncSeek for BufReader<R> {
    /// What is in the buffer is lost, also if the new position is in it. `SeekFrom::Current` counts from what was read, not
    /// from where the reader inside is.
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> Result<()> {
        if let Seek::Underway(_) = self.seek {
            return Err(Error::other("another seek is under way"));
        }
        *self.project().seek = Seek::Wanted(position);
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        loop {
            let ahead = i64::try_from(self.buffer().len()).unwrap_or(i64::MAX);
            let mut this = self.as_mut().project();
            let (next, then) = match *this.seek {
                Seek::None => {
                    let inner = ready!(this.inner.poll_complete(cx))?;
                    return Poll::Ready(Ok(inner.saturating_sub(ahead.unsigned_abs())));
                }
                Seek::Wanted(SeekFrom::Current(offset)) => match offset.checked_sub(ahead) {
                    Some(offset) => (SeekFrom::Current(offset), None),
                    // As far as it goes, and then the rest.
                    None => (SeekFrom::Current(-ahead), Some(offset)),
                },
                Seek::Wanted(position) => (position, None),
                Seek::Underway(then) => {
                    let reached = ready!(this.inner.poll_complete(cx));
                    *this.seek = match then {
                        Some(offset) if reached.is_ok() => Seek::Wanted(SeekFrom::Current(offset)),
                        _ => Seek::None,
                    };
                    let reached = reached?;
                    // Only now: a seek that fails leaves everything as it is.
                    self.as_mut().discard();
                    if then.is_some() {
                        continue;
                    }
                    return Poll::Ready(Ok(reached));
                }
            };
            // The reader inside may still be at something that was given up.
            let started = ready!(this.inner.as_mut().poll_complete(cx))
                .and_then(|_| this.inner.start_seek(next));
            *this.seek = match started {
                Ok(()) => Seek::Underway(then),
                Err(_) => Seek::None,
            };
            started?;
        }
    }
}

forward_write!([R: AsyncWrite] BufReader<R>, self => self.get_pin_mut(), self.inner.is_write_vectored());

impl<R: fmt::Debug> fmt::Debug for BufReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufReader")
            .field("inner", &self.inner)
            .field("buffered", &self.buffer().len())
            .field("capacity", &self.buffer.len())
            .finish()
    }
}
