//! `Event`, `Barrier`, `SetOnce` and `OnceCell`: a flag, a number, and a value that is there or not, each with those who wait.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::task::Poll;

use heist_sync::{Barrier, Event, OnceCell, SetOnce};

use crate::driver::{Futures, check};

#[derive(Debug, Clone, Copy)]
enum Op {
    Wait,
    Poll,
    Drop,
    Set,
    Clear,
    Abort,
}

const OPS: &[Op] = &[
    Op::Wait,
    Op::Wait,
    Op::Poll,
    Op::Poll,
    Op::Drop,
    Op::Set,
    Op::Clear,
];

/// Who waits, and who was let go with what.
#[derive(Default)]
struct Account<R> {
    asleep: BTreeSet<usize>,
    results: BTreeMap<usize, R>,
}

impl<R: Clone> Account<R> {
    /// All who sleep are woken, and come to `result`.
    fn release<T>(&mut self, result: &R, futures: &Futures<'_, T>) {
        let asleep = std::mem::take(&mut self.asleep);
        assert!(futures.woken().into_iter().eq(asleep.iter().copied()));
        let all = asleep.into_iter().map(|number| (number, result.clone()));
        self.results.extend(all);
    }

    fn drop<T>(&mut self, number: usize, futures: &mut Futures<'_, T>) {
        futures.drop(number);
        self.asleep.remove(&number);
        self.results.remove(&number);
    }
}

#[test]
fn event_agrees_with_its_account() {
    check(OPS, 60, |steps| {
        let event = Event::new();
        let mut set = false;
        let mut account = Account::default();
        let mut futures = Futures::new();
        for (op, n) in steps {
            match (op, futures.some(*n)) {
                (Op::Wait, _) => _ = futures.add(event.wait()),
                (Op::Poll, Some(number)) => {
                    let released = account.results.remove(&number).is_some();
                    let expected = released || (set && !account.asleep.contains(&number));
                    assert_eq!(futures.poll(number).is_ready(), expected);
                    if !expected {
                        account.asleep.insert(number);
                    }
                }
                (Op::Drop, Some(number)) => account.drop(number, &mut futures),
                (Op::Set, _) => {
                    event.set();
                    set = true;
                    account.release(&(), &futures);
                }
                (Op::Clear, _) => {
                    event.clear();
                    set = false;
                }
                _ => {}
            }
            assert!(futures.woken().is_empty(), "woken for nothing");
            assert_eq!(event.is_set(), set);
        }
    });
}

#[test]
fn set_once_agrees_with_its_account() {
    check(OPS, 40, |steps| {
        let cell = SetOnce::new();
        let mut value = None;
        let mut account = Account::default();
        let mut futures = Futures::new();
        for (op, n) in steps {
            match (op, futures.some(*n)) {
                (Op::Wait, _) => _ = futures.add(cell.wait()),
                (Op::Poll, Some(number)) => {
                    account.results.remove(&number);
                    let expected = value.as_ref().map_or(Poll::Pending, Poll::Ready);
                    assert_eq!(futures.poll(number), expected);
                    if value.is_none() {
                        account.asleep.insert(number);
                    }
                }
                (Op::Drop, Some(number)) => account.drop(number, &mut futures),
                (Op::Set, _) => {
                    assert_eq!(cell.set(*n).is_ok(), value.is_none());
                    value.get_or_insert(*n);
                    account.release(&(), &futures);
                }
                _ => {}
            }
            assert!(futures.woken().is_empty(), "woken for nothing");
            assert_eq!(cell.get(), value.as_ref());
        }
    });
}

#[test]
fn barrier_agrees_with_its_account() {
    const ALL: &[Op] = &[
        Op::Wait,
        Op::Wait,
        Op::Poll,
        Op::Poll,
        Op::Poll,
        Op::Drop,
        Op::Clear,
        Op::Abort,
    ];
    for parties in [1, 2, 4] {
        check(ALL, 60, |steps| {
            let barrier = Barrier::new(parties);
            let mut broken = false;
            // Whether one passes; leaders never wait.
            let mut account: Account<bool> = Account::default();
            let mut futures = Futures::new();
            for (op, n) in steps {
                match (op, futures.some(*n)) {
                    (Op::Wait, _) => _ = futures.add(barrier.checked_wait()),
                    (Op::Poll, Some(number)) => {
                        let got = futures.poll(number);
                        let got = got.map(|passed| passed.ok().map(|passed| passed.is_leader()));
                        let queued = account.asleep.contains(&number);
                        let expected = if let Some(passes) = account.results.remove(&number) {
                            Poll::Ready(passes.then_some(false))
                        } else if queued {
                            Poll::Pending
                        } else if broken {
                            Poll::Ready(None)
                        } else if account.asleep.len() + 1 == parties {
                            account.release(&true, &futures);
                            Poll::Ready(Some(true))
                        } else {
                            account.asleep.insert(number);
                            Poll::Pending
                        };
                        assert_eq!(got, expected);
                    }
                    (Op::Drop, Some(number)) => account.drop(number, &mut futures),
                    (Op::Clear | Op::Abort, _) => {
                        broken = matches!(op, Op::Abort);
                        if broken {
                            barrier.abort();
                        } else {
                            barrier.reset();
                        }
                        account.release(&false, &futures);
                    }
                    _ => {}
                }
                assert!(futures.woken().is_empty(), "woken for nothing");
                assert_eq!(barrier.num_waiting(), account.asleep.len());
                assert_eq!(barrier.is_broken(), broken);
            }
        });
    }
}

/// Each future computes its own number, or fails, once a gate is open; the first in line computes, the others wait.
#[test]
fn once_cell_agrees_with_its_account() {
    check(OPS, 60, |steps| {
        let cell = OnceCell::new();
        let gate = Cell::new(None);
        let mut value = None;
        // The first computes; those behind it sleep.
        let mut line: Vec<usize> = Vec::new();
        let mut told = BTreeSet::new();
        let mut futures: Futures<'_, Result<usize, ()>> = Futures::new();
        for (op, n) in steps {
            let before = line.first().copied();
            match (op, futures.some(*n)) {
                (Op::Wait, _) => {
                    let (cell, gate, mine) = (&cell, &gate, futures.upcoming());
                    futures.add(async move {
                        let compute = || {
                            std::future::poll_fn(move |_| match gate.get() {
                                None => Poll::Pending,
                                Some(true) => Poll::Ready(Ok(mine)),
                                Some(false) => Poll::Ready(Err(())),
                            })
                        };
                        cell.get_or_try_init(compute).await.copied()
                    });
                }
                (Op::Poll, Some(number)) => {
                    told.remove(&number);
                    if value.is_none() && !line.contains(&number) {
                        line.push(number);
                    }
                    let expected = match (value, gate.get()) {
                        (Some(value), _) => Poll::Ready(Ok(value)),
                        (None, Some(succeeds)) if line[0] == number => {
                            line.remove(0);
                            if succeeds {
                                value = Some(number);
                                told.extend(line.drain(..));
                            }
                            Poll::Ready(if succeeds { Ok(number) } else { Err(()) })
                        }
                        _ => Poll::Pending,
                    };
                    assert_eq!(futures.poll(number), expected);
                }
                (Op::Drop, Some(number)) => {
                    futures.drop(number);
                    line.retain(|one| *one != number);
                    told.remove(&number);
                }
                (Op::Set, _) => {
                    let free = value.is_none() && line.is_empty();
                    assert_eq!(cell.set(*n).is_ok(), free);
                    value = value.or(free.then_some(*n));
                }
                (Op::Clear, _) => gate.set([None, Some(true), Some(false)][n % 3]),
                _ => {}
            }
            // Woken are those who were told of the value, and the next in line where the first has left.
            let next = line.first().copied().filter(|one| Some(*one) != before);
            let woken: BTreeSet<_> = futures.woken().into_iter().collect();
            let mut expected = std::mem::take(&mut told);
            expected.extend(next.filter(|_| before.is_some()));
            assert_eq!(woken, expected);
            assert_eq!(cell.get().copied(), value);
        }
    });
}
