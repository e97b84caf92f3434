//! What a local runtime promises: its tasks need not be `Send`, and are polled and dropped on its thread, whoever wakes or
//! aborts them.

#[path = "support/watch.rs"]
mod watch;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use heist_scheduler::runtime::{
    self, Builder, Handle, LocalOptions, LocalRuntime, RuntimeFlavor, UnhandledPanic,
};
use heist_scheduler::task::{self, JoinSet, LocalSet};
use heist_sync::{mpsc as channel, oneshot};
use watch::{Here, current_thread, each_kind, on_drop, watchdog};

fn local() -> LocalRuntime {
    LocalRuntime::new().expect("a local runtime")
}

fn panic_text(caught: thread::Result<()>) -> String {
    let payload = caught.expect_err("it panics");
    let text = payload.downcast_ref::<&str>().map(|text| text.to_string());
    text.unwrap_or_else(|| payload.downcast_ref::<String>().expect("a text").clone())
}

#[test]
fn tasks_that_are_not_send_are_spawned_from_everywhere_inside() {
    let _dog = watchdog();
    let runtime = local();
    let count = Rc::new(Cell::new(0));
    let adds = || {
        let count = count.clone();
        async move { count.set(count.get() + 1) }
    };
    let before = runtime.spawn_local(adds());
    let entered = {
        let _inside = runtime.enter();
        task::spawn_local(adds())
    };
    let by_handle = {
        let handle = runtime.handle().clone();
        let _inside = handle.enter();
        task::spawn_local(adds())
    };
    runtime.block_on(async {
        for task in [before, entered, by_handle] {
            task.await.expect("no panic");
        }
        // From the root, from a local task, and from a task that is `Send`.
        task::spawn_local(adds()).await.expect("no panic");
        let (one, other) = (adds(), adds());
        let nested = task::spawn_local(async move {
            one.await;
            task::spawn_local(other).await.expect("no panic");
        });
        nested.await.expect("no panic");
        let sent = task::spawn(async {
            let here = Rc::new(1);
            task::spawn_local(async move { *here })
                .await
                .expect("no panic")
        });
        assert_eq!(sent.await.expect("no panic"), 1);
    });
    assert_eq!(count.get(), 6);
}

#[test]
fn it_is_a_current_thread_runtime_with_its_figures_and_its_fairness() {
    let _dog = watchdog();
    let runtime = Builder::new_current_thread()
        .name("local")
        .build_local(LocalOptions::default())
        .expect("a local runtime");
    assert_eq!(runtime.handle().name(), Some("local"));
    assert_eq!(
        runtime.handle().runtime_flavor(),
        RuntimeFlavor::CurrentThread
    );
    runtime.block_on(async {
        assert_eq!(runtime::worker_index(), Some(0));
        let alive = |n| assert_eq!(Handle::current().metrics().num_alive_tasks(), n);
        alive(0);
        let waits = task::spawn_local(pending::<()>());
        let endless = task::spawn_local(async {
            loop {
                task::yield_now().await;
            }
        });
        alive(2);
        // Local tasks and others take turns.
        let beside = task::spawn(async {
            for _ in 0..100 {
                task::yield_now().await;
            }
            runtime::worker_index()
        });
        assert_eq!(beside.await.expect("no panic"), Some(0));
        waits.abort();
        endless.abort();
        assert!(waits.await.expect_err("aborted").is_cancelled());
        assert!(endless.await.expect_err("aborted").is_cancelled());
        alive(0);
        let job = task::spawn_blocking(|| (runtime::worker_index(), Handle::current().id()));
        let (worker, id) = job.await.expect("no panic");
        assert_eq!((worker, id), (None, Handle::current().id()));
    });
    let ran = runtime.spawn_blocking(|| 5);
    assert_eq!(runtime.block_on(ran).expect("no panic"), 5);
    assert!(runtime.metrics().worker_poll_count(0) > 0);
}

#[test]
fn elsewhere_spawn_local_panics() {
    let _dog = watchdog();
    let outside =
        "`spawn_local` called from outside of a `task::LocalSet` or `runtime::LocalRuntime`";
    let spawns = || panic_text(catch_unwind(|| drop(task::spawn_local(async {}))));
    let runtime = local();
    assert_eq!(spawns(), outside);
    let handle = runtime.handle().clone();
    let there = thread::spawn(move || {
        let _inside = handle.enter();
        let refused = panic_text(catch_unwind(|| drop(task::spawn_local(async {}))));
        // Tasks that are `Send` may be spawned from there.
        (refused, task::spawn(async { thread::current().id() }))
    });
    let (refused, task) = there.join().expect("no panic");
    assert_eq!(refused, outside);
    let here = thread::current().id();
    assert_eq!(runtime.block_on(task).expect("no panic"), here);
    let job =
        runtime.spawn_blocking(|| panic_text(catch_unwind(|| drop(task::spawn_local(async {})))));
    assert_eq!(runtime.block_on(job).expect("no panic"), outside);
    // Another runtime that was entered inside is no local one.
    let other = current_thread();
    let _inside = runtime.enter();
    let _innermost = other.enter();
    assert_eq!(spawns(), outside);
}

#[test]
fn a_multi_thread_runtime_is_never_local() {
    let built = catch_unwind(|| {
        drop(Builder::new_multi_thread().build_local(LocalOptions::default()));
    });
    assert_eq!(
        panic_text(built),
        "multi_thread is not supported for LocalRuntime"
    );
}

#[test]
fn the_set_or_the_runtime_that_was_entered_last_gets_the_task() {
    let _dog = watchdog();
    let runtime = local();
    let alive = || runtime.metrics().num_alive_tasks();
    let set = LocalSet::new();
    assert_ne!(set.id(), runtime.handle().id());
    assert_ne!(set.id(), LocalSet::new().id());
    runtime.block_on(async {
        // A set inside the runtime.
        let inside = set.run_until(async {
            let task = task::spawn_local(async { Rc::new(3) });
            assert_eq!(alive(), 0);
            *task.await.expect("no panic")
        });
        assert_eq!(inside.await, 3);
        task::spawn_local(async { assert_eq!(alive_here(), 1) })
            .await
            .expect("no panic");
    });
    // The runtime inside a set.
    let _in_set = set.enter();
    let in_set = task::spawn_local(async {});
    assert_eq!(alive(), 0);
    let in_runtime = {
        let _inside = runtime.enter();
        task::spawn_local(async {})
    };
    assert_eq!(alive(), 1);
    runtime.block_on(async {
        in_runtime.await.expect("no panic");
        // In a task of the runtime too, although the set is entered still.
        let sent = task::spawn(async {
            let before = alive_here();
            let task = task::spawn_local(async {});
            assert_eq!(alive_here(), before + 1);
            task.await.expect("no panic");
        });
        sent.await.expect("no panic");
    });
    assert!(!in_set.is_finished());
    set.block_on(&current_thread(), in_set).expect("no panic");
}

fn alive_here() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[test]
fn tasks_run_here_wherever_they_are_woken() {
    let _dog = watchdog();
    let runtime = local();
    let here = thread::current().id();
    let messages = if cfg!(miri) { 20 } else { 1_000 };
    let sum = Rc::new(Cell::new(0));
    let (sender, mut receiver) = channel::channel(1);
    let adds = sum.clone();
    let adding = runtime.spawn_local(async move {
        while let Some(n) = receiver.recv().await {
            assert_eq!(thread::current().id(), here);
            adds.set(adds.get() + n);
        }
    });
    let sending = thread::spawn(move || {
        (0..messages).for_each(|n| sender.blocking_send(n).expect("the other task receives"));
    });
    runtime.block_on(adding).expect("no panic");
    sending.join().expect("no panic");
    assert_eq!(sum.get(), messages * (messages - 1) / 2);
}

#[test]
fn an_abort_from_elsewhere_drops_the_future_here() {
    let _dog = watchdog();
    let (dropped, drops) = mpsc::channel();
    let runtime = local();
    let waits = || {
        let here = Here::new(&dropped);
        runtime.spawn_local(async move {
            let _here = here;
            pending::<()>().await;
        })
    };
    let idle = waits();
    runtime.block_on(task::yield_now());
    let fresh = waits();
    let aborts = [idle.abort_handle(), fresh.abort_handle()];
    thread::spawn(move || aborts.iter().for_each(|abort| abort.abort()))
        .join()
        .expect("no panic");
    assert!(drops.try_recv().is_err(), "not on the other thread");
    for handle in [idle, fresh] {
        let error = runtime.block_on(handle).expect_err("aborted");
        assert!(error.is_cancelled());
        assert_eq!(drops.recv(), Ok(thread::current().id()));
    }
}

#[test]
fn a_drop_drops_all_tasks_here_and_their_wakers_and_handles_are_harmless_after() {
    let _dog = watchdog();
    let (dropped, drops) = mpsc::channel();
    let wakers = Arc::new(Mutex::new(Vec::new()));
    let runtime = local();
    let handle = runtime.handle().clone();
    let mut tasks = Vec::new();
    for _ in 0..10 {
        let (here, given) = (Here::new(&dropped), wakers.clone());
        tasks.push(runtime.spawn_local(poll_fn(move |cx| {
            let _here = &here;
            given.lock().unwrap().push(cx.waker().clone());
            Poll::<()>::Pending
        })));
    }
    while wakers.lock().unwrap().len() < 10 {
        runtime.block_on(task::yield_now());
    }
    let waking: Vec<Waker> = std::mem::take(&mut *wakers.lock().unwrap());
    let waking = thread::spawn(move || {
        waking.iter().for_each(Waker::wake_by_ref);
        waking
    });
    drop(runtime);
    drop(dropped);
    let waking = waking.join().expect("no panic");
    assert_eq!(
        drops
            .iter()
            .filter(|&id| id == thread::current().id())
            .count(),
        10
    );
    waking.into_iter().for_each(Waker::wake);
    let late = thread::spawn(move || handle.spawn(async {}));
    let late = late.join().expect("no panic");
    let other = current_thread();
    for task in tasks.into_iter().chain([late]) {
        assert!(other.block_on(task).expect_err("dropped").is_cancelled());
    }
}

#[test]
fn tasks_that_panic_end_alone() {
    let _dog = watchdog();
    let runtime = local();
    runtime.block_on(async {
        let mut set = JoinSet::new();
        for n in 0..10 {
            set.spawn_local(async move {
                let kept = Rc::new(n);
                task::yield_now().await;
                assert!(*kept % 2 == 0, "an odd one");
                kept
            });
        }
        let (mut done, mut panicked) = (0, 0);
        while let Some(ended) = set.join_next().await {
            match ended {
                Ok(_) => done += 1,
                Err(error) if error.is_panic() => panicked += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((done, panicked), (5, 5));
    });
    // Drops that panic, at the end.
    for _ in 0..3 {
        let bomb = on_drop(|| panic!("in a drop"));
        runtime.spawn_local(async move {
            let (_bomb, _here) = (bomb, Rc::new(()));
            pending::<()>().await;
        });
    }
    runtime.block_on(task::yield_now());
    drop(runtime);
}

#[test]
fn a_panic_of_a_local_task_may_end_the_runtime() {
    let _dog = watchdog();
    let (told, heard) = mpsc::channel();
    let runtime = Builder::new_current_thread()
        .unhandled_panic(UnhandledPanic::ShutdownRuntime)
        .on_unjoined_panic(move |panic| told.send(panic.to_string()).expect("the test listens"))
        .build_local(LocalOptions::default())
        .expect("a local runtime");
    let other = runtime.spawn_local(pending::<Rc<()>>());
    drop(runtime.spawn_local(async { panic!("as it should") }));
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(pending::<()>())));
    assert!(panic_text(ended).contains("configured to shut down on unhandled panic"));
    assert!(heard.recv().expect("told").contains("as it should"));
    assert!(other.is_finished());
}

#[test]
fn what_a_drop_does_at_the_end_happens_inside_the_runtime() {
    let _dog = watchdog();
    let runtime = local();
    let id = runtime.handle().id();
    let (seen, sees) = mpsc::channel();
    runtime.spawn_local(async move {
        let _last = on_drop(move || {
            let local = task::spawn_local(pending::<Rc<()>>());
            let sent = task::spawn(async {});
            let sleep = heist_reactor::time::sleep(Duration::from_secs(600));
            drop(sleep);
            let current = Handle::current().id();
            seen.send((current, local.is_finished(), sent.is_finished()))
                .expect("the test listens");
        });
        pending::<()>().await;
    });
    runtime.block_on(task::yield_now());
    drop(runtime);
    // What is spawned then is dropped at once.
    assert_eq!(sees.recv(), Ok((id, true, true)));
}

#[test]
fn it_may_be_dropped_inside_other_runtimes_and_inside_a_task_of_its_like() {
    let _dog = watchdog();
    let (dropped, drops) = mpsc::channel();
    let make = |dropped: &mpsc::Sender<ThreadId>| {
        let (runtime, here) = (local(), Here::new(dropped));
        runtime.spawn_local(async move {
            let _here = here;
            pending::<()>().await;
        });
        runtime.spawn_local(async { panic!("never polled") });
        runtime
    };
    for outer in each_kind() {
        let inner = make(&dropped);
        outer.block_on(async move { drop(inner) });
        assert_eq!(drops.recv(), Ok(thread::current().id()));
        let inner = make(&dropped);
        let set = LocalSet::new();
        let task = set.spawn_local(async move {
            let _inner = inner;
            panic!("with a runtime inside")
        });
        let error = set.block_on(&outer, task).expect_err("it panics");
        assert!(error.is_panic());
        assert_eq!(drops.recv(), Ok(thread::current().id()));
    }
    let outer = local();
    let inner = make(&dropped);
    let task = outer.spawn_local(async move {
        task::yield_now().await;
        // Its background work may go on, but its tasks are gone.
        inner.shutdown_background();
    });
    outer.block_on(task).expect("no panic");
    assert_eq!(drops.recv(), Ok(thread::current().id()));
    // One that is kept by a task of another, which ends first.
    let inner = make(&dropped);
    outer.spawn_local(async move {
        let _inner = inner;
        pending::<()>().await;
    });
    drop(outer);
    assert_eq!(drops.recv(), Ok(thread::current().id()));
}

#[test]
fn blocking_on_it_inside_a_current_thread_runtime_panics_and_loses_nothing() {
    let _dog = watchdog();
    let (outer, inner) = (local(), local());
    let task = inner.spawn_local(async { Rc::new(4) });
    let nested =
        outer.block_on(async { catch_unwind(AssertUnwindSafe(|| inner.block_on(async {}))) });
    assert!(panic_text(nested).contains("`block_on` was called inside"));
    assert_eq!(*inner.block_on(task).expect("no panic"), 4);
}

#[test]
fn a_gentle_shutdown_waits_for_local_tasks_and_reports_them() {
    let _dog = watchdog();
    let runtime = local();
    let (sender, receiver) = oneshot::channel();
    let done = runtime.spawn_local(async move {
        let kept = Rc::new(7);
        receiver.await.expect("the other task sends");
        *kept
    });
    runtime.spawn_local(async move {
        task::yield_now().await;
        sender.send(()).expect("the other task receives");
    });
    assert!(runtime.shutdown(Duration::from_secs(60)).is_clean());
    assert!(done.is_finished());

    let runtime = local();
    runtime.block_on(async {
        let listener = task::Builder::new().name("listener");
        drop(listener.spawn_local(pending::<Rc<()>>()).expect("no error"));
    });
    let report = runtime.shutdown(Duration::ZERO);
    assert_eq!(report.tasks()[0].name(), Some("listener"));
}

#[test]
fn a_shutdown_with_a_limit_leaves_a_blocking_job_behind() {
    let _dog = watchdog();
    let (dropped, drops) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let runtime = local();
    let (begun, begins) = mpsc::channel();
    runtime.spawn_blocking(move || {
        begun.send(()).expect("the test listens");
        let _ = released.recv();
    });
    begins.recv().expect("the job begins");
    let here = Here::new(&dropped);
    runtime.spawn_local(async move { drop(here) });
    runtime.shutdown_timeout(Duration::from_millis(1));
    assert_eq!(drops.recv(), Ok(thread::current().id()));
    drop(release);
}

#[cfg(unix)]
#[test]
fn a_foreign_event_loop_drives_it() {
    let _dog = watchdog();
    let runtime = local();
    assert!(runtime.descriptor() >= 0);
    let task = runtime.spawn_local(async {
        let kept = Rc::new(1);
        heist_reactor::time::sleep(Duration::from_millis(1)).await;
        *kept
    });
    while !task.is_finished() {
        runtime.turn(Some(Duration::from_millis(50)));
    }
    assert_eq!(runtime.block_on(task).expect("no panic"), 1);
}

#[test]
fn it_may_lie_in_a_thread_local_until_the_thread_ends() {
    thread_local! {
        static KEPT: RefCell<Option<LocalRuntime>> = const { RefCell::new(None) };
    }
    let _dog = watchdog();
    let (dropped, drops) = mpsc::channel();
    let id = thread::spawn(move || {
        let runtime = local();
        let here = Here::new(&dropped);
        runtime.spawn_local(async move {
            let _here = here;
            let _last = on_drop(|| {
                let _ = catch_unwind(|| drop(task::spawn_local(async {})));
            });
            pending::<()>().await;
        });
        runtime.block_on(task::yield_now());
        KEPT.set(Some(runtime));
        thread::current().id()
    });
    let id = id.join().expect("no panic");
    assert_eq!(drops.recv(), Ok(id));
}

#[test]
fn thousands_of_local_tasks_are_woken_and_aborted_from_other_threads() {
    let _dog = watchdog();
    let laps = if cfg!(miri) { 20 } else { 2_000 };
    let runtime = local();
    let (to_wake, woken) = mpsc::channel::<oneshot::Sender<()>>();
    let waking = thread::spawn(move || {
        for sender in woken {
            let _ = sender.send(());
        }
    });
    let (to_abort, aborted) = mpsc::channel::<task::AbortHandle>();
    let aborting = thread::spawn(move || {
        for task in aborted {
            task.abort();
        }
    });
    let live = Rc::new(());
    runtime.block_on(async {
        for lap in 0..laps {
            let (sender, receiver) = oneshot::channel();
            let kept = live.clone();
            let task = task::spawn_local(async move {
                let _ = receiver.await;
                drop(kept);
            });
            to_abort.send(task.abort_handle()).expect("it listens");
            to_wake.send(sender).expect("it listens");
            if lap % 3 == 0 {
                let _ = task.await;
            }
        }
        drop((to_abort, to_wake));
        while alive_here() > 0 {
            task::yield_now().await;
        }
    });
    assert_eq!(Rc::strong_count(&live), 1);
    waking.join().expect("no panic");
    aborting.join().expect("no panic");
}

#[test]
fn guards_that_are_dropped_out_of_order_leave_what_they_entered() {
    let _dog = watchdog();
    let (one, other) = (local(), local());
    let set = LocalSet::new();
    let spawn = || drop(task::spawn_local(pending::<Rc<()>>()));
    let alive = || {
        (
            one.metrics().num_alive_tasks(),
            other.metrics().num_alive_tasks(),
        )
    };
    let in_one = one.enter();
    let in_set = set.enter();
    let in_other = other.enter();
    spawn();
    assert_eq!(alive(), (0, 1));
    drop(in_set);
    spawn();
    assert_eq!(alive(), (0, 2));
    let in_set = set.enter();
    drop(in_other);
    spawn();
    assert_eq!(alive(), (0, 2));
    drop(in_set);
    spawn();
    assert_eq!(alive(), (1, 2));
    drop(in_one);
    let refused = panic_text(catch_unwind(|| drop(task::spawn_local(async {}))));
    assert!(refused.contains("called from outside"));
}

#[test]
fn a_large_future_is_spawned_on_a_small_stack() {
    let _dog = watchdog();
    let small = thread::Builder::new().stack_size(2 << 20);
    let length = small.spawn(|| {
        let runtime = local();
        let large = [1_u8; 64 << 10];
        let task = runtime.spawn_local(async move {
            task::yield_now().await;
            large.len()
        });
        runtime.block_on(task).expect("no panic")
    });
    let length = length.expect("a thread").join().expect("no overflow");
    assert_eq!(length, 64 << 10);
}
