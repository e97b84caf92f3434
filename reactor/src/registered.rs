//! How the users of a registered source wait for it and operate on it.

use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use heist_sync::coop;
use heist_sync::sys::Arc;
use mio::Interest;

use crate::context;
use crate::current::default_reactor;
use crate::poller::Pollable;
use crate::readiness::{Direction, Listed, News, Seen, Source, Stale, Wanted};
use crate::sources::{Share, shut_down};

pub(crate) mod bytes;
pub(crate) mod ready;

/// Whether an operation that transferred less than it asked for has drained the source. If so, the next operation would
/// block, and epoll promises an edge for whatever comes after it. The source may not be drained if something else cut
/// the operation short: a limit on what one call takes (`short` knows these limits), an error, or an urgent byte
/// ([`Seen::may_be_drained`]). There may be an urgent byte that nobody has been told of yet. Then its event prevents
/// the clear.
const SHORT_MEANS_DRAINED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Something registered with a reactor. It leaves the reactor when it is dropped.
pub(crate) struct Registered<S: Pollable> {
    /// `None` only after it has been taken out.
    io: Option<S>,
    registration: Registration,
}

/// How a reactor knows what is registered with it.
struct Registration {
    source: Arc<Source>,
    sources: Share,
    token: usize,
}

/// One direction of something registered.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    registration: &'a Registration,
    writes: bool,
}

impl<S: Pollable> Registered<S> {
    /// Registers `io` with the reactor of this thread. Both directions start with `news`.
    pub(crate) fn new(io: S, interest: Interest, news: News) -> io::Result<Self> {
        Self::try_new(io, interest, news).map_err(|(_, error)| error)
    }

    /// Like [`new`](Self::new), but gives `io` back if it can't be registered.
    pub(crate) fn try_new(io: S, interest: Interest, news: News) -> Result<Self, (S, io::Error)> {
        match context::with_entered(|reactor| reactor.sources().share()) {
            Some(sources) => Self::with(sources, io, interest, news),
            None => Self::try_with_default(io, interest, news),
        }
    }

    /// Registers `io` with the default reactor, which lives as long as the process.
    #[cfg(unix)]
    pub(crate) fn with_default(io: S, interest: Interest, news: News) -> io::Result<Self> {
        Self::try_with_default(io, interest, news).map_err(|(_, error)| error)
    }

    fn try_with_default(io: S, interest: Interest, news: News) -> Result<Self, (S, io::Error)> {
        match default_reactor() {
            Ok(reactor) => Self::with(reactor.sources().share(), io, interest, news),
            Err(error) => Err((io, error)),
        }
    }

    fn with(
        sources: Share,
        mut io: S,
        interest: Interest,
        news: News,
    ) -> Result<Self, (S, io::Error)> {
        let source = Arc::new(Source::new(news));
        match sources.register(&mut io, interest, source.clone()) {
            Ok(token) => Ok(Self {
                io: Some(io),
                registration: Registration {
                    source,
                    sources,
                    token,
                },
            }),
            Err(error) => Err((io, error)),
        }
    }

    /// The registered object.
    #[inline]
    pub(crate) fn io(&self) -> &S {
        self.io.as_ref().expect("registered")
    }

    /// The registered object.
    #[cfg(unix)]
    pub(crate) fn io_mut(&mut self) -> &mut S {
        self.io.as_mut().expect("registered")
    }

    /// Deregisters the object and returns it.
    pub(crate) fn into_inner(mut self) -> io::Result<S> {
        let mut io = self.io.take().expect("registered");
        self.leave(&mut io)?;
        Ok(io)
    }

    /// Deregisters the object and returns it, whether or not the poller still knows it.
    #[cfg(unix)]
    pub(crate) fn take(mut self) -> S {
        let mut io = self.io.take().expect("registered");
        let _ = self.leave(&mut io);
        io
    }

    /// The direction in which data comes in.
    #[inline]
    pub(crate) fn reads(&self) -> Side<'_> {
        Side {
            registration: &self.registration,
            writes: false,
        }
    }

    /// The direction in which data goes out.
    #[inline]
    pub(crate) fn writes(&self) -> Side<'_> {
        Side {
            registration: &self.registration,
            writes: true,
        }
    }

    fn leave(&self, io: &mut S) -> io::Result<()> {
        let Registration { sources, token, .. } = &self.registration;
        sources.deregister(io, *token)
    }
}

impl<S: Pollable> Drop for Registered<S> {
    fn drop(&mut self) {
        if let Some(mut io) = self.io.take() {
            // If the poller does not know it any more, nothing is lost.
            let _ = self.leave(&mut io);
        }
    }
}

impl<S: Pollable + fmt::Debug> fmt::Debug for Registered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.fmt(f)
    }
}

/// Says that no result means a drained source, for operations that have nothing to do with the amount of data.
pub(crate) fn never<R>(_: &R) -> bool {
    false
}

/// Does an operation for which the source seems ready. `short` says of the result whether the operation transferred
/// less than it asked for. If the operation finds the source not ready or drained, the readiness is cleared, and `rearm` is
/// called.
///
/// Returns `None` if the operation would block.
#[inline]
fn attempt<R>(
    direction: &Direction,
    seen: Seen,
    operation: &mut impl FnMut() -> io::Result<R>,
    short: impl Fn(&R) -> bool,
    rearm: impl FnOnce(),
) -> Option<io::Result<R>> {
    if seen.is_shut_down() {
        return Some(Err(shut_down()));
    }
    loop {
        match operation() {
            Ok(result) => {
                if SHORT_MEANS_DRAINED && seen.may_be_drained() && short(&result) {
                    direction.clear_part(seen, Stale::READY);
                    rearm();
                }
                return Some(Ok(result));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                direction.clear(seen);
                rearm();
                return None;
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

impl Deref for Side<'_> {
    type Target = Direction;

    #[inline]
    fn deref(&self) -> &Direction {
        self.direction()
    }
}

impl<'a> Side<'a> {
    /// What is known of it.
    #[inline]
    pub(crate) fn direction(self) -> &'a Direction {
        let source = &*self.registration.source;
        if self.writes {
            &source.write
        } else {
            &source.read
        }
    }

    /// Makes the poller tell again, after the readiness was cleared.
    #[inline]
    pub(crate) fn rearm(self) {
        self.rearm_for(if self.writes {
            Interest::WRITABLE
        } else {
            Interest::READABLE
        });
    }

    /// Likewise, for the parts that `interest` names.
    pub(crate) fn rearm_for(self, interest: Interest) {
        let Registration { sources, token, .. } = self.registration;
        sources.rearm(*token, interest);
    }

    /// Does an operation for which this seems ready.
    #[inline]
    fn attempt<R>(
        self,
        seen: Seen,
        operation: &mut impl FnMut() -> io::Result<R>,
        short: impl Fn(&R) -> bool,
    ) -> Option<io::Result<R>> {
        attempt(self.direction(), seen, operation, short, || self.rearm())
    }

    /// Does an operation as soon as it can go through, as the one task that polls this direction.
    pub(crate) fn poll_io<R>(
        self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut() -> io::Result<R>,
        short: impl Fn(&R) -> bool,
    ) -> Poll<io::Result<R>> {
        let coop = ready!(coop::poll_proceed(cx));
        loop {
            let seen = ready!(self.poll(cx));
            if let Some(result) = self.attempt(seen, &mut operation, &short) {
                coop.made_progress();
                return Poll::Ready(result);
            }
        }
    }

    /// Does an operation as soon as it can go through. Any number of tasks may wait.
    pub(crate) async fn io<R>(
        self,
        mut operation: impl FnMut() -> io::Result<R>,
        short: impl Fn(&R) -> bool,
    ) -> io::Result<R> {
        loop {
            let seen = self.news().await;
            if let Some(result) = self.attempt(seen, &mut operation, &short) {
                return result;
            }
        }
    }

    /// Does an operation if it can go through now. Otherwise fails with `WouldBlock`.
    pub(crate) fn try_io<R>(
        self,
        mut operation: impl FnMut() -> io::Result<R>,
        short: impl Fn(&R) -> bool,
    ) -> io::Result<R> {
        let seen = self.look();
        if !seen.is_ready() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.attempt(seen, &mut operation, short)
            .unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
    }

    /// Completes once an operation is worth trying.
    pub(crate) fn news(self) -> WaitForNews<'a> {
        self.news_of(Wanted::ANY)
    }

    /// Completes once some of `wanted` is so.
    pub(crate) fn news_of(self, wanted: Wanted) -> WaitForNews<'a> {
        WaitForNews {
            direction: self.direction(),
            wanted,
            entry: None,
        }
    }

    /// Completes once an operation is worth trying. If the reactor has been shut down, it completes with an error.
    pub(crate) async fn ready(self) -> io::Result<()> {
        if self.news().await.is_shut_down() {
            return Err(shut_down());
        }
        Ok(())
    }

    /// Polls for [`ready`](Self::ready), as the one task that polls this direction. Returns what it saw.
    pub(crate) fn poll_seen(self, cx: &mut Context<'_>) -> Poll<io::Result<Seen>> {
        let coop = ready!(coop::poll_proceed(cx));
        let seen = ready!(self.poll(cx));
        coop.made_progress();
        Poll::Ready(if seen.is_shut_down() {
            Err(shut_down())
        } else {
            Ok(seen)
        })
    }

    /// Polls for [`ready`](Self::ready), as the one task that polls this direction.
    pub(crate) fn poll_ready(self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_seen(cx).map_ok(drop)
    }
}

/// The future of [`Side::news`].
#[derive(Debug)]
pub(crate) struct WaitForNews<'a> {
    direction: &'a Direction,
    wanted: Wanted,
    entry: Option<Listed>,
}

impl Future for WaitForNews<'_> {
    type Output = Seen;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Seen> {
        let coop = ready!(coop::poll_proceed(cx));
        let this = &mut *self;
        let seen = ready!(
            this.direction
                .poll_listed_for(this.wanted, cx, &mut this.entry)
        );
        coop.made_progress();
        Poll::Ready(seen)
    }
}

impl Drop for WaitForNews<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.direction.unlist(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Direction, News, SHORT_MEANS_DRAINED, Stale, attempt};
    use heist_sync::waits::Wait;
    use std::io;

    /// Whether the direction is ready after an operation that went through, `short` or not.
    fn ready_after(news: News, short: bool) -> bool {
        let direction = Direction::new(news, Wait::Readable);
        let done = attempt(
            &direction,
            direction.look(),
            &mut || Ok(1),
            |_| short,
            || {},
        );
        assert!(matches!(done, Some(Ok(1))));
        direction.look().is_ready()
    }

    #[test]
    fn short_is_drained_unless_something_else_made_it_short() {
        assert!(ready_after(News::READY, false));
        assert_eq!(ready_after(News::READY, true), !SHORT_MEANS_DRAINED);
        for news in [News::ERROR, News::URGENT, News::CLOSED] {
            assert!(ready_after(news, true), "{news:?}");
        }
    }

    #[test]
    fn a_reader_leaves_the_news_that_others_wait_for() {
        for news in [News::ERROR, News::URGENT] {
            let direction = Direction::new(news, Wait::Readable);
            let seen = direction.look();
            direction.clear(seen);
            let left = direction.look();
            assert!(!left.is_ready() && left.may_be_drained());
            assert_eq!(left.is_error(), seen.is_error());
            assert_eq!(left.is_urgent(), seen.is_urgent());
            // And those others leave the reader's.
            let direction = Direction::new(news, Wait::Readable);
            let stale = Stale::ERROR.and(true, Stale::URGENT);
            direction.clear_part(direction.look(), stale);
            assert!(direction.look().may_transfer() && !direction.look().may_be_drained());
        }
    }

    #[test]
    fn what_would_block_is_ready_no_more_until_there_is_news() {
        for news in [News::READY, News::ERROR, News::URGENT, News::CLOSED] {
            let direction = Direction::new(news, Wait::Readable);
            let would_block = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let seen = direction.look();
            let mut rearmed = false;
            let rearm = || rearmed = true;
            let done = attempt(&direction, seen, &mut { would_block }, |_| false, rearm);
            assert!(done.is_none() && rearmed);
            assert!(!direction.look().is_ready(), "{news:?}");
            direction.set(News::READY, &mut Vec::new());
            assert!(direction.look().is_ready() && direction.look().may_be_drained());
        }
    }
}
