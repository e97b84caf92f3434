//! A counting semaphore: at most so many at once, in turn.
//!
//! The counting is in `permits`; this file is its public face.

mod permits;

use std::error::Error;
use std::fmt;

use self::permits::{MAX_PERMITS, Permits};
use crate::park::block_on;
use crate::waiting::Place;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

/// A counting semaphore, first come, first served.
///
/// A request for many permits that waits first in the queue gathers what is given back, and small requests behind it
/// wait: it is not starved.
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

/// Permits of a borrowed [`Semaphore`], given back when dropped.
#[must_use = "permits that are not held limit nothing"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

/// Permits of a shared [`Semaphore`], given back when dropped.
#[must_use = "permits that are not held limit nothing"]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    permits: usize,
}

/// The semaphore was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcquireError(());

/// Why permits could not be had at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore was closed.
    Closed,
    /// There are too few, or others wait for them.
    NoPermits,
}

impl Semaphore {
    /// The most permits that a semaphore holds.
    pub const MAX_PERMITS: usize = MAX_PERMITS;

    /// A semaphore with so many permits.
    ///
    /// # Panics
    ///
    /// With more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        Self {
            permits: Permits::new(permits),
        }
    }

    /// [`new`](Self::new), in a constant.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new), when it is compiled.
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

    /// How many permits could be had now: none while somebody waits.
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Adds permits.
    ///
    /// Those that are held count no more: they come back when they are dropped, as far as there is room for them by then.
    /// What would be more than [`MAX_PERMITS`](Self::MAX_PERMITS) is lost.
    ///
    /// # Panics
    ///
    /// Where there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS), those not counted that are held.
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        self.permits.add(n);
    }

    /// Takes up to `n` available permits away for good; says how many there were to take.
    pub fn forget_permits(&self, n: usize) -> usize {
        self.permits.forget(n)
    }

    /// Waits for one permit, in turn.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue; a permit that it had already been handed goes to the next.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use heist::sync::{Semaphore, AcquireError};
    /// async fn limited(at_once: &Semaphore) -> Result<(), AcquireError> {
    ///     let _permit = at_once.acquire().await?;
    ///     // At most so many are here at the same time.
    ///     Ok(())
    /// }
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// # let at_once = Semaphore::new(1);
    /// # let done = pin!(limited(&at_once)).poll(&mut Context::from_waker(Waker::noop()));
    /// # assert_eq!(done, Poll::Ready(Ok(())));
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<SemaphorePermit<'_>, AcquireError>> {
        self.acquire_many(1)
    }

    /// Waits for `n` permits, in turn, and takes them all at once.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
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

    /// Takes one permit, if there is one now and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] says why not.
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `n` permits, if they are there now and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] says why not.
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.permits.try_take(n as usize)?;
        Ok(SemaphorePermit {
            semaphore: self,
            permits: n as usize,
        })
    }

    /// [`acquire`](Self::acquire) that blocks the thread.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        block_on(self.acquire())
    }

    /// [`acquire_many`](Self::acquire_many) that blocks the thread.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        block_on(self.acquire_many(n))
    }

    /// [`acquire`](Self::acquire) for a shared semaphore: the permit may outlive the borrow.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    #[track_caller]
    pub fn acquire_owned(
        self: Arc<Self>,
    ) -> impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>> {
        self.acquire_many_owned(1)
    }

    /// [`acquire_many`](Self::acquire_many) for a shared semaphore.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
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

    /// [`try_acquire`](Self::try_acquire) for a shared semaphore.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] says why not.
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// [`try_acquire_many`](Self::try_acquire_many) for a shared semaphore.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] says why not.
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

    /// [`acquire_owned`](Self::acquire_owned) that blocks the thread.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        block_on(self.acquire_owned())
    }

    /// [`acquire_many_owned`](Self::acquire_many_owned) that blocks the thread.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] once the semaphore is closed.
    #[track_caller]
    pub fn blocking_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        block_on(self.acquire_many_owned(n))
    }

    /// Closes the semaphore for good: all who wait for permits, and all who will ask, get an error. So do those who have
    /// been handed permits and were not polled since; the permits go back.
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

/// What both kinds of permits offer.
macro_rules! permit_methods {
    ($permit:ident $(<$lt:lifetime>)?) => {
        impl $permit $(<$lt>)? {
            /// Keeps the permits from ever going back.
            pub fn forget(mut self) {
                self.permits = 0;
            }

            /// Adds the permits of `other` to these.
            ///
            /// # Panics
            ///
            /// Where they are of another semaphore, or would be more than a `usize` counts, which only permits that were
            /// added to those that are held can be.
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

            /// How many permits these are.
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
    /// Takes `n` of the permits off, as permits of their own; `None` where there are fewer.
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.permits = self.permits.checked_sub(n)?;
        Some(Self {
            semaphore: self.semaphore,
            permits: n,
        })
    }

    /// The semaphore whose permits these are.
    pub fn semaphore(&self) -> &'a Semaphore {
        self.semaphore
    }
}

impl OwnedSemaphorePermit {
    /// Takes `n` of the permits off, as permits of their own; `None` where there are fewer.
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.permits = self.permits.checked_sub(n)?;
        Some(Self {
            semaphore: self.semaphore.clone(),
            permits: n,
        })
    }

    /// The semaphore whose permits these are.
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

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("semaphore closed")
    }
}

impl Error for AcquireError {}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "semaphore closed",
            Self::NoPermits => "no permits available",
        })
    }
}

impl Error for TryAcquireError {}
