//! Wakes: none is lost, none polls a task twice at once, and what was done before a wake is seen by the poll after it.

#[path = "support/watch.rs"]
mod watch;

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use heist_scheduler::task;
use watch::{Count, each_kind, watchdog, workers};

#[test]
fn wakers_of_one_task_are_known_for_the_same_wherever_it_runs() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let task = runtime.spawn(async {
            let mut first = None::<Waker>;
            for _ in 0..1_000 {
                poll_fn(|cx| {
                    let first = first.get_or_insert_with(|| cx.waker().clone());
                    assert!(first.will_wake(cx.waker()));
                    assert!(cx.waker().will_wake(&first.clone()));
                    Poll::Ready(())
                })
                .await;
                task::yield_now().await;
            }
            let mine = first.unwrap();
            let other = task::spawn(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
            assert!(!mine.will_wake(&other.await.unwrap()));
        });
        runtime.block_on(task).unwrap();
    }
}

#[test]
fn a_wake_in_the_middle_of_the_poll_is_a_poll_afterwards() {
    let _dog = watchdog();
    for runtime in each_kind() {
        // By the task itself, from the poll's waker and from a clone that is used up.
        let mut polls = 0;
        let own = runtime.spawn(poll_fn(move |cx| {
            polls += 1;
            match polls {
                1 => cx.waker().wake_by_ref(),
                2 => {
                    let used_up = cx.waker().clone();
                    used_up.wake();
                }
                3 => (0..10).for_each(|_| cx.waker().wake_by_ref()),
                _ => return Poll::Ready(polls),
            }
            Poll::Pending
        }));
        assert_eq!(runtime.block_on(own).unwrap(), 4);
        // By another thread, of which the poll waits to have woken.
        let mut polls = 0;
        let other = runtime.spawn(poll_fn(move |cx| {
            polls += 1;
            if polls > 100 {
                return Poll::Ready(());
            }
            let waker = cx.waker().clone();
            thread::spawn(move || waker.wake()).join().unwrap();
            Poll::Pending
        }));
        runtime.block_on(other).unwrap();
    }
}

#[test]
fn a_poll_sees_what_was_done_before_each_wake() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let slot = Arc::new(Mutex::new(None::<Waker>));
        let marks: Arc<[AtomicUsize; 3]> = Arc::default();
        let (seen, place) = (marks.clone(), slot.clone());
        let rounds = 2_000;
        let waits = runtime.spawn(poll_fn(move |cx| {
            place
                .lock()
                .unwrap()
                .get_or_insert_with(|| cx.waker().clone());
            // Relaxed: only the wakes order these.
            let all = seen
                .iter()
                .all(|mark| mark.load(Ordering::Relaxed) == rounds);
            if all { Poll::Ready(()) } else { Poll::Pending }
        }));
        while slot.lock().unwrap().is_none() {
            runtime.block_on(task::yield_now());
        }
        let waker = slot.lock().unwrap().take().unwrap();
        thread::scope(|scope| {
            for i in 0..3 {
                let (waker, marks) = (waker.clone(), marks.clone());
                scope.spawn(move || {
                    for round in 1..=rounds {
                        marks[i].store(round, Ordering::Relaxed);
                        waker.wake_by_ref();
                    }
                });
            }
            runtime.block_on(waits).unwrap();
        });
    }
}

/// Notes whether two threads poll it at once, and is done after so many wakes.
struct Exclusive {
    polled: AtomicBool,
    polls: AtomicUsize,
}

#[test]
fn a_task_is_never_polled_by_two_threads_at_once() {
    let _dog = watchdog();
    let runtime = workers(2);
    let task = Arc::new(Exclusive {
        polled: AtomicBool::new(false),
        polls: AtomicUsize::new(0),
    });
    let slot = Arc::new(Mutex::new(None::<Waker>));
    let stop = Arc::new(AtomicBool::new(false));
    let future = {
        let (task, slot, stop) = (task.clone(), slot.clone(), stop.clone());
        poll_fn(move |cx| {
            assert!(!task.polled.swap(true, Ordering::Relaxed));
            task.polls.fetch_add(1, Ordering::Relaxed);
            slot.lock().unwrap().replace(cx.waker().clone());
            std::hint::black_box((0..200).sum::<usize>());
            task.polled.store(false, Ordering::Relaxed);
            if stop.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            Poll::Pending
        })
    };
    let waits = runtime.spawn(future);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while task.polls.load(Ordering::Relaxed) < 20_000 {
                    let waker = slot.lock().unwrap().clone();
                    if let Some(waker) = waker {
                        waker.wake();
                    }
                }
                stop.store(true, Ordering::Relaxed);
                if let Some(waker) = slot.lock().unwrap().clone() {
                    waker.wake();
                }
            });
        }
    });
    runtime.block_on(waits).expect("one at a time");
}

#[test]
fn a_wake_in_flight_survives_the_drop_of_other_wakers() {
    let _dog = watchdog();
    for runtime in each_kind() {
        for _ in 0..300 {
            let (send, wakers) = mpsc::channel::<(Waker, Waker)>();
            let done = Arc::new(AtomicBool::new(false));
            let seen = done.clone();
            let waits = runtime.spawn(poll_fn(move |cx| {
                if seen.load(Ordering::Relaxed) {
                    return Poll::Ready(());
                }
                let _ = send.send((cx.waker().clone(), cx.waker().clone()));
                Poll::Pending
            }));
            let wakes = thread::spawn(move || {
                let (one, other) = wakers.recv().unwrap();
                let drops = thread::spawn(move || drop(other));
                done.store(true, Ordering::Relaxed);
                one.wake();
                drops.join().unwrap();
            });
            runtime.block_on(waits).unwrap();
            wakes.join().unwrap();
        }
    }
}

#[test]
fn a_waker_keeps_nothing_of_a_finished_task_but_its_memory() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (future, futures) = Count::new();
        let (output, outputs) = Count::new();
        let slot = Arc::new(Mutex::new(None::<Waker>));
        let place = slot.clone();
        let mut output = Some(output);
        let handle = runtime.spawn(poll_fn(move |cx| {
            let _held = &future;
            place.lock().unwrap().replace(cx.waker().clone());
            Poll::Ready(output.take())
        }));
        drop(runtime.block_on(handle).unwrap());
        assert_eq!(futures.load(Ordering::SeqCst), 1);
        assert_eq!(outputs.load(Ordering::SeqCst), 1);
        // A wake of what is complete does nothing.
        let waker = slot.lock().unwrap().take().unwrap();
        waker.wake_by_ref();
        waker.wake();
    }
}

/// Holds its own waker, and so itself, until it is dropped.
struct Knot {
    waker: Option<Waker>,
    _count: Count,
}

impl Future for Knot {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[test]
fn tasks_that_hold_their_own_wakers_are_freed_by_abort_and_by_shutdown() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (count, aborted) = Count::new();
        let waker = None;
        let knot = runtime.spawn(Knot {
            waker,
            _count: count,
        });
        runtime.block_on(task::yield_now());
        knot.abort();
        assert!(runtime.block_on(knot).is_err());
        assert_eq!(aborted.load(Ordering::SeqCst), 1);
        let (count, dropped) = Count::new();
        let waker = None;
        drop(runtime.spawn(Knot {
            waker,
            _count: count,
        }));
        runtime.block_on(task::yield_now());
        drop(runtime);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn aborts_wakes_and_completions_race_and_each_task_ends_once() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (count, drops) = Count::new();
        let count = Arc::new(count);
        let (mut finished, mut cancelled) = (0, 0);
        for round in 0..2_000 {
            let held = count.clone();
            let handle = runtime.spawn(async move {
                let _held = held;
                for _ in 0..round % 4 {
                    task::yield_now().await;
                }
                round
            });
            let abort = handle.abort_handle();
            let aborter = (round % 10 == 0).then(|| thread::spawn(move || abort.abort()));
            if round % 3 == 0 {
                handle.abort();
            }
            match runtime.block_on(handle) {
                Ok(answer) => {
                    assert_eq!(answer, round);
                    finished += 1;
                }
                Err(error) => {
                    assert!(error.is_cancelled());
                    cancelled += 1;
                }
            }
            if let Some(aborter) = aborter {
                aborter.join().unwrap();
            }
            assert_eq!(Arc::strong_count(&count), 1, "the future is gone");
        }
        assert!(finished > 0 && cancelled > 0, "{finished} {cancelled}");
        assert_eq!(drops.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn handles_dropped_as_tasks_complete_lose_no_output() {
    let _dog = watchdog();
    let runtime = workers(2);
    let (count, drops) = Count::new();
    let count = Arc::new(count);
    for round in 0..20_000 {
        let output = count.clone();
        let handle = runtime.spawn(async move { output });
        match round % 3 {
            0 => drop(handle),
            1 => {
                // A waker is left behind, and the handle goes.
                let mut handle = Box::pin(handle);
                let _ = handle
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()));
            }
            _ => drop(runtime.spawn(async move { drop(handle.await) })),
        }
    }
    while runtime.metrics().num_alive_tasks() > 0 {
        thread::yield_now();
    }
    drop(runtime);
    assert_eq!(Arc::strong_count(&count), 1);
    drop(count);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_million_wakes_from_a_foreign_thread_end_with_a_poll() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let (send, receive) = mpsc::channel();
        let (seen, mut first) = (wakes.clone(), Some(send));
        let waits = runtime.spawn(poll_fn(move |cx| {
            if let Some(send) = first.take() {
                send.send(cx.waker().clone()).unwrap();
            }
            if seen.load(Ordering::Relaxed) == 1_000_000 {
                return Poll::Ready(());
            }
            Poll::Pending
        }));
        let foreign = thread::spawn(move || {
            let waker = receive.recv().unwrap();
            for _ in 0..1_000_000 {
                wakes.fetch_add(1, Ordering::Relaxed);
                waker.wake_by_ref();
            }
        });
        runtime.block_on(waits).unwrap();
        foreign.join().unwrap();
    }
}

#[test]
fn a_wake_polls_nobody_on_the_stack_of_the_waker() {
    thread_local! {
        static WAKES: Cell<bool> = const { Cell::new(false) };
    }
    fn wake(place: &Mutex<Option<Waker>>) {
        // As whoever holds a lock that the task takes.
        let waker = place.lock().unwrap().clone().expect("it was polled");
        WAKES.set(true);
        waker.wake_by_ref();
        waker.wake();
        WAKES.set(false);
    }
    let _dog = watchdog();
    for runtime in each_kind() {
        let (place, stop) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let (leaves, stops) = (place.clone(), stop.clone());
        let (polled, was_polled) = mpsc::channel();
        let waits = runtime.spawn(poll_fn(move |cx| {
            assert!(!WAKES.get(), "polled inside a wake");
            leaves.lock().unwrap().replace(cx.waker().clone());
            let _ = polled.send(());
            if stops.load(Ordering::Relaxed) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        runtime.block_on(task::yield_now());
        was_polled.recv().unwrap();
        runtime.block_on(async { wake(&place) });
        let wakes = place.clone();
        let other = runtime.spawn(async move { wake(&wakes) });
        runtime.block_on(other).unwrap();
        stop.store(true, Ordering::Relaxed);
        thread::spawn(move || wake(&place)).join().unwrap();
        runtime.block_on(waits).expect("polled by workers alone");
    }
}

#[test]
fn every_task_of_a_million_runs_once() {
    let _dog = watchdog();
    let runtime = workers(2);
    let ran = Arc::new(AtomicUsize::new(0));
    let counts = ran.clone();
    runtime
        .block_on(runtime.spawn(async move {
            let parents: Vec<_> = (0..1_000)
                .map(|_| {
                    let counts = counts.clone();
                    task::spawn(async move {
                        for _ in 0..1_000 {
                            let counts = counts.clone();
                            drop(task::spawn(async move {
                                counts.fetch_add(1, Ordering::Relaxed);
                            }));
                        }
                    })
                })
                .collect();
            for parent in parents {
                parent.await.unwrap();
            }
        }))
        .unwrap();
    while runtime.metrics().num_alive_tasks() > 0 {
        thread::yield_now();
    }
    assert_eq!(ran.load(Ordering::Relaxed), 1_000_000);
    drop(runtime.spawn(pending::<()>()));
}
