//! `create_connection`: how a client comes by its connection.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use super::connection::Driver;
use super::listener::Failed;
use crate::event_loop::base::within::{Making, refuse_options};
use crate::event_loop::callbacks::calls::after;
#[cfg(feature = "tls")]
use crate::event_loop::tls::Tls;
use crate::event_loop::transports::socket::{Opened, Upgrade};
use crate::event_loop::{AddressFamily, EventLoop, Protocol, ProtocolHandle, Transport};
use crate::net::{TcpSocket, TcpStream, ToSocketAddrs, lookup_host};
use crate::time::{Instant, sleep};

/// The standard's delay (RFC 8305).
const HAPPY_EYEBALLS_DELAY: Duration = Duration::from_millis(250);

impl EventLoop {
    /// Connects to `addr` and runs the connection with the protocol that `factory` makes.
    ///
    /// The addresses that `addr` resolves to are tried by "happy eyeballs": IPv6 and IPv4 by turns, the next one when one
    /// has failed or has taken 250 ms. The first to answer wins. When this returns, `connection_made` has been called.
    /// The connection belongs to this loop's runtime, whoever calls.
    ///
    /// Set options before you await it: see [`CreateConnection`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it returns, the attempt is given up. A connection that is there by then is
    /// aborted.
    ///
    /// # Errors
    ///
    /// Fails if resolving or connecting fails. The error names each address that failed. With TLS, fails if the
    /// handshake does. Fails if the runtime is shut down meanwhile.
    ///
    /// # Panics
    ///
    /// Panics if `factory` does. A panic in `connection_made` is not passed on:
    /// [`Protocol::connection_made`] says what becomes of it.
    ///
    /// # Examples
    ///
    /// See [`Protocol`].
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol, Transport};
    /// use std::io::Read;
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
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Greeter, listener.local_addr()?).await?;
    /// assert!(transport.is_closing());
    /// let mut heard = String::new();
    /// listener.accept()?.0.read_to_string(&mut heard)?;
    /// assert_eq!(heard, "hello");
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn create_connection<'a, P, F, A>(&self, factory: F, addr: A) -> CreateConnection<'a, P>
    where
        P: Protocol,
        F: FnOnce() -> P + Send + 'a,
        A: ToSocketAddrs + Send + 'a,
    {
        let make = async move |event_loop: EventLoop, options: Options| {
            let Options {
                family,
                local,
                delay,
                upgrade,
                location,
            } = options;
            let addresses = lookup_host(addr).await?;
            let addresses: Vec<_> = addresses
                .filter(|address| family.is_none_or(|family| family.has(address)))
                .collect();
            let stream = connect_any(&addresses, local, delay).await?;
            let opened = Opened::tcp(stream);
            drive(&event_loop, opened, factory(), upgrade, location).await
        };
        CreateConnection {
            making: Making::new(self, Options::new(), make),
        }
    }

    /// Runs a connection that something else has accepted or made.
    ///
    /// The stream is put into non-blocking mode. When this returns, `connection_made` has been called. To speak TLS as a
    /// server, give `CreateConnection::tls` a `ServerTls`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it returns, the connection is aborted.
    ///
    /// # Errors
    ///
    /// If the socket can't be watched for events. With TLS, if the handshake fails. If the runtime is shut down meanwhile.
    ///
    /// # Panics
    ///
    /// Panics if `factory` does. A panic in `connection_made` is not passed on:
    /// [`Protocol::connection_made`] says what becomes of it.
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
    ///     use std::io::Read;
    ///
    ///     let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///     let mut client = std::net::TcpStream::connect(listener.local_addr()?)?;
    ///     let (accepted, _) = listener.accept()?;
    ///     EventLoop::current().connect_accepted_socket(|| Greeter, accepted).await?;
    ///     let mut said = String::new();
    ///     client.read_to_string(&mut said)?;
    ///     assert_eq!(said, "hello");
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn connect_accepted_socket<'a, P, F>(
        &self,
        factory: F,
        stream: std::net::TcpStream,
    ) -> CreateConnection<'a, P>
    where
        P: Protocol,
        F: FnOnce() -> P + Send + 'a,
    {
        let make = async move |event_loop: EventLoop, options: Options| {
            let (upgrade, location) = options.without_addresses()?;
            stream.set_nonblocking(true)?;
            let opened = Opened::tcp(TcpStream::from_std(stream)?);
            drive(&event_loop, opened, factory(), upgrade, location).await
        };
        CreateConnection {
            making: Making::new(self, Options::new(), make),
        }
    }
}

/// Starts the connection's task, and waits until the connection is made.
pub(crate) async fn drive<P: Protocol>(
    event_loop: &EventLoop,
    opened: Opened,
    protocol: P,
    upgrade: Option<Upgrade>,
    location: &'static Location<'static>,
) -> io::Result<(Transport, ProtocolHandle<P>)> {
    let (driver, handle) = Driver::new(event_loop, opened, protocol, upgrade, location);
    Ok((driver.connect().await?, handle))
}

pub(crate) struct Options {
    family: Option<AddressFamily>,
    local: Option<SocketAddr>,
    delay: Option<Duration>,
    upgrade: Option<Upgrade>,
    /// Where the user asked for it.
    location: &'static Location<'static>,
}

impl Options {
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self {
            family: None,
            local: None,
            delay: Some(HAPPY_EYEBALLS_DELAY),
            upgrade: None,
            location: Location::caller(),
        }
    }

    /// The options of a connection that is not made by addresses. It refuses those that are about addresses.
    pub(crate) fn without_addresses(
        self,
    ) -> io::Result<(Option<Upgrade>, &'static Location<'static>)> {
        let about_addresses = [
            ("family", self.family.is_some()),
            ("local_addr", self.local.is_some()),
            (
                "happy_eyeballs_delay",
                self.delay != Some(HAPPY_EYEBALLS_DELAY),
            ),
        ];
        let what = "a connection that is not made by addresses";
        refuse_options(what, &about_addresses)?;
        Ok((self.upgrade, self.location))
    }
}

type Attempt = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// Connects to the first address that answers.
async fn connect_any(
    addresses: &[SocketAddr],
    local: Option<SocketAddr>,
    attempt_delay: Option<Duration>,
) -> io::Result<TcpStream> {
    let mut untried = interleaved(addresses).into_iter();
    let mut failed = Failed::new("connect to");
    let mut under_way: Vec<(SocketAddr, Attempt)> = Vec::new();
    let mut delay = pin!(sleep(Duration::ZERO));
    poll_fn(|cx| {
        loop {
            let failed_before = failed.count();
            if let Some(stream) = poll_attempts(&mut under_way, &mut failed, cx) {
                return Poll::Ready(Ok(stream));
            }
            let is_free = under_way.is_empty() || failed.count() > failed_before;
            if untried.len() == 0 {
                return match under_way.is_empty() {
                    true => Poll::Ready(Err(std::mem::take(&mut failed).into())),
                    false => Poll::Pending,
                };
            }
            let is_due = attempt_delay.is_some() && delay.as_mut().poll(cx).is_ready();
            if !is_free && !is_due {
                return Poll::Pending;
            }
            if let Some(next) = untried.next() {
                under_way.push((next, Box::pin(connect(next, local))));
            }
            let next = after(Instant::now(), attempt_delay.unwrap_or_default());
            delay.as_mut().reset(next);
        }
    })
    .await
}

async fn connect(address: SocketAddr, local: Option<SocketAddr>) -> io::Result<TcpStream> {
    let Some(local) = local else {
        return TcpStream::connect(address).await;
    };
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.bind(local)?;
    socket.connect(address).await
}

/// Polls all attempts. Those that failed are taken out.
fn poll_attempts(
    under_way: &mut Vec<(SocketAddr, Attempt)>,
    failed: &mut Failed,
    cx: &mut Context<'_>,
) -> Option<TcpStream> {
    let mut index = 0;
    while let Some((address, attempt)) = under_way.get_mut(index) {
        match attempt.as_mut().poll(cx) {
            Poll::Pending => index += 1,
            Poll::Ready(Ok(stream)) => return Some(stream),
            Poll::Ready(Err(error)) => {
                failed.add(*address, error);
                drop(under_way.remove(index));
            }
        }
    }
    None
}

/// The two families by turns. Each keeps its order, and the first address stays the first.
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (same, other): (Vec<_>, Vec<_>) = addresses
        .iter()
        .copied()
        .partition(|address| address.is_ipv4() == first);
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    let mut ordered = Vec::with_capacity(addresses.len());
    while same.len() + other.len() > 0 {
        ordered.extend(same.next());
        ordered.extend(other.next());
    }
    ordered
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("local_addr", &self.local)
            .field("happy_eyeballs_delay", &self.delay)
            .field("tls", &self.upgrade.is_some())
            .finish()
    }
}

/// A connection that is made once it is awaited. Made by [`EventLoop::create_connection`] and its like.
///
/// Its methods are what keyword arguments are in asyncio. [`local_addr`](Self::local_addr), [`family`](Self::family) and
/// [`happy_eyeballs_delay`](Self::happy_eyeballs_delay) are for [`EventLoop::create_connection`] alone. For an accepted
/// socket, a Unix socket or a pipe they are an error of the kind [`InvalidInput`](std::io::ErrorKind::InvalidInput), and so
/// is TLS on a pipe.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{AddressFamily, EventLoop, Protocol};
///
/// struct Quiet;
/// impl Protocol for Quiet {}
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let event_loop = EventLoop::current();
///     let server = event_loop.create_server(|| Quiet, "127.0.0.1:0").await?;
///     let create = event_loop.create_connection(|| Quiet, ("localhost", server.local_addr().port()));
///     let create = create.family(AddressFamily::V4).local_addr("127.0.0.1:0".parse().unwrap());
///     let (transport, _) = create.happy_eyeballs_delay(None).await?;
///     assert_eq!(transport.peer_addr(), Some(server.local_addr()));
///     Ok(())
/// }
/// ```
///
/// # Panics
///
/// The methods panic after the first poll.
#[derive(Debug)]
#[must_use = "a connection is made once it is awaited"]
pub struct CreateConnection<'a, P> {
    pub(crate) making: Making<'a, Options, (Transport, ProtocolHandle<P>)>,
}

impl<P> CreateConnection<'_, P> {
    /// For one that was asked for there.
    pub(crate) fn at(mut self, location: &'static Location<'static>) -> Self {
        self.making.options().location = location;
        self
    }

    /// The address of this end of the connection. Without this, the system chooses it.
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
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let create = EventLoop::current().create_connection(|| Quiet, listener.local_addr()?);
    /// let (transport, _) = create.local_addr("127.0.0.1:0".parse().unwrap()).await?;
    /// assert_eq!(transport.local_addr(), Some(listener.accept()?.1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr(mut self, address: SocketAddr) -> Self {
        self.making.options().local = Some(address);
        self
    }

    /// Takes addresses of this family only, of those that the host name has.
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
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let port = listener.local_addr()?.port();
    /// let create = EventLoop::current().create_connection(|| Quiet, ("localhost", port));
    /// let (transport, _) = create.family(AddressFamily::V4).await?;
    /// assert!(transport.peer_addr().unwrap().is_ipv4());
    /// # Ok(())
    /// # }
    /// ```
    pub fn family(mut self, family: AddressFamily) -> Self {
        self.making.options().family = Some(family);
        self
    }

    /// How long an attempt has the field to itself, before the next address is tried beside it. 250 ms without this.
    /// With `None`, the next address is tried only when one has failed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    /// use std::time::Duration;
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let create = EventLoop::current().create_connection(|| Quiet, listener.local_addr()?);
    /// let (transport, _) = create.happy_eyeballs_delay(Duration::from_millis(100)).await?;
    /// assert_eq!(transport.peer_addr(), Some(listener.local_addr()?));
    /// # Ok(())
    /// # }
    /// ```
    pub fn happy_eyeballs_delay(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.making.options().delay = delay.into();
        self
    }

    /// Speaks TLS: as a client with a `ClientTls`, as a server with a `ServerTls`, which is what an accepted socket wants.
    /// `connection_made` is called after the handshake. A handshake that fails is an error. On a pipe, which has one
    /// direction, this is an error too.
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
    /// # let tls = ServerTls::new(server_config);
    /// # let server = event_loop.create_server(|| Quiet, "127.0.0.1:0").tls(tls).await?;
    ///
    /// let tls = ClientTls::new(client_config, "localhost".try_into().unwrap());
    /// let create = event_loop.create_connection(|| Quiet, server.local_addr());
    /// let (transport, _) = create.tls(tls).await?;
    /// assert!(transport.get_extra_info(extra::TLS).is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: impl Into<Tls>) -> Self {
        self.making.options().upgrade = Some(tls.into().upgrade());
        self
    }
}

impl<P> Future for CreateConnection<'_, P> {
    type Output = io::Result<(Transport, ProtocolHandle<P>)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.making.poll(cx)
    }
}
