//! Waiting for room in a bounded channel.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::chan::{Chan, GRANTED, Refused};
use crate::waiting::{Standing, Waiter};
use crate::waits::{self, Wait};
use crate::wakes::Wakes;

/// The channel was closed.
#[derive(Debug)]
pub(super) struct Closed;

pin_project! {
    /// Waits for `want` permits, in turn. What completes it is the caller's to give back.
    pub(super) struct Reserve<'a, T> {
        chan: &'a Chan<T>,
        want: u64,
        #[pin]
        waiter: Waiter<'a, u64>,
    }

    impl<T> PinnedDrop for Reserve<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            this.cancel();
        }
    }
}

impl<'a, T> Reserve<'a, T> {
    pub(super) fn new(chan: &'a Chan<T>, want: u64) -> Self {
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

impl<T> Future for Reserve<'_, T> {
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
        let outcome = ready!(waits::noted(
            Wait::MpscSend,
            waiter.as_mut().poll_queued(cx)
        ));
        waiter.reset();
        Poll::Ready(if outcome == GRANTED {
            Ok(())
        } else {
            Err(Closed)
        })
    }
}
