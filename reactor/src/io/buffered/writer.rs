//! [`BufWriter`].

use std::fmt;
use std::io::{ErrorKind, IoSlice, Result, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::io::operation::poll_each;
use crate::io::polls::poll_write;
use crate::io::traits::{forward_buf_read, forward_read};
use crate::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, CHUNK};

pin_project! {
    /// A writer with a buffer, so that many small writes become few large ones.
    ///
    /// A write that is at least as large as the buffer doesn't use it. If you drop the writer or call
    /// [`into_inner`](Self::into_inner), what is left in the buffer is lost: call
    /// [`flush`](crate::io::AsyncWriteExt::flush) first. Reads go directly to the stream inside.
    ///
    /// ```
    /// use heist::io::{AsyncWriteExt, BufWriter};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut writer = BufWriter::new(Vec::new());
    ///     writer.write_all(b"some").await.unwrap();
    ///     assert!(writer.get_ref().is_empty());
    ///     writer.flush().await.unwrap();
    ///     assert_eq!(writer.into_inner(), b"some");
    /// }
    /// ```
    pub struct BufWriter<W> {
        #[pin]
        inner: W,
        buffer: Vec<u8>,
        capacity: usize,
        // How much of the buffer the writer inside has taken.
        written: usize,
        // A seek that waits until the buffer is empty.
        seek: Option<SeekFrom>,
    }
}

impl<W: AsyncWrite> BufWriter<W> {
    /// A writer with a buffer of 8 KiB.
    ///
    /// [`BufWriter`] has an example.
    pub fn new(inner: W) -> Self {
        Self::with_capacity(CHUNK, inner)
    }

    /// A writer with a buffer of `capacity` bytes.
    ///
    /// [`buffer`](Self::buffer) has an example.
    pub fn with_capacity(capacity: usize, inner: W) -> Self {
        Self {
            inner,
            buffer: Vec::with_capacity(capacity),
            capacity,
            written: 0,
            seek: None,
        }
    }

    /// Writes all that is in the buffer to the writer inside.
    fn poll_empty(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut this = self.project();
        if this.buffer.is_empty() {
            return Poll::Ready(Ok(()));
        }
        poll_each(cx, |cx| {
            let left = &this.buffer[*this.written..];
            match ready!(poll_write(this.inner.as_mut(), cx, left))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                done => *this.written += done,
            }
            if *this.written < this.buffer.len() {
                return Poll::Ready(Ok(None));
            }
            this.buffer.clear();
            *this.written = 0;
            Poll::Ready(Ok(Some(())))
        })
    }

    /// Makes room for `len` bytes if the buffer can have it.
    fn poll_room(self: Pin<&mut Self>, cx: &mut Context<'_>, len: usize) -> Poll<Result<()>> {
        if self.buffer.len().saturating_add(len) > self.capacity {
            return self.poll_empty(cx);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the first of `bufs`, and those behind it that fit into the buffer as well.
    fn poll_write_several(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let mut bufs = bufs.iter().filter(|buf| !buf.is_empty());
        let Some(first) = bufs.next() else {
            return Poll::Ready(Ok(0));
        };
        let mut written = ready!(self.as_mut().poll_write(cx, first))?;
        if first.len() < self.capacity {
            let this = self.project();
            for buf in bufs {
                if buf.len() > *this.capacity - this.buffer.len() {
                    break;
                }
                this.buffer.extend_from_slice(buf);
                written += buf.len();
            }
        }
        Poll::Ready(Ok(written))
    }
}

impl<W> BufWriter<W> {
    /// The writer inside.
    ///
    /// [`BufWriter`] has an example.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The writer inside. What you write to it comes before what is in the buffer.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The writer inside, pinned.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut W> {
        self.project().inner
    }

    /// The writer inside. What is in the buffer is lost.
    ///
    /// [`BufWriter`] has an example.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// The writer inside, and what puts the buffer round another one.
    pub(super) fn take_apart<T>(self) -> (W, impl FnOnce(T) -> BufWriter<T>) {
        let around = move |inner| BufWriter {
            inner,
            buffer: self.buffer,
            capacity: self.capacity,
            written: self.written,
            seek: self.seek,
        };
        (self.inner, around)
    }

    /// What is in the buffer.
    ///
    /// ```
    /// use heist::io::{AsyncWriteExt, BufWriter};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut writer = BufWriter::with_capacity(4, Vec::new());
    ///     writer.write_all(b"abc").await?;
    ///     assert_eq!((writer.buffer(), writer.get_ref().len()), (&b"abc"[..], 0));
    ///     Ok(())
    /// }
    /// ```
    pub fn buffer(&self) -> &[u8] {
        &self.buffer[self.written..]
    }
}

impl<W: AsyncWrite> AsyncWrite for BufWriter<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize>> {
        ready!(self.as_mut().poll_room(cx, buf.len()))?;
        if buf.len() >= self.capacity {
            return self.get_pin_mut().poll_write(cx, buf);
        }
        self.project().buffer.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.as_mut().poll_empty(cx))?;
        self.get_pin_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.as_mut().poll_empty(cx))?;
        self.get_pin_mut().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        if !self.inner.is_write_vectored() {
            return self.poll_write_several(cx, bufs);
        }
        let len = bufs
            .iter()
            .fold(0_usize, |sum, buf| sum.saturating_add(buf.len()));
        ready!(self.as_mut().poll_room(cx, len))?;
        if len >= self.capacity {
            return self.get_pin_mut().poll_write_vectored(cx, bufs);
        }
        let this = self.project();
        bufs.iter()
            .for_each(|buf| this.buffer.extend_from_slice(buf));
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl<W: AsyncWrite + AsyncSeek> AsyncSeek for BufWriter<W> {
    /// The seek begins once what is in the buffer has been written. If that fails, there is no seek.
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> Result<()> {
        *self.project().seek = Some(position);
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        if let Some(position) = self.seek {
            let ready = match ready!(self.as_mut().poll_empty(cx)) {
                // The writer inside may still be at something that was given up, or at what it has just taken.
                Ok(()) => ready!(self.as_mut().get_pin_mut().poll_complete(cx)).map(drop),
                failed => failed,
            };
            let this = self.as_mut().project();
            *this.seek = None;
            ready?;
            this.inner.start_seek(position)?;
        }
        let reached = ready!(self.as_mut().get_pin_mut().poll_complete(cx))?;
        Poll::Ready(Ok(reached.saturating_add(self.buffer().len() as u64)))
    }
}

forward_read!([W: AsyncRead] BufWriter<W>, self => self.get_pin_mut());
forward_buf_read!([W: AsyncBufRead] BufWriter<W>, self => self.get_pin_mut());

impl<W: fmt::Debug> fmt::Debug for BufWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufWriter")
            .field("inner", &self.inner)
            .field("buffered", &self.buffer().len())
            .field("capacity", &self.capacity)
            .finish()
    }
}
