//! Tasks: made, joined, yielding, nested; blocking calls; memory.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::rt::{OneTx as _, Rt};
use benches::measure::{nanos_each, resident_bytes};

const TASKS: usize = 100_000;

pub(super) fn from_a_task<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    async fn round<R: Rt>(count: usize) -> f64 {
        let start = Instant::now();
        let left = Arc::new(AtomicUsize::new(count));
        let (done, finished) = R::oneshot();
        let done = Arc::new(std::sync::Mutex::new(Some(done)));
        for _ in 0..count {
            let (left, done) = (left.clone(), done.clone());
            R::spawn_detached(async move {
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    done.lock().unwrap().take().unwrap().send(());
                }
            });
        }
        finished.await;
        nanos_each(start, count)
    }
    inside(runtime, async {
        round::<R>(TASKS / 10).await;
        round::<R>(TASKS).await
    })
}

pub(super) fn and_join<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    async fn round<R: Rt>(count: usize) -> f64 {
        let start = Instant::now();
        let tasks: Vec<_> = (0..count).map(|_| R::spawn(async {})).collect();
        for task in tasks {
            task.await;
        }
        nanos_each(start, count)
    }
    inside(runtime, async {
        round::<R>(TASKS / 10).await;
        round::<R>(TASKS).await
    })
}

pub(super) fn from_outside<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    let round = |count: usize| {
        let start = Instant::now();
        let tasks: Vec<_> = (0..count)
            .map(|_| runtime.spawn_from_outside(async {}))
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await;
            }
        });
        nanos_each(start, count)
    };
    round(TASKS / 10);
    vec![round(TASKS)]
}

pub(super) fn yields<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const YIELDS: usize = 1_000;
    async fn round<R: Rt>(count: usize) -> f64 {
        let start = Instant::now();
        let task = || {
            R::spawn(async {
                for _ in 0..YIELDS {
                    R::yield_now().await;
                }
            })
        };
        let tasks: Vec<_> = (0..count).map(|_| task()).collect();
        for task in tasks {
            task.await;
        }
        nanos_each(start, count * YIELDS)
    }
    inside(runtime, async {
        round::<R>(20).await;
        round::<R>(200).await
    })
}

pub(super) fn chained<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    fn link<R: Rt>(left: usize, done: R::OneTx<()>) {
        if left == 0 {
            return done.send(());
        }
        R::spawn_detached(async move { link::<R>(left - 1, done) });
    }
    async fn round<R: Rt>(count: usize) -> f64 {
        let start = Instant::now();
        let (done, finished) = R::oneshot();
        link::<R>(count, done);
        finished.await;
        nanos_each(start, count)
    }
    inside(runtime, async {
        round::<R>(TASKS / 10).await;
        round::<R>(TASKS).await
    })
}

pub(super) fn skynet<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    type Sum = Pin<Box<dyn Future<Output = u64> + Send>>;
    fn node<R: Rt>(first: u64, leaves: u64) -> Sum {
        Box::pin(async move {
            if leaves == 1 {
                return first;
            }
            let step = leaves / 10;
            let children: Vec<_> = (0..10)
                .map(|child| R::spawn(node::<R>(first + child * step, step)))
                .collect();
            let mut sum = 0;
            for child in children {
                sum += child.await;
            }
            sum
        })
    }
    const LEAVES: u64 = 1_000_000;
    inside(runtime, async {
        let start = Instant::now();
        assert_eq!(R::spawn(node::<R>(0, LEAVES)).await, 499_999_500_000);
        nanos_each(start, 1_111_111)
    })
}

pub(super) fn fib<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    type Output = Pin<Box<dyn Future<Output = (u64, usize)> + Send>>;
    /// The Fibonacci number, and how many tasks it took.
    fn node<R: Rt>(n: u64) -> Output {
        Box::pin(async move {
            if n < 2 {
                return (n, 0);
            }
            let left = R::spawn(node::<R>(n - 1));
            let right = R::spawn(node::<R>(n - 2));
            let (left, right) = (left.await, right.await);
            (left.0 + right.0, left.1 + right.1 + 2)
        })
    }
    inside(runtime, async {
        R::spawn(node::<R>(16)).await;
        let start = Instant::now();
        let (value, tasks) = R::spawn(node::<R>(24)).await;
        assert_eq!(value, 46_368);
        nanos_each(start, tasks)
    })
}

pub(super) fn blocking<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const CALLS: usize = 20_000;
    inside(runtime, async {
        for _ in 0..CALLS / 10 {
            R::spawn_blocking(|| ()).await;
        }
        let start = Instant::now();
        for _ in 0..CALLS {
            R::spawn_blocking(|| ()).await;
        }
        nanos_each(start, CALLS)
    })
}

pub(super) fn memory<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    async fn idle_tasks<R: Rt>(count: usize) {
        let started = Arc::new(AtomicUsize::new(0));
        for _ in 0..count {
            let started = started.clone();
            R::spawn_detached(async move {
                started.fetch_add(1, Ordering::AcqRel);
                drop(started);
                pending().await
            });
            // A few at a time, so that no queue grows with their number.
            R::yield_now().await;
        }
        while started.load(Ordering::Acquire) < count {
            R::yield_now().await;
        }
    }
    inside(runtime, async {
        idle_tasks::<R>(1_000).await;
        let before = resident_bytes();
        idle_tasks::<R>(TASKS).await;
        (resident_bytes() - before) as f64 / TASKS as f64
    })
}

/// Runs `shape` as a task, so that it measures what a worker sees, not what the thread in `block_on` sees.
pub(super) fn inside<R: Rt>(
    runtime: &R,
    shape: impl Future<Output = f64> + Send + 'static,
) -> Vec<f64> {
    vec![runtime.block_on(runtime.spawn_from_outside(shape))]
}
