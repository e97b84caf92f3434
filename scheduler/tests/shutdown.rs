//! The end of a runtime: what becomes of its tasks, its threads, and of what is done to it meanwhile and afterwards.

#[path = "support/watch.rs"]
mod watch;

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use heist_reactor::time::sleep;
use heist_scheduler::runtime::{Builder, Handle, Runtime};
use heist_scheduler::task::{self, JoinHandle};
use watch::{Count, current_thread, each_kind, on_drop, watchdog, workers};

/// Lets a task come to its first await before the runtime is touched.
fn start(runtime: &Runtime, future: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let (send, receive) = mpsc::channel::<()>();
    let handle = runtime.spawn(async move {
        let mut future = pin!(future);
        let mut first = Some(send);
        poll_fn(move |cx| {
            let polled = future.as_mut().poll(cx);
            drop(first.take());
            polled
        })
        .await;
    });
    while receive.try_recv() == Err(mpsc::TryRecvError::Empty) {
        runtime.block_on(task::yield_now());
    }
    handle
}

#[test]
fn a_shutdown_with_a_limit_does_not_wait_for_what_is_held_up() {
    let _dog = watchdog();
    for in_pool in [false, true] {
        let runtime = workers(2);
        let (open, gate) = mpsc::channel::<()>();
        let (begun, begins) = mpsc::channel();
        let job = move || {
            begun.send(()).unwrap();
            let _ = gate.recv();
        };
        if in_pool {
            drop(runtime.spawn_blocking(job));
        } else {
            drop(runtime.spawn(async move { job() }));
        }
        begins.recv().unwrap();
        let before = Instant::now();
        runtime.shutdown_timeout(Duration::from_millis(50));
        let took = before.elapsed();
        assert!(took >= Duration::from_millis(50), "{took:?}");
        assert!(took < Duration::from_secs(30), "{took:?}");
        drop(open);
    }
}

/// What a thread-local's destructor waits for.
struct AtTheEnd(std::cell::RefCell<Option<Arc<Mutex<mpsc::Receiver<()>>>>>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            let _ = gate.lock().unwrap().recv();
        }
    }
}

thread_local! {
    static AT_THE_END: AtTheEnd = const { AtTheEnd(std::cell::RefCell::new(None)) };
}

#[test]
fn a_shutdown_with_a_limit_does_not_wait_for_the_destructors_of_thread_locals() {
    let _dog = watchdog();
    for in_pool in [false, true] {
        let runtime = workers(2);
        let (open, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let leave = move || AT_THE_END.with(|end| *end.0.borrow_mut() = Some(gate));
        let left = if in_pool {
            runtime.spawn_blocking(leave)
        } else {
            runtime.spawn(async move { leave() })
        };
        runtime.block_on(left).expect("no panic");
        // The gate opens after it has returned.
        runtime.shutdown_timeout(Duration::from_millis(50));
        drop(open);
    }
}

#[test]
fn a_shutdown_in_the_background_waits_for_nothing() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (open, gate) = mpsc::channel::<()>();
        let (begun, begins) = mpsc::channel();
        drop(runtime.spawn_blocking(move || {
            begun.send(()).unwrap();
            let _ = gate.recv();
        }));
        begins.recv().unwrap();
        runtime.shutdown_background();
        drop(open);
    }
}

#[test]
fn a_drop_at_shutdown_may_do_what_drops_do() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let handle = runtime.handle().clone();
        let locked = Arc::new(Mutex::new(()));
        let (count, drops) = Count::new();
        let count = Arc::new(count);
        let mut tasks = Vec::new();

        // Spawns, on its runtime and by the thread's own.
        let spawned = count.clone();
        tasks.push(start(&runtime, async move {
            let _guard = on_drop(move || {
                assert_eq!(Handle::current().id(), handle.id(), "in its runtime");
                let held = spawned.clone();
                drop(handle.spawn(async move { drop(held) }));
                drop(task::spawn(async move { drop(spawned) }));
            });
            pending::<()>().await;
        }));
        // Makes a timer and polls it.
        tasks.push(start(&runtime, async {
            let _guard = on_drop(|| {
                let mut sleep = pin!(sleep(Duration::from_millis(1)));
                let _ = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            });
            pending::<()>().await;
        }));
        // Wakes another task while it holds a lock that the other takes in its drop.
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let (slot, lock) = (waker.clone(), locked.clone());
        tasks.push(start(&runtime, async move {
            let _guard = on_drop(move || drop(lock.lock().unwrap()));
            poll_fn(|cx| {
                *slot.lock().unwrap() = Some(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        }));
        let lock = locked.clone();
        tasks.push(start(&runtime, async move {
            let _guard = on_drop(move || {
                let _held = lock.lock().unwrap();
                if let Some(waker) = waker.lock().unwrap().take() {
                    waker.wake();
                }
            });
            pending::<()>().await;
        }));
        // Panics.
        tasks.push(start(&runtime, async {
            let _guard = on_drop(|| panic!("in a drop at shutdown"));
            pending::<()>().await;
        }));
        // A thousand others, which are dropped all the same.
        for _ in 0..1_000 {
            let held = count.clone();
            drop(runtime.spawn(async move {
                let _held = held;
                pending::<()>().await;
            }));
        }
        drop(count);
        let metrics = runtime.metrics();
        drop(runtime);
        assert_eq!(drops.load(Ordering::SeqCst), 1, "all that held it are gone");
        assert_eq!(metrics.num_alive_tasks(), 0);
        for task in tasks {
            assert!(task.is_finished());
        }
    }
}

#[test]
fn a_task_dropped_in_a_shutdown_is_in_its_runtime_whatever_the_thread_has_entered() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let other = workers(1);
        let found = Arc::new(Mutex::new(None));
        let seen = found.clone();
        drop(start(&runtime, async move {
            let _guard = on_drop(move || {
                *seen.lock().unwrap() = Some(Handle::current().id());
            });
            pending::<()>().await;
        }));
        let id = runtime.handle().id();
        let _entered = other.enter();
        drop(runtime);
        assert_eq!(*found.lock().unwrap(), Some(id));
    }
}

#[test]
fn spawns_that_race_a_shutdown_are_answered() {
    let _dog = watchdog();
    for round in 0..200 {
        for runtime in [workers(1), workers(2), current_thread()] {
            let handle = runtime.handle().clone();
            let go = Arc::new(Barrier::new(2));
            let (count, drops) = Count::new();
            let count = Arc::new(count);
            let spawner = thread::spawn({
                let (go, handle) = (go.clone(), handle.clone());
                move || {
                    go.wait();
                    let mut tasks = Vec::new();
                    let mut jobs = Vec::new();
                    for _ in 0..50 {
                        let (held, also) = (count.clone(), count.clone());
                        tasks.push(handle.spawn(async move {
                            let _held = held;
                            task::yield_now().await;
                        }));
                        jobs.push(handle.spawn_blocking(move || drop(also)));
                    }
                    (tasks, jobs)
                }
            });
            go.wait();
            if round % 2 == 0 {
                thread::yield_now();
            }
            drop(runtime);
            let (tasks, jobs) = spawner.join().unwrap();
            let waiter = current_thread();
            for task in tasks.into_iter().chain(jobs) {
                if let Err(error) = waiter.block_on(task) {
                    assert!(error.is_cancelled());
                }
            }
            assert_eq!(handle.metrics().num_alive_tasks(), 0);
            assert_eq!(drops.load(Ordering::SeqCst), 1);
        }
    }
}

#[test]
fn a_runtime_that_has_ended_refuses_work_and_says_so() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let handle = runtime.handle().clone();
        drop(runtime);
        let waiter = current_thread();
        let (count, drops) = Count::new();
        let task = handle.spawn(async move { drop(count) });
        assert!(waiter.block_on(task).expect_err("refused").is_cancelled());
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        let (count, drops) = Count::new();
        let job = handle.spawn_blocking(move || drop(count));
        assert!(waiter.block_on(job).expect_err("refused").is_cancelled());
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        let _entered = handle.enter();
        drop(task::spawn(async {}));
    }
}

#[test]
fn a_runtime_dropped_where_futures_are_polled_ends_behind_the_scenes() {
    let _dog = watchdog();
    for outer in each_kind() {
        // Inside a `block_on`.
        for inner in each_kind() {
            outer.block_on(async move { drop(inner) });
        }
        // Inside a task of another runtime.
        for inner in each_kind() {
            outer
                .block_on(outer.spawn(async move { drop(inner) }))
                .expect("no panic");
        }
        // On a thread for blocking jobs, of another runtime and of its own.
        for inner in each_kind() {
            outer
                .block_on(outer.spawn_blocking(move || drop(inner)))
                .expect("no panic");
        }
    }
    for own in [workers(1), workers(2)] {
        let own = Arc::new(own);
        let held = own.clone();
        let (send, receive) = mpsc::channel();
        let (open, gate) = mpsc::channel::<()>();
        drop(own.spawn_blocking(move || {
            gate.recv().unwrap();
            drop(held);
            send.send(()).unwrap();
        }));
        drop(own);
        open.send(()).unwrap();
        receive.recv().unwrap();
    }
}

#[test]
fn a_task_may_drop_the_last_reference_to_its_own_runtime() {
    let _dog = watchdog();
    for n in [1, 2] {
        for _ in 0..100 {
            let runtime = Arc::new(workers(n));
            let held = runtime.clone();
            let (send, receive) = mpsc::channel();
            let (open, gate) = mpsc::channel::<()>();
            let task = runtime.spawn(async move {
                gate.recv().unwrap();
                drop(held);
                send.send(()).unwrap();
                // It is cancelled here.
                pending::<()>().await;
            });
            drop(runtime);
            open.send(()).unwrap();
            receive.recv().unwrap();
            let error = current_thread().block_on(task).expect_err("cancelled");
            assert!(error.is_cancelled());
        }
    }
}

#[test]
fn a_chain_of_tasks_that_hold_each_other_is_no_deep_recursion() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (count, drops) = Count::new();
        let first = runtime.spawn(async move {
            let _count = count;
            pending::<()>().await;
        });
        let mut last = first;
        for _ in 0..200_000 {
            let before = last;
            last = runtime.spawn(async move {
                let _ = before.await;
            });
        }
        drop(last);
        drop(runtime);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn one_task_may_wait_in_its_drop_for_the_drop_of_another() {
    let _dog = watchdog();
    // Each worker drops what is at its place, so that one may wait for the other.
    let runtime = workers(2);
    let (send, receive) = mpsc::channel::<()>();
    let (began, begins) = mpsc::channel();
    // Its poll lasts until the other task's future has been dropped.
    drop(runtime.spawn(async move {
        began.send(()).unwrap();
        assert!(receive.recv().is_err());
    }));
    begins.recv().unwrap();
    drop(start(&runtime, async move {
        let _send = send;
        pending::<()>().await;
    }));
    drop(runtime);
}

#[test]
fn wakers_outlive_their_runtime() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let wakers = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..100 {
            let wakers = wakers.clone();
            drop(start(&runtime, async move {
                poll_fn(|cx| {
                    let mut wakers = wakers.lock().unwrap();
                    wakers.push(cx.waker().clone());
                    wakers.push(cx.waker().clone());
                    Poll::<()>::Pending
                })
                .await;
            }));
        }
        drop(runtime);
        for (i, waker) in wakers.lock().unwrap().drain(..).enumerate() {
            waker.wake_by_ref();
            let again = waker.clone();
            match i % 3 {
                0 => waker.wake(),
                1 => drop(waker),
                _ => thread::spawn(move || waker.wake()).join().unwrap(),
            }
            again.wake();
        }
    }
}

#[test]
fn ten_thousand_runtimes_are_woken_from_outside_as_they_end() {
    let _dog = watchdog();
    let (send, receive) = mpsc::sync_channel::<Waker>(16);
    let waker_thread = thread::spawn(move || {
        for waker in receive {
            for _ in 0..20 {
                waker.wake_by_ref();
            }
            waker.wake();
        }
    });
    let polls = Arc::new(AtomicUsize::new(0));
    for i in 0..10_000 {
        // A runtime with threads takes so much longer to make that they are fewer.
        let runtime = match i % 20 {
            0 => workers(1),
            10 => workers(2),
            _ => current_thread(),
        };
        let (send, polls) = (send.clone(), polls.clone());
        drop(runtime.spawn(poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            let _ = send.try_send(cx.waker().clone());
            Poll::<()>::Pending
        })));
        runtime.block_on(task::yield_now());
    }
    drop(send);
    waker_thread.join().expect("no panic");
    assert!(polls.load(Ordering::Relaxed) > 9_000);
}

#[test]
fn hooks_that_panic_cost_nothing() {
    let _dog = watchdog();
    let called = Arc::new(AtomicUsize::new(0));
    let (starts, stops) = (called.clone(), called.clone());
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(move || {
            starts.fetch_add(1, Ordering::SeqCst);
            panic!("as a thread starts")
        })
        .on_thread_stop(move || {
            stops.fetch_add(1, Ordering::SeqCst);
            panic!("as a thread stops")
        })
        .build()
        .expect("a runtime");
    let answer = runtime.block_on(async {
        let job = task::spawn_blocking(|| 20);
        let task = task::spawn(async { 22 });
        job.await.unwrap() + task.await.unwrap()
    });
    assert_eq!(answer, 42);
    drop(runtime);
    let called = called.load(Ordering::SeqCst);
    assert!(called >= 6 && called.is_multiple_of(2), "{called}");
}

#[test]
fn a_name_that_panics_costs_the_name() {
    let _dog = watchdog();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name_fn(|| panic!("no name"))
        .build()
        .expect("a runtime");
    let answer = runtime.block_on(async {
        let job = task::spawn_blocking(|| 20);
        let task = task::spawn(async { 22 });
        job.await.unwrap() + task.await.unwrap()
    });
    assert_eq!(answer, 42);
}

#[test]
fn a_block_on_inside_a_current_thread_runtime_panics_and_harms_nothing() {
    let _dog = watchdog();
    let runtime = current_thread();
    let handle = runtime.handle().clone();
    let nested = handle.clone();
    let error = runtime
        .block_on(runtime.spawn(async move { nested.block_on(async {}) }))
        .expect_err("it panics");
    assert!(error.is_panic());
    assert!(error.to_string().contains("block_on"), "{error}");
    let inside = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { handle.block_on(async {}) })
    }));
    assert!(inside.is_err());
    let again = AtomicBool::new(false);
    runtime.block_on(async { again.store(true, Ordering::SeqCst) });
    assert!(again.load(Ordering::SeqCst));
}

#[test]
fn a_drop_that_panics_at_shutdown_keeps_no_other_task_from_its_own() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (kept, drops) = Count::new();
        let kept = Arc::new(kept);
        for i in 0..10 {
            let kept = kept.clone();
            drop(runtime.spawn(async move {
                let _kept = kept;
                // Not by `panic!`, whose hook would print it.
                let _bad = on_drop(move || {
                    if i == 3 {
                        std::panic::resume_unwind(Box::new(i));
                    }
                });
                std::future::pending::<()>().await;
            }));
        }
        runtime.block_on(task::yield_now());
        assert_eq!(Arc::strong_count(&kept), 11);
        drop(runtime);
        assert_eq!(Arc::strong_count(&kept), 1, "a task was left out");
        drop(kept);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}
