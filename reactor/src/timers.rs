//! Deadlines and whom to wake at them, spread over shards, so that a thread that makes and drops a timer takes a
//! lock that only it uses.
//!
//! A shard is an exact heap under a lock (`timers/heap.rs`) and, beside it, `next`, which the holder of the poller
//! reads without the lock. A thread inserts into the shard of its own number; who cancels goes to the shard that the
//! entry is in.
//!
//! An entry is in one of these states:
//!
//! | state | in the heap | its waker | left by |
//! |---|---|---|---|
//! | waiting | yes | in the heap | its deadline, its cancelling, the end of the reactor |
//! | fired | no | taken by the turn that found it due, then woken | – |
//! | cancelled | no | given back to who cancelled | – |
//!
//! Invariants:
//! 1. `next` is never later than the earliest deadline in the heap. It may be earlier: cancelling leaves it alone,
//!    so a timer that is made and dropped again and again writes it once, and the poller wakes up for nothing at
//!    most once for each value.
//! 2. Only who holds the shard's lock stores `next`.
//! 3. An entry's waker leaves the heap once: under the lock, by whoever takes the entry out. It is woken or dropped
//!    after the lock.
//! 4. An entry never fires early, and those of one shard fire in the order of their deadlines, equal ones in the
//!    order in which they were inserted.
//! 5. Once a shard is closed its heap is empty, and stays so.
//!
//! Orderings. That an earlier deadline is not lost on a holder about to sleep is `signal.rs`'s protocol: `next` is
//! stored, then [`Signal::deadline_moved`] is called; the holder calls [`Signal::announce`], then loads every `next`.
//! So `next` itself is Relaxed throughout. A shard may be inserted into while the others are being read: its own
//! `next` and its own call see to it, as no shard's deadline hangs on another's.

use std::fmt;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use heist_sync::sys::atomic::{AtomicU64, Ordering};
use heist_sync::sys::{Arc, CachePadded, Mutex, thread};

use crate::signal::{Kick, NEVER, Signal};
use heap::Heap;

mod heap;

pub use heap::Key;

/// How many due entries one turn takes out of a heap, so that a crowd of timers does not keep I/O waiting.
const BATCH: usize = 1024;

/// The timers of one reactor.
pub struct Timers<K> {
    shards: Box<[Arc<Shard<K>>]>,
    /// Deadlines are nanoseconds since then.
    birth: Instant,
}

/// Some of the timers of one reactor.
pub struct Shard<K> {
    next: CachePadded<AtomicU64>,
    state: Mutex<State>,
    signal: Arc<Signal<K>>,
    birth: Instant,
}

struct State {
    heap: Heap,
    closed: bool,
}

/// The reactor has been shut down: no timer of its can fire any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

impl<K: Kick> Timers<K> {
    /// `shards` shards, a power of two, without an entry.
    pub fn new(signal: Arc<Signal<K>>, shards: usize) -> Self {
        let birth = Instant::now();
        let shard = |_| Arc::new(Shard::new(signal.clone(), birth));
        Self {
            shards: (0..shards).map(shard).collect(),
            birth,
        }
    }

    /// All of them.
    pub fn shards(&self) -> &[Arc<Shard<K>>] {
        &self.shards
    }

    /// The shard for new timers of this thread.
    pub fn shard(&self) -> &Arc<Shard<K>> {
        &self.shards[thread::number() & (self.shards.len() - 1)]
    }

    /// No entry is due before then. [`NEVER`] where there is none.
    pub fn next(&self) -> u64 {
        // Ordering: Relaxed; see the head of this file.
        let next = |shard: &Arc<Shard<K>>| shard.next.load(Ordering::Relaxed);
        self.shards.iter().map(next).min().unwrap_or(NEVER)
    }

    /// The moment that a deadline stands for; `None` for [`NEVER`].
    pub fn instant(&self, deadline: u64) -> Option<Instant> {
        let after = (deadline != NEVER).then(|| Duration::from_nanos(deadline))?;
        self.birth.checked_add(after)
    }

    /// Takes the wakers of the entries that are due, a batch of each shard at most, looking at the clock only where there
    /// are timers at all.
    pub fn expire(&self, wakers: &mut Vec<Waker>) {
        if self.next() != NEVER {
            self.expire_at(nanos(self.birth, Instant::now()), wakers);
        }
    }

    /// [`expire`](Self::expire) at a given time.
    pub fn expire_at(&self, now: u64, wakers: &mut Vec<Waker>) {
        for shard in &self.shards {
            // Ordering: Relaxed: an entry inserted meanwhile is the next turn's, which its inserter brings about.
            if shard.next.load(Ordering::Relaxed) <= now {
                shard.expire(now, wakers);
            }
        }
    }

    /// Refuses new entries and takes the wakers of all that wait.
    pub fn close(&self, wakers: &mut Vec<Waker>) {
        for shard in &self.shards {
            let mut state = shard.state.lock();
            state.closed = true;
            while let Some(waker) = state.heap.pop_due(NEVER) {
                wakers.push(waker);
            }
            // Ordering: Relaxed; see the head of this file.
            shard.next.store(NEVER, Ordering::Relaxed);
        }
    }
}

impl<K: Kick> Shard<K> {
    fn new(signal: Arc<Signal<K>>, birth: Instant) -> Self {
        Self {
            next: CachePadded::new(AtomicU64::new(NEVER)),
            state: Mutex::new(State {
                heap: Heap::new(),
                closed: false,
            }),
            signal,
            birth,
        }
    }

    /// A moment as a deadline, which is never [`NEVER`].
    pub fn deadline(&self, at: Instant) -> u64 {
        nanos(self.birth, at)
    }

    /// Wakes `waker` at `deadline`.
    pub fn insert(&self, deadline: u64, waker: Waker) -> Result<Key, Closed> {
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            return Err(Closed);
        }
        let key = state.heap.push(deadline, waker);
        // Ordering: Relaxed, as only holders of the lock store it (invariant 2).
        let nearer = deadline < self.next.load(Ordering::Relaxed);
        if nearer {
            // Ordering: Relaxed; `deadline_moved` fences before it looks for a sleeper.
            self.next.store(deadline, Ordering::Relaxed);
        }
        drop(state);
        if nearer {
            self.signal.deadline_moved(deadline);
        }
        Ok(key)
    }

    /// Whether the entry has fired; where it has not, its last poller's waker is the one to be woken.
    ///
    /// # Errors
    ///
    /// [`Closed`] where it can't fire any more.
    pub fn poll(&self, key: Key, cx: &mut Context<'_>) -> Result<Poll<()>, Closed> {
        let mut spare = None;
        loop {
            let mut state = self.state.lock();
            if state.closed {
                return Err(Closed);
            }
            let Some(waker) = state.heap.waker(key) else {
                return Ok(Poll::Ready(()));
            };
            if waker.will_wake(cx.waker()) {
                return Ok(Poll::Pending);
            }
            let Some(new) = spare.take() else {
                // A waker is user code: cloned with the lock given back.
                drop(state);
                spare = Some(cx.waker().clone());
                continue;
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
        self.state.lock().heap.remove(key)
    }

    /// Takes the wakers of entries that are due, a batch of them at most.
    fn expire(&self, now: u64, wakers: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        let due = std::iter::from_fn(|| state.heap.pop_due(now));
        wakers.extend(due.take(BATCH));
        let next = state.heap.earliest().unwrap_or(NEVER);
        // Ordering: Relaxed; the turn that sleeps next loads it after this, in the same thread or handed over by lock.
        self.next.store(next, Ordering::Relaxed);
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.state.lock().heap.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Nanoseconds from `birth` to `at`, rounded to what a deadline can be.
fn nanos(birth: Instant, at: Instant) -> u64 {
    let after = at.saturating_duration_since(birth).as_nanos();
    u64::try_from(after).unwrap_or(NEVER).min(NEVER - 1)
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
