//! The tasks and blocking jobs of a runtime that aren't complete, and what waits for their end.

use heist_sync::Notify;

use crate::cell::{Owned, TaskRef};

/// The tasks and jobs of a runtime that aren't complete.
pub(crate) struct Alive {
    pub(crate) tasks: Owned,
    /// Blocking jobs, queued or running.
    pub(crate) jobs: Owned,
    /// Notified when tasks or jobs have ended and nothing from outside is let in any more.
    pub(super) emptied: Notify,
}

impl Alive {
    /// Empty lists, in `shards` shards.
    pub(super) fn new(shards: usize) -> Self {
        Self {
            tasks: Owned::new(shards),
            jobs: Owned::new(shards),
            emptied: Notify::new(),
        }
    }

    /// From here on nothing is spawned from outside, that is, except by a task or a blocking job of this runtime.
    pub(crate) fn refuse_outsiders(&self) {
        self.tasks.refuse_outsiders();
        self.jobs.refuse_outsiders();
    }

    /// Waits until no task and no blocking job is left. Outsiders are refused already. Only one caller waits at a time.
    pub(crate) async fn nobody_left(&self) {
        while !Owned::none_alive(&[&self.tasks, &self.jobs]) {
            // A task or job that ends after the look above leaves a permit.
            self.emptied.notified().await;
        }
    }

    /// A job is about to be complete.
    pub(crate) fn release_job(&self, job: &TaskRef) {
        if self.jobs.release(job) {
            self.emptied.notify_one();
        }
    }
}
