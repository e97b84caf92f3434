//! The queues: a list, who waits to put or to get, and a count of what isn't done.

use std::collections::{BTreeMap, VecDeque};
use std::task::Poll;

use heist_sync::queue::{
    LifoQueue, Order, OrderedQueue, PriorityQueue, Queue, TryGetError, TryPutError,
};

use crate::driver::{Futures, Step, check};

#[derive(Debug, Clone, Copy)]
enum Op {
    Put,
    Get,
    Join,
    Poll,
    Drop,
    TryPut,
    TryGet,
    Done,
    Shutdown,
}

const OPS: &[Op] = &[
    Op::Put,
    Op::Put,
    Op::Get,
    Op::Get,
    Op::Join,
    Op::Poll,
    Op::Poll,
    Op::Poll,
    Op::Drop,
    Op::TryPut,
    Op::TryGet,
    Op::Done,
    Op::Shutdown,
];

/// A future's end: an item, refused or done; or, of one that joins or puts, no more than that.
type End = Result<Option<usize>, ()>;

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Fresh,
    Queued,
    Granted,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Put(usize),
    Get,
    /// And whether all was done since it came.
    Join(bool),
}

struct World<'a, O: Order<usize>> {
    queue: &'a OrderedQueue<usize, O>,
    /// Which of the items comes out next.
    next: fn(&[usize]) -> usize,
    capacity: usize,
    items: Vec<usize>,
    unfinished: usize,
    shut: bool,
    futures: Futures<'a, End>,
    account: BTreeMap<usize, (What, State)>,
    putting: VecDeque<usize>,
    getting: VecDeque<usize>,
    woken: Vec<usize>,
}

impl<O: Order<usize>> World<'_, O> {
    fn granted(&self, put: bool) -> usize {
        let all = self.account.values();
        all.filter(|(what, state)| {
            *state == State::Granted
                && matches!(what, What::Put(_)) == put
                && !matches!(what, What::Join(_))
        })
        .count()
    }

    fn room(&self) -> usize {
        self.capacity - self.items.len() - self.granted(true)
    }

    fn free_items(&self) -> usize {
        self.items.len() - self.granted(false)
    }

    /// Grants what there is to those in line.
    fn serve(&mut self) {
        if self.shut {
            return;
        }
        while !self.putting.is_empty() && self.room() > 0 {
            let number = self.putting.pop_front().expect("one waits");
            self.grant(number);
        }
        while !self.getting.is_empty() && self.free_items() > 0 {
            let number = self.getting.pop_front().expect("one waits");
            self.grant(number);
        }
    }

    fn grant(&mut self, number: usize) {
        self.account.get_mut(&number).expect("it waits").1 = State::Granted;
        self.woken.push(number);
    }

    fn put(&mut self, item: usize) {
        self.items.push(item);
        self.unfinished += 1;
    }

    fn take(&mut self) -> usize {
        let place = (self.next)(&self.items);
        self.items.remove(place)
    }

    fn done(&mut self, count: usize) {
        self.unfinished -= count;
        if count > 0 && self.unfinished == 0 {
            for (number, (what, state)) in &mut self.account {
                if let What::Join(done) = what
                    && *state == State::Queued
                {
                    *done = true;
                    *state = State::Granted;
                    self.woken.push(*number);
                }
            }
        }
    }

    fn poll(&mut self, number: usize) {
        let (what, state) = self.account[&number];
        let expected = match (what, state) {
            (What::Put(_), _) if self.shut => Poll::Ready(Err(())),
            (What::Put(item), State::Granted) => Poll::Ready(Ok(Some(item))),
            (What::Put(item), State::Fresh) if self.putting.is_empty() && self.room() > 0 => {
                Poll::Ready(Ok(Some(item)))
            }
            (What::Get, _) if self.shut && self.items.is_empty() => Poll::Ready(Err(())),
            (What::Get, _) if self.shut => Poll::Ready(Ok(None)),
            (What::Get, State::Granted) => Poll::Ready(Ok(None)),
            (What::Get, State::Fresh) if self.getting.is_empty() && self.free_items() > 0 => {
                Poll::Ready(Ok(None))
            }
            (What::Join(done), _) if done || self.unfinished == 0 => Poll::Ready(Ok(None)),
            _ => Poll::Pending,
        };
        let got = self.futures.poll(number);
        if expected.is_pending() {
            assert_eq!(got, Poll::Pending);
            if state == State::Fresh {
                self.account.insert(number, (what, State::Queued));
                match what {
                    What::Put(_) => self.putting.push_back(number),
                    What::Get => self.getting.push_back(number),
                    What::Join(_) => {}
                }
            }
            return;
        }
        self.account.remove(&number);
        let expected = match (what, expected) {
            (What::Put(item), Poll::Ready(Ok(_))) => {
                self.put(item);
                Ok(None)
            }
            (What::Get, Poll::Ready(Ok(_))) => Ok(Some(self.take())),
            (_, Poll::Ready(end)) => end,
            (_, Poll::Pending) => unreachable!("looked at above"),
        };
        assert_eq!(got, Poll::Ready(expected));
    }

    fn drop(&mut self, number: usize) {
        self.futures.drop(number);
        self.account.remove(&number);
        self.putting.retain(|one| *one != number);
        self.getting.retain(|one| *one != number);
    }

    fn step(&mut self, (op, n): Step<Op>) {
        let number = self.futures.upcoming();
        let queue = self.queue;
        match (op, self.futures.some(n)) {
            (Op::Put, _) => {
                self.futures
                    .add(async move { queue.put(n).await.map(|()| None).map_err(drop) });
                self.account.insert(number, (What::Put(n), State::Fresh));
            }
            (Op::Get, _) => {
                self.futures
                    .add(async { queue.get().await.map(Some).map_err(drop) });
                self.account.insert(number, (What::Get, State::Fresh));
            }
            (Op::Join, _) => {
                self.futures.add(async {
                    queue.join().await;
                    Ok(None)
                });
                self.account
                    .insert(number, (What::Join(false), State::Fresh));
            }
            (Op::Poll, Some(number)) => self.poll(number),
            (Op::Drop, Some(number)) => self.drop(number),
            (Op::TryPut, _) => self.try_put(n),
            (Op::TryGet, _) => self.try_get(),
            (Op::Done, _) if self.unfinished > self.items.len() => {
                queue.task_done();
                self.done(1);
            }
            (Op::Shutdown, _) if n < 3 => {
                queue.shutdown(n == 0);
                if !self.shut {
                    self.woken.extend(self.putting.drain(..));
                    self.woken.extend(self.getting.drain(..));
                }
                self.shut = true;
                if n == 0 {
                    let count = std::mem::take(&mut self.items).len();
                    self.done(count);
                }
            }
            _ => {}
        }
        self.serve();
    }

    fn try_put(&mut self, n: usize) {
        let fits = self.putting.is_empty() && !self.shut && self.room() > 0;
        match self.queue.try_put(n) {
            Ok(()) => assert!(fits),
            Err(TryPutError::Full(_)) => assert!(!fits && !self.shut),
            Err(TryPutError::ShutDown(_)) => assert!(self.shut),
        }
        if fits {
            self.put(n);
        }
    }

    fn try_get(&mut self) {
        let free = if self.shut {
            self.items.len()
        } else {
            self.free_items()
        };
        let expected = if free > 0 {
            Ok(self.take())
        } else if self.shut {
            Err(TryGetError::ShutDown)
        } else {
            Err(TryGetError::Empty)
        };
        assert_eq!(self.queue.try_get(), expected);
    }

    fn agrees(&mut self) {
        let mut woken = std::mem::take(&mut self.woken);
        woken.sort_unstable();
        assert_eq!(self.futures.woken(), woken);
        assert_eq!(self.queue.len(), self.items.len());
        assert_eq!(self.queue.unfinished(), self.unfinished);
        assert_eq!(self.queue.is_shut_down(), self.shut);
    }
}

fn agrees<O: Order<usize>>(
    make: fn(Option<usize>) -> OrderedQueue<usize, O>,
    next: fn(&[usize]) -> usize,
) {
    for capacity in [Some(1), Some(3), None] {
        check(OPS, 60, |steps| {
            let queue = make(capacity);
            let mut world = World {
                queue: &queue,
                next,
                capacity: capacity.unwrap_or(1_000),
                items: Vec::new(),
                unfinished: 0,
                shut: false,
                futures: Futures::new(),
                account: BTreeMap::new(),
                putting: VecDeque::new(),
                getting: VecDeque::new(),
                woken: Vec::new(),
            };
            for step in steps {
                world.step(*step);
                world.agrees();
            }
        });
    }
}

#[test]
fn a_queue_agrees_with_its_account() {
    let make = |capacity: Option<usize>| capacity.map_or_else(Queue::unbounded, Queue::bounded);
    agrees(make, |_| 0);
}

#[test]
fn a_lifo_queue_agrees_with_its_account() {
    let make =
        |capacity: Option<usize>| capacity.map_or_else(LifoQueue::unbounded, LifoQueue::bounded);
    agrees(make, |items| items.len() - 1);
}

#[test]
fn a_priority_queue_agrees_with_its_account() {
    let make = |capacity: Option<usize>| {
        capacity.map_or_else(PriorityQueue::unbounded, PriorityQueue::bounded)
    };
    agrees(make, |items| {
        let least = items
            .iter()
            .enumerate()
            .min_by_key(|(place, item)| (**item, *place));
        least.expect("there is one").0
    });
}
