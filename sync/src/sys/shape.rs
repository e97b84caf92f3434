//! The locks, std's or a model's: without poisoning, and with a condition variable that borrows the guard. The backend
//! that declares this module says whose locks they are (`raw`), and makes them. A model's backend also decides when timed
//! waits end.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::TryLockError;
use std::time::Duration;

use super::raw;

/// A mutex.
pub struct Mutex<T>(pub(super) raw::Mutex<T>);

/// The guard of [`Mutex`]. `None` only while [`Condvar::wait`] has lent the lock out.
pub struct MutexGuard<'a, T> {
    held: Option<raw::MutexGuard<'a, T>>,
    #[cfg(any(heist_loom, heist_shuttle))]
    mutex: &'a Mutex<T>,
}

impl<T> Mutex<T> {
    /// Waits for the lock.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.guard(self.0.lock().unwrap_or_else(|poison| poison.into_inner()))
    }

    /// Takes the lock if it is free.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(held) => Some(self.guard(held)),
            Err(TryLockError::Poisoned(poison)) => Some(self.guard(poison.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn guard<'a>(&'a self, held: raw::MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        MutexGuard {
            held: Some(held),
            #[cfg(any(heist_loom, heist_shuttle))]
            mutex: self,
        }
    }

    /// Consumes the mutex and returns the value.
    pub fn into_inner(self) -> T {
        self.0
            .into_inner()
            .unwrap_or_else(|poison| poison.into_inner())
    }

    /// The value of a mutex that nobody else can hold.
    pub fn get_mut(&mut self) -> &mut T {
        self.0
            .get_mut()
            .unwrap_or_else(|poison| poison.into_inner())
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.held.as_ref().expect("the lock is held")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("the lock is held")
    }
}

impl<T> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MutexGuard").finish_non_exhaustive()
    }
}

/// A lock of many readers or one writer.
pub struct RwLock<T>(pub(super) raw::RwLock<T>);

impl<T> RwLock<T> {
    /// Waits until nobody writes.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard(self.0.read().unwrap_or_else(|poison| poison.into_inner()))
    }

    /// Waits until nobody reads or writes.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard(self.0.write().unwrap_or_else(|poison| poison.into_inner()))
    }

    /// Consumes the lock and returns the value.
    pub fn into_inner(self) -> T {
        self.0
            .into_inner()
            .unwrap_or_else(|poison| poison.into_inner())
    }
}

impl<T: fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("RwLock");
        match self.0.try_read() {
            Ok(value) => text.field("data", &*value),
            Err(TryLockError::Poisoned(poison)) => text.field("data", &**poison.get_ref()),
            Err(TryLockError::WouldBlock) => text.field("data", &format_args!("<locked>")),
        };
        text.finish()
    }
}

/// The guard of a reader of [`RwLock`].
pub struct RwLockReadGuard<'a, T>(raw::RwLockReadGuard<'a, T>);

impl<T> Deref for RwLockReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The guard of the writer of [`RwLock`].
pub struct RwLockWriteGuard<'a, T>(raw::RwLockWriteGuard<'a, T>);

impl<T> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLockWriteGuard").finish_non_exhaustive()
    }
}

/// Whether a timed wait timed out.
#[derive(Debug, Clone, Copy)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether it timed out.
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

/// A condition variable.
#[derive(Debug, Default)]
pub struct Condvar(pub(super) raw::Condvar);

impl Condvar {
    /// Releases the lock, waits, and takes the lock again.
    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let lent = guard.held.take().expect("the lock is held");
        guard.held = Some(
            self.0
                .wait(lent)
                .unwrap_or_else(|poison| poison.into_inner()),
        );
    }

    /// Waits for at most `limit`.
    #[cfg(not(any(heist_loom, heist_shuttle)))]
    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, limit: Duration) -> WaitTimeoutResult {
        let lent = guard.held.take().expect("the lock is held");
        let (held, result) = self
            .0
            .wait_timeout(lent, limit)
            .unwrap_or_else(|poison| poison.into_inner());
        guard.held = Some(held);
        WaitTimeoutResult(result.timed_out())
    }

    /// Waits, and may time out if the backend says so for this limit. Between unlocking and locking again the model
    /// lets others run as long as it likes, and their notifications are not heard.
    #[cfg(any(heist_loom, heist_shuttle))]
    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, limit: Duration) -> WaitTimeoutResult {
        if super::clock::is_over(limit) {
            guard.held = None;
            *guard = guard.mutex.lock();
            return WaitTimeoutResult(true);
        }
        self.wait(guard);
        WaitTimeoutResult(false)
    }

    /// Wakes one waiter.
    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Wakes all waiters.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}
