//! What a builder is told: intervals, what workers call, what becomes of panics.

#[path = "support/watch.rs"]
mod watch;

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use heist_scheduler::runtime::{Builder, Handle, Runtime, UnhandledPanic};
use heist_scheduler::task;
use watch::{Count, watchdog};

type Make = fn() -> Builder;
const KINDS: [Make; 2] = [Builder::new_current_thread, || {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    builder
}];

/// Whether `f` panics, and with what.
fn panics(f: impl FnOnce()) -> Option<String> {
    let payload = catch_unwind(AssertUnwindSafe(f)).err()?;
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| {
        payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
    })
}

/// Spawns a task that spawns, yields, and joins, and waits for it.
fn works(runtime: &Runtime) {
    let sum = runtime.block_on(async {
        let tasks: Vec<_> = (0..200)
            .map(|i| {
                task::spawn(async move {
                    task::yield_now().await;
                    i
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("no panic");
        }
        sum
    });
    assert_eq!(sum, 19_900);
}

#[test]
fn intervals_of_zero_are_refused_and_all_others_work() {
    let _dog = watchdog();
    for make in KINDS {
        let events = panics(|| _ = make().event_interval(0)).expect("refused");
        assert!(events.contains("event_interval"));
        let injector = panics(|| _ = make().global_queue_interval(0)).expect("refused");
        assert!(injector.contains("global_queue_interval"));
        for interval in [1, 2, u32::MAX] {
            let runtime = make()
                .event_interval(interval)
                .global_queue_interval(interval)
                .build()
                .expect("a runtime");
            works(&runtime);
        }
    }
}

#[test]
fn a_hook_that_wakes_a_task_before_the_thread_sleeps_strands_nothing() {
    let _dog = watchdog();
    for make in KINDS {
        let handle: Arc<Mutex<Option<Handle>>> = Arc::default();
        let (parks, unparks, spawned) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (parked, unparked, hooked) = (parks.clone(), unparks.clone(), handle.clone());
        let counts = spawned.clone();
        let runtime = make()
            .on_thread_park(move || {
                parked.fetch_add(1, Ordering::SeqCst);
                let handle = hooked.lock().unwrap().clone();
                if let Some(handle) = handle
                    && counts.load(Ordering::SeqCst) < 100
                {
                    let counts = counts.clone();
                    drop(handle.spawn(async move {
                        counts.fetch_add(1, Ordering::SeqCst);
                    }));
                }
                panic!("a hook panics");
            })
            .on_thread_unpark(move || {
                unparked.fetch_add(1, Ordering::SeqCst);
            })
            .build()
            .expect("a runtime");
        *handle.lock().unwrap() = Some(runtime.handle().clone());
        runtime.block_on(async {
            while spawned.load(Ordering::SeqCst) < 100 {
                // Wakes a worker, which then goes to sleep again: it may have slept before the handle was there.
                task::spawn(async {}).await.unwrap();
                heist_reactor::time::sleep(std::time::Duration::from_micros(100)).await;
            }
        });
        *handle.lock().unwrap() = None;
        drop(runtime);
        assert_eq!(
            parks.load(Ordering::SeqCst),
            unparks.load(Ordering::SeqCst),
            "each sleep ends"
        );
    }
}

#[test]
fn each_worker_says_its_number() {
    let _dog = watchdog();
    let (tell, told) = mpsc::channel();
    let runtime = Builder::new_multi_thread()
        .worker_threads(3)
        .on_worker_start(move |worker| tell.send((worker, thread::current().id())).unwrap())
        .build()
        .expect("a runtime");
    let mut workers: Vec<_> = (0..3).map(|_| told.recv().unwrap().0).collect();
    workers.sort_unstable();
    assert_eq!(workers, [0, 1, 2]);
    drop(runtime);
}

#[test]
fn a_panic_that_nobody_joins_is_told_once_and_one_that_is_joined_never() {
    let _dog = watchdog();
    for make in KINDS {
        let (tell, told) = mpsc::channel();
        let runtime = make()
            .on_unjoined_panic(move |panic| {
                tell.send((
                    panic.task_id(),
                    panic.task_name().map(str::to_owned),
                    panic.message().map(str::to_owned),
                    panic.to_string(),
                ))
                .unwrap();
                panic!("the handler panics");
            })
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            // Detached before it panics.
            drop(task::spawn(async { panic!("detached") }));
            assert_eq!(told_text(&told).await, "detached");
            // Dropped after it has panicked.
            let late = task::Builder::new()
                .name("late")
                .spawn(async { panic!("number {}", 2) })
                .unwrap();
            while !late.is_finished() {
                task::yield_now().await;
            }
            let id = late.id();
            drop(late);
            let (of, name, message, text) = told.try_recv().expect("told as it was dropped");
            assert_eq!(
                (of, name.as_deref(), message.as_deref()),
                (id, Some("late"), Some("number 2"))
            );
            assert!(text.contains("hooks.rs"), "{text}");
            // A blocking job.
            drop(task::spawn_blocking(|| panic!("a job")));
            assert_eq!(told_text(&told).await, "a job");
            // Joined: its owner knows.
            let error = task::spawn(async { panic!("joined") })
                .await
                .expect_err("it panics");
            assert!(error.is_panic());
            drop(error);
            // Cancelled: no panic.
            let cancelled = task::spawn(pending::<()>());
            cancelled.abort();
            drop(cancelled);
        });
        drop(runtime);
        assert!(told.try_recv().is_err());
    }

    async fn told_text<A, B>(told: &mpsc::Receiver<(A, B, Option<String>, String)>) -> String {
        loop {
            if let Ok((_, _, message, _)) = told.try_recv() {
                return message.expect("a text");
            }
            task::yield_now().await;
        }
    }
}

/// Runtimes of each kind that end with the first panic.
fn told_to_end() -> impl Iterator<Item = Runtime> {
    KINDS.into_iter().map(|make| {
        make()
            .unhandled_panic(UnhandledPanic::ShutdownRuntime)
            .build()
            .expect("a runtime")
    })
}

#[test]
fn a_runtime_that_is_told_to_ends_with_the_first_panic() {
    let _dog = watchdog();
    for runtime in told_to_end() {
        let (count, drops) = Count::new();
        let text = panics(|| {
            runtime.block_on(async {
                drop(task::spawn(async move {
                    let _count = count;
                    pending::<()>().await;
                }));
                drop(task::spawn(async { panic!("the first") }));
                pending::<()>().await;
            });
        });
        let text = text.expect("it ends");
        assert!(text.contains("a spawned task panicked"), "{text}");
        assert!(runtime.block_on_refused());
        let late = runtime.spawn(async {});
        drop(runtime);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        assert!(late.is_finished());
    }
}

#[test]
fn a_runtime_that_is_told_to_ends_even_if_the_panic_is_joined() {
    let _dog = watchdog();
    for runtime in told_to_end() {
        let text = panics(|| {
            runtime.block_on(async {
                let _ = task::spawn(async { panic!("the first") }).await;
            });
        });
        let text = text.expect("it ends");
        assert!(text.contains("a spawned task panicked"), "{text}");
    }
}

trait Refused {
    fn block_on_refused(&self) -> bool;
}

impl Refused for Runtime {
    fn block_on_refused(&self) -> bool {
        panics(|| self.block_on(async {})).is_some()
    }
}

#[test]
fn a_runtime_that_ignores_panics_goes_on() {
    let _dog = watchdog();
    for make in KINDS {
        let runtime = make()
            .unhandled_panic(UnhandledPanic::Ignore)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            for _ in 0..100 {
                drop(task::spawn(async { panic!("one of many") }));
            }
            let joined = task::spawn(async { panic!("joined") }).await;
            assert!(joined.expect_err("it panics").is_panic());
        });
        works(&runtime);
    }
}

/// Panics as it is dropped, so many times over.
struct Nested(u32);

impl Drop for Nested {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(Nested(self.0 - 1));
        }
    }
}

#[test]
fn a_callback_whose_panic_panics_as_it_is_dropped_costs_no_thread() {
    let _dog = watchdog();
    let hooks: [fn(&mut Builder); 6] = [
        |it| _ = it.on_thread_start(|| panic_any(Nested(3))),
        |it| _ = it.on_thread_stop(|| panic_any(Nested(3))),
        |it| _ = it.on_thread_park(|| panic_any(Nested(3))),
        |it| _ = it.on_thread_unpark(|| panic_any(Nested(3))),
        |it| _ = it.on_worker_start(|_| panic_any(Nested(3))),
        |it| _ = it.thread_name_fn(|| panic_any(Nested(3))),
    ];
    for make in KINDS {
        for hook in hooks {
            let mut builder = make();
            hook(&mut builder);
            let runtime = builder.build().expect("a runtime");
            works(&runtime);
            runtime.block_on(async {
                assert_eq!(task::spawn_blocking(|| 7).await.unwrap(), 7);
                heist_reactor::time::sleep(std::time::Duration::from_millis(2)).await;
                drop(task::spawn(async { panic_any(Nested(3)) }));
                drop(task::spawn_blocking(|| panic_any(Nested(3))));
            });
            works(&runtime);
        }
    }
}

#[test]
fn every_thread_of_a_runtime_has_its_name() {
    let _dog = watchdog();
    for kind in KINDS {
        let names = Arc::new(Mutex::new(Vec::new()));
        let seen = names.clone();
        let runtime = kind()
            .thread_name("mine")
            .on_thread_start(move || {
                let name = thread::current().name().map(str::to_owned);
                seen.lock().expect("no panic").push(name);
            })
            .build()
            .expect("a runtime");
        works(&runtime);
        let job = runtime.block_on(async { task::spawn_blocking(|| ()).await });
        job.expect("no panic");
        drop(runtime);
        let names = names.lock().expect("no panic");
        assert!(!names.is_empty(), "that of the job");
        assert!(
            names.iter().all(|name| name.as_deref() == Some("mine")),
            "{names:?}"
        );
    }
}

#[test]
fn the_hooks_of_threads_are_called_inside_their_runtime() {
    let _dog = watchdog();
    for kind in KINDS {
        let ids = Arc::new(Mutex::new(Vec::new()));
        let (on_start, on_stop) = (ids.clone(), ids.clone());
        let note = |ids: &Mutex<Vec<_>>| {
            let id = Handle::try_current().map(|handle| handle.id());
            ids.lock().expect("no panic").push(id.ok());
        };
        let runtime = kind()
            .on_thread_start(move || note(&on_start))
            .on_thread_stop(move || note(&on_stop))
            .build()
            .expect("a runtime");
        works(&runtime);
        let job = runtime.block_on(async { task::spawn_blocking(|| ()).await });
        job.expect("no panic");
        let id = runtime.handle().id();
        drop(runtime);
        let ids = ids.lock().expect("no panic");
        assert!(ids.len() >= 2, "those of the job");
        assert!(ids.iter().all(|&found| found == Some(id)), "{ids:?}");
    }
}
