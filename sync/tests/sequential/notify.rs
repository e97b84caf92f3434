//! `Notify`: a permit or none, a queue, and a count of the times that all were told.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use heist_sync::{Notified, Notify};

use crate::driver::{Step, check};
use crate::support::Wakes;

#[derive(Debug, Clone, Copy)]
enum Op {
    Notified,
    Enable,
    Poll,
    Drop,
    One,
    Last,
    All,
}

const OPS: &[Op] = &[
    Op::Notified,
    Op::Notified,
    Op::Poll,
    Op::Poll,
    Op::Enable,
    Op::Drop,
    Op::One,
    Op::One,
    Op::Last,
    Op::All,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh { told: usize },
    Queued,
    One,
    Last,
    All,
    Done,
}

#[derive(Default)]
struct Account {
    permit: bool,
    told: usize,
    queue: VecDeque<usize>,
    states: BTreeMap<usize, State>,
    wakes: Vec<usize>,
}

impl Account {
    fn release(&mut self, number: usize, state: State) {
        self.states.insert(number, state);
        self.wakes.push(number);
    }

    fn one(&mut self) {
        match self.queue.pop_front() {
            Some(number) => self.release(number, State::One),
            None => self.permit = true,
        }
    }

    fn last(&mut self) {
        match self.queue.pop_back() {
            Some(number) => self.release(number, State::Last),
            None => self.permit = true,
        }
    }

    fn all(&mut self) {
        self.told += 1;
        for number in std::mem::take(&mut self.queue) {
            self.release(number, State::All);
        }
    }

    /// Whether it is complete.
    fn poll(&mut self, number: usize) -> bool {
        let state = self.states.get_mut(&number).expect("it is there");
        match *state {
            State::Fresh { told } if told == self.told && !self.permit => {
                *state = State::Queued;
                self.queue.push_back(number);
                return false;
            }
            // All were told, so the permit stays for one who needs it.
            State::Fresh { told } if told != self.told => {}
            State::Fresh { .. } => self.permit = false,
            State::Queued => return false,
            State::One | State::Last | State::All | State::Done => {}
        }
        *state = State::Done;
        true
    }

    fn drop(&mut self, number: usize) {
        self.queue.retain(|queued| *queued != number);
        match self.states.remove(&number).expect("it is there") {
            State::One => self.one(),
            State::Last => self.last(),
            _ => {}
        }
    }
}

struct Waiting<'a> {
    future: Pin<Box<Notified<'a>>>,
    wakes: Arc<Wakes>,
    /// By `enable` it queues without a waker, so its wake can't be seen.
    wakeable: bool,
}

impl Waiting<'_> {
    fn poll(&mut self) -> bool {
        let waker = self.wakes.waker();
        let mut cx = std::task::Context::from_waker(&waker);
        self.wakeable = true;
        std::future::Future::poll(self.future.as_mut(), &mut cx).is_ready()
    }
}

#[test]
fn notify_agrees_with_its_account() {
    check(OPS, 80, |steps: &[Step<Op>]| {
        let notify = Notify::new();
        let mut account = Account::default();
        let mut waiting: BTreeMap<usize, Waiting<'_>> = BTreeMap::new();
        let mut next = 0;
        for (op, n) in steps {
            let some = waiting.keys().nth(n % waiting.len().max(1)).copied();
            match (op, some) {
                (Op::Notified, _) => {
                    let fresh = Waiting {
                        future: Box::pin(notify.notified()),
                        wakes: Wakes::new(),
                        wakeable: false,
                    };
                    waiting.insert(next, fresh);
                    account
                        .states
                        .insert(next, State::Fresh { told: account.told });
                    next += 1;
                }
                (Op::Enable, Some(some)) => {
                    let enabled = waiting.get_mut(&some).unwrap().future.as_mut().enable();
                    assert_eq!(enabled, account.poll(some));
                }
                (Op::Poll, Some(some)) => {
                    assert_eq!(waiting.get_mut(&some).unwrap().poll(), account.poll(some));
                }
                (Op::Drop, Some(some)) => {
                    waiting.remove(&some);
                    account.drop(some);
                }
                (Op::One, _) => (notify.notify_one(), account.one()).1,
                (Op::Last, _) => (notify.notify_last(), account.last()).1,
                (Op::All, _) => (notify.notify_waiters(), account.all()).1,
                _ => {}
            }
            let wakes = std::mem::take(&mut account.wakes);
            for (number, waiting) in &waiting {
                let expected = waiting.wakeable && wakes.contains(number);
                assert_eq!(waiting.wakes.take() > 0, expected, "{number}");
            }
        }
    });
}
