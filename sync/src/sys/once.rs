//! The stand-in for once_cell's cell where a model has to see whether it is filled.

use super::atomic::{AtomicBool, Ordering};

/// A cell that is filled once.
#[derive(Debug)]
pub struct OnceCell<T> {
    filled: AtomicBool,
    value: once_cell::sync::OnceCell<T>,
}

impl<T> OnceCell<T> {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            filled: AtomicBool::new(false),
            value: once_cell::sync::OnceCell::new(),
        }
    }

    /// One that is filled.
    pub fn with_value(value: T) -> Self {
        Self {
            filled: AtomicBool::new(true),
            value: once_cell::sync::OnceCell::with_value(value),
        }
    }

    /// What it is filled with.
    pub fn get(&self) -> Option<&T> {
        // Ordering: Acquire pairs with the Release in `set`, as in the real one.
        let filled = self.filled.load(Ordering::Acquire);
        filled.then(|| self.value.get()).flatten()
    }

    /// What it is filled with, to change.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Fills it; gives the value back where it is filled.
    pub fn set(&self, value: T) -> Result<(), T> {
        let set = self.value.set(value);
        // Ordering: Release pairs with the Acquire in `get`.
        self.filled.store(true, Ordering::Release);
        set
    }

    /// What it is filled with, by itself.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}
