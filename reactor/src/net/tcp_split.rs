//! A connection in two halves: one reads, one writes.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use super::TcpStream;
use crate::io::ReadBuf;

halves! {
    TcpStream, SocketAddr,
    /// ```
    /// use heist::io::{AsyncReadExt, AsyncWriteExt};
    /// use heist::net::{TcpListener, TcpStream};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    ///     let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    ///     let (mut server, _) = listener.accept().await.unwrap();
    ///
    ///     let (mut read, mut write) = client.into_split();
    ///     write.write_all(b"all that there is").await.unwrap();
    ///     drop(write); // the server reads the end of the stream
    ///     let mut heard = Vec::new();
    ///     server.read_to_end(&mut heard).await.unwrap();
    ///     server.write_all(&heard).await.unwrap();
    ///     drop(server);
    ///
    ///     let mut answer = String::new();
    ///     read.read_to_string(&mut answer).await.unwrap();
    ///     assert_eq!(answer, "all that there is");
    /// }
    /// ```
}

macro_rules! peek {
    ($half:ty) => {
        impl $half {
            /// Reads bytes without removing them. See [`TcpStream::peek`].
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            ///
            /// # Cancel safety
            ///
            /// If you drop the future, nothing is lost.
            pub async fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.peek(buffer).await
            }

            /// Polls for [`peek`](Self::peek). See [`TcpStream::poll_peek`].
            ///
            /// # Errors
            ///
            /// Any error that the operating system returns.
            pub fn poll_peek(
                &mut self,
                cx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<usize>> {
                self.0.poll_peek(cx, buffer)
            }
        }
    };
}

peek! { ReadHalf<'_> }
peek! { OwnedReadHalf }
