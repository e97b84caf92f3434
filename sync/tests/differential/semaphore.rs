//! `Semaphore`.

use std::sync::Arc;

use super::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use crate::driver::{self, Seen, Value};
use crate::parts::{Futures, Pool, stage};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Acquire,
    AcquireMany,
    AcquireOwned,
    AcquireManyOwned,
    AcquireLost,
    TryAcquire,
    TryAcquireMany,
    TryAcquireOwned,
    TryAcquireManyOwned,
    DropPermit,
    ForgetPermit,
    Merge,
    Split,
    AddPermits,
    ForgetPermits,
    Close,
}

pub(crate) struct World {
    semaphore: Arc<Semaphore>,
    futures: Futures,
    permits: Pool<OwnedSemaphorePermit>,
}

fn attempt<R>(result: Result<R, TryAcquireError>) -> Value {
    Value::from(match result {
        Ok(_) => "ok",
        Err(TryAcquireError::NoPermits) => "none left",
        Err(TryAcquireError::Closed) => "closed",
    })
}

impl World {
    fn acquire(&mut self, op: Op, few: u32) {
        let (semaphore, permits) = (self.semaphore.clone(), self.permits.clone());
        match op {
            Op::Acquire => self.futures.add("acquire", async move {
                let Ok(_permit) = semaphore.acquire().await else {
                    return false.into();
                };
                stage().await;
                true.into()
            }),
            Op::AcquireMany => self.futures.add("acquire_many", async move {
                let Ok(mut permit) = semaphore.acquire_many(few).await else {
                    return false.into();
                };
                // All but one are given back early.
                drop(permit.split(permit.num_permits().saturating_sub(1)));
                stage().await;
                true.into()
            }),
            Op::AcquireOwned => self.futures.add("acquire_owned", async move {
                let permit = semaphore.acquire_owned().await;
                permit.map(|permit| permits.put(permit)).is_ok().into()
            }),
            Op::AcquireManyOwned => self.futures.add("acquire_many_owned", async move {
                let permit = semaphore.acquire_many_owned(few).await;
                permit.map(|permit| permits.put(permit)).is_ok().into()
            }),
            _ => {}
        }
    }

    fn try_acquire(&mut self, op: Op, few: u32, seen: &Seen) {
        let semaphore = self.semaphore.clone();
        match op {
            Op::AcquireLost => {
                let acquire = semaphore.acquire_many(few);
                self.futures.poll_and_lose("acquire_many", acquire, seen);
            }
            Op::TryAcquire => seen.note("try_acquire", attempt(semaphore.try_acquire())),
            Op::TryAcquireMany => {
                // What is merged goes back as one.
                let both = semaphore.try_acquire_many(few).and_then(|mut permit| {
                    permit.merge(semaphore.try_acquire()?);
                    Ok(permit)
                });
                seen.note("try_acquire_many", attempt(both));
            }
            Op::TryAcquireOwned => {
                let permit = semaphore.try_acquire_owned();
                let permit = permit.map(|permit| self.permits.put(permit));
                seen.note("try_acquire_owned", attempt(permit));
            }
            Op::TryAcquireManyOwned => {
                let permit = semaphore.try_acquire_many_owned(few);
                let permit = permit.map(|permit| self.permits.put(permit));
                seen.note("try_acquire_many_owned", attempt(permit));
            }
            _ => {}
        }
    }
}

impl driver::World for World {
    type Op = Op;
    const OPS: &'static [Op] = &[
        Op::Acquire,
        Op::Acquire,
        Op::AcquireMany,
        Op::AcquireMany,
        Op::AcquireOwned,
        Op::AcquireManyOwned,
        Op::AcquireLost,
        Op::TryAcquire,
        Op::TryAcquireMany,
        Op::TryAcquireOwned,
        Op::TryAcquireManyOwned,
        Op::DropPermit,
        Op::DropPermit,
        Op::DropPermit,
        Op::ForgetPermit,
        Op::Merge,
        Op::Split,
        Op::AddPermits,
        Op::AddPermits,
        Op::ForgetPermits,
        Op::Close,
    ];

    fn new(size: usize) -> Self {
        Self {
            semaphore: Arc::new(Semaphore::new(size)),
            futures: Futures::default(),
            permits: Pool::default(),
        }
    }

    fn act(&mut self, op: Op, n: usize, seen: &mut Seen) {
        let few = n % 4;
        match op {
            Op::DropPermit => drop(self.permits.take(n)),
            Op::ForgetPermit => {
                if let Some(permit) = self.permits.take(n) {
                    permit.forget();
                }
            }
            Op::Merge => {
                if let Some(other) = self.permits.take(n) {
                    match self.permits.take(n) {
                        Some(mut permit) => {
                            permit.merge(other);
                            self.permits.put(permit);
                        }
                        None => self.permits.put(other),
                    }
                }
            }
            Op::Split => {
                let split = self.permits.with(n, |permit| permit.split(few));
                if let Some(split) = split {
                    seen.note("split", split.is_some());
                    split
                        .into_iter()
                        .for_each(|permit| self.permits.put(permit));
                }
            }
            Op::AddPermits => self.semaphore.add_permits(few),
            Op::ForgetPermits => {
                seen.note("forget_permits", self.semaphore.forget_permits(few));
            }
            Op::Close => self.semaphore.close(),
            _ => {
                let few = u32::try_from(few).expect("it is small");
                self.acquire(op, few);
                self.try_acquire(op, few, seen);
            }
        }
    }

    fn look(&mut self, seen: &mut Seen) {
        seen.note("available_permits", self.semaphore.available_permits());
        seen.note("is_closed", self.semaphore.is_closed());
        seen.note(
            "num_permits",
            self.permits.each(|permit| permit.num_permits()),
        );
    }

    fn state(&mut self) -> &'static str {
        match self.semaphore.is_closed() {
            true => "closed",
            false => "open",
        }
    }

    fn futures(&mut self) -> &mut Futures {
        &mut self.futures
    }

    fn end(self, seen: &mut Seen) {
        let semaphore = self.semaphore.clone();
        drop(self);
        seen.note("permits in the end", semaphore.available_permits());
    }
}
