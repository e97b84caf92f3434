//! A clock that a test controls.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use crate::context;
use crate::poller::PollKick;
use crate::reactor::{Running, wake_all};
use crate::timers::Timers;

/// Pauses time in the current runtime: from now on [`Instant::now`](super::Instant::now) tells the same moment there.
///
/// Time moves only by [`advance`], and by jumps: when nothing in the runtime can run any more, time jumps to the earliest
/// deadline that a [`sleep`](super::sleep()), a [`timeout`](super::timeout()) or an [`interval`](super::interval()) waits
/// for. So a test of a program that waits for hours takes milliseconds, and everything in it happens at exact times.
/// [`std::time::Instant`] is not affected.
///
/// It works in runtimes of both flavors. Other runtimes keep their own time. To pause time from the start, use
/// `#[heist::test(start_paused = true)]` or `Builder::start_paused`.
///
/// # When time jumps
///
/// Time stands still as long as one of these is there:
///
/// - a task that is ready, or is being polled; so time never moves during a poll
/// - the future of a `block_on` that was woken, or is being polled
/// - a blocking job, from `spawn_blocking` to its end, even if it only waits. So a test that waits for something outside,
///   such as data on a socket, may do that in a blocking job to keep time from jumping
/// - a task that blocks its thread: in `block_in_place`, in one of the `blocking_` operations, or otherwise. A `block_on`
///   in a task counts as its future does
/// - an event that has arrived, such as data on a socket that a task waits for
///
/// Time doesn't stand still for what happens outside of the runtime: for another runtime, for a thread that is going to
/// send something, or for data that is still on its way, even from one socket of this process to another. So a timeout on
/// a socket may fire before the data comes.
///
/// If there is no deadline, time doesn't move. The grace of a runtime's shutdown is a deadline too. Time can be moved by 584
/// years in all. A sleep that lasts longer ends there.
///
/// Tasks that are due at the same moment may run in any order, and on several workers at once.
///
/// # Mixing clocks
///
/// Each runtime with paused time has a clock of its own. So make sleeps, and call [`Instant::now`](super::Instant::now),
/// inside the runtime that uses them. A sleep that is made elsewhere has a deadline by another clock, and the runtime that
/// polls it first compares that with its own clock.
///
/// # Panics
///
/// If time is paused already, and outside of any runtime.
///
/// ```
/// use heist::time::{self, Duration, Instant};
///
/// #[heist::main(flavor = "current_thread")]
/// async fn main() {
///     time::pause();
///     let start = Instant::now();
///     time::sleep(Duration::from_secs(3_600)).await;
///     assert_eq!(start.elapsed(), Duration::from_secs(3_600));
/// }
/// ```
#[track_caller]
pub fn pause() {
    check(with_clock(Timers::pause));
}

/// Resumes time in the current runtime: from now on it goes on from where it stood.
///
/// # Panics
///
/// If time is not paused, and outside of any runtime.
///
/// ```
/// use heist::time::{self, Duration, Instant};
///
/// #[heist::main(flavor = "current_thread")]
/// async fn main() {
///     time::pause();
///     time::advance(Duration::from_secs(60)).await;
///     time::resume();
///     time::sleep(Duration::from_millis(1)).await;
/// }
/// ```
#[track_caller]
pub fn resume() {
    check(with_clock(Timers::resume));
}

/// Moves paused time on by `duration`, in one jump.
///
/// Whatever is due by then is woken before this returns to its caller, and the caller yields once, so that others can run.
/// It doesn't wait for them: to let everything happen at its own time, [`sleep`](super::sleep()) instead.
///
/// # Cancel safety
///
/// Time is moved in the first poll. If you drop the future after that, it stays moved.
///
/// # Panics
///
/// If time is not paused, if it would be moved by more than 584 years in all, and outside of any runtime.
///
/// ```
/// use heist::time::{self, Duration, Instant};
///
/// #[heist::main(flavor = "current_thread")]
/// async fn main() {
///     time::pause();
///     let start = Instant::now();
///     time::advance(Duration::from_micros(1_500)).await;
///     assert_eq!(start.elapsed(), Duration::from_micros(1_500));
/// }
/// ```
pub async fn advance(duration: Duration) {
    {
        // What is due is counted until it has been woken, as this may be any thread.
        let _runs = context::with_entered(|reactor| Runs::begin(reactor.running()));
        let mut woken = Vec::new();
        check(with_clock(|timers| timers.advance(duration, &mut woken)));
        wake_all(&mut woken);
    }
    let mut yielded = false;
    let yields = poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    yields.await;
}

/// This thread counts as running, until this is dropped.
struct Runs(Running);

impl Runs {
    fn begin(running: Running) -> Self {
        running.begin(1);
        running.pass();
        Self(running)
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        self.0.end(1);
    }
}

/// Calls `f` with the clock of the current runtime, and says why it can't.
fn with_clock(
    f: impl FnOnce(&Timers<PollKick>) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    context::with_entered(|reactor| f(reactor.timers()))
        .unwrap_or(Err("time cannot be frozen from outside of a runtime"))
}

#[track_caller]
fn check(result: Result<(), &'static str>) {
    if let Err(why) = result {
        panic!("{why}");
    }
}
