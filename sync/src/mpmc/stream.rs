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
use super::sender::Sender;

impl<T> Receiver<T> {
    /// Makes a stream of the messages. It ends when [`recv`](Self::recv) would return `None`. It has to be pinned.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use heist::sync::mpmc;
    ///
    /// async fn sum(numbers: mpmc::Receiver<u32>) -> u32 {
    ///     let squares = numbers.stream().map(|number| number * number);
    ///     squares.fold(0, async |sum, square| sum + square).await
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, receiver) = mpmc::unbounded();
    ///     for number in 1..4 {
    ///         sender.send(number).await.expect("the receiver is there");
    ///     }
    ///     drop(sender);
    ///     assert_eq!(sum(receiver).await, 14);
    /// }
    /// ```
    pub fn stream(&self) -> RecvStream<'_, T> {
        RecvStream::new(self.inner())
    }

    /// Turns this receiver into a stream that needs no pin.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::{Stream, StreamExt};
    /// use heist::sync::mpmc;
    ///
    /// fn squares(numbers: mpmc::Receiver<u32>) -> impl Stream<Item = u32> {
    ///     numbers.into_stream().map(|number| number * number)
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, receiver) = mpmc::unbounded();
    ///     sender.send(3).await.expect("the receiver is there");
    ///     assert_eq!(squares(receiver).next().await, Some(9));
    /// }
    /// ```
    pub fn into_stream(self) -> OwnedRecvStream<T> {
        OwnedRecvStream::new(self)
    }
}

impl<T> Sender<T> {
    /// Makes a sink from this sender. The sink has to be pinned. It holds one message until that is sent, so flush it
    /// before you drop it.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::{SinkExt, StreamExt, stream};
    /// use heist::sync::mpmc;
    ///
    /// async fn count(sender: mpmc::Sender<u32>) {
    ///     let numbers = stream::iter(0..100).map(Ok);
    ///     if let Err(unsent) = numbers.forward(sender.sink()).await {
    ///         println!("nobody wants {}", unsent.0);
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, receiver) = mpmc::unbounded();
    ///     count(sender).await;
    ///     assert_eq!(receiver.len(), 100);
    /// }
    /// ```
    pub fn sink(&self) -> SendSink<'_, T> {
        SendSink::new(self.inner())
    }
}

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
            .get_or_insert_with(|| Box::pin(KeptReceiving::new(this.receiver.inner().clone())));
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
