//! The pipes to and from a child, on Windows: files whose operations run on the blocking pool.

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle, RawHandle};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};

use crate::fs::File;
use crate::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What all three have.
macro_rules! pipe {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(File);

        impl $name {
            /// Makes this from a pipe of std.
            ///
            /// # Errors
            ///
            /// None.
            pub fn from_std(inner: std::process::$name) -> io::Result<Self> {
                let handle = OwnedHandle::from(inner);
                Ok(Self(File::from_std(handle.into())))
            }

            /// Turns this into a handle.
            ///
            /// # Errors
            ///
            /// If an operation is under way. It may use the handle still.
            pub fn into_owned_handle(self) -> io::Result<OwnedHandle> {
                let busy = |_| io::Error::from(io::ErrorKind::ResourceBusy);
                self.0.try_into_std().map(OwnedHandle::from).map_err(busy)
            }
        }

        /// To hand it to another child.
        impl TryFrom<$name> for Stdio {
            type Error = io::Error;

            fn try_from(pipe: $name) -> io::Result<Stdio> {
                pipe.into_owned_handle().map(Stdio::from)
            }
        }

        impl AsHandle for $name {
            fn as_handle(&self) -> BorrowedHandle<'_> {
                self.0.as_handle()
            }
        }

        impl AsRawHandle for $name {
            fn as_raw_handle(&self) -> RawHandle {
                self.0.as_raw_handle()
            }
        }
    };
}

pipe! {
    /// The pipe to a child's standard input. Dropping it closes the pipe: the child reads the end.
    ///
    /// It implements [`AsyncWrite`](crate::io::AsyncWrite) and the trait of `futures_io`. A write completes when its bytes have been
    /// copied to a buffer. The blocking pool writes them afterwards, as with a [`File`](crate::fs::File). Shutting it down only
    /// flushes: drop it to end the stream.
    ChildStdin
}
pipe! {
    /// The pipe from a child's standard output.
    ///
    /// It implements [`AsyncRead`](crate::io::AsyncRead) and the trait of `futures_io`. Each read is a blocking read on the blocking
    /// pool, which nothing can cancel. If one is under way when the runtime is dropped, the drop waits for it.
    ChildStdout
}
pipe! {
    /// The pipe from a child's standard error. It is like [`ChildStdout`].
    ChildStderr
}

impl AsyncWrite for ChildStdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(feature = "futures-io")]
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
}

/// Reading, by both families of traits.
macro_rules! read {
    ($name:ident) => {
        impl AsyncRead for $name {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                AsyncRead::poll_read(Pin::new(&mut self.0), cx, buf)
            }
        }

        #[cfg(feature = "futures-io")]
        impl futures_io::AsyncRead for $name {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                futures_io::AsyncRead::poll_read(Pin::new(&mut self.0), cx, buf)
            }
        }
    };
}

read! { ChildStdout }
read! { ChildStderr }
