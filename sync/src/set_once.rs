//! A value that is set once, and that tasks wait for: a cell, and an [`Event`] that is set after it.

use std::error::Error;
use std::fmt;

use crate::Event;
use crate::park::block_on;
use crate::sys::OnceCell;

/// A cell for a value that is set once. Tasks [wait](Self::wait) for it, and share it from then on.
///
/// # Examples
///
/// ```
/// use heist::sync::SetOnce;
///
/// let config = SetOnce::<&str>::new();
/// std::thread::scope(|threads| {
///     let reader = threads.spawn(|| config.blocking_wait().len());
///     config.set("verbose").expect("nobody else sets it");
///     assert_eq!(reader.join().unwrap(), 7);
/// });
/// assert_eq!(config.set("quiet").unwrap_err().0, "quiet");
/// ```
pub struct SetOnce<T> {
    value: OnceCell<T>,
    /// Set after the value, and never cleared.
    is_set: Event,
}

/// The cell had a value already. This holds the value that could not be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetOnceError<T>(pub T);

impl<T> SetOnce<T> {
    /// Makes a cell without a value.
    pub fn new() -> Self {
        Self::new_with(None)
    }

    /// Makes a cell without a value, as a constant function.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::SetOnce;
    ///
    /// static NAME: SetOnce<&str> = SetOnce::const_new();
    /// assert_eq!(NAME.get(), None);
    /// ```
    #[cfg(not(any(heist_loom, heist_shuttle)))]
    pub const fn const_new() -> Self {
        Self {
            value: OnceCell::new(),
            is_set: Event::const_new(),
        }
    }

    /// Makes a cell with `value`, if that is `Some`.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = heist::sync::SetOnce::new_with(Some(5));
    /// assert_eq!(cell.get(), Some(&5));
    /// ```
    pub fn new_with(value: Option<T>) -> Self {
        let is_set = Event::new();
        let value = value.map_or_else(OnceCell::new, |value| {
            is_set.set();
            OnceCell::with_value(value)
        });
        Self { value, is_set }
    }

    /// Makes a cell with `value`, as a constant function.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::SetOnce;
    ///
    /// static NAME: SetOnce<&str> = SetOnce::const_new_with("Robin");
    /// assert_eq!(NAME.get(), Some(&"Robin"));
    /// ```
    #[cfg(not(any(heist_loom, heist_shuttle)))]
    pub const fn const_new_with(value: T) -> Self {
        Self {
            value: OnceCell::with_value(value),
            is_set: Event::const_new_set(),
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

    /// Sets the value, and wakes all tasks that wait for it.
    ///
    /// # Errors
    ///
    /// [`SetOnceError`] holds `value`, if the cell has a value already.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::sync::{SetOnce, SetOnceError};
    ///
    /// let cell = SetOnce::new();
    /// assert!(!cell.initialized());
    /// assert_eq!(cell.set(5), Ok(()));
    /// assert_eq!(cell.get(), Some(&5));
    /// assert_eq!(cell.set(6), Err(SetOnceError(6)));
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetOnceError<T>> {
        self.value.set(value).map_err(SetOnceError)?;
        self.is_set.set();
        Ok(())
    }

    /// Consumes the cell and returns the value, if it has one.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = heist::sync::SetOnce::from(5);
    /// assert_eq!(cell.into_inner(), Some(5));
    /// ```
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Waits for the value. Completes at once if the cell has one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing for other tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use heist::sync::SetOnce;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let address = Arc::new(SetOnce::new());
    ///     let set = address.clone();
    ///     let server = heist::spawn(async move { set.set("127.0.0.1:80") });
    ///     assert_eq!(*address.wait().await, "127.0.0.1:80");
    ///     server.await.unwrap().unwrap();
    /// }
    /// ```
    pub async fn wait(&self) -> &T {
        self.is_set.wait().await;
        self.get().expect("the value comes before the event")
    }

    /// Like [`wait`](Self::wait), but blocks the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = heist::sync::SetOnce::new();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| cell.set(5).unwrap());
    ///     assert_eq!(cell.blocking_wait(), &5);
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_wait(&self) -> &T {
        block_on(self.wait())
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for SetOnce<T> {
    fn from(value: T) -> Self {
        Self::new_with(Some(value))
    }
}

impl<T: Clone> Clone for SetOnce<T> {
    fn clone(&self) -> Self {
        Self::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for SetOnce<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for SetOnce<T> {}

impl<T: fmt::Debug> fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetOnce")
            .field("value", &self.get())
            .finish()
    }
}

impl<T> fmt::Display for SetOnceError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is a value already")
    }
}

impl<T: fmt::Debug> Error for SetOnceError<T> {}
