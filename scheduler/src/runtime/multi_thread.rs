//! A runtime whose workers have a thread each.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use heist_sync::sys::channel::{self, Receiver, RecvTimeoutError, Sender};
use heist_sync::sys::{Arc, Mutex, thread};

use super::builder::Threads;
use crate::shared::Shared;
use crate::worker::{NoRoot, Worker};

/// The workers' threads.
pub(super) struct MultiThread {
    handles: Mutex<Vec<thread::JoinHandle<()>>>,
    /// Disconnected once every worker has left.
    left: Receiver<()>,
}

impl MultiThread {
    /// Starts a thread for each worker. Where one can't be had, those that were started leave again.
    pub(super) fn start(
        shared: &Arc<Shared>,
        workers: Vec<Worker>,
        threads: &Threads,
    ) -> io::Result<Self> {
        let (leaving, left) = channel::bounded(0);
        let mut started = Self {
            handles: Mutex::new(Vec::new()),
            left,
        };
        let mut failure = None;
        for worker in workers {
            if failure.is_some() {
                // No task is there yet: it leaves at once.
                worker.drain();
                continue;
            }
            match start(worker, threads, leaving.clone()) {
                Ok(handle) => started.handles.get_mut().push(handle),
                Err(error) => {
                    // The worker went down with the thread that wasn't.
                    shared.leave();
                    failure = Some(error);
                }
            }
        }
        drop(leaving);
        match failure {
            None => Ok(started),
            Some(error) => {
                shared.close();
                started.join(None);
                shared.driver.join_thread(None);
                Err(error)
            }
        }
    }

    /// Waits until all workers have left, and whether they have.
    pub(super) fn join(&self, deadline: Option<Instant>) -> bool {
        let left = match deadline {
            None => self.left.recv().is_err(),
            Some(deadline) => {
                self.left.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected)
            }
        };
        if left {
            for handle in self.handles.lock().drain(..) {
                // What is left of a thread that has dropped its sender is std's. Its panics were contained.
                let _ = handle.join();
            }
        }
        left
    }
}

fn start(
    worker: Worker,
    threads: &Threads,
    leaving: Sender<()>,
) -> io::Result<thread::JoinHandle<()>> {
    let hooks = threads.clone();
    threads.builder().spawn(move || {
        contain(|| hooks.on_start());
        {
            let _reactor = worker.shared.driver.enter();
            worker.run(&mut NoRoot);
            worker.drain();
        }
        contain(|| hooks.on_stop());
        drop(leaving);
    })
}

/// Calls a hook of the user's. Its panic is printed by the panic hook, and ends here.
fn contain(hook: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(hook));
}
