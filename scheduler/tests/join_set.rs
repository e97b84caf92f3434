//! What a set of tasks promises: each is joined once, in the order in which they ended, and none outlives the set.

#[path = "support/watch.rs"]
mod watch;

use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use heist_reactor::testing::CountWakes;
use heist_scheduler::task::{self, JoinSet};
use heist_sync::oneshot;
use watch::{Count, current_thread, each_kind, watchdog, workers};

#[test]
fn every_task_is_joined_once_whatever_it_did() {
    let _dog = watchdog();
    for runtime in each_kind() {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            let fine: Vec<_> = (0..100).map(|i| set.spawn(async move { i }).id()).collect();
            let panics = set.spawn(async { panic!("as it should") }).id();
            let aborted = set.spawn(pending());
            let blocking = set.spawn_blocking(|| 1_000).id();
            aborted.abort();
            assert_eq!(set.len(), 103);
            let (mut sum, mut ids) = (0, Vec::new());
            while let Some(result) = set.join_next_with_id().await {
                match result {
                    Ok((id, i)) => {
                        sum += i;
                        assert!(id == blocking || fine[i] == id);
                        ids.push(id);
                    }
                    Err(error) => {
                        assert_eq!(error.is_panic(), error.id() == panics);
                        assert_eq!(error.is_cancelled(), error.id() == aborted.id());
                        ids.push(error.id());
                    }
                }
            }
            assert_eq!(sum, 4_950 + 1_000);
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), 103);
            assert!(set.is_empty() && set.try_join_next().is_none());
        });
    }
}

#[test]
fn tasks_are_joined_in_the_order_in_which_they_end() {
    let _dog = watchdog();
    current_thread().block_on(async {
        let mut set = JoinSet::new();
        let mut senders = Vec::new();
        for i in 0..3 {
            let (sender, receiver) = oneshot::channel::<()>();
            senders.push(sender);
            set.spawn(async move {
                receiver.await.expect("the sender sends");
                i
            });
        }
        for i in [1, 2, 0] {
            senders
                .remove(senders.len() - 3 + i)
                .send(())
                .expect("the task waits");
            senders.insert(i, oneshot::channel().0);
            assert_eq!(
                set.join_next()
                    .await
                    .expect("three tasks")
                    .expect("no panic"),
                i
            );
        }
    });
}

#[test]
fn a_set_dropped_or_shut_down_ends_its_tasks_and_a_detached_one_does_not() {
    let _dog = watchdog();
    for runtime in each_kind() {
        runtime.block_on(async {
            let (count, drops) = Count::new();
            let count = Arc::new(count);
            let sleeper = |kept: Arc<Count>| async move {
                let _kept = kept;
                pending::<()>().await;
            };
            let mut set = JoinSet::new();
            for _ in 0..10 {
                set.spawn(sleeper(count.clone()));
            }
            set.shutdown().await;
            assert!(set.is_empty());
            assert_eq!(Arc::strong_count(&count), 1, "the futures were dropped");

            set.spawn(sleeper(count.clone()));
            drop(set);
            while Arc::strong_count(&count) > 1 {
                task::yield_now().await;
            }

            let (sender, receiver) = oneshot::channel::<()>();
            let (done, finished) = oneshot::channel();
            let mut set = JoinSet::new();
            set.spawn(async move {
                receiver.await.expect("the sender sends");
                done.send(count).map_err(|_| ()).expect("somebody waits");
            });
            set.detach_all();
            assert!(set.is_empty() && set.join_next().await.is_none());
            set.spawn(ready(()));
            let _ = sender.send(());
            let count = finished.await.expect("the task ran on");
            set.join_next()
                .await
                .expect("the new one")
                .expect("no panic");
            assert!(
                set.join_next().await.is_none(),
                "the detached one isn't counted"
            );
            drop(count);
            assert_eq!(drops.load(Ordering::SeqCst), 1);
        });
    }
}

#[test]
fn a_poll_leaves_its_last_waker_which_a_task_spawned_later_wakes_too() {
    let _dog = watchdog();
    let runtime = workers(1);
    let ((first, first_waker), (last, last_waker)) = (CountWakes::new(), CountWakes::new());
    let mut set = JoinSet::new();
    let keep = set.spawn_on(pending::<()>(), runtime.handle());
    for waker in [first_waker, last_waker] {
        assert!(
            set.poll_join_next(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    assert_eq!(Arc::strong_count(&first), 1, "the first waker was dropped");
    let (tell, told) = mpsc::channel();
    set.spawn_on(
        async move { tell.send(()).expect("the test waits") },
        runtime.handle(),
    );
    told.recv().expect("the task runs");
    while set.try_join_next().is_none() {
        thread::yield_now();
    }
    keep.abort();
    while set.try_join_next().is_none() {
        thread::yield_now();
    }
    assert_eq!(first.get(), 0);
    assert_eq!(last.get(), 1, "once, until it is left again");
}

#[test]
fn a_task_that_ended_before_it_came_into_the_set_is_joined_too() {
    let _dog = watchdog();
    let runtime = workers(1);
    let handle = runtime.spawn(async { 5 });
    while !handle.is_finished() {
        thread::yield_now();
    }
    let mut set = JoinSet::new();
    set.insert(handle);
    let mut unwatched = Context::from_waker(Waker::noop());
    let Poll::Ready(Some(Ok(5))) = set.poll_join_next(&mut unwatched) else {
        panic!("it is complete");
    };
    // Tasks of a runtime that has gone are complete at once, and tell a set that waits already.
    let handle = runtime.handle().clone();
    drop(runtime);
    let (wakes, waker) = CountWakes::new();
    let other = workers(1);
    set.spawn_on(pending(), other.handle());
    assert!(
        set.poll_join_next(&mut Context::from_waker(&waker))
            .is_pending()
    );
    set.spawn_on(async { 6 }, &handle);
    assert_eq!(wakes.get(), 1);
    assert!(
        set.try_join_next()
            .expect("ended")
            .expect_err("refused")
            .is_cancelled()
    );
}

#[test]
fn join_all_gives_outputs_or_panics_with_the_tasks_panic_and_aborts_the_others() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let set: JoinSet<_> = {
            let _entered = runtime.enter();
            (0..10).map(|i| async move { i }).collect()
        };
        let mut outputs = runtime.block_on(set.join_all());
        outputs.sort();
        assert_eq!(outputs, (0..10).collect::<Vec<_>>());

        let (count, drops) = Count::new();
        let mut set = JoinSet::new();
        set.spawn_on(
            async move {
                let _count = count;
                pending::<()>().await;
            },
            runtime.handle(),
        );
        set.spawn_on(async { panic!("the text") }, runtime.handle());
        let caught = catch_unwind(AssertUnwindSafe(|| runtime.block_on(set.join_all())));
        let payload = caught.expect_err("a task panicked");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"the text"));
        runtime.block_on(async {
            while drops.load(Ordering::SeqCst) == 0 {
                task::yield_now().await;
            }
        });
    }
}

#[test]
fn joining_without_end_lets_others_run() {
    let _dog = watchdog();
    current_thread().block_on(async {
        let flag = Arc::new(AtomicUsize::new(0));
        let seen = flag.clone();
        let ended = Arc::new(AtomicUsize::new(0));
        let ends = || {
            let ended = ended.clone();
            async move { _ = ended.fetch_add(1, Ordering::SeqCst) }
        };
        let mut set: JoinSet<()> = (0..1_000).map(|_| ends()).collect();
        while ended.load(Ordering::SeqCst) < 1_000 {
            task::yield_now().await;
        }
        let other = task::spawn(async move { seen.store(1, Ordering::SeqCst) });
        // All have ended: without a budget this would be a single poll.
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            while let Some(result) = std::task::ready!(set.poll_join_next(cx)) {
                result.expect("no panic");
            }
            Poll::Ready(())
        })
        .await;
        assert!(polls >= 1_000 / 128, "{polls} polls");
        assert_eq!(flag.load(Ordering::SeqCst), 1);
        other.await.expect("no panic");
    });
}

#[test]
fn a_set_keeps_no_memory_of_what_was_joined() {
    let _dog = watchdog();
    current_thread().block_on(async {
        let value = Arc::new(());
        let mut set = JoinSet::new();
        for _ in 0..1_000 {
            let held = value.clone();
            set.spawn(async move { drop(held) });
            set.join_next().await.expect("one task").expect("no panic");
        }
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

/// Spawns the next one into a set of its own, and waits for it.
fn link(depth: u32, ends: Arc<AtomicUsize>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let mut set = JoinSet::new();
        if depth == 0 {
            ends.fetch_add(1, Ordering::SeqCst);
            pending::<()>().await;
        }
        set.spawn(link(depth - 1, ends));
        while set.join_next().await.is_some() {}
    })
}

#[test]
fn a_deep_chain_of_sets_is_dropped_without_recursion() {
    let _dog = watchdog();
    let depth = if cfg!(miri) { 10 } else { 20_000 };
    for runtime in each_kind() {
        let small = thread::Builder::new().stack_size(256 << 10);
        let dropping = small.spawn(move || {
            let ends = Arc::new(AtomicUsize::new(0));
            for shut_down in [false, true] {
                let mut set = JoinSet::new();
                set.spawn_on(link(depth, ends.clone()), runtime.handle());
                runtime.block_on(async {
                    while ends.swap(0, Ordering::SeqCst) == 0 {
                        task::yield_now().await;
                    }
                });
                if shut_down {
                    break;
                }
                drop(set);
                runtime.block_on(async {
                    while runtime.metrics().num_alive_tasks() > 0 {
                        task::yield_now().await;
                    }
                });
            }
            drop(runtime);
        });
        dropping.expect("a thread").join().expect("no overflow");
    }
}

#[test]
fn a_wait_that_is_dropped_loses_no_output() {
    let _dog = watchdog();
    current_thread().block_on(async {
        for wait in 0..10 {
            let mut set: JoinSet<usize> = (0..10).map(|i| async move { i }).collect();
            let mut sum = 0;
            while !set.is_empty() {
                let mut joining = Box::pin(set.join_next());
                let mut joined = None;
                for _ in 0..wait {
                    let polled = poll_fn(|cx| Poll::Ready(joining.as_mut().poll(cx))).await;
                    if let Poll::Ready(output) = polled {
                        joined = output;
                        break;
                    }
                    task::yield_now().await;
                }
                drop(joining);
                if joined.is_none() {
                    joined = set.try_join_next();
                    task::yield_now().await;
                }
                sum += joined.map_or(0, |output| output.expect("no panic"));
            }
            assert_eq!(sum, 45);
        }
    });
}
