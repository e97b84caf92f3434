//! [`duplex`] and [`simplex`]: streams in memory.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice, Result};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use heist_sync::coop;
use heist_sync::protocol::contain;
use heist_sync::sys::{Arc, Mutex};
use heist_sync::waits::{self, Wait};

use super::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf, split};

/// Makes a pair of streams in memory, like a socket and its peer: what is written to one is read from the other. They are
/// for tests, and for tasks that talk by a protocol made for sockets.
///
/// Each direction has room for `max_buf_size` bytes. If it is full, a write waits until something has been read.
///
/// # Panics
///
/// If `max_buf_size` is 0.
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncWriteExt, duplex};
///
/// #[heist::main]
/// async fn main() {
///     let (mut client, mut server) = duplex(64);
///     client.write_all(b"ping").await.unwrap();
///     let mut word = [0; 4];
///     server.read_exact(&mut word).await.unwrap();
///     assert_eq!(&word, b"ping");
///
///     drop(server);
///     assert_eq!(client.read(&mut word).await.unwrap(), 0);
///     assert!(client.write_all(b"ping").await.is_err());
/// }
/// ```
#[track_caller]
pub fn duplex(max_buf_size: usize) -> (DuplexStream, DuplexStream) {
    // No closure makes both: the location of a panic would be in it.
    let [there, back] = [
        SimplexStream::new_unsplit(max_buf_size),
        SimplexStream::new_unsplit(max_buf_size),
    ]
    .map(|direction| Arc::new(Mutex::new(direction)));
    let one = DuplexStream {
        read: there.clone(),
        write: back.clone(),
    };
    let other = DuplexStream {
        read: back,
        write: there,
    };
    (one, other)
}

/// Makes a stream in memory with two ends: what is written to one is read from the other.
///
/// It has room for `max_buf_size` bytes. If it is full, a write waits until something has been read.
///
/// Dropping one end doesn't tell the other. If no more is to come, call [`shutdown`](super::AsyncWriteExt::shutdown) on the
/// writing end: the reader gets what was written, and then the end. The ends of a [`duplex`] do tell each other.
///
/// # Panics
///
/// If `max_buf_size` is 0.
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncWriteExt, simplex};
///
/// #[heist::main]
/// async fn main() {
///     let (mut read, mut write) = simplex(64);
///     write.write_all(b"one way").await.unwrap();
///     write.shutdown().await.unwrap();
///
///     let mut all = String::new();
///     read.read_to_string(&mut all).await.unwrap();
///     assert_eq!(all, "one way");
/// }
/// ```
#[track_caller]
pub fn simplex(max_buf_size: usize) -> (ReadHalf<SimplexStream>, WriteHalf<SimplexStream>) {
    split(SimplexStream::new_unsplit(max_buf_size))
}

/// One end of a pair of streams in memory: what [`duplex`] returns.
///
/// Dropping it is like closing a socket: the other end reads what was written, and then the end. It gets `BrokenPipe` if it
/// writes.
#[derive(Debug)]
pub struct DuplexStream {
    read: Arc<Mutex<SimplexStream>>,
    write: Arc<Mutex<SimplexStream>>,
}

/// A stream in memory: what is written to it is read from it. This one value is both ends. [`simplex`] returns them apart.
#[derive(Debug)]
pub struct SimplexStream {
    bytes: VecDeque<u8>,
    /// How many bytes there is room for.
    most: usize,
    /// Nothing more can be written.
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

// Under the lock, only a waker's clone is other people's code. If that panics, the bytes are as they were.
impl UnwindSafe for DuplexStream {}
impl RefUnwindSafe for DuplexStream {}

/// What is left to do once the lock is free, because wakers are other people's code.
#[derive(Default)]
#[must_use]
struct Later {
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// This one is only dropped.
    replaced: Option<Waker>,
}

impl Later {
    fn now(self) {
        for waker in [self.reader, self.writer].into_iter().flatten() {
            contain(|| waker.wake());
        }
        contain(|| drop(self.replaced));
    }
}

/// Has `cx` woken from `place`.
fn wait_in(place: &mut Option<Waker>, cx: &Context<'_>, later: &mut Later, wait: Wait) {
    if !place
        .as_ref()
        .is_some_and(|waker| waker.will_wake(cx.waker()))
    {
        later.replaced = place.replace(cx.waker().clone());
    }
    waits::note(wait);
}

impl SimplexStream {
    /// One that isn't split into its ends. [`simplex`] splits it, and says more.
    ///
    /// # Panics
    ///
    /// If `max_buf_size` is 0.
    #[track_caller]
    pub fn new_unsplit(max_buf_size: usize) -> SimplexStream {
        assert!(max_buf_size > 0, "`max_buf_size` must be greater than 0");
        SimplexStream {
            bytes: VecDeque::new(),
            most: max_buf_size,
            closed: false,
            reader: None,
            writer: None,
        }
    }

    fn poll_read_later(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        later: &mut Later,
    ) -> Poll<Result<()>> {
        if self.bytes.is_empty() && !self.closed && buf.remaining() > 0 {
            wait_in(&mut self.reader, cx, later, Wait::Readable);
            return Poll::Pending;
        }
        let done = self.bytes.len().min(buf.remaining());
        let (front, back) = self.bytes.as_slices();
        let in_front = front.len().min(done);
        buf.put_slice(&front[..in_front]);
        buf.put_slice(&back[..done - in_front]);
        self.bytes.drain(..done);
        if done > 0 {
            later.writer = self.writer.take();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_later(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        later: &mut Later,
    ) -> Poll<Result<usize>> {
        let nothing = bufs.iter().all(|buf| buf.is_empty());
        let room = self.most - self.bytes.len();
        if room == 0 && !self.closed && !nothing {
            wait_in(&mut self.writer, cx, later, Wait::Writable);
            return Poll::Pending;
        }
        if self.closed {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let mut left = room;
        for buf in bufs {
            let len = buf.len().min(left);
            self.bytes.extend(&buf[..len]);
            left -= len;
        }
        if left < room {
            later.reader = self.reader.take();
        }
        Poll::Ready(Ok(room - left))
    }

    /// Nothing more can be written. Whoever waits sees it.
    fn close(&mut self, later: &mut Later) {
        self.closed = true;
        later.reader = self.reader.take();
        later.writer = self.writer.take();
    }
}

/// Polls for something that costs a unit of the budget. Without one it wakes the task, so no lock may be held.
fn at_cost<T>(cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    let coop = ready!(coop::poll_proceed(cx));
    let done = ready!(poll(cx));
    coop.made_progress();
    Poll::Ready(done)
}

/// Calls `f` with what is behind the lock. What it leaves for later is done when the lock is free.
fn locked<T>(
    stream: &Mutex<SimplexStream>,
    f: impl FnOnce(&mut SimplexStream, &mut Later) -> T,
) -> T {
    let mut later = Later::default();
    let result = f(&mut stream.lock(), &mut later);
    later.now();
    result
}

impl AsyncRead for SimplexStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        at_cost(cx, |cx| {
            let mut later = Later::default();
            let read = self.poll_read_later(cx, buf, &mut later);
            later.now();
            read
        })
    }
}

impl AsyncWrite for SimplexStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    /// Does nothing: what was written can be read at once.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        let mut later = Later::default();
        self.close(&mut later);
        later.now();
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        at_cost(cx, |cx| {
            let mut later = Later::default();
            let written = self.poll_write_later(cx, bufs, &mut later);
            later.now();
            written
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl AsyncRead for DuplexStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        at_cost(cx, |cx| {
            locked(&self.read, |stream, later| {
                stream.poll_read_later(cx, buf, later)
            })
        })
    }
}

impl AsyncWrite for DuplexStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    /// Does nothing: what was written can be read at once.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The other end reads what was written, and then the end.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        locked(&self.write, SimplexStream::close);
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        at_cost(cx, |cx| {
            locked(&self.write, |stream, later| {
                stream.poll_write_later(cx, bufs, later)
            })
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        locked(&self.write, SimplexStream::close);
        locked(&self.read, SimplexStream::close);
    }
}
