//! The ring behind a broadcast channel: what was sent last, a slot each, and who waits for more.
//!
//! Values are numbered from 0 in the order in which they are sent. Value `n` lies in slot `n % capacity` until value
//! `n + capacity` overwrites it; a receiver is no more than the number of the value that it wants next, so receivers do
//! not meet but at a slot.
//!
//! # A slot
//!
//! | `holds` | `rem` | `content` | it is |
//! |---|---|---|---|
//! | 0 | 0 | `Gone` | never written |
//! | n + 1 | ≥ 1 | `Here` | value `n`, for `rem` receivers still to come |
//! | n + 1 | ≥ 1 | `Lent` | value `n`, taken out by a receiver that clones it |
//! | n + 1 | 0 | `Gone` | value `n`, received by all |
//!
//! # Invariants
//!
//! 1. Values are sent under the lock `receivers`, one after the other; `sent` and the number of receivers change under it
//!    alone. So value `n` is for exactly the receivers that there were when `sent` became `n + 1`, and a receiver begins
//!    with the first value that counts it.
//! 2. `rem` counts the receivers that value `n` is for and that have neither passed it nor been dropped. A receiver
//!    passes each of its values once: by receiving it, or, as it is dropped, by [`Ring::pass_rest`]. One that has lagged
//!    passes what was overwritten by itself, as `holds` has moved on.
//! 3. A value is in one place: in its slot, or, while it is `Lent`, in a [`Loan`] on the stack of the thread `to`. The
//!    loan brings it back, unless the slot holds a later value by then; then the loan drops it. So a value is cloned by one
//!    receiver at a time, and `T: Send` is all that it has to be; and neither a clone nor a drop of a value runs under a
//!    lock.
//! 4. The last receiver of a value (`rem` of 1) takes it for good, without a clone.
//! 5. `waiting` is set if the queue is not empty, whenever the queue's lock is free. It is set under that lock, before the
//!    slot is looked at for the last time, and cleared under it with the queue emptied in the same hold.
//! 6. Who waits for a loan's return sets its `wanted`, holding `returns` from before that until it sleeps. Whoever ends a
//!    wanted loan, by bringing the value back or by overwriting the slot, takes `returns` after that and wakes all who wait.
//! 7. Locks are taken in the orders `receivers`, the queue or `returns` before a slot, and no other. No code of a user runs
//!    under any.
//!
//! # No value is missed
//!
//! A receiver that found its slot empty sets `waiting`, then looks at the slot again, under the slot's lock; a sender writes
//! the slot under that lock, and reads `waiting` afterwards. One of the two holds comes first:
//! - The sender's: the receiver sees the value.
//! - The receiver's: the unlocking of the slot hands the sender a set `waiting`, or a later clearing of it, whose hold of
//!   the queue came after the receiver's and released it. So the sender empties the queue, once the receiver is in it, or
//!   somebody else has.
//!
//! The last sender's end takes the queue's lock whatever `waiting` says: a receiver that holds it later sees `senders`
//! at 0, one that held it earlier is in the queue.
//!
//! # Orderings
//!
//! The locks order all but `sent` and `senders`, which are stored with a Release and loaded with an Acquire: who sees a
//! channel closed sees all that was sent.

use std::cmp;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::Notify;
use crate::contain::{Panics, at_last};
use crate::sys::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sys::{Condvar, Mutex, thread_local_const};
use crate::waiting::{FIRST_OUTCOME, Outcome, Standing, WaitQueue, Waiter};
use crate::wakes::Wakes;

/// There is something to look at: a value, or the channel's end.
const LOOK: Outcome = FIRST_OUTCOME;

/// The most receivers of a channel.
const MAX_RECEIVERS: usize = usize::MAX >> 2;

/// The most values that a channel keeps.
pub(super) const MAX_CAPACITY: usize = usize::MAX >> 1;

/// What the ends of a channel share.
pub(super) struct Ring<T> {
    slots: Box<[Slot<T>]>,
    /// How many receivers there are; its lock is the senders' turn: invariant 1.
    receivers: Mutex<usize>,
    /// How many values have been sent: the number of the next.
    sent: AtomicU64,
    /// Senders that keep the channel open. From 0 it never rises.
    pub(super) senders: AtomicUsize,
    pub(super) weak_senders: AtomicUsize,
    /// Whether a sender has to look into the queue: invariant 5.
    waiting: AtomicBool,
    queue: WaitQueue<()>,
    /// Notified when the last receiver has gone.
    receivers_gone: Notify,
    /// For those who wait until a loan ends: invariant 6.
    returns: Mutex<()>,
    returned: Condvar,
}

/// A slot: the table above.
type Slot<T> = Mutex<Held<T>>;

struct Held<T> {
    holds: u64,
    rem: usize,
    content: Content<T>,
}

enum Content<T> {
    Gone,
    Here(T),
    Lent { to: usize, wanted: bool },
}

/// Why a receiver has no value now.
pub(super) enum Missing {
    Empty,
    Lagged(u64),
}

thread_local_const! {
    /// Its address tells threads apart.
    static HERE: u8 = 0;
}

/// This thread, by a number that no other living thread has; not 0.
fn here() -> usize {
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

impl<T> Ring<T> {
    /// A ring of `capacity`, a power of two, for one sender and `receivers`.
    pub(super) fn new(capacity: usize, receivers: usize) -> Self {
        debug_assert!(capacity.is_power_of_two());
        Self {
            slots: (0..capacity).map(|_| Mutex::new(Held::EMPTY)).collect(),
            receivers: Mutex::new(receivers),
            sent: AtomicU64::new(0),
            senders: AtomicUsize::new(1),
            weak_senders: AtomicUsize::new(0),
            waiting: AtomicBool::new(false),
            queue: WaitQueue::new(),
            receivers_gone: Notify::new(),
            returns: Mutex::new(()),
            returned: Condvar::new(),
        }
    }

    fn slot(&self, number: u64) -> &Slot<T> {
        &self.slots[number as usize & (self.slots.len() - 1)]
    }

    /// How many values have been sent.
    pub(super) fn sent(&self) -> u64 {
        // Ordering: Acquire pairs with the Release in `send`, so that who counts a value finds it.
        self.sent.load(Ordering::Acquire)
    }

    pub(super) fn receivers(&self) -> usize {
        *self.receivers.lock()
    }

    /// Whether all senders are gone.
    pub(super) fn is_closed(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `remove_sender`, so that who sees the end sees all that was sent.
        self.senders.load(Ordering::Acquire) == 0
    }

    /// Sends `value`, and says to how many; gives it back where there is no receiver.
    pub(super) fn send(&self, value: T) -> Result<usize, T> {
        let receivers = self.receivers.lock();
        let count = *receivers;
        if count == 0 {
            return Err(value);
        }
        // Ordering: hint only. It changes under the lock that is held: invariant 1.
        let number = self.sent.load(Ordering::Relaxed);
        let mut held = self.slot(number).lock();
        held.holds = number + 1;
        held.rem = count;
        let old = std::mem::replace(&mut held.content, Content::Here(value));
        // Before the slot is let go: who finds the value there counts it. Ordering: Release pairs with the Acquire in `sent`.
        self.sent.store(number + 1, Ordering::Release);
        drop(held);
        drop(receivers);
        if let Content::Lent { wanted: true, .. } = old {
            // Those who wait have lagged.
            self.end_wanted_loan();
        }
        let mut panics = Panics::default();
        // Ordering: hint only. The slot's lock orders it: "No value is missed".
        if self.waiting.load(Ordering::Relaxed) {
            panics.run(|| self.wake_all());
        }
        // What was overwritten is dropped last, that its panic keeps nobody asleep.
        if let Content::Here(_) = old {
            panics.run(|| drop(old));
        }
        panics.go_on();
        Ok(count)
    }

    /// Releases all who wait.
    fn wake_all(&self) {
        let mut wakes = Wakes::default();
        let mut locked = self.queue.lock();
        // Ordering: hint only. The lock orders it: invariant 5.
        self.waiting.store(false, Ordering::Relaxed);
        while let Some(waker) = locked.pop_front(LOOK) {
            wakes.push(waker);
        }
        drop(locked);
        wakes.wake_all();
    }

    /// A sender goes; the last one ends the channel.
    pub(super) fn remove_sender(&self) {
        // Ordering: Release pairs with the Acquire in `is_closed`; Acquire, so that the last hands on what all did.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.wake_all();
        }
    }

    /// Counts one sender more, unless the channel has ended.
    pub(super) fn add_sender_if_open(&self) -> bool {
        self.senders
            // Ordering: hint only. The count alone decides; it orders nothing.
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count > 0).then_some(count + 1)
            })
            .is_ok()
    }

    /// Counts one receiver more, and says with which value it begins.
    #[track_caller]
    pub(super) fn add_receiver(&self) -> u64 {
        let mut receivers = self.receivers.lock();
        assert!(
            *receivers < MAX_RECEIVERS,
            "a broadcast channel has too many receivers"
        );
        *receivers += 1;
        // Ordering: hint only, as in `send`.
        self.sent.load(Ordering::Relaxed)
    }

    /// A receiver goes that would have wanted value `next`.
    pub(super) fn remove_receiver(&self, next: u64) {
        let mut receivers = self.receivers.lock();
        *receivers -= 1;
        let last = *receivers == 0;
        // Ordering: hint only, as in `send`.
        let end = self.sent.load(Ordering::Relaxed);
        drop(receivers);
        let mut panics = Panics::default();
        panics.run(|| self.pass_rest(next, end));
        if last {
            panics.run(|| self.receivers_gone.notify_waiters());
        }
        panics.go_on();
    }

    /// Passes the values from `next` to `end` unseen: invariant 2. All are passed, even where the drop of one panics; the
    /// first panic goes on afterwards.
    fn pass_rest(&self, next: u64, end: u64) {
        let oldest = end.saturating_sub(self.slots.len() as u64);
        let mut panics = Panics::default();
        for number in next.max(oldest)..end {
            let value = self.slot(number).lock().pass(number);
            if value.is_some() {
                panics.run(|| drop(value));
            }
        }
        panics.go_on();
    }

    /// How many values are kept for some receiver.
    pub(super) fn len(&self) -> usize {
        let _turn = self.receivers.lock();
        // Ordering: hint only, as in `send`.
        let end = self.sent.load(Ordering::Relaxed);
        let oldest = end.saturating_sub(self.slots.len() as u64);
        // Receivers pass values in order, so those that all have passed come first.
        let (mut low, mut high) = (oldest, end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.slot(middle).lock().rem == 0 {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (end - low) as usize
    }

    /// Waits until there is no receiver.
    pub(super) async fn receivers_gone(&self) {
        loop {
            let notified = self.receivers_gone.notified();
            // A receiver that goes later notifies `notified`, as its lock comes after this one.
            if self.receivers() == 0 {
                return;
            }
            notified.await;
            // There may be a new one by now.
        }
    }

    /// A waiter for more values.
    pub(super) fn waiter(&self) -> Waiter<'_, ()> {
        Waiter::new(&self.queue, ())
    }

    /// Whether value `next` is, or was, there.
    fn has(&self, next: u64) -> bool {
        self.slot(next).lock().holds > next
    }

    /// After value `next` was found to be missing: `Pending` with the waiter queued, or ready to look again, for a value
    /// or, with `true`, for one that was sent before the channel ended.
    pub(super) fn poll_wait(
        &self,
        next: u64,
        mut waiter: Pin<&mut Waiter<'_, ()>>,
        cx: &Context<'_>,
    ) -> Poll<End> {
        if waiter.standing() != Standing::Idle {
            std::task::ready!(waiter.as_mut().poll_queued(cx));
            waiter.reset();
            return Poll::Ready(End::No);
        }
        let waker = cx.waker().clone();
        let mut locked = self.queue.lock();
        // Ordering: hint only. The slot's lock orders it: "No value is missed".
        self.waiting.store(true, Ordering::Relaxed);
        let closed = self.is_closed();
        // Looked at after `closed`: what was sent before the end is there.
        if self.has(next) {
            return Poll::Ready(End::No);
        }
        if closed {
            return Poll::Ready(End::Yes);
        }
        locked.push_back(waiter, waker);
        Poll::Pending
    }
}

/// Whether a receiver has come to the channel's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Yes,
    No,
}

impl<T: Clone> Ring<T> {
    /// Receives value `next`, and moves `next` on.
    ///
    /// # Panics
    ///
    /// Where this is called by the very clone of value `next`; and with the panic of the clone: then the value counts as
    /// received.
    #[track_caller]
    pub(super) fn take(&self, next: &mut u64) -> Result<T, Missing> {
        let number = *next;
        let (last, value) = loop {
            let mut held = self.slot(number).lock();
            match held.holds.cmp(&(number + 1)) {
                cmp::Ordering::Less => return Err(Missing::Empty),
                cmp::Ordering::Greater => {
                    *next = self.sent() - self.slots.len() as u64;
                    return Err(Missing::Lagged(*next - number));
                }
                cmp::Ordering::Equal => {}
            }
            if let Some(taken) = held.take() {
                break taken;
            }
            drop(held);
            self.await_return(number);
        };
        *next += 1;
        if last {
            return Ok(value);
        }
        let loan = Loan {
            ring: self,
            number,
            value: Some(value),
        };
        Ok(loan.value.clone().expect("it is brought back later"))
    }
}

impl<T> Ring<T> {
    /// Waits until value `number` isn't lent, or has been overwritten.
    #[track_caller]
    fn await_return(&self, number: u64) {
        let mut returns = self.returns.lock();
        loop {
            let mut held = self.slot(number).lock();
            let current = held.holds == number + 1;
            match &mut held.content {
                Content::Lent { to, wanted } if current => {
                    let own = *to == here();
                    assert!(!own, "the clone of a broadcast value receives that value");
                    // Invariant 6.
                    *wanted = true;
                }
                _ => return,
            }
            drop(held);
            self.returned.wait(&mut returns);
        }
    }

    /// Wakes those who wait for a loan that has ended, and perhaps others: invariant 6.
    fn end_wanted_loan(&self) {
        drop(self.returns.lock());
        self.returned.notify_all();
    }
}

impl<T> Held<T> {
    const EMPTY: Self = Self {
        holds: 0,
        rem: 0,
        content: Content::Gone,
    };

    /// Takes the value out, for good where the caller is its last receiver (`true`), otherwise on loan. `None` where it is
    /// lent already.
    fn take(&mut self) -> Option<(bool, T)> {
        if let Content::Lent { .. } = self.content {
            return None;
        }
        let last = self.rem == 1;
        let left = if last {
            // Invariant 4.
            self.rem = 0;
            Content::Gone
        } else {
            Content::Lent {
                to: here(),
                wanted: false,
            }
        };
        match std::mem::replace(&mut self.content, left) {
            Content::Here(value) => Some((last, value)),
            _ => unreachable!("a value was gone before its last receiver came"),
        }
    }

    /// A receiver passes value `number` unseen; gives the value out where it was the last.
    fn pass(&mut self, number: u64) -> Option<T> {
        if self.holds != number + 1 {
            return None;
        }
        self.rem -= 1;
        if self.rem > 0 {
            return None;
        }
        match std::mem::replace(&mut self.content, Content::Gone) {
            Content::Here(value) => Some(value),
            _ => unreachable!("who has it on loan is counted"),
        }
    }
}

/// A value that is being cloned, taken out of its slot. Its drop brings it back, and passes it: invariants 2 and 3.
struct Loan<'a, T> {
    ring: &'a Ring<T>,
    number: u64,
    value: Option<T>,
}

impl<T> Loan<'_, T> {
    /// Puts the value back, if it is still wanted there.
    fn bring_back(&mut self) {
        let mut held = self.ring.slot(self.number).lock();
        if held.holds != self.number + 1 {
            return;
        }
        held.rem -= 1;
        let home = match self.value.take() {
            Some(value) if held.rem > 0 => Content::Here(value),
            unwanted => {
                // Dropped after the lock is let go.
                self.value = unwanted;
                Content::Gone
            }
        };
        let loan = std::mem::replace(&mut held.content, home);
        drop(held);
        if let Content::Lent { wanted: true, .. } = loan {
            self.ring.end_wanted_loan();
        }
    }
}

impl<T> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        self.bring_back();
        // The clone may have panicked.
        at_last(|| drop(self.value.take()));
    }
}
