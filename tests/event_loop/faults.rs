//! Faults that the layer once had.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::Location;
use std::sync::mpsc;
use std::time::Duration;

use heist::event_loop::{
    AddressFamily, CreateConnection, CreateDatagramEndpoint, CreateServer, DatagramProtocol,
    DatagramTransport, EventLoop, Protocol, RuntimeExt as _, Transport, extra,
};
use heist::runtime::Builder;
use heist::task::JoinSet;

use super::{Event, Link, Watchdog, connect, nobody, on_all, pattern, read_exactly, runtime};

struct Greeter;

impl Protocol for Greeter {
    fn connection_made(&mut self, transport: Transport) {
        transport.write(b"hello");
    }
}

struct Quiet;

impl Protocol for Quiet {}

#[test]
fn what_a_loop_makes_belongs_to_its_runtime_whoever_calls() {
    let _watchdog = Watchdog::new();
    let (owner, caller) = (runtime(), runtime());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let event_loop = owner.event_loop();
    let (server, transport, protocol) = caller.block_on(async {
        let server = event_loop.create_server(|| Greeter, "127.0.0.1:0").await;
        let address = listener.local_addr().unwrap();
        let made = event_loop.create_connection(|| Quiet, address).await;
        let (transport, protocol) = made.unwrap();
        (server.unwrap(), transport, protocol)
    });
    drop(caller);
    assert_eq!(read_exactly(&connect(server.local_addr()), 5), b"hello");
    let (mut peer, _) = listener.accept().unwrap();
    transport.write(b"alive");
    transport.close();
    let mut said = String::new();
    peer.read_to_string(&mut said).unwrap();
    assert_eq!(said, "alive");
    owner.block_on(protocol.wait_lost()).unwrap();
}

#[test]
fn a_callback_that_writes_until_it_is_told_to_stop_ends() {
    let (wrote, written) = std::sync::mpsc::channel();
    let link = Link::reacting(false, move |event, transport| {
        if let Event::Data(_) = event {
            assert!(!transport.is_writing_paused());
            let mut total = 10_000;
            while transport.write(&pattern(10_000)) {
                total += 10_000;
            }
            wrote.send(total).unwrap();
            assert!(transport.is_writing_paused());
            let waiting = transport.get_write_buffer_size();
            assert!(waiting > 64 * 1024 && waiting <= 64 * 1024 + 10_000);
        }
    });
    (&link.peer).write_all(b"go").unwrap();
    assert!(matches!(link.next(), Event::Data(_)));
    assert!(matches!(link.next(), Event::Paused));
    read_exactly(&link.peer, written.recv().unwrap());
    assert!(matches!(link.next(), Event::Resumed));
    assert!(!link.transport.is_writing_paused());
    assert!(link.transport.write(b"more"));
}

/// Writes as long as it was not told to stop.
struct Obeys {
    transport: Option<Transport>,
    paused: bool,
    most: usize,
}

impl Protocol for Obeys {
    fn connection_made(&mut self, transport: Transport) {
        self.transport = Some(transport);
    }

    fn pause_writing(&mut self) {
        self.paused = true;
    }

    fn resume_writing(&mut self) {
        self.paused = false;
    }
}

#[test]
fn errands_go_back_to_the_transport_between_each_other() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    runtime.block_on(async {
        let factory = || Obeys {
            transport: None,
            paused: false,
            most: 0,
        };
        let event_loop = runtime.event_loop();
        let address = listener.local_addr().unwrap();
        let made = event_loop.create_connection(factory, address).await;
        let (transport, protocol) = made.unwrap();
        let protocol = std::sync::Arc::new(protocol);
        let mut errands = JoinSet::new();
        for _ in 0..2_000 {
            let protocol = protocol.clone();
            errands.spawn(async move {
                let write = |protocol: &mut Obeys| {
                    let transport = protocol.transport.as_ref().unwrap();
                    if !protocol.paused {
                        transport.write(&pattern(10_000));
                    }
                    protocol.most = protocol.most.max(transport.get_write_buffer_size());
                };
                protocol.with(write).await.unwrap();
            });
        }
        errands.join_all().await;
        let most = protocol.with(|protocol| protocol.most).await.unwrap();
        assert!(most > 0 && most <= 64 * 1024 + 10_000, "{most}");
        transport.abort();
    });
}

#[test]
fn a_server_can_have_one_port_in_both_families() {
    let Ok(free) = TcpListener::bind("[::1]:0") else {
        return;
    };
    drop(free);
    on_all(async |event_loop| {
        // Another program may take the port in between.
        for attempt in 0.. {
            let free = TcpListener::bind("0.0.0.0:0").unwrap().local_addr();
            let port = free.unwrap().port();
            let addresses: [SocketAddr; 2] = [
                format!("0.0.0.0:{port}").parse().unwrap(),
                format!("[::]:{port}").parse().unwrap(),
            ];
            match event_loop.create_server(|| Greeter, &addresses[..]).await {
                Err(error) if error.kind() == ErrorKind::AddrInUse && attempt < 10 => continue,
                server => assert_eq!(server.unwrap().sockets().len(), 2),
            }
            for host in ["127.0.0.1", "::1"] {
                let (mut reader, _writer) = event_loop.open_connection((host, port)).await.unwrap();
                assert_eq!(reader.readexactly(5).await.unwrap(), b"hello");
            }
            return;
        }
    });
}

#[test]
fn the_socket_is_closed_when_the_protocol_is_given_back() {
    on_all(async |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..100 {
            let made = event_loop.create_connection(|| Quiet, address).await;
            let (transport, protocol) = made.unwrap();
            let socket = transport.get_extra_info(extra::SOCKET).unwrap();
            assert!(socket.nodelay().unwrap());
            transport.close();
            protocol.wait_lost().await.unwrap();
            // Nobody has it any more, so it is closed.
            assert!(socket.nodelay().is_err());
        }
    });
}

fn text(result: io::Result<impl Sized>) -> String {
    match result {
        Ok(_) => panic!("it worked"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn all_addresses_that_failed_are_named() {
    on_all(async |event_loop| {
        let elsewhere: [SocketAddr; 2] = [
            "203.0.113.1:0".parse().unwrap(),
            "203.0.113.2:0".parse().unwrap(),
        ];
        let told = text(event_loop.create_server(|| Quiet, &elsewhere[..]).await);
        assert!(
            told.contains("203.0.113.1:0: ") && told.contains("203.0.113.2:0: "),
            "{told}"
        );

        let (_keeps, taken) = nobody("127.0.0.1");
        let told = text(event_loop.create_connection(|| Quiet, taken).await);
        assert!(told.contains(&format!("{taken}: ")), "{told}");
        let (_keeps_too, other) = nobody("127.0.0.2");
        let told = text(
            event_loop
                .create_connection(|| Quiet, &[taken, other][..])
                .await,
        );
        assert!(told.contains(&format!("{taken}: ")) && told.contains(&format!("{other}: ")));
    });
}

#[test]
fn a_runtime_that_nobody_runs_can_still_own_a_server() {
    let _watchdog = Watchdog::new();
    let owner = Builder::new_current_thread().build().unwrap();
    let caller = runtime();
    let server = caller
        .block_on(async {
            owner
                .event_loop()
                .create_server(|| Greeter, "127.0.0.1:0")
                .await
        })
        .unwrap();
    drop(caller);
    let peer = connect(server.local_addr());
    // Served as soon as somebody runs the runtime.
    owner.block_on(async {
        let read = heist::task::spawn_blocking(move || read_exactly(&peer, 5));
        assert_eq!(read.await.unwrap(), b"hello");
    });
}

#[test]
fn a_delay_that_the_clock_cannot_count_is_for_ever() {
    on_all(async |event_loop| {
        let (_keeps, gone) = nobody("127.0.0.1");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let both = [gone, address];
        for delay in [Duration::MAX, Duration::from_secs(u64::MAX / 4)] {
            let connect = event_loop.create_connection(|| Quiet, &both[..]);
            let (transport, _) = connect.happy_eyeballs_delay(delay).await.unwrap();
            assert_eq!(transport.peer_addr(), Some(address));
        }
    });
}

#[test]
fn an_option_that_is_not_for_a_kind_of_connection_is_refused() {
    type Connect = CreateConnection<'static, Quiet>;
    on_all(async |event_loop| {
        let options: [fn(Connect) -> Connect; 3] = [
            |connect| connect.family(AddressFamily::V4),
            |connect| connect.local_addr("127.0.0.1:0".parse().unwrap()),
            |connect| connect.happy_eyeballs_delay(None),
        ];
        for set in options {
            let mut kinds = Vec::new();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let accepted = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            kinds.push(event_loop.connect_accepted_socket(|| Quiet, accepted));
            #[cfg(unix)]
            {
                kinds.push(event_loop.create_unix_connection(|| Quiet, "/nowhere"));
                let (reader, writer) = io::pipe().unwrap();
                kinds.push(event_loop.connect_read_pipe(|| Quiet, reader));
                kinds.push(event_loop.connect_write_pipe(|| Quiet, writer));
                let (socket, _) = std::os::unix::net::UnixStream::pair().unwrap();
                kinds.push(event_loop.connect_read_pipe(|| Quiet, socket));
            }
            for connect in kinds {
                assert_refused(set(connect).await);
            }
        }
    });
}

/// Whether it is an error that names an option.
fn assert_refused(made: io::Result<impl Sized>) {
    let error = made.err().expect("it is refused");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with("the option `"), "{error}");
}

#[test]
fn an_option_that_is_not_for_a_kind_of_server_is_refused() {
    type Create = CreateServer<'static>;
    on_all(async |event_loop| {
        let options: [fn(Create) -> Create; 4] = [
            |create| create.family(AddressFamily::V4),
            |create| create.reuse_address(!cfg!(unix)),
            |create| create.reuse_port(true),
            |create| create.keep_alive(true),
        ];
        let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
        for set in options {
            let create = event_loop.create_server_from(|| Quiet, listener());
            assert_refused(set(create).await);
            #[cfg(unix)]
            {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("socket");
                let create = event_loop.create_unix_server(|| Quiet, &path);
                assert_refused(set(create).await);
                assert!(!path.exists());
            }
        }
        // What says nothing new is no mistake.
        let create = event_loop.create_server_from(|| Quiet, listener());
        let create = create.reuse_address(cfg!(unix)).keep_alive(false);
        create.backlog(7).await.unwrap().close();
    });
}

impl DatagramProtocol for Quiet {}

#[test]
fn an_option_that_is_not_for_a_kind_of_datagram_socket_is_refused() {
    type Create = CreateDatagramEndpoint<'static>;
    on_all(async |event_loop| {
        let options: [fn(Create) -> Create; 5] = [
            |create| create.family(AddressFamily::V4),
            |create| create.local_addr("127.0.0.1:0"),
            |create| create.remote_addr("127.0.0.1:9"),
            |create| create.reuse_port(true),
            |create| create.allow_broadcast(true),
        ];
        let given = || {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            event_loop.create_datagram_endpoint(|| Quiet).sock(socket)
        };
        for set in options {
            assert_refused(set(given()).await);
            #[cfg(unix)]
            {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("socket");
                let create = event_loop.create_datagram_endpoint(|| Quiet);
                assert_refused(set(create).local_path(&path).await);
                assert!(!path.exists());
                let create = event_loop.create_datagram_endpoint(|| Quiet);
                assert_refused(set(create).remote_path(&path).await);
            }
        }
        #[cfg(unix)]
        {
            assert_refused(given().local_path("/nowhere").await);
            assert_refused(given().remote_path("/nowhere").await);
        }
        // What says nothing new is no mistake.
        let create = given().reuse_port(false).allow_broadcast(false);
        create.await.unwrap().close();
    });
}

/// Panics when its connection, its socket or its process is made.
struct Panics;

impl Protocol for Panics {
    fn connection_made(&mut self, _: Transport) {
        panic!("as the test wants it");
    }
}

impl DatagramProtocol for Panics {
    fn connection_made(&mut self, _: DatagramTransport) {
        panic!("as the test wants it");
    }
}

#[cfg(unix)]
impl heist::event_loop::SubprocessProtocol for Panics {
    fn connection_made(&mut self, _: heist::event_loop::SubprocessTransport) {
        panic!("as the test wants it");
    }
}

/// Panics when it is dropped.
struct Brittle;

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("as the test wants it");
    }
}

type Reports = mpsc::Receiver<(String, Option<&'static Location<'static>>)>;

/// The next report is this one, and says that what failed was asked for between these lines.
async fn assert_reported(reports: &Reports, message: &str, from: u32, to: u32) {
    let (told, location) = loop {
        match reports.try_recv() {
            Ok(report) => break report,
            Err(_) => heist::task::yield_now().await,
        }
    };
    assert_eq!(told, message);
    let location = location.expect("it is known");
    let is_there = location.file() == file!() && (from..=to).contains(&location.line());
    assert!(is_there, "{message}: {location}");
}

fn reports_of(event_loop: &EventLoop) -> Reports {
    let (sender, reports) = mpsc::channel();
    event_loop.set_exception_handler(Some(Box::new(move |_, context| {
        let _ = sender.send((context.message().to_owned(), context.location()));
    })));
    reports
}

#[test]
fn reports_of_protocols_say_where_their_connection_or_its_like_was_asked_for() {
    on_all(async |event_loop| {
        let reports = reports_of(&event_loop);
        let in_made = "a protocol panicked in connection_made";
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();

        // It is made all the same: only its protocol has failed.
        let from = line!();
        let create = event_loop.create_connection(|| Panics, address);
        let (_, protocol) = create.await.unwrap();
        assert_reported(&reports, in_made, from, line!()).await;
        assert!(protocol.wait_lost().await.is_some());

        let from = line!();
        let create = event_loop.create_datagram_endpoint(|| Panics);
        create.local_addr("127.0.0.1:0").await.unwrap();
        assert_reported(&reports, in_made, from, line!()).await;

        let from = line!();
        let create = event_loop.create_connection(|| Quiet, address);
        let (_, protocol) = create.await.unwrap();
        let errand = protocol.with(|_| assert!(std::hint::black_box(false)));
        assert!(errand.await.is_none());
        let message = "a protocol panicked in an errand";
        assert_reported(&reports, message, from, line!()).await;

        #[cfg(unix)]
        {
            let from = line!();
            let command = heist::process::Command::new("true");
            let start = event_loop.subprocess_exec(|| Panics, command);
            start.await.unwrap();
            assert_reported(&reports, in_made, from, line!()).await;
        }
    });
}

#[test]
fn reports_of_servers_futures_and_readers_say_where_they_were_asked_for() {
    on_all(async |event_loop| {
        let reports = reports_of(&event_loop);
        let from = line!();
        let create = event_loop.create_server(|| Panics, "127.0.0.1:0");
        let server = create.await.unwrap();
        let _peer = connect(server.local_addr());
        let message = "a protocol panicked in connection_made";
        assert_reported(&reports, message, from, line!()).await;
        server.close();

        let from = line!();
        let factory = || -> Quiet { panic!("as the test wants it") };
        let server = event_loop.create_server(factory, "127.0.0.1:0");
        let server = server.await.unwrap();
        let _peer = connect(server.local_addr());
        let message = "a server's protocol factory panicked";
        assert_reported(&reports, message, from, line!()).await;
        server.close();

        let from = line!();
        let panics = async |_, _| panic!("as the test wants it");
        let server = event_loop.start_server(panics, "127.0.0.1:0");
        let server = server.await.unwrap();
        let _peer = connect(server.local_addr());
        let message = "a task of `start_server` panicked";
        assert_reported(&reports, message, from, line!()).await;
        server.close();

        let message = "a future's exception was never retrieved";
        let from = line!();
        let (promise, future) = event_loop.create_future::<()>();
        promise.set_exception("no luck").unwrap();
        drop((promise, future));
        assert_reported(&reports, message, from, line!()).await;
        let from = line!();
        drop(event_loop.ensure_try_future(async { Err::<(), _>("no luck") }));
        assert_reported(&reports, message, from, line!()).await;

        #[cfg(unix)]
        {
            let message = "a callback of the event loop panicked";
            let (here, mut there) = std::os::unix::net::UnixStream::pair().unwrap();
            there.write_all(b"x").unwrap();
            let mut fails = true;
            let from = line!();
            let read = move || assert!(!std::mem::take(&mut fails));
            event_loop.add_reader(&here, read).unwrap();
            assert_reported(&reports, message, from, line!()).await;
            assert!(event_loop.remove_reader(&here));
        }
    });
}

#[test]
fn a_callback_that_a_closed_loop_drops_is_reported_with_where_it_was_given() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let event_loop = runtime.event_loop();
    let reports = reports_of(&event_loop);
    drop(runtime);
    let from = line!();
    let brittle = Brittle;
    event_loop.call_soon(move || drop(brittle));
    let message = "a callback of the event loop panicked as it was dropped";
    self::runtime().block_on(assert_reported(&reports, message, from, line!()));
}
