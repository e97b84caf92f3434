//! An asynchronous reader-writer lock, whose guards may be held across an `.await`.
//!
//! `raw` decides who may have the lock. This file holds the data, and `guards` and `owned` lend it out.

mod guards;
mod line;
mod owned;
mod raw;

use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

pub use self::guards::{
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard,
};
use self::line::Kind;
pub use self::owned::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockUpgradableReadGuard,
    OwnedRwLockWriteGuard,
};
use self::raw::{MAX_READERS, RawRwLock};
use crate::mutex::TryLockError;
use crate::park::block_on;

/// An asynchronous lock that is held either by one writer or by many readers.
///
/// One of the readers may be *upgradable* ([`upgradable_read`](Self::upgradable_read)): it can become the writer
/// without releasing the lock in between.
///
/// The lock is never poisoned: if a task panics while it holds the lock, the lock is released.
///
/// # Fairness
///
/// Tasks that wait queue in order. A reader that comes while a writer waits queues too, even if other readers hold the
/// lock, so overlapping readers can't keep a writer out for ever. When a writer unlocks, all readers that wait ahead of
/// the next writer get in.
///
/// Tasks in the queue are woken to try, and are not handed the lock. So a writer that runs may take a free lock ahead
/// of a task that was woken and hasn't run yet, and so may a reader if no writer waits. A task that has waited for half
/// a millisecond, or was woken a few times only to find the lock taken, gets the lock handed over. (tokio's lock always
/// hands it over, which makes each contended lock as slow as a wake-up.)
///
/// # Deadlocks
///
/// A task that holds the lock to read, and waits to read again, may wait for ever: a writer may have queued in between.
///
/// # Examples
///
/// ```
/// use heist::sync::RwLock;
///
/// async fn add(names: &RwLock<Vec<String>>, name: &str) {
///     let is_new = !names.read().await.iter().any(|known| known == name);
///     if is_new {
///         names.write().await.push(name.to_string());
///     }
/// }
///
/// #[heist::main]
/// async fn main() {
///     let names = RwLock::new(vec![]);
///     add(&names, "Robin").await;
///     add(&names, "Robin").await;
///     assert_eq!(names.into_inner(), ["Robin"]);
/// }
/// ```
pub struct RwLock<T: ?Sized> {
    raw: RawRwLock,
    // std's cell and not the model's, as in the mutex.
    value: UnsafeCell<T>,
}

// SAFETY: sending the lock sends the value.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: the raw lock gives the value to one thread at a time to write, which may move it out: hence `Send`. It gives
// it to many threads at a time to read: hence `Sync`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    /// Makes an unlocked lock.
    pub fn new(value: T) -> Self {
        Self::with_max_readers(value, MAX_READERS)
    }

    /// Makes an unlocked lock for at most `max_readers` readers at once, the upgradable one included.
    ///
    /// # Panics
    ///
    /// Panics if `max_readers` is 0, or more than `u32::MAX >> 3` (on 32-bit machines `usize::MAX >> 7`).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = heist::sync::RwLock::with_max_readers(1, 2);
    /// let _readers = (lock.try_read().unwrap(), lock.try_read().unwrap());
    /// assert!(lock.try_read().is_err());
    /// ```
    #[track_caller]
    pub fn with_max_readers(value: T, max_reads: u32) -> Self {
        Self {
            raw: RawRwLock::new(max_reads),
            value: UnsafeCell::new(value),
        }
    }

    /// Like [`new`](Self::new), as a constant function.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::RwLock;
    ///
    /// static NAMES: RwLock<Vec<String>> = RwLock::const_new(Vec::new());
    /// NAMES.try_write().unwrap().push("Robin".into());
    /// assert_eq!(NAMES.try_read().unwrap().len(), 1);
    /// ```
    #[cfg(not(heist_loom))]
    pub const fn const_new(value: T) -> Self {
        Self::const_with_max_readers(value, MAX_READERS)
    }

    /// Like [`with_max_readers`](Self::with_max_readers), as a constant function.
    ///
    /// # Panics
    ///
    /// The same as for [`with_max_readers`](Self::with_max_readers), when it is compiled.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::RwLock;
    ///
    /// static NUMBER: RwLock<u8> = RwLock::const_with_max_readers(0, 1);
    /// let _reader = NUMBER.try_read().unwrap();
    /// assert!(NUMBER.try_read().is_err());
    /// ```
    #[cfg(not(heist_loom))]
    #[track_caller]
    pub const fn const_with_max_readers(value: T, max_reads: u32) -> Self {
        Self {
            raw: RawRwLock::new(max_reads),
            value: UnsafeCell::new(value),
        }
    }

    /// Consumes the lock and returns the value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits to lock for reading. Completes once no writer holds the lock and none waits ahead of this task.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue. If the lock had already been given to it, that goes to the
    /// next task.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::RwLock;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let number = RwLock::new(5);
    ///     // Readers share the lock.
    ///     let one = number.read().await;
    ///     let other = number.read().await;
    ///     assert_eq!((*one, *other), (5, 5));
    /// }
    /// ```
    #[track_caller]
    pub fn read(&self) -> impl Future<Output = RwLockReadGuard<'_, T>> {
        let place = Location::caller();
        async move {
            if !self.raw.take_at_once(Kind::Read) {
                self.raw.acquire(Kind::Read, place).await;
            }
            RwLockReadGuard::new(self)
        }
    }

    /// Like [`read`](Self::read), but blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = heist::sync::RwLock::new(1);
    /// *lock.blocking_write() += 1;
    /// assert_eq!(*lock.blocking_read(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        block_on(self.read())
    }

    /// Like [`read`](Self::read), for a lock in an [`Arc`]: the guard owns a share of it and has no lifetime.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::RwLock;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let names = Arc::new(RwLock::new(vec!["Robin"]));
    ///     let guard = names.clone().read_owned().await;
    ///     // The guard moves into the task.
    ///     let count = heist::spawn(async move { guard.len() });
    ///     assert_eq!(count.await.unwrap(), 1);
    ///     assert!(names.try_write().is_ok());
    /// }
    /// ```
    #[track_caller]
    pub fn read_owned(self: Arc<Self>) -> impl Future<Output = OwnedRwLockReadGuard<T>> {
        let place = Location::caller();
        async move {
            if !self.raw.take_at_once(Kind::Read) {
                self.raw.acquire(Kind::Read, place).await;
            }
            OwnedRwLockReadGuard::new(self)
        }
    }

    /// Like [`read_owned`](Self::read_owned), but blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::RwLock;
    ///
    /// let number = Arc::new(RwLock::new(5));
    /// let guard = number.blocking_read_owned();
    /// assert_eq!(std::thread::spawn(move || *guard).join().unwrap(), 5);
    /// ```
    #[track_caller]
    pub fn blocking_read_owned(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        block_on(self.read_owned())
    }

    /// Locks for reading, if that is possible now.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] if a writer holds the lock or waits for it.
    ///
    /// # Examples
    ///
    /// ```
    /// let number = heist::sync::RwLock::new(5);
    /// assert_eq!(*number.try_read().unwrap(), 5);
    /// let _writer = number.try_write().unwrap();
    /// assert!(number.try_read().is_err());
    /// ```
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        self.try_take(Kind::Read)?;
        Ok(RwLockReadGuard::new(self))
    }

    /// Like [`try_read`](Self::try_read), for a lock in an [`Arc`].
    ///
    /// # Errors
    ///
    /// The same as for [`try_read`](Self::try_read).
    ///
    /// # Examples
    ///
    /// ```
    /// let number = std::sync::Arc::new(heist::sync::RwLock::new(5));
    /// let guard = number.clone().try_read_owned().unwrap();
    /// assert!(number.try_write_owned().is_err());
    /// assert_eq!(*guard, 5);
    /// ```
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        self.try_take(Kind::Read)?;
        Ok(OwnedRwLockReadGuard::new(self))
    }

    /// Waits to lock for reading, with the option to [write later](RwLockUpgradableReadGuard::upgrade). Other readers
    /// come and go meanwhile, but there is only one upgradable reader at a time.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{RwLock, RwLockUpgradableReadGuard};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let number = RwLock::new(5);
    ///     let guard = number.upgradable_read().await;
    ///     // Others may read, but not write.
    ///     assert_eq!(*number.read().await, 5);
    ///     assert!(number.try_write().is_err());
    ///
    ///     let mut guard = RwLockUpgradableReadGuard::upgrade(guard).await;
    ///     *guard += 1;
    ///     assert_eq!(*guard, 6);
    /// }
    /// ```
    #[track_caller]
    pub fn upgradable_read(&self) -> impl Future<Output = RwLockUpgradableReadGuard<'_, T>> {
        let place = Location::caller();
        async move {
            if !self.raw.take_at_once(Kind::Upgradable) {
                self.raw.acquire(Kind::Upgradable, place).await;
            }
            RwLockUpgradableReadGuard::new(self)
        }
    }

    /// Like [`upgradable_read`](Self::upgradable_read), but blocks the thread.
    ///
    /// [`RwLockUpgradableReadGuard::blocking_upgrade`] has an example.
    #[track_caller]
    pub fn blocking_upgradable_read(&self) -> RwLockUpgradableReadGuard<'_, T> {
        block_on(self.upgradable_read())
    }

    /// Like [`upgradable_read`](Self::upgradable_read), for a lock in an [`Arc`].
    ///
    /// # Cancel safety
    ///
    /// The same as for [`read`](Self::read).
    ///
    /// [`OwnedRwLockUpgradableReadGuard::upgrade`] has an example.
    #[track_caller]
    pub fn upgradable_read_owned(
        self: Arc<Self>,
    ) -> impl Future<Output = OwnedRwLockUpgradableReadGuard<T>> {
        let place = Location::caller();
        async move {
            if !self.raw.take_at_once(Kind::Upgradable) {
                self.raw.acquire(Kind::Upgradable, place).await;
            }
            OwnedRwLockUpgradableReadGuard::new(self)
        }
    }

    /// Like [`upgradable_read_owned`](Self::upgradable_read_owned), but blocks the thread.
    ///
    /// [`OwnedRwLockUpgradableReadGuard::blocking_upgrade`] has an example.
    #[track_caller]
    pub fn blocking_upgradable_read_owned(self: Arc<Self>) -> OwnedRwLockUpgradableReadGuard<T> {
        block_on(self.upgradable_read_owned())
    }

    /// Locks as the upgradable reader, if that is possible now.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] if a writer holds the lock or waits for it, or another upgradable reader holds it.
    ///
    /// # Examples
    ///
    /// ```
    /// let number = heist::sync::RwLock::new(5);
    /// let _reader = number.try_read().unwrap();
    /// let _upgradable = number.try_upgradable_read().unwrap();
    /// // There is one at a time.
    /// assert!(number.try_upgradable_read().is_err());
    /// ```
    pub fn try_upgradable_read(&self) -> Result<RwLockUpgradableReadGuard<'_, T>, TryLockError> {
        self.try_take(Kind::Upgradable)?;
        Ok(RwLockUpgradableReadGuard::new(self))
    }

    /// Like [`try_upgradable_read`](Self::try_upgradable_read), for a lock in an [`Arc`].
    ///
    /// # Errors
    ///
    /// The same as for [`try_upgradable_read`](Self::try_upgradable_read).
    ///
    /// [`OwnedRwLockUpgradableReadGuard::try_upgrade`] has an example.
    pub fn try_upgradable_read_owned(
        self: Arc<Self>,
    ) -> Result<OwnedRwLockUpgradableReadGuard<T>, TryLockError> {
        self.try_take(Kind::Upgradable)?;
        Ok(OwnedRwLockUpgradableReadGuard::new(self))
    }

    /// Waits to lock for writing. Completes once nobody else holds the lock.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue. If the lock had already been given to it, that goes to the
    /// next task. Readers that waited for this writer alone get in.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::RwLock;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let number = RwLock::new(5);
    ///     *number.write().await += 1;
    ///     assert_eq!(*number.read().await, 6);
    /// }
    /// ```
    #[track_caller]
    pub fn write(&self) -> impl Future<Output = RwLockWriteGuard<'_, T>> {
        let place = Location::caller();
        async move {
            if !self.raw.take_at_once(Kind::Write) {
                self.raw.acquire(Kind::Write, place).await;
            }
            RwLockWriteGuard::new(self)
        }
    }

    /// Like [`write`](Self::write), but blocks the thread.
    ///
    /// [`blocking_read`](Self::blocking_read) has an example.
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        block_on(self.write())
    }

    /// Like [`write`](Self::write), for a lock in an [`Arc`]: the guard owns a share of it and has no lifetime.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::RwLock;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let names = Arc::new(RwLock::new(vec!["Robin"]));
    ///     let mut guard = names.clone().write_owned().await;
    ///     // The guard moves into the task.
    ///     let task = heist::spawn(async move { guard.push("Kim") });
    ///     assert_eq!(*names.read().await, ["Robin", "Kim"]);
    ///     task.await.unwrap();
    /// }
    /// ```
    #[track_caller]
    pub fn write_owned(self: Arc<Self>) -> impl Future<Output = OwnedRwLockWriteGuard<T>> {
        let place = Location::caller();
        async move {
            if !self.raw.take_at_once(Kind::Write) {
                self.raw.acquire(Kind::Write, place).await;
            }
            OwnedRwLockWriteGuard::new(self)
        }
    }

    /// Like [`write_owned`](Self::write_owned), but blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// let number = std::sync::Arc::new(heist::sync::RwLock::new(5));
    /// let mut guard = number.clone().blocking_write_owned();
    /// std::thread::spawn(move || *guard += 1);
    /// // Waits until the thread has dropped the guard.
    /// assert_eq!(*number.blocking_read(), 6);
    /// ```
    #[track_caller]
    pub fn blocking_write_owned(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        block_on(self.write_owned())
    }

    /// Locks for writing, if that is possible now.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] if anybody holds the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// let number = heist::sync::RwLock::new(5);
    /// *number.try_write().unwrap() += 1;
    /// let reader = number.try_read().unwrap();
    /// assert!(number.try_write().is_err());
    /// assert_eq!(*reader, 6);
    /// ```
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        self.try_take(Kind::Write)?;
        Ok(RwLockWriteGuard::new(self))
    }

    /// Like [`try_write`](Self::try_write), for a lock in an [`Arc`].
    ///
    /// # Errors
    ///
    /// The same as for [`try_write`](Self::try_write).
    ///
    /// # Examples
    ///
    /// ```
    /// let number = std::sync::Arc::new(heist::sync::RwLock::new(5));
    /// let guard = number.clone().try_write_owned().unwrap();
    /// assert!(number.clone().try_read_owned().is_err());
    /// drop(guard);
    /// assert!(number.try_read_owned().is_ok());
    /// ```
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        self.try_take(Kind::Write)?;
        Ok(OwnedRwLockWriteGuard::new(self))
    }

    /// The value. Nobody else can hold the lock, so this needs no locking.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut number = heist::sync::RwLock::new(5);
    /// *number.get_mut() += 1;
    /// assert_eq!(number.into_inner(), 6);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline]
    fn try_take(&self, kind: Kind) -> Result<(), TryLockError> {
        if self.raw.try_take(kind) {
            Ok(())
        } else {
            Err(TryLockError(()))
        }
    }

    /// Where the value lies. The guards say who may look there.
    #[inline]
    fn data(&self) -> NonNull<T> {
        // SAFETY: a cell's value does not lie at address zero.
        unsafe { NonNull::new_unchecked(self.value.get()) }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => out.field("data", &&*guard).finish(),
            Err(TryLockError(())) => out.field("data", &format_args!("<locked>")).finish(),
        }
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
