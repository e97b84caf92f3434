//! Settable futures: a [`Promise`] sets, a [`Future`] waits. Who waits for what is in [`Outcome`].

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use heist_sync::sys::hints::AtomicBool;

use super::outcome::Outcome;
use crate::event_loop::{EventLoop, ExceptionContext, context};

/// Why a [`Future`] has no result.
#[derive(Clone)]
pub struct FutureError(Reason);

#[derive(Clone)]
enum Reason {
    Cancelled(Option<Arc<str>>),
    Exception(Arc<dyn Error + Send + Sync>),
}

impl FutureError {
    /// Whether the future was cancelled, or its promise dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (promise, future) = EventLoop::current().create_future::<u32>();
    /// drop(promise);
    /// assert!(future.await.unwrap_err().is_cancelled());
    /// # }
    /// ```
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Reason::Cancelled(_))
    }

    /// The message that [`Future::cancel_with`] was given.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (_promise, future) = EventLoop::current().create_future::<u32>();
    /// future.cancel_with("the user has gone");
    /// assert_eq!(future.await.unwrap_err().cancel_message(), Some("the user has gone"));
    /// # }
    /// ```
    pub fn cancel_message(&self) -> Option<&str> {
        match &self.0 {
            Reason::Cancelled(message) => message.as_deref(),
            Reason::Exception(_) => None,
        }
    }

    /// The error that [`Promise::set_exception`] set, if it did.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (promise, future) = EventLoop::current().create_future::<u32>();
    /// promise.set_exception("no luck").unwrap();
    /// assert_eq!(future.await.unwrap_err().exception().unwrap().to_string(), "no luck");
    /// # }
    /// ```
    pub fn exception(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Reason::Cancelled(_) => None,
            Reason::Exception(error) => Some(&**error),
        }
    }
}

impl fmt::Debug for FutureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Cancelled(message) => f.debug_tuple("Cancelled").field(message).finish(),
            Reason::Exception(error) => f.debug_tuple("Exception").field(error).finish(),
        }
    }
}

impl fmt::Display for FutureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Cancelled(None) => f.write_str("the future was cancelled"),
            Reason::Cancelled(Some(message)) => write!(f, "the future was cancelled: {message}"),
            Reason::Exception(error) => write!(f, "the future failed: {error}"),
        }
    }
}

impl Error for FutureError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.exception()
    }
}

/// The future was done already. It holds the value that could not be set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InvalidState<T>(pub T);

impl<T> fmt::Debug for InvalidState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidState").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for InvalidState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the future is done already")
    }
}

impl<T> Error for InvalidState<T> {}

/// Identifies a done-callback, to remove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallbackId(u64);

type Settled<T> = Result<T, FutureError>;
type Callback<T> = Box<dyn FnOnce(&Future<T>) + Send>;

/// A done-callback, and where it was added.
struct DoneCallback<T> {
    callback: Callback<T>,
    context: context::Context,
    location: &'static Location<'static>,
}

struct Shared<T> {
    event_loop: EventLoop,
    /// Where the future was made.
    location: &'static Location<'static>,
    outcome: Outcome<Settled<T>, DoneCallback<T>>,
    /// Whether anyone has looked at the outcome.
    // Ordering: Relaxed throughout: the last owner reads it, and its Arc orders that after all writes.
    retrieved: AtomicBool,
}

impl EventLoop {
    /// Makes a future that is not done, and the promise that sets it.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main(flavor = "current_thread")]
    /// async fn main() {
    ///     let (promise, future) = heist::event_loop::EventLoop::current().create_future();
    ///     promise.set_result("done").unwrap();
    ///     assert_eq!(future.await.unwrap(), "done");
    /// }
    /// ```
    #[track_caller]
    pub fn create_future<T: Send + Sync + 'static>(&self) -> (Promise<T>, Future<T>) {
        let shared = Arc::new(Shared {
            event_loop: self.clone(),
            location: Location::caller(),
            outcome: Outcome::new(),
            retrieved: AtomicBool::new(false),
        });
        let future = Future::of(&shared);
        (Promise { shared }, future)
    }

    /// Runs a Rust future as a task, and returns it as a [`Future`] of the loop, which has its output as its result. If
    /// the task panics, that is the future's exception. Cancelling the future aborts the task.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     let event_loop = heist::event_loop::EventLoop::current();
    ///     let future = event_loop.ensure_future(async { 6 * 7 });
    ///     future.add_done_callback(|future| assert_eq!(future.result().unwrap().unwrap(), &42));
    ///     assert_eq!(future.await.unwrap(), 42);
    /// }
    /// ```
    #[track_caller]
    pub fn ensure_future<F>(&self, future: F) -> Future<F::Output>
    where
        F: std::future::Future + Send + 'static,
        F::Output: Send + Sync + 'static,
    {
        self.bridge(future, |promise, output| {
            // It may have been cancelled meanwhile.
            let _ = promise.set_result(output);
        })
    }

    /// As [`ensure_future`](Self::ensure_future), for a Rust future that may fail. Its error is the future's exception.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     let event_loop = heist::event_loop::EventLoop::current();
    ///     let future = event_loop.ensure_try_future(async { "x".parse::<u8>() });
    ///     assert!(future.await.unwrap_err().exception().is_some());
    /// }
    /// ```
    #[track_caller]
    pub fn ensure_try_future<F, T, E>(&self, future: F) -> Future<T>
    where
        F: std::future::Future<Output = Result<T, E>> + Send + 'static,
        T: Send + Sync + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        self.bridge(future, |promise, output| {
            // It may have been cancelled meanwhile.
            let _ = match output {
                Ok(result) => promise.set_result(result).map_err(drop),
                Err(error) => promise.set_exception(error).map_err(drop),
            };
        })
    }

    #[track_caller]
    fn bridge<F, T>(
        &self,
        future: F,
        settle: impl FnOnce(&Promise<T>, F::Output) + Send + 'static,
    ) -> Future<T>
    where
        F: std::future::Future + Send + 'static,
        T: Send + Sync + 'static,
    {
        let (promise, settled) = self.create_future();
        let task = async move {
            let mut future = pin!(future);
            let polled = std::future::poll_fn(|cx| {
                match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                    Ok(Poll::Pending) => Poll::Pending,
                    Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
                    Err(payload) => Poll::Ready(Err(payload)),
                }
            });
            match polled.await {
                Ok(output) => settle(&promise, output),
                Err(payload) => drop(promise.set_exception(Panicked::new(payload))),
            }
        };
        let context = context::Context::inherited();
        let task = self.handle().spawn(context::scope(context, task));
        let abort = task.abort_handle();
        settled.add_done_callback(move |future| {
            if future.cancelled() {
                abort.abort();
            }
        });
        settled
    }
}

/// A task panicked, with this message.
#[derive(Debug)]
struct Panicked(String);

impl Panicked {
    fn new(payload: Box<dyn Any + Send>) -> Self {
        let context = ExceptionContext::new("").with_panic(payload);
        Self(context.panic_message().unwrap_or("not a string").to_owned())
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task panicked: {}", self.0)
    }
}

impl Error for Panicked {}

impl<T: Send + Sync + 'static> Shared<T> {
    /// Sets the outcome, or returns it if there is one already.
    fn set(self: &Arc<Self>, outcome: Settled<T>) -> Result<(), Settled<T>> {
        let schedule = |callback| self.schedule(callback);
        self.outcome.set(outcome, schedule, |waker| {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                let context = ExceptionContext::new("the waker of a future's waiter panicked");
                self.event_loop
                    .call_exception_handler(context.at(self.location).with_panic(payload));
            }
        })
    }

    fn schedule(self: &Arc<Self>, done: DoneCallback<T>) {
        let future = Future::of(self);
        let DoneCallback {
            callback,
            mut context,
            location,
        } = done;
        self.event_loop
            .call_soon_from(location, move || context.run(|| callback(&future)));
    }

    fn cancel(self: &Arc<Self>, message: Option<Arc<str>>) -> bool {
        self.set(Err(FutureError(Reason::Cancelled(message))))
            .is_ok()
    }
}

impl<T> Shared<T> {
    fn is_cancelled(&self) -> bool {
        matches!(self.outcome.get(), Some(Err(error)) if error.is_cancelled())
    }

    /// The outcome, for someone who looks at it.
    fn retrieve(&self) -> Option<&Settled<T>> {
        let outcome = self.outcome.get()?;
        self.retrieved.store(true, Ordering::Relaxed);
        Some(outcome)
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.outcome.get()
            && !error.is_cancelled()
            && !self.retrieved.load(Ordering::Relaxed)
        {
            let context = ExceptionContext::new("a future's exception was never retrieved");
            let context = context.at(self.location).with_error(error.clone());
            self.event_loop.call_exception_handler(context);
        }
    }
}

/// The side of a settable future that sets it. Made by [`EventLoop::create_future`].
///
/// If it is dropped before it is set, the future is cancelled, so nobody waits for ever.
pub struct Promise<T: Send + Sync + 'static> {
    shared: Arc<Shared<T>>,
}

impl<T: Send + Sync + 'static> Promise<T> {
    /// Completes the future with a result.
    ///
    /// # Errors
    ///
    /// Fails if the future is done already, cancelled for instance. The error holds the value.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main(flavor = "current_thread")]
    /// async fn main() {
    ///     let (promise, future) = heist::event_loop::EventLoop::current().create_future();
    ///     assert!(promise.set_result(1).is_ok());
    ///     assert!(promise.set_result(2).is_err());
    ///     assert_eq!(future.await.unwrap(), 1);
    /// }
    /// ```
    pub fn set_result(&self, result: T) -> Result<(), InvalidState<T>> {
        self.shared
            .set(Ok(result))
            .map_err(|refused| match refused {
                Ok(result) => InvalidState(result),
                Err(_) => unreachable!("what is refused is what was to be set"),
            })
    }

    /// Completes the future with an error.
    ///
    /// # Errors
    ///
    /// Fails if the future is done already, cancelled for instance.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main(flavor = "current_thread")]
    /// async fn main() {
    ///     let (promise, future) = heist::event_loop::EventLoop::current().create_future::<u32>();
    ///     promise.set_exception("no luck").unwrap();
    ///     assert_eq!(future.await.unwrap_err().exception().unwrap().to_string(), "no luck");
    /// }
    /// ```
    pub fn set_exception(
        &self,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Result<(), InvalidState<()>> {
        let error = FutureError(Reason::Exception(error.into().into()));
        self.shared.set(Err(error)).map_err(|_| InvalidState(()))
    }

    /// Whether the future is done: set, or cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (promise, _future) = EventLoop::current().create_future();
    /// assert!(!promise.done());
    /// promise.set_result(1).unwrap();
    /// assert!(promise.done());
    /// # }
    /// ```
    pub fn done(&self) -> bool {
        self.shared.outcome.get().is_some()
    }

    /// Whether the future was cancelled. Then nobody wants the result.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (promise, future) = EventLoop::current().create_future::<u32>();
    /// assert!(!promise.cancelled());
    /// future.cancel();
    /// assert!(promise.cancelled());
    /// # }
    /// ```
    pub fn cancelled(&self) -> bool {
        self.shared.is_cancelled()
    }

    /// The future that this promise sets.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (promise, _) = EventLoop::current().create_future();
    /// let future = promise.future();
    /// promise.set_result(1).unwrap();
    /// assert_eq!(future.await.unwrap(), 1);
    /// # }
    /// ```
    pub fn future(&self) -> Future<T> {
        Future::of(&self.shared)
    }
}

impl<T: Send + Sync + 'static> Drop for Promise<T> {
    fn drop(&mut self) {
        if !self.done() {
            self.shared.cancel(None);
        }
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise")
            .field("done", &self.done())
            .finish_non_exhaustive()
    }
}

/// The side of a settable future that waits. Made by [`EventLoop::create_future`].
///
/// Its clones are the same future: several tasks may await it, each its own clone, and each gets a clone of the result.
///
/// # Cancel safety
///
/// Dropping it, or a `select!` over it, changes nothing for other tasks. Only [`cancel`](Self::cancel) does.
///
/// # Examples
///
/// ```
/// #[heist::main]
/// async fn main() {
///     let (promise, future) = heist::event_loop::EventLoop::current().create_future();
///     let task = heist::spawn(future.clone());
///     promise.set_result("for both").unwrap();
///     assert_eq!(future.await.unwrap(), "for both");
///     assert_eq!(task.await.unwrap().unwrap(), "for both");
/// }
/// ```
pub struct Future<T> {
    shared: Arc<Shared<T>>,
    /// Which of the wakers belongs to this clone.
    waker: Option<u64>,
}

impl<T: Send + Sync + 'static> Future<T> {
    /// Cancels the future: whoever awaits it gets an error. Returns whether it was not done before.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main(flavor = "current_thread")]
    /// async fn main() {
    ///     let (promise, future) = heist::event_loop::EventLoop::current().create_future::<u32>();
    ///     assert!(future.cancel());
    ///     assert!(promise.cancelled() && promise.set_result(1).is_err());
    ///     assert!(future.await.unwrap_err().is_cancelled());
    /// }
    /// ```
    pub fn cancel(&self) -> bool {
        self.shared.cancel(None)
    }

    /// As [`cancel`](Self::cancel), with a message for those who await it.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main(flavor = "current_thread")]
    /// async fn main() {
    ///     let (_promise, future) = heist::event_loop::EventLoop::current().create_future::<u32>();
    ///     future.cancel_with("the user has gone");
    ///     assert_eq!(future.await.unwrap_err().cancel_message(), Some("the user has gone"));
    /// }
    /// ```
    pub fn cancel_with(&self, message: impl Into<String>) -> bool {
        self.shared.cancel(Some(message.into().into()))
    }

    /// Calls `callback` with this future once it is done, as if by [`EventLoop::call_soon`] at that moment. If the
    /// future is done already, this happens at once.
    ///
    /// The callbacks of one future run in the order in which they were added.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     let event_loop = heist::event_loop::EventLoop::current();
    ///     let (promise, future) = event_loop.create_future();
    ///     let (seen, saw) = event_loop.create_future();
    ///     future.add_done_callback(move |future| seen.set_result(*future.result().unwrap().unwrap()).unwrap());
    ///     promise.set_result(5).unwrap();
    ///     assert_eq!(saw.await.unwrap(), 5);
    /// }
    /// ```
    #[track_caller]
    pub fn add_done_callback(&self, callback: impl FnOnce(&Self) + Send + 'static) -> CallbackId {
        let (id, refused) = self.shared.outcome.add(DoneCallback {
            callback: Box::new(callback),
            context: context::Context::inherited(),
            location: Location::caller(),
        });
        if let Some(callback) = refused {
            self.shared.schedule(callback);
        }
        CallbackId(id)
    }

    /// Removes a callback, unless the future is done. Returns whether it did.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     let (_promise, future) = heist::event_loop::EventLoop::current().create_future::<()>();
    ///     let id = future.add_done_callback(|_| unreachable!());
    ///     assert!(future.remove_done_callback(id));
    ///     assert!(!future.remove_done_callback(id));
    /// }
    /// ```
    pub fn remove_done_callback(&self, id: CallbackId) -> bool {
        self.shared.outcome.remove(id.0).is_some()
    }

    /// The loop that the future belongs to, and that runs its callbacks.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (_promise, future) = EventLoop::current().create_future::<u32>();
    /// assert_eq!(*future.get_loop(), EventLoop::current());
    /// # }
    /// ```
    pub fn get_loop(&self) -> &EventLoop {
        &self.shared.event_loop
    }
}

impl<T> Future<T> {
    fn of(shared: &Arc<Shared<T>>) -> Self {
        Self {
            shared: shared.clone(),
            waker: None,
        }
    }

    /// Whether the future has a result or an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (promise, future) = EventLoop::current().create_future();
    /// assert!(!future.done());
    /// promise.set_result(1).unwrap();
    /// assert!(future.done());
    /// # }
    /// ```
    pub fn done(&self) -> bool {
        self.shared.outcome.get().is_some()
    }

    /// Whether the future was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (promise, future) = EventLoop::current().create_future::<u32>();
    /// assert!(!future.cancelled());
    /// drop(promise);
    /// assert!(future.cancelled());
    /// # }
    /// ```
    pub fn cancelled(&self) -> bool {
        self.shared.is_cancelled()
    }

    /// The outcome, if the future is done.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (promise, future) = EventLoop::current().create_future();
    /// assert!(future.result().is_none());
    /// promise.set_result(1).unwrap();
    /// assert_eq!(future.result().unwrap().unwrap(), &1);
    /// # }
    /// ```
    pub fn result(&self) -> Option<Result<&T, &FutureError>> {
        self.shared.retrieve().map(Result::as_ref)
    }

    /// The error that [`Promise::set_exception`] set. `None` if the future is not done, was cancelled, or has a result.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main(flavor = "current_thread")]
    /// async fn main() {
    ///     let (promise, future) = heist::event_loop::EventLoop::current().create_future::<u32>();
    ///     assert!(future.exception().is_none());
    ///     promise.set_exception("no luck").unwrap();
    ///     assert_eq!(future.exception().unwrap().to_string(), "no luck");
    /// }
    /// ```
    pub fn exception(&self) -> Option<&(dyn Error + 'static)> {
        self.result()?.err()?.exception()
    }
}

impl<T: Clone> std::future::Future for Future<T> {
    type Output = Result<T, FutureError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { shared, waker } = &mut *self;
        if !shared.outcome.wait(waker, cx.waker()) {
            return Poll::Pending;
        }
        *waker = None;
        let outcome = shared.retrieve().expect("it has been seen");
        Poll::Ready(outcome.clone())
    }
}

impl<T> Clone for Future<T> {
    fn clone(&self) -> Self {
        Self::of(&self.shared)
    }
}

impl<T> Drop for Future<T> {
    fn drop(&mut self) {
        if let Some(place) = self.waker.take() {
            self.shared.outcome.forget(place);
        }
    }
}

impl<T> fmt::Debug for Future<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Future")
            .field("done", &self.done())
            .field("cancelled", &self.cancelled())
            .finish_non_exhaustive()
    }
}
