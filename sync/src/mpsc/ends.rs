//! The two ends of a channel, bounded or not: which senders count, and who may receive.

use std::task::{Context, Poll, ready};

use super::chan::Chan;
use super::error::TryRecvError;
use super::receiving::Sole;
use crate::contain::Panics;
use crate::coop;
use crate::sys::Arc;
use crate::sys::atomic::Ordering::{AcqRel, Acquire, Relaxed};

/// A sender. It is counted, so that the receiver knows when the last one is gone.
pub(super) struct Tx<T> {
    chan: Arc<Chan<T, Sole>>,
}

/// A sender that isn't counted. It can be turned into one that is.
pub(super) struct WeakTx<T> {
    chan: Arc<Chan<T, Sole>>,
}

/// The receiver.
pub(super) struct Rx<T> {
    chan: Arc<Chan<T, Sole>>,
}

pub(super) fn ends<T>(chan: Chan<T, Sole>) -> (Tx<T>, Rx<T>) {
    let chan = Arc::new(chan);
    (Tx { chan: chan.clone() }, Rx { chan })
}

impl<T> Tx<T> {
    pub(super) fn chan(&self) -> &Chan<T, Sole> {
        &self.chan
    }

    pub(super) fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chan, &other.chan)
    }

    pub(super) fn downgrade(&self) -> WeakTx<T> {
        WeakTx::new(&self.chan)
    }

    pub(super) fn strong_count(&self) -> usize {
        // Ordering: hint only.
        self.chan.senders.load(Relaxed)
    }

    pub(super) fn weak_count(&self) -> usize {
        // Ordering: hint only.
        self.chan.weak_senders.load(Relaxed)
    }

    /// Waits until nothing more can be sent.
    pub(super) async fn closed(&self) {
        coop::consume_budget().await;
        // It is made before the look, so that a close between the two completes it.
        let closed = self.chan.closed.notified();
        if !self.chan.is_closed() {
            closed.await;
        }
    }
}

impl<T> Clone for Tx<T> {
    fn clone(&self) -> Self {
        // Ordering: hint only. There is a sender already, so the count neither rises from 0 nor falls to 0.
        self.chan.senders.fetch_add(1, Relaxed);
        Self {
            chan: self.chan.clone(),
        }
    }
}

impl<T> Drop for Tx<T> {
    fn drop(&mut self) {
        // Ordering: Release, so that whoever sees no senders left sees all that they sent (`Chan::is_cut_off`).
        // Acquire, so that the last one's own look comes after all of theirs.
        if self.chan.senders.fetch_sub(1, AcqRel) == 1 {
            self.chan.wake_receiver();
        }
    }
}

impl<T> WeakTx<T> {
    fn new(chan: &Arc<Chan<T, Sole>>) -> Self {
        // Ordering: hint only.
        chan.weak_senders.fetch_add(1, Relaxed);
        Self { chan: chan.clone() }
    }

    /// Makes a sender again, unless the last one is gone: the channel has ended then.
    pub(super) fn upgrade(&self) -> Option<Tx<T>> {
        // Ordering: hint only. It never rises from 0 again. Otherwise as in `clone`.
        self.chan
            .senders
            .fetch_update(Relaxed, Relaxed, |senders| {
                (senders > 0).then_some(senders + 1)
            })
            .ok()?;
        Some(Tx {
            chan: self.chan.clone(),
        })
    }

    pub(super) fn strong_count(&self) -> usize {
        // Ordering: hint only.
        self.chan.senders.load(Relaxed)
    }

    pub(super) fn weak_count(&self) -> usize {
        // Ordering: hint only.
        self.chan.weak_senders.load(Relaxed)
    }
}

impl<T> Clone for WeakTx<T> {
    fn clone(&self) -> Self {
        Self::new(&self.chan)
    }
}

impl<T> Drop for WeakTx<T> {
    fn drop(&mut self) {
        // Ordering: hint only.
        self.chan.weak_senders.fetch_sub(1, Relaxed);
    }
}

impl<T> Rx<T> {
    pub(super) fn chan(&self) -> &Chan<T, Sole> {
        &self.chan
    }

    pub(super) fn is_closed(&self) -> bool {
        // Ordering: Acquire as in `Chan::is_cut_off`.
        self.chan.is_closed() || self.chan.senders.load(Acquire) == 0
    }

    pub(super) fn strong_count(&self) -> usize {
        // Ordering: hint only.
        self.chan.senders.load(Relaxed)
    }

    pub(super) fn weak_count(&self) -> usize {
        // Ordering: hint only.
        self.chan.weak_senders.load(Relaxed)
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let unit = ready!(coop::poll_proceed(cx));
        // SAFETY: there is one `Rx` to a channel, and it is borrowed mutably.
        let value = ready!(unsafe { self.chan.receiving() }.poll(cx));
        unit.made_progress();
        if value.is_some() {
            self.chan.made_room();
        }
        Poll::Ready(value)
    }

    /// Takes up to `limit` messages that are there by now: at least one, or none if the channel has ended.
    pub(super) fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        if limit == 0 {
            return Poll::Ready(0);
        }
        let unit = ready!(coop::poll_proceed(cx));
        // SAFETY: there is one `Rx` to a channel, and it is borrowed mutably.
        let mut receiving = unsafe { self.chan.receiving() };
        let first = ready!(receiving.poll(cx));
        unit.made_progress();
        let Some(first) = first else {
            return Poll::Ready(0);
        };
        buffer.push(first);
        let mut count = 1;
        // Messages that come meanwhile are left, because senders could keep this going for ever.
        let limit = limit.min((self.chan.len() as usize).saturating_add(1));
        while count < limit {
            let Some(value) = receiving.take() else { break };
            buffer.push(value);
            count += 1;
        }
        self.chan.made_room();
        Poll::Ready(count)
    }

    pub(super) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        // SAFETY: there is one `Rx` to a channel, and it is borrowed mutably.
        match unsafe { self.chan.receiving() }.try_take() {
            Poll::Ready(Some(value)) => {
                self.chan.made_room();
                Ok(value)
            }
            Poll::Ready(None) => Err(TryRecvError::Disconnected),
            Poll::Pending => Err(TryRecvError::Empty),
        }
    }
}

impl<T> Drop for Rx<T> {
    fn drop(&mut self) {
        // If a message's drop or a waker panics, everything that follows is done all the same.
        let mut panics = Panics::default();
        panics.run(|| {
            self.chan.close();
        });
        panics.run(|| self.chan.receiver_gone());
        panics.go_on();
    }
}
