//! `mpsc`, bounded.

use std::task::Context;

use super::sync::mpsc::error::{TryRecvError, TrySendError};
use super::sync::mpsc::{self, OwnedPermit, Receiver, Sender, WeakSender};
use crate::driver::{self, Seen, Value};
use crate::parts::{Futures, Held, Message, Poller, Pool, Press, stage};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Send,
    Reserve,
    ReserveStaged,
    ReserveMany,
    TrySend,
    TryReserve,
    TryReserveMany,
    TryReserveOwned,
    SendPermit,
    ReleasePermit,
    DropPermit,
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
    Closed,
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
    senders: Pool<Sender<Message>>,
    weak: Pool<WeakSender<Message>>,
    permits: Pool<OwnedPermit<Message>>,
    receivers: Pool<Receiver<Message>>,
    state: &'static str,
    /// The futures that hold permits.
    held: Held,
    /// What the receiver is polled with.
    poller: Poller,
}

/// What is seen of an attempt to get room, or to send.
fn attempt<R, E>(result: Result<R, TrySendError<E>>) -> Value {
    Value::from(match result {
        Ok(_) => "ok",
        Err(TrySendError::Full(_)) => "full",
        Err(TrySendError::Closed(_)) => "closed",
    })
}

fn received(message: Option<Message>) -> Value {
    Value::from(message.map(|message| message.number))
}

/// What is seen of the receiving of many: how many there should be, then those there are.
fn many(count: usize, messages: Vec<Message>) -> Value {
    let numbers = messages.iter().map(|message| message.number);
    Value::List(std::iter::once(count).chain(numbers).collect())
}

/// How many at once, given a number and the capacity: some few, all, or more than there can be.
fn amount(n: usize, capacity: usize) -> usize {
    match n {
        10 => capacity,
        11 => capacity + 1,
        n => n % 4,
    }
}

impl World {
    fn enter(&mut self, state: &'static str) {
        self.state = state;
    }

    /// Starts what may wait.
    fn send(&mut self, op: Op, n: usize, seen: &Seen) {
        let Some(sender) = self.senders.with(n, |sender| sender.clone()) else {
            return;
        };
        let (press, held) = (self.press.clone(), self.held.clone());
        match op {
            Op::Send => {
                let message = press.message();
                self.futures.add(
                    "send",
                    async move { sender.send(message).await.is_ok().into() },
                );
            }
            Op::Reserve => {
                let permits = self.permits.clone();
                self.futures.add("reserve_owned", async move {
                    match sender.reserve_owned().await {
                        Ok(permit) => {
                            permits.put(permit);
                            true.into()
                        }
                        Err(_) => false.into(),
                    }
                });
            }
            Op::ReserveStaged => self.futures.add("reserve", async move {
                let Ok(permit) = sender.reserve().await else {
                    return false.into();
                };
                let _held = held.hold();
                stage().await;
                permit.send(press.message());
                true.into()
            }),
            Op::ReserveMany => {
                let many = amount(n, sender.max_capacity());
                self.futures.add("reserve_many", async move {
                    let Ok(permits) = sender.reserve_many(many).await else {
                        return false.into();
                    };
                    let _held = (permits.len() > 0).then(|| held.hold());
                    // At most two are used.
                    for permit in permits.take(2) {
                        stage().await;
                        permit.send(press.message());
                    }
                    true.into()
                });
            }
            _ => self.send_at_once(op, n, sender, seen),
        }
    }

    fn send_at_once(&mut self, op: Op, n: usize, sender: Sender<Message>, seen: &Seen) {
        let press = &self.press;
        match op {
            Op::TrySend => seen.note("try_send", attempt(sender.try_send(press.message()))),
            Op::TryReserve => seen.note("try_reserve", attempt(sender.try_reserve())),
            Op::TryReserveMany => {
                let result = sender.try_reserve_many(amount(n, sender.max_capacity()));
                match result {
                    Ok(permits) => {
                        seen.note("try_reserve_many", permits.len());
                        permits
                            .take(1)
                            .for_each(|permit| permit.send(press.message()));
                    }
                    refused => seen.note("try_reserve_many", attempt(refused)),
                }
            }
            Op::TryReserveOwned => {
                let result = sender.try_reserve_owned();
                let result = result.map(|permit| self.permits.put(permit));
                seen.note("try_reserve_owned", attempt(result));
            }
            Op::Clone => self.senders.put(sender),
            Op::Downgrade => self.weak.put(sender.downgrade()),
            Op::Closed => self.futures.add("closed", async move {
                sender.closed().await;
                true.into()
            }),
            _ => {}
        }
    }

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
            Op::Recv => self
                .futures
                .add("recv", async move { received(receiver.recv().await) }),
            Op::RecvMany => self.futures.add("recv_many", async move {
                let count = receiver.recv_many(&mut buffer, limit).await;
                many(count, buffer)
            }),
            Op::RecvLost => self.futures.poll_and_lose("recv", receiver.recv(), seen),
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
                self.enter("closed");
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
        Op::Reserve,
        Op::ReserveStaged,
        Op::ReserveMany,
        Op::TrySend,
        Op::TrySend,
        Op::TryReserve,
        Op::TryReserveMany,
        Op::TryReserveOwned,
        Op::SendPermit,
        Op::ReleasePermit,
        Op::DropPermit,
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
        Op::Closed,
    ];

    fn new(size: usize) -> Self {
        let (sender, receiver) = mpsc::channel(size);
        Self {
            press: Press::default(),
            futures: Futures::default(),
            senders: Pool::of(sender),
            weak: Pool::default(),
            permits: Pool::default(),
            receivers: Pool::of(receiver),
            state: "open",
            held: Held::default(),
            poller: Poller::default(),
        }
    }

    fn act(&mut self, op: Op, n: usize, seen: &mut Seen) {
        match op {
            Op::SendPermit => {
                if let Some(permit) = self.permits.take(n) {
                    self.senders.put(permit.send(self.press.message()));
                }
            }
            Op::ReleasePermit => {
                if let Some(permit) = self.permits.take(n) {
                    self.senders.put(permit.release());
                }
            }
            Op::DropPermit => drop(self.permits.take(n)),
            Op::DropReceiver => {
                if self.receivers.take(n).is_some() {
                    self.enter("gone");
                }
            }
            Op::DropSender => drop(self.senders.take(n)),
            Op::Upgrade => {
                if let Some(upgraded) = self.weak.with(n, |weak| weak.upgrade()) {
                    seen.note("upgrade", upgraded.is_some());
                    upgraded
                        .into_iter()
                        .for_each(|sender| self.senders.put(sender));
                }
            }
            Op::DropWeak => drop(self.weak.take(n)),
            _ => {
                self.send(op, n, seen);
                self.receive(op, n, seen);
            }
        }
    }

    fn look(&mut self, seen: &mut Seen) {
        self.poller.note_wakes(seen);
        self.senders.with(0, |sender| {
            seen.note("capacity", sender.capacity());
            seen.note("max_capacity", sender.max_capacity());
            seen.note("is_closed", sender.is_closed());
            seen.note("strong_count", sender.strong_count());
            seen.note("weak_count", sender.weak_count());
        });
        self.weak.with(0, |weak| {
            seen.note("strong_count of a weak one", weak.strong_count());
            seen.note("weak_count of a weak one", weak.weak_count());
        });
        self.receivers.with(0, |receiver| {
            seen.note("capacity", receiver.capacity());
            seen.note("max_capacity", receiver.max_capacity());
            seen.note("receiver.is_closed", receiver.is_closed());
            seen.note("is_empty", receiver.is_empty());
            seen.note("len", receiver.len());
            seen.note("sender_strong_count", receiver.sender_strong_count());
            seen.note("sender_weak_count", receiver.sender_weak_count());
        });
        let in_futures = self.futures.count("send");
        seen.note("messages", self.press.alive() - in_futures);
    }

    fn state(&mut self) -> &'static str {
        let out = self.permits.len() + self.held.count();
        match self.state {
            "closed" if out > 0 => "closed, permits out",
            state => state,
        }
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
