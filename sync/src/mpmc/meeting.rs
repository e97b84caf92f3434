//! A channel without a buffer: a sender and a receiver meet, and the message goes from one to the other.
//!
//! All of its state is under one lock, including the values on offer, so each step is done as a whole. The second of
//! the two to come does the exchange. A receiver takes the value of the sender that has waited longest, and a sender
//! gives its value to the receiver that has waited longest. That receiver isn't being polled at that moment and might
//! be cancelled, so the value is put into `given`, where the receiver collects it.
//!
//! # Invariants
//!
//! 1. One of the two queues is empty, whenever the lock is free: the second to come does the exchange instead of
//!    queueing.
//! 2. `offers` are the values of the senders in the queue, in the same order; each is known by its sender's ticket. It
//!    also holds the values of senders that were refused and have not been polled or dropped since. While the channel
//!    is open there are none of these, so the first in the queue and the first offer belong together.
//! 3. `claims` counts the receivers that were released with `GRANTED` and have not been polled or dropped since. At
//!    least as many values are in `given`. There are more only if receivers were cancelled, and then nobody waits to
//!    receive: those values go to the next receivers, before any value on offer.
//! 4. A closed channel's queue of senders is empty: it is emptied when `closed` is set. Its queue of receivers is empty
//!    too once `given` is.
//! 5. Which claim gets which value is settled when the values are collected, the oldest first. A value on offer is
//!    taken by way of `given` as well. So values leave in the order in which they were sent.
//! 6. A value is in one place: with its sender, in `offers`, in `given`, or with its receiver.
//! 7. The queues' own locks are taken inside the lock of the state, or alone; never the other way round.
//!
//! # Orderings
//!
//! The lock orders everything. `waiting` says what its outcomes carry.
//!
//! # Wakers that panic
//!
//! As in `mpsc`: the panic of a sender's waker is contained if a receiver has its value. The panic of a receiver's
//! waker goes on to the sender, whose value is in `given` by then. A waker is cloned before a value is on its way.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;

use super::offers::{Offers, shrink};
use crate::Notify;
use crate::contain::{Panics, at_last};
use crate::coop;
use crate::mpsc::chan::Refused;
use crate::sys::Mutex;
use crate::waiting::{FIRST_OUTCOME, Outcome, Standing, WaitQueue, Waiter};
use crate::waits::{self, Wait};
use crate::wakes::{self, Wakes};

/// The sender's value was taken, or the receiver has a claim on one.
const GRANTED: Outcome = FIRST_OUTCOME;
/// The channel is closed.
const REFUSED: Outcome = FIRST_OUTCOME + 1;

struct State<T> {
    closed: bool,
    /// Invariant 2.
    offers: Offers<T>,
    /// Invariant 3.
    given: VecDeque<T>,
    claims: usize,
}

/// A channel of capacity 0.
pub(super) struct Meeting<T> {
    state: Mutex<State<T>>,
    senders: WaitQueue<()>,
    receivers: WaitQueue<()>,
    /// Tells senders that wait for it that the channel is closed.
    pub(super) closed: Notify,
}

/// No user code runs at a moment when it could leave a channel half changed.
impl<T> UnwindSafe for Meeting<T> {}
impl<T> RefUnwindSafe for Meeting<T> {}

impl<T> State<T> {
    /// How many values could be taken now.
    fn len(&self) -> usize {
        let offered = if self.closed { 0 } else { self.offers.len() };
        self.given.len() - self.claims.min(self.given.len()) + offered
    }

    /// Takes the oldest value that was given. A burst leaves no memory behind.
    fn take_given(&mut self) -> Option<T> {
        let value = self.given.pop_front();
        shrink(&mut self.given);
        value
    }
}

impl<T> Meeting<T> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                closed: false,
                offers: Offers::default(),
                given: VecDeque::new(),
                claims: 0,
            }),
            senders: WaitQueue::new(),
            receivers: WaitQueue::new(),
            closed: Notify::new(),
        }
    }

    /// Gives `value` to the receiver that has waited longest, if one waits.
    pub(super) fn give(&self, value: T) -> Result<(), (Refused, T)> {
        let mut state = self.state.lock();
        let waker = self.give_locked(&mut state, value)?;
        drop(state);
        waker.wake();
        Ok(())
    }

    fn give_locked(&self, state: &mut State<T>, value: T) -> Result<Waker, (Refused, T)> {
        if state.closed {
            return Err((Refused::Closed, value));
        }
        let Some(waker) = self.receivers.lock().pop_front(GRANTED) else {
            return Err((Refused::Full, value));
        };
        state.given.push_back(value);
        state.claims += 1;
        Ok(waker)
    }

    /// Takes a value that is nobody else's. `Ready(None)` if the channel has ended.
    pub(super) fn try_take(&self) -> Poll<Option<T>> {
        let mut wakes = Wakes::default();
        let taken = self.take_locked(&mut self.state.lock(), &mut wakes);
        // The caller has to get its value, even if the others' wakers panic.
        wakes.wake_all_contained();
        taken
    }

    fn take_locked(&self, state: &mut State<T>, wakes: &mut Wakes) -> Poll<Option<T>> {
        if state.given.len() > state.claims {
            // Invariant 3: it is a value whose receiver was cancelled.
            return Poll::Ready(self.take_given(state, wakes));
        }
        if let Some(waker) = self.senders.lock().pop_front(GRANTED) {
            wakes.push(waker);
            let value = state.offers.pop().expect("who waits has an offer");
            // It goes behind what was sent before it.
            state.given.push_back(value);
            return Poll::Ready(state.take_given());
        }
        if state.closed && state.given.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    fn take_given(&self, state: &mut State<T>, wakes: &mut Wakes) -> Option<T> {
        let value = state.take_given();
        self.release_at_end(state, wakes);
        value
    }

    /// Tells those that wait that nothing more will come: invariant 4.
    fn release_at_end(&self, state: &State<T>, wakes: &mut Wakes) {
        if state.closed && state.given.is_empty() {
            let mut queue = self.receivers.lock();
            while let Some(waker) = queue.pop_front(REFUSED) {
                wakes.push(waker);
            }
        }
    }

    /// Takes up to `limit` values that are there by now, and returns how many.
    pub(super) fn take_many(&self, buffer: &mut Vec<T>, limit: usize) -> usize {
        // Each takes the lock anew, so that others come in between. Values that come meanwhile are left, because this
        // could go on for ever.
        let most = limit.min(self.state.lock().len());
        let before = buffer.len();
        while buffer.len() - before < most
            && let Poll::Ready(Some(value)) = self.try_take()
        {
            buffer.push(value);
        }
        buffer.len() - before
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// How many values were given to receivers and not yet collected.
    pub(super) fn len(&self) -> usize {
        self.state.lock().given.len()
    }

    /// Refuses messages from now on, and tells all that wait. Returns whether the channel was open.
    pub(super) fn close(&self) -> bool {
        let mut wakes = Wakes::default();
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.closed, true) {
            return false;
        }
        let mut senders = self.senders.lock();
        while let Some(waker) = senders.pop_front(REFUSED) {
            wakes.push(waker);
        }
        drop(senders);
        self.release_at_end(&state, &mut wakes);
        drop(state);
        let mut panics = Panics::default();
        panics.run(|| wakes.wake_all());
        panics.run(|| self.closed.notify_waiters());
        panics.go_on();
        true
    }

    /// The last receiver is gone. Drops the values that were given to receivers that were cancelled or forgotten.
    pub(super) fn discard(&self) {
        let mut state = self.state.lock();
        state.claims = 0;
        let given = std::mem::take(&mut state.given);
        drop(state);
        let mut panics = Panics::default();
        for value in given {
            panics.run(|| drop(value));
        }
        panics.go_on();
    }
}

pin_project! {
    /// Offers a value, in turn, until it is taken. Returns the value if the channel is closed.
    pub(super) struct Offer<'a, T> {
        meeting: &'a Meeting<T>,
        // `Some` until it is on offer.
        value: Option<T>,
        ticket: u64,
        #[pin]
        waiter: Waiter<'a, ()>,
    }

    impl<T> PinnedDrop for Offer<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            this.cancel();
        }
    }
}

impl<'a, T> Offer<'a, T> {
    pub(super) fn new(meeting: &'a Meeting<T>, value: T) -> Self {
        Self {
            meeting,
            value: Some(value),
            ticket: 0,
            waiter: Waiter::new(&meeting.senders, ()),
        }
    }

    /// Leaves the queue, and takes back the value if it is still on offer.
    fn cancel(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.waiter.standing() == Standing::Idle {
            return;
        }
        let mut state = this.meeting.state.lock();
        let removed = this.meeting.senders.lock().remove(this.waiter.as_mut());
        let value = match this.waiter.standing() {
            Standing::Released(GRANTED) => None,
            _ => state.offers.withdraw(*this.ticket),
        };
        drop(state);
        let mut panics = Panics::default();
        panics.run(|| drop(removed));
        panics.run(|| drop(value));
        panics.go_on();
    }

    /// Gives the value to a receiver that waits, or offers it and joins the queue. `Ready` if there is nothing to wait
    /// for.
    fn begin(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<Result<(), T>> {
        let this = self.project();
        let clone = cx.waker().clone();
        let value = this.value.take().expect("it is polled to its end once");
        let mut state = this.meeting.state.lock();
        match this.meeting.give_locked(&mut state, value) {
            Ok(waker) => {
                drop(state);
                waker.wake();
                Poll::Ready(Ok(()))
            }
            Err((Refused::Closed, value)) => Poll::Ready(Err(value)),
            Err((Refused::Full, value)) => {
                *this.ticket = state.offers.push(value);
                this.meeting.senders.lock().push_back(this.waiter, clone);
                Poll::Pending
            }
        }
    }

    fn poll_offer(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<Result<(), T>> {
        if self.waiter.standing() == Standing::Idle {
            return self.begin(cx);
        }
        let mut this = self.project();
        let outcome = ready!(this.waiter.as_mut().poll_queued(cx));
        this.waiter.reset();
        Poll::Ready(if outcome == GRANTED {
            Ok(())
        } else {
            let value = this.meeting.state.lock().offers.withdraw(*this.ticket);
            Err(value.expect("a refused value stays until it is fetched"))
        })
    }
}

impl<T> Future for Offer<'_, T> {
    type Output = Result<(), T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), T>> {
        let unit = ready!(coop::poll_proceed(cx));
        let taken = ready!(waits::noted(Wait::MpmcSend, self.poll_offer(cx)));
        unit.made_progress();
        Poll::Ready(taken)
    }
}

/// The steps of a receiver that waits, with its waiter.
impl<T> Meeting<T> {
    /// Leaves the queue. A value that was given to it goes to the next receiver: invariant 3.
    pub(super) fn cancel_take(&self, mut waiter: Pin<&mut Waiter<'_, ()>>) {
        if waiter.standing() == Standing::Idle {
            return;
        }
        let mut state = self.state.lock();
        let mut queue = self.receivers.lock();
        let removed = queue.remove(waiter.as_mut());
        let mut next = None;
        if waiter.standing() == Standing::Released(GRANTED) {
            next = queue.pop_front(GRANTED);
            if next.is_none() {
                state.claims -= 1;
            }
        }
        drop(queue);
        drop(state);
        // At most one of the two is there.
        at_last(|| drop(removed));
        wakes::wake(next);
    }

    /// Waits for a value in turn; `None` if the channel has ended. After that it waits for the next value.
    pub(super) fn poll_take(
        &self,
        mut waiter: Pin<&mut Waiter<'_, ()>>,
        cx: &Context<'_>,
    ) -> Poll<Option<T>> {
        let mut wakes = Wakes::default();
        if waiter.standing() == Standing::Idle {
            let waker = cx.waker().clone();
            let mut state = self.state.lock();
            let taken = self.take_locked(&mut state, &mut wakes);
            if taken.is_pending() {
                self.receivers.lock().push_back(waiter, waker);
            }
            drop(state);
            wakes.wake_all_contained();
            return taken;
        }
        let outcome = ready!(waiter.as_mut().poll_queued(cx));
        waiter.reset();
        if outcome != GRANTED {
            return Poll::Ready(None);
        }
        let mut state = self.state.lock();
        state.claims -= 1;
        let value = self.take_given(&mut state, &mut wakes);
        drop(state);
        wakes.wake_all_contained();
        Poll::Ready(Some(value.expect("a claimed value is there")))
    }

    /// The queue of receivers that wait for a value.
    pub(super) fn receivers(&self) -> &WaitQueue<()> {
        &self.receivers
    }
}
