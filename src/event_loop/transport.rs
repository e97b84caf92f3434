//! The side of a connection that users hold.
//!
//! A [`Link`] is what a [`Transport`] and the connection's task share: one lock round the bytes that wait to be sent
//! and the wishes of the user. The task calls [`Link::advance`], which acts on them and returns what to do next.
//!
//! Invariants:
//! 1. Only the task calls the protocol. If a method of the transport should lead to a callback, it leaves a wish.
//! 2. `out` holds what was written and not yet sent, in order. A write goes to the socket directly only while `out` is
//!    empty. Only the task sends from `out`.
//! 3. Once `closing` is set it stays set. From then on nothing is added to `out`, and nothing that is received is
//!    delivered. `gone` implies `closing`, and that `out` is empty: the transport was aborted, or it failed with
//!    `error`.
//! 4. `paused` is what the protocol was told, or, while `pause_due` is set, what it will be told next. So
//!    `pause_writing` and `resume_writing` come in turn.
//! 5. `waiting` is set by the task, in the same hold of the lock in which it last looked. It is cleared by whoever has
//!    something for the task, who then owes it a `notify_one`. Nothing else wakes it but the socket.
//! 6. `stream` is there until the connection is lost. The task drops it, so a transport that is kept does not keep the
//!    socket open.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use heist_sync::sys::{Mutex, MutexGuard};

use crate::net::TcpStream;
use crate::sync::Notify;

/// The default high-water mark, as in asyncio.
const HIGH_WATER: usize = 64 * 1024;

pub(super) struct Link {
    state: Mutex<State>,
    pub(super) wake: Notify,
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
}

struct State {
    stream: Option<Arc<TcpStream>>,
    out: VecDeque<u8>,
    high: usize,
    low: usize,
    paused: bool,
    pause_due: bool,
    reading_paused: bool,
    eof_received: bool,
    closing: bool,
    gone: bool,
    error: Option<io::Error>,
    /// First: `write_eof` was called. Second: it was carried out.
    eof: bool,
    eof_sent: bool,
    /// Somebody wants something done with the protocol.
    errands: bool,
    waiting: bool,
}

/// What the connection's task does next.
pub(super) enum Next {
    PauseWriting,
    ResumeWriting,
    Read,
    /// Looks into the inbox.
    Errands,
    Wait {
        read: bool,
        write: bool,
    },
    Lost(Option<io::Error>),
}

impl Link {
    pub(super) fn new(stream: Arc<TcpStream>) -> Arc<Self> {
        let (peer, local) = (stream.peer_addr().ok(), stream.local_addr().ok());
        let state = State {
            stream: Some(stream),
            out: VecDeque::new(),
            high: HIGH_WATER,
            low: HIGH_WATER / 4,
            paused: false,
            pause_due: false,
            reading_paused: false,
            eof_received: false,
            closing: false,
            gone: false,
            error: None,
            eof: false,
            eof_sent: false,
            errands: false,
            waiting: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            wake: Notify::new(),
            peer,
            local,
        })
    }

    /// Returns what to do next, and sends what the socket takes on the way. `drained` says that the socket had nothing
    /// to read just now.
    pub(super) fn advance(&self, drained: bool) -> Next {
        let mut state = self.state.lock();
        // The socket may have ended the wait. Nobody has cleared it then.
        state.waiting = false;
        if state.pause_due {
            state.pause_due = false;
            return Next::PauseWriting;
        }
        if let Err(error) = state.flush() {
            state.fail(Some(error));
        }
        if state.paused && state.out.len() <= state.low && !state.gone {
            state.paused = false;
            return Next::ResumeWriting;
        }
        if state.gone || (state.closing && state.out.is_empty()) {
            state.closing = true;
            return Next::Lost(state.error.take());
        }
        if std::mem::take(&mut state.errands) {
            return Next::Errands;
        }
        let read = !(state.closing || state.reading_paused || state.eof_received);
        if read && !drained {
            return Next::Read;
        }
        state.waiting = true;
        Next::Wait {
            read,
            write: !state.out.is_empty(),
        }
    }

    /// Ends the connection at once, with an error.
    pub(super) fn fail(&self, error: io::Error) {
        self.change(|state| state.fail(Some(error)));
    }

    /// Whether what was received may be delivered.
    pub(super) fn delivers(&self) -> bool {
        !self.state.lock().closing
    }

    /// The peer won't send any more: no more reads.
    pub(super) fn note_eof(&self) {
        self.state.lock().eof_received = true;
    }

    /// Drops the socket, for good.
    pub(super) fn release(&self) {
        let mut state = self.state.lock();
        state.fail(None);
        let stream = state.stream.take();
        drop(state);
        drop(stream);
    }

    pub(super) fn close(&self) {
        self.change(|state| state.closing = true);
    }

    pub(super) fn abort(&self) {
        self.change(|state| state.fail(None));
    }

    /// Makes the task look into its inbox.
    pub(super) fn note_errand(&self) {
        self.change(|state| state.errands = true);
    }

    /// Changes the state in a way that the task must hear of.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        self.wake_task(state);
    }

    fn wake_task(&self, mut state: MutexGuard<'_, State>) {
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        if waiting {
            self.wake.notify_one();
        }
    }
}

impl State {
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

    /// Sends from `out` until it is empty or the socket takes no more. Then sends the end of the stream, if asked for.
    fn flush(&mut self) -> io::Result<()> {
        let eof_due = self.eof && !self.eof_sent && !self.gone;
        let Some(stream) = self
            .stream
            .as_ref()
            .filter(|_| eof_due || !self.out.is_empty())
        else {
            return Ok(());
        };
        while !self.out.is_empty() {
            match stream.try_write(self.out.as_slices().0) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.out.capacity() > HIGH_WATER {
            self.out = VecDeque::new();
        }
        if eof_due {
            self.eof_sent = true;
            stream.shut_down_writing()?;
        }
        Ok(())
    }

    /// Sends what the socket takes at once and keeps the rest. Returns whether the task must hear of it.
    fn write(&mut self, data: &[u8]) -> bool {
        let mut rest = data;
        if self.out.is_empty() {
            let Some(stream) = &self.stream else {
                return false;
            };
            match send(stream, data) {
                Ok(sent) => rest = &data[sent..],
                Err(error) => {
                    self.fail(Some(error));
                    return true;
                }
            }
        }
        self.out.extend(rest);
        self.check_high_water();
        !rest.is_empty()
    }

    fn check_high_water(&mut self) {
        if self.out.len() > self.high && !self.paused && !self.gone {
            self.paused = true;
            self.pause_due = true;
        }
    }
}

/// Sends what the socket takes without waiting, and returns how much that was.
fn send(stream: &TcpStream, data: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < data.len() {
        match stream.try_write(&data[sent..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(more) => sent += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

/// How a [`Protocol`](super::Protocol) writes to its connection and ends it.
///
/// It is cheap to clone, and all clones are the same connection. Every method may be called from any thread, and from
/// within the protocol's callbacks. No method waits. A transport that is kept does not keep the socket open.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{EventLoop, Protocol, Transport};
///
/// /// Says goodbye and closes; hears nothing.
/// struct Goodbye;
///
/// impl Protocol for Goodbye {
///     fn connection_made(&mut self, transport: Transport) {
///         transport.pause_reading();
///         transport.writelines(["good", "bye"]);
///         transport.close();
///         assert!(transport.is_closing() && !transport.is_reading());
///     }
/// }
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     use heist::io::AsyncReadExt;
///
///     let server = EventLoop::current().create_server(|| Goodbye, "127.0.0.1:0").await?;
///     let mut peer = heist::net::TcpStream::connect(server.local_addr()).await?;
///     let mut said = Vec::new();
///     peer.read_to_end(&mut said).await?;
///     assert_eq!(said, b"goodbye");
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Transport {
    pub(super) link: Arc<Link>,
}

impl Transport {
    /// Sends `data`, after what was written before. If the socket doesn't take all of it at once, the rest is kept and
    /// sent as soon as the socket takes it.
    ///
    /// If the transport is closing, this does nothing. If sending fails the connection is lost, with the error.
    ///
    /// # Panics
    ///
    /// Panics after [`write_eof`](Self::write_eof), unless the transport is closing.
    ///
    /// # Examples
    ///
    /// See [`Protocol`](super::Protocol), for this and the other methods.
    #[track_caller]
    pub fn write(&self, data: &[u8]) {
        let mut state = self.link.state.lock();
        if state.closing || (data.is_empty() && !state.eof) {
            return;
        }
        if state.eof {
            drop(state);
            panic!("`Transport::write` after `write_eof`");
        }
        if state.write(data) {
            self.link.wake_task(state);
        }
    }

    /// Sends several pieces of data with no other write in between, as [`write`](Self::write) would send them in one
    /// piece.
    ///
    /// # Panics
    ///
    /// Panics after [`write_eof`](Self::write_eof), unless the transport is closing.
    #[track_caller]
    pub fn writelines<D: AsRef<[u8]>>(&self, lines: impl IntoIterator<Item = D>) {
        // The iterator is user code, so it runs before the lock is taken.
        let mut all = Vec::new();
        for line in lines {
            all.extend_from_slice(line.as_ref());
        }
        self.write(&all);
    }

    /// Closes the sending half, once what was written has been sent. The peer sees the end of the stream. Data that it
    /// still sends is delivered.
    ///
    /// Does nothing if it was called before, or if the transport is closing.
    pub fn write_eof(&self) {
        self.link.change(|state| state.eof |= !state.closing);
    }

    /// Closes the connection, once what was written has been sent. Then `connection_lost(None)` is called.
    ///
    /// Nothing that is received from now on is delivered. A peer that reads nothing can hold this up as long as it
    /// likes; [`abort`](Self::abort) doesn't wait for it.
    pub fn close(&self) {
        self.link.close();
    }

    /// Closes the connection at once and drops what was not yet sent. Then `connection_lost(None)` is called.
    pub fn abort(&self) {
        self.link.abort();
    }

    /// Whether the transport is closing or closed, whoever closed it.
    pub fn is_closing(&self) -> bool {
        self.link.state.lock().closing
    }

    /// Stops reading from the socket: the protocol gets no data until [`resume_reading`](Self::resume_reading).
    ///
    /// If it is called from within a callback, it holds at once. If it is called from elsewhere, one `data_received`
    /// that is on its way may still come. Does nothing if reading is paused, or if the transport is closing.
    pub fn pause_reading(&self) {
        self.link.state.lock().reading_paused = true;
    }

    /// Starts reading again. Does nothing if reading is not paused.
    pub fn resume_reading(&self) {
        self.link.change(|state| state.reading_paused = false);
    }

    /// Whether data is read: reading is neither paused nor is the transport closing.
    pub fn is_reading(&self) -> bool {
        let state = self.link.state.lock();
        !state.closing && !state.reading_paused
    }

    /// The number of bytes that wait to be sent.
    pub fn get_write_buffer_size(&self) -> usize {
        self.link.state.lock().out.len()
    }

    /// The low-water mark and the high-water mark, in bytes.
    pub fn get_write_buffer_limits(&self) -> (usize, usize) {
        let state = self.link.state.lock();
        (state.low, state.high)
    }

    /// Sets the marks at which `pause_writing` and `resume_writing` are called. The first is called when more than
    /// `high` bytes wait to be sent, the second when no more than `low` bytes still do.
    ///
    /// Without `high` it is four times `low`, or 64 KiB if `low` isn't given either. Without `low` it is a quarter of
    /// `high`. If `high` is 0, the protocol is paused whenever anything waits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if `low` is above `high`. Nothing is changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{Protocol, Transport};
    ///
    /// struct Chatty;
    ///
    /// impl Protocol for Chatty {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         transport.set_write_buffer_limits(Some(4096), None).unwrap();
    ///         assert_eq!(transport.get_write_buffer_limits(), (1024, 4096));
    ///         assert!(transport.set_write_buffer_limits(Some(1), Some(2)).is_err());
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///         let event_loop = heist::event_loop::EventLoop::current();
    ///         let server = event_loop.create_server(|| Chatty, "127.0.0.1:0").await?;
    ///         let (transport, _) = event_loop.create_connection(|| Chatty, server.local_addr()).await?;
    ///         assert!(!transport.is_closing());
    ///         Ok(())
    /// }
    /// ```
    pub fn set_write_buffer_limits(
        &self,
        high: Option<usize>,
        low: Option<usize>,
    ) -> io::Result<()> {
        let high = high.unwrap_or_else(|| low.map_or(HIGH_WATER, |low| low.saturating_mul(4)));
        let low = low.unwrap_or(high / 4);
        if low > high {
            let message =
                format!("the low-water mark ({low}) is above the high-water mark ({high})");
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        }
        self.link.change(|state| {
            (state.high, state.low) = (high, low);
            state.check_high_water();
        });
        Ok(())
    }

    /// The address of the peer, unless the connection was over before it could be looked up.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.link.peer
    }

    /// The address of this end, unless the connection was over before it could be looked up.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.link.local
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("peer", &self.link.peer)
            .field("closing", &self.is_closing())
            .finish_non_exhaustive()
    }
}
