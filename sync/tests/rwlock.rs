//! What `RwLock` promises.
#![cfg(not(heist_loom))]

#[path = "support/task.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use heist_sync::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockUpgradableReadGuard,
    OwnedRwLockWriteGuard, RwLock, RwLockMappedWriteGuard, RwLockReadGuard,
    RwLockUpgradableReadGuard, RwLockWriteGuard, coop,
};
use support::{Wakes, block_on, calling_waker, task, within_limit};

#[test]
fn many_read_or_one_writes() {
    let lock = RwLock::new(1);
    let (one, two) = (lock.try_read().unwrap(), lock.try_read().unwrap());
    assert!(lock.try_write().is_err());
    let mut writing = task(lock.write());
    writing.expect_pending();
    drop(one);
    assert!(!writing.woken());
    drop(two);
    assert!(writing.woken());
    let mut guard = writing.expect_ready();
    *guard += 1;
    assert!(lock.try_read().is_err() && lock.try_write().is_err());
    drop(guard);
    assert_eq!(*lock.try_read().unwrap(), 2);
}

#[test]
fn a_reader_that_comes_waits_behind_a_waiting_writer() {
    let lock = RwLock::new(());
    let reader = lock.try_read().unwrap();
    let mut writing = task(lock.write());
    writing.expect_pending();
    assert!(lock.try_read().is_err() && lock.try_upgradable_read().is_err());
    let mut reading = task(lock.read());
    reading.expect_pending();
    drop(reader);
    assert!(writing.woken() && !reading.woken());
    let guard = writing.expect_ready();
    reading.expect_pending();
    drop(guard);
    assert!(reading.woken());
    drop(reading.expect_ready());
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_writer_that_leaves_lets_in_the_readers_before_the_next_writer_together() {
    let lock = RwLock::new(());
    let guard = lock.try_write().unwrap();
    let mut early = [task(lock.read()), task(lock.read()), task(lock.read())];
    early.iter_mut().for_each(|one| one.expect_pending());
    let mut writing = task(lock.write());
    writing.expect_pending();
    let mut late = task(lock.read());
    late.expect_pending();
    drop(guard);
    assert!(early.iter().all(|one| one.woken()));
    assert!(!writing.woken() && !late.woken());
    let guards = early.each_mut().map(|one| one.expect_ready());
    drop(guards);
    assert!(writing.woken() && !late.woken());
    drop(writing.expect_ready());
    assert!(late.woken());
    drop(late.expect_ready());
}

#[test]
fn a_writer_that_gives_up_lets_in_those_behind_it() {
    let lock = RwLock::new(());
    let _reader = lock.try_read().unwrap();
    let mut writing = task(lock.write());
    writing.expect_pending();
    let mut readers = [task(lock.read()), task(lock.read())];
    readers.iter_mut().for_each(|one| one.expect_pending());
    drop(writing);
    assert!(readers.iter().all(|one| one.woken()));
    readers.iter_mut().for_each(|one| drop(one.expect_ready()));
    assert!(lock.try_read().is_ok());
}

#[test]
fn what_a_woken_waiter_leaves_goes_to_the_next() {
    let lock = RwLock::new(());
    let guard = lock.try_write().unwrap();
    let mut waiting = [task(lock.write()), task(lock.write())];
    waiting.iter_mut().for_each(|one| one.expect_pending());
    let mut reading = task(lock.read());
    reading.expect_pending();
    drop(guard);
    let [first, second] = waiting;
    assert!(first.woken() && !second.woken());
    drop(first);
    assert!(second.woken() && !reading.woken());
    drop(second);
    assert!(reading.woken());
    drop(reading);
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_woken_reader_that_leaves_keeps_nobody_waiting() {
    // Every order in which two woken readers and a writer behind them may go.
    for scout_first in [true, false] {
        for cancelled in [[true, true], [true, false], [false, true], [false, false]] {
            let lock = RwLock::new(());
            let guard = lock.try_write().unwrap();
            let mut readers = [task(lock.read()), task(lock.read())].map(Some);
            readers
                .iter_mut()
                .for_each(|one| one.as_mut().unwrap().expect_pending());
            let mut writing = task(lock.write());
            writing.expect_pending();
            drop(guard);
            let order = if scout_first { [0, 1] } else { [1, 0] };
            for i in order {
                let mut reader = readers[i].take().unwrap();
                if !cancelled[i] {
                    drop(reader.expect_ready());
                }
            }
            assert!(writing.woken(), "{scout_first} {cancelled:?}");
            drop(writing.expect_ready());
            assert!(lock.try_write().is_ok());
        }
    }
}

#[test]
fn a_runner_may_overtake_a_woken_writer_but_not_for_ever() {
    let lock = RwLock::new(());
    let guard = lock.try_write().unwrap();
    let mut writing = task(lock.write());
    writing.expect_pending();
    let since = Instant::now();
    drop(guard);
    assert!(writing.woken());
    assert!(lock.try_read().is_err(), "no reader overtakes a writer");
    let barged = lock.try_write().expect("the lock is free");
    while since.elapsed() < Duration::from_millis(2) {
        std::hint::spin_loop();
    }
    // Beaten, and it has waited for long enough: the lock is handed over as soon as it is free.
    writing.expect_pending();
    drop(barged);
    assert!(writing.woken());
    assert!(lock.try_read().is_err() && lock.try_write().is_err());
    drop(writing.expect_ready());
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_reader_that_runs_may_overtake_woken_readers() {
    let lock = RwLock::new(());
    let guard = lock.try_write().unwrap();
    let mut reading = task(lock.read());
    reading.expect_pending();
    drop(guard);
    assert!(reading.woken());
    let barged = lock.try_read().unwrap();
    drop((reading.expect_ready(), barged));
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_waiter_is_beaten_only_so_often() {
    fn beaten<T>(lock: &RwLock<()>, mut waiting: support::Task<impl Future<Output = T>>) {
        let mut guard = Some(lock.try_write().unwrap());
        waiting.expect_pending();
        let mut times = 0;
        loop {
            drop(guard.take());
            assert!(waiting.woken());
            let Ok(barged) = lock.try_write() else { break };
            guard = Some(barged);
            waiting.expect_pending();
            times += 1;
            assert!(times <= 16);
        }
        drop(waiting.expect_ready());
        assert!(lock.try_write().is_ok());
    }
    let lock = RwLock::new(());
    beaten(&lock, task(lock.read()));
    beaten(&lock, task(lock.upgradable_read()));
    beaten(&lock, task(lock.write()));
}

#[test]
fn a_lock_handed_to_a_dropped_future_is_handed_on() {
    let lock = RwLock::new(());
    let mut guard = Some(lock.try_write().unwrap());
    let mut first = task(lock.write());
    let mut second = task(lock.read());
    first.expect_pending();
    second.expect_pending();
    loop {
        drop(guard.take());
        assert!(first.woken() && !second.woken());
        let Ok(barged) = lock.try_write() else { break };
        guard = Some(barged);
        first.expect_pending();
    }
    // It holds the lock by now, without having looked.
    drop(first);
    assert!(second.woken());
    drop(second.expect_ready());
    assert!(lock.try_write().is_ok());
}

#[test]
fn one_upgradable_reader_beside_others() {
    let lock = RwLock::new(1);
    let reader = lock.try_read().unwrap();
    let upgradable = lock.try_upgradable_read().unwrap();
    assert!(lock.try_upgradable_read().is_err() && lock.try_write().is_err());
    let mut second = task(lock.upgradable_read());
    second.expect_pending();
    let mut reading = task(lock.read());
    drop(reading.expect_ready());
    let plain = RwLockUpgradableReadGuard::downgrade(upgradable);
    assert!(second.woken());
    let second = second.expect_ready();
    assert_eq!((*reader, *plain, *second), (1, 1, 1));
}

#[test]
fn readers_pass_one_that_waits_to_be_upgradable() {
    let lock = RwLock::new(());
    let _upgradable = lock.try_upgradable_read().unwrap();
    let mut writing = task(lock.write());
    let mut other = task(lock.upgradable_read());
    let mut reading = task(lock.read());
    writing.expect_pending();
    other.expect_pending();
    reading.expect_pending();
    // Once the writer is gone, nothing stands between the reader and the lock but one that waits for something else.
    drop(writing);
    assert!(reading.woken() && !other.woken());
    drop(reading.expect_ready());
    assert!(lock.try_read().is_ok());
}

#[test]
fn upgradable_readers_and_others_are_served_in_the_order_in_which_they_came() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Kind {
        Read,
        Upgradable,
        Write,
    }
    use Kind::{Read, Upgradable, Write};
    type Waiting<'a> = std::pin::Pin<Box<dyn Future<Output = Box<dyn std::any::Any + 'a>> + 'a>>;
    // What comes, and which of them are in together.
    for (come, turns) in [
        (
            &[Upgradable, Write, Upgradable, Read][..],
            &[&[0][..], &[1], &[2, 3]][..],
        ),
        (
            &[Write, Upgradable, Upgradable, Write],
            &[&[0], &[1], &[2], &[3]],
        ),
        (
            &[Upgradable, Upgradable, Read, Write],
            &[&[0, 2], &[1], &[3]],
        ),
        (&[Read, Upgradable, Write, Read], &[&[0, 1], &[2], &[3]]),
    ] {
        let lock = Arc::new(RwLock::new(()));
        let writer = lock.try_write().unwrap();
        let mut waiting: Vec<_> = come
            .iter()
            .map(|kind| {
                let lock = lock.clone();
                let future: Waiting<'_> = match kind {
                    Read => Box::pin(async { Box::new(lock.read_owned().await) as _ }),
                    Upgradable => {
                        Box::pin(async { Box::new(lock.upgradable_read_owned().await) as _ })
                    }
                    Write => Box::pin(async { Box::new(lock.write_owned().await) as _ }),
                };
                let mut one = task(future);
                one.expect_pending();
                one
            })
            .collect();
        drop(writer);
        for turn in turns {
            let mut held = Vec::new();
            loop {
                let woken = (0..come.len()).find(|i| waiting[*i].woken());
                let Some(i) = woken else { break };
                if let Poll::Ready(guard) = waiting[i].poll() {
                    held.push((i, guard));
                }
            }
            let mut inside: Vec<_> = held.iter().map(|(i, _)| *i).collect();
            inside.sort_unstable();
            assert_eq!(inside, *turn, "{come:?}");
        }
        assert!(lock.try_write().is_ok());
    }
}

#[test]
fn no_step_walks_along_those_who_wait() {
    const MANY: usize = if cfg!(miri) { 20 } else { 100_000 };
    within_limit(|| {
        let lock = RwLock::new(());
        let held = lock.try_upgradable_read().unwrap();
        let mut upgradables: Vec<_> = (0..MANY).map(|_| task(lock.upgradable_read())).collect();
        upgradables.iter_mut().for_each(|one| one.expect_pending());
        // Each of them lets in a reader behind that row, or nobody.
        for round in 0..MANY {
            let mut write = task(lock.write());
            write.expect_pending();
            let mut read = task(lock.read());
            if round % 2 == 0 {
                read.expect_pending();
            }
            drop(write);
            assert!(read.poll().is_ready());
        }
        drop(held);
        // Backwards, so that none becomes the first.
        while upgradables.len() > 1 {
            drop(upgradables.pop());
        }
        drop(upgradables.pop().unwrap().expect_ready());
        assert!(lock.try_write().is_ok());
    });
}

#[test]
fn an_upgrade_waits_for_the_readers_and_goes_before_all_others() {
    let lock = RwLock::new(1);
    let reader = lock.try_read().unwrap();
    let upgradable = lock.try_upgradable_read().unwrap();
    let mut writing = task(lock.write());
    writing.expect_pending();
    let mut upgrading = task(RwLockUpgradableReadGuard::upgrade(upgradable));
    upgrading.expect_pending();
    assert!(lock.try_read().is_err());
    drop(reader);
    assert!(upgrading.woken() && !writing.woken());
    let mut guard = upgrading.expect_ready();
    *guard += 1;
    drop(guard);
    assert!(writing.woken());
    assert_eq!(*writing.expect_ready(), 2);
}

#[test]
fn an_upgrade_that_is_dropped_lets_the_lock_go() {
    for (reader_leaves_first, polled) in [(true, true), (false, true), (false, false)] {
        let lock = RwLock::new(());
        let mut reader = Some(lock.try_read().unwrap());
        let upgradable = lock.try_upgradable_read().unwrap();
        let mut upgrading = task(RwLockUpgradableReadGuard::upgrade(upgradable));
        if polled {
            upgrading.expect_pending();
        }
        let mut other = task(lock.upgradable_read());
        other.expect_pending();
        if reader_leaves_first {
            drop(reader.take());
            assert!(upgrading.woken());
        }
        drop(upgrading);
        assert!(other.woken());
        drop(other.expect_ready());
        drop(reader);
        assert!(lock.try_write().is_ok());
    }
}

#[test]
fn one_who_was_woken_to_be_upgradable_is_no_obstacle_to_an_upgrade() {
    let lock = RwLock::new(());
    let first = lock.try_upgradable_read().unwrap();
    let mut second = task(lock.upgradable_read());
    second.expect_pending();
    drop(first);
    assert!(second.woken());
    let barged = lock.try_upgradable_read().unwrap();
    let reader = lock.try_read().unwrap();
    let mut upgrading = task(RwLockUpgradableReadGuard::upgrade(barged));
    upgrading.expect_pending();
    // Beaten: it queues again, and not before the one that it waits for.
    second.expect_pending();
    drop(reader);
    assert!(upgrading.woken() && !second.woken());
    drop(upgrading.expect_ready());
    assert!(second.woken());
    drop(second.expect_ready());
}

#[test]
fn at_most_so_many_readers() {
    let lock = RwLock::with_max_readers(1, 2);
    let upgradable = lock.try_upgradable_read().unwrap();
    let reader = lock.try_read().unwrap();
    assert!(lock.try_read().is_err());
    let mut third = task(lock.read());
    let mut fourth = task(lock.read());
    third.expect_pending();
    fourth.expect_pending();
    drop(reader);
    assert!(third.woken() && !fourth.woken());
    let third = third.expect_ready();
    drop(RwLockUpgradableReadGuard::downgrade(upgradable));
    assert!(fourth.woken());
    drop((third, fourth.expect_ready()));
    assert!(lock.try_write().is_ok());
    assert!(catch_unwind(|| RwLock::with_max_readers(1, 0)).is_err());
    assert!(catch_unwind(|| RwLock::with_max_readers(1, u32::MAX)).is_err());
}

#[test]
fn an_only_reader_upgrades_while_another_waits_for_its_place() {
    let lock = RwLock::with_max_readers((), 1);
    let upgradable = lock.try_upgradable_read().unwrap();
    let mut reading = task(lock.read());
    reading.expect_pending();
    let guard = task(RwLockUpgradableReadGuard::upgrade(upgradable)).expect_ready();
    assert!(!reading.woken());
    drop(guard.downgrade_to_upgradable());
    assert!(reading.woken());
    drop(reading.expect_ready());
}

#[test]
fn downgrades_keep_writers_out_and_let_readers_in() {
    let lock = RwLock::new(1);
    let mut guard = lock.try_write().unwrap();
    let mut reading = task(lock.read());
    reading.expect_pending();
    let mut writing = task(lock.write());
    writing.expect_pending();
    *guard += 1;
    let guard = guard.downgrade();
    assert!(reading.woken() && !writing.woken());
    assert_eq!((*guard, *reading.expect_ready()), (2, 2));
    drop(guard);
    assert!(writing.woken());
    let guard = RwLockWriteGuard::downgrade_to_upgradable(writing.expect_ready());
    let other = lock.try_read().unwrap();
    assert!(lock.try_upgradable_read().is_err());
    drop((guard, other));
    assert!(lock.try_write().is_ok());
}

#[test]
fn guards_of_a_part_hold_the_lock() {
    let lock = RwLock::new((1, [2, 3]));
    let guard = RwLockReadGuard::map(lock.try_read().unwrap(), |data| &data.1);
    let guard = RwLockReadGuard::try_map(guard, |pair| pair.get(7)).unwrap_err();
    let guard = RwLockReadGuard::try_map(guard, |pair| pair.get(1)).unwrap();
    assert_eq!(format!("{guard} {guard:?}"), "3 3");
    assert!(lock.try_write().is_err());
    drop(guard);
    let guard = RwLockWriteGuard::into_mapped(lock.try_write().unwrap());
    let guard = RwLockMappedWriteGuard::map(guard, |data| &mut data.1);
    let guard = RwLockMappedWriteGuard::try_map(guard, |pair| pair.get_mut(7)).unwrap_err();
    let mut guard = RwLockMappedWriteGuard::try_map(guard, |pair| pair.get_mut(1)).unwrap();
    *guard += 1;
    assert!(lock.try_read().is_err());
    drop(guard);
    let guard = lock.try_write().unwrap();
    let guard = RwLockWriteGuard::try_map(guard, |_| None::<&mut i32>).unwrap_err();
    let guard = RwLockWriteGuard::try_downgrade_map(guard, |_| None::<&i32>).unwrap_err();
    let guard = RwLockWriteGuard::downgrade_map(guard, |data| &data.1[1]);
    assert_eq!((*guard, lock.try_read().unwrap().0), (4, 1));
}

#[test]
fn owned_guards_keep_the_lock_alive() {
    let lock = Arc::new(RwLock::new(vec![1, 2]));
    let guard = lock.clone().try_read_owned().unwrap();
    assert!(Arc::ptr_eq(OwnedRwLockReadGuard::rwlock(&guard), &lock));
    drop(OwnedRwLockReadGuard::try_map(guard, |all| all.get(9)).unwrap_err());
    let guard = task(lock.clone().upgradable_read_owned()).expect_ready();
    assert!(lock.try_upgradable_read().is_err());
    let guard = OwnedRwLockUpgradableReadGuard::try_upgrade(guard).unwrap();
    let guard = guard.downgrade_to_upgradable();
    let mut guard = task(OwnedRwLockUpgradableReadGuard::upgrade(guard)).expect_ready();
    guard.push(3);
    let guard = OwnedRwLockWriteGuard::into_mapped(guard);
    let mut guard = OwnedRwLockMappedWriteGuard::try_map(guard, |all| all.last_mut()).unwrap();
    assert!(lock.try_read().is_err());
    *guard += 1;
    drop(guard);
    let guard = task(lock.clone().write_owned()).expect_ready();
    let guard = OwnedRwLockWriteGuard::downgrade_map(guard, |all| &all[2]);
    drop(lock);
    assert_eq!(*guard, 4);
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let lock = RwLock::new(());
    let reader = lock.try_read().unwrap();
    let (early, late) = (Wakes::new(), Wakes::new());
    let mut writing = task(lock.write());
    assert!(writing.poll_with(&early.waker()).is_pending());
    assert!(writing.poll_with(&late.waker()).is_pending());
    drop(reader);
    assert_eq!((early.take(), late.take()), (0, 1));
}

#[test]
fn wakers_that_come_back_into_the_lock_find_its_queue_unlocked() {
    within_limit(|| {
        let lock = Arc::new(RwLock::new(0));
        let again = lock.clone();
        let waker = calling_waker(move || {
            drop(again.try_read());
            drop(again.try_upgradable_read());
            let _ = task(again.write()).poll();
            let _ = task(again.read()).poll();
        });
        let guard = lock.try_write().unwrap();
        let mut reading = [task(lock.read()), task(lock.read())];
        let mut writing = [task(lock.write()), task(lock.write())];
        for one in &mut reading {
            assert!(one.poll_with(&waker).is_pending());
        }
        for one in &mut writing {
            assert!(one.poll_with(&waker).is_pending());
            assert!(one.poll_with(&waker.clone()).is_pending());
        }
        let guard = guard.downgrade();
        for one in &mut reading {
            assert!(one.poll_with(&waker).is_ready());
        }
        drop(guard);
        let [first, mut second] = writing;
        drop(first);
        assert!(second.poll_with(&waker).is_ready());
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
fn a_waker_that_panics_costs_nobody_the_lock() {
    let panics = std::task::Waker::from(Arc::new(Panics));
    let lock = RwLock::new(());
    let guard = lock.try_write().unwrap();
    let mut readers = [task(lock.read()), task(lock.read())];
    assert!(readers[0].poll_with(&panics).is_pending());
    readers[1].expect_pending();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(guard))).is_err());
    assert!(readers[1].woken());
    readers.iter_mut().for_each(|one| drop(one.expect_ready()));
    // While it downgrades.
    let guard = lock.try_write().unwrap();
    let mut reading = task(lock.read());
    assert!(reading.poll_with(&panics).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(guard.downgrade()))).is_err());
    drop(reading);
    assert!(lock.try_write().is_ok());
    // In the poll of a scout, which serves others once it has the lock.
    let lock = RwLock::with_max_readers((), 2);
    let guards = (lock.try_read().unwrap(), lock.try_read().unwrap());
    let mut scout = task(lock.read());
    let mut next = task(lock.read());
    scout.expect_pending();
    assert!(next.poll_with(&panics).is_pending());
    drop(guards.0);
    assert!(scout.woken());
    drop(guards.1);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(scout.poll()))).is_err());
    drop(scout);
    drop(next);
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_panic_lets_the_lock_go_and_poisons_nothing() {
    let lock = Arc::new(RwLock::new(1));
    let taken = lock.clone();
    let panicked = std::thread::spawn(move || {
        let _guard = taken.blocking_write();
        panic!("with the lock held");
    });
    assert!(panicked.join().is_err());
    assert_eq!(*lock.try_write().unwrap(), 1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        drop(RwLockWriteGuard::map(
            lock.try_write().unwrap(),
            |_| -> &mut i32 { panic!("no part") },
        ));
    }));
    assert!(panicked.is_err());
    assert!(lock.try_write().is_ok());
}

#[test]
fn an_unsized_value_and_what_is_printed() {
    let lock: Arc<RwLock<[u8]>> = Arc::new(RwLock::new([1, 2, 3]));
    let mut guard = lock.clone().try_write_owned().unwrap();
    guard[0] = 7;
    assert_eq!(
        format!("{lock:?} {guard:?}"),
        "RwLock { data: <locked> } [7, 2, 3]"
    );
    drop(guard);
    assert_eq!(format!("{lock:?}"), "RwLock { data: [7, 2, 3] }");
    let mut lock = RwLock::from(1);
    *lock.get_mut() += 1;
    assert_eq!(lock.into_inner(), 2);
}

#[test]
fn an_always_free_lock_still_ends_a_poll() {
    let lock = RwLock::new(0);
    let mut greedy = task(async {
        loop {
            let _ = *lock.read().await;
            *lock.write().await += 1;
        }
    });
    coop::budget(|| greedy.expect_pending());
    assert!(greedy.woken());
    drop(greedy);
    assert_eq!(lock.into_inner(), 64);
}

#[test]
fn cancelled_at_each_poll_nothing_is_lost() {
    // One of each kind waits, is polled so often, and is dropped; what follows can still be had.
    for kind in 0..4 {
        for polls in 0..4 {
            let lock = RwLock::new(());
            let writer = lock.try_write().unwrap();
            let upgradable;
            let mut waiting: support::Task<std::pin::Pin<Box<dyn Future<Output = ()> + '_>>> =
                match kind {
                    0 => task(Box::pin(async { drop(lock.read().await) })),
                    1 => task(Box::pin(async { drop(lock.write().await) })),
                    2 => task(Box::pin(async { drop(lock.upgradable_read().await) })),
                    _ => {
                        upgradable = writer;
                        let guard = upgradable.downgrade_to_upgradable();
                        let reader = lock.try_read().unwrap();
                        let mut upgrading = task(RwLockUpgradableReadGuard::upgrade(guard));
                        (0..polls).for_each(|_| upgrading.expect_pending());
                        drop(upgrading);
                        drop(reader);
                        assert!(lock.try_write().is_ok());
                        continue;
                    }
                };
            (0..polls.min(2)).for_each(|_| waiting.expect_pending());
            let mut behind = task(lock.write());
            behind.expect_pending();
            drop(writer);
            if polls == 3 {
                assert_eq!(waiting.poll(), Poll::Ready(()));
            }
            drop(waiting);
            assert!(behind.woken());
            drop(behind.expect_ready());
            assert!(lock.try_write().is_ok());
        }
    }
}

#[test]
fn every_write_counts_on_many_threads_with_cancelled_waits_between() {
    const THREADS: usize = 4;
    let rounds = if cfg!(miri) { 20 } else { 20_000 };
    within_limit(move || {
        let lock = Arc::new(RwLock::with_max_readers((0, 0), 3));
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let lock = lock.clone();
                std::thread::spawn(move || (0..rounds).map(|i| stir(&lock, thread + i)).sum())
            })
            .collect();
        let written: usize = threads
            .into_iter()
            .map(|thread| -> usize { thread.join().unwrap() })
            .sum();
        let pair = *lock.try_write().unwrap();
        assert_eq!(pair, (written, written));
    });
}

/// Does one of all that can be done with a lock, and says how often it has written.
fn stir(lock: &RwLock<(usize, usize)>, what: usize) -> usize {
    fn write(pair: &mut (usize, usize)) -> usize {
        pair.0 += 1;
        std::hint::spin_loop();
        pair.1 += 1;
        1
    }
    fn read(pair: &(usize, usize)) {
        assert_eq!(pair.0, pair.1);
    }
    match what % 7 {
        0 => write(&mut block_on(lock.write())),
        1 => {
            let guard = block_on(lock.upgradable_read());
            read(&guard);
            write(&mut block_on(RwLockUpgradableReadGuard::upgrade(guard)))
        }
        2 => {
            let mut guard = block_on(lock.write());
            let written = write(&mut guard);
            read(&guard.downgrade());
            written
        }
        3 => {
            let _ = task(lock.write()).poll();
            let _ = task(lock.upgradable_read()).poll();
            0
        }
        4 => {
            let guard = block_on(lock.upgradable_read());
            let _ = task(RwLockUpgradableReadGuard::upgrade(guard)).poll();
            0
        }
        _ => {
            read(&block_on(lock.read()));
            0
        }
    }
}

#[test]
fn the_types_may_be_sent_and_shared() {
    fn send_sync<T: Send + Sync>(_: &T) {}
    fn send<T: Send>(_: &T) {}
    let lock = Arc::new(RwLock::new(0));
    send_sync(&lock);
    send(&lock.read());
    send(&lock.write());
    send(&lock.upgradable_read());
    send(&lock.clone().read_owned());
    send(&lock.clone().write_owned());
    let upgradable = lock.try_upgradable_read().unwrap();
    send_sync(&upgradable);
    send(&RwLockUpgradableReadGuard::upgrade(upgradable));
    send_sync(&lock.try_read());
    send_sync(&lock.try_write());
    send_sync(&lock.try_write().map(RwLockWriteGuard::into_mapped));
    send_sync(&lock.clone().try_read_owned());
    send_sync(&lock.clone().try_upgradable_read_owned());
    send_sync(&lock.clone().try_write_owned());
    send_sync(
        &lock
            .try_write_owned()
            .map(OwnedRwLockWriteGuard::into_mapped),
    );
}
