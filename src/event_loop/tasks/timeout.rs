//! Time limits that can be changed while they run.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use heist_sync::sys::Mutex;

use crate::event_loop::InvalidState;
use crate::event_loop::callbacks::calls::after;
use crate::time::{Instant, sleep_until};

/// A time limit for a block of code, which can be changed while the block runs. Made by [`timeout`] and [`timeout_at`].
///
/// Its clones are the same limit: one is given to the block, so that it can [reschedule](Self::reschedule) it.
///
/// # Examples
///
/// ```
/// use heist::event_loop::tasks::timeout;
/// use heist::time::{Duration, Instant, sleep};
///
/// #[heist::main]
/// async fn main() {
///     let limit = timeout(Some(Duration::from_millis(1)));
///     let same = limit.clone();
///     let block = async move {
///         same.reschedule(Some(Instant::now() + Duration::from_secs(60))).unwrap();
///         sleep(Duration::from_millis(5)).await;
///         "in time"
///     };
///     assert_eq!(limit.run(block).await, Ok("in time"));
///     assert!(!limit.expired());
/// }
/// ```
#[derive(Clone)]
pub struct Timeout {
    shared: Arc<Mutex<State>>,
}

struct State {
    when: Option<Instant>,
    stage: Stage,
    /// Whoever runs the block.
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Created,
    Active,
    Expired,
    Finished,
}

/// The time of a [`Timeout`] was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutError(());

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is over")
    }
}

impl Error for TimeoutError {}

/// A limit of `delay` from now on, or none yet.
///
/// # Examples
///
/// ```
/// use heist::event_loop::tasks::timeout;
/// use heist::time::Duration;
///
/// #[heist::main]
/// async fn main() {
///     let limit = timeout(Some(Duration::from_secs(60)));
///     assert_eq!(limit.run(async { 42 }).await, Ok(42));
///     let limit = timeout(Some(Duration::from_millis(1)));
///     assert!(limit.run(std::future::pending::<()>()).await.is_err());
/// }
/// ```
pub fn timeout(delay: Option<Duration>) -> Timeout {
    timeout_at(delay.map(|delay| after(Instant::now(), delay)))
}

/// A limit at a moment, or none yet.
///
/// # Examples
///
/// ```
/// use heist::event_loop::tasks::timeout_at;
/// use heist::time::{Duration, Instant};
///
/// #[heist::main]
/// async fn main() {
///     let limit = timeout_at(Some(Instant::now() + Duration::from_millis(1)));
///     assert!(limit.run(std::future::pending::<()>()).await.is_err());
///     assert!(limit.expired());
/// }
/// ```
pub fn timeout_at(when: Option<Instant>) -> Timeout {
    Timeout {
        shared: Arc::new(Mutex::new(State {
            when,
            stage: Stage::Created,
            waker: None,
        })),
    }
}

impl Timeout {
    /// When the time is over. `None` if there is no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::tasks::{timeout, timeout_at};
    /// use heist::time::Instant;
    ///
    /// let now = Instant::now();
    /// assert_eq!(timeout_at(Some(now)).when(), Some(now));
    /// assert_eq!(timeout(None).when(), None);
    /// ```
    pub fn when(&self) -> Option<Instant> {
        self.shared.lock().when
    }

    /// Whether the time was over before the block had ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::tasks::timeout;
    /// use heist::time::Duration;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let limit = timeout(Some(Duration::from_millis(1)));
    /// assert!(!limit.expired());
    /// assert!(limit.run(std::future::pending::<()>()).await.is_err());
    /// assert!(limit.expired());
    /// # }
    /// ```
    pub fn expired(&self) -> bool {
        self.shared.lock().stage == Stage::Expired
    }

    /// Changes the limit. `None` takes it away. A moment that is past ends the block when it next waits.
    ///
    /// # Errors
    ///
    /// Fails once the block has ended, or the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::tasks::timeout;
    /// use heist::time::Instant;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let limit = timeout(None);
    /// limit.reschedule(Some(Instant::now())).unwrap();
    /// assert!(limit.run(std::future::pending::<()>()).await.is_err());
    /// // It is over, so there is nothing to change.
    /// assert!(limit.reschedule(None).is_err());
    /// # }
    /// ```
    pub fn reschedule(&self, when: Option<Instant>) -> Result<(), InvalidState<()>> {
        let mut state = self.shared.lock();
        if matches!(state.stage, Stage::Expired | Stage::Finished) {
            return Err(InvalidState(()));
        }
        state.when = when;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Runs a block under this limit. It is dropped, and so cancelled, when the time is over. If it ends at that very
    /// moment, its output is returned.
    ///
    /// # Errors
    ///
    /// Fails when the time is over.
    ///
    /// # Cancel safety
    ///
    /// That of `block`.
    ///
    /// # Panics
    ///
    /// Panics if the limit has been used for a block before.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::tasks::timeout;
    /// use heist::time::Duration;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let limit = timeout(Some(Duration::from_secs(60)));
    /// assert_eq!(limit.run(async { "in time" }).await, Ok("in time"));
    /// # }
    /// ```
    pub async fn run<F: Future>(&self, block: F) -> Result<F::Output, TimeoutError> {
        let is_new = {
            let mut state = self.shared.lock();
            let is_new = state.stage == Stage::Created;
            if is_new {
                state.stage = Stage::Active;
            }
            is_new
        };
        assert!(is_new, "a timeout serves one block");
        let _finish = Finish(self);
        let mut block = pin!(block);
        let mut sleep = pin!(sleep_until(Instant::now()));
        let mut slept_for = None;
        poll_fn(|cx| {
            if let Poll::Ready(output) = block.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            // The block may have changed the limit, and others may do so from here on.
            // The waker is cloned before, as it may do anything.
            let waker = cx.waker().clone();
            let mut state = self.shared.lock();
            let old = state.waker.replace(waker);
            let when = state.when;
            drop(state);
            drop(old);
            let Some(when) = when else {
                slept_for = None;
                return Poll::Pending;
            };
            if slept_for != Some(when) {
                sleep.as_mut().reset(when);
                slept_for = Some(when);
            }
            match sleep.as_mut().poll(cx) {
                Poll::Ready(()) if self.expire(when) => Poll::Ready(Err(TimeoutError(()))),
                Poll::Ready(()) => {
                    // It was rescheduled just now.
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// The time is over, unless the limit is another by now.
    fn expire(&self, when: Instant) -> bool {
        let mut state = self.shared.lock();
        let expires = state.when == Some(when);
        if expires {
            state.stage = Stage::Expired;
        }
        expires
    }
}

/// The block has ended, however.
struct Finish<'a>(&'a Timeout);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        let mut state = self.0.shared.lock();
        if state.stage == Stage::Active {
            state.stage = Stage::Finished;
        }
        let waker = state.waker.take();
        drop(state);
        drop(waker);
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Timeout")
            .field("when", &state.when)
            .field("stage", &state.stage)
            .finish()
    }
}
