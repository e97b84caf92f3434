//! The cell that is computed once and the value that is set once.

#[path = "support/task.rs"]
mod support;

use std::cell::Cell;
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};

use heist_sync::waits::{self, Wait};
use heist_sync::{OnceCell, SetError, SetOnce, SetOnceError, oneshot};
use support::{Drops, block_on, task, within_limit};

#[test]
fn the_first_computes_and_the_others_wait_for_it() {
    let cell = OnceCell::new();
    let (tell, told) = oneshot::channel();
    let mut computes = task(cell.get_or_init(|| async { told.await.unwrap() }));
    let mut waits = task(cell.get_or_init(|| async { unreachable!("the first computes") }));
    let mut third = task(cell.get_or_init(|| ready(0)));
    computes.expect_pending();
    third.expect_pending();
    waits::forget();
    waits.expect_pending();
    assert_eq!(waits::left(), Wait::OnceCell);
    assert!(!cell.initialized() && cell.set(3).unwrap_err().is_initializing_err());
    tell.send(7).unwrap();
    assert_eq!(*computes.expect_ready(), 7);
    assert!(waits.woken() && third.woken());
    assert_eq!((*waits.expect_ready(), *third.expect_ready()), (7, 7));
    assert_eq!(cell.get(), Some(&7));
    assert!(cell.set(3).unwrap_err().is_already_init_err());
    assert_eq!(*block_on(cell.get_or_init(|| ready(0))), 7);
    assert_eq!(*cell.blocking_get_or_init(|| 0), 7);
}

#[test]
fn where_one_gives_up_fails_or_panics_the_next_computes() {
    let cell = OnceCell::new();
    let mut gives_up = task(cell.get_or_init(pending));
    let mut fails = task(cell.get_or_try_init(|| ready(Err::<u32, _>("no"))));
    let mut panics = task(cell.get_or_init(|| async { panic!("as it should") }));
    let mut computes = task(cell.get_or_try_init(|| ready(Ok::<_, &str>(5))));
    gives_up.expect_pending();
    fails.expect_pending();
    panics.expect_pending();
    computes.expect_pending();
    drop(gives_up);
    assert!(fails.woken());
    assert_eq!(fails.expect_ready(), Err("no"));
    assert!(panics.woken() && !computes.woken());
    assert!(catch_unwind(AssertUnwindSafe(|| panics.poll().is_ready())).is_err());
    assert!(computes.woken());
    assert_eq!(computes.expect_ready(), Ok(&5));
}

#[test]
fn one_that_gives_up_after_its_turn_came_passes_it_on() {
    let cell = OnceCell::new();
    let mut computes = task(cell.get_or_init(pending));
    let mut chosen = task(cell.get_or_init(|| ready(1)));
    let mut next = task(cell.get_or_init(|| ready(2)));
    computes.expect_pending();
    chosen.expect_pending();
    next.expect_pending();
    drop(computes);
    assert!(chosen.woken() && !next.woken());
    drop(chosen);
    assert!(next.woken());
    assert_eq!(*next.expect_ready(), 2);
}

#[test]
fn a_cell_gives_its_value_back_and_is_as_new() {
    let drops = Drops::default();
    let mut cell = OnceCell::from(drops.value(0));
    cell.get_mut().expect("it is there").1 = 1;
    drop(cell.take());
    assert_eq!(drops.seen(), [1]);
    assert!(cell.take().is_none() && !cell.initialized());
    cell.set(drops.value(2)).ok().unwrap();
    let refused = cell.set(drops.value(3)).unwrap_err();
    assert!(matches!(&refused, SetError::AlreadyInitializedError(value) if value.1 == 3));
    assert_eq!(cell.into_inner().map(|value| value.1), Some(2));
    let (full, empty) = (OnceCell::new_with(Some(4)), OnceCell::default());
    assert_eq!(full.clone(), full);
    assert_ne!(full, empty);
    assert_eq!(
        format!("{full:?} {empty:?}"),
        "OnceCell { value: Some(4) } OnceCell { value: None }"
    );
}

#[test]
fn threads_compute_once_by_blocking() {
    within_limit(|| {
        let (cell, calls) = (OnceCell::new(), std::sync::atomic::AtomicUsize::new(0));
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    let value = cell.blocking_get_or_init(|| {
                        calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 6
                    });
                    assert_eq!(*value, 6);
                });
            }
        });
        assert_eq!(calls.into_inner(), 1);
    });
}

#[test]
fn a_value_is_set_once_and_all_who_wait_share_it() {
    let once = SetOnce::new();
    let (mut first, mut second) = (task(once.wait()), task(once.wait()));
    first.expect_pending();
    waits::forget();
    second.expect_pending();
    assert_eq!(waits::left(), Wait::Event);
    assert!(!once.initialized());
    once.set(1).unwrap();
    assert!(first.woken() && second.woken());
    assert!(std::ptr::eq(first.expect_ready(), second.expect_ready()));
    assert_eq!(once.set(2), Err(SetOnceError(2)));
    assert_eq!((once.get(), *once.blocking_wait()), (Some(&1), 1));
    drop((first, second));
    assert_eq!(once.into_inner(), Some(1));
}

#[test]
fn a_value_that_was_there_from_the_beginning_keeps_nobody_waiting() {
    static GIVEN: SetOnce<u32> = SetOnce::const_new_with(1);
    static LATER: SetOnce<Plain> = SetOnce::const_new();
    static COMPUTED: OnceCell<u32> = OnceCell::const_new_with(3);
    assert_eq!(*block_on(GIVEN.wait()), 1);
    assert_eq!(*block_on(SetOnce::from(2).wait()), 2);
    assert_eq!(*block_on(SetOnce::from(2).clone().wait()), 2);
    assert_eq!(*block_on(COMPUTED.get_or_init(|| ready(0))), 3);
    LATER.set(Plain(4)).ok().unwrap();
    assert_eq!(block_on(LATER.wait()).0, 4);
}

/// Neither `Clone` nor `Debug`.
struct Plain(u32);

#[test]
fn what_a_computation_holds_is_dropped_with_it() {
    let cell = OnceCell::<()>::new();
    let held = std::rc::Rc::new(Cell::new(0));
    let inner = held.clone();
    let computes = cell.get_or_init(|| async move {
        inner.set(1);
        pending().await
    });
    let mut computes = task(computes);
    computes.expect_pending();
    drop(computes);
    assert_eq!((held.get(), std::rc::Rc::strong_count(&held)), (1, 1));
}
