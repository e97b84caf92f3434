//! The operations of a file: at most one is on the pool at a time.
//!
//! | state | what holds | left by |
//! |---|---|---|
//! | idle | `Buffers` are here. If `ahead` has bytes, the file's position is past the reader's by so many | an operation that begins |
//! | busy | the job has the `Buffers`. It runs to its end, whoever waits for it | a poll after its end |
//!
//! A poll that wants something else than what is under way waits for that first, and keeps what it brings: the bytes of a
//! read stay in `ahead`, the error of a write in `write_error` for the next write or flush.
//!
//! The pool may refuse a job, or shut down before its turn has come. Then the job is dropped with its `Buffers`, and `ahead`
//! comes back from a copy. A read takes none along, so a copy is rare.
//!
//! Writes are mandatory jobs: a write that was promised to its caller takes place though the pool shuts down.

use std::cmp;
use std::fs::File as StdFile;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice, Seek, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use heist_sync::coop;

use crate::blocking::{self, Spawned};
use crate::fs::buffer::{Ahead, Buffers};
use crate::io::ReadBuf;
use crate::sys::AtOnce;

pub(super) struct Inner {
    state: State,
    /// The error of a write that something else than a write or a flush has waited for.
    write_error: Option<io::Error>,
    /// Where the last seek has led.
    position: u64,
    /// What a seek that was done at once has to say. `poll_complete` says it.
    sought: Option<io::Result<u64>>,
    pub(super) at_once: AtOnce,
}

enum State {
    Idle(Buffers),
    Busy(Job),
}

struct Job {
    future: Spawned<(Outcome, Buffers)>,
    /// A copy of the `ahead` that the job has taken along.
    ahead: Ahead,
}

/// What an operation brings.
enum Outcome {
    /// The bytes are in `ahead`. What the job has found out of the file comes with them.
    Read(io::Result<()>, AtOnce),
    Write(io::Result<()>),
    Seek(io::Result<u64>),
    /// Of an operation that its caller waits for.
    Other(io::Result<()>),
    /// Nothing was under way.
    Nothing,
}

impl Inner {
    pub(super) fn new(at_once: AtOnce) -> Self {
        Self {
            state: State::Idle(Buffers::default()),
            write_error: None,
            position: 0,
            sought: None,
            at_once,
        }
    }

    /// Waits for what is under way, and returns what it brings.
    ///
    /// # Errors
    ///
    /// If the pool has not run it.
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Outcome>> {
        let State::Busy(job) = &mut self.state else {
            return Poll::Ready(Ok(Outcome::Nothing));
        };
        let (outcome, buffers) = match ready!(Pin::new(&mut job.future).poll(cx)) {
            Ok(done) => done,
            Err(failed) => {
                let ahead = std::mem::take(&mut job.ahead);
                self.state = State::Idle(Buffers::with_ahead(ahead));
                return Poll::Ready(Err(failed.into()));
            }
        };
        self.state = State::Idle(buffers);
        match &outcome {
            Outcome::Read(_, at_once) => self.at_once = *at_once,
            Outcome::Seek(Ok(position)) => self.position = *position,
            _ => {}
        }
        Poll::Ready(Ok(outcome))
    }

    /// Waits for what is under way, and keeps the error of a write for later. Then the file is idle.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut Buffers>> {
        if let Outcome::Write(Err(error)) = ready!(self.poll_outcome(cx))? {
            self.write_error = Some(error);
        }
        match &mut self.state {
            State::Idle(buffers) => Poll::Ready(Ok(buffers)),
            State::Busy(_) => unreachable!("its outcome has come"),
        }
    }

    /// Waits for what is under way. Its error is kept for later if it is a write's, and forgotten otherwise.
    pub(super) async fn settle(&mut self) {
        let settled = poll_fn(|cx| self.poll_idle(cx).map_ok(drop)).await;
        // If the pool did not run it, whoever began it is gone.
        drop(settled);
    }

    /// Begins an operation, which takes the buffers along.
    fn begin(&mut self, operation: impl FnOnce(&mut Buffers) -> Outcome + Send + 'static) {
        if let State::Idle(buffers) = &mut self.state {
            let (ahead, mut buffers) = (buffers.ahead.copy(), std::mem::take(buffers));
            let future = blocking::spawn(move || {
                let outcome = operation(&mut buffers);
                (outcome, buffers)
            });
            self.state = State::Busy(Job { future, ahead });
        }
    }

    #[inline]
    pub(super) fn poll_read(
        &mut self,
        file: &Arc<StdFile>,
        most: usize,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let State::Idle(Buffers { ahead, .. }) = &mut self.state {
                let unit = ready!(coop::poll_proceed(cx));
                let at_once = if ahead.is_empty() && buffer.remaining() > 0 {
                    self.at_once.read(file, buffer, most)
                } else {
                    ahead.take(buffer);
                    true
                };
                if at_once {
                    unit.made_progress();
                    return Poll::Ready(Ok(()));
                }
                // The job's future takes a unit itself.
                drop(unit);
                self.begin_read(file.clone(), cmp::min(buffer.remaining(), most));
            }
            match ready!(self.poll_outcome(cx))? {
                Outcome::Read(result, _) => {
                    if let State::Idle(Buffers { ahead, .. }) = &mut self.state {
                        ahead.take(buffer);
                    }
                    return Poll::Ready(result);
                }
                Outcome::Write(Err(error)) => self.write_error = Some(error),
                _ => {}
            }
        }
    }

    #[cold]
    fn begin_read(&mut self, file: Arc<StdFile>, room: usize) {
        let at_once = self.at_once;
        self.begin(move |buffers| {
            let at_once = at_once.known(&file);
            Outcome::Read(buffers.ahead.read_from(&file, room), at_once)
        });
    }

    /// Takes at most `most` bytes of `parts`, and begins to write them. Returns how many.
    pub(super) fn poll_write(
        &mut self,
        file: &Arc<StdFile>,
        most: usize,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let State::Idle(buffers) = &mut self.state else {
            unreachable!("it is idle");
        };
        buffers.outgoing.clear();
        for part in parts {
            let room = most - buffers.outgoing.len();
            let part = &part[..cmp::min(part.len(), room)];
            buffers.outgoing.extend_from_slice(part);
        }
        let taken = buffers.outgoing.len();
        if taken == 0 {
            return Poll::Ready(Ok(0));
        }
        let (file, ahead) = (file.clone(), buffers.ahead.copy());
        let mut buffers = std::mem::take(buffers);
        let begun = blocking::spawn_mandatory(move || {
            let outcome = Outcome::Write(buffers.write_to(&file));
            (outcome, buffers)
        });
        match begun {
            Ok(future) => {
                self.state = State::Busy(Job { future, ahead });
                Poll::Ready(Ok(taken))
            }
            Err(failed) => {
                self.state = State::Idle(Buffers::with_ahead(ahead));
                Poll::Ready(Err(failed.into()))
            }
        }
    }

    /// Waits until what was written has been taken by the system.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.write_error.take() {
            return Poll::Ready(Err(error));
        }
        ready!(self.poll_idle(cx))?;
        Poll::Ready(self.write_error.take().map_or(Ok(()), Err))
    }

    pub(super) fn start_seek(
        &mut self,
        file: &Arc<StdFile>,
        mut position: SeekFrom,
    ) -> io::Result<()> {
        let State::Idle(buffers) = &mut self.state else {
            return Err(io::Error::other(
                "another operation is under way: poll_complete waits for it",
            ));
        };
        self.sought = None;
        // What was read ahead counts as not read.
        let mut unread_first = false;
        if let SeekFrom::Current(by) = &mut position {
            match by.checked_sub(buffers.ahead.lead()) {
                Some(sum) => *by = sum,
                None => unread_first = true,
            }
        }
        if !unread_first && let Some(sought) = self.at_once.seek(file, position) {
            if let Ok(position) = sought {
                buffers.ahead.clear();
                self.position = position;
            }
            self.sought = Some(sought);
            return Ok(());
        }
        let file = file.clone();
        self.begin(move |Buffers { ahead, .. }| {
            let before = if unread_first {
                ahead.unread(&file)
            } else {
                Ok(())
            };
            let sought = before.and_then(|()| (&*file).seek(position));
            if sought.is_ok() {
                ahead.clear();
            }
            Outcome::Seek(sought)
        });
        Ok(())
    }

    pub(super) fn poll_complete(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if let State::Idle(_) = self.state {
            ready!(coop::poll_proceed(cx)).made_progress();
            return Poll::Ready(self.sought.take().unwrap_or(Ok(self.position)));
        }
        match ready!(self.poll_outcome(cx))? {
            Outcome::Seek(sought) => return Poll::Ready(sought),
            Outcome::Write(Err(error)) => self.write_error = Some(error),
            _ => {}
        }
        Poll::Ready(Ok(self.position))
    }

    /// Waits for what is under way, and moves the file's position to the reader's. Then does `job`.
    pub(super) async fn alone(
        &mut self,
        file: &Arc<StdFile>,
        job: impl FnOnce(&StdFile) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        self.settle().await;
        let file = file.clone();
        self.begin(move |buffers| {
            let unread = buffers.ahead.unread(&file);
            Outcome::Other(unread.and_then(|()| job(&file)))
        });
        match poll_fn(|cx| self.poll_outcome(cx)).await? {
            Outcome::Other(result) => result,
            _ => unreachable!("it is what was begun"),
        }
    }

    /// Waits for what is under way, and moves the file's position to the reader's.
    pub(super) async fn level(&mut self, file: &Arc<StdFile>) -> io::Result<()> {
        self.settle().await;
        match &self.state {
            State::Idle(buffers) if buffers.ahead.is_empty() => Ok(()),
            _ => self.alone(file, |_| Ok(())).await,
        }
    }
}
