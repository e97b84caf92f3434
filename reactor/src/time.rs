//! Sleeps, timeouts and intervals, kept to tens of microseconds where the system can (Linux), to a millisecond
//! elsewhere.
//!
//! They work on any executor: a sleep belongs to the reactor of whoever polls it first, which outside a runtime of
//! heist is the default one, and moves to another where that one is shut down.
//!
//! Making and dropping a timeout that never fires, the usual life of a timer, takes no lock that threads share.

mod instant;
mod interval;
mod nursery;
mod sleep;
mod timeout;

pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub(crate) use sleep::serve_limits;
pub use sleep::{Sleep, sleep, sleep_until};
pub use std::time::Duration;
pub use timeout::{Timeout, timeout, timeout_at};

pub mod error {
    //! The errors of [`time`](super).
    pub use super::timeout::Elapsed;
}
