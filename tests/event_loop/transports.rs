//! What transports can do besides: buffers of the protocol's own, other protocols, files, options, sockets from elsewhere.

use std::io::{Read as _, Seek as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;

use heist::event_loop::{
    Buffered, BufferedProtocol, EventLoop, Protocol, RuntimeExt as _, Transport, extra,
};

use super::{Event, Link, Watchdog, connect, on_all, pattern, read_exactly, runtime, serve, told};

/// Reads into a small buffer of its own.
struct Reads {
    buffer: Vec<u8>,
    told: mpsc::Sender<Option<Vec<u8>>>,
    panics: bool,
}

impl BufferedProtocol for Reads {
    fn get_buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    fn buffer_updated(&mut self, length: usize) {
        assert!(!self.panics, "as the test wants it");
        self.told
            .send(Some(self.buffer[..length].to_vec()))
            .unwrap();
    }

    fn eof_received(&mut self) -> bool {
        self.told.send(None).unwrap();
        false
    }
}

fn reads(size: usize, panics: bool) -> (Buffered<Reads>, mpsc::Receiver<Option<Vec<u8>>>) {
    let (told, receiver) = mpsc::channel();
    let buffer = vec![0; size];
    let reads = Reads {
        buffer,
        told,
        panics,
    };
    (Buffered(reads), receiver)
}

#[test]
fn a_buffered_protocol_is_read_into() {
    on_all(async |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (protocol, receiver) = reads(5, false);
        let address = listener.local_addr().unwrap();
        let (_transport, protocol) = event_loop
            .create_connection(|| protocol, address)
            .await
            .unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"hello world").unwrap();
        drop(peer);
        protocol.wait_lost().await.unwrap();
        let all: Vec<_> = receiver.try_iter().collect();
        assert_eq!(all.last(), Some(&None));
        let all: Vec<_> = all.into_iter().flatten().collect();
        assert!(all.iter().all(|piece| piece.len() <= 5));
        assert_eq!(all.concat(), b"hello world");
    });
}

async fn loses(event_loop: &EventLoop, size: usize, panics: bool) -> Option<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (protocol, _receiver) = reads(size, panics);
    let made = event_loop.create_connection(|| protocol, address).await;
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"x").unwrap();
    made.unwrap().1.wait_lost().await.unwrap();
    None
}

#[test]
fn an_empty_buffer_and_a_panic_cost_the_connection() {
    on_all(async |event_loop| {
        let told = told(&event_loop);
        loses(&event_loop, 0, false).await;
        loses(&event_loop, 5, true).await;
        assert_eq!(
            told.recv().unwrap(),
            "a protocol panicked in buffer_updated: as the test wants it"
        );
    });
}

/// Counts, and says its name.
struct Named(&'static str, u32, Option<Transport>);

impl Protocol for Named {
    fn connection_made(&mut self, transport: Transport) {
        self.2 = Some(transport);
    }

    fn data_received(&mut self, _: &[u8]) {
        self.1 += 1;
        if let Some(transport) = self.2.take() {
            transport.set_protocol(Named("second", 10, None));
        }
    }
}

#[test]
fn a_protocol_can_be_exchanged_while_it_runs() {
    on_all(async |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let made = event_loop
            .create_connection(|| Named("first", 0, None), address)
            .await;
        let (transport, first) = made.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        assert!(transport.get_protocol::<Quiet>().is_none());
        let again = transport.get_protocol::<Named>().unwrap();
        assert_eq!(again.with(|named| named.0).await, Some("first"));
        assert!(
            again.wait_lost().await.is_none(),
            "only the first handle gets it"
        );

        peer.write_all(b"x").unwrap();
        // The old one is given back when it is exchanged, and errands for it come to nothing.
        let old = first.wait_lost().await.unwrap();
        assert_eq!((old.0, old.1), ("first", 1));
        let second = transport.get_protocol::<Named>().unwrap();
        assert_eq!(
            second.with(|named| (named.0, named.1)).await,
            Some(("second", 10))
        );
        peer.write_all(b"y").unwrap();
        while second.with(|named| named.1).await != Some(11) {
            heist::task::yield_now().await;
        }
        let third = transport.set_protocol(Named("third", 0, None));
        assert_eq!(second.with(|_| ()).await, None);
        transport.close();
        assert_eq!(third.wait_lost().await.unwrap().0, "third");
        assert!(transport.get_protocol::<Named>().is_none());
        let late = transport.set_protocol(Named("late", 0, None));
        assert!(late.wait_lost().await.is_none());
    });
}

struct Quiet;
impl Protocol for Quiet {}

fn file(content: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

#[test]
fn a_file_is_sent_between_what_was_written_before_and_after() {
    on_all(async |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (transport, protocol) = event_loop
            .create_connection(|| Quiet, address)
            .await
            .unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let content = pattern(1_000_000);
        // More than the system keeps. So the file waits.
        let before = pattern(20_000_000);
        transport.write(&before);
        let sent = transport.sendfile(file(&content), 10, Some(700_000));
        transport.write(b"after");
        let busy = transport.sendfile(file(b"x"), 0, None).await.unwrap_err();
        assert_eq!(busy.kind(), std::io::ErrorKind::ResourceBusy);
        let reader = heist::task::spawn_blocking(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            all
        });
        assert_eq!(sent.await.unwrap(), 700_000);
        // Less than what was asked for is there.
        let sent = transport.sendfile(file(b"the end"), 4, Some(100)).await;
        assert_eq!(sent.unwrap(), 3);
        transport.close();
        let closed = transport.sendfile(file(b"x"), 0, None).await.unwrap_err();
        assert_eq!(closed.kind(), std::io::ErrorKind::NotConnected);
        protocol.wait_lost().await.unwrap();
        let all = reader.await.unwrap();
        let expected = [&before[..], &content[10..700_010], b"after", b"end"].concat();
        assert!(
            all == expected,
            "{} instead of {} bytes",
            all.len(),
            expected.len()
        );
    });
}

#[test]
fn an_abort_ends_a_file_that_the_peer_does_not_read() {
    on_all(async |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (transport, protocol) = event_loop
            .create_connection(|| Quiet, address)
            .await
            .unwrap();
        let (_peer, _) = listener.accept().unwrap();
        let sent = transport.sendfile(file(&pattern(20_000_000)), 0, None);
        transport.abort();
        assert!(sent.await.is_err());
        protocol.wait_lost().await.unwrap();
    });
}

#[test]
fn the_socket_of_a_transport_has_its_options_until_it_is_closed() {
    let link = Link::new();
    let socket = link.transport.get_extra_info(extra::SOCKET).unwrap();
    assert!(socket.nodelay().unwrap());
    socket.set_nodelay(false).unwrap();
    assert!(!socket.nodelay().unwrap());
    socket.set_keepalive(true).unwrap();
    #[cfg(unix)]
    assert!(
        socket
            .with_fd(|fd| std::os::fd::AsRawFd::as_raw_fd(&fd))
            .unwrap()
            > 2
    );
    let peer = link.transport.get_extra_info(extra::PEERNAME).unwrap();
    assert_eq!(peer, link.peer.local_addr().unwrap());
    let local = link.transport.get_extra_info(extra::SOCKNAME).unwrap();
    assert_eq!(local, link.server.local_addr());
    link.transport.abort();
    assert!(matches!(link.next(), Event::Lost(None)));
    while link.transport.get_extra_info(extra::SOCKET).is_some() {
        std::thread::yield_now();
    }
    assert!(link.transport.get_extra_info(extra::PEERNAME).is_some());
}

struct Greeter;

impl Protocol for Greeter {
    fn connection_made(&mut self, transport: Transport) {
        transport.write(b"hello");
    }
}

#[test]
fn sockets_from_elsewhere_can_be_served() {
    on_all(async |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let peer = connect(address);
        let (accepted, _) = listener.accept().unwrap();
        let made = event_loop
            .connect_accepted_socket(|| Greeter, accepted)
            .await;
        made.unwrap();
        assert_eq!(read_exactly(&peer, 5), b"hello");
        let server = event_loop
            .create_server_from(|| Greeter, listener)
            .await
            .unwrap();
        assert_eq!(server.local_addr(), address);
        let (mut reader, _writer) = event_loop.open_connection(address).await.unwrap();
        assert_eq!(reader.readexactly(5).await.unwrap(), b"hello");
    });
}

#[test]
fn a_server_serves_once_it_is_told_to_and_until_it_is_closed() {
    on_all(async |event_loop| {
        let create = event_loop.create_server(|| Greeter, "127.0.0.1:0");
        let server = create
            .start_serving(false)
            .backlog(5)
            .reuse_port(true)
            .await
            .unwrap();
        assert!(!server.is_serving());
        assert!(TcpStream::connect(server.local_addr()).is_err());
        let serves = server.clone();
        let forever = event_loop.create_task(async move { serves.serve_forever().await });
        while !server.is_serving() {
            heist::task::yield_now().await;
        }
        let (mut reader, writer) = event_loop
            .open_connection(server.local_addr())
            .await
            .unwrap();
        assert_eq!(reader.readexactly(5).await.unwrap(), b"hello");
        server.close();
        assert!(!forever.is_finished());
        drop(writer);
        forever.await.unwrap().unwrap();
        server.start_serving().unwrap();
        assert!(!server.is_serving());
    });
}

#[test]
fn serve_forever_closes_the_server_when_it_is_dropped() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let server = serve(&runtime, || Greeter);
    runtime.block_on(async {
        let forever = heist::time::timeout(std::time::Duration::ZERO, server.serve_forever());
        assert!(forever.await.is_err());
    });
    runtime.block_on(server.wait_closed());
    assert_eq!(server.get_loop(), runtime.event_loop());
}

#[test]
fn a_connection_can_choose_its_own_end() {
    on_all(async |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let local = "127.0.0.3:0".parse().unwrap();
        let connect = event_loop
            .create_connection(|| Quiet, address)
            .local_addr(local);
        let (transport, _) = connect.happy_eyeballs_delay(None).await.unwrap();
        assert_eq!(
            transport.local_addr().unwrap().ip(),
            std::net::IpAddr::from([127, 0, 0, 3])
        );
    });
}

/// Promises that the compiler keeps.
#[test]
fn what_users_hold_can_go_to_any_thread() {
    fn any_thread<T: Send + Sync + 'static>() {}
    fn moves<T: Send>() {}
    any_thread::<Transport>();
    any_thread::<heist::event_loop::Server>();
    any_thread::<heist::event_loop::DatagramTransport>();
    any_thread::<heist::event_loop::StreamReader>();
    any_thread::<heist::event_loop::StreamWriter>();
    any_thread::<heist::event_loop::Address>();
    any_thread::<extra::TransportSocket>();
    moves::<heist::event_loop::CreateServer<'static>>();
    moves::<heist::event_loop::CreateConnection<'static, Quiet>>();
    moves::<heist::event_loop::ProtocolHandle<Quiet>>();
    #[cfg(unix)]
    any_thread::<heist::event_loop::SubprocessTransport>();
}

#[test]
fn an_aborted_transport_has_closed_its_socket_when_a_file_was_under_way() {
    on_all(async |event_loop| {
        for _ in 0..20 {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let (transport, protocol) = event_loop
                .create_connection(|| Quiet, address)
                .await
                .unwrap();
            let (mut peer, _) = listener.accept().unwrap();
            let sent = transport.sendfile(file(&pattern(1_000_000)), 0, None);
            let reads = heist::task::spawn_blocking(move || {
                peer.read_exact(&mut [0; 1]).unwrap();
                peer
            });
            let mut peer = reads.await.unwrap();
            transport.abort();
            let _ = sent.await;
            protocol.wait_lost().await.unwrap();
            let socket = transport.get_extra_info(extra::SOCKET);
            assert!(socket.is_none(), "the socket is closed");
            peer.set_read_timeout(Some(super::LIMIT)).unwrap();
            // Ends, in whichever way.
            let _ = peer.read_to_end(&mut Vec::new());
        }
    });
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_sent_whole_is_an_error_and_the_connection_goes_on() {
    on_all(async |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (transport, _) = event_loop
            .create_connection(|| Quiet, address)
            .await
            .unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        // A folder can be opened, but neither sent nor read.
        let folder = std::fs::File::open("/").unwrap();
        transport.sendfile(folder, 0, None).await.unwrap_err();
        transport.write(b"still here");
        let mut heard = [0; 10];
        peer.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"still here");
    });
}

#[test]
fn a_file_to_a_peer_that_has_gone_loses_the_connection() {
    on_all(async |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (transport, protocol) = event_loop
            .create_connection(|| Quiet, address)
            .await
            .unwrap();
        let (peer, _) = listener.accept().unwrap();
        let sent = transport.sendfile(file(&pattern(20_000_000)), 0, None);
        // Unread bytes make the close a reset.
        drop(peer);
        assert!(sent.await.is_err());
        protocol.wait_lost().await.unwrap();
        assert!(transport.is_closing());
    });
}

#[test]
fn a_protocol_that_comes_too_late_leaves_nobody_waiting() {
    on_all(async |event_loop| {
        let server = event_loop.create_server(|| Idle, "127.0.0.1:0");
        let server = server.await.unwrap();
        let address = server.local_addr();
        let connect = event_loop.create_connection(|| Idle, address);
        let (transport, first) = connect.await.unwrap();
        transport.abort();
        first.wait_lost().await.unwrap();
        let late = transport.set_protocol(Idle);
        assert!(late.with(|_| ()).await.is_none());
        let found = transport.get_protocol::<Idle>();
        if let Some(found) = found {
            assert!(found.with(|_| ()).await.is_none());
        }
        assert!(late.wait_lost().await.is_none());
    });
}

struct Idle;
impl Protocol for Idle {}
