//! When a paused clock may jump: only while nothing can run.
//!
//! A *runner* is whatever runs code of a runtime: a worker, a blocking job, the future of a `block_on`, a wake-up that is
//! on its way. The *jumper* is the thread that holds the poller and is about to wait in it. Runners and the jumper may
//! be on any threads.
//!
//! Each runner is *seen* as long as it runs, and as soon as it has something to do. It is counted in `running`, or the
//! look `at_rest` of the jumper's caller tells of it: of workers that are awake, tasks that are queued, jobs.
//!
//! | a runner | does this, in this order |
//! |---|---|
//! | gets up | is seen; [passes](Standstill::pass) the gate; runs |
//! | lies down | leaves behind what it did, so that it can be seen; is seen no longer; says so ([`rests`](Standstill::rests)) |
//!
//! Invariants:
//! 1. The clock jumps under the gate's lock, after two looks that saw nobody. Whoever gets up passes the gate before it
//!    runs. So a jump never falls into a run: time stands still for as long as it lasts.
//! 2. If a runner has something to do because of another runner, the clock doesn't jump before it has run. (A thread
//!    from outside may wake a runner at any time. Then it runs before or after the jump.)
//! 3. Whoever lies down last wakes the jumper, if the clock is paused. So the clock jumps if nothing can run.
//! 4. Only the holder of the poller jumps, and only with empty hands: it holds no waker, and after the two looks it has
//!    asked the poller once more, behind the gate, and nothing was ready. (A runner may have written to a socket since the
//!    holder asked before.) Wakers that it takes along are seen before it lets the poller go.
//!
//! Invariant 4 is the promise of `Turn` (`reactor.rs`) and of its callers: the last model of `loom-tests/tests/standstill.rs` is of a
//! whole reactor. What callers do with the wakers is the scheduler's: the tests in `tests/paused/` of the crate `heist`.
//!
//! Why two looks. A look reads one thing after the other. A runner that it has not come to may wake one that it has
//! found at rest, and lie down before the look comes to it. But behind the gate nobody begins to run. So after a look
//! that saw nobody, nobody runs any more, and what the last runners left to do stays as it is. The second look sees
//! that.
//!
//! Orderings. One that gets up is seen, has a SeqCst fence, then loads `paused`. The jumper loads `paused` under the lock
//! under which it is stored, has a SeqCst fence, then looks. So if the one misses that the clock is paused, and goes
//! through the gate, then the jumper sees it. One that lies down has a fence between being seen no longer and loading `paused`. So it wakes the jumper, or it comes
//! before the pause, whose caller wakes the jumper. What a runner leaves behind is published by what says that it rests
//! (`running`, or what `at_rest` reads), with Release and Acquire.

use std::fmt;

use heist_sync::sys::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use heist_sync::sys::{Arc, CachePadded, Mutex};

use crate::wakeup::{Kick, Signal};

/// Who runs, and who may jump. See the head of this file.
pub struct Standstill<K> {
    paused: AtomicBool,
    running: CachePadded<AtomicUsize>,
    gate: Mutex<()>,
    signal: Arc<Signal<K>>,
}

impl<K: Kick> Standstill<K> {
    /// Nobody runs, and the clock is not paused. `signal` wakes the holder of the poller.
    pub fn new(signal: Arc<Signal<K>>) -> Self {
        Self {
            paused: AtomicBool::new(false),
            running: CachePadded::new(AtomicUsize::new(0)),
            gate: Mutex::new(()),
            signal,
        }
    }

    /// Whether the clock is paused.
    #[inline]
    pub fn is_paused(&self) -> bool {
        // Ordering: Relaxed; see the head of this file.
        self.paused.load(Ordering::Relaxed)
    }

    /// Pauses the clock, or makes it go on: `change` does that, unless it fails. Makes the holder of the poller look
    /// again.
    pub fn set_paused<E>(
        &self,
        paused: bool,
        change: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        // One after the other, so that this and the clock agree.
        let open = self.gate.lock();
        change()?;
        // Ordering: Relaxed: the lock publishes it to the jumper. For the others, see the head of this file.
        self.paused.store(paused, Ordering::Relaxed);
        drop(open);
        self.signal.unpark();
        Ok(())
    }

    /// `n` runners get up, or will. Each must [pass](Self::pass) before it runs.
    #[inline]
    pub fn begin(&self, n: usize) {
        // Ordering: Relaxed: the one that runs has the fence of `pass` after this. A runner that calls this for another
        // publishes it when it lies down itself.
        self.running.fetch_add(n, Ordering::Relaxed);
    }

    /// `n` runners that were counted lie down.
    #[inline]
    pub fn end(&self, n: usize) {
        // Ordering: Release pairs with the Acquire in `quiet`: what the run left behind is seen by a look that finds it
        // at rest. AcqRel, so that this holds for those that lay down before, too.
        if self.running.fetch_sub(n, Ordering::AcqRel) == n {
            self.rests();
        }
    }

    /// A runner has got up. Waits while the clock jumps.
    #[inline]
    pub fn pass(&self) {
        // Ordering: pairs with the fence in `jump`.
        fence(Ordering::SeqCst);
        self.pass_after_fence();
    }

    /// The same as [`pass`](Self::pass), for a caller that has had a SeqCst fence since it is seen.
    #[inline]
    pub fn pass_after_fence(&self) {
        if self.is_paused() {
            self.wait_for_jump();
        }
    }

    #[cold]
    fn wait_for_jump(&self) {
        drop(self.gate.lock());
    }

    /// A runner lies down, and is seen no longer. Wakes the jumper, if the clock is paused.
    #[inline]
    pub fn rests(&self) {
        // Ordering: pairs with the fence in `jump`; see the head of this file.
        fence(Ordering::SeqCst);
        self.rests_after_fence();
    }

    /// The same as [`rests`](Self::rests), for a caller that has had a SeqCst fence since it is seen no longer.
    #[inline]
    pub fn rests_after_fence(&self) {
        if self.is_paused() {
            self.signal.unpark();
        }
    }

    /// One look: whether nobody runs, as far as can be seen. `at_rest` tells of those that aren't counted here.
    pub fn is_quiet(&self, at_rest: impl Fn() -> bool) -> bool {
        // Ordering: Acquire pairs with the Release in `end`.
        self.running.load(Ordering::Acquire) == 0 && at_rest()
    }

    /// Calls `jump` if the clock is paused and nobody runs. Nobody begins to run meanwhile. Only for the holder of the
    /// poller, with empty hands (invariant 4).
    pub fn jump<R>(&self, at_rest: impl Fn() -> bool, jump: impl FnOnce() -> R) -> Option<R> {
        let _closed = self.gate.lock();
        if !self.is_paused() {
            return None;
        }
        // Ordering: pairs with the fences in `pass` and `rests`; see the head of this file.
        fence(Ordering::SeqCst);
        (self.is_quiet(&at_rest) && self.is_quiet(&at_rest)).then(jump)
    }
}

impl<K> fmt::Debug for Standstill<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standstill").finish_non_exhaustive()
    }
}
