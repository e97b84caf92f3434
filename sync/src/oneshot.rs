//! A channel for one value, sent once.
//!
//! [`Sender::send`] never waits. The [`Receiver`] is a future of the value; it fails if the sender is dropped without
//! sending.
//!
//! # Wakers that panic
//!
//! If the receiver's waker panics, the panic reaches the caller of `send`, after the value is in the channel. If the
//! drop of the sender's own waker panics, `send` drops that panic and sends the value.
//!
//! # Examples
//!
//! ```
//! use heist::sync::oneshot;
//!
//! #[heist::main]
//! async fn main() {
//!     let (sender, receiver) = oneshot::channel();
//!     heist::spawn(async move { sender.send(6 * 7) });
//!     assert_eq!(receiver.await, Ok(42));
//! }
//! ```

// One allocation and one word, which the two halves share. Nothing else counts references.
//
// # The word
//
// | bit | set by | meaning |
// |---|---|---|
// | `VALUE` | sender | the value is in its cell; never cleared |
// | `CLOSED` | either | no value will be sent any more: the receiver refuses it, or the sender was dropped; never cleared |
// | `RX_WAKER` | receiver | its waker is in its cell |
// | `TX_WAKER` | sender | its waker is in its cell |
// | `TX_GONE`, `RX_GONE` | that half | it will not touch the allocation again |
//
// # Invariants
//
// 1. The first of `VALUE` and `CLOSED` decides. The sender sets `VALUE` by a CAS from a word without `CLOSED`, so a value
//    is either sent or handed back, never both. (`CLOSED` may follow `VALUE`: the receiver can still take the value.)
// 2. The value's cell is the sender's until `VALUE` is set, and the receiver's from then on. If the receiver leaves the
//    value there, it is dropped with the allocation.
// 3. While a waker's bit is clear, its cell belongs to the half that it wakes. While the bit is set, the cell belongs to
//    nobody. Whoever clears the bit has the cell from then on: the owner, to replace or drop the waker, or the other half,
//    to wake it. The owner looks at the word before it sets the bit again. If the other half has cleared the bit, the
//    word says by then what that half came to tell.
// 4. The half that sets its `GONE` bit second frees the allocation. A half that has a waker to take does that first, and
//    sets its bit after that. If a half reads a word with the other half's bit, the allocation belongs to it.
// 5. A half that leaves takes its own waker with it: a channel whose end a task has dropped doesn't keep the task alive.
// 6. A step that sets a `GONE` bit may be the last moment of the allocation. So it is a method of the `Word`, which is one
//    atomic. A function that does it takes no `&Shared`, because an argument has to outlive its call.
//
// # Orderings
//
// Each change of the word is AcqRel and each load of it Acquire. A cell is written before the bit that gives it away is
// set, and touched after that bit was read. Every bit is in the one word, so no fence is needed.

pub mod error;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker, ready};

use self::error::{RecvError, TryRecvError};
use crate::contain::{at_last, contain};
use crate::coop;
use crate::park::block_on;
use crate::sys::atomic::{AtomicU32, Ordering};
use crate::sys::cell::UnsafeCell;
use crate::waits::{self, Wait};
use crate::wakes;

const VALUE: u32 = 1;
const CLOSED: u32 = 2;
const RX_WAKER: u32 = 4;
const TX_WAKER: u32 = 8;
const TX_GONE: u32 = 16;
const RX_GONE: u32 = 32;

/// What the panic says when a receiver is asked once too often.
const COMPLETED: &str = "a oneshot receiver was polled after it had completed";

struct Shared<T> {
    word: Word,
    value: UnsafeCell<Option<T>>,
    rx_waker: UnsafeCell<Option<Waker>>,
    tx_waker: UnsafeCell<Option<Waker>>,
}

/// One half of the channel, and its bits in the word.
#[derive(Clone, Copy)]
enum Half {
    Tx,
    Rx,
}

impl Half {
    fn waker(self) -> u32 {
        match self {
            Self::Tx => TX_WAKER,
            Self::Rx => RX_WAKER,
        }
    }

    fn gone(self) -> u32 {
        match self {
            Self::Tx => TX_GONE,
            Self::Rx => RX_GONE,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Tx => Self::Rx,
            Self::Rx => Self::Tx,
        }
    }
}

/// The word. It is nothing but an atomic, so that it may be freed while one of its methods returns (invariant 6).
struct Word(AtomicU32);

impl Word {
    #[inline]
    fn load(&self) -> u32 {
        // Ordering: Acquire pairs with the Release of every change of the word, so that a cell may be touched that a
        // bit has given away.
        self.0.load(Ordering::Acquire)
    }

    #[inline]
    fn set(&self, bits: u32) -> u32 {
        // Ordering: Release gives away the cells that the bits stand for; Acquire as in `load`.
        self.0.fetch_or(bits, Ordering::AcqRel)
    }

    #[inline]
    fn clear(&self, bits: u32) -> u32 {
        // Ordering: as in `set`.
        self.0.fetch_and(!bits, Ordering::AcqRel)
    }

    #[inline]
    fn swap(&self, from: u32, to: u32) -> Result<u32, u32> {
        // Ordering: as in `set` and `load`.
        self.0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }
}

impl<T> Shared<T> {
    fn waker_cell(&self, half: Half) -> &UnsafeCell<Option<Waker>> {
        match half {
            Half::Tx => &self.tx_waker,
            Half::Rx => &self.rx_waker,
        }
    }

    /// Takes a half's waker out of its cell.
    ///
    /// # Safety
    ///
    /// The caller has the cell by invariant 3.
    unsafe fn take_waker(&self, half: Half) -> Option<Waker> {
        self.waker_cell(half).with_mut(|cell| {
            // SAFETY: the caller has the cell.
            unsafe { (*cell).take() }
        })
    }

    /// Leaves the waker of `cx` for the other half to wake, unless the word has one of the bits `done` by now. Returns
    /// true if it has. Called by `half` alone.
    fn register(&self, half: Half, done: u32, cx: &Context<'_>) -> bool {
        let mut word = self.word.load();
        if word & done != 0 {
            return true;
        }
        if word & half.waker() != 0 {
            word = self.word.clear(half.waker());
            if word & half.waker() == 0 {
                // The other half took the waker. It only does so when it is done: invariant 3.
                return true;
            }
            // Otherwise the cell belongs to this half again, whatever else is in the word.
        }
        let stale = self.waker_cell(half).with_mut(|cell| {
            // SAFETY: this half's bit is clear and only this half sets it: invariant 3. The shared borrow ends before a
            // waker is cloned.
            let known = unsafe { &*cell }
                .as_ref()
                .is_some_and(|old| old.will_wake(cx.waker()));
            if known {
                return None;
            }
            let fresh = cx.waker().clone();
            // SAFETY: as above.
            unsafe { (*cell).replace(fresh) }
        });
        drop(stale);
        // The other half may be done by now, without having seen the bit: so the word is looked at again.
        let word = self.word.set(half.waker());
        if word & done != 0 {
            drop(self.retract(half));
            return true;
        }
        false
    }

    /// Takes a half's own waker back, unless the other half has taken it: invariant 5. The caller drops it once the
    /// word is as it should be, because dropping it runs user code.
    fn retract(&self, half: Half) -> Option<Waker> {
        if self.word.clear(half.waker()) & half.waker() == 0 {
            return None;
        }
        // SAFETY: this half cleared the bit: invariant 3.
        unsafe { self.take_waker(half) }
    }
}

/// Sets the half's `GONE` bit and frees the allocation if it is the second: invariant 4.
///
/// # Safety
///
/// `shared` is of a live channel, the caller owns that half, and doesn't touch it again.
unsafe fn leave<T>(shared: NonNull<Shared<T>>, half: Half) {
    // SAFETY: this half's bit is not set yet, so the other half can't have freed it.
    let word = unsafe { &(*shared.as_ptr()).word }.set(half.gone());
    if word & half.other().gone() != 0 {
        // SAFETY: both have left.
        unsafe { free(shared) };
    }
}

/// The waker of a half that leaves. If its drop panics while the thread unwinds already, that panic is contained.
struct Own(Option<Waker>);

impl Drop for Own {
    #[inline]
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            at_last(|| drop(waker));
        }
    }
}

/// Frees the allocation.
///
/// # Safety
///
/// Nobody else touches it any more.
unsafe fn free<T>(shared: NonNull<Shared<T>>) {
    // SAFETY: it was made by `Box` in `channel`, and the caller is the last to have it.
    drop(unsafe { Box::from_raw(shared.as_ptr()) });
}

/// Makes a channel for one value.
///
/// # Examples
///
/// ```
/// use heist::sync::oneshot;
///
/// let (sender, receiver) = oneshot::channel();
/// std::thread::spawn(move || sender.send("done"));
/// assert_eq!(receiver.blocking_recv(), Ok("done"));
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = NonNull::from(Box::leak(Box::new(Shared {
        word: Word(AtomicU32::new(0)),
        value: UnsafeCell::new(None),
        rx_waker: UnsafeCell::new(None),
        tx_waker: UnsafeCell::new(None),
    })));
    (
        Sender { shared },
        Receiver {
            shared: Some(shared),
        },
    )
}

/// Sends the value. If it is dropped instead, the receiver learns that no value will come.
pub struct Sender<T> {
    shared: NonNull<Shared<T>>,
}

/// Receives the value: it is a future of it.
///
/// # Cancel safety
///
/// If a receiver is polled by reference, a `select!` that drops the reference loses nothing: the value can still be
/// received.
#[must_use = "futures do nothing unless polled"]
pub struct Receiver<T> {
    /// `None` once it has given out the value or the error.
    shared: Option<NonNull<Shared<T>>>,
}

// SAFETY: a half gives its thread the value (`T: Send`), wakers (which may be sent), and the word.
unsafe impl<T: Send> Send for Sender<T> {}
// SAFETY: a shared half gives out what the word says and nothing else.
unsafe impl<T: Send> Sync for Sender<T> {}
// SAFETY: as for `Sender`.
unsafe impl<T: Send> Send for Receiver<T> {}
// SAFETY: as for `Sender`.
unsafe impl<T: Send> Sync for Receiver<T> {}

impl<T> Unpin for Receiver<T> {}

impl<T> Sender<T> {
    fn shared(&self) -> &Shared<T> {
        // SAFETY: this half has not left, so nobody frees it: invariant 4.
        unsafe { self.shared.as_ref() }
    }

    /// Sends the value and wakes the receiver. Never waits.
    ///
    /// # Errors
    ///
    /// Returns the value if the receiver has been dropped or closed. `Ok` is no promise that the value will be
    /// received.
    pub fn send(self, value: T) -> Result<(), T> {
        let shared = self.shared();
        let mut word = shared.word.load();
        if word & CLOSED != 0 {
            return Err(value);
        }
        if word & TX_WAKER != 0 {
            // Only a sender that has asked whether it is closed has a waker. If its drop panics, the value is sent all
            // the same.
            contain(|| drop(shared.retract(Half::Tx)));
            word = shared.word.load();
        }
        shared.value.with_mut(|cell| {
            // SAFETY: the cell is the sender's until it sets VALUE: invariant 2.
            unsafe { *cell = Some(value) };
        });
        let waker = loop {
            if word & CLOSED != 0 {
                let value = shared.value.with_mut(|cell| {
                    // SAFETY: as above; CLOSED came first, so VALUE is never set: invariant 1.
                    unsafe { (*cell).take() }
                });
                return Err(value.expect("it was put there"));
            }
            if word & RX_WAKER == 0 {
                // There is nobody to wake: sends and leaves in one step. RX_GONE comes with CLOSED, so this half is not
                // the last one.
                match shared.word.swap(word, word | VALUE | TX_GONE) {
                    Ok(_) => {
                        std::mem::forget(self);
                        return Ok(());
                    }
                    Err(now) => word = now,
                }
            } else {
                match shared.word.swap(word, (word | VALUE) & !RX_WAKER) {
                    // SAFETY: this half cleared the bit: invariant 3.
                    Ok(_) => break unsafe { shared.take_waker(Half::Rx) },
                    Err(now) => word = now,
                }
            }
        };
        let shared = self.shared;
        std::mem::forget(self);
        // SAFETY: the sender is forgotten: this is the last of it.
        unsafe { leave(shared, Half::Tx) };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Waits until the receiver has been dropped or closed, so that nobody wants the value any more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::oneshot;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (mut sender, receiver) = oneshot::channel::<u32>();
    ///     heist::spawn(async move { drop(receiver) });
    ///     sender.closed().await;
    ///     assert_eq!(sender.send(1), Err(1));
    /// }
    /// ```
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    /// Whether the receiver has been dropped or closed.
    pub fn is_closed(&self) -> bool {
        self.shared().word.load() & CLOSED != 0
    }

    /// [`closed`](Self::closed) as a poll function. Only the waker of the last call is woken.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        if self.shared().register(Half::Tx, CLOSED, cx) {
            unit.made_progress();
            return Poll::Ready(());
        }
        waits::note(Wait::Oneshot);
        Poll::Pending
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let shared = self.shared();
        let _own = Own(shared.retract(Half::Tx));
        let mut word = shared.word.load();
        let mut waker = None;
        // Takes the receiver's waker, if there is one, and says in the same step that no value will come.
        while let Err(now) = shared.word.swap(word, (word | CLOSED) & !RX_WAKER) {
            word = now;
        }
        if word & RX_WAKER != 0 {
            // SAFETY: this half cleared the bit: invariant 3.
            waker = unsafe { shared.take_waker(Half::Rx) };
        }
        // SAFETY: the sender is being dropped.
        unsafe { leave(self.shared, Half::Tx) };
        wakes::wake(waker);
    }
}

impl<T> Receiver<T> {
    /// Refuses a value from now on. A value that was sent before can still be received.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::oneshot;
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// receiver.close();
    /// assert_eq!(sender.send("late"), Err("late"));
    /// assert!(receiver.try_recv().is_err());
    /// ```
    pub fn close(&mut self) {
        if let Some(shared) = self.shared() {
            Self::close_shared(shared);
        }
    }

    /// Whether the receiver has already given out the value or an error. If so, polling it again panics.
    pub fn is_terminated(&self) -> bool {
        self.shared.is_none()
    }

    /// Whether there is no value to receive now.
    pub fn is_empty(&self) -> bool {
        self.shared()
            .is_none_or(|shared| shared.word.load() & VALUE == 0)
    }

    /// Takes the value, if it has been sent.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if the value may still come. [`TryRecvError::Closed`] if it can't come any more, or has
    /// been received.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let word = self.shared().ok_or(TryRecvError::Closed)?.word.load();
        if word & VALUE == 0 && word & CLOSED == 0 {
            return Err(TryRecvError::Empty);
        }
        self.finish(word)
            .map_err(|RecvError(())| TryRecvError::Closed)
    }

    /// Waits for the value, blocking the thread.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if the sender was dropped without sending.
    ///
    /// # Panics
    ///
    /// Panics if the receiver has completed already.
    #[track_caller]
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        assert!(!self.is_terminated(), "{COMPLETED}");
        block_on(self)
    }

    fn shared(&self) -> Option<&Shared<T>> {
        // SAFETY: this half has not left, so nobody frees it: invariant 4.
        self.shared.map(|shared| unsafe { shared.as_ref() })
    }

    fn close_shared(shared: &Shared<T>) {
        let mut word = shared.word.load();
        while let Err(now) = shared.word.swap(word, (word | CLOSED) & !TX_WAKER) {
            word = now;
        }
        if word & TX_WAKER != 0 {
            // SAFETY: this half cleared the bit: invariant 3.
            wakes::wake(unsafe { shared.take_waker(Half::Tx) });
        }
    }

    /// Takes what there is, given a word that has `VALUE` or `CLOSED`, and leaves.
    fn finish(&mut self, word: u32) -> Result<T, RecvError> {
        let shared = self.shared.take().expect("it was there before");
        // From here on the receiver leaves, also if something panics.
        let receiver = Leaving(shared);
        if word & VALUE == 0 {
            return Err(RecvError(()));
        }
        // SAFETY: this half has not left yet.
        let value = unsafe { receiver.0.as_ref() }.value.with_mut(|cell| {
            // SAFETY: VALUE gave the cell to the receiver: invariant 2.
            unsafe { (*cell).take() }
        });
        value.ok_or(RecvError(()))
    }
}

/// A receiver that leaves when this is dropped.
struct Leaving<T>(NonNull<Shared<T>>);

impl<T> Drop for Leaving<T> {
    fn drop(&mut self) {
        // SAFETY: this half has not left yet.
        let shared = unsafe { self.0.as_ref() };
        let word = shared.word.load();
        if word & TX_GONE != 0 {
            // SAFETY: the sender has left, and this is the receiver's end: invariant 4.
            unsafe { free(self.0) };
            return;
        }
        // If there is a value, there is no waker: the sender took it to wake it.
        let _own = Own(if word & RX_WAKER != 0 {
            shared.retract(Half::Rx)
        } else {
            None
        });
        // SAFETY: the receiver has been taken apart to make this.
        unsafe { leave(self.0, Half::Rx) };
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    /// # Panics
    ///
    /// Panics when polled again after it has completed.
    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        let shared = self.shared().expect(COMPLETED);
        if !shared.register(Half::Rx, VALUE | CLOSED, cx) {
            waits::note(Wait::Oneshot);
            return Poll::Pending;
        }
        let word = shared.word.load();
        unit.made_progress();
        Poll::Ready(self.finish(word))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            let leaving = Leaving(shared);
            // SAFETY: this half leaves after this.
            Self::close_shared(unsafe { leaving.0.as_ref() });
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("closed", &self.is_closed())
            .finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("terminated", &self.is_terminated())
            .field("empty", &self.is_empty())
            .finish()
    }
}
