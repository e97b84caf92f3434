//! TLS for transports, by the crate `rustls`.
//!
//! This module needs feature `tls`. It does the I/O; what is trusted and which certificates are shown is rustls's
//! configuration. heist chooses no crypto provider: depend on `rustls` with the one that you want, for example
//! `rustls = { version = "0.23", features = ["ring"] }`.
//!
//! A TLS transport differs from a plain one in these ways:
//! - [`Transport::close`](crate::event_loop::Transport::close) sends all that was written, tells the peer that nothing more will
//!   come, and waits for the same from the peer, up to the shutdown timeout of 30 s.
//! - [`Transport::write_eof`](crate::event_loop::Transport::write_eof) tells the peer that nothing more will come
//!   (`close_notify`). Some peers close the connection then.
//! - A stream that ends without the peer's `close_notify` is cut off: the connection is lost with `UnexpectedEof`.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

mod stream;

pub use super::tls_info::TlsInfo;
pub use rustls;

use super::socket::{Socket, Upgrade, Upgraded};
use super::transport::Transport;
use stream::TlsStream;

/// asyncio's.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);
/// asyncio's.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
struct Timeouts {
    handshake: Duration,
    shutdown: Duration,
}

impl Timeouts {
    const DEFAULT: Self = Self {
        handshake: HANDSHAKE_TIMEOUT,
        shutdown: SHUTDOWN_TIMEOUT,
    };

    fn upgrade(
        self,
        connection: impl FnOnce() -> Result<rustls::Connection, rustls::Error> + Send + 'static,
    ) -> Upgrade {
        Box::new(move |inner: Arc<dyn Socket>| {
            let connection = connection().map_err(io::Error::other)?;
            Ok(Upgraded {
                socket: Arc::new(TlsStream::new(inner, connection)),
                handshake_timeout: self.handshake,
                close_timeout: self.shutdown,
            })
        })
    }
}

/// How a client speaks TLS.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    server_hostname: ServerName<'static>,
    timeouts: Timeouts,
}

/// How a server speaks TLS.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    timeouts: Timeouts,
}

macro_rules! timeouts {
    ($tls:ident) => {
        impl $tls {
            /// How long the handshake may take. 60 s without this. [`Duration::MAX`] is for ever.
            ///
            /// # Examples
            ///
            /// ```
            /// use heist::event_loop::EventLoop;
            /// use heist::event_loop::tls::{ClientTls, rustls};
            /// use heist::time::Duration;
            ///
            /// # #[heist::main]
            /// # async fn main() -> std::io::Result<()> {
            /// # let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
            /// # let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            /// # let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
            /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            /// let tls = ClientTls::new(config.into(), "localhost".try_into().unwrap());
            /// let tls = tls.handshake_timeout(Duration::from_millis(1));
            /// // The peer says nothing.
            /// let open = EventLoop::current().open_connection(listener.local_addr()?);
            /// let error = open.with(|client| client.tls(tls)).await.unwrap_err();
            /// assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
            /// # Ok(())
            /// # }
            /// ```
            pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
                self.timeouts.handshake = timeout;
                self
            }

            /// How long the orderly end of a connection may take, from `close` on. 30 s without this. [`Duration::MAX`] is
            /// for ever.
            ///
            /// # Examples
            ///
            /// ```
            /// use heist::event_loop::tls::{ClientTls, rustls};
            /// use std::time::Duration;
            ///
            /// # let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
            /// # let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            /// # let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
            /// let tls = ClientTls::new(config.into(), "localhost".try_into().unwrap());
            /// let tls = tls.shutdown_timeout(Duration::from_secs(5));
            /// assert!(format!("{tls:?}").contains("shutdown: 5s"));
            /// ```
            pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
                self.timeouts.shutdown = timeout;
                self
            }
        }

        impl fmt::Debug for $tls {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($tls))
                    .field("timeouts", &self.timeouts)
                    .finish_non_exhaustive()
            }
        }
    };
}

timeouts!(ClientTls);
timeouts!(ServerTls);

impl ClientTls {
    /// Speaks TLS as `config` says, with a server whose certificate must be for `server_hostname`.
    ///
    /// A name can be made of a text: `"example.org".try_into()?`.
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
    /// let create = event_loop.create_connection(|| Quiet, server.local_addr()).tls(tls);
    /// let (transport, _) = create.await?;
    /// assert_eq!(transport.get_extra_info(extra::TLS).unwrap().peer_certificates.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(config: Arc<ClientConfig>, server_hostname: ServerName<'static>) -> Self {
        Self {
            config,
            server_hostname,
            timeouts: Timeouts::DEFAULT,
        }
    }

    pub(crate) fn upgrade(self) -> Upgrade {
        let Self {
            config,
            server_hostname,
            timeouts,
        } = self;
        timeouts.upgrade(move || ClientConnection::new(config, server_hostname).map(Into::into))
    }
}

impl ServerTls {
    /// Speaks TLS as `config` says.
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
    /// let tls = ServerTls::new(server_config);
    /// let server = event_loop.create_server(|| Quiet, "127.0.0.1:0").tls(tls).await?;
    /// # let tls = ClientTls::new(client_config, "localhost".try_into().unwrap());
    /// let create = event_loop.create_connection(|| Quiet, server.local_addr()).tls(tls);
    /// let (transport, _) = create.await?;
    /// assert!(transport.get_extra_info(extra::TLS).is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(config: Arc<ServerConfig>) -> Self {
        let timeouts = Timeouts::DEFAULT;
        Self { config, timeouts }
    }

    pub(crate) fn upgrade(&self) -> Upgrade {
        let config = self.config.clone();
        self.timeouts
            .upgrade(move || ServerConnection::new(config).map(Into::into))
    }
}

/// How one side speaks TLS: made of a [`ClientTls`] or a [`ServerTls`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Tls {
    /// As a client.
    Client(ClientTls),
    /// As a server.
    Server(ServerTls),
}

impl Tls {
    pub(crate) fn upgrade(self) -> Upgrade {
        match self {
            Self::Client(tls) => tls.upgrade(),
            Self::Server(tls) => tls.upgrade(),
        }
    }
}

impl From<ClientTls> for Tls {
    fn from(tls: ClientTls) -> Self {
        Self::Client(tls)
    }
}

impl From<ServerTls> for Tls {
    fn from(tls: ServerTls) -> Self {
        Self::Server(tls)
    }
}

impl Transport {
    /// Starts TLS on this connection, once what was written before was sent. What is written from now on is encrypted.
    ///
    /// The transport and the protocol stay the same, and `connection_made` is not called again. Nothing is read
    /// meanwhile. Call it in the callback in which the peer agreed to TLS, so that nothing of the handshake is taken for
    /// data.
    ///
    /// # Cancel safety
    ///
    /// Once this was called, TLS is started even if the future is dropped.
    ///
    /// # Errors
    ///
    /// If the handshake fails or takes too long; the connection is lost with the same error. If the transport is
    /// closing, after `write_eof`, or while a `sendfile` or another `start_tls` is under way. `InvalidInput` if this is a
    /// pipe, which goes on without TLS.
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
    /// let (transport, _) = event_loop.create_connection(|| Quiet, server.local_addr()).await?;
    /// assert!(transport.get_extra_info(extra::TLS).is_none());
    /// transport.start_tls(ClientTls::new(client_config, "localhost".try_into().unwrap())).await?;
    /// assert!(transport.get_extra_info(extra::TLS).is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_tls<T: Into<Tls>>(
        &self,
        tls: T,
    ) -> impl Future<Output = io::Result<()>> + Send + use<T> {
        self.upgrade(tls.into().upgrade())
    }
}
