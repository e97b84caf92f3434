//! What the macros expand to. Others can't rely on it.

pub use std::future::{Future, IntoFuture, poll_fn};
pub use std::option::Option::{None, Some};
pub use std::pin::pin;
pub use std::result::Result::{Err, Ok};
pub use std::task::Poll;

#[cfg(feature = "macros")]
pub use heist_macros::select_branches;

use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::ops::Range;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use heist_sync::sys::rand::Rand;

use crate::runtime::{LocalRuntime, Runtime, ShutdownReport};

thread_local! {
    static RAND: Rand = Rand::new(RandomState::new().hash_one(()));
}

/// A random number below `bound`, which is not 0. Always 0 once the thread is being torn down.
pub fn random_below(bound: u32) -> u32 {
    RAND.try_with(|rand| rand.below(bound)).unwrap_or(0)
}

/// The runtimes that `#[heist::main]` builds.
pub trait EntryRuntime {
    fn block_on<F: Future>(&self, future: F) -> F::Output;
    fn shutdown(self, grace: Duration) -> ShutdownReport;
}

impl EntryRuntime for Runtime {
    #[track_caller]
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.block_on(future)
    }

    #[track_caller]
    fn shutdown(self, grace: Duration) -> ShutdownReport {
        self.shutdown(grace)
    }
}

impl EntryRuntime for LocalRuntime {
    #[track_caller]
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.block_on(future)
    }

    #[track_caller]
    fn shutdown(self, grace: Duration) -> ShutdownReport {
        self.shutdown(grace)
    }
}

/// The body of a function with `#[heist::main(shutdown_grace = …)]`.
#[track_caller]
pub fn block_on_and_shut_down<F: Future>(
    runtime: impl EntryRuntime,
    body: F,
    grace_ms: u64,
) -> F::Output {
    let output = runtime.block_on(body);
    let report = runtime.shutdown(Duration::from_millis(grace_ms));
    if !report.is_clean() {
        // If standard error is closed, nobody wants the report.
        let _ = writeln!(std::io::stderr(), "heist: {report}");
    }
    output
}

/// Whether the budget of this poll is used up. If so, the task is woken, to be polled again after the others.
///
/// Futures that know of the budget would all be pending. Futures that don't would go on, and one that is always ready
/// would win each time.
pub fn out_of_budget(cx: &mut Context<'_>) -> bool {
    let out = !heist_sync::coop::has_budget_remaining();
    if out {
        cx.waker().wake_by_ref();
    }
    out
}

/// Polls a future that has not completed yet. Returns whether it has completed now; if so, drops it.
pub fn poll_join<F: Future>(
    future: &mut Pin<&mut Option<F>>,
    output: &mut Option<F::Output>,
    cx: &mut Context<'_>,
) -> bool {
    let Some(running) = future.as_mut().as_pin_mut() else {
        return true;
    };
    let Poll::Ready(value) = running.poll(cx) else {
        return false;
    };
    *output = Some(value);
    future.set(None);
    true
}

/// Like [`poll_join`], for a future of a `Result`.
pub fn poll_try_join<F: Future<Output = Result<T, E>>, T, E>(
    future: &mut Pin<&mut Option<F>>,
    output: &mut Option<T>,
    cx: &mut Context<'_>,
) -> Result<bool, E> {
    let mut result = None;
    let done = poll_join(future, &mut result, cx);
    if let Some(result) = result {
        *output = Some(result?);
    }
    Ok(done)
}

/// The output of a future that has completed.
pub fn take<T>(output: &mut Option<T>) -> T {
    output.take().expect("`join!` is polled after it was done")
}

/// Which of `count` futures is polled first from poll to poll.
#[derive(Debug)]
pub struct Turns {
    first: usize,
    count: usize,
    step: usize,
}

impl Turns {
    /// Starts at the first future and moves on by `step` each poll.
    pub fn new(count: usize, step: usize) -> Self {
        Self {
            first: 0,
            count,
            step,
        }
    }

    /// The order of the next poll: two ranges of indices, which together are all of them.
    pub fn laps(&mut self) -> [Range<usize>; 2] {
        let laps = [self.first..self.count, 0..self.first];
        self.first = (self.first + self.step) % self.count.max(1);
        laps
    }
}
