//! The future of a `block_on`: polled on the calling thread, whenever it was woken.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use heist_sync::coop;

use crate::workers::park::Parker;
use crate::workers::shared::Shared;

/// What a `block_on` inside a current-thread runtime is told.
pub(super) const NESTED: &str = "`block_on` was called inside a current-thread runtime, whose one thread would hold up everything \
                      else: await the future, or block on a thread of `spawn_blocking`";

/// Wakes the thread of a `block_on`.
#[derive(Debug, Default)]
struct ThreadWaker(Parker);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark(|| {});
    }
}

/// Polls `future` with a budget, as a task is polled.
pub(super) fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    coop::budget(|| future.poll(&mut Context::from_waker(waker)))
}

/// Polls `future` on this thread until it is done.
///
/// # Panics
/// If `future` does, and where the runtime ends for a panic of a task.
#[track_caller]
pub(super) fn block_on<F: Future>(shared: &Shared, future: F) -> F::Output {
    let mut future = pin!(future);
    let thread = Arc::new(ThreadWaker::default());
    let waker = Waker::from(thread.clone());
    let _listening = shared.alarm.listen_if(&shared.hooks, &waker);
    loop {
        shared.alarm.check();
        if let Poll::Ready(output) = poll(future.as_mut(), &waker) {
            return output;
        }
        thread.0.park();
    }
}
