//! [`BufStream`].

use std::io::{IoSlice, Result, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{BufReader, BufWriter};
use crate::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

pin_project! {
    /// Something that can be read and written, with a buffer for each. See [`BufReader`] and [`BufWriter`].
    ///
    /// ```
    /// use heist::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
    /// use heist::net::{TcpListener, TcpStream};
    /// # #[heist::main]
    /// # async fn main() {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    /// # let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// # client.write_all(b"hello\n").await.unwrap();
    /// let (server, _) = listener.accept().await.unwrap();
    /// let mut server = BufStream::new(server);
    /// let mut line = String::new();
    /// server.read_line(&mut line).await.unwrap();
    /// server.write_all(line.as_bytes()).await.unwrap();
    /// server.flush().await.unwrap();
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct BufStream<S> {
        #[pin]
        inner: BufReader<BufWriter<S>>,
    }
}

impl<S: AsyncRead + AsyncWrite> BufStream<S> {
    /// Two buffers of 8 KiB each.
    pub fn new(stream: S) -> Self {
        Self {
            inner: BufReader::new(BufWriter::new(stream)),
        }
    }

    /// Buffers of so many bytes.
    ///
    /// # Panics
    ///
    /// If `reader_capacity` is 0.
    #[track_caller]
    pub fn with_capacity(reader_capacity: usize, writer_capacity: usize, stream: S) -> Self {
        let writer = BufWriter::with_capacity(writer_capacity, stream);
        Self {
            inner: BufReader::with_capacity(reader_capacity, writer),
        }
    }
}

impl<S> BufStream<S> {
    /// What is inside.
    pub fn get_ref(&self) -> &S {
        self.inner.get_ref().get_ref()
    }

    /// What is inside. What you read from it or write to it isn't in order with what is in the buffers.
    pub fn get_mut(&mut self) -> &mut S {
        self.inner.get_mut().get_mut()
    }

    /// What is inside, pinned.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut S> {
        self.project().inner.get_pin_mut().get_pin_mut()
    }

    /// What is inside. What is in the buffers is lost.
    pub fn into_inner(self) -> S {
        self.inner.into_inner().into_inner()
    }
}

impl<S> From<BufReader<BufWriter<S>>> for BufStream<S> {
    fn from(inner: BufReader<BufWriter<S>>) -> Self {
        Self { inner }
    }
}

/// The buffers keep what they hold.
impl<S> From<BufWriter<BufReader<S>>> for BufStream<S> {
    fn from(writer: BufWriter<BufReader<S>>) -> Self {
        let (reader, writer_of) = writer.take_apart();
        let (stream, reader_of) = reader.take_apart();
        let inner = reader_of(writer_of(stream));
        Self { inner }
    }
}

impl<S: AsyncRead> AsyncRead for BufStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        self.project().inner.poll_read(cx, buf)
    }
}

impl<S: AsyncRead> AsyncBufRead for BufStream<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        self.project().inner.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.project().inner.consume(amt);
    }
}

impl<S: AsyncWrite> AsyncWrite for BufStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

impl<S: AsyncRead + AsyncWrite + AsyncSeek> AsyncSeek for BufStream<S> {
    /// What was written is passed on before, and what was read and not taken is lost.
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> Result<()> {
        self.project().inner.start_seek(position)
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        self.project().inner.poll_complete(cx)
    }
}
