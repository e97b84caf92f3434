//! `mpsc`: a queue of messages, a queue of those who wait for room, and a number of permits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};

use heist_sync::mpsc::{self, OwnedPermit, Receiver, Sender};

use crate::driver::{Futures, Step, check, sorted};
use crate::support::Wakes;

#[derive(Debug, Clone, Copy)]
enum Op {
    Send,
    SendTwo,
    Poll,
    Drop,
    TrySend,
    TryReserve,
    UsePermit,
    DropPermit,
    CloneSender,
    DropSender,
    Recv,
    RecvMany,
    TryRecv,
    Close,
    DropReceiver,
}

const OPS: &[Op] = &[
    Op::Send,
    Op::Send,
    Op::SendTwo,
    Op::Poll,
    Op::Poll,
    Op::Drop,
    Op::TrySend,
    Op::TryReserve,
    Op::UsePermit,
    Op::DropPermit,
    Op::Recv,
    Op::Recv,
    Op::RecvMany,
    Op::TryRecv,
    Op::CloneSender,
    Op::DropSender,
];
const ENDING: &[Op] = &[
    Op::Send,
    Op::SendTwo,
    Op::Poll,
    Op::Drop,
    Op::TrySend,
    Op::TryReserve,
    Op::UsePermit,
    Op::DropPermit,
    Op::Recv,
    Op::TryRecv,
    Op::DropSender,
    Op::Close,
    Op::DropReceiver,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Queued,
    Granted,
    Refused,
}

struct Account {
    capacity: usize,
    buffer: VecDeque<usize>,
    permits: usize,
    queue: VecDeque<usize>,
    requests: BTreeMap<usize, (usize, State)>,
    wakes: Vec<usize>,
    closed: bool,
    received: bool,
}

impl Account {
    fn room(&self) -> usize {
        self.capacity - self.buffer.len() - self.permits
    }

    fn serve(&mut self) {
        while let Some(first) = self.queue.front().copied() {
            let want = self.requests[&first].0;
            if self.closed || self.room() < want {
                return;
            }
            self.permits += want;
            self.requests.insert(first, (want, State::Granted));
            self.wakes.push(first);
            self.queue.pop_front();
        }
    }

    /// Whether room for `n` can be had at once; `None` where the channel is closed.
    fn has_room(&self, n: usize) -> Option<bool> {
        (!self.closed).then(|| self.queue.is_empty() && self.room() >= n)
    }

    fn fill(&mut self, number: usize, n: usize) {
        if self.received {
            self.buffer.extend((0..n).map(|_| number));
        }
    }

    fn poll(&mut self, number: usize) -> Poll<bool> {
        let (want, state) = self.requests[&number];
        let sent = match state {
            State::Queued => return Poll::Pending,
            State::Refused => false,
            State::Granted => {
                self.permits -= want;
                true
            }
            State::Fresh if want > self.capacity => false,
            State::Fresh => match self.has_room(want) {
                None => false,
                Some(true) => true,
                Some(false) => {
                    self.requests.insert(number, (want, State::Queued));
                    self.queue.push_back(number);
                    return Poll::Pending;
                }
            },
        };
        self.requests.remove(&number);
        if sent {
            self.fill(number, want);
        }
        Poll::Ready(sent)
    }

    fn drop(&mut self, number: usize) {
        let (want, state) = self.requests.remove(&number).expect("it waits");
        self.queue.retain(|queued| *queued != number);
        if state == State::Granted {
            self.permits -= want;
        }
        self.serve();
    }

    fn close(&mut self) {
        self.closed = true;
        for number in std::mem::take(&mut self.queue) {
            self.requests.get_mut(&number).expect("it waits").1 = State::Refused;
            self.wakes.push(number);
        }
    }

    fn take(&mut self, senders: usize) -> Poll<Option<usize>> {
        if let Some(message) = self.buffer.pop_front() {
            self.serve();
            return Poll::Ready(Some(message));
        }
        if senders == 0 || self.closed && self.permits == 0 {
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

/// A message, on the heap, so that one lost or freed twice is seen by the sanitizers and by Miri.
type Message = Box<usize>;

struct World {
    account: Account,
    futures: Futures<'static, bool>,
    senders: Vec<Sender<Message>>,
    permits: Vec<OwnedPermit<Message>>,
    receiver: Option<Receiver<Message>>,
    wakes: Arc<Wakes>,
    /// The receiver has left a waker.
    waits: bool,
}

impl World {
    fn new(capacity: usize) -> Self {
        let (sender, receiver) = mpsc::channel(capacity);
        Self {
            account: Account {
                capacity,
                buffer: VecDeque::new(),
                permits: 0,
                queue: VecDeque::new(),
                requests: BTreeMap::new(),
                wakes: Vec::new(),
                closed: false,
                received: true,
            },
            futures: Futures::new(),
            senders: vec![sender],
            permits: Vec::new(),
            receiver: Some(receiver),
            wakes: Wakes::new(),
            waits: false,
        }
    }

    /// How many senders there are: those in futures and permits count.
    fn count(&self) -> usize {
        self.senders.len() + self.permits.len() + self.futures.numbers().len()
    }

    fn start(&mut self, want: usize) {
        let Some(sender) = self.senders.first().cloned() else {
            return;
        };
        // Messages carry the number of the future that sends them.
        let next = self.futures.upcoming();
        let number = self.futures.add(async move {
            if want == 1 {
                return sender.send(Box::new(next)).await.is_ok();
            }
            match sender.reserve_many(want).await {
                Ok(permits) => {
                    permits.for_each(|permit| permit.send(Box::new(next)));
                    true
                }
                Err(_) => false,
            }
        });
        self.account.requests.insert(number, (want, State::Fresh));
    }

    fn send(&mut self, (op, n): Step<Op>) {
        let account = &mut self.account;
        match op {
            Op::Send => self.start(1),
            Op::SendTwo => self.start(2),
            Op::Poll => {
                let Some(number) = self.futures.some(n) else {
                    return;
                };
                let expected = account.poll(number);
                assert_eq!(self.futures.poll(number), expected);
            }
            Op::Drop => {
                let Some(number) = self.futures.some(n) else {
                    return;
                };
                account.drop(number);
                self.futures.drop(number);
            }
            Op::TrySend => {
                let Some(sender) = self.senders.first() else {
                    return;
                };
                let room = account.has_room(1);
                match sender.try_send(Box::new(1_000)) {
                    Ok(()) => {
                        assert_eq!(room, Some(true));
                        account.fill(1_000, 1);
                    }
                    Err(mpsc::error::TrySendError::Full(_)) => assert_eq!(room, Some(false)),
                    Err(mpsc::error::TrySendError::Closed(_)) => assert_eq!(room, None),
                }
            }
            Op::TryReserve => {
                let Some(sender) = self.senders.first().cloned() else {
                    return;
                };
                let room = account.has_room(1);
                let permit = sender.try_reserve_owned();
                assert_eq!(permit.is_ok(), room == Some(true));
                if let Ok(permit) = permit {
                    account.permits += 1;
                    self.permits.push(permit);
                }
            }
            Op::UsePermit if !self.permits.is_empty() => {
                let permit = self.permits.swap_remove(n % self.permits.len());
                account.permits -= 1;
                account.fill(2_000, 1);
                drop(permit.send(Box::new(2_000)));
            }
            Op::DropPermit if !self.permits.is_empty() => {
                let permit = self.permits.swap_remove(n % self.permits.len());
                account.permits -= 1;
                account.serve();
                drop(permit);
            }
            Op::CloneSender => self.senders.extend(self.senders.first().cloned()),
            Op::DropSender => drop(self.senders.pop()),
            _ => {}
        }
    }

    fn receive(&mut self, (op, n): Step<Op>) {
        let senders = self.count();
        let account = &mut self.account;
        let Some(receiver) = &mut self.receiver else {
            return;
        };
        let waker = self.wakes.waker();
        let mut cx = Context::from_waker(&waker);
        match op {
            Op::Recv => {
                self.wakes.take();
                let got = receiver
                    .poll_recv(&mut cx)
                    .map(|got| got.map(|message| *message));
                assert_eq!(got, account.take(senders));
                self.waits = got.is_pending();
            }
            Op::RecvMany => {
                self.wakes.take();
                let mut buffer = Vec::new();
                let limit = n % 4;
                let got = receiver.poll_recv_many(&mut cx, &mut buffer, limit);
                if limit == 0 {
                    assert_eq!(got, Poll::Ready(0));
                    return;
                }
                let ready = account.buffer.len().min(limit);
                let first = account.take(senders);
                let rest = (1..ready).map(|_| account.take(senders));
                let expected: Vec<_> = std::iter::once(first).chain(rest).collect();
                let expected: Vec<_> = expected
                    .into_iter()
                    .filter_map(|got| match got {
                        Poll::Ready(got) => got,
                        Poll::Pending => None,
                    })
                    .collect();
                assert_eq!(got, first.map(|_| expected.len()));
                assert!(buffer.into_iter().map(|message| *message).eq(expected));
                self.waits = got.is_pending();
            }
            Op::TryRecv => {
                let expected = account.take(senders);
                let got = match receiver.try_recv() {
                    Ok(message) => Poll::Ready(Some(*message)),
                    Err(mpsc::error::TryRecvError::Disconnected) => Poll::Ready(None),
                    Err(mpsc::error::TryRecvError::Empty) => Poll::Pending,
                };
                assert_eq!(got, expected);
            }
            Op::Close => {
                // By the receiver itself, so there is nobody to wake.
                receiver.close();
                account.close();
                self.waits = false;
            }
            Op::DropReceiver => {
                self.receiver = None;
                self.waits = false;
                account.close();
                account.received = false;
                account.buffer.clear();
            }
            _ => {}
        }
    }

    fn agrees(&mut self) {
        assert_eq!(
            self.futures.woken(),
            sorted(std::mem::take(&mut self.account.wakes))
        );
        let (senders, account) = (self.count(), &self.account);
        if let Some(sender) = self.senders.first() {
            let room = if account.queue.is_empty() {
                account.room()
            } else {
                0
            };
            if self.receiver.is_some() {
                assert_eq!(sender.capacity(), room);
            }
            assert_eq!(sender.is_closed(), account.closed);
            assert_eq!(sender.strong_count(), senders);
        }
        let Some(receiver) = &self.receiver else {
            return;
        };
        assert_eq!(receiver.len(), account.buffer.len());
        assert_eq!(receiver.is_closed(), account.closed || senders == 0);
        if self.waits && self.wakes.take() > 0 {
            self.waits = false;
        }
        // One that sleeps has nothing to get up for.
        if self.waits {
            let ended = senders == 0 || account.closed && account.permits == 0;
            assert!(account.buffer.is_empty() && !ended, "not woken");
        }
    }
}

fn agrees(capacity: usize, steps: &[Step<Op>]) {
    let mut world = World::new(capacity);
    for step in steps {
        world.send(*step);
        world.receive(*step);
        world.agrees();
    }
}

#[test]
fn mpsc_agrees_with_its_account() {
    for capacity in [1, 2, 3] {
        check(OPS, 80, |steps| agrees(capacity, steps));
    }
}

#[test]
fn mpsc_agrees_with_its_account_to_the_end() {
    for capacity in [1, 3] {
        check(ENDING, 30, |steps| agrees(capacity, steps));
    }
}

#[test]
fn mpsc_agrees_with_its_account_over_many_blocks() {
    check(OPS, 400, |steps| agrees(40, steps));
}
