//! How the loop creates tasks: with a context, by the task factory, and watched in debug mode.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use heist_sync::sys::Mutex;
use pin_project_lite::pin_project;

use crate::event_loop::context::{Context, scope};
use crate::event_loop::{EventLoop, TaskFactory, TaskFuture};
use crate::task::{self, JoinHandle};

pin_project! {
    /// Times the polls of a future.
    struct Watched<F> {
        event_loop: EventLoop,
        location: &'static Location<'static>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.event_loop
            .watch("a poll of a task", this.location, || this.future.poll(cx))
    }
}

/// How a task of the loop is created. Made by [`EventLoop::task_builder`].
///
/// # Examples
///
/// ```
/// use heist::event_loop::EventLoop;
///
/// #[heist::main]
/// async fn main() {
///     let event_loop = EventLoop::current();
///     let task = event_loop.task_builder().name("answer").eager_start(true).spawn(async { 42 });
///     // It ran at once, up to its first wait.
///     assert!(task.is_finished());
/// }
/// ```
#[must_use = "nothing is spawned until `spawn`"]
pub struct TaskBuilder<'a> {
    event_loop: &'a EventLoop,
    name: Option<String>,
    context: Option<Context>,
    eager: bool,
}

impl EventLoop {
    /// Runs a future as a task of the loop's runtime. The task has a [context](crate::event_loop::context) of its own, which begins
    /// with what is inherited here. Otherwise this is [`Handle::spawn`](crate::runtime::Handle::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     let task = heist::event_loop::EventLoop::current().create_task(async { 1 + 1 });
    ///     assert_eq!(task.await.unwrap(), 2);
    /// }
    /// ```
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.task_builder().spawn(future)
    }

    /// Creates a task with a name, a context, or an eager start.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let event_loop = EventLoop::current();
    ///     // Polled at once, up to where it first waits.
    ///     let task = event_loop.task_builder().name("sum").eager_start(true).spawn(async { 1 + 1 });
    ///     assert_eq!(task.await.unwrap(), 2);
    /// }
    /// ```
    pub fn task_builder(&self) -> TaskBuilder<'_> {
        TaskBuilder {
            event_loop: self,
            name: None,
            context: None,
            eager: false,
        }
    }

    /// Spawns a task of the loop's own, which is no business of the task factory, with the caller's context. Reports show its
    /// name.
    pub(crate) fn spawn_own<F>(&self, name: &str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_named(name, scope(Context::inherited(), future))
    }

    /// Sets what every future goes through before [`create_task`](Self::create_task) spawns it. `None` removes it.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// static ENDED: AtomicUsize = AtomicUsize::new(0);
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let event_loop = EventLoop::current();
    ///     event_loop.set_task_factory(Some(Box::new(|_, task| {
    ///         task.wrap(|future| async {
    ///             future.await;
    ///             ENDED.fetch_add(1, Ordering::Relaxed);
    ///         })
    ///     })));
    ///     assert_eq!(event_loop.create_task(async { 5 }).await.unwrap(), 5);
    ///     assert_eq!(ENDED.load(Ordering::Relaxed), 1);
    /// }
    /// ```
    pub fn set_task_factory(&self, factory: Option<TaskFactory>) {
        self.replace_task_factory(factory.map(Arc::new));
    }
}

impl TaskBuilder<'_> {
    /// The task's name, for reports.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::time::Duration;
    ///
    /// let event_loop = EventLoop::builder().build()?;
    /// event_loop.task_builder().name("endless").spawn(std::future::pending::<()>());
    /// let report = event_loop.shutdown(Duration::ZERO);
    /// assert_eq!(report.tasks()[0].name(), Some("endless"));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The task's context, in the place of what is inherited.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, context::{Context, ContextVar}};
    ///
    /// static USER: ContextVar<u32> = ContextVar::new("user");
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut context = Context::new();
    /// context.run(|| USER.set(7));
    /// let task = EventLoop::current().task_builder().context(context).spawn(async { USER.get() });
    /// assert_eq!(task.await.unwrap(), Some(7));
    /// # }
    /// ```
    pub fn context(mut self, context: Context) -> Self {
        self.context = Some(context);
        self
    }

    /// Whether the task runs at once, up to its first wait: [`spawn_eager`](crate::task::spawn_eager). It has no name in
    /// reports then.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// let task = event_loop.task_builder().eager_start(true).spawn(async { 1 + 1 });
    /// // It ran at once, on this thread.
    /// assert!(task.is_finished());
    /// # }
    /// ```
    pub fn eager_start(mut self, eager: bool) -> Self {
        self.eager = eager;
        self
    }

    /// Spawns the task.
    ///
    /// # Panics
    ///
    /// Panics if the task factory does.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let task = EventLoop::current().task_builder().name("sum").spawn(async { 1 + 1 });
    /// assert_eq!(task.await.unwrap(), 2);
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_from(Location::caller(), future)
    }

    /// [`spawn`](Self::spawn) for a task that comes from there.
    #[track_caller]
    pub(crate) fn spawn_from<F>(
        mut self,
        location: &'static Location<'static>,
        future: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let context = self.context.take().unwrap_or_else(Context::inherited);
        let future = scope(context, future);
        match self.event_loop.get_task_factory() {
            None => self.watch(location, future),
            Some(factory) => {
                let (future, output) = erase(future);
                let made = TaskFuture::new(future, self.name.take(), location);
                let made = factory(self.event_loop, made);
                self.name = made.name().map(str::to_owned);
                self.watch(location, async move {
                    made.await;
                    let output = output.lock().take();
                    output.expect("the task factory's future ended before the task's own")
                })
            }
        }
    }

    #[track_caller]
    fn watch<F>(self, location: &'static Location<'static>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if self.event_loop.get_debug() {
            let event_loop = self.event_loop.clone();
            return self.finish(Watched {
                event_loop,
                location,
                future,
            });
        }
        self.finish(future)
    }

    #[track_caller]
    fn finish<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let handle = self.event_loop.handle();
        match self.name {
            _ if self.eager => handle.spawn_eager(future),
            None => handle.spawn(future),
            Some(name) => task::Builder::new()
                .name(&name)
                .spawn_on(future, handle)
                .expect("spawning a task never fails"),
        }
    }
}

/// A future that leaves its output in a place of its own.
fn erase<F>(
    future: F,
) -> (
    impl Future<Output = ()> + Send + 'static,
    Arc<Mutex<Option<F::Output>>>,
)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let output = Arc::new(Mutex::new(None));
    let place = output.clone();
    let erased = async move {
        let output = future.await;
        *place.lock() = Some(output);
    };
    (erased, output)
}

impl fmt::Debug for TaskBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBuilder")
            .field("name", &self.name)
            .field("eager", &self.eager)
            .finish_non_exhaustive()
    }
}
