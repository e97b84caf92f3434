//! The two ends as a stream and as a sink.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_sink::Sink;
use pin_project_lite::pin_project;

use super::error::SendError;
use super::inner::{Inner, KeptReceiving, Receiving, Sending};
use super::receiver::Receiver;

pin_project! {
    /// The messages of a channel as a stream. Made by [`Receiver::stream`](super::Receiver::stream).
    ///
    /// It waits in the same queue as [`recv`](super::Receiver::recv). Once a poll has returned `Pending` it has a place
    /// there, which it keeps between polls; a message that it is given waits for its next poll. Dropping the stream
    /// hands that message on.
    #[must_use = "streams do nothing unless polled"]
    pub struct RecvStream<'a, T> {
        inner: &'a Inner<T>,
        #[pin]
        receiving: Receiving<'a, T>,
    }
}

impl<'a, T> RecvStream<'a, T> {
    pub(super) fn new(inner: &'a Inner<T>) -> Self {
        Self {
            inner,
            receiving: inner.recv(),
        }
    }
}

impl<T> Stream for RecvStream<'_, T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // If it has completed, it begins anew.
        self.project().receiving.poll(cx)
    }
}

impl<T> fmt::Debug for RecvStream<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvStream")
            .field("len", &self.inner.len())
            .finish_non_exhaustive()
    }
}

/// The messages of a channel as a stream that owns its receiver. Made by
/// [`Receiver::into_stream`](super::Receiver::into_stream).
///
/// It waits as [`RecvStream`] does.
#[must_use = "streams do nothing unless polled"]
pub struct OwnedRecvStream<T> {
    /// Made for the first wait and kept for all others. It gives up what it was given before the receiver is dropped.
    receiving: Option<Pin<Box<KeptReceiving<T>>>>,
    receiver: Receiver<T>,
}

impl<T> OwnedRecvStream<T> {
    pub(super) fn new(receiver: Receiver<T>) -> Self {
        Self {
            receiver,
            receiving: None,
        }
    }
}

impl<T> Stream for OwnedRecvStream<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        let receiving = this
            .receiving
            .get_or_insert_with(|| Box::pin(KeptReceiving::new(this.receiver.share())));
        receiving.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for OwnedRecvStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedRecvStream")
            .field("len", &self.receiver.len())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// Sends messages one after the other. Made by [`Sender::sink`](super::Sender::sink).
    ///
    /// It holds one message until there is room for it. Dropping the sink drops that message. Closing the sink sends
    /// it, and leaves the channel open.
    #[must_use = "sinks do nothing unless polled"]
    pub struct SendSink<'a, T> {
        inner: &'a Inner<T>,
        // The message that has not been sent yet.
        #[pin]
        sending: Option<Sending<'a, T>>,
    }
}

impl<'a, T> SendSink<'a, T> {
    pub(super) fn new(inner: &'a Inner<T>) -> Self {
        Self {
            inner,
            sending: None,
        }
    }
}

impl<T> Sink<T> for SendSink<'_, T> {
    /// [`SendError`] holds the message that was refused because the channel is closed.
    type Error = SendError<T>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        self.poll_flush(cx)
    }

    /// # Panics
    ///
    /// Panics if `poll_ready` did not return `Ready` before.
    #[track_caller]
    fn start_send(self: Pin<&mut Self>, message: T) -> Result<(), SendError<T>> {
        let mut this = self.project();
        assert!(
            this.sending.is_none(),
            "start_send needs a poll_ready that was ready"
        );
        this.sending
            .set(Some(this.inner.send(message, Location::caller())));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let mut this = self.project();
        let Some(sending) = this.sending.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(()));
        };
        let sent = ready!(sending.poll(cx));
        this.sending.set(None);
        Poll::Ready(sent.map_err(SendError))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        self.poll_flush(cx)
    }
}

impl<T> fmt::Debug for SendSink<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendSink")
            .field("len", &self.inner.len())
            .finish_non_exhaustive()
    }
}
