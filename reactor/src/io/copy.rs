//! [`copy`], [`copy_buf`], [`copy_bidirectional`].

use std::future::poll_fn;
use std::io::{ErrorKind, Result};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::operation::poll_each;
use super::polls::{poll_read_slice, poll_write};
use super::{AsyncBufRead, AsyncRead, AsyncWrite, CHUNK};

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
///
/// #[heist::main]
/// async fn main() {
///     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
///     let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
///     let (mut server, _) = listener.accept().await.unwrap();
///     client.write_all(b"echo").await.unwrap();
///     client.shutdown().await.unwrap();
///
///     let (mut read, mut write) = server.split();
///     assert_eq!(copy(&mut read, &mut write).await.unwrap(), 4);
///     write.shutdown().await.unwrap();
///     let mut answer = String::new();
///     client.read_to_string(&mut answer).await.unwrap();
///     assert_eq!(answer, "echo");
/// }
/// ```
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> Result<u64>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut copying = Copying::new(CHUNK);
    poll_fn(|cx| copying.poll(Pin::new(&mut *reader), Pin::new(&mut *writer), cx)).await
}

/// Like [`copy`], from a reader that has a buffer already. It writes from that one, and needs none of its own.
///
/// # Errors
///
/// Any error from the two except `Interrupted`, and `WriteZero` if `writer` takes no more.
///
/// # Cancel safety
///
/// If you drop the future, nothing is lost: what wasn't written is still in the reader. But you can't tell how much was
/// written.
///
/// ```
/// use heist::io::{BufReader, copy_buf};
///
/// #[heist::main]
/// async fn main() {
///     let mut reader = BufReader::new(&b"all of it"[..]);
///     let mut written = Vec::new();
///     assert_eq!(copy_buf(&mut reader, &mut written).await.unwrap(), 9);
///     assert_eq!(written, b"all of it");
/// }
/// ```
pub async fn copy_buf<R, W>(reader: &mut R, writer: &mut W) -> Result<u64>
where
    R: AsyncBufRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let (mut copied, mut unflushed, mut ended) = (0, false, false);
    poll_fn(|cx| {
        poll_each(cx, |cx| {
            let (mut reader, mut writer) = (Pin::new(&mut *reader), Pin::new(&mut *writer));
            // A reader that has ended must not be polled again.
            if !ended {
                match reader.as_mut().poll_fill_buf(cx)? {
                    Poll::Ready([]) => ended = true,
                    Poll::Ready(filled) => {
                        let done = ready!(poll_write(writer, cx, filled))?;
                        if done == 0 {
                            return Poll::Ready(Err(ErrorKind::WriteZero.into()));
                        }
                        reader.consume(done);
                        copied += done as u64;
                        unflushed = true;
                        return Poll::Ready(Ok(None));
                    }
                    Poll::Pending if !unflushed => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            ready!(writer.as_mut().poll_flush(cx))?;
            unflushed = false;
            if ended {
                return Poll::Ready(Ok(Some(copied)));
            }
            // The reader has registered the waker.
            Poll::Pending
        })
    })
    .await
}

/// Copies from `a` to `b` and from `b` to `a` at the same time, until both have come to their ends. Returns how many bytes
/// went from `a` to `b`, and how many from `b` to `a`. Each direction holds at most 8 KiB at once.
///
/// When one of them has come to its end, the other is flushed and shut down. The opposite direction goes on until it ends
/// too. A stream is also flushed whenever there is nothing to copy to it for now. If both directions have much to do, they
/// take turns.
///
/// # Errors
///
/// Any error from the two except `Interrupted`, and `WriteZero` if one takes no more. Then the other direction ends too,
/// and nothing is shut down.
///
/// # Cancel safety
///
/// If you drop the future, what was read but not written is lost.
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional, duplex};
///
/// #[heist::main]
/// async fn main() {
///     let (mut client, mut inside) = duplex(64);
///     let (mut outside, mut server) = duplex(64);
///     let proxy = heist::spawn(async move { copy_bidirectional(&mut inside, &mut outside).await });
///
///     client.write_all(b"question").await.unwrap();
///     client.shutdown().await.unwrap();
///     let mut heard = String::new();
///     server.read_to_string(&mut heard).await.unwrap();
///     assert_eq!(heard, "question");
///     server.write_all(b"yes").await.unwrap();
///     drop(server);
///
///     assert_eq!(proxy.await.unwrap().unwrap(), (8, 3));
/// }
/// ```
pub async fn copy_bidirectional<A, B>(a: &mut A, b: &mut B) -> Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    copy_bidirectional_with_sizes(a, b, CHUNK, CHUNK).await
}

/// Like [`copy_bidirectional`], but the direction from `a` to `b` holds at most `a_to_b_buf_size` bytes at once, and the other
/// one `b_to_a_buf_size`.
///
/// # Errors
///
/// As [`copy_bidirectional`].
///
/// # Panics
///
/// If a size is 0.
///
/// # Cancel safety
///
/// If you drop the future, what was read but not written is lost.
///
/// ```
/// use heist::io::{AsyncWriteExt, copy_bidirectional_with_sizes, duplex};
///
/// #[heist::main]
/// async fn main() {
///     let (mut client, mut inside) = duplex(64);
///     client.write_all(b"a long upload").await.unwrap();
///     drop(client);
///
///     let (mut outside, server) = duplex(64);
///     drop(server);
///     // Nobody is there to take it.
///     let copied = copy_bidirectional_with_sizes(&mut inside, &mut outside, 64 * 1024, 1024).await;
///     assert!(copied.is_err());
/// }
/// ```
pub async fn copy_bidirectional_with_sizes<A, B>(
    a: &mut A,
    b: &mut B,
    a_to_b_buf_size: usize,
    b_to_a_buf_size: usize,
) -> Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    assert!(
        a_to_b_buf_size > 0,
        "`a_to_b_buf_size` must be greater than 0"
    );
    assert!(
        b_to_a_buf_size > 0,
        "`b_to_a_buf_size` must be greater than 0"
    );
    let mut there = Way::Copying(Copying::new(a_to_b_buf_size));
    let mut back = Way::Copying(Copying::new(b_to_a_buf_size));
    let mut back_first = false;
    poll_fn(|cx| {
        let (mut a, mut b) = (Pin::new(&mut *a), Pin::new(&mut *b));
        // The first may use up the task's budget, so they take turns.
        let polled = if back_first {
            let back = back.poll(b.as_mut(), a.as_mut(), cx)?;
            (there.poll(a, b, cx)?, back)
        } else {
            let there = there.poll(a.as_mut(), b.as_mut(), cx)?;
            (there, back.poll(b, a, cx)?)
        };
        back_first = !back_first;
        match polled {
            (Poll::Ready(there), Poll::Ready(back)) => Poll::Ready(Ok((there, back))),
            _ => Poll::Pending,
        }
    })
    .await
}

/// One direction of [`copy_bidirectional`].
#[derive(Debug)]
enum Way {
    Copying(Copying),
    /// So much was copied. The writer is being shut down.
    Closing(u64),
    /// So much was copied.
    Closed(u64),
}

impl Way {
    /// Polls until everything has been copied, and the writer shut down. Once it is ready, it stays so.
    fn poll<R: AsyncRead + ?Sized, W: AsyncWrite + ?Sized>(
        &mut self,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<u64>> {
        loop {
            *self = match self {
                Way::Copying(copying) => {
                    Way::Closing(ready!(copying.poll(reader.as_mut(), writer.as_mut(), cx))?)
                }
                Way::Closing(copied) => {
                    let copied = *copied;
                    ready!(writer.as_mut().poll_shutdown(cx))?;
                    Way::Closed(copied)
                }
                Way::Closed(copied) => return Poll::Ready(Ok(*copied)),
            };
        }
    }
}

/// A copy under way, in one direction.
#[derive(Debug)]
pub(super) struct Copying {
    chunk: Box<[u8]>,
    /// The part of the chunk that has been read but not written.
    waiting: Range<usize>,
    copied: u64,
    /// Whether anything was written since the last flush.
    unflushed: bool,
    /// Whether the reader has come to its end, and must not be polled again.
    ended: bool,
}

impl Copying {
    /// A copy that holds at most `room` bytes at once.
    pub(super) fn new(room: usize) -> Self {
        Self {
            chunk: vec![0; room].into(),
            waiting: 0..0,
            copied: 0,
            unflushed: false,
            ended: false,
        }
    }

    /// Polls until everything has been copied and flushed. Returns how many bytes that was.
    pub(super) fn poll<R: AsyncRead + ?Sized, W: AsyncWrite + ?Sized>(
        &mut self,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<u64>> {
        poll_each(cx, |cx| {
            self.poll_step(reader.as_mut(), writer.as_mut(), cx)
        })
    }

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
            match poll_read_slice(reader, cx, &mut self.chunk)? {
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
