//! The sleep protocol: no task lies in a queue while a worker sleeps and nobody looks for it.
//!
//! The workers here follow the procedures of `scheduler/src/workers/idle/README.md` over one queue, a set of bits: a queue under
//! a lock would order the push and the second look by itself, and hide a missing fence. That a wake was lost shows as
//! a deadlock: everyone sleeps.

use heist_scheduler::protocol::{Idle, Parker};
use heist_sync::sys::atomic::{AtomicUsize, Ordering};
use heist_sync::sys::{Arc, Condvar, Mutex, thread};
use loom_tests::model;

/// A queue of tasks that are numbers: a bit each.
struct Bits(AtomicUsize);

impl Bits {
    fn push(&self, task: usize) {
        self.0.fetch_or(1 << task, Ordering::Release);
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn pop(&self) -> Option<usize> {
        let bits = self.0.load(Ordering::Relaxed);
        let task = bits.checked_ilog2()?;
        let before = self.0.fetch_and(!(1 << task), Ordering::Acquire);
        (before & (1 << task) != 0).then_some(task as usize)
    }
}

struct Pool {
    idle: Idle,
    parkers: Vec<Parker>,
    queue: Bits,
    run: AtomicUsize,
    total: usize,
    /// Task 1 waits here until another task has run, where the model says so.
    other_ran: Option<(Mutex<bool>, Condvar)>,
}

impl Pool {
    fn new(workers: usize, total: usize) -> Self {
        Self {
            idle: Idle::new(workers),
            parkers: (0..workers).map(|_| Parker::default()).collect(),
            queue: Bits(AtomicUsize::new(0)),
            run: AtomicUsize::new(0),
            total,
            other_ran: None,
        }
    }

    fn push(&self, task: usize) {
        self.queue.push(task);
        self.wake_one();
    }

    fn wake_one(&self) {
        if let Some(worker) = self.idle.claim() {
            self.parkers[worker].unpark(|| {});
        }
    }

    fn is_done(&self) -> bool {
        self.run.load(Ordering::Acquire) == self.total
    }

    fn run(&self, task: usize) {
        if let Some((ran, wake)) = &self.other_ran {
            let mut ran = ran.lock();
            if task == 1 {
                while !*ran {
                    wake.wait(&mut ran);
                }
            } else {
                *ran = true;
                wake.notify_all();
            }
        }
        if self.run.fetch_add(1, Ordering::AcqRel) + 1 == self.total {
            for parker in &self.parkers {
                parker.unpark(|| {});
            }
        }
    }

    /// A worker, until all tasks have run.
    fn work(&self, me: usize) {
        let mut searching = false;
        while !self.is_done() {
            if !searching {
                searching = self.idle.try_search();
            }
            if searching && let Some(task) = self.queue.pop() {
                searching = false;
                if self.idle.search_ended(|| !self.queue.is_empty()) {
                    self.wake_one();
                }
                self.run(task);
                continue;
            }
            self.idle.announce(me, std::mem::take(&mut searching));
            if !self.queue.is_empty() || self.is_done() {
                if self.idle.retract(me) {
                    self.idle.search();
                }
                searching = true;
                continue;
            }
            self.parkers[me].park();
            searching = !self.idle.retract(me);
        }
    }
}

fn start(pool: &Arc<Pool>, workers: usize) -> Vec<thread::JoinHandle<()>> {
    (0..workers)
        .map(|me| {
            let pool = pool.clone();
            thread::spawn(move || pool.work(me))
        })
        .collect()
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no panic");
    }
}

/// A worker goes to sleep while two threads post: both tasks run.
#[test]
fn idle_one_sleeper_two_posters() {
    model("idle_one_sleeper_two_posters", Some(2), || {
        let pool = Arc::new(Pool::new(1, 2));
        let threads = start(&pool, 1);
        let other = pool.clone();
        let poster = thread::spawn(move || other.push(1));
        pool.push(0);
        poster.join().expect("no panic");
        join(threads);
    });
}

/// Two workers search and sleep while a thread posts twice: no task is left, whoever of them found the other's.
#[test]
fn idle_two_sleepers_two_pushes() {
    model("idle_two_sleepers_two_pushes", Some(2), || {
        let pool = Arc::new(Pool::new(2, 2));
        let threads = start(&pool, 2);
        pool.push(0);
        pool.push(1);
        join(threads);
    });
}

/// Three posters race for one sleeper's bit: the count that a loser had raised keeps no task lying.
#[test]
fn idle_lost_claim_wakes_in_anothers_place() {
    model("idle_lost_claim_wakes_in_anothers_place", Some(2), || {
        let pool = Arc::new(Pool::new(1, 3));
        let threads = start(&pool, 1);
        let posters: Vec<_> = (1..3)
            .map(|task| {
                let pool = pool.clone();
                thread::spawn(move || pool.push(task))
            })
            .collect();
        pool.push(0);
        join(posters);
        join(threads);
    });
}

/// One wake for two tasks, of which the first waits for the second: a searcher that finds work sees to the rest.
#[test]
fn idle_a_searcher_wakes_the_next() {
    model("idle_a_searcher_wakes_the_next", Some(2), || {
        let mut pool = Pool::new(2, 2);
        pool.other_ran = Some((Mutex::new(false), Condvar::new()));
        let pool = Arc::new(pool);
        let threads = start(&pool, 2);
        pool.queue.push(0);
        pool.queue.push(1);
        pool.wake_one();
        join(threads);
    });
}

/// The second task comes in while the searcher that has found the first stops searching: its push sees the searcher
/// and wakes nobody, so that the searcher's look at the queue must find it. Else the first waits for it for ever.
#[test]
fn idle_the_last_searcher_sees_what_its_search_hid() {
    model(
        "idle_the_last_searcher_sees_what_its_search_hid",
        Some(2),
        || {
            let mut pool = Pool::new(2, 2);
            pool.other_ran = Some((Mutex::new(false), Condvar::new()));
            let pool = Arc::new(pool);
            pool.queue.push(1);
            let threads = start(&pool, 2);
            pool.push(0);
            join(threads);
        },
    );
}

/// One worker takes tasks for all, and goes to sleep while two threads post; another worker sleeps all the while. Both
/// tasks run, and the other worker is left alone.
#[test]
fn idle_the_chief_is_woken_and_nobody_else() {
    model("idle_the_chief_is_woken_and_nobody_else", Some(2), || {
        let pool = Arc::new(Pool::new(2, 2));
        pool.idle.announce(1, false);
        let chief = thread::spawn({
            let pool = pool.clone();
            move || {
                while !pool.is_done() {
                    if let Some(task) = pool.queue.pop() {
                        pool.run(task);
                        continue;
                    }
                    pool.idle.announce(0, false);
                    let quiet = pool.queue.is_empty() && !pool.is_done();
                    if quiet {
                        pool.parkers[0].park();
                    }
                    if !pool.idle.retract(0) {
                        let _ = pool.idle.search_ended(|| false);
                    }
                }
            }
        });
        let post = |pool: &Pool, task| {
            pool.queue.push(task);
            if pool.idle.claim_this(0) {
                pool.parkers[0].unpark(|| {});
            }
        };
        let other = thread::spawn({
            let pool = pool.clone();
            move || post(&pool, 1)
        });
        post(&pool, 0);
        other.join().expect("no panic");
        chief.join().expect("no panic");
        assert!(pool.idle.is_asleep(1));
        assert!(pool.idle.claim().is_some(), "somebody searches for ever");
    });
}
