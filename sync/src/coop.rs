//! The budget of a task: it lets other tasks run even if one never has to wait.
//!
//! Without it, a task whose channel is never empty would hold its worker for ever, because nothing in it returns
//! `Pending`. So the scheduler gives each poll of a task a budget of 128 operations ([`budget`]). Every operation of
//! heist on a channel, a lock, a socket or a timer takes one unit with [`poll_proceed`]. If no unit is left, it wakes
//! its task and returns `Pending`, and the task goes to the back of the queue.
//!
//! Nothing is limited where there is no budget: on another executor, or in a plain `block_on`.

// The budget is one thread-local word.
//
// # Invariants
//
// 1. The word is `UNLIMITED` unless a call of `budget` is on this thread's stack. That call puts back what it found, also
//    when it unwinds.
// 2. An operation that ends in `Pending` costs nothing: `RestoreOnPending` gives its unit back unless `made_progress` was
//    called.
// 3. A caller that gets `Pending` from `poll_proceed` has already been woken.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::waits::{self, Wait};

/// How many operations a poll may do before it has to yield.
const BUDGET: u16 = 128;

/// The word of a thread that has no budget.
const UNLIMITED: u16 = u16::MAX;

crate::sys::thread_local_const! {
    static LEFT: Cell<u16> = Cell::new(UNLIMITED);
}

/// This thread's word. A thread that is being torn down counts as unlimited.
#[inline]
fn left() -> u16 {
    LEFT.try_with(Cell::get).unwrap_or(UNLIMITED)
}

#[inline]
fn set_left(left: u16) {
    // A thread that is being torn down has no budget to keep.
    let _ = LEFT.try_with(|cell| cell.set(left));
}

/// Puts a saved word back when dropped: invariant 1.
struct Restore(u16);

impl Drop for Restore {
    fn drop(&mut self) {
        set_left(self.0);
    }
}

/// Calls `f` with a fresh budget. The scheduler wraps each poll of a task in it.
///
/// # Examples
///
/// ```
/// use heist::task::coop;
///
/// assert!(coop::budget(coop::has_budget_remaining));
/// ```
#[inline]
pub fn budget<R>(f: impl FnOnce() -> R) -> R {
    with_left(BUDGET, f)
}

/// How many operations the current poll has done. It was begun by [`budget`].
#[doc(hidden)]
#[inline]
pub fn spent() -> u16 {
    BUDGET.saturating_sub(left())
}

/// Calls `f` without a budget, for a task that blocks its thread meanwhile, and then puts the budget back.
#[doc(hidden)]
pub fn without_budget<R>(f: impl FnOnce() -> R) -> R {
    with_left(UNLIMITED, f)
}

#[inline]
fn with_left<R>(fresh: u16, f: impl FnOnce() -> R) -> R {
    let _restore = Restore(left());
    set_left(fresh);
    f()
}

/// Lifts the budget for the rest of the current poll, for a task that is about to block its thread.
///
/// # Examples
///
/// ```
/// use heist::task::coop;
/// use std::task::{Context, Waker};
///
/// coop::budget(|| {
///     coop::stop();
///     let mut cx = Context::from_waker(Waker::noop());
///     for _ in 0..1_000 {
///         assert!(coop::poll_proceed(&mut cx).map(|unit| unit.made_progress()).is_ready());
///     }
/// });
/// ```
pub fn stop() {
    set_left(UNLIMITED);
}

/// Whether an operation would go ahead now. Always true without a budget.
///
/// # Examples
///
/// ```
/// assert!(heist::task::coop::has_budget_remaining());
/// ```
#[inline]
pub fn has_budget_remaining() -> bool {
    left() != 0
}

/// Takes one unit of the budget. If no unit is left, it wakes the task and returns `Pending`.
///
/// A leaf future calls this first. Once it knows that it completes, it calls [`RestoreOnPending::made_progress`]. If
/// the value is dropped without that call, the unit goes back, so waiting is free.
///
/// # Examples
///
/// ```
/// use heist::task::coop;
/// use std::task::{Context, Poll, Waker};
///
/// fn poll_counter(cx: &mut Context<'_>, counter: &mut u32) -> Poll<u32> {
///     let unit = std::task::ready!(coop::poll_proceed(cx));
///     *counter += 1;
///     unit.made_progress();
///     Poll::Ready(*counter)
/// }
///
/// let mut cx = Context::from_waker(Waker::noop());
/// let mut counter = 0;
/// coop::budget(|| while poll_counter(&mut cx, &mut counter).is_ready() {});
/// assert_eq!(counter, 128);
/// ```
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    match left() {
        UNLIMITED => Poll::Ready(RestoreOnPending::new(false)),
        0 => {
            cx.waker().wake_by_ref();
            waits::note(Wait::Turn);
            Poll::Pending
        }
        left => {
            set_left(left - 1);
            Poll::Ready(RestoreOnPending::new(true))
        }
    }
}

/// Calls `done` and returns whether it succeeded, for one unit of the budget. It is tried before a future that can wait
/// is made. If the budget is used up, `done` is not called, and that future sees to the rest.
#[inline]
pub(crate) fn at_once(done: impl FnOnce() -> bool) -> bool {
    match left() {
        UNLIMITED => done(),
        0 => false,
        left => {
            set_left(left - 1);
            let unit = RestoreOnPending::new(true);
            let done = done();
            if done {
                unit.made_progress();
            }
            done
        }
    }
}

/// One unit of the budget. It goes back if this is dropped before [`made_progress`](Self::made_progress) is called.
#[must_use = "a unit that is dropped at once has not been used"]
pub struct RestoreOnPending {
    /// Whether a unit was taken and not yet used.
    owed: Cell<bool>,
    /// The budget belongs to one thread.
    _not_send: PhantomData<*const ()>,
}

impl RestoreOnPending {
    #[inline]
    fn new(owed: bool) -> Self {
        Self {
            owed: Cell::new(owed),
            _not_send: PhantomData,
        }
    }

    /// Says that the operation completes, so that its unit is used.
    #[inline]
    pub fn made_progress(&self) {
        self.owed.set(false);
    }
}

impl Drop for RestoreOnPending {
    #[inline]
    fn drop(&mut self) {
        if self.owed.get() {
            let left = left();
            // The budget may have been lifted in between (`stop`). Then there is nothing to give the unit back to.
            if left < BUDGET {
                set_left(left + 1);
            }
        }
    }
}

impl fmt::Debug for RestoreOnPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestoreOnPending").finish_non_exhaustive()
    }
}

/// Uses one unit of the budget: for loops that compute and don't wait for anything of heist's.
///
/// Completes at once while the budget lasts. If it is used up, the task first goes once round the scheduler's queue.
///
/// # Cancel safety
///
/// Dropping the future loses nothing.
///
/// # Examples
///
/// ```
/// async fn sum(numbers: &[u64]) -> u64 {
///     let mut sum = 0;
///     for n in numbers {
///         sum += n;
///         heist::task::coop::consume_budget().await;
///     }
///     sum
/// }
///
/// #[heist::main]
/// async fn main() {
///     assert_eq!(sum(&[1, 2, 3]).await, 6);
/// }
/// ```
pub async fn consume_budget() {
    std::future::poll_fn(|cx| poll_proceed(cx).map(|unit| unit.made_progress())).await
}

/// Runs `future` without a budget: it may run for as long as it is ready. Other tasks have to wait meanwhile.
///
/// # Examples
///
/// ```
/// use heist::task::coop;
///
/// #[heist::main]
/// async fn main() {
///     // With a budget this would go through the queue of tasks seven times.
///     coop::unconstrained(async {
///         for _ in 0..1_000 {
///             coop::consume_budget().await;
///         }
///     })
///     .await;
/// }
/// ```
pub fn unconstrained<F>(future: F) -> Unconstrained<F> {
    Unconstrained { future }
}

pin_project! {
    /// The future of [`unconstrained`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Unconstrained<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        with_left(UNLIMITED, || self.project().future.poll(cx))
    }
}

/// Makes `future` take part in the budget. Each poll of it that completes takes one unit; if none is left, the task
/// yields instead of polling it. For leaf futures that know nothing of the budget.
///
/// # Cancel safety
///
/// The same as for `future`.
///
/// # Examples
///
/// ```
/// use std::future::ready;
///
/// use heist::task::coop;
///
/// #[heist::main]
/// async fn main() {
///     // A foreign future that is always ready. Without the budget the other tasks would wait until the end of the loop.
///     for _ in 0..1_000 {
///         coop::cooperative(ready(())).await;
///     }
/// }
/// ```
pub fn cooperative<F: Future>(future: F) -> Coop<F> {
    Coop { future }
}

pin_project! {
    /// The future of [`cooperative`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Coop<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let unit = std::task::ready!(poll_proceed(cx));
        let output = std::task::ready!(self.project().future.poll(cx));
        unit.made_progress();
        Poll::Ready(output)
    }
}

#[cfg(all(test, not(heist_loom)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    fn take() -> Poll<()> {
        poll_proceed(&mut Context::from_waker(Waker::noop())).map(|unit| unit.made_progress())
    }

    #[test]
    fn outside_a_budget_nothing_is_limited() {
        assert!((0..1_000).all(|_| take().is_ready()));
    }

    #[test]
    fn a_poll_may_do_128_operations_and_the_next_poll_again() {
        for _ in 0..2 {
            budget(|| {
                assert!((0..128).all(|_| take().is_ready()));
                assert!(!has_budget_remaining());
                assert!(take().is_pending());
            });
        }
        assert!(has_budget_remaining());
    }

    #[test]
    fn waiting_is_free() {
        budget(|| {
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..1_000 {
                assert!(poll_proceed(&mut cx).is_ready());
            }
        });
    }

    #[test]
    fn an_exhausted_task_has_been_woken() {
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        budget(|| {
            while take().is_ready() {}
            assert!(poll_proceed(&mut Context::from_waker(&waker)).is_pending());
        });
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_panic_in_a_poll_leaves_no_budget_behind() {
        let caught = catch_unwind(AssertUnwindSafe(|| budget(|| panic!("in a poll"))));
        assert!(caught.is_err());
        assert!((0..1_000).all(|_| take().is_ready()));
    }

    #[test]
    fn a_budget_inside_a_budget_gives_the_outer_one_back() {
        budget(|| {
            assert!((0..100).all(|_| take().is_ready()));
            budget(|| assert!((0..128).all(|_| take().is_ready())));
            assert!((0..28).all(|_| take().is_ready()));
            assert!(take().is_pending());
        });
    }
}
