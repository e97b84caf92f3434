//! A whole runtime for the models. Each part is the real one, except for the threads, which are the model's. Under loom
//! the poller isn't real either: no event ever comes to it.

use std::time::Duration;

use heist_sync::sys::Arc;

use crate::queue::Local;
use crate::runtime::Handle;
use crate::workers::crew::Crew;
use crate::workers::driver::Driver;
use crate::workers::hooks::Hooks;
use crate::workers::shared::{Flavor, Remote, Shared, Worker};
use crate::workers::stall::Stalls;
use crate::workers::{engage, run};

/// A runtime without threads of its own.
#[derive(Debug)]
pub struct Whole(Arc<Shared>);

/// A worker's place, for one of the model's threads to take.
#[derive(Debug)]
pub struct Seat(Arc<Shared>, Box<Worker>);

impl Whole {
    /// A runtime with `workers` workers, and their seats. A thread has to [work](Seat::work) in each of them.
    pub fn new(workers: usize) -> (Self, Vec<Seat>) {
        let (locals, remotes): (Vec<_>, Vec<_>) = (0..workers)
            .map(|_| Local::new())
            .map(|(local, open)| (local, Remote::new(open)))
            .unzip();
        let driver = Driver::new(heist_reactor::Config::default(), workers).expect("a poller");
        let crew = Crew::new(workers, workers, 0);
        (0..workers).for_each(|worker| crew.enlist(worker));
        let stalls = Stalls::new(Duration::MAX, None);
        let shared = Shared::new(
            remotes,
            crew,
            stalls,
            Hooks::default(),
            driver,
            Flavor::MultiThread.into(),
            run::serve,
        );
        let seats = locals
            .into_iter()
            .enumerate()
            .map(|(index, local)| Worker::new(shared.clone(), index, local))
            .map(|worker| Seat(shared.clone(), Box::new(worker)))
            .collect();
        (Self(shared), seats)
    }

    /// A handle, to spawn from anywhere.
    pub fn handle(&self) -> Handle {
        Handle::of(self.0.clone())
    }

    /// Begins the end: the workers cancel all tasks and leave.
    pub fn close(&self) {
        engage::close(&self.0);
    }

    /// Refuses whatever is spawned from outside, and waits until no task or job is left.
    pub async fn empty(&self) {
        self.0.alive.refuse_outsiders();
        self.0.alive.nobody_left().await;
    }

    /// Ends the threads that were sent to blocked workers.
    pub fn join_workers(&self) {
        self.0.driver.join_workers(None);
    }

    /// How many tasks aren't complete.
    pub fn live(&self) -> usize {
        self.0.alive.tasks.live()
    }
}

impl Seat {
    /// What a worker's thread does, from its start to its end.
    pub fn work(self) {
        run::work(&self.0, self.1);
    }
}
