//! What `task_local!` promises: a value goes with its future, wherever that is polled, dropped or left.

#[path = "support/watch.rs"]
mod watch;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use heist::task::{self, JoinSet, LocalSet};
use watch::{Count, current_thread, each_kind, on_drop, watchdog, workers};

heist::task_local! {
    static NUMBER: u32;

    /// Its attributes and visibility are kept.
    #[allow(dead_code)]
    pub(crate) static MAP: HashMap<String, Vec<u8>>;
    static TEXT: String;
    static SHARED: Rc<Cell<u32>>;
    static COUNT: Count
}
heist::task_local!();

/// One poll.
fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn the_value_is_there_at_each_poll_on_whichever_thread_and_nowhere_else() {
    let _dog = watchdog();
    let mut future = Box::pin(NUMBER.scope(7, async {
        for _ in 0..5 {
            assert_eq!(NUMBER.get(), 7);
            task::yield_now().await;
        }
        NUMBER.with(|number| number + 1)
    }));
    for _ in 0..5 {
        future = thread::spawn(move || {
            assert!(poll(future.as_mut()).is_pending());
            assert!(NUMBER.try_get().is_err());
            future
        })
        .join()
        .expect("no panic");
    }
    assert_eq!(poll(future.as_mut()), Poll::Ready(8));
    assert!(NUMBER.try_get().is_err());
}

#[test]
fn tasks_have_a_value_each_on_all_kinds_of_runtimes() {
    let _dog = watchdog();
    for runtime in each_kind() {
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for number in 0..200 {
                tasks.spawn(NUMBER.scope(number, async move {
                    for lap in 0..5 {
                        if lap == 2 {
                            task::spawn_blocking(|| ()).await.expect("no panic");
                        }
                        task::yield_now().await;
                        assert_eq!(NUMBER.get(), number);
                    }
                    number
                }));
            }
            let sum: u32 = tasks.join_all().await.into_iter().sum();
            assert_eq!(sum, 19_900);
            assert!(NUMBER.try_get().is_err());
        });
    }
}

#[test]
fn what_a_task_spawns_has_no_value_of_its_own() {
    let _dog = watchdog();
    for runtime in each_kind() {
        runtime.block_on(NUMBER.scope(1, async {
            let spawned = task::spawn(async { NUMBER.try_get() });
            let job = task::spawn_blocking(|| NUMBER.try_get());
            assert!(spawned.await.expect("no panic").is_err());
            assert!(job.await.expect("no panic").is_err());
            // The first poll of an eager task is a call inside this one.
            let eager = task::spawn_eager(async {
                let first = NUMBER.try_get();
                task::yield_now().await;
                (first, NUMBER.try_get())
            });
            let (first, second) = eager.await.expect("no panic");
            assert!(first == Ok(1) && second.is_err());
            // Local tasks are polled inside whoever polls their set.
            let local = LocalSet::new();
            let inside = local.run_until(async {
                let task = task::spawn_local(async { NUMBER.try_get() });
                task.await.expect("no panic")
            });
            assert_eq!(inside.await, Ok(1));
        }));
    }
}

#[test]
fn the_innermost_scope_counts_and_the_outer_value_comes_back() {
    let _dog = watchdog();
    current_thread().block_on(NUMBER.scope(1, async {
        let inner = NUMBER.scope(2, async {
            assert_eq!(NUMBER.get(), 2);
            TEXT.scope("other".to_owned(), async {
                task::yield_now().await;
                assert_eq!((NUMBER.get(), TEXT.get().as_str()), (2, "other"));
            })
            .await;
            assert!(TEXT.try_get().is_err());
            NUMBER.sync_scope(3, || assert_eq!(NUMBER.get(), 3));
            assert_eq!(NUMBER.get(), 2);
        });
        let mut inner = pin!(inner);
        assert!(poll(inner.as_mut()).is_pending());
        assert_eq!(NUMBER.get(), 1);
        inner.await;
        assert_eq!(NUMBER.get(), 1);
    }));
}

#[test]
fn a_future_may_not_be_send_and_its_value_may_be_changed_inside() {
    let _dog = watchdog();
    let local = LocalSet::new();
    let shared = Rc::new(Cell::new(0));
    let given = shared.clone();
    local.block_on(&current_thread(), async move {
        let task = task::spawn_local(SHARED.scope(given, async {
            task::yield_now().await;
            SHARED.with(|count| count.set(count.get() + 5));
        }));
        task.await.expect("no panic");
    });
    assert_eq!((shared.get(), Rc::strong_count(&shared)), (5, 1));
}

#[test]
fn a_panic_in_a_scope_gives_the_outer_value_back() {
    let _dog = watchdog();
    NUMBER.sync_scope(1, || {
        let mut future = Box::pin(NUMBER.scope(2, async { panic!("in the scope") }));
        let caught = catch_unwind(AssertUnwindSafe(|| poll(future.as_mut())));
        assert!(caught.is_err());
        assert_eq!(NUMBER.get(), 1);
        assert_eq!(future.as_mut().take_value(), Some(2));
        let caught = catch_unwind(|| NUMBER.sync_scope(3, || panic!("in the scope")));
        assert!(caught.is_err());
        let caught = catch_unwind(|| NUMBER.with(|_| panic!("in a `with`")));
        assert!(caught.is_err());
        NUMBER.sync_scope(4, || ());
        assert_eq!(NUMBER.get(), 1);
    });
    for runtime in each_kind() {
        let (count, drops) = Count::new();
        let task = runtime.spawn(COUNT.scope(count, async {
            task::yield_now().await;
            panic!("in a task")
        }));
        let error = runtime.block_on(task).expect_err("it panics");
        assert!(error.is_panic());
        assert_eq!(drops.load(std::sync::atomic::Ordering::SeqCst), 1);
        assert!(runtime.block_on(async { NUMBER.try_get() }).is_err());
    }
}

/// Notes which number it sees as it is dropped.
struct Sees(Arc<Mutex<Vec<Option<u32>>>>);

impl Drop for Sees {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(NUMBER.try_get().ok());
    }
}

#[test]
fn a_future_is_dropped_with_its_value_complete_or_cancelled_or_never_polled() {
    let _dog = watchdog();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = || Sees(seen.clone());

    let (before, inside) = (sees(), sees());
    let mut cancelled = Box::pin(NUMBER.scope(1, async move {
        let _before = before;
        NUMBER
            .scope(2, async move { (pending::<()>().await, inside) })
            .await
    }));
    assert!(poll(cancelled.as_mut()).is_pending());
    drop(cancelled);
    // The inner future first, then what was made before it.
    assert_eq!(seen.lock().unwrap().split_off(0), [Some(2), Some(1)]);

    let captured = sees();
    drop(NUMBER.scope(3, async move { drop(captured) }));
    assert_eq!(seen.lock().unwrap().split_off(0), [Some(3)]);

    // A future that is complete is dropped at once, and the value later.
    struct Done(#[allow(dead_code)] Sees);
    impl Future for Done {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    let mut done = Box::pin(NUMBER.scope(4, Done(sees())));
    assert!(poll(done.as_mut()).is_ready());
    assert_eq!(seen.lock().unwrap().split_off(0), [Some(4)]);
    assert_eq!(done.as_mut().take_value(), Some(4));
    assert_eq!(done.as_mut().take_value(), None);
}

#[test]
fn an_aborted_task_and_a_runtime_that_ends_drop_futures_with_their_values() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sees = || Sees(seen.clone());
        let waits = |sees: Sees| async move {
            let _sees = sees;
            pending::<()>().await;
        };
        let aborted = runtime.spawn(NUMBER.scope(1, waits(sees())));
        let left = runtime.spawn(NUMBER.scope(2, waits(sees())));
        runtime.block_on(task::yield_now());
        aborted.abort();
        assert!(
            runtime
                .block_on(aborted)
                .expect_err("aborted")
                .is_cancelled()
        );
        drop(runtime);
        assert!(left.is_finished());
        assert_eq!(*seen.lock().unwrap(), [Some(1), Some(2)]);
    }
}

/// A value that looks for its own key as it is dropped, and enters a scope there.
struct Nosy(Arc<Mutex<Vec<bool>>>);

heist::task_local! {
    static NOSY: Nosy;
}

impl Drop for Nosy {
    fn drop(&mut self) {
        let mut seen = self.0.lock().unwrap();
        seen.push(NOSY.try_with(|_| ()).is_ok());
        NUMBER.sync_scope(1, || seen.push(NUMBER.get() == 1));
    }
}

#[test]
fn a_value_is_dropped_outside_its_scope() {
    let _dog = watchdog();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let nosy = || Nosy(seen.clone());
    NOSY.sync_scope(nosy(), || assert!(NOSY.try_with(|_| ()).is_ok()));
    drop(NOSY.scope(nosy(), ready(())));
    NOSY.sync_scope(nosy(), || drop(NOSY.scope(nosy(), pending::<()>())));
    // The third pair is of a value that is dropped inside another one's scope.
    let inside_another = [false, true, false, true, true, true, false, true];
    assert_eq!(*seen.lock().unwrap(), inside_another);
}

#[test]
fn a_panic_in_a_drop_inside_the_scope_gives_the_outer_value_back() {
    let _dog = watchdog();
    NUMBER.sync_scope(1, || {
        let bomb = on_drop(|| panic!("in a drop"));
        let mut future = Box::pin(NUMBER.scope(2, async move {
            let _bomb = bomb;
            pending::<()>().await;
        }));
        assert!(poll(future.as_mut()).is_pending());
        assert!(catch_unwind(AssertUnwindSafe(|| drop(future))).is_err());
        assert_eq!(NUMBER.get(), 1);
    });
}

#[test]
fn a_value_that_was_taken_early_is_missing_from_then_on() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Sees(seen.clone());
    let mut future = Box::pin(NUMBER.scope(1, async move {
        let _sees = sees;
        assert_eq!(NUMBER.get(), 1);
        task::yield_now().await;
        assert!(NUMBER.try_get().is_err());
        pending::<()>().await;
    }));
    assert!(poll(future.as_mut()).is_pending());
    assert_eq!(future.as_mut().take_value(), Some(1));
    // Nor does it see the value around it.
    NUMBER.sync_scope(9, || {
        assert!(poll(future.as_mut()).is_pending());
        assert_eq!(NUMBER.get(), 9);
        drop(future);
        assert_eq!(NUMBER.get(), 9);
    });
    assert_eq!(*seen.lock().unwrap(), [None]);
}

#[test]
fn inside_a_with_no_scope_is_entered_and_a_future_is_dropped_without_its_value() {
    let message = |caught: thread::Result<()>| {
        let payload = caught.expect_err("it panics");
        payload.downcast_ref::<&str>().expect("a text").to_string()
    };
    let borrowed = "cannot enter a task-local scope while the task-local storage is borrowed";
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Sees(seen.clone());
    NUMBER.sync_scope(1, || {
        NUMBER.with(|_| {
            let caught = catch_unwind(|| NUMBER.sync_scope(2, || ()));
            assert_eq!(message(caught), borrowed);
            let mut future = pin!(NUMBER.scope(2, async {}));
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let _ = poll(future.as_mut());
            }));
            assert_eq!(message(caught), borrowed);
            drop(NUMBER.scope(2, async move { drop(sees) }));
            // Another key's scopes, and a nested look, are no trouble.
            assert_eq!(TEXT.sync_scope("text".to_owned(), || NUMBER.get()), 1);
        });
    });
    assert_eq!(*seen.lock().unwrap(), [Some(1)]);
}

#[test]
fn misuse_panics_and_says_why() {
    let message = |f: &dyn Fn()| {
        let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
        payload.downcast_ref::<&str>().expect("a text").to_string()
    };
    let unset = "cannot access a task-local storage value without setting it first";
    assert_eq!(message(&|| NUMBER.sync_scope(NUMBER.get(), || ())), unset);
    assert_eq!(message(&|| NUMBER.with(|_| ())), unset);
    let polled_again = || {
        let mut future = pin!(NUMBER.scope(1, async {}));
        assert!(poll(future.as_mut()).is_ready());
        let _ = poll(future.as_mut());
    };
    assert_eq!(
        message(&polled_again),
        "`TaskLocalFuture` polled after completion"
    );
    let error = NUMBER.try_get().expect_err("unset");
    assert_eq!(error.to_string(), "task-local value not set");
    assert_eq!(format!("{error:?}"), "AccessError");
    let shown = format!("{:?} {:?}", NUMBER, NUMBER.scope(5, ready(())));
    assert!(
        shown.contains("LocalKey") && shown.contains("Some(5)"),
        "{shown}"
    );
}

#[test]
fn scopes_outlive_the_locals_of_a_thread_that_ends() {
    thread_local! {
        /// What a thread still does with the key as its locals are destroyed.
        static LAST: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    }
    struct Last;
    impl Drop for Last {
        fn drop(&mut self) {
            let last = LAST.with(RefCell::take);
            last.expect("it was set")();
        }
    }
    thread_local! {
        static RUNS_LAST: Last = const { Last };
    }
    let _dog = watchdog();
    let (done, gone) = std::sync::mpsc::channel();
    thread::spawn(move || {
        // Locals are destroyed in the reverse order of their first use, so the key's slot goes first.
        LAST.with(|_| ());
        RUNS_LAST.with(|_| ());
        let mut kept = Box::pin(TEXT.scope("kept".to_owned(), async {
            let _sees = on_drop(|| drop(TEXT.try_get()));
            pending::<()>().await;
        }));
        assert!(poll(kept.as_mut()).is_pending());
        LAST.set(Some(Box::new(move || {
            let state = TEXT.try_get().is_err();
            let entered = catch_unwind(|| TEXT.sync_scope("late".to_owned(), || ()));
            drop(kept);
            let _ = done.send((state, entered.is_err()));
        })));
    })
    .join()
    .expect("no panic");
    let (unset, refused) = gone.recv().expect("the thread ends in good order");
    assert!(unset && refused);
}

#[test]
fn blocking_inside_a_scope_keeps_the_value() {
    let _dog = watchdog();
    let runtime = workers(1);
    let task = runtime.spawn(NUMBER.scope(1, async {
        // Another thread takes over the worker meanwhile, with its own slot.
        let beside = task::spawn(NUMBER.scope(2, async { NUMBER.get() }));
        let two = task::block_in_place(|| beside.blocking_join()).expect("no panic");
        let nested = task::block_in_place(|| {
            heist::runtime::Handle::current().block_on(NUMBER.scope(3, async { NUMBER.get() }))
        });
        task::yield_now().await;
        (NUMBER.get(), two, nested)
    }));
    assert_eq!(runtime.block_on(task).expect("no panic"), (1, 2, 3));
}

#[test]
fn several_scopes_polled_in_turn_by_one_task_do_not_mix() {
    let _dog = watchdog();
    current_thread().block_on(async {
        let count = |number| {
            NUMBER.scope(number, async move {
                for _ in 0..10 {
                    assert_eq!(NUMBER.get(), number);
                    task::yield_now().await;
                }
                number
            })
        };
        assert_eq!(heist::join!(count(1), count(2), count(3)), (1, 2, 3));
        let first = heist::select! {
            number = count(4) => number,
            number = count(5) => number,
        };
        assert!(first == 4 || first == 5);
        let mut waits = pin!(NUMBER.scope(
            6,
            poll_fn(|_| match NUMBER.get() {
                6 => Poll::Ready(()),
                _ => Poll::Pending,
            })
        ));
        waits.as_mut().await;
        assert!(NUMBER.try_get().is_err());
    });
}
