//! A task's waker: a pointer to its header, and one table for all tasks. So wakers of one task are recognised as the
//! same ([`Waker::will_wake`]) wherever they were made.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::header::RawTask;

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// A waker without a reference, for the length of a poll. The task is alive during the poll (S2).
pub(super) struct BorrowedWaker(ManuallyDrop<Waker>);

impl Deref for BorrowedWaker {
    type Target = Waker;
    fn deref(&self) -> &Waker {
        &self.0
    }
}

/// The waker that the poll of `task` passes to the future.
pub(super) fn borrowed_waker(task: RawTask) -> BorrowedWaker {
    // SAFETY: the table's functions keep RawWaker's contract. The pointer is valid during the poll.
    let waker = unsafe { Waker::new(task.0.as_ptr().cast(), &VTABLE) };
    BorrowedWaker(ManuallyDrop::new(waker))
}

/// Whether waking it only queues a task of a runtime, so that it takes no time, doesn't block, and calls no code of
/// others.
pub(crate) fn wakes_at_once(waker: &Waker) -> bool {
    // SAFETY: the table is ours, so `data` is the pointer of a live waker of this table.
    ptr::eq(waker.vtable(), &VTABLE) && unsafe { task(waker.data()) }.header().wakes_at_once
}

/// Whether its task is in a poll, or has been woken and waits for its turn. `None` if it is not the waker of a task.
pub(crate) fn is_due(waker: &Waker) -> Option<bool> {
    // SAFETY: as in `wakes_at_once`.
    ptr::eq(waker.vtable(), &VTABLE).then(|| unsafe { task(waker.data()) }.header().state.is_due())
}

/// # Safety
/// `data` is the pointer of a waker of this table.
unsafe fn task(data: *const ()) -> RawTask {
    // SAFETY: made from a `NonNull` in `borrowed_waker`.
    RawTask(unsafe { NonNull::new_unchecked(data.cast_mut()) }.cast())
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: RawWaker's contract: `data` is a live waker's.
    unsafe { task(data) }.header().state.add_ref();
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: as in `clone`.
    let task = unsafe { task(data) };
    task.follow(task.header().state.wake_by_val());
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: as in `clone`.
    let task = unsafe { task(data) };
    task.follow(task.header().state.wake_by_ref());
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: as in `clone`.
    unsafe { task(data) }.drop_ref();
}
