//! smol: its global executor, which has as many threads as `SMOL_THREADS` says.

use std::future::Future;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use smol::channel;
use smol::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use smol::lock::Mutex;

use super::{BLOCKS, Block, Lock, OneTx, Rt, Rx, Tx, answer};

pub(crate) struct Smol;

impl Rt for Smol {
    type Join<T: Send + 'static> = smol::Task<T>;
    type OneTx<T: Send + 'static> = channel::Sender<T>;
    type OneRx<T: Send + 'static> = OneRx<T>;
    type Tx<T: Send + 'static> = channel::Sender<T>;
    type Rx<T: Send + 'static> = channel::Receiver<T>;
    type Lock = Mutex<u64>;

    fn start(workers: usize) -> Self {
        // The parent has set the variable. The executor reads it when the first task is spawned.
        assert_eq!(
            std::env::var("SMOL_THREADS").as_deref(),
            Ok(workers.to_string().as_str())
        );
        Self
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        smol::block_on(future)
    }

    fn spawn_from_outside<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        smol::spawn(future)
    }

    fn spawn<F>(future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        smol::spawn(future)
    }

    fn spawn_detached<F: Future<Output = ()> + Send + 'static>(future: F) {
        smol::spawn(future).detach();
    }

    fn spawn_blocking(work: fn()) -> impl Future<Output = ()> + Send {
        smol::unblock(work)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }

    async fn sleep(time: Duration) {
        smol::Timer::after(time).await;
    }

    async fn timeout<F: Future<Output = ()> + Send>(time: Duration, future: F) -> bool {
        let in_time = async {
            future.await;
            true
        };
        let too_late = async {
            smol::Timer::after(time).await;
            false
        };
        smol::future::or(in_time, too_late).await
    }

    fn oneshot<T: Send + 'static>() -> (Self::OneTx<T>, Self::OneRx<T>) {
        // smol has no oneshot of its own; its users take a bounded channel instead.
        let (sender, receiver) = channel::bounded(1);
        (
            sender,
            OneRx(Box::pin(async move { receiver.recv().await.unwrap() })),
        )
    }

    fn channel<T: Send + 'static>(capacity: usize) -> (Self::Tx<T>, Self::Rx<T>) {
        channel::bounded(capacity)
    }

    async fn run_true() {
        let status = smol::process::Command::new("true").status().await;
        assert!(status.unwrap().success());
    }

    async fn lookup(host: &'static str) -> usize {
        smol::net::resolve((host, 80)).await.unwrap().len()
    }

    async fn read_blocks(path: PathBuf, times: usize) {
        let mut file = smol::fs::File::open(path).await.unwrap();
        let mut block = Block([0; 4096]);
        for _ in 0..times {
            for _ in 0..BLOCKS {
                assert_eq!(file.read(&mut block.0).await.unwrap(), 4096);
            }
            file.seek(std::io::SeekFrom::Start(0)).await.unwrap();
        }
    }

    async fn read_whole(path: PathBuf) -> Vec<u8> {
        smol::fs::read(path).await.unwrap()
    }

    async fn echo(listener: TcpListener) {
        let listener: smol::net::TcpListener = smol::Async::new(listener).unwrap().into();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            smol::spawn(async move {
                let mut buffer = [0; 8192];
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..length]).await.is_err() {
                        break;
                    }
                }
            })
            .detach();
        }
    }
    async fn udp_echo(socket: UdpSocket) {
        let socket: smol::net::UdpSocket = smol::Async::new(socket).unwrap().into();
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            socket.send_to(&buffer[..length], from).await.unwrap();
        }
    }

    async fn http(listener: TcpListener, work: Duration) {
        let listener: smol::net::TcpListener = smol::Async::new(listener).unwrap().into();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            smol::spawn(async move {
                let service = hyper::service::service_fn(|_| answer(work));
                let io = smol_hyper::rt::FuturesIo::new(stream);
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service)
                    .await;
            })
            .detach();
        }
    }
}

/// `Recv` borrows its receiver, so the two live in a box.
pub(crate) struct OneRx<T>(Pin<Box<dyn Future<Output = T> + Send>>);

impl<T> Future for OneRx<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.0.as_mut().poll(cx)
    }
}

impl<T: Send + 'static> OneTx<T> for channel::Sender<T> {
    fn send(self, value: T) {
        let _ = self.try_send(value);
    }
}

impl<T: Send + 'static> Tx<T> for channel::Sender<T> {
    async fn send(&self, value: T) {
        let _ = channel::Sender::send(self, value).await;
    }

    fn send_now(&self, value: T) {
        let _ = self.try_send(value);
    }
}

impl<T: Send + 'static> Rx<T> for channel::Receiver<T> {
    async fn recv(&mut self) -> Option<T> {
        channel::Receiver::recv(self).await.ok()
    }
}

impl Lock for Mutex<u64> {
    fn new() -> Self {
        Self::new(0)
    }

    async fn add_one(&self) {
        *self.lock().await += 1;
    }
}
