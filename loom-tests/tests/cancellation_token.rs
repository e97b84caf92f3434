//! Cancellation: it reaches everybody below, whoever comes and goes meanwhile, and nothing is left in the tree.

#[path = "support/poll.rs"]
mod support;

use heist_sync::CancellationToken;
use heist_sync::sys::atomic::{AtomicU32, Ordering};
use heist_sync::sys::{Arc, thread};
use loom_tests::{Census, model};
use support::{block_on, poll_once};

/// A child is made, and waited for, beside a cancellation and one who gives up waiting: the child is cancelled in any
/// case, and sees what came before.
#[test]
fn token_child_against_cancel() {
    let census = Census::new(&["born cancelled", "cancelled later", "given up", "seen"]);
    let counted = census.clone();
    model("token_child_against_cancel", Some(2), move || {
        let root = CancellationToken::new();
        let done = Arc::new(AtomicU32::new(0));
        let waiting = {
            let (root, done, counted) = (root.clone(), done.clone(), counted.clone());
            thread::spawn(move || {
                let child = root.child_token();
                counted.saw(if child.is_cancelled() {
                    "born cancelled"
                } else {
                    "cancelled later"
                });
                block_on(child.cancelled());
                // Ordering: hint only. What came before the cancellation is seen after it.
                assert_eq!(done.load(Ordering::Relaxed), 1);
            })
        };
        let giving_up = {
            let root = root.clone();
            thread::spawn(move || poll_once(root.cancelled_owned()).is_some())
        };
        // Ordering: hint only. The cancellation is the release.
        done.store(1, Ordering::Relaxed);
        root.cancel();
        waiting.join().unwrap();
        let seen = giving_up.join().unwrap();
        counted.saw(if seen { "seen" } else { "given up" });
    });
    census.assert_all_seen();
}

/// The middle of a line goes, and the top is cancelled, beside one who waits at the end.
#[test]
fn token_middle_goes_against_cancel() {
    let census = Census::new(&["cancelled with it", "left to the one above"]);
    let counted = census.clone();
    model("token_middle_goes_against_cancel", Some(3), move || {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let last = middle.child_token();
        let waiting = thread::spawn(move || block_on(last.cancelled_owned()));
        let leaving = {
            let counted = counted.clone();
            thread::spawn(move || {
                counted.saw(if middle.is_cancelled() {
                    "cancelled with it"
                } else {
                    "left to the one above"
                });
                drop(middle);
            })
        };
        thread::yield_now();
        root.cancel();
        leaving.join().unwrap();
        waiting.join().unwrap();
    });
    census.assert_all_seen();
}

/// The last two handles of a middle go at once, beside a child that goes too, and a cancellation from above: each is
/// taken out once, and nothing stays in memory.
#[test]
fn token_last_handles_go_together() {
    model("token_last_handles_go_together", Some(2), || {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let (again, last) = (middle.clone(), middle.child_token());
        let beside = root.child_token();
        let threads = [
            thread::spawn(move || drop(middle)),
            thread::spawn(move || drop(again)),
            thread::spawn(move || drop(beside)),
        ];
        thread::yield_now();
        root.cancel();
        assert!(last.is_cancelled());
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Two cancellations meet, of the top and of a child: when one is over, or is seen, all below are cancelled.
#[test]
fn token_seen_cancelled_means_all_below_are() {
    let census = Census::new(&["seen", "not yet"]);
    let counted = census.clone();
    model(
        "token_seen_cancelled_means_all_below_are",
        Some(3),
        move || {
            let root = CancellationToken::new();
            let middle = root.child_token();
            let last = middle.child_token();
            let first = {
                let (root, last) = (root.clone(), last.clone());
                thread::spawn(move || {
                    root.cancel();
                    assert!(last.is_cancelled());
                })
            };
            let second = {
                let (middle, last) = (middle.clone(), last.clone());
                thread::spawn(move || {
                    middle.cancel();
                    assert!(last.is_cancelled());
                })
            };
            if root.is_cancelled() || middle.is_cancelled() {
                counted.saw("seen");
                assert!(last.is_cancelled());
            } else {
                counted.saw("not yet");
            }
            first.join().unwrap();
            second.join().unwrap();
        },
    );
    census.assert_all_seen();
}
