//! What the ends of a channel share: which kind it is, and how many ends there are.
//!
//! # Invariants
//!
//! 1. `senders` and `receivers` count the ends that keep the channel open. A count of 0 never rises again, and whoever
//!    brings a count to 0 closes the channel.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::meeting::{Meeting, Offer};
use super::several::Several;
use crate::contain::Panics;
use crate::mpsc::chan::{Chan, MOST, Refused};
use crate::mpsc::reserve::{SendInTurn, send_at_once};
use crate::sys::Arc;
use crate::sys::atomic::AtomicUsize;
use crate::sys::atomic::Ordering::{AcqRel, Relaxed};
use crate::waiting::{KeptWaiter, Place, WaitQueue, Waiter};
use crate::waits::{self, Wait};
use crate::{Notify, coop};

pub(super) struct Inner<T> {
    kind: Kind<T>,
    pub(super) capacity: Option<usize>,
    /// Invariant 1.
    pub(super) senders: AtomicUsize,
    pub(super) weak_senders: AtomicUsize,
    pub(super) receivers: AtomicUsize,
    pub(super) weak_receivers: AtomicUsize,
}

#[expect(clippy::large_enum_variant, reason = "there is one to an allocation")]
enum Kind<T> {
    Buffer(Chan<T, Several>),
    Meeting(Meeting<T>),
}

impl<T> Inner<T> {
    /// A channel with room for `capacity` messages, of which there may be none, or without a bound. It has one sender
    /// and one receiver.
    pub(super) fn new(capacity: Option<usize>) -> Arc<Self> {
        let capacity = capacity.map(|capacity| capacity.min(MOST));
        let kind = match capacity {
            None => Kind::Buffer(Chan::unbounded(Several::new())),
            Some(0) => Kind::Meeting(Meeting::new()),
            Some(capacity) => Kind::Buffer(Chan::bounded(capacity, Several::new())),
        };
        let one = || AtomicUsize::new(1);
        let none = || AtomicUsize::new(0);
        Arc::new(Self {
            kind,
            capacity,
            senders: one(),
            weak_senders: none(),
            receivers: one(),
            weak_receivers: none(),
        })
    }

    #[inline]
    pub(super) fn send(&self, value: T, place: Place) -> Sending<'_, T> {
        match &self.kind {
            Kind::Buffer(chan) => Sending::Buffer {
                send: SendInTurn::new(chan, value, place),
            },
            Kind::Meeting(meeting) => Sending::Meeting {
                offer: Offer::new(meeting, value),
            },
        }
    }

    /// Sends if there is room now; tried before [`send`](Self::send).
    #[inline]
    pub(super) fn send_at_once(&self, value: T) -> Result<(), T> {
        match &self.kind {
            Kind::Buffer(chan) => send_at_once(chan, value),
            Kind::Meeting(_) => Err(value),
        }
    }

    pub(super) fn try_send(&self, value: T) -> Result<(), (Refused, T)> {
        match &self.kind {
            Kind::Buffer(chan) => chan.send(value),
            Kind::Meeting(meeting) => meeting.give(value),
        }
    }

    #[inline]
    pub(super) fn recv(&self) -> Receiving<'_, T> {
        Receiving {
            inner: self,
            waiter: Waiter::new(self.waiting_receivers(), ()),
        }
    }

    fn waiting_receivers(&self) -> &WaitQueue<()> {
        match &self.kind {
            Kind::Buffer(chan) => chan.receivers(),
            Kind::Meeting(meeting) => meeting.receivers(),
        }
    }

    /// Waits for a message in turn; `None` when the channel has ended. After that it waits for the next one.
    fn poll_recv(&self, waiter: Pin<&mut Waiter<'_, ()>>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let unit = ready!(coop::poll_proceed(cx));
        let taken = match &self.kind {
            Kind::Buffer(chan) => chan.poll_take(waiter, cx),
            Kind::Meeting(meeting) => meeting.poll_take(waiter, cx),
        };
        let taken = ready!(waits::noted(Wait::MpmcRecv, taken));
        unit.made_progress();
        Poll::Ready(taken)
    }

    /// Gives up a wait for a message.
    fn cancel_recv(&self, waiter: Pin<&mut Waiter<'_, ()>>) {
        match &self.kind {
            Kind::Buffer(chan) => chan.cancel_take(waiter),
            Kind::Meeting(meeting) => meeting.cancel_take(waiter),
        }
    }

    /// Takes the next message if it is there and nobody else's, for one unit of the budget; tried before
    /// [`recv`](Self::recv).
    #[inline]
    pub(super) fn recv_at_once(&self) -> Option<T> {
        let mut taken = None;
        coop::at_once(|| {
            taken = match &self.kind {
                Kind::Buffer(chan) => chan.take_now(),
                Kind::Meeting(meeting) => match meeting.try_take() {
                    Poll::Ready(taken) => taken,
                    Poll::Pending => None,
                },
            };
            taken.is_some()
        });
        taken
    }

    /// Takes the next message without waiting; `Ready(None)` when the channel has ended.
    pub(super) fn try_recv(&self) -> Poll<Option<T>> {
        match &self.kind {
            Kind::Buffer(chan) => chan.try_take(),
            Kind::Meeting(meeting) => meeting.try_take(),
        }
    }

    /// Takes up to `limit` messages that are there, and returns how many.
    pub(super) fn take_many(&self, buffer: &mut Vec<T>, limit: usize) -> usize {
        match &self.kind {
            Kind::Buffer(chan) => chan.take_many(buffer, limit),
            Kind::Meeting(meeting) => meeting.take_many(buffer, limit),
        }
    }

    pub(super) fn len(&self) -> usize {
        match &self.kind {
            Kind::Buffer(chan) => chan.len() as usize,
            Kind::Meeting(meeting) => meeting.len(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        match &self.kind {
            Kind::Buffer(chan) => chan.capacity() == 0,
            Kind::Meeting(_) => true,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match &self.kind {
            Kind::Buffer(chan) => chan.is_closed(),
            Kind::Meeting(meeting) => meeting.is_closed(),
        }
    }

    /// Notified when the channel is closed.
    pub(super) fn closed(&self) -> &Notify {
        match &self.kind {
            Kind::Buffer(chan) => &chan.closed,
            Kind::Meeting(meeting) => &meeting.closed,
        }
    }

    /// Refuses messages from now on; returns whether the channel was open.
    pub(super) fn close(&self) -> bool {
        match &self.kind {
            Kind::Buffer(chan) => chan.close_for_all(),
            Kind::Meeting(meeting) => meeting.close(),
        }
    }

    /// A sender is dropped.
    pub(super) fn drop_sender(&self) {
        // Ordering: AcqRel, so that the close by the last one comes after all that the others did.
        if self.senders.fetch_sub(1, AcqRel) == 1 {
            self.close();
        }
    }

    /// A receiver is dropped. The last one drops the messages that were sent.
    pub(super) fn drop_receiver(&self) {
        // Ordering: AcqRel, as in `drop_sender`.
        if self.receivers.fetch_sub(1, AcqRel) == 1 {
            // A waker that panics doesn't keep the messages from being dropped.
            let mut panics = Panics::default();
            panics.run(|| {
                self.close();
            });
            panics.run(|| match &self.kind {
                Kind::Buffer(chan) => chan.receivers_gone(),
                Kind::Meeting(meeting) => meeting.discard(),
            });
            panics.go_on();
        }
    }
}

pin_project! {
    /// Sends a message in turn; gives it back if the channel is closed.
    #[project = SendingPinned]
    pub(super) enum Sending<'a, T> {
        Buffer { #[pin] send: SendInTurn<'a, T, Several> },
        Meeting { #[pin] offer: Offer<'a, T> },
    }
}

impl<T> Future for Sending<'_, T> {
    type Output = Result<(), T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), T>> {
        match self.project() {
            SendingPinned::Buffer { send } => send.poll(cx),
            SendingPinned::Meeting { offer } => offer.poll(cx),
        }
    }
}

pin_project! {
    /// Waits for a message in turn; `None` when the channel has ended. After it has completed it may be polled for the
    /// next message.
    pub(super) struct Receiving<'a, T> {
        inner: &'a Inner<T>,
        #[pin]
        waiter: Waiter<'a, ()>,
    }

    impl<T> PinnedDrop for Receiving<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.inner.cancel_recv(this.waiter);
        }
    }
}

impl<T> Future for Receiving<'_, T> {
    type Output = Option<T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.project();
        this.inner.poll_recv(this.waiter, cx)
    }
}

pin_project! {
    /// [`Receiving`] with a share of its channel instead of a borrow.
    pub(super) struct KeptReceiving<T> {
        #[pin]
        waiter: KeptWaiter<Arc<Inner<T>>, ()>,
    }

    impl<T> PinnedDrop for KeptReceiving<T> {
        fn drop(this: Pin<&mut Self>) {
            let (waiter, inner) = this.project().waiter.parts();
            inner.cancel_recv(waiter);
        }
    }
}

impl<T> KeptReceiving<T> {
    pub(super) fn new(inner: Arc<Inner<T>>) -> Self {
        Self {
            waiter: KeptWaiter::new(inner, Inner::waiting_receivers, ()),
        }
    }
}

impl<T> Future for KeptReceiving<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let (waiter, inner) = self.project().waiter.parts();
        inner.poll_recv(waiter, cx)
    }
}

/// Counts one more end, unless the last is gone: invariant 1.
pub(super) fn upgrade(count: &AtomicUsize) -> bool {
    // Ordering: hint only. Only the fall to 0 carries meaning.
    count
        .fetch_update(Relaxed, Relaxed, |ends| (ends > 0).then_some(ends + 1))
        .is_ok()
}
