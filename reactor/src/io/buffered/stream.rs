//! [`BufStream`].

use std::pin::Pin;

use pin_project_lite::pin_project;

use super::{BufReader, BufWriter};
use crate::io::traits::{forward_buf_read, forward_read, forward_seek, forward_write};
use crate::io::{AsyncRead, AsyncSeek, AsyncWrite};

pin_project! {
    /// Something that can be read and written, with a buffer for each. See [`BufReader`] and [`BufWriter`].
    ///
    /// A seek first writes what is in the buffer for writes, and then throws away what is in the buffer for reads.
    ///
    /// ```
    /// use heist::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
    /// use heist::net::{TcpListener, TcpStream};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    ///     let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    ///     client.write_all(b"hello\n").await.unwrap();
    ///     let (server, _) = listener.accept().await.unwrap();
    ///     let mut server = BufStream::new(server);
    ///     let mut line = String::new();
    ///     server.read_line(&mut line).await.unwrap();
    ///     server.write_all(line.as_bytes()).await.unwrap();
    ///     server.flush().await.unwrap();
    /// }
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

    /// Makes buffers of `reader_capacity` and `writer_capacity` bytes.
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

forward_read!([S: AsyncRead] BufStream<S>, self => self.project().inner);
forward_buf_read!([S: AsyncRead] BufStream<S>, self => self.project().inner);
forward_write!([S: AsyncWrite] BufStream<S>, self => self.project().inner, self.inner.is_write_vectored());
forward_seek!([S: AsyncRead + AsyncWrite + AsyncSeek] BufStream<S>, self => self.project().inner);
