//! What a stream's reader, its writer and its protocol share.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use heist_sync::sys::Mutex;

use super::buffer::Buffer;
use crate::event_loop::transports::copy_error::copy_error;
use crate::event_loop::{Protocol, Transport};
use crate::sync::Notify;

/// asyncio's.
pub(super) const LIMIT: usize = 64 * 1024;

pub(super) struct Shared {
    state: Mutex<State>,
    /// Notified when there is more to read, or nothing will come.
    fed: Notify,
    /// Notified when writing is resumed, and when the connection is lost.
    drained: Notify,
}

struct State {
    limit: usize,
    buffer: Buffer,
    eof: bool,
    /// Reading is paused because the buffer is full.
    paused: bool,
    writing_paused: bool,
    /// Set when the connection is lost, with the error.
    lost: Option<Option<io::Error>>,
    /// The socket is closed.
    closed: bool,
    transport: Option<Transport>,
}

/// What has arrived so far, as a read sees it.
pub(super) struct Arrived<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) eof: bool,
    pub(super) limit: usize,
}

impl Shared {
    pub(super) fn new() -> Arc<Self> {
        let state = State {
            limit: LIMIT,
            buffer: Buffer::default(),
            eof: false,
            paused: false,
            writing_paused: false,
            lost: None,
            closed: false,
            transport: None,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            fed: Notify::new(),
            drained: Notify::new(),
        })
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.state.lock().limit = limit;
    }

    /// Calls `look` with what has arrived, until it returns something. Each time in between, waits for more.
    pub(super) async fn read<R>(
        &self,
        mut look: impl FnMut(Arrived<'_>) -> Option<R>,
    ) -> io::Result<R> {
        loop {
            // It is made before the look, so that it hears of what happens in between.
            let fed = self.fed.notified();
            if let Some(result) = self.look(&mut look)? {
                return Ok(result);
            }
            fed.await;
        }
    }

    fn look<R>(&self, look: &mut impl FnMut(Arrived<'_>) -> Option<R>) -> io::Result<Option<R>> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if let Some(Some(error)) = &state.lost {
            return Err(copy_error(error));
        }
        let result = look(Arrived {
            buffer: &mut state.buffer,
            eof: state.eof,
            limit: state.limit,
        });
        // A read that waits for more needs more, however much there is.
        if state.paused && (result.is_none() || state.buffer.len() <= state.limit) {
            state.paused = false;
            if let Some(transport) = &state.transport {
                transport.resume_reading();
            }
        }
        Ok(result)
    }

    pub(super) fn at_eof(&self) -> bool {
        let state = self.state.lock();
        state.eof && state.buffer.is_empty()
    }

    /// Waits until more may be written.
    pub(super) async fn drain(&self) -> io::Result<()> {
        self.wait_for(|state| match &state.lost {
            Some(Some(error)) => Some(Err(copy_error(error))),
            Some(None) => {
                let message = "the connection is lost";
                Some(Err(io::Error::new(ErrorKind::ConnectionReset, message)))
            }
            // The mark is seen at once, and the protocol's callback comes later.
            None => {
                let is_marked = state
                    .transport
                    .as_ref()
                    .is_some_and(Transport::is_writing_paused);
                (!state.writing_paused && !is_marked).then_some(Ok(()))
            }
        })
        .await
    }

    /// Waits until the connection is lost and its socket closed.
    pub(super) async fn wait_closed(&self) -> io::Result<()> {
        self.wait_for(|state| {
            state.closed.then(|| match &state.lost {
                Some(Some(error)) => Err(copy_error(error)),
                _ => Ok(()),
            })
        })
        .await
    }

    async fn wait_for<R>(&self, look: impl Fn(&State) -> Option<R>) -> R {
        loop {
            // It is made before the look, so that it hears of what happens in between.
            let drained = self.drained.notified();
            if let Some(result) = look(&self.state.lock()) {
                return result;
            }
            drained.await;
        }
    }
}

/// Feeds a stream from its connection.
pub struct StreamProtocol {
    pub(super) shared: Arc<Shared>,
    /// Called when the connection is made.
    pub(super) made: Option<Made>,
}

pub(super) type Made = Box<dyn FnOnce(&Arc<Shared>, Transport) + Send>;

impl Protocol for StreamProtocol {
    fn connection_made(&mut self, transport: Transport) {
        self.shared.state.lock().transport = Some(transport.clone());
        if let Some(made) = self.made.take() {
            made(&self.shared, transport);
        }
    }

    fn data_received(&mut self, data: &[u8]) {
        let mut state = self.shared.state.lock();
        state.buffer.extend(data);
        if !state.paused && state.buffer.len() > state.limit.saturating_mul(2) {
            state.paused = true;
            if let Some(transport) = &state.transport {
                transport.pause_reading();
            }
        }
        drop(state);
        self.shared.fed.notify_waiters();
    }

    fn eof_received(&mut self) -> bool {
        self.shared.state.lock().eof = true;
        self.shared.fed.notify_waiters();
        true
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        let mut state = self.shared.state.lock();
        state.eof = true;
        state.lost = Some(error);
        let transport = state.transport.take();
        drop(state);
        drop(transport);
        self.shared.fed.notify_waiters();
        self.shared.drained.notify_waiters();
    }

    fn pause_writing(&mut self) {
        self.shared.state.lock().writing_paused = true;
    }

    fn resume_writing(&mut self) {
        self.shared.state.lock().writing_paused = false;
        self.shared.drained.notify_waiters();
    }
}

impl Drop for StreamProtocol {
    /// The connection drops it after it has closed the socket, also if it was never made.
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        state.eof = true;
        state.lost.get_or_insert(None);
        let transport = state.transport.take();
        drop(state);
        drop(transport);
        self.shared.fed.notify_waiters();
        self.shared.drained.notify_waiters();
    }
}

impl std::fmt::Debug for StreamProtocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamProtocol").finish_non_exhaustive()
    }
}
