//! The future of a task, whatever its type, as a task factory sees it.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The future of a task that is about to be spawned. A [`TaskFactory`](crate::event_loop::TaskFactory) gets it, and returns what is
/// spawned in its place.
pub struct TaskFuture {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    name: Option<String>,
    location: &'static Location<'static>,
}

impl TaskFuture {
    pub(crate) fn new(
        future: impl Future<Output = ()> + Send + 'static,
        name: Option<String>,
        location: &'static Location<'static>,
    ) -> Self {
        Self {
            future: Box::pin(future),
            name,
            location,
        }
    }

    /// The task's name, if it has one.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// event_loop.set_task_factory(Some(Box::new(|_, task| {
    ///     assert_eq!(task.name(), Some("answer"));
    ///     task
    /// })));
    /// let task = event_loop.task_builder().name("answer").spawn(async { 42 });
    /// assert_eq!(task.await.unwrap(), 42);
    /// # }
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Gives the task a name.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// event_loop.set_task_factory(Some(Box::new(|_, task| {
    ///     let task = task.with_name("answer");
    ///     assert_eq!(task.name(), Some("answer"));
    ///     task
    /// })));
    /// assert_eq!(event_loop.create_task(async { 42 }).await.unwrap(), 42);
    /// # }
    /// ```
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Where the task is created.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// event_loop.set_task_factory(Some(Box::new(|_, task| {
    ///     assert_eq!(task.location().file(), file!());
    ///     task
    /// })));
    /// assert_eq!(event_loop.create_task(async { 42 }).await.unwrap(), 42);
    /// # }
    /// ```
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// Puts another future in the place of this one, which `wrap` gets and which has to complete first. If the new
    /// future completes before it, the task panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// static ENDED: AtomicBool = AtomicBool::new(false);
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// event_loop.set_task_factory(Some(Box::new(|_, task| {
    ///     task.wrap(|future| async { future.await; ENDED.store(true, Ordering::Relaxed) })
    /// })));
    /// assert_eq!(event_loop.create_task(async { 42 }).await.unwrap(), 42);
    /// assert!(ENDED.load(Ordering::Relaxed));
    /// # }
    /// ```
    pub fn wrap<F>(self, wrap: impl FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self {
            future: Box::pin(wrap(self.future)),
            ..self
        }
    }
}

impl Future for TaskFuture {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.future.as_mut().poll(cx)
    }
}

impl fmt::Debug for TaskFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskFuture")
            .field("name", &self.name)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}
