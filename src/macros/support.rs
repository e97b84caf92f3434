//! What the macros expand to. No promise is made about it to anyone else.

pub use std::future::{Future, IntoFuture, poll_fn};
pub use std::option::Option::{None, Some};
pub use std::pin::pin;
pub use std::result::Result::{Err, Ok};
pub use std::task::Poll;

#[cfg(feature = "macros")]
pub use heist_macros::select_branches;

use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::pin::Pin;
use std::task::Context;

use heist_sync::sys::rand::Rand;

thread_local! {
    static RAND: Rand = Rand::new(RandomState::new().hash_one(()));
}

/// A number below `bound`, which is not 0, for spreading choices. Always 0 once the thread is on its way out.
pub fn random_below(bound: u32) -> u32 {
    RAND.try_with(|rand| rand.below(bound)).unwrap_or(0)
}

/// Whether the budget of this poll is used up; the task is then woken, to be polled again after the others.
///
/// Futures that know of the budget would all be pending. Those that don't would go on, and one that is always ready
/// would win each time.
pub fn out_of_budget(cx: &mut Context<'_>) -> bool {
    let out = !heist_sync::coop::has_budget_remaining();
    if out {
        cx.waker().wake_by_ref();
    }
    out
}

/// Polls a future that is not yet done; says whether it is done now, dropping it if so.
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

/// As [`poll_join`], for a future of a `Result`.
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

/// The output of a future that is done.
pub fn take<T>(output: &mut Option<T>) -> T {
    output.take().expect("`join!` is polled after it was done")
}

/// Which of `count` futures is polled first, from poll to poll.
#[derive(Debug)]
pub struct Turns {
    first: usize,
    count: usize,
    step: usize,
}

impl Turns {
    /// Starts at the first future and moves on by `step` a poll.
    pub fn new(count: usize, step: usize) -> Self {
        Self {
            first: 0,
            count,
            step,
        }
    }

    /// The order of the next poll: two stretches of indices, which are all of them together.
    pub fn laps(&mut self) -> [Range<usize>; 2] {
        let laps = [self.first..self.count, 0..self.first];
        self.first = (self.first + self.step) % self.count.max(1);
        laps
    }
}
