//! Look-ups by std: without names of services, and without names of addresses.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::kinds::{AddressFamily, AddressInfo, Hints, NameFlags, SocketKind};

fn unsupported(what: &str) -> io::Error {
    let message = format!("{what} can't be looked up on this system");
    io::Error::new(io::ErrorKind::Unsupported, message)
}

pub(super) fn addresses(
    host: Option<&str>,
    service: Option<&str>,
    hints: Hints,
) -> io::Result<Vec<AddressInfo>> {
    let port = match service.map(str::parse) {
        None => 0,
        Some(Ok(port)) => port,
        Some(Err(_)) => return Err(unsupported("a service")),
    };
    let host = host.unwrap_or(if hints.passive { "::" } else { "localhost" });
    if hints.numeric_host && host.parse::<IpAddr>().is_err() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "not an address"));
    }
    let wanted = |address: &SocketAddr| match hints.family {
        None => true,
        Some(AddressFamily::V4) => address.is_ipv4(),
        Some(AddressFamily::V6) => address.is_ipv6(),
    };
    let kinds = match hints.kind {
        Some(kind) => vec![kind],
        None => vec![SocketKind::Stream, SocketKind::Datagram],
    };
    let found = (host, port).to_socket_addrs()?.filter(wanted);
    let infos = found.flat_map(|address| {
        kinds.iter().map(move |kind| AddressInfo {
            kind: Some(*kind),
            canonical_name: None,
            address,
        })
    });
    Ok(infos.collect())
}

pub(super) fn names(address: SocketAddr, flags: NameFlags) -> io::Result<(String, String)> {
    if !flags.numeric_host {
        return Err(unsupported("the name of an address"));
    }
    if !flags.numeric_service {
        return Err(unsupported("the name of a port"));
    }
    Ok((address.ip().to_string(), address.port().to_string()))
}
