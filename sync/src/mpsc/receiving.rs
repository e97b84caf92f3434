//! The receiving side: how messages are taken out, and how the receiver of a channel with one receiver sleeps.
//!
//! The invariants are those of `chan`.

use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use super::block::{BLOCK, Block};
use super::chan::{ASLEEP, AWAKE, Chan, GONE, Receivers, snooze};
use crate::contain::Panics;
use crate::sys::Mutex;
use crate::sys::atomic::{Ordering, fence};
use crate::waits::{self, Wait};
use crate::wakes;

/// The only receiver of a channel.
#[derive(Default)]
pub(crate) struct Sole {
    waker: Mutex<Option<Waker>>,
}

impl Receivers for Sole {
    const SENDING: Wait = Wait::MpscSend;
    const LOOK_AHEAD: bool = false;

    fn wake<T>(chan: &Chan<T, Self>) -> bool {
        // Ordering: hint only. This picks one of several senders, and the lock does the rest. Only the one that wakes
        // may clear the flag: if another one stored it, the receiver would look awake.
        let picked = chan.signals.alert.compare_exchange(
            ASLEEP,
            AWAKE,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if picked.is_ok() {
            let waker = chan.receivers.waker.lock().take();
            wakes::wake(waker);
        }
        picked == Err(GONE)
    }

    fn take_left<T>(chan: &Chan<T, Self>) -> Option<T> {
        let _alone = chan.receivers.waker.lock();
        // SAFETY: the only receiver has gone, and whoever takes what it left holds this lock.
        unsafe { chan.receiving() }.take()
    }
}

impl<T> Chan<T, Sole> {
    /// The receiver has gone. Drops what is left for it (`chan`, invariant 10), and its waker: a channel must not keep
    /// a task alive that has dropped its receiver.
    pub(super) fn receiver_gone(&self) {
        let mut locked = self.receivers.waker.lock();
        // Ordering: hint only, the fence in `gone` orders it. It is stored under the lock, so that whoever reads it and
        // takes what is left comes after everything that the receiver has taken.
        self.signals.alert.store(GONE, Ordering::Relaxed);
        let waker = locked.take();
        drop(locked);
        let mut panics = Panics::default();
        panics.run(|| self.gone());
        panics.run(|| drop(waker));
        panics.go_on();
    }
}

/// The receiving side of a channel, in the hands of the only one that may receive.
pub(crate) struct Receiving<'a, T, R: Receivers> {
    chan: &'a Chan<T, R>,
}

impl<T, R: Receivers> Chan<T, R> {
    /// The receiving side.
    ///
    /// # Safety
    ///
    /// There is one at a time: the caller is the channel's only receiver, or holds the lock that its receivers share,
    /// or is the last that has the channel.
    pub(crate) unsafe fn receiving(&self) -> Receiving<'_, T, R> {
        Receiving { chan: self }
    }
}

impl<T, R: Receivers> Receiving<'_, T, R> {
    /// Takes the next message if it is ready. The caller announces the room that it leaves with `Chan::made_room`.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<T> {
        let head = &self.chan.head;
        // Ordering: hint only. Only the receiver writes these two.
        let received = head.received.load(Ordering::Relaxed);
        let block = head.block.load(Ordering::Relaxed);
        let offset = received % BLOCK;
        // SAFETY: only the receiver frees the head's block (invariant 4), and each slot is taken once, in order.
        let value = unsafe { (*block).empty(offset) }?;
        if offset == BLOCK - 1 {
            self.leave_block(block);
        }
        if R::LOOK_AHEAD {
            // Ordering: hint only, as above.
            let seen = head.seen.load(Ordering::Relaxed);
            if seen > 0 {
                head.seen.store(seen - 1, Ordering::Relaxed);
            }
        }
        let received = self.chan.ahead(received.wrapping_add(1), 0);
        // Ordering: Release pairs with the Acquire in `Chan::has_room`.
        head.received.store(received, Ordering::Release);
        Some(value)
    }

    /// How many messages from the next one on are known to be ready.
    pub(crate) fn seen(&self) -> u64 {
        // Ordering: hint only, as in `take`.
        self.chan.head.seen.load(Ordering::Relaxed)
    }

    /// Whether one more message is ready behind those. If so, it counts as seen from then on.
    ///
    /// What has been seen lies between the head and the sight. So the block of the sight is the head's or one behind
    /// that, which the receiver has not left yet. `take` keeps the count. While it is 0, the sight is the head.
    pub(crate) fn see_one_more(&mut self) -> bool {
        const { assert!(R::LOOK_AHEAD) };
        let head = &self.chan.head;
        // Ordering: hint only, as in `take`.
        let seen = head.seen.load(Ordering::Relaxed);
        let block = if seen == 0 { &head.block } else { &head.sight }.load(Ordering::Relaxed);
        let offset = head.received.load(Ordering::Relaxed).wrapping_add(seen) % BLOCK;
        // SAFETY: it is alive, as said above.
        if !unsafe { (*block).is_ready(offset) } {
            return false;
        }
        let behind = if offset == BLOCK - 1 {
            Self::behind(block)
        } else {
            block
        };
        // Ordering: hint only, as in `take`.
        head.sight.store(behind, Ordering::Relaxed);
        head.seen.store(seen + 1, Ordering::Relaxed);
        true
    }

    /// Goes on to the next block: invariant 4.
    fn leave_block(&mut self, block: *mut Block<T>) {
        let next = Self::behind(block);
        // Ordering: hint only. Only the receiver writes it.
        self.chan.head.block.store(next, Ordering::Relaxed);
        // SAFETY: all slots have been taken, and their senders are done with the block.
        unsafe { self.chan.recycle(NonNull::new_unchecked(block)) };
    }

    /// The block behind one whose last slot was seen ready and which the receiver has not left.
    fn behind(block: *mut Block<T>) -> *mut Block<T> {
        // SAFETY: the block is still the receiver's.
        // Ordering: Acquire pairs with the Release in `Grown::link`; its last slot, which was ready, was filled after.
        let next = unsafe { (*block).next.load(Ordering::Acquire) };
        assert!(
            !next.is_null(),
            "a block is linked before the last slot of the one before is filled"
        );
        next
    }
}

impl<T> Receiving<'_, T, Sole> {
    /// The next message, or whether there will be one. `Ready(None)` if the channel has ended.
    #[inline]
    fn look(&mut self) -> Poll<Option<T>> {
        if let Some(value) = self.take() {
            return Poll::Ready(Some(value));
        }
        // What was sent before the end may have become ready after the look above. So the channel has ended only if
        // everything is received.
        if self.chan.is_at_end() {
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    /// The next message, or `None` if the channel has ended. Otherwise leaves the waker: invariant 6.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<T>> {
        let looked = self.look();
        if looked.is_ready() {
            return looked;
        }
        self.park(cx);
        let looked = self.look();
        if looked.is_ready() {
            // Ordering: hint only. This saves a sender a needless wake.
            self.chan.signals.alert.store(AWAKE, Ordering::Relaxed);
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
            // It is cloned and dropped outside the lock: both are user code.
            let fresh = cx.waker().clone();
            let stale = self.chan.receivers.waker.lock().replace(fresh);
            drop(stale);
        }
        // Ordering: hint only, the fence orders it.
        self.chan.signals.alert.store(ASLEEP, Ordering::Relaxed);
        // Ordering: SeqCst pairs with the fence in `Chan::wake_receiver`.
        fence(Ordering::SeqCst);
    }

    /// Takes the next message without waiting. `Ready(None)` if the channel has ended. If a message has been claimed
    /// and is being filled, this waits for it, because a sender that came after it may already have returned.
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
