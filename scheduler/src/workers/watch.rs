//! What the reactor thread does for the workers: it publishes wakes in batches, and looks out for polls that delay
//! other tasks.

use std::sync::Arc as StdArc;
use std::task::Waker;

use heist_reactor::{Crew, Monitor, Pace};
use heist_sync::sys::Arc;

use super::driver;
use super::lookout::View;
use super::rounds::Turns;
use super::seat;
use super::shared::Shared;

/// What the reactor thread does for the scheduler: it publishes wakes in batches, and watches for polls that delay
/// other tasks.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    turns: StdArc<Turns>,
    /// What the workers did when the last batch was published.
    crew: Crew,
}

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let turns = StdArc::new(Turns::new(shared.remotes.len()));
        // A runtime has one watch.
        let _ = shared.rounds.set(turns.clone());
        Self {
            shared,
            turns,
            crew: Crew::Nobody,
        }
    }
}

impl Drop for Watch {
    /// The reactor thread ends. What has stalled is reported all the same.
    fn drop(&mut self) {
        let mut calls = Vec::new();
        self.turns.end(&mut calls);
        heist_reactor::wake_all(&mut calls);
    }
}

impl Monitor for Watch {
    fn dispatch(&mut self, woken: &mut Vec<Waker>) {
        seat::collect_wakes(&self.shared, &mut || {
            driver::wake_own(woken);
            self.crew = match self.shared.all_at_work() {
                true if self.turns.workers_look(&self.shared) => Crew::Watchful,
                true => Crew::Busy,
                false => Crew::Idle,
            };
        });
    }

    fn crew(&mut self) -> Crew {
        self.crew
    }

    fn is_at_rest(&self) -> bool {
        self.shared.is_at_rest()
    }

    fn tick(&mut self, calls: &mut Vec<Waker>) -> Pace {
        match self.turns.tick(&self.shared, calls) {
            View::Asleep => Pace::Rest,
            View::Busy => Pace::Slow,
            View::HeldUp => Pace::Fast,
        }
    }
}
