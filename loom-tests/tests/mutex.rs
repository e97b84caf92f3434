//! The mutex: one at a time, whether by barging or by hand-over, and no waiter asleep beside a free lock.
//!
//! Under loom a waiter that is beaten once to the lock is starving, so hand-overs take part in each model.

#[path = "support/poll.rs"]
mod support;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use heist_sync::sys::cell::UnsafeCell;
use heist_sync::sys::{Arc, thread};
use heist_sync::{Mutex, OwnedMutexGuard};
use loom_tests::{Census, model};
use support::{block_on, poll_once};

/// A number in a cell that the model watches: an access that the lock doesn't order fails it.
struct Watched(UnsafeCell<u32>);

// SAFETY: a number may be sent; the mutex hands the cell to one at a time.
unsafe impl Send for Watched {}

impl Watched {
    fn add(&self) -> u32 {
        self.0.with_mut(|number| {
            // SAFETY: the caller holds the lock.
            unsafe {
                *number += 1;
                *number
            }
        })
    }
}

fn watched() -> Arc<Mutex<Watched>> {
    Arc::new(Mutex::new(Watched(UnsafeCell::new(0))))
}

/// Two wait their turn while a third barges in where it can.
#[test]
fn mutex_barging_and_hand_over() {
    let census = Census::new(&["barged", "kept out"]);
    let counted = census.clone();
    model("mutex_barging_and_hand_over", Some(2), move || {
        let mutex = watched();
        let threads = [(); 2].map(|()| {
            let mutex = mutex.clone();
            thread::spawn(move || {
                block_on(mutex.lock()).add();
            })
        });
        let mut expected = 3;
        thread::yield_now();
        match mutex.try_lock() {
            Ok(number) => {
                number.add();
                expected += 1;
                counted.saw("barged");
            }
            Err(_) => counted.saw("kept out"),
        }
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(mutex.try_lock().unwrap().add(), expected);
    });
    census.assert_all_seen();
}

/// A mutex that somebody holds, and one who waits for it, starving: it was woken once to find the lock taken again.
fn starving() -> (
    std::sync::Arc<Mutex<Watched>>,
    OwnedMutexGuard<Watched>,
    Waiting,
) {
    let mutex = std::sync::Arc::new(Mutex::new(Watched(UnsafeCell::new(0))));
    let held = mutex.clone().try_lock_owned().unwrap();
    let mut waiting: Waiting = Box::pin(mutex.clone().lock_owned());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    drop(held);
    let barged = mutex.clone().try_lock_owned().unwrap();
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    (mutex, barged, waiting)
}

type Waiting = Pin<Box<dyn Future<Output = OwnedMutexGuard<Watched>>>>;

/// The lock is handed to one who starves, while another tries to barge in.
#[test]
fn mutex_hand_over_keeps_others_out() {
    let census = Census::new(&["in time", "kept out"]);
    let counted = census.clone();
    model("mutex_hand_over_keeps_others_out", None, move || {
        let (mutex, held, waiting) = starving();
        let unlocking = thread::spawn(move || {
            held.add();
            drop(held);
        });
        let barging = {
            let mutex = mutex.clone();
            thread::spawn(move || mutex.try_lock().is_ok_and(|number| number.add() > 0))
        };
        block_on(waiting).add();
        unlocking.join().unwrap();
        let barged = barging.join().unwrap();
        counted.saw(if barged { "in time" } else { "kept out" });
        assert_eq!(mutex.try_lock().unwrap().add(), 3 + u32::from(barged));
    });
    census.assert_all_seen();
}

/// One who starves gives up while the lock is handed to it: the other who waits gets it.
#[test]
fn mutex_hand_over_to_one_who_leaves() {
    model("mutex_hand_over_to_one_who_leaves", Some(3), || {
        let (mutex, held, waiting) = starving();
        let unlocking = thread::spawn(move || {
            held.add();
            drop(held);
        });
        let locking = {
            let mutex = mutex.clone();
            thread::spawn(move || {
                block_on(mutex.lock()).add();
            })
        };
        thread::yield_now();
        drop(waiting);
        unlocking.join().unwrap();
        locking.join().unwrap();
        assert_eq!(mutex.try_lock().unwrap().add(), 3);
    });
}

/// A waiter is dropped while the lock comes its way: the other gets it all the same.
#[test]
fn mutex_cancelled_waiter() {
    let census = Census::new(&["given up", "locked"]);
    let counted = census.clone();
    model("mutex_cancelled_waiter", Some(2), move || {
        let mutex = watched();
        let held = mutex.try_lock().unwrap();
        let giving_up = {
            let mutex = mutex.clone();
            thread::spawn(move || poll_once(mutex.lock()).is_some())
        };
        let waiting = {
            let mutex = mutex.clone();
            thread::spawn(move || {
                block_on(mutex.lock()).add();
            })
        };
        thread::yield_now();
        held.add();
        drop(held);
        let locked = giving_up.join().unwrap();
        counted.saw(if locked { "locked" } else { "given up" });
        waiting.join().unwrap();
        assert_eq!(mutex.try_lock().unwrap().add(), 3);
    });
    census.assert_all_seen();
}
