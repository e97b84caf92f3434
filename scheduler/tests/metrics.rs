//! What a runtime tells of itself, and that it is true once all is at rest.

#[path = "support/watch.rs"]
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use heist_scheduler::runtime::{Builder, RuntimeMetrics};
use heist_scheduler::task;
use watch::{current_thread, watchdog, workers};

/// The sum over the workers.
fn sum(metrics: &RuntimeMetrics, of: impl Fn(usize) -> u64) -> u64 {
    (0..metrics.num_workers()).map(of).sum()
}

#[test]
fn figures_agree_with_what_was_done() {
    let _dog = watchdog();
    // Without spares, which on a loaded machine would do a part that isn't asked for here.
    let multi_thread = |workers| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(workers).max_spare_workers(0);
        builder.build().expect("a runtime")
    };
    for runtime in [current_thread(), multi_thread(1), multi_thread(2)] {
        let metrics = runtime.metrics();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..20_000)
                .map(|_| task::spawn(task::yield_now()))
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
        });
        assert_eq!(metrics.spawned_tasks_count(), 20_000);
        assert_eq!(metrics.num_alive_tasks(), 0);
        assert_eq!(metrics.global_queue_depth(), 0);
        assert_eq!(
            sum(&metrics, |i| metrics.worker_local_queue_depth(i) as u64),
            0
        );
        let polls = sum(&metrics, |i| metrics.worker_poll_count(i));
        assert!(polls <= 40_000, "{polls} polls");
        let queued = metrics.remote_schedule_count()
            + sum(&metrics, |i| metrics.worker_local_schedule_count(i));
        assert!(queued >= polls, "{queued} queued, {polls} polls");
        let buckets = 0..metrics.poll_time_histogram_num_buckets();
        let timed: u64 = buckets
            .map(|b| sum(&metrics, |i| metrics.poll_time_histogram_bucket_count(i, b)))
            .sum();
        assert!(timed <= polls / 64 + 3, "{timed} timed of {polls}");
    }
}

#[test]
fn a_long_poll_is_seen_in_the_histogram_and_the_mean() {
    let _dog = watchdog();
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let metrics = runtime.metrics();
    assert!(metrics.poll_time_histogram_enabled());
    assert_eq!(metrics.worker_mean_poll_time(0), Duration::ZERO);
    runtime.block_on(async {
        for _ in 0..200 {
            task::spawn(async {
                let until = Instant::now() + Duration::from_micros(300);
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
            })
            .await
            .expect("no panic");
        }
    });
    assert!(metrics.worker_mean_poll_time(0) >= Duration::from_micros(300));
    let long: u64 = (0..metrics.poll_time_histogram_num_buckets())
        .filter(|&b| metrics.poll_time_histogram_bucket_range(b).end > Duration::from_micros(300))
        .map(|b| metrics.poll_time_histogram_bucket_count(0, b))
        .sum();
    assert!((2..=4).contains(&long), "{long} of 200 were timed");
    let waited: u64 = (0..metrics.poll_time_histogram_num_buckets())
        .map(|b| metrics.schedule_latency_histogram_bucket_count(0, b))
        .sum();
    assert!(waited >= 1, "the wait of some task was taken");
}

#[test]
fn what_lies_in_queues_is_counted_and_what_is_not_there_is_refused() {
    let _dog = watchdog();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_spare_workers(0)
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    let metrics = runtime.metrics();
    let (open, gate) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let holds = runtime.spawn(async move {
        for _ in 0..3 {
            drop(task::spawn(async {}));
        }
        begun.send(()).expect("the test waits");
        let _ = gate.recv();
    });
    begins.recv().expect("it begins");
    assert_eq!(
        metrics.worker_local_queue_depth(0),
        3,
        "one of them in the slot"
    );
    drop(runtime.spawn(async {}));
    assert_eq!(metrics.global_queue_depth(), 1);
    drop(open);
    runtime.block_on(holds).expect("no panic");

    let (open, gate) = mpsc::channel::<()>();
    let first = runtime.spawn_blocking(move || {
        let _ = gate.recv();
    });
    let second = runtime.spawn_blocking(|| {});
    while metrics.blocking_queue_depth() != 1 {
        std::thread::yield_now();
    }
    drop(open);
    runtime.block_on(async {
        first.await.expect("no panic");
        second.await.expect("no panic");
    });
    assert_eq!(metrics.blocking_queue_depth(), 0);
    for refused in [
        catch_unwind(AssertUnwindSafe(|| metrics.worker_poll_count(100))).is_err(),
        catch_unwind(AssertUnwindSafe(|| {
            metrics.poll_time_histogram_bucket_range(100)
        }))
        .is_err(),
        catch_unwind(AssertUnwindSafe(|| {
            metrics.poll_time_histogram_bucket_count(0, 100)
        }))
        .is_err(),
    ] {
        assert!(refused);
    }
}

#[test]
fn a_snapshot_changes_nothing() {
    let _dog = watchdog();
    let runtime = workers(2);
    runtime.block_on(runtime.spawn(async {})).expect("no panic");
    let metrics = runtime.metrics();
    // It takes a moment until the workers have gone to sleep.
    let read = || {
        let parks = sum(&metrics, |i| metrics.worker_park_count(i));
        (metrics.wake_count(), parks, metrics.spawned_tasks_count())
    };
    let mut before = read();
    let mut same = 0;
    while same < 1_000 {
        std::thread::yield_now();
        let now = read();
        same = if now == before { same + 1 } else { 0 };
        before = now;
    }
}
