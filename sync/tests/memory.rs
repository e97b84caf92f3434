//! What a channel keeps of a burst.
#![cfg(not(any(heist_loom, heist_shuttle)))]

#[path = "support/task.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use heist_sync::{mpmc, mpsc};
use support::task;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

/// Counts the bytes of each thread by itself.
struct Counting;

// SAFETY: all is passed on as it comes.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = LIVE.try_with(|live| live.set(live.get().wrapping_add(layout.size())));
        // SAFETY: as of the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let _ = LIVE.try_with(|live| live.set(live.get().wrapping_sub(layout.size())));
        // SAFETY: as of the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const BURST: usize = if cfg!(miri) { 100 } else { 1_000 };

/// How much more there is after `burst` than before it.
fn kept(mut burst: impl FnMut()) -> usize {
    let before = LIVE.get();
    (0..5).for_each(|_| burst());
    LIVE.get().wrapping_sub(before)
}

#[test]
fn a_burst_leaves_a_small_block_at_the_most() {
    let (sender, mut receiver) = mpsc::channel::<[u64; 32]>(4);
    let large = kept(|| {
        while sender.try_send([0; 32]).is_ok() {}
        while receiver.try_recv().is_ok() {}
    });
    assert_eq!(large, 0);
    let (sender, mut receiver) = mpsc::unbounded_channel::<u64>();
    let small = kept(|| {
        (0..BURST).for_each(|_| sender.send(0).unwrap());
        while receiver.try_recv().is_ok() {}
    });
    assert!(small < 1_024, "{small}");
    let (sender, receiver) = mpmc::unbounded::<u64>();
    let small = kept(|| {
        (0..BURST).for_each(|_| sender.try_send(0).unwrap());
        while receiver.try_recv().is_ok() {}
    });
    assert!(small < 1_024, "{small}");
}

#[test]
fn a_crowd_at_a_rendezvous_leaves_no_memory() {
    let (sender, receiver) = mpmc::bounded::<u64>(0);
    let offered = kept(|| {
        let mut sends: Vec<_> = (0..BURST).map(|_| task(sender.send(0))).collect();
        sends.iter_mut().for_each(|send| send.expect_pending());
        while receiver.try_recv().is_ok() {}
    });
    assert!(offered < 2_048, "{offered}");
    let given = kept(|| {
        let mut waits: Vec<_> = (0..BURST).map(|_| task(receiver.recv())).collect();
        waits.iter_mut().for_each(|wait| wait.expect_pending());
        waits.iter().for_each(|_| sender.try_send(0).unwrap());
        waits.iter_mut().for_each(|wait| _ = wait.expect_ready());
    });
    assert!(given < 2_048, "{given}");
}
