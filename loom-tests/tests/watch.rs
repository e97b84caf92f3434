//! Watch: nobody sleeps beside a change or the end, and who looks knows which version it sees.

#[path = "support/poll.rs"]
mod support;

use heist_sync::sys::{Arc, thread};
use heist_sync::watch::{self, Receiver};
use loom_tests::{Census, model};
use support::{block_on, poll_once};

/// A value that is leaked or dropped twice is found.
type Value = (u32, Arc<()>);

fn value(number: u32) -> Value {
    (number, Arc::new(()))
}

/// Follows the value to the end: the last one seen.
fn follow(receiver: &mut Receiver<Value>) -> u32 {
    let mut last = receiver.borrow_and_update().0;
    while block_on(receiver.changed()).is_ok() {
        let new = receiver.borrow_and_update().0;
        assert!(new >= last);
        last = new;
    }
    last
}

/// A change and the end after it are seen by one that waits and by one that only looks.
#[test]
fn watch_send_against_changed_and_borrow() {
    let census = Census::new(&["old", "new"]);
    let counted = census.clone();
    model(
        "watch_send_against_changed_and_borrow",
        Some(2),
        move || {
            let (sender, mut receiver) = watch::channel(value(0));
            let other = receiver.clone();
            let waiting = thread::spawn(move || assert_eq!(follow(&mut receiver), 1));
            let looking = thread::spawn(move || other.borrow().0);
            assert!(sender.send(value(1)).is_ok());
            drop(sender);
            counted.saw(match looking.join().unwrap() {
                0 => "old",
                _ => "new",
            });
            waiting.join().unwrap();
        },
    );
    census.assert_all_seen();
}

/// Two wait for a change, and for nothing after it.
#[test]
fn watch_a_change_wakes_all() {
    model("watch_a_change_wakes_all", Some(2), || {
        let (sender, receiver) = watch::channel(value(0));
        let threads = [receiver.clone(), receiver].map(|mut receiver| {
            thread::spawn(move || {
                assert!(block_on(receiver.changed()).is_ok());
                assert_eq!(receiver.borrow().0, 1);
            })
        });
        sender.send_replace(value(1));
        for thread in threads {
            thread.join().unwrap();
        }
        drop(sender);
    });
}

/// Two senders: one that waits sees what both have done in the end.
#[test]
fn watch_two_senders() {
    model("watch_two_senders", Some(2), || {
        let (sender, mut receiver) = watch::channel(value(0));
        let threads = [sender.clone(), sender]
            .map(|sender| thread::spawn(move || sender.send_modify(|value| value.0 += 1)));
        assert_eq!(follow(&mut receiver), 2);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// The value and the version that it is said to be belong together.
#[test]
fn watch_a_value_comes_with_its_version() {
    let census = Census::new(&["old", "new"]);
    let counted = census.clone();
    model("watch_a_value_comes_with_its_version", None, move || {
        let (sender, mut receiver) = watch::channel(value(0));
        let other = sender.subscribe();
        let sending = thread::spawn(move || {
            sender.send_replace(value(1));
            sender
        });
        let looking = thread::spawn(move || {
            let seen = other.borrow();
            assert_eq!(seen.has_changed(), seen.0 == 1);
        });
        let seen = {
            let seen = receiver.borrow_and_update();
            assert_eq!(seen.has_changed(), seen.0 == 1);
            seen.0
        };
        let sender = sending.join().unwrap();
        looking.join().unwrap();
        // What was seen is not told again, and what was not seen is.
        assert_eq!(poll_once(receiver.changed()).is_some(), seen == 0);
        counted.saw(if seen == 0 { "old" } else { "new" });
        drop(sender);
    });
    census.assert_all_seen();
}

/// One that gives up after it was woken, or before, keeps the change unseen and takes nothing from the other.
#[test]
fn watch_cancelled_wait() {
    let census = Census::new(&["came in time", "gave up"]);
    let counted = census.clone();
    model("watch_cancelled_wait", Some(2), move || {
        let (sender, mut receiver) = watch::channel(value(0));
        let mut other = receiver.clone();
        let waiting = thread::spawn(move || assert!(block_on(other.changed()).is_ok()));
        let sending = thread::spawn(move || assert!(sender.send(value(1)).is_ok()));
        match poll_once(receiver.changed()) {
            Some(changed) => {
                assert!(changed.is_ok());
                counted.saw("came in time");
            }
            None => {
                assert!(block_on(receiver.changed()).is_ok());
                counted.saw("gave up");
            }
        }
        assert_eq!(receiver.borrow().0, 1);
        sending.join().unwrap();
        waiting.join().unwrap();
    });
    census.assert_all_seen();
}

/// One that waits for a certain value finds it, or the end, beside another sender.
#[test]
fn watch_wait_for_against_the_end() {
    let census = Census::new(&["found", "ended"]);
    let counted = census.clone();
    model("watch_wait_for_against_the_end", Some(2), move || {
        let (sender, mut receiver) = watch::channel(value(0));
        let other = sender.clone();
        let first = thread::spawn(move || {
            sender.send_replace(value(1));
        });
        let second = thread::spawn(move || {
            other.send_replace(value(2));
        });
        let found = block_on(receiver.wait_for(|value| value.0 == 1)).is_ok();
        first.join().unwrap();
        second.join().unwrap();
        // The one was overwritten before it was looked at, or was found.
        let last = receiver.borrow().0;
        assert!(found || last == 2);
        counted.saw(if found { "found" } else { "ended" });
    });
    census.assert_all_seen();
}

/// A sender waits for the end of two receivers, of which each may be the last.
#[test]
fn watch_closed_once_all_receivers_have_gone() {
    model("watch_closed_once_all_receivers_have_gone", Some(2), || {
        let (sender, receiver) = watch::channel(value(0));
        let threads =
            [receiver.clone(), receiver].map(|receiver| thread::spawn(move || drop(receiver)));
        block_on(sender.closed());
        assert_eq!(sender.receiver_count(), 0);
        assert!(sender.send(value(1)).is_err());
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
