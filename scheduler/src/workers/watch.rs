//! What the reactor thread does for the workers: it publishes wakes in batches, and looks out for polls that delay
//! other tasks.

use std::task::Waker;

use heist_reactor::{Monitor, Pace};
use heist_sync::sys::Arc;

use super::driver;
use super::lookout::{Lookout, View};
use super::seat;
use super::shared::Shared;

/// What the reactor thread does for the scheduler: it publishes wakes in batches, and watches for polls that delay
/// other tasks.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    stalls: Lookout,
    /// Whether a worker slept when the last batch was published. It was woken then, and takes the poller when it has no
    /// more work.
    woke: bool,
}

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            stalls: Lookout::new(&shared),
            shared,
            woke: false,
        }
    }
}

impl Monitor for Watch {
    fn dispatch(&mut self, woken: &mut Vec<Waker>) {
        seat::collect_wakes(&self.shared, &mut || {
            driver::wake_own(woken);
            self.woke = self.shared.idle.asleep() > 0;
        });
    }

    fn wants_poller(&mut self) -> bool {
        self.woke
    }

    fn is_at_rest(&self) -> bool {
        self.shared.is_at_rest()
    }

    fn tick(&mut self, calls: &mut Vec<Waker>) -> Pace {
        let view = self.stalls.look(&self.shared);
        calls.append(&mut self.stalls.reports);
        match view {
            View::Asleep => Pace::Rest,
            View::Busy => Pace::Slow,
            View::HeldUp => Pace::Fast,
        }
    }
}
