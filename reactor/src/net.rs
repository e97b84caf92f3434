//! TCP, UDP, Unix sockets, pipes, and look-up of host names.
//!
//! | to | use |
//! |---|---|
//! | accept connections over TCP | [`TcpListener`] |
//! | connect over TCP | [`TcpStream`] |
//! | set options before that | [`TcpSocket`] |
//! | exchange datagrams over UDP | [`UdpSocket`] |
//! | talk to processes of the same machine, on Unix | `UnixListener`, `UnixStream`, `UnixDatagram` |
//! | make a pipe, or open a named one, on Unix | [`unix::pipe`](unix/pipe/index.html) |
//! | look up the addresses of a host | [`lookup_host`] |
//! | look up names by another call that blocks | [`run_lookup`] |
//!
//! A socket belongs to the runtime in which it is made. It can be polled anywhere, also by another executor. Once its
//! runtime has been shut down, each operation on it fails. Outside of any runtime, sockets are served by a thread that
//! starts at first use.
//!
//! Streams implement [`AsyncRead`](crate::io::AsyncRead) and [`AsyncWrite`](crate::io::AsyncWrite). Import
//! [`AsyncReadExt`](crate::io::AsyncReadExt) and [`AsyncWriteExt`](crate::io::AsyncWriteExt) to call functions such as
//! `read_exact` and `write_all` on them. They also implement the traits of `futures_io`.
//!
//! Several tasks may wait for one socket at once by its async functions. Of those that use a `poll_` function, only the
//! last one in each direction is woken.

/// Implements heist's I/O traits and those of `futures_io` for a stream, or for the half of one. `$stream` has the
/// registered `socket`, and `$shutdown` closes the writing direction.
macro_rules! stream_io {
    ([] $type:ty: $this:ident => $stream:expr, $shutdown:expr) => {
        stream_io! { [read] $type: $this => $stream }
        stream_io! { [write] $type: $this => $stream, $shutdown }
    };
    ([read] $type:ty: $this:ident => $stream:expr) => {
        impl crate::io::AsyncRead for $type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut crate::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $this = self.get_mut();
                $stream.socket.poll_read(cx, buf).map_ok(drop)
            }
        }

        #[cfg(feature = "futures-io")]
        impl futures_io::AsyncRead for $type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = self.get_mut();
                $stream
                    .socket
                    .poll_read(cx, &mut crate::io::ReadBuf::new(buf))
            }

            fn poll_read_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = self.get_mut();
                $stream.socket.poll_read_vectored(cx, bufs)
            }
        }
    };
    ([write] $type:ty: $this:ident => $stream:expr, $shutdown:expr) => {
        impl crate::io::AsyncWrite for $type {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = self.get_mut();
                $stream.socket.poll_write(cx, buf)
            }

            /// Does nothing: the system sends by itself what was written.
            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            /// Closes the writing direction of a socket: the peer reads the end of the stream. Does nothing to a pipe: drop it.
            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let $this = self.get_mut();
                std::task::Poll::Ready($shutdown)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let $this = self.get_mut();
                $stream.socket.poll_write_vectored(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }
        }

        #[cfg(feature = "futures-io")]
        impl futures_io::AsyncWrite for $type {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                crate::io::AsyncWrite::poll_write(self, cx, buf)
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                crate::io::AsyncWrite::poll_flush(self, cx)
            }

            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                crate::io::AsyncWrite::poll_shutdown(self, cx)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                crate::io::AsyncWrite::poll_write_vectored(self, cx, bufs)
            }
        }
    };
}

#[macro_use]
mod halves;
#[macro_use]
mod methods;

mod addr;
mod datagram;
mod lookup;
mod race;
mod tcp_listener;
mod tcp_socket;
mod tcp_split;
mod tcp_stream;
mod udp;
#[cfg(unix)]
pub mod unix;

pub mod tcp {
    //! The halves of a TCP connection.

    pub use super::tcp_split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
}

pub use addr::{ToSocketAddrs, lookup_host};
pub use lookup::run_lookup;
pub use tcp_listener::TcpListener;
pub use tcp_socket::TcpSocket;
pub use tcp_split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use tcp_stream::TcpStream;
pub use udp::UdpSocket;
#[cfg(unix)]
pub use unix::{
    datagram::UnixDatagram, listener::UnixListener, socket::UnixSocket, stream::UnixStream,
};
