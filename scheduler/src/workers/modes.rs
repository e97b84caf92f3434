//! State that all workers read and that hardly ever changes: whether the runtime has closed, whether one worker polls
//! for all, and whether the lookout rests beside a blocked worker.

use heist_sync::sys::atomic::{AtomicBool, Ordering, fence};
use heist_sync::sys::hints;

/// The state that hardly ever changes.
pub(crate) struct Modes {
    /// Set once: the runtime ends.
    closed: AtomicBool,
    /// One more than the number of the worker that polls for all, or 0 (`together.rs`).
    chief: hints::AtomicUsize,
    /// The lookout rests although a worker is awake, because that worker's thread is blocked (`lookout.rs`).
    unwatched: hints::AtomicBool,
}

impl Modes {
    pub(super) fn new() -> Self {
        Self {
            closed: AtomicBool::new(false),
            chief: hints::AtomicUsize::new(0),
            unwatched: hints::AtomicBool::new(false),
        }
    }

    /// The runtime ends. The caller has to unpark all workers afterwards.
    pub(super) fn close(&self) {
        // Ordering: Release pairs with the Acquire in `is_closed`. It is only a hint to the workers' loops, which are
        // woken by a token. See also `Shared::settled`.
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `close`.
        self.closed.load(Ordering::Acquire)
    }

    /// As [`is_closed`](Self::is_closed), for a thread that has pushed a task and has passed the fence of `Idle::claim`
    /// since.
    #[inline]
    pub(super) fn is_closed_after_push(&self) -> bool {
        // Ordering: Relaxed; the fence in `claim` pairs with the one in `settled`.
        self.closed.load(Ordering::Relaxed)
    }

    /// Which worker polls for all, if one does.
    #[inline]
    pub(super) fn chief(&self) -> Option<usize> {
        // Ordering: hint only.
        self.chief.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Makes a worker the chief, or, with `None`, lets all workers poll. The caller has to look at the queues
    /// afterwards.
    pub(super) fn set_chief(&self, chief: Option<usize>) {
        // Ordering: hint only; the fence orders the look at the queues after it.
        self.chief
            .store(chief.map_or(0, |it| it + 1), Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The lookout is about to rest beside a blocked worker and says so, or takes it back.
    pub(super) fn set_unwatched(&self, unwatched: bool) {
        // Ordering: Relaxed, with the fence: it orders this store before the look at the threads' states that follows.
        // A thread that slept in the kernel at that look reads this store once it runs, because the kernel orders what
        // a thread does before and after it sleeps. Threads that push from outside don't read it: `work_begins` has a
        // fence of its own.
        if unwatched {
            self.unwatched.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
        } else if self.is_unwatched() {
            self.unwatched.store(false, Ordering::Relaxed);
        }
    }

    /// Whether a worker that polls or pushes has to rouse the lookout first.
    #[inline]
    pub(super) fn is_unwatched(&self) -> bool {
        // Ordering: see `set_unwatched`.
        self.unwatched.load(Ordering::Relaxed)
    }
}
