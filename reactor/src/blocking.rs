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
use crate::sources::shut_down;

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
    let (job, outcome) = prepare(job);
    if let Err(refused) = Reactor::current().pool().submit(job) {
        // Dropping the job leaves `ShutDown` there.
        let failed = Failed::from(refused);
        let previous = outcome.lock().result.replace(Err(failed));
        drop(previous);
    }
    Spawned(outcome)
}

/// Like [`spawn`], but once the pool has taken the job, it also runs if the pool is shut down before its turn has come.
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
    let (job, outcome) = prepare(job);
    Reactor::current().pool().submit_mandatory(job)?;
    Ok(Spawned(outcome))
}

/// Makes a job of the pool, which leaves what it returns in the outcome.
fn prepare<T, F>(job: F) -> (Job, Arc<Mutex<Outcome<T>>>)
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let outcome = Arc::new(Mutex::new(Outcome {
        result: None,
        waker: None,
    }));
    let reply = Reply(Some(outcome.clone()));
    let job = Box::new(move || {
        let result = catch_unwind(AssertUnwindSafe(job));
        reply.send(result.map_err(Failed::Panicked));
    });
    (job, outcome)
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
}

/// What the job sends to its future, once. If the job is dropped, it sends this then.
struct Reply<T>(Option<Arc<Mutex<Outcome<T>>>>);

impl<T> Reply<T> {
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

impl From<Refused> for Failed {
    /// Drops the job.
    fn from(refused: Refused) -> Failed {
        match refused {
            Refused::Shutdown(_) => Failed::ShutDown,
            Refused::NoThread(_, error) => Failed::NoThread(error),
        }
    }
}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> io::Error {
        match failed {
            Failed::NoThread(error) => error,
            Failed::ShutDown => shut_down(),
            // The value of a panic is not `Sync`, so the error holds its description instead.
            failed => io::Error::other(failed.to_string()),
        }
    }
}
