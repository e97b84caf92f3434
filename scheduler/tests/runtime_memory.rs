//! Whole runtimes, small enough for Miri: it sees each use after a free, each leak and each race, in what the tests of the
//! parts can't bring together. `.ci/miri` runs this with several seeds, in both models of what a reference promises.

#[path = "support/watch.rs"]
mod watch;

use std::any::Any;
use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use heist_reactor::time::{sleep, timeout};
use heist_scheduler::runtime::Runtime;
use heist_scheduler::task::{self, JoinSet, LocalSet, TaskGroup};
use heist_sync::{Mutex as TaskMutex, Notify, mpsc as channel, oneshot};
use watch::{Count, current_thread, watchdog, workers};

/// How often a race is run: Miri takes its time, and has its seeds.
const ROUNDS: usize = if cfg!(miri) { 1 } else { 300 };

fn both_kinds() -> [Runtime; 2] {
    [current_thread(), workers(2)]
}

/// What is forgotten lies here, so that Miri sees no leak.
static FORGOTTEN: Mutex<Vec<Box<dyn Any + Send>>> = Mutex::new(Vec::new());

/// Polls a future, twice where it is not done, with a waker of nobody's and forgets it.
fn forget(mut future: Pin<Box<impl Future + Send + 'static>>) {
    let mut cx = Context::from_waker(Waker::noop());
    let _ = future.as_mut().poll(&mut cx).is_ready() || future.as_mut().poll(&mut cx).is_ready();
    FORGOTTEN.lock().unwrap().push(Box::new(future));
}

#[test]
fn tasks_are_joined_detached_and_aborted() {
    let _dog = watchdog();
    for runtime in both_kinds() {
        let (count, drops) = Count::new();
        let count = Arc::new(count);
        let held = count.clone();
        runtime.block_on(async move {
            for round in 0..ROUNDS {
                let tasks: Vec<_> = (0..4)
                    .map(|i| {
                        let held = held.clone();
                        task::spawn(async move {
                            for _ in 0..i % 3 {
                                task::yield_now().await;
                            }
                            (held, Box::new(i))
                        })
                    })
                    .collect();
                for (i, task) in tasks.into_iter().enumerate() {
                    match (i + round) % 4 {
                        0 => drop(task),
                        1 => {
                            task.abort();
                            drop(task.await);
                        }
                        _ => assert_eq!(*task.await.expect("not aborted").1, i),
                    }
                }
            }
        });
        drop(runtime);
        assert_eq!(Arc::strong_count(&count), 1);
        drop(count);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn tasks_wake_each_other_across_workers() {
    let _dog = watchdog();
    for runtime in both_kinds() {
        let (one, mut from_one) = channel::channel::<oneshot::Sender<Box<usize>>>(1);
        let answers = runtime.spawn(async move {
            let mut n = 0;
            while let Some(to) = from_one.recv().await {
                n += 1;
                if n % 3 == 0 {
                    drop(to);
                } else {
                    let _ = to.send(Box::new(n));
                }
            }
            n
        });
        let asks = [0, 1].map(|asker| {
            let one = one.clone();
            runtime.spawn(async move {
                for round in 0..ROUNDS * 2 {
                    let (to, from) = oneshot::channel();
                    one.send(to).await.expect("it answers");
                    if (asker + round) % 4 == 0 {
                        drop(from);
                    } else {
                        let _ = from.await;
                    }
                }
            })
        });
        drop(one);
        for ask in asks {
            runtime.block_on(ask).expect("no panic");
        }
        assert_eq!(runtime.block_on(answers).expect("no panic"), ROUNDS * 4);
    }
}

#[test]
fn what_lies_in_the_slot_of_a_worker_that_blocks_is_taken_over() {
    let _dog = watchdog();
    let runtime = workers(2);
    for _ in 0..ROUNDS.min(20) {
        let (ran, runs) = mpsc::channel();
        let waits = runtime.spawn(async move {
            let slotted = task::spawn(async move { ran.send(Box::new(7)).expect("it waits") });
            // It can't run here.
            assert_eq!(*runs.recv().expect("it ran"), 7);
            slotted.await.expect("no panic");
        });
        runtime.block_on(waits).expect("no panic");
    }
}

#[test]
fn sets_and_groups_end_with_their_tasks() {
    let _dog = watchdog();
    for runtime in both_kinds() {
        runtime.block_on(async {
            let mut set = JoinSet::new();
            for i in 0..4 {
                set.spawn(async move {
                    task::yield_now().await;
                    Box::new(i)
                });
            }
            set.spawn_blocking(|| Box::new(4));
            let mut sum = 0;
            while let Some(result) = set.join_next().await {
                sum += *result.expect("no panic");
            }
            assert_eq!(sum, 10);
            set.spawn(pending());
            set.spawn(async { Box::new(1) });
            task::yield_now().await;
            set.detach_all();
            set.spawn(async { Box::new(2) });
            drop(set);

            let mut group = TaskGroup::<Box<i32>, Box<&str>>::new();
            let spawner = group.spawner();
            group.spawn(async move {
                spawner.spawn(async { Ok(Box::new(1)) });
                task::yield_now().await;
                Ok(Box::new(2))
            });
            assert_eq!(group.join().await.expect("no failure").len(), 2);
            let mut group = TaskGroup::<Box<i32>, Box<&str>>::new();
            group.spawn(pending());
            group.spawn(async { Err(Box::new("one")) });
            group.spawn(async { Ok(Box::new(1)) });
            assert!(group.join().await.is_err());
            let mut group = TaskGroup::<Box<i32>, Box<&str>>::new();
            group.spawn(pending());
            drop(group);
        });
    }
}

#[test]
fn local_tasks_are_woken_and_aborted_from_elsewhere() {
    let _dog = watchdog();
    for runtime in both_kinds() {
        for _ in 0..ROUNDS.min(20) {
            let set = LocalSet::new();
            let counter = Rc::new(Cell::new(0));
            let counted = counter.clone();
            set.block_on(&runtime, async {
                let (to, from) = oneshot::channel::<Box<i32>>();
                let waits = task::spawn_local(async move {
                    let got = from.await.expect("sent");
                    counted.set(*got);
                });
                let held = counter.clone();
                let aborted = task::spawn_local(async move {
                    let _held = held;
                    pending::<()>().await;
                });
                let abort = aborted.abort_handle();
                let elsewhere = task::spawn(async move {
                    let _ = to.send(Box::new(3));
                    abort.abort();
                });
                waits.await.expect("no panic");
                elsewhere.await.expect("no panic");
                drop(aborted);
            });
            let left = set.spawn_local(pending::<()>());
            set.block_on(&runtime, task::yield_now());
            assert_eq!(counter.get(), 3);
            let abort = left.abort_handle();
            let aborts = thread::spawn(move || abort.abort());
            drop(set);
            aborts.join().expect("no panic");
            assert_eq!(Rc::strong_count(&counter), 1);
            assert!(left.is_finished());
        }
    }
}

#[test]
fn futures_that_are_polled_and_forgotten_harm_nobody() {
    let _dog = watchdog();
    for runtime in both_kinds() {
        let (sender, receiver) = oneshot::channel::<Box<i32>>();
        let (rooms, mut receives) = channel::channel::<Box<i32>>(1);
        rooms.try_send(Box::new(1)).expect("there is room");
        let (notify, lock) = (Arc::new(Notify::new()), Arc::new(TaskMutex::new(0)));
        let held = runtime.block_on(lock.clone().lock_owned());
        let joined = runtime.spawn(pending::<()>());
        let mut set = JoinSet::new();
        runtime.block_on(async {
            set.spawn(pending::<()>());
            forget(Box::pin(receiver));
            forget(Box::pin(joined));
            forget(Box::pin(async move { set.join_next().await }));
            forget(Box::pin(lock.clone().lock_owned()));
            let (waits, sends) = (notify.clone(), rooms.clone());
            forget(Box::pin(async move { waits.notified().await }));
            forget(Box::pin(async move { sends.send(Box::new(2)).await }));
            forget(Box::pin(sleep(Duration::from_millis(1))));
            forget(Box::pin(sleep(Duration::from_secs(3_600))));
            forget(Box::pin(task::spawn_blocking(|| Box::new(3))));
            // What they waited for comes all the same.
            let _ = sender.send(Box::new(4));
            notify.notify_one();
            drop(held);
            while receives.try_recv().is_ok() {}
            sleep(Duration::from_millis(2)).await;
        });
        drop(runtime);
    }
}

#[test]
fn timers_fire_and_are_dropped_before() {
    let _dog = watchdog();
    for runtime in both_kinds() {
        runtime.block_on(async {
            let sleeps: Vec<_> = (0..4)
                .map(|i| task::spawn(sleep(Duration::from_micros(300 * i))))
                .collect();
            for sleep in sleeps {
                sleep.await.expect("no panic");
            }
            let late = timeout(Duration::from_millis(1), pending::<()>());
            assert!(late.await.is_err());
            let early = timeout(
                Duration::from_secs(3_600),
                task::spawn(async { Box::new(1) }),
            );
            assert_eq!(*early.await.expect("in time").expect("no panic"), 1);
            let aborted = task::spawn(sleep(Duration::from_secs(3_600)));
            task::yield_now().await;
            aborted.abort();
            assert!(aborted.await.is_err());
            // One that moves to another task after its first poll.
            let mut moved = Box::pin(sleep(Duration::from_millis(1)));
            poll_fn(|cx| {
                let _ = moved.as_mut().poll(cx);
                Poll::Ready(())
            })
            .await;
            task::spawn(moved).await.expect("no panic");
        });
    }
}

#[test]
fn workers_are_handed_over_by_those_who_block() {
    let _dog = watchdog();
    let runtime = workers(2);
    let handle = runtime.handle().clone();
    let blocks = (0..3).map(|i| {
        let handle = handle.clone();
        runtime.spawn(async move {
            let inner = task::spawn(async move { Box::new(i) });
            let got = task::block_in_place(|| handle.block_on(inner));
            let job = task::spawn_blocking(move || Box::new(*got.expect("no panic") + 1));
            *job.await.expect("no panic")
        })
    });
    for (i, task) in blocks.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(runtime.block_on(task).expect("no panic"), i + 1);
    }
}

#[test]
fn an_end_of_the_runtime_races_with_wakes_aborts_and_spawns_from_outside() {
    let _dog = watchdog();
    for round in 0..ROUNDS {
        for runtime in both_kinds() {
            let (count, drops) = Count::new();
            let place = Arc::new(Mutex::new(None::<Waker>));
            let leaves = place.clone();
            let waits = runtime.spawn(async move {
                let _count = count;
                poll_fn(|cx| -> Poll<()> {
                    leaves.lock().unwrap().replace(cx.waker().clone());
                    Poll::Pending
                })
                .await;
            });
            runtime.block_on(task::yield_now());
            let (handle, abort) = (runtime.handle().clone(), waits.abort_handle());
            let stop = Arc::new(AtomicBool::new(false));
            let wakes = {
                let (place, stop) = (place.clone(), stop.clone());
                thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let waker = place.lock().unwrap().clone();
                        if let Some(waker) = waker {
                            waker.wake();
                        }
                        thread::yield_now();
                    }
                })
            };
            let spawns = thread::spawn(move || {
                let outside = handle.spawn(async { Box::new(1) });
                if round % 2 == 0 {
                    abort.abort();
                }
                outside
            });
            drop(runtime);
            let outside = spawns.join().expect("no panic");
            assert!(outside.is_finished());
            stop.store(true, Ordering::Relaxed);
            wakes.join().expect("no panic");
            assert!(waits.is_finished());
            assert_eq!(drops.load(Ordering::SeqCst), 1);
            // A waker may outlive all.
            drop(place);
        }
    }
}

#[test]
fn several_threads_block_on_one_runtime() {
    let _dog = watchdog();
    for runtime in both_kinds() {
        let gate = Arc::new(Notify::new());
        thread::scope(|scope| {
            for i in 0..2 {
                let (runtime, gate) = (&runtime, gate.clone());
                scope.spawn(move || {
                    let spawned = runtime.spawn(async move { Box::new(i) });
                    let both = pin!(async move {
                        let got = spawned.await.expect("no panic");
                        gate.notify_one();
                        gate.notified().await;
                        gate.notify_one();
                        *got
                    });
                    assert_eq!(runtime.block_on(both), i);
                });
            }
        });
    }
}
