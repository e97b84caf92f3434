//! hyper 1 on heist: its `rt` traits on heist's types, with the feature `hyper`.
//!
//! hyper has no runtime of its own. It needs four things, and this module provides them:
//!
//! | hyper needs | here |
//! |---|---|
//! | [`rt::Read`] and [`rt::Write`] | [`HeistIo`], round any type with the traits of [`io`], such as a [`TcpStream`] |
//! | [`rt::Executor`] | [`HeistExecutor`], which spawns on the runtime of the caller |
//! | [`rt::Timer`] and [`rt::Sleep`] | [`HeistTimer`], on heist's timers |
//!
//! If you know `TokioIo`, `TokioExecutor` and `TokioTimer` of `hyper_util::rt`: these are the same with another name.
//!
//! # Examples
//!
//! A server that handles one connection, and a client:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use heist::hyper::{HeistIo, HeistTimer};
//! use heist::net::{TcpListener, TcpStream};
//! use hyper::body::Incoming;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response};
//!
//! async fn hello(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
//!     Ok(Response::new(format!("hello from {}", request.uri().path())))
//! }
//!
//! #[heist::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     heist::spawn(async move {
//!         let (stream, _) = listener.accept().await.unwrap();
//!         hyper::server::conn::http1::Builder::new()
//!             .timer(HeistTimer::new())
//!             .serve_connection(HeistIo::new(stream), service_fn(hello))
//!             .await
//!             .unwrap();
//!     });
//!
//!     let stream = TcpStream::connect(address).await?;
//!     let (mut client, connection) = hyper::client::conn::http1::handshake(HeistIo::new(stream)).await?;
//!     heist::spawn(connection);
//!     let request = Request::get("/world").header("host", "localhost").body(String::new())?;
//!     let response = client.send_request(request).await?;
//!     assert_eq!(response.status(), 200);
//!     Ok(())
//! }
//! ```
//!
//! [`TcpStream`]: crate::net::TcpStream
//! [`rt::Read`]: ::hyper::rt::Read
//! [`rt::Write`]: ::hyper::rt::Write
//! [`rt::Executor`]: ::hyper::rt::Executor
//! [`rt::Timer`]: ::hyper::rt::Timer
//! [`rt::Sleep`]: ::hyper::rt::Sleep

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use std::io::IoSlice;

use ::hyper::rt;

use crate::io::{self, AsyncRead, AsyncWrite, ReadBuf};

pin_project_lite::pin_project! {
    /// Translates between the I/O traits of heist and those of hyper, both ways.
    ///
    /// Round a type with [`AsyncRead`] and [`AsyncWrite`], such as every stream of [`net`](crate::net), it has hyper's
    /// [`Read`](::hyper::rt::Read) and [`Write`](::hyper::rt::Write). Round a type with hyper's traits, such as an `Upgraded`
    /// connection, it has heist's. If a type has those of `futures_io`, wrap it with [`compat`](crate::io::compat) first.
    ///
    /// It adds no buffer: reads and writes, vectored ones included, go straight to and from hyper's buffers.
    #[derive(Debug)]
    pub struct HeistIo<T> {
        #[pin]
        inner: T,
    }
}

impl<T> HeistIo<T> {
    /// Wraps a stream.
    pub fn new(inner: T) -> Self {
        Self { inner }
    }

    /// A reference to the stream inside.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// A mutable reference to the stream inside.
    pub fn inner_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Returns the stream inside.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: AsyncRead> rt::Read for HeistIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: nothing here makes initialized bytes uninitialized. `ReadBuf` lends them to those only who promise the same.
        let mut free = ReadBuf::uninit(unsafe { buf.as_mut() });
        let start = free.filled().as_ptr();
        ready!(self.project().inner.poll_read(cx, &mut free))?;
        assert!(
            std::ptr::eq(free.filled().as_ptr(), start),
            "a reader has exchanged its buffer"
        );
        let done = free.filled().len();
        // SAFETY: the reader's buffer is the one that we gave it, and so many bytes of it are filled.
        unsafe { buf.advance(done) };
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite> rt::Write for HeistIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }
}

impl<T: rt::Read> AsyncRead for HeistIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: nothing here makes initialized bytes uninitialized. hyper's `ReadBuf` lends them to those only who promise
        // the same.
        let mut free = rt::ReadBuf::uninit(unsafe { buf.unfilled_mut() });
        ready!(self.project().inner.poll_read(cx, free.unfilled()))?;
        let done = free.filled().len();
        // SAFETY: so many bytes are filled: a reader of hyper can't exchange its buffer.
        unsafe { buf.assume_init(done) };
        buf.advance(done);
        Poll::Ready(Ok(()))
    }
}

impl<T: rt::Write> AsyncWrite for HeistIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// Lets hyper spawn its own tasks, such as the streams of an HTTP/2 connection, with [`heist::spawn`].
///
/// # Panics
///
/// `execute` panics if `heist::spawn` does: on a thread that has entered no runtime.
///
/// [`heist::spawn`]: crate::spawn
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct HeistExecutor {}

impl HeistExecutor {
    /// Makes an executor. It has no state, so all executors are the same.
    pub fn new() -> Self {
        Self {}
    }
}

impl<F> rt::Executor<F> for HeistExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        // Dropping the handle detaches the task.
        drop(crate::spawn(future));
    }
}

/// Lets hyper time its connections (`header_read_timeout`, keep-alive) with heist's timers.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use heist::hyper::HeistTimer;
/// use hyper::rt::Timer;
///
/// #[heist::main]
/// async fn main() {
///     let start = Instant::now();
///     HeistTimer::new().sleep(Duration::from_millis(2)).await;
///     assert!(start.elapsed() >= Duration::from_millis(2));
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct HeistTimer {}

impl HeistTimer {
    /// Makes a timer. It has no state, so all timers are the same.
    pub fn new() -> Self {
        Self {}
    }
}

impl rt::Timer for HeistTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(HeistSleep {
            inner: crate::time::sleep(duration),
        })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(HeistSleep {
            inner: crate::time::sleep_until(deadline.into()),
        })
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, new_deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<HeistSleep>() {
            Some(ours) => ours.project().inner.reset(new_deadline.into()),
            // It is a sleep of another timer: hyper may be given one timer after the other.
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}

pin_project_lite::pin_project! {
    /// What [`HeistTimer`] returns. hyper knows it only as `dyn Sleep`.
    struct HeistSleep {
        #[pin]
        inner: crate::time::Sleep,
    }
}

impl Future for HeistSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().inner.poll(cx)
    }
}

impl rt::Sleep for HeistSleep {}
