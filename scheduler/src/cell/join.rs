//! The handles of a task.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use heist_sync::coop;
use heist_sync::protocol::contain;
use heist_sync::waits;

use super::error::JoinError;
use super::header::{RawTask, TaskRef};
use super::state::{Completed, Outcome};
use crate::id::Id;
use crate::thread;

/// The handle of a task: an owned permission to wait for its output.
///
/// Awaiting it returns `Ok(output)`, or a [`JoinError`] if the task panicked or was cancelled. Dropping it detaches the
/// task, which runs on.
///
/// # Cancel safety
/// Awaiting `&mut handle` in a `select!` loses nothing: the output stays until the handle returns it.
///
/// # Panics
/// Panics if polled again after it has returned the output.
///
/// # Examples
/// ```
/// use heist::time::{Duration, timeout};
///
/// #[heist::main]
/// async fn main() {
///     let mut task = heist::spawn(std::future::pending::<()>());
///     if timeout(Duration::from_millis(1), &mut task).await.is_err() {
///         task.abort();
///     }
///     assert!(task.await.expect_err("aborted").is_cancelled());
/// }
/// ```
pub struct JoinHandle<T> {
    raw: RawTask,
    _output: PhantomData<T>,
}

// SAFETY: the handle moves an output of type `T` between threads, and shares only the atomic state.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: a shared handle gives no access to the output.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}
impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// Takes over the handle's reference of a task whose output is `T`.
    pub(super) fn new(raw: RawTask) -> Self {
        Self {
            raw,
            _output: PhantomData,
        }
    }

    /// Cancels the task: its future is dropped before its next poll, and the handle returns a cancelled [`JoinError`].
    /// If the task is complete, or completes first, this does nothing. A blocking job that has begun runs to its end.
    ///
    /// [`JoinHandle`] has an example.
    pub fn abort(&self) {
        self.raw.follow(self.raw.header().state.abort());
    }

    /// Whether the task is complete. It may still be `false` right after [`abort`](Self::abort).
    ///
    /// # Examples
    /// ```
    /// use heist::task;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let task = heist::spawn(async {});
    ///     while !task.is_finished() {
    ///         task::yield_now().await;
    ///     }
    /// }
    /// ```
    pub fn is_finished(&self) -> bool {
        self.raw.header().state.is_complete()
    }

    /// Makes a handle that can only abort the task.
    ///
    /// # Examples
    /// ```
    /// let runtime = heist::runtime::Runtime::new()?;
    /// let task = runtime.spawn(std::future::pending::<()>());
    /// let abort = task.abort_handle();
    /// // The task's own handle can be moved elsewhere.
    /// let joined = std::thread::spawn(move || runtime.block_on(task));
    /// abort.abort();
    /// assert!(joined.join().unwrap().unwrap_err().is_cancelled());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle(TaskRef::again(self.raw))
    }

    /// The task's id.
    ///
    /// [`task::id`](crate::task::id) has an example.
    pub fn id(&self) -> Id {
        self.raw.header().id
    }

    /// Blocks this thread until the task ends. For threads that are in no runtime, or that may block.
    ///
    /// A task of a multi-thread runtime may call it too, like any `blocking_` operation: another thread takes over the
    /// worker meanwhile. But awaiting the handle costs less there.
    ///
    /// # Errors
    /// The same as for awaiting the handle.
    ///
    /// # Panics
    /// Panics on the thread of a current-thread runtime that runs tasks, and in a [`LocalSet`](crate::task::LocalSet) that is
    /// being polled: the task might have to run on this very thread.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let task = runtime.spawn(async { 6 * 7 });
    /// let joining = std::thread::spawn(|| task.blocking_join());
    /// assert_eq!(joining.join().expect("no panic").expect("no panic"), 42);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn blocking_join(self) -> Result<T, JoinError> {
        assert_may_block();
        heist_sync::protocol::block_on(self)
    }

    /// Like [`blocking_join`](Self::blocking_join), but waits for at most `timeout`. Returns `None` if the task hasn't
    /// ended by then. The task runs on, and the handle can be used again.
    ///
    /// # Errors
    /// The same as for awaiting the handle.
    ///
    /// # Panics
    /// The same as for [`blocking_join`](Self::blocking_join). Panics too if the handle has returned the output before.
    ///
    /// # Examples
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use heist::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let mut task = runtime.spawn(pending::<()>());
    /// assert!(task.blocking_join_timeout(Duration::from_millis(1)).is_none());
    /// task.abort();
    /// assert!(task.blocking_join().expect_err("aborted").is_cancelled());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn blocking_join_timeout(&mut self, timeout: Duration) -> Option<Result<T, JoinError>> {
        assert_may_block();
        heist_sync::protocol::block_on_for(self, timeout)
    }

    /// Takes the output, or leaves a waker for the completion.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        if self.register(cx.waker()).is_ok() {
            return Poll::Pending;
        }
        let mut output = Poll::Pending;
        // SAFETY: COMPLETE was seen, and `T` is the task's output type.
        unsafe { self.raw.take_output((&raw mut output).cast()) };
        output
    }

    /// Takes the output of a task that is complete.
    pub(crate) fn take_output(&mut self) -> Result<T, JoinError> {
        match self.poll_output(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => unreachable!("the task is complete"),
        }
    }

    /// Leaves a waker for the completion. Fails if the task is complete by then.
    fn register(&mut self, waker: &Waker) -> Result<(), Completed> {
        // The clones of the waker are user code, so they run before anything has changed.
        match self.raw.header().state.outcome() {
            Outcome::Complete => Err(Completed),
            // SAFETY: JOIN_WAKER is clear.
            Outcome::Open => unsafe { self.leave_waker(waker.clone()) },
            // SAFETY: this is the handle, and it set the bit itself. If the task completes now, the waker is woken.
            Outcome::Awaited if unsafe { self.raw.join_waker_is(waker) } => Ok(()),
            Outcome::Awaited => self.replace_waker(waker.clone()),
        }
    }

    /// Leaves a waker that differs from any left before. Fails if the task is complete by then.
    pub(crate) fn register_new(&mut self, waker: Waker) -> Result<(), Completed> {
        match self.raw.header().state.outcome() {
            Outcome::Complete => Err(Completed),
            // SAFETY: JOIN_WAKER is clear.
            Outcome::Open => unsafe { self.leave_waker(waker) },
            Outcome::Awaited => self.replace_waker(waker),
        }
    }

    #[cold]
    fn replace_waker(&mut self, waker: Waker) -> Result<(), Completed> {
        if self.raw.header().state.retract_join_waker().is_err() {
            drop_waker(waker);
            return Err(Completed);
        }
        // SAFETY: JOIN_WAKER was retracted before COMPLETE.
        unsafe { self.leave_waker(waker) }
    }

    /// # Safety
    /// JOIN_WAKER is clear, and COMPLETE was not seen before JOIN_WAKER was seen clear (S4).
    #[inline]
    unsafe fn leave_waker(&mut self, waker: Waker) -> Result<(), Completed> {
        // SAFETY: this is the handle; for the rest see above.
        let old = unsafe { self.raw.store_join_waker(waker) };
        let left = self.raw.header().state.publish_join_waker();
        // The new waker is in its place by now, because this drop is user code.
        if let Some(old) = old {
            drop_waker(old);
        }
        left
    }
}

#[cold]
fn drop_waker(waker: Waker) {
    contain(|| drop(waker));
}

/// Panics if blocking this thread could keep the awaited task from running.
#[track_caller]
fn assert_may_block() {
    assert!(
        !thread::drives() && !thread::polls_local(),
        "a task cannot be joined by blocking the thread that may have to run it: await its handle"
    );
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let progress = ready!(coop::poll_proceed(cx));
        let wait = self.raw.header().joined();
        let output = ready!(waits::noted(wait, self.poll_output(cx)));
        progress.made_progress();
        Poll::Ready(output)
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let state = &self.raw.header().state;
        if state.leave_at_birth() {
            return;
        }
        let leave = state.leave();
        if leave.drop_waker {
            // SAFETY: `leave` has handed the cell to us (S4).
            unsafe { self.raw.drop_join_waker() };
        }
        if leave.drop_output {
            // SAFETY: `leave` has seen COMPLETE, and this is the handle.
            unsafe { self.raw.drop_output() };
        }
        self.raw.drop_ref();
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.header().describe(f.debug_struct("JoinHandle"))
    }
}

/// An owned permission to abort a task. It can't get the task's output.
///
/// [`JoinHandle::abort_handle`] has an example.
#[derive(Clone)]
pub struct AbortHandle(TaskRef);

impl AbortHandle {
    /// The same as [`JoinHandle::abort`].
    ///
    /// [`JoinHandle::abort_handle`] has an example.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// The same as [`JoinHandle::is_finished`].
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.0.id()
    }
}

impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .raw()
            .header()
            .describe(f.debug_struct("AbortHandle"))
    }
}

/// A [`JoinHandle`] that aborts its task when it is dropped, instead of detaching it. Use it for a task that must not
/// outlive the future that awaits it.
///
/// # Cancel safety
/// Awaiting `&mut handle` in a `select!` loses nothing. Dropping the handle aborts the task.
///
/// # Examples
/// ```
/// use std::future::pending;
/// use heist::task::{self, AbortOnDropHandle};
///
/// #[heist::main]
/// async fn main() {
///     let task = AbortOnDropHandle::new(task::spawn(pending::<()>()));
///     let abort = task.abort_handle();
///     drop(task);
///     while !abort.is_finished() {
///         task::yield_now().await;
///     }
/// }
/// ```
#[must_use = "dropping the handle aborts the task"]
#[derive(Debug)]
pub struct AbortOnDropHandle<T>(Option<JoinHandle<T>>);

impl<T> AbortOnDropHandle<T> {
    /// Wraps a task's handle.
    ///
    /// [`AbortOnDropHandle`] has an example.
    pub fn new(handle: JoinHandle<T>) -> Self {
        Self(Some(handle))
    }

    /// Turns this into a handle that no longer aborts the task.
    ///
    /// # Examples
    /// ```
    /// use heist::task::AbortOnDropHandle;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let task = AbortOnDropHandle::new(heist::spawn(async { 42 }));
    ///     assert_eq!(task.detach().await.expect("no panic"), 42);
    /// }
    /// ```
    pub fn detach(mut self) -> JoinHandle<T> {
        self.0.take().expect("it is there until this or the drop")
    }
}

impl<T> std::ops::Deref for AbortOnDropHandle<T> {
    type Target = JoinHandle<T>;

    fn deref(&self) -> &JoinHandle<T> {
        self.0
            .as_ref()
            .expect("it is there until `detach` or the drop")
    }
}

impl<T> Future for AbortOnDropHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let handle = self.0.as_mut();
        let handle = handle.expect("it is there until `detach` or the drop");
        Pin::new(handle).poll(cx)
    }
}

impl<T> Drop for AbortOnDropHandle<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.abort();
        }
    }
}
