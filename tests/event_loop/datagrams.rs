//! Datagram endpoints.

use std::net::UdpSocket;
use std::sync::mpsc;

use heist::event_loop::{
    Address, AddressFamily, DatagramProtocol, DatagramTransport, EventLoop, extra,
};

use super::{LIMIT, on_all, told};

#[derive(Debug)]
enum Told {
    Made,
    Got(Vec<u8>, Address),
    Error(std::io::Error),
    Lost(Option<std::io::Error>),
}

struct Records(mpsc::Sender<Told>, bool);

impl DatagramProtocol for Records {
    fn connection_made(&mut self, _: DatagramTransport) {
        self.0.send(Told::Made).unwrap();
    }

    fn datagram_received(&mut self, data: &[u8], from: &Address) {
        assert!(!self.1, "as the test wants it");
        self.0.send(Told::Got(data.to_vec(), from.clone())).unwrap();
    }

    fn error_received(&mut self, error: std::io::Error) {
        self.0.send(Told::Error(error)).unwrap();
    }

    fn connection_lost(&mut self, error: Option<std::io::Error>) {
        self.0.send(Told::Lost(error)).unwrap();
    }
}

fn records(panics: bool) -> (Records, mpsc::Receiver<Told>) {
    let (sender, receiver) = mpsc::channel();
    (Records(sender, panics), receiver)
}

/// The next thing that the protocol is told, without holding up a runtime of one thread.
async fn next(receiver: &mpsc::Receiver<Told>) -> Told {
    loop {
        match receiver.try_recv() {
            Ok(told) => return told,
            Err(mpsc::TryRecvError::Empty) => heist::task::yield_now().await,
            Err(mpsc::TryRecvError::Disconnected) => panic!("nothing more is told"),
        }
    }
}

async fn bound(event_loop: &EventLoop, panics: bool) -> (DatagramTransport, mpsc::Receiver<Told>) {
    let (records, receiver) = records(panics);
    let create = event_loop.create_datagram_endpoint(|| records);
    let transport = create.local_addr("127.0.0.1:0").await.unwrap();
    assert!(matches!(next(&receiver).await, Told::Made));
    (transport, receiver)
}

fn peer() -> UdpSocket {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(LIMIT)).unwrap();
    peer
}

#[test]
fn datagrams_go_both_ways_and_may_be_empty() {
    on_all(async |event_loop| {
        let (transport, receiver) = bound(&event_loop, false).await;
        let here = transport.local_addr().unwrap().ip().unwrap();
        let peer = peer();
        let there = Address::from(peer.local_addr().unwrap());
        for data in [&b"one"[..], b"", b"three"] {
            peer.send_to(data, here).unwrap();
            match next(&receiver).await {
                Told::Got(got, from) => assert_eq!((&got[..], from), (data, there.clone())),
                other => panic!("{other:?}"),
            }
            assert!(transport.sendto(data, Some(&there)));
            let mut buffer = [0; 10];
            let (length, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (data, here));
        }
        transport.close();
        transport.close();
        assert!(transport.is_closing() && !transport.sendto(b"x", Some(&there)));
        assert!(matches!(next(&receiver).await, Told::Lost(None)));
        while receiver.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
            heist::task::yield_now().await;
        }
    });
}

impl PartialEq for Told {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

#[test]
fn a_datagram_that_reaches_nobody_is_an_error_and_no_end() {
    on_all(async |event_loop| {
        // It has the port, and takes nothing from anybody but itself.
        let deaf = peer();
        let gone = deaf.local_addr().unwrap();
        deaf.connect(gone).unwrap();
        let (records, receiver) = records(false);
        let create = event_loop.create_datagram_endpoint(|| records);
        let transport = create.remote_addr(gone).await.unwrap();
        assert_eq!(transport.peer_addr().unwrap(), gone);
        assert!(matches!(next(&receiver).await, Told::Made));
        transport.sendto(b"anybody?", None);
        match next(&receiver).await {
            Told::Error(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
            }
            other => panic!("{other:?}"),
        }
        assert!(!transport.is_closing());
        // Too long for a datagram.
        transport.sendto(&vec![0; 100_000], None);
        assert!(matches!(next(&receiver).await, Told::Error(_)));
        transport.abort();
        assert!(matches!(next(&receiver).await, Told::Lost(None)));
    });
}

#[test]
fn a_panic_costs_the_socket() {
    on_all(async |event_loop| {
        let told = told(&event_loop);
        let (transport, receiver) = bound(&event_loop, true).await;
        let here = transport.local_addr().unwrap().ip().unwrap();
        peer().send_to(b"x", here).unwrap();
        assert!(matches!(next(&receiver).await, Told::Lost(Some(_))));
        assert_eq!(
            told.recv().unwrap(),
            "a protocol panicked in datagram_received: as the test wants it"
        );
    });
}

#[test]
fn an_endpoint_needs_an_address() {
    on_all(async |event_loop| {
        let (records, _receiver) = records(false);
        let error = event_loop
            .create_datagram_endpoint(|| records)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    });
}

#[test]
#[cfg(unix)]
fn unix_datagrams_wait_when_the_peer_does_not_read() {
    on_all(async |event_loop| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let peer = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let (records, receiver) = records(false);
        let create = event_loop.create_datagram_endpoint(|| records);
        let transport = create.remote_path(&path).await.unwrap();
        assert!(matches!(next(&receiver).await, Told::Made));
        transport
            .set_write_buffer_limits(Some(5_000), None)
            .unwrap();
        let mut sent = 1;
        while transport.sendto(&[7; 1_000], None) {
            sent += 1;
        }
        assert_eq!(transport.get_write_buffer_size(), 5 * 1_008);
        transport.close();
        let read = heist::task::spawn_blocking(move || {
            let mut buffer = [0; 2_000];
            (0..sent).for_each(|_| assert_eq!(peer.recv(&mut buffer).unwrap(), 1_000));
        });
        read.await.unwrap();
        assert!(matches!(next(&receiver).await, Told::Lost(None)));
    });
}

#[test]
fn another_protocol_goes_on_with_the_socket() {
    on_all(async |event_loop| {
        let (transport, first) = bound(&event_loop, false).await;
        let (records, second) = records(false);
        transport.set_protocol(records);
        // The first is dropped, and hears nothing more.
        while first.try_recv().unwrap_err() != mpsc::TryRecvError::Disconnected {
            heist::task::yield_now().await;
        }
        let peer = peer();
        let address = transport.local_addr().unwrap().ip().unwrap();
        peer.send_to(b"hello", address).unwrap();
        let Told::Got(data, _) = next(&second).await else {
            panic!("connection_made is not called again");
        };
        assert_eq!(data, b"hello");
        transport.close();
        assert!(matches!(next(&second).await, Told::Lost(None)));
    });
}

#[test]
fn a_protocol_for_a_closed_socket_is_dropped() {
    on_all(async |event_loop| {
        let (transport, first) = bound(&event_loop, false).await;
        transport.abort();
        assert!(matches!(next(&first).await, Told::Lost(None)));
        let (records, second) = records(false);
        transport.set_protocol(records);
        while !matches!(second.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
            heist::task::yield_now().await;
        }
    });
}

#[test]
fn a_datagram_transport_tells_about_itself() {
    on_all(async |event_loop| {
        let (transport, _receiver) = bound(&event_loop, false).await;
        let name = transport.get_extra_info(extra::SOCKNAME);
        assert_eq!(name, transport.local_addr());
        assert!(transport.get_extra_info(extra::PEERNAME).is_none());
        let socket = transport.get_extra_info(extra::SOCKET).unwrap();
        #[cfg(unix)]
        socket.with_fd(|_| ()).unwrap();
        // That is an option of TCP.
        let kind = socket.nodelay().unwrap_err().kind();
        assert_eq!(kind, std::io::ErrorKind::Unsupported);
    });
}

#[test]
fn an_endpoint_takes_addresses_of_its_family_alone() {
    on_all(async |event_loop| {
        let (records, _receiver) = records(false);
        let create = event_loop.create_datagram_endpoint(|| records);
        let create = create.local_addr("127.0.0.1:0");
        create.family(AddressFamily::V6).await.unwrap_err();
    });
}

#[test]
#[cfg(unix)]
fn empty_datagrams_that_wait_count_too() {
    on_all(async |event_loop| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _deaf = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let (records, receiver) = records(false);
        let create = event_loop.create_datagram_endpoint(|| records);
        let transport = create.remote_path(&path).await.unwrap();
        assert!(matches!(next(&receiver).await, Told::Made));
        let more = (0..1_000_000).all(|_| transport.sendto(b"", None));
        assert!(!more, "a million of them wait");
        transport.abort();
        assert!(matches!(next(&receiver).await, Told::Lost(None)));
    });
}

#[test]
fn an_endpoint_that_is_given_up_is_closed() {
    on_all(async |event_loop| {
        // Polled a number of times, then dropped.
        for polls in 0..5 {
            let (records, receiver) = records(false);
            let create = event_loop.create_datagram_endpoint(|| records);
            let mut create = Box::pin(create.local_addr("127.0.0.1:0"));
            let done = super::poll_times(create.as_mut(), polls).await;
            drop(create);
            if let Some(transport) = done {
                transport.unwrap().close();
            }
            while receiver.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                heist::task::yield_now().await;
            }
        }
    });
}

#[test]
fn the_task_factory_hears_nothing_of_the_loops_own_tasks() {
    on_all(async |event_loop| {
        event_loop.set_task_factory(Some(Box::new(|_, _| panic!("a task of the loop's own"))));
        let (transport, receiver) = bound(&event_loop, false).await;
        transport.close();
        assert!(matches!(next(&receiver).await, Told::Lost(None)));
        #[cfg(unix)]
        {
            let (here, _there) = std::os::unix::net::UnixStream::pair().unwrap();
            event_loop.add_reader(&here, || ()).unwrap();
            assert!(event_loop.remove_reader(&here));
        }
        event_loop.set_task_factory(None);
    });
}

/// Sends back what it receives.
struct Echo(Records, Option<DatagramTransport>);

impl DatagramProtocol for Echo {
    fn connection_made(&mut self, transport: DatagramTransport) {
        self.1 = Some(transport);
    }

    fn datagram_received(&mut self, data: &[u8], from: &Address) {
        self.1.as_ref().unwrap().sendto(data, Some(from));
    }

    fn error_received(&mut self, error: std::io::Error) {
        self.0.error_received(error);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn unix_peers_are_answered_whatever_kind_of_name_they_have() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    on_all(async |event_loop| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server");
        let (records, receiver) = records(false);
        let create = event_loop.create_datagram_endpoint(|| Echo(records, None));
        let transport = create.local_path(&path).await.unwrap();

        // No other test of this machine has a folder of the same name.
        let name = folder.path().join("client").into_os_string();
        let name = SocketAddr::from_abstract_name(name.as_encoded_bytes()).unwrap();
        let in_folder = UnixDatagram::bind(folder.path().join("client")).unwrap();
        for peer in [in_folder, UnixDatagram::bind_addr(&name).unwrap()] {
            peer.set_nonblocking(true).unwrap();
            peer.send_to(b"hello", &path).unwrap();
            let mut answer = [0; 10];
            let length = loop {
                // If the answer can't be sent, that is told.
                assert!(receiver.try_recv().is_err(), "no error is received");
                match peer.recv(&mut answer) {
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                        heist::task::yield_now().await;
                    }
                    received => break received.unwrap(),
                }
            };
            assert_eq!(&answer[..length], b"hello");
        }

        // One without a name can't be answered, and that is told.
        let nameless = UnixDatagram::unbound().unwrap();
        nameless.send_to(b"hello", &path).unwrap();
        let Told::Error(error) = next(&receiver).await else {
            panic!("there is nobody to answer");
        };
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("without a name"), "{error}");
        // And one of another family is still refused.
        transport.sendto(b"hello", Some(&peer().local_addr().unwrap().into()));
        let Told::Error(error) = next(&receiver).await else {
            panic!("it is of another family");
        };
        assert!(error.to_string().contains("family"), "{error}");
        transport.abort();
    });
}
