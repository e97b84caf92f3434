//! Waiting on a thread instead of in a task, for the `blocking_*` operations.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Wake, Waker};

use crate::sys::{Condvar, Mutex};

/// What wakes one blocked thread: a flag under a lock, so that a wake before the wait is not lost.
struct Signal {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn wait(&self) {
        let mut woken = self.woken.lock();
        while !*woken {
            self.changed.wait(&mut woken);
        }
        *woken = false;
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
    let mut future = pin!(crate::coop::unconstrained(future));
    let signal = std::sync::Arc::new(Signal {
        woken: Mutex::new(false),
        changed: Condvar::new(),
    });
    let waker = Waker::from(signal.clone());
    let mut cx = Context::from_waker(&waker);
    if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
        return output;
    }
    let mut output = None;
    let mut wait = || {
        while output.is_none() {
            signal.wait();
            if let Poll::Ready(ready) = future.as_mut().poll(&mut cx) {
                output = Some(ready);
            }
        }
    };
    match ANNOUNCE.get() {
        Some(announce) => announce(&mut wait),
        None => wait(),
    }
    output.expect("it was waited for")
}
