//! TCP, and name look-up.
//!
//! Sockets work on any executor: each belongs to the reactor of the thread that makes it, which outside a runtime of
//! heist is the default one, wherever it is polled. Once that reactor is shut down, its operations fail.
//!
//! Streams implement [`futures_io::AsyncRead`] and [`futures_io::AsyncWrite`]; [`io`](crate::io) has what makes these
//! handy.

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
