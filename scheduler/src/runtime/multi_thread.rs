//! A runtime whose workers have a thread each.

use std::io;
use std::time::Instant;

use heist_sync::sys::Arc;
use heist_sync::sys::channel::{self, Receiver, RecvTimeoutError};

use crate::workers::engage;
use crate::workers::shared::{Shared, Worker};

/// Waits for the end of the workers.
pub(super) struct MultiThread {
    /// Disconnected once every worker has left.
    left: Receiver<()>,
}

impl MultiThread {
    /// Starts a thread for each regular worker. If one can't be had, those that were started leave again.
    pub(super) fn start(shared: &Arc<Shared>, workers: Vec<Worker>) -> io::Result<Self> {
        let (leaving, left) = channel::bounded(0);
        shared.crew.tell(leaving);
        for worker in workers {
            shared.lay_down(Box::new(worker));
        }
        let started = Self { left };
        let regular = 0..shared.crew.regular();
        match regular
            .into_iter()
            .try_for_each(|worker| engage::engage(shared, worker))
        {
            Ok(()) => Ok(started),
            Err(error) => {
                engage::close(shared);
                started.join(shared, None);
                shared.driver.join_thread(None);
                Err(error)
            }
        }
    }

    /// Waits until all workers have left and their threads have ended. Returns whether they have.
    pub(super) fn join(&self, shared: &Shared, deadline: Option<Instant>) -> bool {
        let left = match deadline {
            None => self.left.recv().is_err(),
            Some(deadline) => {
                self.left.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected)
            }
        };
        // Threads that gave their worker away are still in a poll.
        left && shared.driver.join_workers(deadline)
    }
}
