//! `broadcast`.

use super::sync::broadcast::error::{RecvError, TryRecvError};
use super::sync::broadcast::{self, Receiver, Sender, WeakSender};
use crate::driver::{self, Seen, Value};
use crate::parts::{Futures, Message, Pool, Press};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Send,
    Recv,
    RecvLost,
    TryRecv,
    Subscribe,
    Resubscribe,
    DropReceiver,
    Clone,
    DropSender,
    Downgrade,
    Upgrade,
    DropWeak,
    Closed,
}

pub(crate) struct World {
    press: Press,
    futures: Futures,
    senders: Pool<Sender<Message>>,
    weak: Pool<WeakSender<Message>>,
    receivers: Pool<Receiver<Message>>,
}

/// What is seen of what was received: its number, or how many were missed.
fn received(result: Result<Message, RecvError>) -> Value {
    match result {
        Ok(message) => Value::Number(message.number),
        Err(RecvError::Closed) => Value::Word("closed"),
        Err(RecvError::Lagged(missed)) => Value::List(vec![missed as usize]),
    }
}

fn tried(result: Result<Message, TryRecvError>) -> Value {
    match result {
        Ok(message) => Value::Number(message.number),
        Err(TryRecvError::Empty) => Value::Word("empty"),
        Err(TryRecvError::Closed) => Value::Word("closed"),
        Err(TryRecvError::Lagged(missed)) => Value::List(vec![missed as usize]),
    }
}

impl driver::World for World {
    type Op = Op;
    const OPS: &'static [Op] = &[
        Op::Send,
        Op::Send,
        Op::Send,
        Op::Send,
        Op::Recv,
        Op::Recv,
        Op::Recv,
        Op::RecvLost,
        Op::TryRecv,
        Op::TryRecv,
        Op::Subscribe,
        Op::Resubscribe,
        Op::DropReceiver,
        Op::Clone,
        Op::DropSender,
        Op::Downgrade,
        Op::Upgrade,
        Op::DropWeak,
        Op::Closed,
    ];

    fn new(size: usize) -> Self {
        let (sender, receiver) = broadcast::channel(size);
        Self {
            press: Press::default(),
            futures: Futures::default(),
            senders: Pool::of(sender),
            weak: Pool::default(),
            receivers: Pool::of(receiver),
        }
    }

    fn act(&mut self, op: Op, n: usize, seen: &mut Seen) {
        let sender = self.senders.with(n, |sender| sender.clone());
        match (op, sender) {
            (Op::Send, Some(sender)) => {
                let sent = sender.send(self.press.message());
                seen.note("send", sent.ok());
            }
            (Op::Subscribe, Some(sender)) => self.receivers.put(sender.subscribe()),
            (Op::Clone, Some(sender)) => self.senders.put(sender),
            (Op::Downgrade, Some(sender)) => self.weak.put(sender.downgrade()),
            (Op::Closed, Some(sender)) => self.futures.add("closed", async move {
                sender.closed().await;
                true.into()
            }),
            (Op::Recv, _) => {
                if let Some(mut receiver) = self.receivers.lend(n) {
                    self.futures
                        .add("recv", async move { received(receiver.recv().await) });
                }
            }
            (Op::RecvLost, _) => {
                if let Some(mut receiver) = self.receivers.lend(n) {
                    self.futures.poll_and_lose("recv", receiver.recv(), seen);
                }
            }
            (Op::TryRecv, _) => {
                self.receivers.with(n, |receiver| {
                    seen.note("try_recv", tried(receiver.try_recv()))
                });
            }
            (Op::Resubscribe, _) => {
                let resubscribed = self.receivers.with(n, |receiver| receiver.resubscribe());
                resubscribed
                    .into_iter()
                    .for_each(|receiver| self.receivers.put(receiver));
            }
            (Op::DropReceiver, _) => drop(self.receivers.take(n)),
            (Op::DropSender, _) => drop(self.senders.take(n)),
            (Op::Upgrade, _) => {
                if let Some(upgraded) = self.weak.with(n, |weak| weak.upgrade()) {
                    seen.note("upgrade", upgraded.is_some());
                    upgraded
                        .into_iter()
                        .for_each(|sender| self.senders.put(sender));
                }
            }
            (Op::DropWeak, _) => drop(self.weak.take(n)),
            _ => {}
        }
    }

    fn look(&mut self, seen: &mut Seen) {
        self.senders.with(0, |sender| {
            seen.note("len", sender.len());
            seen.note("is_empty", sender.is_empty());
            seen.note("receiver_count", sender.receiver_count());
            seen.note("strong_count", sender.strong_count());
            seen.note("weak_count", sender.weak_count());
        });
        self.weak.with(0, |weak| {
            seen.note("strong_count of a weak one", weak.strong_count());
            seen.note("weak_count of a weak one", weak.weak_count());
        });
        seen.note("receiver.len", self.receivers.each(|one| one.len()));
        let empty = |one: &Receiver<_>| usize::from(one.is_empty());
        seen.note("receiver.is_empty", self.receivers.each(empty));
        let closed = |one: &Receiver<_>| usize::from(one.is_closed());
        seen.note("receiver.is_closed", self.receivers.each(closed));
        self.receivers.with(0, |receiver| {
            seen.note("sender_strong_count", receiver.sender_strong_count());
            seen.note("sender_weak_count", receiver.sender_weak_count());
        });
        seen.note("values", self.press.alive());
    }

    fn state(&mut self) -> &'static str {
        "any"
    }

    fn futures(&mut self) -> &mut Futures {
        &mut self.futures
    }

    fn end(self, seen: &mut Seen) {
        let press = self.press.clone();
        drop(self);
        seen.note("values in the end", press.alive());
    }
}
