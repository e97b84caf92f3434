//! What `Condvar` promises.
#![cfg(not(heist_loom))]

#[path = "support/task.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use heist_sync::{Condvar, Mutex, MutexGuard};
use support::{Task, Wakes, block_on, calling_waker, task, within_limit};

/// One that waits, polled once.
fn wait<'a>(
    changed: &'a Condvar,
    mutex: &'a Mutex<u32>,
) -> Task<impl Future<Output = MutexGuard<'a, u32>>> {
    let mut waiting = task(changed.wait(mutex.try_lock().unwrap()));
    waiting.expect_pending();
    waiting
}

#[test]
fn a_waiter_lets_the_mutex_go_and_takes_it_again() {
    let (mutex, changed) = (Mutex::new(0), Condvar::new());
    let mut waiting = wait(&changed, &mutex);
    waiting.expect_pending();
    let mut guard = mutex.try_lock().unwrap();
    *guard += 1;
    changed.notify_one();
    assert!(waiting.woken());
    // Notified, it waits for the mutex.
    waiting.expect_pending();
    drop(guard);
    assert!(waiting.woken());
    assert_eq!(*waiting.expect_ready(), 1);
}

#[test]
fn notifications_fall_to_those_who_wait_in_order_or_to_all() {
    let (mutex, changed) = (Mutex::new(0), Condvar::new());
    changed.notify_one();
    let mut waiting = [(); 4].map(|()| wait(&changed, &mutex));
    changed.notify_one();
    assert_eq!(
        waiting.each_ref().map(|one| one.woken()),
        [true, false, false, false]
    );
    changed.notify_all();
    assert_eq!(
        waiting.each_ref().map(|one| one.woken()),
        [false, true, true, true]
    );
    waiting.iter_mut().for_each(|one| drop(one.expect_ready()));
}

#[test]
fn a_notification_goes_on_from_one_who_leaves() {
    // Dropped unnoticed; dropped while it waits for the mutex; dropped before it was notified.
    for polled in [false, true] {
        let (mutex, changed) = (Mutex::new(0), Condvar::new());
        let mut first = wait(&changed, &mutex);
        let second = wait(&changed, &mutex);
        let mut third = wait(&changed, &mutex);
        let guard = mutex.try_lock().unwrap();
        changed.notify_one();
        assert!(first.woken() && !second.woken());
        if polled {
            first.expect_pending();
        }
        drop(second);
        drop(first);
        assert!(third.woken());
        drop(guard);
        drop(third.expect_ready());
    }
}

#[test]
fn one_who_was_told_with_all_others_has_nothing_to_pass_on() {
    let (mutex, changed) = (Mutex::new(0), Condvar::new());
    let first = wait(&changed, &mutex);
    changed.notify_all();
    let second = wait(&changed, &mutex);
    drop(first);
    assert!(!second.woken());
}

#[test]
fn one_who_got_the_mutex_passes_nothing_on() {
    let (mutex, changed) = (Mutex::new(0), Condvar::new());
    let mut first = wait(&changed, &mutex);
    let second = wait(&changed, &mutex);
    changed.notify_one();
    drop(first.expect_ready());
    drop(first);
    assert!(!second.woken());
}

#[test]
fn a_wait_that_is_dropped_leaves_the_mutex_free() {
    let (mutex, changed) = (Mutex::new(0), Condvar::new());
    drop(task(changed.wait(mutex.try_lock().unwrap())));
    assert!(mutex.try_lock().is_ok());
    drop(wait(&changed, &mutex));
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn wait_while_looks_again() {
    let (mutex, changed) = (Mutex::new(0), Condvar::new());
    let mut waiting = task(changed.wait_while(mutex.try_lock().unwrap(), |n| *n < 2));
    for n in [1, 2] {
        waiting.expect_pending();
        *mutex.try_lock().unwrap() = n;
        changed.notify_one();
        assert!(waiting.woken());
    }
    assert_eq!(*waiting.expect_ready(), 2);
    drop(waiting);
    let guard = mutex.try_lock().unwrap();
    let mut waiting = task(changed.wait_while(guard, |n| *n < 2));
    assert_eq!(*waiting.expect_ready(), 2, "no wait where none is needed");
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let (mutex, changed) = (Mutex::new(0), Condvar::new());
    let (early, late) = (Wakes::new(), Wakes::new());
    let mut waiting = task(changed.wait(mutex.try_lock().unwrap()));
    assert!(waiting.poll_with(&early.waker()).is_pending());
    assert!(waiting.poll_with(&late.waker()).is_pending());
    changed.notify_one();
    assert_eq!((early.take(), late.take()), (0, 1));
}

#[test]
fn wakers_that_come_back_find_the_queue_unlocked() {
    within_limit(|| {
        let both = Arc::new((Mutex::new(0), Condvar::new()));
        let again = both.clone();
        let waker = calling_waker(move || {
            again.1.notify_one();
            if let Ok(guard) = again.0.try_lock() {
                let _ = task(again.1.wait(guard)).poll();
            }
        });
        let (mutex, changed) = (&both.0, &both.1);
        let waiting = [(); 3].map(|()| {
            let mut waiting = task(changed.wait(mutex.try_lock().unwrap()));
            assert!(waiting.poll_with(&waker).is_pending());
            // The clone of the waker notifies.
            let done = waiting.poll_with(&waker.clone()).is_ready();
            (!done).then_some(waiting)
        });
        changed.notify_one();
        changed.notify_all();
        for mut one in waiting.into_iter().flatten() {
            let _ = one.poll_with(&waker);
        }
        assert!(mutex.try_lock().is_ok());
    });
}

/// A waker that panics when it is woken.
struct Panics;

impl std::task::Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("in a waker");
    }
}

#[test]
fn a_waker_that_panics_keeps_nobody_else_from_being_told() {
    let (mutex, changed) = (Mutex::new(0), Condvar::new());
    let panics = std::task::Waker::from(Arc::new(Panics));
    let mut first = task(changed.wait(mutex.try_lock().unwrap()));
    assert!(first.poll_with(&panics).is_pending());
    let mut second = wait(&changed, &mutex);
    assert!(catch_unwind(AssertUnwindSafe(|| changed.notify_all())).is_err());
    assert!(second.woken());
    drop(second.expect_ready());
    drop(first.expect_ready());
}

#[test]
fn an_owned_guard_waits_as_well() {
    let (mutex, changed) = (Arc::new(Mutex::new(0)), Condvar::new());
    let mut waiting = task(changed.wait_owned(mutex.clone().try_lock_owned().unwrap()));
    waiting.expect_pending();
    *mutex.try_lock().unwrap() += 1;
    changed.notify_one();
    assert_eq!(*waiting.expect_ready(), 1);
}

#[test]
fn values_pass_between_many_threads_with_cancelled_waits_between() {
    const PAIRS: usize = 2;
    let rounds = if cfg!(miri) { 20 } else { 10_000 };
    within_limit(move || {
        // A queue with room for one; producers and consumers tell each other one by one.
        let shared = Arc::new((Mutex::new(None::<usize>), Condvar::new(), Condvar::new()));
        let threads: Vec<_> = (0..2 * PAIRS)
            .map(|number| {
                let shared = shared.clone();
                std::thread::spawn(move || {
                    let (slot, filled, emptied) = &*shared;
                    (0..rounds).fold(0, |sum, round| {
                        let mut guard = block_on(slot.lock());
                        let given = number % 2 == 0;
                        if round % 3 == 0 {
                            let own = if given { emptied } else { filled };
                            let _ = task(own.wait(guard)).poll();
                            guard = block_on(slot.lock());
                        }
                        if given {
                            guard = block_on(emptied.wait_while(guard, |slot| slot.is_some()));
                            *guard = Some(round);
                            filled.notify_one();
                            sum
                        } else {
                            guard = block_on(filled.wait_while(guard, |slot| slot.is_none()));
                            let value = guard.take().unwrap();
                            emptied.notify_one();
                            sum + value
                        }
                    })
                })
            })
            .collect();
        let sum: usize = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        assert_eq!(sum, PAIRS * rounds * (rounds - 1) / 2);
    });
}

#[test]
fn the_types_may_be_sent_and_shared() {
    fn send_sync<T: Send + Sync>(_: &T) {}
    fn send<T: Send>(_: &T) {}
    let (mutex, changed) = (Mutex::new(0), Condvar::new());
    send_sync(&changed);
    send(&changed.wait(mutex.try_lock().unwrap()));
    assert_eq!(format!("{changed:?}"), "Condvar { .. }");
}
