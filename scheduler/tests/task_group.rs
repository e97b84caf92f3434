//! What a group of tasks promises: they begin and end together, and the first failure ends all.

#[path = "support/watch.rs"]
mod watch;

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;

use heist_scheduler::task::task_group::{Failure, Spawner};
use heist_scheduler::task::{self, TaskGroup};
use heist_sync::oneshot;
use watch::{Count, current_thread, each_kind, on_drop, watchdog, workers};

#[test]
fn outputs_come_in_the_order_of_spawning() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let outputs = runtime.block_on(async {
            let mut group = TaskGroup::<_, ()>::new();
            for i in 0..100 {
                group.spawn(async move {
                    for _ in 0..(100 - i) {
                        task::yield_now().await;
                    }
                    Ok(i)
                });
            }
            group.join().await.expect("no failure")
        });
        assert_eq!(outputs, (0..100).collect::<Vec<_>>());
        let empty = runtime.block_on(TaskGroup::<(), ()>::new().join());
        assert_eq!(empty.expect("no failure"), []);
    }
}

#[test]
fn the_first_error_cancels_the_others_and_join_waits_until_they_are_dropped() {
    let _dog = watchdog();
    for runtime in each_kind() {
        runtime.block_on(async {
            let mut group = TaskGroup::<(), &str>::new();
            let (count, drops) = Count::new();
            let count = Arc::new(count);
            for _ in 0..10 {
                let count = count.clone();
                group.spawn(async move {
                    let _count = count;
                    pending().await
                });
            }
            drop(count);
            let failing = group.spawn(async {
                task::yield_now().await;
                Err("no")
            });
            let error = group.join().await.expect_err("one failed");
            assert_eq!(drops.load(Ordering::SeqCst), 1, "all futures are gone");
            assert_eq!(error.failures().len(), 1, "the cancelled haven't failed");
            assert!(matches!(error.first(), Failure::Error(id, "no") if Some(*id) == failing));
            assert_eq!(error.to_string(), "a task of the group failed: no");
        });
    }
}

#[test]
fn a_failure_cancels_at_once_and_lets_no_more_children_in() {
    let _dog = watchdog();
    let runtime = workers(1);
    let (dropped, drops) = mpsc::channel();
    let mut group = TaskGroup::<(), ()>::new();
    group.spawn_on(
        async move {
            let _dropped = on_drop(move || dropped.send(()).expect("the test waits"));
            pending().await
        },
        runtime.handle(),
    );
    group.spawn_on(async { panic!("the text") }, runtime.handle());
    // Nobody has polled a join.
    drops.recv().expect("dropped");
    let (count, refused) = Count::new();
    let late = group.spawn_on(
        async move {
            drop(count);
            Ok(())
        },
        runtime.handle(),
    );
    assert!(late.is_none());
    assert_eq!(refused.load(Ordering::SeqCst), 1);
    let error = runtime.block_on(group.join()).expect_err("one panicked");
    let mut failures = error.into_failures();
    assert_eq!(failures.len(), 1);
    let Some(Failure::Join(error)) = failures.pop() else {
        panic!("a panic is a JoinError")
    };
    let payload = error.into_panic();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"the text"));
}

#[test]
fn children_that_fail_on_their_way_out_are_reported_after_the_first() {
    let _dog = watchdog();
    for runtime in each_kind() {
        runtime.block_on(async {
            let mut group = TaskGroup::<(), &str>::new();
            group.spawn(async {
                let _panics = on_drop(|| panic!("in a drop"));
                pending().await
            });
            task::yield_now().await;
            group.spawn(async { Err("first") });
            let error = group.join().await.expect_err("two failed");
            assert!(matches!(error.first(), Failure::Error(_, "first")));
            // Where the other one was never polled, there is nothing in it to panic.
            for other in &error.failures()[1..] {
                assert!(matches!(other, Failure::Join(error) if error.is_panic()));
                assert!(error.to_string().ends_with("first (and 1 more)"));
            }
        });
    }
}

/// Spawns two more of itself, down to `depth`, and counts.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn cannot say that it is Send"
)]
fn tree(
    depth: u32,
    count: Arc<AtomicUsize>,
    children: Spawner<(), ()>,
) -> impl Future<Output = Result<(), ()>> + Send {
    async move {
        count.fetch_add(1, Ordering::SeqCst);
        for _ in 0..if depth == 0 { 0 } else { 2 } {
            let child = tree(depth - 1, count.clone(), children.clone());
            assert!(children.spawn(child).is_some());
        }
        Ok(())
    }
}

#[test]
fn children_may_spawn_children_and_join_waits_for_all() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let count = Arc::new(AtomicUsize::new(0));
        let group = TaskGroup::new();
        let spawner = group.spawner();
        let seen = count.clone();
        runtime.block_on(async move {
            assert!(
                group
                    .spawner()
                    .spawn(tree(9, seen, group.spawner()))
                    .is_some()
            );
            let outputs = group.join().await.expect("no failure");
            assert_eq!(outputs.len(), 1_023);
            assert!(
                spawner.spawn(async { Ok(()) }).is_none(),
                "the group has ended"
            );
        });
        assert_eq!(count.load(Ordering::SeqCst), 1_023);
    }
}

#[test]
fn a_dropped_group_or_join_cancels_all() {
    let _dog = watchdog();
    for runtime in each_kind() {
        runtime.block_on(async {
            for joined in [false, true] {
                let (count, drops) = Count::new();
                let mut group = TaskGroup::<(), ()>::new();
                let spawner = group.spawner();
                group.spawn(async move {
                    let _count = count;
                    pending().await
                });
                task::yield_now().await;
                if joined {
                    let mut join = Box::pin(group.join());
                    let polled = poll_fn(|cx| Poll::Ready(join.as_mut().poll(cx).is_ready()));
                    assert!(!polled.await);
                } else {
                    drop(group);
                }
                while drops.load(Ordering::SeqCst) == 0 {
                    task::yield_now().await;
                }
                assert!(spawner.spawn(async { Ok(()) }).is_none());
            }
        });
    }
}

#[test]
fn children_that_a_shutdown_drops_have_failed() {
    let _dog = watchdog();
    let runtime = workers(1);
    let mut group = TaskGroup::<(), ()>::new();
    group.spawn_on(pending(), runtime.handle());
    let handle = runtime.handle().clone();
    drop(runtime);
    assert!(group.spawn_on(pending(), &handle).is_none(), "cancelled");
    let error = current_thread()
        .block_on(group.join())
        .expect_err("dropped");
    assert!(matches!(error.first(), Failure::Join(error) if error.is_cancelled()));
    // And one that was refused from the start.
    let mut group = TaskGroup::<(), ()>::new();
    assert!(group.spawn_on(pending(), &handle).is_some());
    assert!(current_thread().block_on(group.join()).is_err());
}

#[test]
fn spawning_without_a_runtime_panics_and_leaves_the_group_whole() {
    let _dog = watchdog();
    let mut group = TaskGroup::<u8, ()>::new();
    let spawned = catch_unwind(AssertUnwindSafe(|| group.spawn(async { Ok(1) })));
    assert!(spawned.is_err());
    let runtime = current_thread();
    group.spawn_on(async { Ok(2) }, runtime.handle());
    assert_eq!(runtime.block_on(group.join()).expect("no failure"), [2]);
}

#[test]
fn children_outlived_by_a_wait_in_between_keep_no_memory() {
    let _dog = watchdog();
    current_thread().block_on(async {
        let value = Arc::new(());
        let mut group = TaskGroup::<(), ()>::new();
        for _ in 0..100 {
            let held = value.clone();
            let (sender, receiver) = oneshot::channel();
            group.spawn(async move {
                drop(held);
                sender.send(()).map_err(|_| ())
            });
            receiver.await.expect("sent");
        }
        while !group.is_empty() {
            task::yield_now().await;
        }
        assert_eq!(Arc::strong_count(&value), 1);
        assert_eq!(group.join().await.expect("no failure").len(), 100);
    });
}
