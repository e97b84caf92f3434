//! The tasks that wait for an [`RwLock`](super::RwLock), in order: a line of two queues.
//!
//! Only one upgradable reader at a time gets in, so many of them may stand before readers that could get in. They have
//! a queue of their own, so that readers pass them at once: no step here walks along a queue.
//!
//! # Invariants
//!
//! Everything is touched under the lock of `queue`, which is the line's lock. The lock of `upgradables` is taken
//! beneath it. Only a waiter that changes its own waker takes it alone.
//! 1. `Upgradable`s stand in `upgradables`, all others in `queue`. Numbers ascend in each. The waiter with the smallest
//!    number is the first of the line.
//! 2. `barriers` and `upgradable_waiters` count who stands in which queue.
//! 3. An `Upgrade` has the number 0, and there is at most one. All other numbers are given once.

use std::pin::Pin;
use std::task::Waker;

use crate::sys::atomic::Ordering;
use crate::sys::hints::{AtomicU64, AtomicUsize};
use crate::waiting::{Locked, Outcome, WaitQueue, Waiter};

/// A way to hold the lock, or to get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Upgradable,
    Write,
    /// From upgradable reader to writer.
    Upgrade,
}

/// What the line knows about a waiter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    pub(super) kind: Kind,
    /// It has waited too long, so the lock is handed over to it.
    pub(super) starving: bool,
    /// Its place: invariant 1.
    number: u64,
}

impl Want {
    /// For a waiter that isn't in line yet.
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            starving: false,
            number: 0,
        }
    }
}

pub(super) struct Line {
    queue: WaitQueue<Want>,
    upgradables: WaitQueue<Want>,
    /// How many `Write`s and `Upgrade`s there are.
    barriers: Count,
    /// How many `Upgradable`s there are.
    upgradable_waiters: Count,
    /// The number of the next waiter to come, and the number of the last one that was put at the front.
    back: Number,
    front: Number,
}

/// A count that is read and written under the line's lock. It is atomic because it lies beside that lock.
struct Count(AtomicUsize);

/// A waiter's number, atomic for the same reason.
struct Number(AtomicU64);

impl Count {
    const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    fn get(&self) -> usize {
        // Ordering: hint only, the line's lock orders it.
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, count: usize) {
        // Ordering: hint only, as in `get`.
        self.0.store(count, Ordering::Relaxed);
    }
}

impl Number {
    const fn new() -> Self {
        // Far from both ends.
        Self(AtomicU64::new(u64::MAX / 2))
    }

    fn get(&self) -> u64 {
        // Ordering: hint only, the line's lock orders it.
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, number: u64) {
        // Ordering: hint only, as in `get`.
        self.0.store(number, Ordering::Relaxed);
    }
}

impl Line {
    #[cfg(heist_loom)]
    pub(super) fn new() -> Self {
        Self::with(WaitQueue::new(), WaitQueue::new())
    }

    #[cfg(not(heist_loom))]
    pub(super) const fn new() -> Self {
        Self::with(WaitQueue::const_new(), WaitQueue::const_new())
    }

    const fn with(queue: WaitQueue<Want>, upgradables: WaitQueue<Want>) -> Self {
        Self {
            queue,
            upgradables,
            barriers: Count::new(),
            upgradable_waiters: Count::new(),
            back: Number::new(),
            front: Number::new(),
        }
    }

    /// The queue that waiters of that kind stand in.
    #[inline]
    pub(super) fn queue_of(&self, kind: Kind) -> &WaitQueue<Want> {
        match kind {
            Kind::Upgradable => &self.upgradables,
            Kind::Read | Kind::Write | Kind::Upgrade => &self.queue,
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> LockedLine<'_> {
        LockedLine {
            line: self,
            queue: self.queue.lock(),
        }
    }
}

/// The line while it is locked.
pub(super) struct LockedLine<'l> {
    line: &'l Line,
    queue: Locked<'l, Want>,
}

impl LockedLine<'_> {
    /// The first waiter in line.
    #[inline]
    pub(super) fn first(&self) -> Option<Want> {
        self.first_of(true)
    }

    /// The first waiter in line, or the first that is no upgradable reader.
    #[inline]
    pub(super) fn first_of(&self, upgradables: bool) -> Option<Want> {
        let other = self.queue.front();
        if !upgradables || self.line.upgradable_waiters.get() == 0 {
            return other;
        }
        self.lesser(other)
    }

    /// The one with the smaller number: `other` or the first upgradable reader. There is such a reader.
    #[cold]
    fn lesser(&self, other: Option<Want>) -> Option<Want> {
        let upgradable = self.line.upgradables.lock().front()?;
        Some(match other {
            Some(other) if other.number < upgradable.number => other,
            _ => upgradable,
        })
    }

    /// Whether a `Write` or an `Upgrade` is in line.
    #[inline]
    pub(super) fn has_barrier(&self) -> bool {
        self.line.barriers.get() > 0
    }

    /// Takes out the first waiter of that kind's queue, with `outcome`. There is one, and it is of that kind.
    #[inline]
    pub(super) fn release(&mut self, kind: Kind, outcome: Outcome) -> Waker {
        let waker = match kind {
            Kind::Upgradable => self.line.upgradables.lock().pop_front(outcome),
            _ => self.queue.pop_front(outcome),
        };
        self.has_left(kind);
        waker.expect("there is one")
    }

    /// Takes out a waiter for its owner, if it is in line.
    pub(super) fn remove(
        &mut self,
        kind: Kind,
        waiter: Pin<&mut Waiter<'_, Want>>,
    ) -> Option<Waker> {
        let removed = match kind {
            Kind::Upgradable => self.line.upgradables.lock().remove(waiter),
            _ => self.queue.remove(waiter),
        };
        if removed.is_some() {
            self.has_left(kind);
        }
        removed
    }

    /// Puts an idle waiter behind all others.
    #[inline]
    pub(super) fn push_back(
        &mut self,
        kind: Kind,
        waiter: Pin<&mut Waiter<'_, Want>>,
        waker: Waker,
    ) {
        let number = self.line.back.get();
        self.line.back.set(number + 1);
        let want = Want {
            number,
            ..Want::new(kind)
        };
        let waiter = self.come(waiter, want);
        match kind {
            Kind::Upgradable => self.line.upgradables.lock().push_back(waiter, waker),
            _ => self.queue.push_back(waiter, waker),
        }
    }

    /// Puts an idle waiter before all others except an `Upgrade`.
    pub(super) fn push_front(
        &mut self,
        kind: Kind,
        starving: bool,
        waiter: Pin<&mut Waiter<'_, Want>>,
        waker: Waker,
    ) {
        let number = match kind {
            Kind::Upgrade => 0,
            _ => self.line.front.get() - 1,
        };
        if number > 0 {
            self.line.front.set(number);
        }
        let want = Want {
            kind,
            starving,
            number,
        };
        let behind_an_upgrade = self.queue.front().is_some_and(|first| first.number == 0);
        let waiter = self.come(waiter, want);
        match kind {
            Kind::Upgradable => self.line.upgradables.lock().push_front(waiter, waker),
            _ if behind_an_upgrade => self.queue.push_second(waiter, waker),
            _ => self.queue.push_front(waiter, waker),
        }
    }

    /// Called when a waiter is about to be put in.
    #[inline]
    fn come<'w, 'q>(
        &self,
        mut waiter: Pin<&'w mut Waiter<'q, Want>>,
        want: Want,
    ) -> Pin<&'w mut Waiter<'q, Want>> {
        if let Some(count) = self.count(want.kind) {
            count.set(count.get() + 1);
        }
        waiter.as_mut().set_data(want);
        waiter
    }

    #[inline]
    fn has_left(&self, kind: Kind) {
        if let Some(count) = self.count(kind) {
            count.set(count.get() - 1);
        }
    }

    /// The count for waiters of that kind.
    #[inline]
    fn count(&self, kind: Kind) -> Option<&Count> {
        match kind {
            Kind::Read => None,
            Kind::Upgradable => Some(&self.line.upgradable_waiters),
            Kind::Write | Kind::Upgrade => Some(&self.line.barriers),
        }
    }
}
