//! `Semaphore`: a number, and a queue of numbers.

use std::collections::{BTreeMap, VecDeque};
use std::task::Poll;

use heist_sync::{AcquireError, Semaphore, SemaphorePermit, TryAcquireError};

use crate::driver::{Futures, Step, check, sorted};

#[derive(Debug, Clone, Copy)]
enum Op {
    Acquire,
    Poll,
    Drop,
    TryAcquire,
    Release,
    Add,
    Forget,
    ForgetHeld,
    Split,
    Merge,
    Close,
}

const OPS: &[Op] = &[
    Op::Acquire,
    Op::Acquire,
    Op::Poll,
    Op::Poll,
    Op::Drop,
    Op::TryAcquire,
    Op::Release,
    Op::Release,
    Op::Add,
    Op::Forget,
    Op::ForgetHeld,
    Op::Split,
    Op::Merge,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Queued,
    Granted,
    Refused,
}

/// What the semaphore should be like.
#[derive(Default)]
struct Account {
    free: usize,
    closed: bool,
    queue: VecDeque<usize>,
    requests: BTreeMap<usize, (usize, State)>,
    /// Whom the step wakes.
    wakes: Vec<usize>,
}

impl Account {
    fn serve(&mut self) {
        while let Some(first) = self.queue.front().copied() {
            let (want, state) = self.requests.get_mut(&first).expect("it waits");
            if self.free < *want {
                return;
            }
            self.free -= *want;
            *state = State::Granted;
            self.wakes.push(first);
            self.queue.pop_front();
        }
    }

    fn add(&mut self, n: usize) {
        self.free += n;
        self.serve();
    }

    fn take(&mut self, n: usize) -> Result<(), TryAcquireError> {
        if self.closed {
            return Err(TryAcquireError::Closed);
        }
        if n > 0 && (!self.queue.is_empty() || self.free < n) {
            return Err(TryAcquireError::NoPermits);
        }
        self.free -= n;
        Ok(())
    }

    fn poll(&mut self, number: usize) -> Poll<Result<usize, ()>> {
        let (want, state) = self.requests[&number];
        match state {
            State::Fresh => match self.take(want) {
                Ok(()) => {}
                Err(TryAcquireError::Closed) => {
                    self.requests.remove(&number);
                    return Poll::Ready(Err(()));
                }
                Err(TryAcquireError::NoPermits) => {
                    self.requests.insert(number, (want, State::Queued));
                    self.queue.push_back(number);
                    return Poll::Pending;
                }
            },
            State::Queued => return Poll::Pending,
            // Closed after the grant: the permits go back.
            State::Granted if self.closed => {
                self.requests.remove(&number);
                self.add(want);
                return Poll::Ready(Err(()));
            }
            State::Granted => {}
            State::Refused => {
                self.requests.remove(&number);
                return Poll::Ready(Err(()));
            }
        }
        self.requests.remove(&number);
        Poll::Ready(Ok(want))
    }

    fn drop(&mut self, number: usize) {
        let (want, state) = self.requests.remove(&number).expect("it waits");
        self.queue.retain(|queued| *queued != number);
        match state {
            State::Granted => self.add(want),
            State::Queued => self.serve(),
            State::Fresh | State::Refused => {}
        }
    }

    fn close(&mut self) {
        self.closed = true;
        for number in std::mem::take(&mut self.queue) {
            self.requests.get_mut(&number).expect("it waits").1 = State::Refused;
            self.wakes.push(number);
        }
    }
}

type Acquired<'a> = Result<SemaphorePermit<'a>, AcquireError>;

fn apply<'a>(
    semaphore: &'a Semaphore,
    account: &mut Account,
    futures: &mut Futures<'a, Acquired<'a>>,
    held: &mut Vec<SemaphorePermit<'a>>,
    (op, n): Step<Op>,
) {
    match op {
        Op::Acquire => {
            let want = n % 4;
            let number = futures.add(semaphore.acquire_many(want as u32));
            account.requests.insert(number, (want, State::Fresh));
        }
        Op::Poll => {
            let Some(number) = futures.some(n) else {
                return;
            };
            let expected = account.poll(number);
            let got = futures.poll(number);
            let shown = got.map(|got| got.map(|permit| held.push(permit)).map_err(drop));
            assert_eq!(
                shown.map_ok(|()| held.last().unwrap().num_permits()),
                expected
            );
        }
        Op::Drop => {
            let Some(number) = futures.some(n) else {
                return;
            };
            account.drop(number);
            futures.drop(number);
        }
        Op::TryAcquire => {
            let got = semaphore.try_acquire_many((n % 4) as u32);
            let got = got.map(|permit| held.push(permit));
            assert_eq!(got, account.take(n % 4));
        }
        Op::Add => {
            semaphore.add_permits(n % 3);
            account.add(n % 3);
        }
        Op::Forget => {
            let expected = if account.queue.is_empty() {
                account.free.min(n)
            } else {
                0
            };
            account.free -= expected;
            assert_eq!(semaphore.forget_permits(n), expected);
        }
        Op::Close => {
            semaphore.close();
            account.close();
        }
        Op::Release | Op::ForgetHeld | Op::Split | Op::Merge => {
            if !held.is_empty() {
                change(account, held, (op, n));
            }
        }
    }
}

/// Does something with permits that are held; there are some.
fn change(account: &mut Account, held: &mut Vec<SemaphorePermit<'_>>, (op, n): Step<Op>) {
    let i = n % held.len();
    match op {
        Op::Release => account.add(held.swap_remove(i).num_permits()),
        Op::ForgetHeld => held.swap_remove(i).forget(),
        Op::Split => {
            let before = held[i].num_permits();
            let half = held[i].split(n % 3);
            assert_eq!(half.is_some(), n % 3 <= before);
            held.extend(half);
        }
        _ if held.len() > 1 => {
            let last = held.pop().expect("two");
            held[0].merge(last);
        }
        _ => {}
    }
}

fn agrees(steps: &[Step<Op>]) {
    let semaphore = Semaphore::new(3);
    let mut account = Account {
        free: 3,
        ..Account::default()
    };
    let mut futures = Futures::new();
    let mut held = Vec::new();
    for step in steps {
        apply(&semaphore, &mut account, &mut futures, &mut held, *step);
        assert_eq!(futures.woken(), sorted(std::mem::take(&mut account.wakes)));
        let available = if account.queue.is_empty() {
            account.free
        } else {
            0
        };
        assert_eq!(semaphore.available_permits(), available);
        assert_eq!(semaphore.is_closed(), account.closed);
    }
    let held_permits: usize = held.iter().map(SemaphorePermit::num_permits).sum();
    let granted = account
        .requests
        .values()
        .filter(|(_, state)| *state == State::Granted);
    let total = account.free + held_permits + granted.map(|(want, _)| want).sum::<usize>();
    drop((held, futures));
    assert_eq!(semaphore.available_permits(), total, "all back");
}

#[test]
fn semaphore_agrees_with_its_account() {
    check(OPS, 80, agrees);
}

#[test]
fn semaphore_agrees_with_its_account_when_closed() {
    const ALL: &[Op] = &[
        Op::Acquire,
        Op::Acquire,
        Op::Poll,
        Op::Poll,
        Op::Poll,
        Op::Drop,
        Op::TryAcquire,
        Op::Release,
        Op::Add,
        Op::Add,
        Op::Forget,
        Op::Close,
    ];
    check(ALL, 60, agrees);
}
