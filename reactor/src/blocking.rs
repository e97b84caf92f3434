//! Threads for jobs that block.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use heist_sync::coop;
use heist_sync::sys::{Arc, Mutex};
use heist_sync::waits::{self, Wait};

use crate::reactor::Reactor;

pub use crate::pool::{Job, Pool, PoolConfig, Refused, Spawner};

/// Runs `job` on a thread of the current reactor's [`Pool`]. The future completes with what the job returns.
///
/// The job runs even if the future is never polled, or is dropped.
///
/// # Errors
///
/// [`Failed`] if the job panics, if no thread can be started for it, or if the pool shuts down before it runs.
///
/// # Cancel safety
///
/// If you drop the future, the job runs all the same, and its result is dropped.
///
/// # Panics
///
/// If the default reactor is needed and can't be started.
///
/// ```
/// # use heist_reactor::testing::block_on;
/// let sum = heist_reactor::blocking::spawn(|| (1..=100).sum::<u32>());
/// assert_eq!(block_on(sum).unwrap(), 5_050);
/// ```
#[track_caller]
pub fn spawn<T, F>(job: F) -> Spawned<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (reply, outcome) = Reply::new();
    let job = Box::new(move || {
        let result = catch_unwind(AssertUnwindSafe(job));
        reply.send(result.map_err(Failed::Panicked));
    });
    if let Err(failed) = submit(job, || ()) {
        let previous = outcome.lock().result.replace(Err(failed));
        drop(previous);
    }
    Spawned(outcome)
}

/// Like [`spawn`], but once the pool has taken the job, the job runs whatever happens. If the pool shuts down before, the
/// thread that shuts it down runs the job.
///
/// # Errors
///
/// Why the pool did not take the job, which is dropped then.
#[track_caller]
pub(crate) fn spawn_mandatory<T, F>(job: F) -> Result<Spawned<T>, Failed>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (reply, outcome) = Reply::new();
    let mut job = Mandatory {
        job: Some(job),
        reply: Some(reply),
    };
    let refuse = || outcome.lock().refused = true;
    submit(Box::new(move || job.run()), refuse)?;
    Ok(Spawned(outcome))
}

/// Hands `job` to the pool of the current reactor. If the pool refuses it, calls `refuse` and drops it.
#[track_caller]
fn submit(job: Job, refuse: impl FnOnce()) -> Result<(), Failed> {
    Reactor::current().pool().submit(job).map_err(|refused| {
        refuse();
        match refused {
            // Dropping the job leaves `ShutDown` in its outcome.
            Refused::Shutdown(_) => Failed::ShutDown,
            Refused::NoThread(_, error) => Failed::NoThread(error),
        }
    })
}

/// The future of [`spawn`].
#[must_use = "to detach the job, drop the future"]
pub struct Spawned<T>(Arc<Mutex<Outcome<T>>>);

// No user code runs under its lock, so a panic leaves it as it is.
impl<T> UnwindSafe for Spawned<T> {}
impl<T> RefUnwindSafe for Spawned<T> {}

struct Outcome<T> {
    result: Option<Result<T, Failed>>,
    waker: Option<Waker>,
    /// The pool has not taken the job, so not even a mandatory one runs.
    refused: bool,
}

/// What the job sends to its future, once. If the job is dropped, it sends this then.
struct Reply<T>(Option<Arc<Mutex<Outcome<T>>>>);

impl<T> Reply<T> {
    fn new() -> (Self, Arc<Mutex<Outcome<T>>>) {
        let outcome = Arc::new(Mutex::new(Outcome {
            result: None,
            waker: None,
            refused: false,
        }));
        (Self(Some(outcome.clone())), outcome)
    }

    fn send(mut self, result: Result<T, Failed>) {
        self.fill(result);
    }

    fn fill(&mut self, result: Result<T, Failed>) {
        if let Some(outcome) = self.0.take() {
            let mut outcome = outcome.lock();
            outcome.result = Some(result);
            let waker = outcome.waker.take();
            drop(outcome);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        self.fill(Err(Failed::ShutDown));
    }
}

/// A job that also runs if it is dropped, unless the pool has refused it.
struct Mandatory<T, F: FnOnce() -> T> {
    // It is dropped before the reply is, which tells the future.
    job: Option<F>,
    reply: Option<Reply<T>>,
}

impl<T, F: FnOnce() -> T> Mandatory<T, F> {
    fn run(&mut self) {
        if let (Some(job), Some(reply)) = (self.job.take(), self.reply.take()) {
            let result = catch_unwind(AssertUnwindSafe(job));
            reply.send(result.map_err(Failed::Panicked));
        }
    }

    fn is_refused(&self) -> bool {
        let outcome = self.reply.as_ref().and_then(|reply| reply.0.as_ref());
        outcome.is_some_and(|outcome| outcome.lock().refused)
    }
}

impl<T, F: FnOnce() -> T> Drop for Mandatory<T, F> {
    fn drop(&mut self) {
        if !self.is_refused() {
            self.run();
        }
    }
}

impl<T> Future for Spawned<T> {
    type Output = Result<T, Failed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let coop = ready!(coop::poll_proceed(cx));
        let waker = cx.waker().clone();
        let mut outcome = self.0.lock();
        if let Some(result) = outcome.result.take() {
            coop.made_progress();
            return Poll::Ready(result);
        }
        let old = outcome.waker.replace(waker);
        drop(outcome);
        drop(old);
        waits::note(Wait::BlockingJob);
        Poll::Pending
    }
}

impl<T> fmt::Debug for Spawned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawned").finish_non_exhaustive()
    }
}

/// Why a blocking job has no result.
pub enum Failed {
    /// It panicked with this value.
    Panicked(Box<dyn Any + Send>),
    /// No thread is alive to run it and none can be started.
    NoThread(io::Error),
    /// The pool was shut down before it ran.
    ShutDown,
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Panicked(_) => f.write_str("Panicked"),
            Failed::NoThread(error) => f.debug_tuple("NoThread").field(error).finish(),
            Failed::ShutDown => f.write_str("ShutDown"),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Panicked(_) => f.write_str("the blocking job panicked"),
            Failed::NoThread(error) => {
                write!(f, "no thread for blocking jobs can be started: {error}")
            }
            Failed::ShutDown => f.write_str("the blocking pool has been shut down"),
        }
    }
}

impl std::error::Error for Failed {}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> io::Error {
        match failed {
            Failed::NoThread(error) => error,
            // The value of a panic is not `Sync`, so the error holds its description instead.
            failed => io::Error::other(failed.to_string()),
        }
    }
}
