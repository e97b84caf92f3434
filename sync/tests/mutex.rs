//! What `Mutex` promises.
#![cfg(not(heist_loom))]

#[path = "support/task.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use heist_sync::{
    MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard, coop,
};
use support::{Wakes, block_on, calling_waker, task, within_limit};

#[test]
fn one_at_a_time() {
    let mutex = Mutex::new(1);
    let mut guard = task(mutex.lock()).expect_ready();
    *guard += 1;
    assert!(mutex.try_lock().is_err());
    let mut waiting = task(mutex.lock());
    waiting.expect_pending();
    drop(guard);
    assert!(waiting.woken());
    assert_eq!(*waiting.expect_ready(), 2);
    drop(waiting);
    assert_eq!(mutex.into_inner(), 2);
}

#[test]
fn a_runner_may_overtake_a_woken_waiter_but_not_for_ever() {
    let mutex = Mutex::new(());
    let guard = task(mutex.lock()).expect_ready();
    let mut waiting = task(mutex.lock());
    waiting.expect_pending();
    let since = Instant::now();
    drop(guard);
    assert!(waiting.woken());
    let barged = mutex.try_lock().expect("the lock is free");
    while since.elapsed() < Duration::from_millis(2) {
        std::hint::spin_loop();
    }
    // Beaten, and it has waited for long enough: the next unlock hands the lock over.
    waiting.expect_pending();
    drop(barged);
    assert!(waiting.woken());
    assert!(mutex.try_lock().is_err());
    drop(waiting.expect_ready());
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_waiter_is_beaten_only_so_often() {
    let mutex = Mutex::new(());
    let mut guard = Some(task(mutex.lock()).expect_ready());
    let mut waiting = task(mutex.lock());
    waiting.expect_pending();
    let mut beaten = 0;
    loop {
        drop(guard.take());
        assert!(waiting.woken());
        let Ok(barged) = mutex.try_lock() else { break };
        guard = Some(barged);
        waiting.expect_pending();
        beaten += 1;
        assert!(beaten <= 16);
    }
    drop(waiting.expect_ready());
}

#[test]
fn a_lock_handed_to_a_dropped_future_is_unlocked() {
    let mutex = Mutex::new(());
    let guard = task(mutex.lock()).expect_ready();
    let mut first = task(mutex.lock());
    let mut second = task(mutex.lock());
    first.expect_pending();
    second.expect_pending();
    drop(guard);
    assert!(first.woken() && !second.woken());
    drop(first);
    assert!(second.woken());
    drop(second);
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_starving_waiter_that_is_dropped_hands_on() {
    let mutex = Mutex::new(());
    let mut guard = Some(task(mutex.lock()).expect_ready());
    let mut first = task(mutex.lock());
    let mut second = task(mutex.lock());
    first.expect_pending();
    second.expect_pending();
    loop {
        drop(guard.take());
        assert!(first.woken() && !second.woken());
        let Ok(barged) = mutex.try_lock() else { break };
        guard = Some(barged);
        first.expect_pending();
    }
    // It holds the lock by now, without having looked.
    drop(first);
    assert!(second.woken());
    drop(second.expect_ready());
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn waiters_are_woken_in_order_one_at_a_time() {
    let mutex = Mutex::new(Vec::new());
    let guard = task(mutex.lock()).expect_ready();
    let mut waiting: Vec<_> = (0..10).map(|_| task(mutex.lock())).collect();
    for one in &mut waiting {
        one.expect_pending();
    }
    drop(guard);
    for i in 0..10 {
        let woken: Vec<_> = waiting.iter().map(|one| one.woken()).collect();
        assert_eq!(woken.iter().position(|&woken| woken), Some(i));
        assert_eq!(woken.iter().filter(|&&woken| woken).count(), 1);
        waiting[i].expect_ready().push(i);
    }
    drop(waiting);
    assert_eq!(mutex.into_inner(), (0..10).collect::<Vec<_>>());
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    let (early, late) = (Wakes::new(), Wakes::new());
    let mut waiting = task(mutex.lock());
    assert!(waiting.poll_with(&early.waker()).is_pending());
    assert!(waiting.poll_with(&late.waker()).is_pending());
    drop(guard);
    assert_eq!((early.take(), late.take()), (0, 1));
}

#[test]
fn wakers_that_come_back_into_the_mutex_find_its_queue_unlocked() {
    within_limit(|| {
        let mutex = Arc::new(Mutex::new(0));
        let again = mutex.clone();
        let waker = calling_waker(move || {
            drop(again.try_lock());
            let _ = task(again.lock()).poll();
        });
        let guard = mutex.try_lock().unwrap();
        let mut first = task(mutex.lock());
        let mut second = task(mutex.lock());
        assert!(first.poll_with(&waker).is_pending());
        assert!(second.poll_with(&waker).is_pending());
        assert!(first.poll_with(&waker.clone()).is_pending());
        drop(guard);
        drop(first);
        assert!(second.poll_with(&waker).is_ready());
    });
}

#[test]
fn a_panic_lets_the_lock_go_and_poisons_nothing() {
    let mutex = Arc::new(Mutex::new(1));
    let taken = mutex.clone();
    let panicked = std::thread::spawn(move || {
        let _guard = taken.blocking_lock();
        panic!("with the lock held");
    });
    assert!(panicked.join().is_err());
    assert_eq!(*mutex.try_lock().unwrap(), 1);
}

#[test]
fn an_unsized_value_and_an_owned_guard() {
    let mutex: Arc<Mutex<[u8]>> = Arc::new(Mutex::new([1, 2, 3]));
    let mut guard = task(mutex.clone().lock_owned()).expect_ready();
    guard[0] = 7;
    assert!(mutex.clone().try_lock_owned().is_err());
    drop(guard);
    assert_eq!(format!("{mutex:?}"), "Mutex { data: [7, 2, 3] }");
    let guard = mutex.try_lock().unwrap();
    assert_eq!(
        format!("{mutex:?} {guard:?}"),
        "Mutex { data: <locked> } [7, 2, 3]"
    );
}

#[test]
fn an_always_free_lock_still_ends_a_poll() {
    let mutex = Mutex::new(0);
    let mut greedy = task(async {
        loop {
            *mutex.lock().await += 1;
        }
    });
    coop::budget(|| greedy.expect_pending());
    assert!(greedy.woken());
    drop(greedy);
    assert_eq!(mutex.into_inner(), 128);
}

#[test]
fn every_increment_counts_on_many_threads_with_cancelled_waits_between() {
    const THREADS: usize = 4;
    let rounds = if cfg!(miri) { 20 } else { 50_000 };
    within_limit(move || {
        let mutex = Arc::new(Mutex::new(0));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let mutex = mutex.clone();
                std::thread::spawn(move || {
                    for round in 0..rounds {
                        *block_on(mutex.lock()) += 1;
                        if round % 5 == 0 {
                            let _ = task(mutex.lock()).poll();
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*mutex.try_lock().unwrap(), THREADS * rounds);
    });
}

#[test]
fn the_types_may_be_sent_and_shared() {
    fn send_sync<T: Send + Sync>(_: &T) {}
    fn send<T: Send>(_: &T) {}
    let mutex = Arc::new(Mutex::new(std::cell::Cell::new(0)));
    send_sync(&mutex);
    send(&mutex.lock());
    send(&mutex.clone().lock_owned());
    send(&mutex.try_lock());
    send(
        &mutex
            .try_lock()
            .map(|guard| MutexGuard::map(guard, |data| data)),
    );
    let shared = Mutex::new(0);
    send_sync(&shared.lock());
    send_sync(&shared.try_lock());
    send_sync(
        &shared
            .try_lock()
            .map(|guard| MutexGuard::map(guard, |data| data)),
    );
}

#[test]
fn a_mapped_guard_holds_the_lock_and_lends_its_part_alone() {
    let mutex = Mutex::new((1, [2, 3]));
    let guard = task(mutex.lock()).expect_ready();
    let mut waiting = task(mutex.lock());
    waiting.expect_pending();
    let pair = MutexGuard::map(guard, |data| &mut data.1);
    let pair = MappedMutexGuard::try_map(pair, |pair| pair.get_mut(7)).unwrap_err();
    let mut last = MappedMutexGuard::map(pair, |pair| &mut pair[1]);
    *last += 4;
    assert_eq!(format!("{last} {last:?}"), "7 7");
    assert!(!waiting.woken() && mutex.try_lock().is_err());
    drop(last);
    assert!(waiting.woken());
    assert_eq!(*waiting.expect_ready(), (1, [2, 7]));
}

#[test]
fn an_owned_mapped_guard_keeps_the_mutex_alive() {
    let mutex = Arc::new(Mutex::new(vec![1, 2]));
    let guard = mutex.clone().try_lock_owned().unwrap();
    let guard = OwnedMutexGuard::try_map(guard, |all| all.get_mut(9)).unwrap_err();
    let mut first = OwnedMutexGuard::filter_map(guard, |all| all.first_mut()).unwrap();
    assert!(Arc::ptr_eq(OwnedMappedMutexGuard::mutex(&first), &mutex));
    assert!(mutex.try_lock().is_err());
    drop(mutex);
    *first += 1;
    assert_eq!(*OwnedMappedMutexGuard::map(first, |first| first), 2);
}

#[test]
fn a_panic_while_a_guard_is_mapped_lets_the_lock_go() {
    let mutex = Mutex::new(1);
    let guard = mutex.try_lock().unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = MutexGuard::map(guard, |_| -> &mut i32 { panic!("no part") });
    }));
    assert!(panicked.is_err());
    assert_eq!(*mutex.try_lock().unwrap(), 1);
}
