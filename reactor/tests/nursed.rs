//! Sleeps of tasks, whose polls a runtime announces: they are timers from the end of the poll on, if they still are.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use heist_reactor::testing::{CountWakes, within_limit};
use heist_reactor::time::{Duration, Instant, Sleep, sleep, timeout};
use heist_reactor::{Config, Reactor};

/// Longer than any machine keeps a thread from going on.
const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(3_600);

fn reactor() -> Reactor {
    Reactor::new(Config::default()).expect("a poller")
}

/// Polls `poll` as a task's poll; what it gives is left, pending.
fn poll_task<T>(waker: &Waker, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
    let mut left = None;
    let _: Poll<()> = Reactor::nursed(waker, || {
        left = Some(poll(&mut Context::from_waker(waker)));
        Poll::Pending
    });
    left.expect("it was polled")
}

fn pending(slept: &mut Pin<Box<Sleep>>, cx: &mut Context<'_>) {
    assert!(slept.as_mut().poll(cx).is_pending());
}

fn turn_until(reactor: &Reactor, woken: &Arc<CountWakes>, times: usize) {
    while woken.get() < times {
        reactor.try_borrow().expect("nobody else has it").wait(None);
    }
}

#[test]
fn a_sleep_left_by_its_poll_wakes_the_task() {
    within_limit(|| {
        let reactor = reactor();
        let _entered = reactor.enter();
        let (woken, waker) = CountWakes::new();
        // More than the nursery has room for.
        let mut sleeps: Vec<_> = (0..10).map(|_| Box::pin(sleep(SHORT))).collect();
        poll_task(&waker, |cx| {
            sleeps.iter_mut().for_each(|slept| pending(slept, cx));
        });
        turn_until(&reactor, &woken, 10);
        let mut cx = Context::from_waker(&waker);
        assert!(
            sleeps
                .iter_mut()
                .all(|slept| slept.as_mut().poll(&mut cx).is_ready())
        );
    });
}

#[test]
fn a_sleep_dropped_in_its_poll_wakes_nobody() {
    within_limit(|| {
        let reactor = reactor();
        let _entered = reactor.enter();
        let (woken, waker) = CountWakes::new();
        let (other, other_waker) = CountWakes::new();
        let mut kept = Box::pin(sleep(2 * SHORT));
        poll_task(&waker, |cx| {
            for _ in 0..1_000 {
                let mut limited = pin!(timeout(SHORT, std::future::pending::<()>()));
                assert!(limited.as_mut().poll(cx).is_pending());
            }
            pending(&mut kept, &mut Context::from_waker(&other_waker));
        });
        turn_until(&reactor, &other, 1);
        assert_eq!(woken.get(), 0);
    });
}

#[test]
fn a_sleep_polled_again_and_again_in_one_poll_becomes_ready() {
    let reactor = reactor();
    let _entered = reactor.enter();
    let (_, waker) = CountWakes::new();
    let mut slept = Box::pin(sleep(SHORT));
    poll_task(&waker, |cx| {
        while slept.as_mut().poll(cx).is_pending() {
            std::hint::spin_loop();
        }
    });
}

#[test]
fn a_sleep_may_be_reset_in_its_poll_and_after_it() {
    within_limit(|| {
        let reactor = reactor();
        let _entered = reactor.enter();
        let (woken, waker) = CountWakes::new();
        let (mut inside, mut after) = (Box::pin(sleep(LONG)), Box::pin(sleep(LONG)));
        poll_task(&waker, |cx| {
            pending(&mut inside, cx);
            pending(&mut after, cx);
            inside.as_mut().reset(Instant::now() + SHORT);
        });
        after.as_mut().reset(Instant::now() + SHORT);
        turn_until(&reactor, &woken, 2);
        let mut cx = Context::from_waker(&waker);
        assert!(
            inside.as_mut().poll(&mut cx).is_ready() && after.as_mut().poll(&mut cx).is_ready()
        );
    });
}

#[test]
fn a_sleep_whose_time_comes_in_its_poll_wakes_the_task() {
    within_limit(|| {
        let reactor = reactor();
        let _entered = reactor.enter();
        let (woken, waker) = CountWakes::new();
        let mut slept = Box::pin(sleep(SHORT));
        poll_task(&waker, |cx| {
            pending(&mut slept, cx);
            std::thread::sleep(2 * SHORT);
        });
        turn_until(&reactor, &woken, 1);
        assert!(
            slept
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
        );
    });
}

#[test]
fn a_sleep_sent_to_another_thread_during_its_poll_wakes_its_last_poller() {
    within_limit(|| {
        let reactor = reactor();
        let _entered = reactor.enter();
        let (woken, waker) = CountWakes::new();
        let (last, last_waker) = CountWakes::new();
        // Polled there; dropped there; come back and dropped here.
        let [mut polled, mut dropped, mut back] =
            [SHORT, LONG, LONG].map(|length| Box::pin(sleep(length)));
        let polled = poll_task(&waker, |cx| {
            for slept in [&mut polled, &mut dropped, &mut back] {
                pending(slept, cx);
            }
            let elsewhere = || {
                let _entered = reactor.enter();
                let mut cx = Context::from_waker(&last_waker);
                pending(&mut polled, &mut cx);
                pending(&mut back, &mut cx);
                drop(dropped);
                (polled, back)
            };
            let (polled, back) =
                std::thread::scope(|scope| scope.spawn(elsewhere).join().expect("no panic"));
            drop(back);
            polled
        });
        assert_eq!(woken.get(), 1, "who made it looks again, to be sure");
        turn_until(&reactor, &last, 1);
        drop(polled);
        assert_eq!((woken.get(), last.get()), (1, 1));
    });
}

#[test]
fn a_sleep_that_outlives_a_poll_that_is_done_or_panics_goes_on_elsewhere() {
    within_limit(|| {
        let reactor = reactor();
        let _entered = reactor.enter();
        let (woken, waker) = CountWakes::new();
        let (last, last_waker) = CountWakes::new();
        let (mut done, mut panicked) = (Box::pin(sleep(SHORT)), Box::pin(sleep(SHORT)));
        let polled = Reactor::nursed(&waker, || {
            pending(&mut done, &mut Context::from_waker(&waker));
            Poll::Ready(())
        });
        assert!(polled.is_ready());
        let caught = catch_unwind(AssertUnwindSafe(|| {
            poll_task(&waker, |cx| {
                pending(&mut panicked, cx);
                panic!("in a poll");
            })
        }));
        assert!(caught.is_err());
        let mut cx = Context::from_waker(&last_waker);
        pending(&mut done, &mut cx);
        pending(&mut panicked, &mut cx);
        turn_until(&reactor, &last, 2);
        assert_eq!(woken.get(), 0);
    });
}

#[test]
fn a_poll_inside_a_poll_waits_for_its_own_sleeps() {
    within_limit(|| {
        let (reactor, inner_reactor) = (reactor(), reactor());
        let _entered = reactor.enter();
        let (woken, waker) = CountWakes::new();
        let (inner, inner_waker) = CountWakes::new();
        let (mut outer_slept, mut inner_slept) = (Box::pin(sleep(SHORT)), Box::pin(sleep(SHORT)));
        poll_task(&waker, |cx| {
            pending(&mut outer_slept, cx);
            // A task that waits for another runtime's, on this thread, as by a `block_on`.
            let _entered = inner_reactor.enter();
            poll_task(&inner_waker, |cx| pending(&mut inner_slept, cx));
            turn_until(&inner_reactor, &inner, 1);
        });
        turn_until(&reactor, &woken, 1);
    });
}

#[test]
fn the_end_of_the_reactor_in_a_poll_wakes_the_task() {
    within_limit(|| {
        let reactor = reactor();
        let _entered = reactor.enter();
        let (woken, waker) = CountWakes::new();
        let mut slept = Box::pin(sleep(LONG));
        poll_task(&waker, |cx| {
            pending(&mut slept, cx);
            reactor.shutdown();
        });
        assert_eq!(woken.get(), 1);
    });
}
