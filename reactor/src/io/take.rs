//! [`Take`]: a reader with an end of its own.

use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::polls::poll_read_limited;
use super::{AsyncBufRead, AsyncRead, ReadBuf};

pin_project! {
    /// A reader that ends after a number of bytes: what [`AsyncReadExt::take`](super::AsyncReadExt::take) returns.
    #[derive(Debug)]
    #[must_use = "readers do nothing unless they are read"]
    pub struct Take<R> {
        #[pin]
        inner: R,
        limit: u64,
    }
}

impl<R> Take<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self { inner, limit }
    }

    /// How many bytes are left until the end. The reader inside may end before that.
    ///
    /// ```
    /// use heist::io::AsyncReadExt;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut part = (&b"abcdef"[..]).take(3);
    ///     assert_eq!(part.read_u8().await?, b'a');
    ///     assert_eq!(part.limit(), 2);
    ///     part.set_limit(1);
    ///     let mut rest = String::new();
    ///     part.read_to_string(&mut rest).await?;
    ///     assert_eq!((&*rest, part.into_inner()), ("b", &b"cdef"[..]));
    ///     Ok(())
    /// }
    /// ```
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Sets how many bytes are left, whatever was read before.
    ///
    /// [`limit`](Self::limit) has an example.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// The reader inside.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The reader inside. What you read from it isn't counted.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The reader inside, pinned. What you read from it isn't counted.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().inner
    }

    /// The reader inside.
    ///
    /// [`limit`](Self::limit) has an example.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

/// `len`, or `limit` if that is less.
fn at_most(len: usize, limit: u64) -> usize {
    usize::try_from(limit).map_or(len, |limit| limit.min(len))
}

impl<R: AsyncRead> AsyncRead for Take<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = self.project();
        let most = at_most(buf.remaining(), *this.limit);
        if most == 0 {
            return Poll::Ready(Ok(()));
        }
        let done = ready!(poll_read_limited(this.inner, cx, buf, most))?;
        *this.limit -= done as u64;
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncBufRead> AsyncBufRead for Take<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        let this = self.project();
        if *this.limit == 0 {
            return Poll::Ready(Ok(&[]));
        }
        let filled = ready!(this.inner.poll_fill_buf(cx))?;
        Poll::Ready(Ok(&filled[..at_most(filled.len(), *this.limit)]))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        let this = self.project();
        let amt = at_most(amt, *this.limit);
        *this.limit -= amt as u64;
        this.inner.consume(amt);
    }
}
