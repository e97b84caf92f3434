//! A set of tasks that are joined in the order in which they end.

// Each task of the set has a `Note` as its join waker, which says which task of which set it is. The worker that completes
// the task wakes the note, and that queues the task's key in the set's `Queue`. So a look at the set costs one lock,
// however many tasks are in it, and workers that complete tasks of different sets share nothing.
//
// Invariants:
// - **J1** A key is queued once for each task, after the task is complete: by its note, or by `insert` if the task was
//   complete before the note was there. So a key that was popped has its output.
// - **J2** A key is used again only after it was popped. `detach_all`, which forgets keys that weren't, starts with a new
//   queue; notes of the old one tell nobody.
// - **J3** The set's waker is stored only if the queue was seen empty under the same lock. A key is queued and the waker
//   taken under one lock too. So no completion falls between.
//
// All of it is under the queue's lock, and no other ordering is argued.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Wake, Waker, ready};

use heist_sync::coop;
use heist_sync::protocol::{contain, drop_each};
use heist_sync::sys::{Arc, Mutex};
use heist_sync::waits::{self, Wait};
use slab::Slab;

use super::local::LocalSet;
use super::{api, local};
use crate::cell::{AbortHandle, Id, JoinError, JoinHandle};
use crate::runtime::Handle;

mod builder;

pub use builder::Builder;

/// A set of tasks with the same type of output, which are joined in the order in which they end.
///
/// Dropping the set aborts all its tasks. To let them run on, call [`detach_all`](Self::detach_all) first.
///
/// # Examples
/// ```
/// use heist::task::JoinSet;
///
/// #[heist::main]
/// async fn main() {
///     let mut set: JoinSet<u32> = (0..10).map(|i| async move { i * i }).collect();
///     let mut squares = Vec::new();
///     while let Some(square) = set.join_next().await {
///         squares.push(square.expect("no task panicked"));
///     }
///     squares.sort();
///     assert_eq!(squares[9], 81);
/// }
/// ```
pub struct JoinSet<T> {
    handles: Slab<JoinHandle<T>>,
    queue: Arc<Queue>,
}

/// The tasks that have ended, and the waker that waits for the next one.
#[derive(Default)]
struct Queue(Mutex<Ended>);

#[derive(Default)]
struct Ended {
    keys: VecDeque<usize>,
    waker: Option<Waker>,
}

impl Queue {
    /// Queues a key, and wakes the set (J3).
    fn push(&self, key: usize) {
        let mut ended = self.0.lock();
        ended.keys.push_back(key);
        let waker = ended.waker.take();
        drop(ended);
        if let Some(waker) = waker {
            contain(|| waker.wake());
        }
    }

    fn pop(&self) -> Option<usize> {
        self.0.lock().keys.pop_front()
    }

    /// Returns a key, or arranges that `waker` is woken when there is one (J3).
    fn pop_or_wait(&self, waker: &Waker) -> Option<usize> {
        let mut ended = self.0.lock();
        let key = ended.keys.pop_front();
        if key.is_some() || ended.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            return key;
        }
        drop(ended);
        // The clone and the drop of the old waker are user code, so they run without the lock.
        let waker = waker.clone();
        let mut ended = self.0.lock();
        let key = ended.keys.pop_front();
        let spare = match key {
            None => ended.waker.replace(waker),
            Some(_) => Some(waker),
        };
        drop(ended);
        if let Some(spare) = spare {
            contain(|| drop(spare));
        }
        key
    }
}

/// The join waker of one task of a set. Nothing but the task's completion wakes it, so it is woken once (J1).
struct Note {
    queue: Arc<Queue>,
    key: usize,
}

impl Wake for Note {
    fn wake(self: StdArc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &StdArc<Self>) {
        self.queue.push(self.key);
    }
}

impl<T> JoinSet<T> {
    /// Makes an empty set.
    ///
    /// [`JoinSet`] has an example.
    pub fn new() -> Self {
        Self {
            handles: Slab::new(),
            queue: Arc::new(Queue::default()),
        }
    }

    /// The number of tasks in the set: tasks that run, and tasks that have ended and weren't joined.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinSet;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut set = JoinSet::new();
    ///     assert!(set.is_empty());
    ///     set.spawn(async { 1 });
    ///     set.spawn(async { 2 });
    ///     assert_eq!(set.len(), 2);
    ///     set.join_next().await;
    ///     assert_eq!(set.len(), 1);
    /// }
    /// ```
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Whether the set is empty.
    ///
    /// [`len`](Self::len) has an example.
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// Aborts all tasks of the set. They stay in the set. Joining them returns a cancelled error, or the output of a
    /// task that had already ended.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinSet;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.abort_all();
    ///     let ended = set.join_next().await.expect("it is still in the set");
    ///     assert!(ended.unwrap_err().is_cancelled());
    /// }
    /// ```
    pub fn abort_all(&mut self) {
        for (_, handle) in &self.handles {
            handle.abort();
        }
    }

    /// Takes all tasks out of the set. They run on.
    ///
    /// # Examples
    /// ```
    /// use heist::sync::oneshot;
    /// use heist::task::JoinSet;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, receiver) = oneshot::channel();
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async { sender.send(42) });
    ///     set.detach_all();
    ///     assert!(set.is_empty());
    ///     assert_eq!(receiver.await, Ok(42));
    /// }
    /// ```
    pub fn detach_all(&mut self) {
        // J2: notes of these tasks that are under way go to the old queue.
        let waker = self.queue.0.lock().waker.take();
        self.queue = Arc::new(Queue(Mutex::new(Ended {
            keys: VecDeque::new(),
            waker,
        })));
        drop(std::mem::take(&mut self.handles));
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task into the set, like [`task::spawn`](super::spawn).
    ///
    /// # Panics
    /// Panics if called outside any runtime.
    ///
    /// The returned handle can abort the task. [`JoinSet`] has an example.
    #[track_caller]
    pub fn spawn<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(api::spawn(task))
    }

    /// Spawns a task into the set, on the runtime of `handle`.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Runtime;
    /// use heist::task::JoinSet;
    ///
    /// let runtime = Runtime::new()?;
    /// let mut set = JoinSet::new();
    /// set.spawn_on(async { 6 * 7 }, runtime.handle());
    /// assert_eq!(runtime.block_on(set.join_all()), [42]);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(&mut self, task: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn(task))
    }

    /// Spawns a task that need not be `Send` into the set, like [`task::spawn_local`](super::spawn_local).
    ///
    /// # Panics
    /// Panics if called outside a [`LocalSet`] and outside a [`LocalRuntime`](crate::runtime::LocalRuntime).
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::LocalRuntime;
    /// use heist::task::JoinSet;
    /// use std::rc::Rc;
    ///
    /// let runtime = LocalRuntime::new()?;
    /// runtime.block_on(async {
    ///     let text = Rc::new("not to be sent");
    ///     let mut set = JoinSet::new();
    ///     set.spawn_local(async move { text.len() });
    ///     assert_eq!(set.join_all().await, [14]);
    /// });
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(local::spawn_local(task))
    }

    /// Spawns a task into this set and into `local_set`.
    ///
    /// # Examples
    /// ```
    /// use heist::task::{JoinSet, LocalSet};
    /// use std::rc::Rc;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (mut set, local) = (JoinSet::new(), LocalSet::new());
    ///     let text = Rc::new("not to be sent");
    ///     set.spawn_local_on(async move { text.len() }, &local);
    ///     assert_eq!(local.run_until(set.join_all()).await, [14]);
    /// }
    /// ```
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, task: F, local_set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(local_set.spawn_local(task))
    }

    /// Runs `f` on the blocking pool, as a task of the set. See [`task::spawn_blocking`](super::spawn_blocking).
    ///
    /// # Panics
    /// Panics if called outside any runtime.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinSet;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut set = JoinSet::new();
    ///     set.spawn_blocking(|| 1);
    ///     set.spawn(async { 2 });
    ///     assert_eq!(set.join_all().await.iter().sum::<i32>(), 3);
    /// }
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(api::spawn_blocking(f))
    }

    /// Runs `f` on the blocking pool of the runtime of `handle`, as a task of the set.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Runtime;
    /// use heist::task::JoinSet;
    ///
    /// let runtime = Runtime::new()?;
    /// let mut set = JoinSet::new();
    /// set.spawn_blocking_on(|| 6 * 7, runtime.handle());
    /// assert_eq!(runtime.block_on(set.join_all()), [42]);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, f: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn_blocking(f))
    }

    /// Makes a builder that spawns tasks with a name into the set.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinSet;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut set = JoinSet::new();
    ///     set.build_task().name("parser").spawn(async { 1 })?;
    ///     assert_eq!(set.join_all().await, [1]);
    ///     Ok(())
    /// }
    /// ```
    pub fn build_task(&mut self) -> Builder<'_, T> {
        Builder::new(self)
    }

    /// Takes a task into the set that was spawned elsewhere. If its handle has returned its output already, joining it
    /// panics, as polling the handle would.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinSet;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let task = heist::spawn(async { 42 });
    ///     let mut set = JoinSet::new();
    ///     set.insert(task);
    ///     assert_eq!(set.join_all().await, [42]);
    /// }
    /// ```
    pub fn insert(&mut self, handle: JoinHandle<T>) -> AbortHandle {
        let abort = handle.abort_handle();
        let entry = self.handles.vacant_entry();
        let (key, queue) = (entry.key(), self.queue.clone());
        let handle = entry.insert(handle);
        let note = Waker::from(StdArc::new(Note { queue, key }));
        if handle.register_new(note).is_err() {
            // J1: no note will queue this key.
            self.queue.push(key);
        }
        abort
    }

    /// Waits for the next task to end, takes it out of the set, and returns its output. Tasks that have ended already
    /// come first, in the order in which they ended. Returns `None` if the set is empty.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: a task leaves the set only when its output is returned.
    ///
    /// [`JoinSet`] has an example.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// Like [`join_next`](Self::join_next), but returns the task's id as well. An error has the id too.
    ///
    /// # Cancel safety
    /// The same as for [`join_next`](Self::join_next).
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinSet;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut set = JoinSet::new();
    ///     let task = set.spawn(async { 42 });
    ///     let (id, output) = set.join_next_with_id().await.unwrap().unwrap();
    ///     assert_eq!((id, output), (task.id(), 42));
    /// }
    /// ```
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// Takes a task that has ended out of the set and returns its output, without waiting. Returns `None` if no task
    /// has ended, or the set is empty.
    ///
    /// # Examples
    /// ```
    /// use heist::task::{JoinSet, yield_now};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut set = JoinSet::new();
    ///     assert!(set.try_join_next().is_none());
    ///     set.spawn(async { 42 });
    ///     let output = loop {
    ///         match set.try_join_next() {
    ///             Some(output) => break output,
    ///             None => yield_now().await,
    ///         }
    ///     };
    ///     assert_eq!(output.expect("no panic"), 42);
    /// }
    /// ```
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        Some(self.try_join_next_with_id()?.map(|(_, output)| output))
    }

    /// Like [`try_join_next`](Self::try_join_next), but returns the task's id as well.
    ///
    /// [`try_join_next`](Self::try_join_next) has an example.
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        let key = self.queue.pop()?;
        Some(self.take(key))
    }

    /// [`join_next`](Self::join_next) as a poll function: `Ready(None)` if the set is empty. After `Pending` the task
    /// of `cx` is woken when a task has ended. Only the waker of the last call is woken.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinSet;
    /// use std::future::poll_fn;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async { 42 });
    ///     let output = poll_fn(|cx| set.poll_join_next(cx)).await.expect("there is a task");
    ///     assert_eq!(output.expect("no panic"), 42);
    /// }
    /// ```
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        let next = ready!(self.poll_join_next_with_id(cx));
        Poll::Ready(next.map(|result| result.map(|(_, output)| output)))
    }

    /// Like [`poll_join_next`](Self::poll_join_next), but returns the task's id as well.
    ///
    /// [`poll_join_next`](Self::poll_join_next) has an example.
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        let unit = ready!(coop::poll_proceed(cx));
        if self.is_empty() {
            unit.made_progress();
            return Poll::Ready(None);
        }
        let Some(key) = self.queue.pop_or_wait(cx.waker()) else {
            waits::note(Wait::Join);
            return Poll::Pending;
        };
        unit.made_progress();
        Poll::Ready(Some(self.take(key)))
    }

    /// Aborts all tasks, and waits until all have ended. Their outputs and panics are dropped.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the tasks aborted. Tasks that weren't joined stay in the set.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinSet;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.shutdown().await;
    ///     assert!(set.is_empty());
    /// }
    /// ```
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while let Some(result) = self.join_next().await {
            contain(|| drop(result));
        }
    }

    /// Waits until all tasks have ended, and returns their outputs in the order in which they ended.
    ///
    /// # Cancel safety
    /// Dropping the future drops the set: the tasks are aborted and the outputs are lost.
    ///
    /// # Panics
    /// Panics if a task panicked, with its panic, or was cancelled. The other tasks are then aborted.
    ///
    /// ```
    /// use heist::task::JoinSet;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let set: JoinSet<u32> = (0..4).map(|i| async move { i * i }).collect();
    ///     let mut squares = set.join_all().await;
    ///     squares.sort();
    ///     assert_eq!(squares, [0, 1, 4, 9]);
    /// }
    /// ```
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            match result {
                Ok(output) => outputs.push(output),
                Err(error) => {
                    // The drops of the outputs are user code. They run before this thread unwinds.
                    drop_each(outputs);
                    match error.try_into_panic() {
                        Ok(payload) => resume_unwind(payload),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
        outputs
    }

    /// J1: the output of a key that was popped.
    fn take(&mut self, key: usize) -> Result<(Id, T), JoinError> {
        let mut handle = self.handles.remove(key);
        let id = handle.id();
        handle.take_output().map(|output| (id, output))
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
        // Notes of tasks that aren't complete keep the queue alive. The waker's drop is user code.
        let waker = self.queue.0.lock().waker.take();
        contain(|| drop(waker));
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

/// Spawns each future of the iterator on the current runtime.
///
/// # Panics
/// Panics if called outside any runtime.
impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        set.extend(futures);
        set
    }
}

/// Spawns each future of the iterator on the current runtime.
///
/// # Panics
/// Panics if called outside any runtime.
impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    #[track_caller]
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.spawn(future);
        }
    }
}
