//! Waiting for some of several futures, and for one with a limit.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::many::Many;
use crate::event_loop::EventLoop;
use crate::task::JoinHandle;
use crate::time;
use crate::time::error::Elapsed;

/// When [`wait`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReturnWhen {
    /// As soon as one future is complete.
    FirstCompleted,
    /// As soon as one future has failed, or all are complete.
    FirstException,
    /// When all futures are complete.
    #[default]
    AllCompleted,
}

/// What [`wait`] returns.
#[derive(Debug)]
pub struct Waited<F: Future> {
    /// The outcomes of the futures that are complete, each with its index among the futures that were given, in the
    /// order in which they came.
    pub done: Vec<(usize, F::Output)>,
    /// The futures that are not complete, in their order. They can be awaited later, or waited for again.
    pub pending: Vec<F>,
}

/// Waits for tasks, loop [`Future`](crate::event_loop::Future)s or others, until `return_when` or for up to `limit`. It
/// cancels nothing.
///
/// # Cancel safety
///
/// If the future is dropped, so are the futures that it was given. Tasks go on then, and their outcomes are lost.
///
/// # Examples
///
/// ```
/// use heist::event_loop::tasks::{ReturnWhen, wait};
/// use heist::time::{Duration, sleep};
///
/// #[heist::main]
/// async fn main() {
///     let tasks = [1, 60_000].map(|ms| heist::spawn(sleep(Duration::from_millis(ms))));
///     let waited = wait(tasks, ReturnWhen::FirstCompleted, None).await;
///     assert_eq!((waited.done[0].0, waited.pending.len()), (0, 1));
/// }
/// ```
pub async fn wait<F, T, E>(
    futures: impl IntoIterator<Item = F>,
    return_when: ReturnWhen,
    limit: Option<Duration>,
) -> Waited<F>
where
    F: Future<Output = Result<T, E>> + Unpin,
{
    let mut many = Many::new(futures);
    let mut done = Vec::new();
    let mut take = pin!(poll_fn(|cx| {
        loop {
            match many.poll_next(cx) {
                // Those that are complete by now are all taken.
                Poll::Ready(Some(outcome)) => done.push(outcome),
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        let enough = match return_when {
            ReturnWhen::FirstCompleted => !done.is_empty(),
            ReturnWhen::FirstException => done.iter().any(|(_, outcome)| outcome.is_err()),
            ReturnWhen::AllCompleted => false,
        };
        if enough {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    match limit {
        None => take.as_mut().await,
        // When the time is over, what is there is returned.
        Some(limit) => drop(time::timeout(limit, take.as_mut()).await),
    }
    let pending = many.into_pending();
    Waited { done, pending }
}

/// Waits for a future, for up to `limit`. The future is dropped, and so cancelled, when the time is over. If it completes
/// at that very moment, its output is returned.
///
/// # Errors
///
/// Fails when the time is over.
///
/// # Cancel safety
///
/// That of `future`.
///
/// # Examples
///
/// ```
/// use heist::event_loop::tasks::wait_for;
/// use heist::time::Duration;
///
/// #[heist::main]
/// async fn main() {
///     assert_eq!(wait_for(async { 1 }, Some(Duration::from_secs(60))).await, Ok(1));
///     assert!(wait_for(std::future::pending::<()>(), Some(Duration::from_millis(1))).await.is_err());
/// }
/// ```
pub async fn wait_for<F: Future>(future: F, limit: Option<Duration>) -> Result<F::Output, Elapsed> {
    match limit {
        None => Ok(future.await),
        Some(limit) => time::timeout(limit, future).await,
    }
}

/// Runs a future as a task of the current runtime that goes on when the one who awaits it is cancelled. Dropping the handle
/// cancels nothing.
///
/// # Panics
///
/// Panics outside of a runtime.
///
/// # Examples
///
/// ```
/// use heist::event_loop::tasks::{shield, wait_for};
/// use heist::time::{Duration, sleep};
///
/// // Time is paused here: it jumps to the next deadline when all wait.
/// #[heist::main(flavor = "current_thread", start_paused = true)]
/// async fn main() {
///     let mut saves = shield(async { sleep(Duration::from_millis(20)).await; "saved" });
///     assert!(wait_for(&mut saves, Some(Duration::from_millis(1))).await.is_err());
///     assert_eq!(saves.await.unwrap(), "saved");
/// }
/// ```
#[track_caller]
pub fn shield<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    EventLoop::current().create_task(future)
}
