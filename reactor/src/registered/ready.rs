//! Waiting for a source, and operations of its users' own on it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Registered, WaitForNews};
use crate::io::{Interest, Ready};
use crate::poller::Pollable;
use crate::readiness::{Seen, Stale, Wanted};
use crate::sources::shut_down;

/// What was seen of the two directions, as far as they were looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Both {
    read: Option<Seen>,
    write: Option<Seen>,
}

impl Both {
    /// What was seen of the direction in which data comes in.
    #[cfg(unix)]
    pub(crate) fn read(seen: Seen) -> Both {
        Both {
            read: Some(seen),
            write: None,
        }
    }

    /// What was seen of the direction in which data goes out.
    #[cfg(unix)]
    pub(crate) fn write(seen: Seen) -> Both {
        Both {
            read: None,
            write: Some(seen),
        }
    }

    /// What they are ready for.
    pub(crate) fn ready(self) -> Ready {
        let mut ready = Ready::EMPTY;
        if let Some(read) = self.read {
            ready = ready
                .and(read.may_transfer(), Ready::READABLE)
                .and(read.is_closed(), Ready::READ_CLOSED)
                .and(read.is_error(), Ready::ERROR)
                .and_priority(read.is_urgent());
        }
        if let Some(write) = self.write {
            ready = ready
                .and(write.may_transfer(), Ready::WRITABLE)
                .and(write.is_closed(), Ready::WRITE_CLOSED)
                .and(write.is_error(), Ready::ERROR);
        }
        ready
    }

    fn is_shut_down(self) -> bool {
        let both = [self.read, self.write];
        both.into_iter().flatten().any(Seen::is_shut_down)
    }
}

/// What `interest` waits for in each direction; `None` if nothing. Errors are reported to both directions, so one is enough.
fn wanted(interest: Interest) -> (Option<Wanted>, Option<Wanted>) {
    let read = Wanted::NONE
        .and(interest.is_readable(), Wanted::ANY)
        .and(interest.is_priority(), Wanted::URGENT)
        .and(interest.is_error(), Wanted::ERROR);
    let write = interest.is_writable().then_some(Wanted::ANY);
    ((read != Wanted::NONE).then_some(read), write)
}

impl<S: Pollable> Registered<S> {
    /// What is known now of what has to do with `interest`.
    pub(crate) fn look(&self, interest: Interest) -> Both {
        let (read, write) = wanted(interest);
        Both {
            read: read.map(|_| self.reads().look()),
            write: write.map(|_| self.writes().look()),
        }
    }

    /// Clears that part of what was seen, because an operation has found that it is no longer so. Does nothing for a
    /// direction that has had an event since. Returns what is left.
    pub(crate) fn clear(&self, seen: Both, which: Ready) -> Both {
        let [is_readable, is_writable, read_closed, write_closed, error] = [
            Ready::READABLE,
            Ready::WRITABLE,
            Ready::READ_CLOSED,
            Ready::WRITE_CLOSED,
            Ready::ERROR,
        ]
        .map(|part| !(which & part).is_empty());
        let both = Stale::NONE.and(error, Stale::ERROR);
        let of_read = both
            .and(is_readable, Stale::READY)
            .and(read_closed, Stale::CLOSED)
            .and(which.has_priority(), Stale::URGENT);
        let of_write = both
            .and(is_writable, Stale::READY)
            .and(write_closed, Stale::CLOSED);
        let (read, write) = (self.reads(), self.writes());
        let left = Both {
            read: seen.read.map(|seen| read.clear_part(seen, of_read)),
            write: seen.write.map(|seen| write.clear_part(seen, of_write)),
        };
        if seen.read.is_some() && (is_readable || read_closed || error) {
            read.rearm();
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if seen.read.is_some() && which.has_priority() {
            read.rearm_for(mio::Interest::PRIORITY);
        }
        if seen.write.is_some() && (is_writable || write_closed || error) {
            write.rearm();
        }
        left
    }

    /// Clears what `interest` asks for, because an operation would block.
    pub(crate) fn clear_for(&self, interest: Interest, seen: Both) {
        let mut which = seen.ready().of(interest);
        // An operation on urgent bytes says nothing about the others.
        if !interest.is_readable() {
            which = which - Ready::READ_CLOSED;
        }
        self.clear(seen, which);
    }

    /// Waits until something that `interest` asks for may be so.
    ///
    /// # Errors
    ///
    /// If the reactor has been shut down.
    pub(crate) fn news(&self, interest: Interest) -> impl Future<Output = io::Result<Both>> {
        // The future holds both directions, and not the object. So it is `Send` even if the object isn't `Sync`.
        let (read, write) = wanted(interest);
        let mut read = read.map(|wanted| self.reads().news_of(wanted));
        let mut write = write.map(|wanted| self.writes().news_of(wanted));
        poll_fn(move |cx| {
            let found = Both {
                read: poll_one(&mut read, cx),
                write: poll_one(&mut write, cx),
            };
            if found.is_shut_down() {
                Poll::Ready(Err(shut_down()))
            } else if found.read.is_some() || found.write.is_some() {
                Poll::Ready(Ok(found))
            } else {
                Poll::Pending
            }
        })
    }

    /// Waits until something that `interest` asks for may be so, and returns what.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let seen = self.news(interest).await?;
        Ok(seen.ready().of(interest))
    }

    /// What was seen, if the source is ready for `interest`.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it isn't. If the reactor has been shut down.
    pub(crate) fn look_for(&self, interest: Interest) -> io::Result<Both> {
        let seen = self.look(interest);
        if seen.is_shut_down() {
            return Err(shut_down());
        }
        if seen.ready().of(interest).is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(seen)
    }

    /// Calls `operation` if the source is ready for it. If it would block, the readiness is cleared.
    pub(crate) fn try_io_for<R>(
        &self,
        interest: Interest,
        operation: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        let seen = self.look_for(interest)?;
        let result = operation();
        if is_would_block(&result) {
            self.clear_for(interest, seen);
        }
        result
    }

    /// Calls `operation` each time when the source is ready for it, until it doesn't block any more.
    pub(crate) async fn async_io<R>(
        &self,
        interest: Interest,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            let seen = self.news(interest).await?;
            let result = operation();
            if !is_would_block(&result) {
                return result;
            }
            self.clear_for(interest, seen);
        }
    }
}

pub(crate) fn is_would_block<R>(result: &io::Result<R>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Polls for one direction, if it is waited for.
fn poll_one(news: &mut Option<WaitForNews<'_>>, cx: &mut Context<'_>) -> Option<Seen> {
    match Pin::new(news.as_mut()?).poll(cx) {
        Poll::Ready(seen) => Some(seen),
        Poll::Pending => None,
    }
}
