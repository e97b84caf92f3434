//! Threads under a random schedule: shuttle, its locks in the shape of the real ones.
//!
//! Shuttle runs one thread at a time. It switches at random before each access of an atomic, a lock or a cell. Memory
//! is sequentially consistent here; loom and Miri check orderings. In exchange there may be many threads, and a whole
//! interface with all its futures.
//!
//! Time passes at random too: whatever is measured has taken no time or a very long time, and a timed wait soon times
//! out. So both sides of each decision that depends on a clock are explored.

pub use std::sync::Arc;

#[path = "shape.rs"]
mod shape;
pub use shape::*;

use shuttle::sync as raw;

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
    //! shuttle's atomics.
    pub use shuttle::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

pub mod hint {
    //! A spinning thread lets the others run.
    pub use shuttle::hint::spin_loop;
}

pub mod thread {
    //! shuttle's threads.
    pub use shuttle::thread::{
        Builder, JoinHandle, LocalKey, Thread, ThreadId, current, park, spawn, yield_now,
    };

    /// The same number for all threads: a test itself says which shard a thread uses.
    pub fn number() -> usize {
        0
    }
}

pub mod cell {
    //! A cell that fails the test if two accesses overlap and one of them writes.

    use std::sync::atomic::{AtomicIsize, Ordering};

    /// Shared memory that is accessed by closures. Other threads may run when an access begins.
    #[derive(Debug, Default)]
    pub struct UnsafeCell<T: ?Sized> {
        /// How many threads are reading, or -1 if one is writing.
        users: AtomicIsize,
        value: std::cell::UnsafeCell<T>,
    }

    /// One access.
    struct Access<'a> {
        users: &'a AtomicIsize,
        change: isize,
    }

    impl<'a> Access<'a> {
        // Ordering: hint only, here and below. Only one thread runs at a time.
        fn read(users: &'a AtomicIsize) -> Self {
            let before = users.fetch_add(1, Ordering::Relaxed);
            assert!(before >= 0, "a cell is read while it is written");
            Self { users, change: -1 }
        }

        fn write(users: &'a AtomicIsize) -> Self {
            let before = users.swap(-1, Ordering::Relaxed);
            assert_eq!(before, 0, "a cell is written while it is in use");
            Self { users, change: 1 }
        }

        /// Lets other threads run. If they could overlap with this access, they do.
        fn begin(self) -> Self {
            shuttle::thread::sleep(std::time::Duration::ZERO);
            self
        }
    }

    impl Drop for Access<'_> {
        fn drop(&mut self) {
            self.users.fetch_add(self.change, Ordering::Relaxed);
        }
    }

    impl<T> UnsafeCell<T> {
        /// A cell that holds `value`.
        pub const fn new(value: T) -> Self {
            Self {
                users: AtomicIsize::new(0),
                value: std::cell::UnsafeCell::new(value),
            }
        }

        /// Consumes the cell and returns the value.
        pub fn into_inner(self) -> T {
            self.value.into_inner()
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

    impl<T: ?Sized> UnsafeCell<T> {
        /// Calls `f` with a pointer that it may read.
        pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            let _access = Access::read(&self.users).begin();
            f(self.value.get())
        }

        /// Calls `f` with a pointer that it may read and write.
        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            let _access = Access::write(&self.users).begin();
            f(self.value.get())
        }
    }
}

/// A thread-local of each thread: `thread_local_const! { static NAME: T = value; }`.
#[doc(hidden)]
#[macro_export]
macro_rules! __thread_local_const {
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = $init:expr;) => {
        $crate::sys::modelled_thread_local! { $(#[$attr])* $vis static $name: $t = $init; }
    };
}
pub use crate::__thread_local_const as thread_local_const;
pub use shuttle::thread_local as modelled_thread_local;

pub mod clock {
    //! A clock on which everything takes either no time or a very long time.

    use std::time::Duration;

    use shuttle::rand::Rng as _;

    /// A point in time.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Instant;

    impl Instant {
        /// The only point there is.
        pub fn now() -> Self {
            Self
        }

        /// Nothing or an hour, at random.
        pub fn elapsed(&self) -> Duration {
            if shuttle::rand::thread_rng().gen_bool(0.5) {
                Duration::from_secs(3_600)
            } else {
                Duration::ZERO
            }
        }
    }

    /// Every timed wait times out. If that is too early for the caller, it waits again.
    pub(super) fn is_over(_limit: Duration) -> bool {
        true
    }
}
