//! `RwLock`. Who was woken is polled before the next step.

use std::sync::Arc;

use super::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use crate::driver::{self, Seen, Value};
use crate::parts::{Futures, Pool, stage};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Read,
    ReadOwned,
    Write,
    WriteOwned,
    DowngradeStaged,
    TryReadOwned,
    TryWriteOwned,
    Unread,
    Unwrite,
    Downgrade,
    /// Lets go, and drops a future before any other is polled.
    UnlockAndDrop,
    /// Lets go, and tries before anybody else can.
    UnlockAndTry,
    /// Lets go, and polls a future before any other.
    UnlockAndPoll,
}

pub(crate) struct World {
    lock: Arc<RwLock<usize>>,
    futures: Futures,
    readers: Pool<OwnedRwLockReadGuard<usize>>,
    writers: Pool<OwnedRwLockWriteGuard<usize>>,
    /// The futures that have got the lock since the last look.
    entered: Pool<usize>,
    state: &'static str,
}

impl World {
    fn start(&mut self, op: Op) {
        let lock = self.lock.clone();
        let (readers, writers) = (self.readers.clone(), self.writers.clone());
        let (number, entered) = (self.futures.upcoming(), self.entered.clone());
        match op {
            Op::Read => self.futures.add("read", async move {
                let guard = lock.read().await;
                entered.put(number);
                stage().await;
                Value::Number(*guard)
            }),
            Op::ReadOwned => self.futures.add("read_owned", async move {
                let guard = lock.read_owned().await;
                entered.put(number);
                let value = *guard;
                readers.put(guard);
                Value::Number(value)
            }),
            Op::Write => self.futures.add("write", async move {
                let mut guard = lock.write().await;
                entered.put(number);
                *guard += 1;
                stage().await;
                Value::Number(*guard)
            }),
            Op::WriteOwned => self.futures.add("write_owned", async move {
                let mut guard = lock.write_owned().await;
                entered.put(number);
                *guard += 1;
                let value = *guard;
                writers.put(guard);
                Value::Number(value)
            }),
            Op::DowngradeStaged => self.futures.add("downgrade", async move {
                let mut guard = lock.write().await;
                entered.put(number);
                *guard += 1;
                stage().await;
                let guard = guard.downgrade();
                stage().await;
                Value::Number(*guard)
            }),
            _ => {}
        }
    }

    fn try_one(&mut self, write: bool, seen: &Seen) {
        let lock = self.lock.clone();
        if write {
            let guard = lock.try_write_owned();
            seen.note("try_write_owned", guard.is_ok());
            guard.into_iter().for_each(|guard| self.writers.put(guard));
        } else {
            let guard = lock.try_read_owned();
            seen.note("try_read_owned", guard.is_ok());
            guard.into_iter().for_each(|guard| self.readers.put(guard));
        }
    }

    fn unlock(&mut self, n: usize) {
        drop(self.writers.take(n));
        drop(self.readers.take(n));
    }
}

impl driver::World for World {
    type Op = Op;
    const SETTLES: bool = true;
    const OPS: &'static [Op] = &[
        Op::ReadOwned,
        Op::ReadOwned,
        Op::ReadOwned,
        Op::WriteOwned,
        Op::WriteOwned,
        Op::Read,
        Op::Write,
        Op::DowngradeStaged,
        Op::TryReadOwned,
        Op::TryWriteOwned,
        Op::Unread,
        Op::Unread,
        Op::Unread,
        Op::Unwrite,
        Op::Unwrite,
        Op::Downgrade,
        Op::UnlockAndDrop,
        Op::UnlockAndTry,
        Op::UnlockAndPoll,
    ];

    /// With at most `size` readers.
    fn new(size: usize) -> Self {
        let most = u32::try_from(size).expect("it is small");
        Self {
            lock: Arc::new(RwLock::with_max_readers(0, most)),
            futures: Futures::default(),
            readers: Pool::default(),
            writers: Pool::default(),
            entered: Pool::default(),
            state: "settled",
        }
    }

    fn act(&mut self, op: Op, n: usize, seen: &mut Seen) {
        match op {
            Op::TryReadOwned => self.try_one(false, seen),
            Op::TryWriteOwned => self.try_one(true, seen),
            Op::Unread => drop(self.readers.take(n)),
            Op::Unwrite => drop(self.writers.take(n)),
            Op::Downgrade => {
                if let Some(guard) = self.writers.take(n) {
                    self.readers.put(guard.downgrade());
                }
            }
            Op::UnlockAndDrop => {
                self.unlock(n);
                self.futures.drop(n);
            }
            Op::UnlockAndTry => {
                self.state = "overtaking";
                self.unlock(n);
                self.try_one(n.is_multiple_of(2), seen);
            }
            Op::UnlockAndPoll => {
                self.state = "overtaking";
                self.unlock(n);
                self.futures.poll(n, false, seen);
            }
            _ => self.start(op),
        }
    }

    fn look(&mut self, seen: &mut Seen) {
        seen.note("entered", self.entered.sorted());
        seen.note("readers", self.readers.each(|guard| **guard));
        seen.note("writers", self.writers.each(|guard| **guard));
        seen.note("may read", self.lock.try_read().is_ok());
        seen.note("may write", self.lock.try_write().is_ok());
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
