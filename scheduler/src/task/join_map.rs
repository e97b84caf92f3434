//! A set of tasks that have keys.

// The tasks are in a `JoinSet`, which says which task has ended by its id. `hashes` leads from the id to the hash of the key, and so
// to the entry.
//
// Invariants:
// - **M1** A task has an entry in `entries` exactly as long as it has one in `hashes`, under the same hash. A task without either
//   was replaced, or a comparison of keys has panicked as it was spawned: its output is dropped.
// - **M2** Each task with an entry is in `tasks`.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, Hash, RandomState};
use std::iter::FusedIterator;
use std::task::{Context, Poll, ready};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use heist_sync::protocol::contain;

use super::join_set::JoinSet;
use super::local::LocalSet;
use crate::cell::{AbortHandle, Id, JoinError};
use crate::runtime::Handle;

/// A set of tasks with the same type of output, each with a key. They are joined in the order in which they end, with their keys.
///
/// Dropping the map aborts all its tasks. To let them run on, call [`detach_all`](Self::detach_all) first.
///
/// It is tokio-util's type of this name.
///
/// # Examples
/// ```
/// use heist::task::JoinMap;
///
/// #[heist::main]
/// async fn main() {
///     let mut downloads = JoinMap::new();
///     for name in ["a.txt", "b.txt", "c.txt"] {
///         downloads.spawn(name, async move { name.len() });
///     }
///     downloads.abort("c.txt");
///     while let Some((name, length)) = downloads.join_next().await {
///         match length {
///             Ok(length) => println!("{name}: {length}"),
///             Err(error) => println!("{name}: {error}"),
///         }
///     }
/// }
/// ```
pub struct JoinMap<K, V, S = RandomState> {
    tasks: JoinSet<V>,
    entries: HashTable<(K, AbortHandle)>,
    hashes: HashMap<Id, u64>,
    hasher: S,
}

impl<K, V> JoinMap<K, V> {
    /// Makes an empty map.
    ///
    /// [`JoinMap`] has an example.
    pub fn new() -> Self {
        Self::with_hasher(RandomState::new())
    }

    /// Makes an empty map with room for `capacity` tasks.
    ///
    /// # Examples
    /// ```
    /// let map = heist::task::JoinMap::<&str, u32>::with_capacity(10);
    /// assert!(map.capacity() >= 10);
    /// ```
    pub fn with_capacity(capacity: usize) -> Self {
        Self::with_capacity_and_hasher(capacity, RandomState::new())
    }
}

impl<K, V, S> JoinMap<K, V, S> {
    /// Makes an empty map that hashes keys with `hash_builder`.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinMap;
    /// use std::hash::{BuildHasherDefault, DefaultHasher};
    ///
    /// let hasher = BuildHasherDefault::<DefaultHasher>::default();
    /// let map: JoinMap<&str, u32, _> = JoinMap::with_hasher(hasher);
    /// assert!(map.is_empty());
    /// ```
    pub fn with_hasher(hash_builder: S) -> Self {
        Self::with_capacity_and_hasher(0, hash_builder)
    }

    /// Makes an empty map with room for `capacity` tasks, which hashes keys with `hash_builder`.
    pub fn with_capacity_and_hasher(capacity: usize, hash_builder: S) -> Self {
        Self {
            tasks: JoinSet::new(),
            entries: HashTable::with_capacity(capacity),
            hashes: HashMap::with_capacity(capacity),
            hasher: hash_builder,
        }
    }

    /// The number of tasks in the map: tasks that run, and tasks that have ended and weren't joined.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinMap;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut map = JoinMap::new();
    ///     assert!(map.is_empty());
    ///     map.spawn("a", async { 1 });
    ///     map.spawn("b", async { 2 });
    ///     assert_eq!(map.len(), 2);
    ///     map.join_next().await;
    ///     assert_eq!(map.len(), 1);
    /// }
    /// ```
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the map is empty.
    ///
    /// [`len`](Self::len) has an example.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// For how many tasks the map has room without allocating.
    ///
    /// [`with_capacity`](JoinMap::with_capacity) has an example.
    pub fn capacity(&self) -> usize {
        self.entries.capacity().min(self.hashes.capacity())
    }

    /// The keys of all tasks in the map, in no order.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinMap;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut map = JoinMap::new();
    ///     map.spawn("b", async { 2 });
    ///     map.spawn("a", async { 1 });
    ///     let mut keys: Vec<_> = map.keys().copied().collect();
    ///     keys.sort();
    ///     assert_eq!(keys, ["a", "b"]);
    /// }
    /// ```
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &K> + FusedIterator {
        self.entries.iter().map(|(key, _)| key)
    }

    /// Whether the task with this id is in the map.
    pub fn contains_task(&self, task: &Id) -> bool {
        self.hashes.contains_key(task)
    }

    /// Aborts the tasks for whose keys `predicate` returns true. They stay in the map, see [`abort`](Self::abort).
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinMap;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut map = JoinMap::new();
    ///     for number in 0..4 {
    ///         map.spawn(number, std::future::pending::<()>());
    ///     }
    ///     map.abort_matching(|number| number % 2 == 1);
    ///     let (one, _) = map.join_next().await.unwrap();
    ///     let (other, _) = map.join_next().await.unwrap();
    ///     assert_eq!(one + other, 1 + 3);
    /// }
    /// ```
    pub fn abort_matching(&mut self, mut predicate: impl FnMut(&K) -> bool) {
        for (key, task) in &self.entries {
            if predicate(key) {
                task.abort();
            }
        }
    }

    /// Aborts all tasks of the map. They stay in the map, see [`abort`](Self::abort).
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinMap;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut map = JoinMap::new();
    ///     map.spawn("endless", std::future::pending::<()>());
    ///     map.abort_all();
    ///     let (key, ended) = map.join_next().await.expect("it is still in the map");
    ///     assert_eq!(key, "endless");
    ///     assert!(ended.unwrap_err().is_cancelled());
    /// }
    /// ```
    pub fn abort_all(&mut self) {
        self.tasks.abort_all();
    }

    /// Takes all tasks out of the map. They run on.
    pub fn detach_all(&mut self) {
        self.tasks.detach_all();
        self.clear();
    }

    /// The keys may have any destructors.
    fn clear(&mut self) {
        self.hashes.clear();
        self.entries.clear();
    }
}

impl<K, V, S> JoinMap<K, V, S>
where
    K: Hash + Eq,
    V: 'static,
    S: BuildHasher,
{
    /// Spawns a task into the map, like [`task::spawn`](super::spawn). If there is a task with an equal key, that one is aborted and
    /// leaves the map: it isn't joined any more.
    ///
    /// # Panics
    /// Panics if called outside any runtime.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinMap;
    ///
    /// # #[heist::main]
    /// # async fn main() {
    /// let mut map = JoinMap::new();
    /// map.spawn("answer", async { 41 });
    /// map.spawn("answer", async { 42 });
    /// let (key, answer) = map.join_next().await.unwrap();
    /// assert_eq!((key, answer.unwrap()), ("answer", 42));
    /// assert!(map.join_next().await.is_none());
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn<F>(&mut self, key: K, task: F)
    where
        F: Future<Output = V> + Send + 'static,
        V: Send,
    {
        let task = self.tasks.spawn(task);
        self.insert(key, task);
    }

    /// Spawns a task into the map, on the runtime of `handle`. See [`spawn`](Self::spawn).
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Runtime;
    /// use heist::task::JoinMap;
    ///
    /// let runtime = Runtime::new()?;
    /// let mut map = JoinMap::new();
    /// map.spawn_on("answer", async { 6 * 7 }, runtime.handle());
    /// let (key, answer) = runtime.block_on(map.join_next()).expect("there is a task");
    /// assert_eq!((key, answer.expect("no panic")), ("answer", 42));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(&mut self, key: K, task: F, handle: &Handle)
    where
        F: Future<Output = V> + Send + 'static,
        V: Send,
    {
        let task = self.tasks.spawn_on(task, handle);
        self.insert(key, task);
    }

    /// Runs `f` on the blocking pool, as a task of the map. See [`spawn`](Self::spawn) and
    /// [`task::spawn_blocking`](super::spawn_blocking).
    ///
    /// # Panics
    /// Panics if called outside any runtime.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinMap;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut map = JoinMap::new();
    ///     map.spawn_blocking("answer", || 6 * 7);
    ///     let (key, answer) = map.join_next().await.expect("there is a task");
    ///     assert_eq!((key, answer.expect("no panic")), ("answer", 42));
    /// }
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, key: K, f: F)
    where
        F: FnOnce() -> V + Send + 'static,
        V: Send,
    {
        let task = self.tasks.spawn_blocking(f);
        self.insert(key, task);
    }

    /// Runs `f` on the blocking pool of the runtime of `handle`, as a task of the map. See [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, key: K, f: F, handle: &Handle)
    where
        F: FnOnce() -> V + Send + 'static,
        V: Send,
    {
        let task = self.tasks.spawn_blocking_on(f, handle);
        self.insert(key, task);
    }

    /// Spawns a task that need not be `Send` into the map, like [`task::spawn_local`](super::spawn_local). See
    /// [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// Panics if called outside a [`LocalSet`] and outside a [`LocalRuntime`](crate::runtime::LocalRuntime).
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::LocalRuntime;
    /// use heist::task::JoinMap;
    /// use std::rc::Rc;
    ///
    /// let runtime = LocalRuntime::new()?;
    /// runtime.block_on(async {
    ///     let text = Rc::new("not to be sent");
    ///     let mut map = JoinMap::new();
    ///     map.spawn_local("length", async move { text.len() });
    ///     let (_, length) = map.join_next().await.expect("there is a task");
    ///     assert_eq!(length.expect("no panic"), 14);
    /// });
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&mut self, key: K, task: F)
    where
        F: Future<Output = V> + 'static,
    {
        let task = self.tasks.spawn_local(task);
        self.insert(key, task);
    }

    /// Spawns a task into this map and into `local_set`. See [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, key: K, task: F, local_set: &LocalSet)
    where
        F: Future<Output = V> + 'static,
    {
        let task = self.tasks.spawn_local_on(task, local_set);
        self.insert(key, task);
    }

    /// Makes room for `additional` more tasks.
    pub fn reserve(&mut self, additional: usize) {
        let hasher = &self.hasher;
        self.entries
            .reserve(additional, |(key, _)| hasher.hash_one(key));
        self.hashes.reserve(additional);
    }

    /// Gives memory back that the tasks in the map don't need.
    pub fn shrink_to_fit(&mut self) {
        self.shrink_to(0);
    }

    /// Gives memory back that the tasks in the map don't need, but keeps room for `min_capacity`.
    pub fn shrink_to(&mut self, min_capacity: usize) {
        let hasher = &self.hasher;
        self.entries
            .shrink_to(min_capacity, |(key, _)| hasher.hash_one(key));
        self.hashes.shrink_to(min_capacity);
    }

    /// Whether there is a task with this key. A task that was aborted, or has ended, is in the map until it is joined.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinMap;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut map = JoinMap::new();
    ///     map.spawn("answer".to_string(), async { 42 });
    ///     assert!(map.contains_key("answer"));
    ///     map.join_next().await;
    ///     assert!(!map.contains_key("answer"));
    /// }
    /// ```
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        Q: ?Sized + Hash + Eq,
        K: Borrow<Q>,
    {
        self.find(key).is_some()
    }

    /// Aborts the task with this key. It stays in the map: joining it returns a cancelled error, or the output if the task had
    /// already ended. Returns whether there was one that had not ended.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinMap;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut map = JoinMap::new();
    ///     map.spawn("endless", std::future::pending::<()>());
    ///     assert!(map.abort("endless"));
    ///     assert!(!map.abort("unknown"));
    ///     let (_, ended) = map.join_next().await.expect("it is still in the map");
    ///     assert!(ended.unwrap_err().is_cancelled());
    /// }
    /// ```
    pub fn abort<Q>(&mut self, key: &Q) -> bool
    where
        Q: ?Sized + Hash + Eq,
        K: Borrow<Q>,
    {
        let running = self.find(key).filter(|task| !task.is_finished());
        running.map(AbortHandle::abort).is_some()
    }

    fn find<Q>(&self, key: &Q) -> Option<&AbortHandle>
    where
        Q: ?Sized + Hash + Eq,
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let entry = self.entries.find(hash, |(own, _)| own.borrow() == key);
        entry.map(|(_, task)| task)
    }

    /// Gives a task of `tasks` its key. If the code of a key panics, the task has no entry (M1).
    fn insert(&mut self, key: K, task: AbortHandle) {
        let (id, hasher) = (task.id(), &self.hasher);
        let hash = hasher.hash_one(&key);
        let equal = |(other, _): &(K, AbortHandle)| *other == key;
        let rehash = |(key, _): &(K, AbortHandle)| hasher.hash_one(key);
        match self.entries.entry(hash, equal, rehash) {
            Entry::Vacant(entry) => {
                entry.insert((key, task));
                self.hashes.insert(id, hash);
            }
            Entry::Occupied(mut entry) => {
                let (old, replaced) = std::mem::replace(entry.get_mut(), (key, task));
                self.hashes.remove(&replaced.id());
                self.hashes.insert(id, hash);
                replaced.abort();
                drop(old);
            }
        }
    }
}

impl<K, V: 'static, S> JoinMap<K, V, S> {
    /// Waits for the next task to end, takes it out of the map, and returns its key and its output. Tasks that have ended already
    /// come first, in the order in which they ended. Returns `None` if the map is empty.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: a task leaves the map only when its output is returned.
    ///
    /// [`JoinMap`] has an example.
    pub async fn join_next(&mut self) -> Option<(K, Result<V, JoinError>)> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// Takes a task that has ended out of the map and returns its key and its output, without waiting. Returns `None` if no task
    /// has ended, or the map is empty.
    ///
    /// # Examples
    /// ```
    /// use heist::task::{JoinMap, yield_now};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut map = JoinMap::new();
    ///     map.spawn("answer", async { 42 });
    ///     let (key, answer) = loop {
    ///         match map.try_join_next() {
    ///             Some(joined) => break joined,
    ///             None => yield_now().await,
    ///         }
    ///     };
    ///     assert_eq!((key, answer.expect("no panic")), ("answer", 42));
    /// }
    /// ```
    pub fn try_join_next(&mut self) -> Option<(K, Result<V, JoinError>)> {
        loop {
            let ended = self.tasks.try_join_next_with_id()?;
            if let Some(joined) = self.take(ended) {
                return Some(joined);
            }
        }
    }

    /// [`join_next`](Self::join_next) as a poll function: `Ready(None)` if the map is empty. After `Pending` the task
    /// of `cx` is woken when a task has ended. Only the waker of the last call is woken.
    #[allow(clippy::type_complexity)]
    pub fn poll_join_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(K, Result<V, JoinError>)>> {
        while !self.is_empty() {
            let Some(ended) = ready!(self.tasks.poll_join_next_with_id(cx)) else {
                break;
            };
            let joined = self.take(ended);
            if joined.is_some() {
                return Poll::Ready(joined);
            }
        }
        Poll::Ready(None)
    }

    /// Aborts all tasks, and waits until all have ended. Their outputs and panics are dropped.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the tasks aborted. Tasks that weren't joined stay in the map.
    ///
    /// # Examples
    /// ```
    /// use heist::task::JoinMap;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut map = JoinMap::new();
    ///     map.spawn("endless", std::future::pending::<()>());
    ///     map.shutdown().await;
    ///     assert!(map.is_empty());
    /// }
    /// ```
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while let Some((key, result)) = self.join_next().await {
            contain(|| drop(result));
            contain(|| drop(key));
        }
        // Those that were replaced.
        self.tasks.shutdown().await;
    }

    /// The key of a task that has ended. `None` if it has none (M1).
    fn take(&mut self, ended: Result<(Id, V), JoinError>) -> Option<(K, Result<V, JoinError>)> {
        let (id, result) = match ended {
            Ok((id, output)) => (id, Ok(output)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(hash) = self.hashes.remove(&id) else {
            contain(|| drop(result));
            return None;
        };
        let is_it = |(_, task): &(K, AbortHandle)| task.id() == id;
        let entry = self.entries.find_entry(hash, is_it).ok()?;
        let ((key, _), _) = entry.remove();
        Some((key, result))
    }
}

impl<K, V> Default for JoinMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V, S> fmt::Debug for JoinMap<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.entries.iter().map(|(key, task)| (key, task.id()));
        f.debug_map().entries(ids).finish()
    }
}
