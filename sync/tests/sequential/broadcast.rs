//! `broadcast`: all that was ever sent, and how far each receiver has come.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Poll;

use heist_sync::broadcast::error::{RecvError, TryRecvError};
use heist_sync::broadcast::{self, Receiver, Sender};

use crate::driver::{Futures, Step, check};

#[derive(Debug, Clone, Copy)]
enum Op {
    Send,
    Subscribe,
    Resubscribe,
    TryRecv,
    Recv,
    Poll,
    Drop,
    DropReceiver,
    CloneSender,
    DropSender,
}

const OPS: &[Op] = &[
    Op::Send,
    Op::Send,
    Op::Send,
    Op::TryRecv,
    Op::Recv,
    Op::Poll,
    Op::Poll,
    Op::Drop,
    Op::Subscribe,
    Op::Resubscribe,
    Op::DropReceiver,
    Op::CloneSender,
    Op::DropSender,
];

type Value = Box<usize>;
type Received = (Receiver<Value>, Result<Value, RecvError>);

struct World {
    kept: usize,
    sent: usize,
    senders: Vec<Sender<Value>>,
    receivers: Vec<(Receiver<Value>, usize)>,
    futures: Futures<'static, Received>,
    /// How far the receivers in futures have come, and which of them sleep.
    next: BTreeMap<usize, usize>,
    asleep: BTreeSet<usize>,
}

impl World {
    /// What comes next for one who has come to `next`, which moves on.
    fn look(&self, next: &mut usize) -> Poll<Result<usize, RecvError>> {
        let oldest = self.sent.saturating_sub(self.kept);
        if *next < oldest {
            let missed = oldest - *next;
            *next = oldest;
            return Poll::Ready(Err(RecvError::Lagged(missed as u64)));
        }
        if *next < self.sent {
            *next += 1;
            return Poll::Ready(Ok(*next - 1));
        }
        if self.senders.is_empty() {
            return Poll::Ready(Err(RecvError::Closed));
        }
        Poll::Pending
    }

    fn count(&self) -> usize {
        self.receivers.len() + self.next.len()
    }

    fn step(&mut self, (op, n): Step<Op>) {
        let some = (!self.receivers.is_empty()).then(|| n % self.receivers.len().max(1));
        match (op, some) {
            (Op::Send, _) => {
                let Some(sender) = self.senders.first() else {
                    return;
                };
                let receivers = self.count();
                match sender.send(Box::new(self.sent)) {
                    Ok(told) => {
                        assert_eq!(told, receivers);
                        self.sent += 1;
                        self.expect_wakes();
                    }
                    Err(_) => assert_eq!(receivers, 0),
                }
            }
            (Op::Subscribe, _) => {
                let Some(sender) = self.senders.first() else {
                    return;
                };
                self.receivers.push((sender.subscribe(), self.sent));
            }
            (Op::Resubscribe, Some(i)) => {
                let fresh = self.receivers[i].0.resubscribe();
                self.receivers.push((fresh, self.sent));
            }
            (Op::TryRecv, Some(i)) => {
                let mut next = self.receivers[i].1;
                let expected = self.look(&mut next);
                let (receiver, position) = &mut self.receivers[i];
                *position = next;
                let got = match receiver.try_recv() {
                    Ok(value) => Poll::Ready(Ok(*value)),
                    Err(TryRecvError::Lagged(n)) => Poll::Ready(Err(RecvError::Lagged(n))),
                    Err(TryRecvError::Closed) => Poll::Ready(Err(RecvError::Closed)),
                    Err(TryRecvError::Empty) => Poll::Pending,
                };
                assert_eq!(got, expected);
            }
            (Op::Recv, Some(i)) => {
                let (mut receiver, next) = self.receivers.swap_remove(i);
                let number = self.futures.add(async move {
                    let received = receiver.recv().await;
                    (receiver, received)
                });
                self.next.insert(number, next);
            }
            (Op::Poll, _) => self.poll(n),
            (Op::Drop, _) => {
                if let Some(number) = self.futures.some(n) {
                    self.futures.drop(number);
                    self.next.remove(&number);
                    self.asleep.remove(&number);
                }
            }
            (Op::DropReceiver, Some(i)) => drop(self.receivers.swap_remove(i)),
            (Op::CloneSender, _) => self.senders.extend(self.senders.first().cloned()),
            (Op::DropSender, _) => {
                let last = self.senders.pop().is_some() && self.senders.is_empty();
                self.expect_wakes_if(last);
            }
            _ => {}
        }
    }

    fn poll(&mut self, n: usize) {
        let Some(number) = self.futures.some(n) else {
            return;
        };
        let mut next = self.next[&number];
        let expected = self.look(&mut next);
        match self.futures.poll(number) {
            Poll::Ready((receiver, got)) => {
                assert_eq!(Poll::Ready(got.map(|value| *value)), expected);
                self.next.remove(&number);
                self.receivers.push((receiver, next));
            }
            Poll::Pending => {
                assert!(expected.is_pending());
                self.asleep.insert(number);
            }
        }
    }

    fn expect_wakes_if(&mut self, expected: bool) {
        if expected {
            self.expect_wakes();
        }
    }

    /// All who sleep are woken by what has just been done.
    fn expect_wakes(&mut self) {
        let woken: Vec<_> = self.futures.woken();
        assert!(woken.into_iter().eq(std::mem::take(&mut self.asleep)));
    }

    fn agrees(&self) {
        assert!(self.futures.woken().is_empty(), "woken for nothing");
        let oldest = self.sent.saturating_sub(self.kept);
        let positions = self
            .receivers
            .iter()
            .map(|(_, next)| next)
            .chain(self.next.values());
        let waited_for = positions.map(|next| self.sent - (*next).max(oldest)).max();
        if let Some(sender) = self.senders.first() {
            assert_eq!(sender.receiver_count(), self.count());
            assert_eq!(sender.len(), waited_for.unwrap_or(0));
        }
        for (receiver, next) in &self.receivers {
            assert_eq!(receiver.len(), self.sent - next);
            assert_eq!(receiver.is_closed(), self.senders.is_empty());
        }
    }
}

#[test]
fn broadcast_agrees_with_its_account() {
    for capacity in [1, 2, 3] {
        check(OPS, 60, |steps| {
            let (sender, receiver) = broadcast::channel(capacity);
            let mut world = World {
                kept: capacity.next_power_of_two(),
                sent: 0,
                senders: vec![sender],
                receivers: vec![(receiver, 0)],
                futures: Futures::new(),
                next: BTreeMap::new(),
                asleep: BTreeSet::new(),
            };
            for step in steps {
                world.step(*step);
                world.agrees();
            }
        });
    }
}
