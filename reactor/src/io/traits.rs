//! The four traits, in tokio's shape.

use std::io::{Cursor, IoSlice, Result, SeekFrom};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ReadBuf;

/// Something that bytes can be read from. [`AsyncReadExt`](super::AsyncReadExt) has the async functions.
///
/// It has the signature and the contract of tokio's trait of the same name.
///
/// ```
/// use heist::io::{AsyncRead, AsyncReadExt, ReadBuf};
/// use std::io::Result;
/// use std::pin::Pin;
/// use std::task::{Context, Poll, ready};
///
/// /// Reads what another reader does, in capitals.
/// struct Capitals<R>(R);
///
/// impl<R: AsyncRead + Unpin> AsyncRead for Capitals<R> {
///     fn poll_read(
///         self: Pin<&mut Self>,
///         cx: &mut Context<'_>,
///         buf: &mut ReadBuf<'_>,
///     ) -> Poll<Result<()>> {
///         let before = buf.filled().len();
///         ready!(Pin::new(&mut self.get_mut().0).poll_read(cx, buf))?;
///         buf.filled_mut()[before..].make_ascii_uppercase();
///         Poll::Ready(Ok(()))
///     }
/// }
///
/// #[heist::main]
/// async fn main() -> Result<()> {
///     let mut text = String::new();
///     Capitals(&b"hello"[..]).read_to_string(&mut text).await?;
///     assert_eq!(text, "HELLO");
///     Ok(())
/// }
/// ```
pub trait AsyncRead {
    /// Reads some bytes into the unfilled part of `buf`.
    ///
    /// - `Ready(Ok(()))`: the bytes are in `buf`. If none were added though there was room, the stream has ended.
    /// - `Pending`: nothing was read. The task is woken when a read is worth trying.
    ///
    /// # Errors
    ///
    /// Any error from the reader. Nothing was read then.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>>;
}

/// Something that bytes can be written to. [`AsyncWriteExt`](super::AsyncWriteExt) has the async functions.
///
/// It has the signature and the contract of tokio's trait of the same name.
///
/// ```
/// use heist::io::{AsyncWrite, AsyncWriteExt};
/// use std::io::Result;
/// use std::pin::Pin;
/// use std::task::{Context, Poll, ready};
///
/// /// Counts the bytes that go to another writer.
/// struct Counted<W> {
///     writer: W,
///     count: usize,
/// }
///
/// impl<W: AsyncWrite + Unpin> AsyncWrite for Counted<W> {
///     fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
///         let this = self.get_mut();
///         let written = ready!(Pin::new(&mut this.writer).poll_write(cx, buf))?;
///         this.count += written;
///         Poll::Ready(Ok(written))
///     }
///
///     fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
///         Pin::new(&mut self.get_mut().writer).poll_flush(cx)
///     }
///
///     fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
///         Pin::new(&mut self.get_mut().writer).poll_shutdown(cx)
///     }
/// }
///
/// #[heist::main]
/// async fn main() -> Result<()> {
///     let mut counted = Counted { writer: Vec::new(), count: 0 };
///     counted.write_all(b"hello").await?;
///     assert_eq!(counted.count, 5);
///     Ok(())
/// }
/// ```
pub trait AsyncWrite {
    /// Writes some bytes of `buf`, and returns how many.
    ///
    /// - `Ready(Ok(n))`: `n` bytes were taken, at most `buf.len()`. If it is 0 though `buf` isn't empty, the writer takes no
    ///   more.
    /// - `Pending`: nothing was taken. The task is woken when a write is worth trying.
    ///
    /// # Errors
    ///
    /// Any error from the writer. Nothing was taken then.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>>;

    /// Sends what the writer has buffered.
    ///
    /// # Errors
    ///
    /// Any error from the writer.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>>;

    /// Flushes the writer, and closes it. Nothing can be written after that.
    ///
    /// # Errors
    ///
    /// Any error from the writer.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>>;

    /// Writes from several buffers, one after the other. Otherwise like [`poll_write`](Self::poll_write). Unless a writer
    /// has something better, this writes from the first buffer that isn't empty.
    ///
    /// # Errors
    ///
    /// Any error from the writer. Nothing was taken then.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.poll_write(cx, first.map_or(&[], |buf| &**buf))
    }

    /// Whether [`poll_write_vectored`](Self::poll_write_vectored) writes from more than one buffer.
    fn is_write_vectored(&self) -> bool {
        false
    }
}

/// A reader with a buffer that can be looked at. [`AsyncBufReadExt`](super::AsyncBufReadExt) has the async functions.
///
/// It has the signature and the contract of tokio's trait of the same name.
pub trait AsyncBufRead: AsyncRead {
    /// Returns what the buffer holds. If it is empty, it is filled first. An empty slice means that the stream has ended.
    ///
    /// The next call returns the same bytes, unless [`consume`](Self::consume) has taken them.
    ///
    /// # Errors
    ///
    /// Any error from the reader.
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>>;

    /// Takes `amt` bytes out of the buffer. [`poll_fill_buf`](Self::poll_fill_buf) must have returned at least as many.
    fn consume(self: Pin<&mut Self>, amt: usize);
}

/// Something that has a position. [`AsyncSeekExt`](super::AsyncSeekExt) has the async functions.
///
/// It has the signature and the contract of tokio's trait of the same name.
pub trait AsyncSeek {
    /// Begins to move to `position`. Then call [`poll_complete`](Self::poll_complete) until it is ready.
    ///
    /// # Errors
    ///
    /// If another seek is under way, or if the position is before the start.
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> Result<()>;

    /// Waits until the seek has ended, and returns the position from the start. Without a seek it returns the position as it
    /// is.
    ///
    /// # Errors
    ///
    /// Any error from the seek.
    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>>;
}

/// Implements [`AsyncRead`] for a type by that of what is in it. `$inner` is a pinned reference to that.
macro_rules! forward_read {
    ([$($generics:tt)*] $type:ty, $self:ident => $inner:expr) => {
        impl<$($generics)*> crate::io::AsyncRead for $type {
            fn poll_read(
                $self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut crate::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                $inner.poll_read(cx, buf)
            }
        }
    };
}

/// Implements [`AsyncWrite`] for a type by that of what is in it. `$inner` is a pinned reference to that, and `$vectored` its
/// `is_write_vectored`.
macro_rules! forward_write {
    ([$($generics:tt)*] $type:ty, $self:ident => $inner:expr, $vectored:expr) => {
        impl<$($generics)*> crate::io::AsyncWrite for $type {
            fn poll_write(
                $self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                $inner.poll_write(cx, buf)
            }

            fn poll_flush(
                $self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                $inner.poll_flush(cx)
            }

            fn poll_shutdown(
                $self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                $inner.poll_shutdown(cx)
            }

            fn poll_write_vectored(
                $self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                $inner.poll_write_vectored(cx, bufs)
            }

            fn is_write_vectored(&$self) -> bool {
                $vectored
            }
        }
    };
}

/// Implements [`AsyncBufRead`] for a type by that of what is in it. `$inner` is a pinned reference to that.
macro_rules! forward_buf_read {
    ([$($generics:tt)*] $type:ty, $self:ident => $inner:expr) => {
        impl<$($generics)*> crate::io::AsyncBufRead for $type {
            fn poll_fill_buf(
                $self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<&[u8]>> {
                $inner.poll_fill_buf(cx)
            }

            fn consume($self: std::pin::Pin<&mut Self>, amt: usize) {
                $inner.consume(amt);
            }
        }
    };
}

/// Implements [`AsyncSeek`] for a type by that of what is in it. `$inner` is a pinned reference to that.
macro_rules! forward_seek {
    ([$($generics:tt)*] $type:ty, $self:ident => $inner:expr) => {
        impl<$($generics)*> crate::io::AsyncSeek for $type {
            fn start_seek(
                $self: std::pin::Pin<&mut Self>,
                position: std::io::SeekFrom,
            ) -> std::io::Result<()> {
                $inner.start_seek(position)
            }

            fn poll_complete(
                $self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<u64>> {
                $inner.poll_complete(cx)
            }
        }
    };
}

pub(super) use {forward_buf_read, forward_read, forward_seek, forward_write};

// What points to something.

forward_read!([T: AsyncRead + Unpin + ?Sized] Box<T>, self => Pin::new(&mut **self.get_mut()));
forward_read!([T: AsyncRead + Unpin + ?Sized] &mut T, self => Pin::new(&mut **self.get_mut()));
forward_read!([P: DerefMut<Target: AsyncRead>] Pin<P>, self => self.as_deref_mut());

forward_write!(
    [T: AsyncWrite + Unpin + ?Sized] Box<T>,
    self => Pin::new(&mut **self.get_mut()),
    (**self).is_write_vectored()
);
forward_write!(
    [T: AsyncWrite + Unpin + ?Sized] &mut T,
    self => Pin::new(&mut **self.get_mut()),
    (**self).is_write_vectored()
);
forward_write!(
    [P: DerefMut<Target: AsyncWrite>] Pin<P>,
    self => self.as_deref_mut(),
    (**self).is_write_vectored()
);

forward_buf_read!([T: AsyncBufRead + Unpin + ?Sized] Box<T>, self => Pin::new(&mut **self.get_mut()));
forward_buf_read!([T: AsyncBufRead + Unpin + ?Sized] &mut T, self => Pin::new(&mut **self.get_mut()));
forward_buf_read!([P: DerefMut<Target: AsyncBufRead>] Pin<P>, self => self.as_deref_mut());

forward_seek!([T: AsyncSeek + Unpin + ?Sized] Box<T>, self => Pin::new(&mut **self.get_mut()));
forward_seek!([T: AsyncSeek + Unpin + ?Sized] &mut T, self => Pin::new(&mut **self.get_mut()));
forward_seek!([P: DerefMut<Target: AsyncSeek>] Pin<P>, self => self.as_deref_mut());

// What is in memory: always ready.

impl AsyncRead for &[u8] {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let (now, later) = self.split_at(self.len().min(buf.remaining()));
        buf.put_slice(now);
        *self = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for &[u8] {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        Poll::Ready(Ok(*self))
    }

    fn consume(mut self: Pin<&mut Self>, amt: usize) {
        *self = &self[amt..];
    }
}

impl<T: AsRef<[u8]> + Unpin> AsyncRead for Cursor<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let all = self.get_ref().as_ref();
        let start = usize::try_from(self.position()).map_or(all.len(), |at| at.min(all.len()));
        let end = all.len().min(start.saturating_add(buf.remaining()));
        buf.put_slice(&all[start..end]);
        let done = (end - start) as u64;
        let position = self.position() + done;
        self.set_position(position);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsRef<[u8]> + Unpin> AsyncBufRead for Cursor<T> {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        Poll::Ready(std::io::BufRead::fill_buf(self.get_mut()))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        std::io::BufRead::consume(self.get_mut(), amt);
    }
}

impl<T: AsRef<[u8]> + Unpin> AsyncSeek for Cursor<T> {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> Result<()> {
        std::io::Seek::seek(&mut *self, position).map(drop)
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<u64>> {
        Poll::Ready(Ok(self.position()))
    }
}

/// Implements [`AsyncWrite`] by std's trait, for what is in memory.
macro_rules! write_in_memory {
    ($($type:ty),+) => {$(
        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<Result<usize>> {
                Poll::Ready(std::io::Write::write(self.get_mut(), buf))
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<Result<usize>> {
                Poll::Ready(std::io::Write::write_vectored(self.get_mut(), bufs))
            }

            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    )+};
}

write_in_memory!(
    Vec<u8>,
    Cursor<&mut [u8]>,
    Cursor<&mut Vec<u8>>,
    Cursor<Vec<u8>>,
    Cursor<Box<[u8]>>
);
