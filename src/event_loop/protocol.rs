//! What a connection calls, and how to reach a protocol that its connection owns.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;

use heist_sync::sys::Mutex;

use super::transport::{Link, Transport};
use crate::sync::oneshot;

/// What happens on a connection, as callbacks.
///
/// A connection calls them one after the other, never two at once, and never one from within another. A callback may
/// call anything on its [`Transport`]; callbacks that follow from that are called after it has returned.
///
/// 1. [`connection_made`](Self::connection_made) is called first, once.
/// 2. [`data_received`](Self::data_received) is called any number of times, then [`eof_received`](Self::eof_received)
///    at most once. In between, [`pause_writing`](Self::pause_writing) and [`resume_writing`](Self::resume_writing) are
///    called in turn.
/// 3. [`connection_lost`](Self::connection_lost) is called last, once, whatever ends the connection, also if a callback
///    panics or the runtime is shut down.
///
/// A callback that panics is reported to the exception handler, and ends its connection with an error. Callbacks should
/// not block: other connections go on meanwhile, but with one worker less.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{EventLoop, Protocol, Promise, Transport};
///
/// #[derive(Default)]
/// struct Echo(Option<Transport>);
///
/// impl Protocol for Echo {
///     fn connection_made(&mut self, transport: Transport) {
///         self.0 = Some(transport);
///     }
///     fn data_received(&mut self, data: &[u8]) {
///         self.0.as_ref().unwrap().write(data);
///     }
/// }
///
/// struct Ask(Promise<Vec<u8>>);
///
/// impl Protocol for Ask {
///     fn connection_made(&mut self, transport: Transport) {
///         transport.write(b"hello");
///     }
///     fn data_received(&mut self, data: &[u8]) {
///         let _ = self.0.set_result(data.to_vec());
///     }
/// }
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let event_loop = EventLoop::current();
///     let server = event_loop.create_server(Echo::default, "127.0.0.1:0").await?;
///
///     let (promise, answer) = event_loop.create_future();
///     let (transport, _) = event_loop.create_connection(|| Ask(promise), server.local_addr()).await?;
///     assert_eq!(answer.await.unwrap(), b"hello");
///
///     transport.close();
///     server.close();
///     server.wait_closed().await;
///     Ok(())
/// }
/// ```
pub trait Protocol: Send + 'static {
    /// The connection is made. Keep `transport` to write to it later.
    fn connection_made(&mut self, transport: Transport) {
        let _ = transport;
    }

    /// Data was received, at least one byte. Where the network cuts the data means nothing.
    fn data_received(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// The peer won't send any more.
    ///
    /// Return `true` to keep the connection open for writing; then you must close it. If you return `false`, the
    /// default, the transport closes itself once what was written has been sent.
    fn eof_received(&mut self) -> bool {
        false
    }

    /// The connection is over, and nothing more is called.
    ///
    /// `error` is `None` after [`Transport::close`] and [`Transport::abort`], and after the end of the stream;
    /// otherwise it is what went wrong.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }

    /// More data waits to be sent than the high-water mark allows: stop writing for now.
    ///
    /// See [`Transport::set_write_buffer_limits`].
    fn pause_writing(&mut self) {}

    /// The data that waits to be sent has fallen to the low-water mark: go on writing.
    fn resume_writing(&mut self) {}
}

impl<P: Protocol + ?Sized> Protocol for Box<P> {
    fn connection_made(&mut self, transport: Transport) {
        (**self).connection_made(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        (**self).data_received(data);
    }

    fn eof_received(&mut self) -> bool {
        (**self).eof_received()
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        (**self).connection_lost(error);
    }

    fn pause_writing(&mut self) {
        (**self).pause_writing();
    }

    fn resume_writing(&mut self) {
        (**self).resume_writing();
    }
}

type Errand<P> = Box<dyn FnOnce(&mut P) + Send>;

/// What others want done with the protocol.
pub(super) struct Inbox<P> {
    state: Mutex<InboxState<P>>,
}

struct InboxState<P> {
    errands: VecDeque<Errand<P>>,
    closed: bool,
}

impl<P> Inbox<P> {
    pub(super) fn new() -> Arc<Self> {
        let state = InboxState {
            errands: VecDeque::new(),
            closed: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    /// If the connection is over, drops the errand, which tells whoever gave it.
    fn push(&self, errand: Errand<P>) {
        let mut state = self.state.lock();
        if !state.closed {
            state.errands.push_back(errand);
            return;
        }
        drop(state);
        drop(errand);
    }

    pub(super) fn pop(&self) -> Option<Errand<P>> {
        self.state.lock().errands.pop_front()
    }

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let errands = std::mem::take(&mut state.errands);
        drop(state);
        drop(errands);
    }
}

/// A protocol that its connection owns. Made by [`EventLoop::create_connection`](super::EventLoop::create_connection).
///
/// Dropping it changes nothing for the connection.
pub struct ProtocolHandle<P> {
    pub(super) inbox: Arc<Inbox<P>>,
    pub(super) link: Arc<Link>,
    pub(super) end: oneshot::Receiver<P>,
}

impl<P: Protocol> ProtocolHandle<P> {
    /// Calls `function` with the protocol, as one of the connection's callbacks, and returns its result. Returns `None`
    /// if the connection is over.
    ///
    /// # Cancel safety
    ///
    /// Once this was polled, `function` is called even if the future is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Counter(u32);
    /// impl Protocol for Counter {}
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let event_loop = EventLoop::current();
    ///     let server = event_loop.create_server(|| Counter(0), "127.0.0.1:0").await?;
    ///     let (transport, protocol) = event_loop.create_connection(|| Counter(4), server.local_addr()).await?;
    ///     assert_eq!(protocol.with(|counter| counter.0).await, Some(4));
    ///     transport.close();
    ///     assert_eq!(protocol.wait_lost().await.unwrap().0, 4);
    ///     Ok(())
    /// }
    /// ```
    pub async fn with<R: Send + 'static>(
        &self,
        function: impl FnOnce(&mut P) -> R + Send + 'static,
    ) -> Option<R> {
        let (sender, receiver) = oneshot::channel();
        self.inbox.push(Box::new(move |protocol| {
            // Nobody may be waiting any more.
            let _ = sender.send(function(protocol));
        }));
        self.link.note_errand();
        receiver.await.ok()
    }

    /// Waits until the connection is over, and returns the protocol. Returns `None` if the runtime was shut down before
    /// `connection_made` was called.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the handle.
    pub async fn wait_lost(self) -> Option<P> {
        self.end.await.ok()
    }
}

impl<P> fmt::Debug for ProtocolHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtocolHandle").finish_non_exhaustive()
    }
}
