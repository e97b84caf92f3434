//! `Mutex`. Who was woken is polled before the next step.

use std::sync::Arc;

use super::sync::{Mutex, OwnedMutexGuard};
use crate::driver::{self, Seen, Value};
use crate::parts::{Futures, Pool, stage};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Lock,
    LockStaged,
    LockOwned,
    TryLock,
    TryLockOwned,
    Unlock,
    /// Unlocks, and drops a future before any other is polled.
    UnlockAndDrop,
    /// Unlocks, and tries before anybody else can.
    UnlockAndTry,
    /// Unlocks, and polls a future before any other.
    UnlockAndPoll,
}

pub(crate) struct World {
    mutex: Arc<Mutex<usize>>,
    futures: Futures,
    guards: Pool<OwnedMutexGuard<usize>>,
    /// The futures that have got the lock since the last look.
    entered: Pool<usize>,
    state: &'static str,
}

impl World {
    fn lock(&mut self, op: Op) {
        let (mutex, guards) = (self.mutex.clone(), self.guards.clone());
        let (number, entered) = (self.futures.upcoming(), self.entered.clone());
        match op {
            Op::Lock => self.futures.add("lock", async move {
                let mut guard = mutex.lock().await;
                entered.put(number);
                *guard += 1;
                Value::Number(*guard)
            }),
            Op::LockStaged => self.futures.add("lock", async move {
                let mut guard = mutex.lock().await;
                entered.put(number);
                *guard += 1;
                stage().await;
                Value::Number(*guard)
            }),
            Op::LockOwned => self.futures.add("lock_owned", async move {
                let mut guard = mutex.lock_owned().await;
                entered.put(number);
                *guard += 1;
                let count = *guard;
                guards.put(guard);
                Value::Number(count)
            }),
            _ => {}
        }
    }
}

impl driver::World for World {
    type Op = Op;
    const SETTLES: bool = true;
    const OPS: &'static [Op] = &[
        Op::LockOwned,
        Op::LockOwned,
        Op::LockOwned,
        Op::LockStaged,
        Op::Lock,
        Op::TryLock,
        Op::TryLockOwned,
        Op::Unlock,
        Op::Unlock,
        Op::Unlock,
        Op::UnlockAndDrop,
        Op::UnlockAndTry,
        Op::UnlockAndPoll,
    ];

    fn new(_size: usize) -> Self {
        Self {
            mutex: Arc::new(Mutex::new(0)),
            futures: Futures::default(),
            guards: Pool::default(),
            entered: Pool::default(),
            state: "settled",
        }
    }

    fn act(&mut self, op: Op, n: usize, seen: &mut Seen) {
        match op {
            Op::TryLock => seen.note("try_lock", self.mutex.try_lock().is_ok()),
            Op::TryLockOwned => {
                let guard = self.mutex.clone().try_lock_owned();
                seen.note("try_lock_owned", guard.is_ok());
                guard.into_iter().for_each(|guard| self.guards.put(guard));
            }
            Op::Unlock => drop(self.guards.take(n)),
            Op::UnlockAndDrop => {
                drop(self.guards.take(n));
                self.futures.drop(n);
            }
            Op::UnlockAndTry => {
                self.state = "overtaking";
                drop(self.guards.take(n));
                let guard = self.mutex.clone().try_lock_owned();
                seen.note("try_lock_owned", guard.is_ok());
                guard.into_iter().for_each(|guard| self.guards.put(guard));
            }
            Op::UnlockAndPoll => {
                self.state = "overtaking";
                drop(self.guards.take(n));
                self.futures.poll(n, false, seen);
            }
            _ => self.lock(op),
        }
    }

    fn look(&mut self, seen: &mut Seen) {
        seen.note("entered", self.entered.sorted());
        seen.note("guards", self.guards.each(|guard| **guard));
        seen.note("may lock", self.mutex.try_lock().is_ok());
    }

    fn state(&mut self) -> &'static str {
        match self.futures.forgotten() {
            true => "forgotten",
            false => std::mem::replace(&mut self.state, "settled"),
        }
    }

    fn futures(&mut self) -> &mut Futures {
        &mut self.futures
    }

    fn end(self, _seen: &mut Seen) {}
}
