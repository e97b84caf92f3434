//! Sleeps, timeouts and intervals, as their users see them.

use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant as StdInstant;

use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_reactor::time::{
    Duration, Instant, MissedTickBehavior, Sleep, interval, interval_at, sleep, sleep_until,
    timeout,
};
use heist_reactor::{Config, Monitor, Reactor};

/// A monitor that leaves everything as it is.
struct Plain;

impl Monitor for Plain {}

fn reactor() -> Reactor {
    Reactor::new(Config::default()).expect("a poller")
}

/// Turns the reactor until the future is ready.
fn turn_until_ready<F: Future>(reactor: &Reactor, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    let _entered = reactor.enter();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        reactor.try_borrow().expect("nobody else has it").wait(None);
    }
}

#[test]
fn a_sleep_is_never_early() {
    within_limit(|| {
        let reactor = reactor();
        for micros in (0..400).map(|nth| nth * 7_919 % 5_000) {
            let length = Duration::from_micros(micros);
            let start = StdInstant::now();
            turn_until_ready(&reactor, async { sleep(length).await });
            assert!(start.elapsed() >= length);
        }
    });
}

#[test]
fn a_sleep_first_polled_after_its_deadline_is_ready() {
    within_limit(|| {
        let reactor = reactor();
        let _entered = reactor.enter();
        for length in [1_000, 300_000, 30_000_000].map(Duration::from_nanos) {
            let start = StdInstant::now();
            let mut slept = pin!(sleep(length));
            let mut limited = pin!(timeout(length, pending::<()>()));
            while start.elapsed() <= 2 * length {
                std::hint::spin_loop();
            }
            let mut cx = Context::from_waker(Waker::noop());
            assert!(slept.as_mut().poll(&mut cx).is_ready(), "{length:?}");
            assert!(limited.as_mut().poll(&mut cx).is_ready(), "{length:?}");
        }
    });
}

#[test]
fn sleeps_of_every_length_complete_or_wait() {
    within_limit(|| {
        let short = [0, 1, 999_000, 1_000_000].map(Duration::from_nanos);
        for length in short {
            block_on(async {
                sleep(length).await;
                assert!(timeout(length, pending::<()>()).await.is_err());
                let mut slept = Box::pin(sleep(Duration::MAX));
                slept.as_mut().reset(Instant::now() + length);
                slept.await;
            });
        }
        let edge = Duration::from_millis(1 << 36);
        let long = [
            Duration::from_millis(1 << 31),
            Duration::from_millis(1 << 32),
            edge - Duration::from_millis(1),
            edge,
            edge + Duration::from_millis(1),
            Duration::from_millis(u64::MAX),
            Duration::MAX,
        ];
        for length in long {
            block_on(async {
                // Each is waited for, and none keeps a short one from firing.
                let long = async {
                    sleep(length).await;
                };
                assert!(timeout(Duration::from_millis(1), long).await.is_err());
                assert_eq!(timeout(length, ready(1)).await, Ok(1));
                let mut ticks = interval(length);
                ticks.tick().await;
                assert!(
                    timeout(Duration::from_millis(1), ticks.tick())
                        .await
                        .is_err()
                );
            });
        }
    });
}

#[test]
fn what_is_ready_at_the_deadline_wins_over_it() {
    block_on(async {
        assert_eq!(timeout(Duration::ZERO, ready(7)).await, Ok(7));
    });
}

#[test]
fn the_last_waker_is_the_one_woken() {
    within_limit(|| {
        let reactor = reactor();
        let _entered = reactor.enter();
        let mut slept = pin!(sleep(Duration::from_secs(3_600)));
        let (first, first_waker) = CountWakes::new();
        let (last, last_waker) = CountWakes::new();
        assert!(
            slept
                .as_mut()
                .poll(&mut Context::from_waker(&first_waker))
                .is_pending()
        );
        assert!(
            slept
                .as_mut()
                .poll(&mut Context::from_waker(&last_waker))
                .is_pending()
        );
        slept.as_mut().reset(Instant::now());
        while last.get() == 0 {
            reactor.try_borrow().expect("nobody else has it").wait(None);
        }
        assert_eq!((first.get(), last.get()), (0, 1));
        assert!(slept.poll(&mut Context::from_waker(&last_waker)).is_ready());
    });
}

#[test]
fn a_reset_sleep_wakes_at_its_new_deadline_in_its_own_reactor() {
    within_limit(|| {
        let (own, other) = (reactor(), reactor());
        let (count, waker) = CountWakes::new();
        let mut cx = Context::from_waker(&waker);
        let mut slept = pin!(sleep(Duration::from_secs(3_600)));
        {
            let _entered = own.enter();
            assert!(slept.as_mut().poll(&mut cx).is_pending());
        }
        {
            let _entered = other.enter();
            slept
                .as_mut()
                .reset(Instant::now() + Duration::from_millis(1));
        }
        other.shutdown();
        drop(other);
        while count.get() == 0 {
            own.try_borrow().expect("nobody else has it").wait(None);
        }
        assert!(slept.poll(&mut cx).is_ready());
    });
}

#[test]
fn a_sleep_whose_reactor_is_gone_moves_to_another() {
    within_limit(|| {
        let gone = reactor();
        // Longer than any machine keeps a thread from going on.
        let mut slept = Box::pin(sleep(Duration::from_secs(2)));
        let mut dropped = Box::pin(sleep(Duration::from_secs(3_600)));
        let (count, waker) = CountWakes::new();
        let mut cx = Context::from_waker(&waker);
        let entered = gone.enter();
        assert!(slept.as_mut().poll(&mut cx).is_pending());
        assert!(dropped.as_mut().poll(&mut cx).is_pending());
        drop(entered);
        gone.shutdown();
        assert_eq!(count.get(), 2, "both are woken");
        drop(gone);
        drop(dropped);
        block_on(slept);
    });
}

#[test]
fn a_waker_may_reset_the_sleep_that_wakes_it() {
    struct Resetter(std::sync::Mutex<Option<Pin<Box<Sleep>>>>, Arc<CountWakes>);

    impl Wake for Resetter {
        fn wake(self: Arc<Self>) {
            let mut slot = self.0.lock().expect("no panic");
            if let Some(slept) = slot.as_mut() {
                slept.as_mut().reset(Instant::now());
            }
            *slot = None;
            Wake::wake(self.1.clone());
        }
    }

    within_limit(|| {
        let reactor = reactor();
        let _entered = reactor.enter();
        let (count, _) = CountWakes::new();
        let resetter = Arc::new(Resetter(Default::default(), count.clone()));
        let waker = Waker::from(resetter.clone());
        let mut slept = Box::pin(sleep(Duration::from_secs(3_600)));
        assert!(
            slept
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        slept.as_mut().reset(Instant::now());
        *resetter.0.lock().expect("no panic") = Some(slept);
        while count.get() == 0 {
            reactor.try_borrow().expect("nobody else has it").wait(None);
        }
    });
}

#[test]
fn a_waker_that_panics_harms_no_other() {
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker panics");
        }
    }

    within_limit(|| {
        let reactor = reactor();
        reactor.start_thread(Box::new(Plain)).expect("a thread");
        let _entered = reactor.enter();
        let panics = Waker::from(Arc::new(Panics));
        // Longer than any machine keeps a thread from going on.
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut bad = Box::pin(sleep_until(deadline));
        assert!(
            bad.as_mut()
                .poll(&mut Context::from_waker(&panics))
                .is_pending()
        );
        block_on(sleep_until(deadline));
        block_on(sleep(Duration::from_millis(1)));
        reactor.shutdown();
        assert!(reactor.join_thread(None));
    });
}

#[test]
fn a_crowd_of_timers_lets_io_through_between_batches() {
    within_limit(|| {
        let reactor = reactor();
        let _entered = reactor.enter();
        let deadline = Instant::now() + Duration::from_millis(20);
        let (count, waker) = CountWakes::new();
        let mut cx = Context::from_waker(&waker);
        let mut crowd: Vec<_> = (0..10_000)
            .map(|_| Box::pin(sleep_until(deadline)))
            .collect();
        for slept in &mut crowd {
            let _ = slept.as_mut().poll(&mut cx);
        }
        let mut turn = reactor.try_borrow().expect("nobody else has it");
        while crowd
            .iter_mut()
            .any(|slept| slept.as_mut().poll(&mut cx).is_pending())
        {
            let woken = turn.wait(None);
            assert!(woken <= 1_024, "{woken} at once");
        }
        assert!(count.get() <= 10_000);
    });
}

#[test]
fn a_missed_tick_is_dealt_with_as_told() {
    within_limit(|| {
        let period = Duration::from_millis(10);
        let late = Duration::from_millis(25);
        for (behavior, next) in [
            (MissedTickBehavior::Burst, period),
            (MissedTickBehavior::Skip, 3 * period),
            (MissedTickBehavior::Delay, late + period),
        ] {
            block_on(async {
                let start = Instant::now();
                let mut ticks = interval_at(start, period);
                ticks.set_missed_tick_behavior(behavior);
                // The first tick is asked for two and a half periods late.
                sleep_until(start + late).await;
                assert_eq!(ticks.tick().await, start);
                let due = ticks.tick().await;
                match behavior {
                    MissedTickBehavior::Burst => assert_eq!(due, start + next),
                    MissedTickBehavior::Delay => assert!(due >= start + next),
                    MissedTickBehavior::Skip => {
                        assert!(due >= start + next);
                        let past = (due - start).as_nanos() % period.as_nanos();
                        assert_eq!(past, 0, "on the old beat");
                    }
                }
            });
        }
    });
}

#[test]
#[should_panic(expected = "`period` must be non-zero.")]
fn an_interval_without_a_period_is_refused() {
    let _ = interval(Duration::ZERO);
}

/// What the types promise about threads.
const _: fn() = || {
    fn send_sync_unpin<T: Send + Sync + Unpin>() {}
    send_sync_unpin::<Sleep>();
    send_sync_unpin::<heist_reactor::time::Interval>();
    send_sync_unpin::<heist_reactor::time::Timeout<std::future::Ready<()>>>();
    send_sync_unpin::<Reactor>();
};

#[test]
fn a_send_with_a_limit_is_ended_by_the_reactor() {
    within_limit(|| {
        let reactor = reactor();
        let (sender, _receiver) = heist_sync::mpsc::channel(1);
        sender.try_send(1).expect("room");
        let send = sender.send_timeout(2, Duration::from_millis(1));
        // Nobody else turns this reactor: it is its timer that ends the wait.
        let late = turn_until_ready(&reactor, send).expect_err("its time is up");
        assert_eq!(late.into_inner(), 2);
    });
}
