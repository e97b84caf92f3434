//! The future of a `block_on`: polled on the calling thread, whenever it was woken.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use heist_sync::coop;

use crate::workers::park::Parker;
use crate::workers::shared::Shared;

/// What a `block_on` inside a current-thread runtime is told.
const NESTED: &str = "`block_on` was called inside a current-thread runtime, whose one thread would hold up everything \
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

/// A `block_on` ends without an output, because a task's panic ends the runtime.
pub(super) struct Ended;

/// The output of a `block_on`; `None` inside a current-thread runtime.
///
/// # Panics
/// If there is no output.
#[track_caller]
pub(super) fn output<T>(came_to: Option<Result<T, Ended>>) -> T {
    match came_to {
        Some(Ok(output)) => output,
        Some(Err(Ended)) => panic!(
            "a spawned task panicked and the runtime is configured to shut down on unhandled panic"
        ),
        None => panic!("{NESTED}"),
    }
}

/// Polls `future` on this thread until it is done.
pub(super) fn block_on<F: Future>(shared: &Shared, future: F) -> Result<F::Output, Ended> {
    let mut future = pin!(future);
    let thread = Arc::new(ThreadWaker::default());
    let waker = Waker::from(thread.clone());
    let _listening = shared.alarm.listen_if(&shared.hooks, &waker);
    loop {
        if shared.alarm.is_rung() {
            return Err(Ended);
        }
        if let Poll::Ready(output) = poll(future.as_mut(), &waker) {
            return Ok(output);
        }
        thread.0.park();
    }
}
