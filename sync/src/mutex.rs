//! An asynchronous mutex: a lock that may be held across an `.await`.
//!
//! Who may have the lock is decided in `raw`; this file is the data behind it and the guards.

mod raw;

use std::cell::UnsafeCell;
use std::error::Error;
use std::fmt;
use std::ops::{Deref, DerefMut};

use self::raw::RawMutex;
use crate::park::block_on;
use std::sync::Arc;

/// An asynchronous mutex.
///
/// For data that is never held across an `.await`, a blocking lock (std's, parking_lot's) serves better.
///
/// Nothing is poisoned: a task that panics while it holds the lock lets it go.
///
/// # Fairness
///
/// A task that runs may take a free lock ahead of those who wait. One that has waited for longer than half a
/// millisecond, or was woken a few times to find the lock taken again, has it handed over. (tokio's mutex hands it over
/// every time, which makes each contended lock as slow as a wake-up.)
///
/// # Examples
///
/// ```
/// # use heist_sync::Mutex;
/// async fn add(balance: &Mutex<i64>, amount: i64) -> i64 {
///     let mut balance = balance.lock().await;
///     *balance += amount;
///     *balance
/// }
/// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// # let balance = Mutex::new(1);
/// # let done = pin!(add(&balance, 2)).poll(&mut Context::from_waker(Waker::noop()));
/// # assert_eq!(done, Poll::Ready(3));
/// ```
pub struct Mutex<T: ?Sized> {
    raw: RawMutex,
    // std's cell and not the model's: a guard gives out plain references, whose extent a model can't see (it puts a
    // cell of its own inside `T`), and the model's cell takes no unsized values.
    value: UnsafeCell<T>,
}

/// The lock of a borrowed [`Mutex`], let go when dropped.
#[must_use = "a lock that is not held protects nothing"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
}

/// The lock of a shared [`Mutex`], let go when dropped.
#[must_use = "a lock that is not held protects nothing"]
pub struct OwnedMutexGuard<T: ?Sized> {
    mutex: Arc<Mutex<T>>,
}

/// The mutex is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TryLockError(());

// SAFETY: sending the mutex sends the value.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: the raw lock gives the value to one at a time; whichever thread that is, may take it out: hence `Send`.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: a shared guard gives out `&T` alone. (Sending one needs nothing more than the mutex does: it may be unlocked
// on any thread.)
unsafe impl<T: ?Sized + Send + Sync> Sync for MutexGuard<'_, T> {}
// SAFETY: as of `MutexGuard`.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedMutexGuard<T> {}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub fn new(value: T) -> Self {
        Self {
            raw: RawMutex::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// [`new`](Self::new), in a constant.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist_sync::Mutex;
    ///
    /// static NAMES: Mutex<Vec<String>> = Mutex::const_new(Vec::new());
    /// NAMES.try_lock().unwrap().push("Robin".into());
    /// ```
    #[cfg(not(heist_loom))]
    pub const fn const_new(value: T) -> Self {
        Self {
            raw: RawMutex::const_new(),
            value: UnsafeCell::new(value),
        }
    }

    /// The value, by itself again.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue; a lock that it had already been handed goes to the next.
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        self.raw.lock().await;
        MutexGuard { mutex: self }
    }

    /// [`lock`](Self::lock) that blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = heist_sync::Mutex::new(1);
    /// *mutex.blocking_lock() += 1;
    /// assert_eq!(mutex.into_inner(), 2);
    /// ```
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        block_on(self.lock())
    }

    /// [`lock`](Self::lock) for a shared mutex: the guard may outlive the borrow.
    ///
    /// # Cancel safety
    ///
    /// As [`lock`](Self::lock).
    pub async fn lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        self.raw.lock().await;
        OwnedMutexGuard { mutex: self }
    }

    /// [`lock_owned`](Self::lock_owned) that blocks the thread.
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        block_on(self.lock_owned())
    }

    /// Takes the lock if it is free now.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] where it is not.
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        if self.raw.try_lock() {
            Ok(MutexGuard { mutex: self })
        } else {
            Err(TryLockError(()))
        }
    }

    /// [`try_lock`](Self::try_lock) for a shared mutex.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] where it is locked.
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        if self.raw.try_lock() {
            Ok(OwnedMutexGuard { mutex: self })
        } else {
            Err(TryLockError(()))
        }
    }

    /// The value of a mutex that nobody else can hold.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// The mutex that is locked.
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.mutex
    }
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// The mutex that is locked.
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        &this.mutex
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.raw.unlock();
    }
}

impl<T: ?Sized> Drop for OwnedMutexGuard<T> {
    fn drop(&mut self) {
        self.mutex.raw.unlock();
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard's existence is the lock: no other guard exists, and `&self` keeps this one from lending `&mut`.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard's existence is the lock, and `&mut self` makes this the only reference through it.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Deref for OwnedMutexGuard<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: as of `MutexGuard`.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for OwnedMutexGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as of `MutexGuard`.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedMutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for OwnedMutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => out.field("data", &&*guard).finish(),
            Err(TryLockError(())) => out.field("data", &format_args!("<locked>")).finish(),
        }
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mutex is locked")
    }
}

impl Error for TryLockError {}
