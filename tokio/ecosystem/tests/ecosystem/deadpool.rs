//! deadpool: connections that tasks share, with timeouts on tokio's clock.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    Manager, Metrics, Pool, PoolError, RecycleError, RecycleResult, TimeoutType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::on_heist;

const CONNECTIONS: usize = 4;

#[derive(Debug)]
struct Connections {
    address: SocketAddr,
    made: AtomicUsize,
}

impl Manager for Connections {
    type Type = TcpStream;
    type Error = io::Error;

    async fn create(&self) -> io::Result<TcpStream> {
        self.made.fetch_add(1, Ordering::Relaxed);
        TcpStream::connect(self.address).await
    }

    /// Asks the server whether it still answers.
    async fn recycle(&self, stream: &mut TcpStream, _: &Metrics) -> RecycleResult<io::Error> {
        ask(stream, 1)
            .await
            .map(drop)
            .map_err(RecycleError::Backend)
    }
}

async fn ask(stream: &mut TcpStream, byte: u8) -> io::Result<u8> {
    stream.write_u8(byte).await?;
    stream.read_u8().await
}

/// Answers each byte, and closes the connection at the first zero.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                while let Ok(byte @ 1..) = stream.read_u8().await {
                    stream.write_u8(byte).await.expect("written");
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_shared_and_recycled() {
    on_heist(async {
        let manager = Connections {
            address: server().await,
            made: AtomicUsize::new(0),
        };
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(Duration::from_secs(20)))
            .recycle_timeout(Some(Duration::from_secs(20)))
            .build()
            .expect("a pool");
        let pool: Pool<Connections> = pool;
        let mut tasks = JoinSet::new();
        for i in 1..=64 {
            let pool = pool.clone();
            tasks.spawn(async move {
                for _ in 0..10 {
                    let mut stream = pool.get().await.expect("a connection");
                    assert_eq!(ask(&mut stream, i).await.expect("an answer"), i);
                }
            });
        }
        tasks.join_all().await;
        assert_eq!(pool.manager().made.load(Ordering::Relaxed), CONNECTIONS);

        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            held.push(pool.get().await.expect("a connection"));
        }
        let mut short = pool.timeouts();
        short.wait = Some(Duration::from_millis(20));
        let error = pool.timeout_get(&short).await.expect_err("all are held");
        assert!(
            matches!(error, PoolError::Timeout(TimeoutType::Wait)),
            "{error}"
        );

        // One is closed by the server, and another comes in its place.
        assert!(ask(&mut held[0], 0).await.is_err());
        drop(held);
        let mut again = Vec::new();
        for _ in 0..CONNECTIONS {
            again.push(pool.get().await.expect("a connection"));
        }
        for stream in &mut again {
            assert_eq!(ask(stream, 7).await.expect("an answer"), 7);
        }
        assert_eq!(pool.manager().made.load(Ordering::Relaxed), CONNECTIONS + 1);
    })
    .await;
}
