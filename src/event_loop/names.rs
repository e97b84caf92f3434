//! Names of hosts and services: `getaddrinfo` and `getnameinfo`.
//!
//! The system's look-ups block. They run on the threads that [`lookup_host`](crate::net::lookup_host) uses too, so a name
//! server that doesn't answer holds up nothing else. What is numeric needs no look-up.

mod kinds;
#[cfg(not(unix))]
mod portable;
#[cfg(unix)]
mod unix;

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::event_loop::EventLoop;
use crate::event_loop::base::within::within;
use crate::net::run_lookup;
#[cfg(not(unix))]
use portable as system;
#[cfg(unix)]
use unix as system;

pub use kinds::{AddressFamily, AddressInfo, Hints, NameFlags, SocketKind};

impl EventLoop {
    /// Looks up the addresses of a host and a service. `None` for the host is this machine. `None` for the service is
    /// port 0.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, a look-up that has begun goes on by itself, and its results are dropped.
    ///
    /// # Errors
    ///
    /// Fails if the look-up does: there is no such host or service, or no name server answers.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Hints, SocketKind};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let hints = Hints { kind: Some(SocketKind::Stream), ..Hints::default() };
    ///     let found = EventLoop::current().getaddrinfo(Some("127.0.0.1"), Some("80"), hints).await?;
    ///     assert_eq!(found[0].address.to_string(), "127.0.0.1:80");
    ///     Ok(())
    /// }
    /// ```
    pub async fn getaddrinfo(
        &self,
        host: Option<&str>,
        service: Option<&str>,
        hints: Hints,
    ) -> io::Result<Vec<AddressInfo>> {
        let is_address = host.is_none_or(|host| host.parse::<IpAddr>().is_ok());
        let is_number = service.is_none_or(|service| service.parse::<u16>().is_ok());
        if (is_address || hints.numeric_host) && (is_number || hints.numeric_service) {
            return system::addresses(host, service, hints);
        }
        let (host, service) = (host.map(str::to_owned), service.map(str::to_owned));
        let look_up = move || system::addresses(host.as_deref(), service.as_deref(), hints);
        within(self, run_lookup(look_up)).await
    }

    /// Looks up the names of an address and its port.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, a look-up that has begun goes on by itself, and its result is dropped.
    ///
    /// # Errors
    ///
    /// Fails if the look-up does.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, NameFlags};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let flags = NameFlags { numeric_host: true, numeric_service: true, ..NameFlags::default() };
    ///     let address = "[::1]:80".parse().unwrap();
    ///     let (host, service) = EventLoop::current().getnameinfo(address, flags).await?;
    ///     assert_eq!((&*host, &*service), ("::1", "80"));
    ///     Ok(())
    /// }
    /// ```
    pub async fn getnameinfo(
        &self,
        address: SocketAddr,
        flags: NameFlags,
    ) -> io::Result<(String, String)> {
        if flags.numeric_host && flags.numeric_service {
            return Ok((address.ip().to_string(), address.port().to_string()));
        }
        within(self, run_lookup(move || system::names(address, flags))).await
    }
}
