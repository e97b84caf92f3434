//! How a connection ends: `connection_lost` once, last, whatever the cause, with the right error.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use heist::event_loop::{DatagramProtocol, EventLoop, Protocol, RuntimeExt as _, Transport};

use super::{
    Event, Link, Watchdog, connect, on_all, pattern, read_to_end, reset, runtime, serve, told,
};

#[test]
fn a_peer_that_closes_is_a_clean_end() {
    let link = Link::new();
    (&link.peer).write_all(b"bye").unwrap();
    link.peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(link.next().data(), b"bye");
    assert!(matches!(link.next(), Event::Eof));
    assert!(link.next().lost().is_none());
    assert!(link.transport.is_closing());
    // The transport is still here, but the socket is closed.
    assert!(read_to_end(&link.peer).is_empty());
}

#[test]
fn the_end_of_the_stream_flushes_before_it_closes() {
    let link = Link::reacting(false, |event, transport| {
        if let Event::Eof = event {
            transport.write(&pattern(2_000_000));
        }
    });
    link.peer.shutdown(Shutdown::Write).unwrap();
    assert!(read_to_end(&link.peer) == pattern(2_000_000));
    assert!(link.assert_lost_once().is_none());
}

#[test]
fn a_reset_is_an_error() {
    let mut link = Link::new();
    link.transport.write(b"never read");
    let peer = std::mem::replace(&mut link.peer, super::connect(link.server.local_addr()));
    reset(peer);
    assert_eq!(
        link.next().lost().unwrap().kind(),
        ErrorKind::ConnectionReset
    );
}

#[test]
fn close_sends_what_was_written_first() {
    let link = Link::new();
    let message = pattern(2_000_000);
    link.transport.write(&message);
    link.transport.close();
    link.transport.close();
    assert!(link.transport.is_closing() && !link.transport.is_reading());
    link.transport.write(b"dropped");
    link.transport.write_eof();
    link.transport.write(b"dropped too");
    assert!(read_to_end(&link.peer) == message);
    assert!(link.assert_lost_once().is_none());
    link.transport.write(b"dropped as well");
    link.transport.abort();
    assert_eq!(link.transport.get_write_buffer_size(), 0);
}

#[test]
fn data_after_close_is_not_delivered() {
    let link = Link::reacting(false, |event, transport| {
        if let Event::Data(_) = event {
            transport.close();
        }
    });
    // More than one read takes.
    let mut peer = link.peer.try_clone().unwrap();
    let writer = thread::spawn(move || drop(peer.write_all(&pattern(1_000_000))));
    assert!(matches!(link.next(), Event::Data(_)));
    assert!(link.next().lost().is_none());
    assert!(link.assert_nothing_more());
    writer.join().unwrap();
}

#[test]
fn close_while_data_waits_to_be_sent_reads_no_more() {
    let link = Link::new();
    link.transport.write(&pattern(8_000_000));
    link.transport.close();
    (&link.peer).write_all(b"too late").unwrap();
    // What was not read by then makes the system end the connection with a reset, so some may be missing.
    let mut buffer = vec![0; 65_536];
    while matches!((&link.peer).read(&mut buffer), Ok(1..)) {}
    let mut event = link.next();
    while matches!(event, Event::Paused | Event::Resumed) {
        event = link.next();
    }
    assert!(event.lost().is_none());
}

#[test]
fn abort_drops_what_was_not_sent() {
    let link = Link::new();
    let mut written = 0;
    // More than the system takes, even if it takes more later.
    while link.transport.get_write_buffer_size() < 20_000_000 {
        link.transport.write(&pattern(5_000_000));
        written += 5_000_000;
    }
    link.transport.abort();
    assert_eq!(link.transport.get_write_buffer_size(), 0);
    assert!(link.assert_lost_once().is_none());
    assert!(read_to_end(&link.peer).len() < written);
}

#[test]
fn a_peer_that_goes_while_data_waits_is_an_error() {
    let mut link = Link::new();
    // More than the system takes, even if it takes more later.
    while link.transport.get_write_buffer_size() < 20_000_000 {
        link.transport.write(&pattern(5_000_000));
    }
    link.transport.pause_reading();
    let peer = std::mem::replace(&mut link.peer, super::connect(link.server.local_addr()));
    reset(peer);
    let mut event = link.next();
    while matches!(event, Event::Paused | Event::Resumed) {
        event = link.next();
    }
    let kind = event.lost().unwrap().kind();
    assert!(
        matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "{kind:?}"
    );
}

/// Panics in the callback that `picks` picks, and looks at what comes of it.
fn panics_in(name: &str, picks: fn(&Event) -> bool) {
    let link = Link::reacting(false, move |event, _| {
        assert!(!picks(event), "as the test wants it")
    });
    (&link.peer).write_all(b"data").unwrap();
    link.peer.shutdown(Shutdown::Write).unwrap();
    let told = link.told.recv().unwrap();
    assert_eq!(
        told,
        format!("a protocol panicked in {name}: as the test wants it")
    );
    if name == "connection_lost" {
        // It was called, and panicked before it was recorded; the socket is closed all the same.
        assert!(
            link.events
                .iter()
                .take(2)
                .all(|event| !matches!(event, Event::Lost(_)))
        );
    } else {
        let error = link.assert_lost_once().unwrap();
        assert_eq!(
            error.to_string(),
            format!("the protocol panicked in {name}")
        );
    }
    assert!(read_to_end(&link.peer).is_empty());
    assert!(link.told.try_recv().is_err(), "reported once");
    assert!(link.transport.is_closing());
}

#[test]
fn a_panic_in_data_received_costs_the_connection() {
    panics_in("data_received", |event| matches!(event, Event::Data(_)));
}

#[test]
fn a_panic_in_eof_received_costs_the_connection() {
    panics_in("eof_received", |event| matches!(event, Event::Eof));
}

#[test]
fn a_panic_in_connection_lost_is_reported() {
    panics_in("connection_lost", |event| matches!(event, Event::Lost(_)));
}

#[test]
fn a_panic_in_pause_writing_costs_the_connection() {
    let link = Link::reacting(false, |event, _| assert!(!matches!(event, Event::Paused)));
    while !link.transport.is_closing() {
        link.transport.write(&pattern(100_000));
    }
    assert_eq!(
        link.assert_lost_once().unwrap().to_string(),
        "the protocol panicked in pause_writing"
    );
    assert!(
        link.told
            .recv()
            .unwrap()
            .starts_with("a protocol panicked in pause_writing")
    );
}

#[test]
fn writing_after_write_eof_is_a_mistake_that_is_told() {
    let link = Link::reacting(false, |event, transport| {
        if let Event::Data(_) = event {
            transport.write_eof();
            transport.write(b"more");
        }
    });
    (&link.peer).write_all(b"x").unwrap();
    let told = link.told.recv().unwrap();
    assert_eq!(
        told,
        "a protocol panicked in data_received: `Transport::write` after `write_eof`"
    );
    assert!(link.assert_lost_once().is_some());
}

#[test]
fn a_runtime_that_is_shut_down_ends_its_connections() {
    let Link {
        peer,
        transport,
        events,
        server,
        runtime,
        told,
        _watchdog,
    } = Link::new();
    drop(runtime);
    let error = events.recv().unwrap().lost().unwrap();
    assert_eq!(error.to_string(), "the runtime was shut down");
    assert!(events.recv().is_err() && told.try_recv().is_err());
    assert!(transport.is_closing() && !server.is_serving());
    transport.write(b"nothing happens");
    assert!(read_to_end(&peer).is_empty());
}

#[test]
fn a_shutdown_reports_by_name_what_of_the_loop_has_not_ended() {
    let Link {
        peer,
        server,
        runtime,
        events: _events,
        transport: _transport,
        told: _told,
        _watchdog,
    } = Link::new();
    let event_loop = runtime.event_loop();
    let datagrams = event_loop.create_datagram_endpoint(|| Deaf);
    let create = async { datagrams.local_addr("127.0.0.1:0").await };
    let datagrams = runtime.block_on(create).unwrap();
    let local = datagrams.local_addr().unwrap();
    event_loop.call_later(std::time::Duration::from_secs(3600), || ());
    let mut expected = vec![
        format!("connection {}", peer.local_addr().unwrap()),
        format!("server {}", server.local_addr()),
        format!("datagram socket {local}"),
        "callbacks of the event loop".to_owned(),
    ];
    #[cfg(unix)]
    {
        let reads = peer.try_clone().unwrap();
        event_loop.add_reader(&reads, || ()).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&reads);
        expected.push(format!("reader of descriptor {number}"));
    }
    let report = runtime.shutdown(std::time::Duration::from_millis(1));
    let mut names: Vec<_> = report.tasks().iter().map(|task| task.name()).collect();
    names.sort();
    expected.sort();
    assert!(
        names
            .iter()
            .copied()
            .eq(expected.iter().map(|name| Some(&**name))),
        "{names:?}"
    );
}

struct Deaf;

impl DatagramProtocol for Deaf {}

#[test]
fn a_panic_in_connection_lost_at_shutdown_does_no_harm() {
    let link = Link::reacting(false, |event, _| {
        assert!(!matches!(event, Event::Lost(_)), "at shutdown")
    });
    let Link {
        peer,
        events,
        runtime,
        told,
        ..
    } = link;
    drop(runtime);
    assert_eq!(
        told.recv().unwrap(),
        "a protocol panicked in connection_lost: at shutdown"
    );
    assert!(events.recv().is_err());
    assert!(read_to_end(&peer).is_empty());
}

impl Link {
    /// Whether the protocol is dropped without having heard of anything more.
    fn assert_nothing_more(&self) -> bool {
        self.server.close();
        self.events.recv().is_err()
    }
}

/// Counts what it is told, and panics if it is told out of turn.
struct Counted {
    made: Arc<AtomicU32>,
    lost: Arc<AtomicU32>,
    transport: Option<Transport>,
    over: bool,
}

impl Protocol for Counted {
    fn connection_made(&mut self, transport: Transport) {
        assert!(self.transport.replace(transport).is_none() && !self.over);
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    fn data_received(&mut self, data: &[u8]) {
        assert!(!self.over);
        let transport = self.transport.as_ref().unwrap();
        match data[0] {
            0 => transport.close(),
            1 => transport.abort(),
            2 => drop(transport.write(&pattern(500_000))),
            3 => panic!("as the test wants it"),
            _ => transport.write_eof(),
        }
    }

    fn connection_lost(&mut self, _: Option<std::io::Error>) {
        assert!(!self.over && self.transport.is_some());
        self.over = true;
        self.lost.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn however_many_connections_end_each_is_lost_once() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let told = told(&runtime.event_loop());
    let (made, lost) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (counts_made, counts_lost) = (made.clone(), lost.clone());
    let server = serve(&runtime, move || Counted {
        made: counts_made.clone(),
        lost: counts_lost.clone(),
        transport: None,
        over: false,
    });
    for round in 0..40u8 {
        let peers: Vec<_> = (0..10).map(|_| connect(server.local_addr())).collect();
        for (index, mut peer) in (0..).zip(&peers) {
            peer.write_all(&[index % 5]).unwrap();
        }
        // Some end by themselves, some by the peer, some by the server, all at the same time.
        if round % 2 == 0 {
            server.abort_clients();
        }
    }
    server.close();
    runtime.block_on(server.wait_closed());
    // Whatever was accepted after `abort_clients` and before the peer went was made and lost too.
    assert_eq!(made.load(Ordering::Relaxed), lost.load(Ordering::Relaxed));
    assert!(made.load(Ordering::Relaxed) > 0);
    assert!(
        told.try_iter()
            .all(|text| text.ends_with("as the test wants it"))
    );
}

#[test]
fn a_runtime_may_be_shut_down_in_the_middle_of_everything() {
    fn again(event_loop: EventLoop) {
        let next = event_loop.clone();
        event_loop.call_soon(move || again(next));
    }
    let _watchdog = Watchdog::new();
    for _ in 0..30 {
        let runtime = runtime();
        let told = told(&runtime.event_loop());
        let (made, lost) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (counts_made, counts_lost) = (made.clone(), lost.clone());
        let server = serve(&runtime, move || Counted {
            made: counts_made.clone(),
            lost: counts_lost.clone(),
            transport: None,
            over: false,
        });
        again(runtime.event_loop());
        let peers: Vec<_> = (0..10).map(|_| connect(server.local_addr())).collect();
        peers
            .iter()
            .for_each(|mut peer| peer.write_all(&[2]).unwrap());
        drop(runtime);
        assert_eq!(made.load(Ordering::Relaxed), lost.load(Ordering::Relaxed));
        assert!(told.try_recv().is_err());
    }
}

/// Panics when it is dropped.
struct Brittle;

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("as the test wants it");
    }
}

impl Protocol for Brittle {}

/// Sets another protocol when it is too late.
struct SetsTooLate(Option<Transport>);

impl Protocol for SetsTooLate {
    fn connection_made(&mut self, transport: Transport) {
        self.0 = Some(transport);
    }

    fn connection_lost(&mut self, _: Option<std::io::Error>) {
        self.0.take().unwrap().set_protocol(Brittle);
    }
}

#[test]
fn a_protocol_that_is_set_too_late_and_panics_in_its_drop_is_reported_and_the_old_one_is_given_back()
 {
    on_all(async |event_loop| {
        let (told, reports) = std::sync::mpsc::channel();
        event_loop.set_exception_handler(Some(Box::new(move |_, context| {
            told.send(context.message().to_owned()).unwrap();
        })));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (transport, protocol) = event_loop
            .create_connection(|| SetsTooLate(None), address)
            .await
            .unwrap();
        transport.close();
        assert!(protocol.wait_lost().await.is_some());
        assert_eq!(reports.recv().unwrap(), "a protocol panicked in drop");
    });
}

impl DatagramProtocol for Brittle {}

#[test]
fn a_datagram_protocol_that_panics_in_its_drop_is_reported() {
    on_all(async |event_loop| {
        let (told, reports) = std::sync::mpsc::channel();
        event_loop.set_exception_handler(Some(Box::new(move |_, context| {
            told.send(context.message().to_owned()).unwrap();
        })));
        for replaced in [false, true] {
            let create = event_loop.create_datagram_endpoint(|| Brittle);
            let transport = create.local_addr("127.0.0.1:0").await.unwrap();
            if replaced {
                transport.set_protocol(Brittle);
            }
            transport.close();
            for _ in 0..1 + usize::from(replaced) {
                while let Err(error) = reports.try_recv().map(|message| {
                    assert_eq!(message, "a protocol panicked in drop");
                }) {
                    assert_eq!(error, std::sync::mpsc::TryRecvError::Empty);
                    heist::task::yield_now().await;
                }
            }
        }
    });
}
