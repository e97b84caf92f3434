//! The failures of a group.

use std::error::Error;
use std::fmt;

use crate::cell::{Id, JoinError};

/// The failures of a group's children, at least one. The first is the one that cancelled the other children.
///
/// # Examples
/// ```
/// use heist::task::TaskGroup;
/// use heist::task::task_group::Failure;
///
/// #[heist::main]
/// async fn main() {
///     let mut group = TaskGroup::<(), &str>::new();
///     group.spawn(async { Err("no more beans") });
///     group.spawn(std::future::pending());
///     let error = group.join().await.unwrap_err();
///     assert_eq!(error.failures().len(), 1);
///     assert!(matches!(error.first(), Failure::Error(_, "no more beans")));
/// }
/// ```
pub struct GroupError<E> {
    failures: Vec<Failure<E>>,
}

/// How one child failed.
#[derive(Debug)]
pub enum Failure<E> {
    /// The child with this id returned an error.
    Error(Id, E),
    /// The child panicked, or its runtime shut down.
    Join(JoinError),
}

impl<E> Failure<E> {
    /// The child's id.
    pub fn id(&self) -> Id {
        match self {
            Self::Error(id, _) => *id,
            Self::Join(error) => error.id(),
        }
    }
}

impl<E> GroupError<E> {
    pub(super) fn new(failures: Vec<Failure<E>>) -> Option<Self> {
        (!failures.is_empty()).then_some(Self { failures })
    }

    /// The failure that cancelled the other children.
    ///
    /// [`GroupError`] has an example.
    pub fn first(&self) -> &Failure<E> {
        &self.failures[0]
    }

    /// All failures, in the order in which they happened.
    ///
    /// [`GroupError`] has an example.
    pub fn failures(&self) -> &[Failure<E>] {
        &self.failures
    }

    /// Consumes the error and returns all failures.
    pub fn into_failures(self) -> Vec<Failure<E>> {
        self.failures
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(_, error) => error.fmt(f),
            Self::Join(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for Failure<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Error(_, error) => error.source(),
            Self::Join(error) => error.source(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a task of the group failed: {}", self.first())?;
        match self.failures.len() - 1 {
            0 => Ok(()),
            more => write!(f, " (and {more} more)"),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.failures).finish()
    }
}

impl<E: Error + 'static> Error for GroupError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self.first() {
            Failure::Error(_, error) => error,
            Failure::Join(error) => error,
        })
    }
}
