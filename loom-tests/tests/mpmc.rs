//! Channels with several receivers: each message goes to one of them, whoever is cancelled, and nobody sleeps beside a
//! message, room or the end. Blocks have two slots under loom, and positions start just before their wrap.

#[path = "support/poll.rs"]
mod support;

use std::task::{Context, Waker};

use heist_sync::mpmc::{Receiver, bounded, unbounded};
use heist_sync::sys::{Arc, thread};
use loom_tests::block_on::block_on;
use loom_tests::{Census, model};
use support::poll_once;

/// Receives on a thread of its own, until the end; how many there were.
fn count_all<T: Send + 'static>(receiver: Receiver<T>) -> thread::JoinHandle<usize> {
    thread::spawn(move || {
        let mut count = 0;
        while block_on(receiver.recv()).is_some() {
            count += 1;
        }
        count
    })
}

/// Two receivers lie down to sleep while messages come, and nobody leaves.
#[test]
fn mpmc_each_message_wakes_a_receiver() {
    model("mpmc_each_message_wakes_a_receiver", Some(2), || {
        let value = Arc::new(());
        let (sender, receiver) = unbounded();
        let threads = [(); 2].map(|()| {
            let receiver = receiver.clone();
            thread::spawn(move || assert!(block_on(receiver.recv()).is_some()))
        });
        assert!(sender.try_send(value.clone()).is_ok());
        assert!(sender.try_send(value.clone()).is_ok());
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!((receiver.len(), Arc::strong_count(&value)), (0, 1));
    });
}

/// A receiver that is cancelled, before or after it was given a claim, hands the message on to the other.
#[test]
fn mpmc_cancelled_recv_hands_its_message_on() {
    let census = Census::new(&["taken", "cancelled"]);
    let counted = census.clone();
    model(
        "mpmc_cancelled_recv_hands_its_message_on",
        Some(2),
        move || {
            let (sender, receiver) = bounded(1);
            let cancelled = {
                let receiver = receiver.clone();
                thread::spawn(move || poll_once(receiver.recv()).flatten())
            };
            let sending = thread::spawn(move || {
                sender.try_send(1).unwrap();
                sender
            });
            let waiting = {
                let receiver = receiver.clone();
                thread::spawn(move || block_on(receiver.recv()))
            };
            let first = cancelled.join().unwrap();
            let sender = sending.join().unwrap();
            if first == Some(1) {
                counted.saw("taken");
                drop(sender);
                assert_eq!(waiting.join().unwrap(), None);
            } else {
                counted.saw("cancelled");
                assert_eq!(waiting.join().unwrap(), Some(1));
                drop(sender);
            }
            assert_eq!(receiver.len(), 0);
        },
    );
    census.assert_all_seen();
}

/// The last sender goes right after its message, while two receivers wait for the end.
#[test]
fn mpmc_the_end_comes_to_all_receivers() {
    let census = Census::new(&["to the first", "to the second"]);
    let counted = census.clone();
    model("mpmc_the_end_comes_to_all_receivers", Some(2), move || {
        let value = Arc::new(());
        let (sender, receiver) = bounded(2);
        let other = count_all(receiver.clone());
        let sending = {
            let value = value.clone();
            thread::spawn(move || assert!(sender.try_send(value).is_ok()))
        };
        let count = usize::from(block_on(receiver.recv()).is_some());
        let others = other.join().unwrap();
        sending.join().unwrap();
        counted.saw(match (count, others) {
            (1, 0) => "to the first",
            (0, 1) => "to the second",
            counts => panic!("received by {counts:?}"),
        });
        assert_eq!(Arc::strong_count(&value), 1);
    });
    census.assert_all_seen();
}

/// A claim is given up at the channel's end: whoever waits gets the message before the end.
#[test]
fn mpmc_a_claim_given_up_at_the_end_is_received() {
    let census = Census::new(&["taken", "cancelled"]);
    let counted = census.clone();
    model(
        "mpmc_a_claim_given_up_at_the_end_is_received",
        Some(2),
        move || {
            let (sender, receiver) = unbounded();
            let cancelled = {
                let receiver = receiver.clone();
                thread::spawn(move || poll_once(receiver.recv()).flatten())
            };
            let other = count_all(receiver);
            sender.try_send(1).unwrap();
            drop(sender);
            let taken = cancelled.join().unwrap().is_some();
            counted.saw(if taken { "taken" } else { "cancelled" });
            assert_eq!(other.join().unwrap(), usize::from(!taken));
        },
    );
    census.assert_all_seen();
}

/// Room that a receiver makes wakes the sender that waits for it, whichever of two receivers it is.
#[test]
fn mpmc_room_wakes_a_sender() {
    model("mpmc_room_wakes_a_sender", Some(2), || {
        let (sender, receiver) = bounded(1);
        sender.try_send(0).unwrap();
        let sending = thread::spawn(move || {
            assert!(block_on(sender.send(1)).is_ok());
            sender
        });
        let other = {
            let receiver = receiver.clone();
            thread::spawn(move || assert!(block_on(receiver.recv()).is_some()))
        };
        assert!(block_on(receiver.recv()).is_some());
        other.join().unwrap();
        drop(sending.join().unwrap());
        assert_eq!(receiver.len(), 0);
    });
}

/// The first of two sends that wait is cancelled, before or after it was given room: it makes way for the second.
#[test]
fn mpmc_cancelled_send_makes_way() {
    let census = Census::new(&["cancelled first", "room first"]);
    let counted = census.clone();
    model("mpmc_cancelled_send_makes_way", Some(2), move || {
        let (sender, receiver) = bounded(1);
        sender.try_send(0).unwrap();
        let first = sender.clone();
        let mut first = Box::pin(async move { first.send(1).await });
        let polled = first.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        let cancelling = {
            let sender = sender.clone();
            thread::spawn(move || {
                let full = !sender.is_empty();
                drop(first);
                if full {
                    "cancelled first"
                } else {
                    "room first"
                }
            })
        };
        let second = thread::spawn(move || assert!(block_on(sender.send(2)).is_ok()));
        assert_eq!(receiver.try_recv(), Ok(0));
        counted.saw(cancelling.join().unwrap());
        second.join().unwrap();
        assert_eq!(receiver.try_recv(), Ok(2));
    });
    census.assert_all_seen();
}

/// Both receivers go while senders send and wait: each message is received, dropped with the channel, or comes back.
#[test]
fn mpmc_the_last_receiver_takes_its_messages_along() {
    let census = Census::new(&["0 sent", "1 sent"]);
    let counted = census.clone();
    model(
        "mpmc_the_last_receiver_takes_its_messages_along",
        Some(2),
        move || {
            let value = Arc::new(());
            let (sender, receiver) = bounded(1);
            let threads = [(); 2].map(|()| {
                let (sender, value) = (sender.clone(), value.clone());
                thread::spawn(move || usize::from(block_on(sender.send(value)).is_ok()))
            });
            let leaving = {
                let receiver = receiver.clone();
                thread::spawn(move || drop(receiver))
            };
            drop(receiver);
            let sent = threads.map(|thread| thread.join().unwrap());
            counted.saw(["0 sent", "1 sent"][sent[0] + sent[1]]);
            leaving.join().unwrap();
            drop(sender);
            assert_eq!(Arc::strong_count(&value), 1);
        },
    );
    census.assert_all_seen();
}

/// Two senders and two receivers meet, in whatever order they come.
#[test]
fn mpmc_they_meet() {
    model("mpmc_they_meet", Some(2), || {
        let value = Arc::new(());
        let (sender, receiver) = bounded(0);
        let other = {
            let receiver = receiver.clone();
            thread::spawn(move || assert!(block_on(receiver.recv()).is_some()))
        };
        let senders = [(); 2].map(|()| {
            let (sender, value) = (sender.clone(), value.clone());
            thread::spawn(move || assert!(block_on(sender.send(value)).is_ok()))
        });
        assert!(block_on(receiver.recv()).is_some());
        other.join().unwrap();
        for thread in senders {
            thread.join().unwrap();
        }
        assert_eq!((receiver.len(), Arc::strong_count(&value)), (0, 1));
    });
}

/// Where they meet, a receiver that is cancelled hands on what it was given.
#[test]
fn mpmc_a_cancelled_meeting_hands_its_message_on() {
    let census = Census::new(&["taken", "cancelled"]);
    let counted = census.clone();
    model(
        "mpmc_a_cancelled_meeting_hands_its_message_on",
        Some(3),
        move || {
            let value = Arc::new(());
            let (sender, receiver) = bounded(0);
            let cancelled = {
                let receiver = receiver.clone();
                thread::spawn(move || poll_once(receiver.recv()).flatten().is_some())
            };
            let other = count_all(receiver.clone());
            drop(receiver);
            assert!(block_on(sender.send(value.clone())).is_ok());
            let taken = cancelled.join().unwrap();
            counted.saw(if taken { "taken" } else { "cancelled" });
            drop(sender);
            assert_eq!(other.join().unwrap(), usize::from(!taken));
            assert_eq!(Arc::strong_count(&value), 1);
        },
    );
    census.assert_all_seen();
}

/// Where they meet, a send is cancelled and the channel closed amid it: a value is received, comes back or is dropped.
#[test]
fn mpmc_a_meeting_is_called_off() {
    let census = Census::new(&["came back", "received"]);
    let counted = census.clone();
    model("mpmc_a_meeting_is_called_off", Some(3), move || {
        let (value, other) = (Arc::new(()), Arc::new(()));
        let (sender, receiver) = bounded(0);
        let cancelled = {
            let (sender, other) = (sender.clone(), other.clone());
            thread::spawn(move || drop(poll_once(sender.send(other))))
        };
        let sending = {
            let value = value.clone();
            thread::spawn(move || block_on(sender.send(value)).is_ok())
        };
        let first = poll_once(receiver.recv()).flatten();
        receiver.close();
        let second = block_on(receiver.recv());
        assert!(block_on(receiver.recv()).is_none());
        cancelled.join().unwrap();
        let sent = sending.join().unwrap();
        let received = first.into_iter().chain(second);
        let received = received.filter(|got| Arc::ptr_eq(got, &value)).count();
        assert_eq!(received, usize::from(sent));
        counted.saw(if sent { "received" } else { "came back" });
        assert_eq!(
            (Arc::strong_count(&value), Arc::strong_count(&other)),
            (1, 1)
        );
    });
    census.assert_all_seen();
}

/// All receivers go amid two senders, and a third stays: what they have sent by then or after that is dropped.
#[test]
fn mpmc_nothing_stays_without_a_receiver() {
    let census = Census::new(&["0 sent", "1 sent", "2 sent"]);
    let counted = census.clone();
    model(
        "mpmc_nothing_stays_without_a_receiver",
        Some(2),
        move || {
            let value = Arc::new(());
            let (sender, receiver) = unbounded();
            let threads = [(); 2].map(|()| {
                let (sender, value) = (sender.clone(), value.clone());
                thread::spawn(move || usize::from(sender.try_send(value).is_ok()))
            });
            drop(receiver);
            let sent = threads.map(|thread| thread.join().unwrap());
            counted.saw(["0 sent", "1 sent", "2 sent"][sent[0] + sent[1]]);
            assert_eq!(Arc::strong_count(&value), 1);
            drop(sender);
        },
    );
    census.assert_all_seen();
}
