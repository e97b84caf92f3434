//! `SetOnce`.

use std::sync::Arc;

use super::sync::SetOnce;
use crate::driver::{self, Seen, Value};
use crate::parts::Futures;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Wait,
    Set,
}

pub(crate) struct World {
    cell: Arc<SetOnce<usize>>,
    futures: Futures,
}

impl driver::World for World {
    type Op = Op;
    const OPS: &'static [Op] = &[
        Op::Wait,
        Op::Wait,
        Op::Wait,
        Op::Wait,
        Op::Wait,
        Op::Wait,
        Op::Wait,
        Op::Set,
    ];

    fn new(_size: usize) -> Self {
        Self {
            cell: Arc::new(SetOnce::new()),
            futures: Futures::default(),
        }
    }

    fn act(&mut self, op: Op, n: usize, seen: &mut Seen) {
        let cell = self.cell.clone();
        match op {
            Op::Wait => self
                .futures
                .add("wait", async move { Value::Number(*cell.wait().await) }),
            Op::Set => seen.note("set", cell.set(n).is_ok()),
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
