//! How the users of a registered source wait for it and operate on it.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use heist_sync::coop;
use heist_sync::sys::Arc;
use mio::Interest;

use crate::context;
use crate::current::default_reactor;
use crate::readiness::{Direction, Listed, News, Seen, Source, Wanted};
use crate::sources::{Sources, shut_down};

mod bytes;
pub(crate) mod ready;

/// Whether an operation that transferred less than it asked for has drained the source. If so, the next operation would
/// block, and epoll promises an edge for whatever comes after it. The source may not be drained if something else cut
/// the operation short: a limit on what one call takes (`short` knows these limits), an error, or an urgent byte
/// ([`Seen::may_be_drained`]). There may be an urgent byte that nobody has been told of yet. Then its event prevents
/// the clear.
const SHORT_MEANS_DRAINED: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Something registered with a reactor. It leaves the reactor when it is dropped.
pub(crate) struct Registered<S: mio::event::Source> {
    /// `None` only after it has been taken out.
    io: Option<S>,
    source: Arc<Source>,
    sources: Arc<Sources>,
    token: usize,
}

impl<S: mio::event::Source> Registered<S> {
    /// Registers `io` with the reactor of this thread. Both directions start with `news`.
    pub(crate) fn new(io: S, interest: Interest, news: News) -> io::Result<Self> {
        match context::with_entered(|reactor| reactor.sources().clone()) {
            Some(sources) => Self::with(sources, io, interest, news),
            None => Self::with_default(io, interest, news),
        }
    }

    /// Registers `io` with the default reactor, which lives as long as the process.
    pub(crate) fn with_default(io: S, interest: Interest, news: News) -> io::Result<Self> {
        let sources = default_reactor()?.sources().clone();
        Self::with(sources, io, interest, news)
    }

    fn with(sources: Arc<Sources>, mut io: S, interest: Interest, news: News) -> io::Result<Self> {
        let source = Arc::new(Source::new(news));
        let token = sources.register(&mut io, interest, source.clone())?;
        Ok(Self {
            io: Some(io),
            source,
            sources,
            token,
        })
    }

    /// The registered object.
    #[inline]
    pub(crate) fn io(&self) -> &S {
        self.io.as_ref().expect("registered")
    }

    /// Deregisters the object and returns it.
    pub(crate) fn into_inner(mut self) -> io::Result<S> {
        let mut io = self.io.take().expect("registered");
        self.leave(&mut io)?;
        Ok(io)
    }

    /// The direction in which data comes in.
    pub(crate) fn reads(&self) -> &Direction {
        &self.source.read
    }

    /// The direction in which data goes out.
    pub(crate) fn writes(&self) -> &Direction {
        &self.source.write
    }

    fn leave(&self, io: &mut S) -> io::Result<()> {
        self.sources.deregister(io, self.token)
    }
}

impl<S: mio::event::Source> Drop for Registered<S> {
    fn drop(&mut self) {
        if let Some(mut io) = self.io.take() {
            // If the poller does not know it any more, nothing is lost.
            let _ = self.leave(&mut io);
        }
    }
}

impl<S: mio::event::Source + fmt::Debug> fmt::Debug for Registered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.fmt(f)
    }
}

/// Does an operation for which the source seems ready. `short` says of the result whether the operation transferred
/// less than it asked for. If the operation finds the source not ready or drained, the readiness is cleared.
///
/// Returns `None` if the operation would block.
fn attempt<R>(
    direction: &Direction,
    seen: Seen,
    operation: &mut impl FnMut() -> io::Result<R>,
    short: impl Fn(&R) -> bool,
) -> Option<io::Result<R>> {
    if seen.is_shut_down() {
        return Some(Err(shut_down()));
    }
    loop {
        match operation() {
            Ok(result) => {
                if SHORT_MEANS_DRAINED && seen.may_be_drained() && short(&result) {
                    direction.clear(seen);
                }
                return Some(Ok(result));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                direction.clear(seen);
                return None;
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

impl Direction {
    /// Does an operation as soon as it can go through, as the one task that polls this direction.
    pub(crate) fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut() -> io::Result<R>,
        short: impl Fn(&R) -> bool,
    ) -> Poll<io::Result<R>> {
        let coop = ready!(coop::poll_proceed(cx));
        loop {
            let seen = ready!(self.poll(cx));
            if let Some(result) = attempt(self, seen, &mut operation, &short) {
                coop.made_progress();
                return Poll::Ready(result);
            }
        }
    }

    /// Does an operation as soon as it can go through. Any number of tasks may wait.
    pub(crate) async fn io<R>(
        &self,
        mut operation: impl FnMut() -> io::Result<R>,
        short: impl Fn(&R) -> bool,
    ) -> io::Result<R> {
        loop {
            let seen = self.news().await;
            if let Some(result) = attempt(self, seen, &mut operation, &short) {
                return result;
            }
        }
    }

    /// Does an operation if it can go through now. Otherwise fails with `WouldBlock`.
    pub(crate) fn try_io<R>(
        &self,
        mut operation: impl FnMut() -> io::Result<R>,
        short: impl Fn(&R) -> bool,
    ) -> io::Result<R> {
        let seen = self.look();
        if !seen.is_ready() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        attempt(self, seen, &mut operation, short)
            .unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
    }

    /// Completes once an operation is worth trying.
    pub(crate) fn news(&self) -> WaitForNews<'_> {
        self.news_of(Wanted::ANY)
    }

    /// Completes once some of `wanted` is so.
    pub(crate) fn news_of(&self, wanted: Wanted) -> WaitForNews<'_> {
        WaitForNews {
            direction: self,
            wanted,
            entry: None,
        }
    }

    /// Completes once an operation is worth trying. If the reactor has been shut down, it completes with an error.
    pub(crate) async fn ready(&self) -> io::Result<()> {
        if self.news().await.is_shut_down() {
            return Err(shut_down());
        }
        Ok(())
    }

    /// Polls for [`ready`](Self::ready), as the one task that polls this direction.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let coop = ready!(coop::poll_proceed(cx));
        let seen = ready!(self.poll(cx));
        coop.made_progress();
        Poll::Ready(if seen.is_shut_down() {
            Err(shut_down())
        } else {
            Ok(())
        })
    }
}

/// The future of [`Direction::news`].
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
    use super::{Direction, News, SHORT_MEANS_DRAINED, attempt};
    use heist_sync::waits::Wait;
    use std::io;

    /// Whether the direction is ready after an operation that went through, `short` or not.
    fn ready_after(news: News, short: bool) -> bool {
        let direction = Direction::new(news, Wait::Readable);
        let done = attempt(&direction, direction.look(), &mut || Ok(1), |_| short);
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
    fn what_would_block_is_ready_no_more_until_there_is_news() {
        for news in [News::READY, News::ERROR, News::URGENT] {
            let direction = Direction::new(news, Wait::Readable);
            let would_block = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let seen = direction.look();
            assert!(attempt(&direction, seen, &mut { would_block }, |_| false).is_none());
            assert!(!direction.look().is_ready(), "{news:?}");
            direction.set(News::READY, &mut Vec::new());
            assert!(direction.look().is_ready() && direction.look().may_be_drained());
        }
    }
}
