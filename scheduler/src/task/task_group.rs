//! Groups of tasks that begin and end together: structured concurrency.

// Each child is wrapped in a `Child`, which drops its future and then reports how it ended. The group's state, under one
// lock, counts the children that haven't reported.
//
// Invariants:
// - **G1** A child is in `children` from before its spawn until its report. It reports exactly once: at its end, or when
//   it is dropped. Its future is gone by then.
// - **G2** Once `cancelled` is set no child is added, and every child in `children` is aborted. If its handle is there,
//   whoever sets `cancelled` aborts it. If its spawner has yet to put the handle there, the spawner looks at `cancelled`
//   when it does so, and aborts it.
// - **G3** `closed` is set by a join that found `children` empty, under the same lock, or by the drop of the group. No
//   child is added after it, and no report stores anything.
// - **G4** User values, wakers and aborts are touched outside the lock.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use heist_sync::coop;
use heist_sync::protocol::{contain, drop_each, drop_payload};
use heist_sync::sys::{Arc, Mutex};
use heist_sync::waits::{self, Wait};
use pin_project_lite::pin_project;

use super::api::NO_RUNTIME;
use crate::cell::{AbortHandle, Id, JoinError, Origin};
use crate::runtime::{Handle, entered};
use crate::workers::home;

mod error;

pub use error::{Failure, GroupError};

/// A group of tasks that begin and end together, like a nursery in trio or a `TaskGroup` in Python.
///
/// A child is a future that returns a `Result`. The contract:
///
/// 1. [`join`](Self::join) waits until every child has ended and its future has been dropped. This includes children
///    that were spawned meanwhile through a [`Spawner`].
/// 2. If all children succeed, `join` returns their outputs, in the order in which they were spawned.
/// 3. The first failure, an `Err` or a panic, cancels all other children at once, even if nobody is in `join` yet. The
///    group takes no more children then. `join` still waits for all of them, and returns a [`GroupError`]. It holds the
///    first failure, and then the failures of children that failed on their way out. Children that were merely
///    cancelled are not in it.
/// 4. Dropping the group, or the future of `join`, cancels all children. It doesn't wait for them: the runtime's
///    workers drop their futures. A child that is being polled is dropped at its next `.await`.
/// 5. If the shutdown of its runtime drops a child, the child has failed, with a cancelled [`JoinError`].
///
/// # Examples
/// ```
/// use heist::task::TaskGroup;
///
/// #[heist::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let mut group = TaskGroup::new();
///     for word in ["1", "2", "three"] {
///         group.spawn(async move { word.parse::<u32>() });
///     }
///     let error = group.join().await.expect_err("one word is no number");
///     assert_eq!(error.to_string(), "a task of the group failed: invalid digit found in string");
///
///     let mut group = TaskGroup::new();
///     for word in ["1", "2", "3"] {
///         group.spawn(async move { word.parse::<u32>() });
///     }
///     assert_eq!(group.join().await?, [1, 2, 3]);
///     Ok(())
/// }
/// ```
#[must_use = "a group that is dropped cancels its tasks; `join` it"]
pub struct TaskGroup<T, E> {
    group: Arc<Group<T, E>>,
}

/// Spawns children into a [`TaskGroup`] from anywhere, for instance from its children.
///
/// It doesn't keep the group from ending: the group ends when all children have ended.
///
/// # Examples
/// ```
/// use heist::task::{TaskGroup, task_group::Spawner};
///
/// /// A node of a binary tree of this depth, each node in a task.
/// fn node(depth: u32, children: Spawner<(), ()>) -> impl Future<Output = Result<(), ()>> + Send {
///     async move {
///         if depth > 0 {
///             for _ in 0..2 {
///                 children.spawn(node(depth - 1, children.clone()));
///             }
///         }
///         Ok(())
///     }
/// }
///
/// #[heist::main]
/// async fn main() {
///     let mut group = TaskGroup::new();
///     group.spawn(node(5, group.spawner()));
///     assert_eq!(group.join().await.expect("no failure").len(), 63);
/// }
/// ```
pub struct Spawner<T, E> {
    group: Arc<Group<T, E>>,
}

struct Group<T, E>(Mutex<State<T, E>>);

struct State<T, E> {
    /// The children that have not reported, with their handles as soon as the spawner has put them there.
    children: BTreeMap<Id, Option<AbortHandle>>,
    /// In the order of spawning.
    outputs: Vec<Option<T>>,
    failures: Vec<Failure<E>>,
    cancelled: bool,
    closed: bool,
    joiner: Option<Waker>,
}

/// How a child ended.
enum Ended<T, E> {
    Output(Result<T, E>),
    Panicked(Box<dyn Any + Send>),
    Cancelled,
}

/// The report that a child owes its group.
struct Report<T, E> {
    group: Arc<Group<T, E>>,
    id: Id,
    index: usize,
}

pin_project! {
    /// A child's future, and its report.
    #[doc(hidden)]
    pub struct Child<F, T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        #[pin]
        future: Option<F>,
        report: Option<Report<T, E>>,
    }

    impl<F, T, E> PinnedDrop for Child<F, T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        fn drop(this: Pin<&mut Self>) {
            this.end(Ended::Cancelled);
        }
    }
}

impl<F, T, E> Child<F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    /// G1: drops the future, then reports, once.
    fn end(self: Pin<&mut Self>, mut ended: Ended<T, E>) {
        let mut this = self.project();
        let Some(report) = this.report.take() else {
            return;
        };
        match catch_unwind(AssertUnwindSafe(|| this.future.set(None))) {
            Ok(()) => {}
            Err(payload) if matches!(ended, Ended::Cancelled) => ended = Ended::Panicked(payload),
            // A future that is done has its result. A panic in its drop is only printed.
            Err(payload) => drop_payload(payload),
        }
        report.send(ended);
    }
}

impl<F, T, E> Future for Child<F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(future) = self.as_mut().project().future.as_pin_mut() else {
            return Poll::Ready(());
        };
        let ended = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => Ended::Output(result),
            Err(payload) => Ended::Panicked(payload),
        };
        self.end(ended);
        Poll::Ready(())
    }
}

impl<T, E> Report<T, E> {
    fn send(self, ended: Ended<T, E>) {
        let failure = match ended {
            Ended::Output(Ok(output)) => return self.succeeded(output),
            Ended::Output(Err(error)) => Failure::Error(self.id, error),
            Ended::Panicked(payload) => Failure::Join(JoinError::panic(self.id, payload)),
            Ended::Cancelled => Failure::Join(JoinError::cancelled(self.id)),
        };
        self.failed(failure);
    }

    fn succeeded(self, output: T) {
        let mut state = self.group.0.lock();
        let mut output = Some(output);
        if !state.closed {
            std::mem::swap(&mut state.outputs[self.index], &mut output);
        }
        let left = state.left(self.id);
        drop(state);
        contain(|| drop(output));
        left.tell();
    }

    fn failed(self, failure: Failure<E>) {
        let mut state = self.group.0.lock();
        let mut failure = Some(failure);
        // A child that the group cancelled has not failed.
        let cancelled = matches!(&failure, Some(Failure::Join(error)) if error.is_cancelled());
        if !(state.closed || state.cancelled && cancelled) {
            state.failures.extend(failure.take());
        }
        let left = state.left(self.id);
        let aborts = state.cancel();
        drop(state);
        for abort in aborts {
            abort.abort();
        }
        contain(|| drop(failure));
        left.tell();
    }
}

/// What is left to do, without the lock, after a child has reported.
#[must_use]
struct Left {
    _handle: Option<AbortHandle>,
    joiner: Option<Waker>,
}

impl Left {
    fn tell(self) {
        if let Some(joiner) = self.joiner {
            contain(|| joiner.wake());
        }
    }
}

impl<T, E> State<T, E> {
    /// A child has reported. The last one wakes the joiner.
    fn left(&mut self, id: Id) -> Left {
        let handle = self.children.remove(&id).flatten();
        let last = self.children.is_empty();
        Left {
            _handle: handle,
            joiner: if last { self.joiner.take() } else { None },
        }
    }

    /// G2: lets no more children in, and returns the handles of the present ones, to be aborted without the lock.
    fn cancel(&mut self) -> Vec<AbortHandle> {
        if std::mem::replace(&mut self.cancelled, true) {
            return Vec::new();
        }
        self.children
            .values_mut()
            .filter_map(Option::take)
            .collect()
    }
}

impl<T, E> Group<T, E> {
    /// Adds a child. `spawn` spawns it, or returns it if there is no runtime. `None` if the group takes no more
    /// children.
    #[track_caller]
    fn add<F>(
        group: &Arc<Self>,
        future: F,
        spawn: impl FnOnce(Child<F, T, E>, Id) -> Result<AbortHandle, Child<F, T, E>>,
    ) -> Option<Id>
    where
        F: Future<Output = Result<T, E>>,
    {
        let id = Id::next();
        let index = {
            let mut state = group.0.lock();
            if state.cancelled || state.closed {
                drop(state);
                drop(future);
                return None;
            }
            state.children.insert(id, None);
            state.outputs.push(None);
            state.outputs.len() - 1
        };
        let report = Report {
            group: group.clone(),
            id,
            index,
        };
        let child = Child {
            future: Some(future),
            report: Some(report),
        };
        match spawn(child, id) {
            Ok(abort) => group.spawned(id, abort),
            Err(child) => group.withdraw(id, child),
        }
        Some(id)
    }

    /// Stores the handle of a child that has been spawned, and may have ended already (G2).
    fn spawned(&self, id: Id, abort: AbortHandle) {
        let mut state = self.0.lock();
        let cancelled = state.cancelled;
        let mut abort = Some(abort);
        if !cancelled && let Some(slot) = state.children.get_mut(&id) {
            *slot = abort.take();
        }
        drop(state);
        if let Some(abort) = abort
            && cancelled
        {
            abort.abort();
        }
    }

    /// Undoes [`add`](Self::add), and panics.
    #[track_caller]
    fn withdraw<F>(&self, id: Id, mut child: Child<F, T, E>)
    where
        F: Future<Output = Result<T, E>>,
    {
        child.report = None;
        let left = self.0.lock().left(id);
        // A join may have begun meanwhile.
        left.tell();
        drop(child);
        panic!("{NO_RUNTIME}");
    }

    /// Whether all children have ended. If so, takes the result and closes the group (G3).
    fn poll_join(&self, cx: &mut Context<'_>) -> Poll<Result<Vec<T>, GroupError<E>>> {
        let unit = ready!(coop::poll_proceed(cx));
        // The clone and the drop of the old waker are user code, so they run without the lock.
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        if !state.children.is_empty() {
            let old = state.joiner.replace(waker);
            drop(state);
            contain(|| drop(old));
            waits::note(Wait::Join);
            return Poll::Pending;
        }
        state.closed = true;
        let outputs = std::mem::take(&mut state.outputs);
        let failures = std::mem::take(&mut state.failures);
        drop(state);
        contain(|| drop(waker));
        unit.made_progress();
        Poll::Ready(match GroupError::new(failures) {
            Some(error) => {
                drop_each(outputs);
                Err(error)
            }
            // All children that were added have reported, none of them a failure.
            None => Ok(outputs.into_iter().flatten().collect()),
        })
    }
}

impl<T, E> TaskGroup<T, E> {
    /// Makes an empty group.
    pub fn new() -> Self {
        Self {
            group: Arc::new(Group(Mutex::new(State {
                children: BTreeMap::new(),
                outputs: Vec::new(),
                failures: Vec::new(),
                cancelled: false,
                closed: false,
                joiner: None,
            }))),
        }
    }

    /// Makes a spawner, with which children, or anyone else, can spawn into the group.
    ///
    /// # Examples
    /// ```
    /// use heist::task::TaskGroup;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut group = TaskGroup::<u32, ()>::new();
    ///     let spawner = group.spawner();
    ///     group.spawn(async move {
    ///         // A child spawns another one, and doesn't wait for it.
    ///         spawner.spawn(async { Ok(2) });
    ///         Ok(1)
    ///     });
    ///     assert_eq!(group.join().await.expect("no failure"), [1, 2]);
    /// }
    /// ```
    pub fn spawner(&self) -> Spawner<T, E> {
        Spawner {
            group: self.group.clone(),
        }
    }

    /// The number of children that haven't ended.
    ///
    /// # Examples
    /// ```
    /// use heist::task::TaskGroup;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut group = TaskGroup::<(), ()>::new();
    ///     assert!(group.is_empty());
    ///     group.spawn(std::future::pending());
    ///     assert_eq!(group.len(), 1);
    /// }
    /// ```
    pub fn len(&self) -> usize {
        self.group.0.lock().children.len()
    }

    /// Whether all children have ended, or there are none.
    ///
    /// [`len`](Self::len) has an example.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until all children have ended: see the [contract](Self).
    ///
    /// # Errors
    /// [`GroupError`] if a child failed. It holds all failures, the first one first.
    ///
    /// # Cancel safety
    /// Dropping the future cancels all children and loses their outputs.
    ///
    /// ```
    /// use heist::task::TaskGroup;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut group = TaskGroup::new();
    ///     for number in 1..4 {
    ///         group.spawn(async move { Ok::<_, ()>(number * 10) });
    ///     }
    ///     // The results are in the order in which the tasks were spawned.
    ///     assert_eq!(group.join().await.expect("no failure"), [10, 20, 30]);
    /// }
    /// ```
    pub async fn join(self) -> Result<Vec<T>, GroupError<E>> {
        poll_fn(|cx| self.group.poll_join(cx)).await
    }

    /// [`spawn`](Self::spawn), by something other than a runtime.
    #[doc(hidden)]
    pub fn spawn_by<F>(
        &self,
        future: F,
        spawn: impl FnOnce(Child<F, T, E>) -> AbortHandle,
    ) -> Option<Id>
    where
        F: Future<Output = Result<T, E>>,
    {
        Group::add(&self.group, future, |child, _| Ok(spawn(child)))
    }
}

impl<T: Send + 'static, E: Send + 'static> TaskGroup<T, E> {
    /// Spawns a child on the current runtime, and returns its id. If a failure has cancelled the group already, drops
    /// `future` and returns `None`.
    ///
    /// # Panics
    /// Panics if called outside any runtime.
    ///
    /// [`join`](Self::join) has an example.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> Option<Id>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let origin = Origin::caller();
        Group::add(&self.group, future, |child, id| spawn(child, id, origin))
    }

    /// Like [`spawn`](Self::spawn), on the runtime of `handle`.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, future: F, handle: &Handle) -> Option<Id>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let origin = Origin::caller();
        Group::add(&self.group, future, |child, id| {
            Ok(home::spawn(handle.shared(), child, id, origin).abort_handle())
        })
    }
}

impl<T: Send + 'static, E: Send + 'static> Spawner<T, E> {
    /// Like [`TaskGroup::spawn`]. Returns `None` too if the group was joined to its end, or dropped.
    ///
    /// # Panics
    /// Panics if called outside any runtime.
    ///
    /// [`TaskGroup::spawner`] has an example.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Option<Id>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let origin = Origin::caller();
        Group::add(&self.group, future, |child, id| spawn(child, id, origin))
    }
}

fn spawn<F>(child: F, id: Id, origin: Origin) -> Result<AbortHandle, F>
where
    F: Future<Output = ()> + Send + 'static,
{
    Ok(entered::try_spawn(child, id, origin)?.abort_handle())
}

impl<T, E> Drop for TaskGroup<T, E> {
    fn drop(&mut self) {
        let mut state = self.group.0.lock();
        state.closed = true;
        let aborts = state.cancel();
        let outputs = std::mem::take(&mut state.outputs);
        let failures = std::mem::take(&mut state.failures);
        let joiner = state.joiner.take();
        drop(state);
        for abort in aborts {
            abort.abort();
        }
        drop_each(outputs);
        drop_each(failures);
        contain(|| drop(joiner));
    }
}

impl<T, E> Default for TaskGroup<T, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E> Clone for Spawner<T, E> {
    fn clone(&self) -> Self {
        Self {
            group: self.group.clone(),
        }
    }
}

impl<T, E> fmt::Debug for TaskGroup<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("len", &self.len())
            .finish()
    }
}

impl<T, E> fmt::Debug for Spawner<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}

impl<F, T, E> fmt::Debug for Child<F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(heist_loom)))]
mod tests {
    use std::future::{Future, pending};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    use super::{Group, TaskGroup};

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_join_that_begins_as_a_child_is_withdrawn_hears_of_it() {
        let group = TaskGroup::<(), ()>::new();
        let spawner = group.spawner();
        let mut join = pin!(group.join());
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut cx = Context::from_waker(&waker);
        let withdrawn = catch_unwind(AssertUnwindSafe(|| {
            Group::add(&spawner.group, pending(), |child, _| {
                assert!(join.as_mut().poll(&mut cx).is_pending());
                Err(child)
            })
        }));
        assert!(withdrawn.is_err(), "there is no runtime");
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert!(matches!(join.poll(&mut cx), Poll::Ready(Ok(outputs)) if outputs.is_empty()));
    }
}
