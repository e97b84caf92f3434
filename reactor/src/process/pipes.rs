//! The pipes to and from a child.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use mio::Interest;
use mio::unix::pipe::{Receiver, Sender};

use crate::io::{AsyncRead, AsyncWrite, ReadBuf};
use crate::readiness::News;
use crate::registered::Registered;
use crate::sys::read_uninit;

// What std takes for a pipe may be a terminal, or a pipe of packets. Their reads are short though there is more. So no
// operation here is taken to have drained its pipe, however short it was: it takes one that would block to find that out.

/// The pipe to a child's standard input. Dropping it closes the pipe: the child reads the end.
///
/// It implements [`AsyncWrite`] and the trait of `futures_io`. To shut it down does nothing; drop it instead.
pub struct ChildStdin {
    pipe: Registered<Sender>,
}

/// The pipe from a child's standard output.
///
/// It implements [`AsyncRead`] and the trait of `futures_io`.
pub struct ChildStdout {
    pipe: Registered<Receiver>,
}

/// The pipe from a child's standard error.
///
/// It implements [`AsyncRead`] and the trait of `futures_io`.
pub struct ChildStderr {
    pipe: Registered<Receiver>,
}

/// What all three have.
macro_rules! pipe {
    ($name:ident: $pipe:ident, $interest:expr) => {
        impl $name {
            /// Makes one of std's pipe. It belongs to the runtime of this thread.
            ///
            /// # Errors
            ///
            /// If the reactor is shut down or has no room, or if the poller can't wait for it, as for a regular file.
            pub fn from_std(inner: std::process::$name) -> io::Result<Self> {
                let pipe = $pipe::from(inner);
                pipe.set_nonblocking(true)?;
                let pipe = Registered::new(pipe, $interest, News::READY)?;
                Ok(Self { pipe })
            }

            /// The descriptor, in blocking mode.
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                let pipe = self.pipe.into_inner()?;
                pipe.set_nonblocking(false)?;
                Ok(pipe.into())
            }
        }

        /// To hand it to another child.
        impl TryFrom<$name> for Stdio {
            type Error = io::Error;

            fn try_from(pipe: $name) -> io::Result<Stdio> {
                pipe.into_owned_fd().map(Stdio::from)
            }
        }

        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.pipe.io().as_fd()
            }
        }

        impl AsRawFd for $name {
            fn as_raw_fd(&self) -> RawFd {
                self.pipe.io().as_raw_fd()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.pipe.fmt(f)
            }
        }
    };
}

pipe! { ChildStdin: Sender, Interest::WRITABLE }
pipe! { ChildStdout: Receiver, Interest::READABLE }
pipe! { ChildStderr: Receiver, Interest::READABLE }

macro_rules! reader {
    ($name:ident) => {
        impl AsyncRead for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let pipe = &self.pipe;
                let read = || buf.fill(|free| read_uninit(pipe.io(), free));
                pipe.reads().poll_io(cx, read, |_| false).map_ok(drop)
            }
        }

        impl futures_io::AsyncRead for $name {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let read = || self.pipe.io().read(buf);
                self.pipe.reads().poll_io(cx, read, |_| false)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let read = || self.pipe.io().read_vectored(bufs);
                self.pipe.reads().poll_io(cx, read, |_| false)
            }
        }
    };
}

reader! { ChildStdout }
reader! { ChildStderr }

impl AsyncWrite for ChildStdin {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = || self.pipe.io().write(buf);
        self.pipe.writes().poll_io(cx, write, |_| false)
    }

    /// Does nothing: what was written is in the pipe.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Does nothing: to close the pipe, drop it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = || self.pipe.io().write_vectored(bufs);
        self.pipe.writes().poll_io(cx, write, |_| false)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl futures_io::AsyncWrite for ChildStdin {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(self, cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(self, cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(self, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write_vectored(self, cx, bufs)
    }
}
