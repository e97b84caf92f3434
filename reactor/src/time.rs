//! Sleeps, timeouts and intervals. They are exact to some tens of microseconds on Linux, and to a millisecond elsewhere.
//!
//! | to | use |
//! |---|---|
//! | wait for a while, or until a moment | [`sleep()`], [`sleep_until`] |
//! | give up waiting after a while, or at a moment | [`timeout()`], [`timeout_at`] |
//! | do something at regular intervals | [`interval()`], [`interval_at`] |
//! | measure time | [`Instant`] |
//! | test code that waits for a long time | [`pause`], [`advance`], [`resume`] |
//!
//! A sleep belongs to the runtime in which it is first polled. If that runtime is shut down, the sleep moves to the one in
//! which it is polled next. Outside of any runtime, on any executor, sleeps are served by a thread that starts at first use.
//!
//! Most timeouts never fire. Such a timeout is cheap: it takes no lock that threads share.

mod instant;
mod interval;
mod nursery;
mod paused;
mod sleep;
mod timeout;

pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use paused::{advance, pause, resume};
pub(crate) use sleep::serve_limits;
pub use sleep::{Sleep, sleep, sleep_until};
pub use std::time::Duration;
pub use timeout::{Timeout, timeout, timeout_at};

pub mod error {
    //! The errors of [`time`](super).
    pub use super::timeout::Elapsed;
}
