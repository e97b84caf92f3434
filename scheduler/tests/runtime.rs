//! The runtime does what a runtime is for, in each flavour.

use heist_scheduler::runtime::{Builder, Handle, Runtime};
use heist_scheduler::task;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A current-thread runtime, and some with several workers.
fn runtimes() -> Vec<Runtime> {
    let mut all = vec![
        Builder::new_current_thread()
            .build()
            .expect("a current-thread runtime"),
    ];
    for workers in [1, 2, 4] {
        all.push(
            Builder::new_multi_thread()
                .worker_threads(workers)
                .build()
                .expect("a multi-thread runtime"),
        );
    }
    all
}

#[test]
fn tasks_run_and_are_joined() {
    for runtime in runtimes() {
        let sum: usize = runtime.block_on(async {
            let tasks: Vec<_> = (0..1_000)
                .map(|i| {
                    task::spawn(async move {
                        task::yield_now().await;
                        i
                    })
                })
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.expect("no panic");
            }
            sum
        });
        assert_eq!(sum, 499_500);
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    }
}

#[test]
fn a_panic_is_the_joiners() {
    for runtime in runtimes() {
        let handle = runtime.spawn(async { panic!("oh") });
        let error = runtime.block_on(handle).expect_err("it panicked");
        assert!(error.is_panic());
        assert!(error.to_string().contains("oh"), "{error}");
    }
}

/// Counts its drops.
struct Count(Arc<AtomicUsize>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_dropped_runtime_drops_its_tasks() {
    for runtime in runtimes() {
        let dropped = Arc::new(AtomicUsize::new(0));
        for i in 0..100 {
            let count = Count(dropped.clone());
            runtime.spawn(async move {
                if i % 2 == 0 {
                    task::yield_now().await;
                }
                std::future::pending::<()>().await;
                drop(count);
            });
        }
        drop(runtime);
        assert_eq!(dropped.load(Ordering::SeqCst), 100);
    }
}

#[test]
fn blocking_jobs_know_their_runtime() {
    for runtime in runtimes() {
        let answer = runtime.block_on(async {
            let job = task::spawn_blocking(|| {
                let handle = Handle::current();
                handle.block_on(async { 22 })
            });
            job.await.expect("no panic")
        });
        assert_eq!(answer, 22);
    }
}

#[test]
fn an_idle_runtime_wakes_for_work_from_outside() {
    for runtime in runtimes() {
        for round in 0..200 {
            let handle = runtime.spawn(async move { round });
            assert_eq!(runtime.block_on(handle).expect("no panic"), round);
        }
    }
}

#[test]
fn sleeps_end() {
    for runtime in runtimes() {
        runtime.block_on(async {
            let sleep = || heist_reactor::time::sleep(Duration::from_millis(2));
            let tasks: Vec<_> = (0..100).map(|_| task::spawn(sleep())).collect();
            sleep().await;
            for task in tasks {
                task.await.expect("no panic");
            }
        });
    }
}
