//! Futures run as tasks, whose results are taken together or as they come.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::many::Many;
use crate::event_loop::EventLoop;
use crate::task::{AbortOnDropHandle, Id, JoinError, JoinHandle, task_group::Failure};

/// Tasks that are aborted when they are dropped.
struct Tasks<T> {
    ids: Vec<Id>,
    many: Many<AbortOnDropHandle<T>>,
}

impl<T: Send + 'static> Tasks<T> {
    #[track_caller]
    fn spawn<F>(futures: impl IntoIterator<Item = F>) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let event_loop = EventLoop::current();
        let mut tasks: Vec<JoinHandle<T>> = Vec::new();
        for future in futures {
            tasks.push(event_loop.create_task(future));
        }
        Self {
            ids: tasks.iter().map(JoinHandle::id).collect(),
            many: Many::new(tasks.into_iter().map(AbortOnDropHandle::new)),
        }
    }
}

/// Runs futures as tasks of the current runtime, and returns their results in the order of the futures.
///
/// The first error or panic is returned at once. The other tasks go on then, as they do in asyncio. To cancel them too,
/// use a [`TaskGroup`](super::TaskGroup).
///
/// # Cancel safety
///
/// The tasks run from the call on. If the future is dropped before it is complete, all of them are cancelled.
///
/// # Panics
///
/// Panics outside of a runtime.
///
/// # Examples
///
/// ```
/// use heist::event_loop::tasks::gather;
///
/// #[heist::main]
/// async fn main() {
///     let parsed = gather(["1", "2"].map(|text| async move { text.parse::<u8>() })).await;
///     assert_eq!(parsed.unwrap(), [1, 2]);
///     let failed = gather(["1", "two"].map(|text| async move { text.parse::<u8>() })).await;
///     assert_eq!(failed.unwrap_err().to_string(), "invalid digit found in string");
/// }
/// ```
#[track_caller]
pub fn gather<F, T, E>(futures: impl IntoIterator<Item = F>) -> Gather<T, E>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let tasks = Tasks::spawn(futures);
    Gather {
        results: tasks.ids.iter().map(|_| None).collect(),
        tasks: Some(tasks),
    }
}

/// The future of [`gather`].
#[must_use = "futures do nothing unless polled"]
pub struct Gather<T, E> {
    tasks: Option<Tasks<Result<T, E>>>,
    results: Vec<Option<T>>,
}

impl<T, E> Unpin for Gather<T, E> {}

impl<T: Send + 'static, E: Send + 'static> Future for Gather<T, E> {
    type Output = Result<Vec<T>, Failure<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let tasks = this.tasks.as_mut().expect("polled after it was complete");
        while let Some((index, result)) = ready!(tasks.many.poll_next(cx)) {
            let failure = match result {
                Ok(Ok(result)) => {
                    this.results[index] = Some(result);
                    continue;
                }
                Ok(Err(error)) => Failure::Error(tasks.ids[index], error),
                Err(error) => Failure::Join(error),
            };
            // The others go on.
            let tasks = this.tasks.take().expect("it was there");
            for task in tasks.many.into_pending() {
                drop(task.detach());
            }
            return Poll::Ready(Err(failure));
        }
        this.tasks = None;
        Poll::Ready(Ok(this.results.drain(..).flatten().collect()))
    }
}

/// Runs futures as tasks of the current runtime, and returns all of their outcomes in the order of the futures:
/// asyncio's `gather(…, return_exceptions=True)`.
///
/// # Cancel safety
///
/// The tasks run from the call on. If the future is dropped before it is complete, all of them are cancelled.
///
/// # Panics
///
/// Panics outside of a runtime.
///
/// # Examples
///
/// ```
/// use heist::event_loop::tasks::gather_all;
///
/// #[heist::main]
/// async fn main() {
///     let all = gather_all([1, 0].map(|divisor| async move { 6 / divisor })).await;
///     assert_eq!(*all[0].as_ref().unwrap(), 6);
///     assert!(all[1].as_ref().unwrap_err().is_panic());
/// }
/// ```
#[track_caller]
pub fn gather_all<F>(futures: impl IntoIterator<Item = F>) -> GatherAll<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let tasks = Tasks::spawn(futures);
    GatherAll {
        outcomes: tasks.ids.iter().map(|_| None).collect(),
        tasks,
    }
}

/// The future of [`gather_all`].
#[must_use = "futures do nothing unless polled"]
pub struct GatherAll<T> {
    tasks: Tasks<T>,
    outcomes: Vec<Option<Result<T, JoinError>>>,
}

impl<T> Unpin for GatherAll<T> {}

impl<T: Send + 'static> Future for GatherAll<T> {
    type Output = Vec<Result<T, JoinError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        while let Some((index, outcome)) = ready!(this.tasks.many.poll_next(cx)) {
            this.outcomes[index] = Some(outcome);
        }
        Poll::Ready(this.outcomes.drain(..).flatten().collect())
    }
}

/// Runs futures as tasks of the current runtime, and hands out their outcomes in the order in which they come, each with the
/// index of its future. Dropping it cancels the tasks that are left.
///
/// # Panics
///
/// Panics outside of a runtime.
///
/// # Examples
///
/// ```
/// use heist::event_loop::tasks::as_completed;
/// use heist::time::{Duration, sleep};
///
/// // Time is paused here: it jumps to the next deadline when all wait.
/// #[heist::main(flavor = "current_thread", start_paused = true)]
/// async fn main() {
///     let mut first = as_completed([20, 1].map(|ms| sleep(Duration::from_millis(ms))));
///     assert_eq!(first.next().await.unwrap().0, 1);
///     assert_eq!(first.next().await.unwrap().0, 0);
///     assert!(first.next().await.is_none());
/// }
/// ```
#[track_caller]
pub fn as_completed<F>(futures: impl IntoIterator<Item = F>) -> AsCompleted<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    AsCompleted {
        tasks: Tasks::spawn(futures),
    }
}

/// What [`as_completed`] returns.
#[must_use = "dropping it cancels the tasks"]
pub struct AsCompleted<T> {
    tasks: Tasks<T>,
}

impl<T: Send + 'static> AsCompleted<T> {
    /// The next outcome, with the index of its future. `None` once all are out.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe: if the future is dropped, no outcome is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::tasks::as_completed;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut tasks = as_completed([async { 42 }]);
    /// let (index, outcome) = tasks.next().await.unwrap();
    /// assert_eq!((index, outcome.unwrap()), (0, 42));
    /// assert!(tasks.next().await.is_none());
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<(usize, Result<T, JoinError>)> {
        std::future::poll_fn(|cx| self.tasks.many.poll_next(cx)).await
    }

    /// How many outcomes are still to come.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::tasks::as_completed;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut tasks = as_completed([1, 2].map(|number| async move { number }));
    /// assert_eq!(tasks.len(), 2);
    /// tasks.next().await;
    /// assert_eq!(tasks.len(), 1);
    /// # }
    /// ```
    pub fn len(&self) -> usize {
        self.tasks.many.left()
    }

    /// Whether all outcomes are out.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::tasks::as_completed;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut tasks = as_completed([async { 42 }]);
    /// assert!(!tasks.is_empty());
    /// tasks.next().await;
    /// assert!(tasks.is_empty());
    /// # }
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

macro_rules! debug {
    ($($name:ident<$($parameter:ident),+>)*) => { $(
        impl<$($parameter),+> fmt::Debug for $name<$($parameter),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )* };
}
debug! { Gather<T, E> GatherAll<T> AsCompleted<T> }
