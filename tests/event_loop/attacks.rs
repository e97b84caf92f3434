//! Programs that do everything wrong at once: peers that reset, flood and never read, callbacks and factories that panic,
//! loops that are closed under all of it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use heist::event_loop::{EventLoop, OwnedEventLoop, Protocol, Transport};
use heist::time::Duration;

use super::{LIMIT, Watchdog, nobody};

/// Each implementation, with 1, 2, 4 and 8 workers where it has workers.
fn on_each_implementation(attack: impl Fn(OwnedEventLoop)) {
    let _watchdog = Watchdog::new();
    for implementation in heist::event_loop::implementations() {
        let name = implementation.name();
        let workers: &[usize] = match name.starts_with("multi") {
            true => &[1, 2, 4, 8],
            false => &[1],
        };
        for &workers in workers {
            let builder = EventLoop::builder().implementation(name);
            // A backend that this system refuses is none to attack.
            if let Ok(event_loop) = builder.worker_threads(workers).build() {
                event_loop.set_exception_handler(Some(Box::new(|_, _| ())));
                attack(event_loop);
            }
        }
    }
}

#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    lost: AtomicUsize,
}

/// Echoes, and panics, closes, aborts, or exchanges itself at what it is sent.
struct Wild {
    counts: Arc<Counts>,
    transport: Option<Transport>,
}

impl Wild {
    fn new(counts: &Arc<Counts>) -> Self {
        Self {
            counts: counts.clone(),
            transport: None,
        }
    }
}

impl Protocol for Wild {
    fn connection_made(&mut self, transport: Transport) {
        self.counts.made.fetch_add(1, Ordering::Relaxed);
        self.transport = Some(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        let transport = self.transport.as_ref().unwrap();
        match data[0] {
            b'p' => panic!("as the attack wants it"),
            b'c' => transport.close(),
            b'a' => transport.abort(),
            b'e' => transport.write_eof(),
            b's' => {
                let mut next = Wild::new(&self.counts);
                next.transport = Some(transport.clone());
                transport.set_protocol(next);
            }
            _ => drop(transport.write(data)),
        }
    }

    fn pause_writing(&mut self) {
        self.transport.as_ref().unwrap().pause_reading();
    }

    fn resume_writing(&mut self) {
        self.transport.as_ref().unwrap().resume_reading();
    }

    fn connection_lost(&mut self, _: Option<std::io::Error>) {
        self.counts.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// What one client does with its connection.
fn misbehave(address: SocketAddr, seed: usize) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    // Each of these may find the connection gone.
    let _ = match seed % 7 {
        0 => stream.write_all(b"p"),
        1 => stream.write_all(b"c"),
        2 => stream.write_all(b"a"),
        3 => stream.write_all(b"e"),
        4 => stream.write_all(b"s").and_then(|()| stream.write_all(b"p")),
        // Floods, and never reads: as much as the marks and the system let through.
        5 => stream
            .set_nonblocking(true)
            .and_then(|()| loop_until_full(&mut stream)),
        _ => stream
            .write_all(b"x")
            .and_then(|()| stream.read_exact(&mut [0; 1])),
    };
    // What is unread makes the close a reset.
}

fn loop_until_full(stream: &mut TcpStream) -> std::io::Result<()> {
    for _ in 0..200 {
        stream.write_all(&[b'x'; 16 * 1024])?;
    }
    Ok(())
}

#[test]
fn whatever_the_peers_do_each_connection_is_lost_once() {
    on_each_implementation(|event_loop| {
        let counts = Arc::new(Counts::default());
        let for_factory = counts.clone();
        let created = event_loop.create_server(move || Wild::new(&for_factory), "127.0.0.1:0");
        let server = event_loop
            .run_until_complete(async { created.await.unwrap() })
            .unwrap();
        let address = server.local_addr();
        let clients = thread::spawn(move || (0..70).for_each(|seed| misbehave(address, seed)));
        event_loop
            .run_until_complete(async move {
                heist::task::spawn_blocking(move || clients.join().unwrap())
                    .await
                    .unwrap();
                server.close();
                server.close_clients();
                server.abort_clients();
                server.wait_closed().await;
            })
            .unwrap();
        let (made, lost) = (&counts.made, &counts.lost);
        assert!(made.load(Ordering::Relaxed) > 0);
        assert_eq!(made.load(Ordering::Relaxed), lost.load(Ordering::Relaxed));
    });
}

#[test]
fn a_loop_closed_under_everything_loses_each_connection_once() {
    on_each_implementation(|event_loop| {
        let counts = Arc::new(Counts::default());
        let for_factory = counts.clone();
        // Nobody else gets the port while clients still come.
        let (_keeps, address) = nobody("127.0.0.1");
        let created = event_loop.create_server(move || Wild::new(&for_factory), address);
        let _server = event_loop
            .run_until_complete(async { created.await.unwrap() })
            .unwrap();
        let clients: Vec<_> = (0..4)
            .map(|first| thread::spawn(move || (0..20).for_each(|n| misbehave(address, first + n))))
            .collect();
        // The loop runs for a moment, and ends wherever it is.
        event_loop.call_later(Duration::from_millis(5), {
            let event_loop = EventLoop::clone(&event_loop);
            move || event_loop.stop()
        });
        event_loop.run_forever();
        event_loop.close();
        for client in clients {
            client.join().unwrap();
        }
        let (made, lost) = (&counts.made, &counts.lost);
        assert_eq!(made.load(Ordering::Relaxed), lost.load(Ordering::Relaxed));
    });
}

#[test]
fn a_factory_that_panics_now_and_then_costs_its_connections_alone() {
    on_each_implementation(|event_loop| {
        let counts = Arc::new(Counts::default());
        let for_factory = counts.clone();
        let mut calls = 0;
        let factory = move || {
            calls += 1;
            assert!(calls % 2 == 0, "as the attack wants it");
            Wild::new(&for_factory)
        };
        let created = event_loop.create_server(factory, "127.0.0.1:0");
        let server = event_loop
            .run_until_complete(async { created.await.unwrap() })
            .unwrap();
        let address = server.local_addr();
        let clients = thread::spawn(move || {
            for number in 0..10 {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                // Fails if the factory did.
                let echoed = stream
                    .write_all(b"x")
                    .and_then(|()| stream.read_exact(&mut [0]));
                assert_eq!(echoed.is_ok(), number % 2 == 1);
            }
        });
        event_loop
            .run_until_complete(async move {
                heist::task::spawn_blocking(move || clients.join().unwrap())
                    .await
                    .unwrap();
                server.close();
                server.wait_closed().await;
            })
            .unwrap();
        assert_eq!(counts.made.load(Ordering::Relaxed), 5);
        assert_eq!(counts.lost.load(Ordering::Relaxed), 5);
    });
}
