//! The ring behind a broadcast channel: the values that were sent last, a slot for each, and the tasks that wait for
//! more.
//!
//! Values are numbered from 0 in the order in which they are sent. Value `n` lies in slot `n % capacity` until value
//! `n + capacity` overwrites it. A receiver is only the number of the value that it wants next, so receivers meet only
//! at slots.
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
//! 1. Values are sent under the lock `receivers`, one after the other. `sent` and the number of receivers change under
//!    it alone. So value `n` is for exactly the receivers that existed when `sent` became `n + 1`, and a receiver
//!    begins with the first value that counts it.
//! 2. `rem` counts the receivers that value `n` is for and that have neither passed it nor been dropped. A receiver
//!    passes each of its values once: when it receives the value, or, when it is dropped, in [`Ring::pass_rest`]. A
//!    receiver that has lagged passes overwritten values without doing anything, because `holds` has moved on.
//! 3. A value is in one place: in its slot, or, while it is `Lent`, in a [`Loan`] on the stack of the thread `to`. The
//!    loan brings it back, unless the slot holds a later value by then; the loan drops it in that case. So one receiver
//!    at a time clones a value, and `T: Send` is all that it has to be. Neither a clone nor a drop of a value runs
//!    under a lock.
//! 4. The last receiver of a value (`rem` of 1) takes it for good, without a clone.
//! 5. `waiting` is set if the queue is not empty, whenever the queue's lock is free. It is set under that lock, before
//!    the last look at the slot. It is cleared under that lock, and the queue is emptied in the same hold.
//! 6. A thread that waits for a loan's return sets its `wanted`. It holds `returns` from before that until it sleeps.
//!    Whoever ends a wanted loan, by bringing the value back or by overwriting the slot, takes `returns` after that and
//!    wakes all that wait.
//! 7. Locks are taken in these orders, and no other: `receivers`, the queue or `returns` before a slot. No user code
//!    runs under any of them.
//!
//! # No value is missed
//!
//! A receiver that found its slot empty sets `waiting`, then looks at the slot again, under the slot's lock. A sender
//! writes the slot under that lock, and reads `waiting` afterwards. One of the two holds comes first:
//! - The sender's: the receiver sees the value.
//! - The receiver's: when the receiver unlocks the slot, the sender gets to see `waiting` set, or a later clearing of
//!   it. The hold of the queue that cleared it came after the receiver's and released the receiver. So the sender
//!   empties the queue with the receiver in it, or somebody else has.
//!
//! The last sender's end takes the queue's lock whatever `waiting` says. A receiver that holds that lock later sees
//! `senders` at 0. A receiver that held it earlier is in the queue.
//!
//! # Orderings
//!
//! The locks order everything except `sent` and `senders`. Those are stored with a Release and loaded with an Acquire:
//! whoever sees a channel closed sees everything that was sent.

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

/// The largest number of receivers of a channel.
const MAX_RECEIVERS: usize = usize::MAX >> 2;

/// The largest number of values that a channel keeps.
pub(super) const MAX_CAPACITY: usize = usize::MAX >> 1;

/// What the ends of a channel share.
pub(super) struct Ring<T> {
    slots: Box<[Slot<T>]>,
    /// The number of receivers. Senders take turns with its lock: invariant 1.
    receivers: Mutex<usize>,
    /// How many values have been sent: the number of the next value.
    sent: AtomicU64,
    /// The number of senders that keep the channel open. It never rises from 0.
    pub(super) senders: AtomicUsize,
    pub(super) weak_senders: AtomicUsize,
    /// Whether a sender has to look into the queue: invariant 5.
    waiting: AtomicBool,
    queue: WaitQueue<()>,
    /// Notified when the last receiver has gone.
    receivers_gone: Notify,
    /// For those that wait until a loan ends: invariant 6.
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

/// Identifies this thread by a number that no other living thread has. It is not 0.
fn here() -> usize {
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

impl<T> Ring<T> {
    /// A ring of `capacity`, a power of two, for one sender and `receivers` receivers.
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
        // Ordering: Acquire pairs with the Release in `send`, so that whoever counts a value finds it.
        self.sent.load(Ordering::Acquire)
    }

    pub(super) fn receivers(&self) -> usize {
        *self.receivers.lock()
    }

    /// Whether all senders are gone.
    pub(super) fn is_closed(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `remove_sender`, so that whoever sees the end sees all that was
        // sent.
        self.senders.load(Ordering::Acquire) == 0
    }

    /// Sends `value`, and returns to how many receivers. Returns the value if there is no receiver.
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
        // This comes before the slot is unlocked: whoever finds the value there counts it. Ordering: Release pairs with
        // the Acquire in `sent`.
        self.sent.store(number + 1, Ordering::Release);
        drop(held);
        drop(receivers);
        if let Content::Lent { wanted: true, .. } = old {
            // Those that wait have lagged.
            self.end_wanted_loan();
        }
        let mut panics = Panics::default();
        // Ordering: hint only. The slot's lock orders it: "No value is missed".
        if self.waiting.load(Ordering::Relaxed) {
            panics.run(|| self.wake_all());
        }
        // The value that was overwritten is dropped last, so that its panic keeps nobody asleep.
        if let Content::Here(_) = old {
            panics.run(|| drop(old));
        }
        panics.go_on();
        Ok(count)
    }

    /// Releases all that wait.
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

    /// A sender is dropped. The last one closes the channel.
    pub(super) fn remove_sender(&self) {
        // Ordering: Release pairs with the Acquire in `is_closed`; Acquire, so that the last passes on what all of them
        // did.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.wake_all();
        }
    }

    /// Counts one more sender, unless the channel has ended.
    pub(super) fn add_sender_if_open(&self) -> bool {
        self.senders
            // Ordering: hint only. The count alone decides; it orders nothing.
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count > 0).then_some(count + 1)
            })
            .is_ok()
    }

    /// Counts one more receiver, and returns with which value it begins.
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

    /// A receiver is dropped that would have wanted value `next`.
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

    /// Passes the values from `next` to `end` unseen: invariant 2. If the drop of one panics, the others are passed all
    /// the same, and the first panic goes on afterwards.
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
        // Receivers pass values in order, so the values that all have passed come first.
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
            // If a receiver goes later, it notifies `notified`, because its lock comes after this one.
            if self.receivers() == 0 {
                return;
            }
            notified.await;
            // There may be a new receiver by now.
        }
    }

    /// A waiter for more values.
    pub(super) fn waiter(&self) -> Waiter<'_, ()> {
        Waiter::new(&self.queue, ())
    }

    /// Whether value `next` is there, or was.
    fn has(&self, next: u64) -> bool {
        self.slot(next).lock().holds > next
    }

    /// Called after value `next` was found to be missing. Returns `Pending` with the waiter queued, or `Ready` if the
    /// caller has to look again. With `true`, the channel has ended, and the caller looks for a value that was sent
    /// before that.
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
        // This is looked at after `closed`: what was sent before the end is there.
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

/// Whether a receiver has come to the end of the channel.
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
    /// Panics if the clone of value `next` itself calls this. Panics too if the clone panics; the value then counts as
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
    /// Waits until value `number` isn't lent any more, or has been overwritten.
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

    /// Wakes those that wait for a loan that has ended, and perhaps others: invariant 6.
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

    /// Takes the value out: for good if the caller is its last receiver (`true`), otherwise on loan. `None` if it is
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

    /// A receiver passes value `number` unseen. Returns the value if the receiver was the last.
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

/// A value that is being cloned and was taken out of its slot. Dropping this brings the value back, and passes it:
/// invariants 2 and 3.
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
                // It is dropped after the lock is released.
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
