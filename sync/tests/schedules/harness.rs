//! How a test is explored: half of the schedules by chance, half by PCT, which finds bugs of few ordering constraints.
//!
//! All follows from a seed. A failure prints its schedule: `HEIST_SHUTTLE_REPLAY=<schedule>` with that test's name runs
//! that one again. `HEIST_SHUTTLE_RUNS` and `HEIST_SHUTTLE_SEED` ask for more or other ones.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use heist_sync::protocol::block_on;
use shuttle::rand::{Rng as _, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::thread;
use shuttle::{Config, MaxSteps, Runner};

/// How many orders of two steps a bug may depend on for PCT to aim at it.
const DEPTH: usize = 3;

/// Runs `f` under many schedules.
pub(crate) fn explore(f: impl Fn() + Send + Sync + 'static) {
    if let Ok(schedule) = std::env::var("HEIST_SHUTTLE_REPLAY") {
        return shuttle::replay(f, &schedule);
    }
    let runs = number("HEIST_SHUTTLE_RUNS", 4_000) as usize;
    let seed = number("HEIST_SHUTTLE_SEED", 1);
    let f = Arc::new(f);
    let again = f.clone();
    let random = RandomScheduler::new_from_seed(seed, runs.div_ceil(2));
    Runner::new(random, config()).run(move || f());
    let pct = PctScheduler::new_from_seed(seed, DEPTH, runs / 2);
    Runner::new(pct, config()).run(move || again());
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 0x2_0000;
    config.max_steps = MaxSteps::FailAfter(200_000);
    config.silence_warnings = true;
    config
}

/// Runs `f` on each of `threads` threads, with its number, and waits for them.
pub(crate) fn on_threads(threads: usize, f: impl Fn(usize) + Send + Sync + 'static) {
    let f = Arc::new(f);
    let threads: Vec<_> = (0..threads)
        .map(|number| {
            let f = f.clone();
            thread::spawn(move || f(number))
        })
        .collect();
    for thread in threads {
        thread.join().expect("the thread ends well");
    }
}

/// A number below `bound`, by chance.
pub(crate) fn pick(bound: usize) -> usize {
    thread_rng().gen_range(0..bound)
}

/// True once in `n` times.
pub(crate) fn one_in(n: usize) -> bool {
    pick(n) == 0
}

/// Waits for `future` on this thread.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    block_on(future)
}

/// Polls `future` a few times, wherever others stand meanwhile, and drops it if it isn't done by then.
pub(crate) fn attempt<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..=pick(3) {
        let poll = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(output) = poll {
            return Some(output);
        }
        thread::yield_now();
    }
    None
}

/// Waits until the end, or gives up after a while.
pub(crate) fn perhaps<F: Future>(future: F) -> Option<F::Output> {
    if one_in(2) {
        return attempt(future);
    }
    Some(wait(Restless(future)))
}

/// Polls a future again with another waker now and then, although nothing has happened.
struct Restless<F>(F);

impl<F: Future> Future for Restless<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: a projection to the only field, which is never moved out.
        let mut inner = unsafe { self.map_unchecked_mut(|this| &mut this.0) };
        if one_in(3) {
            let stranger = Waker::noop();
            if let Poll::Ready(output) = inner.as_mut().poll(&mut Context::from_waker(stranger)) {
                return Poll::Ready(output);
            }
        }
        inner.poll(cx)
    }
}

/// Values, counted: how many there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alive(Arc<AtomicUsize>);

impl Alive {
    pub(crate) fn value(&self, sender: usize, number: usize) -> Message {
        self.0.fetch_add(1, Ordering::SeqCst);
        Message {
            sender,
            number,
            alive: self.clone(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A message, the `number`th of its sender.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) sender: usize,
    pub(crate) number: usize,
    alive: Alive,
}

impl Drop for Message {
    fn drop(&mut self) {
        self.alive.0.fetch_sub(1, Ordering::SeqCst);
    }
}
