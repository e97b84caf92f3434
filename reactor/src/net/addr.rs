//! What can be turned into socket addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::vec;

use super::lookup::run_lookup;

/// Something that can be turned into socket addresses: an address, a pair of host and port, a string `"host:port"`, or a
/// reference to one of these. A host name is looked up as [`lookup_host`] does it.
///
/// You can't implement this trait outside of heist.
///
/// ```
/// use heist::net::lookup_host;
///
/// #[heist::main]
/// async fn main() {
///     let mut addresses = lookup_host(("127.0.0.1", 80)).await.unwrap();
///     assert_eq!(addresses.next(), Some("127.0.0.1:80".parse().unwrap()));
/// }
/// ```
pub trait ToSocketAddrs: sealed::Resolve {}

impl<T: sealed::Resolve + ?Sized> ToSocketAddrs for T {}

/// Looks up the addresses of a host. They come in the order in which the system would try them.
///
/// The operating system does the look-up, on a thread of a pool that does nothing else. So slow name servers delay no
/// file and no [`spawn_blocking`](../task/fn.spawn_blocking.html), and a runtime that shuts down does not wait for
/// them. Each runtime does 64 look-ups at once; more wait in a queue. An address in numbers needs no thread.
///
/// # Errors
///
/// If the name is malformed or can't be resolved, if no thread can be started, or if the runtime is shut down before the
/// look-up has begun.
///
/// # Cancel safety
///
/// If you drop the future, the look-up is skipped. If it has begun, the system finishes it, and its result is dropped.
///
/// ```no_run
/// #[heist::main]
/// async fn main() {
///     for address in heist::net::lookup_host("localhost:3000").await.unwrap() {
///         println!("{address}");
///     }
/// }
/// ```
pub async fn lookup_host<T: ToSocketAddrs>(
    host: T,
) -> io::Result<impl Iterator<Item = SocketAddr>> {
    resolve(host).await
}

/// The IP address that an address of `socket2` is.
pub(super) fn ip(address: &socket2::SockAddr) -> io::Result<SocketAddr> {
    let not_ip = || io::Error::other("not an IP address");
    address.as_socket().ok_or_else(not_ip)
}

/// The error for a host that has no address at all.
pub(super) fn no_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "could not resolve to any address",
    )
}

/// All addresses of a host: at least one, or an error.
pub(super) async fn resolve<T: ToSocketAddrs>(host: T) -> io::Result<vec::IntoIter<SocketAddr>> {
    match host.resolve() {
        Resolved::Known(addresses) => Ok(addresses.into_iter()),
        Resolved::Malformed(what) => Err(io::Error::new(io::ErrorKind::InvalidInput, what)),
        Resolved::LookUp(host, port) => {
            run_lookup(move || std::net::ToSocketAddrs::to_socket_addrs(&(&*host, port))).await
        }
    }
}

mod sealed {
    use std::net::SocketAddr;

    /// What we know of an address without a look-up.
    #[derive(Debug)]
    pub enum Resolved {
        Known(Vec<SocketAddr>),
        LookUp(String, u16),
        Malformed(&'static str),
    }

    pub trait Resolve {
        /// Goes as far as possible without a look-up.
        fn resolve(&self) -> Resolved;
    }
}

use sealed::{Resolve, Resolved};

impl<T: Resolve + ?Sized> Resolve for &T {
    fn resolve(&self) -> Resolved {
        (**self).resolve()
    }
}

impl Resolve for SocketAddr {
    fn resolve(&self) -> Resolved {
        Resolved::Known(vec![*self])
    }
}

impl Resolve for SocketAddrV4 {
    fn resolve(&self) -> Resolved {
        Resolved::Known(vec![(*self).into()])
    }
}

impl Resolve for SocketAddrV6 {
    fn resolve(&self) -> Resolved {
        Resolved::Known(vec![(*self).into()])
    }
}

impl Resolve for [SocketAddr] {
    fn resolve(&self) -> Resolved {
        Resolved::Known(self.to_vec())
    }
}

impl Resolve for (IpAddr, u16) {
    fn resolve(&self) -> Resolved {
        Resolved::Known(vec![(*self).into()])
    }
}

impl Resolve for (Ipv4Addr, u16) {
    fn resolve(&self) -> Resolved {
        Resolved::Known(vec![(*self).into()])
    }
}

impl Resolve for (Ipv6Addr, u16) {
    fn resolve(&self) -> Resolved {
        Resolved::Known(vec![(*self).into()])
    }
}

impl Resolve for (&str, u16) {
    fn resolve(&self) -> Resolved {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => Resolved::Known(vec![(ip, port).into()]),
            Err(_) => Resolved::LookUp(host.to_owned(), port),
        }
    }
}

impl Resolve for (String, u16) {
    fn resolve(&self) -> Resolved {
        (&*self.0, self.1).resolve()
    }
}

impl Resolve for str {
    fn resolve(&self) -> Resolved {
        if let Ok(address) = self.parse::<SocketAddr>() {
            return Resolved::Known(vec![address]);
        }
        let Some((host, port)) = self.rsplit_once(':') else {
            return Resolved::Malformed("invalid socket address: no port");
        };
        match port.parse() {
            Ok(port) => (host, port).resolve(),
            Err(_) => {
                Resolved::Malformed("invalid socket address: the port is not a number up to 65535")
            }
        }
    }
}

impl Resolve for String {
    fn resolve(&self) -> Resolved {
        (**self).resolve()
    }
}
