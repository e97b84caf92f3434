//! The errors of [`mpsc`](super) and [`mpmc`](crate::mpmc) channels: why a message was not sent or received.
//!
//! | error | of |
//! |---|---|
//! | [`SendError`] | `send`, `blocking_send`, `reserve` and the like: the channel is closed |
//! | [`TrySendError`] | `try_send`, `try_reserve` and the like: there is no room, or the channel is closed |
//! | [`SendTimeoutError`] | `send_timeout`: there was no room in time, or the channel is closed |
//! | [`TryRecvError`] | `try_recv`: there is no message yet, or there will be none |
//!
//! The first three give the message back. `recv` has no error: it returns `None` when the channel has ended.
//!
//! # Examples
//!
//! ```
//! use heist::sync::mpsc::{self, error::TrySendError};
//!
//! let (sender, _receiver) = mpsc::channel(1);
//! sender.try_send("first").unwrap();
//! match sender.try_send("second") {
//!     Err(TrySendError::Full(message)) => println!("no room for {message:?}"),
//!     Err(TrySendError::Closed(message)) => println!("nobody receives {message:?}"),
//!     Ok(()) => unreachable!("the channel has room for one message"),
//! }
//! ```

use std::error::Error;
use std::fmt;

/// The receiver was dropped or closed. It holds what was to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Why a message could not be sent at once. It holds the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// There is no room, or other senders wait for it.
    Full(T),
    /// The receiver was dropped or closed.
    Closed(T),
}

/// Why a message was not sent within the time limit. It holds the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// The limit passed before there was room.
    Timeout(T),
    /// The receiver was dropped or closed.
    Closed(T),
}

/// Why there is no message now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// A message may still come.
    Empty,
    /// No message will come: the channel is closed and empty.
    Disconnected,
}

impl<T> TrySendError<T> {
    /// Returns what was to be sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }

    fn text(&self) -> &'static str {
        match self {
            Self::Full(_) => "no available capacity",
            Self::Closed(_) => "channel closed",
        }
    }
}

impl<T> SendTimeoutError<T> {
    /// Returns what was to be sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Timeout(value) | Self::Closed(value) => value,
        }
    }
}

impl<T> From<SendError<T>> for TrySendError<T> {
    fn from(error: SendError<T>) -> Self {
        Self::Closed(error.0)
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channel closed")
    }
}

impl<T> Error for SendError<T> {}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl<T> Error for TrySendError<T> {}

impl<T> fmt::Debug for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => "Timeout(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => "timed out waiting on send operation",
            Self::Closed(_) => "channel closed",
        })
    }
}

impl<T> Error for SendTimeoutError<T> {}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "receiving on an empty channel",
            Self::Disconnected => "receiving on a closed channel",
        })
    }
}

impl Error for TryRecvError {}
