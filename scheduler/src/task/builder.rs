//! Spawning tasks with a name.

use std::future::Future;
use std::io;

use super::api::NO_RUNTIME;
use super::local::{self, LocalSet};
use crate::cell::{Id, JoinHandle, Origin};
use crate::runtime::{Handle, blocking, entered};
use crate::workers::home;

/// Spawns tasks with a name. Reports of stalls and shutdowns show it.
///
/// The spawning methods return an [`io::Result`], as in tokio. At present all of them succeed.
///
/// # Examples
/// ```
/// use heist::task;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let task = task::Builder::new().name("the answer").spawn(async { 42 })?;
///     assert_eq!(task.await.expect("no panic"), 42);
///     Ok(())
/// }
/// ```
#[derive(Debug, Default, Clone)]
pub struct Builder<'a> {
    name: Option<&'a str>,
}

impl<'a> Builder<'a> {
    /// Makes a builder of tasks without a name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the task's name. It is copied when the task is spawned. Names need not be unique.
    ///
    /// [`Builder`] has an example.
    #[must_use]
    pub fn name(&self, name: &'a str) -> Self {
        Self { name: Some(name) }
    }

    /// Like [`task::spawn`](super::spawn).
    ///
    /// # Errors
    /// None at present.
    ///
    /// # Panics
    /// Panics if called outside any runtime.
    ///
    /// [`Builder`] has an example.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match entered::try_spawn(future, Id::next(), self.origin()) {
            Ok(handle) => Ok(handle),
            Err(_) => panic!("{NO_RUNTIME}"),
        }
    }

    /// Like [`Handle::spawn`].
    ///
    /// # Errors
    /// None at present.
    ///
    /// # Examples
    /// ```
    /// use heist::{runtime::Runtime, task};
    ///
    /// let runtime = Runtime::new()?;
    /// let task = task::Builder::new().name("answer").spawn_on(async { 42 }, runtime.handle())?;
    /// assert_eq!(runtime.block_on(task).expect("no panic"), 42);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Ok(home::spawn(
            handle.shared(),
            future,
            Id::next(),
            self.origin(),
        ))
    }

    /// Like [`task::spawn_local`](super::spawn_local).
    ///
    /// # Errors
    /// None at present.
    ///
    /// # Panics
    /// Panics if called outside a [`LocalSet`] and outside a [`LocalRuntime`](crate::runtime::LocalRuntime).
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(local::spawn_here(future, self.origin()))
    }

    /// Like [`LocalSet::spawn_local`].
    ///
    /// # Errors
    /// None at present.
    #[track_caller]
    pub fn spawn_local_on<F>(
        self,
        future: F,
        local_set: &LocalSet,
    ) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(local_set.spawn_from(future, self.origin()))
    }

    /// Like [`task::spawn_blocking`](super::spawn_blocking).
    ///
    /// # Errors
    /// None at present. If a job gets no thread, its handle returns a cancelled error.
    ///
    /// # Panics
    /// Panics if called outside any runtime.
    ///
    /// # Examples
    /// ```
    /// use heist::task;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let job = task::Builder::new().name("answer").spawn_blocking(|| 42)?;
    ///     assert_eq!(job.await.expect("no panic"), 42);
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, f: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        match entered::current() {
            Some(shared) => Ok(blocking::spawn(&shared, f, self.origin())),
            None => panic!("{NO_RUNTIME}"),
        }
    }

    /// Like [`Handle::spawn_blocking`].
    ///
    /// # Errors
    /// None at present. If a job gets no thread, its handle returns a cancelled error.
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(self, f: F, handle: &Handle) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        Ok(blocking::spawn(handle.shared(), f, self.origin()))
    }

    #[track_caller]
    pub(super) fn origin(&self) -> Origin {
        Origin::with_name(self.name)
    }
}
