//! TCP, and look-up of host names.
//!
//! A socket belongs to the runtime in which it is made. It can be polled anywhere, also by another executor. When its
//! runtime is shut down, its operations fail. Outside of any runtime, sockets are served by a thread that starts at first use.
//!
//! Streams implement [`futures_io::AsyncRead`] and [`futures_io::AsyncWrite`]. The traits in [`io`](crate::io) add functions
//! such as `read_exact` and `write_all`.

mod addr;
mod tcp_listener;
mod tcp_socket;
mod tcp_split;
mod tcp_stream;

pub use addr::{ToSocketAddrs, lookup_host};
pub use tcp_listener::TcpListener;
pub use tcp_socket::TcpSocket;
pub use tcp_split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use tcp_stream::{Interest, Ready, TcpStream};
