//! Unix sockets and pipes: addresses, credentials, the halves of a stream. The sockets themselves are in
//! [`net`](crate::net).

pub(super) mod datagram;
pub(super) mod listener;
pub mod pipe;
pub(super) mod socket;
mod socket_addr;
mod split;
pub(super) mod stream;
mod ucred;

pub use socket_addr::SocketAddr;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use ucred::{UCred, gid_t, pid_t, uid_t};
