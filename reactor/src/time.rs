//! Sleeps, timeouts and intervals. They are exact to some tens of microseconds on Linux, and to a millisecond elsewhere.
//!
//! A sleep belongs to the runtime in which it is first polled. If that runtime is shut down, the sleep moves to the one in
//! which it is polled next. Outside of any runtime, on any executor, sleeps are served by a thread that starts at first use.
//!
//! In a test, time may stand still, and jump to the next deadline when nothing else is left to do: see [`pause`].
//!
//! A timeout that doesn't fire, as most don't, is cheap: it takes no lock that threads share.

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
