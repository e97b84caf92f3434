//! Listening sockets: bound first, so that all of a server's addresses are known to be good before one of them listens.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use crate::event_loop::Address;
use crate::event_loop::transports::socket::Opened;
#[cfg(unix)]
use crate::event_loop::transports::socket_file::SocketFile;
use crate::net::TcpListener;
#[cfg(unix)]
use crate::net::UnixListener;

/// A socket that has its address and does not listen yet.
pub(crate) struct Bound {
    socket: Socket,
    address: Address,
    backlog: i32,
    /// Removed when the socket is closed.
    #[cfg(unix)]
    remove: Option<SocketFile>,
}

/// How a TCP socket is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) backlog: u32,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) keep_alive: bool,
}

impl Bound {
    pub(crate) fn tcp(address: SocketAddr, options: Options) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        if options.reuse_address {
            socket.set_reuse_address(true)?;
        }
        #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
        if options.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if options.keep_alive {
            socket.set_keepalive(true)?;
        }
        // So that one server can have an IPv4 and an IPv6 socket with the same port.
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        Self::of(socket, options.backlog)
    }

    /// A socket that was bound, or listens, already.
    pub(crate) fn of(socket: Socket, backlog: u32) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            address: address_of(&socket)?,
            socket,
            backlog: backlog.try_into().unwrap_or(i32::MAX),
            #[cfg(unix)]
            remove: None,
        })
    }

    #[cfg(unix)]
    pub(crate) fn removing(mut self, file: Option<SocketFile>) -> Self {
        self.remove = file;
        self
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Listens. The socket belongs to the current runtime.
    pub(crate) fn listen(self) -> io::Result<Listener> {
        self.socket.listen(self.backlog)?;
        #[cfg(unix)]
        if self.address.ip().is_none() {
            let listener = UnixListener::from_std(self.socket.into())?;
            return Ok(Listener::Unix {
                listener,
                _file: self.remove,
            });
        }
        TcpListener::from_std(self.socket.into()).map(Listener::Tcp)
    }
}

fn address_of(socket: &Socket) -> io::Result<Address> {
    let address = socket.local_addr()?;
    if let Some(address) = address.as_socket() {
        return Ok(Address::Ip(address));
    }
    #[cfg(unix)]
    if let Some(address) = address.as_unix() {
        return Ok(Address::Unix(address.into()));
    }
    let message = "neither a TCP socket nor a Unix socket";
    Err(io::Error::new(ErrorKind::InvalidInput, message))
}

pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        // Closed before the file is removed.
        listener: UnixListener,
        _file: Option<SocketFile>,
    },
}

impl Listener {
    pub(crate) async fn accept(&self) -> io::Result<Opened> {
        match self {
            Self::Tcp(listener) => Ok(Opened::tcp(listener.accept().await?.0)),
            #[cfg(unix)]
            Self::Unix { listener, .. } => Ok(Opened::unix(listener.accept().await?.0)),
        }
    }
}

/// Binds a socket for each address. An address that this machine doesn't have is skipped if there is another.
pub(crate) fn bind_all(
    addresses: impl Iterator<Item = SocketAddr>,
    options: Options,
) -> io::Result<Vec<Bound>> {
    let (mut bound, mut tried) = (Vec::new(), Vec::new());
    let mut failed = Failed::new("listen at");
    for address in addresses {
        if tried.contains(&address) {
            continue;
        }
        tried.push(address);
        match Bound::tcp(address, options) {
            Ok(socket) => bound.push(socket),
            // A name may stand for an address of a family that this machine doesn't have.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::AddrNotAvailable | ErrorKind::Unsupported
                ) =>
            {
                failed.add(address, error);
            }
            Err(error) => {
                failed.add(address, error);
                return Err(failed.into());
            }
        }
    }
    if bound.is_empty() {
        return Err(failed.into());
    }
    Ok(bound)
}

/// The addresses that were tried, each with its error.
#[derive(Debug, Default)]
pub(crate) struct Failed {
    what: &'static str,
    errors: Vec<(SocketAddr, io::Error)>,
}

impl Failed {
    pub(crate) fn new(what: &'static str) -> Self {
        let errors = Vec::new();
        Self { what, errors }
    }

    pub(crate) fn count(&self) -> usize {
        self.errors.len()
    }

    pub(crate) fn add(&mut self, address: SocketAddr, error: io::Error) {
        self.errors.push((address, error));
    }
}

impl From<Failed> for io::Error {
    /// Its kind is that of the last error.
    fn from(failed: Failed) -> Self {
        match failed.errors.last() {
            Some((_, error)) => io::Error::new(error.kind(), failed),
            None => io::Error::new(
                ErrorKind::InvalidInput,
                "the name resolves to no address that can be used",
            ),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't {}", self.what)?;
        for (index, (address, error)) in self.errors.iter().enumerate() {
            let separator = if index == 0 { " " } else { "; " };
            write!(f, "{separator}{address}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failed {}
