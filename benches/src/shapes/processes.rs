//! Child processes.

use std::time::Instant;

use super::spawn::inside;
use crate::rt::Rt;
use benches::measure::{nanos_each, process_cpu};

const PROCESSES: usize = 1_000;

pub(super) fn one_after_the_other<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    runtime.block_on(runtime.spawn_from_outside(async {
        run::<R>(PROCESSES / 10).await;
        let (start, before) = (Instant::now(), process_cpu());
        run::<R>(PROCESSES).await;
        let cpu = (process_cpu() - before).as_nanos() as f64 / PROCESSES as f64;
        vec![nanos_each(start, PROCESSES) / 1_000.0, cpu / 1_000.0]
    }))
}

pub(super) fn eight_at_a_time<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const AT_A_TIME: usize = 8;
    inside(runtime, async {
        run::<R>(PROCESSES / 10).await;
        let start = Instant::now();
        let tasks: Vec<_> = (0..AT_A_TIME)
            .map(|_| R::spawn(run::<R>(PROCESSES / AT_A_TIME)))
            .collect();
        for task in tasks {
            task.await;
        }
        nanos_each(start, PROCESSES) / 1_000.0
    })
}

async fn run<R: Rt>(count: usize) {
    for _ in 0..count {
        R::run_true().await;
    }
}
