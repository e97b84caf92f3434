//! The pipes to and from a child.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::process::Stdio;

use mio::Interest;
use mio::unix::pipe::{Receiver, Sender};

use crate::readiness::News;
use crate::registered::Registered;
use crate::sys::note_sigpipe;

/// The pipe to a child's standard input. Dropping it closes the pipe: the child reads the end.
///
/// It implements [`AsyncWrite`](crate::io::AsyncWrite) and the trait of `futures_io`. Shutting it down does nothing: drop it to
/// end the stream.
///
/// [`Child`](super::Child) has an example.
pub struct ChildStdin {
    socket: Registered<Sender>,
}

/// The pipe from a child's standard output.
///
/// It implements [`AsyncRead`](crate::io::AsyncRead) and the trait of `futures_io`.
///
/// [`Command::stdout`](super::Command::stdout) has an example.
pub struct ChildStdout {
    socket: Registered<Receiver>,
}

/// The pipe from a child's standard error.
///
/// It implements [`AsyncRead`](crate::io::AsyncRead) and the trait of `futures_io`.
///
/// [`Command::stdout`](super::Command::stdout) has an example.
pub struct ChildStderr {
    socket: Registered<Receiver>,
}

/// What all three have.
macro_rules! pipe {
    ($name:ident: $pipe:ident, $interest:expr) => {
        impl $name {
            /// Makes this from a pipe of std. It belongs to the current runtime.
            ///
            /// # Errors
            ///
            /// If the system can't watch it for events, for instance because it is a regular file, or if the current runtime
            /// has been shut down.
            pub fn from_std(inner: std::process::$name) -> io::Result<Self> {
                note_sigpipe();
                let pipe = $pipe::from(inner);
                pipe.set_nonblocking(true)?;
                let socket = Registered::new(pipe, $interest, News::READY)?;
                Ok(Self { socket })
            }

            /// Turns this into a descriptor in blocking mode.
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                let pipe = self.socket.into_inner()?;
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
                self.socket.io().as_fd()
            }
        }

        impl AsRawFd for $name {
            fn as_raw_fd(&self) -> RawFd {
                self.socket.io().as_raw_fd()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.socket.fmt(f)
            }
        }
    };
}

pipe! { ChildStdin: Sender, Interest::WRITABLE }
pipe! { ChildStdout: Receiver, Interest::READABLE }
pipe! { ChildStderr: Receiver, Interest::READABLE }

stream_io! { [write] ChildStdin: _this => _this, Ok(()) }
stream_io! { [read] ChildStdout: this => this }
stream_io! { [read] ChildStderr: this => this }
