//! What a set of local tasks promises: its tasks are polled and dropped on its thread, whoever wakes or aborts them.

#[path = "support/watch.rs"]
mod watch;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use heist_scheduler::task::{self, JoinSet, LocalSet};
use heist_sync::{coop, mpsc as channel, oneshot};
use watch::{Count, Here, current_thread, each_kind, on_drop, watchdog, workers};

#[test]
fn tasks_run_on_the_thread_of_their_set_wherever_they_are_woken() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let local = LocalSet::new();
        let here = thread::current().id();
        let sum = local.block_on(&runtime, async {
            let sum = Rc::new(Cell::new(0));
            let (sender, mut receiver) = channel::channel(1);
            let other = sum.clone();
            let adding = task::spawn_local(async move {
                while let Some(n) = receiver.recv().await {
                    assert_eq!(thread::current().id(), here);
                    other.set(other.get() + n);
                }
            });
            let sending = task::spawn(async move {
                for n in 0..1_000 {
                    sender.send(n).await.expect("the other task receives");
                }
            });
            sending.await.expect("no panic");
            adding.await.expect("no panic");
            sum.get()
        });
        assert_eq!(sum, 499_500);
    }
}

#[test]
fn an_abort_from_elsewhere_drops_the_future_on_its_own_thread() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (dropped, drops) = mpsc::channel();
        let local = LocalSet::new();
        let (idle, fresh) = (Here::new(&dropped), Here::new(&dropped));
        let idle = local.spawn_local(async move {
            let _here = idle;
            pending::<()>().await;
        });
        local.block_on(&runtime, task::yield_now());
        let fresh = local.spawn_local(async move {
            let _here = fresh;
            pending::<()>().await;
        });
        let aborts = [idle.abort_handle(), fresh.abort_handle()];
        thread::spawn(move || aborts.iter().for_each(|abort| abort.abort()))
            .join()
            .expect("no panic");
        assert!(drops.try_recv().is_err(), "not on the other thread");
        for handle in [idle, fresh] {
            let error = local.block_on(&runtime, handle).expect_err("aborted");
            assert!(error.is_cancelled());
            assert_eq!(drops.recv(), Ok(thread::current().id()));
        }
    }
}

#[test]
fn a_dropped_set_drops_its_tasks_here_and_their_wakers_are_harmless_after() {
    let _dog = watchdog();
    let (dropped, drops) = mpsc::channel();
    let wakers = Arc::new(Mutex::new(Vec::new()));
    let local = LocalSet::new();
    let mut handles = Vec::new();
    for _ in 0..10 {
        let (here, given) = (Here::new(&dropped), wakers.clone());
        handles.push(local.spawn_local(poll_fn(move |cx| {
            let _here = &here;
            given.lock().unwrap().push(cx.waker().clone());
            Poll::<()>::Pending
        })));
    }
    let runtime = current_thread();
    while wakers.lock().unwrap().len() < 10 {
        local.block_on(&runtime, task::yield_now());
    }
    let waking: Vec<Waker> = std::mem::take(&mut *wakers.lock().unwrap());
    let waking = thread::spawn(move || {
        waking.iter().for_each(Waker::wake_by_ref);
        waking
    });
    drop(local);
    drop(dropped);
    let waking = waking.join().expect("no panic");
    assert!(drops.iter().all(|id| id == thread::current().id()));
    waking.into_iter().for_each(Waker::wake);
    for handle in handles {
        assert!(handle.is_finished());
        assert!(
            runtime
                .block_on(handle)
                .expect_err("dropped")
                .is_cancelled()
        );
    }
}

#[test]
fn a_set_is_done_when_its_tasks_are_also_those_that_they_spawned() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let mut local = LocalSet::new();
        runtime.block_on(&mut local);
        let done = Rc::new(Cell::new(0));
        let count = done.clone();
        local.spawn_local(async move {
            for _ in 0..200 {
                let count = count.clone();
                task::spawn_local(async move {
                    task::yield_now().await;
                    let (sender, receiver) = oneshot::channel();
                    thread::spawn(move || sender.send(()));
                    receiver.await.expect("the thread sends");
                    count.set(count.get() + 1);
                });
            }
        });
        runtime.block_on(&mut local);
        assert_eq!(done.get(), 200);
    }
}

#[test]
fn tasks_that_go_on_for_ever_starve_neither_each_other_nor_what_is_beside_the_set() {
    let _dog = watchdog();
    for runtime in [current_thread(), workers(1)] {
        let local = LocalSet::new();
        for _ in 0..3 {
            // One takes its whole budget each time, as its channel is never empty.
            local.spawn_local(async {
                loop {
                    coop::consume_budget().await;
                }
            });
            local.spawn_local(async {
                loop {
                    task::yield_now().await;
                }
            });
        }
        let beside = runtime.spawn(async {
            for _ in 0..100 {
                task::yield_now().await;
            }
        });
        let within = local.spawn_local(async {
            for _ in 0..100 {
                task::yield_now().await;
            }
        });
        local.block_on(&runtime, async {
            beside.await.expect("no panic");
            within.await.expect("no panic");
        });
    }
}

#[test]
fn two_who_poll_one_set_rely_on_each_other_and_not_when_one_has_gone() {
    let _dog = watchdog();
    let local = LocalSet::new();
    let runtime = current_thread();
    let (sender, receiver) = oneshot::channel::<()>();
    let waiting = local.spawn_local(receiver);
    runtime.block_on(async {
        let mut first = Box::pin(local.run_until(pending::<()>()));
        let mut second = pin!(local.run_until(waiting));
        poll_fn(|cx| {
            // The second first, so that the first one's waker is the last.
            assert!(second.as_mut().poll(cx).is_pending());
            assert!(
                first
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
            Poll::Ready(())
        })
        .await;
        drop(first);
        let sending = thread::spawn(move || sender.send(()));
        second.await.expect("no panic").expect("it was sent");
        sending.join().expect("no panic").expect("the task waits");
    });
}

#[test]
fn what_is_spawned_into_a_set_that_is_awaited_elsewhere_runs() {
    let _dog = watchdog();
    current_thread().block_on(async {
        let local = Rc::new(LocalSet::new());
        let (sender, receiver) = oneshot::channel::<i32>();
        let mut waiting = pin!(local.run_until(receiver));
        let mut spawned = Some((local.clone(), sender));
        let polls = Cell::new(0);
        let output = poll_fn(|cx| {
            polls.set(polls.get() + 1);
            let poll = waiting.as_mut().poll(cx);
            if let Some((local, sender)) = spawned.take() {
                // After the poll: nothing but the spawn can wake it.
                local.spawn_local(async move { sender.send(7) });
            }
            poll
        });
        assert_eq!(output.await, Ok(7));
        assert!(polls.get() <= 3);
    });
}

#[test]
fn a_panic_in_a_local_task_or_its_drop_is_its_handles() {
    let _dog = watchdog();
    let runtime = current_thread();
    let local = LocalSet::new();
    let panicking = local.spawn_local(async { panic!("as it should") });
    let error = local.block_on(&runtime, panicking).expect_err("a panic");
    assert!(error.is_panic());
    let (count, drops) = Count::new();
    for _ in 0..2 {
        local.spawn_local(async {
            let _panics = on_drop(|| panic!("in a drop"));
            pending::<()>().await;
        });
    }
    local.spawn_local(async move {
        let _count = count;
        pending::<()>().await;
    });
    local.block_on(&runtime, task::yield_now());
    drop(local);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn spawning_outside_a_set_panics_and_inside_goes_to_the_innermost() {
    let _dog = watchdog();
    let nowhere = catch_unwind(|| drop(task::spawn_local(async {})));
    assert!(nowhere.is_err());
    let (mut one, mut other) = (LocalSet::new(), LocalSet::new());
    let guard = one.enter();
    let inner = other.enter();
    let in_other = task::spawn_local(async {});
    // Out of order: `other` stays entered.
    drop(guard);
    let in_other_too = task::spawn_local(async {});
    drop(inner);
    assert!(catch_unwind(|| drop(task::spawn_local(async {}))).is_err());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut one).poll(&mut cx).is_ready());
    assert!(!in_other.is_finished() && !in_other_too.is_finished());
    while Pin::new(&mut other).poll(&mut cx).is_pending() {}
    assert!(in_other.is_finished() && in_other_too.is_finished());
}

#[test]
fn a_drop_that_spawns_and_wakes_as_its_set_goes_is_harmless() {
    let _dog = watchdog();
    let local = LocalSet::new();
    let (count, drops) = Count::new();
    let shared = Rc::new(RefCell::new(None::<Waker>));
    let given = shared.clone();
    local.spawn_local(poll_fn(move |cx| {
        *given.borrow_mut() = Some(cx.waker().clone());
        Poll::<()>::Pending
    }));
    local.spawn_local(async move {
        let _dropped = on_drop(move || {
            // Held over the wake: it must not drop the other task in here.
            let waker = shared.borrow_mut();
            if let Some(waker) = &*waker {
                waker.wake_by_ref();
            }
            let handle = task::spawn_local(async move { drop(count) });
            assert!(handle.is_finished());
        });
        pending::<()>().await;
    });
    let runtime = current_thread();
    local.block_on(&runtime, task::yield_now());
    drop(local);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn local_tasks_have_ids_names_and_sets() {
    let _dog = watchdog();
    let local = LocalSet::new();
    let runtime = workers(1);
    let named = task::Builder::new()
        .name("local")
        .spawn_local_on(async { task::id() }, &local)
        .expect("no error");
    let id = named.id();
    local.block_on(&runtime, async {
        assert_eq!(named.await.expect("no panic"), id);
        let mut set = JoinSet::new();
        let text = Rc::new("text");
        for _ in 0..10 {
            let text = text.clone();
            set.spawn_local(async move { text });
        }
        set.build_task()
            .name("eleventh")
            .spawn_local(async { text })
            .expect("no error");
        assert_eq!(set.join_all().await.len(), 11);
    });
}

#[test]
fn a_set_in_a_thread_local_that_outlives_ours_is_dropped_without_a_panic() {
    let _dog = watchdog();
    thread_local! {
        static SET: RefCell<Option<LocalSet>> = const { RefCell::new(None) };
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let seen = drops.clone();
    thread::spawn(move || {
        // Touched before anything of the set's, so it is dropped after.
        SET.with(|set| set.borrow_mut().take());
        let local = LocalSet::new();
        for _ in 0..3 {
            let drops = drops.clone();
            local.spawn_local(async move {
                let _dropped = on_drop(move || {
                    drops.fetch_add(1, Ordering::SeqCst);
                });
                pending::<()>().await;
            });
        }
        current_thread().block_on(local.run_until(task::yield_now()));
        SET.with(|set| *set.borrow_mut() = Some(local));
    })
    .join()
    .expect("no panic");
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}

#[test]
fn a_panicking_root_leaves_the_set_usable() {
    let _dog = watchdog();
    let runtime = current_thread();
    let local = LocalSet::new();
    let task = local.spawn_local(async {
        task::yield_now().await;
        1
    });
    let caught = catch_unwind(AssertUnwindSafe(|| {
        local.block_on(&runtime, async { panic!("the root") })
    }));
    assert!(caught.is_err());
    assert_eq!(local.block_on(&runtime, task).expect("no panic"), 1);
}
