//! What is looked up, and what is found.

use std::net::SocketAddr;

/// Which family of addresses is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl AddressFamily {
    pub(crate) fn has(self, address: &SocketAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// What an address is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// Streams: TCP.
    Stream,
    /// Datagrams: UDP.
    Datagram,
}

/// What [`EventLoop::getaddrinfo`](crate::event_loop::EventLoop::getaddrinfo) looks for. The default looks for all.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{AddressFamily, Hints, SocketKind};
///
/// let hints = Hints {
///     family: Some(AddressFamily::V6),
///     kind: Some(SocketKind::Stream),
///     numeric_host: true,
///     ..Hints::default()
/// };
/// assert!(!hints.passive);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hints {
    /// The family; `None` is any.
    pub family: Option<AddressFamily>,
    /// The use; `None` is any.
    pub kind: Option<SocketKind>,
    /// Without a host: the addresses to listen at, in the place of those of this machine (`AI_PASSIVE`).
    pub passive: bool,
    /// The host is an address, no name, and no look-up is made (`AI_NUMERICHOST`).
    pub numeric_host: bool,
    /// The service is a number, no name (`AI_NUMERICSERV`).
    pub numeric_service: bool,
    /// The first result has the host's official name (`AI_CANONNAME`).
    pub canonical_name: bool,
}

/// A result of [`EventLoop::getaddrinfo`](crate::event_loop::EventLoop::getaddrinfo).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressInfo {
    /// What the address is used for. `None` if it is another use than those of [`SocketKind`].
    pub kind: Option<SocketKind>,
    /// The host's official name, if it was asked for.
    pub canonical_name: Option<String>,
    /// The address.
    pub address: SocketAddr,
}

/// How [`EventLoop::getnameinfo`](crate::event_loop::EventLoop::getnameinfo) answers. The default looks the names up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NameFlags {
    /// The host as an address (`NI_NUMERICHOST`).
    pub numeric_host: bool,
    /// The service as a number (`NI_NUMERICSERV`).
    pub numeric_service: bool,
    /// A host without a name is an error (`NI_NAMEREQD`).
    pub name_required: bool,
    /// The service is one of datagrams (`NI_DGRAM`).
    pub datagram: bool,
}
