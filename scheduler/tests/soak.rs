//! Much of it, for long: tasks alive by the million, spawned by the ten million, runtimes by the ten thousand. Each
//! task runs exactly once, and the memory comes back.
//!
//! Here a tenth and less of it runs; `.ci/soak` sets `HEIST_SOAK=long`, and runs it all.
#![cfg(all(target_os = "linux", not(miri)))]

#[path = "../../reactor/tests/support/counting.rs"]
mod counting;
#[path = "support/watch.rs"]
mod watch;

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use counting::in_use;
use heist_scheduler::runtime::{Builder, Runtime};
use heist_scheduler::task;
use heist_sync::Notify;
use watch::workers;

/// The tests measure the memory of their process, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// `long` where the long form was asked for.
fn either(short: usize, long: usize) -> usize {
    if std::env::var("HEIST_SOAK").as_deref() == Ok("long") {
        long
    } else {
        short
    }
}

/// Fails if more is in use than `before`, a tenth, and a mebibyte: what the test harness may have written meanwhile, and the
/// old buffers of queues, which wait until all threads have looked away. A leak of two bytes a task would be more.
fn assert_back(before: usize, what: &str) {
    let after = in_use();
    println!(
        "{what}: {} KiB in use before, {} KiB after",
        before >> 10,
        after >> 10
    );
    assert!(
        after < before + before / 10 + (1 << 20),
        "{what} left memory behind"
    );
}

/// `n` tasks that are all alive at once before the first of them ends; each is polled twice.
fn all_alive(runtime: &Runtime, n: usize) {
    let runs: Arc<Vec<AtomicU8>> = Arc::new((0..n).map(|_| AtomicU8::new(0)).collect());
    let (begun, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let handles: Vec<_> = runtime.block_on(async {
        let spawning = (runs.clone(), begun.clone(), go.clone());
        let spawned = task::spawn(async move {
            let (runs, begun, go): (Arc<Vec<AtomicU8>>, Arc<AtomicUsize>, Arc<Notify>) = spawning;
            let one = |i: usize| {
                let (runs, begun, go) = (runs.clone(), begun.clone(), go.clone());
                async move {
                    let opened = go.notified();
                    begun.fetch_add(1, Ordering::Relaxed);
                    opened.await;
                    runs[i].fetch_add(1, Ordering::Relaxed);
                }
            };
            (0..n).map(|i| task::spawn(one(i))).collect()
        });
        let handles = spawned.await.expect("no panic");
        // Until each has been polled once.
        poll_fn(|cx| {
            if begun.load(Ordering::Relaxed) == n {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            std::thread::yield_now();
            Poll::Pending
        })
        .await;
        handles
    });
    assert_eq!(runtime.metrics().num_alive_tasks(), n);
    go.notify_waiters();
    runtime.block_on(async {
        for handle in handles {
            handle.await.expect("no panic");
        }
    });
    assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
}

#[test]
fn a_million_tasks_alive_at_once_leave_no_memory_behind() {
    let _turn = turn();
    let runtime = workers(2);
    all_alive(&runtime, 1_000);
    let before = in_use();
    all_alive(&runtime, either(100_000, 1_000_000));
    // A queue that has shrunk leaves its old buffers behind until thieves have come by again.
    (0..100).for_each(|_| all_alive(&runtime, 1_000));
    assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    assert_back(before, "tasks alive at once");
}

#[test]
fn ten_million_tasks_one_after_the_other_leave_no_memory_behind() {
    let _turn = turn();
    let runtime = workers(2);
    let ran = Arc::new(AtomicUsize::new(0));
    let wave = |n: usize| {
        let ran = ran.clone();
        runtime.block_on(async move {
            // From inside, in batches of a thousand; every third is joined, the others are left to themselves.
            let spawned = task::spawn(async move {
                for _ in 0..n / 1_000 {
                    let mut joined = Vec::new();
                    for i in 0..1_000 {
                        let ran = ran.clone();
                        let handle = task::spawn(async move {
                            ran.fetch_add(1, Ordering::Relaxed);
                        });
                        if i % 3 == 0 {
                            joined.push(handle);
                        }
                    }
                    for handle in joined {
                        handle.await.expect("no panic");
                    }
                }
            });
            spawned.await.expect("no panic");
        });
    };
    let total = either(500_000, 10_000_000);
    wave(total / 10);
    let before = in_use();
    wave(total);
    while runtime.metrics().num_alive_tasks() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(ran.load(Ordering::Relaxed), total + total / 10);
    assert_back(before, "tasks one after the other");
}

#[test]
fn ten_thousand_runtimes_leave_no_memory_behind() {
    let _turn = turn();
    let cycle = |i: usize| {
        let mut builder = match i % 3 {
            0 => Builder::new_current_thread(),
            n => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(n);
                builder
            }
        };
        let runtime = builder.build().expect("a runtime");
        let done = Arc::new(AtomicBool::new(false));
        let ends = done.clone();
        drop(runtime.spawn(std::future::pending::<()>()));
        runtime
            .block_on(runtime.spawn(async move { ends.store(true, Ordering::Relaxed) }))
            .expect("no panic");
        assert!(done.load(Ordering::Relaxed));
        if i.is_multiple_of(2) {
            runtime.shutdown_timeout(Duration::from_secs(60));
        }
    };
    let total = either(300, 10_000);
    (0..total / 10).for_each(cycle);
    let before = in_use();
    let open = descriptors();
    (0..total).for_each(cycle);
    assert_back(before, "runtimes");
    assert_eq!(descriptors(), open);
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .expect("Linux has it")
        .count()
}
