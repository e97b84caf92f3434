//! What the shapes need from a runtime, so that each shape is written once. There is one file for each implementation.
//!
//! The trait is thin on purpose: every method is one call of the runtime's own. So a shape measures what a user of that
//! runtime would write.

use std::future::Future;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) mod callbacks;
pub(crate) mod epoll;
pub(crate) mod heist;
pub(crate) mod python;
pub(crate) mod smol;
pub(crate) mod tokio;
#[cfg(target_os = "linux")]
pub(crate) mod uring;

/// How many blocks the file of [`Rt::read_blocks`] has.
pub(crate) const BLOCKS: usize = 256;

/// A block. The processor copies a page several times slower to an address some bytes after the start of a page.
#[repr(align(64))]
pub(crate) struct Block(pub(crate) [u8; 4096]);

/// A runtime. The value is the runtime as seen from outside; the functions without `self` are called inside a task.
pub(crate) trait Rt: Send + Sync + Sized + 'static {
    /// Awaits a task's output.
    type Join<T: Send + 'static>: Future<Output = T> + Send;
    /// The sending half of a oneshot channel.
    type OneTx<T: Send + 'static>: OneTx<T>;
    /// The receiving half of a oneshot channel.
    type OneRx<T: Send + 'static>: Future<Output = T> + Send;
    /// The sending half of a bounded channel.
    type Tx<T: Send + 'static>: Tx<T>;
    /// The receiving half of a bounded channel.
    type Rx<T: Send + 'static>: Rx<T>;
    /// An async mutex round a counter.
    type Lock: Lock;

    fn start(workers: usize) -> Self;
    fn block_on<F: Future>(&self, future: F) -> F::Output;
    fn spawn_from_outside<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    fn spawn<F>(future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
    fn spawn_detached<F: Future<Output = ()> + Send + 'static>(future: F);
    fn spawn_blocking(work: fn()) -> impl Future<Output = ()> + Send;
    fn yield_now() -> impl Future<Output = ()> + Send;
    fn sleep(time: Duration) -> impl Future<Output = ()> + Send;
    /// Whether `future` completed in time.
    fn timeout<F: Future<Output = ()> + Send>(
        time: Duration,
        future: F,
    ) -> impl Future<Output = bool> + Send;
    fn oneshot<T: Send + 'static>() -> (Self::OneTx<T>, Self::OneRx<T>);
    fn channel<T: Send + 'static>(capacity: usize) -> (Self::Tx<T>, Self::Rx<T>);
    /// Starts `true` and waits until it has ended.
    fn run_true() -> impl Future<Output = ()> + Send;
    /// Looks up the addresses of `host`, at any port. Returns how many there are.
    fn lookup(host: &'static str) -> impl Future<Output = usize> + Send;
    /// Opens a file of [`BLOCKS`] blocks of 4 KiB, and reads it so many times, block by block.
    fn read_blocks(path: PathBuf, times: usize) -> impl Future<Output = ()> + Send;
    /// Reads a whole file.
    fn read_whole(path: PathBuf) -> impl Future<Output = Vec<u8>> + Send;
    /// Accepts without end. Each connection is a task that sends back what it reads.
    fn echo(listener: TcpListener) -> impl Future<Output = ()> + Send;
    /// Sends back each datagram, without end.
    fn udp_echo(socket: UdpSocket) -> impl Future<Output = ()> + Send;
    /// Accepts without end, and answers requests by hyper. Each costs so much computing.
    fn http(listener: TcpListener, work: Duration) -> impl Future<Output = ()> + Send;
}

pub(crate) trait OneTx<T>: Send + 'static {
    fn send(self, value: T);
}

pub(crate) trait Tx<T>: Clone + Send + Sync + 'static {
    fn send(&self, value: T) -> impl Future<Output = ()> + Send;
    /// For a thread outside the runtime. The channel must have room.
    fn send_now(&self, value: T);
}

pub(crate) trait Rx<T>: Send + 'static {
    fn recv(&mut self) -> impl Future<Output = Option<T>> + Send;
}

pub(crate) trait Lock: Send + Sync + 'static {
    fn new() -> Self;
    /// Takes the lock, adds one, and gives the lock back.
    fn add_one(&self) -> impl Future<Output = ()> + Send;
}

/// A join handle whose task never panics and is never cancelled.
pub(crate) struct Joined<J>(pub(crate) J);

impl<J, T, E> Future for Joined<J>
where
    J: Future<Output = Result<T, E>> + Unpin,
    E: std::fmt::Debug,
{
    type Output = T;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<T> {
        std::pin::Pin::new(&mut self.0).poll(cx).map(Result::unwrap)
    }
}

/// What hyper's servers answer: always the same, after computing.
pub(crate) async fn answer(
    work: Duration,
) -> Result<hyper::Response<http_body_util::Full<bytes::Bytes>>, std::convert::Infallible> {
    if !work.is_zero() {
        benches::measure::burn(work);
    }
    Ok(hyper::Response::new(
        bytes::Bytes::from_static(b"hello, world").into(),
    ))
}
