//! A set of local tasks: wakes and aborts from other threads against its polls and its end.

use std::future::{pending, poll_fn};
use std::task::{Poll, Waker};

use heist_scheduler::task::LocalSet;
use heist_sync::sys::atomic::{AtomicBool, Ordering};
use heist_sync::sys::{Arc, Mutex, thread};
use loom_tests::block_on::block_on;
use loom_tests::{Census, model};

/// Wakers, handed from a poll to the model's threads.
type Wakers = Arc<Mutex<Vec<Waker>>>;

/// A poll that gives a waker out, once.
fn give(wakers: &Wakers, first: &mut bool, waker: &Waker) {
    if std::mem::take(first) {
        wakers.lock().push(waker.clone());
    }
}

/// Two threads write and wake a task each; the set's polls after the wakes see the writes, and its wait ends.
#[test]
fn local_set_foreign_wakes_reach_a_poll() {
    model("local_set_foreign_wakes_reach_a_poll", Some(2), || {
        let local = LocalSet::new();
        let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let wakers: Wakers = Arc::new(Mutex::new(Vec::new()));
        let tasks = [0, 1].map(|i| {
            let (seen, given, mut first) = (flags.clone(), wakers.clone(), true);
            local.spawn_local(poll_fn(move |cx| {
                give(&given, &mut first, cx.waker());
                // Relaxed on purpose: it is the wake that must have published it.
                match seen[i].load(Ordering::Relaxed) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            }))
        });
        // Both are polled once, and wait.
        block_on(local.run_until(std::future::ready(())));
        block_on(local.run_until(once_more()));
        let given = std::mem::take(&mut *wakers.lock());
        let threads: Vec<_> = given
            .into_iter()
            .enumerate()
            .map(|(i, waker)| {
                let flags = flags.clone();
                thread::spawn(move || {
                    flags[i].store(true, Ordering::Relaxed);
                    waker.wake();
                })
            })
            .collect();
        for task in tasks {
            block_on(local.run_until(task)).expect("no panic");
        }
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}

/// Done at its second poll, so that the set gets a turn.
async fn once_more() {
    let mut first = true;
    poll_fn(move |cx| match std::mem::take(&mut first) {
        true => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        false => Poll::Ready(()),
    })
    .await;
}

/// A wake, an abort and the end of the set: the future is dropped once, by the set, and the memory freed.
#[test]
fn local_set_drop_against_wake_against_abort() {
    model("local_set_drop_against_wake_against_abort", Some(3), || {
        let local = LocalSet::new();
        let wakers: Wakers = Arc::new(Mutex::new(Vec::new()));
        let payload = Arc::new(());
        let (given, held, mut first) = (wakers.clone(), payload.clone(), true);
        let task = local.spawn_local(poll_fn(move |cx| {
            let _held = &held;
            give(&given, &mut first, cx.waker());
            Poll::<()>::Pending
        }));
        block_on(local.run_until(once_more()));
        let waker = wakers.lock().pop().expect("it was polled");
        let abort = task.abort_handle();
        let waking = thread::spawn(move || waker.wake());
        let aborting = thread::spawn(move || abort.abort());
        drop(local);
        assert!(task.is_finished(), "no task outlives its set");
        assert_eq!(Arc::strong_count(&payload), 1);
        assert!(block_on(task).expect_err("dropped").is_cancelled());
        waking.join().expect("no panic");
        aborting.join().expect("no panic");
    });
}

/// An abort from elsewhere and a wake against the poll that completes the task: one result, and the wait ends.
#[test]
fn local_set_abort_against_wake_against_poll() {
    let census = Census::new(&["completed", "cancelled"]);
    let counted = census.clone();
    let name = "local_set_abort_against_wake_against_poll";
    model(name, Some(2), move || {
        let local = LocalSet::new();
        let wakers: Wakers = Arc::new(Mutex::new(Vec::new()));
        let flag = Arc::new(AtomicBool::new(false));
        let (given, seen, mut first) = (wakers.clone(), flag.clone(), true);
        let task = local.spawn_local(poll_fn(move |cx| {
            give(&given, &mut first, cx.waker());
            match seen.load(Ordering::Relaxed) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
        drop(local.spawn_local(pending::<()>()));
        block_on(local.run_until(once_more()));
        let waker = wakers.lock().pop().expect("it was polled");
        let abort = task.abort_handle();
        let waking = thread::spawn(move || {
            flag.store(true, Ordering::Relaxed);
            waker.wake_by_ref();
        });
        let aborting = thread::spawn(move || abort.abort());
        match block_on(local.run_until(task)) {
            Ok(()) => counted.saw("completed"),
            Err(error) => {
                assert!(error.is_cancelled());
                counted.saw("cancelled");
            }
        }
        waking.join().expect("no panic");
        aborting.join().expect("no panic");
    });
    census.assert_all_seen();
}
