//! `oneshot`.

use std::pin::Pin;
use std::task::Context;

use super::sync::oneshot::error::TryRecvError;
use super::sync::oneshot::{self, Receiver, Sender};
use crate::driver::{self, Seen, Value};
use crate::parts::{Futures, Message, Poller, Pool, Press};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Send,
    PollClosed,
    Closed,
    ClosedLost,
    DropSender,
    Recv,
    TryRecv,
    Close,
    DropReceiver,
}

pub(crate) struct World {
    press: Press,
    futures: Futures,
    senders: Pool<Sender<Message>>,
    receivers: Pool<Receiver<Message>>,
    /// What the sender is polled with.
    poller: Poller,
}

impl World {
    fn send(&mut self, op: Op, seen: &Seen) {
        let Some(mut sender) = self.senders.lend(0) else {
            return;
        };
        // Where it waits again its waker takes the place of those before.
        self.poller.leave();
        self.futures.leave_lost();
        match op {
            Op::PollClosed => {
                let poll = |cx: &mut Context<'_>| sender.poll_closed(cx);
                self.poller
                    .poll("poll_closed", seen, poll, |()| true.into());
            }
            Op::ClosedLost => {
                self.futures.poll_and_lose("closed", sender.closed(), seen);
            }
            Op::Closed => {
                self.futures.add("closed", async move {
                    sender.closed().await;
                    true.into()
                });
            }
            _ => {}
        }
    }

    fn receive(&mut self, op: Op, seen: &Seen) {
        let Some(mut receiver) = self.receivers.lend(0) else {
            return;
        };
        match op {
            // One that has completed panics.
            Op::Recv if !receiver.is_terminated() => self.futures.add("recv", async move {
                let received = Pin::new(&mut *receiver).await;
                Value::from(received.ok().map(|message| message.number))
            }),
            Op::TryRecv => match receiver.try_recv() {
                Ok(message) => seen.note("try_recv", message.number),
                Err(TryRecvError::Empty) => seen.note("try_recv", "empty"),
                Err(TryRecvError::Closed) => seen.note("try_recv", "closed"),
            },
            Op::Close => receiver.close(),
            _ => {}
        }
    }
}

impl driver::World for World {
    type Op = Op;
    const OPS: &'static [Op] = &[
        Op::Recv,
        Op::PollClosed,
        Op::Closed,
        Op::ClosedLost,
        Op::TryRecv,
        Op::Send,
        Op::Close,
        Op::DropSender,
        Op::DropReceiver,
    ];

    fn new(_size: usize) -> Self {
        let (sender, receiver) = oneshot::channel();
        Self {
            press: Press::default(),
            futures: Futures::default(),
            senders: Pool::of(sender),
            receivers: Pool::of(receiver),
            poller: Poller::default(),
        }
    }

    fn act(&mut self, op: Op, n: usize, seen: &mut Seen) {
        match op {
            Op::Send => {
                if let Some(sender) = self.senders.take(n) {
                    let sent = sender.send(self.press.message());
                    seen.note("send", sent.is_ok());
                }
            }
            Op::DropSender => drop(self.senders.take(n)),
            Op::DropReceiver => drop(self.receivers.take(n)),
            _ => {
                self.send(op, seen);
                self.receive(op, seen);
            }
        }
    }

    fn look(&mut self, seen: &mut Seen) {
        self.poller.note_wakes(seen);
        self.senders
            .with(0, |sender| seen.note("is_closed", sender.is_closed()));
        self.receivers.with(0, |receiver| {
            seen.note("is_terminated", receiver.is_terminated());
            seen.note("is_empty", receiver.is_empty());
        });
        seen.note("messages", self.press.alive());
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
        seen.note("messages in the end", press.alive());
    }
}
