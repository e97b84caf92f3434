//! Servers: one task for each listening socket accepts, and gives each connection a task of its own.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use heist_sync::sys::Mutex;

use super::connection::Driver;
use super::listener::{Bound, Listener};
use crate::event_loop::base::within::UnderWay;
use crate::event_loop::transports::link::Link;
use crate::event_loop::transports::socket::{Opened, Upgrade};
use crate::event_loop::{Address, EventLoop, ExceptionContext, Protocol};
use crate::sync::Notify;
use crate::time::timeout;

/// How long a server waits after it has failed to accept. Each further failure in a row doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest such wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Makes a connection's task. What it returns has not been started.
type MakeDriver = Box<dyn FnMut(&EventLoop, Opened) -> Driver + Send>;

/// What the listening sockets of a server share. They take turns with the factory. The lock is an async one that nobody
/// else knows of, so the factory can't touch it, whatever it does.
type Maker = Arc<crate::sync::Mutex<MakeDriver>>;

struct Shared {
    event_loop: EventLoop,
    /// Where the user asked for the server.
    location: &'static Location<'static>,
    addresses: Vec<Address>,
    state: Mutex<State>,
    /// Notified when `closed` is set.
    closing: Notify,
    /// Notified when nothing is left of a closed server.
    idle: Notify,
}

struct State {
    closed: bool,
    /// `None` once the server is closed. So the factory goes with the listening sockets.
    make: Option<Maker>,
    /// Those that don't listen yet.
    bound: Vec<Bound>,
    /// The number of listening sockets that are open, or about to be. What leaves `bound` is counted in the same hold of the
    /// lock, until it is closed. So a server is not over as long as one of its sockets is there.
    listeners: usize,
    clients: HashMap<u64, Served>,
    next_client: u64,
}

/// What the server knows of a connection.
enum Served {
    /// Its protocol is being made, or waits for that. It is closed or aborted once it is there, if that was asked for.
    Coming(Option<Ending>),
    Made(Weak<Link>),
}

/// How a connection is ended.
#[derive(Clone, Copy)]
enum Ending {
    Close,
    Abort,
}

impl Ending {
    fn end(self, link: &Link) {
        match self {
            Self::Close => link.close(),
            Self::Abort => link.abort(),
        }
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.closed && self.listeners == 0 && self.clients.is_empty()
    }

    /// Closes the server. Returns what goes with that. The caller drops the sockets while something is counted for them, and
    /// the factory with no lock held, because that runs code of the user.
    fn close(&mut self) -> (Vec<Bound>, Option<Maker>) {
        self.closed = true;
        (std::mem::take(&mut self.bound), self.make.take())
    }
}

impl Shared {
    /// Changes the state. If the server is over, notifies those who wait.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        let result = change(&mut state);
        let over = state.is_over();
        drop(state);
        if over {
            self.idle.notify_waiters();
        }
        result
    }
}

/// A server: one or several listening sockets, whose connections are served by protocols. Made by
/// [`EventLoop::create_server`].
///
/// It is cheap to clone, and all clones are the same server. Dropping it changes nothing: it serves until
/// [`close`](Self::close) or the end of the runtime.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{EventLoop, Protocol};
///
/// struct Quiet;
/// impl Protocol for Quiet {}
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let event_loop = EventLoop::current();
///     let server = event_loop.create_server(|| Quiet, "127.0.0.1:0").await?;
///     assert!(server.is_serving());
///     let address = server.local_addr();
///     let (_client, protocol) = event_loop.create_connection(|| Quiet, address).await?;
///
///     // No new clients. Those that are there go on, until they are closed too.
///     server.close();
///     server.close_clients();
///     server.wait_closed().await;
///     assert!(protocol.wait_lost().await.is_some());
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

impl Server {
    /// A server that has its sockets, and does not listen yet.
    pub(crate) fn new<P, F>(
        event_loop: &EventLoop,
        bound: Vec<Bound>,
        mut factory: F,
        upgrade: Option<Box<dyn Fn() -> Upgrade + Send>>,
        location: &'static Location<'static>,
    ) -> Self
    where
        P: Protocol,
        F: FnMut() -> P + Send + 'static,
    {
        let make: MakeDriver = Box::new(move |event_loop, opened| {
            let upgrade = upgrade.as_ref().map(|make| make());
            Driver::new(event_loop, opened, factory(), upgrade, location).0
        });
        let addresses = bound.iter().map(|bound| bound.address().clone()).collect();
        let state = State {
            closed: false,
            make: Some(Arc::new(crate::sync::Mutex::new(make))),
            bound,
            listeners: 0,
            clients: HashMap::new(),
            next_client: 0,
        };
        let shared = Shared {
            event_loop: event_loop.clone(),
            location,
            addresses,
            state: Mutex::new(state),
            closing: Notify::new(),
            idle: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Starts to listen, if the server was made not to do so at once. Does nothing if it listens or is closed.
    ///
    /// # Errors
    ///
    /// If the system refuses. Those sockets that listen by then serve on. If there is none, the server is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let create = EventLoop::current().create_server(|| Quiet, "127.0.0.1:0");
    /// let server = create.start_serving(false).await?;
    /// server.start_serving()?;
    /// assert!(server.is_serving());
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_serving(&self) -> io::Result<()> {
        let shared = &self.shared;
        let _entered = shared.event_loop.handle().enter();
        while let Some((bound, make, listening)) = Listening::next(shared) {
            let name = format!("server {}", bound.address());
            let acceptor = Acceptor {
                listener: bound.listen()?,
                make,
                listening,
            };
            shared.event_loop.spawn_own(&name, acceptor.run());
        }
        Ok(())
    }

    /// Serves until the server is [closed](Self::close) and all its connections are over.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped after its first poll, the server is closed.
    ///
    /// # Errors
    ///
    /// See [`start_serving`](Self::start_serving).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    ///
    /// let create = event_loop.create_server(|| Quiet, "127.0.0.1:0");
    /// let server = create.start_serving(false).await?;
    /// let same = server.clone();
    /// event_loop.call_soon(move || same.close());
    /// server.serve_forever().await?;
    /// assert!(!server.is_serving());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn serve_forever(&self) -> io::Result<()> {
        let _closes = UnderWay::new(self, |server| server.close());
        self.start_serving()?;
        self.wait_closed().await;
        Ok(())
    }

    /// The addresses that the server listens at. They stay the same when it is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let server = EventLoop::current().create_server(|| Quiet, "127.0.0.1:0").await?;
    /// assert_eq!(server.sockets()[0], server.local_addr());
    /// # Ok(())
    /// # }
    /// ```
    pub fn sockets(&self) -> &[Address] {
        &self.shared.addresses
    }

    /// The first address that the server listens at. Usually it is the only one.
    ///
    /// # Panics
    ///
    /// Panics if the server listens at a Unix socket. See [`sockets`](Self::sockets).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let server = EventLoop::current().create_server(|| Quiet, "127.0.0.1:0").await?;
    /// // The system has chosen a port.
    /// assert_ne!(server.local_addr().port(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn local_addr(&self) -> SocketAddr {
        let first = self.shared.addresses.first().and_then(Address::ip);
        first.expect("`Server::local_addr` of a server that listens at a Unix socket")
    }

    /// Whether the server accepts connections: it does from [`start_serving`](Self::start_serving), which is usually
    /// called for you, until it is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let server = EventLoop::current().create_server(|| Quiet, "127.0.0.1:0").await?;
    /// assert!(server.is_serving());
    /// server.close();
    /// assert!(!server.is_serving());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_serving(&self) -> bool {
        let state = self.shared.state.lock();
        !state.closed && state.listeners > 0
    }

    /// The loop that the server belongs to.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let server = EventLoop::current().create_server(|| Quiet, "127.0.0.1:0").await?;
    /// assert_eq!(server.get_loop(), EventLoop::current());
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_loop(&self) -> EventLoop {
        self.shared.event_loop.clone()
    }

    /// Stops listening. Existing connections go on.
    ///
    /// The sockets are closed soon after; [`wait_closed`](Self::wait_closed) waits for that. A client that has connected and
    /// was not accepted yet is not served.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// let server = event_loop.start_server(async |mut reader, mut writer| {
    ///     writer.write(b"hello\n");
    ///     writer.write(&reader.readline().await.unwrap());
    /// }, "127.0.0.1:0").await?;
    /// let (mut reader, mut writer) = event_loop.open_connection(server.local_addr()).await?;
    /// assert_eq!(reader.readline().await?, b"hello\n");
    /// server.close();
    /// // This connection goes on.
    /// writer.write(b"still there\n");
    /// assert_eq!(reader.readline().await?, b"still there\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) {
        let (counted, (bound, make)) = Listening::closing(&self.shared);
        drop(bound);
        self.shared.closing.notify_waiters();
        drop(counted);
        drop(make);
    }

    /// Closes all existing connections, as [`Transport::close`](crate::event_loop::Transport::close) does.
    ///
    /// One whose protocol the factory is making exists already, and is closed once `connection_made` was called. So
    /// [`close`](Self::close) and then this make the server come to its end.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// let server = event_loop.start_server(async |mut reader, mut writer| {
    ///     writer.write(b"hello\n");
    ///     let _ = reader.read_to_end().await;
    /// }, "127.0.0.1:0").await?;
    /// let (mut reader, _writer) = event_loop.open_connection(server.local_addr()).await?;
    /// assert_eq!(reader.readline().await?, b"hello\n");
    /// server.close_clients();
    /// assert_eq!(reader.read_to_end().await?, b"");
    /// # Ok(())
    /// # }
    /// ```
    pub fn close_clients(&self) {
        self.end_clients(Ending::Close);
    }

    /// Aborts all existing connections, as [`Transport::abort`](crate::event_loop::Transport::abort) does. Which those are,
    /// [`close_clients`](Self::close_clients) says.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// let server = event_loop.start_server(async |mut reader, mut writer| {
    ///     writer.write(b"hello\n");
    ///     let _ = reader.read_to_end().await;
    /// }, "127.0.0.1:0").await?;
    /// let (mut reader, _writer) = event_loop.open_connection(server.local_addr()).await?;
    /// assert_eq!(reader.readline().await?, b"hello\n");
    /// server.abort_clients();
    /// assert_eq!(reader.read_to_end().await?, b"");
    /// # Ok(())
    /// # }
    /// ```
    pub fn abort_clients(&self) {
        self.end_clients(Ending::Abort);
    }

    fn end_clients(&self, ending: Ending) {
        let mut links = Vec::new();
        for client in self.shared.state.lock().clients.values_mut() {
            match client {
                // An abort counts, whatever came before or comes after it.
                Served::Coming(Some(Ending::Abort)) => {}
                Served::Coming(ends) => *ends = Some(ending),
                Served::Made(link) => links.extend(link.upgrade()),
            }
        }
        links.iter().for_each(|link| ending.end(link));
    }

    /// Waits until the server is closed and all its connections are over.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe.
    ///
    /// # Examples
    ///
    /// See [`Protocol`].
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let server = EventLoop::current().create_server(|| Quiet, "127.0.0.1:0").await?;
    /// server.close();
    /// server.wait_closed().await;
    /// assert!(!server.is_serving());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_closed(&self) {
        loop {
            // It is made before the look at the state, so that it hears of what happens in between.
            let idle = self.shared.idle.notified();
            if self.shared.state.lock().is_over() {
                return;
            }
            idle.await;
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("sockets", &self.sockets())
            .field("serving", &self.is_serving())
            .finish_non_exhaustive()
    }
}

/// Counts a listening socket, or those that never will listen, until it is dropped.
struct Listening(Arc<Shared>);

impl Listening {
    /// Takes the next socket that doesn't listen yet, and counts it.
    fn next(shared: &Arc<Shared>) -> Option<(Bound, Maker, Self)> {
        let mut state = shared.state.lock();
        let (bound, make) = state.bound.pop().zip(state.make.clone())?;
        state.listeners += 1;
        Some((bound, make, Self(shared.clone())))
    }

    /// Closes the server, and counts what goes with that.
    fn closing(shared: &Arc<Shared>) -> (Self, (Vec<Bound>, Option<Maker>)) {
        let mut state = shared.state.lock();
        state.listeners += 1;
        (Self(shared.clone()), state.close())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // If no listening socket is left, the server is closed, whatever ended the sockets.
        let gone = {
            let mut state = self.0.state.lock();
            let is_last = state.listeners == 1;
            // The last one counts until the sockets that never listened are closed.
            state.listeners -= usize::from(!is_last);
            is_last.then(|| state.close())
        };
        if let Some((bound, make)) = gone {
            drop(bound);
            self.0.change(|state| state.listeners -= 1);
            drop(make);
        }
    }
}

/// Counts a connection, until it is dropped.
struct Client {
    shared: Arc<Shared>,
    id: u64,
}

impl Client {
    /// Counts a connection that was accepted just now. `None` if the server is closed: whoever closed it may have
    /// ended its connections already, and nobody would end this one.
    fn new(shared: &Arc<Shared>) -> Option<Self> {
        let mut state = shared.state.lock();
        if state.closed {
            return None;
        }
        state.next_client += 1;
        let id = state.next_client;
        state.clients.insert(id, Served::Coming(None));
        Some(Self {
            shared: shared.clone(),
            id,
        })
    }

    /// The connection has its link, by which it is ended from now on, or at once if that was asked for meanwhile.
    fn attach(&self, link: &Arc<Link>) {
        let made = Served::Made(Arc::downgrade(link));
        let before = self.shared.state.lock().clients.insert(self.id, made);
        if let Some(Served::Coming(Some(ending))) = before {
            ending.end(link);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.change(|state| state.clients.remove(&self.id));
    }
}

/// The task of one listening socket.
struct Acceptor {
    // The fields are dropped in this order. So the socket is closed before the server is told.
    listener: Listener,
    make: Maker,
    listening: Listening,
}

impl Acceptor {
    async fn run(self) {
        let shared = &self.listening.0;
        let mut pause = FIRST_PAUSE;
        while let Some(accepted) = self.accept().await {
            match accepted {
                Ok(opened) => {
                    pause = FIRST_PAUSE;
                    self.serve(opened).await;
                }
                // The peer has gone again, or a signal came. Nothing is wrong with the socket.
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    let context =
                        ExceptionContext::new("a server can't accept connections for now");
                    let context = context.at(shared.location).with_error(error);
                    shared.event_loop.call_exception_handler(context);
                    if self.closed_within(pause).await {
                        return;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// The next connection. `None` once the server is closed.
    async fn accept(&self) -> Option<io::Result<Opened>> {
        let mut closing = pin!(self.closed());
        let mut accept = pin!(self.listener.accept());
        poll_fn(|cx| {
            if closing.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            accept.as_mut().poll(cx).map(Some)
        })
        .await
    }

    async fn closed(&self) {
        let shared = &self.listening.0;
        // It is made before the look at the state, so that it hears of what happens in between.
        let closing = shared.closing.notified();
        if !shared.state.lock().closed {
            closing.await;
        }
    }

    async fn closed_within(&self, pause: Duration) -> bool {
        timeout(pause, self.closed()).await.is_ok()
    }

    async fn serve(&self, opened: Opened) {
        let shared = &self.listening.0;
        // Before the factory is waited for and called, so that no end of the clients passes this one by.
        let Some(client) = Client::new(shared) else {
            return;
        };
        let mut make = self.make.lock().await;
        let make = AssertUnwindSafe(|| make(&shared.event_loop, opened));
        match catch_unwind(make) {
            Ok(driver) => {
                client.attach(driver.link());
                driver.start(Box::new(client));
            }
            Err(payload) => {
                let context = ExceptionContext::new("a server's protocol factory panicked");
                shared
                    .event_loop
                    .call_exception_handler(context.at(shared.location).with_panic(payload));
            }
        }
    }
}

/// Whether an error concerns one connection only, so that the next may be accepted at once.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
            | ErrorKind::WouldBlock
    )
}
