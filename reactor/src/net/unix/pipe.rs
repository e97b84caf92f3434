//! Pipes: what is written to the one end is read at the other, perhaps by another process.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::task::{Context, Poll};

use rustix::fs::OFlags;

use crate::io::{Interest, ReadBuf};
use crate::readiness::News;
use crate::registered::Registered;
use crate::registered::bytes::{Reader, Sink, Stream};
use crate::sys::{self, as_descriptor, note_sigpipe, without_sigpipe};

/// Makes a pipe. Neither end is passed on to child processes.
///
/// # Errors
///
/// Any error that the operating system returns.
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncWriteExt};
/// use heist::net::unix::pipe;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let (mut sender, mut receiver) = pipe::pipe()?;
///     sender.write_all(b"hello").await?;
///     drop(sender);
///     let mut heard = String::new();
///     receiver.read_to_string(&mut heard).await?;
///     assert_eq!(heard, "hello");
///     Ok(())
/// }
/// ```
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let (sender, receiver) = mio::unix::pipe::new()?;
    Ok((Sender::register(sender)?, Receiver::register(receiver)?))
}

/// How to open a named pipe.
///
/// ```no_run
/// use heist::io::AsyncReadExt;
/// use heist::net::unix::pipe;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let mut receiver = pipe::OpenOptions::new().open_receiver("/run/commands")?;
///     let mut line = String::new();
///     receiver.read_to_string(&mut line).await?;
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    read_write: bool,
    unchecked: bool,
}

impl OpenOptions {
    /// Makes options for the usual case: each end is opened for its direction alone, and must be a pipe.
    pub fn new() -> OpenOptions {
        OpenOptions::default()
    }

    /// Sets whether the pipe is opened for reading and writing, whichever end you ask for. Then there is always somebody at
    /// the other end: a sender can be opened before any receiver, and a receiver doesn't come to the end of the stream when
    /// the last sender goes.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn read_write(&mut self, value: bool) -> &mut Self {
        self.read_write = value;
        self
    }

    /// Sets whether the check that the file is a pipe is left out.
    pub fn unchecked(&mut self, value: bool) -> &mut Self {
        self.unchecked = value;
        self
    }

    /// Opens the reading end. This does not wait for a sender. A read waits for the first sender: the stream doesn't end
    /// before one has come.
    ///
    /// # Errors
    ///
    /// If the file can't be opened, or is no pipe.
    pub fn open_receiver<P: AsRef<Path>>(&self, path: P) -> io::Result<Receiver> {
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(self.read_write);
        Receiver::from_file_unchecked(self.open(&mut options, path.as_ref())?)
    }

    /// Opens the writing end.
    ///
    /// # Errors
    ///
    /// If the file can't be opened, or is no pipe. If nobody has the reading end open, the error has the number `ENXIO`: try
    /// again later.
    pub fn open_sender<P: AsRef<Path>>(&self, path: P) -> io::Result<Sender> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).read(self.read_write);
        Sender::from_file_unchecked(self.open(&mut options, path.as_ref())?)
    }

    fn open(&self, options: &mut std::fs::OpenOptions, path: &Path) -> io::Result<File> {
        let flags = OFlags::NONBLOCK.bits();
        let file = options.custom_flags(flags as i32).open(path)?;
        if !self.unchecked {
            check_is_pipe(&file)?;
        }
        Ok(file)
    }
}

/// The writing end of a pipe. Dropping it closes it.
///
/// It implements [`AsyncWrite`](crate::io::AsyncWrite). If nobody reads any more, a write fails with `BrokenPipe`; it never
/// raises the signal SIGPIPE. Shutting it down does nothing: drop it to end the stream.
///
/// [`pipe`] has an example.
#[derive(Debug)]
pub struct Sender {
    socket: Registered<mio::unix::pipe::Sender>,
}

/// The reading end of a pipe. It implements [`AsyncRead`](crate::io::AsyncRead).
///
/// [`pipe`] has an example.
#[derive(Debug)]
pub struct Receiver {
    socket: Registered<mio::unix::pipe::Receiver>,
}

/// In packet mode a read stops behind a packet, whatever follows it.
impl Stream for mio::unix::pipe::Receiver {
    const SHORT_MEANS_DRAINED: bool = false;
}

impl Reader for mio::unix::pipe::Receiver {
    #[inline]
    fn read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        sys::read(self, buffer)
    }
}

impl Stream for mio::unix::pipe::Sender {
    const SHORT_MEANS_DRAINED: bool = false;
}

impl Sink for mio::unix::pipe::Sender {
    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        without_sigpipe(|| Write::write(&mut &*self, buffer))
    }

    fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        without_sigpipe(|| Write::write_vectored(&mut &*self, buffers))
    }
}

as_descriptor! { Sender: this => this.socket.io() }
as_descriptor! { Receiver: this => this.socket.io() }
wait_methods! { [write] Sender: this => this.socket }
wait_methods! { [read] Receiver: this => this.socket }
try_methods! { [write] Sender: this => this.socket }
try_methods! { [read] Receiver: this => this.socket }
stream_io! { [write] Sender: _this => _this, Ok(()) }
stream_io! { [read] Receiver: this => this }

impl Sender {
    fn register(pipe: mio::unix::pipe::Sender) -> io::Result<Sender> {
        note_sigpipe();
        let socket = Registered::new(pipe, mio::Interest::WRITABLE, News::READY)?;
        Ok(Sender { socket })
    }
}

impl Receiver {
    fn register(pipe: mio::unix::pipe::Receiver) -> io::Result<Receiver> {
        // Before it has had a sender, a read would find the end of the stream.
        let socket = Registered::new(pipe, mio::Interest::READABLE, News::NONE)?;
        Ok(Receiver { socket })
    }
}

/// What both ends have. `$wait` and `$poll_ready` wait for the end's `$direction`.
macro_rules! end {
    ($end:ident: $access:ident, $doing:literal, $interest:ident, $direction:ident, $wait:ident, $poll_ready:ident) => {
        impl $end {
            /// Makes this end from a file: one end of a pipe, or a named pipe. Puts it into non-blocking mode.
            ///
            /// # Errors
            ///
            /// If the file is no pipe, or not open for this direction.
            pub fn from_file(file: File) -> io::Result<$end> {
                check_is_pipe(&file)?;
                open_for(&file, OFlags::$access, $doing)?;
                Self::from_file_unchecked(file)
            }

            /// Makes this end from a descriptor. Otherwise like [`from_file`](Self::from_file).
            ///
            /// # Errors
            ///
            /// See [`from_file`](Self::from_file).
            pub fn from_owned_fd(owned_fd: OwnedFd) -> io::Result<$end> {
                Self::from_file(owned_fd.into())
            }

            /// Makes this end from a file, without a check. It must be a pipe, open for this direction and in non-blocking mode.
            ///
            /// # Errors
            ///
            /// If the operating system can't watch it for events.
            pub fn from_file_unchecked(file: File) -> io::Result<$end> {
                Self::from_owned_fd_unchecked(file.into())
            }

            /// Makes this end from a descriptor, without a check. See [`from_file_unchecked`](Self::from_file_unchecked).
            ///
            /// # Errors
            ///
            /// If the operating system can't watch it for events.
            pub fn from_owned_fd_unchecked(owned_fd: OwnedFd) -> io::Result<$end> {
                Self::register(owned_fd.into())
            }

            #[doc = concat!("Polls for [`", stringify!($wait), "`](Self::", stringify!($wait), ").")]
            /// If several tasks poll, only the last one is woken.
            ///
            /// # Errors
            ///
            /// If the runtime that it belongs to has been shut down.
            pub fn $poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.socket.$direction().poll_ready(cx)
            }

            /// Calls `f` if an operation in this direction may succeed. `f` should do one operation on the pipe. If it fails with
            /// `WouldBlock`, the pipe counts as not ready until there is an event.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if the pipe isn't ready, or the error of `f`. If the runtime that it belongs to has been shut down.
            pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
                self.socket.try_io_for(Interest::$interest, f)
            }

            /// Turns this end into a descriptor in blocking mode.
            ///
            /// # Errors
            ///
            /// If the operating system can't stop watching it.
            pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
                let fd = self.into_nonblocking_fd()?;
                rustix::fs::fcntl_setfl(&fd, rustix::fs::fcntl_getfl(&fd)? - OFlags::NONBLOCK)?;
                Ok(fd)
            }

            /// Turns this end into a descriptor in non-blocking mode.
            ///
            /// # Errors
            ///
            /// If the operating system can't stop watching it.
            pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
                self.socket.into_inner().map(OwnedFd::from)
            }
        }
    };
}

end! { Sender: WRONLY, "writing", WRITABLE, writes, writable, poll_write_ready }
end! { Receiver: RDONLY, "reading", READABLE, reads, readable, poll_read_ready }

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

fn check_is_pipe(file: &File) -> io::Result<()> {
    if file.metadata()?.file_type().is_fifo() {
        return Ok(());
    }
    Err(invalid("not a pipe".to_owned()))
}

/// Fails if the pipe isn't open for that, and puts it into non-blocking mode.
fn open_for(file: &File, access: OFlags, what: &str) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(file)?;
    let mode = flags & OFlags::RWMODE;
    if mode != access && mode != OFlags::RDWR {
        return Err(invalid(format!("not open for {what}")));
    }
    if !flags.contains(OFlags::NONBLOCK) {
        rustix::fs::fcntl_setfl(file, flags | OFlags::NONBLOCK)?;
    }
    Ok(())
}
