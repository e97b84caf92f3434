//! What hands values over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use heist_sync::{mpsc, oneshot};
use shuttle::thread;

use crate::harness::{Alive, Message, attempt, explore, one_in, perhaps, pick, wait};

#[test]
fn oneshot_value_is_received_or_given_back() {
    explore(|| {
        let alive = Alive::default();
        let (mut sender, mut receiver) = oneshot::channel();
        let value = alive.value(0, 0);
        let sending = thread::spawn(move || match pick(4) {
            0 => {
                wait(sender.closed());
                assert!(sender.send(value).is_err());
                false
            }
            1 => {
                attempt(sender.closed());
                sender.send(value).is_ok()
            }
            2 => sender.send(value).is_ok(),
            _ => false,
        });
        let receiving = thread::spawn(move || match pick(4) {
            0 => {
                // A sender that waits for the close has to see one.
                attempt(&mut receiver);
                receiver.close();
                receiver.try_recv().is_ok()
            }
            1 => attempt(receiver).is_some_and(|received| received.is_ok()),
            2 => receiver.try_recv().is_ok(),
            _ => false,
        });
        let sent = sending.join().expect("ends well");
        let received = receiving.join().expect("ends well");
        assert!(sent || !received, "received, not sent");
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn oneshot_wakes_the_receiver() {
    explore(|| {
        let (sender, receiver) = oneshot::channel();
        let sending = thread::spawn(move || if one_in(2) { sender.send(7) } else { Ok(()) });
        let received = wait(receiver);
        sending.join().expect("ends well").expect("it was awaited");
        assert!(received.is_err() || received == Ok(7));
    });
}

/// Holds the messages of each sender against their order, and counts them.
#[derive(Default)]
struct Received {
    next: [usize; 8],
    count: usize,
}

impl Received {
    fn note(&mut self, message: &Message) {
        let next = &mut self.next[message.sender];
        assert!(message.number >= *next, "out of order");
        *next = message.number + 1;
        self.count += 1;
    }
}

/// What one sender does with a bounded channel; returns how many messages it has sent.
fn send_some(sender: usize, mut tx: mpsc::Sender<Message>, alive: &Alive) -> usize {
    let mut sent = 0;
    for number in 0..3 {
        let value = alive.value(sender, number);
        sent += match pick(8) {
            0 => matches!(perhaps(tx.send(value)), Some(Ok(()))) as usize,
            1 => tx.try_send(value).is_ok() as usize,
            2 => match perhaps(tx.reserve()) {
                Some(Ok(permit)) if one_in(3) => {
                    drop(permit);
                    0
                }
                Some(Ok(permit)) => {
                    thread::yield_now();
                    permit.send(value);
                    1
                }
                _ => 0,
            },
            3 => match perhaps(tx.reserve_many(2)) {
                Some(Ok(mut permits)) => {
                    permits.next().expect("two").send(value);
                    1
                }
                _ => 0,
            },
            4 => match perhaps(tx.clone().reserve_owned()) {
                Some(Ok(permit)) if one_in(3) => {
                    drop(permit.release());
                    0
                }
                Some(Ok(permit)) => {
                    tx = permit.send(value);
                    1
                }
                _ => 0,
            },
            5 => {
                let weak = tx.downgrade();
                let again = weak.upgrade().expect("there is one");
                again.blocking_send(value).is_ok() as usize
            }
            6 => match tx.try_reserve_many(1 + pick(2)) {
                Ok(mut permits) => {
                    permits.next().expect("one").send(value);
                    1
                }
                Err(_) => 0,
            },
            _ => {
                attempt(tx.closed());
                0
            }
        };
    }
    sent
}

/// What the receiver does, until the channel's end or its own.
fn receive_some(mut rx: mpsc::Receiver<Message>, leaves: bool) -> (Received, bool) {
    let mut received = Received::default();
    let mut buffer = Vec::new();
    loop {
        match pick(if leaves { 12 } else { 10 }) {
            0..4 => match perhaps(rx.recv()) {
                Some(Some(message)) => received.note(&message),
                Some(None) => return (received, false),
                None => {}
            },
            4 | 5 => match rx.try_recv() {
                Ok(message) => received.note(&message),
                Err(mpsc::error::TryRecvError::Disconnected) => return (received, false),
                Err(mpsc::error::TryRecvError::Empty) => thread::yield_now(),
            },
            6 | 7 => {
                if perhaps(rx.recv_many(&mut buffer, 3)) == Some(0) {
                    return (received, false);
                }
                buffer.drain(..).for_each(|message| received.note(&message));
            }
            8 | 9 => assert!(rx.len() <= rx.max_capacity()),
            10 => rx.close(),
            _ => return (received, true),
        }
    }
}

fn bounded(leaves: bool) {
    let alive = Alive::default();
    let (tx, rx) = mpsc::channel(1 + pick(3));
    let total = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (tx, alive, total) = (tx.clone(), alive.clone(), total.clone());
            thread::spawn(move || {
                let sent = send_some(sender, tx, &alive);
                total.fetch_add(sent, Ordering::SeqCst);
            })
        })
        .collect();
    drop(tx);
    let (received, left) = receive_some(rx, leaves);
    for sender in senders {
        sender.join().expect("ends well");
    }
    let sent = total.load(Ordering::SeqCst);
    assert!(received.count <= sent);
    if !left {
        assert_eq!(received.count, sent, "all that was sent");
    }
    assert_eq!(alive.count(), 0);
}

#[test]
fn mpsc_what_races_with_the_end_of_the_receiver_is_gone_when_the_senders_are_back() {
    explore(|| {
        let alive = Alive::default();
        let (tx, mut rx) = mpsc::channel(1 + pick(3));
        let senders: Vec<_> = (0..3)
            .map(|sender| {
                let (tx, alive) = (tx.clone(), alive.clone());
                thread::spawn(move || send_some(sender, tx, &alive))
            })
            .collect();
        for _ in 0..pick(4) {
            attempt(rx.recv());
        }
        drop(rx);
        for sender in senders {
            sender.join().expect("ends well");
        }
        assert_eq!(alive.count(), 0, "and a sender is left");
        drop(tx);
    });
}

/// An actor that ends after a few requests, in the midst of its clients: each of them hears of it.
#[test]
fn clients_of_an_actor_that_ends_all_hear_of_it() {
    explore(|| {
        let (tx, mut requests) = mpsc::channel::<oneshot::Sender<u32>>(1 + pick(2));
        let clients: Vec<_> = (0..3)
            .map(|_| {
                let tx = tx.clone();
                thread::spawn(move || {
                    loop {
                        let (answer, answered) = oneshot::channel();
                        if wait(tx.send(answer)).is_err() || wait(answered).is_err() {
                            break;
                        }
                    }
                })
            })
            .collect();
        for _ in 0..1 + pick(4) {
            let request = wait(requests.recv()).expect("a request");
            let _ = request.send(7);
        }
        drop(requests);
        for client in clients {
            client.join().expect("ends well");
        }
        drop(tx);
    });
}

#[test]
fn mpsc_bounded_conserves_messages() {
    explore(|| bounded(false));
}

#[test]
fn mpsc_bounded_conserves_messages_when_closed() {
    explore(|| bounded(true));
}

#[test]
fn mpsc_unbounded_conserves_messages() {
    explore(|| {
        let alive = Alive::default();
        let (tx, mut rx) = mpsc::unbounded_channel();
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let (tx, alive) = (tx.clone(), alive.clone());
                thread::spawn(move || {
                    (0..12)
                        .filter(|number| tx.send(alive.value(sender, *number)).is_ok())
                        .count()
                })
            })
            .collect();
        drop(tx);
        let (mut received, mut closes) = (Received::default(), one_in(3));
        loop {
            match perhaps(rx.recv()) {
                Some(Some(message)) => received.note(&message),
                Some(None) => break,
                None if closes => {
                    rx.close();
                    closes = false;
                }
                None => {}
            }
        }
        let sent: usize = senders
            .into_iter()
            .map(|s| s.join().expect("ends well"))
            .sum();
        assert_eq!(received.count, sent);
        assert_eq!(alive.count(), 0);
    });
}
