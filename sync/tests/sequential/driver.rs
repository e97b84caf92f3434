//! Makes up sequences of operations, and keeps the futures that they leave behind.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use proptest::collection::vec;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::{Task, task};

/// An operation, and a number for whatever it needs one for.
pub(crate) type Step<O> = (O, usize);

/// Calls `run` with sequences of up to `most` operations.
pub(crate) fn check<O>(operations: &'static [O], most: usize, run: impl Fn(&[Step<O>]))
where
    O: Copy + Debug + 'static,
{
    let default = if cfg!(miri) { 8 } else { 1_000 };
    let cases = std::env::var("HEIST_PROPTEST_CASES")
        .map_or(default, |text| text.parse().expect("a number of cases"));
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let steps = vec((select(operations), 0..12usize), 1..=most);
    let result = runner.run(&steps, |steps| {
        run(&steps);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Futures that wait, each with a number of its own.
pub(crate) struct Futures<'a, T> {
    next: usize,
    tasks: BTreeMap<usize, Task<Boxed<'a, T>>>,
}

impl<'a, T> Futures<'a, T> {
    pub(crate) fn new() -> Self {
        Self {
            next: 0,
            tasks: BTreeMap::new(),
        }
    }

    /// Keeps a future, which has not been polled; returns its number.
    pub(crate) fn add(&mut self, future: impl Future<Output = T> + 'a) -> usize {
        let number = self.next;
        self.next += 1;
        let boxed: Boxed<'a, T> = Box::pin(future);
        self.tasks.insert(number, task(boxed));
        number
    }

    /// The number of the next to be kept.
    pub(crate) fn upcoming(&self) -> usize {
        self.next
    }

    /// Some future's number, if there is one.
    pub(crate) fn some(&self, choice: usize) -> Option<usize> {
        let count = self.tasks.len();
        (count > 0).then(|| {
            *self
                .tasks
                .keys()
                .nth(choice % count)
                .expect("there are as many")
        })
    }

    /// Polls one, which is dropped once it is ready.
    pub(crate) fn poll(&mut self, number: usize) -> Poll<T> {
        let task = self.tasks.get_mut(&number).expect("it waits");
        let poll = task.poll();
        if poll.is_ready() {
            self.tasks.remove(&number);
        }
        poll
    }

    /// Drops one.
    pub(crate) fn drop(&mut self, number: usize) {
        self.tasks.remove(&number).expect("it waits");
    }

    /// Which ones were woken since the last call.
    pub(crate) fn woken(&self) -> Vec<usize> {
        let woken = self.tasks.iter().filter(|(_, task)| task.woken());
        woken.map(|(number, _)| *number).collect()
    }

    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.tasks.keys().copied().collect()
    }
}

/// `numbers` in order.
pub(crate) fn sorted(mut numbers: Vec<usize>) -> Vec<usize> {
    numbers.sort_unstable();
    numbers
}
