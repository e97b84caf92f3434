//! The poller made of `poll(2)`: the simplest that keeps the contract.
//!
//! `poll` reports a state, as long as it lasts. Here each part of readiness is *armed* or not. A wait asks the system about the
//! armed parts only. A part that was reported is disarmed, until [`rearm`](Poller::rearm).
//!
//! The system reports errors and hang-ups whether they were asked for or not. Once they were reported, the descriptor is
//! left out of the waits, until a [`rearm`](Poller::rearm) of any part. The other parts stay armed meanwhile: they haven't
//! been reported. Then the errors and hang-ups may be there still: nobody need have
//! fetched the error, and a hang-up stays. Urgent bytes stay as well. These *conditions* are reported at most once in
//! a [`PAUSE`], so that a program that doesn't deal with them costs a turn now and then, and not a processor. They are
//! not passed over altogether, as it may be another error each time.
//!
//! Invariants, of the state under the lock:
//! 1. While the waiter is `asleep`, it may be in `poll` with the descriptors whose `asked` is set. It sets `asleep` as it lets
//!    the lock go to call `poll`, and clears it after it got the lock back. Only the waiter changes `asked` and `asleep`.
//! 2. Whoever changes what an `asleep` waiter should wait for rings: there is a byte in the pipe, so `poll` returns. The waiter
//!    then takes the change into account, and calls `poll` again if there is nothing to report.
//! 3. `deregister` returns when the waiter is not in `poll` with the descriptor. The system holds a file open while
//!    `poll` waits for it, so the peer of a socket that is closed meanwhile would not hear of that.
//! 4. `rung` is set while there is a byte of this process in the pipe. So the pipe never fills up.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use heist_sync::sys::{Condvar, Mutex, MutexGuard};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::{Event, Interest, Poller, Ready};

/// How long a condition that was reported rests at least, before it is reported again.
const PAUSE: Duration = Duration::from_millis(1);

/// What the system reports unasked.
const UNASKED: PollFlags = PollFlags::ERR.union(PollFlags::HUP).union(PollFlags::NVAL);
/// What may last however much is read and written.
const CONDITIONS: PollFlags = UNASKED.union(PollFlags::PRI);
/// The peer sends no more.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NO_MORE: PollFlags = PollFlags::RDHUP;
/// The peer sends no more. Other systems don't tell, but a read does.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NO_MORE: PollFlags = PollFlags::empty();

/// A [`Poller`] made of `poll(2)`: the one of [`Backend::Poll`](super::Backend::Poll). It asks about all descriptors
/// in each wait, so a wait takes longer the more there are.
pub struct PosixPoll {
    state: Mutex<State>,
    /// The waiter has left `poll`.
    left: Condvar,
    /// A byte in it ends `poll`.
    pipe: (OwnedFd, OwnedFd),
}

#[derive(Default)]
struct State {
    entries: HashMap<usize, Entry>,
    tokens: HashMap<RawFd, usize>,
    asleep: bool,
    /// How often the waiter has left `poll`.
    round: u64,
    rung: bool,
    notified: bool,
}

/// A registered descriptor.
struct Entry {
    fd: RawFd,
    /// Which file the descriptor was for when it was registered.
    file: File,
    /// What it was registered for.
    wanted: PollFlags,
    armed: PollFlags,
    /// Whether it is left out until a part of it is armed.
    left_out: bool,
    /// Whether the wait under way has asked about it.
    asked: bool,
    /// When conditions may be reported again.
    conditions_after: Option<Instant>,
    /// Until when it is left out.
    rests_until: Option<Instant>,
}

// No user code runs under its lock, so a panic leaves it as it is.
impl UnwindSafe for PosixPoll {}
impl RefUnwindSafe for PosixPoll {}

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
        Ok(Self {
            state: Mutex::default(),
            left: Condvar::new(),
            pipe: (reader.into(), writer.into()),
        })
    }

    /// Makes a waiter that is in `poll` return (invariant 2).
    fn ring(&self, state: &mut State) {
        if state.asleep && !state.rung {
            // If the pipe is full, as a forked child may have filled it, `poll` returns as well.
            let _ = rustix::io::retry_on_intr(|| rustix::io::write(&self.pipe.1, &[0]));
            state.rung = true;
        }
    }

    /// Asks the system once, for `timeout` at most. Adds what it finds.
    fn ask<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        timeout: Option<Duration>,
        events: &mut Vec<Event>,
    ) -> Result<MutexGuard<'a, State>, Errno> {
        let mut asked = Vec::with_capacity(state.entries.len() + 1);
        asked.push(PollFd::new(&self.pipe.0, PollFlags::IN));
        let mut tokens = Vec::with_capacity(state.entries.len());
        let timeout = state.prepare(timeout, |token, entry| {
            tokens.push(token);
            // SAFETY: whoever has registered it keeps it open until `deregister` returns, which waits for the end of this
            // call (invariant 3). It isn't -1.
            let fd = unsafe { BorrowedFd::borrow_raw(entry.fd) };
            asked.push(PollFd::from_borrowed_fd(fd, entry.armed & entry.wanted));
        });
        state.asleep = true;
        drop(state);
        // A timeout beyond the range of the clock is none.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let result = poll(&mut asked, timeout.as_ref());
        let mut state = self.state.lock();
        state.asleep = false;
        state.round += 1;
        self.left.notify_all();
        if state.rung || !asked[0].revents().is_empty() {
            state.rung = false;
            while rustix::io::read(&self.pipe.0, &mut [0_u8; 64]) == Ok(64) {}
        }
        if result? > 0 {
            let now = Instant::now();
            for (token, found) in tokens.into_iter().zip(&asked[1..]) {
                // It may have left meanwhile.
                let entry = state.entries.get_mut(&token);
                let ready = entry.map(|entry| entry.report(found.revents(), now));
                let ready = ready.filter(|ready| !ready.is_empty());
                events.extend(ready.map(|ready| Event { token, ready }));
            }
        }
        Ok(state)
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

impl State {
    /// Hands out those that the system is to be asked about. Returns how long it may take about the answer.
    fn prepare(
        &mut self,
        mut timeout: Option<Duration>,
        mut ask: impl FnMut(usize, &Entry),
    ) -> Option<Duration> {
        let now = Instant::now();
        for (&token, entry) in &mut self.entries {
            let rest = entry.rest(now);
            entry.asked = rest.is_zero() && !entry.armed.is_empty() && !entry.left_out;
            if entry.asked {
                ask(token, entry);
            } else if !rest.is_zero() {
                timeout = Some(timeout.map_or(rest, |timeout| timeout.min(rest)));
            }
        }
        timeout
    }
}

impl Entry {
    /// For how long it is left out.
    fn rest(&mut self, now: Instant) -> Duration {
        let left = self
            .rests_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        if left.is_zero() {
            self.rests_until = None;
        }
        left
    }

    /// What of the system's answer is to be reported. Disarms it.
    fn report(&mut self, found: PollFlags, now: Instant) -> Ready {
        let mut news = found & self.armed;
        if news.intersects(CONDITIONS) {
            match self.conditions_after.filter(|after| now < *after) {
                Some(after) => {
                    news -= CONDITIONS;
                    self.rests_until = Some(after);
                }
                None => self.conditions_after = Some(now + PAUSE),
            }
        }
        self.armed -= news;
        self.left_out = news.intersects(UNASKED);
        ready(found, news)
    }
}

/// What `found` means, as far as it is news. A hang-up closes both directions. An error without one comes from a pipe whose
/// reader is gone, or it is reported together with what the descriptor is ready for.
fn ready(found: PollFlags, news: PollFlags) -> Ready {
    let error = news.intersects(PollFlags::ERR | PollFlags::NVAL);
    let hung_up = news.contains(PollFlags::HUP);
    let no_reader = news.contains(PollFlags::ERR)
        && (found.contains(PollFlags::OUT) || found == PollFlags::ERR);
    Ready::EMPTY
        .and(news.contains(PollFlags::IN), Ready::READABLE)
        .and(news.contains(PollFlags::OUT), Ready::WRITABLE)
        .and_priority(news.contains(PollFlags::PRI))
        .and(error, Ready::ERROR)
        .and(hung_up || news.intersects(NO_MORE), Ready::READ_CLOSED)
        .and(hung_up || no_reader, Ready::WRITE_CLOSED)
}

/// What the system is asked about for `interest`.
fn flags(interest: Interest) -> PollFlags {
    let mut flags = UNASKED;
    if interest.is_readable() {
        flags |= PollFlags::IN | NO_MORE;
    }
    if interest.is_writable() {
        flags |= PollFlags::OUT;
    }
    if interest.is_priority() {
        flags |= PollFlags::PRI;
    }
    flags
}

/// What tells the files behind descriptors apart: the device and the number there. Some files that the system makes up share
/// one: those of `eventfd` and `timerfd`.
type File = (u64, u64);

/// Which file it is. Refuses what has no readiness, as epoll does: `poll` calls it ready at all times.
fn check(fd: RawFd) -> io::Result<File> {
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
        let file = check(fd)?;
        let mut state = self.state.lock();
        if state.entries.contains_key(&token) {
            return Err(Errno::EXIST.into());
        }
        if let Some(&other) = state.tokens.get(&fd) {
            if state.entries[&other].file == file {
                return Err(Errno::EXIST.into());
            }
            // It was closed without being deregistered, and the number is that of another file now.
            state.entries.remove(&other);
        }
        let entry = Entry {
            fd,
            file,
            wanted: flags(interest),
            armed: flags(interest),
            left_out: false,
            asked: false,
            conditions_after: None,
            rests_until: None,
        };
        state.tokens.insert(fd, token);
        state.entries.insert(token, entry);
        self.ring(&mut state);
        Ok(())
    }

    fn rearm(&self, token: usize, interest: Interest) {
        let mut state = self.state.lock();
        let Some(entry) = state.entries.get_mut(&token) else {
            return;
        };
        let before = (entry.armed, entry.left_out);
        entry.armed |= flags(interest) & entry.wanted;
        entry.left_out = false;
        if (entry.armed, entry.left_out) != before {
            self.ring(&mut state);
        }
    }

    fn deregister(&self, _: RawFd, token: usize) -> io::Result<()> {
        let mut state = self.state.lock();
        // By the token: its owner may have another descriptor by now.
        let Some(entry) = state.entries.remove(&token) else {
            return Err(Errno::NOENT.into());
        };
        state.tokens.remove(&entry.fd);
        if state.asleep && entry.asked {
            self.ring(&mut state);
            let round = state.round;
            while state.round == round {
                self.left.wait(&mut state);
            }
        }
        Ok(())
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut timeout = timeout;
        let mut state = self.state.lock();
        loop {
            if std::mem::take(&mut state.notified) {
                timeout = Some(Duration::ZERO);
            }
            let last = timeout == Some(Duration::ZERO);
            state = self.ask(state, timeout, events)?;
            if last || !events.is_empty() || std::mem::take(&mut state.notified) {
                return Ok(());
            }
            timeout = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        }
    }

    fn notify(&self) {
        let mut state = self.state.lock();
        state.notified = true;
        self.ring(&mut state);
    }
}

impl fmt::Debug for PosixPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PosixPoll").finish_non_exhaustive()
    }
}
