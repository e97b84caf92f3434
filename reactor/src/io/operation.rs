//! What the async functions of the `…Ext` traits have in common: one future, which polls an operation.

use std::fmt;
use std::future::Future;
use std::io::{ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use heist_sync::coop;

/// An operation on an `S`. It keeps what it needs to know from one poll to the next.
pub trait Operation<S: ?Sized> {
    /// What it gives.
    type Output;

    /// Goes on with it.
    fn poll(&mut self, io: Pin<&mut S>, cx: &mut Context<'_>) -> Poll<Result<Self::Output>>;
}

/// The future of an async function of [`AsyncReadExt`](super::AsyncReadExt) and its like.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Operate<'a, S: ?Sized, O> {
    io: &'a mut S,
    operation: O,
}

impl<'a, S: ?Sized, O> Operate<'a, S, O> {
    pub(super) fn new(io: &'a mut S, operation: O) -> Self {
        Self { io, operation }
    }
}

// Nothing in it is pinned: `S` is behind a reference.
impl<S: ?Sized, O> Unpin for Operate<'_, S, O> {}

impl<S: ?Sized + Unpin, O: Operation<S>> Future for Operate<'_, S, O> {
    type Output = Result<O::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.operation.poll(Pin::new(&mut *this.io), cx)
    }
}

impl<S: ?Sized, O> fmt::Debug for Operate<'_, S, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operate").finish_non_exhaustive()
    }
}

/// Polls one step after the other until one gives the result. One that was interrupted is polled again. Each step after
/// the first costs a unit of the budget.
pub(super) fn poll_each<T>(
    cx: &mut Context<'_>,
    mut step: impl FnMut(&mut Context<'_>) -> Poll<Result<Option<T>>>,
) -> Poll<Result<T>> {
    loop {
        match ready!(step(cx)) {
            Ok(Some(result)) => return Poll::Ready(Ok(result)),
            Err(error) if error.kind() != ErrorKind::Interrupted => return Poll::Ready(Err(error)),
            Ok(None) | Err(_) => ready!(coop::poll_proceed(cx)).made_progress(),
        }
    }
}
