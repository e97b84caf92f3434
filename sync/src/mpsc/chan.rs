//! The protocol of the channels: many senders, one receiver, a bound or none.
//!
//! # Positions
//!
//! Messages have positions, which count up from a start near the counter's wrap. A sender claims the next position by a
//! CAS of one word, fills that position's slot and marks it ready. The receiver takes the messages in order. So a
//! message costs the sender one CAS and the receiver none.
//!
//! The senders' word is `position | permits | GROWING | CLOSED`: the next position to claim, how many permits are out
//! (bounded channels only), and two flags. The receiver counts what it has received in a word of its own, which only it
//! writes. The room that is left is `bound - (position - received) - permits`. Senders keep a copy of `received` beside
//! their own word, and look at the receiver's word only if the copy says that the channel is full.
//!
//! # Invariants
//!
//! 1. `(position - received) + permits <= bound`: a position or permit is only claimed by a CAS from a word that leaves
//!    room, measured with a value of `received` that can only be too small.
//! 2. A position is claimed by one sender, which fills its slot without waiting for anything. A permit becomes a
//!    position in one step, even if the channel is closed.
//! 3. `tail.block` is the block of the next position whenever `GROWING` is clear. The sender that claims a block's last
//!    position sets `GROWING` in the same step, links and publishes the next block, and clears it. All others wait for
//!    that, a few instructions. So a CAS from a word without `GROWING` proves that the block that was read before it is
//!    the right one. (The counter is too wide to come round between the two.)
//! 4. A block belongs to the receiver once its last slot is ready. All other slots have been taken by then, the next
//!    block is linked, and its senders touch it no more. It goes to `spare`, for the next sender that grows. If there
//!    is a spare block already, or if it is large, it is freed.
//! 5. The receiver sets `CLOSED`, and nobody clears it. From a word that has it, no permit is claimed, and no position
//!    without a permit. The channel has ended when everything that was sent has been received, and either it is closed
//!    and no permits are out, or no senders are left.
//! 6. The receiver sleeps only if, after it had left its waker and set `alert` to `ASLEEP`, the next slot was not ready
//!    and the channel had not ended. Whoever fills a slot, drops the last sender or gives the last permit back after
//!    `CLOSED`, looks at `alert` afterwards. Each side has a SeqCst fence between its two steps, so one sees the other.
//! 7. A sender sleeps only if, after it had queued and set `waiting`, there was no room for the first in the queue.
//!    Whoever makes room (receives, or gives permits back) looks at `waiting` afterwards; the fences are as in 6. While
//!    `waiting` is set, only [`Chan::serve`] takes room, for the first in the queue: first in, first out. (A sender
//!    that looked before it was set may slip in, once.)
//! 8. `waiting` is set if and only if the queue is not empty, whenever the queue's lock is free.
//! 9. A closed channel's queue is empty: `CLOSED` is set before the queue's lock is taken to empty it, and is looked at
//!    under that lock before a sender is queued.
//! 10. A channel without a receiver keeps no message once the senders that were sending have returned. A receiver that
//!     goes closes the channel, sets `alert` to `GONE`, for good, and then takes and drops everything that is ready, up
//!     to the first slot that is not. Whoever fills a slot looks at `alert` afterwards (6), and does the same if it
//!     reads `GONE`. All of them take under one lock, a message at a time, and `GONE` is set under it, so they come
//!     after what the receiver has taken. If a message is left, then a slot before it, or its own, was not ready when
//!     its sender looked. The sender that fills that slot takes the message after that.
//!
//! # Orderings
//!
//! Slots carry the messages (see `block`). The senders' word is changed with AcqRel and read with Acquire. That carries
//! `tail.block` (3) and, at the end, everything that was claimed (5). `received` is stored with Release and read with
//! Acquire. So a sender that finds room, and perhaps a block in `spare`, comes after the receiver. In two places one
//! side's store has to come before its look at the other's: invariants 6 (with 10) and 7. They have fences.
//!
//! # Wakers that panic
//!
//! A waker that panics never costs a message. If a message has just been taken out, the panic of a sender's waker is
//! contained ([`made_room`](Chan::made_room)), so that the caller gets the message. Everywhere else the panic goes on
//! to the caller, once everything that had to be stored is stored.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;
use std::ptr::NonNull;

use super::block::{BLOCK, Block};
use super::error::TrySendError;
use crate::Notify;
use crate::contain::{Panics, contain};
use crate::sys::atomic::{
    AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
use crate::sys::{CachePadded, hint, thread};
use crate::waiting::{FIRST_OUTCOME, HOLDS, Locked, Outcome, WaitQueue};
use crate::waits::Wait;
use crate::wakes::Wakes;

const CLOSED: u64 = 1;
const GROWING: u64 = 2;
/// One permit in the word.
const PERMIT: u64 = 4;
/// How many bits the permits of a bounded channel have.
const PERMIT_BITS: u32 = 28;

/// The largest capacity of a bounded channel. This many permits fit into the word.
pub(crate) const MOST: usize = (1 << PERMIT_BITS) - 1;

/// The largest size of an empty block that is kept. Making a larger one costs little compared with what it carries.
const MOST_SPARE: usize = 4_096;

/// The bound of an unbounded channel.
const UNBOUNDED: u64 = u64::MAX;

/// The waiting sender has the permits that it asked for.
pub(crate) const GRANTED: Outcome = FIRST_OUTCOME | HOLDS;
/// The channel was closed.
pub(crate) const REFUSED: Outcome = FIRST_OUTCOME + 1;

/// Why no position or permit could be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

impl Refused {
    /// The error that holds `value`.
    pub(crate) fn into_error<T>(self, value: T) -> TrySendError<T> {
        match self {
            Self::Full => TrySendError::Full(value),
            Self::Closed => TrySendError::Closed(value),
        }
    }
}

/// The receiver is awake, or was woken: `alert`, invariant 6.
pub(crate) const AWAKE: u32 = 0;
/// The receiver sleeps, or is just about to.
pub(crate) const ASLEEP: u32 = 1;
/// The receiver has been dropped: invariant 10. It never changes again.
pub(crate) const GONE: u32 = 2;

/// What the senders write.
struct Tail<T> {
    word: AtomicU64,
    /// Invariant 3.
    block: AtomicPtr<Block<T>>,
    /// A copy of `received`, which may be old.
    received: AtomicU64,
}

/// What the receiver writes.
pub(super) struct Head<T> {
    pub(super) received: AtomicU64,
    /// The block of the next position to receive.
    pub(super) block: AtomicPtr<Block<T>>,
    /// How many messages from the next one on are known to be ready, and the block of the message behind those. Only
    /// kept if [`Receivers::LOOK_AHEAD`] is set.
    pub(super) seen: AtomicU64,
    pub(super) sight: AtomicPtr<Block<T>>,
}

/// What both sides read with each message and seldom write.
pub(crate) struct Signals {
    /// What the receiver has to hear: invariants 6 and 10.
    pub(crate) alert: AtomicU32,
    /// Invariants 7 and 8.
    waiting: AtomicBool,
    bound: u64,
    /// The bit at which the position begins in the senders' word.
    shift: u32,
}

/// How receivers sleep, are woken and go. This differs between a channel with one receiver and one with several.
pub(crate) trait Receivers: Sized {
    /// What a sender that waits for room notes.
    const SENDING: Wait;

    /// Whether a receiver looks past messages that are ready: `Receiving::see_one_more`.
    const LOOK_AHEAD: bool;

    /// Wakes a receiver that there is something for, if `alert` is still `ASLEEP`: invariant 6. Returns whether it is
    /// `GONE` by now.
    fn wake<T>(chan: &Chan<T, Self>) -> bool;

    /// Takes the next ready message of a channel whose receivers have gone, under the lock of invariant 10.
    fn take_left<T>(chan: &Chan<T, Self>) -> Option<T>;
}

pub(crate) struct Chan<T, R: Receivers> {
    tail: CachePadded<Tail<T>>,
    pub(super) head: CachePadded<Head<T>>,
    pub(crate) signals: CachePadded<Signals>,
    /// Invariant 4.
    spare: AtomicPtr<Block<T>>,
    pub(crate) receivers: R,
    /// Senders that wait, each with the number of permits that it wants.
    pub(crate) queue: WaitQueue<u64>,
    /// Tells senders that wait for it that the channel is closed.
    pub(crate) closed: Notify,
    pub(crate) senders: AtomicUsize,
    pub(crate) weak_senders: AtomicUsize,
}

// SAFETY: values go from the threads of the senders to that of the receiver (`T: Send`). The block pointers are
// followed under invariants 2 to 4.
unsafe impl<T: Send, R: Receivers + Send> Send for Chan<T, R> {}
// SAFETY: as above. No `&T` is given out.
unsafe impl<T: Send, R: Receivers + Sync> Sync for Chan<T, R> {}

/// No user code runs at a moment when it could leave a channel half changed.
impl<T, R: Receivers> UnwindSafe for Chan<T, R> {}
impl<T, R: Receivers> RefUnwindSafe for Chan<T, R> {}

/// A position that has been claimed. It has to be filled at once: invariant 2.
#[must_use = "the receiver waits for it"]
struct Claimed<T> {
    block: NonNull<Block<T>>,
    offset: u64,
}

/// What a claim uses up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    Room,
    Permit,
}

impl<T, R: Receivers> Chan<T, R> {
    /// At most [`MOST`].
    pub(crate) fn bounded(bound: usize, receivers: R) -> Self {
        assert!(bound <= MOST, "so many permits fit into the word");
        Self::new(
            receivers,
            bound as u64,
            PERMIT.trailing_zeros() + PERMIT_BITS,
        )
    }

    pub(crate) fn unbounded(receivers: R) -> Self {
        Self::new(receivers, UNBOUNDED, PERMIT.trailing_zeros())
    }

    fn new(receivers: R, bound: u64, shift: u32) -> Self {
        // Two blocks before the wrap, so that every program goes through the wrap and none depends on its never coming.
        let start = (u64::MAX >> shift) - 2 * BLOCK + 1;
        let block = Block::allocate().as_ptr();
        Self {
            tail: CachePadded::new(Tail {
                word: AtomicU64::new(start << shift),
                block: AtomicPtr::new(block),
                received: AtomicU64::new(start),
            }),
            head: CachePadded::new(Head {
                received: AtomicU64::new(start),
                block: AtomicPtr::new(block),
                seen: AtomicU64::new(0),
                sight: AtomicPtr::new(ptr::null_mut()),
            }),
            signals: CachePadded::new(Signals {
                alert: AtomicU32::new(AWAKE),
                waiting: AtomicBool::new(false),
                bound,
                shift,
            }),
            spare: AtomicPtr::new(ptr::null_mut()),
            receivers,
            queue: WaitQueue::new(),
            closed: Notify::new(),
            senders: AtomicUsize::new(1),
            weak_senders: AtomicUsize::new(0),
        }
    }

    // The word.

    fn word(&self) -> u64 {
        // Ordering: Acquire pairs with the Release of every change of the word: invariants 3 and 5.
        self.tail.word.load(Ordering::Acquire)
    }

    fn position(&self, word: u64) -> u64 {
        word >> self.signals.shift
    }

    fn permits(&self, word: u64) -> u64 {
        if self.signals.bound == UNBOUNDED {
            0
        } else {
            (word / PERMIT) & MOST as u64
        }
    }

    /// How far `later` is ahead of `earlier`, also across the wrap.
    pub(super) fn ahead(&self, later: u64, earlier: u64) -> u64 {
        later.wrapping_sub(earlier) & (u64::MAX >> self.signals.shift)
    }

    /// Whether the word leaves room for `n` more. `None` if the word is out of date and has to be read again.
    fn has_room(&self, word: u64, n: u64) -> Option<bool> {
        let bound = self.signals.bound;
        if bound == UNBOUNDED {
            return Some(true);
        }
        let in_use = |received| self.ahead(self.position(word), received) + self.permits(word);
        // Ordering: hint only. An old copy only makes the channel look fuller than it is: invariant 1.
        let copy = in_use(self.tail.received.load(Ordering::Relaxed));
        if copy.saturating_add(n) <= bound {
            return Some(true);
        }
        // Ordering: Acquire pairs with the Release in `Receiving::take`, so that the slots that make up the room are
        // free.
        let received = self.head.received.load(Ordering::Acquire);
        // Ordering: hint only, as above.
        self.tail.received.store(received, Ordering::Relaxed);
        let in_use = in_use(received);
        // If more than the bound (or less than nothing) seems in use, the word is older than `received`.
        (in_use <= bound).then(|| in_use.saturating_add(n) <= bound)
    }

    // Senders.

    /// Sends without waiting.
    #[inline]
    pub(crate) fn send(&self, value: T) -> Result<(), (Refused, T)> {
        // Ordering: hint only: invariant 7.
        if self.signals.waiting.load(Ordering::Relaxed) && !self.is_closed() {
            return Err((Refused::Full, value));
        }
        match self.claim(With::Room) {
            Ok(claimed) => {
                self.publish(claimed, value);
                Ok(())
            }
            Err(refused) => Err((refused, value)),
        }
    }

    /// Sends with a permit and uses it up.
    pub(crate) fn send_permitted(&self, value: T) {
        match self.claim(With::Permit) {
            Ok(claimed) => self.publish(claimed, value),
            Err(_) => unreachable!("a permit is room, and outlives a close"),
        }
    }

    /// Claims the next position.
    #[inline]
    fn claim(&self, with: With) -> Result<Claimed<T>, Refused> {
        let mut word = self.word();
        let mut spins = 0;
        loop {
            if word & GROWING != 0 {
                snooze(&mut spins);
                word = self.word();
                continue;
            }
            let mut next = word.wrapping_add(1 << self.signals.shift);
            if with == With::Permit {
                next -= PERMIT;
            } else if word & CLOSED != 0 {
                return Err(Refused::Closed);
            } else {
                match self.has_room(word, 1) {
                    Some(true) => {}
                    Some(false) => return Err(Refused::Full),
                    None => {
                        word = self.word();
                        continue;
                    }
                }
            }
            let offset = self.position(word) % BLOCK;
            // Ordering: Acquire pairs with the Release in `Grown::link`, so that the block's own state is seen.
            let block = self.tail.block.load(Ordering::Acquire);
            let swapped = if offset == BLOCK - 1 {
                self.claim_last(word, next, block)
            } else {
                // Ordering: Release keeps the word's history (invariant 5) for those that read it; Acquire as in
                // `word`.
                self.tail.word.compare_exchange_weak(
                    word,
                    next,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                )
            };
            match swapped {
                Err(now) => word = now,
                Ok(_) => {
                    // SAFETY: no block pointer is ever null: `tail.block` is only set to linked blocks.
                    let block = unsafe { NonNull::new_unchecked(block) };
                    return Ok(Claimed { block, offset });
                }
            }
        }
    }

    /// Claims the last position of `block`, and links the next block: invariant 3.
    #[cold]
    fn claim_last(&self, word: u64, next: u64, block: *mut Block<T>) -> Result<u64, u64> {
        let mut grown = Grown {
            chan: self,
            block: None,
        };
        grown.prepare();
        // Ordering: as in `claim`.
        let claimed = self.tail.word.compare_exchange(
            word,
            next | GROWING,
            Ordering::AcqRel,
            Ordering::Acquire,
        )?;
        // SAFETY: as in `claim`.
        grown.link(unsafe { NonNull::new_unchecked(block) });
        Ok(claimed)
    }

    /// Fills what was claimed, and wakes the receiver if it sleeps. If the receiver has gone, does what it would have
    /// done.
    #[inline]
    fn publish(&self, claimed: Claimed<T>, value: T) {
        // SAFETY: invariant 3 says that this is the block, 4 that it is alive, and 2 that the slot is ours.
        unsafe { Block::fill(claimed.block, claimed.offset, value) };
        if self.is_alerted() {
            self.heed();
        }
    }

    /// Wakes the receiver if it sleeps, after everything that it has to know was stored. If the receiver has gone,
    /// nothing is dropped here, because nothing was sent: a message that holds a permit may be what is being dropped.
    #[inline]
    pub(crate) fn wake_receiver(&self) {
        if self.is_alerted() {
            R::wake(self);
        }
    }

    /// Whether the receiver sleeps or has gone: the second step of invariant 6.
    #[inline]
    fn is_alerted(&self) -> bool {
        // Ordering: SeqCst pairs with the fences in `Receiving::park` and `gone`: the receiver sees what was stored before,
        // or we see what it set.
        fence(Ordering::SeqCst);
        // Ordering: hint only, the fence orders it.
        self.signals.alert.load(Ordering::Relaxed) != AWAKE
    }

    #[cold]
    fn heed(&self) {
        if R::wake(self) {
            self.discard();
        }
    }

    /// The last receiver has gone, and `alert` says so: the first step of invariant 10.
    pub(crate) fn gone(&self) {
        // Ordering: SeqCst pairs with the fence in `wake_receiver`.
        fence(Ordering::SeqCst);
        self.discard();
    }

    /// Takes and drops what is ready, each message outside the lock: invariant 10. If one message's drop panics, the
    /// others are dropped all the same.
    fn discard(&self) {
        let mut panics = Panics::default();
        while let Some(value) = R::take_left(self) {
            panics.run(|| drop(value));
        }
        panics.go_on();
    }

    /// Takes `n` permits, if there is room for them and nobody waits.
    pub(crate) fn try_reserve(&self, n: u64) -> Result<(), Refused> {
        // Ordering: hint only: invariant 7.
        if n > 0 && self.signals.waiting.load(Ordering::Relaxed) && !self.is_closed() {
            return Err(Refused::Full);
        }
        self.take_permits(n)
    }

    fn take_permits(&self, n: u64) -> Result<(), Refused> {
        let mut word = self.word();
        loop {
            if word & CLOSED != 0 {
                return Err(Refused::Closed);
            }
            match self.has_room(word, n) {
                None => word = self.word(),
                Some(false) => return Err(Refused::Full),
                // Ordering: as in `claim`.
                Some(true) => match self.tail.word.compare_exchange_weak(
                    word,
                    word + n * PERMIT,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => return Ok(()),
                    Err(now) => word = now,
                },
            }
        }
    }

    /// Gives `n` permits back unused.
    pub(crate) fn give_back(&self, n: u64) {
        if n == 0 {
            return;
        }
        // Ordering: Release, so that whoever finds the room comes after this; Acquire as in `word`.
        let word = self.tail.word.fetch_sub(n * PERMIT, Ordering::AcqRel);
        let mut panics = Panics::default();
        if self.somebody_waits() {
            panics.run(|| self.serve_waiting());
        }
        if word & CLOSED != 0 {
            // The receiver may wait for the last permit: invariant 5.
            panics.run(|| self.wake_receiver());
        }
        panics.go_on();
    }

    /// Releases senders that there is room for now. The caller is a receiver that has just taken a message: a waker's
    /// panic is contained here, so that the message is not lost.
    #[inline]
    pub(crate) fn made_room(&self) {
        if self.somebody_waits() {
            contain(|| self.serve_waiting());
        }
    }

    /// Whether a sender waits: the second step of invariant 7, after room was made.
    #[inline]
    fn somebody_waits(&self) -> bool {
        if self.signals.bound == UNBOUNDED {
            return false;
        }
        // Ordering: SeqCst pairs with the fence in `enqueued`: the sender sees the room, or we see that it waits.
        fence(Ordering::SeqCst);
        // Ordering: hint only, the fence orders it.
        self.signals.waiting.load(Ordering::Relaxed)
    }

    #[cold]
    fn serve_waiting(&self) {
        let mut wakes = Wakes::default();
        self.serve(&mut self.queue.lock(), &mut wakes);
        wakes.wake_all();
    }

    /// After a sender was queued: the first and the second step of its side of invariant 7.
    pub(crate) fn enqueued(&self, locked: &mut Locked<'_, u64>, wakes: &mut Wakes) {
        // Ordering: hint only, the fence orders it.
        self.signals.waiting.store(true, Ordering::Relaxed);
        // Ordering: SeqCst pairs with the fence in `somebody_waits`.
        fence(Ordering::SeqCst);
        self.serve(locked, wakes);
    }

    /// Gives permits to the first in the queue, as long as there is room: invariants 7 and 8.
    pub(crate) fn serve(&self, locked: &mut Locked<'_, u64>, wakes: &mut Wakes) {
        while let Some(want) = locked.front() {
            if self.take_permits(want).is_err() {
                return;
            }
            wakes.push(locked.pop_front(GRANTED).expect("there is a front"));
        }
        // Ordering: hint only. The lock orders it among those that write it. A sender that reads it too early looks
        // again, or slips in.
        self.signals.waiting.store(false, Ordering::Relaxed);
    }

    // Both.

    pub(crate) fn is_closed(&self) -> bool {
        self.word() & CLOSED != 0
    }

    /// How many more messages could be sent now. It is 0 while a sender waits.
    pub(crate) fn capacity(&self) -> u64 {
        // Ordering: hint only.
        if self.signals.waiting.load(Ordering::Relaxed) {
            return 0;
        }
        // Ordering: Acquire, so that the word, read after it, is not older.
        let received = self.head.received.load(Ordering::Acquire);
        let word = self.word();
        let in_use = self.ahead(self.position(word), received) + self.permits(word);
        self.signals.bound.saturating_sub(in_use)
    }

    /// How many messages were sent and not received, as the receiver sees it.
    pub(crate) fn len(&self) -> u64 {
        // Ordering: Acquire as in `capacity`.
        let received = self.head.received.load(Ordering::Acquire);
        self.ahead(self.position(self.word()), received)
    }

    /// Whether no more messages can come, apart from those that were sent: invariant 5.
    fn is_cut_off(&self) -> bool {
        // Ordering: Acquire pairs with the Release of the last sender's drop, so that everything that it claimed is in
        // the word.
        let no_senders = self.senders.load(Ordering::Acquire) == 0;
        let word = self.word();
        no_senders || (word & CLOSED != 0 && self.permits(word) == 0)
    }

    /// Whether nothing is left to be received and nothing more will come: invariant 5. A message that is sent before
    /// the end counts in the length from its claim on.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_cut_off() && self.len() == 0
    }

    /// Refuses messages from now on. Returns whether the channel was open.
    pub(crate) fn close(&self) -> bool {
        // Ordering: AcqRel, as for every change of the word.
        if self.tail.word.fetch_or(CLOSED, Ordering::AcqRel) & CLOSED != 0 {
            return false;
        }
        let mut wakes = Wakes::default();
        let mut locked = self.queue.lock();
        while let Some(waker) = locked.pop_front(REFUSED) {
            wakes.push(waker);
        }
        // Ordering: hint only, as in `serve`.
        self.signals.waiting.store(false, Ordering::Relaxed);
        drop(locked);
        let mut panics = Panics::default();
        panics.run(|| wakes.wake_all());
        panics.run(|| self.closed.notify_waiters());
        panics.go_on();
        true
    }
}

/// The block that a sender may have to link. It is made before the claim, so that the others wait only for the link.
struct Grown<'a, T, R: Receivers> {
    chan: &'a Chan<T, R>,
    block: Option<NonNull<Block<T>>>,
}

impl<T, R: Receivers> Grown<'_, T, R> {
    fn prepare(&mut self) {
        if self.block.is_none() {
            // Ordering: Acquire pairs with the Release in `Chan::recycle`, so that its slots are seen clear.
            let spare = self.chan.spare.swap(ptr::null_mut(), Ordering::Acquire);
            self.block = Some(NonNull::new(spare).unwrap_or_else(Block::allocate));
        }
    }

    /// Links the block behind `full`, whose last position the caller has claimed: invariant 3.
    fn link(&mut self, full: NonNull<Block<T>>) {
        let next = self.block.take().expect("it was prepared").as_ptr();
        // Ordering: Release pairs with the Acquire in `Receiving::take`, so that the block is seen made.
        // SAFETY: it is alive until its last slot is ready, and the caller has not filled that yet: invariant 4.
        unsafe { (*full.as_ptr()).next.store(next, Ordering::Release) };
        // Ordering: Release pairs with the Acquire in `Chan::claim`.
        self.chan.tail.block.store(next, Ordering::Release);
        // Ordering: Release pairs with the Acquire in `Chan::word`, so that whoever sees GROWING cleared sees the
        // block.
        self.chan.tail.word.fetch_and(!GROWING, Ordering::Release);
    }
}

impl<T, R: Receivers> Drop for Grown<'_, T, R> {
    #[inline]
    fn drop(&mut self) {
        if let Some(block) = self.block {
            // Another sender got the last position.
            // SAFETY: it was never linked.
            unsafe { self.chan.recycle(block) };
        }
    }
}

impl<T, R: Receivers> Chan<T, R> {
    /// Keeps an empty block for the next sender that grows, or frees it.
    ///
    /// # Safety
    ///
    /// All its slots are clear, and nobody else touches it.
    pub(super) unsafe fn recycle(&self, block: NonNull<Block<T>>) {
        // SAFETY: the caller's promise.
        // Ordering: hint only. It becomes visible with the block.
        unsafe { block.as_ref() }
            .next
            .store(ptr::null_mut(), Ordering::Relaxed);
        // Ordering: Release pairs with the Acquire in `Grown::prepare`.
        let kept = size_of::<Block<T>>() <= MOST_SPARE
            && self
                .spare
                .compare_exchange(
                    ptr::null_mut(),
                    block.as_ptr(),
                    Ordering::Release,
                    Ordering::Relaxed,
                )
                .is_ok();
        if !kept {
            // SAFETY: the caller's promise.
            unsafe { Block::free(block) };
        }
    }
}

impl<T, R: Receivers> Drop for Chan<T, R> {
    fn drop(&mut self) {
        // Nothing is left, unless a receiver was forgotten (10).
        let mut panics = Panics::default();
        panics.run(|| self.discard());
        // Ordering: hint only. Nobody else has the channel.
        let blocks = [
            self.head.block.load(Ordering::Relaxed),
            self.spare.load(Ordering::Relaxed),
        ];
        for block in blocks.into_iter().filter_map(NonNull::new) {
            // SAFETY: all blocks before the last were taken, and all its messages too. The last block and the spare one
            // remain.
            unsafe { Block::free(block) };
        }
        panics.go_on();
    }
}

/// Waits a moment for another thread that is between two steps: first spins, then yields.
#[cold]
pub(crate) fn snooze(spins: &mut u32) {
    *spins += 1;
    if *spins < 64 {
        hint::spin_loop();
    } else {
        thread::yield_now();
    }
}
