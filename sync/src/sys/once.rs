//! A stand-in for once_cell's cell, for models that have to see whether it is filled.

use super::atomic::{AtomicBool, Ordering};

/// A cell that is filled once.
#[derive(Debug)]
pub struct OnceCell<T> {
    filled: AtomicBool,
    value: once_cell::sync::OnceCell<T>,
}

impl<T> OnceCell<T> {
    /// Makes an empty cell.
    pub fn new() -> Self {
        Self {
            filled: AtomicBool::new(false),
            value: once_cell::sync::OnceCell::new(),
        }
    }

    /// Makes a cell that is filled.
    pub fn with_value(value: T) -> Self {
        Self {
            filled: AtomicBool::new(true),
            value: once_cell::sync::OnceCell::with_value(value),
        }
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        // Ordering: Acquire pairs with the Release in `set`, as in the real one.
        let filled = self.filled.load(Ordering::Acquire);
        filled.then(|| self.value.get()).flatten()
    }

    /// The value, if there is one, by a mutable reference.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Fills the cell. Returns the value if it is filled already.
    pub fn set(&self, value: T) -> Result<(), T> {
        let set = self.value.set(value);
        // Ordering: Release pairs with the Acquire in `get`.
        self.filled.store(true, Ordering::Release);
        set
    }

    /// Consumes the cell and returns the value.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}
