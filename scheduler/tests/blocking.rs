//! Blocking jobs: they run or are refused, and their handles always say which.

#[path = "support/watch.rs"]
mod watch;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use heist_scheduler::runtime::{Builder, Handle, Runtime};
use heist_scheduler::task::{self, LocalSet};
use heist_sync::coop;
use watch::{Count, current_thread, each_kind, watchdog, workers};

/// A runtime with one worker, and so many threads for blocking jobs.
fn with_pool(threads: usize, keep_alive: Duration) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(threads)
        .thread_keep_alive(keep_alive)
        .build()
        .expect("a runtime")
}

#[test]
fn jobs_run_while_threads_come_and_go() {
    let _dog = watchdog();
    // Threads give up at once, so each job meets one that is just ending.
    for keep_alive in [
        Duration::ZERO,
        Duration::from_micros(50),
        Duration::from_millis(1),
    ] {
        for threads in [1, 2, 8] {
            let runtime = with_pool(threads, keep_alive);
            for round in 0..500 {
                let jobs: Vec<_> = (0..round % 5 + 1)
                    .map(|i| runtime.spawn_blocking(move || i))
                    .collect();
                for (i, job) in jobs.into_iter().enumerate() {
                    assert_eq!(runtime.block_on(job).unwrap(), i);
                }
            }
            assert!(runtime.metrics().num_blocking_threads() <= threads);
        }
    }
}

#[test]
fn no_more_threads_than_allowed_and_the_others_wait_in_order() {
    let _dog = watchdog();
    let runtime = with_pool(1, Duration::from_secs(10));
    let (send, order) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    drop(runtime.spawn_blocking(move || gate.recv().is_err()));
    for i in 0..100 {
        let send = send.clone();
        drop(runtime.spawn_blocking(move || send.send(i).unwrap()));
    }
    drop(send);
    assert_eq!(runtime.metrics().num_blocking_threads(), 1);
    drop(open);
    assert_eq!(
        order.iter().collect::<Vec<_>>(),
        (0..100).collect::<Vec<_>>()
    );
}

#[test]
fn the_counts_of_threads_are_exact_at_rest() {
    let _dog = watchdog();
    for runtime in each_kind() {
        for _ in 0..20 {
            let jobs: Vec<_> = (0..20).map(|_| runtime.spawn_blocking(|| {})).collect();
            for job in jobs {
                runtime.block_on(job).unwrap();
            }
            let metrics = runtime.metrics();
            // A thread is idle a moment after its job is complete.
            while metrics.num_idle_blocking_threads() != metrics.num_blocking_threads() {
                thread::yield_now();
            }
        }
    }
}

#[test]
fn a_job_that_panics_is_its_joiners_and_costs_no_thread() {
    let _dog = watchdog();
    let runtime = with_pool(2, Duration::from_secs(10));
    for i in 0..200 {
        let job = runtime.spawn_blocking(move || panic!("job {i}"));
        let error = runtime.block_on(job).expect_err("a panic");
        assert!(error.is_panic());
        assert!(error.to_string().contains("job"), "{error}");
    }
    assert!(runtime.metrics().num_blocking_threads() <= 2);
    assert_eq!(runtime.block_on(runtime.spawn_blocking(|| 3)).unwrap(), 3);
}

#[test]
fn an_abort_keeps_a_job_from_starting_and_does_nothing_to_one_that_runs() {
    let _dog = watchdog();
    let runtime = with_pool(1, Duration::from_secs(10));
    let (open, gate) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let runs = runtime.spawn_blocking(move || {
        begun.send(()).unwrap();
        gate.recv().is_err()
    });
    begins.recv().unwrap();
    let (count, drops) = Count::new();
    let waits = runtime.spawn_blocking(move || {
        let _count = count;
        unreachable!("aborted before it began");
    });
    runs.abort();
    waits.abort();
    drop(open);
    assert!(runtime.block_on(runs).expect("it ran to its end"));
    let error = runtime.block_on(waits).expect_err("aborted");
    assert!(error.is_cancelled());
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_shutdown_drops_what_is_queued_and_waits_for_what_runs() {
    let _dog = watchdog();
    for _ in 0..50 {
        let runtime = with_pool(1, Duration::from_secs(10));
        let finished = Arc::new(AtomicUsize::new(0));
        let counts = finished.clone();
        let (begun, begins) = mpsc::channel();
        let runs = runtime.spawn_blocking(move || {
            begun.send(()).unwrap();
            for _ in 0..1_000 {
                thread::yield_now();
            }
            counts.fetch_add(1, Ordering::SeqCst);
        });
        let (count, drops) = Count::new();
        let count = Arc::new(count);
        let waiting: Vec<_> = (0..50)
            .map(|i| {
                let count = count.clone();
                runtime.spawn_blocking(move || {
                    let _count = count;
                    // One that would panic in its drop harms none of the others.
                    assert!(i != 3, "job 3");
                })
            })
            .collect();
        drop(count);
        begins.recv().unwrap();
        drop(runtime);
        assert_eq!(finished.load(Ordering::SeqCst), 1);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        let waiter = current_thread();
        waiter.block_on(runs).expect("it ran to its end");
        for job in waiting {
            assert!(job.is_finished());
            if let Err(error) = waiter.block_on(job) {
                assert!(error.is_cancelled() || error.is_panic());
            }
        }
    }
}

#[test]
fn a_job_may_spawn_block_and_start_other_jobs() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let answer = runtime.block_on(async {
            task::spawn_blocking(|| {
                let handle = Handle::current();
                let inner = task::spawn_blocking(|| 20);
                let task = task::spawn(async { 22 });
                handle.block_on(async { inner.await.unwrap() + task.await.unwrap() })
            })
            .await
            .unwrap()
        });
        assert_eq!(answer, 42);
    }
}

/// Whether what is polled here by a foreign `block_on` goes on for as long as it likes.
fn is_unlimited() -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    (0..1_000).all(|_| pin!(coop::consume_budget()).poll(&mut cx).is_ready())
}

#[test]
fn what_blocks_in_place_has_no_budget_wherever_it_is_called() {
    let _dog = watchdog();
    let runtime = workers(1);
    let blocks = async || {
        while coop::has_budget_remaining() {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = pin!(coop::consume_budget()).poll(&mut cx);
        }
        assert!(task::block_in_place(is_unlimited));
        assert!(!coop::has_budget_remaining(), "it is the poll's again");
    };
    runtime.block_on(blocks());
    runtime.block_on(async { runtime.spawn(blocks()).await.expect("no panic") });
    LocalSet::new().block_on(&runtime, async {
        let task = task::spawn_local(async move { blocks().await });
        task.await.expect("no panic");
    });
    assert!(task::block_in_place(is_unlimited));
}

#[test]
fn jobs_have_ids_and_no_budget() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let job = runtime.spawn_blocking(|| {
            let handle = Handle::current();
            // Far more operations than a poll's budget: nobody waits for this thread.
            let all: Vec<_> = (0..1_000).map(|i| handle.spawn(async move { i })).collect();
            let sum = handle.block_on(async {
                let mut sum = 0;
                for task in all {
                    sum += task.await.unwrap();
                }
                sum
            });
            (task::id(), sum)
        });
        let id = job.id();
        assert_eq!(runtime.block_on(job).unwrap(), (id, 499_500));
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    }
}

#[test]
fn the_lone_thread_is_refused_and_the_job_says_so() {
    let _dog = watchdog();
    let runtime = Builder::new_current_thread()
        // More than there is of addresses.
        .thread_stack_size(1 << 50)
        .build()
        .expect("a current-thread runtime starts no thread");
    let (count, drops) = Count::new();
    let job = runtime.spawn_blocking(move || drop(count));
    let error = runtime.block_on(job).expect_err("no thread");
    assert!(error.is_cancelled());
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    assert_eq!(runtime.metrics().num_blocking_threads(), 0);
}

/// What a job may wait for without taking a thread from another: tasks, timers, channels.
#[test]
fn one_thread_is_enough_for_jobs_that_wait_for_tasks() {
    let _dog = watchdog();
    let runtime = with_pool(1, Duration::from_secs(10));
    let jobs: Vec<_> = (0..50_u32)
        .map(|i| {
            runtime.spawn_blocking(move || {
                let handle = Handle::current();
                let task = handle.spawn(async move {
                    task::yield_now().await;
                    i
                });
                handle.block_on(task).unwrap()
            })
        })
        .collect();
    for (i, job) in (0..).zip(jobs) {
        assert_eq!(runtime.block_on(job).unwrap(), i);
    }
    assert_eq!(runtime.metrics().num_blocking_threads(), 1);
}

/// One short job after the other, from a worker: each finds the pool's thread and the worker itself awake, about to
/// sleep or asleep.
#[test]
fn jobs_in_quick_succession_meet_threads_about_to_sleep() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let sum = runtime.block_on(runtime.spawn(async {
            let mut sum = 0;
            for i in 0..5_000_u64 {
                // Some are given time to fall asleep.
                if i % 50 == 0 {
                    task::spawn_blocking(|| thread::sleep(Duration::from_micros(30)))
                        .await
                        .unwrap();
                }
                sum += task::spawn_blocking(move || i).await.unwrap();
            }
            sum
        }));
        assert_eq!(sum.unwrap(), 12_497_500);
    }
}

#[cfg(target_os = "linux")]
mod refused {
    //! An operating system that gives a user no more threads.

    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use super::*;

    /// Runs the ignored test `name` in a process whose user may have so many threads; false where it can't be had.
    fn with_threads(limit: usize, name: &str) -> bool {
        let user = std::fs::metadata("/proc/self").expect("procfs").uid();
        // Shells don't agree on the option's letter.
        let limited = format!(
            "ulimit -u {limit} 2>/dev/null || ulimit -p {limit} || exit 126; exec \"$0\" \"$@\""
        );
        let mut command = Command::new("sh");
        command
            .args(["-c", &limited])
            .arg(std::env::current_exe().expect("this test"))
            .args(["--ignored", "--exact", name, "--test-threads=1"]);
        if user == 0 {
            // The limit doesn't bind root; this one has no other process.
            let nobody_elses = 60_000 + std::process::id() % 5_000;
            command.uid(nobody_elses).gid(nobody_elses);
        } else if limit > 1 {
            // This user's other processes count too.
            return false;
        }
        match command.output() {
            Ok(output) if output.status.success() => true,
            Ok(output) if output.status.code() == Some(126) => false,
            Ok(output) => panic!("{output:?}"),
            Err(_) => false,
        }
    }

    #[test]
    fn a_job_without_any_thread_resolves() {
        let _dog = watchdog();
        with_threads(1, "refused::inner_no_thread");
    }

    #[test]
    #[ignore = "run by the test above, under a limit"]
    fn inner_no_thread() {
        let runtime = current_thread();
        for _ in 0..3 {
            let (count, drops) = Count::new();
            let job = runtime.spawn_blocking(move || drop(count));
            assert!(runtime.block_on(job).expect_err("no thread").is_cancelled());
            assert_eq!(drops.load(Ordering::SeqCst), 1);
            let metrics = runtime.metrics();
            let counts = (
                metrics.num_blocking_threads(),
                metrics.num_idle_blocking_threads(),
            );
            assert_eq!(counts, (0, 0));
        }
    }

    #[test]
    fn jobs_make_do_with_the_threads_there_are() {
        let _dog = watchdog();
        with_threads(3, "refused::inner_few_threads");
    }

    #[test]
    #[ignore = "run by the test above, under a limit"]
    fn inner_few_threads() {
        let runtime = current_thread();
        for _ in 0..100 {
            let jobs: Vec<_> = (0..20).map(|i| runtime.spawn_blocking(move || i)).collect();
            for (i, job) in jobs.into_iter().enumerate() {
                assert_eq!(runtime.block_on(job).expect("a thread is there"), i);
            }
            let threads = runtime.metrics().num_blocking_threads();
            assert!((1..=2).contains(&threads), "{threads} beside this one");
        }
    }
}
