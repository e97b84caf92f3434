//! What the receivers of bounded and unbounded channels have in common.

/// The methods that the receivers of both kinds of channels have.
macro_rules! receiver_methods {
    ($receiver:ident) => {
        impl<T> $receiver<T> {
            /// Waits for the next message. Returns `None` once the channel is closed and empty.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future loses no message.
            ///
            /// # Examples
            ///
            /// ```
            /// use heist::sync::mpsc;
            ///
            /// async fn sum(mut numbers: mpsc::Receiver<u32>) -> u32 {
            ///     let mut sum = 0;
            ///     while let Some(number) = numbers.recv().await {
            ///         sum += number;
            ///     }
            ///     sum
            /// }
            ///
            /// #[heist::main]
            /// async fn main() {
            ///     let (sender, receiver) = mpsc::channel(3);
            ///     let sum = heist::spawn(sum(receiver));
            ///     for number in 1..4 {
            ///         sender.send(number).await.expect("the receiver is there");
            ///     }
            ///     drop(sender);
            ///     assert_eq!(sum.await.expect("no panic"), 6);
            /// }
            /// ```
            pub async fn recv(&mut self) -> Option<T> {
                poll_fn(|cx| self.poll_recv(cx)).await
            }

            /// Waits until there is a message, then appends the messages that are there to `buffer`, at most `limit` of
            /// them. Returns how many. It returns 0 if the channel is closed and empty, or if `limit` is 0.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future loses no message.
            ///
            /// # Examples
            ///
            /// ```
            /// use heist::sync::mpsc;
            ///
            /// let (sender, mut receiver) = mpsc::unbounded_channel();
            /// (0..10).for_each(|i| sender.send(i).unwrap());
            /// let mut batch = Vec::new();
            /// assert_eq!(receiver.blocking_recv_many(&mut batch, 4), 4);
            /// assert_eq!(batch, [0, 1, 2, 3]);
            /// ```
            pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
                poll_fn(|cx| self.poll_recv_many(cx, buffer, limit)).await
            }

            /// Takes the next message, if it is there now.
            ///
            /// # Errors
            ///
            /// [`TryRecvError`] says why there is none.
            ///
            /// # Examples
            ///
            /// ```
            /// use heist::sync::mpsc::{self, error::TryRecvError};
            ///
            /// let (sender, mut receiver) = mpsc::unbounded_channel();
            /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            /// sender.send(1).unwrap();
            /// drop(sender);
            /// assert_eq!(receiver.try_recv(), Ok(1));
            /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
            /// ```
            pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
                self.rx.try_recv()
            }

            /// Like [`recv`](Self::recv), but blocks the thread.
            ///
            /// # Examples
            ///
            /// ```
            /// use heist::sync::mpsc;
            ///
            /// let (sender, mut receiver) = mpsc::unbounded_channel();
            /// let thread = std::thread::spawn(move || sender.send("hello"));
            /// assert_eq!(receiver.blocking_recv(), Some("hello"));
            /// assert_eq!(receiver.blocking_recv(), None);
            /// thread.join().unwrap().unwrap();
            /// ```
            #[track_caller]
            pub fn blocking_recv(&mut self) -> Option<T> {
                block_on(self.recv())
            }

            /// Like [`recv_many`](Self::recv_many), but blocks the thread.
            ///
            /// [`recv_many`](Self::recv_many) has an example.
            #[track_caller]
            pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
                block_on(self.recv_many(buffer, limit))
            }

            /// [`recv`](Self::recv) as a poll function. Only the waker of the last call is woken.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::future::poll_fn;
            ///
            /// use heist::sync::mpsc;
            ///
            /// #[heist::main]
            /// async fn main() {
            ///     let (sender, mut receiver) = mpsc::unbounded_channel();
            ///     sender.send(1).unwrap();
            ///     assert_eq!(poll_fn(|cx| receiver.poll_recv(cx)).await, Some(1));
            /// }
            /// ```
            pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
                self.rx.poll_recv(cx)
            }

            /// [`recv_many`](Self::recv_many) as a poll function. Only the waker of the last call is woken.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::future::poll_fn;
            ///
            /// use heist::sync::mpsc;
            ///
            /// #[heist::main]
            /// async fn main() {
            ///     let (sender, mut receiver) = mpsc::unbounded_channel();
            ///     sender.send(1).unwrap();
            ///     sender.send(2).unwrap();
            ///     let mut batch = vec![];
            ///     assert_eq!(poll_fn(|cx| receiver.poll_recv_many(cx, &mut batch, 10)).await, 2);
            ///     assert_eq!(batch, [1, 2]);
            /// }
            /// ```
            pub fn poll_recv_many(
                &mut self,
                cx: &mut Context<'_>,
                buffer: &mut Vec<T>,
                limit: usize,
            ) -> Poll<usize> {
                self.rx.poll_recv_many(cx, buffer, limit)
            }

            /// Closes the channel: nothing more can be sent. Messages that were sent before can still be received, and
            /// so can those sent with permits that are out.
            ///
            /// # Examples
            ///
            /// ```
            /// use heist::sync::mpsc;
            ///
            /// let (sender, mut receiver) = mpsc::unbounded_channel();
            /// sender.send(1).unwrap();
            /// receiver.close();
            /// assert!(sender.send(2).is_err());
            /// assert_eq!(receiver.blocking_recv(), Some(1));
            /// assert_eq!(receiver.blocking_recv(), None);
            /// ```
            pub fn close(&mut self) {
                self.rx.chan().close();
            }

            /// Whether the channel was closed, or all senders have been dropped.
            ///
            /// # Examples
            ///
            /// ```
            /// let (sender, receiver) = heist::sync::mpsc::unbounded_channel::<u32>();
            /// assert!(!receiver.is_closed());
            /// drop(sender);
            /// assert!(receiver.is_closed());
            /// ```
            pub fn is_closed(&self) -> bool {
                self.rx.is_closed()
            }

            /// Whether there is no message to receive now.
            ///
            /// [`len`](Self::len) has an example.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The number of messages that were sent and not yet received.
            ///
            /// # Examples
            ///
            /// ```
            /// let (sender, receiver) = heist::sync::mpsc::unbounded_channel();
            /// assert!(receiver.is_empty());
            /// sender.send(1).unwrap();
            /// assert_eq!(receiver.len(), 1);
            /// ```
            pub fn len(&self) -> usize {
                self.rx.chan().len() as usize
            }

            /// The number of senders.
            ///
            /// # Examples
            ///
            /// ```
            /// let (sender, receiver) = heist::sync::mpsc::unbounded_channel::<u32>();
            /// let (_clone, _weak) = (sender.clone(), sender.downgrade());
            /// assert_eq!((receiver.sender_strong_count(), receiver.sender_weak_count()), (2, 1));
            /// ```
            pub fn sender_strong_count(&self) -> usize {
                self.rx.strong_count()
            }

            /// The number of weak senders.
            ///
            /// [`sender_strong_count`](Self::sender_strong_count) has an example.
            pub fn sender_weak_count(&self) -> usize {
                self.rx.weak_count()
            }
        }

        /// Yields the messages that [`poll_recv`](Self::poll_recv) returns.
        impl<T> Stream for $receiver<T> {
            type Item = T;

            fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
                self.get_mut().poll_recv(cx)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                (self.len(), None)
            }
        }
    };
}
pub(super) use receiver_methods;
