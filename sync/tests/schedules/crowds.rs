//! Channels with several receivers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use heist_sync::mpmc::error::TryRecvError;
use heist_sync::queue::{LifoQueue, Order, OrderedQueue, PriorityQueue, Queue};
use heist_sync::{broadcast, mpmc, watch};
use shuttle::thread;

use crate::harness::{Alive, Message, attempt, explore, one_in, perhaps, pick, wait};

/// Which messages were sent for certain, which were given up and may have been taken all the same, which arrived.
#[derive(Default)]
struct Account {
    sent: BTreeSet<(usize, usize)>,
    given_up: BTreeSet<(usize, usize)>,
    received: BTreeSet<(usize, usize)>,
}

fn send_all(sender: usize, tx: &mpmc::Sender<Message>, alive: &Alive, account: &Mutex<Account>) {
    for number in 0..3 {
        let value = alive.value(sender, number);
        let outcome = match pick(5) {
            0 => Some(tx.try_send(value).is_ok()),
            1 | 2 => perhaps(tx.send(value)).map(|sent| sent.is_ok()),
            3 => Some(wait(tx.send(value)).is_ok()),
            _ => Some(tx.blocking_send(value).is_ok()),
        };
        let mut account = account.lock().unwrap();
        match outcome {
            Some(true) => account.sent.insert((sender, number)),
            Some(false) => false,
            None => account.given_up.insert((sender, number)),
        };
    }
}

/// Receives until the end, or until it has had enough.
fn receive_all(rx: &mpmc::Receiver<Message>, stays: bool, account: &Mutex<Account>) {
    let mut last = [None; 4];
    let mut note = |message: Message| {
        assert!(last[message.sender] < Some(message.number), "out of order");
        last[message.sender] = Some(message.number);
        let fresh = (account.lock().unwrap().received).insert((message.sender, message.number));
        assert!(fresh, "received twice");
    };
    let mut buffer = Vec::new();
    while stays || !one_in(6) {
        match pick(4) {
            0 => match rx.try_recv() {
                Ok(message) => note(message),
                Err(TryRecvError::Empty) => thread::yield_now(),
                Err(TryRecvError::Disconnected) => return,
            },
            1 => match perhaps(rx.recv_many(&mut buffer, 2)) {
                Some(0) => return,
                _ => buffer.drain(..).for_each(&mut note),
            },
            _ => match perhaps(rx.recv()) {
                Some(Some(message)) => note(message),
                Some(None) => return,
                None => {}
            },
        }
    }
}

fn mpmc(ends: bool) {
    let alive = Alive::default();
    let (tx, rx) = match pick(4) {
        0 => mpmc::unbounded(),
        capacity => mpmc::bounded(capacity - 1),
    };
    let account = Arc::new(Mutex::new(Account::default()));
    let mut threads = Vec::new();
    for number in 0..3 {
        let (tx, alive, account) = (tx.clone(), alive.clone(), account.clone());
        threads.push(thread::spawn(move || {
            send_all(number, &tx, &alive, &account);
            if ends && number == 0 {
                tx.close();
            }
        }));
    }
    for number in 0..3 {
        let (rx, account) = (rx.clone(), account.clone());
        let stays = number == 0 && !ends;
        threads.push(thread::spawn(move || receive_all(&rx, stays, &account)));
    }
    drop((tx, rx));
    for thread in threads {
        thread.join().expect("ends well");
    }
    let account = account.lock().unwrap();
    assert_eq!(alive.count(), 0);
    let possible = &account.sent | &account.given_up;
    assert!(account.received.is_subset(&possible), "received, not sent");
    if !ends {
        assert!(account.sent.is_subset(&account.received), "sent, and lost");
    }
}

#[test]
fn mpmc_loses_and_doubles_nothing() {
    explore(|| mpmc(false));
}

#[test]
fn mpmc_ends_for_all() {
    explore(|| mpmc(true));
}

/// Takes values until the end, or until it has them all; and how many of them it has seen or been told to have missed.
fn listen(rx: &mut broadcast::Receiver<(usize, usize)>, all: usize) -> usize {
    let mut last = [None; 2];
    let mut seen = 0;
    while seen < all {
        let received = match pick(3) {
            0 => match rx.try_recv() {
                Ok(value) => Some(Ok(value)),
                Err(broadcast::error::TryRecvError::Empty) => None,
                Err(broadcast::error::TryRecvError::Closed) => {
                    Some(Err(broadcast::error::RecvError::Closed))
                }
                Err(broadcast::error::TryRecvError::Lagged(missed)) => {
                    Some(Err(broadcast::error::RecvError::Lagged(missed)))
                }
            },
            _ => perhaps(rx.recv()),
        };
        match received {
            Some(Ok((sender, number))) => {
                assert!(last[sender] < Some(number), "out of order");
                last[sender] = Some(number);
                seen += 1;
            }
            Some(Err(broadcast::error::RecvError::Lagged(missed))) => seen += missed as usize,
            Some(Err(broadcast::error::RecvError::Closed)) => return seen,
            None => thread::yield_now(),
        }
    }
    seen
}

#[test]
fn broadcast_reaches_all_or_tells_them_what_they_missed() {
    explore(|| {
        let (tx, rx) = broadcast::channel(1 + pick(4));
        // With a sender that stays, no end makes up for a wake that was lost.
        let stays = one_in(2).then(|| tx.clone());
        let all = if stays.is_some() { 8 } else { usize::MAX };
        let mut listeners: Vec<_> = (0..2).map(|_| tx.subscribe()).collect();
        listeners.push(rx);
        let listeners: Vec<_> = listeners
            .into_iter()
            .map(|mut rx| thread::spawn(move || listen(&mut rx, all)))
            .collect();
        let comer = tx.subscribe();
        let goer = thread::spawn(move || {
            let mut again = comer.resubscribe();
            attempt(again.recv());
            drop(comer);
        });
        let senders: Vec<_> = (0..2)
            .map(|sender| {
                let tx = tx.clone();
                thread::spawn(move || {
                    for number in 0..4 {
                        // There is always one who listens, until all was sent.
                        assert!(tx.send((sender, number)).is_ok());
                    }
                })
            })
            .collect();
        drop(tx);
        for thread in senders {
            thread.join().expect("ends well");
        }
        for listener in listeners {
            assert_eq!(listener.join().expect("ends well"), 8);
        }
        goer.join().expect("ends well");
        drop(stays);
    });
}

#[test]
fn broadcast_closed_waits_for_the_last_receiver() {
    explore(|| {
        let (tx, rx) = broadcast::channel::<usize>(2);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let rx = rx.resubscribe();
                thread::spawn(move || drop(rx))
            })
            .collect();
        drop(rx);
        attempt(tx.closed());
        wait(tx.closed());
        assert_eq!(tx.receiver_count(), 0);
        assert!(tx.send(1).is_err());
        for thread in threads {
            thread.join().expect("ends well");
        }
    });
}

/// Follows a counter to its end, `last`.
fn follow(rx: &mut watch::Receiver<usize>, last: usize) {
    let mut seen = 0;
    loop {
        let now = match pick(5) {
            0 => *rx.borrow(),
            1 => *rx.borrow_and_update(),
            2 => {
                let wanted = seen + 1;
                match perhaps(rx.wait_for(|value| *value >= wanted)) {
                    Some(Ok(value)) => {
                        assert!(*value >= wanted);
                        *value
                    }
                    Some(Err(_)) => break,
                    None => continue,
                }
            }
            _ => match perhaps(rx.changed()) {
                Some(Ok(())) => *rx.borrow(),
                Some(Err(_)) => break,
                None => continue,
            },
        };
        assert!(now >= seen, "back in time");
        seen = now;
    }
    assert_eq!(*rx.borrow(), last, "the end hides no value");
}

#[test]
fn watch_shows_the_last_value_to_all() {
    explore(|| {
        let (tx, rx) = watch::channel(0);
        let followers: Vec<_> = (0..3)
            .map(|_| {
                let mut rx = if one_in(2) {
                    rx.clone()
                } else {
                    tx.subscribe()
                };
                thread::spawn(move || follow(&mut rx, 6))
            })
            .collect();
        drop(rx);
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let tx = tx.clone();
                thread::spawn(move || {
                    for _ in 0..3 {
                        if one_in(2) {
                            tx.send_modify(|value| *value += 1);
                        } else {
                            assert!(!tx.send_if_modified(|_| false));
                            assert!(tx.send_if_modified(|value| {
                                *value += 1;
                                true
                            }));
                        }
                    }
                })
            })
            .collect();
        let closed = if one_in(2) {
            drop(tx);
            None
        } else {
            // A weak look at the end: followers leave when the last sender does, so this one gives up.
            let thread = thread::spawn(move || attempt(tx.closed()));
            Some(thread)
        };
        for thread in senders {
            thread.join().expect("ends well");
        }
        for thread in followers {
            thread.join().expect("ends well");
        }
        closed.map(|thread| thread.join().expect("ends well"));
    });
}

#[test]
fn watch_closed_waits_for_the_last_receiver() {
    explore(|| {
        let (tx, rx) = watch::channel(0);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let mut rx = rx.clone();
                thread::spawn(move || {
                    attempt(rx.changed());
                })
            })
            .collect();
        drop(rx);
        attempt(tx.closed());
        wait(tx.closed());
        assert_eq!(tx.receiver_count(), 0);
        assert!(tx.send(1).is_err());
        for thread in threads {
            thread.join().expect("ends well");
        }
    });
}

/// Work is put and done by several; all of it is done when `join` says so.
fn work_through<O>(queue: OrderedQueue<usize, O>)
where
    O: Order<usize> + 'static,
    OrderedQueue<usize, O>: Send + Sync,
{
    let queue = Arc::new(queue);
    let (put, done) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (queue, done) = (queue.clone(), done.clone());
            thread::spawn(move || {
                loop {
                    let got = match pick(3) {
                        0 => queue.try_get().ok().map(Ok),
                        _ => perhaps(queue.get()),
                    };
                    match got {
                        Some(Ok(_)) => {
                            *done.lock().unwrap() += 1;
                            queue.task_done();
                        }
                        Some(Err(_)) => return,
                        None => thread::yield_now(),
                    }
                }
            })
        })
        .collect();
    let putters: Vec<_> = (0..2)
        .map(|_| {
            let (queue, put) = (queue.clone(), put.clone());
            thread::spawn(move || {
                for item in 0..3 {
                    let sent = match pick(3) {
                        0 => queue.try_put(item).is_ok(),
                        _ => perhaps(queue.put(item)).is_some_and(|put| put.is_ok()),
                    };
                    *put.lock().unwrap() += usize::from(sent);
                }
            })
        })
        .collect();
    for thread in putters {
        thread.join().expect("ends well");
    }
    attempt(queue.join());
    wait(queue.join());
    assert_eq!(*done.lock().unwrap(), *put.lock().unwrap());
    assert_eq!((queue.unfinished(), queue.len()), (0, 0));
    queue.shutdown(one_in(2));
    for thread in workers {
        thread.join().expect("ends well");
    }
}

#[test]
fn queue_is_done_when_all_of_it_is() {
    explore(|| match pick(3) {
        0 => work_through(Queue::bounded(1 + pick(2))),
        1 => work_through(LifoQueue::unbounded()),
        _ => work_through(PriorityQueue::bounded(2)),
    });
}

#[test]
fn queue_shut_down_leaves_nobody_waiting() {
    explore(|| {
        let queue = Arc::new(Queue::bounded(1));
        let threads: Vec<_> = (0..5)
            .map(|number| {
                let queue = queue.clone();
                thread::spawn(move || match number {
                    0 => queue.shutdown(true),
                    1 => wait(queue.join()),
                    2 => {
                        while wait(queue.get()).is_ok() {
                            queue.task_done();
                        }
                    }
                    _ => while wait(queue.put(1)).is_ok() {},
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("ends well");
        }
        assert_eq!(queue.len(), 0);
    });
}
