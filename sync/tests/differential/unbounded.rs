//! `mpsc`, unbounded.

use std::task::Context;

use super::sync::mpsc::error::TryRecvError;
use super::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, WeakUnboundedSender};
use crate::driver::{self, Seen, Value};
use crate::parts::{Futures, Message, Poller, Pool, Press};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Send,
    Closed,
    Recv,
    RecvMany,
    /// Forgotten for good after a poll, as all that are called so.
    RecvLost,
    PollRecv,
    PollRecvMany,
    TryRecv,
    Close,
    DropReceiver,
    Clone,
    DropSender,
    Downgrade,
    Upgrade,
    DropWeak,
}

const RECEIVES: &[Op] = &[
    Op::Recv,
    Op::RecvMany,
    Op::RecvLost,
    Op::PollRecv,
    Op::PollRecvMany,
    Op::Close,
];

pub(crate) struct World {
    press: Press,
    futures: Futures,
    senders: Pool<UnboundedSender<Message>>,
    weak: Pool<WeakUnboundedSender<Message>>,
    receivers: Pool<UnboundedReceiver<Message>>,
    state: &'static str,
    /// What the receiver is polled with.
    poller: Poller,
}

fn received(message: Option<Message>) -> Value {
    Value::from(message.map(|message| message.number))
}

/// What is seen of the receiving of many: how many there should be, then those there are.
fn many(count: usize, messages: Vec<Message>) -> Value {
    let numbers = messages.iter().map(|message| message.number);
    Value::List(std::iter::once(count).chain(numbers).collect())
}

impl World {
    fn receive(&mut self, op: Op, n: usize, seen: &Seen) {
        let Some(mut receiver) = self.receivers.lend(0) else {
            return;
        };
        // Who receives or closes is awake, and where it waits again its waker takes the place of those before.
        if RECEIVES.contains(&op) {
            self.poller.leave();
            self.futures.leave_lost();
        }
        let limit = n % 4;
        let mut buffer = Vec::new();
        match op {
            Op::Recv => {
                self.futures
                    .add("recv", async move { received(receiver.recv().await) });
            }
            Op::RecvMany => {
                self.futures.add("recv_many", async move {
                    let count = receiver.recv_many(&mut buffer, limit).await;
                    many(count, buffer)
                });
            }
            Op::RecvLost => {
                self.futures.poll_and_lose("recv", receiver.recv(), seen);
            }
            Op::PollRecv => {
                let poll = |cx: &mut Context<'_>| receiver.poll_recv(cx);
                self.poller.poll("poll_recv", seen, poll, received);
            }
            Op::PollRecvMany => {
                let poll = |cx: &mut Context<'_>| {
                    let poll = receiver.poll_recv_many(cx, &mut buffer, limit);
                    poll.map(|count| many(count, std::mem::take(&mut buffer)))
                };
                self.poller.poll("poll_recv_many", seen, poll, |many| many);
            }
            Op::TryRecv => match receiver.try_recv() {
                Ok(message) => seen.note("try_recv", received(Some(message))),
                Err(TryRecvError::Empty) => seen.note("try_recv", "empty"),
                Err(TryRecvError::Disconnected) => seen.note("try_recv", "disconnected"),
            },
            Op::Close => {
                receiver.close();
                self.state = "closed";
            }
            _ => {}
        }
    }
}

impl driver::World for World {
    type Op = Op;
    const OPS: &'static [Op] = &[
        Op::Send,
        Op::Send,
        Op::Send,
        Op::Send,
        Op::Closed,
        Op::Recv,
        Op::Recv,
        Op::RecvMany,
        Op::RecvLost,
        Op::PollRecv,
        Op::PollRecv,
        Op::PollRecvMany,
        Op::TryRecv,
        Op::TryRecv,
        Op::Close,
        Op::DropReceiver,
        Op::Clone,
        Op::DropSender,
        Op::Downgrade,
        Op::Upgrade,
        Op::DropWeak,
    ];

    fn new(_size: usize) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            press: Press::default(),
            futures: Futures::default(),
            senders: Pool::of(sender),
            weak: Pool::default(),
            receivers: Pool::of(receiver),
            state: "open",
            poller: Poller::default(),
        }
    }

    fn act(&mut self, op: Op, n: usize, seen: &mut Seen) {
        let sender = self.senders.with(n, |sender| sender.clone());
        match (op, sender) {
            (Op::Send, Some(sender)) => {
                seen.note("send", sender.send(self.press.message()).is_ok());
            }
            (Op::Clone, Some(sender)) => self.senders.put(sender),
            (Op::Downgrade, Some(sender)) => self.weak.put(sender.downgrade()),
            (Op::Closed, Some(sender)) => self.futures.add("closed", async move {
                sender.closed().await;
                true.into()
            }),
            (Op::DropSender, _) => drop(self.senders.take(n)),
            (Op::DropReceiver, _) => {
                if self.receivers.take(n).is_some() {
                    self.state = "gone";
                }
            }
            (Op::Upgrade, _) => {
                if let Some(upgraded) = self.weak.with(n, |weak| weak.upgrade()) {
                    seen.note("upgrade", upgraded.is_some());
                    upgraded
                        .into_iter()
                        .for_each(|sender| self.senders.put(sender));
                }
            }
            (Op::DropWeak, _) => drop(self.weak.take(n)),
            (op, _) => self.receive(op, n, seen),
        }
    }

    fn look(&mut self, seen: &mut Seen) {
        self.poller.note_wakes(seen);
        self.senders.with(0, |sender| {
            seen.note("is_closed", sender.is_closed());
            seen.note("strong_count", sender.strong_count());
            seen.note("weak_count", sender.weak_count());
        });
        self.weak.with(0, |weak| {
            seen.note("strong_count of a weak one", weak.strong_count());
            seen.note("weak_count of a weak one", weak.weak_count());
        });
        self.receivers.with(0, |receiver| {
            seen.note("receiver.is_closed", receiver.is_closed());
            seen.note("is_empty", receiver.is_empty());
            seen.note("len", receiver.len());
            seen.note("sender_strong_count", receiver.sender_strong_count());
            seen.note("sender_weak_count", receiver.sender_weak_count());
        });
        seen.note("messages", self.press.alive());
    }

    fn state(&mut self) -> &'static str {
        self.state
    }

    fn futures(&mut self) -> &mut Futures {
        &mut self.futures
    }

    fn end(self, seen: &mut Seen) {
        let press = self.press.clone();
        drop(self);
        seen.note("messages in the end", press.alive());
    }
}
