//! `watch`.

use super::sync::watch::{self, Receiver, Sender};
use crate::driver::{self, Seen, Value};
use crate::parts::{Futures, Message, Pool, Press};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Send,
    SendReplace,
    SendModify,
    SendIfModified,
    Borrow,
    ReceiverBorrow,
    BorrowAndUpdate,
    Changed,
    ChangedLost,
    WaitFor,
    MarkChanged,
    MarkUnchanged,
    Subscribe,
    CloneReceiver,
    DropReceiver,
    CloneSender,
    DropSender,
    Closed,
}

pub(crate) struct World {
    press: Press,
    futures: Futures,
    senders: Pool<Sender<Message>>,
    receivers: Pool<Receiver<Message>>,
}

impl World {
    fn send(&mut self, op: Op, n: usize, seen: &Seen) {
        let Some(sender) = self.senders.with(n, |sender| sender.clone()) else {
            return;
        };
        let message = self.press.message();
        match op {
            Op::Send => seen.note("send", sender.send(message).is_ok()),
            Op::SendReplace => seen.note("send_replace", sender.send_replace(message).number),
            Op::SendModify => sender.send_modify(|value| *value = message),
            Op::SendIfModified => {
                let modified = sender.send_if_modified(|value| {
                    *value = message;
                    n.is_multiple_of(2)
                });
                seen.note("send_if_modified", modified);
            }
            Op::Borrow => {
                let value = sender.borrow();
                seen.note("borrow", value.number);
                seen.note("has_changed of a sender's", value.has_changed());
            }
            Op::Subscribe => self.receivers.put(sender.subscribe()),
            Op::CloneSender => self.senders.put(sender),
            Op::Closed => self.futures.add("closed", async move {
                sender.closed().await;
                true.into()
            }),
            _ => {}
        }
    }

    fn receive(&mut self, op: Op, n: usize, seen: &Seen) {
        let Some(mut receiver) = self.receivers.lend(n) else {
            return;
        };
        match op {
            Op::ReceiverBorrow => {
                let value = receiver.borrow();
                seen.note("receiver.borrow", value.number);
                seen.note("has_changed of it", value.has_changed());
            }
            Op::BorrowAndUpdate => {
                let value = receiver.borrow_and_update();
                seen.note("borrow_and_update", value.number);
                seen.note("has_changed of the updated", value.has_changed());
            }
            Op::Changed => {
                self.futures.add(
                    "changed",
                    async move { receiver.changed().await.is_ok().into() },
                )
            }
            Op::ChangedLost => self
                .futures
                .poll_and_lose("changed", receiver.changed(), seen),
            Op::WaitFor => self.futures.add("wait_for", async move {
                // One in four will do.
                let found = receiver.wait_for(|value| value.number % 4 == n % 4).await;
                match found {
                    Ok(value) => Value::List(vec![value.number, value.has_changed().into()]),
                    Err(_) => Value::Word("closed"),
                }
            }),
            Op::MarkChanged => receiver.mark_changed(),
            Op::MarkUnchanged => receiver.mark_unchanged(),
            Op::CloneReceiver => self.receivers.put(receiver.clone()),
            _ => {}
        }
    }
}

impl driver::World for World {
    type Op = Op;
    const OPS: &'static [Op] = &[
        Op::Send,
        Op::Send,
        Op::Changed,
        Op::Changed,
        Op::ChangedLost,
        Op::WaitFor,
        Op::WaitFor,
        Op::SendReplace,
        Op::SendModify,
        Op::SendIfModified,
        Op::Borrow,
        Op::ReceiverBorrow,
        Op::BorrowAndUpdate,
        Op::MarkChanged,
        Op::MarkUnchanged,
        Op::Subscribe,
        Op::CloneReceiver,
        Op::DropReceiver,
        Op::CloneSender,
        Op::DropSender,
        Op::Closed,
    ];

    fn new(_size: usize) -> Self {
        let press = Press::default();
        let (sender, receiver) = watch::channel(press.message());
        Self {
            press,
            futures: Futures::default(),
            senders: Pool::of(sender),
            receivers: Pool::of(receiver),
        }
    }

    fn act(&mut self, op: Op, n: usize, seen: &mut Seen) {
        match op {
            Op::DropReceiver => drop(self.receivers.take(n)),
            Op::DropSender => drop(self.senders.take(n)),
            _ => {
                self.send(op, n, seen);
                self.receive(op, n, seen);
            }
        }
    }

    fn look(&mut self, seen: &mut Seen) {
        self.senders.with(0, |sender| {
            seen.note("is_closed", sender.is_closed());
            seen.note("receiver_count", sender.receiver_count());
            seen.note("sender_count", sender.sender_count());
        });
        let changed = |one: &Receiver<_>| one.has_changed().map_or(2, usize::from);
        seen.note("has_changed", self.receivers.each(changed));
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
