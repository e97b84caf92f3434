//! Deadlines, and the wakers to wake at them. They are spread over shards, so that a thread that makes and drops a
//! timer takes a lock that only it uses.
//!
//! A shard is a timing wheel under a lock (`timers/wheel.rs`). Beside the wheel it has two words that are read without
//! the lock: `next` is for the holder of the poller, and `passed` is for whoever polls an entry. A thread inserts into
//! the shard of its own number. A thread that cancels goes to the shard that the entry is in.
//!
//! An entry is in one of these states:
//!
//! | state | in the wheel | its waker | left by |
//! |---|---|---|---|
//! | reserved | a place | with the thread that polls the task | the end of that poll ([`Shard::settle`]), an earlier [`Shard::poll`] in another thread, or cancelling |
//! | waiting | yes | in the wheel | its deadline, cancelling, the end of the reactor |
//! | fired | no | taken by the turn that found the entry due, then woken | – |
//! | cancelled | no | given back to whoever cancelled | – |
//!
//! All times here are those of the reactor's clock (`clock.rs`). Unless that was paused, they are the system's.
//!
//! Invariants:
//! 1. `next` is never later than the earliest deadline in the wheel. It may be earlier, because cancelling leaves it
//!    alone. So a timer that is made and dropped again and again writes it once, and the poller wakes up for nothing at
//!    most once for each value.
//! 2. Only the holder of the shard's lock stores `next` and `passed`.
//! 3. An entry's waker leaves the wheel once: whoever takes the entry out takes the waker, under the lock. It is woken
//!    or dropped after the lock is free.
//! 4. An entry never fires early. The entries of one shard fire in the order of their deadlines. Entries with equal
//!    deadlines fire in the order in which they were inserted.
//! 5. The wheel of a closed shard is empty, and stays so.
//! 6. A reserved place becomes an entry or is given up, once and under the lock, by whoever comes first. Whoever comes
//!    later sees that by the number of the place.
//! 7. Every entry's deadline is later than `passed`. `passed` never goes back, and is never later than now. So an entry
//!    whose deadline is not later than `passed` has left the wheel, and a deadline that is not later is refused as an
//!    entry.
//!
//! Orderings. The protocol in `wakeup.rs` ensures that a holder that is about to sleep does not miss an earlier
//! deadline: `next` is stored, then [`Signal::deadline_moved`] is called. The holder calls [`Signal::announce`], then
//! loads every `next`. So `next` itself is Relaxed throughout. A thread may insert into one shard while the holder
//! reads the others. That is safe: each shard has its own `next` and its own call, and no shard's deadline depends on
//! another's. `passed` is Relaxed as well. It says something about time, which needs no other memory, and a reader of
//! an older value only goes to the lock.

use std::fmt;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use heist_sync::sys::atomic::{AtomicU64, Ordering};
use heist_sync::sys::{Arc, CachePadded, Mutex, MutexGuard, thread};

use crate::clock::{self, Clock};
use crate::standstill::Standstill;
use crate::wakeup::{Kick, NEVER, Signal};
use coarse::Coarse;
use wheel::{Found, Wheel};

#[cfg_attr(not(target_os = "linux"), path = "timers/coarse/portable.rs")]
mod coarse;
mod pace;
mod wheel;

pub(crate) use pace::Pace;
pub use wheel::Key;

/// How many due entries one turn takes out of a shard. The limit keeps a crowd of timers from delaying I/O.
const BATCH: usize = 1024;
/// How many entries one turn moves within a shard's wheel, for the same reason.
const MOVES: usize = 4 * BATCH;

/// The timers of one reactor.
pub struct Timers<K> {
    shards: Box<[Arc<Shard<K>>]>,
    /// Deadlines are nanoseconds since this moment.
    birth: Instant,
    clock: Arc<Clock>,
    standstill: Arc<Standstill<K>>,
}

/// Some of the timers of one reactor.
pub struct Shard<K> {
    words: CachePadded<Words>,
    state: Mutex<State>,
    signal: Arc<Signal<K>>,
    birth: Instant,
    coarse: Coarse,
    clock: Arc<Clock>,
}

/// The words that are read without the lock.
struct Words {
    next: AtomicU64,
    passed: AtomicU64,
}

struct State {
    wheel: Wheel,
    closed: bool,
}

/// The reactor has been shut down: none of its timers can fire any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// Why a deadline was not made an entry.
#[derive(Debug)]
pub enum Rejected {
    /// It has passed. The waker comes back, and has not been woken.
    Passed(Waker),
    /// The reactor has been shut down. The waker comes back instead of being dropped here: it is user code, and the
    /// caller may be in the middle of something.
    Closed(Waker),
}

impl<K: Kick> Timers<K> {
    /// Makes `shards` shards without entries. `shards` must be a power of two.
    pub fn new(signal: Arc<Signal<K>>, shards: usize) -> Self {
        let (coarse, birth) = (Coarse::new(), Instant::now());
        // A deadline can't be further away.
        let end = birth.checked_add(Duration::from_nanos(NEVER - 1));
        let clock = Arc::new(Clock::new(end));
        let shard = |_| Arc::new(Shard::new(signal.clone(), birth, coarse, clock.clone()));
        Self {
            shards: (0..shards).map(shard).collect(),
            birth,
            clock,
            standstill: Arc::new(Standstill::new(signal.clone())),
        }
    }

    /// All shards.
    pub fn shards(&self) -> &[Arc<Shard<K>>] {
        &self.shards
    }

    /// The shard for new timers of this thread.
    pub fn own_shard(&self) -> usize {
        thread::number() & (self.shards.len() - 1)
    }

    /// No entry is due before this time. [`NEVER`] if there is none.
    pub fn next(&self) -> u64 {
        // Ordering: Relaxed; see the head of this file.
        let next = |shard: &Arc<Shard<K>>| shard.words.next.load(Ordering::Relaxed);
        self.shards.iter().map(next).min().unwrap_or(NEVER)
    }

    /// Whether some entry may be due. If so, a turn will tell.
    pub(crate) fn is_due(&self) -> bool {
        self.next() <= nanos(self.birth, self.clock.now())
    }

    /// The moment that a deadline stands for. `None` for [`NEVER`].
    pub fn instant(&self, deadline: u64) -> Option<Instant> {
        let after = (deadline != NEVER).then(|| Duration::from_nanos(deadline))?;
        self.birth.checked_add(after)
    }

    /// When that moment comes, by the system's clock. `None` if it doesn't come: for [`NEVER`], and while the clock is
    /// paused.
    pub(crate) fn real_instant(&self, deadline: u64) -> Option<Instant> {
        self.clock.real(self.instant(deadline)?)
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Who runs, and when a paused clock may jump.
    pub fn standstill(&self) -> &Arc<Standstill<K>> {
        &self.standstill
    }

    /// Pauses the clock. `Err` says why not.
    pub(crate) fn pause(&self) -> Result<(), &'static str> {
        self.standstill.set_paused(true, || self.clock.pause())
    }

    /// Resumes the clock. `Err` says why not.
    pub(crate) fn resume(&self) -> Result<(), &'static str> {
        self.standstill.set_paused(false, || self.clock.resume())
    }

    /// Moves the paused clock on, and takes the wakers of all that is due then. `Err` says why not.
    pub(crate) fn advance(
        &self,
        duration: Duration,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), &'static str> {
        self.clock.advance(duration)?;
        let now = nanos(self.birth, self.clock.now());
        while self.next() <= now {
            self.expire_at(now, wakers);
        }
        Ok(())
    }

    /// Makes the paused clock jump to the earliest deadline, if nobody runs ([`Standstill::jump`]) and `nothing_ready`
    /// agrees, which is asked last. Returns whether it did.
    pub(crate) fn jump(
        &self,
        at_rest: impl Fn() -> bool,
        nothing_ready: impl FnOnce() -> bool,
    ) -> bool {
        let jump = || {
            if !nothing_ready() {
                return false;
            }
            let first = self.shards.iter().filter_map(|shard| shard.first());
            let first = first.min();
            let at = first.and_then(|first| self.instant(first));
            at.is_some_and(|at| self.clock.jump_to(at))
        };
        self.next() != NEVER && self.standstill.jump(at_rest, jump) == Some(true)
    }

    /// Takes the wakers of the entries that are due, at most one batch from each shard. It looks at the clock only if
    /// there are timers at all.
    pub(crate) fn expire(&self, pace: &mut Pace, wakers: &mut Vec<Waker>) {
        if self.next() == NEVER {
            return;
        }
        let now = nanos(self.birth, self.clock.now());
        let before = wakers.len();
        self.expire_at(now, wakers);
        // A paused clock costs no wake-ups.
        if wakers.len() > before && !self.standstill.is_paused() {
            pace.turned(now);
        }
    }

    /// Does the same as `expire`, at a given time.
    pub fn expire_at(&self, now: u64, wakers: &mut Vec<Waker>) {
        for shard in &self.shards {
            // Ordering: Relaxed: an entry that is inserted meanwhile is for the next turn, which its inserter causes.
            if shard.words.next.load(Ordering::Relaxed) <= now {
                shard.expire(now, wakers);
            }
        }
    }

    /// Refuses new entries, and takes the wakers of all that wait.
    pub fn close(&self, wakers: &mut Vec<Waker>) {
        for shard in &self.shards {
            let mut state = shard.state.lock();
            state.closed = true;
            state.wheel.drain(wakers);
            // Ordering: Relaxed; see the head of this file.
            shard.words.next.store(NEVER, Ordering::Relaxed);
        }
    }
}

impl<K: Kick> Shard<K> {
    fn new(signal: Arc<Signal<K>>, birth: Instant, coarse: Coarse, clock: Arc<Clock>) -> Self {
        Self {
            words: CachePadded::new(Words {
                next: AtomicU64::new(NEVER),
                passed: AtomicU64::new(0),
            }),
            state: Mutex::new(State {
                wheel: Wheel::new(),
                closed: false,
            }),
            signal,
            birth,
            coarse,
            clock,
        }
    }

    /// Converts a moment to a deadline, which is never [`NEVER`].
    #[inline]
    pub fn deadline(&self, at: Instant) -> u64 {
        nanos(self.birth, at)
    }

    /// Whether a deadline has come.
    #[inline]
    pub fn has_come(&self, deadline: u64) -> bool {
        if clock::any_was_paused() {
            // The coarse clock is the system's.
            return nanos(self.birth, self.now()) >= deadline;
        }
        !self.coarse.is_before(deadline) && nanos(self.birth, Instant::now()) >= deadline
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Wakes `waker` at `deadline`.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if the deadline has passed, or if nothing can fire any more.
    #[inline]
    pub fn insert(&self, deadline: u64, waker: Waker) -> Result<Key, Rejected> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Rejected::Closed(waker));
        }
        if self.has_passed(deadline) {
            return Err(Rejected::Passed(waker));
        }
        let key = state.wheel.insert(deadline, waker);
        self.inserted(state, deadline);
        Ok(key)
    }

    /// Reserves places and fills `keys` with their keys. Returns false if the reactor has been shut down.
    pub fn reserve(&self, keys: &mut [Key]) -> bool {
        let mut state = self.state.lock();
        if !state.closed {
            keys.fill_with(|| state.wheel.reserve());
        }
        !state.closed
    }

    /// Gives reserved places up.
    pub fn give_up(&self, keys: &[Key]) {
        let mut state = self.state.lock();
        for &key in keys {
            // If a place has become an entry, it is no longer the caller's.
            if matches!(state.wheel.find(key), Found::Reserved) {
                drop(state.wheel.remove(key));
            }
        }
    }

    /// Makes entries of reserved places, and reserves other places in `keys` for them. Returns whether `waker` has to
    /// be woken at once: because a deadline has passed, or because a place is no longer reserved, as its sleep has
    /// moved to another thread. `waker` is cloned under the lock, so its clone must only count.
    ///
    /// # Errors
    ///
    /// [`Closed`] if nothing can fire any more. `waker` has to be woken then, too.
    pub fn settle(&self, keys: &mut [Key], waker: &Waker) -> Result<bool, Closed> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Closed);
        }
        let (mut owed, mut nearest) = (false, NEVER);
        for key in keys {
            if !matches!(state.wheel.find(*key), Found::Reserved) {
                owed = true;
            } else if self.has_passed(key.deadline()) {
                owed = true;
                drop(state.wheel.remove(*key));
            } else {
                nearest = nearest.min(key.deadline());
                state.wheel.fulfil(*key, waker.clone());
            }
            *key = state.wheel.reserve();
        }
        self.inserted(state, nearest);
        Ok(owed)
    }

    /// Makes an entry of a reserved place. If the deadline has passed, gives the place up and the waker back.
    fn fulfil(
        &self,
        mut state: MutexGuard<'_, State>,
        key: Key,
        waker: Waker,
    ) -> Result<(), Waker> {
        if self.has_passed(key.deadline()) {
            drop(state.wheel.remove(key));
            return Err(waker);
        }
        state.wheel.fulfil(key, waker);
        self.inserted(state, key.deadline());
        Ok(())
    }

    /// Whether `deadline` is not later than `passed` (invariant 7). Exact for the holder of the lock, a hint to others.
    #[inline]
    fn has_passed(&self, deadline: u64) -> bool {
        // Ordering: Relaxed; see the head of this file.
        deadline <= self.words.passed.load(Ordering::Relaxed)
    }

    /// An entry has been inserted: keeps invariant 1, and tells the poller's holder.
    #[inline]
    fn inserted(&self, state: MutexGuard<'_, State>, deadline: u64) {
        // Ordering: Relaxed, as only holders of the lock store it (invariant 2).
        let nearer = deadline < self.words.next.load(Ordering::Relaxed);
        if nearer {
            // Ordering: Relaxed; `deadline_moved` fences before it looks for a sleeper.
            self.words.next.store(deadline, Ordering::Relaxed);
        }
        drop(state);
        if nearer {
            self.signal.deadline_moved(deadline);
        }
    }

    /// Whether the entry has fired, as far as we know without the lock.
    #[inline]
    pub fn has_fired(&self, key: Key) -> bool {
        self.has_passed(key.deadline())
    }

    /// Whether the entry has fired. If not, the entry keeps the waker of `cx`.
    ///
    /// # Errors
    ///
    /// [`Closed`] if it can't fire any more.
    pub fn poll(&self, key: Key, cx: &mut Context<'_>) -> Result<Poll<()>, Closed> {
        if self.has_passed(key.deadline()) {
            return Ok(Poll::Ready(()));
        }
        let mut spare = None;
        loop {
            let mut state = self.state.lock();
            if state.closed {
                return Err(Closed);
            }
            let waker = match state.wheel.find(key) {
                Found::Waiting(waker) if waker.will_wake(cx.waker()) => return Ok(Poll::Pending),
                Found::Waiting(waker) => Some(waker),
                Found::Reserved => None,
                Found::Gone => return Ok(Poll::Ready(())),
            };
            let Some(new) = spare.take() else {
                // A waker is user code, so it is cloned while the lock is free.
                drop(state);
                spare = Some(cx.waker().clone());
                continue;
            };
            let Some(waker) = waker else {
                // Its deadline may have passed since we looked.
                let ready = self.fulfil(state, key, new).is_err();
                return Ok(if ready {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                });
            };
            let old = std::mem::replace(waker, new);
            drop(state);
            drop(old);
            return Ok(Poll::Pending);
        }
    }

    /// Takes the entry out, if it is still there. The caller may drop its waker, or insert it again.
    #[must_use = "the waker is dropped with no lock held"]
    pub fn take(&self, key: Key) -> Option<Waker> {
        self.state.lock().wheel.remove(key)
    }

    /// Takes the wakers of entries that are due, at most one batch of them.
    fn expire(&self, now: u64, wakers: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        let wheel = &mut state.wheel;
        if wheel.turn_to(now, MOVES) {
            let due = std::iter::from_fn(|| wheel.pop_due(now));
            wakers.extend(due.take(BATCH));
        }
        let next = wheel.earliest().unwrap_or(NEVER);
        // Ordering: Relaxed: the turn that sleeps next loads it after this. It does so in the same thread, or takes
        // over by a lock.
        self.words.next.store(next, Ordering::Relaxed);
        let passed = now.min(next.saturating_sub(1));
        // Ordering: Relaxed; see the head of this file. Only we store it, under the lock (invariant 2).
        if passed > self.words.passed.load(Ordering::Relaxed) {
            self.words.passed.store(passed, Ordering::Relaxed);
        }
    }

    /// The earliest deadline, exactly. From here on `next` tells it too, unless another one comes.
    fn first(&self) -> Option<u64> {
        let mut state = self.state.lock();
        let first = state.wheel.first();
        // Ordering: Relaxed; see the head of this file.
        let next = first.unwrap_or(NEVER);
        self.words.next.store(next, Ordering::Relaxed);
        first
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.state.lock().wheel.len()
    }

    /// How many places there are, including those of entries.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.state.lock().wheel.places()
    }

    /// Whether no entry waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Nanoseconds from `birth` to `at`, limited to the range of deadlines.
#[inline]
fn nanos(birth: Instant, at: Instant) -> u64 {
    let after = at.saturating_duration_since(birth);
    let nanos = after.as_secs().checked_mul(1_000_000_000);
    let nanos = nanos.and_then(|nanos| nanos.checked_add(after.subsec_nanos().into()));
    nanos.unwrap_or(NEVER).min(NEVER - 1)
}

impl<K> fmt::Debug for Timers<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").finish_non_exhaustive()
    }
}

impl<K> fmt::Debug for Shard<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").finish_non_exhaustive()
    }
}
