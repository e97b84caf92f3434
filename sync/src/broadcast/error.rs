//! The errors of broadcast channels: why a value was not sent or received.

use std::error::Error;
use std::fmt;

/// There is no receiver. It holds what was to be sent.
#[derive(Debug)]
pub struct SendError<T>(pub T);

/// Why [`recv`](super::Receiver::recv) returned no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecvError {
    /// No value will come: all senders are gone, and everything that they sent has been received.
    Closed,
    /// This many values were overwritten before this receiver received them. The next call returns the oldest value
    /// that is still there.
    Lagged(u64),
}

/// Why [`try_recv`](super::Receiver::try_recv) returned no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TryRecvError {
    /// A value may still come.
    Empty,
    /// No value will come: all senders are gone, and everything that they sent has been received.
    Closed,
    /// This many values were overwritten before this receiver received them. The next call returns the oldest value
    /// that is still there.
    Lagged(u64),
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channel closed")
    }
}

impl<T: fmt::Debug> Error for SendError<T> {}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("channel closed"),
            Self::Lagged(missed) => write!(f, "channel lagged by {missed}"),
        }
    }
}

impl Error for RecvError {}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("channel empty"),
            Self::Closed => f.write_str("channel closed"),
            Self::Lagged(missed) => write!(f, "channel lagged by {missed}"),
        }
    }
}

impl Error for TryRecvError {}
