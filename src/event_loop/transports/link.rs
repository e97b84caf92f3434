//! What a [`Transport`](crate::event_loop::Transport) and the connection's task share: one lock round the bytes that wait to be
//! sent and the wishes of the user. The task calls [`Link::advance`], which acts on them and returns what to do next.
//!
//! Invariants:
//! 1. Only the task calls the protocol. If a method of the transport should lead to a callback, it leaves a wish.
//! 2. `out` holds what was written and not yet sent, in order. A write goes to the socket directly only while `out` is
//!    empty and there is no barrier. Only the task sends from `out`.
//! 3. Once `closing` is set it stays set. From then on nothing is added to `out`, and nothing that is received is
//!    delivered. `gone` implies `closing`, and that `out` is empty: the transport was aborted, or it failed with
//!    `error`.
//! 4. `paused` is what the protocol was told, or, while `pause_due` is set, what it will be told next. So
//!    `pause_writing` and `resume_writing` come in turn. Writers see `paused` at once.
//! 5. `waiting` is set by the task, in the same hold of the lock in which it last looked. It is cleared by whoever has
//!    something for the task, who takes `waker` in the same hold of the lock, and wakes it. The task puts `waker` in
//!    place and looks at `waiting` in one hold of the lock: see [`Link::poll_change`]. Nothing else wakes it but the
//!    socket.
//! 6. `socket` is there until the connection is lost. The task drops it, so a transport that is kept does not keep the
//!    socket open.
//! 7. A barrier stands between what was written before it, `barrier` bytes of `out`, and what was written after it.
//!    The task does what the barrier is for once all before it was sent, and lifts it. Nothing is read meanwhile.

use std::any::Any;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use heist_sync::sys::{Mutex, MutexGuard};

use super::address::Address;
use super::socket::{Directions, Opened, Socket};
use crate::time::Instant;

/// The default high-water mark, as in asyncio.
pub(crate) const HIGH_WATER: usize = 64 * 1024;

pub(crate) struct Link {
    state: Mutex<State>,
    pub(crate) peer: Option<Address>,
    pub(crate) local: Option<Address>,
    pub(crate) directions: Directions,
}

/// Something that the task does between two callbacks. Only the task knows what it is.
pub(crate) type Wish = Box<dyn Any + Send>;

type Unfulfilled = (VecDeque<Wish>, Option<Wish>);

struct State {
    socket: Option<Arc<dyn Socket>>,
    out: VecDeque<u8>,
    high: usize,
    low: usize,
    paused: bool,
    pause_due: bool,
    reading_paused: bool,
    eof_received: bool,
    closing: bool,
    /// How long an orderly end may take, and when it will have taken that. `None` is for ever.
    close_timeout: Option<Duration>,
    close_by: Option<Instant>,
    gone: bool,
    error: Option<io::Error>,
    /// First: `write_eof` was called. Second: it was carried out.
    eof: bool,
    eof_sent: bool,
    wishes: VecDeque<Wish>,
    barrier: Option<usize>,
    beyond: Option<Wish>,
    /// Somebody wants something done with the protocol.
    errands: bool,
    /// The last thing that was done was an errand, so a read comes first.
    after_errand: bool,
    waiting: bool,
    /// What wakes the task, once it has polled in vain.
    waker: Option<Waker>,
    /// The protocol's inbox, for whoever wants a handle of it.
    inbox: Option<Arc<dyn Any + Send + Sync>>,
}

/// What the connection's task does next.
pub(crate) enum Next {
    PauseWriting,
    ResumeWriting,
    Read,
    /// Takes one errand from the inbox.
    Errand,
    Wish(Wish),
    /// Does what the barrier is for, and lifts it.
    Barrier(Wish),
    Wait {
        read: bool,
        write: bool,
        until: Option<Instant>,
    },
    Lost(Option<io::Error>),
}

impl Link {
    pub(crate) fn new(opened: Opened) -> Arc<Self> {
        let directions = opened.socket.directions();
        let state = State {
            socket: Some(opened.socket),
            out: VecDeque::new(),
            high: HIGH_WATER,
            low: HIGH_WATER / 4,
            paused: false,
            pause_due: false,
            reading_paused: false,
            eof_received: false,
            closing: false,
            close_timeout: None,
            close_by: None,
            gone: false,
            error: None,
            eof: false,
            eof_sent: false,
            wishes: VecDeque::new(),
            barrier: None,
            beyond: None,
            errands: false,
            after_errand: false,
            waiting: false,
            waker: None,
            inbox: None,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            peer: opened.peer,
            local: opened.local,
            directions,
        })
    }

    /// Returns what to do next, and sends what the socket takes on the way. `drained` says that the socket had nothing
    /// to read just now.
    pub(crate) fn advance(&self, drained: bool) -> Next {
        let mut state = self.state.lock();
        // The socket may have ended the wait. Nobody has cleared it then.
        state.waiting = false;
        if let Some(wish) = state.wishes.pop_front() {
            return Next::Wish(wish);
        }
        if state.pause_due {
            state.pause_due = false;
            return Next::PauseWriting;
        }
        let mut held = match state.flush() {
            Ok(held) => held,
            Err(error) => {
                state.fail(Some(error));
                false
            }
        };
        if state.paused && state.out.len() <= state.low && !state.gone {
            state.paused = false;
            return Next::ResumeWriting;
        }
        if state.barrier == Some(0)
            && !held
            && let Some(wish) = state.beyond.take()
        {
            return Next::Barrier(wish);
        }
        if state.is_over(&mut held) {
            state.closing = true;
            return Next::Lost(state.error.take());
        }
        let reads = !(state.closing
            || state.reading_paused
            || state.eof_received
            || state.barrier.is_some());
        let read = reads && !drained;
        if state.errands && !(read && state.after_errand) {
            state.errands = false;
            state.after_errand = true;
            return Next::Errand;
        }
        state.after_errand = false;
        if read {
            return Next::Read;
        }
        state.waiting = true;
        Next::Wait {
            read: reads || state.is_shutting_down(),
            write: !state.out.is_empty() || held,
            until: state.close_by,
        }
    }

    /// Ends the connection at once, with an error.
    pub(crate) fn fail(&self, error: io::Error) {
        self.change(|state| state.fail(Some(error)));
    }

    /// Whether what was received may be delivered.
    pub(crate) fn delivers(&self) -> bool {
        !self.state.lock().closing
    }

    /// The peer won't send any more: no more reads.
    pub(crate) fn note_eof(&self) {
        self.state.lock().eof_received = true;
    }

    /// The reader of a pipe has gone. That is an error if something waits to be sent.
    #[cfg(unix)]
    pub(crate) fn note_reader_gone(&self) {
        self.change(|state| {
            let lost = !state.out.is_empty();
            state.fail(lost.then(|| ErrorKind::BrokenPipe.into()));
        });
    }

    /// Drops the socket, for good. Returns the wishes that nobody fulfils any more: the caller drops them, because that
    /// runs code of the user.
    pub(crate) fn release(&self) -> Unfulfilled {
        let mut state = self.state.lock();
        state.fail(None);
        let ended = (state.socket.take(), state.inbox.take(), state.waker.take());
        let wishes = (std::mem::take(&mut state.wishes), state.beyond.take());
        drop(state);
        drop(ended);
        wishes
    }

    pub(crate) fn close(&self) {
        self.change(State::close);
    }

    pub(crate) fn abort(&self) {
        self.change(|state| state.fail(None));
    }

    /// Makes the task look into its inbox.
    pub(crate) fn note_errand(&self) {
        self.change(|state| state.errands = true);
    }

    /// Leaves a wish for the task. If the connection is over, drops it.
    pub(crate) fn wish(&self, wish: Wish) {
        let mut state = self.state.lock();
        if state.socket.is_none() {
            drop(state);
            drop(wish);
            return;
        }
        state.wishes.push_back(wish);
        self.wake_task(state);
    }

    /// Puts up a barrier behind what was written.
    pub(crate) fn put_barrier(&self, wish: Wish) -> io::Result<()> {
        let mut state = self.state.lock();
        let refusal = if state.closing {
            Some((ErrorKind::NotConnected, "the transport is closing"))
        } else if state.eof {
            Some((ErrorKind::InvalidInput, "`write_eof` was called"))
        } else if state.barrier.is_some() {
            Some((
                ErrorKind::ResourceBusy,
                "a `start_tls` or `sendfile` is under way",
            ))
        } else {
            None
        };
        if let Some((kind, message)) = refusal {
            drop(state);
            drop(wish);
            return Err(io::Error::new(kind, message));
        }
        state.barrier = Some(state.out.len());
        state.beyond = Some(wish);
        self.wake_task(state);
        Ok(())
    }

    /// Lifts the barrier, if it still stands, and exchanges the socket for another, if there is one.
    pub(crate) fn lift_barrier(&self, exchange: Option<(Arc<dyn Socket>, Duration)>) {
        let mut state = self.state.lock();
        state.barrier = None;
        if let Some((socket, close_timeout)) = exchange
            && state.socket.is_some()
        {
            let old = state.socket.replace(socket);
            state.close_timeout = Some(close_timeout);
            if state.closing {
                state.limit_end();
            }
            drop(state);
            drop(old);
        }
    }

    /// The socket, until the connection is lost.
    pub(crate) fn socket(&self) -> Option<Arc<dyn Socket>> {
        self.state.lock().socket.clone()
    }

    /// Polls for a change since the task said that it waits. Only the last waker is woken.
    pub(crate) fn poll_change(&self, cx: &Context<'_>) -> Poll<()> {
        let state = self.state.lock();
        if !state.waiting {
            return Poll::Ready(());
        }
        let is_known = |waker: &Waker| waker.will_wake(cx.waker());
        if state.waker.as_ref().is_some_and(is_known) {
            return Poll::Pending;
        }
        // Wakers are cloned and dropped with no lock held.
        drop(state);
        let waker = cx.waker().clone();
        let mut state = self.state.lock();
        let old = state.waker.replace(waker);
        let waiting = state.waiting;
        drop(state);
        drop(old);
        if waiting {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// For a task that waits for something else: makes changes wake it. Returns whether the connection was aborted,
    /// or, if `closing_ends` it, closed.
    pub(crate) fn waits_and_is_over(&self, closing_ends: bool) -> bool {
        let mut state = self.state.lock();
        state.waiting = true;
        state.gone || (closing_ends && state.closing)
    }

    pub(crate) fn set_inbox(&self, inbox: Arc<dyn Any + Send + Sync>) {
        let mut state = self.state.lock();
        let old = state.inbox.replace(inbox);
        drop(state);
        drop(old);
    }

    pub(crate) fn inbox(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.state.lock().inbox.clone()
    }

    /// Changes the state in a way that the task must hear of.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        self.wake_task(state);
    }

    fn wake_task(&self, mut state: MutexGuard<'_, State>) {
        let waiting = std::mem::take(&mut state.waiting);
        let waker = state.waker.take_if(|_| waiting);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What a write came to.
pub(crate) enum Written {
    /// `true` if more may be written, `false` above the high-water mark.
    Taken(bool),
    AfterEof,
}

/// The transport's side.
impl Link {
    pub(crate) fn write(&self, data: &[u8]) -> Written {
        let mut state = self.state.lock();
        if state.closing || (data.is_empty() && !state.eof) {
            return Written::Taken(!state.closing && !state.paused);
        }
        if state.eof {
            return Written::AfterEof;
        }
        let wake = state.write(data);
        let more = !state.paused && !state.closing;
        if wake {
            self.wake_task(state);
        }
        Written::Taken(more)
    }

    pub(crate) fn write_eof(&self) {
        self.change(|state| state.eof |= !state.closing);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.state.lock().closing
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.state.lock().paused
    }

    pub(crate) fn pause_reading(&self) {
        self.state.lock().reading_paused = true;
    }

    pub(crate) fn resume_reading(&self) {
        self.change(|state| state.reading_paused = false);
    }

    pub(crate) fn is_reading(&self) -> bool {
        let state = self.state.lock();
        !state.closing && !state.reading_paused
    }

    pub(crate) fn buffered(&self) -> usize {
        self.state.lock().out.len()
    }

    pub(crate) fn limits(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.low, state.high)
    }

    pub(crate) fn set_limits(&self, high: Option<usize>, low: Option<usize>) -> io::Result<()> {
        let (high, low) = marks(high, low)?;
        self.change(|state| {
            (state.high, state.low) = (high, low);
            state.check_high_water();
        });
        Ok(())
    }
}

/// Both marks, from those that were given.
pub(crate) fn marks(high: Option<usize>, low: Option<usize>) -> io::Result<(usize, usize)> {
    let high = high.unwrap_or_else(|| low.map_or(HIGH_WATER, |low| low.saturating_mul(4)));
    let low = low.unwrap_or(high / 4);
    if low > high {
        let message = format!("the low-water mark ({low}) is above the high-water mark ({high})");
        return Err(io::Error::new(ErrorKind::InvalidInput, message));
    }
    Ok((high, low))
}

impl State {
    fn close(&mut self) {
        if !self.closing {
            self.closing = true;
            self.limit_end();
        }
    }

    /// The orderly end begins, and may take `close_timeout` from now on: for ever, if the clock can't count that far.
    fn limit_end(&mut self) {
        let limit = self.close_timeout;
        self.close_by = limit.and_then(|limit| Instant::now().checked_add(limit));
    }

    fn fail(&mut self, error: Option<io::Error>) {
        if self.gone {
            return;
        }
        self.closing = true;
        self.gone = true;
        self.error = error;
        self.pause_due = false;
        self.out = VecDeque::new();
    }

    /// Whether only the orderly end of the stream is left to do.
    fn is_shutting_down(&self) -> bool {
        self.closing && self.out.is_empty() && self.barrier.is_none()
    }

    /// Whether the connection is over. `held` is set if the socket has to be waited for until it is.
    fn is_over(&mut self, held: &mut bool) -> bool {
        if self.gone {
            return true;
        }
        if self.close_by.is_some_and(|by| Instant::now() >= by) {
            let message = "the peer did not end the stream in time";
            self.fail(Some(io::Error::new(ErrorKind::TimedOut, message)));
            return true;
        }
        if !self.is_shutting_down() {
            return false;
        }
        let Some(socket) = &self.socket else {
            return true;
        };
        let ended = socket.try_close();
        *held = socket.try_flush().is_err();
        !matches!(ended, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends from `out` until it is empty, or the barrier is reached, or the socket takes no more. Then sends the end
    /// of the stream, if asked for. Returns whether the socket holds something back itself.
    fn flush(&mut self) -> io::Result<bool> {
        let Some(socket) = self.socket.as_ref().filter(|_| !self.gone) else {
            return Ok(false);
        };
        loop {
            let (front, _) = self.out.as_slices();
            let length = front.len().min(self.barrier.unwrap_or(usize::MAX));
            if length == 0 {
                break;
            }
            match socket.try_write(&front[..length]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => {
                    self.out.drain(..sent);
                    self.barrier = self.barrier.map(|before| before - sent);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.out.is_empty() && self.out.capacity() > HIGH_WATER {
            self.out = VecDeque::new();
        }
        if self.eof && !self.eof_sent && self.out.is_empty() && self.barrier.is_none() {
            self.eof_sent = true;
            socket.shut_down_writing()?;
        }
        match socket.try_flush() {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Sends what the socket takes at once and keeps the rest. Returns whether the task must hear of it.
    fn write(&mut self, data: &[u8]) -> bool {
        let (mut rest, mut held) = (data, false);
        if self.out.is_empty() && self.barrier.is_none() {
            let Some(socket) = &self.socket else {
                return false;
            };
            match send(&**socket, data) {
                Ok(sent) => rest = &data[sent..],
                Err(error) => {
                    self.fail(Some(error));
                    return true;
                }
            }
            held = socket.try_flush().is_err();
        }
        if rest.is_empty() {
            return held;
        }
        self.out.extend(rest);
        self.check_high_water();
        true
    }

    fn check_high_water(&mut self) {
        if self.out.len() > self.high && !self.paused && !self.gone {
            self.paused = true;
            self.pause_due = true;
        }
    }
}

/// Sends what the socket takes without waiting, and returns how much that was.
fn send(socket: &dyn Socket, data: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < data.len() {
        match socket.try_write(&data[sent..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(more) => sent += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}
