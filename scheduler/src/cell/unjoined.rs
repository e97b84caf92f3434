//! Panics that nobody joins.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::id::Id;

/// A function that is told of panics that nobody joined.
pub(crate) type OnUnjoined = Arc<dyn Fn(&UnjoinedPanic<'_>) + Send + Sync>;

/// A panic of a task or a blocking job whose handle was dropped before or after the panic, so that nobody was told.
///
/// # Examples
/// ```
/// use heist::runtime::Builder;
/// use std::sync::mpsc;
///
/// let (sender, panics) = mpsc::channel();
/// let runtime = Builder::new_multi_thread()
///     .on_unjoined_panic(move |panic| {
///         let message = panic.message().map(str::to_owned);
///         sender.send((panic.task_id(), message)).ok();
///     })
///     .build()?;
/// let task = runtime.spawn(async { panic!("no more beans") });
/// let id = task.id();
/// drop(task);
/// assert_eq!(panics.recv(), Ok((id, Some("no more beans".to_owned()))));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct UnjoinedPanic<'a> {
    pub(crate) id: Id,
    pub(crate) name: Option<&'a str>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) message: Option<&'a str>,
}

impl UnjoinedPanic<'_> {
    /// The task that panicked.
    pub fn task_id(&self) -> Id {
        self.id
    }

    /// The name of the task, if it has one.
    pub fn task_name(&self) -> Option<&str> {
        self.name
    }

    /// Where the task was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.location
    }

    /// The panic's message, if its payload is a string.
    pub fn message(&self) -> Option<&str> {
        self.message
    }
}

impl fmt::Display for UnjoinedPanic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        if let Some(name) = self.name {
            write!(f, " ({name:?})")?;
        }
        write!(f, ", spawned at {}, panicked", self.location)?;
        match self.message {
            Some(message) => write!(f, " with message {message:?}"),
            None => Ok(()),
        }
    }
}
