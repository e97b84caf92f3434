//! Misuse, and the end of a runtime.

use super::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic of `f` says.
fn panic_of(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .expect("a text")
}

#[test]
fn each_misuse_panics_and_says_why() {
    within_limit(|| {
        for workers in [0, 2] {
            let runtime = paused(workers);
            let _entered = runtime.enter();
            assert_eq!(panic_of(time::pause), "time is already frozen");
            let too_much = || runtime.block_on(time::advance(Duration::MAX));
            assert_eq!(
                panic_of(too_much),
                "overflow when adding duration to instant"
            );
            let years = |n: u32| 365 * 24 * n * HOUR;
            runtime.block_on(time::advance(years(500)));
            let too_much = || runtime.block_on(time::advance(years(100)));
            assert_eq!(
                panic_of(too_much),
                "overflow when adding duration to instant"
            );
            runtime.block_on(async {
                let start = Instant::now();
                sleep(years(80)).await;
                assert_eq!(start.elapsed(), years(80));
            });
            time::resume();
            assert_eq!(panic_of(time::resume), "time is not frozen");
            let advance = || runtime.block_on(time::advance(ms(1)));
            assert_eq!(panic_of(advance), "time is not frozen");
        }
        for outside in [time::pause, time::resume, advance_outside as fn()] {
            assert_eq!(
                panic_of(outside),
                "time cannot be frozen from outside of a runtime"
            );
        }
    });
}

fn advance_outside() {
    let mut advance = pin!(time::advance(ms(1)));
    let _ = advance
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
}

#[test]
fn a_runtime_whose_time_is_paused_ends_as_any_other() {
    within_limit(|| {
        for workers in [0, 1, 4] {
            let runtime = paused(workers);
            let tasks: Vec<_> = (0..50).map(|_| runtime.spawn(sleep(HOUR))).collect();
            runtime.block_on(heist::task::yield_now());
            drop(runtime);
            for task in tasks {
                assert!(task.is_finished());
            }
        }
    });
}

#[test]
fn the_grace_of_a_shutdown_is_paused_time() {
    within_limit(|| {
        for workers in [0, 1, 4] {
            let runtime = paused(workers);
            let slept = runtime.spawn(sleep(ms(900)));
            assert!(runtime.shutdown(ms(1_000)).is_clean());
            assert!(slept.is_finished());

            let runtime = paused(workers);
            let slept = runtime.spawn(sleep(ms(1_100)));
            let real = std::time::Instant::now();
            assert!(!runtime.shutdown(HOUR.min(ms(1_000))).is_clean());
            assert!(real.elapsed() < HOUR);
            assert!(slept.is_finished());
        }
    });
}

#[test]
fn a_sleep_of_a_runtime_that_is_gone_goes_on_where_it_is_polled_next() {
    within_limit(|| {
        let runtime = paused(2);
        let mut slept = Box::pin(runtime.block_on(poll_fn(|_| Poll::Ready(sleep(ms(5))))));
        runtime.block_on(async {
            let still = poll_fn(|cx| Poll::Ready(slept.as_mut().poll(cx).is_pending()));
            assert!(still.await);
        });
        drop(runtime);
        paused(0).block_on(slept);
    });
}

#[test]
fn a_runtime_may_be_made_paused_and_dropped_again_and_again() {
    within_limit(|| {
        for nth in 0..50 {
            let runtime = paused(nth % 3);
            runtime.block_on(sleep(HOUR));
        }
    });
}
