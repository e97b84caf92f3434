//! A whole runtime for the models: each part is the real one, but for the threads, which are the model's, and, under
//! loom, the poller, to which no event ever comes.

use heist_sync::sys::Arc;

use crate::driver::Driver;
use crate::queue::Local;
use crate::runtime::Handle;
use crate::shared::{Flavor, Remote, Shared};
use crate::worker::{NoRoot, Worker};

/// A runtime without threads of its own.
#[derive(Debug)]
pub struct Whole(Arc<Shared>);

/// The place of a worker, for one of the model's threads to take.
#[derive(Debug)]
pub struct Seat(Worker);

impl Whole {
    /// A runtime with so many workers, and their seats. Each of them has to be [worked](Seat::work).
    pub fn new(workers: usize) -> (Self, Vec<Seat>) {
        let (locals, remotes): (Vec<_>, Vec<_>) = (0..workers)
            .map(|_| Local::new())
            .map(|(local, open)| (local, Remote::new(open)))
            .unzip();
        let driver = Driver::new(heist_reactor::Config::default()).expect("a poller");
        let shared = Arc::new(Shared::new(remotes, driver, Flavor::MultiThread));
        let seats = locals
            .into_iter()
            .enumerate()
            .map(|(index, local)| Seat(Worker::new(shared.clone(), index, local)))
            .collect();
        (Self(shared), seats)
    }

    /// To spawn from anywhere.
    pub fn handle(&self) -> Handle {
        Handle::of(self.0.clone())
    }

    /// Begins the end: the workers cancel all tasks and leave.
    pub fn close(&self) {
        self.0.close();
    }

    /// How many tasks aren't complete.
    pub fn live(&self) -> usize {
        self.0.owned.live()
    }
}

impl Seat {
    /// What a worker's thread does, from its start to its end.
    pub fn work(self) {
        self.0.run(&mut NoRoot);
        self.0.drain();
    }
}
