//! An asynchronous reader-writer lock, whose guards may be held across an `.await`.
//!
//! Who may have the lock is decided in `raw`; this file is the data behind it, and `guards` and `owned` lend it out.

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
pub use self::owned::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockUpgradableReadGuard,
    OwnedRwLockWriteGuard,
};
use self::raw::{Kind, MAX_READERS, RawRwLock};
use crate::mutex::TryLockError;
use crate::park::block_on;

/// An asynchronous lock that either one writer or many readers hold.
///
/// One of the readers may be *upgradable* ([`upgradable_read`](Self::upgradable_read)): it can become the writer without
/// letting the lock go in between.
///
/// Nothing is poisoned: a task that panics while it holds the lock lets it go.
///
/// # Fairness
///
/// Those who wait queue in order, and a reader who comes while a writer waits does so too, even if other readers are in:
/// readers that overlap don't keep a writer out for ever. A writer that leaves lets in all the readers who wait before the
/// next writer.
///
/// They are woken to try, and are not handed the lock: a writer that runs may take a free lock ahead of one that has been
/// woken and is still on its way, and so may a reader where no writer waits. One that has waited for longer than half a
/// millisecond, or was woken a few times to find the lock taken, has it handed over. (tokio's lock hands it over every time, which makes each contended lock as
/// slow as a wake-up.)
///
/// A task that holds the lock to read and waits to read again may wait for ever: a writer may wait between the two.
///
/// # Examples
///
/// ```
/// # use heist::sync::RwLock;
/// async fn add(names: &RwLock<Vec<String>>, name: &str) {
///     if !names.read().await.iter().any(|known| known == name) {
///         names.write().await.push(name.to_string());
///     }
/// }
/// # use std::{future::Future, pin::pin, task::{Context, Waker}};
/// # let names = RwLock::new(vec![]);
/// # assert!(pin!(add(&names, "Robin")).poll(&mut Context::from_waker(Waker::noop())).is_ready());
/// # assert_eq!(names.into_inner(), ["Robin"]);
/// ```
pub struct RwLock<T: ?Sized> {
    raw: RawRwLock,
    // std's cell and not the model's, as of the mutex.
    value: UnsafeCell<T>,
}

// SAFETY: sending the lock sends the value.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: the raw lock gives the value to one at a time to write, who may take it out on its thread: hence `Send`; and to
// many to read: hence `Sync`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    /// An unlocked lock.
    pub fn new(value: T) -> Self {
        Self::with_max_readers(value, MAX_READERS)
    }

    /// An unlocked lock that lets in at most so many readers at once, the upgradable one included.
    ///
    /// # Panics
    ///
    /// With none, or with more than `u32::MAX >> 3` (on 32-bit machines `usize::MAX >> 7`).
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

    /// [`new`](Self::new), in a constant.
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

    /// [`with_max_readers`](Self::with_max_readers), in a constant.
    ///
    /// # Panics
    ///
    /// As [`with_max_readers`](Self::with_max_readers), when it is compiled.
    #[cfg(not(heist_loom))]
    #[track_caller]
    pub const fn const_with_max_readers(value: T, max_reads: u32) -> Self {
        Self {
            raw: RawRwLock::new(max_reads),
            value: UnsafeCell::new(value),
        }
    }

    /// The value, by itself again.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits for the lock, to read: completes once no writer is in and none waits ahead.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue; what it had already been given goes to the next.
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

    /// [`read`](Self::read) that blocks the thread.
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

    /// [`read`](Self::read) for a shared lock: the guard may outlive the borrow.
    ///
    /// # Cancel safety
    ///
    /// As [`read`](Self::read).
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

    /// [`read_owned`](Self::read_owned) that blocks the thread.
    #[track_caller]
    pub fn blocking_read_owned(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        block_on(self.read_owned())
    }

    /// Takes the lock to read, if it can be had now.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] where a writer is in or waits.
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        self.try_take(Kind::Read)?;
        Ok(RwLockReadGuard::new(self))
    }

    /// [`try_read`](Self::try_read) for a shared lock.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        self.try_take(Kind::Read)?;
        Ok(OwnedRwLockReadGuard::new(self))
    }

    /// Waits for the lock, to read and perhaps to [write later](RwLockUpgradableReadGuard::upgrade). Other readers come and
    /// go meanwhile, but no second upgradable one.
    ///
    /// # Cancel safety
    ///
    /// As [`read`](Self::read).
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

    /// [`upgradable_read`](Self::upgradable_read) that blocks the thread.
    #[track_caller]
    pub fn blocking_upgradable_read(&self) -> RwLockUpgradableReadGuard<'_, T> {
        block_on(self.upgradable_read())
    }

    /// [`upgradable_read`](Self::upgradable_read) for a shared lock: the guard may outlive the borrow.
    ///
    /// # Cancel safety
    ///
    /// As [`read`](Self::read).
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

    /// [`upgradable_read_owned`](Self::upgradable_read_owned) that blocks the thread.
    #[track_caller]
    pub fn blocking_upgradable_read_owned(self: Arc<Self>) -> OwnedRwLockUpgradableReadGuard<T> {
        block_on(self.upgradable_read_owned())
    }

    /// Takes the lock as the upgradable reader, if it can be had now.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] where a writer is in or waits, or another upgradable reader is in.
    pub fn try_upgradable_read(&self) -> Result<RwLockUpgradableReadGuard<'_, T>, TryLockError> {
        self.try_take(Kind::Upgradable)?;
        Ok(RwLockUpgradableReadGuard::new(self))
    }

    /// [`try_upgradable_read`](Self::try_upgradable_read) for a shared lock.
    ///
    /// # Errors
    ///
    /// As [`try_upgradable_read`](Self::try_upgradable_read).
    pub fn try_upgradable_read_owned(
        self: Arc<Self>,
    ) -> Result<OwnedRwLockUpgradableReadGuard<T>, TryLockError> {
        self.try_take(Kind::Upgradable)?;
        Ok(OwnedRwLockUpgradableReadGuard::new(self))
    }

    /// Waits for the lock, to write: completes once nobody else is in.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue; what it had already been given goes to the next, and readers
    /// who waited for this writer alone come in.
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

    /// [`write`](Self::write) that blocks the thread.
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        block_on(self.write())
    }

    /// [`write`](Self::write) for a shared lock: the guard may outlive the borrow.
    ///
    /// # Cancel safety
    ///
    /// As [`write`](Self::write).
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

    /// [`write_owned`](Self::write_owned) that blocks the thread.
    #[track_caller]
    pub fn blocking_write_owned(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        block_on(self.write_owned())
    }

    /// Takes the lock to write, if it can be had now.
    ///
    /// # Errors
    ///
    /// [`TryLockError`] where somebody is in.
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        self.try_take(Kind::Write)?;
        Ok(RwLockWriteGuard::new(self))
    }

    /// [`try_write`](Self::try_write) for a shared lock.
    ///
    /// # Errors
    ///
    /// As [`try_write`](Self::try_write).
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        self.try_take(Kind::Write)?;
        Ok(OwnedRwLockWriteGuard::new(self))
    }

    /// The value of a lock that nobody else can hold.
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

    /// Where the value lies; who may look there is said by the guards.
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
