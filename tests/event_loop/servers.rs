//! Servers, and what goes wrong with them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, mpsc};

use heist::event_loop::{Address, AddressFamily, Protocol, RuntimeExt as _, Server, Transport};

use super::{
    Event, Link, Recorder, Watchdog, connect, nobody, on_all, read_exactly, read_to_end, runtime,
    serve, told,
};

/// Greets, and keeps the connection.
struct Greeter;

impl Protocol for Greeter {
    fn connection_made(&mut self, transport: Transport) {
        transport.write(b"hello");
    }
}

#[test]
fn a_closed_server_refuses_but_its_connections_go_on() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    // Nobody else gets the port when the server is closed.
    let (_keeps, address) = nobody("127.0.0.1");
    let server = runtime
        .block_on(runtime.event_loop().create_server(|| Greeter, address))
        .unwrap();
    let peer = connect(address);
    assert_eq!(read_exactly(&peer, 5), b"hello");
    assert!(server.is_serving());
    server.close();
    server.close();
    assert!(!server.is_serving() && server.sockets() == [address]);
    let waits = server.clone();
    let closed = runtime.spawn(async move { waits.wait_closed().await });
    // Refused as soon as the socket is closed.
    while let Ok(stream) = TcpStream::connect(address) {
        drop(stream);
    }
    assert!(!closed.is_finished(), "there still is a connection");
    drop(peer);
    runtime.block_on(closed).unwrap();
    // And the address is free.
    runtime
        .block_on(runtime.event_loop().create_server(|| Greeter, address))
        .unwrap();
}

#[test]
fn a_server_can_close_its_connections() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let server = serve(&runtime, || Greeter);
    for round in 0..2 {
        let peers: Vec<_> = (0..5).map(|_| connect(server.local_addr())).collect();
        peers.iter().for_each(|peer| drop(read_exactly(peer, 5)));
        if round == 0 {
            server.close_clients()
        } else {
            server.abort_clients()
        }
        peers
            .iter()
            .for_each(|peer| assert!(read_to_end(peer).is_empty()));
    }
    server.close();
    runtime.block_on(server.wait_closed());
}

#[test]
fn a_dropped_server_goes_on() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let server = serve(&runtime, || Greeter);
    let address = server.local_addr();
    drop(server);
    assert_eq!(read_exactly(&connect(address), 5), b"hello");
}

#[test]
fn a_factory_that_panics_costs_one_connection() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let told = told(&runtime.event_loop());
    let made = AtomicU32::new(0);
    let server = serve(&runtime, move || {
        assert_ne!(made.fetch_add(1, Ordering::Relaxed), 0, "the first is bad");
        Greeter
    });
    assert!(read_to_end(&connect(server.local_addr())).is_empty());
    assert!(
        told.recv()
            .unwrap()
            .starts_with("a server's protocol factory panicked")
    );
    assert_eq!(read_exactly(&connect(server.local_addr()), 5), b"hello");
}

#[test]
fn one_bad_connection_leaves_the_others_alone() {
    struct PanicsOn(&'static [u8], Option<Transport>);
    impl Protocol for PanicsOn {
        fn connection_made(&mut self, transport: Transport) {
            self.1 = Some(transport);
        }
        fn data_received(&mut self, data: &[u8]) {
            assert_ne!(data, self.0);
            self.1.as_ref().unwrap().write(data);
        }
    }
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let told = told(&runtime.event_loop());
    let server = serve(&runtime, || PanicsOn(b"bad", None));
    let (good, bad) = (connect(server.local_addr()), connect(server.local_addr()));
    (&bad).write_all(b"bad").unwrap();
    assert!(read_to_end(&bad).is_empty());
    (&good).write_all(b"good").unwrap();
    assert_eq!(read_exactly(&good, 4), b"good");
    told.recv().unwrap();
}

#[test]
fn a_protocol_may_be_boxed() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let server = serve(&runtime, || -> Box<dyn Protocol> { Box::new(Greeter) });
    assert_eq!(read_exactly(&connect(server.local_addr()), 5), b"hello");
}

#[test]
fn what_cannot_be_listened_at_or_connected_to_is_an_error() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let event_loop = runtime.event_loop();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    runtime.block_on(async {
        let error = event_loop
            .create_server(|| Greeter, address)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let error = event_loop
            .create_server(|| Greeter, &[][..])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let (_keeps, gone) = nobody("127.0.0.1");
        let error = event_loop
            .create_connection(|| Greeter, gone)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_server_listens_at_all_its_addresses() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let addresses = [
        "127.0.0.1:0".parse().unwrap(),
        "127.0.0.2:0".parse().unwrap(),
        "127.0.0.1:0".parse().unwrap(),
    ];
    let server = runtime
        .block_on(
            runtime
                .event_loop()
                .create_server(|| Greeter, &addresses[..]),
        )
        .unwrap();
    assert_eq!(server.sockets().len(), 2);
    for address in server.sockets() {
        assert_eq!(read_exactly(&connect(address.ip().unwrap()), 5), b"hello");
    }
    server.close();
    runtime.block_on(server.wait_closed());
}

/// Runs in a process of its own, started by the test below, that may have few descriptors.
#[test]
#[ignore = "only as a child of the test below"]
#[cfg(unix)]
fn child_without_descriptors() {
    use std::os::fd::AsRawFd as _;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use socket2::{Domain, Socket, Type};

    let link = Link::new();
    // The client has its descriptor by now, and there will be none for the server's side.
    let peer = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let lowest_free = std::fs::File::open("/dev/null").unwrap();
    let limit = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(lowest_free.as_raw_fd().unsigned_abs().into()),
        ..limit
    };
    drop(lowest_free);
    setrlimit(Resource::Nofile, none).unwrap();
    let started = std::time::Instant::now();
    peer.connect(&link.server.local_addr().into()).unwrap();
    for _ in 0..3 {
        let told = link.told.recv().unwrap();
        assert!(
            told.starts_with("a server can't accept connections for now: "),
            "{told}"
        );
    }
    // 10 ms, then 20.
    assert!(started.elapsed().as_millis() >= 30, "it spins");
    // The connection that was there goes on meanwhile.
    link.transport.write(b"alive");
    assert_eq!(read_exactly(&link.peer, 5), b"alive");
    setrlimit(Resource::Nofile, limit).unwrap();
    drop(peer);
    link.transport.abort();
    assert!(matches!(link.next(), Event::Lost(None)));
}

#[test]
#[cfg(unix)]
fn a_server_without_descriptors_waits_and_goes_on() {
    let _watchdog = Watchdog::new();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "servers::child_without_descriptors", "--ignored"])
            .output();
        sender.send(output).unwrap();
    });
    let output = receiver.recv().unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

struct Silent;

impl Protocol for Silent {}

#[test]
fn a_server_and_a_client_take_addresses_of_their_family_alone() {
    on_all(async |event_loop| {
        let both = [
            "127.0.0.1:0".parse::<SocketAddr>().unwrap(),
            "[::1]:0".parse().unwrap(),
        ];
        let server = event_loop.create_server(|| Silent, &both[..]);
        let server = server.family(AddressFamily::V4).await.unwrap();
        assert_eq!(server.sockets().len(), 1);
        let address = server.local_addr();
        assert!(address.is_ipv4());
        let client = event_loop.create_connection(|| Silent, address);
        client.family(AddressFamily::V6).await.unwrap_err();
        let client = event_loop.create_connection(|| Silent, address);
        client.family(AddressFamily::V4).await.unwrap();
    });
}

#[test]
fn the_end_of_the_clients_ends_those_whose_protocol_is_being_made() {
    on_all(async |event_loop| {
        let endings: [fn(&Server); 2] = [Server::close_clients, Server::abort_clients];
        for end in endings {
            let known = Arc::new(OnceLock::<Server>::new());
            let inside = known.clone();
            let (sender, events) = mpsc::channel();
            let factory = move || {
                let server = inside.get().unwrap();
                server.close();
                end(server);
                Recorder {
                    transport: None,
                    events: sender.clone(),
                    react: Box::new(|_, _| ()),
                    keep_open: false,
                }
            };
            let server = event_loop.create_server(factory, "127.0.0.1:0");
            let server = server.await.unwrap();
            known.set(server.clone()).unwrap();
            let silent = connect(server.local_addr());
            server.wait_closed().await;
            assert!(read_to_end(&silent).is_empty());
            let told: Vec<_> = events.try_iter().collect();
            assert!(
                matches!(told[..], [Event::Made(_), Event::Lost(None)]),
                "{told:?}"
            );
        }
    });
}

#[test]
fn the_end_of_the_clients_ends_those_that_wait_for_the_factory() {
    let _watchdog = Watchdog::new();
    for end in [Server::close_clients, Server::abort_clients] {
        let runtime = runtime();
        let addresses = ["127.0.0.1:0", "127.0.0.2:0"].map(|it| it.parse().unwrap());
        let (is_inside, inside) = mpsc::channel();
        let (go_on, waits) = mpsc::channel::<()>();
        let factory = move || {
            is_inside.send(()).unwrap();
            let _ = waits.recv();
            Silent
        };
        let server = runtime.event_loop().create_server(factory, &addresses[..]);
        let server = runtime.block_on(server).unwrap();
        let peers: Vec<_> = server.sockets().iter().filter_map(Address::ip).collect();
        let first = connect(peers[0]);
        inside.recv().unwrap();
        // It is accepted, and waits for the factory, or is accepted later.
        let second = connect(peers[1]);
        server.close();
        end(&server);
        drop(go_on);
        runtime.block_on(server.wait_closed());
        assert!(read_to_end(&first).is_empty());
        // If it was never accepted, that looks like a reset.
        assert!(matches!((&second).read(&mut [0]), Ok(0) | Err(_)));
    }
}

/// What happens while a server starts. A poller that the test brings looks at that.
#[cfg(unix)]
mod starting {
    use std::io;
    use std::net::TcpStream;
    use std::os::fd::RawFd;
    use std::pin::pin;
    use std::sync::{Arc, Mutex, mpsc};
    use std::task::{Context, Waker};
    use std::time::Duration;

    use heist::event_loop::RuntimeExt as _;
    use heist::runtime::Builder;
    use heist::runtime::backend::{Backend, Event, Interest, Poller, PosixPoll};

    use super::{Silent, Watchdog};

    /// A poller that calls something when a descriptor is registered.
    struct Hooked(PosixPoll, Arc<Mutex<Option<Hook>>>);

    type Hook = Box<dyn FnOnce() + Send>;

    impl Poller for Hooked {
        fn name(&self) -> &str {
            "hooked"
        }

        fn register(&self, fd: RawFd, token: usize, interest: Interest) -> io::Result<()> {
            let hook = self.1.lock().unwrap().take();
            if let Some(hook) = hook {
                hook();
            }
            self.0.register(fd, token, interest)
        }

        fn rearm(&self, token: usize, interest: Interest) {
            self.0.rearm(token, interest);
        }

        fn deregister(&self, fd: RawFd, token: usize) -> io::Result<()> {
            self.0.deregister(fd, token)
        }

        fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
            self.0.wait(events, timeout)
        }

        fn notify(&self) {
            self.0.notify();
        }
    }

    #[test]
    fn a_server_that_is_closed_while_it_starts_is_not_over_before_its_socket_is_closed() {
        let _watchdog = Watchdog::new();
        let hook = Arc::new(Mutex::new(None));
        let hooks = hook.clone();
        let backend = Backend::custom(move || Ok(Hooked(PosixPoll::new()?, hooks.clone())));
        let runtime = Builder::new_current_thread()
            .reactor(backend)
            .build()
            .unwrap();
        let create = runtime.event_loop().create_server(|| Silent, "127.0.0.1:0");
        let server = runtime.block_on(create.start_serving(false)).unwrap();
        let (sender, looked) = mpsc::channel();
        let closes = server.clone();
        let looks: Hook = Box::new(move || {
            // The socket listens already.
            closes.close();
            let mut over = pin!(closes.wait_closed());
            let is_over = over.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let refused = TcpStream::connect(closes.local_addr()).is_err();
            sender.send((is_over.is_ready(), refused)).unwrap();
        });
        *hook.lock().unwrap() = Some(looks);
        server.start_serving().unwrap();
        assert_eq!(looked.recv().unwrap(), (false, false));
        runtime.block_on(server.wait_closed());
        assert!(!server.is_serving());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_that_can_listen_nowhere_is_over() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    // Two sockets may have the same address as long as none of them listens.
    let create = |address| {
        let create = runtime.event_loop().create_server(|| Silent, address);
        runtime.block_on(create.start_serving(false)).unwrap()
    };
    let first = create("127.0.0.1:0".parse().unwrap());
    let second = create(first.local_addr());
    first.start_serving().unwrap();
    let error = second.start_serving().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    runtime.block_on(second.wait_closed());
    assert!(first.is_serving() && !second.is_serving());
}
