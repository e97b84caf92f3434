//! The guards of a mutex, for all of its data or for a part (mapped), borrowed or owned.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use super::Mutex;
use super::raw::RawMutex;
use crate::held::{Held, Mode, Owner};

/// The only way to hold a mutex.
pub(super) struct Exclusive;

impl Mode<RawMutex> for Exclusive {
    #[inline]
    fn release(raw: &RawMutex) {
        raw.unlock();
    }
}

impl<T: ?Sized> Owner for &Mutex<T> {
    type Raw = RawMutex;

    #[inline]
    fn raw(&self) -> &RawMutex {
        &self.raw
    }
}

impl Owner for &RawMutex {
    type Raw = RawMutex;

    fn raw(&self) -> &RawMutex {
        self
    }
}

impl<T: ?Sized> Owner for Arc<Mutex<T>> {
    type Raw = RawMutex;

    #[inline]
    fn raw(&self) -> &RawMutex {
        &self.raw
    }
}

/// The lock of a borrowed [`Mutex`]; dropping it unlocks.
///
/// [`Mutex::lock`] has an example.
#[must_use = "a lock that is not held protects nothing"]
pub struct MutexGuard<'a, T: ?Sized> {
    held: Held<&'a Mutex<T>, Exclusive>,
}

/// The lock of a [`Mutex`] in an [`Arc`]; dropping it unlocks.
///
/// [`Mutex::lock_owned`] has an example.
#[must_use = "a lock that is not held protects nothing"]
pub struct OwnedMutexGuard<T: ?Sized> {
    held: Held<Arc<Mutex<T>>, Exclusive>,
}

/// The lock of a borrowed [`Mutex`] that gives access to a part of the data: see [`MutexGuard::map`].
#[must_use = "a lock that is not held protects nothing"]
pub struct MappedMutexGuard<'a, T: ?Sized> {
    held: Held<&'a RawMutex, Exclusive>,
    /// Points into the data of the mutex, which is this guard's alone.
    data: NonNull<T>,
    _lends: PhantomData<&'a mut T>,
}

/// The lock of a [`Mutex`] of `T` in an [`Arc`] that gives access to a part of the data: see [`OwnedMutexGuard::map`].
#[must_use = "a lock that is not held protects nothing"]
pub struct OwnedMappedMutexGuard<T: ?Sized, U: ?Sized = T> {
    held: Held<Arc<Mutex<T>>, Exclusive>,
    /// Points into the data of the mutex, which is this guard's alone.
    data: NonNull<U>,
    /// Invariant in `U`, as `&mut U` is.
    _lends: PhantomData<*mut U>,
}

// SAFETY: a shared guard only gives out `&T`. (Sending a guard needs nothing more than the mutex does: it may be
// unlocked on any thread.)
unsafe impl<T: ?Sized + Send + Sync> Sync for MutexGuard<'_, T> {}
// SAFETY: as for `MutexGuard`.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedMutexGuard<T> {}
// SAFETY: a shared guard only gives out `&T`.
unsafe impl<T: ?Sized + Sync> Sync for MappedMutexGuard<'_, T> {}
// SAFETY: sending the guard sends a `&mut T`, and the lock may be released on any thread.
unsafe impl<T: ?Sized + Send> Send for MappedMutexGuard<'_, T> {}
// SAFETY: a shared guard gives out `&U`, and the mutex, which may be dropped elsewhere with this share as the last.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send + Sync> Sync for OwnedMappedMutexGuard<T, U> {}
// SAFETY: sending the guard sends a `&mut U`. The share may be the last of the mutex: then `T` is dropped there.
unsafe impl<T: ?Sized + Send, U: ?Sized + Send> Send for OwnedMappedMutexGuard<T, U> {}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// The caller has just been given the lock.
    #[inline]
    pub(super) fn new(mutex: &'a Mutex<T>) -> Self {
        Self {
            held: Held::new(mutex),
        }
    }

    /// The mutex that this guard locks.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{Mutex, MutexGuard};
    ///
    /// let number = Mutex::new(1);
    /// let guard = number.try_lock().unwrap();
    /// assert!(std::ptr::eq(MutexGuard::mutex(&guard), &number));
    /// ```
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.held.owner()
    }

    /// Narrows the guard to a part of the data. Call it as `MutexGuard::map(guard, |data| …)`; it is no method, so that
    /// it hides no method of the data.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{Mutex, MutexGuard};
    ///
    /// let pair = Mutex::new((1, "one".to_string()));
    /// let mut name = MutexGuard::map(pair.try_lock().unwrap(), |pair| &mut pair.1);
    /// name.push('!');
    /// drop(name);
    /// assert_eq!(pair.into_inner(), (1, "one!".to_string()));
    /// ```
    pub fn map<U: ?Sized, F>(mut this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        let data = NonNull::from(f(&mut *this));
        this.into_mapped(data)
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
    /// use heist::sync::{Mutex, MutexGuard};
    ///
    /// let numbers = Mutex::new(vec![1, 2]);
    /// let second = MutexGuard::try_map(numbers.try_lock().unwrap(), |all| all.get_mut(1));
    /// assert_eq!(*second.unwrap(), 2);
    /// let third = MutexGuard::try_map(numbers.try_lock().unwrap(), |all| all.get_mut(2));
    /// assert_eq!(third.unwrap_err().len(), 2);
    /// ```
    pub fn try_map<U: ?Sized, F>(mut this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match f(&mut *this).map(NonNull::from) {
            Some(data) => Ok(this.into_mapped(data)),
            None => Err(this),
        }
    }

    /// Another name of [`try_map`](Self::try_map), which std uses.
    ///
    /// # Errors
    ///
    /// Returns the guard unchanged if `f` returns `None`.
    pub fn filter_map<U: ?Sized, F>(this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        Self::try_map(this, f)
    }

    /// The caller has borrowed `data` from the data of this guard.
    fn into_mapped<U: ?Sized>(self, data: NonNull<U>) -> MappedMutexGuard<'a, U> {
        MappedMutexGuard {
            held: Held::new(&self.held.into_owner().raw),
            data,
            _lends: PhantomData,
        }
    }
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// The caller has just been given the lock.
    #[inline]
    pub(super) fn new(mutex: Arc<Mutex<T>>) -> Self {
        Self {
            held: Held::new(mutex),
        }
    }

    /// The mutex that this guard locks.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::{Mutex, OwnedMutexGuard};
    ///
    /// let number = Arc::new(Mutex::new(1));
    /// let guard = number.clone().try_lock_owned().unwrap();
    /// assert!(Arc::ptr_eq(OwnedMutexGuard::mutex(&guard), &number));
    /// ```
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        this.held.owner()
    }

    /// Narrows the guard to a part of the data.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{Mutex, OwnedMutexGuard};
    /// use std::sync::Arc;
    ///
    /// let pair = Arc::new(Mutex::new((1, 2)));
    /// let mut second = OwnedMutexGuard::map(pair.clone().try_lock_owned().unwrap(), |pair| &mut pair.1);
    /// *second += 1;
    /// drop(second);
    /// assert_eq!(*pair.try_lock().unwrap(), (1, 3));
    /// ```
    pub fn map<U: ?Sized, F>(mut this: Self, f: F) -> OwnedMappedMutexGuard<T, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        let data = NonNull::from(f(&mut *this));
        OwnedMappedMutexGuard::new(this.held, data)
    }

    /// Narrows the guard to a part of the data, if `f` finds that part.
    ///
    /// # Errors
    ///
    /// Returns the guard unchanged if `f` returns `None`.
    ///
    /// [`MutexGuard::try_map`] has an example.
    pub fn try_map<U: ?Sized, F>(mut this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match f(&mut *this).map(NonNull::from) {
            Some(data) => Ok(OwnedMappedMutexGuard::new(this.held, data)),
            None => Err(this),
        }
    }

    /// Another name of [`try_map`](Self::try_map), which std uses.
    ///
    /// # Errors
    ///
    /// Returns the guard unchanged if `f` returns `None`.
    pub fn filter_map<U: ?Sized, F>(this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        Self::try_map(this, f)
    }
}

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    /// Narrows the guard further.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{MappedMutexGuard, Mutex, MutexGuard};
    ///
    /// let nested = Mutex::new((1, (2, 3)));
    /// let inner = MutexGuard::map(nested.try_lock().unwrap(), |outer| &mut outer.1);
    /// *MappedMutexGuard::map(inner, |inner| &mut inner.0) = 7;
    /// assert_eq!(nested.into_inner(), (1, (7, 3)));
    /// ```
    pub fn map<U: ?Sized, F>(mut this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        let data = NonNull::from(f(&mut *this));
        this.into_part(data)
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
    /// use heist::sync::{MappedMutexGuard, Mutex, MutexGuard};
    ///
    /// let pair = Mutex::new((0, vec![1]));
    /// let numbers = MutexGuard::map(pair.try_lock().unwrap(), |pair| &mut pair.1);
    /// *MappedMutexGuard::try_map(numbers, |numbers| numbers.first_mut()).unwrap() = 7;
    /// assert_eq!(pair.into_inner(), (0, vec![7]));
    /// ```
    pub fn try_map<U: ?Sized, F>(mut this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        match f(&mut *this).map(NonNull::from) {
            Some(data) => Ok(this.into_part(data)),
            None => Err(this),
        }
    }

    fn into_part<U: ?Sized>(self, data: NonNull<U>) -> MappedMutexGuard<'a, U> {
        MappedMutexGuard {
            held: self.held,
            data,
            _lends: PhantomData,
        }
    }
}

impl<T: ?Sized, U: ?Sized> OwnedMappedMutexGuard<T, U> {
    fn new(held: Held<Arc<Mutex<T>>, Exclusive>, data: NonNull<U>) -> Self {
        Self {
            held,
            data,
            _lends: PhantomData,
        }
    }

    /// Narrows the guard further.
    ///
    /// [`MappedMutexGuard::map`] has an example.
    pub fn map<S: ?Sized, F>(mut this: Self, f: F) -> OwnedMappedMutexGuard<T, S>
    where
        F: FnOnce(&mut U) -> &mut S,
    {
        let data = NonNull::from(f(&mut *this));
        OwnedMappedMutexGuard::new(this.held, data)
    }

    /// Narrows the guard further, if `f` finds the part.
    ///
    /// # Errors
    ///
    /// Returns the guard unchanged if `f` returns `None`.
    ///
    /// [`MappedMutexGuard::try_map`] has an example.
    pub fn try_map<S: ?Sized, F>(mut this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, S>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut S>,
    {
        match f(&mut *this).map(NonNull::from) {
            Some(data) => Ok(OwnedMappedMutexGuard::new(this.held, data)),
            None => Err(this),
        }
    }

    /// The mutex that this guard locks.
    ///
    /// [`OwnedMutexGuard::mutex`] has an example.
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        this.held.owner()
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard is the lock. So no other guard exists, and `&self` keeps this one from lending `&mut`.
        unsafe { &*self.held.owner().value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the lock, and `&mut self` makes this the only reference through it.
        unsafe { &mut *self.held.owner().value.get() }
    }
}

impl<T: ?Sized> Deref for OwnedMutexGuard<T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: as for `MutexGuard`.
        unsafe { &*self.held.owner().value.get() }
    }
}

impl<T: ?Sized> DerefMut for OwnedMutexGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `MutexGuard`.
        unsafe { &mut *self.held.owner().value.get() }
    }
}

impl<T: ?Sized> Deref for MappedMutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: `data` was borrowed mutably from the data of the guard that this one was made from. Nobody else
        // reaches that data until the lock is released.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for MappedMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `deref`, and `&mut self` makes this the only reference through the guard.
        unsafe { self.data.as_mut() }
    }
}

impl<T: ?Sized, U: ?Sized> Deref for OwnedMappedMutexGuard<T, U> {
    type Target = U;
    fn deref(&self) -> &U {
        // SAFETY: as for `MappedMutexGuard`; the share keeps the data where it is.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized, U: ?Sized> DerefMut for OwnedMappedMutexGuard<T, U> {
    fn deref_mut(&mut self) -> &mut U {
        // SAFETY: as for `MappedMutexGuard`; the share keeps the data where it is.
        unsafe { self.data.as_mut() }
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

impl<T: ?Sized + fmt::Debug> fmt::Debug for MappedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MappedMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Debug> fmt::Debug for OwnedMappedMutexGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized, U: ?Sized + fmt::Display> fmt::Display for OwnedMappedMutexGuard<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}
