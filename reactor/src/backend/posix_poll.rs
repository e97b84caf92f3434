//! The poller made of `poll(2)`: the simplest that keeps the contract. What it watches is in a list (`watchlist.rs`).
#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::watchlist::{Asked, File, PAUSE, System, Watchlist};
use super::{Event, Interest, Poller};

/// A [`Poller`] made of `poll(2)`: the one of [`Backend::Poll`](super::Backend::Poll). It asks about all descriptors
/// in each wait, so a wait takes longer the more there are.
pub struct PosixPoll(Watchlist<Posix>);

/// The system. The bell is a pipe: it rings while there is a byte in it. There is at most one of this process, so the pipe
/// never fills up.
struct Posix {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl PosixPoll {
    /// A poller that watches nothing yet.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a pipe.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        for end in [reader.as_fd(), writer.as_fd()] {
            rustix::io::ioctl_fionbio(end, true)?;
        }
        Ok(Self(Watchlist::new(Posix {
            reader: reader.into(),
            writer: writer.into(),
        })))
    }
}

impl System for Posix {
    fn file(&self, fd: RawFd) -> io::Result<File> {
        file(fd)
    }

    unsafe fn poll(&self, asked: &mut [Asked], timeout: Option<Duration>) -> Result<bool, Errno> {
        let mut all = Vec::with_capacity(asked.len() + 1);
        all.push(PollFd::new(&self.reader, PollFlags::IN));
        all.extend(asked.iter().map(|one| {
            // SAFETY: it stays open, as the caller promises. It isn't -1, which `file` refuses.
            let fd = unsafe { BorrowedFd::borrow_raw(one.fd) };
            PollFd::from_borrowed_fd(fd, one.wanted)
        }));
        // A timeout beyond the range of the clock is none.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        poll(&mut all, timeout.as_ref())?;
        for (one, answer) in asked.iter_mut().zip(&all[1..]) {
            one.found = answer.revents();
        }
        Ok(!all[0].revents().is_empty())
    }

    fn ring(&self) {
        // If the pipe is full, as a forked child may have filled it, `poll` returns as well.
        let _ = rustix::io::retry_on_intr(|| rustix::io::write(&self.writer, &[0]));
    }

    fn silence(&self) {
        while rustix::io::read(&self.reader, &mut [0_u8; 64]) == Ok(64) {}
    }
}

/// Asks the system about all of them. Returns how many it has news of, perhaps none before the timeout is over.
fn poll(asked: &mut [PollFd<'_>], timeout: Option<&Timespec>) -> Result<usize, Errno> {
    match rustix::event::poll(asked, timeout) {
        Err(Errno::INVAL) => poll_in_parts(asked, timeout),
        result => result,
    }
}

/// The system takes no more at once than the process may have descriptors now, and it may have had more before. So this asks
/// about one part after the other. If there is nothing, it waits with the first part, where the pipe is, for a [`PAUSE`] at most.
fn poll_in_parts(asked: &mut [PollFd<'_>], timeout: Option<&Timespec>) -> Result<usize, Errno> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let most = limit.filter(|most| *most > 0).ok_or(Errno::INVAL)?;
    let mut found = 0;
    for part in asked.chunks_mut(most) {
        found += rustix::event::poll(part, Some(&Timespec::default()))?;
    }
    if found > 0 {
        return Ok(found);
    }
    let pause = Timespec::try_from(PAUSE).map_err(|_| Errno::INVAL)?;
    let pause = timeout.map_or(pause, |timeout| pause.min(*timeout));
    let first = most.min(asked.len());
    rustix::event::poll(&mut asked[..first], Some(&pause))
}

/// Which file it is. Refuses what has no readiness, as epoll does: `poll` calls it ready at all times.
fn file(fd: RawFd) -> io::Result<File> {
    if fd < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: it isn't -1. It is lent for the next call only. Whoever registers it says that it is open; if it isn't, the
    // system says so.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let stat = rustix::fs::fstat(fd)?;
    let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
    if kind.is_file() || kind.is_dir() {
        return Err(Errno::PERM.into());
    }
    // The types differ between systems.
    #[allow(clippy::unnecessary_cast)]
    Ok((stat.st_dev as u64, stat.st_ino as u64))
}

impl Poller for PosixPoll {
    fn name(&self) -> &str {
        "poll"
    }

    fn register(&self, fd: RawFd, token: usize, interest: Interest) -> io::Result<()> {
        self.0.register(fd, token, interest)
    }

    fn rearm(&self, token: usize, interest: Interest) {
        self.0.rearm(token, interest);
    }

    fn deregister(&self, _: RawFd, token: usize) -> io::Result<()> {
        self.0.deregister(token)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.0.wait(events, timeout)
    }

    fn notify(&self) {
        self.0.notify();
    }
}

impl fmt::Debug for PosixPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PosixPoll").finish_non_exhaustive()
    }
}
