//! Waiting on a thread instead of in a task, for the `blocking_*` operations.
//!
//! A thread waits at its [`Seat`]. It keeps the seat from one wait to the next, so a wait allocates nothing. If a waker
//! of an earlier wait is woken, the thread polls once too often, which does no harm.
//!
//! # The word
//!
//! | `word` | | who moves it on |
//! |---|---|---|
//! | `EMPTY` | nothing has happened | a waker, to `WOKEN`; the thread, under the lock, to `ASLEEP` |
//! | `ASLEEP` | the thread sleeps, or is just about to | a waker, to `WOKEN`; the thread, when its time is over, to `EMPTY` |
//! | `WOKEN` | a wake that the thread hasn't seen | the thread, to `EMPTY` |
//!
//! 1. Only the thread itself leaves `WOKEN`, and only to poll: so no wake is lost.
//! 2. A waker that finds `ASLEEP` takes the lock before it rouses the thread. The thread holds the lock from before it
//!    sets `ASLEEP` until it sleeps. So by then the thread sleeps, or has awoken by itself and looked at the word.
//!
//! # What it doesn't do
//!
//! Before it sleeps, a thread doesn't yield its core. Beside threads that spin, each yield gave away a whole turn of some
//! ten milliseconds, and all that waited for this thread waited along. Eight threads that sent to one through a channel of
//! one message then took two to five times as long as with tokio's. On an idle machine yielding saved nothing that could
//! be measured. The locks in [`sys`](crate::sys) don't yield either, for the same reason.
//!
//! # Orderings
//!
//! A wake is a Release of the word and its reception an Acquire, so the poll sees what the waker did. Several wakes at
//! once are exchanges of one word, and the last one carries the others.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::spin::Patience;
use crate::sys::atomic::{AtomicU32, Ordering};
use crate::sys::clock::Instant;
use crate::sys::{Condvar, Mutex, thread_local_const};

const EMPTY: u32 = 0;
const ASLEEP: u32 = 1;
const WOKEN: u32 = 2;

/// What wakes one blocked thread.
struct Signal {
    word: AtomicU32,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Signal {
    /// Whether a wake has come. If so, it counts as heard.
    fn take(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `wake_by_ref`, so that the poll sees what the waker did.
        self.word
            .compare_exchange(WOKEN, EMPTY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Waits for a wake. Returns whether one came before the limit.
    fn wait(&self, limit: Limit, patience: &mut Patience) -> bool {
        if self.take() {
            return true;
        }
        // Ordering: hint only, `take` decides.
        let woken = || self.word.load(Ordering::Relaxed) == WOKEN;
        if patience.is_worth_it() && patience.wait(woken) && self.take() {
            return true;
        }
        self.sleep(limit)
    }

    #[cold]
    fn sleep(&self, limit: Limit) -> bool {
        let mut lock = self.lock.lock();
        // Ordering: hint only. If a wake came first, this fails, and `take` hears the wake.
        let _ = self
            .word
            .compare_exchange(EMPTY, ASLEEP, Ordering::Relaxed, Ordering::Relaxed);
        while !self.take() {
            match limit.left() {
                None => self.changed.wait(&mut lock),
                Some(Duration::ZERO) => {
                    // Ordering: Acquire as in `take`.
                    return self.word.swap(EMPTY, Ordering::Acquire) == WOKEN;
                }
                Some(left) => {
                    self.changed.wait_for(&mut lock, left);
                }
            }
        }
        true
    }
}

impl Wake for Signal {
    fn wake(self: std::sync::Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        // Ordering: Release pairs with the Acquire in `take`.
        if self.word.swap(WOKEN, Ordering::Release) == ASLEEP {
            // Invariant 2.
            drop(self.lock.lock());
            self.changed.notify_one();
        }
    }
}

/// What a thread waits with.
struct Seat {
    signal: std::sync::Arc<Signal>,
    waker: Waker,
    patience: Patience,
}

thread_local_const! {
    /// The seat of this thread, while it is not in a wait.
    static SEAT: Cell<Option<Seat>> = Cell::new(None);
}

impl Seat {
    /// Takes this thread's seat. Within a wait, or once the thread's locals are gone, makes another one.
    fn take() -> Self {
        SEAT.try_with(Cell::take).ok().flatten().unwrap_or_else(|| {
            let signal = std::sync::Arc::new(Signal {
                word: AtomicU32::new(EMPTY),
                lock: Mutex::new(()),
                changed: Condvar::new(),
            });
            Self {
                waker: Waker::from(signal.clone()),
                signal,
                patience: Patience::new(),
            }
        })
    }

    fn keep(self) {
        // The seat that was there is dropped, or this one if the locals are gone. It is only memory.
        let _ = SEAT.try_with(|seat| seat.replace(Some(self)));
    }
}

/// How long to wait, counted from some moment. `None` means for ever.
#[derive(Clone, Copy)]
struct Limit(Option<(Instant, Duration)>);

impl Limit {
    fn left(self) -> Option<Duration> {
        self.0
            .map(|(begun, limit)| limit.saturating_sub(begun.elapsed()))
    }
}

/// Called by a wait that blocks this thread, so that a scheduler can let another thread do its work meanwhile.
pub type Announce = fn(wait: &mut dyn FnMut());

static ANNOUNCE: OnceLock<Announce> = OnceLock::new();

/// Makes every wait of [`block_on`] go through `announce` from now on. The first call counts, for the whole process.
pub fn announce_blocking(announce: Announce) {
    let _ = ANNOUNCE.set(announce);
}

/// Polls `future` on this thread until it completes. The budget is lifted meanwhile, because there is no task to yield
/// to. If this thread is a scheduler's worker, the scheduler is told, unless the first poll is the last.
pub fn block_on<F: Future>(future: F) -> F::Output {
    block_on_until(future, Limit(None)).expect("it was waited for")
}

/// Like [`block_on`], for at most `limit`. Returns `None` if that is over.
pub fn block_on_for<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    block_on_until(future, Limit(Some((Instant::now(), limit))))
}

fn block_on_until<F: Future>(future: F, limit: Limit) -> Option<F::Output> {
    let mut future = pin!(crate::coop::unconstrained(future));
    let mut seat = Seat::take();
    let mut output = None;
    let mut cx = Context::from_waker(&seat.waker);
    if let Poll::Ready(ready) = future.as_mut().poll(&mut cx) {
        output = Some(ready);
    } else {
        let mut wait = || {
            while output.is_none() && seat.signal.wait(limit, &mut seat.patience) {
                if let Poll::Ready(ready) = future.as_mut().poll(&mut cx) {
                    output = Some(ready);
                }
            }
        };
        match ANNOUNCE.get() {
            Some(announce) => announce(&mut wait),
            None => wait(),
        }
    }
    seat.keep();
    output
}
