//! The event: who waits is released by one set, even if it is cleared at once.

#[path = "support/task.rs"]
mod support;

use std::sync::Arc;

use heist_sync::Event;
use heist_sync::waits::{self, Wait};
use support::{Wakes, calling_waker, task, within_limit};

#[test]
fn a_set_event_keeps_nobody_waiting_and_a_clear_one_everybody() {
    let event = Event::default();
    let mut wait = task(event.wait());
    waits::forget();
    wait.expect_pending();
    assert_eq!(waits::left(), Wait::Event);
    event.set();
    assert!(wait.woken());
    wait.expect_ready();
    task(event.wait()).expect_ready();
    event.set();
    assert!(event.is_set());
    event.clear();
    event.clear();
    assert!(!event.is_set());
    task(event.wait()).expect_pending();
}

#[test]
fn who_waited_is_released_though_it_is_cleared_at_once() {
    let event = Event::new();
    let (mut first, mut second) = (task(event.wait()), task(event.wait()));
    first.expect_pending();
    second.expect_pending();
    event.set();
    event.clear();
    first.expect_ready();
    second.expect_ready();
    // One that hadn't been polled yet comes too late.
    let mut late = task(event.wait());
    event.set();
    event.clear();
    late.expect_pending();
}

#[test]
fn a_wait_that_is_given_up_is_nothing_to_the_others() {
    let event = Event::new();
    let (mut given_up, mut stays) = (task(event.wait()), task(event.wait()));
    given_up.expect_pending();
    stays.expect_pending();
    drop(given_up);
    event.set();
    stays.expect_ready();
}

#[test]
fn a_waker_may_use_the_event_and_the_last_one_is_woken() {
    within_limit(|| {
        let event = Arc::new(Event::new());
        let inner = event.clone();
        let waker = calling_waker(move || {
            inner.clear();
            inner.set();
        });
        let mut wait = task(event.wait());
        wait.expect_pending();
        // Its clone has set the event.
        assert!(wait.poll_with(&waker).is_ready() && wait.woken());
        event.clear();
        let (mut wait, last) = (task(event.wait()), Wakes::new());
        wait.expect_pending();
        assert!(wait.poll_with(&last.waker()).is_pending());
        event.set();
        assert!(!wait.woken() && last.take() == 1);
        wait.expect_ready();
    });
}

#[test]
fn threads_wait_by_blocking() {
    within_limit(|| {
        let event = Event::new();
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| event.blocking_wait());
            }
            event.set();
        });
    });
}
