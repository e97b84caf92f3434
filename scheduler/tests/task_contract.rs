//! What a task promises: its handle, its abort, its panics, and what becomes of its future and its output.

#[path = "support/watch.rs"]
mod watch;

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use heist_reactor::testing::CountWakes;
use heist_scheduler::task::{self, JoinHandle};
use watch::{Count, current_thread, each_kind, on_drop, watchdog, workers};

#[test]
fn an_aborted_task_drops_its_future_once_and_says_that_it_was_cancelled() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (count, drops) = Count::new();
        let handle = runtime.spawn(async move {
            let _count = count;
            pending::<()>().await;
        });
        handle.abort();
        let error = runtime.block_on(handle).expect_err("aborted");
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    }
}

#[test]
fn abort_works_from_any_thread_and_after_the_runtime_has_gone() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let other = workers(1);
        let from_thread = runtime.spawn(pending::<()>());
        let abort = from_thread.abort_handle();
        thread::spawn(move || abort.abort())
            .join()
            .expect("no panic in abort");
        assert!(
            runtime
                .block_on(from_thread)
                .expect_err("aborted")
                .is_cancelled()
        );

        let from_runtime = runtime.spawn(pending::<()>());
        let abort = from_runtime.abort_handle();
        other.block_on(async move { abort.abort() });
        assert!(
            runtime
                .block_on(from_runtime)
                .expect_err("aborted")
                .is_cancelled()
        );

        let left = runtime.spawn(pending::<()>());
        let abort = left.abort_handle();
        drop(runtime);
        abort.abort();
        left.abort();
        assert!(left.is_finished() && abort.is_finished());
        assert!(other.block_on(left).expect_err("dropped").is_cancelled());
    }
}

#[test]
fn a_task_may_abort_itself_and_ends_at_its_next_await() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (send, receive) = mpsc::channel::<task::AbortHandle>();
        let went_on = Arc::new(AtomicBool::new(false));
        let seen = went_on.clone();
        let handle = runtime.spawn(async move {
            receive.recv().expect("sent right away").abort();
            seen.store(true, Ordering::SeqCst);
            task::yield_now().await;
            unreachable!("aborted");
        });
        send.send(handle.abort_handle()).expect("it receives");
        assert!(
            runtime
                .block_on(handle)
                .expect_err("aborted")
                .is_cancelled()
        );
        assert!(went_on.load(Ordering::SeqCst));
    }
}

#[test]
fn an_abort_that_comes_too_late_changes_nothing() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let handle = runtime.spawn(async { 5 });
        let abort = handle.abort_handle();
        while !handle.is_finished() {
            runtime.block_on(task::yield_now());
        }
        abort.abort();
        handle.abort();
        assert_eq!(runtime.block_on(handle).expect("complete"), 5);
    }
}

#[test]
fn a_future_of_a_current_thread_runtime_is_dropped_there_wherever_it_is_aborted() {
    let _dog = watchdog();
    let runtime = current_thread();
    let dropped_on = Arc::new(Mutex::new(None));
    let place = dropped_on.clone();
    let handle = runtime.spawn(async move {
        let _guard = on_drop(move || *place.lock().unwrap() = Some(thread::current().id()));
        pending::<()>().await;
    });
    runtime.block_on(task::yield_now());
    let abort = handle.abort_handle();
    thread::spawn(move || abort.abort()).join().unwrap();
    assert!(
        runtime
            .block_on(handle)
            .expect_err("aborted")
            .is_cancelled()
    );
    assert_eq!(*dropped_on.lock().unwrap(), Some(thread::current().id()));
}

/// Panics as it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb");
    }
}

#[test]
fn an_output_that_panics_in_its_drop_harms_nobody() {
    let _dog = watchdog();
    for runtime in each_kind() {
        // Nobody waits for it.
        drop(runtime.spawn(async { Bomb }));
        // The handle is dropped when it is complete.
        let complete = runtime.spawn(async { Bomb });
        while !complete.is_finished() {
            runtime.block_on(task::yield_now());
        }
        drop(complete);
        // The same while another panic unwinds: a second one that got out would end the process.
        let complete = runtime.spawn(async { Bomb });
        while !complete.is_finished() {
            runtime.block_on(task::yield_now());
        }
        let unwound = catch_unwind(AssertUnwindSafe(move || {
            let _complete = complete;
            panic!("the first");
        }));
        assert_eq!(
            *unwound.unwrap_err().downcast_ref::<&str>().unwrap(),
            "the first"
        );
        assert_eq!(
            runtime
                .block_on(runtime.spawn(async { 7 }))
                .expect("still at work"),
            7
        );
    }
}

#[test]
fn a_future_is_dropped_while_the_panic_of_its_poll_unwinds() {
    /// Says whether it was dropped so, and then panics itself.
    struct Panics(mpsc::Sender<bool>);

    impl Future for Panics {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            panic!("the first")
        }
    }

    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.send(thread::panicking()).unwrap();
            panic!("the second");
        }
    }

    let _dog = watchdog();
    for runtime in each_kind() {
        let (tell, told) = mpsc::channel();
        let handle = runtime.spawn(Panics(tell));
        let panic = runtime.block_on(handle).unwrap_err().into_panic();
        assert_eq!(*panic.downcast_ref::<&str>().unwrap(), "the first");
        assert!(told.recv().unwrap());
    }
}

#[test]
fn a_future_that_panics_in_its_drop_is_a_panic_of_its_task_when_cancelled() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let bomb = Bomb;
        let handle = runtime.spawn(async move {
            let _bomb = bomb;
            pending::<()>().await;
        });
        handle.abort();
        let error = runtime.block_on(handle).expect_err("it ended badly");
        assert!(error.is_panic());
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    }
}

#[test]
fn a_payload_that_panics_in_its_drop_harms_nobody() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let handle = runtime.spawn(async { std::panic::panic_any(Bomb) });
        drop(handle);
        let waited = runtime.spawn(async { std::panic::panic_any(Bomb) });
        let error = runtime.block_on(waited).expect_err("it panicked");
        let payload = error.into_panic();
        assert!(payload.is::<Bomb>());
        std::mem::forget(payload);
        assert_eq!(runtime.block_on(runtime.spawn(async { 7 })).unwrap(), 7);
    }
}

#[test]
fn ten_thousand_panicking_tasks_cost_no_worker() {
    let _dog = watchdog();
    std::panic::set_hook(Box::new(|_| {}));
    for runtime in each_kind() {
        let (good, bad): (Vec<JoinHandle<usize>>, Vec<JoinHandle<()>>) = (0..10_000)
            .map(|i| {
                let good = runtime.spawn(async move {
                    task::yield_now().await;
                    i
                });
                let bad = runtime.spawn(async move {
                    if i % 2 == 0 {
                        task::yield_now().await;
                    }
                    panic!("{i}")
                });
                (good, bad)
            })
            .unzip();
        runtime.block_on(async {
            for (i, (good, bad)) in good.into_iter().zip(bad).enumerate() {
                assert_eq!(good.await.expect("no panic"), i);
                assert!(bad.await.expect_err("a panic").is_panic());
            }
        });
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    }
    let _ = std::panic::take_hook();
}

#[test]
fn a_handle_polled_after_completion_says_so() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let mut handle = runtime.spawn(async {});
        runtime.block_on(&mut handle).expect("no panic");
        let again = catch_unwind(AssertUnwindSafe(|| runtime.block_on(&mut handle)));
        let payload = again.expect_err("it panics");
        assert_eq!(
            payload.downcast_ref::<&str>(),
            Some(&"JoinHandle polled after completion")
        );
    }
}

#[test]
fn a_handle_wakes_the_last_waker_and_keeps_none_when_dropped() {
    let _dog = watchdog();
    let runtime = current_thread();
    let ((first, first_waker), (last, last_waker)) = (CountWakes::new(), CountWakes::new());
    {
        let mut handle = pin!(runtime.spawn(async {}));
        for waker in [first_waker.clone(), first_waker, last_waker.clone()] {
            assert!(
                handle
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        assert_eq!(
            Arc::strong_count(&first),
            1,
            "what was replaced was dropped"
        );
        runtime.block_on(task::yield_now());
    }
    assert_eq!(first.get(), 0);
    assert_eq!(last.get(), 1);
    assert_eq!(Arc::strong_count(&last), 2);

    // The handle goes before the task is complete.
    {
        let mut handle = pin!(runtime.spawn(pending::<()>()));
        assert!(
            handle
                .as_mut()
                .poll(&mut Context::from_waker(&last_waker))
                .is_pending()
        );
    }
    assert_eq!(Arc::strong_count(&last), 2);
}

#[test]
fn a_join_waker_that_panics_harms_nobody() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker");
        }
    }
    let _dog = watchdog();
    for runtime in each_kind() {
        let (open, gate) = mpsc::channel::<()>();
        let mut handle = Box::pin(runtime.spawn(async move { gate.recv().is_err() }));
        let waker = Waker::from(Arc::new(Panics));
        let polled = handle.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        drop(open);
        while !handle.is_finished() {
            runtime.block_on(task::yield_now());
        }
        assert!(runtime.block_on(handle).expect("it got its output"));
        assert_eq!(runtime.block_on(runtime.spawn(async { 7 })).unwrap(), 7);
    }
}

#[test]
fn a_detached_task_runs_on() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let (send, receive) = mpsc::channel();
        drop(runtime.spawn(async move {
            for _ in 0..10 {
                task::yield_now().await;
            }
            send.send(()).unwrap();
        }));
        while receive.try_recv().is_err() {
            runtime.block_on(task::yield_now());
        }
    }
}

#[test]
fn a_large_future_needs_no_large_stack() {
    let _dog = watchdog();
    let small = thread::Builder::new().stack_size(512 << 10);
    let run = || {
        for runtime in each_kind() {
            let large = vec![1_u8; 1 << 20].into_boxed_slice();
            let large = move || {
                let large = large;
                poll_fn(move |_| Poll::Ready(large.len()))
            };
            // Boxed by the caller, it is as small as the box; what it holds never passes over a stack.
            let handle = runtime.spawn(Box::pin(large()));
            assert_eq!(runtime.block_on(handle).expect("no panic"), 1 << 20);
        }
    };
    small.spawn(run).unwrap().join().expect("no overflow");
}

#[test]
fn a_future_of_64_kib_runs_in_a_stack_of_2_mib() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let handle = runtime.spawn(async {
            let large = [1_u8; 64 << 10];
            task::yield_now().await;
            large.iter().map(|&one| one as usize).sum::<usize>()
        });
        assert_eq!(runtime.block_on(handle).expect("no panic"), 64 << 10);
    }
}

#[test]
fn outputs_of_odd_shapes_arrive() {
    #[derive(Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);
    let _dog = watchdog();
    for runtime in each_kind() {
        runtime.block_on(async {
            task::spawn(async {}).await.unwrap();
            assert_eq!(
                task::spawn(async { Some(Box::new(1)) }).await.unwrap(),
                Some(Box::new(1))
            );
            let aligned = task::spawn(async { Aligned(3) }).await.unwrap();
            assert_eq!(aligned, Aligned(3));
            assert_eq!(&raw const aligned as usize % 256, 0);
            let held = Aligned(4);
            let address = task::spawn(async move {
                let address = &raw const held as usize;
                task::yield_now().await;
                assert_eq!(address, &raw const held as usize, "pinned");
                address
            });
            assert_eq!(address.await.unwrap() % 256, 0);
        });
    }
}

#[test]
fn a_task_knows_its_id_and_no_two_have_the_same() {
    let _dog = watchdog();
    for runtime in each_kind() {
        assert!(task::try_id().is_none());
        let handles: Vec<_> = (0..100)
            .map(|_| runtime.spawn(async { task::id() }))
            .collect();
        let mut seen = std::collections::HashSet::new();
        for handle in handles {
            let id = handle.id();
            assert_eq!(runtime.block_on(handle).unwrap(), id);
            assert!(seen.insert(id));
        }
    }
}

#[test]
fn a_block_on_takes_a_future_that_is_not_send() {
    let _dog = watchdog();
    for runtime in each_kind() {
        let local = Rc::new(3);
        let value = runtime.block_on(async move {
            task::yield_now().await;
            *local
        });
        assert_eq!(value, 3);
    }
}

#[test]
fn the_future_is_gone_before_its_output_is_seen() {
    let _dog = watchdog();
    for runtime in each_kind() {
        for _ in 0..200 {
            let (count, drops) = Count::new();
            let handle = runtime.spawn(async move {
                let _count = &count;
                task::yield_now().await;
            });
            runtime.block_on(handle).unwrap();
            assert_eq!(drops.load(Ordering::SeqCst), 1);
        }
    }
}
