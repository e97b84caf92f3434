//! Deadlines and whom to wake at them, spread over shards, so that a thread that makes and drops a timer takes a
//! lock that only it uses.
//!
//! A shard is a timing wheel under a lock (`timers/wheel.rs`) and, beside it, two words that are read without the lock:
//! `next`, for the holder of the poller, and `passed`, for who polls an entry. A thread inserts into the shard of its own
//! number; who cancels goes to the shard that the entry is in.
//!
//! An entry is in one of these states:
//!
//! | state | in the wheel | its waker | left by |
//! |---|---|---|---|
//! | reserved | a place | with the thread that polls the task | that poll's end ([`Shard::settle`]), or earlier another's [`Shard::poll`]; its cancelling |
//! | waiting | yes | in the wheel | its deadline, its cancelling, the end of the reactor |
//! | fired | no | taken by the turn that found it due, then woken | – |
//! | cancelled | no | given back to who cancelled | – |
//!
//! Invariants:
//! 1. `next` is never later than the earliest deadline in the wheel. It may be earlier: cancelling leaves it alone,
//!    so a timer that is made and dropped again and again writes it once, and the poller wakes up for nothing at
//!    most once for each value.
//! 2. Only who holds the shard's lock stores `next` and `passed`.
//! 3. An entry's waker leaves the wheel once: under the lock, by whoever takes the entry out. It is woken or dropped
//!    after the lock.
//! 4. An entry never fires early, and those of one shard fire in the order of their deadlines, equal ones in the
//!    order in which they were inserted.
//! 5. Once a shard is closed its wheel is empty, and stays so.
//! 6. A reserved place becomes an entry, or is given up, once, under the lock, by whoever comes first; who comes later
//!    finds it so by its number.
//! 7. Every entry's deadline is later than `passed`, which never goes back, and is itself never later than now. So an
//!    entry whose deadline is not later has left the wheel, and a deadline that is not later is refused as an entry.
//!
//! Orderings. That an earlier deadline is not lost on a holder about to sleep is `signal.rs`'s protocol: `next` is
//! stored, then [`Signal::deadline_moved`] is called; the holder calls [`Signal::announce`], then loads every `next`.
//! So `next` itself is Relaxed throughout. A shard may be inserted into while the others are being read: its own
//! `next` and its own call see to it, as no shard's deadline hangs on another's. `passed` is Relaxed as well: it says
//! something about time, which needs no other memory, and an older value only sends its reader to the lock.

use std::fmt;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use heist_sync::sys::atomic::{AtomicU64, Ordering};
use heist_sync::sys::{Arc, CachePadded, Mutex, MutexGuard, thread};

use crate::signal::{Kick, NEVER, Signal};
use coarse::Coarse;
use wheel::{Found, Wheel};

#[cfg_attr(not(target_os = "linux"), path = "timers/coarse/portable.rs")]
mod coarse;
mod pace;
mod wheel;

pub(crate) use pace::Pace;
pub use wheel::Key;

/// How many due entries one turn takes out of a shard, so that a crowd of timers does not keep I/O waiting.
const BATCH: usize = 1024;
/// How many entries one turn moves within a shard's wheel, for the same reason.
const MOVES: usize = 4 * BATCH;

/// The timers of one reactor.
pub struct Timers<K> {
    shards: Box<[Arc<Shard<K>>]>,
    /// Deadlines are nanoseconds since then.
    birth: Instant,
}

/// Some of the timers of one reactor.
pub struct Shard<K> {
    words: CachePadded<Words>,
    state: Mutex<State>,
    signal: Arc<Signal<K>>,
    birth: Instant,
    coarse: Coarse,
}

/// What is read without the lock.
struct Words {
    next: AtomicU64,
    passed: AtomicU64,
}

struct State {
    wheel: Wheel,
    closed: bool,
}

/// The reactor has been shut down: no timer of its can fire any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// Why a deadline was not made an entry.
#[derive(Debug)]
pub enum Rejected {
    /// It has passed: the waker is back, and has not been woken.
    Passed(Waker),
    /// The reactor has been shut down: the waker is back, as it is user code, and whoever inserts may be in the middle of
    /// something.
    Closed(Waker),
}

impl<K: Kick> Timers<K> {
    /// `shards` shards, a power of two, without an entry.
    pub fn new(signal: Arc<Signal<K>>, shards: usize) -> Self {
        let (coarse, birth) = (Coarse::new(), Instant::now());
        let shard = |_| Arc::new(Shard::new(signal.clone(), birth, coarse));
        Self {
            shards: (0..shards).map(shard).collect(),
            birth,
        }
    }

    /// All of them.
    pub fn shards(&self) -> &[Arc<Shard<K>>] {
        &self.shards
    }

    /// Which shard is for new timers of this thread.
    pub fn own_shard(&self) -> usize {
        thread::number() & (self.shards.len() - 1)
    }

    /// No entry is due before then. [`NEVER`] where there is none.
    pub fn next(&self) -> u64 {
        // Ordering: Relaxed; see the head of this file.
        let next = |shard: &Arc<Shard<K>>| shard.words.next.load(Ordering::Relaxed);
        self.shards.iter().map(next).min().unwrap_or(NEVER)
    }

    /// The moment that a deadline stands for; `None` for [`NEVER`].
    pub fn instant(&self, deadline: u64) -> Option<Instant> {
        let after = (deadline != NEVER).then(|| Duration::from_nanos(deadline))?;
        self.birth.checked_add(after)
    }

    /// Takes the wakers of the entries that are due, a batch of each shard at most, looking at the clock only where there
    /// are timers at all.
    pub(crate) fn expire(&self, pace: &mut Pace, wakers: &mut Vec<Waker>) {
        if self.next() == NEVER {
            return;
        }
        let now = nanos(self.birth, Instant::now());
        let before = wakers.len();
        self.expire_at(now, wakers);
        if wakers.len() > before {
            pace.turned(now);
        }
    }

    /// Does so at a given time.
    pub fn expire_at(&self, now: u64, wakers: &mut Vec<Waker>) {
        for shard in &self.shards {
            // Ordering: Relaxed: an entry inserted meanwhile is the next turn's, which its inserter brings about.
            if shard.words.next.load(Ordering::Relaxed) <= now {
                shard.expire(now, wakers);
            }
        }
    }

    /// Refuses new entries and takes the wakers of all that wait.
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
    fn new(signal: Arc<Signal<K>>, birth: Instant, coarse: Coarse) -> Self {
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
        }
    }

    /// A moment as a deadline, which is never [`NEVER`].
    #[inline]
    pub fn deadline(&self, at: Instant) -> u64 {
        nanos(self.birth, at)
    }

    /// Whether a deadline has come.
    #[inline]
    pub fn has_come(&self, deadline: u64) -> bool {
        !self.coarse.is_before(deadline) && nanos(self.birth, Instant::now()) >= deadline
    }

    /// Wakes `waker` at `deadline`.
    ///
    /// # Errors
    ///
    /// [`Rejected`] where it has passed, or nothing can fire any more.
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

    /// Fills `keys` with those of reserved places. False where the reactor has been shut down.
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
            // A place that has become an entry is somebody else's.
            if matches!(state.wheel.find(key), Found::Reserved) {
                drop(state.wheel.remove(key));
            }
        }
    }

    /// Makes entries of reserved places, and reserves others in `keys` for them. Returns whether `waker` has to be woken
    /// at once: a deadline has passed, or a place is reserved no more, as its sleep got into another thread. `waker` is
    /// cloned under the lock: it must be one whose clone is no more than a count.
    ///
    /// # Errors
    ///
    /// [`Closed`] where nothing can fire any more; `waker` has to be woken then, too.
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

    /// Makes a reserved place an entry, or gives the waker back and the place up where the deadline has passed.
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

    /// Invariant 7, for who holds the lock; a hint to others.
    #[inline]
    fn has_passed(&self, deadline: u64) -> bool {
        // Ordering: Relaxed; see the head of this file.
        deadline <= self.words.passed.load(Ordering::Relaxed)
    }

    /// An entry has come: invariant 1, and the word to the poller's holder.
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

    /// Whether the entry has fired, as far as can be said without the lock.
    #[inline]
    pub fn has_fired(&self, key: Key) -> bool {
        self.has_passed(key.deadline())
    }

    /// Whether the entry has fired; where it has not, its last poller's waker is the one to be woken.
    ///
    /// # Errors
    ///
    /// [`Closed`] where it can't fire any more.
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
                // A waker is user code: cloned with the lock given back.
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

    /// Takes the entry out, if it is still there: its waker is the caller's to drop, or to insert again.
    #[must_use = "the waker is dropped with no lock held"]
    pub fn take(&self, key: Key) -> Option<Waker> {
        self.state.lock().wheel.remove(key)
    }

    /// Takes the wakers of entries that are due, a batch of them at most.
    fn expire(&self, now: u64, wakers: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        let wheel = &mut state.wheel;
        if wheel.turn_to(now, MOVES) {
            let due = std::iter::from_fn(|| wheel.pop_due(now));
            wakers.extend(due.take(BATCH));
        }
        let next = wheel.earliest().unwrap_or(NEVER);
        // Ordering: Relaxed; the turn that sleeps next loads it after this, in the same thread or handed over by lock.
        self.words.next.store(next, Ordering::Relaxed);
        let passed = now.min(next.saturating_sub(1));
        // Ordering: Relaxed; see the head of this file. Only we store it, under the lock (invariant 2).
        if passed > self.words.passed.load(Ordering::Relaxed) {
            self.words.passed.store(passed, Ordering::Relaxed);
        }
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.state.lock().wheel.len()
    }

    /// How many places there are, those of entries included.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.state.lock().wheel.places()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Nanoseconds from `birth` to `at`, rounded to what a deadline can be.
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
