//! Names of hosts and services: `getaddrinfo` and `getnameinfo`.
//!
//! The system's look-ups block. They run on threads of their own, so that a name server that doesn't answer holds up
//! nothing else. What is numeric needs no look-up.

mod kinds;
#[cfg(not(unix))]
mod portable;
#[cfg(unix)]
mod unix;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

use crate::event_loop::{EventLoop, ThreadPoolExecutor};
#[cfg(not(unix))]
use portable as system;
#[cfg(unix)]
use unix as system;

pub use kinds::{AddressFamily, AddressInfo, Hints, NameFlags, SocketKind};

/// How many look-ups run at once.
const LOOK_UPS: usize = 32;

/// The threads for look-ups. Nobody waits for them.
fn pool() -> io::Result<&'static ThreadPoolExecutor> {
    static POOL: OnceLock<ThreadPoolExecutor> = OnceLock::new();
    if let Some(pool) = POOL.get() {
        return Ok(pool);
    }
    let pool = ThreadPoolExecutor::new("heist-names", LOOK_UPS)?;
    Ok(POOL.get_or_init(|| pool))
}

async fn look_up<R: Send + 'static>(
    function: impl FnOnce() -> io::Result<R> + Send + 'static,
) -> io::Result<R> {
    pool()?.submit(function).await.map_err(io::Error::other)?
}

impl EventLoop {
    /// Looks up the addresses of a host and a service. `None` for the host is this machine. `None` for the service is
    /// port 0.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the look-up goes on by itself, and its results are dropped.
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
        look_up(move || system::addresses(host.as_deref(), service.as_deref(), hints)).await
    }

    /// Looks up the names of an address and its port.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the look-up goes on by itself, and its result is dropped.
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
        look_up(move || system::names(address, flags)).await
    }
}
