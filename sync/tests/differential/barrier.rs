//! `Barrier`.

use std::sync::Arc;

use super::sync::Barrier;
use crate::driver::{self, Seen};
use crate::parts::Futures;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Wait,
}

pub(crate) struct World {
    barrier: Arc<Barrier>,
    futures: Futures,
}

impl driver::World for World {
    type Op = Op;
    const OPS: &'static [Op] = &[Op::Wait];

    fn new(size: usize) -> Self {
        Self {
            barrier: Arc::new(Barrier::new(size)),
            futures: Futures::default(),
        }
    }

    fn act(&mut self, _op: Op, _n: usize, _seen: &mut Seen) {
        let barrier = self.barrier.clone();
        self.futures.add(
            "wait",
            async move { barrier.wait().await.is_leader().into() },
        );
    }

    fn look(&mut self, _seen: &mut Seen) {}

    fn state(&mut self) -> &'static str {
        match self.futures.given_up() {
            true => "given up",
            false => "whole",
        }
    }

    fn futures(&mut self) -> &mut Futures {
        &mut self.futures
    }

    fn end(self, _seen: &mut Seen) {}
}
