//! Events from outside, long polls, blocked workers, quiet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::spawn::inside;
use super::timers::lateness;
use crate::rt::{OneTx as _, Rt, Rx as _, Tx as _};
use benches::measure::{burn, percentile, process_cpu, thread_cpu};

/// A thread sends an instant every 200 µs to a task that waits for it. The CPU time of that thread is not counted.
pub(super) fn event_from_outside<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const EVENTS: usize = 5_000;
    let (sender, mut receiver) = R::channel::<Instant>(EVENTS);
    let task = runtime.spawn_from_outside(async move {
        let mut micros = Vec::with_capacity(EVENTS);
        while let Some(sent) = receiver.recv().await {
            micros.push(sent.elapsed().as_nanos() as f64 / 1_000.0);
        }
        percentile(&mut micros, 50)
    });
    std::thread::sleep(Duration::from_millis(50));
    let (all, own) = (process_cpu(), thread_cpu());
    for _ in 0..EVENTS {
        std::thread::sleep(Duration::from_micros(200));
        sender.send_now(Instant::now());
    }
    let cpu = (process_cpu() - all).saturating_sub(thread_cpu() - own);
    drop(sender);
    let wake = runtime.block_on(task);
    vec![wake, cpu.as_nanos() as f64 / 1_000.0 / EVENTS as f64]
}

/// One task has run and one waits. Then nothing happens for two seconds.
pub(super) fn idle<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const SECONDS: u64 = 2;
    runtime
        .block_on(runtime.spawn_from_outside(async { R::sleep(Duration::from_millis(1)).await }));
    let (sender, receiver) = R::oneshot::<()>();
    let waits = runtime.spawn_from_outside(receiver);
    std::thread::sleep(Duration::from_millis(200));
    let before = process_cpu();
    std::thread::sleep(Duration::from_secs(SECONDS));
    let cpu = process_cpu() - before;
    sender.send(());
    runtime.block_on(waits);
    vec![cpu.as_nanos() as f64 / 1_000.0 / SECONDS as f64]
}

pub(super) fn burners<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const POLL: Duration = Duration::from_millis(5);
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..4 {
        let stop = stop.clone();
        let burner = async move {
            while !stop.load(Ordering::Acquire) {
                burn(POLL);
                R::yield_now().await;
            }
        };
        runtime.block_on(runtime.spawn_from_outside(async { R::spawn_detached(burner) }));
    }
    let mut late = runtime.block_on(runtime.spawn_from_outside(lateness::<R>(300)));
    stop.store(true, Ordering::Release);
    vec![percentile(&mut late, 50), percentile(&mut late, 99)]
}

/// The ready task is spawned from outside, 20 ms after the last worker was blocked.
pub(super) fn every_worker_blocked<R: Rt>(runtime: &R, workers: usize) -> Vec<f64> {
    let blocked = Arc::new(AtomicUsize::new(0));
    let blocker = || {
        let blocked = blocked.clone();
        runtime.spawn_from_outside(async move {
            blocked.fetch_add(1, Ordering::AcqRel);
            std::thread::sleep(Duration::from_millis(200));
        })
    };
    let blockers: Vec<_> = (0..workers).map(|_| blocker()).collect();
    while blocked.load(Ordering::Acquire) < workers {
        std::thread::yield_now();
    }
    std::thread::sleep(Duration::from_millis(20));
    let spawned = Instant::now();
    let waited = runtime
        .block_on(runtime.spawn_from_outside(async move { spawned.elapsed().as_secs_f64() }));
    for blocker in blockers {
        runtime.block_on(blocker);
    }
    vec![waited * 1_000.0]
}

pub(super) fn wake_then_block<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const TIMES: usize = 20;
    inside(runtime, async {
        let mut millis = Vec::new();
        for _ in 0..TIMES {
            let (sender, receiver) = R::oneshot::<Instant>();
            let woken = R::spawn(async { receiver.await.elapsed().as_secs_f64() * 1_000.0 });
            // Both workers have long been idle, and the task waits.
            R::sleep(Duration::from_millis(10)).await;
            let waker = R::spawn(async move {
                sender.send(Instant::now());
                std::thread::sleep(Duration::from_millis(100));
            });
            millis.push(woken.await);
            waker.await;
        }
        percentile(&mut millis, 99)
    })
}
