//! The guards of a borrowed lock: for reading, upgradable, for writing, and for writing a part of the data.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use super::RwLock;
use super::line::Kind;
use super::raw::RawRwLock;
use crate::contain::contain;
use crate::held::{Held, Mode, Owner};
use crate::park::block_on;

/// The lock is held by one reader of many.
pub(super) struct Reading;
/// The lock is held by the reader that may become the writer.
pub(super) struct Upgradable;
/// The lock is held by the writer.
pub(super) struct Writing;

impl Mode<RawRwLock> for Reading {
    #[inline]
    fn release(raw: &RawRwLock) {
        raw.let_go(Kind::Read);
    }
}

impl Mode<RawRwLock> for Upgradable {
    #[inline]
    fn release(raw: &RawRwLock) {
        raw.let_go(Kind::Upgradable);
    }
}

impl Mode<RawRwLock> for Writing {
    #[inline]
    fn release(raw: &RawRwLock) {
        raw.let_go(Kind::Write);
    }
}

impl Owner for &RawRwLock {
    type Raw = RawRwLock;

    #[inline]
    fn raw(&self) -> &RawRwLock {
        self
    }
}

/// What a guard lends: it dereferences to what its `data` points to, and has the `Debug` and `Display` of that.
macro_rules! lends {
    ([$($generics:tt)*] $guard:ty, $data:ident) => {
        impl<$($generics)*> Deref for $guard {
            type Target = $data;

            #[inline]
            fn deref(&self) -> &$data {
                // SAFETY: `data` points into the data of the lock that this guard holds. Only a guard that writes
                // writes it; such a guard is alone, and `&self` keeps it from lending `&mut`.
                unsafe { self.data.as_ref() }
            }
        }

        impl<$($generics)*> fmt::Debug for $guard
        where
            $data: fmt::Debug,
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&**self, f)
            }
        }

        impl<$($generics)*> fmt::Display for $guard
        where
            $data: fmt::Display,
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&**self, f)
            }
        }
    };
    (mut [$($generics:tt)*] $guard:ty, $data:ident) => {
        lends!([$($generics)*] $guard, $data);

        impl<$($generics)*> DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut $data {
                // SAFETY: `data` points into the data of the lock, which only this guard holds, and `&mut self` makes
                // this the only reference through it.
                unsafe { self.data.as_mut() }
            }
        }
    };
}
pub(super) use lends;

/// A shared lock of a borrowed [`RwLock`]; dropping it unlocks.
///
/// [`RwLock::read`] has an example.
#[must_use = "a lock that is not held protects nothing"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    held: Held<&'a RawRwLock, Reading>,
    data: NonNull<T>,
    _lends: PhantomData<&'a T>,
}

/// A shared lock of a borrowed [`RwLock`] that can become the exclusive lock without releasing it in between. Only one
/// exists at a time, beside any number of other readers.
///
/// [`RwLock::upgradable_read`] has an example.
#[must_use = "a lock that is not held protects nothing"]
pub struct RwLockUpgradableReadGuard<'a, T: ?Sized> {
    held: Held<&'a RawRwLock, Upgradable>,
    data: NonNull<T>,
    /// Invariant in `T`, as the guard that it may become is.
    _lends: PhantomData<&'a mut T>,
}

/// The exclusive lock of a borrowed [`RwLock`]; dropping it unlocks.
///
/// [`RwLock::write`] has an example.
#[must_use = "a lock that is not held protects nothing"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    held: Held<&'a RawRwLock, Writing>,
    data: NonNull<T>,
    _lends: PhantomData<&'a mut T>,
}

/// The exclusive lock of a borrowed [`RwLock`] that gives access to a part of the data: see [`RwLockWriteGuard::map`].
#[must_use = "a lock that is not held protects nothing"]
pub struct RwLockMappedWriteGuard<'a, T: ?Sized> {
    held: Held<&'a RawRwLock, Writing>,
    data: NonNull<T>,
    _lends: PhantomData<&'a mut T>,
}

// SAFETY: sending a reading guard sends a `&T`, and the lock may be released on any thread.
unsafe impl<T: ?Sized + Sync> Send for RwLockReadGuard<'_, T> {}
// SAFETY: a shared guard gives out `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLockReadGuard<'_, T> {}
// SAFETY: sending it sends a `&T`, and after an upgrade a `&mut T`.
unsafe impl<T: ?Sized + Send + Sync> Send for RwLockUpgradableReadGuard<'_, T> {}
// SAFETY: a shared guard gives out `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLockUpgradableReadGuard<'_, T> {}
// SAFETY: sending it sends a `&mut T`, and after a downgrade a `&T`.
unsafe impl<T: ?Sized + Send + Sync> Send for RwLockWriteGuard<'_, T> {}
// SAFETY: a shared guard gives out `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLockWriteGuard<'_, T> {}
// SAFETY: as for `RwLockWriteGuard`.
unsafe impl<T: ?Sized + Send + Sync> Send for RwLockMappedWriteGuard<'_, T> {}
// SAFETY: as for `RwLockWriteGuard`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLockMappedWriteGuard<'_, T> {}

lends!(['a, T: ?Sized] RwLockReadGuard<'a, T>, T);
lends!(['a, T: ?Sized] RwLockUpgradableReadGuard<'a, T>, T);
lends!(mut ['a, T: ?Sized] RwLockWriteGuard<'a, T>, T);
lends!(mut ['a, T: ?Sized] RwLockMappedWriteGuard<'a, T>, T);

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// The caller has just been given the lock, to read.
    #[inline]
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        Self::of_part(Held::new(&lock.raw), lock.data())
    }

    fn of_part(held: Held<&'a RawRwLock, Reading>, data: NonNull<T>) -> Self {
        Self {
            held,
            data,
            _lends: PhantomData,
        }
    }

    /// Narrows the guard to a part of the data. Call it as `RwLockReadGuard::map(guard, |data| …)`; it is no method, so
    /// that it hides no method of the data.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{RwLock, RwLockReadGuard};
    ///
    /// let pair = RwLock::new((1, 2));
    /// let second = RwLockReadGuard::map(pair.try_read().unwrap(), |pair| &pair.1);
    /// assert_eq!(*second, 2);
    /// assert!(pair.try_read().is_ok() && pair.try_write().is_err());
    /// ```
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        let data = NonNull::from(f(&*this));
        RwLockReadGuard::of_part(this.held, data)
    }

    /// Narrows the guard to a part of the data, if `f` finds that part.
    ///
    /// # Errors
    ///
    /// Returns the guard unchanged if `f` returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{RwLock, RwLockReadGuard};
    ///
    /// let names = RwLock::new(vec!["Robin"]);
    /// let guard = names.try_read().unwrap();
    /// let guard = RwLockReadGuard::try_map(guard, |names| names.get(5)).unwrap_err();
    /// let first = RwLockReadGuard::try_map(guard, |names| names.first()).unwrap();
    /// assert_eq!(*first, "Robin");
    /// ```
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match f(&*this).map(NonNull::from) {
            Some(data) => Ok(RwLockReadGuard::of_part(this.held, data)),
            None => Err(this),
        }
    }
}

impl<'a, T: ?Sized> RwLockUpgradableReadGuard<'a, T> {
    /// The caller has just been given the lock, as the upgradable reader.
    #[inline]
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        Self {
            held: Held::new(&lock.raw),
            data: lock.data(),
            _lends: PhantomData,
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
    /// use heist::sync::{RwLock, RwLockUpgradableReadGuard};
    ///
    /// async fn count(seen: &RwLock<Vec<u32>>, number: u32) {
    ///     let guard = seen.upgradable_read().await;
    ///     if !guard.contains(&number) {
    ///         RwLockUpgradableReadGuard::upgrade(guard).await.push(number);
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let seen = RwLock::new(vec![]);
    ///     count(&seen, 7).await;
    ///     count(&seen, 7).await;
    ///     assert_eq!(seen.into_inner(), [7]);
    /// }
    /// ```
    #[track_caller]
    pub fn upgrade(this: Self) -> impl Future<Output = RwLockWriteGuard<'a, T>> {
        let place = Location::caller();
        async move {
            // If this future is dropped, the wait below ends first. It leaves an upgradable lock, which `this`
            // releases.
            let raw = this.held.owner();
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
    /// use heist::sync::{RwLock, RwLockUpgradableReadGuard};
    ///
    /// let number = RwLock::new(5);
    /// let guard = number.blocking_upgradable_read();
    /// if *guard < 10 {
    ///     *RwLockUpgradableReadGuard::blocking_upgrade(guard) = 10;
    /// }
    /// assert_eq!(*number.blocking_read(), 10);
    /// ```
    #[track_caller]
    pub fn blocking_upgrade(this: Self) -> RwLockWriteGuard<'a, T> {
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
    /// use heist::sync::{RwLock, RwLockUpgradableReadGuard};
    ///
    /// let lock = RwLock::new(1);
    /// let reader = lock.try_read().unwrap();
    /// let guard = lock.try_upgradable_read().unwrap();
    /// let guard = RwLockUpgradableReadGuard::try_upgrade(guard).unwrap_err();
    /// drop(reader);
    /// *RwLockUpgradableReadGuard::try_upgrade(guard).unwrap() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    pub fn try_upgrade(this: Self) -> Result<RwLockWriteGuard<'a, T>, Self> {
        if this.held.owner().try_take(Kind::Upgrade) {
            Ok(this.upgraded())
        } else {
            Err(this)
        }
    }

    /// The raw lock has been upgraded.
    fn upgraded(self) -> RwLockWriteGuard<'a, T> {
        RwLockWriteGuard {
            held: Held::new(self.held.into_owner()),
            data: self.data,
            _lends: PhantomData,
        }
    }

    /// Becomes an ordinary reader. Another task may then become the upgradable one.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{RwLock, RwLockUpgradableReadGuard};
    ///
    /// let number = RwLock::new(5);
    /// let guard = number.try_upgradable_read().unwrap();
    /// let guard = RwLockUpgradableReadGuard::downgrade(guard);
    /// let other = number.try_upgradable_read().unwrap();
    /// assert_eq!((*guard, *other), (5, 5));
    /// ```
    pub fn downgrade(this: Self) -> RwLockReadGuard<'a, T> {
        RwLockReadGuard::of_part(
            downgrade(this.held, Kind::Upgradable, Kind::Read),
            this.data,
        )
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// The caller has just been given the lock, to write.
    #[inline]
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        Self {
            held: Held::new(&lock.raw),
            data: lock.data(),
            _lends: PhantomData,
        }
    }

    /// Narrows the guard to a part of the data. Call it as `RwLockWriteGuard::map(guard, |data| …)`; it is no method,
    /// so that it hides no method of the data.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let pair = RwLock::new((1, 2));
    /// *RwLockWriteGuard::map(pair.try_write().unwrap(), |pair| &mut pair.1) += 5;
    /// assert_eq!(pair.into_inner(), (1, 7));
    /// ```
    pub fn map<F, U: ?Sized>(mut this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        let data = NonNull::from(f(&mut *this));
        RwLockMappedWriteGuard::of_part(this.held, data)
    }

    /// Narrows the guard to a part of the data, if `f` finds that part.
    ///
    /// # Errors
    ///
    /// Returns the guard unchanged if `f` returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let names = RwLock::new(vec![String::from("Robin")]);
    /// let guard = names.try_write().unwrap();
    /// let guard = RwLockWriteGuard::try_map(guard, |names| names.get_mut(5)).unwrap_err();
    /// RwLockWriteGuard::try_map(guard, |names| names.first_mut()).unwrap().push_str(" Hood");
    /// assert_eq!(names.into_inner(), ["Robin Hood"]);
    /// ```
    pub fn try_map<F, U: ?Sized>(
        mut this: Self,
        f: F,
    ) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match f(&mut *this).map(NonNull::from) {
            Some(data) => Ok(RwLockMappedWriteGuard::of_part(this.held, data)),
            None => Err(this),
        }
    }

    /// Turns the guard into a mapped one, of all the data.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{RwLock, RwLockMappedWriteGuard, RwLockWriteGuard};
    ///
    /// /// Adds to a number that may be a part of something larger.
    /// fn add_one(mut number: RwLockMappedWriteGuard<'_, u8>) {
    ///     *number += 1;
    /// }
    ///
    /// let number = RwLock::new(5);
    /// add_one(RwLockWriteGuard::into_mapped(number.try_write().unwrap()));
    /// let pair = RwLock::new((1, 2));
    /// add_one(RwLockWriteGuard::map(pair.try_write().unwrap(), |pair| &mut pair.1));
    /// assert_eq!((number.into_inner(), pair.into_inner()), (6, (1, 3)));
    /// ```
    pub fn into_mapped(this: Self) -> RwLockMappedWriteGuard<'a, T> {
        RwLockMappedWriteGuard::of_part(this.held, this.data)
    }

    /// [`downgrade`](Self::downgrade) and [`RwLockReadGuard::map`] in one step: `f` sees the data before any other
    /// reader or writer does.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let pair = RwLock::new((1, 2));
    /// let mut guard = pair.try_write().unwrap();
    /// guard.1 += 1;
    /// let second = RwLockWriteGuard::downgrade_map(guard, |pair| &pair.1);
    /// assert_eq!((*second, pair.try_read().unwrap().0), (3, 1));
    /// ```
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        let data = NonNull::from(f(&*this));
        RwLockReadGuard::of_part(downgrade(this.held, Kind::Write, Kind::Read), data)
    }

    /// Like [`downgrade_map`](Self::downgrade_map), if `f` finds the part.
    ///
    /// # Errors
    ///
    /// Returns the guard unchanged if `f` returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let names = RwLock::new(vec![]);
    /// let guard = names.try_write().unwrap();
    /// let mut guard = RwLockWriteGuard::try_downgrade_map(guard, |names| names.first()).unwrap_err();
    /// guard.push("Robin");
    /// let first = RwLockWriteGuard::try_downgrade_map(guard, |names| names.first()).unwrap();
    /// assert_eq!(*first, "Robin");
    /// ```
    pub fn try_downgrade_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        match f(&*this).map(NonNull::from) {
            Some(data) => Ok(RwLockReadGuard::of_part(
                downgrade(this.held, Kind::Write, Kind::Read),
                data,
            )),
            None => Err(this),
        }
    }

    /// Becomes a reader without releasing the lock in between: no writer comes first. Readers that wait ahead of the
    /// next writer get in.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = heist::sync::RwLock::new(1);
    /// let mut guard = lock.try_write().unwrap();
    /// *guard += 1;
    /// let guard = guard.downgrade();
    /// assert_eq!((*guard, *lock.try_read().unwrap()), (2, 2));
    /// ```
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        RwLockReadGuard::of_part(downgrade(self.held, Kind::Write, Kind::Read), self.data)
    }

    /// Becomes the upgradable reader without releasing the lock in between.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{RwLock, RwLockUpgradableReadGuard};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let number = RwLock::new(5);
    ///     let mut guard = number.write().await;
    ///     *guard += 1;
    ///     // Others may read now, and nobody may change it in between.
    ///     let guard = guard.downgrade_to_upgradable();
    ///     assert_eq!(*number.read().await, 6);
    ///     *RwLockUpgradableReadGuard::upgrade(guard).await += 1;
    ///     assert_eq!(number.into_inner(), 7);
    /// }
    /// ```
    pub fn downgrade_to_upgradable(self) -> RwLockUpgradableReadGuard<'a, T> {
        RwLockUpgradableReadGuard {
            held: downgrade(self.held, Kind::Write, Kind::Upgradable),
            data: self.data,
            _lends: PhantomData,
        }
    }
}

impl<'a, T: ?Sized> RwLockMappedWriteGuard<'a, T> {
    fn of_part(held: Held<&'a RawRwLock, Writing>, data: NonNull<T>) -> Self {
        Self {
            held,
            data,
            _lends: PhantomData,
        }
    }

    /// Narrows the guard further.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{RwLock, RwLockMappedWriteGuard, RwLockWriteGuard};
    ///
    /// let nested = RwLock::new((1, (2, 3)));
    /// let inner = RwLockWriteGuard::map(nested.try_write().unwrap(), |outer| &mut outer.1);
    /// *RwLockMappedWriteGuard::map(inner, |inner| &mut inner.0) = 7;
    /// assert_eq!(nested.into_inner(), (1, (7, 3)));
    /// ```
    pub fn map<F, U: ?Sized>(mut this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        let data = NonNull::from(f(&mut *this));
        RwLockMappedWriteGuard::of_part(this.held, data)
    }

    /// Narrows the guard further, if `f` finds the part.
    ///
    /// # Errors
    ///
    /// Returns the guard unchanged if `f` returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{RwLock, RwLockMappedWriteGuard, RwLockWriteGuard};
    ///
    /// let pair = RwLock::new((0, vec![1]));
    /// let numbers = RwLockWriteGuard::map(pair.try_write().unwrap(), |pair| &mut pair.1);
    /// *RwLockMappedWriteGuard::try_map(numbers, |numbers| numbers.first_mut()).unwrap() = 7;
    /// assert_eq!(pair.into_inner(), (0, vec![7]));
    /// ```
    pub fn try_map<F, U: ?Sized>(
        mut this: Self,
        f: F,
    ) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match f(&mut *this).map(NonNull::from) {
            Some(data) => Ok(RwLockMappedWriteGuard::of_part(this.held, data)),
            None => Err(this),
        }
    }
}

/// Changes from one way to hold the lock to a lesser one, whatever keeps the lock alive.
pub(super) fn downgrade<O, M, L>(held: Held<O, M>, from: Kind, to: Kind) -> Held<O, L>
where
    O: Owner<Raw = RawRwLock>,
    M: Mode<RawRwLock>,
    L: Mode<RawRwLock>,
{
    // The lock is held in the lesser way before anyone is woken. If a waker panics, the lock is released, which may
    // wake another task whose waker panics.
    let lesser: Held<O, L> = Held::new(held.into_owner());
    let downgrade = || lesser.owner().raw().downgrade(from, to);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(downgrade)) {
        contain(|| drop(lesser));
        resume_unwind(panic);
    }
    lesser
}
