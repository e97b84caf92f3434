//! A value that is computed once, by an async function: a cell, and a semaphore of one permit for the task that
//! computes.
//!
//! Invariants:
//! 1. Whoever fills the cell holds the permit. If the computation fails, panics or is given up, the permit goes back
//!    and the next task computes.
//! 2. Once the cell is filled the semaphore is closed: all tasks that waited for the permit find the value.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;

use crate::park::block_on;
use crate::sys::OnceCell as Cell;
use crate::waits::{self, Wait};
use crate::{Semaphore, SemaphorePermit, TryAcquireError};

/// A cell for a value that the first task that needs it computes. Other tasks wait for that.
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
///
/// #[heist::main]
/// async fn main() {
///     assert_eq!(answer().await, 42);
///     assert_eq!(ANSWER.get(), Some(&42));
/// }
/// ```
pub struct OnceCell<T> {
    value: Cell<T>,
    /// The permit to compute the value.
    turn: Semaphore,
}

/// Why a value could not be set. It holds the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetError<T> {
    /// The cell has a value already.
    AlreadyInitializedError(T),
    /// A task is computing the value.
    InitializingError(T),
}

impl<T> OnceCell<T> {
    /// Makes a cell without a value.
    pub fn new() -> Self {
        Self::new_with(None)
    }

    /// Makes a cell without a value, as a constant function.
    ///
    /// [`OnceCell`] has an example.
    #[cfg(not(any(heist_loom, heist_shuttle)))]
    pub const fn const_new() -> Self {
        Self {
            value: Cell::new(),
            turn: Semaphore::const_new(1),
        }
    }

    /// Makes a cell with `value`, if that is `Some`.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = heist::sync::OnceCell::new_with(Some(5));
    /// assert_eq!(cell.into_inner(), Some(5));
    /// ```
    pub fn new_with(value: Option<T>) -> Self {
        Self {
            value: value.map_or_else(Cell::new, Cell::with_value),
            turn: Semaphore::new(1),
        }
    }

    /// Makes a cell with `value`, as a constant function.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::OnceCell;
    ///
    /// static ANSWER: OnceCell<u32> = OnceCell::const_new_with(42);
    /// assert_eq!(ANSWER.get(), Some(&42));
    /// ```
    #[cfg(not(any(heist_loom, heist_shuttle)))]
    pub const fn const_new_with(value: T) -> Self {
        Self {
            value: Cell::with_value(value),
            turn: Semaphore::const_new(1),
        }
    }

    /// Whether the cell has a value.
    ///
    /// [`set`](Self::set) has an example.
    pub fn initialized(&self) -> bool {
        self.get().is_some()
    }

    /// The value, if the cell has one.
    ///
    /// [`set`](Self::set) has an example.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, if the cell has one, by a mutable reference.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut cell = heist::sync::OnceCell::from(5);
    /// if let Some(value) = cell.get_mut() {
    ///     *value += 1;
    /// }
    /// assert_eq!(cell.get(), Some(&6));
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// [`SetError`] holds `value`, if the cell has a value already or a task is computing one.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{OnceCell, SetError};
    ///
    /// let cell = OnceCell::new();
    /// assert!(!cell.initialized());
    /// assert_eq!(cell.set(5), Ok(()));
    /// assert_eq!(cell.get(), Some(&5));
    /// assert_eq!(cell.set(6), Err(SetError::AlreadyInitializedError(6)));
    /// ```
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

    /// Returns the value. If there is none, one task computes it with `f`, and the others wait for it. If that task
    /// gives up or panics, the task that has waited longest computes the value with its own `f`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops what `f` has begun. Another task may then compute the value.
    ///
    /// # Panics
    ///
    /// Panics if `f` does; the cell is then as it was. If `f` waits for the same cell, it waits for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::OnceCell;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let cell = OnceCell::new();
    ///     assert_eq!(cell.get_or_init(|| async { 5 }).await, &5);
    ///     // It has a value by now, so this computes nothing.
    ///     assert_eq!(cell.get_or_init(|| async { 6 }).await, &5);
    /// }
    /// ```
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

    /// Like [`get_or_init`](Self::get_or_init), for an `f` that may fail.
    ///
    /// # Cancel safety
    ///
    /// The same as for [`get_or_init`](Self::get_or_init).
    ///
    /// # Errors
    ///
    /// Returns the error of `f`. The cell is then as it was, and the next task computes the value.
    ///
    /// # Panics
    ///
    /// The same as for [`get_or_init`](Self::get_or_init).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::OnceCell;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let port = OnceCell::new();
    ///     assert!(port.get_or_try_init(|| async { "none".parse::<u16>() }).await.is_err());
    ///     assert_eq!(port.get_or_try_init(|| async { "80".parse::<u16>() }).await, Ok(&80));
    ///     // From now on it is there.
    ///     assert_eq!(port.get(), Some(&80));
    /// }
    /// ```
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

    /// Like [`get_or_init`](Self::get_or_init), but blocks the thread while another task or thread computes the value.
    ///
    /// # Panics
    ///
    /// The same as for [`get_or_init`](Self::get_or_init).
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = heist::sync::OnceCell::new();
    /// std::thread::scope(|scope| {
    ///     for _ in 0..2 {
    ///         scope.spawn(|| assert_eq!(cell.blocking_get_or_init(|| 6 * 7), &42));
    ///     }
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        block_on(self.get_or_init(|| async { f() }))
    }

    /// Consumes the cell and returns the value, if it has one.
    ///
    /// [`take`](Self::take) has an example.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out, if the cell has one. The cell is then as new.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut cell = heist::sync::OnceCell::from(5);
    /// assert_eq!(cell.take(), Some(5));
    /// assert_eq!(cell.set(6), Ok(()));
    /// assert_eq!(cell.into_inner(), Some(6));
    /// ```
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
    /// Whether the cell had a value already.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = heist::sync::OnceCell::from(5);
    /// assert!(cell.set(6).unwrap_err().is_already_init_err());
    /// ```
    pub fn is_already_init_err(&self) -> bool {
        matches!(self, Self::AlreadyInitializedError(_))
    }

    /// Whether a task was computing the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::OnceCell;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let cell = OnceCell::new();
    ///     let compute = || async {
    ///         assert!(cell.set(6).unwrap_err().is_initializing_err());
    ///         5
    ///     };
    ///     assert_eq!(cell.get_or_init(compute).await, &5);
    /// }
    /// ```
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
