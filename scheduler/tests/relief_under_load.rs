//! Polls, hooks and wakers that block hold nobody up: with 1, 2, 4 and 8 workers, on a runtime that is idle otherwise and
//! on one that is busy. What blocks here waits for the very thing that it must not hold up, so a fault is a hang.

#[path = "support/watch.rs"]
mod watch;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use heist_reactor::time::sleep;
use heist_scheduler::runtime::{Builder, Runtime};
use heist_scheduler::task;
use heist_sync::{mpsc as channel, oneshot};
use watch::{watchdog, workers};

/// Blocks a thread, unannounced, until the other end is dropped.
#[derive(Clone)]
struct Gate(Arc<Mutex<mpsc::Receiver<()>>>);

impl Gate {
    fn new() -> (mpsc::Sender<()>, Self) {
        let (open, gate) = mpsc::channel();
        (open, Self(Arc::new(Mutex::new(gate))))
    }

    fn wait(&self) {
        let _ = self.0.lock().unwrap().recv();
    }
}

fn burn(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// What else a runtime does, until it is dropped.
struct Beside(Arc<AtomicBool>);

impl Drop for Beside {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

const BESIDE: [fn(&Runtime) -> Beside; 4] = [nothing, yielders, burners, pairs];

fn nothing(_: &Runtime) -> Beside {
    Beside(Arc::default())
}

fn looping(runtime: &Runtime, time: Duration) -> Beside {
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..4 {
        let stop = stop.clone();
        drop(runtime.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                burn(time);
                task::yield_now().await;
            }
        }));
    }
    Beside(stop)
}

fn yielders(runtime: &Runtime) -> Beside {
    looping(runtime, Duration::from_micros(20))
}

fn burners(runtime: &Runtime) -> Beside {
    looping(runtime, Duration::from_millis(3))
}

fn pairs(runtime: &Runtime) -> Beside {
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..4 {
        let (ask, mut asked) = channel::channel(1);
        let (answer, mut answered) = channel::channel(1);
        let stop = stop.clone();
        drop(runtime.spawn(async move {
            while !stop.load(Ordering::Relaxed) && ask.send(()).await.is_ok() {
                let _ = answered.recv().await;
            }
        }));
        drop(runtime.spawn(async move {
            while asked.recv().await.is_some() {
                let _ = answer.send(()).await;
            }
        }));
    }
    Beside(stop)
}

/// Each number of workers, beside each other thing that a runtime may do.
fn everywhere(test: impl Fn(&Runtime)) {
    for n in [1, 2, 4, 8] {
        for beside in BESIDE {
            let runtime = workers(n);
            let _beside = beside(&runtime);
            test(&runtime);
        }
    }
}

/// Spawns a task that spawns the next, and blocks then; the last one tells.
fn chain(left: usize, gate: Gate, end: oneshot::Sender<()>) {
    drop(task::spawn(async move {
        if left == 0 {
            let _ = end.send(());
            return;
        }
        chain(left - 1, gate.clone(), end);
        gate.wait();
    }));
}

#[test]
fn a_poll_that_blocks_strands_nobody_however_many_block() {
    let _dog = watchdog();
    everywhere(|runtime| {
        let (open, gate) = Gate::new();
        let (end, ended) = oneshot::channel();
        runtime.block_on(async {
            chain(30, gate, end);
            ended.await.expect("the last one tells");
        });
        drop(open);
    });
}

#[test]
fn a_task_woken_by_one_that_blocks_then_runs() {
    let _dog = watchdog();
    everywhere(|runtime| {
        for _ in 0..5 {
            let (wake, woken) = oneshot::channel();
            let (ran, runs) = mpsc::channel();
            drop(runtime.spawn(async move {
                woken.await.expect("it is woken");
                ran.send(()).expect("the other waits");
            }));
            let blocks = runtime.spawn(async move {
                task::yield_now().await;
                wake.send(()).expect("it waits");
                runs.recv().expect("it runs");
            });
            runtime.block_on(blocks).expect("no panic");
        }
    });
}

#[test]
fn what_a_spare_has_yielded_behind_a_poll_that_blocks_runs() {
    let _dog = watchdog();
    let runtime = workers(1);
    let (open, gate) = Gate::new();
    let (begun, begins) = mpsc::channel();
    for _ in 0..3 {
        let (gate, begun) = (gate.clone(), begun.clone());
        drop(runtime.spawn(async move {
            drop(task::spawn(async move {
                task::yield_now().await;
                task::yield_now().await;
                begun.send(()).expect("the test waits");
            }));
            task::yield_now().await;
            gate.wait();
        }));
    }
    (0..3).for_each(|_| begins.recv().expect("all run"));
    drop(open);
}

#[test]
fn a_hook_that_waits_for_a_task_holds_up_nobody_else() {
    let _dog = watchdog();
    type Install = fn(&mut Builder, Arc<dyn Fn() + Send + Sync>);
    let hooks: [Install; 4] = [
        |builder, hook| _ = builder.on_worker_start(move |_| hook()),
        |builder, hook| _ = builder.on_thread_start(move || hook()),
        |builder, hook| _ = builder.on_thread_park(move || hook()),
        |builder, hook| _ = builder.on_thread_unpark(move || hook()),
    ];
    for n in [1, 2, 4, 8] {
        for install in hooks {
            for nth in 0..3 {
                let (ran, runs) = mpsc::channel::<()>();
                let (runs, calls) = (Mutex::new(runs), AtomicUsize::new(0));
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(n);
                let hook = move || {
                    if calls.fetch_add(1, Ordering::SeqCst) == nth {
                        let _ = runs.lock().unwrap().recv();
                    }
                };
                install(&mut builder, Arc::new(hook));
                let runtime = builder.build().expect("a runtime");
                // Each gives a worker a reason to get up and to fall asleep.
                for _ in 0..4 {
                    runtime.block_on(runtime.spawn(async {})).expect("it runs");
                }
                let ran = runtime.spawn(async move { drop(ran) });
                runtime.block_on(ran).expect("it runs");
            }
        }
    }
}

/// A waker that blocks until it is let go.
struct Blocks(Gate, mpsc::SyncSender<()>);

impl Wake for Blocks {
    fn wake(self: Arc<Self>) {
        let _ = self.1.try_send(());
        self.0.wait();
    }
}

#[test]
fn a_waker_that_blocks_in_a_workers_turn_holds_up_nobody_else() {
    let _dog = watchdog();
    for n in [1, 2, 4, 8] {
        let runtime = workers(n);
        let (open, gate) = Gate::new();
        let (begun, begins) = mpsc::sync_channel(1);
        let waker = Waker::from(Arc::new(Blocks(gate, begun)));
        let _inside = runtime.enter();
        let mut timer = pin!(sleep(Duration::from_millis(1)));
        let _ = timer.as_mut().poll(&mut Context::from_waker(&waker));
        begins.recv().expect("it fires");
        for _ in 0..10 {
            runtime.block_on(runtime.spawn(async {})).expect("it runs");
        }
        drop(open);
    }
}

#[test]
fn those_that_come_back_from_blocking_go_on_in_turn() {
    let _dog = watchdog();
    let workers = 2;
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        // Nobody is let in for having waited long.
        .stall_threshold(Duration::from_secs(3_600))
        .build()
        .expect("a runtime");
    let (going, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (all, gate) = Gate::new();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (going, most, gate) = (going.clone(), most.clone(), gate.clone());
            runtime.spawn(async move {
                task::block_in_place(|| gate.wait());
                most.fetch_max(going.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                burn(Duration::from_millis(1));
                going.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    drop(all);
    for task in tasks {
        runtime.block_on(task).expect("no panic");
    }
    // With workers and spares, and beyond them.
    let bound = 2 * workers + workers;
    assert!(most.load(Ordering::SeqCst) <= bound, "{most:?} of {bound}");
}

#[test]
fn those_that_come_back_from_blocking_and_block_again_hold_up_nobody() {
    let _dog = watchdog();
    let adrift = 8;
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        // Nobody is let in for having waited long.
        .stall_threshold(Duration::from_secs(3_600))
        .build()
        .expect("a runtime");
    let (all, gate) = Gate::new();
    let (end, ends) = Gate::new();
    let (tell, told) = mpsc::channel();
    let tasks: Vec<_> = (0..adrift)
        .map(|_| {
            let (gate, ends, tell) = (gate.clone(), ends.clone(), tell.clone());
            runtime.spawn(async move {
                task::block_in_place(|| {
                    tell.send(()).expect("the test waits");
                    gate.wait();
                });
                tell.send(()).expect("the test waits");
                ends.wait();
            })
        })
        .collect();
    (0..adrift).for_each(|_| told.recv().expect("it blocks in place"));
    // Their workers are in use as they come back.
    let (open, blocked) = Gate::new();
    let (last, ended) = oneshot::channel();
    runtime.block_on(async {
        chain(4, blocked.clone(), last);
        ended.await.expect("the last one tells");
    });
    drop(all);
    (0..adrift).for_each(|_| told.recv().expect("all of them go on"));
    let (last, ended) = oneshot::channel();
    runtime.block_on(async {
        chain(4, blocked, last);
        ended.await.expect("the last one tells");
    });
    drop((open, end));
    for task in tasks {
        runtime.block_on(task).expect("no panic");
    }
}

#[test]
fn workers_come_and_go_beside_polls_that_block() {
    let _dog = watchdog();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .max_worker_threads(4)
        .build()
        .expect("a runtime");
    for round in 0..60 {
        let (open, gate) = Gate::new();
        let (end, ended) = oneshot::channel();
        runtime.block_on(async {
            chain(6, gate, end);
            runtime
                .handle()
                .set_worker_threads(1 + round % 4)
                .expect("there is room");
            ended.await.expect("the last one tells");
        });
        drop(open);
    }
    runtime
        .handle()
        .set_worker_threads(4)
        .expect("there is room");
    assert_eq!(runtime.metrics().num_workers(), 4);
    runtime.block_on(runtime.spawn(async {})).expect("it runs");
}
