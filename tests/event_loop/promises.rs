//! The main promises of the loop, on each number of workers, idle and beside tasks that burn the processor.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use heist::event_loop::{EventLoop, OwnedEventLoop, Promise, Protocol, Transport};
use heist::io::{AsyncReadExt as _, AsyncWriteExt as _};
use heist::net::TcpStream;

use super::{Watchdog, pattern, told};

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: impl ToString) {
        self.0.lock().unwrap().push(what.to_string());
    }

    async fn wait_for(&self, what: &str) {
        while !self.0.lock().unwrap().iter().any(|noted| noted == what) {
            heist::task::yield_now().await;
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Burns the processor and yields, again and again, until it is told to end.
async fn burn(ends: Arc<AtomicBool>) {
    while !ends.load(Ordering::Relaxed) {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_micros(100) {
            std::hint::spin_loop();
        }
        heist::task::yield_now().await;
    }
}

/// Yields again and again, until it is told to end.
async fn yields(ends: Arc<AtomicBool>) {
    while !ends.load(Ordering::Relaxed) {
        heist::task::yield_now().await;
    }
}

/// Notes what it is told. On `b"end"` and at the end of the stream it does what the test wants.
struct Notes {
    log: Log,
    transport: Option<Transport>,
    react: fn(&Log, &Transport, &str),
    ended: Option<Promise<()>>,
}

impl Notes {
    fn told(&self, what: &str) {
        self.log.note(what);
        if let Some(transport) = &self.transport {
            (self.react)(&self.log, transport, what);
        }
    }
}

impl Protocol for Notes {
    fn connection_made(&mut self, transport: Transport) {
        self.transport = Some(transport);
        self.told("made");
    }

    fn data_received(&mut self, data: &[u8]) {
        self.told(std::str::from_utf8(data).unwrap());
    }

    fn eof_received(&mut self) -> bool {
        self.told("eof");
        false
    }

    fn pause_writing(&mut self) {
        self.told("paused");
    }

    fn resume_writing(&mut self) {
        self.told("resumed");
    }

    fn connection_lost(&mut self, error: Option<std::io::Error>) {
        self.log
            .note(error.map_or("lost".to_owned(), |error| format!("lost: {error}")));
        if let Some(ended) = self.ended.take() {
            let _ = ended.set_result(());
        }
    }
}

/// Serves one connection with `react`, runs `client` on the other end, and returns what the protocol was told.
async fn one_connection(
    event_loop: &EventLoop,
    react: fn(&Log, &Transport, &str),
    client: impl AsyncFnOnce(TcpStream, &Log),
) -> Vec<String> {
    let (log, (promise, ended)) = (Log::default(), event_loop.create_future());
    let (notes, mut promise) = (log.clone(), Some(promise));
    let factory = move || Notes {
        log: notes.clone(),
        transport: None,
        react,
        ended: promise.take(),
    };
    let create = event_loop.create_server(factory, "127.0.0.1:0");
    let server = create.await.unwrap();
    let peer = TcpStream::connect(server.local_addr()).await.unwrap();
    client(peer, &log).await;
    ended.await.unwrap();
    server.close();
    server.wait_closed().await;
    log.take()
}

/// Callbacks run in the order in which they were scheduled. Those that callbacks schedule run after all of that turn.
async fn callbacks_keep_their_order(event_loop: &EventLoop) {
    let (log, (promise, ended)) = (Log::default(), event_loop.create_future());
    let (first, notes) = (event_loop.clone(), log.clone());
    event_loop.call_soon(move || {
        let (second, later) = (first.clone(), notes.clone());
        // The first turn may be under way before all of it is scheduled, so what follows is scheduled from within one.
        for number in 0..100 {
            let notes = notes.clone();
            first.call_soon(move || notes.note(number));
        }
        first.call_soon(move || {
            let last = later.clone();
            second.call_soon(move || {
                last.note("next turn");
                let _ = promise.set_result(());
            });
            later.note("last");
        });
        let dropped = notes.clone();
        first.call_soon(move || dropped.note("cancelled")).cancel();
    });
    ended.await.unwrap();
    let mut expected: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    expected.extend(["last".to_owned(), "next turn".to_owned()]);
    assert_eq!(log.take(), expected);
}

/// The end of the stream is told once, the answer to it is sent whole, and the end of the connection is told once, last.
async fn a_connection_ends_once_and_flushes(event_loop: &EventLoop) {
    let react = |_: &Log, transport: &Transport, what: &str| {
        if what == "eof" {
            transport
                .set_write_buffer_limits(Some(1 << 20), None)
                .unwrap();
            transport.write(&pattern(300_000));
            transport.close();
            transport.close();
        }
    };
    let told = one_connection(event_loop, react, async |mut peer, _| {
        peer.write_all(b"hello").await.unwrap();
        peer.shutdown().await.unwrap();
        let mut answer = Vec::new();
        peer.read_to_end(&mut answer).await.unwrap();
        assert!(answer == pattern(300_000));
    });
    assert_eq!(told.await, ["made", "hello", "eof", "lost"]);
}

/// The protocol is paused above the high-water mark, and resumed once the peer has read.
async fn the_marks_are_told(event_loop: &EventLoop) {
    let react = |_: &Log, transport: &Transport, what: &str| match what {
        "made" => {
            transport
                .set_write_buffer_limits(Some(10_000), None)
                .unwrap();
            let mut written = 0;
            while transport.write(&pattern(10_000)) {
                written += 10_000;
            }
            // Not more than the mark, whatever the system's own buffers take.
            assert!(transport.get_write_buffer_size() <= 20_000, "{written}");
            assert!(transport.is_writing_paused());
        }
        "resumed" => transport.close(),
        _ => {}
    };
    let told = one_connection(event_loop, react, async |mut peer, log| {
        // If it read meanwhile, the writer might never come to the mark.
        log.wait_for("paused").await;
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        assert!(!all.is_empty() && all.len() % 10_000 == 0);
    });
    assert_eq!(told.await, ["made", "paused", "resumed", "lost"]);
}

/// A callback that panics and a protocol that does are reported. Both harm nothing else.
async fn panics_go_to_the_handler(event_loop: &EventLoop) {
    let heard = told(event_loop);
    let (promise, ended) = event_loop.create_future();
    event_loop.call_soon(|| panic!("as the test wants it"));
    event_loop.call_soon(move || _ = promise.set_result(()));
    ended.await.unwrap();
    assert_eq!(
        heard.try_recv().unwrap(),
        "a callback of the event loop panicked: as the test wants it"
    );
    let react = |_: &Log, _: &Transport, what: &str| {
        assert_ne!(what, "panic", "as the test wants it");
    };
    let told = one_connection(event_loop, react, async |mut peer, _| {
        peer.write_all(b"panic").await.unwrap();
        assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
    });
    let lost = "lost: the protocol panicked in data_received";
    assert_eq!(told.await, ["made", "panic", lost]);
    let report = heard.try_recv().unwrap();
    assert!(
        report.starts_with("a protocol panicked in data_received"),
        "{report}"
    );
    assert!(heard.try_recv().is_err());
    event_loop.set_exception_handler(None);
}

/// A closed server takes no new clients. Those that are there go on until they are closed too.
async fn a_server_closes_around_its_clients(event_loop: &EventLoop) {
    let log = Log::default();
    let notes = log.clone();
    let factory = move || Notes {
        log: notes.clone(),
        transport: None,
        react: |_, transport, what| {
            if what == "echo" {
                transport.write(b"echo");
            }
        },
        ended: None,
    };
    let server = event_loop.create_server(factory, "127.0.0.1:0");
    let server = server.await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(TcpStream::connect(server.local_addr()).await.unwrap());
    }
    let mut answer = [0; 4];
    for closed in [false, true] {
        for client in &mut clients {
            client.write_all(b"echo").await.unwrap();
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"echo");
        }
        assert_eq!(server.is_serving(), !closed);
        server.close();
    }
    server.close_clients();
    server.wait_closed().await;
    for client in &mut clients {
        assert_eq!(client.read(&mut answer).await.unwrap(), 0);
    }
    let lost = log.take().iter().filter(|told| *told == "lost").count();
    assert_eq!(lost, 3);
}

#[cfg(unix)]
mod unix {
    use super::{Log, Ordering};
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    use heist::event_loop::{EventLoop, Promise, SubprocessProtocol, SubprocessTransport};
    use heist::signal::unix::SignalKind;

    use super::super::pattern;

    /// Each signal that comes when the one before it was handled is told once.
    pub(super) async fn signals_are_told(event_loop: &EventLoop) {
        // No other test of this program has to do with this one, and without a handler nothing happens.
        let signal = rustix::process::Signal::URG;
        let kind = SignalKind::from_raw(signal.as_raw());
        let count = Arc::new(AtomicU32::new(0));
        let counted = count.clone();
        event_loop
            .add_signal_handler(kind, move || _ = counted.fetch_add(1, Ordering::Relaxed))
            .unwrap();
        for round in 1..=3 {
            rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
            while count.load(Ordering::Relaxed) < round {
                heist::task::yield_now().await;
            }
        }
        assert!(event_loop.remove_signal_handler(kind));
        assert_eq!(count.load(Ordering::Relaxed), 3);
    }

    struct Cat {
        log: Log,
        output: Vec<u8>,
        ended: Option<Promise<Vec<u8>>>,
    }

    impl SubprocessProtocol for Cat {
        fn connection_made(&mut self, transport: SubprocessTransport) {
            self.log.note("made");
            let input = transport.get_pipe_transport(0).unwrap();
            input.write(&pattern(200_000));
            input.close();
        }

        fn pipe_data_received(&mut self, fd: i32, data: &[u8]) {
            assert_eq!(fd, 1);
            self.output.extend_from_slice(data);
        }

        fn pipe_connection_lost(&mut self, fd: i32, error: Option<std::io::Error>) {
            assert!(error.is_none(), "{error:?}");
            self.log.note(fd);
        }

        fn process_exited(&mut self) {
            self.log.note("exited");
        }

        fn connection_lost(&mut self, error: Option<std::io::Error>) {
            assert!(error.is_none(), "{error:?}");
            self.log.note("lost");
            let output = std::mem::take(&mut self.output);
            let _ = self.ended.take().unwrap().set_result(output);
        }
    }

    /// A child gets all that is written, all that it prints is told, and the end comes once, last.
    pub(super) async fn a_child_speaks_by_its_pipes(event_loop: &EventLoop) {
        let (log, (promise, ended)) = (Log::default(), event_loop.create_future());
        let cat = Cat {
            log: log.clone(),
            output: Vec::new(),
            ended: Some(promise),
        };
        event_loop
            .subprocess_shell(|| cat, "exec cat")
            .await
            .unwrap();
        assert!(ended.await.unwrap() == pattern(200_000));
        let mut told = log.take();
        assert_eq!(
            (told.remove(0), told.pop()),
            ("made".to_owned(), Some("lost".to_owned()))
        );
        told.sort();
        assert_eq!(told, ["0", "1", "2", "exited"]);
    }
}

/// `stop` ends a run after the turn, and one run only.
fn a_stop_ends_one_run(event_loop: &OwnedEventLoop) {
    let log = Log::default();
    for round in 0..3 {
        let (notes, stops) = (log.clone(), EventLoop::clone(event_loop));
        event_loop.call_soon(move || {
            stops.stop();
            stops.stop();
            let next = notes.clone();
            stops.call_soon(move || next.note(format!("{round} again")));
            notes.note(round);
        });
        event_loop.run_forever();
    }
    // asyncio runs the turn to its end, and what that has scheduled stays for the next run.
    let told = log.take();
    let rounds: Vec<_> = told.iter().filter(|told| told.len() == 1).collect();
    assert_eq!(rounds, ["0", "1", "2"]);
}

async fn keeps_its_promises(event_loop: &EventLoop) {
    callbacks_keep_their_order(event_loop).await;
    a_connection_ends_once_and_flushes(event_loop).await;
    the_marks_are_told(event_loop).await;
    panics_go_to_the_handler(event_loop).await;
    a_server_closes_around_its_clients(event_loop).await;
    #[cfg(unix)]
    unix::signals_are_told(event_loop).await;
    #[cfg(unix)]
    unix::a_child_speaks_by_its_pipes(event_loop).await;
}

#[test]
fn the_loop_keeps_its_promises_on_each_number_of_workers_idle_and_beside_burners() {
    for workers in [0, 1, 2, 4, 8] {
        for is_busy in [false, true] {
            let _watchdog = Watchdog::new();
            let builder = match workers {
                0 => EventLoop::builder().implementation("current_thread"),
                _ => EventLoop::builder()
                    .implementation("multi_thread")
                    .worker_threads(workers),
            };
            let event_loop = builder.build().unwrap();
            let ends = Arc::new(AtomicBool::new(false));
            if is_busy {
                for _ in 0..workers.max(1) {
                    event_loop.create_task(burn(ends.clone()));
                }
                event_loop.create_task(yields(ends.clone()));
            }
            let begin = Instant::now();
            let promises = keeps_its_promises(&event_loop);
            event_loop.run_until_complete(promises).unwrap();
            a_stop_ends_one_run(&event_loop);
            ends.store(true, Ordering::Relaxed);
            // For whoever wonders where the time goes.
            println!("{workers} workers, busy: {is_busy}: {:?}", begin.elapsed());
        }
    }
}
