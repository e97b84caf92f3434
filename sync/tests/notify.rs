//! What `Notify` promises.
#![cfg(not(heist_loom))]

#[path = "support/task.rs"]
mod support;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use heist_sync::{Notify, coop};
use support::{Wakes, block_on, calling_waker, task, within_limit};

#[test]
fn a_permit_waits_for_the_next_to_come_and_there_is_only_one() {
    let notify = Notify::new();
    notify.notify_one();
    notify.notify_one();
    task(notify.notified()).expect_ready();
    task(notify.notified()).expect_pending();
}

#[test]
fn notify_one_wakes_in_the_order_of_coming_and_notify_last_the_other_way() {
    let notify = Notify::new();
    let mut tasks: Vec<_> = (0..4).map(|_| task(notify.notified())).collect();
    for one in &mut tasks {
        one.expect_pending();
    }
    for next in [0, 1] {
        notify.notify_one();
        let woken: Vec<_> = tasks.iter().map(|one| one.woken()).collect();
        assert_eq!(woken, (0..4).map(|i| i == next).collect::<Vec<_>>());
        tasks[next].expect_ready();
    }
    notify.notify_last();
    assert!(!tasks[2].woken() && tasks[3].woken());
}

#[test]
fn notify_waiters_wakes_all_who_wait_and_leaves_nothing_behind() {
    let notify = Notify::new();
    let mut tasks: Vec<_> = (0..100).map(|_| task(notify.notified())).collect();
    for one in &mut tasks {
        one.expect_pending();
    }
    notify.notify_waiters();
    for one in &mut tasks {
        assert!(one.woken());
        one.expect_ready();
    }
    task(notify.notified()).expect_pending();
}

#[test]
fn notify_waiters_completes_a_future_that_was_made_before_it_and_leaves_the_permit() {
    let notify = Notify::new();
    let mut old = task(notify.notified());
    notify.notify_waiters();
    notify.notify_one();
    old.expect_ready();
    // The permit is still there: the old one did not eat it.
    task(notify.notified()).expect_ready();
    task(notify.notified()).expect_pending();
}

#[test]
fn a_notified_future_that_is_dropped_passes_on() {
    let notify = Notify::new();
    let mut first = task(notify.notified());
    let mut second = task(notify.notified());
    first.expect_pending();
    second.expect_pending();
    notify.notify_one();
    drop(first);
    assert!(second.woken());
    drop(second);
    task(notify.notified()).expect_ready();
}

#[test]
fn notify_last_is_passed_on_to_the_last() {
    let notify = Notify::new();
    let mut tasks: Vec<_> = (0..3).map(|_| task(notify.notified())).collect();
    for one in &mut tasks {
        one.expect_pending();
    }
    notify.notify_last();
    drop(tasks.pop());
    assert!(!tasks[0].woken() && tasks[1].woken());
}

#[test]
fn one_told_with_all_others_passes_nothing_on() {
    let notify = Notify::new();
    let mut told = task(notify.notified());
    told.expect_pending();
    notify.notify_waiters();
    drop(told);
    task(notify.notified()).expect_pending();
}

#[test]
fn enabling_takes_a_place_without_a_poll() {
    let notify = Notify::new();
    let mut first = pin!(notify.notified());
    assert!(!first.as_mut().enable());
    let mut second = task(notify.notified());
    second.expect_pending();
    notify.notify_one();
    assert!(!second.woken());
    assert!(first.as_mut().enable());
}

#[test]
fn a_finished_future_stays_finished() {
    let notify = Notify::new();
    notify.notify_one();
    let mut done = task(notify.notified());
    done.expect_ready();
    done.expect_ready();
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let notify = Notify::new();
    let (early, late) = (Wakes::new(), Wakes::new());
    let mut waiting = task(notify.notified());
    assert!(waiting.poll_with(&early.waker()).is_pending());
    assert!(waiting.poll_with(&late.waker()).is_pending());
    notify.notify_one();
    assert_eq!((early.take(), late.take()), (0, 1));
}

#[test]
fn wakers_that_come_back_find_it_unlocked() {
    within_limit(|| {
        let notify = Arc::new(Notify::new());
        let again = notify.clone();
        let waker = calling_waker(move || {
            again.notify_one();
            let _ = task(again.notified()).poll();
        });
        for _ in 0..3 {
            let mut first = task(notify.notified());
            let mut second = task(notify.notified());
            let _ = first.poll_with(&waker);
            let _ = second.poll_with(&waker);
            let _ = second.poll_with(&waker.clone());
            notify.notify_waiters();
            drop(first);
            notify.notify_one();
        }
    });
}

#[test]
fn permits_that_are_always_there_still_end_a_poll() {
    let notify = Notify::new();
    let mut taken = 0;
    let mut greedy = task(async {
        loop {
            notify.notify_one();
            notify.notified().await;
            taken += 1;
        }
    });
    coop::budget(|| greedy.expect_pending());
    assert!(greedy.woken());
    drop(greedy);
    assert_eq!(taken, 128);
}

#[test]
fn a_queue_of_items_never_stands_still() {
    let items = if cfg!(miri) { 50 } else { 50_000 };
    within_limit(move || {
        let notify = Arc::new(Notify::new());
        let count = Arc::new(AtomicUsize::new(0));
        let (tell, made) = (notify.clone(), count.clone());
        let producer = std::thread::spawn(move || {
            for _ in 0..items {
                made.fetch_add(1, Ordering::Release);
                tell.notify_one();
            }
        });
        let mut seen = 0;
        while seen < items {
            seen += count.swap(0, Ordering::Acquire);
            if seen < items {
                block_on(notify.notified());
            }
        }
        producer.join().unwrap();
    });
}

#[test]
fn the_types_may_be_sent_and_shared() {
    fn check<T: Send + Sync>(_: &T) {}
    let notify = Notify::new();
    check(&notify);
    check(&notify.notified());
    check(&Arc::new(Notify::new()).notified_owned());
    assert_eq!(format!("{notify:?}"), "Notify { state: \"empty\" }");
}

#[test]
fn an_owned_future_keeps_the_notify_alive() {
    let notify = Arc::new(Notify::new());
    let weak = Arc::downgrade(&notify);
    let mut first = task(notify.clone().notified_owned());
    let mut second = task(notify.clone().notified_owned());
    first.expect_pending();
    second.expect_pending();
    drop(notify);
    weak.upgrade().unwrap().notify_one();
    assert!(first.woken() && !second.woken());
    // What had fallen to one that is dropped goes to the next.
    drop(first);
    assert!(second.woken());
    second.expect_ready();
    drop(second);
    assert!(weak.upgrade().is_none());
}

#[test]
fn an_owned_future_that_is_dropped_while_it_waits_leaves_the_queue() {
    let notify = Arc::new(Notify::new());
    let mut first = task(notify.clone().notified_owned());
    let mut second = task(notify.clone().notified_owned());
    first.expect_pending();
    second.expect_pending();
    drop(first);
    notify.notify_one();
    assert!(second.woken());
    second.expect_ready();
    task(notify.notified()).expect_pending();
}

#[test]
fn an_owned_future_moves_to_another_thread_before_it_waits() {
    let rounds = if cfg!(miri) { 5 } else { 500 };
    within_limit(move || {
        for _ in 0..rounds {
            let notify = Arc::new(Notify::new());
            let told = notify.clone().notified_owned();
            let waiting = std::thread::spawn(move || block_on(told));
            notify.notify_one();
            drop(notify);
            waiting.join().unwrap();
        }
    });
}

#[test]
fn enabling_an_owned_future_takes_a_place_and_its_waker_is_the_last() {
    let notify = Arc::new(Notify::new());
    let mut first = Box::pin(notify.clone().notified_owned());
    assert!(!first.as_mut().enable());
    let (early, late) = (Wakes::new(), Wakes::new());
    let mut first = task(first);
    assert!(first.poll_with(&early.waker()).is_pending());
    assert!(first.poll_with(&late.waker()).is_pending());
    notify.notify_one();
    assert_eq!((early.take(), late.take()), (0, 1));
    first.expect_ready();
    assert_eq!(
        format!("{:?}", notify.clone().notified_owned()),
        "OwnedNotified { notify: Notify { state: \"empty\" }, done: false, .. }"
    );
}

#[test]
fn blocking_notified_waits_for_another_thread() {
    within_limit(|| {
        let notify = Arc::new(Notify::new());
        let teller = notify.clone();
        let thread = std::thread::spawn(move || teller.notify_one());
        notify.blocking_notified();
        thread.join().unwrap();
    });
}
