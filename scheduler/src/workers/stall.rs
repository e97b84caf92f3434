//! The report of a poll that delays other tasks. The lookout detects such polls (`lookout.rs`).

use std::fmt;
use std::panic::Location;
use std::sync::Arc as StdArc;
use std::task::{Wake, Waker};
use std::time::Duration;

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::hints::AtomicU64;

use crate::cell::{Id, TaskRef};

/// A function that is told of stalls.
pub(crate) type OnStall = StdArc<dyn Fn(&Stall) + Send + Sync>;

/// What a runtime was told to do about stalls, and how many there were.
pub(crate) struct Stalls {
    pub(crate) threshold: Duration,
    pub(crate) on_stall: Option<OnStall>,
    count: AtomicU64,
}

impl Stalls {
    pub(crate) fn new(threshold: Duration, on_stall: Option<OnStall>) -> Self {
        Self {
            threshold,
            on_stall,
            count: AtomicU64::new(0),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        // Ordering: hint only.
        self.count.load(Ordering::Relaxed)
    }

    /// A report, as a waker: waking it makes the report.
    pub(super) fn report(&self, stall: Stall) -> Waker {
        // Ordering: hint only.
        self.count.fetch_add(1, Ordering::Relaxed);
        let on_stall = self.on_stall.clone();
        Waker::from(StdArc::new(Report { on_stall, stall }))
    }
}

/// A report that is made by waking it. The reactor thread calls wakers in such a way that one that blocks delays
/// nothing else.
struct Report {
    on_stall: Option<OnStall>,
    stall: Stall,
}

impl Wake for Report {
    fn wake(self: StdArc<Self>) {
        match &self.on_stall {
            Some(on_stall) => on_stall(&self.stall),
            None => self.stall.trace(),
        }
    }
}

/// A poll that has taken longer than the threshold while other tasks waited for its worker.
///
/// It is given to [`Builder::on_stall`](crate::runtime::Builder::on_stall) while the poll goes on.
///
/// # Examples
/// ```
/// use heist::runtime::Builder;
///
/// let runtime = Builder::new_multi_thread()
///     .on_stall(|stall| {
///         let name = stall.task_name().unwrap_or("a task without a name");
///         eprintln!("{name} has kept worker {} for {:?}", stall.worker(), stall.duration());
///         if let Some(place) = stall.spawned_at() {
///             eprintln!("it was spawned at {place}");
///         }
///     })
///     .build()?;
/// # drop(runtime);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
pub struct Stall {
    task: Id,
    name: Option<String>,
    location: Option<&'static Location<'static>>,
    worker: usize,
    duration: Duration,
    thread_state: Option<String>,
}

impl Stall {
    /// A poll of `worker` that has lasted for `duration`. `task` is the task with that id, if it still exists.
    pub(super) fn new(
        id: Id,
        task: Option<TaskRef>,
        worker: usize,
        duration: Duration,
        thread_state: Option<String>,
    ) -> Self {
        let task = task.as_ref();
        Self {
            task: id,
            name: task.and_then(|task| task.name().map(str::to_owned)),
            location: task.map(TaskRef::location),
            worker,
            duration,
            thread_state,
        }
    }

    /// The task that is being polled.
    pub fn task_id(&self) -> Id {
        self.task
    }

    /// The name of the task, if it has one.
    pub fn task_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where the task was spawned. `None` if the task ended while the report was made.
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        self.location
    }

    /// The number of the worker that is in the poll.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// How long the poll has taken so far, at least.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// What the operating system says that the thread does: it runs, or where in the kernel it sleeps. `None` if the
    /// system doesn't say.
    pub fn thread_state(&self) -> Option<&str> {
        self.thread_state.as_deref()
    }
}

impl Stall {
    #[cfg(feature = "tracing")]
    fn trace(&self) {
        tracing::warn!(
            target: "heist::stall",
            task = %self.task,
            name = self.name.as_deref(),
            spawned_at = self.location.map(tracing::field::display),
            worker = self.worker,
            duration_ms = self.duration.as_millis() as u64,
            thread_state = self.thread_state.as_deref(),
            "a poll holds other tasks up",
        );
    }

    #[cfg(not(feature = "tracing"))]
    fn trace(&self) {}
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} polls task {}", self.worker, self.task)?;
        if let Some(name) = &self.name {
            write!(f, " ({name:?})")?;
        }
        if let Some(location) = self.location {
            write!(f, ", spawned at {location}")?;
        }
        write!(f, ", since {:?}, and others wait", self.duration)?;
        match &self.thread_state {
            Some(state) => write!(f, "; its thread: {state}"),
            None => Ok(()),
        }
    }
}
