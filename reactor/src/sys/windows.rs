//! Windows.

use std::io::{self, IoSlice, Read, Write};
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, RawHandle};

use crate::io::{ReadBuf, Stderr, Stdin, Stdout};

/// What an object of the system is named by.
pub(crate) trait Descriptor {}

impl<S> Descriptor for S {}

/// The error for a socket of a family that the system doesn't have (WSAEAFNOSUPPORT).
pub(crate) const NO_SUCH_FAMILY: i32 = 10_047;

/// Does nothing: the system doesn't tell whether a socket is in blocking mode.
pub(crate) fn expect_nonblocking(_: &impl Descriptor) -> io::Result<()> {
    Ok(())
}

/// Reads into what isn't filled of `buffer`, which is initialized before. Returns how many bytes.
pub(crate) fn recv<'a, S>(mut source: &'a S, buffer: &mut ReadBuf<'_>) -> io::Result<usize>
where
    for<'b> &'b S: Read,
{
    let done = source.read(buffer.initialize_unfilled())?;
    buffer.advance(done);
    Ok(done)
}

/// Writes to a stream socket.
pub(crate) fn send<'a, S>(mut socket: &'a S, buffer: &[u8]) -> io::Result<usize>
where
    &'a S: Write,
{
    socket.write(buffer)
}

/// Writes to a stream socket from several buffers.
pub(crate) fn send_vectored<'a, S>(mut socket: &'a S, buffers: &[IoSlice<'_>]) -> io::Result<usize>
where
    &'a S: Write,
{
    socket.write_vectored(buffers)
}

/// Implements the traits that tell what an object of the system is named by.
macro_rules! as_descriptor {
    ($type:ty: $this:ident => $io:expr) => {
        impl std::os::windows::io::AsSocket for $type {
            fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
                let $this = self;
                $io.as_socket()
            }
        }

        impl std::os::windows::io::AsRawSocket for $type {
            fn as_raw_socket(&self) -> std::os::windows::io::RawSocket {
                let $this = self;
                $io.as_raw_socket()
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
        impl std::os::windows::io::FromRawSocket for $type {
            /// The socket must be in non-blocking mode.
            unsafe fn from_raw_socket(socket: std::os::windows::io::RawSocket) -> Self {
                // SAFETY: the caller promises the same.
                $make(unsafe { std::os::windows::io::FromRawSocket::from_raw_socket(socket) })
            }
        }

        impl std::os::windows::io::IntoRawSocket for $type {
            fn into_raw_socket(self) -> std::os::windows::io::RawSocket {
                let $this = self;
                $io.into_raw_socket()
            }
        }
    };
}
pub(crate) use own_descriptor;

/// The standard streams have the handles of std's.
macro_rules! handles {
    ($($stream:ident),+) => {$(
        impl AsHandle for $stream {
            fn as_handle(&self) -> BorrowedHandle<'_> {
                self.std.as_handle()
            }
        }

        impl AsRawHandle for $stream {
            fn as_raw_handle(&self) -> RawHandle {
                self.std.as_raw_handle()
            }
        }
    )+};
}

handles!(Stdin, Stdout, Stderr);
