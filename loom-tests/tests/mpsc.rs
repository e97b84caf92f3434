//! The channels: what is sent is received or comes back, and nobody sleeps beside a message or room. Blocks have two
//! slots under loom, and positions start just before their wrap.

#[path = "support/poll.rs"]
mod support;

use heist_sync::mpsc::{channel, unbounded_channel};
use heist_sync::sys::{Arc, thread};
use loom_tests::{Census, model};
use support::{block_on, poll_once};

/// Senders that wait for room, a receiver that closes in the middle of it: each message arrives or comes back.
#[test]
fn mpsc_close_among_senders() {
    let census = Census::new(&["1 received", "2 received"]);
    let counted = census.clone();
    model("mpsc_close_among_senders", Some(1), move || {
        let value = Arc::new(());
        let (sender, mut receiver) = channel(1);
        let threads = [(); 2].map(|()| {
            let (sender, value) = (sender.clone(), value.clone());
            thread::spawn(move || block_on(sender.send(value)).is_ok())
        });
        drop(sender);
        assert!(block_on(receiver.recv()).is_some());
        receiver.close();
        let mut received = 1;
        while block_on(receiver.recv()).is_some() {
            received += 1;
        }
        let sent = threads.map(|thread| usize::from(thread.join().unwrap()));
        assert_eq!(received, sent[0] + sent[1]);
        counted.saw(["", "1 received", "2 received"][received]);
        drop(receiver);
        assert_eq!(Arc::strong_count(&value), 1);
    });
    census.assert_all_seen();
}

/// Room wakes the sender that waits for it, whether a message was received or a permit was given back.
#[test]
fn mpsc_room_wakes_a_sender() {
    model("mpsc_room_wakes_a_sender", Some(2), || {
        let (sender, mut receiver) = channel(2);
        sender.try_send(1).unwrap();
        let permit = sender.clone().try_reserve_owned().unwrap();
        let sending = thread::spawn(move || {
            for permit in block_on(sender.reserve_many(2)).unwrap() {
                permit.send(2);
            }
        });
        let giving_back = thread::spawn(move || drop(permit));
        thread::yield_now();
        assert_eq!(receiver.try_recv(), Ok(1));
        sending.join().unwrap();
        giving_back.join().unwrap();
        assert_eq!(receiver.len(), 2);
    });
}

/// The last sender goes while the receiver lies down to sleep.
#[test]
fn mpsc_last_sender_wakes_the_receiver() {
    model("mpsc_last_sender_wakes_the_receiver", Some(3), || {
        let value = Arc::new(());
        let (sender, mut receiver) = channel(2);
        let sending = {
            let (sender, value) = (sender.clone(), value.clone());
            thread::spawn(move || assert!(sender.try_send(value).is_ok()))
        };
        let leaving = thread::spawn(move || drop(sender));
        assert!(block_on(receiver.recv()).is_some());
        assert!(block_on(receiver.recv()).is_none());
        sending.join().unwrap();
        leaving.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

/// A message wakes the receiver that lies down to sleep, though nobody leaves.
#[test]
fn mpsc_message_wakes_the_receiver() {
    model("mpsc_message_wakes_the_receiver", Some(2), || {
        let (sender, mut receiver) = unbounded_channel();
        let threads = [1, 2].map(|number| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(number).unwrap())
        });
        let first = block_on(receiver.recv()).unwrap();
        let second = block_on(receiver.recv()).unwrap();
        assert_eq!(first + second, 3);
        for thread in threads {
            thread.join().unwrap();
        }
        drop(sender);
    });
}

/// Senders that meet at a block's end, and values that are dropped with the channel.
#[test]
fn mpsc_blocks_grow() {
    let census = Census::new(&["0 early", "1 early", "2 early"]);
    let counted = census.clone();
    model("mpsc_blocks_grow", Some(2), move || {
        let value = Arc::new(());
        let (sender, mut receiver) = unbounded_channel();
        let threads = [(); 2].map(|()| {
            let (sender, value) = (sender.clone(), value.clone());
            thread::spawn(move || {
                assert!(sender.send(value.clone()).is_ok());
                assert!(sender.send(value).is_ok());
            })
        });
        let mut early = 0;
        while early < 2 && receiver.try_recv().is_ok() {
            early += 1;
        }
        counted.saw(["0 early", "1 early", "2 early"][early]);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(receiver.len(), 4 - early);
        assert!(receiver.try_recv().is_ok());
        drop(receiver);
        assert!(sender.send(value.clone()).is_err());
        drop(sender);
        assert_eq!(Arc::strong_count(&value), 1);
    });
    census.assert_all_seen();
}

/// A reservation of many is given up and a permit goes back unused while the receiver closes: it comes to its end.
#[test]
fn mpsc_cancelled_reservation_and_close() {
    let census = Census::new(&["given up", "refused"]);
    let counted = census.clone();
    model("mpsc_cancelled_reservation_and_close", Some(2), move || {
        let (sender, mut receiver) = channel::<u32>(2);
        let permit = sender.clone().try_reserve_owned().unwrap();
        let giving_up = {
            let sender = sender.clone();
            thread::spawn(move || match poll_once(sender.reserve_many(2)) {
                Some(Err(_)) => "refused",
                _ => "given up",
            })
        };
        let leaving = thread::spawn(move || drop(permit));
        receiver.close();
        assert!(block_on(receiver.recv()).is_none());
        counted.saw(giving_up.join().unwrap());
        leaving.join().unwrap();
        drop(sender);
    });
    census.assert_all_seen();
}

/// The receiver goes amid two senders, and a third stays: what they have sent by then or after that is dropped, whoever
/// of them is between claiming a slot and filling it.
#[test]
fn mpsc_nothing_stays_without_a_receiver() {
    let census = Census::new(&["0 sent", "1 sent", "2 sent"]);
    let counted = census.clone();
    model(
        "mpsc_nothing_stays_without_a_receiver",
        Some(3),
        move || {
            let value = Arc::new(());
            let (sender, receiver) = unbounded_channel();
            let threads = [(); 2].map(|()| {
                let (sender, value) = (sender.clone(), value.clone());
                thread::spawn(move || usize::from(sender.send(value).is_ok()))
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

/// The receiver takes a message and goes, amid a sender: whoever drops what is left takes no message anew that the receiver
/// has taken.
#[test]
fn mpsc_what_was_received_is_not_dropped_as_left() {
    let census = Census::new(&["refused", "sent"]);
    let counted = census.clone();
    model(
        "mpsc_what_was_received_is_not_dropped_as_left",
        None,
        move || {
            let value = Arc::new(());
            let (sender, mut receiver) = unbounded_channel();
            assert!(sender.send(value.clone()).is_ok());
            let sending = {
                let (sender, value) = (sender.clone(), value.clone());
                thread::spawn(move || sender.send(value).is_ok())
            };
            let received = receiver.try_recv();
            drop(receiver);
            let sent = sending.join().unwrap();
            counted.saw(if sent { "sent" } else { "refused" });
            assert!(received.is_ok_and(|received| Arc::ptr_eq(&received, &value)));
            assert_eq!(Arc::strong_count(&value), 1);
            drop(sender);
        },
    );
    census.assert_all_seen();
}

/// Room is granted to a sender that waits, amid a close: either it has sent and the message is received, or it is refused
/// and its room goes back, so that the receiver comes to the end. A permit that is out may still send.
#[test]
fn mpsc_room_granted_before_the_close_is_given_back() {
    let census = Census::new(&["sent", "refused"]);
    let counted = census.clone();
    model(
        "mpsc_room_granted_before_the_close_is_given_back",
        Some(1),
        move || {
            let (sender, mut receiver) = channel(2);
            sender.try_send(0).unwrap();
            let permit = sender.clone().try_reserve_owned().unwrap();
            let waiting = {
                let sender = sender.clone();
                thread::spawn(move || block_on(sender.send(1)).is_ok())
            };
            let permitted = thread::spawn(move || drop(permit.send(2)));
            thread::yield_now();
            assert_eq!(receiver.try_recv(), Ok(0));
            receiver.close();
            let mut received = [0; 2];
            while let Some(number) = block_on(receiver.recv()) {
                received[number - 1] += 1;
            }
            let sent = waiting.join().unwrap();
            permitted.join().unwrap();
            assert_eq!(received, [usize::from(sent), 1]);
            // Until here, as the end of all senders is the channel's end, whatever room is out.
            drop(sender);
            counted.saw(if sent { "sent" } else { "refused" });
        },
    );
    census.assert_all_seen();
}
