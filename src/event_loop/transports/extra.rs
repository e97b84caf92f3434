//! What a transport tells about itself besides: keys for `get_extra_info`.
//!
//! asyncio's keys are strings, and the values have any type. Here each key knows the type of its value.
//!
//! | asyncio | here |
//! |---|---|
//! | `"peername"` | [`PEERNAME`] |
//! | `"sockname"` | [`SOCKNAME`] |
//! | `"socket"`, `"pipe"` | [`SOCKET`] |
//! | `"sslcontext"`, `"ssl_object"`, `"peercert"`, `"cipher"`, `"compression"` | `TLS`, with feature `tls` |
//! | `"subprocess"` | the subprocess transport's own methods |
//!
//! # Examples
//!
//! ```
//! use heist::event_loop::{EventLoop, Protocol, extra};
//!
//! struct Quiet;
//! impl Protocol for Quiet {}
//!
//! #[heist::main]
//! async fn main() -> std::io::Result<()> {
//!     let event_loop = EventLoop::current();
//!     let server = event_loop.create_server(|| Quiet, "127.0.0.1:0").await?;
//!     let (transport, _) = event_loop.create_connection(|| Quiet, server.local_addr()).await?;
//!     assert_eq!(transport.get_extra_info(extra::PEERNAME).unwrap(), server.local_addr());
//!     let socket = transport.get_extra_info(extra::SOCKET).unwrap();
//!     assert!(socket.nodelay()?);
//!     Ok(())
//! }
//! ```

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Weak};

use super::address::Address;
use super::socket::Described;
#[cfg(feature = "tls")]
pub use super::tls_info::TlsInfo;

/// A key for `get_extra_info`, whose value is a `T`.
pub struct Key<T> {
    name: &'static str,
    look_up: fn(&dyn Facts) -> Option<T>,
}

/// The address of the other end.
pub const PEERNAME: Key<Address> = Key {
    name: "PEERNAME",
    look_up: |facts| facts.peer(),
};

/// The address of this end.
pub const SOCKNAME: Key<Address> = Key {
    name: "SOCKNAME",
    look_up: |facts| facts.local(),
};

/// The socket or pipe, for its options. `None` once the connection is over.
pub const SOCKET: Key<TransportSocket> = Key {
    name: "SOCKET",
    look_up: |facts| facts.socket(),
};

/// What the TLS connection has agreed on. `None` without TLS.
#[cfg(feature = "tls")]
pub const TLS: Key<TlsInfo> = Key {
    name: "TLS",
    look_up: |facts| facts.socket()?.socket.upgrade()?.tls(),
};

/// What a transport knows.
pub(crate) trait Facts {
    fn peer(&self) -> Option<Address>;
    fn local(&self) -> Option<Address>;
    fn socket(&self) -> Option<TransportSocket>;
}

impl<T> Key<T> {
    pub(crate) fn look_up(self, facts: &dyn Facts) -> Option<T> {
        (self.look_up)(facts)
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The socket or pipe of a transport, for its options. It does not keep the socket open.
#[derive(Clone)]
pub struct TransportSocket {
    socket: Weak<dyn Described>,
}

impl TransportSocket {
    pub(crate) fn new(socket: Arc<dyn Described>) -> Self {
        Self {
            socket: Arc::downgrade(&socket),
        }
    }

    fn open(&self) -> io::Result<Arc<dyn Described>> {
        let closed = || io::Error::new(ErrorKind::NotConnected, "the transport is closed");
        self.socket.upgrade().ok_or_else(closed)
    }

    /// Calls `function` with the descriptor. It stays open as long as `function` runs.
    ///
    /// Change options only: reading, writing and closing are the transport's.
    ///
    /// # Errors
    ///
    /// If the transport is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, extra};
    /// use socket2::SockRef;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # struct Quiet;
    /// # impl heist::event_loop::Protocol for Quiet {}
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let create = EventLoop::current().create_connection(|| Quiet, listener.local_addr()?);
    /// # let (transport, _) = create.await?;
    /// let socket = transport.get_extra_info(extra::SOCKET).unwrap();
    /// socket.with_fd(|fd| SockRef::from(&fd).set_keepalive(true))??;
    /// assert!(socket.with_fd(|fd| SockRef::from(&fd).keepalive())??);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(unix)]
    pub fn with_fd<R>(
        &self,
        function: impl FnOnce(std::os::fd::BorrowedFd<'_>) -> R,
    ) -> io::Result<R> {
        let socket = self.open()?;
        Ok(function(socket.fd()))
    }

    fn with_tcp<R>(
        &self,
        function: impl FnOnce(&crate::net::TcpStream) -> io::Result<R>,
    ) -> io::Result<R> {
        let socket = self.open()?;
        let other = || io::Error::new(ErrorKind::Unsupported, "not a TCP socket");
        function(socket.tcp().ok_or_else(other)?)
    }

    /// Whether small pieces of data are sent at once. The transports of TCP set this.
    ///
    /// # Errors
    ///
    /// If it is no TCP socket, or the transport is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, extra};
    /// use std::io::ErrorKind;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # struct Quiet;
    /// # impl heist::event_loop::Protocol for Quiet {}
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let create = EventLoop::current().create_connection(|| Quiet, listener.local_addr()?);
    /// # let (transport, protocol) = create.await?;
    /// let socket = transport.get_extra_info(extra::SOCKET).unwrap();
    /// assert!(socket.nodelay()?);
    /// transport.close();
    /// protocol.wait_lost().await;
    /// assert_eq!(socket.nodelay().unwrap_err().kind(), ErrorKind::NotConnected);
    /// # Ok(())
    /// # }
    /// ```
    pub fn nodelay(&self) -> io::Result<bool> {
        self.with_tcp(|stream| stream.nodelay())
    }

    /// Sets whether small pieces of data are sent at once.
    ///
    /// # Errors
    ///
    /// See [`nodelay`](Self::nodelay).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, extra};
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # struct Quiet;
    /// # impl heist::event_loop::Protocol for Quiet {}
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let create = EventLoop::current().create_connection(|| Quiet, listener.local_addr()?);
    /// # let (transport, _) = create.await?;
    /// let socket = transport.get_extra_info(extra::SOCKET).unwrap();
    /// socket.set_nodelay(false)?;
    /// assert!(!socket.nodelay()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.with_tcp(|stream| stream.set_nodelay(nodelay))
    }

    /// Sets the field time-to-live of IPv4 packets. Those of IPv6 have a hop limit instead, which stays as it is.
    ///
    /// # Errors
    ///
    /// See [`nodelay`](Self::nodelay).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, extra};
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # struct Quiet;
    /// # impl heist::event_loop::Protocol for Quiet {}
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let create = EventLoop::current().create_connection(|| Quiet, listener.local_addr()?);
    /// # let (transport, _) = create.await?;
    /// let socket = transport.get_extra_info(extra::SOCKET).unwrap();
    /// assert!(socket.set_ttl(10).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.with_tcp(|stream| stream.set_ttl(ttl))
    }

    /// Sets whether the system asks a silent peer whether it is still there.
    ///
    /// # Errors
    ///
    /// See [`nodelay`](Self::nodelay).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, extra};
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # struct Quiet;
    /// # impl heist::event_loop::Protocol for Quiet {}
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let create = EventLoop::current().create_connection(|| Quiet, listener.local_addr()?);
    /// # let (transport, _) = create.await?;
    /// let socket = transport.get_extra_info(extra::SOCKET).unwrap();
    /// assert!(socket.set_keepalive(true).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_keepalive(&self, keepalive: bool) -> io::Result<()> {
        self.with_tcp(|stream| socket2::SockRef::from(stream).set_keepalive(keepalive))
    }
}

impl fmt::Debug for TransportSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportSocket")
            .field("open", &(self.socket.strong_count() > 0))
            .finish()
    }
}
