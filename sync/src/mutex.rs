//! An asynchronous mutex: a lock that may be held across an `.await`.
//!
//! `raw` decides who may have the lock. This file holds the data, and `guards` lends it out.

mod guards;
mod raw;

use std::cell::UnsafeCell;
use std::error::Error;
use std::fmt;

pub use self::guards::{MappedMutexGuard, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard};
use self::raw::RawMutex;
use crate::park::block_on;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

/// An asynchronous mutex: its lock may be held across an `.await`.
///
/// For data that is never locked across an `.await`, a blocking lock (std's or parking_lot's) is faster.
///
/// The mutex is never poisoned: if a task panics while it holds the lock, the lock is released.
///
/// # Fairness
///
/// A task that runs may take a free lock ahead of tasks that wait. A task that has waited for half a millisecond, or
/// was woken 16 times only to find the lock taken again, gets the lock handed over. (tokio's mutex always hands it
/// over, which makes each contended lock as slow as a wake-up.)
///
/// # Examples
///
/// ```
/// use heist::sync::Mutex;
///
/// async fn add(balance: &Mutex<i64>, amount: i64) -> i64 {
///     let mut balance = balance.lock().await;
///     *balance += amount;
///     *balance
/// }
///
/// #[heist::main]
/// async fn main() {
///     let balance = Mutex::new(1);
///     assert_eq!(add(&balance, 2).await, 3);
/// }
/// ```
pub struct Mutex<T: ?Sized> {
    raw: RawMutex,
    // std's cell and not the model's: a guard gives out plain references, and a model can't see how long they live (it
    // puts a cell of its own inside `T`). Nor does the model's cell take unsized values.
    value: UnsafeCell<T>,
}

/// The lock of a [`Mutex`] or a [`RwLock`](crate::RwLock) is not free now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TryLockError(pub(crate) ());

// SAFETY: sending the mutex sends the value.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: the raw lock gives the value to one thread at a time. That thread may move it out: hence `Send`.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
impl<T> Mutex<T> {
    /// Makes an unlocked mutex.
    pub fn new(value: T) -> Self {
        Self {
            raw: RawMutex::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Like [`new`](Self::new), as a constant function.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::Mutex;
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

    /// Consumes the mutex and returns the value.
    ///
    /// [`blocking_lock`](Self::blocking_lock) has an example.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue. If the lock had already been handed to it, that goes to the
    /// next task.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::Mutex;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let count = Arc::new(Mutex::new(0));
    ///     let other = count.clone();
    ///     let task = heist::spawn(async move { *other.lock().await += 1 });
    ///     *count.lock().await += 1;
    ///     task.await.unwrap();
    ///     assert_eq!(*count.lock().await, 2);
    /// }
    /// ```
    #[track_caller]
    pub fn lock(&self) -> impl Future<Output = MutexGuard<'_, T>> {
        let place = Location::caller();
        async move {
            if !self.raw.lock_at_once() {
                self.raw.lock(place).await;
            }
            MutexGuard::new(self)
        }
    }

    /// Like [`lock`](Self::lock), but blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = heist::sync::Mutex::new(1);
    /// *mutex.blocking_lock() += 1;
    /// assert_eq!(mutex.into_inner(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        block_on(self.lock())
    }

    /// Like [`lock`](Self::lock), for a mutex in an [`Arc`]: the guard owns a share of it and has no lifetime.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::Mutex;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let names = Arc::new(Mutex::new(vec!["Robin"]));
    ///     let mut guard = names.clone().lock_owned().await;
    ///     // The guard moves into the task.
    ///     let task = heist::spawn(async move { guard.push("Kim") });
    ///     task.await.unwrap();
    ///     assert_eq!(*names.lock().await, ["Robin", "Kim"]);
    /// }
    /// ```
    #[track_caller]
    pub fn lock_owned(self: Arc<Self>) -> impl Future<Output = OwnedMutexGuard<T>> {
        let place = Location::caller();
        async move {
            if !self.raw.lock_at_once() {
                self.raw.lock(place).await;
            }
            OwnedMutexGuard::new(self)
        }
    }

    /// Like [`lock_owned`](Self::lock_owned), but blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// let number = std::sync::Arc::new(heist::sync::Mutex::new(1));
    /// let mut guard = number.clone().blocking_lock_owned();
    /// std::thread::spawn(move || *guard += 1);
    /// // Waits until the thread has dropped the guard.
    /// assert_eq!(*number.blocking_lock(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        block_on(self.lock_owned())
    }

    /// Takes the lock if it is free now.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] if it is locked.
    ///
    /// # Examples
    ///
    /// ```
    /// let number = heist::sync::Mutex::new(1);
    /// let guard = number.try_lock().unwrap();
    /// assert!(number.try_lock().is_err());
    /// drop(guard);
    /// assert!(number.try_lock().is_ok());
    /// ```
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        if self.raw.try_lock() {
            Ok(MutexGuard::new(self))
        } else {
            Err(TryLockError(()))
        }
    }

    /// Like [`try_lock`](Self::try_lock), for a mutex in an [`Arc`].
    ///
    /// # Errors
    ///
    /// [`TryLockError`] if it is locked.
    ///
    /// # Examples
    ///
    /// ```
    /// let number = std::sync::Arc::new(heist::sync::Mutex::new(1));
    /// let guard = number.clone().try_lock_owned().unwrap();
    /// assert!(number.try_lock_owned().is_err());
    /// assert_eq!(*guard, 1);
    /// ```
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        if self.raw.try_lock() {
            Ok(OwnedMutexGuard::new(self))
        } else {
            Err(TryLockError(()))
        }
    }

    /// The value. Nobody else can hold the lock, so this needs no locking.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut number = heist::sync::Mutex::new(1);
    /// *number.get_mut() += 1;
    /// assert_eq!(number.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
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
        f.write_str("the lock is held")
    }
}

impl Error for TryLockError {}
