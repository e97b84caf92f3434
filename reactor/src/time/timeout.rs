//! A limit on how long a future may take.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use heist_sync::coop;
use pin_project_lite::pin_project;

use super::{Instant, Sleep, sleep_until};

/// Waits for `future`, for `duration` at most. Returns its output, or [`Elapsed`] if it takes longer.
///
/// `future` is polled before the clock is checked. So if it is ready, its output is returned even after the deadline. A
/// future that never yields can't be timed out. After a timeout `future` is dropped with the [`Timeout`], unless you
/// [take it out](Timeout::into_inner).
///
/// # Errors
///
/// [`Elapsed`] if the time is up.
///
/// # Cancel safety
///
/// If you drop the timeout, `future` is dropped.
///
/// # Panics
///
/// Polling it panics outside of any runtime if the thread that serves timers there can't be started.
///
/// ```
/// use heist::time::{Duration, timeout};
///
/// #[heist::main]
/// async fn main() {
///     assert_eq!(timeout(Duration::from_secs(1), async { 7 }).await, Ok(7));
///     let never = std::future::pending::<()>();
///     assert!(timeout(Duration::from_millis(1), never).await.is_err());
/// }
/// ```
#[inline]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        sleep: Sleep::lasting(duration),
        yielded: false,
    }
}

/// Waits for `future`, until `deadline` at most. Otherwise like [`timeout`].
///
/// # Errors
///
/// [`Elapsed`] if the time is up.
///
/// # Cancel safety
///
/// If you drop the timeout, `future` is dropped.
///
/// # Panics
///
/// Polling it panics outside of any runtime if the thread that serves timers there can't be started.
///
/// ```
/// use heist::time::{Duration, Instant, timeout_at};
///
/// #[heist::main]
/// async fn main() {
///     let deadline = Instant::now() + Duration::from_millis(1);
///     assert!(timeout_at(deadline, std::future::pending::<()>()).await.is_err());
/// }
/// ```
#[inline]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        sleep: sleep_until(deadline),
        yielded: false,
    }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[must_use = "a timeout does nothing unless awaited"]
    #[derive(Debug)]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
        // Whether it has yielded once because the time was up but the budget was used up.
        yielded: bool,
    }
}

impl<F> Timeout<F> {
    /// The future under the limit.
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// The future under the limit.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// The future, without its limit.
    ///
    /// ```
    /// use heist::time::{Duration, timeout};
    /// use std::future::ready;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let limited = timeout(Duration::from_secs(1), ready(42));
    ///     // Waits without the limit.
    ///     assert_eq!(limited.into_inner().await, 42);
    /// }
    /// ```
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        ready!(this.sleep.poll_elapsed(cx));
        match coop::poll_proceed(cx) {
            Poll::Ready(coop) => coop.made_progress(),
            // Yields once, as any future does. It doesn't yield again: otherwise a future that uses up the whole budget
            // in each poll would keep its own limit from ending it.
            Poll::Pending if !std::mem::replace(this.yielded, true) => return Poll::Pending,
            Poll::Pending => {}
        }
        Poll::Ready(Err(Elapsed(())))
    }
}

/// The time given to a future was up before it completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}
