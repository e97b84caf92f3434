//! Several receivers at one channel with a buffer, bounded or not.
//!
//! Senders, slots, room and the channel's end are those of [`mpsc`](crate::mpsc), whose protocol (`mpsc/chan`) knows
//! one receiver. Here the receivers take turns at being that one, under a lock. A turn is a look at the next slot and a
//! move. So sending costs the same as there, and receiving costs one lock more. Only the question of who is next is
//! new.
//!
//! A receiver that waits is not handed a message but a claim on one. The message stays in its slot until the receiver
//! is polled. A receiver that is cancelled gives up its claim, and has taken no message.
//!
//! # Invariants
//!
//! Those of `chan` hold, with "the receiver" read as "the holder of the lock". The sixth is replaced by the fourth
//! here.
//!
//! 1. Only the holder of the lock takes messages out of slots.
//! 2. `claims` counts the receivers that were released with `GRANTED` and have not been polled or dropped since. At
//!    least as many messages from the next one on have been seen ready ([`Receiving::seen`]). Which claim gets which of
//!    them is settled when the receivers are polled. If a receiver with a claim is forgotten, the claim keeps its
//!    message as long as there are receivers.
//! 3. Whoever takes a message without a claim has found the queue empty, and one more message ready than there are
//!    claims. So receivers are served in the order in which they came.
//! 4. While there are receivers, `alert` is `ASLEEP` if and only if the queue is not empty, whenever the lock is free.
//!    A receiver sleeps only if, after it had queued and set `ASLEEP`, no message without a claim was ready and the
//!    channel had not ended. Whoever fills a slot, closes, or gives the last permit back after that, looks at `alert`
//!    afterwards, and serves if it is set. Each side has a SeqCst fence between its two steps, so one sees the other.
//! 5. The end comes when everything is received, claims included: a claim that is given up goes to the next receiver.
//!    So whoever takes the last message of a closed channel serves those that wait.
//! 6. The queue's own lock is taken inside the lock of the claims, or alone; never the other way round.
//!
//! # Orderings
//!
//! The lock orders the receivers among themselves. What remains is the pair of fences of invariant 4.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::contain::Panics;
use crate::mpsc::chan::{ASLEEP, AWAKE, Chan, GONE, Receivers, snooze};
use crate::mpsc::receiving::Receiving;
use crate::sys::atomic::{Ordering, fence};
use crate::sys::{Mutex, MutexGuard};
use crate::waiting::{FIRST_OUTCOME, Outcome, Standing, WaitQueue, Waiter};
use crate::waits::Wait;
use crate::wakes::Wakes;

/// The receiver has a claim on a message.
const GRANTED: Outcome = FIRST_OUTCOME;
/// The channel has ended.
const ENDED: Outcome = FIRST_OUTCOME + 1;

/// How many messages one receiver takes before it lets others have the lock.
const MOST_A_TURN: usize = 64;

/// The receivers of a channel, and which of them wait.
pub(super) struct Several {
    /// Invariants 1 and 2.
    claims: Mutex<u64>,
    queue: WaitQueue<()>,
}

impl Several {
    pub(super) fn new() -> Self {
        Self {
            claims: Mutex::new(0),
            queue: WaitQueue::new(),
        }
    }
}

impl Receivers for Several {
    const SENDING: Wait = Wait::MpmcSend;
    const LOOK_AHEAD: bool = true;

    fn wake<T>(chan: &Chan<T, Self>) -> bool {
        let mut wakes = Wakes::default();
        let mut turn = chan.turn();
        if turn.alert() == GONE {
            return true;
        }
        turn.serve(&mut wakes);
        drop(turn);
        wakes.wake_all();
        false
    }

    fn take_left<T>(chan: &Chan<T, Self>) -> Option<T> {
        chan.turn().receiving().take()
    }
}

/// The receiving side, which one receiver has as long as it holds the lock.
struct Turn<'a, T> {
    chan: &'a Chan<T, Several>,
    claims: MutexGuard<'a, u64>,
}

impl<T> Turn<'_, T> {
    fn receiving(&mut self) -> Receiving<'_, T, Several> {
        // SAFETY: the lock that all receivers share is held, by `&mut self`.
        unsafe { self.chan.receiving() }
    }

    fn alert(&self) -> u32 {
        // Ordering: hint only, the lock orders it.
        self.chan.signals.alert.load(Ordering::Relaxed)
    }

    fn set_alert(&self, alert: u32) {
        // Ordering: hint only. The lock orders it among receivers, the fences between them and senders.
        self.chan.signals.alert.store(alert, Ordering::Relaxed);
    }

    /// Whether receivers wait: invariant 4.
    fn somebody_waits(&self) -> bool {
        self.alert() == ASLEEP
    }

    /// Whether a message is ready that nobody has a claim on.
    fn is_one_free(&mut self) -> bool {
        let claims = *self.claims;
        let mut receiving = self.receiving();
        receiving.seen() > claims || receiving.see_one_more()
    }

    /// Takes the next message, unless there are only as many as claims, or others wait: invariant 3.
    fn take_free(&mut self, wakes: &mut Wakes) -> Option<T> {
        if self.somebody_waits() {
            self.serve(wakes);
        }
        if self.somebody_waits() || (*self.claims > 0 && !self.is_one_free()) {
            return None;
        }
        self.receiving().take()
    }

    /// Gives claims to those that wait, as long as there are messages. Releases them if the channel has ended:
    /// invariants 2, 4, 5.
    fn serve(&mut self, wakes: &mut Wakes) {
        let chan = self.chan;
        let mut queue = chan.receivers.queue.lock();
        while !queue.is_empty() {
            let outcome = if self.is_one_free() {
                *self.claims += 1;
                GRANTED
            } else if chan.is_at_end() {
                ENDED
            } else {
                return;
            };
            wakes.push(queue.pop_front(outcome).expect("it is not empty"));
        }
        self.set_alert(AWAKE);
    }
}

impl<T> Chan<T, Several> {
    fn turn(&self) -> Turn<'_, T> {
        Turn {
            chan: self,
            claims: self.receivers.claims.lock(),
        }
    }

    /// Takes the next message if it is there and nobody else's.
    #[inline]
    pub(super) fn take_now(&self) -> Option<T> {
        let mut turn = self.turn();
        if turn.somebody_waits() || *turn.claims > 0 {
            return Self::take_in_line(turn);
        }
        let taken = turn.receiving().take();
        drop(turn);
        if taken.is_some() {
            self.made_room();
        }
        taken
    }

    #[cold]
    fn take_in_line(mut turn: Turn<'_, T>) -> Option<T> {
        let chan = turn.chan;
        let mut wakes = Wakes::default();
        let taken = turn.take_free(&mut wakes);
        drop(turn);
        // The caller has to get its message, even if the others' wakers panic.
        wakes.wake_all_contained();
        if taken.is_some() {
            chan.made_room();
        }
        taken
    }

    /// Takes the next message without waiting; `Ready(None)` if the channel has ended. If a sender has claimed a
    /// message and is filling it, this waits for it, because a sender that came after it may already have returned.
    pub(super) fn try_take(&self) -> Poll<Option<T>> {
        let mut spins = 0;
        loop {
            if let Some(value) = self.take_now() {
                return Poll::Ready(Some(value));
            }
            if self.is_at_end() {
                return Poll::Ready(None);
            }
            let turn = self.turn();
            if turn.somebody_waits() || self.len() <= *turn.claims {
                return Poll::Pending;
            }
            drop(turn);
            snooze(&mut spins);
        }
    }

    /// Takes up to `limit` messages that are there by now, and returns how many.
    pub(super) fn take_many(&self, buffer: &mut Vec<T>, limit: usize) -> usize {
        // Messages that come meanwhile are left, because senders could keep this going for ever.
        let mut left = limit.min(self.len() as usize);
        let mut taken = 0;
        while left > 0 {
            let most = left.min(MOST_A_TURN);
            buffer.reserve(most);
            let count = self.take_in_turn(buffer, most);
            taken += count;
            left -= most;
            if count < most {
                break;
            }
        }
        taken
    }

    /// Takes up to `limit` messages in one turn, and returns how many. The buffer has capacity for them.
    fn take_in_turn(&self, buffer: &mut Vec<T>, limit: usize) -> usize {
        let mut wakes = Wakes::default();
        let mut turn = self.turn();
        let mut count = 0;
        while count < limit
            && let Some(value) = turn.take_free(&mut wakes)
        {
            buffer.push(value);
            count += 1;
        }
        drop(turn);
        wakes.wake_all_contained();
        if count > 0 {
            self.made_room();
        }
        count
    }

    /// Takes the message that the caller has a claim on.
    fn collect(&self) -> T {
        let mut wakes = Wakes::default();
        let mut turn = self.turn();
        *turn.claims -= 1;
        let value = turn.receiving().take();
        if turn.somebody_waits() {
            // Invariant 5.
            turn.serve(&mut wakes);
        }
        drop(turn);
        // The caller has to get its message, even if the others' wakers panic.
        wakes.wake_all_contained();
        self.made_room();
        value.expect("a claimed message is ready")
    }

    /// Refuses messages from now on, and tells those that wait for one. Returns whether the channel was open.
    pub(super) fn close_for_all(&self) -> bool {
        // If a waker panics, everybody else is told all the same.
        let mut was_open = false;
        let mut panics = Panics::default();
        panics.run(|| was_open = self.close());
        panics.run(|| self.wake_receiver());
        panics.go_on();
        was_open
    }

    /// The last receiver has gone. Drops what is left for it, and makes senders drop what they fill from now on
    /// (`chan`, invariant 10). Only forgotten receivers are in the queue or have claims, and nobody polls those any
    /// more.
    pub(super) fn receivers_gone(&self) {
        self.turn().set_alert(GONE);
        self.gone();
    }
}

/// The steps of a receiver that waits, with its waiter.
impl<T> Chan<T, Several> {
    /// Leaves the queue, or gives the claim up.
    pub(super) fn cancel_take(&self, mut waiter: Pin<&mut Waiter<'_, ()>>) {
        if waiter.standing() == Standing::Idle {
            return;
        }
        let mut wakes = Wakes::default();
        let mut turn = self.turn();
        let mut queue = self.receivers.queue.lock();
        let removed = queue.remove(waiter.as_mut());
        if removed.is_some() && queue.is_empty() {
            turn.set_alert(AWAKE);
        }
        drop(queue);
        if waiter.standing() == Standing::Released(GRANTED) {
            *turn.claims -= 1;
            // The message goes to the next receiver.
            turn.serve(&mut wakes);
        }
        drop(turn);
        // If a waker panics, everybody else is woken all the same.
        let mut panics = Panics::default();
        panics.run(|| wakes.wake_all());
        panics.run(|| drop(removed));
        panics.go_on();
    }

    /// Joins the queue: the receiver's side of invariant 4.
    fn enqueue(&self, waiter: Pin<&mut Waiter<'_, ()>>, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let mut wakes = Wakes::default();
        let mut turn = self.turn();
        let mut queue = self.receivers.queue.lock();
        queue.push_back(waiter, waker);
        drop(queue);
        turn.set_alert(ASLEEP);
        // Ordering: SeqCst pairs with the fence in `Chan::wake_receiver`.
        fence(Ordering::SeqCst);
        turn.serve(&mut wakes);
        drop(turn);
        // This may wake this very task, which is harmless: it is about to look.
        wakes.wake_all();
    }

    /// Waits for a message in turn; `None` if the channel has ended. After that it waits for the next message.
    pub(super) fn poll_take(
        &self,
        mut waiter: Pin<&mut Waiter<'_, ()>>,
        cx: &Context<'_>,
    ) -> Poll<Option<T>> {
        if waiter.standing() == Standing::Idle {
            if let Some(value) = self.take_now() {
                return Poll::Ready(Some(value));
            }
            self.enqueue(waiter.as_mut(), cx);
        }
        let outcome = ready!(waiter.as_mut().poll_queued(cx));
        waiter.reset();
        Poll::Ready((outcome == GRANTED).then(|| self.collect()))
    }

    /// The queue of receivers that wait for a message.
    pub(super) fn receivers(&self) -> &WaitQueue<()> {
        &self.receivers.queue
    }
}
