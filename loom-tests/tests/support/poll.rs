//! Futures in models: driven to their end on a model thread, or polled once and given up.
#![allow(dead_code, unused_imports)] // Each model file uses its part.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub(crate) use heist_sync::protocol::block_on;

/// Polls `future` once, with a waker that does nothing, and drops it.
pub(crate) fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
