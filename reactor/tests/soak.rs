//! Many connections, for long. What was sent arrives, and descriptors, memory and threads come back.
//!
//! Here a tenth and less of it runs; `.ci/soak` sets `HEIST_SOAK=long`, and runs it all.
#![cfg(target_os = "linux")]

#[path = "support/counting.rs"]
mod counting;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use counting::in_use;
use heist::runtime::{Builder, Runtime};
use heist::sync::Barrier;
use heist::task::JoinSet;
use heist_reactor::io::{AsyncReadExt, AsyncWriteExt};
use heist_reactor::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use heist_reactor::testing::within_limit;

/// The tests count what the process has, so they take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// `long` where the long form was asked for.
fn either(short: usize, long: usize) -> usize {
    match std::env::var("HEIST_SOAK").as_deref() {
        Ok("long") => long,
        _ => short,
    }
}

/// The long form takes longer than any test may.
fn limited(test: impl FnOnce() + Send + 'static) {
    match either(0, 1) {
        0 => within_limit(test),
        _ => test(),
    }
}

/// Lets the process have as many descriptors as the system allows, and returns how many.
fn most_descriptors() -> usize {
    // SAFETY: the system reads and writes a structure of our own.
    unsafe {
        let mut limit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
        usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
    }
}

fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).expect("proc").count()
}

/// What the process has: descriptors, threads, bytes of memory.
#[derive(Debug)]
struct Has {
    descriptors: usize,
    threads: usize,
    bytes: usize,
}

impl Has {
    fn now() -> Self {
        Self {
            descriptors: entries("/proc/self/fd"),
            threads: entries("/proc/self/task"),
            bytes: in_use(),
        }
    }

    /// Fails if there is more than there was: threads and descriptors that don't go make the test exceed its limit. The test
    /// harness may have written something meanwhile, so a quarter of a mebibyte of memory counts as none.
    fn assert_back(&self, what: &str) {
        let mut now = Has::now();
        // A thread that has been joined may be listed for a moment more, and a look-up that was given up may have a file open.
        while now.threads > self.threads || now.descriptors > self.descriptors {
            std::thread::yield_now();
            now = Has::now();
        }
        println!("{what}: {self:?} before, {now:?} after");
        assert!(now.bytes < self.bytes + (256 << 10), "{what}");
    }
}

fn runtime() -> Runtime {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime")
}

/// Numbers as if by chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }
}

/// FNV-1a, of all bytes of a stream.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Hash(u64);

impl Hash {
    const NEW: Self = Self(0xcbf2_9ce4_8422_2325);

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// The first byte of a message to which the server's answer is to reset the connection.
const RESET: u8 = 255;

/// Sends back whatever comes, until the end.
async fn echo(mut stream: TcpStream) {
    let mut room = [0; 1_500];
    loop {
        match stream.read(&mut room).await {
            Ok(len @ 1..) => {
                if room[0] == RESET {
                    stream.set_zero_linger().expect("a socket");
                    return;
                }
                if stream.write_all(&room[..len]).await.is_err() {
                    return;
                }
            }
            // The end, or a peer that is gone.
            _ => return,
        }
    }
}

async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("there are descriptors");
        connections.spawn(echo(stream));
        while let Some(ended) = connections.try_join_next() {
            ended.expect("no panic");
        }
    }
}

/// Sends some messages and reads each back, in pieces of other sizes. Returns the hashes of both.
async fn exchange(stream: &mut TcpStream, chance: &mut Chance) -> io::Result<(Hash, Hash)> {
    let (mut sent, mut heard) = (Hash::NEW, Hash::NEW);
    for _ in 0..1 + chance.below(4) {
        let message: Vec<_> = (0..1 + chance.below(1_000))
            .map(|_| chance.below(RESET.into()) as u8)
            .collect();
        sent.add(&message);
        let (mut read, mut write) = stream.split();
        let reads = async {
            let mut room = vec![0; 1 + chance.below(700)];
            let mut left = message.len();
            while left > 0 {
                let most = left.min(room.len());
                let len = read.read(&mut room[..most]).await?;
                if len == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                heard.add(&room[..len]);
                left -= len;
            }
            io::Result::Ok(())
        };
        heist::try_join!(reads, write.write_all(&message))?;
    }
    Ok((sent, heard))
}

/// Ends a connection in one of several ways.
async fn die(mut stream: TcpStream, chance: &mut Chance) {
    match chance.below(4) {
        // A reset by us; the server may be in the middle of an answer.
        0 => {
            stream.set_zero_linger().expect("a socket");
            let _ = stream.write(&[7; 3_000]).await;
        }
        // A reset by the server.
        1 => {
            stream.write_all(&[RESET]).await.expect("it is connected");
            let reset = stream.read(&mut [0; 1]).await.unwrap_err();
            assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
        }
        // We say that we are done, and read what is left.
        2 => {
            stream
                .write_all(b"last words")
                .await
                .expect("it is connected");
            stream.shutdown().await.expect("it is connected");
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.expect("all of it");
            assert_eq!(heard, b"last words");
        }
        // We close it with an answer unread.
        _ => {
            let _ = stream.write(&[7; 3_000]).await;
        }
    }
}

/// Connects. Where thousands connect at once, the listener's queue is full for a while. If it stays so for two minutes, the system
/// gives up: this process may have been stopped meanwhile, or have got no processor.
async fn connect(address: SocketAddr) -> TcpStream {
    loop {
        match TcpStream::connect(address).await {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
            connected => return connected.expect("it listens"),
        }
    }
}

/// One of many connections. Of its rounds, every tenth ends in its death, and another takes its place.
async fn live(
    address: SocketAddr,
    nth: usize,
    rounds: usize,
    all: Arc<Barrier>,
    died: Arc<AtomicUsize>,
) {
    let mut chance = Chance(nth as u64 + 1);
    let mut stream = connect(address).await;
    all.wait().await;
    for _ in 0..rounds {
        let (sent, heard) = exchange(&mut stream, &mut chance).await.expect("it lives");
        assert_eq!(sent, heard);
        if chance.below(10) == 0 {
            died.fetch_add(1, Ordering::Relaxed);
            die(stream, &mut chance).await;
            stream = connect(address).await;
        }
    }
    // All of them are still there.
    all.wait().await;
    // The client closes with a reset, so that no port stays taken.
    stream.set_zero_linger().expect("a socket");
}

/// So many connections at once, each for some rounds.
fn many_connections(count: usize, rounds: usize) {
    let runtime = runtime();
    let died = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        // All of them fit into its queue. Where they don't, the system drops some and tries again ever later, up to minutes.
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind("127.0.0.1:0".parse().expect("an address"))
            .expect("a port");
        let listener = socket
            .listen(u32::try_from(count).expect("a count"))
            .expect("it listens");
        let address = listener.local_addr().expect("bound");
        let server = heist::spawn(serve(listener));
        let all = Arc::new(Barrier::new(count));
        let mut clients = JoinSet::new();
        for nth in 0..count {
            clients.spawn(live(address, nth, rounds, all.clone(), died.clone()));
        }
        while let Some(ended) = clients.join_next().await {
            ended.expect("no panic");
        }
        server.abort();
        assert!(server.await.is_err());
    });
    let died = died.load(Ordering::Relaxed);
    assert!(
        died > count * rounds / 20,
        "not even half of a tenth: {died}"
    );
}

#[test]
fn ten_thousand_connections_carry_their_bytes_while_some_die() {
    let most = (most_descriptors() - 200) / 2;
    let waves = either(1, 10);
    limited(move || {
        let _turn = turn();
        let count = most.min(either(1_000, 10_000));
        many_connections(count, 1);
        let before = Has::now();
        for _ in 0..waves {
            many_connections(count, either(3, 5));
        }
        before.assert_back(&format!("{count} connections"));
    });
}

#[test]
fn connects_and_closes_without_end_leave_nothing() {
    fn connect_and_close(times: usize) {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("bound");
            for nth in 0..times {
                let client = TcpStream::connect(address).await.expect("it listens");
                // So that no port stays taken.
                client.set_zero_linger().expect("a socket");
                match nth % 3 {
                    0 => drop((client, listener.accept().await.expect("a peer"))),
                    1 => drop((listener.accept().await.expect("a peer"), client)),
                    _ => {
                        drop(client);
                        listener.accept().await.expect("one that is gone");
                    }
                }
            }
        });
    }
    limited(|| {
        let _turn = turn();
        connect_and_close(1_000);
        let before = Has::now();
        connect_and_close(either(10_000, 1_000_000));
        before.assert_back("connects and closes");
    });
}

/// Look-ups, of which some are given up.
#[test]
fn look_ups_leave_nothing_but_their_threads() {
    fn look_up(times: usize) {
        runtime().block_on(async {
            for nth in 0..times {
                let host = ("localhost", nth as u16);
                let limit = match nth % 2 {
                    0 => Duration::ZERO,
                    _ => Duration::from_secs(60),
                };
                let found = heist_reactor::time::timeout(limit, lookup_host(host)).await;
                let found = found.map(|found| found.map(|mut all| all.next()));
                assert!(!matches!(found, Ok(Err(_) | Ok(None))), "{found:?}");
            }
        });
    }
    limited(|| {
        let _turn = turn();
        look_up(200);
        let before = Has::now();
        look_up(either(1_000, 100_000));
        before.assert_back("look-ups");
    });
}
