//! What a worker counts.

use super::figures::{Counter, Histogram};

/// What a worker counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) polls: Counter,
    /// The id of the task that it polls or polled last; 0 while it sleeps.
    pub(crate) polled: Counter,
    /// How many budgeted operations its polls have done.
    pub(crate) operations: Counter,
    pub(crate) steals: Counter,
    /// How many times it has gone to sleep and woken up. It is odd while the worker sleeps.
    pub(crate) parks_and_unparks: Counter,
    /// How long it has been awake, in nanoseconds, up to the last time it went to sleep.
    pub(crate) busy_nanos: Counter,
    /// Since when it has been awake, in nanoseconds from the runtime's start; 0 while it sleeps.
    pub(crate) awake_since: Counter,
    /// How many tasks it has queued in its own queues.
    pub(crate) pushes: Counter,
    /// The lengths of the polls that were timed.
    pub(crate) poll_times: Histogram,
    pub(crate) mean_poll_nanos: Counter,
    /// How long tasks that it queued waited until it polled them.
    pub(crate) latencies: Histogram,
}
