//! A future that completes at a given time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use heist_sync::coop;
use heist_sync::sys::Arc;
use heist_sync::waits::{self, Wait};

use super::Instant;
use super::nursery;
use crate::clock;
use crate::context::{self, Home};
use crate::poller::PollKick;
use crate::reactor::Reactor;
use crate::timers::{Closed, Key, Rejected, Shard};

/// Waits until `duration` has passed.
///
/// It never completes early. On Linux it completes about 30 µs late on an idle machine, elsewhere up to a millisecond. If
/// more than 10,000 timers a second fire, they share wake-ups, and each may be up to 100 µs later.
///
/// A `duration` of zero completes at once. One that is too long to be represented lasts for decades.
///
/// # Cancel safety
///
/// If you drop the future, the sleep is cancelled.
///
/// ```
/// use heist::time::{Duration, Instant, sleep};
///
/// #[heist::main]
/// async fn main() {
///     let start = Instant::now();
///     sleep(Duration::from_millis(2)).await;
///     assert!(start.elapsed() >= Duration::from_millis(2));
/// }
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::lasting(duration)
}

/// Waits until `deadline`. If it has passed, the future completes at once.
///
/// # Cancel safety
///
/// If you drop the future, the sleep is cancelled.
///
/// ```
/// use heist::time::{Duration, Instant, sleep_until};
///
/// #[heist::main]
/// async fn main() {
///     let deadline = Instant::now() + Duration::from_millis(2);
///     sleep_until(deadline).await;
///     assert!(Instant::now() >= deadline);
/// }
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        deadline,
        state: State::Unregistered,
    }
}

/// Makes sleeps the clock for the limits in `heist_sync`. Whoever makes a reactor calls this first.
pub(crate) fn serve_limits() {
    heist_sync::protocol::set_timer(|limit| Box::pin(sleep(limit)));
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// It belongs to the runtime in which it is first polled, also after a [`reset`](Self::reset).
///
/// If you forget it after it was polled, for instance by [`mem::forget`](std::mem::forget), its timer and waker stay in
/// memory until the deadline.
///
/// # Panics
///
/// Polling it panics outside of any runtime if the thread that serves timers there can't be started.
#[must_use = "a sleep does nothing unless awaited"]
pub struct Sleep {
    deadline: Instant,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// Made for a moment in the future, and never polled. Its first poll asks the coarse clock. It asks the exact clock
    /// only if the coarse one can't decide, as reading the exact one is a third of the cost of a timeout that never
    /// fires.
    Young,
    /// Never polled, or the reactor that it belonged to is gone.
    Unregistered,
    /// An item in the nursery, during the poll that it was made in. Afterwards the same as `Waiting`.
    Nursed(Home, Key),
    /// An entry in a shard's wheel, or one that has left it by firing.
    Waiting(Home, Key),
    /// Doesn't wait any more, but belongs to a reactor.
    Reset(Home),
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

    /// The moment at which it completes.
    ///
    /// ```
    /// use heist::time::{Duration, Instant, sleep_until};
    ///
    /// let deadline = Instant::now() + Duration::from_secs(60);
    /// let sleep = sleep_until(deadline);
    /// assert_eq!(sleep.deadline(), deadline);
    /// assert!(!sleep.is_elapsed());
    /// ```
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether its deadline has passed.
    ///
    /// [`deadline`](Self::deadline) has an example.
    pub fn is_elapsed(&self) -> bool {
        matches!(self.state, State::Elapsed) || self.has_come()
    }

    /// Whether it is time, by the clock of the runtime that it belongs to.
    #[inline]
    fn has_come(&self) -> bool {
        if clock::any_was_paused()
            && let State::Nursed(home, _) | State::Waiting(home, _) | State::Reset(home) =
                self.state
            && let Some(now) = context::with_shard(home, |shard| shard.now())
        {
            return now >= self.deadline.into_std();
        }
        Instant::now() >= self.deadline
    }

    /// Changes the deadline. A task that waits for the sleep is woken at the new deadline, without another poll. If the sleep
    /// has completed, or was never polled, poll it to wait for the new deadline.
    ///
    /// ```
    /// use heist::time::{Duration, Instant, sleep};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut sleep = std::pin::pin!(sleep(Duration::from_secs(3_600)));
    ///     sleep.as_mut().reset(Instant::now() + Duration::from_millis(1));
    ///     sleep.await;
    /// }
    /// ```
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.get_mut();
        this.deadline = deadline;
        this.state = match this.state {
            State::Nursed(home, key) => {
                let put_off = |shard: &Arc<Shard<PollKick>>| {
                    nursery::put_off(home, key, shard.deadline(deadline.into_std()))
                };
                match context::with_shard(home, put_off).flatten() {
                    Some(key) => State::Nursed(home, key),
                    None => this.move_entry(home, key),
                }
            }
            State::Waiting(home, key) => this.move_entry(home, key),
            State::Reset(home) => State::Reset(home),
            State::Young | State::Unregistered | State::Elapsed => State::Unregistered,
        };
    }

    /// Gives its entry the new deadline. Whoever waits for it is woken then.
    fn move_entry(&self, home: Home, key: Key) -> State {
        let deadline = self.deadline.into_std();
        // If a waker is left over, it is woken or dropped only after the access to the thread's context is over.
        let moved = context::with_shard(home, |shard| {
            let waker = shard.take(key)?;
            let deadline = shard.deadline(deadline);
            if shard.has_come(deadline) {
                return Some(Err(Rejected::Passed(waker)));
            }
            Some(shard.insert(deadline, waker))
        });
        match moved {
            None | Some(Some(Err(Rejected::Closed(_)))) => State::Unregistered,
            // Nobody waits.
            Some(None) => State::Reset(home),
            Some(Some(Ok(key))) => State::Waiting(home, key),
            Some(Some(Err(Rejected::Passed(waker)))) => {
                waker.wake();
                State::Elapsed
            }
        }
    }

    /// Polls it without asking for budget.
    #[inline]
    pub(super) fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.state = match self.state {
                State::Elapsed => return Poll::Ready(()),
                State::Nursed(home, key) => {
                    if nursery::take_back(home, &key) {
                        State::Reset(home)
                    } else {
                        State::Waiting(home, key)
                    }
                }
                State::Waiting(home, key) => match poll_entry(home, key, cx) {
                    Ok(Poll::Pending) => {
                        waits::note_if_none(Wait::Sleep);
                        return Poll::Pending;
                    }
                    Ok(Poll::Ready(())) => State::Elapsed,
                    Err(Closed) => State::Unregistered,
                },
                State::Unregistered | State::Reset(_) if self.has_come() => State::Elapsed,
                State::Young | State::Unregistered | State::Reset(_) => {
                    self.state = self.register(cx);
                    if matches!(self.state, State::Nursed(..) | State::Waiting(..)) {
                        waits::note_if_none(Wait::Sleep);
                        return Poll::Pending;
                    }
                    continue;
                }
            }
        }
    }

    /// Makes an item or an entry in the reactor that it belongs to, or else in the reactor of this thread. Or finds
    /// that its time has come.
    #[inline(always)]
    fn register(&self, cx: &Context<'_>) -> State {
        let own = match self.state {
            State::Reset(home) => Some(home),
            _ => None,
        };
        let is_own = |id: u32| own.is_none_or(|home| home.reactor() == id);
        let entered = context::with_entered(|reactor| {
            is_own(reactor.id()).then(|| self.register_in(reactor, cx))
        });
        match entered.flatten() {
            Some(Ok(state)) => state,
            Some(Err((home, shard))) => {
                let inserted = self.insert(home, &shard, cx);
                inserted.unwrap_or_else(|| self.register_elsewhere(None, cx))
            }
            None => self.register_elsewhere(own, cx),
        }
    }

    /// Makes an item if possible. Otherwise returns the shard, as an entry must not be made during an access to the
    /// thread's context.
    #[inline(always)]
    fn register_in(
        &self,
        reactor: &Reactor,
        cx: &Context<'_>,
    ) -> Result<State, (Home, Arc<Shard<PollKick>>)> {
        let timers = reactor.timers();
        let home = Home::new(reactor.id(), timers.own_shard());
        let shard = &timers.shards()[home.shard()];
        let deadline = shard.deadline(self.deadline.into_std());
        if matches!(self.state, State::Young) && shard.has_come(deadline) {
            return Ok(State::Elapsed);
        }
        let nursed = nursery::nurse(cx.waker(), home, shard, deadline);
        nursed.map_or_else(
            || Err((home, shard.clone())),
            |key| Ok(State::Nursed(home, key)),
        )
    }

    /// Makes an entry. `None` if the reactor has been shut down.
    fn insert(&self, home: Home, shard: &Shard<PollKick>, cx: &Context<'_>) -> Option<State> {
        let deadline = shard.deadline(self.deadline.into_std());
        match shard.insert(deadline, cx.waker().clone()) {
            Ok(key) => Some(State::Waiting(home, key)),
            Err(Rejected::Passed(_)) => Some(State::Elapsed),
            Err(Rejected::Closed(_)) => None,
        }
    }

    /// Makes an entry in a reactor that this thread has not entered: its own, or else the default one.
    #[cold]
    fn register_elsewhere(&self, own: Option<Home>, cx: &Context<'_>) -> State {
        let own = own.and_then(|home| {
            let shard = context::with_shard(home, Arc::clone)?;
            self.insert(home, &shard, cx)
        });
        serve_limits();
        own.unwrap_or_else(|| match context::default_reactor() {
            Ok(reactor) => match self.register_in(reactor, cx) {
                Ok(state) => state,
                Err((home, shard)) => self
                    .insert(home, &shard, cx)
                    .expect("the default reactor is never shut down"),
            },
            Err(error) => panic!("the default reactor can't be started: {error}"),
        })
    }
}

/// Whether an entry has fired. If not, the entry keeps the waker of `cx`.
fn poll_entry(home: Home, key: Key, cx: &mut Context<'_>) -> Result<Poll<()>, Closed> {
    match context::with_shard(home, |shard| (!shard.has_fired(key)).then(|| shard.clone())) {
        None => Err(Closed),
        Some(None) => Ok(Poll::Ready(())),
        // Outside of the access to the thread's context, as it clones a waker.
        Some(Some(shard)) => shard.poll(key, cx),
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
        match &self.state {
            State::Nursed(home, key) if nursery::take_back(*home, key) => {}
            State::Nursed(home, key) | State::Waiting(home, key) => {
                // The waker is dropped after the access to the thread's context is over.
                drop(context::with_shard(*home, |shard| shard.take(*key)));
            }
            _ => {}
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
