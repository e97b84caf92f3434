//! What a connection does while it lives.

use std::io::{self, Write as _};
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use heist::event_loop::context::ContextVar;
use heist::event_loop::{Protocol, RuntimeExt as _, Transport};

use super::{
    Event, Link, Watchdog, connect, on_all, pattern, read_exactly, read_to_end, runtime, serve,
};

#[test]
fn bytes_arrive_whole_and_in_order_in_both_directions() {
    let link = Link::reacting(false, |event, transport| {
        if let Event::Data(data) = event {
            transport.write(data);
        }
    });
    let message = pattern(3_000_000);
    let mut sends = link.peer.try_clone().unwrap();
    let sent = message.clone();
    let sender = thread::spawn(move || {
        sends.write_all(&sent).unwrap();
        sends.shutdown(Shutdown::Write).unwrap();
    });
    assert!(read_to_end(&link.peer) == message, "the echo differs");
    sender.join().unwrap();
    assert!(link.assert_lost_once().is_none());
}

#[test]
fn several_pieces_are_written_in_order_with_nothing_between() {
    let link = Link::new();
    link.transport.write(b"");
    link.transport.writelines(["one ", "two ", "", "three"]);
    link.transport.writelines(Vec::<Vec<u8>>::new());
    assert_eq!(read_exactly(&link.peer, 13), b"one two three");
}

#[test]
fn a_transport_knows_its_ends() {
    let link = Link::new();
    assert_eq!(link.transport.local_addr(), Some(link.server.local_addr()));
    assert_eq!(
        link.transport.peer_addr(),
        Some(link.peer.local_addr().unwrap())
    );
    link.transport.abort();
    assert!(link.assert_lost_once().is_none());
    assert_eq!(
        link.transport.peer_addr(),
        Some(link.peer.local_addr().unwrap())
    );
}

/// Fills the connection from this end until at least `amount` bytes wait to be sent; the peer reads nothing.
fn fill(transport: &Transport, amount: usize) -> usize {
    let chunk = pattern(251 * 1_000);
    let mut written = 0;
    while transport.get_write_buffer_size() < amount {
        transport.write(&chunk);
        written += chunk.len();
    }
    written
}

#[test]
fn a_reader_that_does_not_read_pauses_the_writer_until_it_does() {
    let link = Link::new();
    link.transport
        .set_write_buffer_limits(Some(100_000), Some(10))
        .unwrap();
    for _ in 0..2 {
        let written = fill(&link.transport, 1_000_000);
        assert!(matches!(link.next(), Event::Paused));
        let received = read_exactly(&link.peer, written);
        assert!(
            received.chunks(251).all(|chunk| chunk == pattern(251)),
            "the bytes differ"
        );
        // They come by turns. There may be more than one of each: the system's buffers may grow when they are full.
        assert!(matches!(link.next(), Event::Resumed));
        while link.transport.get_write_buffer_size() > 10 || link.transport.is_writing_paused() {
            assert!(matches!(link.next(), Event::Paused));
            assert!(matches!(link.next(), Event::Resumed));
        }
    }
}

#[test]
fn raising_the_marks_above_what_waits_resumes_and_lowering_them_pauses() {
    let link = Link::new();
    link.transport
        .set_write_buffer_limits(Some(100_000_000), None)
        .unwrap();
    fill(&link.transport, 1_000_000);
    link.transport
        .set_write_buffer_limits(Some(0), None)
        .unwrap();
    assert!(matches!(link.next(), Event::Paused));
    link.transport
        .set_write_buffer_limits(None, Some(100_000_000))
        .unwrap();
    assert_eq!(
        link.transport.get_write_buffer_limits(),
        (100_000_000, 400_000_000)
    );
    assert!(matches!(link.next(), Event::Resumed));
    assert!(
        link.transport
            .set_write_buffer_limits(Some(1), Some(2))
            .is_err()
    );
    assert_eq!(
        link.transport.get_write_buffer_limits(),
        (100_000_000, 400_000_000)
    );
}

#[test]
fn what_a_callback_does_is_answered_after_it_has_returned() {
    let depth = Arc::new(AtomicUsize::new(0));
    let inside = depth.clone();
    let link = Link::reacting(false, move |event, transport| {
        assert_eq!(
            inside.fetch_add(1, Ordering::SeqCst),
            0,
            "one callback inside another"
        );
        if let Event::Data(_) = event {
            transport.set_write_buffer_limits(Some(0), None).unwrap();
            fill(transport, 1_000_000);
            transport.abort();
            transport.close();
        }
        inside.fetch_sub(1, Ordering::SeqCst);
    });
    (&link.peer).write_all(b"go").unwrap();
    assert_eq!(link.next().data(), b"go");
    assert!(link.assert_lost_once().is_none());
    assert_eq!(depth.load(Ordering::SeqCst), 0);
}

#[test]
fn paused_reading_keeps_data_back_until_it_is_resumed() {
    let link = Link::reacting(false, |event, transport| {
        if let Event::Data(_) = event {
            transport.pause_reading();
            assert!(!transport.is_reading());
        }
    });
    assert!(link.transport.is_reading());
    (&link.peer).write_all(b"first").unwrap();
    assert_eq!(link.next().data(), b"first");
    (&link.peer).write_all(b"second").unwrap();
    // The connection's task goes round at least twice, and delivers nothing.
    link.transport.write(b"x");
    read_exactly(&link.peer, 1);
    link.transport.set_write_buffer_limits(None, None).unwrap();
    assert!(link.events.try_recv().is_err());
    link.transport.resume_reading();
    assert_eq!(link.next().data(), b"second");
}

#[test]
fn a_half_closed_connection_can_still_be_written_to() {
    let link = Link::reacting(true, |_, _| ());
    link.peer.shutdown(Shutdown::Write).unwrap();
    assert!(matches!(link.next(), Event::Eof));
    assert!(!link.transport.is_closing());
    link.transport.write(b"after the end");
    assert_eq!(read_exactly(&link.peer, 13), b"after the end");
    link.transport.close();
    assert!(read_to_end(&link.peer).is_empty());
    assert!(link.assert_lost_once().is_none());
}

#[test]
fn write_eof_closes_the_sending_half_after_what_was_written() {
    let link = Link::new();
    let written = fill(&link.transport, 1_000_000);
    link.transport.write_eof();
    link.transport.write_eof();
    assert_eq!(read_to_end(&link.peer).len(), written);
    (&link.peer).write_all(b"still heard").unwrap();
    let mut event = link.next();
    while !matches!(event, Event::Data(_)) {
        event = link.next();
    }
    assert_eq!(event.data(), b"still heard");
    link.transport.close();
    assert!(link.assert_lost_once().is_none());
}

#[test]
fn different_connections_run_in_parallel() {
    struct Meets(Arc<Barrier>, mpsc::Sender<()>);
    impl Protocol for Meets {
        fn data_received(&mut self, _: &[u8]) {
            // Two callbacks that wait for each other: this ends only if both run at once.
            self.0.wait();
            self.1.send(()).unwrap();
        }
    }
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let (barrier, (sender, receiver)) = (Arc::new(Barrier::new(2)), mpsc::channel());
    let server = serve(&runtime, move || Meets(barrier.clone(), sender.clone()));
    let peers = [connect(server.local_addr()), connect(server.local_addr())];
    for _ in 0..20 {
        peers
            .iter()
            .for_each(|mut peer| peer.write_all(b"x").unwrap());
        receiver.recv().unwrap();
        receiver.recv().unwrap();
    }
}

#[test]
fn many_connections_at_once_each_get_their_own_bytes() {
    #[derive(Default)]
    struct Echo(Option<Transport>);
    impl Protocol for Echo {
        fn connection_made(&mut self, transport: Transport) {
            self.0 = Some(transport);
        }
        fn data_received(&mut self, data: &[u8]) {
            self.0.as_ref().unwrap().write(data);
        }
    }
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let server = serve(&runtime, Echo::default);
    let peers: Vec<_> = (0..100).map(|_| connect(server.local_addr())).collect();
    for round in 0..10u32 {
        for (index, mut peer) in (0u32..).zip(&peers) {
            peer.write_all(&(index * 1_000 + round).to_be_bytes())
                .unwrap();
        }
        for (index, peer) in (0u32..).zip(&peers) {
            assert_eq!(read_exactly(peer, 4), (index * 1_000 + round).to_be_bytes());
        }
    }
    drop(peers);
    server.close();
    runtime.block_on(server.wait_closed());
}

#[test]
fn a_client_reaches_its_protocol_through_the_handle() {
    #[derive(Default)]
    struct Count {
        made: u32,
        lost: u32,
    }
    impl Protocol for Count {
        fn connection_made(&mut self, _: Transport) {
            self.made += 1;
        }
        fn connection_lost(&mut self, _: Option<io::Error>) {
            self.lost += 1;
        }
    }
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let event_loop = runtime.event_loop();
    let server = serve(&runtime, Count::default);
    runtime.block_on(async {
        let address = server.local_addr();
        let (transport, protocol) = event_loop
            .create_connection(Count::default, address)
            .await
            .unwrap();
        assert_eq!(protocol.with(|count| count.made).await, Some(1));
        transport.close();
        let count = protocol.wait_lost().await.unwrap();
        assert_eq!((count.made, count.lost), (1, 1));

        let (transport, protocol) = event_loop
            .create_connection(Count::default, address)
            .await
            .unwrap();
        assert_eq!(
            protocol
                .with(|_| -> u32 { panic!("an errand that panics") })
                .await,
            None
        );
        assert_eq!(protocol.with(|count| count.made).await, None);
        assert_eq!(protocol.wait_lost().await.unwrap().lost, 1);
        assert!(transport.is_closing());
    });
}

static PLACE: ContextVar<&str> = ContextVar::new("place").inherited();

/// Tells what its callbacks inherit, and what they have set.
struct Places(mpsc::Sender<Option<&'static str>>);

impl Protocol for Places {
    fn connection_made(&mut self, transport: Transport) {
        self.0.send(PLACE.get()).unwrap();
        PLACE.set("set by connection_made");
        transport.abort();
    }

    fn connection_lost(&mut self, _: Option<io::Error>) {
        self.0.send(PLACE.get()).unwrap();
    }
}

#[test]
fn callbacks_inherit_from_where_the_connection_or_its_server_was_asked_for() {
    on_all(async |event_loop| {
        let (server_tells, server_told) = mpsc::channel();
        let (client_tells, client_told) = mpsc::channel();
        PLACE.set("server");
        let server = event_loop.create_server(move || Places(server_tells.clone()), "127.0.0.1:0");
        let server = server.await.unwrap();
        PLACE.set("client");
        let connect = event_loop.create_connection(|| Places(client_tells), server.local_addr());
        let (_, client) = connect.await.unwrap();
        client.wait_lost().await.unwrap();
        for (told, place) in [(server_told, "server"), (client_told, "client")] {
            let mut seen = Vec::new();
            while seen.len() < 2 {
                seen.extend(told.try_iter());
                heist::task::yield_now().await;
            }
            assert_eq!(seen, [Some(place), Some("set by connection_made")]);
        }
        server.close();
        assert_eq!(PLACE.get(), Some("client"));
    });
}
