//! How tasks wait for each other: every primitive of heist that needs only a [`Waker`](std::task::Waker).
//!
//! Nothing in here knows an executor, so all of it works on any. The front door is the crate `heist`, whose
//! `sync` module re-exports these types.

pub mod coop;
#[doc(hidden)]
pub mod sys;
