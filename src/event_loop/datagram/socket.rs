//! Datagram sockets of both kinds.

#[cfg(unix)]
use std::borrow::Cow;
#[cfg(unix)]
use std::ffi::OsString;
use std::io::{self, ErrorKind};
#[cfg(unix)]
use std::os::unix::ffi::OsStringExt as _;
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use crate::event_loop::Address;
#[cfg(unix)]
use crate::event_loop::transports::address::abstract_name;
use crate::event_loop::transports::socket::Described;
use crate::net::UdpSocket;
#[cfg(unix)]
use crate::net::UnixDatagram;

pub(crate) enum Datagrams {
    Udp(UdpSocket),
    #[cfg(unix)]
    Unix(UnixDatagram),
}

impl Described for Datagrams {
    #[cfg(unix)]
    fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        use std::os::fd::AsFd as _;
        match self {
            Self::Udp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

fn wrong_family() -> io::Error {
    io::Error::new(
        ErrorKind::InvalidInput,
        "the address is not one of the socket's family",
    )
}

/// What a Unix datagram is sent to: a path, or an abstract name in the form that sockets take, with a zero byte in front.
#[cfg(unix)]
fn target(address: &crate::net::unix::SocketAddr) -> io::Result<Cow<'_, Path>> {
    if let Some(path) = address.as_pathname() {
        return Ok(path.into());
    }
    let name = abstract_name(address).ok_or_else(|| {
        let message = "a socket without a name can't be sent to";
        io::Error::new(ErrorKind::InvalidInput, message)
    })?;
    let target = [b"\0", name].concat();
    Ok(PathBuf::from(OsString::from_vec(target)).into())
}

impl Datagrams {
    pub(super) fn try_receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Address)> {
        match self {
            Self::Udp(socket) => socket
                .try_recv_from(buffer)
                .map(|(length, from)| (length, from.into())),
            #[cfg(unix)]
            Self::Unix(socket) => socket
                .try_recv_from(buffer)
                .map(|(length, from)| (length, from.into())),
        }
    }

    /// Sends a whole datagram, or nothing.
    pub(super) fn try_send(&self, data: &[u8], to: Option<&Address>) -> io::Result<()> {
        match self {
            Self::Udp(socket) => match to {
                None => socket.try_send(data),
                Some(to) => socket.try_send_to(data, to.ip().ok_or_else(wrong_family)?),
            },
            #[cfg(unix)]
            Self::Unix(socket) => match to {
                None => socket.try_send(data),
                Some(Address::Unix(to)) => socket.try_send_to(data, target(to)?),
                Some(Address::Ip(_)) => Err(wrong_family()),
            },
        }
        .map(drop)
    }

    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Udp(socket) => socket.poll_recv_ready(cx),
            #[cfg(unix)]
            Self::Unix(socket) => socket.poll_recv_ready(cx),
        }
    }

    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Udp(socket) => socket.poll_send_ready(cx),
            #[cfg(unix)]
            Self::Unix(socket) => socket.poll_send_ready(cx),
        }
    }

    pub(super) fn local_addr(&self) -> Option<Address> {
        match self {
            Self::Udp(socket) => socket.local_addr().ok().map(Address::from),
            #[cfg(unix)]
            Self::Unix(socket) => socket.local_addr().ok().map(Address::from),
        }
    }

    pub(super) fn peer_addr(&self) -> Option<Address> {
        match self {
            Self::Udp(socket) => socket.peer_addr().ok().map(Address::from),
            #[cfg(unix)]
            Self::Unix(socket) => socket.peer_addr().ok().map(Address::from),
        }
    }
}
