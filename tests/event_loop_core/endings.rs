//! What ends with a runtime, and what doesn't hold it up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heist::event_loop::{EventLoop, RuntimeExt as _};
use heist::runtime::{Builder, Runtime};

use super::{Log, PanicsInDrop, Watchdog, on_each, told};

fn runtimes() -> [Runtime; 3] {
    let multi = |workers| Builder::new_multi_thread().worker_threads(workers).build();
    [
        Builder::new_current_thread().build().unwrap(),
        multi(1).unwrap(),
        multi(2).unwrap(),
    ]
}

const GRACE: Duration = Duration::from_secs(50);

#[test]
fn a_loop_does_not_hold_up_a_shutdown() {
    let _watchdog = Watchdog::new();
    for runtime in runtimes() {
        let (event_loop, log) = (runtime.event_loop(), Log::default());
        event_loop.call_soon(log.noting("ran"));
        event_loop.call_later(GRACE, || unreachable!()).cancel();
        let begun = Instant::now();
        assert!(runtime.shutdown(GRACE).is_clean());
        assert!(begun.elapsed() < GRACE / 2);
        assert_eq!(log.take(), ["ran"]);
        assert!(event_loop.is_closed());
    }
}

#[test]
fn a_loop_of_its_own_does_not_hold_up_a_shutdown() {
    on_each(|event_loop| {
        let (log, same) = (Log::default(), event_loop.clone());
        event_loop.call_soon(log.noting("soon"));
        event_loop.call_later(Duration::from_millis(2), log.noting("later"));
        let begun = Instant::now();
        assert!(event_loop.shutdown(GRACE).is_clean());
        assert!(begun.elapsed() < GRACE / 2);
        assert_eq!(log.take(), ["soon", "later"]);
        assert!(same.is_closed() && !same.is_running());
    });
}

#[test]
fn a_timer_that_waits_is_reported_by_a_shutdown() {
    let _watchdog = Watchdog::new();
    for runtime in runtimes() {
        let timer = runtime
            .event_loop()
            .call_later(Duration::from_secs(3_600), || unreachable!());
        let report = runtime.shutdown(Duration::from_millis(1));
        assert!(!report.is_clean() && timer.cancelled());
    }
}

#[test]
fn an_idle_loop_knows_that_its_runtime_has_ended() {
    let _watchdog = Watchdog::new();
    for runtime in runtimes() {
        let event_loop = runtime.event_loop();
        assert!(event_loop.is_running() && !event_loop.is_closed());
        let handle = runtime.handle().clone();
        drop(runtime);
        assert!(event_loop.is_closed() && !event_loop.is_running());
        assert!(event_loop.call_soon(|| unreachable!()).cancelled());
        assert!(EventLoop::of(&handle).is_closed());
        event_loop.stop();
        let other = Builder::new_current_thread().build().unwrap();
        // Returns at once.
        other.block_on(event_loop.run_forever());
    }
}

#[test]
fn a_loop_that_nobody_holds_keeps_its_settings() {
    let _watchdog = Watchdog::new();
    for runtime in runtimes() {
        let told = told(&runtime.event_loop());
        runtime.event_loop().call_soon(|| panic!("oh"));
        if runtime.handle().runtime_flavor() == heist::runtime::RuntimeFlavor::CurrentThread {
            runtime.event_loop().stop();
            runtime.block_on(runtime.event_loop().run_forever());
        }
        assert!(told.recv().unwrap().ends_with("oh"));
        drop(runtime);
        // The handler has gone with the runtime.
        assert!(told.recv().is_err());
    }
}

#[test]
fn a_capture_that_panics_in_its_drop_does_not_keep_later_ones() {
    on_each(|event_loop| {
        let (told, kept) = (told(&event_loop), Arc::new(()));
        for later in [false, true] {
            let (first, second) = (PanicsInDrop, kept.clone());
            let callbacks: [Box<dyn FnOnce() + Send>; 2] = [
                Box::new(move || drop(first)),
                Box::new(move || drop(second)),
            ];
            for callback in callbacks {
                match later {
                    false => drop(event_loop.call_soon(callback)),
                    true => drop(event_loop.call_later(GRACE, callback)),
                }
            }
        }
        event_loop.close();
        assert_eq!(Arc::strong_count(&kept), 1);
        let heard: Vec<_> = told.try_iter().collect();
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert!(heard[0].ends_with("in drop"));
    });
}

#[test]
fn a_capture_that_panics_in_its_drop_does_not_keep_later_ones_of_a_runtimes_loop() {
    let _watchdog = Watchdog::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    let (event_loop, kept) = (runtime.event_loop(), Arc::new(()));
    let (first, second) = (PanicsInDrop, kept.clone());
    event_loop.call_soon(move || drop(first));
    event_loop.call_soon(move || drop(second));
    drop(runtime);
    assert_eq!(Arc::strong_count(&kept), 1);
}

#[test]
fn timers_that_are_cancelled_leave_nothing() {
    on_each(|event_loop| {
        let kept = Arc::new(());
        for _ in 0..100_000 {
            let held = kept.clone();
            event_loop
                .call_later(Duration::from_secs(3_600), move || drop(held))
                .cancel();
        }
        assert_eq!(Arc::strong_count(&kept), 1);
        // Nothing waits: a run without a stop would wait for ever, this ends with its turn.
        event_loop.stop();
        event_loop.run_forever();
    });
}
