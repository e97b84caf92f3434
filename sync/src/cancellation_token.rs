//! Telling tasks to stop, and with them the tasks that they have started.
//!
//! The protocol is in `tree`. This file is the public face.

mod tree;

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use self::tree::Node;
use crate::coop;
use crate::park::block_on;
use crate::sys::Arc;
use crate::waiting::{KeptWaiter, Waiter};
use crate::waits::{self, Wait};

/// Tells tasks to stop.
///
/// All clones are the same token. Any of them can [`cancel`](Self::cancel) it, once and for good; any of them can ask
/// whether it is cancelled ([`is_cancelled`](Self::is_cancelled)) or wait for it ([`cancelled`](Self::cancelled)). If a
/// token is cancelled, so are its [children](Self::child_token); cancelling a child does not cancel its parent.
///
/// A tree of tokens may have any depth. A child that is dropped leaves nothing behind in its parent. If a token in the
/// middle is dropped, its parent takes over its children.
///
/// # Examples
///
/// ```
/// use heist::sync::CancellationToken;
///
/// let service = CancellationToken::new();
/// let (one, other) = (service.child_token(), service.child_token());
/// one.cancel();
/// assert!(!service.is_cancelled() && !other.is_cancelled());
/// service.cancel();
/// assert!(other.is_cancelled());
/// ```
///
/// A task that lets itself be stopped:
///
/// ```
/// use heist::sync::{CancellationToken, mpsc};
///
/// async fn work(mut jobs: mpsc::Receiver<u32>, stop: CancellationToken) -> u32 {
///     let mut done = 0;
///     while let Some(Some(_job)) = stop.run_until_cancelled(jobs.recv()).await {
///         done += 1;
///     }
///     done
/// }
///
/// #[heist::main]
/// async fn main() {
///     let (sender, jobs) = mpsc::channel(2);
///     let stop = CancellationToken::new();
///     let worker = heist::spawn(work(jobs, stop.clone()));
///     sender.send(1).await.expect("the worker listens");
///     stop.cancel();
///     assert!(worker.await.expect("no panic") <= 1);
/// }
/// ```
pub struct CancellationToken {
    node: Arc<Node>,
}

pin_project! {
    /// The future of [`CancellationToken::cancelled`].
    #[must_use = "futures do nothing unless polled"]
    pub struct WaitForCancellationFuture<'a> {
        token: &'a CancellationToken,
        #[pin]
        waiter: Waiter<'a, ()>,
    }
}

pin_project! {
    /// The future of [`CancellationToken::cancelled_owned`].
    #[must_use = "futures do nothing unless polled"]
    pub struct WaitForCancellationFutureOwned {
        // A handle, so that the node stays in its tree.
        token: CancellationToken,
        #[pin]
        waiter: KeptWaiter<Arc<Node>, ()>,
    }
}

/// Cancels its token when dropped. Made by [`CancellationToken::drop_guard`].
///
/// [`CancellationToken::drop_guard`] has an example.
#[derive(Debug)]
#[must_use = "the token is cancelled when this is dropped"]
pub struct DropGuard {
    /// `None` once it is disarmed.
    token: Option<CancellationToken>,
}

/// Cancels a borrowed token when dropped. Made by [`CancellationToken::drop_guard_ref`].
///
/// [`CancellationToken::drop_guard_ref`] has an example.
#[derive(Debug)]
#[must_use = "the token is cancelled when this is dropped"]
pub struct DropGuardRef<'a> {
    /// `None` once it is disarmed.
    token: Option<&'a CancellationToken>,
}

impl CancellationToken {
    /// Makes a token without a parent.
    ///
    /// [`CancellationToken`] has an example.
    pub fn new() -> Self {
        Self { node: Node::new() }
    }

    /// Makes a child of this token. It is cancelled when this token is, and can be cancelled by itself. If this token
    /// is cancelled already, so is the child.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// let grandchild = token.child_token().child_token();
    /// token.cancel();
    /// assert!(grandchild.is_cancelled());
    /// assert!(token.child_token().is_cancelled());
    /// ```
    pub fn child_token(&self) -> Self {
        Self {
            node: Node::child(&self.node),
        }
    }

    /// Cancels this token, its clones, and all its descendants. Does nothing if it is cancelled already.
    ///
    /// When this returns, all of them are cancelled. A task that sees a token cancelled sees its descendants cancelled
    /// too.
    ///
    /// [`CancellationToken`] has an example.
    pub fn cancel(&self) {
        Node::cancel(&self.node);
    }

    /// Whether the token has been cancelled.
    ///
    /// [`CancellationToken`] has an example.
    pub fn is_cancelled(&self) -> bool {
        self.node.is_cancelled()
    }

    /// Waits until the token is cancelled. Completes at once if it is cancelled already.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::CancellationToken;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let token = CancellationToken::new();
    ///     let stopped = token.clone();
    ///     let task = heist::spawn(async move { stopped.cancelled().await });
    ///     token.cancel();
    ///     task.await.unwrap();
    /// }
    /// ```
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        WaitForCancellationFuture {
            token: self,
            waiter: Waiter::new(self.node.queue(), ()),
        }
    }

    /// Like [`cancelled`](Self::cancelled), but the future owns the token.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::CancellationToken;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let token = CancellationToken::new();
    ///     // The future has no lifetime, so it can be spawned.
    ///     let task = heist::spawn(token.clone().cancelled_owned());
    ///     token.cancel();
    ///     task.await.unwrap();
    /// }
    /// ```
    pub fn cancelled_owned(self) -> WaitForCancellationFutureOwned {
        WaitForCancellationFutureOwned {
            waiter: KeptWaiter::new(self.node.clone(), Node::queue, ()),
            token: self,
        }
    }

    /// Like [`cancelled`](Self::cancelled), but blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = heist::sync::CancellationToken::new();
    /// std::thread::scope(|threads| {
    ///     threads.spawn(|| token.cancel());
    ///     token.blocking_cancelled();
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_cancelled(&self) {
        block_on(self.cancelled());
    }

    /// Makes a guard that cancels the token when it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// let guard = token.clone().drop_guard();
    /// drop(guard);
    /// assert!(token.is_cancelled());
    /// ```
    pub fn drop_guard(self) -> DropGuard {
        DropGuard { token: Some(self) }
    }

    /// Like [`drop_guard`](Self::drop_guard), for a borrowed token.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::CancellationToken;
    ///
    /// fn work(stop: &CancellationToken) -> Result<(), std::num::ParseIntError> {
    ///     // If this function fails, the others stop too.
    ///     let guard = stop.drop_guard_ref();
    ///     "many".parse::<u32>()?;
    ///     guard.disarm();
    ///     Ok(())
    /// }
    ///
    /// let stop = CancellationToken::new();
    /// assert!(work(&stop).is_err());
    /// assert!(stop.is_cancelled());
    /// ```
    pub fn drop_guard_ref(&self) -> DropGuardRef<'_> {
        DropGuardRef { token: Some(self) }
    }

    /// Runs `future` until it completes or the token is cancelled. If the token is cancelled first, `future` is
    /// dropped, and the output is `None`.
    ///
    /// If the token is cancelled already, `future` is never polled. After that, `future` is polled first: if both are
    /// ready at the same poll, the output is that of `future`.
    ///
    /// # Cancel safety
    ///
    /// The same as for `future`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::{pending, ready};
    ///
    /// use heist::sync::CancellationToken;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let token = CancellationToken::new();
    ///     assert_eq!(token.run_until_cancelled(ready(5)).await, Some(5));
    ///
    ///     let stopped = token.clone();
    ///     let endless = heist::spawn(async move { stopped.run_until_cancelled(pending::<()>()).await });
    ///     token.cancel();
    ///     assert_eq!(endless.await.unwrap(), None);
    /// }
    /// ```
    pub async fn run_until_cancelled<F: Future>(&self, future: F) -> Option<F::Output> {
        if self.is_cancelled() {
            return None;
        }
        RunUntil {
            future,
            cancelled: self.cancelled(),
        }
        .await
    }

    /// Like [`run_until_cancelled`](Self::run_until_cancelled), but the returned future owns the token.
    ///
    /// # Cancel safety
    ///
    /// The same as for `future`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::pending;
    ///
    /// use heist::sync::CancellationToken;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let token = CancellationToken::new();
    ///     let task = heist::spawn(token.clone().run_until_cancelled_owned(pending::<()>()));
    ///     token.cancel();
    ///     assert_eq!(task.await.unwrap(), None);
    /// }
    /// ```
    pub async fn run_until_cancelled_owned<F: Future>(self, future: F) -> Option<F::Output> {
        self.run_until_cancelled(future).await
    }
}

pin_project! {
    /// Runs until either ends.
    struct RunUntil<'a, F> {
        #[pin]
        future: F,
        #[pin]
        cancelled: WaitForCancellationFuture<'a>,
    }
}

impl<F: Future> Future for RunUntil<'_, F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Some(output));
        }
        this.cancelled.poll(cx).map(|()| None)
    }
}

/// Polls for the cancellation of `node`.
fn poll_cancelled(node: &Node, waiter: Pin<&mut Waiter<'_, ()>>, cx: &mut Context<'_>) -> Poll<()> {
    let unit = ready!(coop::poll_proceed(cx));
    if node.poll_cancelled(waiter, cx).is_pending() {
        // A cancellation is mostly a limit to something else, and that is what the task waits for.
        waits::note_if_none(Wait::Cancelled);
        return Poll::Pending;
    }
    unit.made_progress();
    Poll::Ready(())
}

impl Future for WaitForCancellationFuture<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        poll_cancelled(&this.token.node, this.waiter, cx)
    }
}

impl Future for WaitForCancellationFutureOwned {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (waiter, node) = self.project().waiter.parts();
        poll_cancelled(node, waiter, cx)
    }
}

impl Clone for CancellationToken {
    /// Makes another handle to the same token.
    fn clone(&self) -> Self {
        self.node.add_handle();
        Self {
            node: self.node.clone(),
        }
    }
}

impl Drop for CancellationToken {
    fn drop(&mut self) {
        self.node.drop_handle();
    }
}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

/// Clones of one token are equal, and no others are.
impl PartialEq for CancellationToken {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(&*self.node, &*other.node)
    }
}

impl Eq for CancellationToken {}

impl Hash for CancellationToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(&*self.node).hash(state);
    }
}

// A panic leaves the tree whole: no user code runs under its lock.
impl UnwindSafe for CancellationToken {}
impl RefUnwindSafe for CancellationToken {}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish()
    }
}

impl fmt::Debug for WaitForCancellationFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForCancellationFuture")
            .field("token", self.token)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WaitForCancellationFutureOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForCancellationFutureOwned")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl DropGuard {
    /// The token that this guard cancels.
    ///
    /// # Examples
    ///
    /// ```
    /// let guard = heist::sync::CancellationToken::new().drop_guard();
    /// let token = guard.token().clone();
    /// drop(guard);
    /// assert!(token.is_cancelled());
    /// ```
    pub fn token(&self) -> &CancellationToken {
        self.token.as_ref().expect("there until it is disarmed")
    }

    /// Takes the token out without cancelling it. Other guards of it stay armed.
    ///
    /// # Examples
    ///
    /// ```
    /// let guard = heist::sync::CancellationToken::new().drop_guard();
    /// let token = guard.disarm();
    /// assert!(!token.is_cancelled());
    /// ```
    pub fn disarm(mut self) -> CancellationToken {
        self.token.take().expect("there until it is disarmed")
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = &self.token {
            token.cancel();
        }
    }
}

impl<'a> DropGuardRef<'a> {
    /// The token that this guard cancels.
    ///
    /// # Examples
    ///
    /// ```
    /// let token = heist::sync::CancellationToken::new();
    /// let guard = token.drop_guard_ref();
    /// assert!(!guard.token().is_cancelled());
    /// ```
    pub fn token(&self) -> &CancellationToken {
        self.token.expect("there until it is disarmed")
    }

    /// Takes the token out without cancelling it. Other guards of it stay armed.
    ///
    /// [`CancellationToken::drop_guard_ref`] has an example.
    pub fn disarm(mut self) -> &'a CancellationToken {
        self.token.take().expect("there until it is disarmed")
    }
}

impl Drop for DropGuardRef<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.token {
            token.cancel();
        }
    }
}
