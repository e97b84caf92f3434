//! Who looks out for polls that delay other tasks, and when.
//!
//! The [`Lookout`] belongs to whoever looks: a worker between two polls, or the reactor thread at its tick. As long as
//! workers pass here, they look, once in [`ROUND`], and put the reactor thread's tick off. So that thread sleeps while all is
//! well: a thread that woke up a thousand times a second would each time take the processor from one that is in the middle
//! of a poll. If all workers are held up, none passes here, and the tick comes.
//!
//! | the last look saw | the next look by a worker | the reactor thread's tick |
//! |---|---|---|
//! | work, and nobody who needs help | after [`ROUND`] | after two [`ROUND`]s |
//! | a worker that needs help, or may soon | after [`SOON`] | after two [`SOON`]s |
//!
//! A spare doesn't pass: it looks at no events, so somebody else must.
//!
//! The tick is not put off if the poller has been free for a while and some worker sleeps: then the reactor thread takes the
//! poller, so that an event finds that worker. If the poller has been free for a millisecond, the worker that passes looks at
//! events. A deadline that comes earlier than the tick wakes the reactor thread for itself.
//!
//! A worker calls no user code here. If a stall has to be reported, or a thread brought, it has the tick come at once.
//!
//! Only one thread looks at a time. A thread that finds another one looking goes on with its own work. If a worker loses its
//! processor in the middle of a look, the next look waits for it.

use std::task::Waker;
use std::time::Duration;

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::{Mutex, hints};

use super::lookout::{Lookout, View};
use super::shared::{Rounds, Shared};

/// How often workers look out.
const ROUND: Duration = Duration::from_micros(500);
/// How often they look if somebody may need help.
const SOON: Duration = Duration::from_micros(250);

/// How the threads of a runtime take turns at its lookout.
pub(crate) struct Turns {
    lookout: Mutex<Lookout>,
    /// When to look again, in nanoseconds since the runtime's start.
    due: hints::AtomicU64,
    /// Whether a worker looked last.
    worker_looked: hints::AtomicBool,
    /// Whether the last look saw somebody who needs help.
    helps: hints::AtomicBool,
    /// Whether a worker has left something to the reactor thread.
    urgent: hints::AtomicBool,
}

impl Turns {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            lookout: Mutex::new(Lookout::new(workers)),
            due: hints::AtomicU64::new(0),
            worker_looked: hints::AtomicBool::new(false),
            helps: hints::AtomicBool::new(false),
            urgent: hints::AtomicBool::new(false),
        }
    }

    /// The reactor thread's tick. Adds to `calls` what may block it.
    pub(super) fn tick(&self, shared: &Shared, calls: &mut Vec<Waker>) -> View {
        // Ordering: hint only, here and for the other two. What is left to this thread lies under the lock.
        let worker_looked = self.worker_looked.load(Ordering::Relaxed);
        let urgent = self.urgent.load(Ordering::Relaxed);
        let looks = urgent || !worker_looked || self.is_due(shared, Duration::ZERO);
        let Some(mut lookout) = looks.then(|| self.lookout.try_lock()).flatten() else {
            // A worker has just looked, or does. So not all of them sleep.
            let helps = self.helps.load(Ordering::Relaxed);
            return if helps { View::HeldUp } else { View::Busy };
        };
        // No worker has passed for so long that they may all be held up. The next look will tell.
        let silent = worker_looked && self.is_due(shared, ROUND);
        let view = self.look(shared, &mut lookout, None);
        self.urgent.store(false, Ordering::Relaxed);
        calls.append(&mut lookout.reports);
        if silent && view == View::Busy {
            View::HeldUp
        } else {
            view
        }
    }

    /// What is left at the end. Adds to `calls` what may block the thread.
    pub(super) fn end(&self, calls: &mut Vec<Waker>) {
        calls.append(&mut self.lookout.lock().reports);
    }

    /// Whether a worker has looked lately.
    pub(super) fn workers_look(&self, shared: &Shared) -> bool {
        // Ordering: hint only.
        self.worker_looked.load(Ordering::Relaxed) && !self.is_due(shared, ROUND)
    }

    /// Whether it is time for a worker to look, or has been for `time`.
    fn is_due(&self, shared: &Shared, time: Duration) -> bool {
        // Ordering: hint only. What a look reads has its own order.
        shared.nanos() >= self.due.load(Ordering::Relaxed) + time.as_nanos() as u64
    }

    fn look(&self, shared: &Shared, lookout: &mut Lookout, worker: Option<usize>) -> View {
        let view = lookout.look(shared, worker);
        let helps = view == View::HeldUp;
        let pause = if helps { SOON } else { ROUND };
        let due = shared.nanos() + pause.as_nanos() as u64;
        // Ordering: hint only, for all three.
        self.due.store(due, Ordering::Relaxed);
        self.worker_looked
            .store(worker.is_some(), Ordering::Relaxed);
        self.helps.store(helps, Ordering::Relaxed);
        view
    }
}

impl Rounds for Turns {
    fn pass(&self, shared: &Shared, worker: usize) {
        if !self.is_due(shared, Duration::ZERO) {
            return;
        }
        let Some(mut lookout) = self.lookout.try_lock() else {
            return;
        };
        let tick = match self.look(shared, &mut lookout, Some(worker)) {
            View::HeldUp => 2 * SOON,
            View::Busy | View::Asleep => 2 * ROUND,
        };
        let urgent = lookout.urgent;
        drop(lookout);
        if urgent {
            // Ordering: hint only.
            self.urgent.store(true, Ordering::Relaxed);
            shared.driver.put_off_tick(Duration::ZERO);
        } else if is_attended(shared) {
            shared.driver.put_off_tick(tick);
        }
    }
}

/// Whether an event finds a worker, if the reactor thread doesn't take the poller.
fn is_attended(shared: &Shared) -> bool {
    // While all are at work, they look at events as they pass. If the poller has been free for a moment only, the worker that
    // had it may be back at any moment.
    shared.all_at_work() || shared.driver.free_for().is_none_or(|free| free < ROUND)
}
