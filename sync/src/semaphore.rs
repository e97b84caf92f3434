//! A counting semaphore: it limits how many tasks do something at once.
//!
//! `permits` does the counting. This file is the public face.

mod error;
mod permits;

use std::fmt;

pub use self::error::{AcquireError, TryAcquireError};
use self::permits::{MAX_PERMITS, Permits};
use crate::park::block_on;
use crate::waiting::Place;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

/// A counting semaphore: it limits how many tasks do something at once.
///
/// # Fairness
///
/// Permits are handed out in the order in which they were asked for. When a request for many permits is first in the
/// queue, permits that are given back add up for it, and smaller requests behind it wait. So it is never starved.
///
/// # Examples
///
/// ```
/// use heist::sync::{Semaphore, TryAcquireError};
///
/// let semaphore = Semaphore::new(3);
/// let two = semaphore.try_acquire_many(2).unwrap();
/// let _one = semaphore.try_acquire().unwrap();
/// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
/// drop(two);
/// assert_eq!(semaphore.available_permits(), 2);
/// ```
pub struct Semaphore {
    permits: Permits,
}

/// Permits of a borrowed [`Semaphore`]; dropping them gives them back.
///
/// [`Semaphore::acquire`] has an example.
#[must_use = "permits that are not held limit nothing"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

/// Permits of a [`Semaphore`] in an [`Arc`]; dropping them gives them back.
///
/// [`Semaphore::acquire_owned`] has an example.
#[must_use = "permits that are not held limit nothing"]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    permits: usize,
}

impl Semaphore {
    /// The largest number of permits that a semaphore can hold.
    pub const MAX_PERMITS: usize = MAX_PERMITS;

    /// Makes a semaphore with `permits` permits.
    ///
    /// # Panics
    ///
    /// Panics if `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// [`Semaphore`] has an example.
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        Self {
            permits: Permits::new(permits),
        }
    }

    /// Like [`new`](Self::new), as a constant function.
    ///
    /// # Panics
    ///
    /// The same as for [`new`](Self::new), when it is compiled.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::Semaphore;
    ///
    /// static AT_ONCE: Semaphore = Semaphore::const_new(8);
    /// assert_eq!(AT_ONCE.available_permits(), 8);
    /// ```
    #[cfg(not(heist_loom))]
    #[track_caller]
    pub const fn const_new(permits: usize) -> Self {
        Self {
            permits: Permits::const_new(permits),
        }
    }

    /// How many permits could be taken now. It is 0 while a task waits.
    ///
    /// [`Semaphore`] has an example.
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Adds permits.
    ///
    /// Permits that are held don't count towards the limit. When they are given back and the sum would be more than
    /// [`MAX_PERMITS`](Self::MAX_PERMITS), the rest is lost.
    ///
    /// # Panics
    ///
    /// Panics if there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS) permits, not counting those that are held.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::Semaphore;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let semaphore = Semaphore::new(0);
    ///     semaphore.add_permits(2);
    ///     let _both = semaphore.acquire_many(2).await.expect("nobody closes it");
    ///     assert_eq!(semaphore.available_permits(), 0);
    /// }
    /// ```
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        self.permits.add(n);
    }

    /// Takes up to `n` available permits away for good, and returns how many it took.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = heist::sync::Semaphore::new(5);
    /// assert_eq!(semaphore.forget_permits(3), 3);
    /// assert_eq!(semaphore.available_permits(), 2);
    /// assert_eq!(semaphore.forget_permits(3), 2);
    /// ```
    pub fn forget_permits(&self, n: usize) -> usize {
        self.permits.forget(n)
    }

    /// Waits for one permit.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue. If a permit had already been handed to it, that goes to the
    /// next task.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{Semaphore, AcquireError};
    ///
    /// async fn limited(at_once: &Semaphore) -> Result<(), AcquireError> {
    ///     let _permit = at_once.acquire().await?;
    ///     // No more tasks than there are permits are here at the same time.
    ///     Ok(())
    /// }
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let at_once = Semaphore::new(1);
    ///     assert_eq!(limited(&at_once).await, Ok(()));
    ///     at_once.close();
    ///     assert!(limited(&at_once).await.is_err());
    /// }
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<SemaphorePermit<'_>, AcquireError>> {
        self.acquire_many(1)
    }

    /// Waits for `n` permits, and takes them all at once. If there are never so many, it waits until the semaphore is
    /// closed.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::Semaphore;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let memory = Semaphore::new(100);
    ///     let _large = memory.acquire_many(80).await.expect("nobody closes it");
    ///     let _small = memory.acquire_many(15).await.expect("nobody closes it");
    ///     assert_eq!(memory.available_permits(), 5);
    /// }
    /// ```
    #[track_caller]
    pub fn acquire_many(
        &self,
        n: u32,
    ) -> impl Future<Output = Result<SemaphorePermit<'_>, AcquireError>> {
        let place = Location::caller();
        async move {
            self.take(n, place).await?;
            Ok(SemaphorePermit {
                semaphore: self,
                permits: n as usize,
            })
        }
    }

    /// Takes one permit, if there is one now and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] says why there is none.
    ///
    /// [`Semaphore`] has an example.
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `n` permits, if there are that many now and nobody waits for them.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] says why there are not enough.
    ///
    /// [`Semaphore`] has an example.
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.permits.try_take(n as usize)?;
        Ok(SemaphorePermit {
            semaphore: self,
            permits: n as usize,
        })
    }

    /// Like [`acquire`](Self::acquire), but blocks the thread.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = heist::sync::Semaphore::new(0);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| semaphore.add_permits(1));
    ///     // Waits until the other thread has added one.
    ///     assert!(semaphore.blocking_acquire().is_ok());
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        block_on(self.acquire())
    }

    /// Like [`acquire_many`](Self::acquire_many), but blocks the thread.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    ///
    /// [`blocking_acquire`](Self::blocking_acquire) has an example.
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        block_on(self.acquire_many(n))
    }

    /// Like [`acquire`](Self::acquire), for a semaphore in an [`Arc`]: the permit owns a share of it and has no
    /// lifetime.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let at_once = Arc::new(Semaphore::new(2));
    ///     let mut tasks = Vec::new();
    ///     for job in 0..5 {
    ///         // Waits until fewer than two tasks run.
    ///         let permit = at_once.clone().acquire_owned().await.expect("nobody closes it");
    ///         tasks.push(heist::spawn(async move {
    ///             let _permit = permit;
    ///             job
    ///         }));
    ///     }
    ///     for task in tasks {
    ///         task.await.expect("no panic");
    ///     }
    /// }
    /// ```
    #[track_caller]
    pub fn acquire_owned(
        self: Arc<Self>,
    ) -> impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>> {
        self.acquire_many_owned(1)
    }

    /// Like [`acquire_many`](Self::acquire_many), for a semaphore in an [`Arc`].
    ///
    /// # Cancel safety
    ///
    /// The same as for [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::Semaphore;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let memory = Arc::new(Semaphore::new(100));
    ///     let permits = memory.clone().acquire_many_owned(80).await.expect("nobody closes it");
    ///     let task = heist::spawn(async move { drop(permits) });
    ///     task.await.unwrap();
    ///     assert_eq!(memory.available_permits(), 100);
    /// }
    /// ```
    #[track_caller]
    pub fn acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>> {
        let place = Location::caller();
        async move {
            self.take(n, place).await?;
            Ok(OwnedSemaphorePermit {
                semaphore: self,
                permits: n as usize,
            })
        }
    }

    /// Like [`try_acquire`](Self::try_acquire), for a semaphore in an [`Arc`].
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] says why there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = std::sync::Arc::new(heist::sync::Semaphore::new(1));
    /// let permit = semaphore.clone().try_acquire_owned().unwrap();
    /// assert!(semaphore.clone().try_acquire_owned().is_err());
    /// drop(permit);
    /// assert!(semaphore.try_acquire_many_owned(1).is_ok());
    /// ```
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// Like [`try_acquire_many`](Self::try_acquire_many), for a semaphore in an [`Arc`].
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] says why there are not enough.
    ///
    /// [`try_acquire_owned`](Self::try_acquire_owned) has an example.
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.permits.try_take(n as usize)?;
        Ok(OwnedSemaphorePermit {
            semaphore: self,
            permits: n as usize,
        })
    }

    /// Like [`acquire_owned`](Self::acquire_owned), but blocks the thread.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = std::sync::Arc::new(heist::sync::Semaphore::new(1));
    /// let permit = semaphore.clone().blocking_acquire_owned().unwrap();
    /// std::thread::spawn(move || drop(permit));
    /// // Waits until the thread has dropped the permit.
    /// assert!(semaphore.blocking_acquire_owned().is_ok());
    /// ```
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        block_on(self.acquire_owned())
    }

    /// Like [`acquire_many_owned`](Self::acquire_many_owned), but blocks the thread.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    ///
    /// [`blocking_acquire_owned`](Self::blocking_acquire_owned) has an example.
    #[track_caller]
    pub fn blocking_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        block_on(self.acquire_many_owned(n))
    }

    /// Closes the semaphore for good. All tasks that wait for permits, and all that ask later, get an error. So do
    /// tasks that have been handed permits and were not polled since; those permits go back.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{Semaphore, TryAcquireError};
    ///
    /// let semaphore = Semaphore::new(1);
    /// semaphore.close();
    /// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    /// ```
    pub fn close(&self) {
        self.permits.close();
    }

    /// Whether the semaphore was closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = heist::sync::Semaphore::new(1);
    /// assert!(!semaphore.is_closed());
    /// semaphore.close();
    /// assert!(semaphore.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    async fn take(&self, n: u32, place: Place) -> Result<(), AcquireError> {
        if self.permits.take_at_once(n as usize) {
            return Ok(());
        }
        self.permits
            .take(n as usize, place)
            .await
            .map_err(|permits::Closed| AcquireError(()))
    }
}

/// The methods that both kinds of permits have.
macro_rules! permit_methods {
    ($permit:ident $(<$lt:lifetime>)?) => {
        impl $permit $(<$lt>)? {
            /// Drops the permits without giving them back, so the semaphore has fewer from then on.
            ///
            /// # Examples
            ///
            /// ```
            /// let semaphore = heist::sync::Semaphore::new(3);
            /// semaphore.try_acquire_many(2).unwrap().forget();
            /// assert_eq!(semaphore.available_permits(), 1);
            /// ```
            pub fn forget(mut self) {
                self.permits = 0;
            }

            /// Adds the permits of `other` to these.
            ///
            /// # Panics
            ///
            /// Panics if `other` is of another semaphore. Panics too if the sum overflows a `usize`, which needs
            /// permits that were added while others were held.
            ///
            /// # Examples
            ///
            /// ```
            /// let semaphore = heist::sync::Semaphore::new(3);
            /// let mut permits = semaphore.try_acquire().unwrap();
            /// permits.merge(semaphore.try_acquire().unwrap());
            /// assert_eq!(permits.num_permits(), 2);
            /// ```
            #[track_caller]
            pub fn merge(&mut self, mut other: Self) {
                assert!(
                    std::ptr::eq(&*self.semaphore, &*other.semaphore),
                    "permits of different semaphores can't be merged"
                );
                let sum = self.permits.checked_add(other.permits);
                self.permits = sum.expect("there are too many permits to merge");
                other.permits = 0;
            }

            /// The number of these permits.
            ///
            /// [`merge`](Self::merge) has an example.
            pub fn num_permits(&self) -> usize {
                self.permits
            }
        }

        impl Drop for $permit $(<$lt>)? {
            fn drop(&mut self) {
                self.semaphore.permits.give_back(self.permits);
            }
        }

        impl fmt::Debug for $permit $(<$lt>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($permit))
                    .field("semaphore", &*self.semaphore)
                    .field("permits", &self.permits)
                    .finish()
            }
        }
    };
}

permit_methods!(SemaphorePermit<'_>);
permit_methods!(OwnedSemaphorePermit);

impl<'a> SemaphorePermit<'a> {
    /// Splits off `n` of the permits. `None` if there are fewer.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = heist::sync::Semaphore::new(3);
    /// let mut permits = semaphore.try_acquire_many(3).unwrap();
    /// let one = permits.split(1).expect("there are three");
    /// assert_eq!((permits.num_permits(), one.num_permits()), (2, 1));
    /// assert!(permits.split(3).is_none());
    /// ```
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.permits = self.permits.checked_sub(n)?;
        Some(Self {
            semaphore: self.semaphore,
            permits: n,
        })
    }

    /// The semaphore that these permits are of.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = heist::sync::Semaphore::new(3);
    /// let permit = semaphore.try_acquire().unwrap();
    /// assert_eq!(permit.semaphore().available_permits(), 2);
    /// ```
    pub fn semaphore(&self) -> &'a Semaphore {
        self.semaphore
    }
}

impl OwnedSemaphorePermit {
    /// Splits off `n` of the permits. `None` if there are fewer.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = std::sync::Arc::new(heist::sync::Semaphore::new(3));
    /// let mut permits = semaphore.clone().try_acquire_many_owned(3).unwrap();
    /// let one = permits.split(1).expect("there are three");
    /// std::thread::spawn(move || drop(one)).join().unwrap();
    /// assert_eq!((permits.num_permits(), semaphore.available_permits()), (2, 1));
    /// ```
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.permits = self.permits.checked_sub(n)?;
        Some(Self {
            semaphore: self.semaphore.clone(),
            permits: n,
        })
    }

    /// The semaphore that these permits are of.
    ///
    /// [`SemaphorePermit::semaphore`] has an example.
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("permits", &self.available_permits())
            .field("closed", &self.is_closed())
            .finish()
    }
}
