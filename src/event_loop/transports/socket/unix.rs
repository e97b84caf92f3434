//! Unix streams, and the ends of pipes.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

#[cfg(target_os = "linux")]
use super::super::sendfile::sendfile;
use super::{Address, Described, Directions, Opened, Socket};
use crate::io::Interest;
use crate::io::unix::AsyncFd;
use crate::net::UnixStream;
use crate::net::unix::pipe;

impl Opened {
    pub(crate) fn unix(stream: UnixStream) -> Self {
        let (peer, local) = (stream.peer_addr().ok(), stream.local_addr().ok());
        Self {
            socket: Arc::new(stream),
            peer: peer.map(Address::from),
            local: local.map(Address::from),
        }
    }

    pub(crate) fn pipe(socket: impl Socket) -> Self {
        Self {
            socket: Arc::new(socket),
            peer: None,
            local: None,
        }
    }
}

impl Described for UnixStream {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Socket for UnixStream {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Self::try_read(self, buffer)
    }

    fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        Self::try_write(self, data)
    }

    #[cfg(target_os = "linux")]
    fn try_sendfile(&self, file: &File, offset: u64, count: u64) -> io::Result<u64> {
        self.try_io(Interest::WRITABLE, || sendfile(self, file, offset, count))
    }

    fn shut_down_writing(&self) -> io::Result<()> {
        socket2::SockRef::from(self).shutdown(Shutdown::Write)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_write_ready(self, cx)
    }
}

impl Described for pipe::Receiver {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

impl Socket for pipe::Receiver {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Self::try_read(self, buffer)
    }

    fn try_write(&self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::Unsupported.into())
    }

    fn shut_down_writing(&self) -> io::Result<()> {
        Ok(())
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }

    fn poll_write_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn directions(&self) -> Directions {
        Directions::Read
    }
}

/// The writing end of a pipe. Reading from it waits until the reader has gone.
pub(crate) struct WritePipe {
    sender: pipe::Sender,
    /// The same pipe, watched for reading: what comes is the news that the reader has gone.
    watch: AsyncFd<OwnedFd>,
}

impl WritePipe {
    pub(crate) fn new(sender: pipe::Sender) -> io::Result<Self> {
        let same = sender.as_fd().try_clone_to_owned()?;
        let watch = AsyncFd::with_interest(same, Interest::READABLE)?;
        Ok(Self { sender, watch })
    }

    fn reader_has_gone(&self) -> bool {
        let mut fds = [PollFd::new(&self.sender, PollFlags::empty())];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&now)).is_ok()
            && fds[0]
                .revents()
                .intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
    }
}

impl Described for WritePipe {
    fn fd(&self) -> BorrowedFd<'_> {
        self.sender.as_fd()
    }
}

impl Socket for WritePipe {
    fn try_read(&self, _: &mut [u8]) -> io::Result<usize> {
        if self.reader_has_gone() {
            return Ok(0);
        }
        Err(ErrorKind::WouldBlock.into())
    }

    fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        self.sender.try_write(data)
    }

    fn shut_down_writing(&self) -> io::Result<()> {
        Ok(())
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.watch.poll_read_ready(cx))?;
            if self.reader_has_gone() {
                return Poll::Ready(Ok(()));
            }
            guard.clear_ready();
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sender.poll_write_ready(cx)
    }

    fn directions(&self) -> Directions {
        Directions::Write
    }
}
