//! Reading and writing, by async functions on [`futures_io`]'s traits.
//!
//! A reader or writer that claims to have done more than it was asked is answered with an error, never believed.

use std::future::{Future, poll_fn};
use std::io::{Error, ErrorKind, IoSlice, IoSliceMut, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pub use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};

/// How much [`copy`] holds at once, and [`AsyncReadExt::read_to_end`] asks for at first.
const CHUNK: usize = 8 * 1024;

/// What reads bytes, by async functions.
///
/// ```
/// use heist_reactor::io::{AsyncReadExt, AsyncWriteExt};
/// use heist_reactor::net::{TcpListener, TcpStream};
/// # use heist_reactor::testing::block_on;
/// # block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
/// let (mut server, _) = listener.accept().await.unwrap();
/// client.write_all(b"to the last byte").await.unwrap();
/// client.close().await.unwrap();
///
/// let mut start = [0; 2];
/// server.read_exact(&mut start).await.unwrap();
/// let mut rest = Vec::new();
/// assert_eq!(server.read_to_end(&mut rest).await.unwrap(), 14);
/// assert_eq!(rest, b" the last byte");
/// # });
/// ```
pub trait AsyncReadExt: AsyncRead {
    /// Reads what is there, at least one byte. 0: the end, or `buffer` is empty.
    ///
    /// # Errors
    ///
    /// As the reader tells.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize>>
    where
        Self: Unpin,
    {
        poll_fn(|cx| poll_read(Pin::new(&mut *self), cx, buffer))
    }

    /// Reads into several buffers, one after the other. As [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// As the reader tells.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    fn read_vectored(
        &mut self,
        buffers: &mut [IoSliceMut<'_>],
    ) -> impl Future<Output = Result<usize>>
    where
        Self: Unpin,
    {
        let len = buffers.iter().map(|buffer| buffer.len()).sum();
        poll_fn(move |cx| {
            let done = ready!(Pin::new(&mut *self).poll_read_vectored(cx, buffers))?;
            Poll::Ready(no_more_than(len, done))
        })
    }

    /// Fills `buffer`.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` where the end comes first, and as the reader tells; what `buffer` holds then is not said.
    ///
    /// # Cancel safety
    ///
    /// What has been read when the future is dropped is lost but for what it left in `buffer`.
    fn read_exact(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<()>>
    where
        Self: Unpin,
    {
        let mut filled = 0;
        poll_fn(move |cx| {
            while filled < buffer.len() {
                match ready!(poll_read(Pin::new(&mut *self), cx, &mut buffer[filled..]))? {
                    0 => return Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
                    done => filled += done,
                }
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Reads to the end, appending to `buffer`, and completes with how much that was.
    ///
    /// # Errors
    ///
    /// As the reader tells; what was read before stays in `buffer`.
    ///
    /// # Cancel safety
    ///
    /// What has been read when the future is dropped is in `buffer`.
    fn read_to_end(&mut self, buffer: &mut Vec<u8>) -> impl Future<Output = Result<usize>>
    where
        Self: Unpin,
    {
        let start = buffer.len();
        poll_fn(move |cx| {
            loop {
                if ready!(poll_append(Pin::new(&mut *self), cx, buffer))? == 0 {
                    return Poll::Ready(Ok(buffer.len() - start));
                }
            }
        })
    }

    /// Reads to the end, appending to `buffer`, and completes with how much that was.
    ///
    /// # Errors
    ///
    /// `InvalidData` where what was read is not UTF-8, and as the reader tells; `buffer` is as before then.
    ///
    /// # Cancel safety
    ///
    /// What has been read when the future is dropped is lost.
    fn read_to_string(&mut self, buffer: &mut String) -> impl Future<Output = Result<usize>>
    where
        Self: Unpin,
    {
        let mut bytes = Vec::new();
        poll_fn(move |cx| {
            while ready!(poll_append(Pin::new(&mut *self), cx, &mut bytes))? > 0 {}
            let text = std::str::from_utf8(&bytes)
                .map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
            buffer.push_str(text);
            Poll::Ready(Ok(text.len()))
        })
    }
}

impl<R: AsyncRead + ?Sized> AsyncReadExt for R {}

/// What writes bytes, by async functions. For an example see [`AsyncReadExt`].
pub trait AsyncWriteExt: AsyncWrite {
    /// Writes some of `buffer`, and completes with how much.
    ///
    /// # Errors
    ///
    /// As the writer tells.
    ///
    /// # Cancel safety
    ///
    /// Nothing has been written when the future is dropped.
    fn write(&mut self, buffer: &[u8]) -> impl Future<Output = Result<usize>>
    where
        Self: Unpin,
    {
        poll_fn(|cx| poll_write(Pin::new(&mut *self), cx, buffer))
    }

    /// Writes some of several buffers, one after the other, and completes with how much.
    ///
    /// # Errors
    ///
    /// As the writer tells.
    ///
    /// # Cancel safety
    ///
    /// Nothing has been written when the future is dropped.
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> impl Future<Output = Result<usize>>
    where
        Self: Unpin,
    {
        let len = buffers.iter().map(|buffer| buffer.len()).sum();
        poll_fn(move |cx| {
            let done = ready!(Pin::new(&mut *self).poll_write_vectored(cx, buffers))?;
            Poll::Ready(no_more_than(len, done))
        })
    }

    /// Writes all of `buffer`.
    ///
    /// # Errors
    ///
    /// `WriteZero` where the writer takes no more, and as it tells. How much was written then is not said.
    ///
    /// # Cancel safety
    ///
    /// How much has been written when the future is dropped is not said.
    fn write_all(&mut self, buffer: &[u8]) -> impl Future<Output = Result<()>>
    where
        Self: Unpin,
    {
        let mut left = buffer;
        poll_fn(move |cx| poll_write_all(Pin::new(&mut *self), cx, &mut left))
    }

    /// Sends what the writer has kept back.
    ///
    /// # Errors
    ///
    /// As the writer tells.
    ///
    /// # Cancel safety
    ///
    /// It can be called again.
    fn flush(&mut self) -> impl Future<Output = Result<()>>
    where
        Self: Unpin,
    {
        poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx))
    }

    /// Sends what the writer has kept back, and ends what it writes.
    ///
    /// # Errors
    ///
    /// As the writer tells.
    ///
    /// # Cancel safety
    ///
    /// It can be called again.
    fn close(&mut self) -> impl Future<Output = Result<()>>
    where
        Self: Unpin,
    {
        poll_fn(|cx| Pin::new(&mut *self).poll_close(cx))
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWriteExt for W {}

/// Copies all that `reader` has to `writer`, flushes it, and completes with how much that was.
///
/// # Errors
///
/// As the two tell.
///
/// # Cancel safety
///
/// What has been read but not written when the future is dropped is lost.
///
/// ```
/// use heist_reactor::io::{AsyncReadExt, AsyncWriteExt, copy};
/// use heist_reactor::net::{TcpListener, TcpStream};
/// # use heist_reactor::testing::block_on;
/// # block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
/// let (mut server, _) = listener.accept().await.unwrap();
/// client.write_all(b"echo").await.unwrap();
/// client.close().await.unwrap();
///
/// let (mut read, mut write) = server.split();
/// assert_eq!(copy(&mut read, &mut write).await.unwrap(), 4);
/// write.close().await.unwrap();
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await.unwrap();
/// assert_eq!(answer, "echo");
/// # });
/// ```
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> Result<u64>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut chunk = vec![0; CHUNK];
    let mut copied = 0;
    loop {
        let len = reader.read(&mut chunk).await?;
        if len == 0 {
            writer.flush().await?;
            return Ok(copied);
        }
        writer.write_all(&chunk[..len]).await?;
        copied += len as u64;
    }
}

/// Polls for one read, and checks what the reader says of it.
fn poll_read<R: AsyncRead + ?Sized>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<Result<usize>> {
    let len = buffer.len();
    let done = ready!(reader.poll_read(cx, buffer))?;
    Poll::Ready(no_more_than(len, done))
}

/// Polls for one write, and checks what the writer says of it.
fn poll_write<W: AsyncWrite + ?Sized>(
    writer: Pin<&mut W>,
    cx: &mut Context<'_>,
    buffer: &[u8],
) -> Poll<Result<usize>> {
    let done = ready!(writer.poll_write(cx, buffer))?;
    Poll::Ready(no_more_than(buffer.len(), done))
}

/// Polls until all that is `left` is written.
fn poll_write_all<W: AsyncWrite + ?Sized>(
    mut writer: Pin<&mut W>,
    cx: &mut Context<'_>,
    left: &mut &[u8],
) -> Poll<Result<()>> {
    while !left.is_empty() {
        match ready!(poll_write(writer.as_mut(), cx, left))? {
            0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
            done => *left = &left[done..],
        }
    }
    Poll::Ready(Ok(()))
}

/// Polls for one read into what `buffer` can hold without moving, or else into a larger one.
fn poll_append<R: AsyncRead + ?Sized>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buffer: &mut Vec<u8>,
) -> Poll<Result<usize>> {
    /// Takes back what was not read, also from a reader that panics.
    struct Filled<'a>(&'a mut Vec<u8>, usize);

    impl Drop for Filled<'_> {
        fn drop(&mut self) {
            self.0.truncate(self.1);
        }
    }

    let len = buffer.len();
    if buffer.capacity() - len < 32 {
        buffer.reserve(CHUNK);
    }
    // A reader must find bytes there, and a large buffer should not be cleared again for each few bytes read.
    let room = (buffer.capacity() - len).min(16 * CHUNK);
    let filled = &mut Filled(buffer, len);
    filled.0.resize(len + room, 0);
    let done = ready!(poll_read(reader, cx, &mut filled.0[len..]))?;
    filled.1 += done;
    Poll::Ready(Ok(done))
}

/// What was done, if that can be.
fn no_more_than(len: usize, done: usize) -> Result<usize> {
    if done > len {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!("a reader or writer claims to have done {done} bytes of {len}"),
        ));
    }
    Ok(done)
}
