//! What a thread or a program learns of the runtime: its name, the worker that polls, why there is none, and whether it has
//! ended.

#[path = "support/watch.rs"]
mod watch;

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::panic::catch_unwind;
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use heist_reactor::net::{TcpListener, TcpStream};
use heist_scheduler::runtime::{Builder, Handle, is_rt_shutdown_err, worker_index};
use heist_scheduler::task;
use watch::{current_thread, each_kind, watchdog, workers};

#[test]
fn a_runtime_has_the_name_that_it_was_given_or_none() {
    let _dog = watchdog();
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let builder = builder.worker_threads(1);
        let unnamed = builder.build().expect("a runtime");
        assert_eq!(unnamed.handle().name(), None);
        let named = builder.name("crawler").build().expect("a runtime");
        assert_eq!(named.handle().name(), Some("crawler"));
        let seen = named.spawn(async { Handle::current().name().map(str::to_owned) });
        let seen = named.block_on(seen).expect("no panic");
        assert_eq!(seen.as_deref(), Some("crawler"));
        assert!(format!("{builder:?} {:?}", named.handle()).contains("crawler"));
        let handle = named.handle().clone();
        drop(named);
        assert_eq!(handle.name(), Some("crawler"));
    }
    for empty in ["", " \t"] {
        let naming = || drop(Builder::new_current_thread().name(empty).build());
        assert!(catch_unwind(naming).is_err());
    }
}

#[test]
fn settings_that_do_nothing_still_check_their_arguments() {
    let _dog = watchdog();
    let mut builder = Builder::new_current_thread();
    let builder = builder
        .max_io_events_per_tick(1)
        .max_io_events_per_busy_tick(1);
    assert_eq!(builder.build().expect("a runtime").block_on(async { 1 }), 1);
    let none = || {
        drop(
            Builder::new_current_thread()
                .max_io_events_per_tick(0)
                .build(),
        )
    };
    assert!(catch_unwind(none).is_err());
    let none = || {
        drop(
            Builder::new_current_thread()
                .max_io_events_per_busy_tick(0)
                .build(),
        )
    };
    assert!(catch_unwind(none).is_err());
}

#[test]
fn a_task_knows_its_worker_and_other_threads_have_none() {
    let _dog = watchdog();
    assert_eq!(worker_index(), None);
    let runtime = current_thread();
    assert_eq!(runtime.block_on(async { worker_index() }), Some(0));
    let task = runtime.spawn(async { worker_index() });
    assert_eq!(runtime.block_on(task).expect("no panic"), Some(0));
    {
        let _inside = runtime.enter();
        assert_eq!(worker_index(), None);
    }
    for n in [1, 2] {
        let runtime = workers(n);
        assert_eq!(runtime.block_on(async { worker_index() }), None);
        let job = runtime.spawn_blocking(worker_index);
        assert_eq!(runtime.block_on(job).expect("no panic"), None);
        // Tasks that all have to be polled at once are on different workers.
        let here = Arc::new(Barrier::new(n));
        let tasks: Vec<_> = (0..n)
            .map(|_| {
                let here = here.clone();
                runtime.spawn(async move {
                    here.wait();
                    worker_index().expect("a worker polls it")
                })
            })
            .collect();
        let mut seen = HashSet::new();
        for task in tasks {
            seen.insert(runtime.block_on(task).expect("no panic"));
        }
        assert_eq!(seen.len(), n);
    }
    assert_eq!(worker_index(), None);
}

#[test]
fn a_task_that_has_given_its_worker_away_still_has_a_number_until_its_poll_ends() {
    let _dog = watchdog();
    let runtime = workers(1);
    let task = runtime.spawn(async {
        let before = worker_index();
        // The other task runs on another thread, with the same worker.
        let beside = task::spawn(async { worker_index() });
        let (inside, beside) =
            task::block_in_place(|| (worker_index(), beside.blocking_join().expect("no panic")));
        let after = worker_index();
        let inner = task::block_in_place(|| current_thread().block_on(async { worker_index() }));
        (before, inside, beside, after, inner, worker_index())
    });
    let all = runtime.block_on(task).expect("no panic");
    let zero = Some(0);
    assert_eq!(all, (zero, zero, zero, zero, zero, zero));
}

#[test]
fn parks_and_unparks_are_counted_in_pairs_that_are_odd_in_sleep() {
    let _dog = watchdog();
    let runtime = current_thread();
    let metrics = runtime.metrics();
    assert_eq!(metrics.worker_park_unpark_count(0), 0);
    let (wake, woken) = heist_sync::oneshot::channel();
    let sleeper = metrics.clone();
    let waking = thread::spawn(move || {
        while sleeper.worker_park_unpark_count(0).is_multiple_of(2) {
            thread::yield_now();
        }
        assert!(sleeper.worker_park_count(0) >= 1);
        wake.send(()).expect("it listens");
    });
    runtime.block_on(woken).expect("it sends");
    waking.join().expect("no panic");
    // It may have been woken for nothing in between.
    let count = metrics.worker_park_unpark_count(0);
    assert!(count >= 2 && count.is_multiple_of(2), "{count}");
    assert_eq!(metrics.worker_park_count(0), count / 2);
    for runtime in each_kind() {
        let count = runtime.metrics().worker_park_unpark_count(0);
        assert!(runtime.metrics().worker_park_count(0) >= count / 2);
    }
}

#[test]
fn an_operation_of_a_runtime_that_has_ended_fails_with_an_error_that_says_so() {
    let _dog = watchdog();
    let runtime = current_thread();
    let listener = runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let stream = runtime
        .block_on(TcpStream::connect(address))
        .expect("a connection");
    let handle = runtime.handle().clone();
    drop(runtime);
    let other = current_thread();
    let error = other
        .block_on(listener.accept())
        .expect_err("its reactor is gone");
    assert!(is_rt_shutdown_err(&error), "{error}");
    let error = other
        .block_on(stream.readable())
        .expect_err("its reactor is gone");
    assert!(is_rt_shutdown_err(&error), "{error}");
    // What is begun inside a runtime that has ended fails in the same way.
    let _inside = handle.enter();
    let error = heist_reactor::testing::block_on(TcpListener::bind("127.0.0.1:0"));
    assert!(is_rt_shutdown_err(&error.expect_err("its reactor is gone")));
    let error = heist_reactor::testing::block_on(heist_reactor::net::lookup_host("localhost:1"));
    assert!(is_rt_shutdown_err(&error.err().expect("its pool is gone")));
    for other in [
        io::Error::other("the reactor that this belongs to has been shut down"),
        io::ErrorKind::Other.into(),
        io::Error::from_raw_os_error(1),
    ] {
        assert!(!is_rt_shutdown_err(&other));
    }
}

#[test]
fn a_thread_without_a_runtime_learns_why() {
    struct Last(mpsc::Sender<(bool, bool, String)>);
    impl Drop for Last {
        fn drop(&mut self) {
            let error = Handle::try_current().expect_err("the thread ends");
            let why = (
                error.is_missing_context(),
                error.is_thread_local_destroyed(),
                error.to_string(),
            );
            let _ = self.0.send(why);
        }
    }
    thread_local! {
        static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
    }
    let _dog = watchdog();
    let error = Handle::try_current().expect_err("there is none");
    assert!(error.is_missing_context() && !error.is_thread_local_destroyed());
    let (told, tells) = mpsc::channel();
    thread::spawn(move || {
        // Locals are destroyed in the reverse order of their first use.
        LAST.set(Some(Last(told)));
        let runtime = current_thread();
        drop(runtime.enter());
    })
    .join()
    .expect("no panic");
    let (missing, gone, text) = tells.recv().expect("told");
    assert!(!missing && gone);
    assert!(text.contains("this thread is ending"), "{text}");
}

#[test]
fn what_no_worker_polls_has_no_index_on_the_thread_of_a_worker_either() {
    let runtime = |workers| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(workers).build().expect("a runtime")
    };
    let (many, one) = (runtime(4), runtime(1));
    let (own, other) = (many.handle().clone(), one.handle().clone());
    let task = many.spawn(async move {
        let index = async { worker_index() };
        assert_eq!(other.block_on(index), None);
        assert_eq!(own.block_on(async { worker_index() }), None);
        let eager = other.spawn_eager(async { worker_index() });
        assert_eq!(eager.await.expect("no panic"), None);
        let eager = own.spawn_eager(async { worker_index() });
        assert!(eager.await.expect("no panic").is_some());
        assert!(worker_index().is_some());
    });
    many.block_on(task).expect("no panic");
}
