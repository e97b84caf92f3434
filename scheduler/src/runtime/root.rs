//! The future of a `block_on`: polled on the calling thread, whenever it was woken.

use std::future::Future;
use std::pin::{Pin, pin};
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use heist_sync::coop;
use heist_sync::sys::atomic::{AtomicBool, Ordering};

use crate::thread;
use crate::workers::driver::Running;
use crate::workers::park::Parker;
use crate::workers::seat;
use crate::workers::shared::Shared;

/// What a `block_on` inside a current-thread runtime is told.
const NESTED: &str = "`block_on` was called inside a current-thread runtime, whose one thread would hold up everything \
                      else: await the future, or block on a thread of `spawn_blocking`";

/// Wakes the thread of a `block_on`.
///
/// The runtime counts the future as running from each wake to the end of the poll that follows. So paused time doesn't jump
/// while the future has something to do.
#[derive(Debug)]
struct ThreadWaker {
    /// Whether the future has to be polled. If so, it is counted.
    woken: AtomicBool,
    thread: Parker,
    running: Running,
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before it can be seen that it was woken, as the poll that follows ends the count.
        self.running.begin(1);
        self.set_woken();
        self.thread.unpark(|| {});
    }
}

impl ThreadWaker {
    fn new(running: Running) -> Self {
        running.begin(1);
        Self {
            woken: AtomicBool::new(true),
            thread: Parker::default(),
            running,
        }
    }

    /// It was woken, and counted. If it had been before, that was once too often.
    fn set_woken(&self) {
        // Ordering: Release pairs with the Acquire in `take_woken`. AcqRel, because two wakes form a chain.
        if self.woken.swap(true, Ordering::AcqRel) {
            self.running.end(1);
        }
    }

    fn take_woken(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `set_woken`.
        self.woken.swap(false, Ordering::Acquire)
    }
}

/// Ends what was counted, when dropped: the poll of a future, or, at the end, a last wake.
struct Counted<'a>(&'a ThreadWaker);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.running.end(1);
    }
}

/// The end of a `block_on`, when dropped: its wakers count nothing from here on.
struct Over<'a>(&'a ThreadWaker);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.set_woken();
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
    let thread = Arc::new(ThreadWaker::new(shared.driver.running.clone()));
    let _over = Over(&thread);
    let waker = Waker::from(thread.clone());
    let _listening = shared.alarm.listen_if(&shared.hooks, &waker);
    loop {
        if shared.alarm.is_rung() {
            return Err(Ended);
        }
        if thread.take_woken() {
            let _counted = Counted(&thread);
            thread.running.pass();
            let poll = || seat::without_index(|| poll(future.as_mut(), &waker));
            if let Poll::Ready(output) = thread::as_counted(ptr::from_ref(shared).cast(), poll) {
                return Ok(output);
            }
        }
        park(shared, &thread);
    }
}

/// Waits until the future is woken. If this thread is counted for something else, a poll or a task inside which this is, it
/// only waits for this future now, so it isn't counted meanwhile.
fn park(shared: &Shared, thread: &ThreadWaker) {
    let counted = thread::counted_by(ptr::from_ref(shared).cast());
    if counted == 0 {
        return thread.thread.park();
    }
    thread.running.end(counted);
    thread.thread.park();
    thread.running.begin(counted);
    thread.running.pass();
}
