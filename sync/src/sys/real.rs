//! Real threads: std.
//!
//! std's locks spin for about a microsecond and sleep then. parking_lot's let other threads run up to seven times before they
//! sleep. Beside threads that spin, each such turn took milliseconds: the holder of the lock, which had lost its core, had
//! long given it back. A thread that sleeps gets its core as soon as the lock is free.

pub use std::sync::Arc;

#[path = "shape.rs"]
mod shape;
pub use shape::*;

use std::sync as raw;

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self(raw::Mutex::new(value))
    }
}

impl<T> RwLock<T> {
    /// An unlocked lock.
    pub const fn new(value: T) -> Self {
        Self(raw::RwLock::new(value))
    }
}

impl Condvar {
    /// A condition variable that nobody waits on.
    pub const fn new() -> Self {
        Self(raw::Condvar::new())
    }
}

pub mod atomic {
    //! std's atomics.
    pub use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

pub mod hint {
    //! What a spinning thread tells its core.
    pub use std::hint::spin_loop;
}

pub mod thread {
    //! std's threads.
    pub use std::thread::{
        Builder, JoinHandle, LocalKey, Thread, ThreadId, current, park, spawn, yield_now,
    };

    use std::sync::atomic::{AtomicUsize, Ordering};

    thread_local! {
        static NUMBER: usize = {
            static NEXT: AtomicUsize = AtomicUsize::new(0);
            // Ordering: hint only. The count only has to be different for each thread.
            NEXT.fetch_add(1, Ordering::Relaxed)
        };
    }

    /// The number of this thread, from 0 up, for spreading threads over shards. It is 0 once the thread's locals are
    /// gone.
    #[inline]
    pub fn number() -> usize {
        NUMBER.try_with(|number| *number).unwrap_or(0)
    }
}

pub mod cell {
    //! Shared memory without a lock, in loom's shape: each access is a closure, so that a model sees how long it lasts.

    /// [`std::cell::UnsafeCell`], accessed by closures.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        /// A cell that holds `value`.
        pub const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// Consumes the cell and returns the value.
        pub fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }

    impl<T> UnsafeCell<std::mem::MaybeUninit<T>> {
        /// Makes the memory at `this` a cell without a value, in place: no value of `T` is moved over the stack.
        ///
        /// # Safety
        ///
        /// `this` may be written to.
        pub unsafe fn init_empty(_this: *mut Self) {
            // Any bytes are a cell of no value.
        }
    }

    impl<T: ?Sized> UnsafeCell<T> {
        /// Calls `f` with a pointer that it may read.
        #[inline(always)]
        pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Calls `f` with a pointer that it may read and write.
        #[inline(always)]
        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

/// A thread-local that needs no lazy set-up: `thread_local_const! { static NAME: T = value; }`.
#[doc(hidden)]
#[macro_export]
macro_rules! __thread_local_const {
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = $init:expr;) => {
        std::thread_local! { $(#[$attr])* $vis static $name: $t = const { $init }; }
    };
}
pub use crate::__thread_local_const as thread_local_const;

pub mod clock {
    //! std's clock.
    pub use std::time::Instant;
}
