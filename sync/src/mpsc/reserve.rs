//! Waiting for room in a bounded channel.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::chan::{Chan, GRANTED, Receivers, Refused};
use super::receiving::Sole;
use crate::coop;
use crate::waiting::{Standing, Waiter};
use crate::waits;
use crate::wakes::Wakes;

/// Sends, in turn, once there is room; gives the value back where the channel is closed.
pub(crate) async fn send_in_turn<T, R: Receivers>(chan: &Chan<T, R>, value: T) -> Result<(), T> {
    coop::consume_budget().await;
    match chan.send(value) {
        Ok(()) => Ok(()),
        Err((Refused::Closed, value)) => Err(value),
        Err((Refused::Full, value)) => match Reserve::new(chan, 1).await {
            Ok(()) => {
                chan.send_permitted(value);
                Ok(())
            }
            Err(Closed) => Err(value),
        },
    }
}

/// The channel was closed.
#[derive(Debug)]
pub(crate) struct Closed;

pin_project! {
    /// Waits for `want` permits, in turn. What completes it is the caller's to give back.
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
    pub(crate) fn new(chan: &'a Chan<T, R>, want: u64) -> Self {
        Self {
            chan,
            want,
            waiter: Waiter::new(&chan.queue, want),
        }
    }

    /// Leaves the queue, or gives back what was granted and never seen.
    fn cancel(self: Pin<&mut Self>) {
        let mut this = self.project();
        if this.waiter.standing() == Standing::Idle {
            return;
        }
        let mut wakes = Wakes::default();
        let mut locked = this.chan.queue.lock();
        let removed = locked.remove(this.waiter.as_mut());
        if removed.is_some() {
            // Who is first now may want less.
            this.chan.serve(&mut locked, &mut wakes);
        }
        drop(locked);
        drop(removed);
        wakes.wake_all();
        if this.waiter.standing() == Standing::Released(GRANTED) {
            this.chan.give_back(*this.want);
        }
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
        // Perhaps this task's own, which is harmless: it is just about to look.
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
        let mut waiter = self.project().waiter;
        let outcome = ready!(waits::noted(R::SENDING, waiter.as_mut().poll_queued(cx)));
        waiter.reset();
        Poll::Ready(if outcome == GRANTED {
            Ok(())
        } else {
            Err(Closed)
        })
    }
}
