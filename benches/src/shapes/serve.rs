//! Servers on loopback. The server is the runtime measured. The client is another process, the same for all.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use benches::measure::process_cpu;

use crate::client::{Client, Load};
use crate::rt::{Rt, callbacks, epoll, python};

/// What a server does with the messages of its load.
#[derive(Clone, Copy)]
enum Server {
    Echo,
    Udp,
    /// Computes for so many microseconds, then answers.
    Http(u64),
}

/// What is served, and how the client asks.
const fn plan(shape: &str) -> Option<(Server, Load)> {
    let (server, kind, connections, messages) = match shape.as_bytes() {
        b"echo-1" => (Server::Echo, "echo-64", 1, 40_000),
        b"echo-64" => (Server::Echo, "echo-64", 64, 200_000),
        b"echo-1000" => (Server::Echo, "echo-64", 1_000, 200_000),
        b"echo-10000" => (Server::Echo, "echo-64", 9_900, 396_000),
        b"echo-8k" => (Server::Echo, "echo-8192", 64, 100_000),
        b"accept" => (Server::Echo, "connect", 16, 20_000),
        b"udp" => (Server::Udp, "udp", 64, 200_000),
        b"http" => (Server::Http(0), "http", 64, 100_000),
        b"http-20" => (Server::Http(20), "http", 64, 60_000),
        _ => return None,
    };
    let load = Load {
        kind,
        connections,
        messages,
    };
    Some((server, load))
}

macro_rules! shapes {
    ($($function:ident: $name:literal),+) => {$(
        pub(super) fn $function<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
            let (server, load) = const { plan($name).unwrap() };
            let address = start(runtime, server);
            measure(address, load, process_cpu)
        }
    )+};
}

shapes! {
    echo_1: "echo-1", echo_64: "echo-64", echo_1000: "echo-1000", echo_10000: "echo-10000", echo_8k: "echo-8k",
    accept: "accept", udp: "udp", http: "http", http_20: "http-20"
}

fn start<R: Rt>(runtime: &R, server: Server) -> SocketAddr {
    if let Server::Udp = server {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        detached(runtime, R::udp_echo(socket));
        return address;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    match server {
        Server::Http(micros) => detached(runtime, R::http(listener, Duration::from_micros(micros))),
        _ => detached(runtime, R::echo(listener)),
    }
    address
}

fn detached<R: Rt>(runtime: &R, server: impl Future<Output = ()> + Send + 'static) {
    runtime.block_on(runtime.spawn_from_outside(async { R::spawn_detached(server) }));
}

/// The same shape with a bare loop, if there is one for it.
pub(crate) fn bare(shape: &str) -> Option<Vec<f64>> {
    let (server, load) = plan(shape)?;
    let address = match server {
        Server::Echo => epoll::echo(),
        Server::Udp => epoll::udp(),
        Server::Http(_) => return None,
    };
    Some(measure(address, load, process_cpu))
}

/// The same shape in callbacks, if it is TCP echo. Python has a process for each worker.
pub(crate) fn in_callbacks(event_loop: &str, shape: &str, workers: usize) -> Option<Vec<f64>> {
    let (Server::Echo, load) = plan(shape)? else {
        return None;
    };
    if event_loop == "callbacks" {
        return Some(measure(callbacks::echo(workers), load, process_cpu));
    }
    match python::echo(event_loop, workers) {
        Ok(server) => Some(measure(server.address, load, || server.cpu())),
        Err(error) => {
            eprintln!("{shape}: {error}");
            None
        }
    }
}

/// CPU of the server a message, time a message, and the time from a message to its answer that 99 of 100 don't exceed; all in
/// microseconds.
fn measure(address: SocketAddr, load: Load, cpu: impl Fn() -> Duration) -> Vec<f64> {
    let warm_up = Load {
        messages: load.connections.max(load.messages / 10),
        ..load
    };
    Client::start(address, warm_up).run(|| ());
    let client = Client::start(address, load);
    let before = cpu();
    let (seen, after) = client.run(&cpu);
    let cpu = (after - before).as_secs_f64() * 1e6 / load.messages as f64;
    vec![cpu, seen.each, seen.p99]
}
