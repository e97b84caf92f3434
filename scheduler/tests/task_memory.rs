//! The memory of tasks, by themselves under a scheduler that is a queue: made to run under Miri too, which sees each
//! use after a free, each leak and each race.

#[path = "support/watch.rs"]
mod watch;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use heist_scheduler::protocol::Slot;
use heist_scheduler::task::{
    Id, JoinHandle, Origin, Owned, Runnable, Schedule, TaskRef, new_task, new_task_from,
};
use watch::{Count, watchdog};

/// A scheduler that is a queue, and a list of who isn't complete.
#[derive(Clone)]
struct Queue(Arc<Inner>);

struct Inner {
    tasks: Mutex<VecDeque<Runnable>>,
    owned: Owned,
}

impl Schedule for Queue {
    fn schedule(&self, task: Runnable) {
        self.0.tasks.lock().unwrap().push_back(task);
    }

    fn release(&self, task: &TaskRef) {
        self.0.owned.release(task);
    }
}

impl Queue {
    fn new() -> Self {
        Self(Arc::new(Inner {
            tasks: Mutex::default(),
            owned: Owned::new(2),
        }))
    }

    fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let id = Id::next();
        // SAFETY: the future and its output are `Send`.
        let (task, runnable, handle) = unsafe { new_task(future, self.clone(), id, 1) };
        if self.0.owned.list(task) {
            self.schedule(runnable);
        }
        handle
    }

    /// Runs what is there until nothing is.
    fn run(&self) {
        loop {
            let Some(task) = self.0.tasks.lock().unwrap().pop_front() else {
                return;
            };
            task.run();
        }
    }
}

/// What a complete task's handle gives.
fn output<T: Debug>(mut handle: JoinHandle<T>) -> T {
    match Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.expect("neither panic nor abort"),
        Poll::Pending => panic!("it isn't complete"),
    }
}

/// A future that leaves its waker and waits for `n` polls.
fn leaves_wakers(n: usize) -> (Arc<Mutex<Vec<Waker>>>, impl Future<Output = usize> + use<>) {
    let wakers = Arc::new(Mutex::new(Vec::new()));
    let place = wakers.clone();
    let mut polls = 0;
    let future = poll_fn(move |cx| {
        polls += 1;
        if polls > n {
            return Poll::Ready(polls);
        }
        place.lock().unwrap().push(cx.waker().clone());
        Poll::Pending
    });
    (wakers, future)
}

#[test]
fn outputs_of_odd_shapes_survive() {
    #[derive(Debug, PartialEq)]
    #[repr(align(128))]
    struct Aligned(u8);
    #[derive(Debug, PartialEq)]
    enum Never {}
    let _dog = watchdog();
    let queue = Queue::new();
    let zero = queue.spawn(async {});
    let niche = queue.spawn(async { Some(Box::new(5)) });
    let aligned = queue.spawn(async { Aligned(7) });
    let array = queue.spawn(async { [9_u8; 1_000] });
    let never = queue.spawn(pending::<Never>());
    queue.run();
    output(zero);
    assert_eq!(output(niche), Some(Box::new(5)));
    assert_eq!(output(aligned), Aligned(7));
    assert_eq!(output(array), [9; 1_000]);
    never.abort();
    queue.run();
    assert!(never.is_finished());
}

#[test]
fn a_future_that_borrows_from_itself_is_pinned() {
    let _dog = watchdog();
    let queue = Queue::new();
    let (wakers, wait) = leaves_wakers(3);
    let handle = queue.spawn(async move {
        let own = [1_u32, 2, 3];
        let borrowed = &own[1..];
        let polls = wait.await;
        borrowed.iter().sum::<u32>() + polls as u32
    });
    for _ in 0..3 {
        queue.run();
        let waker = wakers.lock().unwrap().pop().expect("left by the poll");
        waker.wake();
    }
    queue.run();
    assert_eq!(output(handle), 9);
}

#[test]
fn wakers_and_handles_go_in_every_order() {
    let _dog = watchdog();
    for order in 0..24 {
        let queue = Queue::new();
        let (count, drops) = Count::new();
        let (wakers, wait) = leaves_wakers(1);
        let mut handle = Some(queue.spawn(async move {
            wait.await;
            count
        }));
        queue.run();
        let mut waker = wakers.lock().unwrap().pop();
        let mut abort = handle.as_ref().map(JoinHandle::abort_handle);
        drop(wakers);
        // The four ends of the task, in the order that the number spells.
        let mut steps = vec![0, 1, 2, 3];
        let mut code = order;
        while !steps.is_empty() {
            let step = steps.remove(code % steps.len());
            code /= steps.len() + 1;
            match step {
                0 => drop(handle.take()),
                1 => waker.take().unwrap().wake(),
                2 => {
                    if order % 2 == 0 {
                        abort.as_ref().unwrap().abort();
                    }
                    drop(abort.take());
                }
                _ => queue.run(),
            }
        }
        queue.run();
        assert_eq!(drops.load(Ordering::SeqCst), 1, "order {order}");
        assert_eq!(queue.0.owned.live(), 0);
    }
}

#[test]
fn a_scheduler_may_drop_the_task_inside_schedule() {
    /// Drops what it is given, with itself perhaps the last to hold the task.
    #[derive(Clone)]
    struct Drops;
    impl Schedule for Drops {
        fn schedule(&self, task: Runnable) {
            drop(task);
        }
        fn release(&self, _: &TaskRef) {}
    }
    let _dog = watchdog();
    for by_value in [true, false] {
        let (count, drops) = Count::new();
        let (wakers, wait) = leaves_wakers(1);
        let future = async move {
            let _count = count;
            wait.await;
        };
        // SAFETY: the future and its output are `Send`.
        let (task, runnable, handle) = unsafe { new_task(future, Drops, Id::next(), 0) };
        // It is the runtime's until the task completes, which takes it over.
        std::mem::forget(task);
        drop(handle);
        runnable.run();
        let waker = wakers.lock().unwrap().pop().unwrap();
        if by_value {
            waker.wake();
        } else {
            waker.wake_by_ref();
        }
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn panics_in_every_place_leak_nothing() {
    struct Bomb(#[expect(dead_code, reason = "counts its drop")] Count);
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a bomb");
        }
    }
    let _dog = watchdog();
    let queue = Queue::new();
    let (count, drops) = Count::new();
    let bomb = |count: &Count| Bomb(Count(count.0.clone()));
    // In the poll, in the future's drop, in both, in the output's drop, in the payload's.
    let held = bomb(&count);
    drop(queue.spawn(poll_fn(move |_| -> Poll<()> {
        let _held = &held;
        panic!("in the poll");
    })));
    let held = bomb(&count);
    drop(queue.spawn(async move { drop(held) }));
    let held = bomb(&count);
    drop(queue.spawn(async move { held }));
    let held = bomb(&count);
    let late = queue.spawn(async move { held });
    let held = bomb(&count);
    drop(queue.spawn(async move { std::panic::panic_any(held) }));
    let held = bomb(&count);
    let aborted = queue.spawn(async move {
        let _held = held;
        pending::<()>().await;
    });
    queue.run();
    aborted.abort();
    queue.run();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(late))).is_ok());
    drop(aborted);
    assert_eq!(queue.0.owned.live(), 0);
    assert_eq!(drops.load(Ordering::SeqCst), 6);
    drop(count);
}

#[test]
fn a_list_of_tasks_closes_whole_whatever_was_taken_out_before() {
    let _dog = watchdog();
    for taken in 0..8_u32 {
        let queue = Queue::new();
        let (count, drops) = Count::new();
        let count = Arc::new(count);
        let handles: Vec<_> = (0..3)
            .map(|_| {
                let count = count.clone();
                queue.spawn(async move {
                    let _count = count;
                    pending::<()>().await;
                })
            })
            .collect();
        drop(count);
        queue.run();
        for (i, handle) in handles.iter().enumerate() {
            if taken & (1 << i) != 0 {
                handle.abort();
            }
        }
        queue.run();
        assert_eq!(queue.0.owned.live(), 3 - taken.count_ones() as usize);
        queue.0.owned.close();
        queue.0.owned.close();
        assert_eq!(queue.0.owned.live(), 0);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        let late = queue.spawn(async {});
        assert!(late.is_finished(), "a closed list lets nobody in");
    }
}

#[test]
fn wakers_race_with_the_end_of_their_task() {
    let _dog = watchdog();
    let rounds = if cfg!(miri) { 10 } else { 500 };
    for round in 0..rounds {
        let queue = Queue::new();
        let (count, drops) = Count::new();
        let (wakers, wait) = leaves_wakers(2);
        let mut handle = queue.spawn(async move {
            let _count = count;
            wait.await
        });
        queue.run();
        let first = wakers.lock().unwrap().pop().unwrap();
        thread::scope(|scope| {
            let second = first.clone();
            scope.spawn(move || first.wake());
            scope.spawn(move || {
                second.wake_by_ref();
                drop(second);
            });
            if round % 3 == 0 {
                let abort = handle.abort_handle();
                scope.spawn(move || abort.abort());
            }
            let queue = queue.clone();
            scope.spawn(move || queue.run());
            let _ = Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop()));
            if round % 2 == 0 {
                drop(handle);
            } else {
                handle.abort();
            }
        });
        queue.run();
        for waker in std::mem::take(&mut *wakers.lock().unwrap()) {
            waker.wake();
        }
        queue.run();
        queue.0.owned.close();
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_joiner_and_the_end_of_the_task_race_for_the_waker() {
    struct Counted(AtomicUsize);
    impl std::task::Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let _dog = watchdog();
    let rounds = if cfg!(miri) { 20 } else { 1_000 };
    for round in 0..rounds {
        let queue = Queue::new();
        let mut handle = queue.spawn(async move { Box::new(round) });
        let wakers = [0, 1].map(|_| Arc::new(Counted(AtomicUsize::new(0))));
        let runs = {
            let queue = queue.clone();
            thread::spawn(move || queue.run())
        };
        let mut seen = None;
        for waker in wakers.iter().cycle().take(4) {
            let waker = Waker::from(waker.clone());
            if let Poll::Ready(result) =
                Pin::new(&mut handle).poll(&mut Context::from_waker(&waker))
            {
                seen = Some(result.unwrap());
                break;
            }
        }
        runs.join().unwrap();
        if seen.is_none() && round % 2 == 0 {
            seen = Some(output(handle));
        } else {
            drop(handle);
        }
        assert!(seen.is_none_or(|seen| *seen == round));
        for waker in &wakers {
            assert_eq!(Arc::strong_count(waker), 1, "nobody keeps it");
        }
    }
}

#[test]
fn a_slot_gives_each_task_to_one() {
    let _dog = watchdog();
    let rounds = if cfg!(miri) { 10 } else { 500 };
    for _ in 0..rounds {
        let queue = Queue::new();
        let ran = Arc::new(AtomicUsize::new(0));
        let slot = Slot::new();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        if let Some(task) = slot.look().and_then(|seen| slot.steal(seen)) {
                            task.run();
                        }
                    }
                });
            }
            for _ in 0..5 {
                let ran = ran.clone();
                drop(queue.spawn(async move {
                    ran.fetch_add(1, Ordering::Relaxed);
                }));
                let task = queue.0.tasks.lock().unwrap().pop_front().unwrap();
                if let Some(older) = slot.put(task) {
                    older.run();
                }
            }
            if let Some(task) = slot.take() {
                task.run();
            }
        });
        assert_eq!(ran.load(Ordering::Relaxed), 5);
        assert_eq!(queue.0.owned.live(), 0);
    }
}

#[test]
fn a_thief_takes_a_task_that_was_made_where_another_lay() {
    let _dog = watchdog();
    let queue = Queue::new();
    let slot = Slot::new();
    let put = |number: usize| {
        let handle = queue.spawn(async move { number });
        let task = queue.0.tasks.lock().unwrap().pop_front().unwrap();
        assert!(slot.put(task).is_none());
        handle
    };
    // Until the allocator gives the place anew, which it need not.
    for number in 0..20 {
        let first = put(number);
        let seen = slot.look().expect("it lies there");
        slot.take().expect("it lies there").run();
        drop(first);
        let second = put(number);
        let stolen = slot.steal(seen);
        assert_eq!(stolen.is_some(), slot.look().is_none());
        stolen.or_else(|| slot.take()).expect("either has it").run();
        assert_eq!(output(second), number);
    }
}

#[test]
fn a_slot_that_is_dropped_cancels_what_it_holds() {
    let _dog = watchdog();
    let queue = Queue::new();
    let handle = queue.spawn(pending::<()>());
    let slot = Slot::new();
    let task = queue.0.tasks.lock().unwrap().pop_front().unwrap();
    assert!(slot.put(task).is_none());
    drop(slot);
    assert!(handle.is_finished());
    assert_eq!(queue.0.owned.live(), 0);
}

#[test]
fn a_task_has_a_name_and_a_location_for_as_long_as_its_memory() {
    let queue = Queue::new();
    let (id, line) = (Id::next(), line!() + 1);
    let origin = Origin::with_name(Some("named"));
    // SAFETY: the future and its output are `Send`.
    let (task, runnable, handle) =
        unsafe { new_task_from(async { 7 }, queue.clone(), id, 1, origin) };
    let kept = task.clone();
    assert!(queue.0.owned.list(task));
    assert_eq!((runnable.name(), runnable.id()), (Some("named"), id));
    runnable.run();
    drop(handle);
    assert_eq!(kept.name(), Some("named"));
    assert_eq!(
        (kept.location().file(), kept.location().line()),
        (file!(), line)
    );
}
