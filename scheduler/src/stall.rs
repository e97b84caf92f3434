//! Polls that hold others up: how the reactor thread sees them, what it does about them, and what it tells.
//!
//! At each tick the [`Lookout`] reads what every worker has written about itself: how many polls it has begun, and
//! whether one is under way. A worker whose figures haven't changed since the last tick is *held up*. What follows, while
//! a task lies ready that a worker should have taken:
//!
//! | the rest | the lookout |
//! |---|---|
//! | some worker sleeps | wakes it: it steals what lies there, the slot included |
//! | all are held up, for [`PATIENCE`] | engages a spare |
//! | one is held up for the threshold | opens its yielded tasks to spares, engages a spare, reports the stall once |
//!
//! The first spare comes that soon, any other a threshold after the one before it, and never more than the bound, so
//! that under lasting load the processors aren't given more and more to do. A spare takes what waits and no task that
//! merely goes on, and sleeps among the others when there is nothing to take. When nobody has been held up for
//! [`QUIET`], the last spare is dismissed, and so on until there is none; its thread ends by itself.
//!
//! All that is judged here is a hint: figures are read one by one, without order. A wrong guess wakes or engages a
//! worker too many, or the right one a tick later.

use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::hints::AtomicU64;

use crate::crew;
use crate::hooks::contain;
use crate::shared::{Remote, Shared};
use crate::task::Id;

mod thread_state;
pub(crate) use thread_state::Tid;

/// For how long all workers may be held up, with tasks waiting, before a spare is engaged.
const PATIENCE: Duration = Duration::from_micros(500);
/// How many polls in a tick are so few that the next one may last: then the lookout looks again soon.
const FEW: u64 = 4;
/// For how long nobody may be held up before a spare is dismissed.
const QUIET: Duration = Duration::from_millis(100);

/// Told of stalls.
pub(crate) type OnStall = std::sync::Arc<dyn Fn(&Stall) + Send + Sync>;

/// What a runtime was told about stalls, and how many there were.
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

    fn report(&self, stall: &Stall) {
        // Ordering: hint only.
        self.count.fetch_add(1, Ordering::Relaxed);
        match &self.on_stall {
            // Its panic is printed by the panic hook, and ends here.
            Some(on_stall) => {
                contain(|| on_stall(stall));
            }
            None => stall.trace(),
        }
    }
}

/// A poll that has lasted longer than the threshold while other tasks waited for its worker.
///
/// Handed to [`Builder::on_stall`](crate::runtime::Builder::on_stall) while the poll lasts.
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
    /// The task that is being polled.
    pub fn task_id(&self) -> Id {
        self.task
    }

    /// Its name, if it was given one.
    pub fn task_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was spawned. `None` where the task ended while the report was made.
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        self.location
    }

    /// The worker whose poll it is.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// For how long the poll has lasted by now, at least.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// What the operating system says the thread does: that it runs, or where in the kernel it sleeps. `None` where it
    /// doesn't say.
    pub fn thread_state(&self) -> Option<&str> {
        self.thread_state.as_deref()
    }

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

/// What the lookout sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Nothing to watch.
    Asleep,
    /// Work, now or a moment ago, and nobody held up that others wait for.
    Busy,
    /// Something needs help, or may soon: polls are long.
    HeldUp,
}

/// What the lookout remembers of a worker.
#[derive(Clone, Copy)]
struct Sight {
    polls: u64,
    /// When it had begun that many at the latest.
    since: Instant,
    /// Tasks have waited for this poll.
    waited: bool,
    reported: bool,
}

/// Watches the workers of a runtime, for the reactor thread.
pub(crate) struct Lookout {
    sights: Box<[Sight]>,
    /// Since when all have been held up.
    stuck_since: Option<Instant>,
    /// When someone was held up with tasks waiting, or a spare was engaged or dismissed, the last time.
    last_trouble: Instant,
    last_engaged: Instant,
    spares: usize,
}

/// What one look at all workers came to.
struct Glance {
    now: Instant,
    held_up: usize,
    /// A task waits that someone should have taken.
    ready: bool,
    /// Someone has stalled, and tasks wait for it.
    stalled: bool,
    /// Someone's polls are long.
    long: bool,
    /// Someone has polled since the last look.
    moved: bool,
}

impl Sight {
    /// A worker that has begun `polls` polls, looked at for the first time in this one.
    fn first(polls: u64, now: Instant) -> Self {
        Self {
            polls,
            since: now,
            waited: false,
            reported: false,
        }
    }
}

impl Lookout {
    pub(crate) fn new(shared: &Shared) -> Self {
        let now = Instant::now();
        Self {
            sights: vec![Sight::first(0, now); shared.remotes.len()].into_boxed_slice(),
            stuck_since: None,
            last_trouble: now,
            last_engaged: now,
            spares: 0,
        }
    }

    /// Looks at all workers, and helps where one is held up.
    pub(crate) fn look(&mut self, shared: &Shared) -> View {
        let glance = self.glance(shared);
        let awake = shared.idle.awake();
        let stuck = glance.held_up >= awake && awake > 0;
        let stuck_since = *self.stuck_since.get_or_insert(glance.now);
        if !stuck {
            self.stuck_since = None;
        }
        let trouble = glance.ready && glance.held_up > 0;
        if trouble {
            self.last_trouble = glance.now;
            if shared.idle.asleep() > 0 {
                shared.wake_one();
            }
            let waited = stuck && glance.now - stuck_since >= PATIENCE;
            if shared.idle.asleep() == 0 && (waited || glance.stalled) {
                self.engage(shared, glance.now);
            }
        } else if self.spares > 0 && glance.now - self.last_trouble >= QUIET {
            self.last_trouble = glance.now;
            crew::dismiss_spare(shared);
            self.spares = shared.crew.spares();
        }
        if glance.long || trouble {
            View::HeldUp
        } else if awake > 0 || self.spares > 0 || glance.moved {
            View::Busy
        } else {
            View::Asleep
        }
    }

    fn engage(&mut self, shared: &Shared, now: Instant) {
        if self.spares > 0 && now - self.last_engaged < shared.stalls.threshold {
            return;
        }
        if crew::engage_spare(shared) {
            self.last_engaged = now;
        }
        self.spares = shared.crew.spares();
    }

    fn glance(&mut self, shared: &Shared) -> Glance {
        let mut glance = Glance {
            now: Instant::now(),
            held_up: 0,
            ready: !shared.injector.is_empty(),
            stalled: false,
            long: false,
            moved: false,
        };
        let injected = glance.ready;
        for (worker, remote) in shared.reachable().iter().enumerate() {
            let sight = &mut self.sights[worker];
            let polls = remote.counters.polls.get();
            let polled = remote.counters.polled.get();
            glance.long |= polled != 0 && polls.wrapping_sub(sight.polls) <= FEW;
            glance.moved |= polls != sight.polls;
            if polled == 0 || polls != sight.polls || shared.idle.is_asleep(worker) {
                *sight = Sight::first(polls, glance.now);
                if remote.is_stalled() {
                    // Ordering: hint only.
                    remote.stalled.store(false, Ordering::Relaxed);
                }
                continue;
            }
            glance.held_up += 1;
            let duration = glance.now - sight.since;
            let long = duration >= shared.stalls.threshold;
            if long && !remote.is_stalled() {
                // Ordering: hint only: whoever is woken below looks afterwards.
                remote.stalled.store(true, Ordering::Relaxed);
            }
            let waiting = waits_behind(remote, long);
            glance.ready |= waiting;
            glance.stalled |= long && (waiting || injected);
            sight.waited |= waiting || injected;
            if long && sight.waited && !sight.reported {
                sight.reported = true;
                report(shared, worker, polled, duration);
            }
        }
        glance
    }
}

/// Whether tasks lie in the queues of a worker that is held up which others may take.
fn waits_behind(remote: &Remote, long: bool) -> bool {
    let open = &remote.open;
    open.slot.look().is_some() || open.has_fresh() || long && open.has_yielded()
}

fn report(shared: &Shared, worker: usize, polled: u64, duration: Duration) {
    let Some(id) = Id::from_u64(polled) else {
        return;
    };
    let task = shared.owned.find(id);
    shared.stalls.report(&Stall {
        task: id,
        name: task
            .as_ref()
            .and_then(|task| task.name().map(str::to_owned)),
        location: task.as_ref().map(|task| task.location()),
        worker,
        duration,
        thread_state: shared.remotes[worker].thread.state(),
    });
}
