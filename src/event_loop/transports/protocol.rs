//! What a connection calls.

use std::io;

use super::transport::Transport;

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
    /// See [`Transport::set_write_buffer_limits`]. This is called after the callback that wrote too much. A callback
    /// that writes in a loop sees the mark at once: [`Transport::write`] returns `false`.
    ///
    /// # Examples
    ///
    /// An echo server whose memory is bounded, also if a peer sends and never reads:
    ///
    /// ```
    /// use heist::event_loop::{Protocol, Transport};
    ///
    /// struct Echo(Option<Transport>);
    ///
    /// impl Protocol for Echo {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         self.0 = Some(transport);
    ///     }
    ///     fn data_received(&mut self, data: &[u8]) {
    ///         self.0.as_ref().unwrap().write(data);
    ///     }
    ///     fn pause_writing(&mut self) {
    ///         self.0.as_ref().unwrap().pause_reading();
    ///     }
    ///     fn resume_writing(&mut self) {
    ///         self.0.as_ref().unwrap().resume_reading();
    ///     }
    /// }
    /// ```
    fn pause_writing(&mut self) {}

    /// The data that waits to be sent has fallen to the low-water mark: go on writing.
    fn resume_writing(&mut self) {}

    /// The protocol as a [`BufferedProtocol`], if it is one.
    #[doc(hidden)]
    fn as_buffered(&mut self) -> Option<&mut dyn BufferedProtocol> {
        None
    }
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

    fn as_buffered(&mut self) -> Option<&mut dyn BufferedProtocol> {
        (**self).as_buffered()
    }
}

/// A protocol that lends the buffer which is read into, so that no data is copied. Hand it out as [`Buffered`].
///
/// Instead of `data_received`, the connection calls [`get_buffer`](Self::get_buffer), reads into it, and calls
/// [`buffer_updated`](Self::buffer_updated). All else is as [`Protocol`] says.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{Buffered, BufferedProtocol, EventLoop, Transport};
///
/// /// Echoes what it reads into its own buffer.
/// struct Echo {
///     buffer: Vec<u8>,
///     transport: Option<Transport>,
/// }
///
/// impl BufferedProtocol for Echo {
///     fn connection_made(&mut self, transport: Transport) {
///         self.transport = Some(transport);
///     }
///     fn get_buffer(&mut self) -> &mut [u8] {
///         &mut self.buffer
///     }
///     fn buffer_updated(&mut self, length: usize) {
///         self.transport.as_ref().unwrap().write(&self.buffer[..length]);
///     }
/// }
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     use heist::io::{AsyncReadExt, AsyncWriteExt};
///
///     let echo = || Buffered(Echo { buffer: vec![0; 4096], transport: None });
///     let server = EventLoop::current().create_server(echo, "127.0.0.1:0").await?;
///     let mut peer = heist::net::TcpStream::connect(server.local_addr()).await?;
///     peer.write_all(b"hello").await?;
///     let mut answer = [0; 5];
///     peer.read_exact(&mut answer).await?;
///     assert_eq!(&answer, b"hello");
///     Ok(())
/// }
/// ```
pub trait BufferedProtocol: Send + 'static {
    /// The connection is made.
    fn connection_made(&mut self, transport: Transport) {
        let _ = transport;
    }

    /// Lends the buffer for the next read. If it is empty, the connection is lost, with an error.
    fn get_buffer(&mut self) -> &mut [u8];

    /// The first `length` bytes of the buffer were received.
    fn buffer_updated(&mut self, length: usize);

    /// The peer won't send any more. See [`Protocol::eof_received`].
    fn eof_received(&mut self) -> bool {
        false
    }

    /// The connection is over. See [`Protocol::connection_lost`].
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }

    /// Stop writing for now. See [`Protocol::pause_writing`].
    fn pause_writing(&mut self) {}

    /// Go on writing. See [`Protocol::resume_writing`].
    fn resume_writing(&mut self) {}
}

/// A [`BufferedProtocol`], as a [`Protocol`] that can be given to a connection.
#[derive(Debug, Default, Clone)]
pub struct Buffered<P>(
    /// The protocol.
    pub P,
);

impl<P: BufferedProtocol> Protocol for Buffered<P> {
    fn connection_made(&mut self, transport: Transport) {
        self.0.connection_made(transport);
    }

    fn eof_received(&mut self) -> bool {
        self.0.eof_received()
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.0.connection_lost(error);
    }

    fn pause_writing(&mut self) {
        self.0.pause_writing();
    }

    fn resume_writing(&mut self) {
        self.0.resume_writing();
    }

    fn as_buffered(&mut self) -> Option<&mut dyn BufferedProtocol> {
        Some(&mut self.0)
    }
}
