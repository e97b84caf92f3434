//! The barrier: all or nobody, one leader, and what a reset, an abort and a cancelled wait do.

#[path = "support/task.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use heist_sync::Barrier;
use heist_sync::waits::{self, Wait};
use support::{block_on, calling_waker, task, within_limit};

#[test]
fn all_go_on_together_the_last_one_leading_again_and_again() {
    let barrier = Barrier::new(3);
    assert_eq!(barrier.parties(), 3);
    for _ in 0..3 {
        let (mut first, mut second, mut third) = (
            task(barrier.wait()),
            task(barrier.wait()),
            task(barrier.wait()),
        );
        waits::forget();
        first.expect_pending();
        assert_eq!(waits::left(), Wait::Barrier);
        second.expect_pending();
        assert_eq!(barrier.num_waiting(), 2);
        assert!(third.expect_ready().is_leader());
        assert_eq!(barrier.num_waiting(), 0);
        assert!(first.woken() && second.woken());
        assert!(!first.expect_ready().is_leader());
        assert!(!second.expect_ready().is_leader());
    }
}

#[test]
fn a_barrier_for_one_or_none_keeps_nobody_waiting() {
    for n in [0, 1] {
        let barrier = Barrier::new(n);
        assert!(block_on(barrier.wait()).is_leader());
        assert!(barrier.blocking_wait().is_leader());
    }
}

#[test]
fn one_that_gives_up_has_not_come() {
    let barrier = Barrier::new(2);
    let mut given_up = task(barrier.wait());
    given_up.expect_pending();
    drop(given_up);
    assert_eq!(barrier.num_waiting(), 0);
    let mut waits = task(barrier.wait());
    waits.expect_pending();
    assert!(block_on(barrier.wait()).is_leader());
    // Released, and dropped before it looked: the others are on their way all the same.
    drop(waits);
    assert_eq!(barrier.num_waiting(), 0);
}

#[test]
fn a_reset_turns_away_those_who_wait_and_counts_anew() {
    let barrier = Barrier::new(2);
    let mut waits = task(barrier.checked_wait());
    waits.expect_pending();
    barrier.reset();
    assert!(waits.woken() && !barrier.is_broken());
    let error = waits.expect_ready().unwrap_err();
    assert_eq!(error.to_string(), "the barrier was broken");
    let mut waits = task(barrier.checked_wait());
    waits.expect_pending();
    assert!(barrier.blocking_checked_wait().unwrap().is_leader());
    assert!(!waits.expect_ready().unwrap().is_leader());
}

#[test]
fn an_aborted_barrier_lets_nobody_wait_until_it_is_reset() {
    let barrier = Barrier::new(2);
    let mut waits = task(barrier.checked_wait());
    waits.expect_pending();
    barrier.abort();
    assert!(barrier.is_broken());
    waits.expect_ready().unwrap_err();
    block_on(barrier.checked_wait()).unwrap_err();
    let panic = catch_unwind(AssertUnwindSafe(|| barrier.blocking_wait())).unwrap_err();
    let text = panic.downcast_ref::<String>().expect("a text");
    assert_eq!(text, "the barrier was broken");
    barrier.reset();
    task(barrier.checked_wait()).expect_pending();
}

#[test]
fn one_that_was_released_has_its_result_though_the_barrier_breaks_then() {
    let barrier = Barrier::new(2);
    let mut waits = task(barrier.checked_wait());
    waits.expect_pending();
    block_on(barrier.wait());
    barrier.abort();
    assert!(waits.expect_ready().is_ok());
}

#[test]
fn a_waker_may_use_the_barrier() {
    within_limit(|| {
        let barrier = Arc::new(Barrier::new(3));
        let inner = barrier.clone();
        let waker = calling_waker(move || inner.reset());
        for _ in 0..3 {
            let (mut first, mut second) =
                (task(barrier.checked_wait()), task(barrier.checked_wait()));
            let _ = (first.poll_with(&waker), second.poll_with(&waker));
            let _ = (first.poll(), second.poll());
            barrier.abort();
            barrier.reset();
        }
    });
}

#[test]
fn threads_meet_by_blocking() {
    within_limit(|| {
        const ROUNDS: usize = if cfg!(miri) { 3 } else { 100 };
        let (barrier, leaders) = (Barrier::new(4), AtomicUsize::new(0));
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for round in 0..ROUNDS {
                        assert!((round..=round + 1).contains(&leaders.load(Ordering::SeqCst)));
                        if barrier.blocking_wait().is_leader() {
                            leaders.fetch_add(1, Ordering::SeqCst);
                        }
                        barrier.blocking_wait();
                    }
                });
            }
        });
        assert_eq!(leaders.into_inner(), ROUNDS);
    });
}
