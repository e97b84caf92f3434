//! In which order tasks run, and that nobody waits for ever: not for tasks that yield, nor for two that wake each other,
//! nor behind a worker that is held up.

#[path = "support/watch.rs"]
mod watch;

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use heist_reactor::time::sleep;
use heist_scheduler::runtime::{Builder, Handle, Runtime};
use heist_scheduler::task;
use watch::{current_thread, on_drop, watchdog, workers};

/// Runtimes in which one thread runs all tasks, so that their order can be told.
fn single() -> Vec<Runtime> {
    // On a loaded machine a worker may seem held up, and a spare would run tasks beside it.
    let alone = Builder::new_multi_thread()
        .worker_threads(1)
        .max_spare_workers(0)
        .build()
        .expect("a runtime");
    vec![current_thread(), alone]
}

/// A task that yields until the flag is set, counting its polls.
fn yields_until(
    stop: &Arc<AtomicBool>,
    polls: &Arc<AtomicUsize>,
) -> impl Future<Output = ()> + use<> {
    let (stop, polls) = (stop.clone(), polls.clone());
    async move {
        while !stop.load(Ordering::Relaxed) {
            polls.fetch_add(1, Ordering::Relaxed);
            task::yield_now().await;
        }
    }
}

#[test]
fn tasks_spawned_by_a_task_run_in_order_but_for_the_last() {
    let _dog = watchdog();
    for runtime in single() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let seen = order.clone();
        let all = runtime.spawn(async move {
            let tasks: Vec<_> = (0..1_000)
                .map(|i| {
                    let seen = seen.clone();
                    task::spawn(async move { seen.lock().unwrap().push(i) })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        runtime.block_on(all).unwrap();
        let mut order = order.lock().unwrap().clone();
        // The newest is the one whose data is warm: it may come first.
        order.retain(|&i| i != 999);
        let sorted: Vec<_> = (0..999).collect();
        assert_eq!(order, sorted);
    }
}

#[test]
fn tasks_that_yield_take_turns() {
    let _dog = watchdog();
    for runtime in single() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let seen = order.clone();
        let all = runtime.spawn(async move {
            let tasks: Vec<_> = (0..10)
                .map(|i| {
                    let seen = seen.clone();
                    task::spawn(async move {
                        for _ in 0..100 {
                            seen.lock().unwrap().push(i);
                            task::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        runtime.block_on(all).unwrap();
        let order = order.lock().unwrap();
        let mut turns = [0_i32; 10];
        for &i in &*order {
            turns[i] += 1;
            let (low, high) = (turns.iter().min().unwrap(), turns.iter().max().unwrap());
            assert!(high - low <= 2, "{turns:?}");
        }
    }
}

/// Two tasks that wake each other without end, and so always use the slot; ended by `stop`.
fn ping_pong(
    stop: &Arc<AtomicBool>,
    polls: &Arc<AtomicUsize>,
) -> [impl Future<Output = ()> + use<>; 2] {
    let wakers: Arc<Mutex<[Option<Waker>; 2]>> = Arc::default();
    [0, 1].map(|me| {
        let (stop, polls, wakers) = (stop.clone(), polls.clone(), wakers.clone());
        poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            let mut wakers = wakers.lock().unwrap();
            let other = wakers[1 - me].take();
            wakers[me] = Some(cx.waker().clone());
            drop(wakers);
            if let Some(other) = other {
                other.wake();
            }
            if stop.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            Poll::Pending
        })
    })
}

#[test]
fn two_tasks_that_wake_each_other_starve_nobody() {
    let _dog = watchdog();
    for runtime in single() {
        let (stop, polls) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let pair = ping_pong(&stop, &polls);
        let seen = polls.clone();
        let all = runtime.spawn(async move {
            let bystander = task::spawn(async move { seen.load(Ordering::Relaxed) });
            let pair = pair.map(task::spawn);
            let waited = bystander.await.unwrap();
            // One that yields comes to its turn too.
            let before = polls.load(Ordering::Relaxed);
            task::yield_now().await;
            let yielded = polls.load(Ordering::Relaxed) - before;
            stop.store(true, Ordering::Relaxed);
            for task in pair {
                task.await.unwrap();
            }
            (waited, yielded)
        });
        let (waited, yielded) = runtime.block_on(all).unwrap();
        assert!(
            waited <= 8,
            "{waited} polls before a task that was spawned first"
        );
        assert!(yielded <= 64, "{yielded} polls before a task that yielded");
    }
}

#[test]
fn what_comes_from_outside_is_not_starved_by_what_is_inside() {
    let _dog = watchdog();
    for runtime in single() {
        let (stop, polls) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let handle = runtime.handle().clone();
        let outside = {
            let (stop, polls) = (stop.clone(), polls.clone());
            thread::spawn(move || {
                while polls.load(Ordering::Relaxed) < 1_000 {
                    thread::yield_now();
                }
                let (send, receive) = mpsc::channel();
                for _ in 0..100 {
                    let send = send.clone();
                    drop(handle.spawn(async move { send.send(()).unwrap() }));
                }
                drop(send);
                assert_eq!(receive.iter().count(), 100);
                stop.store(true, Ordering::Relaxed);
            })
        };
        runtime.block_on(async {
            let mut tasks = vec![];
            for _ in 0..3 {
                tasks.push(task::spawn(yields_until(&stop, &polls)));
                tasks.extend(ping_pong(&stop, &polls).map(task::spawn));
            }
            // One that was ended by the flag doesn't wake its partner again: they are aborted.
            while !stop.load(Ordering::Relaxed) {
                task::yield_now().await;
            }
            for task in tasks {
                task.abort();
                let _ = task.await;
            }
        });
        outside.join().unwrap();
    }
}

#[test]
fn timers_fire_while_tasks_yield_and_wake_each_other() {
    let _dog = watchdog();
    for runtime in [current_thread(), workers(1), workers(2)] {
        let (stop, polls) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        runtime.block_on(async {
            let mut tasks = vec![];
            for _ in 0..4 {
                tasks.push(task::spawn(yields_until(&stop, &polls)));
                tasks.extend(ping_pong(&stop, &polls).map(task::spawn));
            }
            for _ in 0..20 {
                task::spawn(sleep(Duration::from_millis(1))).await.unwrap();
            }
            for task in tasks {
                task.abort();
                let _ = task.await;
            }
        });
    }
}

#[test]
fn a_root_that_always_has_something_to_do_starves_no_task_and_no_timer() {
    let _dog = watchdog();
    for runtime in single() {
        let done = Arc::new(AtomicBool::new(false));
        let set = done.clone();
        drop(runtime.spawn(async move {
            sleep(Duration::from_millis(1)).await;
            set.store(true, Ordering::Relaxed);
        }));
        runtime.block_on(async {
            while !done.load(Ordering::Relaxed) {
                task::yield_now().await;
            }
        });
    }
}

fn burn(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// Counts polls after a deadline.
#[derive(Clone, Default)]
struct Late(Arc<(Mutex<Option<Instant>>, AtomicUsize)>);

impl Late {
    /// Begins anew, and sleeps until a deadline. How many polls came after it, before the sleep's task was polled.
    async fn polls_until_it_wakes(&self) -> usize {
        self.0.1.store(0, Ordering::Relaxed);
        let time = Duration::from_millis(1);
        *self.0.0.lock().unwrap() = Some(Instant::now() + time);
        sleep(time).await;
        self.0.1.load(Ordering::Relaxed)
    }

    fn poll(&self) {
        let deadline = *self.0.0.lock().unwrap();
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            self.0.1.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_current_thread_runtime_looks_at_its_timers_by_the_clock() {
    let _dog = watchdog();
    let runtime = current_thread();
    let (late, stop) = (Late::default(), Arc::new(AtomicBool::new(false)));
    for _ in 0..4 {
        let (late, stop) = (late.clone(), stop.clone());
        drop(runtime.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                burn(Duration::from_millis(2));
                late.poll();
                task::yield_now().await;
            }
        }));
    }
    for _ in 0..10 {
        let polls = runtime.block_on(late.polls_until_it_wakes());
        assert!(polls <= 4, "{polls}");
    }
    stop.store(true, Ordering::Relaxed);
}

#[test]
fn a_busy_local_set_starves_neither_timers_nor_tasks() {
    let _dog = watchdog();
    let runtime = current_thread();
    let set = task::LocalSet::new();
    let (late, stop) = (Late::default(), Arc::new(AtomicBool::new(false)));
    let all = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let (late, stop, all) = (late.clone(), stop.clone(), all.clone());
        drop(set.spawn_local(async move {
            while !stop.load(Ordering::Relaxed) {
                burn(Duration::from_micros(500));
                late.poll();
                all.fetch_add(1, Ordering::Relaxed);
                task::yield_now().await;
            }
        }));
    }
    for _ in 0..10 {
        let polls = set.block_on(&runtime, late.polls_until_it_wakes());
        assert!(polls <= 12, "{polls}");
    }
    let before = all.load(Ordering::Relaxed);
    set.block_on(&runtime, async {
        let tasks: Vec<_> = (0..100).map(|_| task::spawn(task::yield_now())).collect();
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    let polls = all.load(Ordering::Relaxed) - before;
    assert!(polls <= 100, "{polls}");
    stop.store(true, Ordering::Relaxed);
}

#[test]
fn a_root_is_polled_once_for_each_wake() {
    let _dog = watchdog();
    for runtime in single() {
        let mut polls = 0;
        let waker = Arc::new(Mutex::new(None::<Waker>));
        let wakes = runtime.spawn({
            let waker = waker.clone();
            async move {
                for _ in 0..100 {
                    task::yield_now().await;
                }
                while waker.lock().unwrap().is_none() {
                    task::yield_now().await;
                }
                waker.lock().unwrap().take().unwrap().wake();
            }
        });
        runtime.block_on(poll_fn(|cx| {
            polls += 1;
            if polls == 1 {
                *waker.lock().unwrap() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        }));
        assert_eq!(polls, 2);
        runtime.block_on(wakes).unwrap();
    }
}

#[test]
fn what_a_task_woke_before_it_blocked_its_worker_runs_elsewhere() {
    let _dog = watchdog();
    let runtime = workers(2);
    let (open, gate) = mpsc::channel::<()>();
    let (ran, runs) = mpsc::channel();
    // The spawned task lies in the slot of a worker that is held up until the task has run.
    let blocked = runtime.spawn(async move {
        drop(task::spawn(async move { ran.send(()).unwrap() }));
        let _ = gate.recv_timeout(Duration::from_secs(60));
    });
    let before = Instant::now();
    runs.recv_timeout(Duration::from_secs(30))
        .expect("another worker takes it");
    let took = before.elapsed();
    drop(open);
    runtime.block_on(blocked).unwrap();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_whole_queue_behind_a_blocked_worker_runs_elsewhere() {
    let _dog = watchdog();
    let runtime = workers(2);
    for _ in 0..50 {
        let (open, gate) = mpsc::channel::<()>();
        let (ran, runs) = mpsc::channel();
        let blocked = runtime.spawn(async move {
            for i in 0..100 {
                let ran = ran.clone();
                drop(task::spawn(async move {
                    if i % 2 == 0 {
                        task::yield_now().await;
                    }
                    ran.send(()).unwrap();
                }));
            }
            drop(ran);
            let _ = gate.recv_timeout(Duration::from_secs(60));
        });
        assert_eq!(runs.iter().count(), 100);
        drop(open);
        runtime.block_on(blocked).unwrap();
    }
}

#[test]
fn timers_go_on_while_every_worker_but_one_is_in_a_long_poll() {
    let _dog = watchdog();
    let runtime = workers(2);
    // Whichever worker waits in the poller, it is held up at some time.
    for _ in 0..20 {
        let (open, gate) = mpsc::channel::<()>();
        let (began, begins) = mpsc::channel();
        let blocked = runtime.spawn(async move {
            sleep(Duration::from_millis(1)).await;
            began.send(()).unwrap();
            let _ = gate.recv_timeout(Duration::from_secs(60));
        });
        begins.recv().unwrap();
        let timed = runtime.spawn(async {
            for _ in 0..3 {
                sleep(Duration::from_millis(1)).await;
            }
        });
        let before = Instant::now();
        runtime.block_on(timed).unwrap();
        let took = before.elapsed();
        drop(open);
        runtime.block_on(blocked).unwrap();
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[test]
fn a_wake_never_polls_on_the_wakers_stack() {
    let _dog = watchdog();
    for runtime in [current_thread(), workers(1), workers(2)] {
        let held = Arc::new(Mutex::new(()));
        let slot = Arc::new(Mutex::new(None::<Waker>));
        let woken = runtime.spawn({
            let (held, slot) = (held.clone(), slot.clone());
            poll_fn(move |cx| {
                // Held by the waker as it wakes; to poll there would deadlock.
                drop(held.lock().unwrap());
                if slot.lock().unwrap().replace(cx.waker().clone()).is_some() {
                    return Poll::Ready(());
                }
                Poll::Pending
            })
        });
        let wakes = runtime.spawn(async move {
            loop {
                task::yield_now().await;
                let _held = held.lock().unwrap();
                if let Some(waker) = slot.lock().unwrap().as_ref() {
                    waker.wake_by_ref();
                    return;
                }
            }
        });
        runtime.block_on(wakes).unwrap();
        runtime.block_on(woken).unwrap();
    }
}

#[test]
fn no_worker_sleeps_for_long_while_tasks_are_queued() {
    let _dog = watchdog();
    let runtime = workers(2);
    let end = Instant::now() + Duration::from_millis(1_500);
    let metrics = runtime.metrics();
    let stop = Arc::new(AtomicBool::new(false));
    let sampler = thread::spawn({
        let stop = stop.clone();
        move || {
            let mut longest = Duration::ZERO;
            let mut since = None;
            let mut parks = 0;
            while !stop.load(Ordering::Relaxed) {
                let polls = metrics.worker_poll_count(0) + metrics.worker_poll_count(1);
                let stuck = metrics.global_queue_depth() > 0 && polls == parks;
                parks = polls;
                since = if stuck {
                    since.or(Some(Instant::now()))
                } else {
                    None
                };
                longest = longest.max(since.map_or(Duration::ZERO, |since| since.elapsed()));
                thread::yield_now();
            }
            longest
        }
    });
    let _stop = on_drop({
        let stop = stop.clone();
        move || stop.store(true, Ordering::Relaxed)
    });
    // Bursts from outside, with the workers asleep in between.
    let mut spawned = 0_usize;
    let ran = Arc::new(AtomicUsize::new(0));
    while Instant::now() < end {
        let burst: Vec<_> = (0..spawned % 7 + 1)
            .map(|_| {
                let ran = ran.clone();
                runtime.spawn(async move {
                    task::yield_now().await;
                    ran.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        spawned += burst.len();
        for task in burst {
            runtime.block_on(task).unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    let longest = sampler.join().unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), spawned);
    // The machine may take the processors away for a while; a lost wake would last for good.
    assert!(longest < Duration::from_secs(20), "{longest:?}");
}

/// A task that spawns its successor, for ever, and so always leaves something fresh. Counts its polls.
fn chain(stop: Arc<AtomicBool>, polls: Arc<AtomicUsize>) {
    task::spawn(async move {
        polls.fetch_add(1, Ordering::Relaxed);
        if !stop.load(Ordering::Relaxed) {
            // Two, of which one goes on: there is something in the slot and in the queue.
            drop(task::spawn(async {}));
            chain(stop, polls);
        }
    });
}

#[test]
fn of_any_32_polls_one_is_of_a_task_that_yielded() {
    let _dog = watchdog();
    for runtime in single() {
        let stop = Arc::new(AtomicBool::new(false));
        let others = Arc::new(AtomicUsize::new(0));
        let (stopping, counted) = (stop.clone(), others.clone());
        let gaps = runtime.spawn(async move {
            chain(stopping.clone(), counted.clone());
            let mut longest = 0;
            for _ in 0..2_000 {
                let before = counted.load(Ordering::Relaxed);
                task::yield_now().await;
                longest = longest.max(counted.load(Ordering::Relaxed) - before);
            }
            stopping.store(true, Ordering::Relaxed);
            longest
        });
        let longest = runtime.block_on(gaps).unwrap();
        assert!((1..32).contains(&longest), "{longest} polls between two");
    }
}

#[test]
fn a_woken_task_waits_for_one_yielded_task_in_fifteen_at_most() {
    let _dog = watchdog();
    for runtime in single() {
        let stop = Arc::new(AtomicBool::new(false));
        let polls = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            drop(runtime.spawn(yields_until(&stop, &polls)));
        }
        let seen = polls.clone();
        let latest = runtime.spawn(async move {
            // Some of the others may not have been polled yet: this one came from outside, and such tasks have turns of their own.
            for _ in 0..2 {
                task::yield_now().await;
            }
            let mut latest = 0;
            for _ in 0..1_000 {
                let (send, woken) = heist_sync::oneshot::channel();
                let counts = seen.clone();
                // Its spawn and its message are events, as far as the queues are concerned.
                drop(task::spawn(async move {
                    let _ = send.send(counts.load(Ordering::Relaxed));
                }));
                let sent = woken.await.unwrap();
                latest = latest.max(seen.load(Ordering::Relaxed) - sent);
            }
            latest
        });
        let latest = runtime.block_on(latest).unwrap();
        assert!(latest <= 1, "{latest} yielded tasks came between");
        stop.store(true, Ordering::Relaxed);
    }
}

/// Always leaves something fresh, with polls of 300 µs. Once in 20 polls it spawns a task from another thread, which notes how
/// many polls come before its own.
fn long_chain(handle: Handle, stop: Arc<AtomicBool>, polls: Arc<AtomicUsize>, waits: Waits) {
    task::spawn(async move {
        burn(Duration::from_micros(300));
        let before = polls.fetch_add(1, Ordering::Relaxed) + 1;
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if before.is_multiple_of(20) {
            let (polls, waits) = (polls.clone(), waits.clone());
            let probe = async move {
                let waited = polls.load(Ordering::Relaxed) - before;
                waits.lock().unwrap().push(waited);
            };
            thread::scope(|scope| drop(scope.spawn(|| handle.spawn(probe)).join().unwrap()));
        }
        // Two, of which one goes on: there is something in the slot and in the queue.
        drop(task::spawn(async {}));
        long_chain(handle, stop, polls, waits);
    });
}

type Waits = Arc<Mutex<Vec<usize>>>;

#[test]
fn what_comes_from_outside_waits_for_few_long_polls() {
    let _dog = watchdog();
    let [_, runtime] = <[Runtime; 2]>::try_from(single()).unwrap();
    let (stop, polls) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let waits = Waits::default();
    runtime.block_on(async {
        for _ in 0..4 {
            long_chain(
                Handle::current(),
                stop.clone(),
                Arc::clone(&polls),
                waits.clone(),
            );
        }
    });
    // The lookout has to see first that the polls are long. At one look in 61 this would never come.
    let few = |waits: &[usize]| waits.len() >= 20 && waits.iter().rev().take(20).all(|n| *n <= 8);
    while !few(&waits.lock().unwrap()) {
        thread::yield_now();
    }
    stop.store(true, Ordering::Relaxed);
}

/// A current-thread runtime's root that wakes itself, as a busy `LocalSet` does, beside a task whose polls are long.
#[test]
fn a_root_that_wakes_itself_has_a_turn_each_millisecond_beside_long_polls() {
    let _dog = watchdog();
    let mut turns = 0;
    current_thread().block_on(async {
        let task = task::spawn(async {
            for _ in 0..40 {
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(2) {}
                task::yield_now().await;
            }
        });
        let root = poll_fn(|cx| {
            turns += 1;
            cx.waker().wake_by_ref();
            match task.is_finished() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        root.await;
    });
    assert!(
        turns >= 15,
        "{turns} turns while the task was polled 40 times"
    );
}

#[test]
fn a_current_thread_runtime_polls_tasks_in_the_order_in_which_they_became_ready() {
    let _dog = watchdog();
    let order = Arc::new(Mutex::new(Vec::new()));
    current_thread().block_on(async {
        let mut wakers = Vec::new();
        let mut tasks = Vec::new();
        for number in 0..20 {
            let (wake, mut woken) = heist_sync::mpsc::channel::<()>(1);
            wakers.push(wake);
            let order = order.clone();
            tasks.push(task::spawn(async move {
                while woken.recv().await.is_some() {
                    order.lock().unwrap().push(number);
                }
                order.lock().unwrap().push(number);
            }));
        }
        // Spawned in this order, woken in the other.
        task::yield_now().await;
        for wake in wakers.iter().rev() {
            wake.try_send(()).expect("it waits");
        }
        while order.lock().unwrap().len() < 20 {
            task::yield_now().await;
        }
        drop(wakers);
        for task in tasks {
            task.await.expect("no panic");
        }
    });
    let expected: Vec<_> = (0..20).rev().chain(0..20).collect();
    assert_eq!(*order.lock().unwrap(), expected);
}
