//! `run_forever`, `run_until_complete`, `stop`: turns, and what waits for the next run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use heist::event_loop::{EventLoop, RuntimeExt as _};
use heist::runtime::{Builder, RuntimeFlavor};

use super::{Log, Watchdog, on_each};

#[test]
fn a_stop_before_the_run_lets_one_turn_run() {
    on_each(|event_loop| {
        let (log, same) = (Log::default(), event_loop.clone());
        let inner = log.noting("second");
        let first = log.noting("first");
        event_loop.call_soon(move || {
            first();
            same.call_soon(inner);
        });
        event_loop.stop();
        event_loop.run_forever();
        assert_eq!(log.take(), ["first"]);
        event_loop.stop();
        event_loop.run_forever();
        assert_eq!(log.take(), ["second"]);
    });
}

#[test]
fn a_stop_without_callbacks_ends_the_next_run() {
    on_each(|event_loop| {
        event_loop.stop();
        event_loop.run_forever();
        event_loop.stop();
        event_loop.run_forever();
    });
}

#[test]
fn the_rest_of_the_turn_runs_after_a_stop_and_what_comes_later_waits() {
    on_each(|event_loop| {
        let log = Log::default();
        let (stop, later, second) = (
            event_loop.clone(),
            log.noting("later"),
            log.noting("second"),
        );
        event_loop.call_soon(move || {
            stop.stop();
            stop.call_soon(later);
        });
        event_loop.call_soon(second);
        event_loop.run_forever();
        assert_eq!(log.take(), ["second"]);
        assert!(!event_loop.is_running());
        let stop = event_loop.clone();
        event_loop.call_soon(move || stop.stop());
        event_loop.run_forever();
        assert_eq!(log.take(), ["later"]);
    });
}

#[test]
fn two_stops_in_one_turn_end_one_run() {
    on_each(|event_loop| {
        let (stop, log) = (event_loop.clone(), Log::default());
        event_loop.call_soon(move || {
            stop.stop();
            stop.stop();
        });
        event_loop.run_forever();
        // A stop that was left would end this run before the timer.
        let (stop, noting) = (event_loop.clone(), log.noting("timer"));
        event_loop.call_later(Duration::from_millis(5), move || {
            noting();
            stop.stop();
        });
        event_loop.run_forever();
        assert_eq!(log.take(), ["timer"]);
    });
}

#[test]
fn two_stops_end_one_run_of_a_runtimes_loop() {
    let _watchdog = Watchdog::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    let (event_loop, log) = (runtime.event_loop(), Log::default());
    let stop = event_loop.clone();
    event_loop.call_soon(move || {
        stop.stop();
        stop.stop();
    });
    runtime.block_on(event_loop.run_forever());
    let (stop, noting) = (event_loop.clone(), log.noting("timer"));
    event_loop.call_later(Duration::from_millis(5), move || {
        noting();
        stop.stop();
    });
    runtime.block_on(event_loop.run_forever());
    assert_eq!(log.take(), ["timer"]);
}

#[test]
fn a_stop_before_the_run_of_a_runtimes_loop_lets_one_turn_run() {
    let _watchdog = Watchdog::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    let (event_loop, log) = (runtime.event_loop(), Log::default());
    event_loop.call_soon(log.noting("ran"));
    event_loop.stop();
    runtime.block_on(event_loop.run_forever());
    assert_eq!(log.take(), ["ran"]);
}

#[test]
fn one_stop_ends_all_runs() {
    on_each(|event_loop| {
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..2 {
                let (event_loop, sender) = (&event_loop, sender.clone());
                scope.spawn(move || {
                    // Each says from within its run that it has begun.
                    let begun = event_loop.run_until_complete(async {
                        sender.send(()).unwrap();
                        std::future::pending::<()>().await
                    });
                    assert!(begun.is_err());
                });
            }
            receiver.recv().unwrap();
            receiver.recv().unwrap();
            event_loop.stop();
        });
        assert!(!event_loop.is_running());
    });
}

#[test]
fn callbacks_run_only_while_the_loop_runs() {
    on_each(|event_loop| {
        let log = Log::default();
        event_loop.call_soon(log.noting("soon"));
        event_loop.call_later(Duration::ZERO, log.noting("later"));
        // A task has come around meanwhile, on whatever thread.
        let task = event_loop.create_task(heist::task::yield_now());
        if event_loop.handle().runtime_flavor() == RuntimeFlavor::MultiThread {
            task.blocking_join().unwrap();
        }
        assert!(log.take().is_empty());
        event_loop.stop();
        event_loop.run_forever();
        assert_eq!(log.take(), ["soon", "later"]);
    });
}

#[test]
fn what_a_complete_future_has_scheduled_runs_before_the_end() {
    on_each(|event_loop| {
        let log = Log::default();
        let (noting, inner, same) = (
            log.noting("callback"),
            log.noting("inner"),
            event_loop.clone(),
        );
        let output = event_loop.run_until_complete(async move {
            let again = same.clone();
            same.call_soon(move || {
                noting();
                again.call_soon(inner);
            });
            7
        });
        let mut ran = log.take();
        assert_eq!((output, &*ran[0]), (Ok(7), "callback"));
        // With workers, the callback may have run in a turn before the last one.
        if event_loop.handle().runtime_flavor() == RuntimeFlavor::CurrentThread {
            assert_eq!(ran.len(), 1);
        }
        event_loop.stop();
        event_loop.run_forever();
        ran.extend(log.take());
        assert_eq!(ran, ["callback", "inner"]);
    });
}

#[test]
fn a_stop_before_the_end_of_the_future_is_an_error() {
    on_each(|event_loop| {
        let stop = event_loop.clone();
        event_loop.call_soon(move || stop.stop());
        let error = event_loop
            .run_until_complete(std::future::pending::<()>())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the event loop was stopped before the future was complete"
        );
        assert_eq!(event_loop.run_until_complete(async { 1 }), Ok(1));
    });
}

#[test]
fn a_panic_of_the_future_ends_the_run() {
    on_each(|event_loop| {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            event_loop.run_until_complete(async { panic!("of the future") })
        }));
        assert!(ran.is_err() && !event_loop.is_running());
        assert_eq!(event_loop.run_until_complete(async { 1 }), Ok(1));
    });
}

#[test]
fn nested_loops_say_what_is_wrong() {
    on_each(|event_loop| {
        let message = |nest: &dyn Fn()| {
            let payload = catch_unwind(AssertUnwindSafe(nest)).unwrap_err();
            *payload.downcast::<&str>().map_or_else(
                |payload| payload.downcast::<String>().unwrap(),
                |text| Box::new((*text).to_owned()),
            )
        };
        let other = EventLoop::builder().build().unwrap();
        let text = event_loop
            .run_until_complete(async { message(&|| other.run_forever()) })
            .unwrap();
        assert!(
            text.contains("while another one runs on the same thread"),
            "{text}"
        );
        let runtime = Builder::new_current_thread().build().unwrap();
        let text = runtime.block_on(async { message(&|| other.run_forever()) });
        assert!(
            text.contains("while another one runs on the same thread"),
            "{text}"
        );
        // Nothing is left of the attempts.
        other.stop();
        other.run_forever();
    });
}

#[test]
fn a_loop_run_by_its_own_callback_says_what_is_wrong() {
    let _watchdog = Watchdog::new();
    let event_loop = std::sync::Arc::new(EventLoop::builder().worker_threads(1).build().unwrap());
    let told = super::told(&event_loop);
    let (same, stop) = (event_loop.clone(), event_loop.clone());
    event_loop.call_soon(move || {
        let _stop = Stop((**stop).clone());
        same.run_forever();
    });
    event_loop.run_forever();
    assert!(told.recv().unwrap().contains("already running"));

    struct Stop(EventLoop);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.stop();
        }
    }
}

#[test]
fn timers_of_a_turn_run_in_their_order() {
    on_each(|event_loop| {
        let log = Log::default();
        let when = event_loop.time();
        for number in 0..100 {
            event_loop.call_at(when, log.noting(number));
        }
        event_loop.stop();
        event_loop.run_forever();
        let expected: Vec<_> = (0..100).map(|number: u32| number.to_string()).collect();
        assert_eq!(log.take(), expected);
    });
}

#[test]
fn a_stop_from_another_thread_is_heard() {
    on_each(|event_loop| {
        let stop = event_loop.clone();
        let stopper = thread::spawn(move || stop.stop());
        event_loop.run_forever();
        stopper.join().unwrap();
    });
}
