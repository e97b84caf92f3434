//! Adapters between heist's I/O traits and those of `futures_io`, in both directions.
//!
//! heist's own sockets, files and pipes implement both families already. Use these for other types. They have the interface
//! of `tokio_util::compat`.
//!
//! If a crate asks for tokio's own traits, go through those of `futures_io`: `tokio_util::compat` turns them into tokio's, and
//! tokio's into them.
//!
//! ```
//! use futures_io::AsyncRead as FuturesAsyncRead;
//! use heist::io::compat::{FuturesAsyncReadCompatExt, HeistAsyncReadCompatExt};
//! use heist::io::AsyncReadExt;
//!
//! #[heist::main]
//! async fn main() {
//!     // A reader with heist's trait...
//!     let ours = (&b"bytes"[..]).take(3);
//!     // ... is one with the other trait...
//!     let theirs: Box<dyn FuturesAsyncRead + Unpin> = Box::new(ours.compat());
//!     // ... and comes back.
//!     let mut all = Vec::new();
//!     FuturesAsyncReadCompatExt::compat(theirs).read_to_end(&mut all).await.unwrap();
//!     assert_eq!(all, b"byt");
//! }
//! ```

use std::io::{IoSlice, Result, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::polls::{no_more_than, poll_read_slice};
use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

pin_project! {
    /// Wraps a type with the traits of one family, and has those of the other.
    ///
    /// Nothing is buffered. A reader of `futures_io` gets a buffer that was set to zero.
    #[derive(Debug)]
    pub struct Compat<T> {
        #[pin]
        inner: T,
        // A seek that has begun: with the position that is asked for, or `None` once `poll_seek` need not ask any more.
        seek: Option<SeekFrom>,
    }
}

impl<T> Compat<T> {
    fn new(inner: T) -> Self {
        Self { inner, seek: None }
    }

    /// What is inside.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// What is inside.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// What is inside.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

/// The way from a trait of one family to the other, for each trait.
macro_rules! ways {
    ($($name:ident: $trait:path, $method:ident, $what:literal;)+) => {$(
        #[doc = $what]
        pub trait $name: $trait {
            /// Wraps it, so that it has the trait of the other family.
            fn $method(self) -> Compat<Self>
            where
                Self: Sized,
            {
                Compat::new(self)
            }
        }

        impl<T: $trait> $name for T {}
    )+};
}

ways! {
    FuturesAsyncReadCompatExt: futures_io::AsyncRead, compat, "From `futures_io::AsyncRead` to heist's.";
    FuturesAsyncWriteCompatExt: futures_io::AsyncWrite, compat_write, "From `futures_io::AsyncWrite` to heist's.";
    HeistAsyncReadCompatExt: AsyncRead, compat, "From heist's `AsyncRead` to that of `futures_io`.";
    HeistAsyncWriteCompatExt: AsyncWrite, compat_write, "From heist's `AsyncWrite` to that of `futures_io`.";
}

impl<T: futures_io::AsyncRead> AsyncRead for Compat<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let free = buf.initialize_unfilled();
        let len = free.len();
        let done = ready!(self.project().inner.poll_read(cx, free))?;
        buf.advance(no_more_than(len, done)?);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead> futures_io::AsyncRead for Compat<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize>> {
        poll_read_slice(self.project().inner, cx, buf)
    }
}

impl<T: futures_io::AsyncBufRead> AsyncBufRead for Compat<T> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        self.project().inner.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.project().inner.consume(amt);
    }
}

impl<T: AsyncBufRead> futures_io::AsyncBufRead for Compat<T> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        self.project().inner.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.project().inner.consume(amt);
    }
}

impl<T: futures_io::AsyncWrite> AsyncWrite for Compat<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_close(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }

    /// Always true: `futures_io` doesn't say which writers have more than the fallback that writes the first buffer.
    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl<T: AsyncWrite> futures_io::AsyncWrite for Compat<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }
}

impl<T: futures_io::AsyncSeek> AsyncSeek for Compat<T> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> Result<()> {
        *self.project().seek = Some(position);
        Ok(())
    }

    /// Without a seek it asks for the position.
    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        let this = self.project();
        let position = this.seek.unwrap_or(SeekFrom::Current(0));
        let reached = ready!(this.inner.poll_seek(cx, position));
        *this.seek = None;
        Poll::Ready(reached)
    }
}

impl<T: AsyncSeek> futures_io::AsyncSeek for Compat<T> {
    fn poll_seek(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        position: SeekFrom,
    ) -> Poll<Result<u64>> {
        let mut this = self.project();
        if *this.seek != Some(position) {
            // One that was given up may still be under way.
            ready!(this.inner.as_mut().poll_complete(cx))?;
            this.inner.as_mut().start_seek(position)?;
            *this.seek = Some(position);
        }
        let reached = ready!(this.inner.poll_complete(cx));
        *this.seek = None;
        Poll::Ready(reached)
    }
}
