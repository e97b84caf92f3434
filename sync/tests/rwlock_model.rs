//! `RwLock` against a plain model: whatever is done to it in whatever order, who is in is allowed to be in together, and
//! once all who were woken have been polled, nobody waits who could be let in.
#![cfg(not(any(heist_loom, miri)))]

#[path = "support/task.rs"]
mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use heist_sync::{
    OwnedRwLockReadGuard, OwnedRwLockUpgradableReadGuard, OwnedRwLockWriteGuard, RwLock,
};
use proptest::prelude::*;
use support::{Task, task};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Upgradable,
    Write,
    Upgrade,
}

enum Guard {
    Read(#[expect(dead_code, reason = "held, not read")] OwnedRwLockReadGuard<()>),
    Upgradable(OwnedRwLockUpgradableReadGuard<()>),
    Write(OwnedRwLockWriteGuard<()>),
}

type Waiting = Task<Pin<Box<dyn Future<Output = Guard>>>>;

/// One step of somebody's; the numbers choose whom it falls to.
#[derive(Debug, Clone)]
enum Step {
    Come(Kind),
    Try(Kind),
    Poll(usize),
    GiveUp(usize),
    LetGo(usize),
    Downgrade(usize),
    DowngradeToUpgradable(usize),
    Upgrade(usize),
    TryUpgrade(usize),
    Settle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = || {
        prop_oneof![
            Just(Kind::Read),
            Just(Kind::Read),
            Just(Kind::Upgradable),
            Just(Kind::Upgradable),
            Just(Kind::Write)
        ]
    };
    let whom = || 0..8_usize;
    let step = prop_oneof![
        4 => kind().prop_map(Step::Come),
        2 => kind().prop_map(Step::Try),
        4 => whom().prop_map(Step::Poll),
        2 => whom().prop_map(Step::GiveUp),
        4 => whom().prop_map(Step::LetGo),
        1 => whom().prop_map(Step::Downgrade),
        1 => whom().prop_map(Step::DowngradeToUpgradable),
        4 => whom().prop_map(Step::Upgrade),
        1 => whom().prop_map(Step::TryUpgrade),
        2 => Just(Step::Settle),
    ];
    proptest::collection::vec(step, 1..80)
}

struct World {
    lock: Arc<RwLock<()>>,
    most_readers: usize,
    waiting: Vec<(Kind, Waiting)>,
    guards: Vec<Guard>,
}

impl World {
    fn new(most_readers: u32) -> Self {
        Self {
            lock: Arc::new(RwLock::with_max_readers((), most_readers)),
            most_readers: most_readers as usize,
            waiting: vec![],
            guards: vec![],
        }
    }

    fn come(&self, kind: Kind) -> Waiting {
        let lock = self.lock.clone();
        task(match kind {
            Kind::Read => Box::pin(async { Guard::Read(lock.read_owned().await) }),
            Kind::Upgradable => {
                Box::pin(async { Guard::Upgradable(lock.upgradable_read_owned().await) })
            }
            Kind::Write => Box::pin(async { Guard::Write(lock.write_owned().await) }),
            Kind::Upgrade => unreachable!("it comes from a guard"),
        })
    }

    fn try_come(&self, kind: Kind) -> Option<Guard> {
        let lock = self.lock.clone();
        match kind {
            Kind::Read => lock.try_read_owned().ok().map(Guard::Read),
            Kind::Upgradable => lock.try_upgradable_read_owned().ok().map(Guard::Upgradable),
            Kind::Write => lock.try_write_owned().ok().map(Guard::Write),
            Kind::Upgrade => unreachable!("it comes from a guard"),
        }
    }

    fn poll(&mut self, i: usize) {
        if let Poll::Ready(guard) = self.waiting[i].1.poll() {
            self.guards.push(guard);
            drop(self.waiting.remove(i));
        }
    }

    /// The guard that a step falls to, if there are any.
    fn guard(&mut self, whom: usize) -> Option<Guard> {
        let among = self.guards.len().max(1);
        (!self.guards.is_empty()).then(|| self.guards.remove(whom % among))
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Come(kind) => {
                let mut waiting = self.come(kind);
                match waiting.poll() {
                    Poll::Ready(guard) => self.guards.push(guard),
                    Poll::Pending => self.waiting.push((kind, waiting)),
                }
            }
            Step::Try(kind) => self.guards.extend(self.try_come(kind)),
            Step::Poll(whom) if !self.waiting.is_empty() => self.poll(whom % self.waiting.len()),
            Step::GiveUp(whom) if !self.waiting.is_empty() => {
                drop(self.waiting.remove(whom % self.waiting.len()));
            }
            Step::Poll(_) | Step::GiveUp(_) => {}
            Step::LetGo(whom) => drop(self.guard(whom)),
            Step::Settle => self.settle(),
            Step::Downgrade(whom)
            | Step::DowngradeToUpgradable(whom)
            | Step::Upgrade(whom)
            | Step::TryUpgrade(whom) => {
                if let Some(guard) = self.guard(whom) {
                    let changed = self.change(guard, &step);
                    self.guards.extend(changed);
                }
            }
        }
        self.check_who_is_in();
    }

    /// Changes the way in which a guard holds the lock.
    fn change(&mut self, guard: Guard, how: &Step) -> Option<Guard> {
        Some(match (guard, how) {
            (Guard::Write(guard), Step::Downgrade(_)) => Guard::Read(guard.downgrade()),
            (Guard::Write(guard), Step::DowngradeToUpgradable(_)) => {
                Guard::Upgradable(guard.downgrade_to_upgradable())
            }
            (Guard::Upgradable(guard), Step::Downgrade(_)) => {
                Guard::Read(OwnedRwLockUpgradableReadGuard::downgrade(guard))
            }
            (Guard::Upgradable(guard), Step::TryUpgrade(_)) => {
                match OwnedRwLockUpgradableReadGuard::try_upgrade(guard) {
                    Ok(guard) => Guard::Write(guard),
                    Err(guard) => Guard::Upgradable(guard),
                }
            }
            (Guard::Upgradable(guard), Step::Upgrade(_)) => {
                let mut upgrading: Waiting = task(Box::pin(async {
                    Guard::Write(OwnedRwLockUpgradableReadGuard::upgrade(guard).await)
                }));
                match upgrading.poll() {
                    Poll::Ready(guard) => return Some(guard),
                    Poll::Pending => self.waiting.push((Kind::Upgrade, upgrading)),
                }
                return None;
            }
            (guard, _) => guard,
        })
    }

    /// Readers, upgradable readers and writers who are in; one that waits to upgrade is in.
    fn who_is_in(&self) -> [usize; 3] {
        let mut all = [0; 3];
        for guard in &self.guards {
            all[match guard {
                Guard::Read(_) => 0,
                Guard::Upgradable(_) => 1,
                Guard::Write(_) => 2,
            }] += 1;
        }
        all[1] += self.how_many_wait(Kind::Upgrade);
        all
    }

    fn how_many_wait(&self, kind: Kind) -> usize {
        self.waiting.iter().filter(|one| one.0 == kind).count()
    }

    fn check_who_is_in(&self) {
        let [readers, upgradable, writers] = self.who_is_in();
        // One that waits to upgrade may have been made the writer, and not have looked.
        assert!(upgradable <= 1 && writers <= 1);
        assert!(writers == 0 || readers + upgradable == 0);
        assert!(readers + upgradable <= self.most_readers);
    }

    /// Polls whoever was woken until nobody is, and looks whether somebody waits who could be in.
    fn settle(&mut self) {
        while let Some(i) = (0..self.waiting.len()).find(|&i| self.waiting[i].1.woken()) {
            self.poll(i);
        }
        self.check_who_is_in();
        let [readers, upgradable, writers] = self.who_is_in();
        let [read, upgradables, write, upgrade] =
            [Kind::Read, Kind::Upgradable, Kind::Write, Kind::Upgrade]
                .map(|kind| self.how_many_wait(kind));
        if writers > 0 {
            return;
        }
        assert!(upgrade == 0 || readers > 0, "an upgrade waits for nobody");
        let room = readers + upgradable < self.most_readers;
        if readers + upgradable == 0 {
            assert_eq!(self.waiting.len(), 0, "they wait for a free lock");
        }
        if write + upgrade == 0 && room {
            assert_eq!(read, 0, "readers wait for nobody");
            assert!(upgradables == 0 || upgradable == 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("HEIST_PROPTEST_CASES")
            .map_or(600, |text| text.parse().expect("a number of cases")),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn who_could_be_let_in_does_not_wait(most_readers in 1..4_u32, steps in steps()) {
        // The limit as it mostly is, or one that is reached.
        let mut world = World::new(if most_readers == 3 { u32::MAX >> 3 } else { most_readers });
        for step in steps {
            world.step(step);
        }
        world.settle();
        while let Some(guard) = world.guard(0) {
            drop(guard);
            world.settle();
        }
        prop_assert!(world.waiting.is_empty());
        prop_assert!(world.lock.try_write().is_ok());
    }
}
