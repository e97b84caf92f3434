//! A shutdown that lets things end: who is let in meanwhile, who is waited for, and what is told of the rest.

#[path = "support/watch.rs"]
mod watch;

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use heist_reactor::net::TcpListener;
use heist_reactor::time::{sleep, timeout};
use heist_scheduler::runtime::{Builder, Handle, Runtime, UnhandledPanic};
use heist_scheduler::task;
use heist_sync::waits::Wait;
use heist_sync::{Notify, Semaphore, oneshot};
use watch::{Count, current_thread, each_kind, watchdog, workers};

/// Longer than the watchdog waits.
const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(20);

/// Spawns a task that spawns the next one and ends, and so on.
fn relay(left: usize, ends: Arc<AtomicUsize>) {
    drop(task::spawn(async move {
        match left {
            0 => drop(ends.fetch_add(1, Ordering::SeqCst)),
            _ if left.is_multiple_of(10) => {
                drop(task::spawn_blocking(move || relay(left - 1, ends)))
            }
            _ => {
                task::yield_now().await;
                relay(left - 1, ends);
            }
        }
    }));
}

#[test]
fn what_ends_by_itself_is_waited_for_and_so_is_what_it_spawns() {
    let _dog = watchdog();
    for _ in 0..20 {
        for runtime in each_kind() {
            let ends = Arc::new(AtomicUsize::new(0));
            let (for_tasks, for_jobs) = (ends.clone(), ends.clone());
            drop(runtime.spawn(async move {
                sleep(Duration::from_millis(1)).await;
                for _ in 0..5 {
                    relay(45, for_tasks.clone());
                }
            }));
            drop(runtime.spawn_blocking(move || relay(15, for_jobs)));
            let report = runtime.shutdown(LONG);
            assert!(report.is_clean(), "{report}");
            assert_eq!(ends.load(Ordering::SeqCst), 6);
        }
    }
}

#[test]
fn a_runtime_without_tasks_ends_at_once() {
    let _dog = watchdog();
    for grace in [Duration::ZERO, LONG, Duration::MAX] {
        for runtime in each_kind() {
            let report = runtime.shutdown(grace);
            assert!(report.is_clean(), "{report}");
            assert_eq!(report.to_string(), "everything ended by itself");
            assert_eq!(report.num_threads_left(), 0);
        }
    }
}

#[test]
fn what_does_not_end_is_cancelled_and_reported() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (count, drops) = Count::new();
        let named = task::Builder::new()
            .name("the listener")
            .spawn_on(
                async move {
                    let _count = count;
                    pending::<()>().await;
                },
                runtime.handle(),
            )
            .expect("a task");
        let line = line!() + 1;
        let bare = runtime.spawn(pending::<()>());
        let ended = runtime.block_on(runtime.spawn(async { 42 }));
        assert_eq!(ended.expect("no panic"), 42);
        let (named_id, bare_id) = (named.id(), bare.id());

        let report = runtime.shutdown(SHORT);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        assert!(!report.is_clean());
        assert_eq!(report.tasks().len(), 2, "{report}");
        assert!(report.blocking_jobs().is_empty());
        assert_eq!(report.num_threads_left(), 0);
        let of = |id| report.tasks().iter().find(|task| task.id() == id);
        let (listener, other) = (of(named_id).expect("listed"), of(bare_id).expect("listed"));
        assert_eq!(listener.name(), Some("the listener"));
        assert_eq!(other.name(), None);
        assert_eq!(
            (other.location().file(), other.location().line()),
            (file!(), line)
        );
        assert!(!listener.is_left_behind() && !other.is_left_behind());
        let text = report.to_string();
        assert!(text.contains("tasks that did not end in time: 2"), "{text}");
        assert!(text.contains("\"the listener\", spawned at "), "{text}");

        let waiter = current_thread();
        for handle in [named, bare] {
            assert!(
                waiter
                    .block_on(handle)
                    .expect_err("cancelled")
                    .is_cancelled()
            );
        }
    }
}

#[test]
fn a_long_list_is_cut_in_the_text_and_only_there() {
    let _dog = watchdog();
    for runtime in each_kind() {
        for _ in 0..1_000 {
            drop(runtime.spawn(pending::<()>()));
        }
        let report = runtime.shutdown(Duration::ZERO);
        assert_eq!(report.tasks().len(), 1_000);
        let text = report.to_string();
        assert!(text.ends_with("and 980 more"), "{text}");
    }
}

#[test]
fn outsiders_are_refused_while_insiders_go_on() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let handle = runtime.handle().clone();
        let (closed, opens) = oneshot::channel();
        let inside = runtime.spawn(async move {
            opens.await.expect("it is sent");
            let task = task::spawn(async { 1 });
            let by_handle = Handle::current().spawn(async { 2 });
            let job = task::spawn_blocking(|| Handle::current().spawn(async { 3 }));
            let eager = task::spawn_eager(async { 4 });
            let from_job = job.await.expect("the job is let in");
            task.await.expect("let in")
                + by_handle.await.expect("let in")
                + from_job.await.expect("let in")
                + eager.await.expect("let in")
        });
        let outside = thread::spawn(move || {
            let waiter = current_thread();
            // Let in until the shutdown begins.
            while waiter.block_on(handle.spawn_blocking(|| ())).is_ok() {}
            let task = handle.spawn(async { panic!("it is never polled") });
            assert!(waiter.block_on(task).expect_err("refused").is_cancelled());
            let _entered = handle.enter();
            let task = task::spawn(async { panic!("it is never polled") });
            assert!(waiter.block_on(task).expect_err("refused").is_cancelled());
            closed.send(()).expect("the task waits");
        });
        let report = runtime.shutdown(LONG);
        outside.join().expect("no panic");
        assert!(report.is_clean(), "{report}");
        assert_eq!(current_thread().block_on(inside).expect("no panic"), 10);
    }
}

#[test]
fn a_job_that_never_began_is_reported_and_dropped() {
    let _dog = watchdog();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    let (began, begins) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    drop(runtime.spawn_blocking(move || {
        began.send(()).expect("awaited");
        let _ = gate.recv();
    }));
    begins.recv().expect("it began");
    let (count, drops) = Count::new();
    let queued = runtime.spawn_blocking(move || drop(count));
    // It runs on until the queued one is gone, which the shutdown sees to.
    let opener = thread::spawn({
        let drops = drops.clone();
        move || {
            while drops.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            drop(open);
        }
    });
    let report = runtime.shutdown(SHORT);
    opener.join().expect("no panic");
    assert_eq!(report.blocking_jobs().len(), 2, "{report}");
    let error = current_thread().block_on(queued).expect_err("it never ran");
    assert!(error.is_cancelled());
}

#[test]
fn what_is_held_up_is_left_behind_and_reported() {
    let _dog = watchdog();
    let runtime = workers(2);
    let (open, gate) = mpsc::channel::<()>();
    let (also_open, also_gate) = mpsc::channel::<()>();
    let (began, begins) = mpsc::channel();
    let in_poll = began.clone();
    let task = runtime.spawn(async move {
        in_poll.send(()).expect("awaited");
        let _ = gate.recv();
    });
    let job = runtime.spawn_blocking(move || {
        began.send(()).expect("awaited");
        let _ = also_gate.recv();
    });
    begins.recv().expect("one began");
    begins.recv().expect("the other began");
    let before = Instant::now();
    let report = runtime.shutdown(SHORT);
    let took = before.elapsed();
    assert!(took >= SHORT + Duration::from_secs(1), "{took:?}");
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert_eq!(report.tasks().len(), 1, "{report}");
    assert!(report.tasks()[0].is_left_behind());
    assert_eq!(report.blocking_jobs().len(), 1, "{report}");
    assert!(report.blocking_jobs()[0].is_left_behind());
    assert!(report.num_threads_left() >= 2, "{report}");
    assert!(
        report.to_string().contains("threads left behind: "),
        "{report}"
    );
    drop((open, also_open));
    let waiter = current_thread();
    // Both end, as what holds them up ends.
    waiter.block_on(task).expect("its poll came to its end");
    waiter.block_on(job).expect("it came to its end");
}

#[test]
fn threads_that_are_held_up_by_their_last_hook_are_left_behind_and_reported() {
    let _dog = watchdog();
    let (open, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_stop(move || {
            let _ = gate.lock().unwrap().recv();
        })
        .build()
        .expect("a runtime");
    let report = runtime.shutdown(SHORT);
    assert!(report.tasks().is_empty(), "{report}");
    assert!(report.num_threads_left() >= 2, "{report}");
    assert!(!report.is_clean());
    drop(open);
}

/// Spawns a task of that name.
fn spawn_named<F>(runtime: &Runtime, name: &str, future: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let spawned = task::Builder::new()
        .name(name)
        .spawn_on(future, runtime.handle());
    drop(spawned.expect("a task"));
}

/// `future`, which counts itself in `waits` once it waits.
async fn counted(mut future: Pin<Box<dyn Future<Output = ()> + Send>>, waits: Arc<AtomicUsize>) {
    let mut counted = false;
    poll_fn(move |cx| {
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() && !std::mem::replace(&mut counted, true) {
            waits.fetch_add(1, Ordering::SeqCst);
        }
        polled
    })
    .await;
}

/// What a task waits for.
type Leaf = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Spawns a task named by what it waits for.
fn spawn_leaf(runtime: &Runtime, waits: &Arc<AtomicUsize>, wait: Wait, leaf: Leaf) {
    spawn_named(runtime, &format!("{wait:?}"), counted(leaf, waits.clone()));
}

/// A signal that doesn't come, and a child that doesn't end.
#[cfg(unix)]
fn spawn_leaves_of_unix(one: impl Fn(Wait, Leaf)) {
    use heist_reactor::process::Command;
    use heist_reactor::signal::unix::{SignalKind, signal};

    one(
        Wait::Signal,
        Box::pin(async {
            let mut signals = signal(SignalKind::user_defined2()).expect("a listener");
            signals.recv().await;
        }),
    );
    one(
        Wait::ChildProcess,
        Box::pin(async {
            let mut command = Command::new("sleep");
            let _ = command.arg("3600").kill_on_drop(true).output().await;
        }),
    );
}

/// How many tasks [`spawn_leaves`] spawns.
const LEAVES: usize = if cfg!(unix) { 13 } else { 11 };

/// Spawns a task for each leaf, named by what it waits for. `waits` counts those that wait for it.
fn spawn_leaves(runtime: &Runtime, gate: mpsc::Receiver<()>, waits: &Arc<AtomicUsize>) {
    let one = |wait, future| spawn_leaf(runtime, waits, wait, future);
    #[cfg(unix)]
    spawn_leaves_of_unix(one);
    one(Wait::Unknown, Box::pin(pending()));
    one(
        Wait::Mutex,
        Box::pin(async {
            let mutex = heist_sync::Mutex::new(());
            let _held = mutex.lock().await;
            drop(mutex.lock().await);
        }),
    );
    one(
        Wait::Semaphore,
        Box::pin(async {
            let _ = Semaphore::new(0).acquire().await;
        }),
    );
    one(
        Wait::Notify,
        Box::pin(async { Notify::new().notified().await }),
    );
    one(
        Wait::Oneshot,
        Box::pin(async {
            let (_send, receive) = oneshot::channel::<()>();
            let _ = receive.await;
        }),
    );
    one(
        Wait::MpscRecv,
        Box::pin(async {
            let (_send, mut receive) = heist_sync::mpsc::channel::<()>(1);
            // The timer is a limit to what is waited for.
            let _ = timeout(LONG, receive.recv()).await;
        }),
    );
    one(
        Wait::MpscSend,
        Box::pin(async {
            let (send, _receive) = heist_sync::mpsc::channel(1);
            while send.send(()).await.is_ok() {}
        }),
    );
    one(Wait::Sleep, Box::pin(sleep(LONG)));
    one(
        Wait::Readable,
        Box::pin(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let _ = listener.accept().await;
        }),
    );
    one(
        Wait::Join,
        Box::pin(async {
            let _ = task::spawn(pending::<()>()).await;
        }),
    );
    one(
        Wait::BlockingJob,
        Box::pin(async move {
            let _ = task::spawn_blocking(move || gate.recv()).await;
        }),
    );
}

#[test]
fn a_report_tells_what_each_task_waited_for() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (open, gate) = mpsc::channel();
        let waits = Arc::new(AtomicUsize::new(0));
        spawn_leaves(&runtime, gate, &waits);
        spawn_named(&runtime, "Turn", async {
            loop {
                task::yield_now().await;
            }
        });
        while waits.load(Ordering::SeqCst) < LEAVES {
            runtime.block_on(task::yield_now());
        }
        // The last of those polls has ended, and that of the one that takes turns, some rounds later.
        for _ in 0..100 {
            runtime.block_on(async { task::spawn(task::yield_now()).await.expect("no panic") });
        }
        let opener = thread::spawn({
            let handle = runtime.handle().clone();
            move || {
                // Its handle is resolved once the shutdown has begun; the job ends in the end.
                while current_thread().block_on(handle.spawn(async {})).is_ok() {}
                drop(open);
            }
        });
        let report = runtime.shutdown(Duration::ZERO);
        opener.join().expect("no panic");
        let named: Vec<_> = report
            .tasks()
            .iter()
            .filter_map(|task| Some((task.name()?, task.waited_for())))
            .collect();
        assert_eq!(named.len(), LEAVES + 1, "{report}");
        for (name, wait) in named {
            assert_eq!(name, format!("{wait:?}"), "{report}");
        }
        assert!(
            report.to_string().contains("waiting for a message"),
            "{report}"
        );
    }
}

#[test]
fn a_panic_that_ends_the_runtime_ends_the_wait() {
    let _dog = watchdog();
    let kinds = [Builder::new_current_thread(), Builder::new_multi_thread()];
    for mut kind in kinds {
        let runtime = kind
            .worker_threads(2)
            .unhandled_panic(UnhandledPanic::ShutdownRuntime)
            .build()
            .expect("a runtime");
        let waits = runtime.spawn(pending::<()>());
        drop(runtime.spawn(async { panic!("on purpose") }));
        let report = runtime.shutdown(LONG);
        assert_eq!(report.num_threads_left(), 0, "{report}");
        let error = current_thread().block_on(waits).expect_err("it never ends");
        assert!(error.is_cancelled());
    }
}

#[test]
fn a_shutdown_may_be_called_where_futures_are_polled() {
    let _dog = watchdog();
    let outer = workers(2);
    for inner in each_kind() {
        let task = inner.spawn(async { sleep(Duration::from_millis(1)).await });
        let report = outer.block_on(outer.spawn(async move { inner.shutdown(LONG) }));
        assert!(report.expect("no panic").is_clean());
        current_thread().block_on(task).expect("it ended in time");
    }
    // By a task of its own, which it waits for in vain.
    let own = workers(2);
    let (hand, handed) = mpsc::channel();
    let (send, receive) = mpsc::channel();
    drop(own.spawn(async move {
        let own: Runtime = handed.recv().expect("it is sent");
        let id = task::id();
        send.send((id, own.shutdown(SHORT))).expect("awaited");
    }));
    hand.send(own).expect("the task waits");
    let (id, report) = receive.recv().expect("it is sent");
    assert_eq!(report.tasks().len(), 1, "{report}");
    assert_eq!(report.tasks()[0].id(), id);
    // Inside a current-thread runtime nobody could stand in.
    let inner = workers(1);
    let nested = catch_unwind(AssertUnwindSafe(|| {
        current_thread().block_on(async { inner.shutdown(LONG) })
    }));
    assert!(nested.is_err());
}
