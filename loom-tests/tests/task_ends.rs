//! How a task ends: who polls it last, who drops its future and its output, and who frees it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use heist_scheduler::task::{Id, JoinHandle, Runnable, Schedule, TaskRef, new_task};
use heist_sync::protocol::block_on;
use heist_sync::sys::atomic::{AtomicBool, AtomicUsize, Ordering};
use heist_sync::sys::{Arc, Mutex, thread};
use loom_tests::fake::Fake;
use loom_tests::{Census, model};

/// Calls a function as it is dropped.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Runs what is in the queue, and counts it.
fn run_queued(fake: &Fake) -> usize {
    std::iter::from_fn(|| fake.pop()).map(Runnable::run).count()
}

/// Two threads wake, two take tasks from the queue: the task is queued once at a time, and polled by one at a time.
/// The queue itself fails where it is given a task that it holds.
#[test]
fn task_two_wakes_and_two_workers() {
    let census = Census::new(&["one poll", "two polls"]);
    let counted = census.clone();
    model("task_two_wakes_and_two_workers", Some(2), move || {
        let fake = Fake::default();
        let polling = AtomicBool::new(false);
        let polls = Arc::new(AtomicUsize::new(0));
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let (count, giving) = (polls.clone(), wakers.clone());
        let handle = fake.spawn(poll_fn(move |cx| {
            // Relaxed on purpose: it is the task's state that keeps two polls apart.
            assert!(!polling.swap(true, Ordering::Relaxed), "two polls at once");
            let before = count.fetch_add(1, Ordering::Relaxed);
            if before == 0 {
                giving
                    .lock()
                    .extend([cx.waker().clone(), cx.waker().clone()]);
            }
            polling.store(false, Ordering::Relaxed);
            Poll::<()>::Pending
        }));
        assert_eq!(run_queued(&fake), 1);
        let given = std::mem::take(&mut *wakers.lock());
        let waking: Vec<_> = given
            .into_iter()
            .map(|waker| thread::spawn(move || waker.wake()))
            .collect();
        let working = thread::spawn({
            let fake = fake.clone();
            move || run_queued(&fake)
        });
        let mut ran = run_queued(&fake);
        for thread in waking {
            thread.join().expect("no panic");
        }
        ran += working.join().expect("no panic");
        ran += run_queued(&fake);
        // What was woken was polled, and no more often than it was woken.
        assert_eq!(polls.load(Ordering::Relaxed), 1 + ran);
        counted.saw(["no poll", "one poll", "two polls"][ran]);
        handle.abort();
        run_queued(&fake);
    });
    census.assert_all_seen();
}

/// Wakes on both sides of the completion: one before it leads to a poll at most, none after it queues the task.
#[test]
fn task_wakes_around_its_completion() {
    let census = Census::new(&["before", "after"]);
    let counted = census.clone();
    model("task_wakes_around_its_completion", Some(3), move || {
        let fake = Fake::default();
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let (giving, done) = (wakers.clone(), Arc::new(AtomicBool::new(false)));
        let ending = done.clone();
        let mut first = true;
        let handle = fake.spawn(poll_fn(move |cx| {
            if std::mem::take(&mut first) {
                giving
                    .lock()
                    .extend([cx.waker().clone(), cx.waker().clone()]);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ending.store(true, Ordering::Relaxed);
            Poll::Ready(())
        }));
        fake.pop().expect("it was spawned").run();
        let second = fake.pop().expect("it woke itself");
        let given = std::mem::take(&mut *wakers.lock());
        let waking: Vec<_> = given
            .into_iter()
            .map(|waker| {
                let done = done.clone();
                thread::spawn(move || {
                    let late = done.load(Ordering::Relaxed);
                    waker.wake_by_ref();
                    late
                })
            })
            .collect();
        second.run();
        assert!(handle.is_finished());
        for thread in waking {
            let late = thread.join().expect("no panic");
            counted.saw(if late { "after" } else { "before" });
        }
        assert!(fake.pop().is_none(), "a complete task was queued");
    });
    census.assert_all_seen();
}

/// A scheduler that notes on which thread it is dropped, which is where its task is freed.
struct Notes(Arc<Mutex<Vec<thread::ThreadId>>>, bool);

impl Clone for Notes {
    fn clone(&self) -> Self {
        // Clones are made for the length of a call; the original lies in the task.
        Self(self.0.clone(), false)
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        if self.1 {
            self.0.lock().push(thread::current().id());
        }
    }
}

impl Schedule for Notes {
    fn schedule(&self, _task: Runnable) {
        unreachable!("nobody wakes it");
    }

    fn release(&self, _task: &TaskRef) {}
}

/// The completing worker, the last waker and the handle go at once: whoever is last frees the task, once.
#[test]
fn task_is_freed_by_whoever_is_last() {
    let census = Census::new(&["the worker", "the waker", "the handle"]);
    let counted = census.clone();
    model("task_is_freed_by_whoever_is_last", Some(3), move || {
        let freed = Arc::new(Mutex::new(Vec::new()));
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let giving = wakers.clone();
        let future = poll_fn(move |cx| {
            giving.lock().push(cx.waker().clone());
            Poll::Ready(())
        });
        // SAFETY: the future and its output are `Send`.
        let (task, runnable, handle) =
            unsafe { new_task(future, Notes(freed.clone(), true), Id::next(), 0) };
        // The runtime's reference, which the completing worker drops.
        std::mem::forget(task);
        let working = thread::spawn(move || runnable.run());
        let waking = thread::spawn(move || {
            // Before the poll there is no waker to be last.
            let waker = wakers.lock().pop();
            drop(waker);
        });
        let (worker, waker) = (working.thread().id(), waking.thread().id());
        drop(handle);
        working.join().expect("no panic");
        waking.join().expect("no panic");
        let freed = std::mem::take(&mut *freed.lock());
        match freed[..] {
            [by] if by == worker => counted.saw("the worker"),
            [by] if by == waker => counted.saw("the waker"),
            [by] if by == thread::current().id() => counted.saw("the handle"),
            [] | [_] => panic!("the task was not freed by one of the three"),
            _ => panic!("the task was freed twice"),
        }
    });
    census.assert_all_seen();
}

/// Two aborts against the poll: the future is dropped once, by the thread that polls.
#[test]
fn task_aborts_against_a_running_poll() {
    let census = Census::new(&["never polled", "polled, then dropped"]);
    let counted = census.clone();
    model("task_aborts_against_a_running_poll", Some(3), move || {
        let fake = Fake::default();
        let drops = Arc::new(Mutex::new(Vec::new()));
        let polled = Arc::new(AtomicBool::new(false));
        let (noting, polling) = (drops.clone(), polled.clone());
        let guard = OnDrop(move || noting.lock().push(thread::current().id()));
        let handle = fake.spawn(poll_fn(move |_| {
            let _keep = &guard;
            polling.store(true, Ordering::Relaxed);
            Poll::<()>::Pending
        }));
        let aborting: Vec<_> = (0..2)
            .map(|_| {
                let abort = handle.abort_handle();
                thread::spawn(move || abort.abort())
            })
            .collect();
        let me = thread::current().id();
        run_queued(&fake);
        for thread in aborting {
            thread.join().expect("no panic");
        }
        run_queued(&fake);
        assert_eq!(*drops.lock(), [me], "dropped once, where it is polled");
        let error = block_on(handle).expect_err("it never ends by itself");
        assert!(error.is_cancelled());
        counted.saw(match polled.load(Ordering::Relaxed) {
            true => "polled, then dropped",
            false => "never polled",
        });
    });
    census.assert_all_seen();
}

/// The handle is dropped as the task completes, while an abort comes too: the output is dropped once, by one of them.
#[test]
fn task_output_is_dropped_once() {
    let census = Census::new(&["by the worker", "by the handle"]);
    let counted = census.clone();
    model("task_output_is_dropped_once", Some(3), move || {
        let fake = Fake::default();
        let drops = Arc::new(Mutex::new(Vec::new()));
        let noting = drops.clone();
        let output = OnDrop(move || noting.lock().push(thread::current().id()));
        let handle = fake.spawn(std::future::ready(output));
        let other = handle.abort_handle();
        let task = fake.pop().expect("it was spawned");
        let working = thread::spawn(move || task.run());
        let asking = thread::spawn(move || other.is_finished());
        let worker = working.thread().id();
        drop(handle);
        working.join().expect("no panic");
        asking.join().expect("no panic");
        match drops.lock()[..] {
            [by] if by == worker => counted.saw("by the worker"),
            [by] if by == thread::current().id() => counted.saw("by the handle"),
            _ => panic!("not dropped once by one of the two"),
        }
    });
    census.assert_all_seen();
}

/// Polls `handle` once, with a waker that nobody waits for.
fn poll_handle<T>(handle: &mut JoinHandle<T>) -> Poll<Result<T, heist_scheduler::task::JoinError>> {
    Pin::new(handle).poll(&mut Context::from_waker(Waker::noop()))
}

/// A panic in the poll against an abort and the handle: one of the two errors, and the future is dropped once.
#[test]
fn task_panic_against_abort_against_join() {
    let census = Census::new(&["panicked", "cancelled"]);
    let counted = census.clone();
    model(
        "task_panic_against_abort_against_join",
        Some(2),
        move || {
            let fake = Fake::default();
            let drops = Arc::new(AtomicUsize::new(0));
            let counting = drops.clone();
            let guard = OnDrop(move || {
                counting.fetch_add(1, Ordering::Relaxed);
            });
            let mut handle = fake.spawn(poll_fn(move |_| -> Poll<()> {
                let _keep = &guard;
                // Not by `panic!`, whose hook prints a line for each interleaving.
                std::panic::resume_unwind(Box::new("on purpose"))
            }));
            let abort = handle.abort_handle();
            let aborting = thread::spawn(move || abort.abort());
            let task = fake.pop().expect("it was spawned");
            let working = thread::spawn(move || task.run());
            let result = match poll_handle(&mut handle) {
                Poll::Ready(result) => result,
                Poll::Pending => block_on(handle),
            };
            let error = result.expect_err("it never ends well");
            counted.saw(if error.is_cancelled() {
                "cancelled"
            } else {
                assert!(error.is_panic());
                "panicked"
            });
            aborting.join().expect("no panic");
            working.join().expect("no panic");
            assert_eq!(drops.load(Ordering::Relaxed), 1);
            assert!(fake.pop().is_none());
        },
    );
    census.assert_all_seen();
}
