//! Unix.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

mod peer_cred;
mod sigpipe;

use crate::io::{ReadBuf, Stderr, Stdin, Stdout};

pub(crate) use peer_cred::peer_cred;
pub(crate) use sigpipe::{note_sigpipe, without_sigpipe};

/// What an object of the system is named by.
pub(crate) trait Descriptor: AsFd {}

impl<S: AsFd> Descriptor for S {}

/// The error for a socket of a family that the system doesn't have (EAFNOSUPPORT).
pub(crate) const NO_SUCH_FAMILY: i32 = libc::EAFNOSUPPORT;

/// Panics if a socket is in blocking mode, in programs with debug assertions. tokio does the same.
#[track_caller]
pub(crate) fn expect_nonblocking(socket: &impl Descriptor) -> io::Result<()> {
    if cfg!(debug_assertions) {
        let flags = rustix::fs::fcntl_getfl(socket)?;
        assert!(
            flags.contains(rustix::fs::OFlags::NONBLOCK),
            "the socket is in blocking mode: call `set_nonblocking(true)` first"
        );
    }
    Ok(())
}

/// Reads into what isn't filled of `buffer`. Returns how many bytes.
#[inline]
pub(crate) fn read(source: &impl Descriptor, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
    buffer.fill(|free| {
        let (read, _) = rustix::io::read(source, free)?;
        Ok(read)
    })
}

/// Like [`read`], for a socket. The system goes a shorter way.
#[inline]
pub(crate) fn recv(socket: &impl Descriptor, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
    buffer.fill(|free| {
        let ((read, _), _) = rustix::net::recv(socket, free, rustix::net::RecvFlags::empty())?;
        Ok(read)
    })
}

/// What a send does besides: a closed connection is an error, and raises no SIGPIPE, which would end the process. Apple's
/// sockets are told so once, when they are made.
#[cfg(not(target_vendor = "apple"))]
const QUIET: rustix::net::SendFlags = rustix::net::SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const QUIET: rustix::net::SendFlags = rustix::net::SendFlags::empty();

/// Writes to a stream socket.
#[inline]
pub(crate) fn send(socket: &impl Descriptor, buffer: &[u8]) -> io::Result<usize> {
    // Some systems refuse more than an `i32` can count.
    let buffer = &buffer[..buffer.len().min(i32::MAX as usize)];
    Ok(rustix::net::send(socket, buffer, QUIET)?)
}

/// Writes to a stream socket from several buffers.
pub(crate) fn send_vectored(
    socket: &impl Descriptor,
    buffers: &[IoSlice<'_>],
) -> io::Result<usize> {
    /// How many buffers the system takes at most.
    const MOST_BUFFERS: usize = 1024;
    let buffers = &buffers[..buffers.len().min(MOST_BUFFERS)];
    let mut no_control = rustix::net::SendAncillaryBuffer::default();
    Ok(rustix::net::sendmsg(
        socket,
        buffers,
        &mut no_control,
        QUIET,
    )?)
}

/// Implements the traits that tell what an object of the system is named by.
macro_rules! as_descriptor {
    ($type:ty: $this:ident => $io:expr) => {
        impl std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                let $this = self;
                $io.as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                let $this = self;
                $io.as_raw_fd()
            }
        }
    };
}
pub(crate) use as_descriptor;

/// Implements the traits by which an object of the system comes from a number and becomes one. `$make` makes the object
/// from a socket of `socket2`.
macro_rules! own_descriptor {
    ($type:ty, $make:expr, $this:ident => $io:expr) => {
        #[allow(unsafe_code)]
        impl std::os::fd::FromRawFd for $type {
            /// The descriptor must be in non-blocking mode.
            unsafe fn from_raw_fd(fd: std::os::fd::RawFd) -> Self {
                // SAFETY: the caller promises the same.
                $make(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) })
            }
        }

        impl std::os::fd::IntoRawFd for $type {
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                let $this = self;
                $io.into_raw_fd()
            }
        }
    };
}
pub(crate) use own_descriptor;

as_descriptor! { Stdin: this => this.std }
as_descriptor! { Stdout: this => this.std }
as_descriptor! { Stderr: this => this.std }
