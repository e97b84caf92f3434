//! A reader that is empty, one that never ends, and a writer that takes everything.

use std::io::{IoSlice, Result, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use heist_sync::coop;

use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

/// A reader that has nothing, and a writer that takes everything: what [`empty`] returns.
#[derive(Debug, Clone, Copy, Default)]
pub struct Empty(());

/// A reader that has nothing. As a writer it takes everything.
///
/// ```
/// use heist::io::{self, AsyncReadExt};
///
/// #[heist::main]
/// async fn main() {
///     assert_eq!(io::empty().read(&mut [0; 8]).await.unwrap(), 0);
/// }
/// ```
pub fn empty() -> Empty {
    Empty(())
}

/// A reader of one byte, over and over: what [`repeat`] returns.
#[derive(Debug, Clone)]
pub struct Repeat(u8);

/// A reader of one byte, over and over. It never ends.
///
/// ```
/// use heist::io::{self, AsyncReadExt};
///
/// #[heist::main]
/// async fn main() {
///     let mut bytes = [0; 3];
///     io::repeat(7).read_exact(&mut bytes).await.unwrap();
///     assert_eq!(bytes, [7; 3]);
/// }
/// ```
pub const fn repeat(byte: u8) -> Repeat {
    Repeat(byte)
}

/// A writer that takes everything: what [`sink`] returns.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sink(());

/// A writer that takes everything and keeps nothing.
///
/// ```
/// use heist::io::{self, AsyncWriteExt};
///
/// #[heist::main]
/// async fn main() {
///     io::sink().write_all(&[0; 1_000]).await.unwrap();
/// }
/// ```
pub fn sink() -> Sink {
    Sink(())
}

/// Each operation costs a unit of the budget, since it never waits.
fn poll_at_once<T>(cx: &mut Context<'_>, result: impl FnOnce() -> T) -> Poll<Result<T>> {
    ready!(coop::poll_proceed(cx)).made_progress();
    Poll::Ready(Ok(result()))
}

impl AsyncRead for Empty {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        poll_at_once(cx, || ())
    }
}

impl AsyncBufRead for Empty {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        poll_at_once(cx, || &[][..])
    }

    fn consume(self: Pin<&mut Self>, _: usize) {}
}

impl AsyncSeek for Empty {
    fn start_seek(self: Pin<&mut Self>, _: SeekFrom) -> Result<()> {
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        poll_at_once(cx, || 0)
    }
}

impl AsyncRead for Repeat {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        poll_at_once(cx, || {
            let free = buf.initialize_unfilled();
            free.fill(self.0);
            let len = free.len();
            buf.advance(len);
        })
    }
}

macro_rules! takes_everything {
    ($($type:ty),+) => {$(
        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<Result<usize>> {
                poll_at_once(cx, || buf.len())
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                poll_at_once(cx, || ())
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                poll_at_once(cx, || ())
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<Result<usize>> {
                poll_at_once(cx, || {
                    let lens = bufs.iter().map(|buf| buf.len());
                    lens.fold(0, usize::saturating_add)
                })
            }

            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    )+};
}

takes_everything!(Empty, Sink);
