//! Spawning tasks with a name into a set.

use std::future::Future;
use std::io;

use super::JoinSet;
use crate::cell::AbortHandle;
use crate::runtime::Handle;
use crate::task::builder;
use crate::task::local::LocalSet;

/// Spawns tasks with a name into a [`JoinSet`]. Made by [`JoinSet::build_task`]. See [`task::Builder`](crate::task::Builder).
///
/// # Examples
/// ```
/// use heist::task::JoinSet;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let mut set = JoinSet::new();
///     set.build_task().name("parser").spawn(async { 1 })?;
///     set.build_task().name("reader").spawn_blocking(|| 2)?;
///     assert_eq!(set.join_all().await.iter().sum::<i32>(), 3);
///     Ok(())
/// }
/// ```
#[must_use = "builders do nothing unless used to spawn a task"]
pub struct Builder<'a, T> {
    set: &'a mut JoinSet<T>,
    builder: builder::Builder<'a>,
}

impl<'a, T: 'static> Builder<'a, T> {
    pub(super) fn new(set: &'a mut JoinSet<T>) -> Self {
        Self {
            set,
            builder: builder::Builder::new(),
        }
    }

    /// Sets the task's name.
    ///
    /// [`Builder`] has an example.
    pub fn name(self, name: &'a str) -> Self {
        Self {
            builder: self.builder.name(name),
            ..self
        }
    }

    /// Like [`JoinSet::spawn`].
    ///
    /// # Errors
    /// The same as for [`task::Builder::spawn`](crate::task::Builder::spawn).
    ///
    /// # Panics
    /// Panics if called outside any runtime.
    ///
    /// [`Builder`] has an example.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.builder.spawn(future)?))
    }

    /// Like [`JoinSet::spawn_on`].
    ///
    /// # Errors
    /// The same as for [`task::Builder::spawn_on`](crate::task::Builder::spawn_on).
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.builder.spawn_on(future, handle)?))
    }

    /// Like [`JoinSet::spawn_local`].
    ///
    /// # Errors
    /// The same as for [`task::Builder::spawn_local`](crate::task::Builder::spawn_local).
    ///
    /// # Panics
    /// Panics if called outside a [`LocalSet`] and outside a [`LocalRuntime`](crate::runtime::LocalRuntime).
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.set.insert(self.builder.spawn_local(future)?))
    }

    /// Like [`JoinSet::spawn_local_on`].
    ///
    /// # Errors
    /// The same as for [`task::Builder::spawn_local_on`](crate::task::Builder::spawn_local_on).
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        let handle = self.builder.spawn_local_on(future, local_set)?;
        Ok(self.set.insert(handle))
    }

    /// Like [`JoinSet::spawn_blocking`].
    ///
    /// # Errors
    /// The same as for [`task::Builder::spawn_blocking`](crate::task::Builder::spawn_blocking).
    ///
    /// # Panics
    /// Panics if called outside any runtime.
    ///
    /// [`Builder`] has an example.
    #[track_caller]
    pub fn spawn_blocking<F>(self, f: F) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.builder.spawn_blocking(f)?))
    }

    /// Like [`JoinSet::spawn_blocking_on`].
    ///
    /// # Errors
    /// The same as for [`task::Builder::spawn_blocking_on`](crate::task::Builder::spawn_blocking_on).
    #[track_caller]
    pub fn spawn_blocking_on<F>(self, f: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.builder.spawn_blocking_on(f, handle)?))
    }
}

impl<T> std::fmt::Debug for Builder<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("join_set::Builder")
            .field("set", self.set)
            .field("builder", &self.builder)
            .finish()
    }
}
