//! A future that completes at a given time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use heist_sync::coop;
use heist_sync::sys::Arc;

use super::Instant;
use crate::context;
use crate::poller::PollKick;
use crate::timers::{Closed, Key, Rejected, Shard};

/// Waits until `duration` has passed.
///
/// A `duration` too long to be counted is as good as for ever. One of zero completes at once.
///
/// It never completes early. How late depends on the system (on Linux some 30 µs on a machine at rest) and, where
/// timers fire more than 10,000 times a second, on the others: these share wake-ups, and one may wait 100 µs for its own.
///
/// # Cancel safety
///
/// Dropping the future cancels the sleep.
///
/// ```
/// use heist_reactor::time::{Duration, Instant, sleep};
/// # use heist_reactor::testing::block_on;
/// # block_on(async {
/// let start = Instant::now();
/// sleep(Duration::from_millis(2)).await;
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// # });
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::lasting(duration)
}

/// Waits until `deadline`. One that has passed completes at once.
///
/// # Cancel safety
///
/// Dropping the future cancels the sleep.
///
/// ```
/// use heist_reactor::time::{Duration, Instant, sleep_until};
/// # use heist_reactor::testing::block_on;
/// # block_on(async {
/// let deadline = Instant::now() + Duration::from_millis(2);
/// sleep_until(deadline).await;
/// assert!(Instant::now() >= deadline);
/// # });
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        deadline,
        state: State::Unregistered,
    }
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// It belongs to the reactor of whoever polls it first, also after a [`reset`](Self::reset).
///
/// # Panics
///
/// Polling it panics where the default reactor is needed and can't be started.
#[must_use = "a sleep does nothing unless awaited"]
pub struct Sleep {
    deadline: Instant,
    state: State,
}

enum State {
    /// Made for a moment still to come, and never polled. Its first poll asks the coarse clock, and the exact one only
    /// where that leaves it open, as a look at the exact one is a third of what a timeout that never fires costs.
    Young,
    /// Never polled, or the reactor that it belonged to is gone.
    Unregistered,
    /// An entry in a shard's wheel, or one that has left it by firing.
    Waiting(Arc<Shard<PollKick>>, Key),
    /// Reset since it was polled last; the shard is the one it belongs to.
    Reset(Arc<Shard<PollKick>>),
    Elapsed,
}

impl Sleep {
    /// What [`sleep`] makes.
    #[inline]
    pub(super) fn lasting(duration: Duration) -> Self {
        Self {
            deadline: Instant::now().after(duration),
            state: if duration.is_zero() {
                State::Unregistered
            } else {
                State::Young
            },
        }
    }

    /// When it completes.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether its deadline has passed.
    pub fn is_elapsed(&self) -> bool {
        matches!(self.state, State::Elapsed) || Instant::now() >= self.deadline
    }

    /// Gives it another deadline. A task that waits for it need not poll it again to be woken then: but one that has
    /// not polled it since the last `reset` will only see it complete by polling it.
    ///
    /// ```
    /// use heist_reactor::time::{Duration, Instant, sleep};
    /// # use heist_reactor::testing::block_on;
    /// # block_on(async {
    /// let mut sleep = std::pin::pin!(sleep(Duration::from_secs(3_600)));
    /// sleep.as_mut().reset(Instant::now() + Duration::from_millis(1));
    /// sleep.await;
    /// # });
    /// ```
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.get_mut();
        this.deadline = deadline;
        this.state = match std::mem::replace(&mut this.state, State::Unregistered) {
            State::Waiting(shard, key) => match shard.take(key) {
                // Still waited for: whoever waits is woken at the new deadline.
                Some(waker) => match shard.insert(shard.deadline(deadline.into_std()), waker) {
                    Ok(key) => State::Waiting(shard, key),
                    Err(Rejected::Passed(waker)) => {
                        waker.wake();
                        State::Elapsed
                    }
                    Err(Rejected::Closed) => State::Unregistered,
                },
                None => State::Reset(shard),
            },
            State::Reset(shard) => State::Reset(shard),
            State::Young | State::Unregistered | State::Elapsed => State::Unregistered,
        };
    }

    /// Polls it without asking for budget.
    #[inline]
    pub(super) fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &self.state {
                State::Elapsed => return Poll::Ready(()),
                State::Waiting(shard, key) => match shard.poll(*key, cx) {
                    Ok(Poll::Pending) => return Poll::Pending,
                    Ok(Poll::Ready(())) => self.state = State::Elapsed,
                    Err(Closed) => self.state = State::Unregistered,
                },
                State::Unregistered | State::Reset(_) if Instant::now() >= self.deadline => {
                    self.state = State::Elapsed;
                }
                State::Young | State::Unregistered | State::Reset(_) => self.register(cx),
            }
            if let State::Waiting(..) = &self.state {
                return Poll::Pending;
            }
        }
    }

    /// Puts an entry into the shard that it belongs to, or else into one of the reactor of this thread; or finds that
    /// its time has come.
    fn register(&mut self, cx: &Context<'_>) {
        let young = matches!(self.state, State::Young);
        let insert = |shard: Arc<Shard<PollKick>>| {
            let deadline = shard.deadline(self.deadline.into_std());
            if young && shard.has_come(deadline) {
                return Some(State::Elapsed);
            }
            match shard.insert(deadline, cx.waker().clone()) {
                Ok(key) => Some(State::Waiting(shard, key)),
                Err(Rejected::Passed(_)) => Some(State::Elapsed),
                Err(Rejected::Closed) => None,
            }
        };
        let own = match &self.state {
            State::Reset(shard) => insert(shard.clone()),
            _ => None,
        };
        let entered = || context::with_entered(|reactor| reactor.timer_shard().clone());
        self.state = own
            .or_else(|| entered().and_then(insert))
            .or_else(|| match context::default_reactor() {
                Ok(reactor) => insert(reactor.timer_shard().clone()),
                Err(error) => panic!("the default reactor can't be started: {error}"),
            })
            .expect("the default reactor is never shut down");
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let coop = ready!(coop::poll_proceed(cx));
        let polled = self.get_mut().poll_elapsed(cx);
        if polled.is_ready() {
            coop.made_progress();
        }
        polled
    }
}

impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        if let State::Waiting(shard, key) = &self.state {
            drop(shard.take(*key));
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
