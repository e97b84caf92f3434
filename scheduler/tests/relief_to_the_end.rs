//! Polls that block strand nobody, whatever their workers went through before: without relief these tests hang.

#[path = "support/watch.rs"]
mod watch;

use std::sync::mpsc;

use heist_scheduler::runtime::{Builder, Runtime};
use heist_scheduler::task;
use watch::watchdog;

/// Tasks that call `before` in a poll and then block in it until another task has run.
fn strands_nobody_after(before: fn()) {
    let _dog = watchdog();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_spare_workers(1)
        .build()
        .expect("a runtime");
    for _ in 0..5 {
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                runtime.spawn(async move {
                    before();
                    let (ran, runs) = mpsc::channel();
                    task::spawn(async move { ran.send(()) });
                    runs.recv().expect("it ran");
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).expect("no panic");
        }
    }
}

#[test]
fn a_poll_that_blocks_after_it_gave_way_strands_nobody() {
    strands_nobody_after(|| task::block_in_place(|| ()));
}

#[test]
fn a_poll_that_blocks_after_an_eager_task_yielded_in_it_strands_nobody() {
    strands_nobody_after(|| drop(task::spawn_eager(task::yield_now())));
}

/// A runtime whose three workers block in a task each, and no other thread with them, and what lets them go on. None
/// where a spare came before one of them.
fn three_regular_workers_that_block() -> Option<(Runtime, Vec<mpsc::Sender<()>>)> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(3)
        .max_spare_workers(2)
        .build()
        .expect("a runtime");
    let (blocks, blocked) = mpsc::channel();
    let gates: Vec<_> = (0..3)
        .map(|_| {
            let (open, gate) = mpsc::channel::<()>();
            let blocks = blocks.clone();
            runtime.spawn(async move {
                blocks.send(()).expect("the test waits");
                let _ = gate.recv();
            });
            open
        })
        .collect();
    (0..3).for_each(|_| blocked.recv().expect("they run"));
    let metrics = runtime.metrics();
    let spare_polls = || (3..5).any(|spare| metrics.worker_poll_count(spare) > 0);
    while metrics.num_spare_workers() > 0 && !spare_polls() {
        std::thread::yield_now();
    }
    if spare_polls() {
        // Before the runtime, which waits for the tasks.
        drop(gates);
        return None;
    }
    Some((runtime, gates))
}

#[test]
fn regular_workers_that_are_dismissed_while_they_block_strand_nobody() {
    let _dog = watchdog();
    let (runtime, gates) = std::iter::repeat_with(three_regular_workers_that_block)
        .find_map(|tried| tried)
        .expect("at some time no spare comes first");
    let handle = runtime.handle();
    handle.set_worker_threads(1).expect("fewer");
    let opens = runtime.spawn(async move { drop(gates) });
    runtime.block_on(opens).expect("no panic");
}
