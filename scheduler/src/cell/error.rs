//! Why a task returned no output.

use std::any::Any;
use std::panic::Location;
use std::{fmt, io};

use heist_sync::protocol::contain;

use super::unjoined::{OnUnjoined, UnjoinedPanic};
use crate::id::Id;

/// Why a task returned no output: it panicked, or it was cancelled.
///
/// # Examples
/// ```
/// use heist::task::JoinError;
///
/// async fn compute(number: u32) -> Result<u32, JoinError> {
///     heist::spawn(async move { 100 / number }).await
/// }
///
/// #[heist::main]
/// async fn main() {
///     assert_eq!(compute(4).await.unwrap(), 25);
///     assert!(compute(0).await.unwrap_err().is_panic());
/// }
/// ```
pub struct JoinError {
    id: Id,
    cause: Cause,
}

enum Cause {
    Cancelled,
    Panic(Payload, Option<Box<Untold>>),
}

/// The function to call for a panic that nobody joins, and what to tell it.
pub(super) struct Untold {
    tell: OnUnjoined,
    name: Option<Box<str>>,
    location: &'static Location<'static>,
}

impl Untold {
    pub(super) fn new(
        tell: OnUnjoined,
        name: Option<&str>,
        location: &'static Location<'static>,
    ) -> Self {
        Self {
            tell,
            name: name.map(Box::from),
            location,
        }
    }
}

/// A panic's payload, which is only `Send`.
struct Payload(Box<dyn Any + Send>);

// SAFETY: a shared `Payload` gives no access to what it holds except by `message`. That downcasts only to `&str` and
// `String`, which are `Sync`. By value it gives the box, for which `Send` suffices.
unsafe impl Sync for Payload {}

impl Payload {
    fn message(&self) -> Option<&str> {
        let payload = &*self.0;
        payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }
}

impl JoinError {
    pub(crate) fn cancelled(id: Id) -> Self {
        Self {
            id,
            cause: Cause::Cancelled,
        }
    }

    pub(crate) fn panic(id: Id, payload: Box<dyn Any + Send>) -> Self {
        Self {
            id,
            cause: Cause::Panic(Payload(payload), None),
        }
    }

    /// As [`panic`](Self::panic), with the function to call if nobody joins the task.
    pub(super) fn panic_untold(
        id: Id,
        payload: Box<dyn Any + Send>,
        untold: Option<Untold>,
    ) -> Self {
        Self {
            id,
            cause: Cause::Panic(Payload(payload), untold.map(Box::new)),
        }
    }

    /// Nobody will join the task.
    pub(super) fn tell(&self) {
        if let Cause::Panic(payload, Some(untold)) = &self.cause {
            let panic = UnjoinedPanic {
                id: self.id,
                name: untold.name.as_deref(),
                location: untold.location,
                message: payload.message(),
            };
            contain(|| (untold.tell)(&panic));
        }
    }

    /// Whether the task was aborted, or dropped by the shutdown of its runtime.
    ///
    /// # Examples
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     let task = heist::spawn(std::future::pending::<()>());
    ///     task.abort();
    ///     assert!(task.await.unwrap_err().is_cancelled());
    /// }
    /// ```
    pub fn is_cancelled(&self) -> bool {
        matches!(self.cause, Cause::Cancelled)
    }

    /// Whether the task panicked.
    ///
    /// [`JoinError`] has an example.
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, Cause::Panic(..))
    }

    /// The panic's payload, for [`std::panic::resume_unwind`].
    ///
    /// # Panics
    /// Panics if the task did not panic. [`try_into_panic`](Self::try_into_panic) returns an error instead.
    ///
    /// # Examples
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     let task = heist::spawn(async { panic!("no more beans") });
    ///     let error = task.await.unwrap_err();
    ///     if error.is_panic() {
    ///         let payload = error.into_panic();
    ///         assert_eq!(payload.downcast_ref::<&str>(), Some(&"no more beans"));
    ///     }
    /// }
    /// ```
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic()
            .expect("`JoinError` reason is not a panic.")
    }

    /// The panic's payload.
    ///
    /// # Errors
    /// Returns this error if the task did not panic.
    ///
    /// [`into_panic`](Self::into_panic) has an example.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, JoinError> {
        match self.cause {
            Cause::Panic(payload, _) => Ok(payload.0),
            Cause::Cancelled => Err(self),
        }
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.id
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Cancelled => write!(f, "task {} was cancelled", self.id),
            Cause::Panic(payload, _) => match payload.message() {
                Some(message) => {
                    write!(f, "task {} panicked with message {message:?}", self.id)
                }
                None => write!(f, "task {} panicked", self.id),
            },
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Cancelled => write!(f, "JoinError::Cancelled({:?})", self.id),
            Cause::Panic(payload, _) => match payload.message() {
                Some(message) => write!(f, "JoinError::Panic({:?}, {message:?}, ...)", self.id),
                None => write!(f, "JoinError::Panic({:?}, ...)", self.id),
            },
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        io::Error::other(match error.cause {
            Cause::Cancelled => "task was cancelled",
            Cause::Panic(..) => "task panicked",
        })
    }
}
