//! Servers: one task for each listening socket accepts, and gives each connection a task of its own.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future as _, poll_fn};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use heist_sync::sys::Mutex;

use super::base::EventLoop;
use super::connection;
use super::exception::ExceptionContext;
use super::protocol::Protocol;
use super::transport::Link;
use crate::net::{TcpListener, TcpStream, ToSocketAddrs, lookup_host};
use crate::sync::Notify;
use crate::time::timeout;

/// How long a server waits after it has failed to accept. Each further failure in a row doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest such wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

struct Shared {
    addresses: Vec<SocketAddr>,
    state: Mutex<State>,
    /// Notified when `closed` is set.
    closing: Notify,
    /// Notified when nothing is left of a closed server.
    idle: Notify,
}

struct State {
    closed: bool,
    /// The number of listening sockets that are open.
    listeners: usize,
    clients: HashMap<u64, Weak<Link>>,
    next_client: u64,
}

impl State {
    fn is_over(&self) -> bool {
        self.closed && self.listeners == 0 && self.clients.is_empty()
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
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

impl EventLoop {
    /// Listens at `addr` and serves each connection with a protocol that `factory` makes.
    ///
    /// It listens at every address that `addr` resolves to, and serves from the moment this returns. The server goes on
    /// when the [`Server`] is dropped; [`Server::close`] ends it. `factory` is called for one connection at a time. If
    /// it panics, that connection is closed.
    ///
    /// If the system has no more descriptors or memory for a connection, that is reported to the exception handler, and
    /// the server tries again after a pause of up to a second.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it returns, the listening sockets are closed.
    ///
    /// # Errors
    ///
    /// Fails if resolving or listening fails. An address that this machine doesn't have is skipped if there is another.
    ///
    /// # Examples
    ///
    /// See [`Protocol`].
    pub async fn create_server<P, F, A>(&self, factory: F, addr: A) -> io::Result<Server>
    where
        P: Protocol,
        F: FnMut() -> P + Send + 'static,
        A: ToSocketAddrs,
    {
        Server::start(self, factory, addr).await
    }
}

impl Server {
    pub(super) async fn start<P, F, A>(
        event_loop: &EventLoop,
        factory: F,
        addr: A,
    ) -> io::Result<Self>
    where
        P: Protocol,
        F: FnMut() -> P + Send + 'static,
        A: ToSocketAddrs,
    {
        let (listeners, addresses) = listen(addr).await?;
        let state = State {
            closed: false,
            listeners: listeners.len(),
            clients: HashMap::new(),
            next_client: 0,
        };
        let shared = Arc::new(Shared {
            addresses,
            state: Mutex::new(state),
            closing: Notify::new(),
            idle: Notify::new(),
        });
        // Sockets take turns with the factory. The lock is an async one that nobody else knows of, so the factory can't
        // touch it, whatever it does.
        let factory = Arc::new(crate::sync::Mutex::new(factory));
        for listener in listeners {
            let acceptor = Acceptor {
                event_loop: event_loop.clone(),
                listener,
                shared: Listening(shared.clone()),
            };
            event_loop.create_task(acceptor.run(factory.clone()));
        }
        Ok(Self { shared })
    }

    /// The addresses that the server listens at. They stay the same when it is closed.
    pub fn sockets(&self) -> &[SocketAddr] {
        &self.shared.addresses
    }

    /// The first address that the server listens at. Usually it is the only one.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.addresses[0]
    }

    /// Whether the server accepts connections: it does until it is closed.
    pub fn is_serving(&self) -> bool {
        !self.shared.state.lock().closed
    }

    /// Stops listening. Existing connections go on.
    ///
    /// The sockets are closed soon after; [`wait_closed`](Self::wait_closed) waits for that.
    pub fn close(&self) {
        self.shared.change(|state| state.closed = true);
        self.shared.closing.notify_waiters();
    }

    /// Closes all existing connections, as [`Transport::close`](super::Transport::close) does.
    pub fn close_clients(&self) {
        self.clients().iter().for_each(|link| link.close());
    }

    /// Aborts all existing connections, as [`Transport::abort`](super::Transport::abort) does.
    pub fn abort_clients(&self) {
        self.clients().iter().for_each(|link| link.abort());
    }

    fn clients(&self) -> Vec<Arc<Link>> {
        self.shared
            .state
            .lock()
            .clients
            .values()
            .filter_map(Weak::upgrade)
            .collect()
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

/// Listens at all that `addr` resolves to. Returns at least one socket.
async fn listen(addr: impl ToSocketAddrs) -> io::Result<(Vec<TcpListener>, Vec<SocketAddr>)> {
    let (mut listeners, mut addresses, mut tried) = (Vec::new(), Vec::new(), Vec::new());
    let mut skipped = None;
    for address in lookup_host(addr).await? {
        if tried.contains(&address) {
            continue;
        }
        tried.push(address);
        match TcpListener::bind(address).await {
            Ok(listener) => {
                addresses.push(listener.local_addr()?);
                listeners.push(listener);
            }
            // A name may stand for an address of a family that this machine doesn't have.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::AddrNotAvailable | ErrorKind::Unsupported
                ) =>
            {
                skipped = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() {
        let nothing = || io::Error::new(ErrorKind::InvalidInput, "the name resolves to no address");
        return Err(skipped.unwrap_or_else(nothing));
    }
    Ok((listeners, addresses))
}

/// Counts a listening socket, until it is dropped.
struct Listening(Arc<Shared>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.listeners -= 1;
            // If no listening socket is left, the server is closed, whatever ended the sockets.
            state.closed |= state.listeners == 0;
        });
    }
}

/// Counts a connection, until it is dropped.
struct Client {
    shared: Arc<Shared>,
    id: u64,
}

impl Client {
    fn new(shared: &Arc<Shared>) -> Self {
        let id = shared.change(|state| {
            state.next_client += 1;
            state.clients.insert(state.next_client, Weak::new());
            state.next_client
        });
        Self {
            shared: shared.clone(),
            id,
        }
    }

    fn attach(&self, link: &Arc<Link>) {
        let link = Arc::downgrade(link);
        self.shared
            .change(|state| state.clients.insert(self.id, link));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.change(|state| state.clients.remove(&self.id));
    }
}

/// The task of one listening socket.
struct Acceptor {
    event_loop: EventLoop,
    // The fields are dropped in this order. So the socket is closed before the server is told.
    listener: TcpListener,
    shared: Listening,
}

impl Acceptor {
    async fn run<P: Protocol, F: FnMut() -> P + Send>(self, factory: Arc<crate::sync::Mutex<F>>) {
        let mut pause = FIRST_PAUSE;
        while let Some(accepted) = self.accept().await {
            match accepted {
                Ok((stream, _)) => {
                    pause = FIRST_PAUSE;
                    self.serve(stream, &mut *factory.lock().await);
                }
                // The peer has gone again, or a signal came. Nothing is wrong with the socket.
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    let context =
                        ExceptionContext::new("a server can't accept connections for now");
                    self.event_loop
                        .call_exception_handler(context.with_error(error));
                    if self.closed_within(pause).await {
                        return;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// The next connection. `None` once the server is closed.
    async fn accept(&self) -> Option<io::Result<(TcpStream, SocketAddr)>> {
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
        let shared = &self.shared.0;
        // It is made before the look at the state, so that it hears of what happens in between.
        let closing = shared.closing.notified();
        if !shared.state.lock().closed {
            closing.await;
        }
    }

    async fn closed_within(&self, pause: Duration) -> bool {
        timeout(pause, self.closed()).await.is_ok()
    }

    fn serve<P: Protocol>(&self, stream: TcpStream, factory: &mut impl FnMut() -> P) {
        match catch_unwind(AssertUnwindSafe(factory)) {
            Ok(protocol) => {
                let client = Client::new(&self.shared.0);
                let count = |link: &_| {
                    client.attach(link);
                    client
                };
                drop(connection::start(&self.event_loop, stream, protocol, count));
            }
            Err(payload) => {
                let context = ExceptionContext::new("a server's protocol factory panicked");
                self.event_loop
                    .call_exception_handler(context.with_panic(payload));
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
