//! The guards of a lock in an [`Arc`]: as those in `guards`, but without a lifetime.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

use super::RwLock;
use super::guards::{Reading, Upgradable, Writing, downgrade, lends};
use super::line::Kind;
use super::raw::RawRwLock;
use crate::held::{Held, Owner};
use crate::park::block_on;

impl<T: ?Sized> Owner for Arc<RwLock<T>> {
    type Raw = RawRwLock;

    #[inline]
    fn raw(&self) -> &RawRwLock {
        &self.raw
    }
}

/// A shared lock of a [`RwLock`] of `T` in an [`Arc`]. It gives access to all of the data or a part, a `U`; dropping it
/// unlocks.
///
/// [`RwLock::read_owned`] has an example.
#[must_use = "a lock that is not held protects nothing"]
pub struct OwnedRwLockReadGuard<T: ?Sized, U: ?Sized = T> {
    held: Held<Arc<RwLock<T>>, Reading>,
    data: NonNull<U>,
}

/// A shared lock of a [`RwLock`] in an [`Arc`] that can become the exclusive lock without releasing it in between. Only
/// one exists at a time, beside any number of other readers.
///
/// [`upgrade`](Self::upgrade) has an example.
#[must_use = "a lock that is not held protects nothing"]
pub struct OwnedRwLockUpgradableReadGuard<T: ?Sized> {
    held: Held<Arc<RwLock<T>>, Upgradable>,
    data: NonNull<T>,
}

/// The exclusive lock of a [`RwLock`] in an [`Arc`]; dropping it unlocks.
///
/// [`RwLock::write_owned`] has an example.
#[must_use = "a lock that is not held protects nothing"]
pub struct OwnedRwLockWriteGuard<T: ?Sized> {
    held: Held<Arc<RwLock<T>>, Writing>,
    data: NonNull<T>,
}

/// The exclusive lock of a [`RwLock`] of `T` in an [`Arc`] that gives access to a part of the data: see
/// [`OwnedRwLockWriteGuard::map`].
#[must_use = "a lock that is not held protects nothing"]
pub struct OwnedRwLockMappedWriteGuard<T: ?Sized, U: ?Sized = T> {
    held: Held<Arc<RwLock<T>>, Writing>,
    data: NonNull<U>,
    /// Invariant in `U`, as `&mut U` is.
    _lends: PhantomData<*mut U>,
}

// SAFETY: sending it sends a `&U`, and a share that may be the last: then `T` is dropped there.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Send for OwnedRwLockReadGuard<T, U> {}
// SAFETY: a shared guard gives out `&U`, and the lock.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send + Sync> Sync for OwnedRwLockReadGuard<T, U> {}
// SAFETY: sending it sends a `&T`, after an upgrade a `&mut T`, and a share that may be the last.
unsafe impl<T: ?Sized + Send + Sync> Send for OwnedRwLockUpgradableReadGuard<T> {}
// SAFETY: a shared guard gives out `&T`, and the lock.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedRwLockUpgradableReadGuard<T> {}
// SAFETY: sending it sends a `&mut T`, and a share that may be the last.
unsafe impl<T: ?Sized + Send + Sync> Send for OwnedRwLockWriteGuard<T> {}
// SAFETY: a shared guard gives out `&T`, and the lock.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedRwLockWriteGuard<T> {}
// SAFETY: sending it sends a `&mut U`, and a share that may be the last.
unsafe impl<T, U> Send for OwnedRwLockMappedWriteGuard<T, U>
where
    T: ?Sized + Send + Sync,
    U: ?Sized + Send + Sync,
{
}
// SAFETY: a shared guard gives out `&U`, and the lock.
unsafe impl<T, U> Sync for OwnedRwLockMappedWriteGuard<T, U>
where
    T: ?Sized + Send + Sync,
    U: ?Sized + Send + Sync,
{
}

lends!([T: ?Sized, U: ?Sized] OwnedRwLockReadGuard<T, U>, U);
lends!([T: ?Sized] OwnedRwLockUpgradableReadGuard<T>, T);
lends!(mut [T: ?Sized] OwnedRwLockWriteGuard<T>, T);
lends!(mut [T: ?Sized, U: ?Sized] OwnedRwLockMappedWriteGuard<T, U>, U);

impl<T: ?Sized> OwnedRwLockReadGuard<T> {
    /// The caller has just been given the lock, to read.
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        let data = lock.data();
        Self::of_part(Held::new(lock), data)
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    fn of_part(held: Held<Arc<RwLock<T>>, Reading>, data: NonNull<U>) -> Self {
        Self { held, data }
    }

    /// Narrows the guard to a part of the data.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{OwnedRwLockReadGuard, RwLock};
    /// use std::sync::Arc;
    ///
    /// let pair = Arc::new(RwLock::new((1, 2)));
    /// let second = OwnedRwLockReadGuard::map(pair.try_read_owned().unwrap(), |pair| &pair.1);
    /// assert_eq!(*second, 2);
    /// ```
    pub fn map<F, V: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, V>
    where
        F: FnOnce(&U) -> &V,
    {
        let data = NonNull::from(f(&*this));
        OwnedRwLockReadGuard::of_part(this.held, data)
    }

    /// Narrows the guard to a part of the data, if `f` finds that part.
    ///
    /// # Errors
    ///
    /// Returns the guard unchanged if `f` returns `None`.
    ///
    /// [`RwLockReadGuard::try_map`](crate::RwLockReadGuard::try_map) has an example.
    pub fn try_map<F, V: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockReadGuard<T, V>, Self>
    where
        F: FnOnce(&U) -> Option<&V>,
    {
        match f(&*this).map(NonNull::from) {
            Some(data) => Ok(OwnedRwLockReadGuard::of_part(this.held, data)),
            None => Err(this),
        }
    }

    /// The lock that this guard holds.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::{OwnedRwLockReadGuard, RwLock};
    ///
    /// let number = Arc::new(RwLock::new(5));
    /// let guard = number.clone().try_read_owned().unwrap();
    /// assert!(Arc::ptr_eq(OwnedRwLockReadGuard::rwlock(&guard), &number));
    /// ```
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.held.owner()
    }
}

impl<T: ?Sized> OwnedRwLockUpgradableReadGuard<T> {
    /// The caller has just been given the lock, as the upgradable reader.
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        let data = lock.data();
        Self {
            held: Held::new(lock),
            data,
        }
    }

    /// Becomes the writer. Completes once the other readers have unlocked. No new reader gets in meanwhile and no other
    /// writer comes first, so the data is still what this guard has shown.
    ///
    /// # Cancel safety
    ///
    /// The future owns the guard, so dropping the future releases the lock altogether.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::{OwnedRwLockUpgradableReadGuard, RwLock};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let number = Arc::new(RwLock::new(5));
    ///     let guard = number.clone().upgradable_read_owned().await;
    ///     let task = heist::spawn(async move {
    ///         if *guard < 10 {
    ///             *OwnedRwLockUpgradableReadGuard::upgrade(guard).await = 10;
    ///         }
    ///     });
    ///     task.await.unwrap();
    ///     assert_eq!(*number.read().await, 10);
    /// }
    /// ```
    #[track_caller]
    pub fn upgrade(this: Self) -> impl Future<Output = OwnedRwLockWriteGuard<T>> {
        let place = Location::caller();
        async move {
            // If this future is dropped, the wait below ends first. It leaves an upgradable lock, which `this`
            // releases.
            let raw = this.held.owner().raw();
            if !raw.take_at_once(Kind::Upgrade) {
                raw.acquire(Kind::Upgrade, place).await;
            }
            this.upgraded()
        }
    }

    /// Like [`upgrade`](Self::upgrade), but blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::{OwnedRwLockUpgradableReadGuard, RwLock};
    ///
    /// let number = Arc::new(RwLock::new(5));
    /// let guard = number.clone().blocking_upgradable_read_owned();
    /// *OwnedRwLockUpgradableReadGuard::blocking_upgrade(guard) += 1;
    /// assert_eq!(*number.blocking_read(), 6);
    /// ```
    #[track_caller]
    pub fn blocking_upgrade(this: Self) -> OwnedRwLockWriteGuard<T> {
        block_on(Self::upgrade(this))
    }

    /// Becomes the writer, if there are no other readers now.
    ///
    /// # Errors
    ///
    /// Returns the guard unchanged if there are other readers.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::{OwnedRwLockUpgradableReadGuard, RwLock};
    ///
    /// let number = Arc::new(RwLock::new(5));
    /// let reader = number.clone().try_read_owned().unwrap();
    /// let guard = number.clone().try_upgradable_read_owned().unwrap();
    /// let guard = OwnedRwLockUpgradableReadGuard::try_upgrade(guard).unwrap_err();
    /// drop(reader);
    /// assert!(OwnedRwLockUpgradableReadGuard::try_upgrade(guard).is_ok());
    /// ```
    pub fn try_upgrade(this: Self) -> Result<OwnedRwLockWriteGuard<T>, Self> {
        if this.held.owner().raw().try_take(Kind::Upgrade) {
            Ok(this.upgraded())
        } else {
            Err(this)
        }
    }

    /// The raw lock has been upgraded.
    fn upgraded(self) -> OwnedRwLockWriteGuard<T> {
        OwnedRwLockWriteGuard {
            held: Held::new(self.held.into_owner()),
            data: self.data,
        }
    }

    /// Becomes an ordinary reader. Another task may then become the upgradable one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::{OwnedRwLockUpgradableReadGuard, RwLock};
    ///
    /// let number = Arc::new(RwLock::new(5));
    /// let guard = number.clone().try_upgradable_read_owned().unwrap();
    /// let guard = OwnedRwLockUpgradableReadGuard::downgrade(guard);
    /// assert!(number.try_upgradable_read().is_ok());
    /// assert_eq!(*guard, 5);
    /// ```
    pub fn downgrade(this: Self) -> OwnedRwLockReadGuard<T> {
        let held = downgrade(this.held, Kind::Upgradable, Kind::Read);
        OwnedRwLockReadGuard::of_part(held, this.data)
    }

    /// The lock that this guard holds.
    ///
    /// [`OwnedRwLockReadGuard::rwlock`] has an example.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.held.owner()
    }
}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    /// The caller has just been given the lock, to write.
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        let data = lock.data();
        Self {
            held: Held::new(lock),
            data,
        }
    }

    /// Narrows the guard to a part of the data.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// let pair = Arc::new(RwLock::new((1, 2)));
    /// let guard = pair.clone().try_write_owned().unwrap();
    /// *OwnedRwLockWriteGuard::map(guard, |pair| &mut pair.1) += 5;
    /// assert_eq!(*pair.try_read().unwrap(), (1, 7));
    /// ```
    pub fn map<F, U: ?Sized>(mut this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        let data = NonNull::from(f(&mut *this));
        OwnedRwLockMappedWriteGuard::of_part(this.held, data)
    }

    /// Narrows the guard to a part of the data, if `f` finds that part.
    ///
    /// # Errors
    ///
    /// Returns the guard unchanged if `f` returns `None`.
    ///
    /// [`RwLockWriteGuard::try_map`](crate::RwLockWriteGuard::try_map) has an example.
    pub fn try_map<F, U: ?Sized>(
        mut this: Self,
        f: F,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match f(&mut *this).map(NonNull::from) {
            Some(data) => Ok(OwnedRwLockMappedWriteGuard::of_part(this.held, data)),
            None => Err(this),
        }
    }

    /// Turns the guard into a mapped one, of all the data.
    ///
    /// [`RwLockWriteGuard::into_mapped`](crate::RwLockWriteGuard::into_mapped) has an example.
    pub fn into_mapped(this: Self) -> OwnedRwLockMappedWriteGuard<T> {
        OwnedRwLockMappedWriteGuard::of_part(this.held, this.data)
    }

    /// [`downgrade`](Self::downgrade) and [`OwnedRwLockReadGuard::map`] in one step: `f` sees the data before any other
    /// reader or writer does.
    ///
    /// [`RwLockWriteGuard::downgrade_map`](crate::RwLockWriteGuard::downgrade_map) has an example.
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, U>
    where
        F: FnOnce(&T) -> &U,
    {
        let data = NonNull::from(f(&*this));
        OwnedRwLockReadGuard::of_part(downgrade(this.held, Kind::Write, Kind::Read), data)
    }

    /// Like [`downgrade_map`](Self::downgrade_map), if `f` finds the part.
    ///
    /// # Errors
    ///
    /// Returns the guard unchanged if `f` returns `None`.
    ///
    /// [`RwLockWriteGuard::try_downgrade_map`](crate::RwLockWriteGuard::try_downgrade_map) has an example.
    pub fn try_downgrade_map<F, U: ?Sized>(
        this: Self,
        f: F,
    ) -> Result<OwnedRwLockReadGuard<T, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match f(&*this).map(NonNull::from) {
            Some(data) => {
                let held = downgrade(this.held, Kind::Write, Kind::Read);
                Ok(OwnedRwLockReadGuard::of_part(held, data))
            }
            None => Err(this),
        }
    }

    /// Becomes a reader without releasing the lock in between: no writer comes first. Readers that wait ahead of the
    /// next writer get in.
    ///
    /// # Examples
    ///
    /// ```
    /// let number = std::sync::Arc::new(heist::sync::RwLock::new(5));
    /// let mut guard = number.clone().try_write_owned().unwrap();
    /// *guard += 1;
    /// let guard = guard.downgrade();
    /// assert_eq!((*guard, *number.try_read().unwrap()), (6, 6));
    /// ```
    pub fn downgrade(self) -> OwnedRwLockReadGuard<T> {
        let held = downgrade(self.held, Kind::Write, Kind::Read);
        OwnedRwLockReadGuard::of_part(held, self.data)
    }

    /// Becomes the upgradable reader without releasing the lock in between.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::{OwnedRwLockUpgradableReadGuard, RwLock};
    ///
    /// let number = Arc::new(RwLock::new(5));
    /// let guard = number.clone().blocking_write_owned().downgrade_to_upgradable();
    /// assert_eq!(*number.blocking_read(), 5);
    /// *OwnedRwLockUpgradableReadGuard::blocking_upgrade(guard) += 1;
    /// assert_eq!(*number.blocking_read(), 6);
    /// ```
    pub fn downgrade_to_upgradable(self) -> OwnedRwLockUpgradableReadGuard<T> {
        OwnedRwLockUpgradableReadGuard {
            held: downgrade(self.held, Kind::Write, Kind::Upgradable),
            data: self.data,
        }
    }

    /// The lock that this guard holds.
    ///
    /// [`OwnedRwLockReadGuard::rwlock`] has an example.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.held.owner()
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockMappedWriteGuard<T, U> {
    fn of_part(held: Held<Arc<RwLock<T>>, Writing>, data: NonNull<U>) -> Self {
        Self {
            held,
            data,
            _lends: PhantomData,
        }
    }

    /// Narrows the guard further.
    ///
    /// [`RwLockMappedWriteGuard::map`](crate::RwLockMappedWriteGuard::map) has an example.
    pub fn map<F, V: ?Sized>(mut this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, V>
    where
        F: FnOnce(&mut U) -> &mut V,
    {
        let data = NonNull::from(f(&mut *this));
        OwnedRwLockMappedWriteGuard::of_part(this.held, data)
    }

    /// Narrows the guard further, if `f` finds the part.
    ///
    /// # Errors
    ///
    /// Returns the guard unchanged if `f` returns `None`.
    ///
    /// [`RwLockMappedWriteGuard::try_map`](crate::RwLockMappedWriteGuard::try_map) has an example.
    pub fn try_map<F, V: ?Sized>(
        mut this: Self,
        f: F,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, V>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut V>,
    {
        match f(&mut *this).map(NonNull::from) {
            Some(data) => Ok(OwnedRwLockMappedWriteGuard::of_part(this.held, data)),
            None => Err(this),
        }
    }

    /// The lock that this guard holds.
    ///
    /// [`OwnedRwLockReadGuard::rwlock`] has an example.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.held.owner()
    }
}
