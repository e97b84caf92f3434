//! What a runtime can tell about itself. It is always on.

use std::fmt;
use std::ops::Range;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use heist_sync::sys::Arc;
use heist_sync::sys::atomic::Ordering;

use crate::workers::figures::{self, Histogram};
use crate::workers::shared::Shared;

/// Figures about a runtime. Reading a figure changes nothing. Figures of different kinds are not of the same instant.
///
/// Made by [`Handle::metrics`](crate::runtime::Handle::metrics).
///
/// # Examples
/// ```
/// use heist::runtime::Builder;
///
/// let runtime = Builder::new_current_thread().build()?;
/// let task = runtime.spawn(async { 6 * 7 });
/// let metrics = runtime.metrics();
/// assert_eq!((metrics.num_alive_tasks(), metrics.worker_poll_count(0)), (1, 0));
///
/// runtime.block_on(task).expect("no panic");
/// assert_eq!((metrics.num_alive_tasks(), metrics.spawned_tasks_count()), (0, 1));
/// assert!(metrics.worker_poll_count(0) >= 1);
/// # std::io::Result::Ok(())
/// ```
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

    /// The number of regular workers.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().worker_threads(2).build()?;
    /// let metrics = runtime.metrics();
    /// assert_eq!(metrics.num_workers(), 2);
    /// for worker in 0..metrics.num_workers() {
    ///     let (polls, steals) = (metrics.worker_poll_count(worker), metrics.worker_steal_count(worker));
    ///     println!("worker {worker}: {polls} polls, {steals} steals");
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn num_workers(&self) -> usize {
        self.shared.crew.regular()
    }

    /// The number of spare workers at the moment. They work in place of workers whose poll takes long.
    pub fn num_spare_workers(&self) -> usize {
        self.shared.crew.spares()
    }

    /// How many polls have held up other tasks for longer than the threshold. See
    /// [`Builder::on_stall`](crate::runtime::Builder::on_stall).
    pub fn stall_count(&self) -> u64 {
        self.shared.stalls.count()
    }

    /// The number of tasks that aren't complete. Blocking jobs don't count.
    ///
    /// [`RuntimeMetrics`] has an example.
    pub fn num_alive_tasks(&self) -> usize {
        self.shared.alive.tasks.live()
    }

    /// How many tasks have been spawned. Tasks that were refused by a shutdown count, blocking jobs don't.
    ///
    /// [`RuntimeMetrics`] has an example.
    pub fn spawned_tasks_count(&self) -> u64 {
        self.shared.alive.tasks.total()
    }

    /// How many times a worker was woken, or a thread was sent to one, because there was work for it.
    pub fn wake_count(&self) -> u64 {
        // Ordering: hint only.
        self.shared.wakes.load(Ordering::Relaxed)
    }

    /// How many tasks have come to the workers from outside: from other threads, and from the reactor thread.
    pub fn remote_schedule_count(&self) -> u64 {
        // Ordering: hint only.
        self.shared.injections.load(Ordering::Relaxed)
    }

    /// How many times the worker has put a task into its own queues.
    #[track_caller]
    pub fn worker_local_schedule_count(&self, worker: usize) -> u64 {
        self.shared.remotes[worker].counters.pushes.get()
    }

    /// The number of tasks in the worker's own queues.
    #[track_caller]
    pub fn worker_local_queue_depth(&self, worker: usize) -> usize {
        self.shared.remotes[worker].open.depth()
    }

    /// How long the worker's polls take on average. One poll in 64 is timed, and each has a weight of a tenth in a
    /// moving average. Zero until a poll was timed.
    #[track_caller]
    pub fn worker_mean_poll_time(&self, worker: usize) -> Duration {
        Duration::from_nanos(self.shared.remotes[worker].counters.mean_poll_nanos.get())
    }

    /// Always true: one poll in 64 is timed, which costs next to nothing.
    pub fn poll_time_histogram_enabled(&self) -> bool {
        true
    }

    /// The number of buckets in the histogram of poll times.
    ///
    /// [`poll_time_histogram_bucket_count`](Self::poll_time_histogram_bucket_count) has an example.
    pub fn poll_time_histogram_num_buckets(&self) -> usize {
        figures::BUCKETS
    }

    /// The poll times that a bucket counts. The first bucket counts those under 256 ns, each next one those up to twice
    /// as long, and the last all that are longer.
    ///
    /// # Panics
    /// Panics if there is no such bucket.
    ///
    /// [`poll_time_histogram_bucket_count`](Self::poll_time_histogram_bucket_count) has an example.
    #[track_caller]
    pub fn poll_time_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        Histogram::range(bucket)
    }

    /// How many of the worker's timed polls, one in 64, fell into a bucket. A poll in which the task blocked in place
    /// isn't timed.
    ///
    /// # Panics
    /// Panics if there is no such worker or no such bucket.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let metrics = runtime.metrics();
    /// for bucket in 0..metrics.poll_time_histogram_num_buckets() {
    ///     let range = metrics.poll_time_histogram_bucket_range(bucket);
    ///     let polls = metrics.poll_time_histogram_bucket_count(0, bucket);
    ///     println!("{range:?}: {polls}");
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn poll_time_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        self.shared.remotes[worker]
            .counters
            .poll_times
            .count(bucket)
    }

    /// How many tasks waited for their poll for a time that falls into a bucket. The buckets have the ranges of
    /// [`poll_time_histogram_bucket_range`](Self::poll_time_histogram_bucket_range). The wait begins when the worker itself
    /// queues the task. One task in 64 is timed. A task that another worker has stolen isn't counted, so if there is much
    /// stealing the figures are those of the tasks that stayed.
    ///
    /// # Panics
    /// Panics if there is no such worker or no such bucket.
    ///
    /// [`poll_time_histogram_bucket_count`](Self::poll_time_histogram_bucket_count) has an example.
    #[track_caller]
    pub fn schedule_latency_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        self.shared.remotes[worker].counters.latencies.count(bucket)
    }

    /// The number of blocking jobs that wait for a thread.
    pub fn blocking_queue_depth(&self) -> usize {
        self.shared.driver.pool().queue_depth()
    }

    /// The number of tasks in the queue for tasks from outside the workers.
    pub fn global_queue_depth(&self) -> usize {
        self.shared.injector.len()
    }

    /// How many times the worker has polled a task.
    ///
    /// # Panics
    /// Panics if there is no place for a worker of that number, as all methods that take a worker do. Beyond the
    /// [regular workers](Self::num_workers) there are places for spare workers and for workers that were dismissed.
    ///
    /// [`num_workers`](Self::num_workers) has an example.
    #[track_caller]
    pub fn worker_poll_count(&self, worker: usize) -> u64 {
        self.shared.remotes[worker].counters.polls.get()
    }

    /// How many times the worker has found work in another worker's queue.
    ///
    /// [`num_workers`](Self::num_workers) has an example.
    #[track_caller]
    pub fn worker_steal_count(&self, worker: usize) -> u64 {
        self.shared.remotes[worker].counters.steals.get()
    }

    /// How many times the worker has gone to sleep.
    #[track_caller]
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        self.worker_park_unpark_count(worker).div_ceil(2)
    }

    /// How many times the worker has gone to sleep and woken up, together. It is odd while the worker sleeps.
    #[track_caller]
    pub fn worker_park_unpark_count(&self, worker: usize) -> u64 {
        self.shared.remotes[worker].counters.parks_and_unparks.get()
    }

    /// How long the worker has been awake in total, up to now.
    #[track_caller]
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        let busy = &self.shared.remotes[worker].counters.busy;
        Duration::from_nanos(busy.total(self.shared.nanos()))
    }

    /// The number of threads in the blocking pool.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let metrics = runtime.metrics();
    /// let job = runtime.spawn_blocking(|| ());
    /// runtime.block_on(job).expect("no panic");
    /// println!("{} threads, {} idle", metrics.num_blocking_threads(), metrics.num_idle_blocking_threads());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn num_blocking_threads(&self) -> usize {
        self.shared.driver.pool().num_threads()
    }

    /// The number of threads in the blocking pool that wait for a job.
    ///
    /// [`num_blocking_threads`](Self::num_blocking_threads) has an example.
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
