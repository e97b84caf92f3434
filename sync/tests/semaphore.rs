//! What `Semaphore` promises.
#![cfg(not(heist_loom))]

#[path = "support/task.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use heist_sync::{Semaphore, TryAcquireError, coop};
use support::{Wakes, block_on, calling_waker, task, within_limit};

#[test]
fn permits_are_counted_out_and_come_back() {
    let semaphore = Semaphore::new(2);
    let first = semaphore.try_acquire().unwrap();
    let second = task(semaphore.acquire()).expect_ready().unwrap();
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::NoPermits
    );
    drop((first, second));
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn waiters_are_served_in_order_and_a_large_request_is_not_starved() {
    let semaphore = Semaphore::new(0);
    let mut large = task(semaphore.acquire_many(3));
    let mut small = task(semaphore.acquire());
    large.expect_pending();
    small.expect_pending();
    semaphore.add_permits(2);
    assert!(!large.woken() && !small.woken());
    assert_eq!(semaphore.available_permits(), 0);
    assert!(semaphore.try_acquire().is_err(), "no overtaking");
    semaphore.add_permits(1);
    assert!(large.woken() && !small.woken());
    let permits = large.expect_ready().unwrap();
    assert_eq!(permits.num_permits(), 3);
    drop(permits);
    assert!(small.woken());
    assert!(small.expect_ready().is_ok());
    assert_eq!(semaphore.available_permits(), 3);
}

#[test]
fn a_cancelled_waiter_makes_room_for_the_one_behind_it() {
    let semaphore = Semaphore::new(0);
    let mut large = task(semaphore.acquire_many(3));
    let mut small = task(semaphore.acquire());
    large.expect_pending();
    small.expect_pending();
    semaphore.add_permits(1);
    drop(large);
    assert!(small.woken());
    assert!(small.expect_ready().is_ok());
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn permits_granted_to_a_dropped_future_are_not_lost() {
    let semaphore = Semaphore::new(0);
    let mut first = task(semaphore.acquire());
    let mut second = task(semaphore.acquire());
    first.expect_pending();
    second.expect_pending();
    semaphore.add_permits(1);
    assert!(first.woken() && !second.woken());
    drop(first);
    assert!(second.woken());
    drop(second);
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let semaphore = Semaphore::new(0);
    let (early, late) = (Wakes::new(), Wakes::new());
    let mut waiting = task(semaphore.acquire());
    assert!(waiting.poll_with(&early.waker()).is_pending());
    assert!(waiting.poll_with(&late.waker()).is_pending());
    semaphore.add_permits(1);
    assert_eq!((early.take(), late.take()), (0, 1));
}

#[test]
fn closing_refuses_those_who_wait_and_those_who_come_for_good() {
    let semaphore = Semaphore::new(1);
    let mut waiting = task(semaphore.acquire_many(2));
    waiting.expect_pending();
    semaphore.close();
    assert!(waiting.woken());
    assert!(waiting.expect_ready().is_err());
    assert!(task(semaphore.acquire()).expect_ready().is_err());
    semaphore.add_permits(1);
    assert_eq!(semaphore.forget_permits(1), 1);
    assert!(semaphore.is_closed());
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::Closed
    );
}

#[test]
fn the_count_has_a_limit_that_is_checked_before_it_is_passed() {
    const MAX: usize = Semaphore::MAX_PERMITS;
    for (start, more, fits) in [
        (0, MAX, true),
        (1, MAX, false),
        (MAX - 1, 1, true),
        (MAX, 0, true),
        (MAX, 1, false),
        (0, usize::MAX, false),
    ] {
        let semaphore = Semaphore::new(start);
        let added = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            semaphore.add_permits(more);
        }));
        assert_eq!(added.is_ok(), fits, "{start} + {more}");
        let expected = if fits { start + more } else { start };
        assert_eq!(semaphore.available_permits(), expected);
    }
    assert!(std::panic::catch_unwind(|| Semaphore::new(MAX + 1)).is_err());
}

#[test]
fn a_permit_granted_before_the_close_and_looked_at_after_it_is_refused_and_goes_back() {
    let semaphore = Arc::new(Semaphore::new(0));
    let mut one = task(semaphore.acquire());
    let mut many = task(semaphore.acquire_many(2));
    let mut owned = task(semaphore.clone().acquire_owned());
    let mut many_owned = task(semaphore.clone().acquire_many_owned(2));
    let mut dropped = task(semaphore.acquire());
    one.expect_pending();
    many.expect_pending();
    owned.expect_pending();
    many_owned.expect_pending();
    dropped.expect_pending();
    semaphore.add_permits(7);
    semaphore.close();
    assert_eq!(semaphore.available_permits(), 0);
    assert!(one.expect_ready().is_err());
    assert!(many.expect_ready().is_err());
    assert!(owned.expect_ready().is_err());
    assert!(many_owned.expect_ready().is_err());
    drop(dropped);
    assert_eq!(semaphore.available_permits(), 7);
    // One that was looked at is kept.
    let semaphore = Semaphore::new(0);
    let mut one = task(semaphore.acquire());
    one.expect_pending();
    semaphore.add_permits(1);
    let one = one.expect_ready().unwrap();
    semaphore.close();
    assert_eq!(semaphore.available_permits(), 0);
    drop(one);
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn permits_come_back_to_a_full_semaphore_without_a_panic() {
    const MAX: usize = Semaphore::MAX_PERMITS;
    let semaphore = Semaphore::new(MAX);
    let held = semaphore.try_acquire_many(3).unwrap();
    semaphore.add_permits(1);
    drop(held);
    assert_eq!(semaphore.available_permits(), MAX);
    // So do those of one who never looked.
    let mut all = semaphore.try_acquire_many(u32::MAX).unwrap();
    let mut waiting = task(semaphore.acquire_many(u32::MAX));
    semaphore.forget_permits(usize::MAX);
    waiting.expect_pending();
    drop(all.split(u32::MAX as usize).unwrap());
    assert!(waiting.woken());
    semaphore.add_permits(MAX);
    drop(waiting);
    assert_eq!(semaphore.available_permits(), MAX);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn permits_merge_and_split_beyond_what_one_acquire_takes() {
    const MOST: usize = u32::MAX as usize;
    let semaphore = Arc::new(Semaphore::new(3 * MOST));
    let mut all = semaphore.try_acquire_many(u32::MAX).unwrap();
    all.merge(semaphore.try_acquire_many(u32::MAX).unwrap());
    all.merge(semaphore.try_acquire_many(1).unwrap());
    assert_eq!(all.num_permits(), 2 * MOST + 1);
    let part = all.split(MOST + 2).unwrap();
    assert_eq!(
        (all.num_permits(), part.num_permits()),
        (MOST - 1, MOST + 2)
    );
    drop((all, part));
    let mut owned = semaphore.clone().try_acquire_many_owned(u32::MAX).unwrap();
    owned.merge(semaphore.clone().try_acquire_many_owned(u32::MAX).unwrap());
    assert_eq!(owned.split(2 * MOST).unwrap().num_permits(), 2 * MOST);
    drop(owned);
    assert_eq!(semaphore.available_permits(), 3 * MOST);
}

#[test]
fn forgotten_permits_do_not_come_back() {
    let semaphore = Semaphore::new(5);
    semaphore.try_acquire().unwrap().forget();
    assert_eq!(semaphore.forget_permits(3), 3);
    assert_eq!(semaphore.forget_permits(3), 1);
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn permits_merge_and_split() {
    let semaphore = Arc::new(Semaphore::new(4));
    let mut three = semaphore.clone().try_acquire_many_owned(3).unwrap();
    let one = semaphore.clone().try_acquire_owned().unwrap();
    three.merge(one);
    let two = three.split(2).unwrap();
    assert!(three.split(3).is_none());
    assert_eq!((three.num_permits(), two.num_permits()), (2, 2));
    drop(two);
    assert_eq!(semaphore.available_permits(), 2);
    let other = Semaphore::new(1);
    let borrowed = other.try_acquire().unwrap();
    let mixed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        semaphore.try_acquire().unwrap().merge(borrowed);
    }));
    assert!(mixed.is_err());
    assert_eq!(
        (semaphore.available_permits(), other.available_permits()),
        (2, 1)
    );
}

#[test]
fn wakers_that_come_back_into_the_semaphore_find_it_unlocked() {
    within_limit(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let again = semaphore.clone();
        let waker = calling_waker(move || {
            again.add_permits(0);
            let _ = task(again.acquire()).poll();
            drop(again.try_acquire());
        });
        let mut first = task(semaphore.acquire());
        let mut second = task(semaphore.acquire());
        assert!(first.poll_with(&waker).is_pending());
        assert!(second.poll_with(&waker).is_pending());
        assert!(first.poll_with(&waker.clone()).is_pending());
        drop(first);
        semaphore.add_permits(1);
        assert!(second.poll_with(&waker).is_ready());
        semaphore.close();
    });
}

#[test]
fn a_panicking_waker_does_not_keep_the_others_asleep() {
    let semaphore = Semaphore::new(0);
    let bomb = calling_waker(|| {});
    let mut first = task(semaphore.acquire());
    assert!(first.poll_with(&bomb).is_pending());
    drop(first);
    struct Bomb;
    impl std::task::Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let mut bombed = task(semaphore.acquire());
    assert!(bombed.poll_with(&Arc::new(Bomb).into()).is_pending());
    let mut waiting = task(semaphore.acquire());
    waiting.expect_pending();
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| semaphore.add_permits(2)));
    assert!(caught.is_err());
    assert!(waiting.woken());
    assert!(waiting.expect_ready().is_ok());
    assert!(bombed.expect_ready().is_ok());
}

#[test]
fn always_free_permits_still_end_a_poll() {
    let semaphore = Semaphore::new(1);
    let mut taken = 0;
    let mut greedy = task(async {
        loop {
            drop(semaphore.acquire().await);
            taken += 1;
        }
    });
    coop::budget(|| greedy.expect_pending());
    assert!(greedy.woken());
    drop(greedy);
    assert_eq!(taken, 128);
}

#[test]
fn never_more_than_the_permits_at_once_on_many_threads() {
    const THREADS: usize = 4;
    let rounds = if cfg!(miri) { 20 } else { 20_000 };
    within_limit(move || {
        let semaphore = Arc::new(Semaphore::new(2));
        let inside = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..THREADS)
            .map(|i| {
                let (semaphore, inside) = (semaphore.clone(), inside.clone());
                std::thread::spawn(move || {
                    for round in 0..rounds {
                        let n = 1 + ((i + round) % 2) as u32;
                        let permit = block_on(semaphore.acquire_many(n)).unwrap();
                        let before = inside.fetch_add(n as usize, Ordering::SeqCst);
                        assert!(before + n as usize <= 2);
                        inside.fetch_sub(n as usize, Ordering::SeqCst);
                        drop(permit);
                        if round % 7 == 0 {
                            // Cancelled at its first wait, or at once.
                            let _ = task(semaphore.acquire_many(2)).poll();
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn blocking_acquire_waits_for_another_thread() {
    within_limit(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let giver = semaphore.clone();
        let thread = std::thread::spawn(move || giver.add_permits(1));
        semaphore.blocking_acquire().unwrap().forget();
        thread.join().unwrap();
    });
}

#[test]
fn threads_wait_for_owned_permits_in_turn_with_tasks() {
    within_limit(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let mut ahead = task(semaphore.clone().acquire_owned());
        ahead.expect_pending();
        let waiting = semaphore.clone();
        let thread = std::thread::spawn(move || {
            let two = waiting.clone().blocking_acquire_many_owned(2).unwrap();
            drop((two, waiting.blocking_acquire_owned().unwrap()));
        });
        semaphore.add_permits(4);
        assert!(ahead.woken());
        drop(ahead.expect_ready());
        thread.join().unwrap();
        assert_eq!(semaphore.available_permits(), 4);
        semaphore.close();
        assert!(semaphore.clone().blocking_acquire_owned().is_err());
        assert!(semaphore.blocking_acquire_many(1).is_err());
    });
}

#[test]
fn wanting_nothing_is_no_reason_to_wait_but_a_closed_semaphore_refuses_it_too() {
    let semaphore = Semaphore::new(0);
    let mut waiting = task(semaphore.acquire());
    waiting.expect_pending();
    let none = task(semaphore.acquire_many(0)).expect_ready().unwrap();
    assert_eq!(none.num_permits(), 0);
    drop(none);
    assert!(!waiting.woken());
    semaphore.close();
    assert!(semaphore.try_acquire_many(0).is_err());
}

#[test]
fn a_part_that_was_split_off_belongs_to_the_same_semaphore_and_goes_back_by_itself() {
    let semaphore = Semaphore::new(3);
    let mut three = semaphore.try_acquire_many(3).unwrap();
    let mut waiting = task(semaphore.acquire_many(2));
    waiting.expect_pending();
    let two = three.split(2).unwrap();
    assert!(std::ptr::eq(two.semaphore(), &semaphore));
    drop(two);
    assert!(waiting.woken());
    let mut two = waiting.expect_ready().unwrap();
    two.merge(three);
    assert_eq!(two.num_permits(), 3);
    assert_eq!(two.split(0).unwrap().num_permits(), 0);
    two.forget();
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn the_types_may_be_sent_and_shared() {
    fn check<T: Send + Sync>(_: &T) {}
    let semaphore = Arc::new(Semaphore::new(2));
    check(&semaphore);
    check(&semaphore.acquire());
    check(&semaphore.clone().acquire_owned());
    check(&semaphore.try_acquire());
    check(&semaphore.clone().try_acquire_owned());
}

/// Random requests, polls, cancellations and returns, held against the plainest account of them: a number and a queue.
#[test]
fn permits_are_conserved_and_the_order_kept_whatever_is_cancelled() {
    use heist_sync::sys::rand::Rand;
    for seed in 0..if cfg!(miri) { 4 } else { 400 } {
        let rand = Rand::new(seed);
        let semaphore = Semaphore::new(3);
        let (mut free, mut held, mut waiting) = (3, Vec::new(), Vec::new());
        for step in 0..100 {
            match rand.below(5) {
                0 | 1 => {
                    let n = 1 + rand.below(3);
                    let mut request = task(semaphore.acquire_many(n));
                    match request.poll() {
                        Poll::Ready(permit) => {
                            assert!(waiting.is_empty() && free >= n, "{seed} {step}");
                            free -= n;
                            held.push(permit.unwrap());
                        }
                        Poll::Pending => {
                            assert!(!waiting.is_empty() || free < n, "{seed} {step}");
                            waiting.push((n, request));
                        }
                    }
                }
                2 if !waiting.is_empty() => {
                    waiting.remove(rand.below(waiting.len() as u32) as usize);
                }
                3 if !held.is_empty() => {
                    let permit = held.swap_remove(rand.below(held.len() as u32) as usize);
                    free += permit.num_permits() as u32;
                }
                _ => {}
            }
            // Whom the account serves by now is woken and ready, and nobody else is.
            while waiting.first().is_some_and(|(n, _)| *n <= free) {
                let (n, mut request) = waiting.remove(0);
                assert!(request.woken(), "{seed} {step}");
                free -= n;
                held.push(request.expect_ready().unwrap());
            }
            for (_, request) in &mut waiting {
                assert!(!request.woken(), "{seed} {step}");
                request.expect_pending();
            }
            let available = if waiting.is_empty() { free } else { 0 };
            assert_eq!(semaphore.available_permits(), available as usize);
        }
        drop((waiting, held));
        assert_eq!(semaphore.available_permits(), 3);
    }
}
