//! What joining a task from a thread promises.

#[path = "support/watch.rs"]
mod watch;

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use heist_scheduler::task::{self, AbortOnDropHandle, LocalSet};
use heist_sync::oneshot;
use watch::{current_thread, watchdog, workers};

#[test]
fn a_thread_waits_for_the_output_the_panic_or_the_abort() {
    let _dog = watchdog();
    let runtime = workers(2);
    assert_eq!(
        runtime
            .spawn(async { 1 })
            .blocking_join()
            .expect("no panic"),
        1
    );
    let panics = runtime.spawn(async { panic!("as it should") });
    assert!(
        panics
            .blocking_join()
            .map(|(): ()| ())
            .expect_err("a panic")
            .is_panic()
    );

    let (sender, receiver) = oneshot::channel();
    let waits = runtime.spawn(receiver);
    let joining = thread::spawn(move || waits.blocking_join());
    sender.send(2).expect("the task waits");
    let output = joining.join().expect("no panic").expect("no panic");
    assert_eq!(output, Ok(2));

    let left = runtime.spawn(pending::<()>());
    let joining = thread::spawn(move || left.blocking_join());
    drop(runtime);
    assert!(
        joining
            .join()
            .expect("no panic")
            .expect_err("dropped")
            .is_cancelled()
    );
}

#[test]
fn time_runs_out_without_harm() {
    let _dog = watchdog();
    let runtime = workers(1);
    let (sender, receiver) = oneshot::channel();
    let mut task = runtime.spawn(receiver);
    assert!(task.blocking_join_timeout(Duration::ZERO).is_none());
    assert!(
        task.blocking_join_timeout(Duration::from_millis(2))
            .is_none()
    );
    sender.send(3).expect("the task waits");
    let output = task.blocking_join_timeout(Duration::MAX).expect("no limit");
    assert_eq!(output.expect("no panic"), Ok(3));
    assert!(
        catch_unwind(AssertUnwindSafe(
            || task.blocking_join_timeout(Duration::MAX)
        ))
        .is_err()
    );
}

#[test]
fn where_it_could_wait_for_its_own_thread_it_panics() {
    let _dog = watchdog();
    let runtime = current_thread();
    let other = workers(1);
    let task = other.spawn(async {});
    let caught =
        runtime.block_on(async { catch_unwind(AssertUnwindSafe(|| task.blocking_join())) });
    assert!(caught.is_err());
    let local = LocalSet::new();
    let task = other.spawn(async {});
    let polled = local.block_on(&other, async {
        catch_unwind(AssertUnwindSafe(|| task.blocking_join()))
    });
    assert!(polled.is_err());
}

#[test]
fn a_worker_and_a_blocking_job_may_join() {
    let _dog = watchdog();
    let runtime = workers(2);
    let joined = runtime.block_on(async {
        let inner = task::spawn(async { 5 });
        let from_job = task::spawn_blocking(move || inner.blocking_join());
        let inner = from_job.await.expect("no panic").expect("no panic");
        let outer = task::spawn(async move { task::spawn(async { 1 }).blocking_join() });
        inner + outer.await.expect("no panic").expect("no panic")
    });
    assert_eq!(joined, 6);
}

#[test]
fn an_abort_on_drop_handle_aborts_unless_it_is_detached_or_done() {
    let _dog = watchdog();
    let runtime = workers(1);
    let waits = AbortOnDropHandle::new(runtime.spawn(pending::<()>()));
    let abort = waits.abort_handle();
    drop(waits);
    while !abort.is_finished() {
        thread::yield_now();
    }
    assert_eq!(
        runtime
            .block_on(AbortOnDropHandle::new(runtime.spawn(async { 1 })))
            .expect("no panic"),
        1
    );
    let (sender, receiver) = oneshot::channel::<()>();
    let detached = AbortOnDropHandle::new(runtime.spawn(receiver)).detach();
    sender.send(()).expect("the task waits");
    assert!(runtime.block_on(detached).expect("not aborted").is_ok());
}
