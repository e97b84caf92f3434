//! Modelled threads: loom, with its locks in the shape of the real ones.
//!
//! loom's own timed wait never times out. Here a wait of zero always times out, at a moment that the model picks, and
//! every other wait never does. A model covers a timeout by running with both.

pub use loom::sync::Arc;

#[path = "shape.rs"]
mod shape;
pub use shape::*;

use loom::sync as raw;

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub fn new(value: T) -> Self {
        Self(raw::Mutex::new(value))
    }
}

impl<T> RwLock<T> {
    /// An unlocked lock.
    pub fn new(value: T) -> Self {
        Self(raw::RwLock::new(value))
    }
}

impl Condvar {
    /// A condition variable that nobody waits on.
    pub fn new() -> Self {
        Self(raw::Condvar::new())
    }
}

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

    /// The same number for all threads: a model itself says which shard a thread uses.
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

        /// Consumes the cell and returns the value.
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

/// A thread-local of each model thread: `thread_local_const! { static NAME: T = value; }`.
#[doc(hidden)]
#[macro_export]
macro_rules! __thread_local_const {
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = $init:expr;) => {
        $crate::sys::modelled_thread_local! { $(#[$attr])* $vis static $name: $t = $init; }
    };
}
pub use crate::__thread_local_const as thread_local_const;
pub use loom::thread_local as modelled_thread_local;

pub mod clock {
    //! No time passes in a model. What depends on time is an event there.

    use std::time::Duration;

    /// A point in time. Time stands still.
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

    /// Whether a timed wait of `limit` ends by its time.
    pub(super) fn is_over(limit: Duration) -> bool {
        limit.is_zero()
    }
}
