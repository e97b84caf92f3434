//! Notifications: none is lost, none is eaten by one who was told already.

#[path = "support/poll.rs"]
mod support;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use heist_sync::Notify;
use heist_sync::sys::atomic::{AtomicU32, Ordering};
use heist_sync::sys::{Arc, thread};
use loom_tests::{Census, model};
use support::{block_on, poll_once};

/// One that was made before a `notify_waiters` is completed by it; a `notify_one` beside it falls to that one or leaves
/// its permit.
#[test]
fn notify_one_against_all() {
    let census = Census::new(&["permit left", "permit taken"]);
    let counted = census.clone();
    model("notify_one_against_all", None, move || {
        let notify = Arc::new(Notify::new());
        let mut old = pin!(notify.notified());
        let one = {
            let notify = notify.clone();
            thread::spawn(move || notify.notify_one())
        };
        let all = {
            let notify = notify.clone();
            thread::spawn(move || notify.notify_waiters())
        };
        let mut cx = Context::from_waker(Waker::noop());
        let early = old.as_mut().poll(&mut cx).is_ready();
        one.join().unwrap();
        all.join().unwrap();
        assert!(early || old.as_mut().poll(&mut cx).is_ready());
        let left = poll_once(notify.notified()).is_some();
        counted.saw(if left { "permit left" } else { "permit taken" });
        assert!(poll_once(notify.notified()).is_none());
    });
    census.assert_all_seen();
}

/// One made before `notify_waiters` and first polled after it never takes the permit that comes beside it: that is for
/// the one who comes new.
#[test]
fn notify_permit_is_not_eaten() {
    model("notify_permit_is_not_eaten", Some(3), || {
        let notify = Arc::new(Notify::new());
        let old = notify.notified();
        notify.notify_waiters();
        let one = {
            let notify = notify.clone();
            thread::spawn(move || notify.notify_one())
        };
        let new = {
            let notify = notify.clone();
            thread::spawn(move || block_on(notify.notified()))
        };
        // A load that is followed by a CAS hides from loom that others may come first; this shows it.
        thread::yield_now();
        assert!(poll_once(old).is_some());
        one.join().unwrap();
        new.join().unwrap();
        assert!(poll_once(notify.notified()).is_none());
    });
}

/// One that gives up after the notification has fallen to it passes it on to the one that still waits.
#[test]
fn notify_dropped_waiter_passes_on() {
    let census = Census::new(&["given up", "taken"]);
    let counted = census.clone();
    model("notify_dropped_waiter_passes_on", Some(3), move || {
        let notify = Arc::new(Notify::new());
        let done = Arc::new(AtomicU32::new(0));
        let giving_up = {
            let (notify, done) = (notify.clone(), done.clone());
            thread::spawn(move || {
                let told = poll_once(notify.notified()).is_some();
                // Ordering: hint only. What was stored before the notification is seen after it.
                assert!(!told || done.load(Ordering::Relaxed) == 1);
                told
            })
        };
        let waiting = {
            let (notify, done) = (notify.clone(), done.clone());
            thread::spawn(move || {
                block_on(notify.notified());
                // Ordering: hint only, as above.
                assert_eq!(done.load(Ordering::Relaxed), 1);
            })
        };
        // Ordering: hint only. The notification is the release.
        done.store(1, Ordering::Relaxed);
        notify.notify_one();
        if giving_up.join().unwrap() {
            counted.saw("taken");
            notify.notify_one();
        } else {
            counted.saw("given up");
        }
        waiting.join().unwrap();
        assert!(poll_once(notify.notified()).is_none());
    });
    census.assert_all_seen();
}

/// One that owns its share gives up while the notification comes and the others let go of theirs: what fell to it goes
/// on to the one that still waits, and the memory lives until then.
#[test]
fn notify_owned_waiter_passes_on() {
    let census = Census::new(&["given up", "taken"]);
    let counted = census.clone();
    model("notify_owned_waiter_passes_on", Some(2), move || {
        // loom's Arc can't be a receiver.
        let notify = std::sync::Arc::new(Notify::new());
        let giving_up = {
            let told = notify.clone().notified_owned();
            thread::spawn(move || poll_once(told).is_some())
        };
        let waiting = {
            let told = notify.clone().notified_owned();
            thread::spawn(move || block_on(told))
        };
        thread::yield_now();
        notify.notify_one();
        if giving_up.join().unwrap() {
            counted.saw("taken");
            notify.notify_one();
        } else {
            counted.saw("given up");
        }
        drop(notify);
        waiting.join().unwrap();
    });
    census.assert_all_seen();
}

/// Who asks to be notified, and then finds that what it waits for hasn't happened, is notified of it.
#[test]
fn notify_waiters_after_a_change_is_not_missed() {
    let census = Census::new(&["seen", "told"]);
    let counted = census.clone();
    model(
        "notify_waiters_after_a_change_is_not_missed",
        Some(2),
        move || {
            let notify = Arc::new(Notify::new());
            let happened = Arc::new(AtomicU32::new(0));
            let changes = {
                let (notify, happened) = (notify.clone(), happened.clone());
                thread::spawn(move || {
                    // Ordering: Release pairs with the Acquire below.
                    happened.store(1, Ordering::Release);
                    notify.notify_waiters();
                })
            };
            let waits = [(); 2].map(|()| {
                let (notify, happened, counted) =
                    (notify.clone(), happened.clone(), counted.clone());
                thread::spawn(move || {
                    let notified = notify.notified();
                    // Ordering: Acquire pairs with the Release above.
                    if happened.load(Ordering::Acquire) == 1 {
                        counted.saw("seen");
                    } else {
                        block_on(notified);
                        counted.saw("told");
                    }
                })
            });
            changes.join().unwrap();
            for wait in waits {
                wait.join().unwrap();
            }
        },
    );
    census.assert_all_seen();
}
