//! The whole scheduler, worker and queues and sleep and shutdown, in small scenes: what the models of its parts leave
//! out is how the parts are joined. That a wake was lost, or a worker stays, shows as a deadlock.
//!
//! Under Miri nothing is here: the scheduler's poller is the real one there.
#![cfg(not(miri))]

#[path = "support/poll.rs"]
mod poll;

use std::future::poll_fn;
use std::task::{Poll, Waker};

use heist_scheduler::protocol::{Seat, Whole};
use heist_scheduler::task;
use heist_sync::sys::{Arc, Condvar, Mutex, thread};
use loom_tests::{Census, model};
use poll::block_on;

/// A thread for each seat.
fn seated(seats: Vec<Seat>) -> Vec<thread::JoinHandle<()>> {
    seats
        .into_iter()
        .map(|seat| thread::spawn(move || seat.work()))
        .collect()
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no panic");
    }
}

/// Two threads spawn while the one worker falls asleep: both tasks run, be it asleep in the poller, or about to be.
#[test]
fn whole_a_sleeping_worker_runs_what_comes() {
    model("whole_a_sleeping_worker_runs_what_comes", Some(2), || {
        let (whole, seats) = Whole::new(1);
        let workers = seated(seats);
        let (one, other) = (Arc::new(()), Arc::new(()));
        let spawning = thread::spawn({
            let handle = whole.handle();
            move || drop(handle.spawn(async move { drop(one) }))
        });
        block_on(whole.handle().spawn(async move { drop(other) })).expect("it runs");
        spawning.join().expect("no panic");
        whole.close();
        join(workers);
        assert_eq!(whole.live(), 0);
    });
}

/// A thread spawns while the runtime ends: the task is run or dropped, its handle resolves, and nothing is left.
#[test]
fn whole_spawn_against_shutdown() {
    let census = Census::new(&["ran", "cancelled"]);
    let counted = census.clone();
    model("whole_spawn_against_shutdown", Some(2), move || {
        let (whole, seats) = Whole::new(1);
        let workers = seated(seats);
        let payload = Arc::new(());
        let spawning = thread::spawn({
            let handle = whole.handle();
            move || block_on(handle.spawn(async move { drop(payload) })).is_ok()
        });
        whole.close();
        join(workers);
        let ran = spawning.join().expect("no panic");
        assert_eq!(whole.live(), 0);
        counted.saw(if ran { "ran" } else { "cancelled" });
    });
    census.assert_all_seen();
}

/// A shutdown waits for a task that spawns another and ends, while a third is spawned from outside: the first two end by
/// themselves before the wait does, and the third is let in or refused.
#[test]
fn whole_a_gentle_shutdown_waits_for_what_tasks_spawn() {
    let name = "whole_a_gentle_shutdown_waits_for_what_tasks_spawn";
    let census = Census::new(&["let in", "refused"]);
    let counted = census.clone();
    model(name, Some(2), move || {
        let (whole, seats) = Whole::new(1);
        let (ended, child_ended) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
        let (ends, child_ends) = (ended.clone(), child_ended.clone());
        drop(whole.handle().spawn(async move {
            drop(task::spawn(async move { *child_ends.lock() += 1 }));
            *ends.lock() += 1;
        }));
        let workers = seated(seats);
        let outside = thread::spawn({
            let handle = whole.handle();
            move || block_on(handle.spawn(async {})).is_ok()
        });
        block_on(whole.empty());
        let found = (*ended.lock(), *child_ended.lock());
        whole.close();
        join(workers);
        assert_eq!(found, (1, 1));
        let let_in = outside.join().expect("no panic");
        counted.saw(if let_in { "let in" } else { "refused" });
    });
    census.assert_all_seen();
}

/// Two workers fall asleep as the runtime ends: both leave.
#[test]
fn whole_all_workers_leave() {
    let census = Census::new(&["none slept", "one slept", "both slept"]);
    let counted = census.clone();
    model("whole_all_workers_leave", Some(2), move || {
        let (whole, seats) = Whole::new(2);
        let workers = seated(seats);
        whole.close();
        join(workers);
        let metrics = whole.handle().metrics();
        let slept: u64 = (0..2).map(|i| metrics.worker_park_count(i)).sum();
        counted.saw(["none slept", "one slept", "both slept"][slept.min(2) as usize]);
    });
    census.assert_all_seen();
}

/// A waker on a foreign thread wakes a task while its runtime ends.
#[test]
fn whole_wake_against_shutdown() {
    let census = Census::new(&["done", "cancelled", "woken too late"]);
    let counted = census.clone();
    model("whole_wake_against_shutdown", Some(2), move || {
        let (whole, seats) = Whole::new(1);
        let given: Arc<Mutex<Option<Waker>>> = Arc::new(Mutex::new(None));
        let giving = given.clone();
        let payload = Arc::new(());
        let handle = whole.handle().spawn(poll_fn(move |cx| {
            let _keep = &payload;
            if giving.lock().replace(cx.waker().clone()).is_some() {
                return Poll::Ready(());
            }
            Poll::Pending
        }));
        let workers = seated(seats);
        let waking = thread::spawn(move || {
            let waker = given.lock().clone();
            waker.map(Waker::wake).is_some()
        });
        whole.close();
        join(workers);
        assert_eq!(whole.live(), 0);
        let done = block_on(handle).is_ok();
        let woken = waking.join().expect("no panic");
        counted.saw(match (done, woken) {
            (true, true) => "done",
            (false, true) => "woken too late",
            (false, false) => "cancelled",
            (true, false) => unreachable!("done without a wake"),
        });
    });
    census.assert_all_seen();
}

/// What a future does in its drop while the runtime ends, to another task and to the runtime.
struct Last {
    neighbour: Arc<Mutex<Option<Waker>>>,
    payload: Arc<()>,
    refused: Arc<Mutex<Option<task::JoinHandle<Arc<()>>>>>,
}

impl Drop for Last {
    fn drop(&mut self) {
        let neighbour = self.neighbour.lock().take();
        neighbour.into_iter().for_each(Waker::wake);
        let payload = self.payload.clone();
        *self.refused.lock() = Some(task::spawn(async move { payload }));
    }
}

/// A task wakes its neighbour and spawns another as it is dropped in the shutdown: all of them end, with two workers
/// that drain at once.
#[test]
fn whole_a_drop_in_shutdown_wakes_and_spawns() {
    model("whole_a_drop_in_shutdown_wakes_and_spawns", Some(2), || {
        let (whole, seats) = Whole::new(2);
        let neighbour: Arc<Mutex<Option<Waker>>> = Arc::new(Mutex::new(None));
        let refused = Arc::new(Mutex::new(None));
        let giving = neighbour.clone();
        drop(whole.handle().spawn(poll_fn(move |cx| {
            *giving.lock() = Some(cx.waker().clone());
            Poll::<()>::Pending
        })));
        let last = Last {
            neighbour,
            payload: Arc::new(()),
            refused: refused.clone(),
        };
        drop(whole.handle().spawn(poll_fn(move |_| {
            let _keep = &last;
            Poll::<()>::Pending
        })));
        let workers = seated(seats);
        whole.close();
        join(workers);
        assert_eq!(whole.live(), 0);
        let refused = refused.lock().take().expect("it was dropped");
        let error = block_on(refused).expect_err("nothing runs any more");
        assert!(error.is_cancelled());
    });
}

/// A door that opens once.
#[derive(Default)]
struct Door(Mutex<bool>, Condvar);

impl Door {
    fn open(&self) {
        *self.0.lock() = true;
        self.1.notify_all();
    }

    /// Holds the whole thread up.
    fn pass(&self) {
        let mut open = self.0.lock();
        while !*open {
            self.1.wait(&mut open);
        }
    }
}

/// A task spawns two, then holds its worker up until the first of them has run: the other worker, on its way to sleep
/// or asleep, takes it from there. The task ends the runtime, so that there is no third thread: that one's steps would multiply
/// the interleavings by ten and more, and it has nothing to do with who steals.
#[test]
fn whole_what_lies_behind_a_busy_worker_is_stolen() {
    model(
        "whole_what_lies_behind_a_busy_worker_is_stolen",
        Some(3),
        || {
            let (whole, mut seats) = Whole::new(2);
            let whole = Arc::new(whole);
            let door = Arc::new(Door::default());
            let ends = whole.clone();
            drop(whole.handle().spawn(async move {
                let opens = door.clone();
                drop(task::spawn(async move { opens.open() }));
                // Takes the slot, and moves the other into the queue.
                drop(task::spawn(async {}));
                door.pass();
                ends.close();
            }));
            let here = seats.pop().expect("there are two");
            let workers = seated(seats);
            here.work();
            join(workers);
            assert_eq!(whole.live(), 0);
        },
    );
}

/// A task that has yielded lies behind one that holds the worker up until the other goes on: another worker takes it. The task
/// ends the runtime, as above.
#[test]
fn whole_a_yielded_task_is_stolen() {
    model("whole_a_yielded_task_is_stolen", Some(3), || {
        let (whole, mut seats) = Whole::new(2);
        let whole = Arc::new(whole);
        let door = Arc::new(Door::default());
        let ends = whole.clone();
        drop(whole.handle().spawn(async move {
            let opens = door.clone();
            drop(task::spawn(async move {
                task::yield_now().await;
                opens.open();
            }));
            // The other may be polled, and yield, before this goes on.
            task::yield_now().await;
            door.pass();
            ends.close();
        }));
        let here = seats.pop().expect("there are two");
        let workers = seated(seats);
        here.work();
        join(workers);
        assert_eq!(whole.live(), 0);
    });
}
