//! The client of the shapes that serve: a process of its own, the same for all runtimes.
//!
//! It connects, says that it is ready, and begins when it is told to. So what is measured is messages alone.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use benches::measure::percentile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::task::{LocalSet, spawn_local};

/// What a client sends, and over how many connections. Each connection sends the next message when the answer to the last one has
/// come.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) kind: &'static str,
    pub(crate) connections: usize,
    pub(crate) messages: usize,
}

/// The kinds of messages, as the command line names them.
const KINDS: [(&str, Kind); 5] = [
    ("echo-64", Kind::Echo(64)),
    ("echo-8192", Kind::Echo(8192)),
    ("connect", Kind::Connect),
    ("udp", Kind::Udp),
    ("http", Kind::Http),
];

#[derive(Clone, Copy)]
enum Kind {
    /// So many bytes come back over TCP.
    Echo(usize),
    /// The same with 64 bytes, on a new connection each time.
    Connect,
    /// 64 bytes come back over UDP.
    Udp,
    /// A request is answered.
    Http,
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A client that is ready to begin.
pub(crate) struct Client {
    child: Child,
    begin: ChildStdin,
    said: BufReader<ChildStdout>,
}

/// What a client has seen, in microseconds.
pub(crate) struct Seen {
    /// Time over messages.
    pub(crate) each: f64,
    /// From a message to its answer.
    pub(crate) p99: f64,
}

impl Client {
    pub(crate) fn start(address: SocketAddr, load: Load) -> Client {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--client", load.kind, &address.to_string()])
            .args([load.connections.to_string(), load.messages.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let begin = child.stdin.take().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let mut client = Client { child, begin, said };
        client.line();
        client
    }

    /// Sends all messages, and calls `done` while the connections are still open.
    pub(crate) fn run<T>(mut self, done: impl FnOnce() -> T) -> (Seen, T) {
        self.begin.write_all(b"begin\n").unwrap();
        let line = self.line();
        let done = done();
        drop(self.begin);
        assert!(self.child.wait().unwrap().success(), "the client failed");
        let mut numbers = line.split_whitespace().map(|it| it.parse().unwrap());
        let (each, p99) = (numbers.next().unwrap(), numbers.next().unwrap());
        (Seen { each, p99 }, done)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the client failed");
        line
    }
}

/// The client's own process.
pub(crate) fn main(kind: &str, address: SocketAddr, connections: usize, messages: usize) {
    let (_, kind) = KINDS.iter().find(|(name, _)| *name == kind).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let each = messages / connections;
    LocalSet::new().block_on(&runtime, async {
        let mut all = Vec::new();
        for _ in 0..connections {
            all.push(Connection::open(*kind, address).await);
        }
        println!("ready");
        line();
        // The client never sleeps, so no message from the server has to wake it. On a virtual machine that would cost
        // more than everything else, and would be counted as the server's time.
        spawn_local(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        let start = Instant::now();
        let running: Vec<_> = all
            .into_iter()
            .map(|connection| spawn_local(connection.run(each)))
            .collect();
        let (mut open, mut times) = (Vec::new(), Vec::new());
        for one in running {
            let (connection, its_times) = one.await.unwrap();
            open.push(connection);
            times.extend(its_times);
        }
        let each = start.elapsed().as_secs_f64() * 1e6 / times.len() as f64;
        println!("{each} {}", percentile(&mut times, 99));
        line();
    });
}

fn line() {
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// A connection that sends one message at a time.
enum Connection {
    Stream(TcpStream, Rc<[u8]>, Vec<u8>),
    Anew(SocketAddr),
    Datagrams(UdpSocket),
}

impl Connection {
    async fn open(kind: Kind, address: SocketAddr) -> Connection {
        let message: Rc<[u8]> = match kind {
            Kind::Echo(length) => vec![7; length].into(),
            Kind::Http => REQUEST.into(),
            Kind::Connect => return Connection::Anew(address),
            Kind::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                socket.connect(address).await.unwrap();
                return Connection::Datagrams(socket);
            }
        };
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        // The server has accepted, and the length of its answers is known.
        stream.write_all(&message).await.unwrap();
        let mut answer = vec![0; 16 * 1024];
        let length = match kind {
            Kind::Http => stream.read(&mut answer).await.unwrap(),
            _ => stream
                .read_exact(&mut answer[..message.len()])
                .await
                .unwrap(),
        };
        answer.truncate(length);
        Connection::Stream(stream, message, answer)
    }

    /// Sends so many messages. Returns the time that each took, in microseconds.
    async fn run(mut self, messages: usize) -> (Connection, Vec<f64>) {
        let mut times = Vec::with_capacity(messages);
        for _ in 0..messages {
            let start = Instant::now();
            self.exchange().await;
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
        (self, times)
    }

    async fn exchange(&mut self) {
        match self {
            Connection::Stream(stream, message, answer) => {
                stream.write_all(message).await.unwrap();
                stream.read_exact(answer).await.unwrap();
            }
            Connection::Anew(address) => {
                let mut buffer = [7; 64];
                let socket = TcpSocket::new_v4().unwrap();
                // Or else it would run out of ports: each would wait a minute behind its connection.
                socket.set_zero_linger().unwrap();
                let mut stream = socket.connect(*address).await.unwrap();
                stream.write_all(&buffer).await.unwrap();
                stream.read_exact(&mut buffer).await.unwrap();
            }
            Connection::Datagrams(socket) => {
                let mut buffer = [7; 64];
                socket.send(&buffer).await.unwrap();
                // No datagram is lost on loopback, unless a buffer is full.
                let answer = tokio::time::timeout(Duration::from_secs(5), socket.recv(&mut buffer));
                assert_eq!(answer.await.expect("a datagram was lost").unwrap(), 64);
            }
        }
    }
}
