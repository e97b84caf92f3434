//! Paused time: it stands still while anything can run, and then jumps to the next deadline. In each flavor, alone and
//! beside tasks that never rest.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use heist::runtime::{Builder, Runtime};
use heist::time::{self, Duration, Instant, interval, sleep, sleep_until, timeout};

#[path = "paused/contract.rs"]
mod contract;
#[path = "paused/ends.rs"]
mod ends;
#[path = "paused/outside.rs"]
mod outside;
#[path = "paused/runners.rs"]
mod runners;

const HOUR: Duration = Duration::from_secs(3_600);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Fails rather than hangs.
fn within_limit(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        // Dropped however the test ends.
        let _done = done;
        test();
    });
    let limit = std::time::Duration::from_secs(300);
    if ended.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        panic!("the test stands still");
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A runtime of each flavor, whose time is paused: by the number of its workers, 0 for the current-thread flavor.
fn paused(workers: usize) -> Runtime {
    let mut builder = match workers {
        0 => Builder::new_current_thread(),
        workers => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
    builder.start_paused(true).build().expect("a runtime")
}

/// Runs a test in a paused runtime of each flavor.
fn in_each<F, T>(test: F)
where
    F: Fn() -> T + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    within_limit(move || {
        for workers in [0, 1, 2, 4, 8] {
            let runtime = paused(workers);
            // Once as the root, once as a task.
            runtime.block_on(test());
            let task = runtime.spawn(test());
            runtime.block_on(task).expect("no panic");
        }
    });
}
