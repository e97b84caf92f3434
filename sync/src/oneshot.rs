//! A channel for one value, sent once.
//!
//! One allocation, one word, shared by the two halves; nothing else counts references.
//!
//! # The word
//!
//! | bit | set by | meaning |
//! |---|---|---|
//! | `VALUE` | sender | the value is in its cell; never cleared |
//! | `CLOSED` | either | no value will be sent any more: refused by the receiver, or the sender was dropped; never cleared |
//! | `RX_WAKER` | receiver | its waker is in its cell |
//! | `TX_WAKER` | sender | its waker is in its cell |
//! | `TX_GONE`, `RX_GONE` | that half | it will not touch the allocation again |
//!
//! # Invariants
//!
//! 1. Of `VALUE` and `CLOSED`, which comes first decides: the sender sets `VALUE` by a CAS from a word without `CLOSED`,
//!    so a value is either sent or handed back, never both. (`CLOSED` may follow `VALUE`: the receiver can still take it.)
//! 2. The value's cell is the sender's until `VALUE` is set, and the receiver's from then on. If the receiver leaves it
//!    there, it goes with the allocation.
//! 3. A waker's cell belongs to the half that it wakes while its bit is clear. While it is set, it belongs to nobody:
//!    whoever clears the bit (the owner, to replace or drop it; the other half, to wake it) has the cell from then on,
//!    and the owner can only set it again after looking at the word, when the other half has done what it came to tell.
//! 4. The half that sets its `GONE` bit second frees the allocation. So a half that has a waker to take does that first,
//!    and sets its bit after; a word that has the other half's bit belongs to the one that reads it.
//! 5. A half that leaves takes its own waker with it: a task is not kept alive by a channel whose end it has dropped.
//! 6. A step that sets a `GONE` bit may be the last moment of the allocation: it is a method of the `Word`, which is one
//!    atomic. No `&Shared` is an argument of a function that does it, as an argument has to outlive its call.
//!
//! # Orderings
//!
//! Each change of the word is AcqRel and each load of it Acquire: a cell is written before the bit that gives it away
//! is set, and touched after the bit that gives it was read. Every bit is in the one word, so no fence is needed.
//!
//! # Wakers that panic
//!
//! The panic of the receiver's waker goes on to who sends, once the value lies in the channel; that of the drop of the
//! sender's own waker ends in `send`, which has the value in hand.

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

/// What a receiver says that is asked once too often.
const COMPLETED: &str = "a oneshot receiver was polled after it had completed";

struct Shared<T> {
    word: Word,
    value: UnsafeCell<Option<T>>,
    rx_waker: UnsafeCell<Option<Waker>>,
    tx_waker: UnsafeCell<Option<Waker>>,
}

/// Which half: its bits in the word.
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

/// The word: nothing but an atomic, so that it may be freed while a method of it returns (invariant 6).
struct Word(AtomicU32);

impl Word {
    #[inline]
    fn load(&self) -> u32 {
        // Ordering: Acquire pairs with the Release of every change of the word, so that a cell that a bit gives away may
        // be touched.
        self.0.load(Ordering::Acquire)
    }

    #[inline]
    fn set(&self, bits: u32) -> u32 {
        // Ordering: Release gives the cells away that the bits stand for, Acquire as in `load`.
        self.0.fetch_or(bits, Ordering::AcqRel)
    }

    #[inline]
    fn clear(&self, bits: u32) -> u32 {
        // Ordering: as of `set`.
        self.0.fetch_and(!bits, Ordering::AcqRel)
    }

    #[inline]
    fn swap(&self, from: u32, to: u32) -> Result<u32, u32> {
        // Ordering: as of `set` and `load`.
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

    /// Leaves the waker of `cx` for the other half to wake, unless the word has one of `done` by now. Called by `half`
    /// alone. True where it has.
    fn register(&self, half: Half, done: u32, cx: &Context<'_>) -> bool {
        let mut word = self.word.load();
        if word & done != 0 {
            return true;
        }
        if word & half.waker() != 0 {
            word = self.word.clear(half.waker());
            if word & half.waker() == 0 {
                // The other half took the waker, and only does so when it is done: invariant 3.
                return true;
            }
            // Otherwise the cell is this half's again, whatever else is in the word.
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
        // The other half may be done by now, and then it has not seen the bit: so it is looked at again.
        let word = self.word.set(half.waker());
        if word & done != 0 {
            drop(self.retract(half));
            return true;
        }
        false
    }

    /// Takes a half's own waker back, where the other half has not taken it: invariant 5. To be dropped once the word
    /// is as it should be, as dropping it is a user's code.
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

/// The waker of a half that leaves. The panic of its drop ends where the thread unwinds already.
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

/// A channel for one value.
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

/// Sends the value. Dropping it tells the receiver that none will come.
pub struct Sender<T> {
    shared: NonNull<Shared<T>>,
}

/// Receives the value: a future of it.
///
/// # Cancel safety
///
/// Polled by reference, a receiver that is dropped from a `select!` loses nothing: the value is still there to be
/// received.
#[must_use = "futures do nothing unless polled"]
pub struct Receiver<T> {
    /// `None` once it has given out what there was to give.
    shared: Option<NonNull<Shared<T>>>,
}

// SAFETY: a half gives its thread the value (`T: Send`), wakers (which may be sent), and the word.
unsafe impl<T: Send> Send for Sender<T> {}
// SAFETY: a shared half gives out what the word says and nothing else.
unsafe impl<T: Send> Sync for Sender<T> {}
// SAFETY: as of `Sender`.
unsafe impl<T: Send> Send for Receiver<T> {}
// SAFETY: as of `Sender`.
unsafe impl<T: Send> Sync for Receiver<T> {}

impl<T> Unpin for Receiver<T> {}

impl<T> Sender<T> {
    fn shared(&self) -> &Shared<T> {
        // SAFETY: this half has not left, so nobody frees it: invariant 4.
        unsafe { self.shared.as_ref() }
    }

    /// Sends the value, which wakes the receiver. Never waits.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver has been dropped or closed. That it was sent is no promise that it will be
    /// received.
    pub fn send(self, value: T) -> Result<(), T> {
        let shared = self.shared();
        let mut word = shared.word.load();
        if word & CLOSED != 0 {
            return Err(value);
        }
        if word & TX_WAKER != 0 {
            // Only a sender that asked whether it is closed has one. A panic of its drop doesn't cost the value.
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
                // Nobody to wake: sends and leaves in one step. RX_GONE comes with CLOSED, so it is not the last one.
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

    /// Waits until the receiver has been dropped or closed: nobody wants the value any more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use heist::sync::oneshot;
    /// # use std::{future::Future, pin::pin, task::{Context, Waker}};
    /// let (mut sender, receiver) = oneshot::channel::<u32>();
    /// drop(receiver);
    /// # let mut cx = Context::from_waker(Waker::noop());
    /// assert!(pin!(sender.closed()).poll(&mut cx).is_ready());
    /// ```
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    /// Whether the receiver has been dropped or closed.
    pub fn is_closed(&self) -> bool {
        self.shared().word.load() & CLOSED != 0
    }

    /// [`closed`](Self::closed) as a poll function; the waker of the last call is woken.
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
        // Takes a waker of the receiver's, if there is one, and tells in the same step that no value will come.
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
    /// Refuses a value from now on; one that was sent before can still be received.
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

    /// Whether it has given out the value, or the error that stands for it: polling it again panics.
    pub fn is_terminated(&self) -> bool {
        self.shared.is_none()
    }

    /// Whether no value is there to be received now.
    pub fn is_empty(&self) -> bool {
        self.shared()
            .is_none_or(|shared| shared.word.load() & VALUE == 0)
    }

    /// The value, if it has been sent.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] while it may still come, [`TryRecvError::Closed`] once it can't, or has been received.
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
    /// [`RecvError`] where the sender was dropped without a word.
    ///
    /// # Panics
    ///
    /// Where it has completed already.
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

    /// Takes what there is, in a word that has `VALUE` or `CLOSED`, and leaves.
    fn finish(&mut self, word: u32) -> Result<T, RecvError> {
        let shared = self.shared.take().expect("it was there before");
        // What drops from here on, also by a panic, leaves.
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

/// A receiver on its way out.
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
        // With a value there is none: who sent it took it to wake it.
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
    /// When polled again after it completed.
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
