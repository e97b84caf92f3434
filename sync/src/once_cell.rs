//! A value that is computed once, in time: a cell, and a semaphore of one permit for whoever computes.
//!
//! Invariants:
//! 1. Whoever fills the cell holds the permit. It is given back where the computing fails, panics or is given up, so the
//!    next one computes.
//! 2. Once the cell is filled the semaphore is closed: all who waited for the permit find the value.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;

use crate::park::block_on;
use crate::sys::OnceCell as Cell;
use crate::waits::{self, Wait};
use crate::{Semaphore, SemaphorePermit, TryAcquireError};

/// A place for a value that is computed by the first task that needs it. The others wait for that.
///
/// # Examples
///
/// ```
/// use heist::sync::OnceCell;
///
/// static ANSWER: OnceCell<u32> = OnceCell::const_new();
///
/// async fn answer() -> u32 {
///     *ANSWER.get_or_init(|| async { 6 * 7 }).await
/// }
/// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
/// # let mut cx = Context::from_waker(Waker::noop());
/// # assert_eq!(pin!(answer()).poll(&mut cx), Poll::Ready(42));
/// assert_eq!(ANSWER.get(), Some(&42));
/// ```
pub struct OnceCell<T> {
    value: Cell<T>,
    /// The permit to compute the value.
    turn: Semaphore,
}

/// Why a value could not be set; with the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetError<T> {
    /// There is one already.
    AlreadyInitializedError(T),
    /// It is being computed.
    InitializingError(T),
}

impl<T> OnceCell<T> {
    /// One without a value.
    pub fn new() -> Self {
        Self::new_with(None)
    }

    /// One without a value, in a constant.
    #[cfg(not(any(heist_loom, heist_shuttle)))]
    pub const fn const_new() -> Self {
        Self {
            value: Cell::new(),
            turn: Semaphore::const_new(1),
        }
    }

    /// One with `value`, if there is one.
    pub fn new_with(value: Option<T>) -> Self {
        Self {
            value: value.map_or_else(Cell::new, Cell::with_value),
            turn: Semaphore::new(1),
        }
    }

    /// One with `value`, in a constant.
    #[cfg(not(any(heist_loom, heist_shuttle)))]
    pub const fn const_new_with(value: T) -> Self {
        Self {
            value: Cell::with_value(value),
            turn: Semaphore::const_new(1),
        }
    }

    /// Whether there is a value.
    pub fn initialized(&self) -> bool {
        self.get().is_some()
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value to change, if there is one.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// With `value` where there is one already, and where a task is computing it.
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        if self.initialized() {
            return Err(SetError::AlreadyInitializedError(value));
        }
        match self.turn.try_acquire() {
            Ok(permit) => {
                self.fill(value, permit);
                Ok(())
            }
            Err(TryAcquireError::NoPermits) => Err(SetError::InitializingError(value)),
            Err(TryAcquireError::Closed) => Err(SetError::AlreadyInitializedError(value)),
        }
    }

    /// The value, which `f` computes where there is none: completes once there is one. One task computes, and the others
    /// wait for it; where it gives up or panics, the one that has waited longest computes with its own `f`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops what `f` has begun, and another task may compute.
    ///
    /// # Panics
    ///
    /// If `f` does; the cell is as it was. An `f` that waits for the same cell waits for ever.
    pub async fn get_or_init<F, Fut>(&self, f: F) -> &T
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        let compute = || async { Ok::<_, Infallible>(f().await) };
        match self.get_or_try_init(compute).await {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// As [`get_or_init`](Self::get_or_init), with an `f` that may fail.
    ///
    /// # Cancel safety
    ///
    /// As of [`get_or_init`](Self::get_or_init).
    ///
    /// # Errors
    ///
    /// With that of `f`; the cell is as it was, and the next task computes.
    ///
    /// # Panics
    ///
    /// As of [`get_or_init`](Self::get_or_init).
    pub async fn get_or_try_init<E, F, Fut>(&self, f: F) -> Result<&T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        match waits::noting(Wait::OnceCell, self.turn.acquire()).await {
            // Invariant 1.
            Ok(permit) => Ok(self.fill(f().await?, permit)),
            // Invariant 2.
            Err(_) => Ok(self.get().expect("it is filled before its end")),
        }
    }

    /// As [`get_or_init`](Self::get_or_init), by blocking this thread, as long as another computes the value.
    ///
    /// # Panics
    ///
    /// As of [`get_or_init`](Self::get_or_init).
    #[track_caller]
    pub fn blocking_get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        block_on(self.get_or_init(|| async { f() }))
    }

    /// The value by itself, if there is one.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out, if there is one; the cell is as new.
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }

    /// Fills the cell: invariant 2.
    fn fill(&self, value: T, permit: SemaphorePermit<'_>) -> &T {
        let filled = self.value.set(value);
        debug_assert!(filled.is_ok(), "one holds the permit");
        self.turn.close();
        permit.forget();
        self.get().expect("it is filled")
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        Self::new_with(Some(value))
    }
}

impl<T: Clone> Clone for OnceCell<T> {
    fn clone(&self) -> Self {
        Self::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for OnceCell<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceCell<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceCell")
            .field("value", &self.get())
            .finish()
    }
}

impl<T> SetError<T> {
    /// Whether there was a value already.
    pub fn is_already_init_err(&self) -> bool {
        matches!(self, Self::AlreadyInitializedError(_))
    }

    /// Whether a task was computing the value.
    pub fn is_initializing_err(&self) -> bool {
        matches!(self, Self::InitializingError(_))
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInitializedError(_) => "there is a value already",
            Self::InitializingError(_) => "the value is being computed",
        })
    }
}

impl<T: fmt::Debug> Error for SetError<T> {}
