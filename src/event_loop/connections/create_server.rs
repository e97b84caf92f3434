//! `create_server`: how a server comes by its sockets.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::listener::{self, Bound, bind_all};
use super::server::Server;
use crate::event_loop::base::within::{Making, refuse_options};
#[cfg(feature = "tls")]
use crate::event_loop::tls::ServerTls;
use crate::event_loop::transports::socket::Upgrade;
use crate::event_loop::{AddressFamily, EventLoop, Protocol};
use crate::net::{ToSocketAddrs, lookup_host};

/// On Windows, this means something else, and nothing good.
const REUSE_ADDRESS: bool = cfg!(unix);

impl EventLoop {
    /// Listens at `addr` and serves each connection with a protocol that `factory` makes.
    ///
    /// It listens at every address that `addr` resolves to, and serves from the moment this returns. The server goes on
    /// when the [`Server`] is dropped; [`Server::close`] ends it. `factory` is called for one connection at a time. If
    /// it panics, that connection is closed. The sockets belong to this loop's runtime, whoever calls.
    ///
    /// Set options before you await it: see [`CreateServer`].
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
    /// The error names each address that failed.
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
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let event_loop = EventLoop::current();
    ///     let server = event_loop.create_server(|| Quiet, "127.0.0.1:0").backlog(10).start_serving(false).await?;
    ///     assert!(!server.is_serving());
    ///     server.start_serving()?;
    ///     assert!(server.is_serving());
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn create_server<'a, P, F, A>(&self, factory: F, addr: A) -> CreateServer<'a>
    where
        P: Protocol,
        F: FnMut() -> P + Send + 'static,
        A: ToSocketAddrs + Send + 'a,
    {
        let make = async move |event_loop: EventLoop, options: Options| {
            let family = options.family;
            let addresses = lookup_host(addr).await?;
            let addresses =
                addresses.filter(|address| family.is_none_or(|family| family.has(address)));
            let bound = bind_all(addresses, options.listener)?;
            serve(&event_loop, bound, factory, options)
        };
        CreateServer {
            making: Making::new(self, Options::new(), make),
        }
    }

    /// Serves the connections of a listening socket that the program has, which may have come from elsewhere.
    ///
    /// It is put into non-blocking mode. Otherwise this is like [`create_server`](Self::create_server).
    ///
    /// # Errors
    ///
    /// If the socket can't be watched for events. If an option is set that is not for it: see [`CreateServer`].
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
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     // It may also come from a parent process.
    ///     let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///     let event_loop = EventLoop::current();
    ///     let server = event_loop.create_server_from(|| Greeter, listener).await?;
    ///     let (mut reader, _writer) = event_loop.open_connection(server.local_addr()).await?;
    ///     assert_eq!(reader.read_to_end().await?, b"hello");
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn create_server_from<P, F>(
        &self,
        factory: F,
        listener: std::net::TcpListener,
    ) -> CreateServer<'static>
    where
        P: Protocol,
        F: FnMut() -> P + Send + 'static,
    {
        let make = async move |event_loop: EventLoop, options: Options| {
            options.without_tcp()?;
            let bound = Bound::of(listener.into(), options.listener.backlog)?;
            serve(&event_loop, vec![bound], factory, options)
        };
        CreateServer {
            making: Making::new(self, Options::new(), make),
        }
    }
}

/// Makes the server, and lets it serve unless that is not wanted yet.
pub(crate) fn serve<P: Protocol>(
    event_loop: &EventLoop,
    bound: Vec<Bound>,
    factory: impl FnMut() -> P + Send + 'static,
    options: Options,
) -> io::Result<Server> {
    let server = Server::new(
        event_loop,
        bound,
        factory,
        options.upgrade,
        options.location,
    );
    if options.start_serving
        && let Err(error) = server.start_serving()
    {
        server.close();
        return Err(error);
    }
    Ok(server)
}

pub(crate) struct Options {
    pub(crate) listener: listener::Options,
    family: Option<AddressFamily>,
    start_serving: bool,
    /// Where the user asked for it.
    location: &'static Location<'static>,
    upgrade: Option<Box<dyn Fn() -> Upgrade + Send>>,
}

impl Options {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let listener = listener::Options {
            backlog: 100,
            reuse_address: REUSE_ADDRESS,
            reuse_port: false,
            keep_alive: false,
        };
        Self {
            listener,
            family: None,
            start_serving: true,
            location: Location::caller(),
            upgrade: None,
        }
    }

    /// Refuses the options of TCP sockets that are yet to be made.
    pub(crate) fn without_tcp(&self) -> io::Result<()> {
        let listener = &self.listener;
        let of_tcp = [
            ("family", self.family.is_some()),
            ("reuse_address", listener.reuse_address != REUSE_ADDRESS),
            ("reuse_port", listener.reuse_port),
            ("keep_alive", listener.keep_alive),
        ];
        refuse_options("a server whose sockets are not made by addresses", &of_tcp)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listener", &self.listener)
            .field("start_serving", &self.start_serving)
            .field("tls", &self.upgrade.is_some())
            .finish()
    }
}

/// A server that is made once it is awaited. Made by [`EventLoop::create_server`] and its like.
///
/// Its methods are what keyword arguments are in asyncio. [`family`](Self::family),
/// [`reuse_address`](Self::reuse_address), [`reuse_port`](Self::reuse_port) and [`keep_alive`](Self::keep_alive) are for
/// [`EventLoop::create_server`] alone. For a listening socket that the program has, and for a Unix socket, setting them to
/// anything but their default is an error of the kind [`InvalidInput`](std::io::ErrorKind::InvalidInput).
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
///     let create = EventLoop::current().create_server(|| Quiet, "127.0.0.1:0");
///     let server = create.backlog(16).keep_alive(true).start_serving(false).await?;
///     assert!(!server.is_serving());
///     server.start_serving()?;
///     assert!(server.is_serving());
///     assert_eq!(server.sockets().len(), 1);
///     Ok(())
/// }
/// ```
///
/// # Panics
///
/// The methods panic after the first poll.
#[derive(Debug)]
#[must_use = "a server is made once it is awaited"]
pub struct CreateServer<'a> {
    pub(crate) making: Making<'a, Options, Server>,
}

impl CreateServer<'_> {
    /// For one that was asked for there.
    pub(crate) fn at(mut self, location: &'static Location<'static>) -> Self {
        self.making.options().location = location;
        self
    }

    /// Listens at addresses of this family only, of those that the host name has.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{AddressFamily, EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let create = EventLoop::current().create_server(|| Quiet, ("localhost", 0));
    /// let server = create.family(AddressFamily::V4).await?;
    /// assert!(server.local_addr().is_ipv4());
    /// # Ok(())
    /// # }
    /// ```
    pub fn family(mut self, family: AddressFamily) -> Self {
        self.making.options().family = Some(family);
        self
    }

    /// How many connections the system keeps that have not been accepted yet. 100 without this.
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
    /// let server = create.backlog(16).await?;
    /// assert!(server.is_serving());
    /// # Ok(())
    /// # }
    /// ```
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.making.options().listener.backlog = backlog;
        self
    }

    /// Whether an address may be used again while connections of an earlier socket linger. `true` on Unix without this.
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
    /// let server = create.reuse_address(false).await?;
    /// assert!(server.is_serving());
    /// # Ok(())
    /// # }
    /// ```
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.making.options().listener.reuse_address = reuse;
        self
    }

    /// Whether several sockets may listen at the same address. The system spreads the connections over them. `false`
    /// without this. Ignored on systems that don't have it.
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
    /// # if cfg!(target_os = "linux") {
    ///
    /// let event_loop = EventLoop::current();
    /// let one = event_loop.create_server(|| Quiet, "127.0.0.1:0").reuse_port(true).await?;
    /// let other = event_loop.create_server(|| Quiet, one.local_addr()).reuse_port(true).await?;
    /// assert_eq!(one.local_addr(), other.local_addr());
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.making.options().listener.reuse_port = reuse;
        self
    }

    /// Whether the system asks silent peers whether they are still there. `false` without this.
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
    /// let server = create.keep_alive(true).await?;
    /// assert!(server.is_serving());
    /// # Ok(())
    /// # }
    /// ```
    pub fn keep_alive(mut self, keep_alive: bool) -> Self {
        self.making.options().listener.keep_alive = keep_alive;
        self
    }

    /// Whether the server serves at once. `true` without this. If not, call [`Server::start_serving`] or
    /// [`Server::serve_forever`].
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
    /// assert!(!server.is_serving());
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_serving(mut self, start: bool) -> Self {
        self.making.options().start_serving = start;
        self
    }

    /// Speaks TLS with each client. `connection_made` is called after the handshake. A handshake that fails is reported
    /// to the exception handler.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::tls::{ClientTls, ServerTls, rustls};
    /// use heist::event_loop::{EventLoop, Protocol, extra};
    /// use std::sync::Arc;
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let provider = Arc::new(rustls::crypto::ring::default_provider());
    /// # let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    /// # let config = rustls::ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    /// # let config = config.unwrap().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key);
    /// # let server_config = Arc::new(config.unwrap());
    /// # let mut roots = rustls::RootCertStore::empty();
    /// # roots.add(made.cert.der().clone()).unwrap();
    /// # let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    /// # let client_config = Arc::new(config.unwrap().with_root_certificates(roots).with_no_client_auth());
    /// # let event_loop = EventLoop::current();
    ///
    /// let create = event_loop.create_server(|| Quiet, "127.0.0.1:0");
    /// let server = create.tls(ServerTls::new(server_config)).await?;
    /// let tls = ClientTls::new(client_config, "localhost".try_into().unwrap());
    /// let create = event_loop.create_connection(|| Quiet, server.local_addr());
    /// let (transport, _) = create.tls(tls).await?;
    /// assert!(transport.get_extra_info(extra::TLS).is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.making.options().upgrade = Some(Box::new(move || tls.upgrade()));
        self
    }
}

impl Future for CreateServer<'_> {
    type Output = io::Result<Server>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.making.poll(cx)
    }
}
