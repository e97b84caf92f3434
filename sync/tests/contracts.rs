//! What all waits have in common, asked of every asynchronous method by one table: that the last waker is the one that is
//! woken, that a wait can be given up at any time with nothing lost, and that wakers which misbehave harm nobody else.
//! And which types may be sent, shared and moved.
#![cfg(not(any(heist_loom, heist_shuttle)))]

#[path = "support/task.rs"]
mod support;

#[path = "contracts/auto_traits.rs"]
mod auto_traits;
#[path = "contracts/channels.rs"]
mod channels;
#[path = "contracts/panics.rs"]
mod panics;
#[path = "contracts/primitives.rs"]
mod primitives;
#[path = "contracts/setup.rs"]
mod setup;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use setup::{Case, Setup};
use support::{Wakes, calling_waker, task, within_limit};

fn cases() -> impl Iterator<Item = Case> {
    primitives::cases().into_iter().chain(channels::cases())
}

/// Calls `f` with each case, and says which one it was where it panics.
fn each(f: impl Fn(&Setup) + Send + Sync + 'static) {
    within_limit(move || {
        // Miri takes a second for ten.
        for (name, make) in cases().step_by(if cfg!(miri) { 6 } else { 1 }) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| f(&make()))) {
                eprintln!("the case was: {name}");
                std::panic::resume_unwind(panic);
            }
        }
    });
}

#[test]
fn what_is_waited_for_wakes_and_completes() {
    each(|setup| {
        let mut waiting = task((setup.wait)());
        waiting.expect_pending();
        assert!(!waiting.woken());
        (setup.event)();
        assert!(waiting.woken());
        waiting.expect_ready();
    });
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    each(|setup| {
        let (early, late) = (Wakes::new(), Wakes::new());
        let mut waiting = task((setup.wait)());
        assert!(waiting.poll_with(&early.waker()).is_pending());
        assert!(waiting.poll_with(&late.waker()).is_pending());
        (setup.event)();
        assert_eq!((early.take(), late.take() > 0), (0, true));
        waiting.expect_ready();
    });
}

#[test]
fn a_wait_given_up_after_any_poll_keeps_nothing() {
    for polls in 0..4 {
        each(move |setup| {
            let mut given_up = task((setup.wait)());
            (0..polls).for_each(|_| given_up.expect_pending());
            drop(given_up);
            let mut waiting = task((setup.wait)());
            waiting.expect_pending();
            (setup.event)();
            assert!(waiting.woken());
            waiting.expect_ready();
        });
    }
}

#[test]
fn what_had_fallen_to_a_wait_given_up_goes_to_the_next() {
    for polls in 1..4 {
        each(move |setup| {
            let mut given_up = task((setup.wait)());
            (0..polls).for_each(|_| given_up.expect_pending());
            let mut behind = task((setup.wait)());
            let alone = behind.poll().is_ready();
            (setup.event)();
            drop(given_up);
            if !alone {
                assert!(behind.woken());
                behind.expect_ready();
            }
        });
    }
}

#[test]
fn what_had_fallen_to_a_wait_given_up_stays_for_one_who_comes() {
    each(|setup| {
        let mut given_up = task((setup.wait)());
        given_up.expect_pending();
        (setup.event)();
        drop(given_up);
        if setup.lasts {
            task((setup.wait)()).expect_ready();
        }
    });
}

#[test]
fn a_wait_that_is_forgotten_costs_its_own_place_alone() {
    for polls in 1..4 {
        each(move |setup| {
            let mut forgotten = task((setup.wait)());
            (0..polls).for_each(|_| forgotten.expect_pending());
            forgotten.forget();
            let mut behind = task((setup.wait)());
            let alone = behind.poll().is_ready();
            let events = setup.behind_forgotten;
            (0..events.unwrap_or(1)).for_each(|_| (setup.event)());
            if events.is_some() && !alone {
                assert!(behind.woken());
                behind.expect_ready();
            }
        });
    }
}

#[test]
fn waits_that_are_forgotten_may_outlive_what_they_waited_for() {
    for (early, late) in [(1, 0), (0, 1), (2, 1)] {
        each(move |setup| {
            let forget = |_| {
                let mut forgotten = task((setup.wait)());
                if forgotten.poll().is_pending() {
                    forgotten.forget();
                }
            };
            (0..early).for_each(forget);
            (setup.event)();
            (0..late).for_each(forget);
            (setup.abandon)();
        });
    }
}

#[test]
fn what_has_happened_before_the_wait_completes_it() {
    each(|setup| {
        (setup.event)();
        if setup.lasts {
            task((setup.wait)()).expect_ready();
        }
    });
}

#[test]
fn wakers_that_come_back_find_the_primitive_unlocked() {
    each(|setup| {
        let again = setup.touch.clone();
        let waker = calling_waker(move || again());
        let waiting = || task((setup.wait)());
        let mut all: Vec<_> = (0..4).map(|_| Some(waiting())).collect();
        let mut poll = |which: usize, waker: &Waker| {
            let place = &mut all[which];
            if place
                .as_mut()
                .is_some_and(|task| task.poll_with(waker).is_ready())
            {
                *place = None;
            }
        };
        (0..4).for_each(|which| poll(which, &waker));
        poll(1, &waker.clone());
        poll(2, Waker::noop());
        all.remove(1);
        (setup.event)();
        all.remove(1);
        let mut last = all.remove(1);
        if let Some(last) = &mut last {
            let _ = last.poll_with(&waker);
        }
    });
}

/// A waker that panics when it is cloned, woken or dropped, while `armed`.
fn bomb(armed: &Arc<AtomicBool>) -> Waker {
    let armed = armed.clone();
    calling_waker(move || {
        if armed.swap(false, Ordering::SeqCst) {
            // Without the hook, which would print hundreds of them.
            std::panic::resume_unwind(Box::new("a waker that panics"));
        }
    })
}

#[test]
fn a_waker_that_panics_when_cloned_leaves_the_wait_as_it_was() {
    each(|setup| {
        let armed = Arc::new(AtomicBool::new(true));
        let waker = bomb(&armed);
        let mut waiting = task((setup.wait)());
        let poll = catch_unwind(AssertUnwindSafe(|| waiting.poll_with(&waker)));
        armed.store(false, Ordering::SeqCst);
        assert!(poll.is_err(), "it clones");
        if setup.survives_panics {
            waiting.expect_pending();
            (setup.event)();
            assert!(waiting.woken());
            waiting.expect_ready();
        }
        drop(waiting);
        let mut fresh = task((setup.wait)());
        let _ = fresh.poll();
    });
}

#[test]
fn a_waker_that_panics_when_woken_keeps_nobody_else_asleep() {
    for gives_up in [false, true] {
        each(move |setup| {
            let armed = Arc::new(AtomicBool::new(false));
            let mut first = task((setup.wait)());
            assert!(first.poll_with(&bomb(&armed)).is_pending());
            let mut second = task((setup.wait)());
            let alone = second.poll().is_ready();
            armed.store(true, Ordering::SeqCst);
            let event = catch_unwind(AssertUnwindSafe(|| (setup.event)()));
            assert_eq!(
                event.is_err(),
                !setup.quiet,
                "the panic goes to who woke it"
            );
            if !gives_up {
                return first.expect_ready();
            }
            drop(first);
            if !alone {
                assert!(second.woken());
                second.expect_ready();
            }
        });
    }
}

#[test]
fn a_waker_that_panics_when_dropped_loses_no_wake() {
    each(|setup| {
        let armed = Arc::new(AtomicBool::new(false));
        let waker = bomb(&armed);
        let mut waiting = task((setup.wait)());
        assert!(waiting.poll_with(&waker).is_pending());
        armed.store(true, Ordering::SeqCst);
        // The new waker takes the place of the old one, which is dropped.
        let poll = catch_unwind(AssertUnwindSafe(|| waiting.poll()));
        assert!(poll.is_err(), "the old one was dropped");
        if setup.survives_panics {
            assert_eq!(waiting.poll(), Poll::Pending);
            (setup.event)();
            assert!(waiting.woken());
            waiting.expect_ready();
        }
    });
}
