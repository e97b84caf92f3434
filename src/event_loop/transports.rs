//! Transports and protocols: the two sides of a connection, and the sockets below.

pub(super) mod address;
pub(super) mod barrier;
pub(super) mod copy_error;
pub mod extra;
pub(super) mod handle;
pub(super) mod inbox;
pub(super) mod link;
pub(super) mod protocol;
#[cfg(target_os = "linux")]
pub(super) mod sendfile;
pub(super) mod socket;
#[cfg(unix)]
pub(super) mod socket_file;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "tls")]
mod tls_info;
pub(super) mod transport;

pub use address::Address;
pub use handle::ProtocolHandle;
pub use protocol::{Buffered, BufferedProtocol, Protocol};
pub use transport::Transport;
