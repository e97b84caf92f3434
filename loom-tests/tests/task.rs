//! The task's state: wakes, aborts, the handle, the last reference, and the end of the runtime, against each other.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};

use heist_scheduler::task::JoinHandle;
use heist_sync::sys::atomic::{AtomicBool, AtomicUsize, Ordering};
use heist_sync::sys::{Arc, Mutex, thread};
use loom_tests::block_on::{Signal, block_on};
use loom_tests::fake::Fake;
use loom_tests::{Census, model};

/// Wakers, handed from a poll to the model's threads.
type Wakers = Arc<Mutex<Vec<Waker>>>;

/// Polls `handle` once, with a waker that nobody waits for.
fn poll_once<T>(handle: &mut JoinHandle<T>) -> bool {
    let waker = Waker::from(std::sync::Arc::new(Signal::default()));
    std::pin::Pin::new(handle)
        .poll(&mut Context::from_waker(&waker))
        .is_ready()
}

/// A task that gave two wakers out in its first poll, and is done when it sees both flags.
fn waits_for_two(fake: &Fake) -> (Arc<[AtomicBool; 2]>, Wakers, Arc<AtomicBool>) {
    let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    let wakers: Wakers = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::new(AtomicBool::new(false));
    let polling = AtomicBool::new(false);
    let (seen, given, end) = (flags.clone(), wakers.clone(), done.clone());
    let mut first = true;
    let task = fake.spawn(poll_fn(move |cx| {
        assert!(!polling.swap(true, Ordering::Relaxed), "two polls at once");
        if std::mem::take(&mut first) {
            given
                .lock()
                .extend([cx.waker().clone(), cx.waker().clone()]);
        }
        // Relaxed on purpose: it is the wake that must have published them.
        let both = seen.iter().all(|flag| flag.load(Ordering::Relaxed));
        polling.store(false, Ordering::Relaxed);
        if both {
            end.store(true, Ordering::Relaxed);
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    drop(task);
    fake.pop().expect("it was spawned").run();
    (flags, wakers, done)
}

/// Two threads write and wake, one by value, one by reference; the poll after the last wake sees both writes.
#[test]
fn task_polls_after_the_last_wake() {
    model("task_polls_after_the_last_wake", Some(3), || {
        let fake = Fake::default();
        let (flags, wakers, done) = waits_for_two(&fake);
        let first = wakers.lock().pop().expect("two wakers");
        let second = wakers.lock().pop().expect("two wakers");
        let other = flags.clone();
        let by_value = thread::spawn(move || {
            other[0].store(true, Ordering::Relaxed);
            first.wake();
        });
        let by_reference = thread::spawn(move || {
            flags[1].store(true, Ordering::Relaxed);
            second.wake_by_ref();
        });
        fake.run_until(|| done.load(Ordering::Relaxed));
        by_value.join().expect("no panic");
        by_reference.join().expect("no panic");
    });
}

/// A wake that comes during the poll leads to another.
#[test]
fn task_woken_while_polled_is_polled_again() {
    model("task_woken_while_polled_is_polled_again", Some(3), || {
        let fake = Fake::default();
        let flag = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicBool::new(false));
        let wakers: Wakers = Arc::new(Mutex::new(Vec::new()));
        let (seen, end, given) = (flag.clone(), done.clone(), wakers.clone());
        drop(fake.spawn(poll_fn(move |cx| {
            given.lock().push(cx.waker().clone());
            if seen.load(Ordering::Relaxed) {
                end.store(true, Ordering::Relaxed);
                return Poll::Ready(());
            }
            Poll::Pending
        })));
        let waking = thread::spawn(move || {
            flag.store(true, Ordering::Relaxed);
            let given = std::mem::take(&mut *wakers.lock());
            let any = !given.is_empty();
            given.into_iter().for_each(Waker::wake);
            any
        });
        let runner = fake.clone();
        let first = runner.pop().expect("it was spawned");
        let running = thread::spawn(move || first.run());
        running.join().expect("no panic");
        let woken = waking.join().expect("no panic");
        while let Some(task) = fake.pop() {
            task.run();
        }
        assert!(done.load(Ordering::Relaxed) || !woken);
        fake.shut_down();
    });
}

/// An abort against the poll that completes the task, and the handle: one of the two results, and one drop of each.
#[test]
fn task_abort_against_poll_against_join() {
    let census = Census::new(&["completed", "cancelled"]);
    let counted = census.clone();
    model("task_abort_against_poll_against_join", Some(2), move || {
        let fake = Fake::default();
        let payload = Arc::new(());
        let output = payload.clone();
        let mut yielded = false;
        let handle = fake.spawn(poll_fn(move |cx| {
            if !std::mem::replace(&mut yielded, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(output.clone())
        }));
        let abort = handle.abort_handle();
        // Keeps the task's memory: run twice, it fails by the state's assertion, not by a crash.
        let _keep = handle.abort_handle();
        let aborting = thread::spawn(move || abort.abort());
        let runner = fake.clone();
        let running = thread::spawn(move || runner.run_until(|| runner.owned().live() == 0));
        match block_on(handle) {
            Ok(output) => {
                assert!(Arc::ptr_eq(&output, &payload));
                counted.saw("completed");
            }
            Err(error) => {
                assert!(error.is_cancelled());
                counted.saw("cancelled");
            }
        }
        aborting.join().expect("no panic");
        fake.nudge();
        running.join().expect("no panic");
    });
    census.assert_all_seen();
}

/// The handle leaves a waker, and another, while the task completes: the last one is woken.
#[test]
fn task_join_against_completion() {
    model("task_join_against_completion", Some(3), || {
        let fake = Fake::default();
        let payload = Arc::new(());
        let mut handle = fake.spawn(std::future::ready(payload));
        let extra = handle.abort_handle();
        let task = fake.pop().expect("it was spawned");
        let running = thread::spawn(move || task.run());
        let dropping = thread::spawn(move || drop(extra));
        if poll_once(&mut handle) {
            // Taken in that poll.
        } else {
            block_on(handle).expect("no panic");
        }
        running.join().expect("no panic");
        dropping.join().expect("no panic");
    });
}

/// The handle, with a waker left behind, the last waker and the completing worker go at once: everything is dropped
/// once, the memory too.
#[test]
fn task_last_reference_against_completion() {
    model("task_last_reference_against_completion", Some(3), || {
        let fake = Fake::default();
        let wakers: Wakers = Arc::new(Mutex::new(Vec::new()));
        let given = wakers.clone();
        let payload = Arc::new(());
        let mut first = true;
        let mut handle = fake.spawn(poll_fn(move |cx| {
            if std::mem::take(&mut first) {
                given.lock().push(cx.waker().clone());
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(payload.clone())
        }));
        fake.pop().expect("it was spawned").run();
        assert!(!poll_once(&mut handle));
        let waker = wakers.lock().pop().expect("a waker");
        let task = fake.pop().expect("it woke itself");
        let running = thread::spawn(move || task.run());
        let waking = thread::spawn(move || waker.wake());
        drop(handle);
        running.join().expect("no panic");
        waking.join().expect("no panic");
        assert!(fake.pop().is_none(), "nobody is left to be woken");
    });
}

/// A foreign wake against the end of the runtime, against the worker that polls: the runtime waits for the wake that
/// is under way, and no wake comes after it.
#[test]
fn task_wake_against_shutdown() {
    model("task_wake_against_shutdown", Some(3), || {
        let fake = Fake::default();
        let (flags, wakers, _done) = waits_for_two(&fake);
        let first = wakers.lock().pop().expect("two wakers");
        let second = wakers.lock().pop().expect("two wakers");
        let waking = thread::spawn(move || {
            flags[0].store(true, Ordering::Relaxed);
            first.wake();
        });
        let late = thread::spawn(move || second.wake_by_ref());
        fake.shut_down();
        waking.join().expect("no panic");
        late.join().expect("no panic");
    });
}

/// Tasks that are spawned while the runtime ends are dropped, and their handles resolve.
#[test]
fn task_spawn_against_shutdown() {
    let census = Census::new(&["ran", "dropped"]);
    let counted = census.clone();
    model("task_spawn_against_shutdown", Some(3), move || {
        let fake = Fake::default();
        let drops = Arc::new(AtomicUsize::new(0));
        let runner = fake.clone();
        let running = thread::spawn(move || {
            if let Some(task) = runner.pop() {
                task.run();
            }
        });
        let spawner = fake.clone();
        let spawned = drops.clone();
        let spawning = thread::spawn(move || {
            let handle = spawner.spawn(async move {
                spawned.fetch_add(1, Ordering::Relaxed);
            });
            block_on(handle).is_ok()
        });
        fake.shut_down();
        running.join().expect("no panic");
        let ran = spawning.join().expect("no panic");
        assert_eq!(ran, drops.load(Ordering::Relaxed) == 1);
        counted.saw(if ran { "ran" } else { "dropped" });
    });
    census.assert_all_seen();
}
