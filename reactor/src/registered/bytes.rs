//! Reads and writes of a registered stream of bytes.

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::ops::Deref;
use std::task::{Context, Poll};

use super::Registered;
use crate::io::ReadBuf;
use crate::poller::Pollable;
use crate::sys::{Descriptor, recv, send, send_vectored};

/// A stream of bytes.
pub(crate) trait Stream: Pollable + Descriptor {
    /// Whether an operation that transferred less than it asked for has drained or filled the stream, where the poller
    /// allows us to use that.
    const SHORT_MEANS_DRAINED: bool;
}

/// A stream that can be read.
pub(crate) trait Reader: Stream {
    /// Reads into what isn't filled of `buffer`. Returns how many bytes.
    fn read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize>;
}

/// A stream that can be written to. If nobody reads any more, a write is an error, and raises no SIGPIPE.
pub(crate) trait Sink: Stream {
    fn write(&self, buffer: &[u8]) -> io::Result<usize>;
    fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize>;
}

impl Stream for mio::net::TcpStream {
    const SHORT_MEANS_DRAINED: bool = true;
}

impl Reader for mio::net::TcpStream {
    #[inline]
    fn read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        recv(self, buffer)
    }
}

impl Sink for mio::net::TcpStream {
    #[inline]
    fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        send(self, buffer)
    }

    fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        send_vectored(self, buffers)
    }
}

impl<S> Registered<S>
where
    S: Reader,
    for<'a> &'a S: Read,
{
    /// Reads into what isn't filled of `buffer`. Returns how many bytes.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let short = short_of::<S>(asked([buffer.remaining()]));
        let read = || Reader::read(self.io(), buffer);
        self.reads().poll_io(cx, read, short)
    }

    #[cfg(feature = "futures-io")]
    pub(crate) fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let empty = leading_empty(buffers);
        let buffers = &mut buffers[empty..];
        let short = short_of::<S>(asked(buffers.iter().map(|buffer| buffer.len())));
        let read = || self.io().read_vectored(buffers);
        self.reads().poll_io(cx, read, short)
    }

    /// Reads what is there, or fails with `WouldBlock`. Returns how many bytes.
    pub(crate) fn try_read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        let short = short_of::<S>(asked([buffer.remaining()]));
        let read = || Reader::read(self.io(), buffer);
        self.reads().try_io(read, short)
    }

    pub(crate) fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let empty = leading_empty(buffers);
        let buffers = &mut buffers[empty..];
        let short = short_of::<S>(asked(buffers.iter().map(|buffer| buffer.len())));
        let read = || self.io().read_vectored(buffers);
        self.reads().try_io(read, short)
    }
}

impl<S: Sink> Registered<S> {
    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = || self.io().write(buffer);
        self.writes()
            .poll_io(cx, write, short_of::<S>(asked([buffer.len()])))
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let buffers = &buffers[leading_empty(buffers)..];
        let short = short_of::<S>(asked(buffers.iter().map(|buffer| buffer.len())));
        let write = || self.io().write_vectored(buffers);
        self.writes().poll_io(cx, write, short)
    }

    pub(crate) fn try_write(&self, buffer: &[u8]) -> io::Result<usize> {
        let write = || self.io().write(buffer);
        self.writes()
            .try_io(write, short_of::<S>(asked([buffer.len()])))
    }

    pub(crate) fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let buffers = &buffers[leading_empty(buffers)..];
        let short = short_of::<S>(asked(buffers.iter().map(|buffer| buffer.len())));
        let write = || self.io().write_vectored(buffers);
        self.writes().try_io(write, short)
    }
}

/// How many bytes an operation on buffers of these lengths asks the system for.
fn asked(lens: impl IntoIterator<Item = usize>) -> usize {
    /// How many buffers std hands to the system at most. The system takes no more.
    const MOST_BUFFERS: usize = 1024;
    /// The system takes no more bytes than an `i32` can count, less up to a page.
    const MOST_BYTES: usize = 0x7fff_0000;
    let lens = lens.into_iter().take(MOST_BUFFERS);
    // The same bytes may be in the list many times.
    lens.fold(0, usize::saturating_add).min(MOST_BYTES)
}

/// Whether an operation transferred less than it asked for, but more than nothing.
fn short_of<S: Stream>(asked: usize) -> impl Fn(&usize) -> bool {
    move |&done| S::SHORT_MEANS_DRAINED && 0 < done && done < asked
}

/// How many empty buffers to skip at the front, so that the system gets one with room, if there is one. With only empty
/// buffers it would do nothing, which for a read means the end of the stream.
fn leading_empty<B: Deref<Target = [u8]>>(buffers: &[B]) -> usize {
    let filled = buffers.iter().position(|buffer| !buffer.is_empty());
    filled.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use mio::net::TcpStream;

    use super::{asked, short_of};

    #[test]
    fn short_is_less_than_the_system_was_asked_for() {
        let (gigabyte, short) = (1 << 30, short_of::<TcpStream>(asked([3, 4])));
        assert!(short(&1) && short(&6) && !short(&0) && !short(&7));
        assert!(!short_of::<TcpStream>(asked([]))(&0) && !short_of::<TcpStream>(asked([0, 0]))(&0));
        // No more than 1,024 buffers.
        let short = short_of::<TcpStream>(asked([1; 1_025]));
        assert!(short(&1_023) && !short(&1_024));
        // No more than 2^31 bytes less a page, of 4 KiB or 64.
        for lens in [vec![3 * gigabyte], vec![gigabyte; 3], vec![usize::MAX; 2]] {
            let short = short_of::<TcpStream>(asked(lens));
            assert!(short(&gigabyte) && !short(&0x7fff_0000) && !short(&0x7fff_f000));
        }
    }
}
