//! Addresses at which nobody listens.

use std::net::{IpAddr, SocketAddr};

use heist::net::TcpSocket;

/// An address of this host at which nobody listens. The socket has the port, so that nobody else gets it.
pub(crate) fn nobody(host: &str) -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    // A listener may share the address, and go away.
    socket.set_reuseaddr(true).unwrap();
    let host: IpAddr = host.parse().unwrap();
    socket.bind((host, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}
