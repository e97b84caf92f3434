//! Streams: a reader and a writer for tasks, on top of transports and protocols.

mod buffer;
mod reader;
mod shared;
#[cfg(unix)]
mod unix;
mod writer;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use heist_sync::sys::hints::AtomicUsize;

use crate::event_loop::{
    CreateConnection, CreateServer, EventLoop, ExceptionContext, Server, Transport,
};
use crate::net::ToSocketAddrs;

pub use reader::{IncompleteReadError, LimitOverrunError, ReadError, StreamReader};
pub use shared::StreamProtocol;
pub use writer::StreamWriter;

use shared::{LIMIT, Made, Shared};

impl EventLoop {
    /// Connects to `addr`, and returns a reader and a writer for the connection.
    ///
    /// # Cancel safety, errors
    ///
    /// See [`create_connection`](Self::create_connection).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let event_loop = EventLoop::current();
    ///     let server = event_loop
    ///         .start_server(
    ///             async |mut reader, mut writer| {
    ///                 let line = reader.readline().await.unwrap();
    ///                 writer.write(&line.to_ascii_uppercase());
    ///             },
    ///             "127.0.0.1:0",
    ///         )
    ///         .await?;
    ///
    ///     let (mut reader, mut writer) = event_loop.open_connection(server.local_addr()).await?;
    ///     writer.write(b"hello\n");
    ///     writer.drain().await?;
    ///     assert_eq!(reader.readline().await?, b"HELLO\n");
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn open_connection<'a, A>(&self, addr: A) -> OpenConnection<'a>
    where
        A: ToSocketAddrs + Send + 'a,
    {
        OpenConnection::new(|protocol| self.create_connection(|| protocol, addr))
    }

    /// Listens at `addr`, and runs `client_connected` as a task for each connection, with a reader and a writer.
    ///
    /// If the task panics, that is reported to the exception handler. When the task drops the writer, the connection is
    /// closed.
    ///
    /// # Cancel safety, errors
    ///
    /// See [`create_server`](Self::create_server).
    ///
    /// # Examples
    ///
    /// See [`open_connection`](Self::open_connection).
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// let server = event_loop.start_server(
    ///     async |_reader, mut writer| writer.write(b"hello"),
    ///     "127.0.0.1:0",
    /// );
    /// let server = server.await?;
    /// let (mut reader, _writer) = event_loop.open_connection(server.local_addr()).await?;
    /// assert_eq!(reader.read_to_end().await?, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn start_server<'a, F, T, A>(&self, client_connected: F, addr: A) -> StartServer<'a>
    where
        F: Fn(StreamReader, StreamWriter) -> T + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
        A: ToSocketAddrs + Send + 'a,
    {
        StartServer::new(self, client_connected, |factory| {
            self.create_server(factory, addr)
        })
    }
}

/// A stream that is made once it is awaited. Made by [`EventLoop::open_connection`] and its like.
#[must_use = "a stream is made once it is awaited"]
pub struct OpenConnection<'a> {
    shared: Arc<Shared>,
    create: Option<CreateConnection<'a, StreamProtocol>>,
}

impl<'a> OpenConnection<'a> {
    #[track_caller]
    pub(super) fn new(
        create: impl FnOnce(StreamProtocol) -> CreateConnection<'a, StreamProtocol>,
    ) -> Self {
        let shared = Shared::new();
        let protocol = StreamProtocol {
            shared: shared.clone(),
            made: None,
        };
        Self {
            shared,
            create: Some(create(protocol).at(Location::caller())),
        }
    }

    /// The limit of the reader, in bytes: how far away a separator may be, and half of how much is kept. 64 KiB without
    /// this.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::{ErrorKind, Write};
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let open = EventLoop::current().open_connection(listener.local_addr()?).limit(4);
    /// let (mut reader, _writer) = open.await?;
    /// listener.accept()?.0.write_all(b"a long line\n")?;
    /// assert_eq!(reader.readline().await.unwrap_err().kind(), ErrorKind::InvalidData);
    /// # Ok(())
    /// # }
    /// ```
    pub fn limit(self, limit: usize) -> Self {
        self.shared.set_limit(limit);
        self
    }

    /// Sets options of the connection.
    ///
    /// # Panics
    ///
    /// Panics after the first poll.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{AddressFamily, EventLoop};
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let port = listener.local_addr()?.port();
    /// let open = EventLoop::current().open_connection(("localhost", port));
    /// let (_reader, writer) = open.with(|client| client.family(AddressFamily::V4)).await?;
    /// assert_eq!(writer.transport().peer_addr(), Some(listener.local_addr()?));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with(
        mut self,
        options: impl FnOnce(
            CreateConnection<'a, StreamProtocol>,
        ) -> CreateConnection<'a, StreamProtocol>,
    ) -> Self {
        self.create = self.create.map(options);
        self
    }
}

impl Future for OpenConnection<'_> {
    type Output = io::Result<(StreamReader, StreamWriter)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let create = self.create.as_mut();
        let create = create.expect("a stream is awaited once");
        let (transport, _) = ready!(Pin::new(create).poll(cx))?;
        Poll::Ready(Ok(ends(&self.shared, transport)))
    }
}

fn ends(shared: &Arc<Shared>, transport: Transport) -> (StreamReader, StreamWriter) {
    (
        StreamReader::new(shared.clone()),
        StreamWriter::new(shared.clone(), transport),
    )
}

/// A server that is made once it is awaited. Made by [`EventLoop::start_server`] and its like.
#[must_use = "a server is made once it is awaited"]
pub struct StartServer<'a> {
    limit: Arc<AtomicUsize>,
    create: Option<CreateServer<'a>>,
}

/// What makes the protocol of each connection.
pub(super) type Factory = Box<dyn FnMut() -> StreamProtocol + Send>;

impl<'a> StartServer<'a> {
    #[track_caller]
    pub(super) fn new<F, T>(
        event_loop: &EventLoop,
        client_connected: F,
        create: impl FnOnce(Factory) -> CreateServer<'a>,
    ) -> Self
    where
        F: Fn(StreamReader, StreamWriter) -> T + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let limit = Arc::new(AtomicUsize::new(LIMIT));
        let (client_connected, event_loop) = (Arc::new(client_connected), event_loop.clone());
        let (limit_set, location) = (limit.clone(), Location::caller());
        let factory = move || {
            let shared = Shared::new();
            shared.set_limit(limit_set.load(std::sync::atomic::Ordering::Relaxed));
            let (client_connected, event_loop) = (client_connected.clone(), event_loop.clone());
            let made: Made = Box::new(move |shared, transport| {
                let (reader, writer) = ends(shared, transport);
                let client = client_connected(reader, writer);
                let task = reporting(event_loop.clone(), location, client);
                event_loop.task_builder().spawn_from(location, task);
            });
            StreamProtocol {
                shared,
                made: Some(made),
            }
        };
        Self {
            limit,
            create: Some(create(Box::new(factory)).at(location)),
        }
    }

    /// The limit of the readers, in bytes. See [`OpenConnection::limit`].
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// let start = event_loop.start_server(async |mut reader, mut writer| {
    ///     let error = reader.readline().await.unwrap_err();
    ///     writer.write(error.kind().to_string().as_bytes());
    /// }, "127.0.0.1:0");
    /// let server = start.limit(4).await?;
    /// let (mut reader, mut writer) = event_loop.open_connection(server.local_addr()).await?;
    /// writer.write(b"a long line\n");
    /// assert_eq!(reader.read_to_end().await?, b"invalid data");
    /// # Ok(())
    /// # }
    /// ```
    pub fn limit(self, limit: usize) -> Self {
        // Ordering: the factory runs in tasks that are spawned after this.
        self.limit
            .store(limit, std::sync::atomic::Ordering::Relaxed);
        self
    }

    /// Sets options of the server.
    ///
    /// # Panics
    ///
    /// Panics after the first poll.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let start = EventLoop::current().start_server(async |_reader, _writer| {}, "127.0.0.1:0");
    /// let server = start.with(|server| server.start_serving(false)).await?;
    /// assert!(!server.is_serving());
    /// # Ok(())
    /// # }
    /// ```
    pub fn with(mut self, options: impl FnOnce(CreateServer<'a>) -> CreateServer<'a>) -> Self {
        self.create = self.create.map(options);
        self
    }
}

impl Future for StartServer<'_> {
    type Output = io::Result<Server>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let create = self.create.as_mut();
        Pin::new(create.expect("a server is awaited once")).poll(cx)
    }
}

/// Runs a client's task. A panic is reported, and ends the task.
async fn reporting(
    event_loop: EventLoop,
    location: &'static Location<'static>,
    client: impl Future<Output = ()>,
) {
    let mut client = pin!(Some(client));
    let ended = poll_fn(|cx| {
        let poll = || client.as_mut().as_pin_mut().map(|client| client.poll(cx));
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(poll) => poll.unwrap_or(Poll::Ready(())).map(Ok),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    })
    .await;
    let dropped = catch_unwind(AssertUnwindSafe(|| client.set(None)));
    for payload in [ended, dropped].into_iter().filter_map(Result::err) {
        let context = ExceptionContext::new("a task of `start_server` panicked");
        event_loop.call_exception_handler(context.at(location).with_panic(payload));
    }
}

impl fmt::Debug for OpenConnection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenConnection").finish_non_exhaustive()
    }
}

impl fmt::Debug for StartServer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartServer").finish_non_exhaustive()
    }
}
