//! Waiting for room in a bounded channel.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::chan::{Chan, GRANTED, Receivers, Refused};
use super::receiving::Sole;
use crate::contain::{Panics, contain};
use crate::coop;
use crate::waiting::{Place, Standing, Waiter};
use crate::waits;
use crate::wakes::Wakes;

/// The channel was closed.
#[derive(Debug)]
pub(crate) struct Closed;

pin_project! {
    /// Waits for `want` permits, in turn. The caller has to give back what it gets.
    pub(crate) struct Reserve<'a, T, R: Receivers = Sole> {
        chan: &'a Chan<T, R>,
        want: u64,
        #[pin]
        waiter: Waiter<'a, u64>,
    }

    impl<T, R: Receivers> PinnedDrop for Reserve<'_, T, R> {
        fn drop(this: Pin<&mut Self>) {
            this.cancel();
        }
    }
}

impl<'a, T, R: Receivers> Reserve<'a, T, R> {
    pub(crate) fn new(chan: &'a Chan<T, R>, want: u64, place: Place) -> Self {
        Self {
            chan,
            want,
            waiter: Waiter::new(&chan.queue, want).watched(R::SENDING, place),
        }
    }

    /// Leaves the queue, or gives back permits that were granted and never seen.
    fn cancel(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.waiter.standing() == Standing::Idle {
            return;
        }
        let mut wakes = Wakes::default();
        let mut locked = this.chan.queue.lock();
        let removed = locked.remove(this.waiter.as_mut());
        if removed.is_some() {
            // The one that is first now may want less.
            this.chan.serve(&mut locked, &mut wakes);
        }
        drop(locked);
        let mut panics = Panics::default();
        panics.run(|| wakes.wake_all());
        panics.run(|| drop(removed));
        if this.waiter.standing() == Standing::Released(GRANTED) {
            panics.run(|| this.chan.give_back(*this.want));
        }
        panics.go_on();
    }

    /// Joins the queue, unless the channel is closed.
    fn enqueue(self: Pin<&mut Self>, cx: &Context<'_>) -> Result<(), Closed> {
        let mut this = self.project();
        let waker = cx.waker().clone();
        let mut wakes = Wakes::default();
        let mut locked = this.chan.queue.lock();
        if this.chan.is_closed() {
            return Err(Closed);
        }
        locked.push_back(this.waiter.as_mut(), waker);
        this.chan.enqueued(&mut locked, &mut wakes);
        drop(locked);
        // This may wake this very task, which is harmless: it is about to look.
        wakes.wake_all();
        Ok(())
    }
}

impl<T, R: Receivers> Future for Reserve<'_, T, R> {
    type Output = Result<(), Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.waiter.standing() == Standing::Idle {
            match self.chan.try_reserve(self.want) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(Refused::Closed) => return Poll::Ready(Err(Closed)),
                Err(Refused::Full) => {}
            }
            if let Err(closed) = self.as_mut().enqueue(cx) {
                return Poll::Ready(Err(closed));
            }
        }
        let mut waiter = self.as_mut().project().waiter;
        let outcome = ready!(waits::noted(R::SENDING, waiter.as_mut().poll_queued(cx)));
        waiter.reset();
        let chan = self.chan;
        Poll::Ready(if outcome != GRANTED {
            Err(Closed)
        } else if chan.is_closed() {
            // It was granted before that. If a waker panics, the message that the permit was for is not lost.
            contain(|| chan.give_back(self.want));
            Err(Closed)
        } else {
            Ok(())
        })
    }
}

/// Sends `value` if there is room now, for one unit of the budget. It is tried before [`SendInTurn`], which is large.
///
/// # Errors
///
/// Returns the value.
#[inline]
pub(crate) fn send_at_once<T, R: Receivers>(chan: &Chan<T, R>, value: T) -> Result<(), T> {
    let mut unsent = Some(value);
    coop::at_once(|| {
        unsent = unsent
            .take()
            .and_then(|value| chan.send(value).err())
            .map(|(_, value)| value);
        unsent.is_none()
    });
    unsent.map_or(Ok(()), Err)
}

pin_project! {
    /// Sends, in turn, once there is room. Returns the value if the channel is closed.
    pub(crate) struct SendInTurn<'a, T, R: Receivers = Sole> {
        chan: &'a Chan<T, R>,
        // `Some` until it is sent.
        value: Option<T>,
        // Where the caller asked for it.
        place: Place,
        // `Some` once there was no room at first.
        #[pin]
        reserve: Option<Reserve<'a, T, R>>,
    }
}

impl<'a, T, R: Receivers> SendInTurn<'a, T, R> {
    #[inline]
    pub(crate) fn new(chan: &'a Chan<T, R>, value: T, place: Place) -> Self {
        Self {
            chan,
            value: Some(value),
            place,
            reserve: None,
        }
    }
}

impl<T, R: Receivers> Future for SendInTurn<'_, T, R> {
    type Output = Result<(), T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), T>> {
        let unit = ready!(coop::poll_proceed(cx));
        let mut this = self.project();
        let chan = *this.chan;
        if this.reserve.is_none() {
            let value = this.value.take().expect("it is polled to its end once");
            match chan.send(value) {
                Err((Refused::Full, value)) => {
                    *this.value = Some(value);
                    this.reserve.set(Some(Reserve::new(chan, 1, this.place)));
                }
                sent_or_closed => {
                    unit.made_progress();
                    return Poll::Ready(sent_or_closed.map_err(|(_, value)| value));
                }
            }
        }
        let reserve = this.reserve.as_mut().as_pin_mut();
        let reserved = ready!(reserve.expect("it was made above").poll(cx));
        this.reserve.set(None);
        unit.made_progress();
        let value = this.value.take().expect("it waits with the room for it");
        Poll::Ready(match reserved {
            Ok(()) => {
                chan.send_permitted(value);
                Ok(())
            }
            Err(Closed) => Err(value),
        })
    }
}
