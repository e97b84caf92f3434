//! The threads of the crate's own: one that can't be had, and one that calls user code that panics.
#![cfg(not(any(heist_loom, heist_shuttle, miri)))]

#[path = "support/task.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use heist_sync::{Mutex, coop, futurelock, mpsc};
use support::task;

const LONG: Duration = Duration::from_secs(3_600);

/// A limit that no thread can watch panics each time, and doesn't leave the next one to wait for ever.
#[test]
fn a_timer_thread_that_cannot_be_had_is_asked_for_again() {
    if std::env::var_os("HEIST_NO_THREADS").is_none() {
        let this = "a_timer_thread_that_cannot_be_had_is_asked_for_again";
        let child = Command::new(std::env::current_exe().unwrap())
            .args([this, "--exact", "--test-threads=1"])
            .env("HEIST_NO_THREADS", "1")
            // More than there are addresses.
            .env("RUST_MIN_STACK", (1_u64 << 50).to_string())
            .status();
        return assert!(child.unwrap().success());
    }
    let (sender, _receiver) = mpsc::channel(1);
    sender.try_send(0).unwrap();
    for _ in 0..2 {
        let mut sending = task(sender.send_timeout(1, LONG));
        assert!(catch_unwind(AssertUnwindSafe(|| sending.poll().is_pending())).is_err());
    }
}

#[test]
fn a_limit_that_is_over_is_not_looked_at_before_there_is_a_turn_to_send() {
    let (sender, _receiver) = mpsc::channel(1);
    let mut sending = task(sender.send_timeout(1, Duration::ZERO));
    coop::budget(|| {
        while let std::task::Poll::Ready(unit) =
            coop::poll_proceed(&mut std::task::Context::from_waker(Waker::noop()))
        {
            unit.made_progress();
        }
        assert!(sending.poll().is_pending());
    });
    assert!(sending.woken());
    assert!(sending.expect_ready().is_ok());
}

struct Mine;

impl Drop for Mine {
    fn drop(&mut self) {
        resume_unwind(Box::new("a drop that panics"));
    }
}

struct Nothing;

impl Wake for Nothing {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_handler_that_is_replaced_while_it_is_called_ends_without_harm() {
    futurelock::report_after(LONG);
    let mine = Mine;
    futurelock::on_report(move |_| {
        let _mine = &mine;
        futurelock::on_report(|_| {});
    });
    let lock = Mutex::new(());
    let guard = lock.try_lock().unwrap();
    let mut locking = task(lock.lock());
    assert!(locking.poll_with(&Arc::new(Nothing).into()).is_pending());
    drop(guard);
    futurelock::look(Instant::now() + LONG * 2);
}
