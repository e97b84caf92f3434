//! [`Chain`]: one reader after the other.

use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::polls::poll_read_checked;
use super::{AsyncBufRead, AsyncRead, ReadBuf};

pin_project! {
    /// One reader after the other: what [`AsyncReadExt::chain`](super::AsyncReadExt::chain) returns.
    #[derive(Debug)]
    #[must_use = "readers do nothing unless they are read"]
    pub struct Chain<T, U> {
        #[pin]
        first: T,
        #[pin]
        second: U,
        first_ended: bool,
    }
}

impl<T, U> Chain<T, U> {
    pub(super) fn new(first: T, second: U) -> Self {
        Self {
            first,
            second,
            first_ended: false,
        }
    }

    /// The two readers.
    pub fn get_ref(&self) -> (&T, &U) {
        (&self.first, &self.second)
    }

    /// The two readers.
    pub fn get_mut(&mut self) -> (&mut T, &mut U) {
        (&mut self.first, &mut self.second)
    }

    /// The two readers, pinned.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> (Pin<&mut T>, Pin<&mut U>) {
        let this = self.project();
        (this.first, this.second)
    }

    /// The two readers.
    ///
    /// ```
    /// use heist::io::AsyncReadExt;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut both = (&b"ab"[..]).chain(&b"cd"[..]);
    ///     assert_eq!(both.read_u8().await?, b'a');
    ///     assert_eq!(both.into_inner(), (&b"b"[..], &b"cd"[..]));
    ///     Ok(())
    /// }
    /// ```
    pub fn into_inner(self) -> (T, U) {
        (self.first, self.second)
    }
}

impl<T: AsyncRead, U: AsyncRead> AsyncRead for Chain<T, U> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = self.project();
        if !*this.first_ended {
            let room = buf.remaining();
            let done = ready!(poll_read_checked(this.first, cx, buf))?;
            if done != 0 || room == 0 {
                return Poll::Ready(Ok(()));
            }
            *this.first_ended = true;
        }
        this.second.poll_read(cx, buf)
    }
}

impl<T: AsyncBufRead, U: AsyncBufRead> AsyncBufRead for Chain<T, U> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        let this = self.project();
        if !*this.first_ended {
            let filled = ready!(this.first.poll_fill_buf(cx))?;
            if !filled.is_empty() {
                return Poll::Ready(Ok(filled));
            }
            *this.first_ended = true;
        }
        this.second.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        let this = self.project();
        if *this.first_ended {
            this.second.consume(amt);
        } else {
            this.first.consume(amt);
        }
    }
}
