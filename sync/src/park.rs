//! Waiting on a thread instead of in a task, for the `blocking_*` operations.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::sys::clock::Instant;
use crate::sys::{Condvar, Mutex};

/// What wakes one blocked thread: a flag under a lock, so that a wake before the wait is not lost.
struct Signal {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    /// Waits for a wake, and whether one came before the limit.
    fn wait(&self, limit: Limit) -> bool {
        let mut woken = self.woken.lock();
        while !*woken {
            match limit.left() {
                None => self.changed.wait(&mut woken),
                Some(Duration::ZERO) => return false,
                Some(left) => {
                    self.changed.wait_for(&mut woken, left);
                }
            }
        }
        *woken = false;
        true
    }
}

/// For how long to wait, counted from some moment; `None` for ever.
#[derive(Clone, Copy)]
struct Limit(Option<(Instant, Duration)>);

impl Limit {
    fn left(self) -> Option<Duration> {
        self.0
            .map(|(begun, limit)| limit.saturating_sub(begun.elapsed()))
    }
}

impl Wake for Signal {
    fn wake(self: std::sync::Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        *self.woken.lock() = true;
        self.changed.notify_one();
    }
}

/// What calls a wait that blocks this thread, so that a scheduler can let another thread do its work meanwhile.
pub type Announce = fn(wait: &mut dyn FnMut());

static ANNOUNCE: OnceLock<Announce> = OnceLock::new();

/// Has every wait of [`block_on`] called by `announce` from now on. The first call counts, for the whole process.
pub fn announce_blocking(announce: Announce) {
    let _ = ANNOUNCE.set(announce);
}

/// Polls `future` to its end on this thread. The budget is lifted meanwhile: there is no task to yield to. A scheduler
/// whose worker this is hears of it, unless the first poll is the last.
pub fn block_on<F: Future>(future: F) -> F::Output {
    block_on_until(future, Limit(None)).expect("it was waited for")
}

/// As [`block_on`], for a time: `None` once that is over.
pub fn block_on_for<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    block_on_until(future, Limit(Some((Instant::now(), limit))))
}

fn block_on_until<F: Future>(future: F, limit: Limit) -> Option<F::Output> {
    let mut future = pin!(crate::coop::unconstrained(future));
    let signal = std::sync::Arc::new(Signal {
        woken: Mutex::new(false),
        changed: Condvar::new(),
    });
    let waker = Waker::from(signal.clone());
    let mut cx = Context::from_waker(&waker);
    if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
        return Some(output);
    }
    let mut output = None;
    let mut wait = || {
        while output.is_none() && signal.wait(limit) {
            if let Poll::Ready(ready) = future.as_mut().poll(&mut cx) {
                output = Some(ready);
            }
        }
    };
    match ANNOUNCE.get() {
        Some(announce) => announce(&mut wait),
        None => wait(),
    }
    output
}
