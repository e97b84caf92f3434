//! Channels that keep one value, the latest: for configuration, state, progress.
//!
//! Receivers look at the value in place, and wait for it to change. A slow receiver misses values in between, but never
//! the last one. Each receiver keeps track of which values it has seen. [`Receiver::changed`] completes at once if the
//! value has changed since this receiver last saw it; then the new value counts as seen.
//!
//! The channel closes when all senders are dropped. A last change can still be seen; after that, waiting fails.
//! [`Sender::send`] fails while there is no receiver; [`Sender::send_replace`] and the other `send_` methods never do.
//!
//! # Looking at the value
//!
//! A [`Ref`] holds a lock: while it lives, sending blocks the sender's *thread*. Keep it for a moment only, and never
//! across an `.await`. (The compiler refuses that if the future has to be `Send`.) A thread that holds a `Ref`
//! deadlocks if it sends, or if it borrows again while a sender waits. If looking takes long, keep an `Arc` in the
//! channel and clone it out.
//!
//! # Fairness
//!
//! A change wakes all receivers that wait, those first that have waited longest. A sender that waits for the value's
//! lock goes before receivers that look at the value later, so receivers can't starve it.
//!
//! # Examples
//!
//! ```
//! use heist::sync::watch;
//!
//! let (sender, mut receiver) = watch::channel("starting");
//! let thread = std::thread::spawn(move || {
//!     let mut last = *receiver.borrow_and_update();
//!     while receiver.blocking_changed().is_ok() {
//!         last = *receiver.borrow_and_update();
//!     }
//!     last
//! });
//! sender.send("running").unwrap();
//! sender.send("stopped").unwrap();
//! drop(sender);
//! assert_eq!(thread.join().unwrap(), "stopped");
//! ```

pub mod error;
mod shared;

use std::future::Future;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use self::error::{RecvError, SendError};
use self::shared::{Shared, Version};
use crate::contain::contain;
use crate::coop;
use crate::park::block_on;
use crate::sys::{Arc, RwLockReadGuard};
use crate::waiting::Waiter;
use crate::waits::{self, Wait};

/// Makes a channel with `init` as its first value, which the receiver counts as seen.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = heist::sync::watch::channel(1);
/// assert_eq!(*receiver.borrow(), 1);
/// assert!(!receiver.has_changed().unwrap());
/// sender.send(2).unwrap();
/// assert!(receiver.has_changed().unwrap());
/// ```
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared::new(init));
    let sender = Sender {
        shared: shared.clone(),
    };
    let receiver = Receiver {
        shared,
        version: Version::FIRST,
    };
    (sender, receiver)
}

/// Changes the value. Clones change the same value.
///
/// [`send`](Self::send) has an example.
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// Looks at the value, and waits for it to change. A clone has seen the same values as the original.
///
/// [`changed`](Self::changed) has an example.
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    version: Version,
}

/// A borrow of the value. It holds a lock: see the [module](self).
///
/// It can't be sent to another thread, so neither can a future that keeps one across an `.await`:
///
/// ```compile_fail
/// fn sends<T: Send>(_: T) {}
/// let (_sender, receiver) = heist::sync::watch::channel(1);
/// sends(receiver.borrow());
/// ```
#[derive(Debug)]
pub struct Ref<'a, T> {
    inner: RwLockReadGuard<'a, T>,
    has_changed: bool,
}

impl<T> Ref<'_, T> {
    /// Whether the value was new to the receiver that borrowed it. Always false for a sender's borrow.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = heist::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert!(receiver.borrow_and_update().has_changed());
    /// assert!(!receiver.borrow_and_update().has_changed());
    /// ```
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> Receiver<T> {
    /// Borrows the value. It doesn't count as seen by that: see [`borrow_and_update`](Self::borrow_and_update).
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = heist::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.borrow(), 2);
    /// assert!(receiver.has_changed().unwrap());
    /// ```
    pub fn borrow(&self) -> Ref<'_, T> {
        let inner = self.shared.value.read();
        let has_changed = self.shared.version() != self.version;
        Ref { inner, has_changed }
    }

    /// Borrows the value, which counts as seen from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = heist::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.borrow_and_update(), 2);
    /// assert!(!receiver.has_changed().unwrap());
    /// ```
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let inner = self.shared.value.read();
        let version = self.shared.version();
        let has_changed = version != self.version;
        self.version = version;
        Ref { inner, has_changed }
    }

    /// Whether there is a value that this receiver has not seen.
    ///
    /// # Errors
    ///
    /// Fails if all senders are gone, even if there is such a value.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = heist::sync::watch::channel(1);
    /// assert_eq!(receiver.has_changed().ok(), Some(false));
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.has_changed().ok(), Some(true));
    /// drop(sender);
    /// assert!(receiver.has_changed().is_err());
    /// ```
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        if self.is_closed() {
            return Err(RecvError(()));
        }
        Ok(self.shared.version() != self.version)
    }

    /// Whether all senders are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = heist::sync::watch::channel(1);
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Makes the value count as not seen.
    ///
    /// # Examples
    ///
    /// ```
    /// let (_sender, mut receiver) = heist::sync::watch::channel(1);
    /// receiver.mark_changed();
    /// assert!(receiver.has_changed().unwrap());
    /// ```
    pub fn mark_changed(&mut self) {
        self.version = self.version.before();
    }

    /// Makes the value count as seen, without looking at it.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = heist::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// receiver.mark_unchanged();
    /// assert!(!receiver.has_changed().unwrap());
    /// ```
    pub fn mark_unchanged(&mut self) {
        self.version = self.shared.version();
    }

    /// Waits for a value that this receiver has not seen; that value then counts as seen. Completes at once if there is
    /// one.
    ///
    /// # Errors
    ///
    /// Fails if all senders are gone and there is no such value.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the value counts as seen only if the future has completed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::watch;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, mut receiver) = watch::channel(1);
    ///     heist::spawn(async move { sender.send(2) });
    ///     receiver.changed().await.unwrap();
    ///     assert_eq!(*receiver.borrow_and_update(), 2);
    /// }
    /// ```
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        changed(&self.shared, &mut self.version).await
    }

    /// Like [`changed`](Self::changed), but blocks the thread.
    ///
    /// # Errors
    ///
    /// The same as for [`changed`](Self::changed).
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = heist::sync::watch::channel(1);
    /// let thread = std::thread::spawn(move || sender.send(2));
    /// assert!(receiver.blocking_changed().is_ok());
    /// assert_eq!(*receiver.borrow(), 2);
    /// assert!(thread.join().unwrap().is_ok());
    /// ```
    #[track_caller]
    pub fn blocking_changed(&mut self) -> Result<(), RecvError> {
        block_on(self.changed())
    }

    /// Waits for a value for which `f` returns true, and borrows it. Completes at once if it does so for the current
    /// value, seen or not. Every value that `f` was given counts as seen.
    ///
    /// `f` is called with the value's lock held: see the [module](self).
    ///
    /// # Errors
    ///
    /// Fails if all senders are gone and `f` returned false for the last value.
    ///
    /// # Panics
    ///
    /// Panics if `f` panics, which harms nothing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing but the values for which `f` returned false.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::watch;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (sender, mut receiver) = watch::channel(0);
    ///     let full = heist::spawn(async move {
    ///         *receiver.wait_for(|&percent| percent == 100).await.unwrap()
    ///     });
    ///     for percent in 1..=100 {
    ///         sender.send_replace(percent);
    ///     }
    ///     assert_eq!(full.await.unwrap(), 100);
    /// }
    /// ```
    pub async fn wait_for(&mut self, f: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, RecvError> {
        coop::cooperative(self.find(f)).await
    }

    async fn find(&mut self, mut f: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, RecvError> {
        let mut closed = false;
        loop {
            {
                let inner = self.shared.value.read();
                let version = self.shared.version();
                let has_changed = version != self.version;
                self.version = version;
                // After the end, only what came before it is still to be looked at.
                if (has_changed || !closed) && f(&inner) {
                    return Ok(Ref { inner, has_changed });
                }
            }
            if closed {
                return Err(RecvError(()));
            }
            closed = changed(&self.shared, &mut self.version).await.is_err();
        }
    }

    /// Like [`wait_for`](Self::wait_for), but blocks the thread.
    ///
    /// # Errors
    ///
    /// The same as for [`wait_for`](Self::wait_for).
    ///
    /// # Panics
    ///
    /// The same as for [`wait_for`](Self::wait_for).
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = heist::sync::watch::channel(0);
    /// let thread = std::thread::spawn(move || {
    ///     *receiver.blocking_wait_for(|&percent| percent == 100).unwrap()
    /// });
    /// for percent in 1..=100 {
    ///     sender.send_replace(percent);
    /// }
    /// assert_eq!(thread.join().unwrap(), 100);
    /// ```
    #[track_caller]
    pub fn blocking_wait_for(
        &mut self,
        f: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, RecvError> {
        block_on(self.wait_for(f))
    }

    /// Whether both belong to the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

fn changed<'a, T>(shared: &'a Shared<T>, version: &'a mut Version) -> Changed<'a, T> {
    Changed {
        shared,
        version,
        waiter: shared.waiter(),
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.add_receiver();
        Self {
            shared: self.shared.clone(),
            version: self.version,
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.remove_receiver();
    }
}

pin_project! {
    /// The future behind [`Receiver::changed`].
    struct Changed<'a, T> {
        shared: &'a Shared<T>,
        version: &'a mut Version,
        #[pin]
        waiter: Waiter<'a, ()>,
    }
}

impl<T> Future for Changed<'_, T> {
    type Output = Result<(), RecvError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        let this = self.project();
        let change = this.shared.poll_change(**this.version, this.waiter, cx);
        let change = ready!(waits::noted(Wait::WatchChanged, change));
        unit.made_progress();
        Poll::Ready(match change {
            Some(version) => {
                **this.version = version;
                Ok(())
            }
            None => Err(RecvError(())),
        })
    }
}

impl<T> Sender<T> {
    /// Makes a channel without a receiver. [`subscribe`](Self::subscribe) makes them.
    ///
    /// # Examples
    ///
    /// ```
    /// let sender = heist::sync::watch::Sender::new(1);
    /// assert!(sender.send(2).is_err());
    /// assert_eq!(*sender.borrow(), 1);
    /// ```
    pub fn new(init: T) -> Self {
        channel(init).0
    }

    /// Replaces the value, and tells the receivers.
    ///
    /// # Errors
    ///
    /// Fails if there is no receiver, and leaves the value as it was. See [`send_replace`](Self::send_replace).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::watch;
    ///
    /// let (sender, receiver) = watch::channel("old");
    /// assert!(sender.send("new").is_ok());
    /// assert_eq!(*receiver.borrow(), "new");
    /// drop(receiver);
    /// assert!(sender.send("newer").is_err());
    /// assert_eq!(*sender.borrow(), "new");
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Changes the value in place, and tells the receivers, if there are any. `modify` is called with the value's lock
    /// held.
    ///
    /// # Panics
    ///
    /// Panics if `modify` panics. What it changed stays changed, nobody is told, and the channel can still be used.
    ///
    /// # Examples
    ///
    /// ```
    /// let sender = heist::sync::watch::Sender::new(vec![1]);
    /// sender.send_modify(|list| list.push(2));
    /// assert_eq!(*sender.borrow(), [1, 2]);
    /// ```
    pub fn send_modify<F>(&self, modify: F)
    where
        F: FnOnce(&mut T),
    {
        self.shared.change(|value| {
            modify(value);
            true
        });
    }

    /// Changes the value in place, and tells the receivers only if `modify` returns true. Returns what `modify`
    /// returned.
    ///
    /// # Panics
    ///
    /// The same as for [`send_modify`](Self::send_modify).
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = heist::sync::watch::channel(5);
    /// let raise_to = |new: i32| {
    ///     sender.send_if_modified(|value| {
    ///         let raised = new > *value;
    ///         *value = new.max(*value);
    ///         raised
    ///     })
    /// };
    /// assert!(!raise_to(3) && !receiver.has_changed().unwrap());
    /// assert!(raise_to(7) && receiver.has_changed().unwrap());
    /// ```
    pub fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        self.shared.change(modify)
    }

    /// Replaces the value, tells the receivers, if there are any, and returns the old value.
    ///
    /// # Examples
    ///
    /// ```
    /// let sender = heist::sync::watch::Sender::new(1);
    /// assert_eq!(sender.send_replace(2), 1);
    /// ```
    pub fn send_replace(&self, mut value: T) -> T {
        let swap = || self.send_modify(|old| std::mem::swap(old, &mut value));
        // First the panic of a waker, then that of the old value's drop.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(swap)) {
            contain(|| drop(value));
            resume_unwind(panic);
        }
        value
    }

    /// Borrows the value.
    ///
    /// [`send`](Self::send) has an example.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref {
            inner: self.shared.value.read(),
            has_changed: false,
        }
    }

    /// Whether there is no receiver.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = heist::sync::watch::channel(1);
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there is no receiver. Completes at once if there is none now. A receiver that exists by the time
    /// this is polled keeps it waiting.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = heist::sync::watch::channel(1);
    /// let thread = std::thread::spawn(move || drop(receiver));
    /// sender.blocking_closed();
    /// assert!(sender.is_closed());
    /// # thread.join().unwrap();
    /// ```
    pub async fn closed(&self) {
        let mut gone = std::pin::pin!(coop::cooperative(self.shared.receivers_gone()));
        std::future::poll_fn(|cx| waits::noted(Wait::ReceiversGone, gone.as_mut().poll(cx))).await;
    }

    /// Like [`closed`](Self::closed), but blocks the thread.
    #[track_caller]
    pub fn blocking_closed(&self) {
        block_on(self.closed());
    }

    /// Makes a receiver, which counts the current value as seen.
    ///
    /// # Examples
    ///
    /// ```
    /// let sender = heist::sync::watch::Sender::new(1);
    /// let receiver = sender.subscribe();
    /// assert!(!receiver.has_changed().unwrap());
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.borrow(), 2);
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        self.shared.add_receiver();
        Receiver {
            shared: self.shared.clone(),
            version: self.shared.version(),
        }
    }

    /// The number of receivers.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = heist::sync::watch::channel(1);
    /// let (_other, _clone) = (sender.clone(), receiver.clone());
    /// assert_eq!((sender.sender_count(), sender.receiver_count()), (2, 2));
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers()
    }

    /// The number of senders.
    ///
    /// [`receiver_count`](Self::receiver_count) has an example.
    pub fn sender_count(&self) -> usize {
        self.shared.senders()
    }

    /// Whether both belong to the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.add_sender();
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.remove_sender();
    }
}

// If a closure panics, it leaves the value as it made it, and everything else untouched.
impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}
