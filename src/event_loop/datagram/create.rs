//! `create_datagram_endpoint`: how a datagram socket is made.

use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, Socket, Type};

use super::socket::Datagrams;
use super::task::start;
use super::{DatagramProtocol, DatagramTransport};
use crate::event_loop::base::within::{Making, refuse_options};
use crate::event_loop::connections::listener::Failed;
use crate::event_loop::{AddressFamily, EventLoop};
use crate::net::{ToSocketAddrs, UdpSocket, lookup_host};

type Look<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

pub(super) struct Options<'a> {
    family: Option<AddressFamily>,
    local: Option<Look<'a>>,
    remote: Option<Look<'a>>,
    reuse_port: bool,
    allow_broadcast: bool,
    given: Option<std::net::UdpSocket>,
    #[cfg(unix)]
    paths: (Option<std::path::PathBuf>, Option<std::path::PathBuf>),
}

impl EventLoop {
    /// Opens a datagram socket, with the protocol that `factory` makes.
    ///
    /// The methods of what this returns say which: [`local_addr`](CreateDatagramEndpoint::local_addr),
    /// [`remote_addr`](CreateDatagramEndpoint::remote_addr) or both for UDP, and
    /// [`local_path`](CreateDatagramEndpoint::local_path) and
    /// [`remote_path`](CreateDatagramEndpoint::remote_path) for Unix datagrams. When it is awaited, `connection_made`
    /// has been called. The socket belongs to this loop's runtime, whoever calls.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it returns, the attempt is given up. A socket that is there by then is closed.
    ///
    /// # Errors
    ///
    /// Fails if resolving, binding or connecting fails. The error names each address that failed. Fails if no address is
    /// given at all. [`ErrorKind::InvalidInput`] if an option is set that is not for this kind of socket: those of UDP
    /// beside a path, and any beside [`sock`](CreateDatagramEndpoint::sock). Fails if the runtime is shut down meanwhile.
    ///
    /// # Panics
    ///
    /// Panics if `factory` does. A panic in `connection_made` is not passed on:
    /// [`DatagramProtocol::connection_made`] says what becomes of it.
    ///
    /// # Examples
    ///
    /// See [`DatagramProtocol`].
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, DatagramTransport, EventLoop};
    ///
    /// struct Greeter;
    /// impl DatagramProtocol for Greeter {
    ///     fn connection_made(&mut self, transport: DatagramTransport) {
    ///         transport.sendto(b"hello", None);
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    ///
    /// let create = event_loop.create_datagram_endpoint(|| Greeter).remote_addr(peer.local_addr()?);
    /// let transport = create.await?;
    /// let mut heard = [0; 5];
    /// let (_, from) = peer.recv_from(&mut heard)?;
    /// assert_eq!((&heard, Some(from.into())), (b"hello", transport.local_addr()));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn create_datagram_endpoint<'a, P, F>(&self, factory: F) -> CreateDatagramEndpoint<'a>
    where
        P: DatagramProtocol,
        F: FnOnce() -> P + Send + 'a,
    {
        let location = Location::caller();
        let options = Options {
            family: None,
            local: None,
            remote: None,
            reuse_port: false,
            allow_broadcast: false,
            given: None,
            #[cfg(unix)]
            paths: (None, None),
        };
        let make = async move |event_loop: EventLoop, options: Options<'a>| {
            let socket = options.open().await?;
            start(&event_loop, socket, Box::new(factory()), location).await
        };
        CreateDatagramEndpoint {
            making: Making::new(self, options, make),
        }
    }
}

impl Options<'_> {
    async fn open(self) -> io::Result<Datagrams> {
        #[cfg(unix)]
        let (local_path, remote_path) = (self.paths.0.is_some(), self.paths.1.is_some());
        #[cfg(not(unix))]
        let (local_path, remote_path) = (false, false);
        let of_udp = [
            ("family", self.family.is_some()),
            ("local_addr", self.local.is_some()),
            ("remote_addr", self.remote.is_some()),
            ("reuse_port", self.reuse_port),
            ("allow_broadcast", self.allow_broadcast),
        ];
        if self.given.is_some() {
            let of_unix = [("local_path", local_path), ("remote_path", remote_path)];
            refuse_options("a socket that is given", &of_udp)?;
            refuse_options("a socket that is given", &of_unix)?;
        }
        if local_path || remote_path {
            refuse_options("a Unix socket", &of_udp)?;
        }
        if let Some(socket) = self.given {
            socket.set_nonblocking(true)?;
            return UdpSocket::from_std(socket).map(Datagrams::Udp);
        }
        #[cfg(unix)]
        if local_path || remote_path {
            return open_unix(self.paths);
        }
        let (reuse_port, allow_broadcast) = (self.reuse_port, self.allow_broadcast);
        let locals = match self.local {
            Some(look) => Some(look.await?),
            None => None,
        };
        let remotes = match self.remote {
            Some(look) => Some(look.await?),
            None => None,
        };
        let mut failed = Failed::new("open a datagram socket for");
        let family = self.family;
        let of_family = |(local, _): &(SocketAddr, _)| family.is_none_or(|it| it.has(local));
        for (local, remote) in pairs(locals, remotes)?.into_iter().filter(of_family) {
            match open_udp(local, remote, reuse_port, allow_broadcast) {
                Ok(socket) => return UdpSocket::from_std(socket.into()).map(Datagrams::Udp),
                Err(error) => failed.add(remote.unwrap_or(local), error),
            }
        }
        Err(failed.into())
    }
}

/// The pairs of addresses of one family that may be tried.
fn pairs(
    locals: Option<Vec<SocketAddr>>,
    remotes: Option<Vec<SocketAddr>>,
) -> io::Result<Vec<(SocketAddr, Option<SocketAddr>)>> {
    let any = |remote: &SocketAddr| match remote {
        SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0; 16], 0)),
    };
    Ok(match (locals, remotes) {
        (Some(locals), None) => locals.into_iter().map(|local| (local, None)).collect(),
        (None, Some(remotes)) => remotes
            .into_iter()
            .map(|remote| (any(&remote), Some(remote)))
            .collect(),
        (Some(locals), Some(remotes)) => remotes
            .into_iter()
            .flat_map(|remote| {
                let same = locals
                    .iter()
                    .copied()
                    .filter(move |local| local.is_ipv4() == remote.is_ipv4());
                same.map(move |local| (local, Some(remote)))
            })
            .collect(),
        (None, None) => {
            let message = "a datagram socket needs a local or a remote address";
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        }
    })
}

fn open_udp(
    local: SocketAddr,
    remote: Option<SocketAddr>,
    reuse_port: bool,
    allow_broadcast: bool,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    // Ignored where the system doesn't have it.
    let _ = reuse_port;
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    if allow_broadcast {
        socket.set_broadcast(true)?;
    }
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&local.into())?;
    if let Some(remote) = remote {
        socket.connect(&remote.into())?;
    }
    Ok(socket)
}

#[cfg(unix)]
fn open_unix(
    (local, remote): (Option<std::path::PathBuf>, Option<std::path::PathBuf>),
) -> io::Result<Datagrams> {
    use crate::event_loop::transports::socket_file::SocketFile;
    use crate::net::UnixDatagram;

    let socket = match local {
        Some(path) => {
            SocketFile::remove_stale(&path);
            UnixDatagram::bind(path)?
        }
        None => UnixDatagram::unbound()?,
    };
    if let Some(path) = remote {
        socket.connect(path)?;
    }
    Ok(Datagrams::Unix(socket))
}

/// A datagram socket that is made once it is awaited. Made by [`EventLoop::create_datagram_endpoint`].
///
/// # Panics
///
/// The methods panic after the first poll.
#[derive(Debug)]
#[must_use = "a socket is made once it is awaited"]
pub struct CreateDatagramEndpoint<'a> {
    making: Making<'a, Options<'a>, DatagramTransport>,
}

impl<'a> CreateDatagramEndpoint<'a> {
    /// The address of the socket, for UDP.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.local_addr("127.0.0.1:0").await?;
    /// assert!(transport.local_addr().unwrap().ip().unwrap().ip().is_loopback());
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr<A: ToSocketAddrs + Send + 'a>(mut self, address: A) -> Self {
        self.making.options().local = Some(Box::pin(async move {
            Ok(lookup_host(address).await?.collect())
        }));
        self
    }

    /// The only address that the socket sends to and receives from, for UDP.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.remote_addr(peer.local_addr()?).await?;
    /// assert_eq!(transport.peer_addr(), Some(peer.local_addr()?.into()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn remote_addr<A: ToSocketAddrs + Send + 'a>(mut self, address: A) -> Self {
        self.making.options().remote = Some(Box::pin(async move {
            Ok(lookup_host(address).await?.collect())
        }));
        self
    }

    /// Takes addresses of this family only, of those that the host names have.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{AddressFamily, DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.local_addr(("localhost", 0)).family(AddressFamily::V4).await?;
    /// assert!(transport.local_addr().unwrap().ip().unwrap().is_ipv4());
    /// # Ok(())
    /// # }
    /// ```
    pub fn family(mut self, family: AddressFamily) -> Self {
        self.making.options().family = Some(family);
        self
    }

    /// The path of the socket, for Unix datagrams. A socket that an earlier program has left there is replaced. The file
    /// stays when the socket is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("socket");
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.local_path(&path).await?;
    /// assert_eq!(transport.local_addr().unwrap().path(), Some(&*path));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(unix)]
    pub fn local_path(mut self, path: impl AsRef<std::path::Path>) -> Self {
        self.making.options().paths.0 = Some(path.as_ref().to_owned());
        self
    }

    /// The path of the socket that is sent to, for Unix datagrams.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    /// use std::os::unix::net::UnixDatagram;
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("socket");
    ///
    /// let peer = UnixDatagram::bind(&path)?;
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// create.remote_path(&path).await?.sendto(b"hello", None);
    /// let mut heard = [0; 5];
    /// peer.recv(&mut heard)?;
    /// assert_eq!(&heard, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(unix)]
    pub fn remote_path(mut self, path: impl AsRef<std::path::Path>) -> Self {
        self.making.options().paths.1 = Some(path.as_ref().to_owned());
        self
    }

    /// A socket that the program has. It is put into non-blocking mode. Any other option beside this is an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let address = socket.local_addr()?;
    /// let transport = EventLoop::current().create_datagram_endpoint(|| Quiet).sock(socket).await?;
    /// assert_eq!(transport.local_addr(), Some(address.into()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn sock(mut self, socket: std::net::UdpSocket) -> Self {
        self.making.options().given = Some(socket);
        self
    }

    /// Whether several sockets may have the same address. `false` without this.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # if cfg!(target_os = "linux") {
    ///
    /// let event_loop = EventLoop::current();
    /// let one = event_loop.create_datagram_endpoint(|| Quiet).local_addr("127.0.0.1:0").reuse_port(true);
    /// let address = one.await?.local_addr().and_then(|address| address.ip()).unwrap();
    /// let other = event_loop.create_datagram_endpoint(|| Quiet).local_addr(address).reuse_port(true);
    /// assert_eq!(other.await?.local_addr(), Some(address.into()));
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.making.options().reuse_port = reuse;
        self
    }

    /// Whether the socket may send to broadcast addresses. `false` without this.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.local_addr("127.0.0.1:0").allow_broadcast(true).await?;
    /// assert!(!transport.is_closing());
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_broadcast(mut self, allow: bool) -> Self {
        self.making.options().allow_broadcast = allow;
        self
    }
}

impl Future for CreateDatagramEndpoint<'_> {
    type Output = io::Result<DatagramTransport>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.making.poll(cx)
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("reuse_port", &self.reuse_port)
            .field("allow_broadcast", &self.allow_broadcast)
            .finish_non_exhaustive()
    }
}
