//! `mpmc`, with a buffer, without a bound, and as a meeting place. Which of several woken receivers takes which message is
//! open there, so the account is of the messages: what was sent for certain arrives, once, in order; and nobody sleeps
//! beside what they wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Poll;

use heist_sync::mpmc::error::{TryRecvError, TrySendError};
use heist_sync::mpmc::{self, Receiver, Sender};

use crate::driver::{Futures, Step, check};

#[derive(Debug, Clone, Copy)]
enum Op {
    Send,
    Recv,
    PollSend,
    PollRecv,
    DropSend,
    DropRecv,
    TrySend,
    TryRecv,
    Close,
    DropReceiver,
}

const OPS: &[Op] = &[
    Op::Send,
    Op::Send,
    Op::Recv,
    Op::Recv,
    Op::PollSend,
    Op::PollSend,
    Op::PollRecv,
    Op::PollRecv,
    Op::DropSend,
    Op::DropRecv,
    Op::TrySend,
    Op::TryRecv,
];
const ENDING: &[Op] = &[
    Op::Send,
    Op::Recv,
    Op::PollSend,
    Op::PollRecv,
    Op::DropSend,
    Op::DropRecv,
    Op::TrySend,
    Op::TryRecv,
    Op::DropReceiver,
    Op::Close,
];

type Message = Box<usize>;

/// Futures, and which of them have been polled, and were woken since.
struct Side<T> {
    futures: Futures<'static, T>,
    asleep: BTreeSet<usize>,
    awake: BTreeSet<usize>,
}

impl<T> Side<T> {
    fn new() -> Self {
        Self {
            futures: Futures::new(),
            asleep: BTreeSet::new(),
            awake: BTreeSet::new(),
        }
    }

    fn forget(&mut self, number: usize) {
        self.asleep.remove(&number);
        self.awake.remove(&number);
    }

    fn poll(&mut self, number: usize) -> Poll<T> {
        self.forget(number);
        let poll = self.futures.poll(number);
        if poll.is_pending() {
            self.asleep.insert(number);
        }
        poll
    }

    fn drop(&mut self, number: usize) {
        self.futures.drop(number);
        self.forget(number);
    }

    fn note_wakes(&mut self) {
        for number in self.futures.woken() {
            if self.asleep.remove(&number) {
                self.awake.insert(number);
            }
        }
    }

    fn all_sleep(&self) -> bool {
        self.awake.is_empty() && !self.asleep.is_empty()
    }
}

struct World {
    capacity: usize,
    sender: Sender<Message>,
    receiver: Option<Receiver<Message>>,
    sending: Side<bool>,
    receiving: Side<Option<Message>>,
    /// Which message a sending future has.
    messages: BTreeMap<usize, usize>,
    next: usize,
    /// Those that somebody has tried to send; that were refused; that were sent for certain, in order; that arrived.
    offered: BTreeSet<usize>,
    refused: BTreeSet<usize>,
    sent: Vec<usize>,
    received: BTreeSet<usize>,
}

impl World {
    fn new(capacity: usize) -> Self {
        let (sender, receiver) = match capacity {
            usize::MAX => mpmc::unbounded(),
            capacity => mpmc::bounded(capacity),
        };
        Self {
            capacity,
            sender,
            receiver: Some(receiver),
            sending: Side::new(),
            receiving: Side::new(),
            messages: BTreeMap::new(),
            next: 0,
            offered: BTreeSet::new(),
            refused: BTreeSet::new(),
            sent: Vec::new(),
            received: BTreeSet::new(),
        }
    }

    fn buffered(&self) -> Vec<usize> {
        let left = self
            .sent
            .iter()
            .filter(|message| !self.received.contains(*message));
        left.copied().collect()
    }

    fn note(&mut self, message: usize) {
        assert!(
            self.offered.contains(&message) && !self.refused.contains(&message),
            "not sent"
        );
        if self.capacity > 0 {
            assert_eq!(self.buffered().first(), Some(&message), "out of order");
        }
        assert!(self.received.insert(message), "received twice");
    }

    fn send(&mut self, (op, n): Step<Op>) {
        let some = self.sending.futures.some(n);
        match (op, some) {
            (Op::Send, _) => {
                let (message, sender) = (self.next, self.sender.clone());
                self.next += 1;
                let future = async move { sender.send(Box::new(message)).await.is_ok() };
                let number = self.sending.futures.add(future);
                self.messages.insert(number, message);
            }
            (Op::PollSend, Some(number)) => self.poll_send(number),
            (Op::DropSend, Some(number)) => {
                self.sending.drop(number);
                self.messages.remove(&number);
            }
            (Op::TrySend, _) => {
                let message = self.next;
                self.next += 1;
                self.offered.insert(message);
                match self.sender.try_send(Box::new(message)) {
                    Ok(()) => self.sent.push(message),
                    Err(error) => {
                        let full = matches!(error, TrySendError::Full(_));
                        assert_eq!(full, !self.sender.is_closed());
                        self.refused.insert(message);
                    }
                }
            }
            (Op::Close, _) => {
                let open = !self.sender.is_closed();
                assert_eq!(self.sender.close(), open);
                assert!(self.sender.is_closed());
            }
            _ => {}
        }
    }

    fn poll_send(&mut self, number: usize) {
        let message = self.messages[&number];
        self.offered.insert(message);
        match self.sending.poll(number) {
            Poll::Ready(true) => self.sent.push(message),
            Poll::Ready(false) => {
                assert!(self.sender.is_closed() && !self.received.contains(&message));
                self.refused.insert(message);
            }
            Poll::Pending => return,
        }
        self.messages.remove(&number);
    }

    fn receive(&mut self, (op, n): Step<Op>) {
        let some = self.receiving.futures.some(n);
        match (op, some) {
            (Op::Recv, _) => {
                if let Some(receiver) = self.receiver.clone() {
                    self.receiving
                        .futures
                        .add(async move { receiver.recv().await });
                }
            }
            (Op::PollRecv, Some(number)) => self.poll_recv(number),
            (Op::DropRecv, Some(number)) => self.receiving.drop(number),
            (Op::TryRecv, _) => match self.receiver.as_ref().map(Receiver::try_recv) {
                Some(Ok(message)) => self.note(*message),
                Some(Err(TryRecvError::Disconnected)) => {
                    assert!(self.sender.is_closed() && self.buffered().is_empty());
                }
                Some(Err(TryRecvError::Empty)) | None => {}
            },
            (Op::DropReceiver, _) => self.receiver = None,
            _ => {}
        }
    }

    fn poll_recv(&mut self, number: usize) {
        match self.receiving.poll(number) {
            Poll::Ready(Some(message)) => self.note(*message),
            Poll::Ready(None) => {
                assert!(self.sender.is_closed() && self.buffered().is_empty());
            }
            Poll::Pending => {}
        }
    }

    /// Nobody sleeps beside what they wait for.
    fn look_for_sleepers(&mut self) {
        self.sending.note_wakes();
        self.receiving.note_wakes();
        let gone = self.receiver.is_none() && self.receiving.futures.numbers().is_empty();
        if gone {
            assert!(self.sender.is_closed() && self.sending.asleep.is_empty());
            return;
        }
        let (buffered, closed) = (self.buffered().len(), self.sender.is_closed());
        if self.capacity == 0 {
            let both = self.sending.all_sleep() && self.receiving.all_sleep();
            assert!(!both, "both sides sleep");
        } else {
            assert_eq!(self.sender.len(), buffered);
            assert!(
                buffered == 0 || !self.receiving.all_sleep(),
                "receivers sleep"
            );
            assert!(
                buffered >= self.capacity || !self.sending.all_sleep(),
                "senders sleep"
            );
        }
        if closed {
            assert!(
                self.sending.asleep.is_empty(),
                "closed, and a sender sleeps"
            );
            let over = buffered == 0 && self.sending.awake.is_empty();
            assert!(
                !over || self.receiving.asleep.is_empty(),
                "closed, and a receiver sleeps"
            );
        }
    }

    /// All that was sent for certain arrives.
    fn end(mut self) {
        let Some(receiver) = self.receiver.take() else {
            return;
        };
        while let Some(number) = self.receiving.awake.first().copied() {
            self.poll_recv(number);
            self.look_for_receivers(&receiver);
        }
        self.receiving
            .futures
            .numbers()
            .into_iter()
            .for_each(|number| self.receiving.drop(number));
        self.sending
            .futures
            .numbers()
            .into_iter()
            .for_each(|number| self.sending.drop(number));
        while let Ok(message) = receiver.try_recv() {
            self.note(*message);
        }
        assert!(self.buffered().is_empty(), "sent, and lost");
        assert_eq!(receiver.len(), 0);
    }

    fn look_for_receivers(&mut self, receiver: &Receiver<Message>) {
        self.receiver = Some(receiver.clone());
        self.look_for_sleepers();
        self.receiver = None;
    }
}

fn agrees(operations: &'static [Op]) {
    for capacity in [0, 1, 2, usize::MAX] {
        check(operations, 60, |steps| {
            let mut world = World::new(capacity);
            for step in steps {
                world.send(*step);
                world.receive(*step);
                world.look_for_sleepers();
            }
            world.end();
        });
    }
}

#[test]
fn mpmc_agrees_with_its_account() {
    agrees(OPS);
}

#[test]
fn mpmc_agrees_with_its_account_to_the_end() {
    agrees(ENDING);
}
