//! [`copy`].

use std::future::poll_fn;
use std::io::{ErrorKind, Result};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::operation::poll_each;
use super::polls::{poll_read_slice, poll_write};
use super::{AsyncRead, AsyncWrite, CHUNK};

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
    let mut copying = Copying::new(CHUNK);
    poll_fn(|cx| copying.poll(Pin::new(&mut *reader), Pin::new(&mut *writer), cx)).await
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
