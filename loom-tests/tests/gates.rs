//! Event, barrier and once cell: nobody waits beside a set flag, all or nobody pass a barrier, and a computation that is
//! given up is another's turn.

#[path = "support/poll.rs"]
mod support;

use std::future::ready;

use heist_sync::sys::atomic::{AtomicUsize, Ordering};
use heist_sync::sys::{Arc, thread};
use heist_sync::{Barrier, Event, OnceCell};
use loom_tests::{Census, model};
use support::{block_on, poll_once};

/// One waits, one gives up after a look, one sets: who waits gets past, and sees what was done before.
#[test]
fn event_keeps_nobody_waiting() {
    let census = Census::new(&["given up", "passed"]);
    let counted = census.clone();
    model("event_keeps_nobody_waiting", Some(3), move || {
        let shared = Arc::new((Event::new(), AtomicUsize::new(0)));
        let setting = {
            let shared = shared.clone();
            thread::spawn(move || {
                // Ordering: Relaxed: the event carries it.
                shared.1.store(1, Ordering::Relaxed);
                shared.0.set();
            })
        };
        let giving_up = {
            let shared = shared.clone();
            thread::spawn(move || poll_once(shared.0.wait()).is_some())
        };
        block_on(shared.0.wait());
        assert_eq!(shared.1.load(Ordering::Relaxed), 1);
        setting.join().unwrap();
        let passed = giving_up.join().unwrap();
        counted.saw(if passed { "passed" } else { "given up" });
    });
    census.assert_all_seen();
}

/// An event is cleared as it is set, while one waits: it gets past, or waits until it is set again.
#[test]
fn event_set_and_cleared_releases_who_waits() {
    let census = Census::new(&["set", "cleared"]);
    let counted = census.clone();
    model(
        "event_set_and_cleared_releases_who_waits",
        Some(2),
        move || {
            let event = Arc::new(Event::new());
            let waiting = {
                let event = event.clone();
                thread::spawn(move || block_on(event.wait()))
            };
            let clearing = {
                let event = event.clone();
                thread::spawn(move || event.clear())
            };
            event.set();
            clearing.join().unwrap();
            counted.saw(if event.is_set() { "set" } else { "cleared" });
            event.set();
            waiting.join().unwrap();
        },
    );
    census.assert_all_seen();
}

/// Two come, one of them giving up after a look, before the barrier is aborted: both pass, or the one that stays hears of
/// the end.
#[test]
fn barrier_lets_all_pass_or_nobody() {
    let census = Census::new(&["gave up", "came last", "gave up as it was released"]);
    let counted = census.clone();
    model("barrier_lets_all_pass_or_nobody", Some(3), move || {
        let (barrier, gone) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
        let giving_up = {
            let (barrier, gone) = (barrier.clone(), gone.clone());
            thread::spawn(move || {
                let looked = poll_once(barrier.checked_wait());
                // Ordering: Release pairs with the Acquire below, so that one who sees it comes after.
                gone.store(usize::from(looked.is_none()), Ordering::Release);
                looked
            })
        };
        let staying = {
            let barrier = barrier.clone();
            thread::spawn(move || {
                let late = gone.load(Ordering::Acquire) == 1;
                let stayed = block_on(barrier.checked_wait());
                assert!(!late || stayed.is_err(), "one that gave up has not come");
                stayed
            })
        };
        let gave_up = giving_up.join().unwrap();
        barrier.abort();
        let stayed = staying.join().unwrap().map(|result| result.is_leader());
        counted.saw(match (gave_up, stayed) {
            (Some(Ok(result)), Ok(false)) if result.is_leader() => "came last",
            (None, Ok(true)) => "gave up as it was released",
            (None, Err(_)) => "gave up",
            other => panic!("{other:?}"),
        });
        assert_eq!(barrier.num_waiting(), 0);
    });
    census.assert_all_seen();
}

/// A barrier is aborted while two come: both pass, or both hear of it.
#[test]
fn barrier_aborted_is_heard_of() {
    let census = Census::new(&["passed", "broken"]);
    let counted = census.clone();
    model("barrier_aborted_is_heard_of", Some(3), move || {
        let barrier = Arc::new(Barrier::new(2));
        let coming = [(); 2].map(|()| {
            let barrier = barrier.clone();
            thread::spawn(move || block_on(barrier.checked_wait()).is_ok())
        });
        barrier.abort();
        let passed = coming.map(|one| one.join().unwrap());
        assert_eq!(passed[0], passed[1], "all or nobody");
        counted.saw(if passed[0] { "passed" } else { "broken" });
        assert_eq!(barrier.num_waiting(), 0);
    });
    census.assert_all_seen();
}

/// Two compute, one of whom gives up, and a third sets: the cell is filled once.
#[test]
fn once_cell_is_computed_by_another_where_one_gives_up() {
    let census = Census::new(&["computed", "set"]);
    let counted = census.clone();
    model(
        "once_cell_is_computed_by_another_where_one_gives_up",
        Some(2),
        move || {
            let cell = Arc::new(OnceCell::new());
            let giving_up = {
                let cell = cell.clone();
                thread::spawn(move || {
                    let never = cell.get_or_init(std::future::pending::<usize>);
                    assert!(poll_once(never).is_none_or(|&value| value > 0));
                })
            };
            let first = {
                let cell = cell.clone();
                thread::spawn(move || *block_on(cell.get_or_init(|| ready(1))))
            };
            let set = cell.set(2).is_ok();
            giving_up.join().unwrap();
            let value = if set { 2 } else { 1 };
            assert_eq!(first.join().unwrap(), value);
            assert_eq!(cell.get(), Some(&value));
            counted.saw(if set { "set" } else { "computed" });
        },
    );
    census.assert_all_seen();
}
