//! Settable futures: a [`Promise`] sets, a [`Future`] waits.
//!
//! The outcome is set once, in a cell that is read without a lock. After that the setter takes out all wakers and
//! callbacks, under the lock. Whoever adds one looks at the cell under the lock first. If the cell is empty, the setter
//! will come by later and find what was added. If not, nothing is added.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use heist_sync::sys::Mutex;

use super::base::EventLoop;

/// Why a [`Future`] has no result.
#[derive(Clone)]
pub struct FutureError(Reason);

#[derive(Clone)]
enum Reason {
    Cancelled,
    Exception(Arc<dyn Error + Send + Sync>),
}

impl FutureError {
    /// Whether the future was cancelled, or its promise dropped.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0, Reason::Cancelled)
    }

    /// The error that [`Promise::set_exception`] set, if it did.
    pub fn exception(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Reason::Cancelled => None,
            Reason::Exception(error) => Some(&**error),
        }
    }
}

impl fmt::Debug for FutureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Cancelled => f.write_str("Cancelled"),
            Reason::Exception(error) => f.debug_tuple("Exception").field(error).finish(),
        }
    }
}

impl fmt::Display for FutureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Cancelled => f.write_str("the future was cancelled"),
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

type Outcome<T> = Result<T, FutureError>;
type DoneCallback<T> = Box<dyn FnOnce(&Future<T>) + Send>;

struct Shared<T> {
    event_loop: EventLoop,
    outcome: OnceLock<Outcome<T>>,
    waiting: Mutex<Waiting<T>>,
}

struct Waiting<T> {
    next_id: u64,
    wakers: Vec<(u64, Waker)>,
    callbacks: Vec<(u64, DoneCallback<T>)>,
}

impl<T> Waiting<T> {
    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
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
    pub fn create_future<T: Send + Sync + 'static>(&self) -> (Promise<T>, Future<T>) {
        pair(self)
    }
}

fn pair<T: Send + Sync + 'static>(event_loop: &EventLoop) -> (Promise<T>, Future<T>) {
    let shared = Arc::new(Shared {
        event_loop: event_loop.clone(),
        outcome: OnceLock::new(),
        waiting: Mutex::new(Waiting {
            next_id: 0,
            wakers: Vec::new(),
            callbacks: Vec::new(),
        }),
    });
    let future = Future {
        shared: shared.clone(),
        waker: None,
    };
    (Promise { shared }, future)
}

impl<T: Send + Sync + 'static> Shared<T> {
    /// Sets the outcome, or returns it if there is one already.
    fn set(self: &Arc<Self>, outcome: Outcome<T>) -> Result<(), Outcome<T>> {
        self.outcome.set(outcome)?;
        let mut waiting = self.waiting.lock();
        let wakers = std::mem::take(&mut waiting.wakers);
        let callbacks = std::mem::take(&mut waiting.callbacks);
        drop(waiting);
        for (_, callback) in callbacks {
            self.schedule(callback);
        }
        for (_, waker) in wakers {
            waker.wake();
        }
        Ok(())
    }

    fn schedule(self: &Arc<Self>, callback: DoneCallback<T>) {
        let future = Future {
            shared: self.clone(),
            waker: None,
        };
        self.event_loop.call_soon(move || callback(&future));
    }

    fn cancel(self: &Arc<Self>) -> bool {
        self.set(Err(FutureError(Reason::Cancelled))).is_ok()
    }
}

impl<T> Shared<T> {
    fn is_cancelled(&self) -> bool {
        matches!(self.outcome.get(), Some(Err(error)) if error.is_cancelled())
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
    pub fn done(&self) -> bool {
        self.shared.outcome.get().is_some()
    }

    /// Whether the future was cancelled. Then nobody wants the result.
    pub fn cancelled(&self) -> bool {
        self.shared.is_cancelled()
    }

    /// The future that this promise sets.
    pub fn future(&self) -> Future<T> {
        Future {
            shared: self.shared.clone(),
            waker: None,
        }
    }
}

impl<T: Send + Sync + 'static> Drop for Promise<T> {
    fn drop(&mut self) {
        if !self.done() {
            self.shared.cancel();
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
        self.shared.cancel()
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
    pub fn add_done_callback(&self, callback: impl FnOnce(&Self) + Send + 'static) -> CallbackId {
        let mut waiting = self.shared.waiting.lock();
        let id = waiting.id();
        if self.done() {
            drop(waiting);
            self.shared.schedule(Box::new(callback));
        } else {
            waiting.callbacks.push((id, Box::new(callback)));
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
        let mut waiting = self.shared.waiting.lock();
        let found = waiting
            .callbacks
            .iter()
            .position(|(other, _)| *other == id.0);
        let removed = found.map(|index| waiting.callbacks.remove(index));
        drop(waiting);
        removed.is_some()
    }
}

impl<T> Future<T> {
    /// Whether the future has a result or an error.
    pub fn done(&self) -> bool {
        self.shared.outcome.get().is_some()
    }

    /// Whether the future was cancelled.
    pub fn cancelled(&self) -> bool {
        self.shared.is_cancelled()
    }

    /// The outcome, if the future is done.
    pub fn result(&self) -> Option<Result<&T, &FutureError>> {
        self.shared.outcome.get().map(Result::as_ref)
    }

    fn forget_waker(&mut self) {
        let Some(id) = self.waker.take() else {
            return;
        };
        let mut waiting = self.shared.waiting.lock();
        let found = waiting.wakers.iter().position(|(other, _)| *other == id);
        let removed = found.map(|index| waiting.wakers.swap_remove(index));
        drop(waiting);
        drop(removed);
    }
}

impl<T: Clone> std::future::Future for Future<T> {
    type Output = Result<T, FutureError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(outcome) = self.shared.outcome.get() {
            return Poll::Ready(outcome.clone());
        }
        let waker = cx.waker().clone();
        let mut waiting = self.shared.waiting.lock();
        if let Some(outcome) = self.shared.outcome.get() {
            drop(waiting);
            return Poll::Ready(outcome.clone());
        }
        let mine = self.waker;
        let old = match waiting.wakers.iter_mut().find(|(id, _)| Some(*id) == mine) {
            Some((_, old)) => Some(std::mem::replace(old, waker)),
            None => {
                let id = waiting.id();
                waiting.wakers.push((id, waker));
                drop(waiting);
                self.waker = Some(id);
                return Poll::Pending;
            }
        };
        drop(waiting);
        drop(old);
        Poll::Pending
    }
}

impl<T> Clone for Future<T> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            waker: None,
        }
    }
}

impl<T> Drop for Future<T> {
    fn drop(&mut self) {
        self.forget_waker();
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
