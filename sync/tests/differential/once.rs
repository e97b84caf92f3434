//! `OnceCell`.

use std::sync::Arc;

use super::sync::{OnceCell, SetError};
use crate::driver::{self, Seen, Value};
use crate::parts::{Futures, stage};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Set,
    /// Computes at once.
    GetOrInit,
    /// Computes in two polls.
    GetOrInitStaged,
    /// Computes in two polls, and may fail.
    GetOrTryInit,
}

pub(crate) struct World {
    cell: Arc<OnceCell<usize>>,
    futures: Futures,
}

impl driver::World for World {
    type Op = Op;
    const OPS: &'static [Op] = &[
        Op::GetOrInitStaged,
        Op::GetOrInitStaged,
        Op::GetOrTryInit,
        Op::GetOrTryInit,
        Op::GetOrTryInit,
        Op::GetOrTryInit,
        Op::GetOrInit,
        Op::Set,
    ];

    fn new(_size: usize) -> Self {
        Self {
            cell: Arc::new(OnceCell::new()),
            futures: Futures::default(),
        }
    }

    fn act(&mut self, op: Op, n: usize, seen: &mut Seen) {
        let cell = self.cell.clone();
        match op {
            Op::Set => seen.note(
                "set",
                match cell.set(n) {
                    Ok(()) => "ok",
                    Err(SetError::AlreadyInitializedError(_)) => "already",
                    Err(SetError::InitializingError(_)) => "initializing",
                },
            ),
            Op::GetOrInit => self.futures.add("get_or_init", async move {
                Value::Number(*cell.get_or_init(|| async move { n }).await)
            }),
            Op::GetOrInitStaged => self.futures.add("get_or_init", async move {
                let compute = || async move {
                    stage().await;
                    n
                };
                Value::Number(*cell.get_or_init(compute).await)
            }),
            Op::GetOrTryInit => self.futures.add("get_or_try_init", async move {
                let compute = || async move {
                    stage().await;
                    if n.is_multiple_of(4) { Ok(n) } else { Err(()) }
                };
                Value::from(cell.get_or_try_init(compute).await.ok().copied())
            }),
        }
    }

    fn look(&mut self, seen: &mut Seen) {
        seen.note("initialized", self.cell.initialized());
        seen.note("get", self.cell.get().copied());
    }

    fn state(&mut self) -> &'static str {
        "any"
    }

    fn futures(&mut self) -> &mut Futures {
        &mut self.futures
    }

    fn end(self, _seen: &mut Seen) {}
}
