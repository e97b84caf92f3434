//! Futures and promises: outcomes, done-callbacks, cancellation, and what they cost.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use heist::event_loop::{EventLoop, Future};
use heist::time::timeout;

use super::{Log, Watchdog, on_each, told};

struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("in the waker");
    }
}

fn poll<T: Clone>(future: &mut Future<T>, waker: &Waker) -> bool {
    use std::future::Future as _;
    Pin::new(future)
        .poll(&mut Context::from_waker(waker))
        .is_ready()
}

#[test]
fn a_waker_that_panics_does_not_keep_the_others_from_waking() {
    on_each(|event_loop| {
        let told = told(&event_loop);
        let (promise, future) = event_loop.create_future::<u32>();
        let counts = Arc::new(Counts(AtomicUsize::new(0)));
        let mut waiters: Vec<_> = (0..5).map(|_| future.clone()).collect();
        for (index, waiter) in waiters.iter_mut().enumerate() {
            let waker = match index {
                1 | 3 => Waker::from(Arc::new(Panics)),
                _ => Waker::from(counts.clone()),
            };
            assert!(!poll(waiter, &waker));
        }
        promise.set_result(1).unwrap();
        assert_eq!(counts.0.load(Ordering::SeqCst), 3);
        assert!(told.try_recv().unwrap().contains("in the waker"));
        assert!(told.try_recv().is_ok() && told.try_recv().is_err());
    });
}

#[cfg(unix)]
#[test]
fn giving_up_costs_the_same_however_many_wait() {
    let _watchdog = Watchdog::new();
    let event_loop = EventLoop::builder()
        .implementation("current_thread")
        .build()
        .unwrap();
    let (_promise, future) = event_loop.create_future::<u32>();
    const WAITERS: usize = 100_000;
    let mut waiters: Vec<_> = (0..WAITERS).map(|_| future.clone()).collect();
    for waiter in &mut waiters {
        assert!(!poll(waiter, Waker::noop()));
    }
    let ids: Vec<_> = (0..WAITERS)
        .map(|_| future.add_done_callback(|_| unreachable!()))
        .collect();
    let begun = cpu_time();
    // In the order that is worst for a list whose front is searched first.
    while let Some(waiter) = waiters.pop() {
        drop(waiter);
    }
    for id in ids.into_iter().rev() {
        assert!(future.remove_done_callback(id));
    }
    // A cost that is linear in the waiters takes several seconds here, this some 50 ms in a debug build.
    let used = cpu_time() - begun;
    assert!(used < Duration::from_secs(2), "{used:?}");
}

/// How long this thread has had a processor. Other programs don't count.
#[cfg(unix)]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

#[test]
fn waiters_that_time_out_leave_the_future_as_it_was() {
    on_each(|event_loop| {
        let (promise, future) = event_loop.create_future::<u32>();
        let output = event_loop.run_until_complete(async {
            let tasks: Vec<_> = (0..100)
                .map(|_| heist::spawn(timeout(Duration::from_millis(1), future.clone())))
                .collect();
            for task in tasks {
                assert!(task.await.unwrap().is_err());
            }
            promise.set_result(3).unwrap();
            future.await.unwrap()
        });
        assert_eq!(output, Ok(3));
    });
}

#[test]
fn callbacks_come_after_the_turn_in_which_the_result_was_set() {
    on_each(|event_loop| {
        let log = Log::default();
        let (promise, future) = event_loop.create_future::<u32>();
        let (noting, stop) = (log.clone(), event_loop.clone());
        future.add_done_callback(move |future| {
            noting.note(format!("done: {}", future.result().unwrap().unwrap()));
            stop.stop();
        });
        let setting = log.clone();
        event_loop.call_soon(move || {
            promise.set_result(5).unwrap();
            setting.note("set");
        });
        event_loop.call_soon(log.noting("same turn"));
        event_loop.run_forever();
        assert_eq!(log.take(), ["set", "same turn", "done: 5"]);
    });
}

#[test]
fn callbacks_added_while_they_are_handed_out_keep_their_order() {
    let _watchdog = Watchdog::new();
    let event_loop = EventLoop::builder().build().unwrap();
    for _ in 0..200 {
        let (promise, future) = event_loop.create_future::<()>();
        let log = Log::default();
        let setter = thread::spawn(move || promise.set_result(()).unwrap());
        for number in 0..20 {
            let log = log.clone();
            future.add_done_callback(move |_| log.note(number));
        }
        setter.join().unwrap();
        event_loop.stop();
        event_loop.run_forever();
        let expected: Vec<_> = (0..20).map(|number: u32| number.to_string()).collect();
        assert_eq!(log.take(), expected);
    }
}

#[test]
fn cancelling_carries_its_message() {
    on_each(|event_loop| {
        let (promise, future) = event_loop.create_future::<u32>();
        assert!(future.exception().is_none() && future.result().is_none());
        assert!(future.cancel_with("too late"));
        assert!(!future.cancel_with("again"));
        assert!(future.cancelled() && promise.cancelled() && future.done());
        assert!(future.exception().is_none());
        let error = future.result().unwrap().unwrap_err();
        assert_eq!(error.cancel_message(), Some("too late"));
        assert_eq!(error.to_string(), "the future was cancelled: too late");
        assert_eq!(promise.set_result(1).unwrap_err().0, 1);
        assert!(promise.set_exception("no").is_err());
    });
}

#[test]
fn an_exception_that_nobody_looked_at_is_reported() {
    on_each(|event_loop| {
        let told = told(&event_loop);
        for looks in [true, false] {
            let (promise, future) = event_loop.create_future::<u32>();
            promise.set_exception("lost").unwrap();
            if looks {
                assert!(future.exception().is_some());
            }
            drop((promise, future));
        }
        let heard: Vec<_> = told.try_iter().collect();
        assert_eq!(
            heard,
            ["a future's exception was never retrieved: the future failed: lost"]
        );
        // A result or a cancellation may go unseen.
        let (promise, future) = event_loop.create_future::<u32>();
        promise.set_result(1).unwrap();
        drop((promise, future));
        drop(event_loop.create_future::<u32>());
        assert!(told.try_recv().is_err());
    });
}

#[test]
fn a_callback_that_panics_does_not_keep_later_ones() {
    on_each(|event_loop| {
        let (told, log) = (told(&event_loop), Log::default());
        let (promise, future) = event_loop.create_future::<u32>();
        future.add_done_callback(|_| panic!("first"));
        let noting = log.clone();
        future.add_done_callback(move |_| noting.note("second"));
        promise.set_result(1).unwrap();
        event_loop.stop();
        event_loop.run_forever();
        assert_eq!(log.take(), ["second"]);
        assert!(told.recv().unwrap().ends_with("first"));
    });
}

#[test]
fn a_rust_future_becomes_a_future_of_the_loop() {
    on_each(|event_loop| {
        let future = event_loop.ensure_future(async { 6 * 7 });
        assert_eq!(event_loop.run_until_complete(future).unwrap().unwrap(), 42);
        let failed = event_loop.ensure_try_future(async { "x".parse::<u8>() });
        let error = event_loop.run_until_complete(failed).unwrap().unwrap_err();
        assert!(error.exception().unwrap().is::<std::num::ParseIntError>());
        let panicked = event_loop.ensure_future(async {
            assert!(std::hint::black_box(false), "inside");
        });
        let error = event_loop
            .run_until_complete(panicked)
            .unwrap()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the future failed: the task panicked: inside"
        );
    });
}

#[test]
fn cancelling_a_future_cancels_its_task() {
    on_each(|event_loop| {
        struct Tells(mpsc::Sender<()>);
        impl Drop for Tells {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let (sender, receiver) = mpsc::channel();
        let tells = Tells(sender);
        let future = event_loop.ensure_future(async move {
            let _tells = tells;
            std::future::pending::<()>().await
        });
        let output = event_loop.run_until_complete(async {
            heist::task::yield_now().await;
            future.cancel();
            future.clone().await
        });
        assert!(output.unwrap().unwrap_err().is_cancelled());
        // The callback that aborts has run, and the task goes at its next poll.
        event_loop
            .run_until_complete(async {
                while receiver.try_recv().is_err() {
                    heist::task::yield_now().await;
                }
            })
            .unwrap();
    });
}

#[test]
fn done_callbacks_of_a_closed_loop_are_dropped() {
    on_each(|event_loop| {
        let kept = Arc::new(());
        let (promise, future) = event_loop.create_future::<u32>();
        for _ in 0..3 {
            let held = kept.clone();
            future.add_done_callback(move |_| drop(held));
        }
        event_loop.close();
        promise.set_result(1).unwrap();
        assert_eq!(Arc::strong_count(&kept), 1);
        assert_eq!(future.result().unwrap().unwrap(), &1);
    });
}
