//! tokio, multi-threaded.

use std::future::Future;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{BLOCKS, Block, Joined, Lock, OneTx, Rt, Rx, Tx, answer};

pub(crate) struct Tokio(tokio::runtime::Runtime);

impl Rt for Tokio {
    type Join<T: Send + 'static> = Joined<JoinHandle<T>>;
    type OneTx<T: Send + 'static> = oneshot::Sender<T>;
    type OneRx<T: Send + 'static> = Joined<oneshot::Receiver<T>>;
    type Tx<T: Send + 'static> = mpsc::Sender<T>;
    type Rx<T: Send + 'static> = mpsc::Receiver<T>;
    type Lock = Mutex<u64>;

    fn start(workers: usize) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Self(
            builder
                .worker_threads(workers)
                .enable_all()
                .build()
                .unwrap(),
        )
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn spawn_from_outside<F>(&self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Joined(self.0.spawn(future))
    }

    fn spawn<F>(future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Joined(tokio::spawn(future))
    }

    fn spawn_detached<F: Future<Output = ()> + Send + 'static>(future: F) {
        drop(tokio::spawn(future));
    }

    fn spawn_blocking(work: fn()) -> impl Future<Output = ()> + Send {
        Joined(tokio::task::spawn_blocking(work))
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }

    async fn timeout<F: Future<Output = ()> + Send>(time: Duration, future: F) -> bool {
        tokio::time::timeout(time, future).await.is_ok()
    }

    fn oneshot<T: Send + 'static>() -> (Self::OneTx<T>, Self::OneRx<T>) {
        let (sender, receiver) = oneshot::channel();
        (sender, Joined(receiver))
    }

    fn channel<T: Send + 'static>(capacity: usize) -> (Self::Tx<T>, Self::Rx<T>) {
        mpsc::channel(capacity)
    }

    async fn run_true() {
        let status = tokio::process::Command::new("true").status().await;
        assert!(status.unwrap().success());
    }

    async fn lookup(host: &'static str) -> usize {
        tokio::net::lookup_host((host, 80)).await.unwrap().count()
    }

    async fn read_blocks(path: PathBuf, times: usize) {
        let mut file = tokio::fs::File::open(path).await.unwrap();
        let mut block = Block([0; 4096]);
        for _ in 0..times {
            for _ in 0..BLOCKS {
                assert_eq!(file.read(&mut block.0).await.unwrap(), 4096);
            }
            file.rewind().await.unwrap();
        }
    }

    async fn read_whole(path: PathBuf) -> Vec<u8> {
        tokio::fs::read(path).await.unwrap()
    }

    async fn echo(listener: TcpListener) {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 8192];
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..length]).await.is_err() {
                        break;
                    }
                }
            });
        }
    }
    async fn udp_echo(socket: UdpSocket) {
        socket.set_nonblocking(true).unwrap();
        let socket = tokio::net::UdpSocket::from_std(socket).unwrap();
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            socket.send_to(&buffer[..length], from).await.unwrap();
        }
    }

    async fn http(listener: TcpListener, work: Duration) {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let service = hyper::service::service_fn(|_| answer(work));
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service)
                    .await;
            });
        }
    }
}

impl<T: Send + 'static> OneTx<T> for oneshot::Sender<T> {
    fn send(self, value: T) {
        let _ = oneshot::Sender::send(self, value);
    }
}

impl<T: Send + 'static> Tx<T> for mpsc::Sender<T> {
    async fn send(&self, value: T) {
        let _ = mpsc::Sender::send(self, value).await;
    }

    fn send_now(&self, value: T) {
        let _ = self.try_send(value);
    }
}

impl<T: Send + 'static> Rx<T> for mpsc::Receiver<T> {
    fn recv(&mut self) -> impl Future<Output = Option<T>> + Send {
        mpsc::Receiver::recv(self)
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
