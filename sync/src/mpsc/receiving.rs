//! The receiving side: what takes messages out, and how the receiver of a channel with one receiver sleeps.
//!
//! The invariants are those of `chan`.

use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use super::block::{BLOCK, Block};
use super::chan::{Chan, Receivers, snooze};
use crate::contain::Panics;
use crate::sys::Mutex;
use crate::sys::atomic::{Ordering, fence};
use crate::waits::{self, Wait};

/// The only receiver of a channel.
#[derive(Default)]
pub(crate) struct Sole {
    waker: Mutex<Option<Waker>>,
}

impl Receivers for Sole {
    const SENDING: Wait = Wait::MpscSend;

    #[cold]
    fn wake<T>(chan: &Chan<T, Self>) {
        // Ordering: hint only. It picks one of several senders, the lock does the rest. Only who wakes may clear the flag: a
        // store by one that lost would look like a receiver that is awake.
        let picked =
            chan.signals
                .parked
                .compare_exchange(true, false, Ordering::Relaxed, Ordering::Relaxed);
        if picked.is_ok() {
            let waker = chan.receivers.waker.lock().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<T> Chan<T, Sole> {
    /// Drops the receiver's waker: a channel keeps no task alive that has let go of it.
    pub(super) fn forget_receiver(&self) {
        let waker = self.receivers.waker.lock().take();
        drop(waker);
    }
}

/// The receiving side of a channel, in the hands of the only one who may.
pub(crate) struct Receiving<'a, T, R: Receivers> {
    chan: &'a Chan<T, R>,
}

impl<'a, T, R: Receivers> Receiving<'a, T, R> {
    /// By [`Chan::receiving`] alone, whose promise it carries on.
    pub(super) fn new(chan: &'a Chan<T, R>) -> Self {
        Self { chan }
    }

    /// The next message, if it is ready. The room that it leaves is announced by `Chan::made_room`, by the caller.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<T> {
        let head = &self.chan.head;
        // Ordering: hint only. Only the receiver writes these two.
        let received = head.received.load(Ordering::Relaxed);
        let block = head.block.load(Ordering::Relaxed);
        let offset = received % BLOCK;
        // SAFETY: the head's block is freed by the receiver alone (invariant 4), and each slot is taken once, in order.
        let value = unsafe { (*block).empty(offset) }?;
        if offset == BLOCK - 1 {
            self.leave_block(block);
        }
        let received = self.chan.ahead(received.wrapping_add(1), 0);
        // Ordering: Release pairs with the Acquire in `Chan::has_room`.
        head.received.store(received, Ordering::Release);
        Some(value)
    }

    /// Whether, besides the `ahead` messages that are next, one more is ready. Those must be.
    pub(crate) fn is_ready_behind(&mut self, ahead: u64) -> bool {
        let head = &self.chan.head;
        // Ordering: hint only, as in `take`.
        let mut block = head.block.load(Ordering::Relaxed);
        let mut offset = head.received.load(Ordering::Relaxed) % BLOCK + ahead;
        while offset >= BLOCK {
            // SAFETY: the head's block is alive, and so are those linked behind it: invariant 4.
            // Ordering: Acquire pairs with the Release in `Grown::link`. It is linked: the block's last slot is ready.
            block = unsafe { (*block).next.load(Ordering::Acquire) };
            debug_assert!(!block.is_null());
            offset -= BLOCK;
        }
        // SAFETY: as above.
        unsafe { (*block).is_ready(offset) }
    }

    /// Goes on to the next block: invariant 4.
    fn leave_block(&mut self, block: *mut Block<T>) {
        // SAFETY: the block is still the receiver's.
        // Ordering: Acquire pairs with the Release in `Grown::link`; its last slot, which was ready, was filled after.
        let next = unsafe { (*block).next.load(Ordering::Acquire) };
        debug_assert!(!next.is_null());
        // Ordering: hint only. Only the receiver writes it.
        self.chan.head.block.store(next, Ordering::Relaxed);
        // SAFETY: all slots have been taken, and their senders are done with the block.
        unsafe { self.chan.recycle(NonNull::new_unchecked(block)) };
    }

    /// Takes and drops all that is ready. A message whose drop panics does not keep the others.
    pub(crate) fn drain(&mut self) {
        let mut panics = Panics::default();
        while let Some(value) = self.take() {
            panics.run(|| drop(value));
        }
        panics.go_on();
    }
}

impl<T> Receiving<'_, T, Sole> {
    /// The next message, or whether there will be one: `Ready(None)` at the channel's end.
    #[inline]
    fn look(&mut self) -> Poll<Option<T>> {
        if let Some(value) = self.take() {
            return Poll::Ready(Some(value));
        }
        // What was sent before the end may have become ready after the look above, so the end is where all is received.
        if self.chan.is_at_end() {
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    /// The next message; at the channel's end `None`; or leaves the waker: invariant 6.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<T>> {
        let looked = self.look();
        if looked.is_ready() {
            return looked;
        }
        self.park(cx);
        let looked = self.look();
        if looked.is_ready() {
            // Ordering: hint only. Saves a sender a wake for nothing.
            self.chan.signals.parked.store(false, Ordering::Relaxed);
        } else {
            waits::note(Wait::MpscRecv);
        }
        looked
    }

    fn park(&mut self, cx: &Context<'_>) {
        let known = self
            .chan
            .receivers
            .waker
            .lock()
            .as_ref()
            .is_some_and(|old| old.will_wake(cx.waker()));
        if !known {
            // Cloned and dropped outside the lock: both are a user's code.
            let fresh = cx.waker().clone();
            let stale = self.chan.receivers.waker.lock().replace(fresh);
            drop(stale);
        }
        // Ordering: hint only, the fence orders it.
        self.chan.signals.parked.store(true, Ordering::Relaxed);
        // Ordering: SeqCst pairs with the fence in `Chan::wake_receiver`.
        fence(Ordering::SeqCst);
    }

    /// The next message without waiting; `Ready(None)` at the channel's end. Where a message has been claimed and is just
    /// being filled, it waits for that: who sent after it may already be done.
    pub(super) fn try_take(&mut self) -> Poll<Option<T>> {
        let mut spins = 0;
        loop {
            let looked = self.look();
            if looked.is_ready() || self.chan.len() == 0 {
                return looked;
            }
            snooze(&mut spins);
        }
    }
}
