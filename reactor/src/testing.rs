//! What the examples and tests of this crate need of an executor.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use heist_sync::sys::atomic::{AtomicUsize, Ordering};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls `future` on this thread until it is ready, parking in between.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park();
    }
}

/// Runs a test on its own thread. If the test takes more than five minutes, it fails instead of hanging.
///
/// # Panics
///
/// If the test panics, with the same panic. If it takes too long.
pub fn within_limit(test: impl FnOnce() + Send + 'static) {
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

/// A waker that counts how often it is woken.
#[derive(Debug, Default)]
pub struct CountWakes(AtomicUsize);

impl CountWakes {
    /// A count of 0, and the waker that raises it.
    pub fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (count.clone(), Waker::from(count))
    }

    /// How often it has been woken.
    pub fn get(&self) -> usize {
        // Ordering: Acquire pairs with the Release in `wake`: what the waker did before is seen.
        self.0.load(Ordering::Acquire)
    }
}

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        // Ordering: Release pairs with the Acquire in `get`.
        self.0.fetch_add(1, Ordering::Release);
    }
}
