//! The report of a shutdown: what didn't end by itself.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use heist_sync::waits::Wait;

use crate::cell::{Id, TaskRef};
use crate::workers::shared::Shared;

/// How long a shutdown waits for threads once everything has been cancelled.
pub(super) const THREADS: Duration = Duration::from_secs(1);

/// How many lines the text of a report has for tasks at most, and for jobs.
const LINES: usize = 20;

/// The tasks and jobs that were left when the time was over.
pub(super) struct Left {
    tasks: Vec<(TaskRef, Wait)>,
    jobs: Vec<(TaskRef, Wait)>,
}

impl Left {
    pub(super) fn of(shared: &Shared) -> Self {
        let sorted = |mut all: Vec<TaskRef>| {
            all.sort_by_key(TaskRef::id);
            all.into_iter()
                .map(|task| {
                    let waits = task.waits_for();
                    (task, waits)
                })
                .collect()
        };
        Self {
            tasks: sorted(shared.alive.tasks.all()),
            jobs: sorted(shared.alive.jobs.all()),
        }
    }

    /// Makes the report. The runtime has ended, or the wait for that is over.
    pub(super) fn report(self, shared: &Shared) -> ShutdownReport {
        let list = |all: Vec<(TaskRef, Wait)>| all.iter().map(Unfinished::of).collect();
        ShutdownReport {
            tasks: list(self.tasks),
            blocking_jobs: list(self.jobs),
            threads: shared.driver.threads_left(),
        }
    }
}

/// How a [`Runtime::shutdown`](super::Runtime::shutdown) went. It implements `Display` with a text for people, one line
/// for each task.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use heist::runtime::Runtime;
///
/// let report = Runtime::new()?.shutdown(Duration::from_secs(5));
/// assert!(report.is_clean());
/// assert_eq!(report.to_string(), "everything ended by itself");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "it tells whether everything has ended"]
pub struct ShutdownReport {
    tasks: Vec<Unfinished>,
    blocking_jobs: Vec<Unfinished>,
    threads: usize,
}

impl ShutdownReport {
    /// Whether every task and every blocking job ended by itself, in time, and no thread was left behind.
    ///
    /// [`ShutdownReport`] has an example.
    pub fn is_clean(&self) -> bool {
        self.tasks.is_empty() && self.blocking_jobs.is_empty() && self.threads == 0
    }

    /// The tasks that had not ended by themselves when the time was over, sorted by id. They were cancelled.
    ///
    /// [`Runtime::shutdown`](super::Runtime::shutdown) has an example.
    pub fn tasks(&self) -> &[Unfinished] {
        &self.tasks
    }

    /// The blocking jobs that had not ended when the time was over, sorted by id. Jobs that ran were waited for a
    /// little longer. Jobs that hadn't begun never ran.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use heist::runtime::Runtime;
    ///
    /// let runtime = Runtime::new()?;
    /// let (begun, has_begun) = mpsc::channel();
    /// let (release, held) = mpsc::channel();
    /// runtime.spawn_blocking(move || {
    ///     begun.send(()).ok();
    ///     held.recv()
    /// });
    /// has_begun.recv().expect("it begins");
    /// let report = runtime.shutdown(Duration::from_millis(1));
    /// assert_eq!(report.blocking_jobs().len(), 1);
    /// release.send(()).expect("the job was left behind");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn blocking_jobs(&self) -> &[Unfinished] {
        &self.blocking_jobs
    }

    /// How many threads of the runtime were left behind because a poll or a blocking job doesn't return. It counts the
    /// threads in such a poll or job. For a task's poll it counts the workers and the reactor thread too, because none
    /// of them ends before all tasks have. They end when the poll or the job does. A thread that is held up by
    /// `on_thread_stop`, or by the destructor of a thread-local, counts too.
    pub fn num_threads_left(&self) -> usize {
        self.threads
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return f.write_str("everything ended by itself");
        }
        let counts = [
            (self.tasks.len(), "tasks"),
            (self.blocking_jobs.len(), "blocking jobs"),
        ];
        let mut first = true;
        for (count, what) in counts.into_iter().filter(|&(count, _)| count > 0) {
            let between = if std::mem::take(&mut first) { "" } else { ", " };
            write!(f, "{between}{what} that did not end in time: {count}")?;
        }
        if self.threads > 0 {
            let between = if first { "" } else { ", " };
            write!(f, "{between}threads left behind: {}", self.threads)?;
        }
        for all in [&self.tasks, &self.blocking_jobs] {
            for one in all.iter().take(LINES) {
                write!(f, "\n  {one}")?;
            }
            if let Some(more @ 1..) = all.len().checked_sub(LINES) {
                write!(f, "\n  and {more} more")?;
            }
        }
        Ok(())
    }
}

/// A task or a blocking job that did not end by itself before the shutdown's time was over.
///
/// [`Runtime::shutdown`](super::Runtime::shutdown) has an example.
#[derive(Debug, Clone)]
pub struct Unfinished {
    id: Id,
    name: Option<Box<str>>,
    location: &'static Location<'static>,
    left_behind: bool,
    waits: Wait,
}

impl Unfinished {
    fn of((task, waits): &(TaskRef, Wait)) -> Self {
        Self {
            id: task.id(),
            name: task.name().map(Into::into),
            location: task.location(),
            left_behind: !task.is_finished(),
            waits: *waits,
        }
    }

    /// The id of the task.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The name of the task, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was spawned.
    ///
    /// [`waited_for`](Self::waited_for) has an example.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// What the task waited for when the time was over, as far as its last poll has told. If a poll was going on then,
    /// this is only a hint. A blocking job counts as a task with one poll: it waits for that, or is in it.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Runtime;
    /// use heist::time::sleep;
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::new()?;
    /// runtime.block_on(async {
    ///     heist::spawn(sleep(Duration::from_secs(1000)));
    /// });
    /// let report = runtime.shutdown(Duration::from_millis(20));
    /// let task = &report.tasks()[0];
    /// println!("task {}, spawned at {}, waited for: {}", task.id(), task.location(), task.waited_for());
    /// assert!(!task.is_left_behind());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn waited_for(&self) -> Wait {
        self.waits
    }

    /// Whether it had not ended at the end of the shutdown either. Then its poll or the job hasn't returned, and its
    /// thread was left behind.
    pub fn is_left_behind(&self) -> bool {
        self.left_behind
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(name) = self.name() {
            write!(f, " {name:?}")?;
        }
        write!(f, ", spawned at {}", self.location)?;
        if self.left_behind {
            return f.write_str(", left behind in a call that has not returned");
        }
        write!(f, ", waiting for {}", self.waits)
    }
}
