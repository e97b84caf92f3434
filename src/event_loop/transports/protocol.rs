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
    ///
    /// If this panics, the exception handler hears of it, and the connection is lost. Whoever asked for the connection gets it
    /// all the same, as in asyncio: [`create_connection`](crate::event_loop::EventLoop::create_connection) and its like return
    /// `Ok`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol, Transport};
    ///
    /// struct Greeter;
    /// impl Protocol for Greeter {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         transport.write(b"hello");
    ///         transport.close();
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    ///
    /// let server = event_loop.create_server(|| Greeter, "127.0.0.1:0").await?;
    /// let (mut reader, _writer) = event_loop.open_connection(server.local_addr()).await?;
    /// assert_eq!(reader.read_to_end().await?, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    fn connection_made(&mut self, transport: Transport) {
        let _ = transport;
    }

    /// Data was received, at least one byte. Where the network cuts the data means nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Count(usize);
    /// impl Protocol for Count {
    ///     fn data_received(&mut self, data: &[u8]) {
    ///         self.0 += data.len();
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use std::io::Write;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let create = EventLoop::current().create_connection(|| Count(0), listener.local_addr()?);
    /// # let (_, protocol) = create.await?;
    /// # let mut peer = listener.accept()?.0;
    ///
    /// peer.write_all(b"hello")?;
    /// drop(peer);
    /// assert_eq!(protocol.wait_lost().await.unwrap().0, 5);
    /// # Ok(())
    /// # }
    /// ```
    fn data_received(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// The peer won't send any more.
    ///
    /// Return `true` to keep the connection open for writing; then you must close it. If you return `false`, the
    /// default, the transport closes itself once what was written has been sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol, Transport};
    ///
    /// struct Length(Option<Transport>, usize);
    /// impl Protocol for Length {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         self.0 = Some(transport);
    ///     }
    ///     fn data_received(&mut self, data: &[u8]) {
    ///         self.1 += data.len();
    ///     }
    ///     fn eof_received(&mut self) -> bool {
    ///         self.0.as_ref().unwrap().write(self.1.to_string().as_bytes());
    ///         false
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let server = event_loop.create_server(|| Length(None, 0), "127.0.0.1:0").await?;
    ///
    /// let (mut reader, mut writer) = event_loop.open_connection(server.local_addr()).await?;
    /// writer.write(b"hello");
    /// writer.write_eof();
    /// assert_eq!(reader.read_to_end().await?, b"5");
    /// # Ok(())
    /// # }
    /// ```
    fn eof_received(&mut self) -> bool {
        false
    }

    /// The connection is over, and nothing more is called.
    ///
    /// `error` is `None` after [`Transport::close`] and [`Transport::abort`], and after the end of the stream;
    /// otherwise it is what went wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, Protocol};
    /// use std::io;
    ///
    /// struct Ends(Promise<Option<io::ErrorKind>>);
    /// impl Protocol for Ends {
    ///     fn connection_lost(&mut self, error: Option<io::Error>) {
    ///         let _ = self.0.set_result(error.map(|error| error.kind()));
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let event_loop = EventLoop::current();
    /// # let (promise, ended) = event_loop.create_future();
    /// # let (transport, _) = event_loop.create_connection(|| Ends(promise), listener.local_addr()?).await?;
    ///
    /// transport.close();
    /// assert_eq!(ended.await.unwrap(), None);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, Protocol, Transport};
    ///
    /// struct Filler(Promise<()>);
    /// impl Protocol for Filler {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         while transport.write(&[0; 65536]) {}
    ///     }
    ///     fn resume_writing(&mut self) {
    ///         let _ = self.0.set_result(());
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let event_loop = EventLoop::current();
    /// # let (promise, resumed) = event_loop.create_future();
    /// # event_loop.create_connection(|| Filler(promise), listener.local_addr()?).await?;
    /// # let (mut peer, _) = listener.accept()?;
    ///
    /// // Once the peer reads, writing goes on.
    /// std::thread::spawn(move || std::io::copy(&mut peer, &mut std::io::sink()));
    /// assert!(resumed.await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{Buffered, BufferedProtocol, EventLoop, Transport};
    ///
    /// struct Greeter;
    /// impl BufferedProtocol for Greeter {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         transport.write(b"hello");
    ///         transport.close();
    ///     }
    /// #   fn get_buffer(&mut self) -> &mut [u8] { &mut [] }
    /// #   fn buffer_updated(&mut self, _length: usize) {}
    ///     // …
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    ///
    /// let server = event_loop.create_server(|| Buffered(Greeter), "127.0.0.1:0").await?;
    /// let (mut reader, _writer) = event_loop.open_connection(server.local_addr()).await?;
    /// assert_eq!(reader.read_to_end().await?, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    fn connection_made(&mut self, transport: Transport) {
        let _ = transport;
    }

    /// Lends the buffer for the next read. If it is empty, the connection is lost, with an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{Buffered, BufferedProtocol, EventLoop};
    ///
    /// /// Fills its buffer, from where the last read has ended.
    /// struct Whole([u8; 5], usize);
    /// impl BufferedProtocol for Whole {
    ///     fn get_buffer(&mut self) -> &mut [u8] {
    ///         &mut self.0[self.1..]
    ///     }
    ///     fn buffer_updated(&mut self, length: usize) {
    ///         self.1 += length;
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use std::io::Write;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let create = EventLoop::current().create_connection(|| Buffered(Whole([0; 5], 0)), listener.local_addr()?);
    /// # let (_, protocol) = create.await?;
    /// # let mut peer = listener.accept()?.0;
    ///
    /// peer.write_all(b"hello")?;
    /// drop(peer);
    /// assert_eq!(&protocol.wait_lost().await.unwrap().0.0, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    fn get_buffer(&mut self) -> &mut [u8];

    /// The first `length` bytes of the buffer were received.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{Buffered, BufferedProtocol, EventLoop};
    ///
    /// struct Collect([u8; 4], Vec<u8>);
    /// impl BufferedProtocol for Collect {
    ///     fn get_buffer(&mut self) -> &mut [u8] {
    ///         &mut self.0
    ///     }
    ///     fn buffer_updated(&mut self, length: usize) {
    ///         self.1.extend_from_slice(&self.0[..length]);
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use std::io::Write;
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let protocol = Buffered(Collect([0; 4], Vec::new()));
    /// # let (_, protocol) = EventLoop::current().create_connection(|| protocol, listener.local_addr()?).await?;
    /// # let mut peer = listener.accept()?.0;
    ///
    /// peer.write_all(b"hello")?;
    /// drop(peer);
    /// assert_eq!(protocol.wait_lost().await.unwrap().0.1, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    fn buffer_updated(&mut self, length: usize);

    /// The peer won't send any more. See [`Protocol::eof_received`].
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{Buffered, BufferedProtocol, EventLoop, Transport};
    ///
    /// struct Farewell(Option<Transport>, [u8; 8]);
    /// impl BufferedProtocol for Farewell {
    ///     fn eof_received(&mut self) -> bool {
    ///         self.0.as_ref().unwrap().write(b"bye");
    ///         false
    ///     }
    /// #   fn connection_made(&mut self, transport: Transport) { self.0 = Some(transport) }
    /// #   fn get_buffer(&mut self) -> &mut [u8] { &mut self.1 }
    /// #   fn buffer_updated(&mut self, _length: usize) {}
    ///     // …
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let server = event_loop.create_server(|| Buffered(Farewell(None, [0; 8])), "127.0.0.1:0").await?;
    ///
    /// let (mut reader, mut writer) = event_loop.open_connection(server.local_addr()).await?;
    /// writer.write_eof();
    /// assert_eq!(reader.read_to_end().await?, b"bye");
    /// # Ok(())
    /// # }
    /// ```
    fn eof_received(&mut self) -> bool {
        false
    }

    /// The connection is over. See [`Protocol::connection_lost`].
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{Buffered, BufferedProtocol, EventLoop, Promise};
    ///
    /// /// Has no room, so its first read fails.
    /// struct Full(Promise<String>);
    /// impl BufferedProtocol for Full {
    ///     fn get_buffer(&mut self) -> &mut [u8] {
    ///         &mut []
    ///     }
    ///     fn connection_lost(&mut self, error: Option<std::io::Error>) {
    ///         let _ = self.0.set_result(error.unwrap().to_string());
    ///     }
    /// #   fn buffer_updated(&mut self, _length: usize) {}
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let event_loop = EventLoop::current();
    /// # let (promise, ended) = event_loop.create_future();
    /// # event_loop.create_connection(|| Buffered(Full(promise)), listener.local_addr()?).await?;
    ///
    /// assert_eq!(ended.await.unwrap(), "get_buffer returned an empty buffer");
    /// # Ok(())
    /// # }
    /// ```
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }

    /// Stop writing for now. See [`Protocol::pause_writing`].
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{Buffered, BufferedProtocol, EventLoop, Promise, Transport};
    ///
    /// struct Filler(Promise<()>, [u8; 8]);
    /// impl BufferedProtocol for Filler {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         while transport.write(&[0; 65536]) {}
    ///     }
    ///     fn pause_writing(&mut self) {
    ///         let _ = self.0.set_result(());
    ///     }
    /// #   fn get_buffer(&mut self) -> &mut [u8] { &mut self.1 }
    /// #   fn buffer_updated(&mut self, _length: usize) {}
    ///     // …
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let event_loop = EventLoop::current();
    /// # let (promise, paused) = event_loop.create_future();
    /// # event_loop.create_connection(|| Buffered(Filler(promise, [0; 8])), listener.local_addr()?).await?;
    ///
    /// // The peer reads nothing.
    /// assert!(paused.await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    fn pause_writing(&mut self) {}

    /// Go on writing. See [`Protocol::resume_writing`].
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{Buffered, BufferedProtocol, EventLoop, Promise, Transport};
    ///
    /// struct Filler(Promise<()>, [u8; 8]);
    /// impl BufferedProtocol for Filler {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         while transport.write(&[0; 65536]) {}
    ///     }
    ///     fn resume_writing(&mut self) {
    ///         let _ = self.0.set_result(());
    ///     }
    /// #   fn get_buffer(&mut self) -> &mut [u8] { &mut self.1 }
    /// #   fn buffer_updated(&mut self, _length: usize) {}
    ///     // …
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let event_loop = EventLoop::current();
    /// # let (promise, resumed) = event_loop.create_future();
    /// # event_loop.create_connection(|| Buffered(Filler(promise, [0; 8])), listener.local_addr()?).await?;
    /// # let (mut peer, _) = listener.accept()?;
    ///
    /// // Once the peer reads, writing goes on.
    /// std::thread::spawn(move || std::io::copy(&mut peer, &mut std::io::sink()));
    /// assert!(resumed.await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
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
