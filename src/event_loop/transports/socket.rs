//! What a transport needs of the thing below it: to read and write without waiting, and to wait.

#[cfg(unix)]
pub(crate) mod unix;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::address::Address;
#[cfg(target_os = "linux")]
use super::sendfile::sendfile;
#[cfg(feature = "tls")]
use super::tls_info::TlsInfo;
#[cfg(target_os = "linux")]
use crate::io::Interest;
use crate::net::TcpStream;

/// What is known of a socket besides.
pub(crate) trait Described: Send + Sync + 'static {
    /// The descriptor, for options.
    #[cfg(unix)]
    fn fd(&self) -> std::os::fd::BorrowedFd<'_>;

    /// The TCP socket, for options.
    fn tcp(&self) -> Option<&TcpStream> {
        None
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> Option<TlsInfo> {
        None
    }
}

/// A stream of bytes. One task waits for it, any thread may write.
pub(crate) trait Socket: Described {
    /// Reads what has arrived. 0 means that no more will come.
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether a read that returned less than it had room for has left nothing. If it has left something all the same,
    /// `poll_read_ready` says so.
    fn short_means_drained(&self) -> bool {
        true
    }

    /// Takes what it can, at least one byte.
    fn try_write(&self, data: &[u8]) -> io::Result<usize>;

    /// Sends a part of a file without a copy in this process, and returns how much it took. It may wait for the disk, but
    /// not for the peer. Fails if this kind of
    /// socket, system or file can't.
    fn try_sendfile(&self, file: &File, offset: u64, count: u64) -> io::Result<u64> {
        let _ = (file, offset, count);
        Err(ErrorKind::Unsupported.into())
    }

    /// Sends what it has taken and holds back itself. `WouldBlock` if something is left.
    fn try_flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Tells the peer that nothing more will be written.
    fn shut_down_writing(&self) -> io::Result<()>;

    /// Ends the stream in the orderly way, after all was sent. `WouldBlock` until that is done.
    fn try_close(&self) -> io::Result<()> {
        Ok(())
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// What it can do. Writing to one that only reads is a mistake.
    fn directions(&self) -> Directions {
        Directions::Both
    }
}

/// A socket that agrees with its peer on something before bytes flow.
pub(crate) trait Handshake: Socket {
    fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// What wraps a socket into another.
pub(crate) type Upgrade = Box<dyn FnOnce(Arc<dyn Socket>) -> io::Result<Upgraded> + Send>;

pub(crate) struct Upgraded {
    pub(crate) socket: Arc<dyn Handshake>,
    /// How long the handshake may take.
    pub(crate) handshake_timeout: Duration,
    /// How long the orderly end of the stream may take.
    pub(crate) close_timeout: Duration,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Directions {
    Both,
    #[cfg(unix)]
    Read,
    #[cfg(unix)]
    Write,
}

/// A socket and what is known of it from the start.
pub(crate) struct Opened {
    pub(crate) socket: Arc<dyn Socket>,
    pub(crate) peer: Option<Address>,
    pub(crate) local: Option<Address>,
}

impl Opened {
    pub(crate) fn tcp(stream: TcpStream) -> Self {
        // Callbacks write whole answers, so holding them back for more is never useful. A socket that refuses this is
        // about to fail anyway.
        let _ = stream.set_nodelay(true);
        let (peer, local) = (stream.peer_addr().ok(), stream.local_addr().ok());
        Self {
            socket: Arc::new(stream),
            peer: peer.map(Address::from),
            local: local.map(Address::from),
        }
    }
}

impl Described for TcpStream {
    #[cfg(unix)]
    fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(self)
    }

    fn tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl Socket for TcpStream {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Self::try_read(self, buffer)
    }

    fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        Self::try_write(self, data)
    }

    #[cfg(target_os = "linux")]
    fn try_sendfile(&self, file: &File, offset: u64, count: u64) -> io::Result<u64> {
        self.try_io(Interest::WRITABLE, || sendfile(self, file, offset, count))
    }

    fn shut_down_writing(&self) -> io::Result<()> {
        Self::shut_down_writing(self)
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_write_ready(self, cx)
    }
}
