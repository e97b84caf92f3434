//! Broadcast: each receiver gets each value once and in order, or is told how many it missed; nobody sleeps beside a value or
//! the channel's end; no value is cloned by two at once, kept for nobody, or dropped twice.

#[path = "support/poll.rs"]
mod support;

use heist_sync::broadcast::error::{RecvError, TryRecvError};
use heist_sync::broadcast::{self, Receiver};
use heist_sync::sys::cell::UnsafeCell;
use heist_sync::sys::{Arc, thread};
use loom_tests::{Census, model};
use support::{block_on, poll_once};

/// A value: a leak, a second drop, and two clones at once are found.
struct Value {
    number: u32,
    cell: UnsafeCell<u32>,
    _alive: Arc<()>,
}

// SAFETY: the cell is for a clone alone, of which there is to be one at a time; that is what the models show.
unsafe impl Send for Value {}

impl Value {
    fn new(number: u32) -> Self {
        Self {
            number,
            cell: UnsafeCell::new(0),
            _alive: Arc::new(()),
        }
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        // The model fails where another is here: not shared between threads, as a `Cell` isn't.
        self.cell.with_mut(|cell| {
            thread::yield_now();
            // SAFETY: one at a time.
            unsafe { *cell += 1 };
        });
        Self {
            number: self.number,
            cell: UnsafeCell::new(0),
            _alive: self._alive.clone(),
        }
    }
}

/// Receives to the end: what came, and how many were missed.
fn drain(receiver: &mut Receiver<Value>) -> (Vec<u32>, u64) {
    let (mut got, mut missed) = (Vec::new(), 0);
    loop {
        match block_on(receiver.recv()) {
            Ok(value) => got.push(value.number),
            Err(RecvError::Lagged(n)) => missed += n,
            Err(RecvError::Closed) => return (got, missed),
        }
    }
}

/// Two receivers wait for a value, or come after it; nothing else wakes them.
#[test]
fn broadcast_a_value_wakes_all() {
    model("broadcast_a_value_wakes_all", Some(2), || {
        let (sender, receiver) = broadcast::channel(1);
        let threads = [receiver, sender.subscribe()].map(|mut receiver: Receiver<Value>| {
            thread::spawn(move || {
                let value = block_on(receiver.recv());
                assert_eq!(value.ok().map(|value| value.number), Some(1));
            })
        });
        assert_eq!(sender.send(Value::new(1)).ok(), Some(2));
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(sender.is_empty());
    });
}

/// What was sent before the end is found before the end, by one that waits and by one that only looks.
#[test]
fn broadcast_end_comes_after_the_last_value() {
    let census = Census::new(&["empty", "value"]);
    let counted = census.clone();
    model(
        "broadcast_end_comes_after_the_last_value",
        None,
        move || {
            let (sender, mut receiver) = broadcast::channel(1);
            let sending = thread::spawn(move || {
                assert!(sender.send(Value::new(1)).is_ok());
            });
            match receiver.try_recv() {
                Ok(value) => {
                    assert_eq!(value.number, 1);
                    counted.saw("value");
                }
                Err(TryRecvError::Empty) => {
                    assert_eq!(drain(&mut receiver), (vec![1], 0));
                    counted.saw("empty");
                }
                Err(other) => panic!("{other}"),
            }
            sending.join().unwrap();
            assert_eq!(receiver.try_recv().err(), Some(TryRecvError::Closed));
        },
    );
    census.assert_all_seen();
}

/// A sender overwrites what one receiver clones, or hasn't come for, while another receiver goes.
#[test]
fn broadcast_overwrites_beside_a_clone_and_a_drop() {
    let census = Census::new(&["all", "some"]);
    let counted = census.clone();
    model(
        "broadcast_overwrites_beside_a_clone_and_a_drop",
        Some(3),
        move || {
            let (sender, mut receiver) = broadcast::channel(1);
            let other = sender.subscribe();
            assert!(sender.send(Value::new(1)).is_ok());
            let sending = thread::spawn(move || {
                assert!(sender.send(Value::new(2)).is_ok());
                sender
            });
            let leaving = thread::spawn(move || drop(other));
            let mut seen = Vec::new();
            let mut missed = 0;
            for _ in 0..2 {
                match receiver.try_recv() {
                    Ok(value) => seen.push(value.number),
                    Err(TryRecvError::Lagged(n)) => missed += n,
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Closed) => unreachable!("the sender lives"),
                }
            }
            let sender = sending.join().unwrap();
            leaving.join().unwrap();
            drop(sender);
            let (rest, missed_at_last) = drain(&mut receiver);
            seen.extend(rest);
            missed += missed_at_last;
            match (&seen[..], missed) {
                ([1, 2], 0) => counted.saw("all"),
                ([2], 1) => counted.saw("some"),
                other => panic!("{other:?}"),
            }
        },
    );
    census.assert_all_seen();
}

/// Three receive one value at once: two clone it, one after the other, and one gets it.
#[test]
fn broadcast_one_clone_at_a_time() {
    model("broadcast_one_clone_at_a_time", Some(3), || {
        let (sender, mut first) = broadcast::channel(1);
        let others = [sender.subscribe(), sender.subscribe()];
        assert!(sender.send(Value::new(1)).is_ok());
        let threads = others.map(|mut receiver| {
            thread::spawn(move || {
                assert_eq!(receiver.try_recv().ok().map(|value| value.number), Some(1));
            })
        });
        assert_eq!(first.try_recv().ok().map(|value| value.number), Some(1));
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(sender.is_empty());
    });
}

/// A sender overwrites a value that one receiver clones and another waits for: that one is told that it lagged.
#[test]
fn broadcast_overwrites_what_is_waited_for() {
    let census = Census::new(&["neither lagged", "one lagged", "both lagged"]);
    let counted = census.clone();
    model(
        "broadcast_overwrites_what_is_waited_for",
        Some(2),
        move || {
            let (sender, receiver) = broadcast::channel(1);
            let other = sender.subscribe();
            assert!(sender.send(Value::new(1)).is_ok());
            let threads = [receiver, other].map(|mut receiver: Receiver<Value>| {
                thread::spawn(move || {
                    let first = receiver.try_recv().map(|value| value.number);
                    (first, receiver)
                })
            });
            assert_eq!(sender.send(Value::new(2)).ok(), Some(2));
            let mut lagged = 0;
            for thread in threads {
                let (first, mut receiver) = thread.join().unwrap();
                if first.is_err() {
                    assert_eq!(first, Err(TryRecvError::Lagged(1)));
                    lagged += 1;
                } else {
                    assert_eq!(first, Ok(1));
                }
                let second = receiver.try_recv();
                assert_eq!(second.ok().map(|value| value.number), Some(2));
            }
            counted.saw(["neither lagged", "one lagged", "both lagged"][lagged]);
        },
    );
    census.assert_all_seen();
}

/// Of two receivers one takes a value while the other goes: nothing is kept for anybody.
#[test]
fn broadcast_drop_against_recv() {
    model("broadcast_drop_against_recv", None, || {
        let (sender, receiver) = broadcast::channel(2);
        let mut other = sender.subscribe();
        assert!(sender.send(Value::new(1)).is_ok());
        let leaving = thread::spawn(move || drop(receiver));
        let taking = thread::spawn(move || {
            assert_eq!(other.try_recv().ok().map(|value| value.number), Some(1));
            other
        });
        leaving.join().unwrap();
        let other = taking.join().unwrap();
        assert!(sender.is_empty());
        assert_eq!(sender.receiver_count(), 1);
        drop(other);
    });
}

/// One that gives up after it was woken, or before, loses nothing and takes nothing from the other.
#[test]
fn broadcast_cancelled_recv() {
    let census = Census::new(&["came in time", "gave up"]);
    let counted = census.clone();
    model("broadcast_cancelled_recv", Some(2), move || {
        let (sender, mut receiver) = broadcast::channel(2);
        let mut other = sender.subscribe();
        let waiting = thread::spawn(move || {
            assert_eq!(drain(&mut other), (vec![1], 0));
        });
        let sending = thread::spawn(move || {
            assert!(sender.send(Value::new(1)).is_ok());
        });
        match poll_once(receiver.recv()) {
            Some(value) => {
                assert_eq!(value.ok().map(|value| value.number), Some(1));
                counted.saw("came in time");
            }
            None => {
                assert_eq!(drain(&mut receiver), (vec![1], 0));
                counted.saw("gave up");
            }
        }
        sending.join().unwrap();
        waiting.join().unwrap();
    });
    census.assert_all_seen();
}

/// A sender waits for the end of two receivers, of which each may be the last.
#[test]
fn broadcast_closed_once_all_receivers_have_gone() {
    model(
        "broadcast_closed_once_all_receivers_have_gone",
        Some(2),
        || {
            let (sender, receiver) = broadcast::channel::<u32>(1);
            let threads = [receiver, sender.subscribe()]
                .map(|receiver| thread::spawn(move || drop(receiver)));
            block_on(sender.closed());
            assert_eq!(sender.receiver_count(), 0);
            assert!(sender.send(1).is_err());
            for thread in threads {
                thread.join().unwrap();
            }
        },
    );
}

/// One that subscribes beside a send gets the value if and only if it was counted.
#[test]
fn broadcast_subscribe_against_send() {
    let census = Census::new(&["counted", "late"]);
    let counted = census.clone();
    model("broadcast_subscribe_against_send", Some(3), move || {
        let (sender, receiver) = broadcast::channel(1);
        let (other, third) = (sender.clone(), sender.clone());
        let subscribing = thread::spawn(move || {
            let mut new = other.subscribe();
            drop(other);
            drain(&mut new)
        });
        let leaving = thread::spawn(move || drop((receiver, third)));
        let sent = sender.send(Value::new(1)).ok();
        drop(sender);
        leaving.join().unwrap();
        let (got, missed) = subscribing.join().unwrap();
        assert_eq!(missed, 0);
        match (sent, &got[..]) {
            (Some(1 | 2), [1]) => counted.saw("counted"),
            (None | Some(1), []) => counted.saw("late"),
            other => panic!("{other:?}"),
        }
    });
    census.assert_all_seen();
}
