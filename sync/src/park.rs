//! Waiting on a thread instead of in a task, for the `blocking_*` operations.

use std::future::Future;
use std::pin::pin;
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

/// Polls `future` to its end on this thread. The budget is lifted meanwhile: there is no task to yield to.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(crate::coop::unconstrained(future));
    let signal = std::sync::Arc::new(Signal {
        woken: Mutex::new(false),
        changed: Condvar::new(),
    });
    let waker = Waker::from(signal.clone());
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        signal.wait();
    }
}
