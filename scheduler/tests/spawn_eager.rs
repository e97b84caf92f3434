//! What an eager spawn promises: the first poll happens here and now, and what follows is a task like any other.

#[path = "support/watch.rs"]
mod watch;

use std::future::{Future, pending};
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use heist_scheduler::runtime::Handle;
use heist_scheduler::task;
use heist_sync::{coop, oneshot};
use watch::{Count, current_thread, each_kind, watchdog, workers};

#[test]
fn it_runs_here_up_to_its_first_wait_and_then_elsewhere() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (sender, receiver) = oneshot::channel::<u32>();
        let begun = Arc::new(AtomicBool::new(false));
        let (flag, here, id) = (begun.clone(), thread::current().id(), runtime.handle().id());
        // From a plain thread, which is inside the runtime for as long as the poll lasts.
        let task = runtime.handle().spawn_eager(async move {
            assert_eq!(thread::current().id(), here);
            assert_eq!(Handle::current().id(), id);
            let own = task::id();
            flag.store(true, Ordering::SeqCst);
            let n = receiver.await.expect("it is sent");
            assert_eq!((Handle::current().id(), task::id()), (id, own));
            n + 1
        });
        assert!(begun.load(Ordering::SeqCst) && !task.is_finished());
        assert!(Handle::try_current().is_err() && task::try_id().is_none());
        sender.send(1).expect("the task waits");
        assert_eq!(runtime.block_on(task).expect("no panic"), 2);
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    }
}

#[test]
fn what_has_nothing_to_wait_for_is_complete_at_once() {
    let _dog = watchdog();
    for runtime in each_kind() {
        runtime.block_on(async {
            let outer = task::spawn(async {
                let own = task::id();
                let done = task::spawn_eager(async { (7, task::id()) });
                assert!(done.is_finished());
                let (seven, inner) = done.await.expect("no panic");
                assert!(seven == 7 && inner != own && task::id() == own);
            });
            outer.await.expect("no panic");
        });
    }
}

#[test]
fn a_panic_in_the_first_poll_is_the_handles() {
    let _dog = watchdog();
    let runtime = current_thread();
    runtime.block_on(async {
        let (count, drops) = Count::new();
        let task = task::spawn_eager(async move {
            let _count = count;
            panic!("as it should");
        });
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        let error = task.await.map(|(): ()| ()).expect_err("a panic");
        assert!(error.is_panic());
        drop(task::spawn_eager(async { panic!("nobody asks") }));
    });
    assert!(
        catch_unwind(|| drop(task::spawn_eager(async {}))).is_err(),
        "no runtime"
    );
}

/// Spawns itself, to a depth.
fn nested(depth: u32, count: Arc<AtomicUsize>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        count.fetch_add(1, Ordering::SeqCst);
        if depth > 0 {
            drop(task::spawn_eager(nested(depth - 1, count)));
        }
    })
}

#[test]
fn a_chain_of_eager_tasks_is_as_deep_as_it_likes() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let count = Arc::new(AtomicUsize::new(0));
        drop(runtime.handle().spawn_eager(nested(10_000, count.clone())));
        runtime.block_on(async {
            while count.load(Ordering::SeqCst) < 10_001 {
                task::yield_now().await;
            }
        });
    }
}

#[test]
fn it_has_a_budget_of_its_own_and_leaves_its_spawners_alone() {
    let _dog = watchdog();
    current_thread().block_on(async {
        let spawner = task::spawn(async {
            for _ in 0..100 {
                coop::consume_budget().await;
            }
            let inner = task::spawn_eager(async {
                for _ in 0..128 {
                    coop::consume_budget().await;
                }
                assert!(!coop::has_budget_remaining());
                coop::consume_budget().await;
            });
            assert!(!inner.is_finished() && coop::has_budget_remaining());
            inner.await.expect("no panic");
        });
        spawner.await.expect("no panic");
    });
}

#[test]
fn it_yields_aborts_and_is_shut_down_as_any_task() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (count, drops) = Count::new();
        let (yields, aborted) = {
            let _entered = runtime.enter();
            let yields = task::spawn_eager(async {
                for _ in 0..10 {
                    task::yield_now().await;
                }
            });
            let aborted = task::spawn_eager(async move {
                let _count = count;
                pending::<()>().await;
            });
            (yields, aborted)
        };
        runtime.block_on(yields).expect("no panic");
        aborted.abort();
        assert!(
            runtime
                .block_on(aborted)
                .expect_err("aborted")
                .is_cancelled()
        );
        assert_eq!(drops.load(Ordering::SeqCst), 1);

        let handle = runtime.handle().clone();
        let left = handle.spawn_eager(pending::<()>());
        drop(runtime);
        assert!(left.is_finished());
        let late = handle.spawn_eager(async { unreachable!("the runtime has gone") });
        assert!(late.is_finished());
        let other = workers(1);
        assert!(
            other
                .block_on(late)
                .map(|(): ()| ())
                .expect_err("refused")
                .is_cancelled()
        );
    }
}
