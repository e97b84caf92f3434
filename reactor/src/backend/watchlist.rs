//! What a poller made of a call like `poll(2)` keeps: which descriptors it watches, and what of them it is to ask about.
//!
//! `poll` reports a state, as long as it lasts. Here each part of readiness is *armed* or not. A wait asks the system about the
//! armed parts only. A part that was reported is disarmed, until [`rearm`](super::Poller::rearm).
//!
//! The system reports errors and hang-ups whether they were asked for or not. Once they were reported, the descriptor is
//! left out of the waits, until a [`rearm`](super::Poller::rearm) of any part. The other parts stay armed meanwhile: they haven't
//! been reported. Then the errors and hang-ups may be there still: nobody need have
//! fetched the error, and a hang-up stays. Urgent bytes stay as well. These *conditions* are reported at most once in
//! a [`PAUSE`], so that a program that doesn't deal with them costs a turn now and then, and not a processor. They are
//! not passed over altogether, as it may be another error each time.
//!
//! Invariants, of the state under the lock:
//! 1. While the waiter is `asleep`, it may be in `poll` with the descriptors whose `asked` is set. It sets `asleep` as it lets
//!    the lock go to call `poll`, and clears it after it got the lock back. Only the waiter changes `asked` and `asleep`.
//! 2. Whoever changes what an `asleep` waiter should wait for rings, so `poll` returns. The waiter
//!    then takes the change into account, and calls `poll` again if there is nothing to report.
//! 3. `deregister` returns when the waiter is not in `poll` with the descriptor. The system holds a file open while
//!    `poll` waits for it, so the peer of a socket that is closed meanwhile would not hear of that.
//! 4. `rung` is set while the bell of this process rings. So it rings once at a time.
//!
//! All of it happens under one lock, but for the call itself. The models are of the real list and of a system that is made up:
//! `loom-tests/tests/watchlist.rs`. They leave out the pauses of conditions: no time passes in a model.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

use heist_sync::sys::{Condvar, Mutex, MutexGuard};
use rustix::event::PollFlags;
use rustix::io::Errno;

use super::{Event, Interest, Ready};

/// How long a condition that was reported rests at least, before it is reported again.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

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

/// What a list asks the system for.
pub trait System: Send + Sync + 'static {
    /// Which file the descriptor is for.
    ///
    /// # Errors
    ///
    /// If it has none, or one that can't be watched.
    fn file(&self, fd: RawFd) -> io::Result<File>;

    /// Asks about all of them, and fills in what it finds. Returns as soon as it has found something, when `timeout` is over,
    /// or if the bell rings. Returns whether that rings. It may return early.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    ///
    /// # Safety
    ///
    /// The descriptors stay open until it returns.
    unsafe fn poll(&self, asked: &mut [Asked], timeout: Option<Duration>) -> Result<bool, Errno>;

    /// Rings the bell: `poll` returns, until it is [silenced](Self::silence).
    fn ring(&self);

    /// Stops the bell.
    fn silence(&self);
}

/// A descriptor that the system is asked about.
#[derive(Debug)]
pub struct Asked {
    token: usize,
    /// The descriptor.
    pub fd: RawFd,
    /// What it is asked for.
    pub wanted: PollFlags,
    /// What it was found to be.
    pub found: PollFlags,
}

/// What tells the files behind descriptors apart: the device and the number there. Some files that the system makes up share
/// one: those of `eventfd` and `timerfd`.
pub type File = (u64, u64);

/// The descriptors that are watched. It is a [`Poller`](super::Poller) but for the name.
pub struct Watchlist<S> {
    state: Mutex<State>,
    /// The waiter has left `poll`.
    left: Condvar,
    system: S,
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
impl<S> UnwindSafe for Watchlist<S> {}
impl<S> RefUnwindSafe for Watchlist<S> {}

impl<S: System> Watchlist<S> {
    /// A list of nothing yet.
    pub fn new(system: S) -> Self {
        Self {
            state: Mutex::default(),
            left: Condvar::new(),
            system,
        }
    }

    /// Makes a waiter that is in `poll` return (invariant 2).
    fn ring(&self, state: &mut State) {
        if state.asleep && !state.rung {
            self.system.ring();
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
        let mut asked = Vec::with_capacity(state.entries.len());
        let timeout = state.prepare(timeout, |token, entry| {
            asked.push(Asked {
                token,
                fd: entry.fd,
                wanted: entry.armed & entry.wanted,
                found: PollFlags::empty(),
            });
        });
        state.asleep = true;
        drop(state);
        // SAFETY: whoever has registered a descriptor keeps it open until `deregister` returns, which waits for the end of this
        // call (invariant 3).
        let result = unsafe { self.system.poll(&mut asked, timeout) };
        let mut state = self.state.lock();
        state.asleep = false;
        state.round += 1;
        self.left.notify_all();
        if state.rung || matches!(result, Ok(true)) {
            state.rung = false;
            self.system.silence();
        }
        result?;
        let now = Instant::now();
        for Asked { token, found, .. } in asked {
            if found.is_empty() {
                continue;
            }
            // It may have left meanwhile.
            let entry = state.entries.get_mut(&token);
            let ready = entry.map(|entry| entry.report(found, now));
            let ready = ready.filter(|ready| !ready.is_empty());
            events.extend(ready.map(|ready| Event { token, ready }));
        }
        Ok(state)
    }

    /// See [`Poller::register`](super::Poller::register).
    ///
    /// # Errors
    ///
    /// If it can't be watched, or is registered.
    pub fn register(&self, fd: RawFd, token: usize, interest: Interest) -> io::Result<()> {
        let file = self.system.file(fd)?;
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

    /// See [`Poller::rearm`](super::Poller::rearm).
    pub fn rearm(&self, token: usize, interest: Interest) {
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

    /// See [`Poller::deregister`](super::Poller::deregister).
    ///
    /// # Errors
    ///
    /// If it isn't registered.
    pub fn deregister(&self, token: usize) -> io::Result<()> {
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

    /// See [`Poller::wait`](super::Poller::wait).
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
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

    /// See [`Poller::notify`](super::Poller::notify).
    pub fn notify(&self) {
        let mut state = self.state.lock();
        state.notified = true;
        self.ring(&mut state);
    }
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

impl<S> fmt::Debug for Watchlist<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchlist").finish_non_exhaustive()
    }
}
