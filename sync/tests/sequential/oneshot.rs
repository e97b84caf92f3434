//! `oneshot`: a value or none, and who is still there.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use heist_sync::oneshot;

use crate::driver::{Step, check};
use crate::support::Wakes;

#[derive(Debug, Clone, Copy)]
enum Op {
    PollClosed,
    IsClosed,
    Send,
    DropSender,
    Poll,
    TryRecv,
    Close,
    DropReceiver,
}

const OPS: &[Op] = &[
    Op::PollClosed,
    Op::Poll,
    Op::TryRecv,
    Op::IsClosed,
    Op::Send,
    Op::Close,
    Op::DropSender,
    Op::DropReceiver,
];

#[derive(Default)]
struct Account {
    value: bool,
    /// The receiver wants none, or has been dropped.
    closed: bool,
    sender_gone: bool,
    received: bool,
    sender_waits: bool,
    receiver_waits: bool,
}

impl Account {
    /// What there is to receive: a value, an error, or nothing yet.
    fn look(&self) -> Poll<Result<usize, ()>> {
        if self.value {
            Poll::Ready(Ok(7))
        } else if self.sender_gone || self.closed {
            Poll::Ready(Err(()))
        } else {
            Poll::Pending
        }
    }
}

type Value = usize;

struct World {
    sender: Option<oneshot::Sender<Value>>,
    receiver: Option<oneshot::Receiver<Value>>,
    to_sender: Arc<Wakes>,
    to_receiver: Arc<Wakes>,
    account: Account,
}

impl World {
    /// What the sender does; whether that wakes the receiver.
    fn send(&mut self, op: Op) -> bool {
        let account = &mut self.account;
        let Some(sender) = &mut self.sender else {
            return false;
        };
        match op {
            Op::PollClosed => {
                let waker = self.to_sender.waker();
                let poll = sender.poll_closed(&mut Context::from_waker(&waker));
                assert_eq!(poll.is_ready(), account.closed);
                account.sender_waits = !account.closed;
                return false;
            }
            Op::IsClosed => {
                assert_eq!(sender.is_closed(), account.closed);
                return false;
            }
            Op::Send => {
                let sender = self.sender.take().expect("it is there");
                assert_eq!(sender.send(7).is_err(), account.closed);
                account.value = !account.closed;
            }
            Op::DropSender => self.sender = None,
            _ => return false,
        }
        account.sender_gone = true;
        std::mem::take(&mut account.receiver_waits)
    }

    /// What the receiver does; whether that wakes the sender.
    fn receive(&mut self, op: Op) -> bool {
        let account = &mut self.account;
        let Some(receiver) = &mut self.receiver else {
            return false;
        };
        match op {
            Op::Poll if !account.received => {
                let waker = self.to_receiver.waker();
                let mut cx = Context::from_waker(&waker);
                let poll = Pin::new(receiver).poll(&mut cx).map_err(drop);
                assert_eq!(poll, account.look());
                account.receiver_waits = poll.is_pending();
                account.received = poll.is_ready();
            }
            Op::TryRecv => {
                let expected = match account.received {
                    true => Poll::Ready(Err(())),
                    false => account.look(),
                };
                let got = match receiver.try_recv() {
                    Ok(value) => Poll::Ready(Ok(value)),
                    Err(oneshot::error::TryRecvError::Closed) => Poll::Ready(Err(())),
                    Err(oneshot::error::TryRecvError::Empty) => Poll::Pending,
                };
                assert_eq!(got, expected);
                account.received |= got.is_ready();
                account.receiver_waits &= !account.received;
            }
            Op::Close => {
                receiver.close();
                account.closed |= !account.received;
                return std::mem::take(&mut account.sender_waits);
            }
            Op::DropReceiver => {
                self.receiver = None;
                account.closed = true;
                return std::mem::take(&mut account.sender_waits);
            }
            _ => {}
        }
        false
    }
}

#[test]
fn oneshot_agrees_with_its_account() {
    check(OPS, 16, |steps: &[Step<Op>]| {
        let (sender, receiver) = oneshot::channel();
        let mut world = World {
            sender: Some(sender),
            receiver: Some(receiver),
            to_sender: Wakes::new(),
            to_receiver: Wakes::new(),
            account: Account::default(),
        };
        for (op, _) in steps {
            // Who has been dropped is woken by nobody.
            let wakes_receiver = world.send(*op) && world.receiver.is_some();
            let wakes_sender = world.receive(*op) && world.sender.is_some();
            assert_eq!(world.to_sender.take() > 0, wakes_sender);
            assert_eq!(world.to_receiver.take() > 0, wakes_receiver);
        }
    });
}
