//! The errors of queues: why an item could not be put in or taken out.

use std::error::Error;
use std::fmt;

/// The queue was shut down. It holds the item that was to be put in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PutError<T>(pub T);

/// Why an item could not be put in at once. It holds the item.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TryPutError<T> {
    /// There is no room, or other tasks wait for it.
    Full(T),
    /// The queue was shut down.
    ShutDown(T),
}

/// The queue was shut down and is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutDown(pub(super) ());

/// Why no item could be taken out at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryGetError {
    /// There is no item, or other tasks wait for it.
    Empty,
    /// The queue was shut down and is empty.
    ShutDown,
}

const SHUT_DOWN: &str = "the queue was shut down";

impl<T> PutError<T> {
    /// Returns the item.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> TryPutError<T> {
    /// Returns the item.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(item) | Self::ShutDown(item) => item,
        }
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHUT_DOWN)
    }
}

impl<T> Error for PutError<T> {}

impl<T> fmt::Debug for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::ShutDown(_) => "ShutDown(..)",
        })
    }
}

impl<T> fmt::Display for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the queue is full",
            Self::ShutDown(_) => SHUT_DOWN,
        })
    }
}

impl<T> Error for TryPutError<T> {}

impl fmt::Display for ShutDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHUT_DOWN)
    }
}

impl Error for ShutDown {}

impl fmt::Display for TryGetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the queue is empty",
            Self::ShutDown => SHUT_DOWN,
        })
    }
}

impl Error for TryGetError {}
