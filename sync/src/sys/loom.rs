//! Modelled threads: loom, its locks in parking_lot's shape.
//!
//! loom's own timed wait never times out. Here a wait of zero always does, at whatever moment the model picks, and
//! every other one never: a model covers a timeout by running with both.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

pub use loom::sync::Arc;

pub mod atomic {
    //! loom's atomics.
    pub use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

pub mod hint {
    //! A spinning thread lets the others run.
    pub use loom::hint::spin_loop;
}

pub mod thread {
    //! loom's threads.
    pub use loom::thread::{
        Builder, JoinHandle, LocalKey, Thread, ThreadId, current, park, spawn, yield_now,
    };

    /// The same for all: a model says itself which shard a thread uses.
    pub fn number() -> usize {
        0
    }
}

pub mod cell {
    //! loom's cell, which fails the model on a data race.

    /// [`loom::cell::UnsafeCell`], sized values only.
    #[derive(Debug)]
    pub struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        /// A cell that holds `value`.
        pub fn new(value: T) -> Self {
            Self(loom::cell::UnsafeCell::new(value))
        }

        /// The value, by itself again.
        pub fn into_inner(self) -> T {
            self.0.into_inner()
        }

        /// Calls `f` with a pointer that it may read.
        pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            self.0.with(f)
        }

        /// Calls `f` with a pointer that it may read and write.
        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            self.0.with_mut(f)
        }
    }

    impl<T> UnsafeCell<std::mem::MaybeUninit<T>> {
        /// Makes the memory at `this` a cell without a value.
        ///
        /// # Safety
        ///
        /// `this` may be written to.
        pub unsafe fn init_empty(this: *mut Self) {
            // SAFETY: the caller's promise.
            unsafe { this.write(Self::new(std::mem::MaybeUninit::uninit())) };
        }
    }

    impl<T: Default> Default for UnsafeCell<T> {
        fn default() -> Self {
            Self::new(T::default())
        }
    }
}

/// loom's mutex in parking_lot's shape: no poisoning.
pub struct Mutex<T>(loom::sync::Mutex<T>);

/// The guard of [`Mutex`]. `None` only while [`Condvar::wait`] has lent the lock out.
pub struct MutexGuard<'a, T> {
    held: Option<loom::sync::MutexGuard<'a, T>>,
    mutex: &'a Mutex<T>,
}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            held: Some(self.0.lock().unwrap_or_else(|poison| poison.into_inner())),
            mutex: self,
        }
    }

    /// Takes the lock where it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok().map(|guard| MutexGuard {
            held: Some(guard),
            mutex: self,
        })
    }

    /// Whether somebody holds the lock.
    pub fn is_locked(&self) -> bool {
        self.0.try_lock().is_err()
    }

    /// The value, by itself again.
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

/// loom's lock of many readers or one writer in parking_lot's shape: no poisoning.
pub struct RwLock<T>(loom::sync::RwLock<T>);

impl<T> RwLock<T> {
    /// An unlocked lock.
    pub fn new(value: T) -> Self {
        Self(loom::sync::RwLock::new(value))
    }

    /// Waits until nobody writes.
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard(self.0.read().unwrap_or_else(|poison| poison.into_inner()))
    }

    /// Waits until nobody reads or writes.
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard(self.0.write().unwrap_or_else(|poison| poison.into_inner()))
    }

    /// The value, by itself again.
    pub fn into_inner(self) -> T {
        self.0
            .into_inner()
            .unwrap_or_else(|poison| poison.into_inner())
    }
}

impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock").finish_non_exhaustive()
    }
}

/// A guard of a reader of [`RwLock`].
pub struct RwLockReadGuard<'a, T>(loom::sync::RwLockReadGuard<'a, T>);

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
pub struct RwLockWriteGuard<'a, T>(loom::sync::RwLockWriteGuard<'a, T>);

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

/// Whether a timed wait ended by its time.
#[derive(Debug, Clone, Copy)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether it did.
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

/// loom's condition variable in parking_lot's shape.
#[derive(Debug, Default)]
pub struct Condvar(loom::sync::Condvar);

impl Condvar {
    /// A condition variable that nobody waits on.
    pub fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    /// Gives the lock up, waits, and takes it again.
    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let lent = guard.held.take().expect("the lock is held");
        guard.held = Some(
            self.0
                .wait(lent)
                .unwrap_or_else(|poison| poison.into_inner()),
        );
    }

    /// Waits, and gives up at once where `limit` is zero: between unlocking and locking again the model lets
    /// others run for as long as it pleases, and what they notify is not heard.
    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, limit: Duration) -> WaitTimeoutResult {
        if limit.is_zero() {
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

/// A thread-local of each model thread: `thread_local_const! { static NAME: T = value; }`.
#[doc(hidden)]
#[macro_export]
macro_rules! __thread_local_const {
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = $init:expr;) => {
        $crate::sys::loom_thread_local! { $(#[$attr])* $vis static $name: $t = $init; }
    };
}
pub use crate::__thread_local_const as thread_local_const;
pub use loom::thread_local as loom_thread_local;

pub mod clock {
    //! No time passes in a model: what time decides is an event of its own there.

    use std::time::Duration;

    /// A point in a time that stands still.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Instant;

    impl Instant {
        /// The only point there is.
        pub fn now() -> Self {
            Self
        }

        /// Nothing.
        pub fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }
}
