//! A panic that the caller is to blame for points at the caller: each function that panics for how it is called.

use std::cell::RefCell;
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Duration;

use heist::runtime::{Builder, Handle, Runtime, UnhandledPanic};
use heist::task::{self, JoinSet, LocalSet, TaskGroup};
use heist::time::{Instant, interval, interval_at};

thread_local! {
    /// Where the panics of a call point that is being watched.
    static WATCHED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Where the panic of `f`, on this thread, points.
fn points_at(f: impl FnOnce()) -> Vec<String> {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            WATCHED.with_borrow_mut(|watched| match (watched, panic.location()) {
                (Some(seen), Some(location)) => seen.push(location.file().to_owned()),
                _ => usual(panic),
            });
        }));
    });
    WATCHED.set(Some(Vec::new()));
    let caught = catch_unwind(AssertUnwindSafe(f));
    let seen = WATCHED.take().expect("set above");
    assert!(caught.is_err(), "it didn't panic");
    seen
}

macro_rules! point_here {
    ($($call:expr;)*) => {$(
        let seen = points_at(|| {
            #[allow(clippy::let_underscore_future)]
            let _ = $call;
        });
        assert_eq!(seen, [file!()], "{}", stringify!($call));
    )*};
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn multi_thread() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).build().unwrap()
}

#[test]
fn outside_a_runtime() {
    let mut set = JoinSet::<()>::new();
    let mut group = TaskGroup::<(), ()>::new();
    let spawner = group.spawner();
    point_here! {
        Handle::current();
        heist::spawn(ready(()));
        task::spawn(ready(()));
        task::spawn_eager(ready(()));
        task::spawn_blocking(|| ());
        task::spawn_local(ready(()));
        task::id();
        task::Builder::new().spawn(ready(()));
        task::Builder::new().spawn_local(ready(()));
        task::Builder::new().spawn_blocking(|| ());
        set.spawn(ready(()));
        set.spawn_local(ready(()));
        set.spawn_blocking(|| ());
        set.build_task().spawn(ready(()));
        set.build_task().spawn_local(ready(()));
        set.build_task().spawn_blocking(|| ());
        set.extend([ready(())]);
        JoinSet::from_iter([ready(())]);
        group.spawn(ready(Ok(())));
        spawner.spawn(ready(Ok(())));
        heist::event_loop::EventLoop::current();
    }
    #[cfg(feature = "hyper")]
    point_here! {
        hyper::rt::Executor::execute(&heist::hyper::HeistExecutor::new(), ready(()));
    }
}

#[test]
fn what_is_given_a_zero_or_too_much() {
    let runtime = multi_thread();
    let metrics = runtime.metrics();
    let (mut now, far) = (Instant::now(), Duration::MAX);
    point_here! {
        Builder::new_multi_thread().worker_threads(0);
        Builder::new_multi_thread().max_blocking_threads(0);
        Builder::new_multi_thread().event_interval(0);
        Builder::new_multi_thread().global_queue_interval(0);
        runtime.handle().set_worker_threads(0);
        interval(Duration::ZERO);
        interval_at(now, Duration::ZERO);
        now + far;
        now - far;
        now += far;
        now -= far;
        metrics.poll_time_histogram_bucket_range(1_000);
        metrics.poll_time_histogram_bucket_count(1_000, 0);
        metrics.poll_time_histogram_bucket_count(0, 1_000);
        metrics.schedule_latency_histogram_bucket_count(1_000, 0);
        metrics.schedule_latency_histogram_bucket_count(0, 1_000);
        metrics.worker_poll_count(1_000);
        metrics.worker_steal_count(1_000);
        metrics.worker_park_count(1_000);
    }
}

#[test]
fn what_would_hold_a_current_thread_runtime_up() {
    let (outer, inner, workers) = (current_thread(), current_thread(), multi_thread());
    outer.block_on(async {
        let local = LocalSet::new();
        let mut joined = heist::spawn(pending::<()>());
        point_here! {
            inner.block_on(ready(()));
            inner.turn(None);
            inner.handle().block_on(ready(()));
            workers.block_on(ready(()));
            workers.handle().block_on(ready(()));
            current_thread().shutdown(Duration::ZERO);
            multi_thread().shutdown(Duration::ZERO);
            Handle::current().block_on(ready(()));
            local.block_on(&inner, ready(()));
            task::block_in_place(|| ());
            joined.blocking_join_timeout(Duration::ZERO);
            joined.blocking_join();
        }
    });
    point_here! {
        workers.turn(None);
    }
}

#[test]
fn what_is_asked_for_a_panic_that_there_was_not() {
    let runtime = multi_thread();
    let task = runtime.spawn(pending::<()>());
    task.abort();
    let error = runtime.block_on(task).unwrap_err();
    point_here! {
        error.into_panic();
    }
}

#[test]
fn a_select_without_a_branch_left() {
    point_here! {
        current_thread().block_on(async { heist::select! { Some(()) = ready(None) => () } });
    }
}

#[test]
fn what_a_panic_has_ended() {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        builder.worker_threads(1);
        builder.unhandled_panic(UnhandledPanic::ShutdownRuntime);
        let runtime = builder.build().unwrap();
        let handle = runtime.handle().clone();
        runtime.spawn(async { panic!("as it is meant to") });
        // On a current-thread runtime the task's own panic comes first, on this thread.
        points_at(|| runtime.block_on(pending::<()>()));
        point_here! {
            runtime.block_on(pending::<()>());
            runtime.block_on(ready(()));
            handle.block_on(ready(()));
        }
    }
}
