//! What a runtime can tell of itself, without any switch.

use std::fmt;
use std::ops::Range;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use heist_sync::sys::Arc;
use heist_sync::sys::atomic::Ordering;

use crate::workers::figures::{self, Histogram};
use crate::workers::shared::Shared;

/// A runtime's figures. Taking one changes nothing; figures of different kinds aren't of the same instant.
///
/// Obtained by [`Handle::metrics`](crate::runtime::Handle::metrics).
#[derive(Clone)]
pub struct RuntimeMetrics {
    shared: Arc<Shared>,
}

impl UnwindSafe for RuntimeMetrics {}

impl RefUnwindSafe for RuntimeMetrics {}

impl RuntimeMetrics {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// How many regular workers the runtime has.
    pub fn num_workers(&self) -> usize {
        self.shared.crew.regular()
    }

    /// How many spare workers there are at the moment: they stand in for workers whose poll takes long.
    pub fn num_spare_workers(&self) -> usize {
        self.shared.crew.spares()
    }

    /// How many polls have held others up for longer than the threshold. See
    /// [`Builder::on_stall`](crate::runtime::Builder::on_stall).
    pub fn stall_count(&self) -> u64 {
        self.shared.stalls.count()
    }

    /// How many tasks aren't complete, blocking jobs left out.
    pub fn num_alive_tasks(&self) -> usize {
        self.shared.alive.tasks.live()
    }

    /// How many tasks have been spawned, those that were refused by a shutdown included and blocking jobs left out.
    pub fn spawned_tasks_count(&self) -> u64 {
        self.shared.alive.tasks.total()
    }

    /// How many times a worker was woken, or a thread sent to one, by whoever had work for it.
    pub fn wake_count(&self) -> u64 {
        // Ordering: hint only.
        self.shared.wakes.load(Ordering::Relaxed)
    }

    /// How many tasks have come to the workers from outside them: from other threads, and from the reactor thread.
    pub fn remote_schedule_count(&self) -> u64 {
        // Ordering: hint only.
        self.shared.injections.load(Ordering::Relaxed)
    }

    /// How many times the worker has queued a task in its own queues.
    #[track_caller]
    pub fn worker_local_schedule_count(&self, worker: usize) -> u64 {
        self.shared.remotes[worker].counters.pushes.get()
    }

    /// How many tasks lie in the worker's own queues.
    #[track_caller]
    pub fn worker_local_queue_depth(&self, worker: usize) -> usize {
        self.shared.remotes[worker].open.depth()
    }

    /// How long the worker's polls last on average: a moving average of the polls that are timed, one in 64, where each
    /// weighs a tenth. Zero until one was.
    #[track_caller]
    pub fn worker_mean_poll_time(&self, worker: usize) -> Duration {
        Duration::from_nanos(self.shared.remotes[worker].counters.mean_poll_nanos.get())
    }

    /// Always: one poll in 64 is timed, which costs next to nothing.
    pub fn poll_time_histogram_enabled(&self) -> bool {
        true
    }

    /// How many buckets the histogram of poll times has.
    pub fn poll_time_histogram_num_buckets(&self) -> usize {
        figures::BUCKETS
    }

    /// Which poll times a bucket holds: the first those under 256 ns, each next one those up to twice as long, the last
    /// all that are longer.
    ///
    /// # Panics
    /// If there are no more than `bucket` of them.
    #[track_caller]
    pub fn poll_time_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        Histogram::range(bucket)
    }

    /// How many of the worker's polls that were timed, one in 64, fell into a bucket. A poll in which the task blocked in
    /// place isn't timed.
    ///
    /// # Panics
    /// If there is no such worker, or no such bucket.
    #[track_caller]
    pub fn poll_time_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        self.shared.remotes[worker]
            .counters
            .poll_times
            .count(bucket)
    }

    /// How many of the tasks that a worker queued itself, one in 64 taken, waited how long until it polled them: the
    /// count of a bucket, whose range
    /// [`poll_time_histogram_bucket_range`](Self::poll_time_histogram_bucket_range) gives. A task that another worker has stolen isn't counted, so where there is
    /// much stealing the figures are those of the tasks that stayed.
    ///
    /// # Panics
    /// If there is no such worker, or no such bucket.
    #[track_caller]
    pub fn schedule_latency_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        self.shared.remotes[worker].counters.latencies.count(bucket)
    }

    /// How many blocking jobs wait for a thread.
    pub fn blocking_queue_depth(&self) -> usize {
        self.shared.driver.pool().queue_depth()
    }

    /// How many tasks wait in the queue that is fed from outside the workers.
    pub fn global_queue_depth(&self) -> usize {
        self.shared.injector.len()
    }

    /// How often the worker has polled a task.
    ///
    /// # Panics
    /// As all that ask for a worker: where there is no place for one of that number. Beyond the
    /// [regular](Self::num_workers) ones there are those of the spares, and of workers that were dismissed.
    #[track_caller]
    pub fn worker_poll_count(&self, worker: usize) -> u64 {
        self.shared.remotes[worker].counters.polls.get()
    }

    /// How often the worker has found work in another's queue.
    #[track_caller]
    pub fn worker_steal_count(&self, worker: usize) -> u64 {
        self.shared.remotes[worker].counters.steals.get()
    }

    /// How often the worker has gone to sleep.
    #[track_caller]
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        self.shared.remotes[worker].counters.parks.get()
    }

    /// For how long the worker has been awake, the stretch included in which it is now.
    #[track_caller]
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        let counters = &self.shared.remotes[worker].counters;
        let stretch = match counters.awake_since.get() {
            0 => 0,
            since => self.shared.nanos().saturating_sub(since),
        };
        Duration::from_nanos(counters.busy_nanos.get() + stretch)
    }

    /// How many threads the blocking pool has.
    pub fn num_blocking_threads(&self) -> usize {
        self.shared.driver.pool().num_threads()
    }

    /// How many threads of the blocking pool wait for a job.
    pub fn num_idle_blocking_threads(&self) -> usize {
        self.shared.driver.pool().num_idle()
    }
}

impl fmt::Debug for RuntimeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeMetrics")
            .field("num_workers", &self.num_workers())
            .field("num_alive_tasks", &self.num_alive_tasks())
            .field("global_queue_depth", &self.global_queue_depth())
            .finish_non_exhaustive()
    }
}
