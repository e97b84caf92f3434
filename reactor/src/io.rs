//! Reading and writing: async functions for everything that implements [`futures_io`]'s traits.
//!
//! Functions that read or write several times try again after [`ErrorKind::Interrupted`]. Each time after the first costs a
//! unit of the task's [budget](heist_sync::coop), so a task that reads from an endless reader still yields. A reader or
//! writer that claims more bytes than it was given gets an error.

use std::future::{Future, poll_fn};
use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use heist_sync::coop;

pub use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
#[doc(no_inline)]
pub use std::io::{Error, ErrorKind, Result, SeekFrom};

/// How much [`copy`] holds at once, and [`AsyncReadExt::read_to_end`] asks for at first.
const CHUNK: usize = 8 * 1024;

/// Async functions to read bytes.
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncWriteExt};
/// use heist::net::{TcpListener, TcpStream};
/// # #[heist::main]
/// # async fn main() {
/// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
/// let (mut server, _) = listener.accept().await.unwrap();
/// client.write_all(b"to the last byte").await.unwrap();
/// client.shutdown().await.unwrap();
///
/// let mut start = [0; 2];
/// server.read_exact(&mut start).await.unwrap();
/// let mut rest = Vec::new();
/// assert_eq!(server.read_to_end(&mut rest).await.unwrap(), 14);
/// assert_eq!(rest, b" the last byte");
/// # }
/// ```
pub trait AsyncReadExt: AsyncRead {
    /// Reads some bytes, at least one, and returns how many. 0 means the end, or that `buffer` is empty.
    ///
    /// # Errors
    ///
    /// Any error from the reader.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize>>
    where
        Self: Unpin,
    {
        poll_fn(|cx| poll_read(Pin::new(&mut *self), cx, buffer))
    }

    /// Reads into several buffers, one after the other. Otherwise like [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// Any error from the reader.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
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

    /// Reads until `buffer` is full. Returns its length.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the end comes first, or any error from the reader except `Interrupted`. `buffer` may hold anything
    /// then.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, some bytes may have been read. They are in `buffer`, but you can't tell how many.
    fn read_exact(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize>>
    where
        Self: Unpin,
    {
        let mut filled = 0;
        poll_fn(move |cx| {
            poll_each(cx, |cx| {
                let rest = &mut buffer[filled..];
                if rest.is_empty() {
                    return Poll::Ready(Ok(Some(filled)));
                }
                filled += match ready!(poll_read(Pin::new(&mut *self), cx, rest))? {
                    0 => return Poll::Ready(Err(ErrorKind::UnexpectedEof.into())),
                    done => done,
                };
                Poll::Ready(Ok((filled == buffer.len()).then_some(filled)))
            })
        })
    }

    /// Reads to the end, and appends it to `buffer`. Returns how many bytes were read.
    ///
    /// # Errors
    ///
    /// Any error from the reader except `Interrupted`. What was read so far stays in `buffer`.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, what was read so far is in `buffer`.
    fn read_to_end(&mut self, buffer: &mut Vec<u8>) -> impl Future<Output = Result<usize>>
    where
        Self: Unpin,
    {
        let start = buffer.len();
        poll_fn(move |cx| {
            ready!(poll_to_end(Pin::new(&mut *self), cx, buffer))?;
            Poll::Ready(Ok(buffer.len() - start))
        })
    }

    /// Reads to the end, and appends it to `buffer`. Returns how many bytes were read.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the bytes aren't UTF-8, or any error from the reader except `Interrupted`. `buffer` is unchanged
    /// then.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, what was read so far is lost.
    fn read_to_string(&mut self, buffer: &mut String) -> impl Future<Output = Result<usize>>
    where
        Self: Unpin,
    {
        let mut bytes = Vec::new();
        poll_fn(move |cx| {
            ready!(poll_to_end(Pin::new(&mut *self), cx, &mut bytes))?;
            let text = std::str::from_utf8(&bytes)
                .map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
            buffer.push_str(text);
            Poll::Ready(Ok(text.len()))
        })
    }
}

impl<R: AsyncRead + ?Sized> AsyncReadExt for R {}

/// Async functions to write bytes. [`AsyncReadExt`] has an example.
pub trait AsyncWriteExt: AsyncWrite {
    /// Writes some bytes of `buffer`. Returns how many.
    ///
    /// # Errors
    ///
    /// Any error from the writer.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing has been written.
    fn write(&mut self, buffer: &[u8]) -> impl Future<Output = Result<usize>>
    where
        Self: Unpin,
    {
        poll_fn(|cx| poll_write(Pin::new(&mut *self), cx, buffer))
    }

    /// Writes from several buffers, one after the other. Returns how many bytes.
    ///
    /// # Errors
    ///
    /// Any error from the writer.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing has been written.
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> impl Future<Output = Result<usize>>
    where
        Self: Unpin,
    {
        // The same bytes may be in the list many times.
        let lens = buffers.iter().map(|buffer| buffer.len());
        let len = lens.fold(0, usize::saturating_add);
        poll_fn(move |cx| {
            let done = ready!(Pin::new(&mut *self).poll_write_vectored(cx, buffers))?;
            Poll::Ready(no_more_than(len, done))
        })
    }

    /// Writes all of `buffer`.
    ///
    /// # Errors
    ///
    /// `WriteZero` if the writer takes no more, or any error from it except `Interrupted`. You can't tell how much was written
    /// then.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, some bytes may have been written. You can't tell how many.
    fn write_all(&mut self, buffer: &[u8]) -> impl Future<Output = Result<()>>
    where
        Self: Unpin,
    {
        let mut left = buffer;
        poll_fn(move |cx| {
            poll_each(cx, |cx| {
                if left.is_empty() {
                    return Poll::Ready(Ok(Some(())));
                }
                match ready!(poll_write(Pin::new(&mut *self), cx, left))? {
                    0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                    done => left = &left[done..],
                }
                Poll::Ready(Ok(left.is_empty().then_some(())))
            })
        })
    }

    /// Flushes the writer: sends what it has buffered.
    ///
    /// # Errors
    ///
    /// Any error from the writer.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, you can call this again.
    fn flush(&mut self) -> impl Future<Output = Result<()>>
    where
        Self: Unpin,
    {
        poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx))
    }

    /// Flushes the writer and closes it. The peer of a connection then reads the end of the stream. You can still read from
    /// the connection.
    ///
    /// # Errors
    ///
    /// Any error from the writer.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, you can call this again.
    fn shutdown(&mut self) -> impl Future<Output = Result<()>>
    where
        Self: Unpin,
    {
        poll_fn(|cx| Pin::new(&mut *self).poll_close(cx))
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWriteExt for W {}

/// Copies everything from `reader` to `writer`, and flushes `writer`. Returns how many bytes were copied. It also flushes
/// whenever `reader` has nothing for now, so a peer gets what was copied before it answers.
///
/// # Errors
///
/// Any error from the two except `Interrupted`, and `WriteZero` if `writer` takes no more.
///
/// # Cancel safety
///
/// If you drop the future, what was read but not written is lost.
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncWriteExt, copy};
/// use heist::net::{TcpListener, TcpStream};
/// # #[heist::main]
/// # async fn main() {
/// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
/// let (mut server, _) = listener.accept().await.unwrap();
/// client.write_all(b"echo").await.unwrap();
/// client.shutdown().await.unwrap();
///
/// let (mut read, mut write) = server.split();
/// assert_eq!(copy(&mut read, &mut write).await.unwrap(), 4);
/// write.shutdown().await.unwrap();
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await.unwrap();
/// assert_eq!(answer, "echo");
/// # }
/// ```
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> Result<u64>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut copying = Copying {
        chunk: vec![0; CHUNK],
        waiting: 0..0,
        copied: 0,
        unflushed: false,
        ended: false,
    };
    poll_fn(|cx| {
        poll_each(cx, |cx| {
            let (reader, writer) = (Pin::new(&mut *reader), Pin::new(&mut *writer));
            copying.poll_step(reader, writer, cx)
        })
    })
    .await
}

/// What [`copy`] holds.
struct Copying {
    chunk: Vec<u8>,
    /// The part of the chunk that has been read but not written.
    waiting: Range<usize>,
    copied: u64,
    /// Whether anything was written since the last flush.
    unflushed: bool,
    /// Whether the reader has come to its end, and must not be polled again.
    ended: bool,
}

impl Copying {
    /// Does one write if something waits for it, or else one read. Returns how much was copied once everything is.
    fn poll_step<R: AsyncRead + ?Sized, W: AsyncWrite + ?Sized>(
        &mut self,
        reader: Pin<&mut R>,
        writer: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<u64>>> {
        if !self.waiting.is_empty() {
            let done = ready!(poll_write(writer, cx, &self.chunk[self.waiting.clone()]))?;
            if done == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            self.waiting.start += done;
            self.copied += done as u64;
            self.unflushed = true;
            return Poll::Ready(Ok(None));
        }
        if !self.ended {
            match poll_read(reader, cx, &mut self.chunk)? {
                Poll::Ready(0) => self.ended = true,
                Poll::Ready(done) => {
                    self.waiting = 0..done;
                    return Poll::Ready(Ok(None));
                }
                Poll::Pending if !self.unflushed => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        ready!(writer.poll_flush(cx))?;
        self.unflushed = false;
        if self.ended {
            return Poll::Ready(Ok(Some(self.copied)));
        }
        // The reader has registered the waker.
        Poll::Pending
    }
}

/// Polls one step after the other until one gives the result. One that was interrupted is polled again.
fn poll_each<T>(
    cx: &mut Context<'_>,
    mut step: impl FnMut(&mut Context<'_>) -> Poll<Result<Option<T>>>,
) -> Poll<Result<T>> {
    loop {
        match ready!(step(cx)) {
            Ok(Some(result)) => return Poll::Ready(Ok(result)),
            Err(error) if error.kind() != ErrorKind::Interrupted => return Poll::Ready(Err(error)),
            Ok(None) | Err(_) => ready!(coop::poll_proceed(cx)).made_progress(),
        }
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

/// Polls until all has been read, and appended to `buffer`.
fn poll_to_end<R: AsyncRead + ?Sized>(
    mut reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buffer: &mut Vec<u8>,
) -> Poll<Result<()>> {
    poll_each(cx, |cx| {
        let done = ready!(poll_append(reader.as_mut(), cx, buffer))?;
        Poll::Ready(Ok((done == 0).then_some(())))
    })
}

/// Polls for one read into what `buffer` can hold without moving, or else into a larger one.
fn poll_append<R: AsyncRead + ?Sized>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buffer: &mut Vec<u8>,
) -> Poll<Result<usize>> {
    /// Removes what was not read, even if the reader panics.
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
    // A reader needs initialized bytes. The limit keeps a large buffer from being cleared again for each few bytes
    // read.
    let room = (buffer.capacity() - len).min(16 * CHUNK);
    let filled = &mut Filled(buffer, len);
    filled.0.resize(len + room, 0);
    let done = ready!(poll_read(reader, cx, &mut filled.0[len..]))?;
    filled.1 += done;
    Poll::Ready(Ok(done))
}

/// Returns `done`, or an error if it is more than `len`.
fn no_more_than(len: usize, done: usize) -> Result<usize> {
    if done > len {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!("a reader or writer claims to have done {done} bytes of {len}"),
        ));
    }
    Ok(done)
}
