//! `Mutex` and `RwLock`. Who gets a free lock first is left to chance and the clock there (barging), so the account is of
//! what must hold whatever the order: who is inside, and that a lock that is free has somebody on the way to it.

use std::task::Poll;

use heist_sync::{
    Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard,
};

use crate::driver::{Futures, Step, check};

#[derive(Debug, Clone, Copy)]
enum Op {
    Lock,
    Read,
    Upgradable,
    Poll,
    PollWoken,
    Drop,
    Try,
    TryRead,
    Unlock,
    Change,
}

const OPS: &[Op] = &[
    Op::Lock,
    Op::Read,
    Op::Upgradable,
    Op::Poll,
    Op::PollWoken,
    Op::PollWoken,
    Op::Drop,
    Op::Try,
    Op::TryRead,
    Op::Unlock,
    Op::Unlock,
    Op::Change,
];

const PLACE: &str = "a place in the lock";

/// Held for what it keeps out.
#[expect(dead_code)]
enum Guard<'a> {
    Read(RwLockReadGuard<'a, u32>),
    Upgradable(RwLockUpgradableReadGuard<'a, u32>),
    Write(RwLockWriteGuard<'a, u32>),
    Alone(MutexGuard<'a, u32>),
}

/// What is asked for or held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Read,
    Upgradable,
    Upgrade,
    Write,
}

/// Futures that have been polled, and those that were woken since.
struct Waiting<'a> {
    futures: Futures<'a, Guard<'a>>,
    modes: std::collections::BTreeMap<usize, Mode>,
    polled: std::collections::BTreeSet<usize>,
    woken: std::collections::BTreeSet<usize>,
}

struct World<'a> {
    mutex: Option<&'a Mutex<u32>>,
    rwlock: Option<&'a RwLock<u32>>,
    waiting: Waiting<'a>,
    held: Vec<Guard<'a>>,
}

impl<'a> World<'a> {
    fn new(mutex: Option<&'a Mutex<u32>>, rwlock: Option<&'a RwLock<u32>>) -> Self {
        Self {
            mutex,
            rwlock,
            waiting: Waiting {
                futures: Futures::new(),
                modes: Default::default(),
                polled: Default::default(),
                woken: Default::default(),
            },
            held: Vec::new(),
        }
    }

    /// Readers inside, the upgradable ones among them, and the writers. One that waits to upgrade is still inside.
    fn inside(&self) -> (usize, usize, usize) {
        let count = |f: fn(&Guard<'_>) -> bool| self.held.iter().filter(|guard| f(guard)).count();
        let upgrades = self
            .waiting
            .modes
            .values()
            .filter(|mode| **mode == Mode::Upgrade);
        let upgradable = count(|guard| matches!(guard, Guard::Upgradable(_))) + upgrades.count();
        let readers = count(|guard| matches!(guard, Guard::Read(_))) + upgradable;
        (
            readers,
            upgradable,
            self.held.len() + upgradable
                - readers
                - count(|guard| matches!(guard, Guard::Upgradable(_))),
        )
    }

    fn may(&self, mode: Mode) -> bool {
        let (readers, upgradable, writers) = self.inside();
        writers == 0
            && match mode {
                Mode::Read => true,
                Mode::Upgradable => upgradable == 0,
                Mode::Upgrade => readers == 1,
                Mode::Write => readers == 0,
            }
    }

    fn ask(&mut self, mode: Mode) {
        let futures = &mut self.waiting.futures;
        let number = match (self.mutex, self.rwlock, mode) {
            (Some(mutex), ..) => futures.add(async { Guard::Alone(mutex.lock().await) }),
            (_, Some(lock), Mode::Read) => futures.add(async { Guard::Read(lock.read().await) }),
            (_, Some(lock), Mode::Write) => futures.add(async { Guard::Write(lock.write().await) }),
            (_, Some(lock), _) => {
                futures.add(async { Guard::Upgradable(lock.upgradable_read().await) })
            }
            _ => unreachable!("{PLACE}"),
        };
        let mode = if self.mutex.is_some() {
            Mode::Write
        } else {
            mode
        };
        self.waiting.modes.insert(number, mode);
    }

    fn poll(&mut self, number: usize) {
        let mode = self.waiting.modes[&number];
        let may = self.may(mode);
        self.waiting.polled.insert(number);
        self.waiting.woken.remove(&number);
        if let Poll::Ready(guard) = self.waiting.futures.poll(number) {
            assert!(may, "{mode:?} let in");
            self.forget(number);
            self.held.push(guard);
        }
    }

    fn forget(&mut self, number: usize) {
        self.waiting.modes.remove(&number);
        self.waiting.polled.remove(&number);
        self.waiting.woken.remove(&number);
    }

    fn try_lock(&mut self, mode: Mode) {
        let (may, alone) = (self.may(mode), self.waiting.polled.is_empty());
        let guard = match (self.mutex, self.rwlock, mode) {
            (Some(mutex), ..) => mutex.try_lock().map(Guard::Alone),
            (_, Some(lock), Mode::Write) => lock.try_write().map(Guard::Write),
            (_, Some(lock), _) => lock.try_read().map(Guard::Read),
            _ => unreachable!("{PLACE}"),
        };
        assert!(may || guard.is_err(), "{mode:?} let in");
        assert!(guard.is_ok() || !(may && alone), "{mode:?} kept out");
        self.held.extend(guard);
    }

    /// Upgrades or downgrades a guard.
    fn change(&mut self, n: usize) {
        if self.held.is_empty() {
            return;
        }
        let guard = self.held.swap_remove(n % self.held.len());
        let changed = match guard {
            Guard::Upgradable(guard) if n < 4 => {
                Guard::Read(RwLockUpgradableReadGuard::downgrade(guard))
            }
            Guard::Upgradable(guard) if n < 8 => {
                match RwLockUpgradableReadGuard::try_upgrade(guard) {
                    Ok(guard) => Guard::Write(guard),
                    Err(guard) => Guard::Upgradable(guard),
                }
            }
            Guard::Upgradable(guard) => {
                let future =
                    async { Guard::Write(RwLockUpgradableReadGuard::upgrade(guard).await) };
                let number = self.waiting.futures.add(future);
                self.waiting.modes.insert(number, Mode::Upgrade);
                return;
            }
            Guard::Write(guard) if n < 6 => Guard::Read(guard.downgrade()),
            Guard::Write(guard) => Guard::Upgradable(guard.downgrade_to_upgradable()),
            other => other,
        };
        self.held.push(changed);
        let (readers, _, writers) = self.inside();
        assert!(writers == 0 || readers == 0);
    }

    fn step(&mut self, (op, n): Step<Op>) {
        match op {
            Op::Lock => self.ask(Mode::Write),
            Op::Read => self.ask(Mode::Read),
            Op::Upgradable => self.ask(Mode::Upgradable),
            Op::Poll => {
                if let Some(number) = self.waiting.futures.some(n) {
                    self.poll(number);
                }
            }
            Op::PollWoken => {
                if let Some(number) = self.waiting.woken.first().copied() {
                    self.poll(number);
                }
            }
            Op::Drop => {
                if let Some(number) = self.waiting.futures.some(n) {
                    self.waiting.futures.drop(number);
                    self.forget(number);
                }
            }
            Op::Try => self.try_lock(Mode::Write),
            Op::TryRead if self.rwlock.is_some() => self.try_lock(Mode::Read),
            Op::TryRead => {}
            Op::Unlock => {
                if !self.held.is_empty() {
                    drop(self.held.swap_remove(n % self.held.len()));
                }
            }
            Op::Change => self.change(n),
        }
        self.look_for_sleepers();
    }

    /// A lock that nobody holds has somebody on the way to it, if anybody waits at all.
    fn look_for_sleepers(&mut self) {
        self.waiting.woken.extend(self.waiting.futures.woken());
        let upgrading = |number: &usize| self.waiting.modes[number] == Mode::Upgrade;
        let idle = self
            .waiting
            .modes
            .keys()
            .any(|number| upgrading(number) && !self.waiting.polled.contains(number));
        // An upgrade that has not been polled holds the lock and waits for nothing.
        if self.held.is_empty() && !idle && !self.waiting.polled.is_empty() {
            assert!(
                !self.waiting.woken.is_empty(),
                "all sleep beside a free lock"
            );
        }
    }

    /// Everybody gets in who is polled when woken.
    fn end(mut self) {
        loop {
            self.held.clear();
            self.look_for_sleepers();
            let fresh = self
                .waiting
                .modes
                .keys()
                .find(|number| !self.waiting.polled.contains(number));
            let next = fresh.or(self.waiting.woken.first()).copied();
            let Some(number) = next else { break };
            self.poll(number);
        }
        assert!(self.waiting.modes.is_empty(), "some never got in");
    }
}

#[test]
fn mutex_lets_in_one_and_wakes_somebody_when_free() {
    const MUTEX: &[Op] = &[
        Op::Lock,
        Op::Poll,
        Op::PollWoken,
        Op::Drop,
        Op::Try,
        Op::Unlock,
    ];
    check(MUTEX, 80, |steps| {
        let mutex = Mutex::new(0);
        let mut world = World::new(Some(&mutex), None);
        steps.iter().for_each(|step| world.step(*step));
        world.end();
        assert!(mutex.try_lock().is_ok());
    });
}

#[test]
fn rwlock_lets_in_readers_or_a_writer_and_wakes_somebody_when_free() {
    check(OPS, 80, |steps| {
        let lock = RwLock::new(0);
        let mut world = World::new(None, Some(&lock));
        steps.iter().for_each(|step| world.step(*step));
        world.end();
        assert!(lock.try_write().is_ok());
    });
}
