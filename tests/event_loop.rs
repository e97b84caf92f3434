//! The event loop's contracts, one test each.
//!
//! The peers are plain std sockets on the test's own thread, which is no worker.

#[path = "event_loop/attacks.rs"]
mod attacks;
#[path = "event_loop/calls.rs"]
mod calls;
#[path = "event_loop/connections.rs"]
mod connections;
#[path = "event_loop/datagrams.rs"]
mod datagrams;
#[path = "event_loop/endings.rs"]
mod endings;
#[path = "event_loop/faults.rs"]
mod faults;
#[path = "event_loop/futures.rs"]
mod futures;
#[path = "support/nobody.rs"]
mod nobody;
#[path = "event_loop/promises.rs"]
mod promises;
#[path = "event_loop/servers.rs"]
mod servers;
#[path = "event_loop/streams.rs"]
mod streams;
#[cfg(unix)]
#[path = "event_loop/subprocesses.rs"]
mod subprocesses;
#[path = "event_loop/tls.rs"]
mod tls;
#[path = "event_loop/transports.rs"]
mod transports;
#[cfg(unix)]
#[path = "event_loop/unix.rs"]
mod unix;
#[path = "support/watchdog.rs"]
mod watchdog;
#[cfg(unix)]
#[path = "event_loop/watched.rs"]
mod watched;

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;

use heist::event_loop::{
    EventLoop, ExceptionContext, Protocol, RuntimeExt as _, Server, Transport,
};
use heist::runtime::{Builder, Runtime};
pub(crate) use nobody::nobody;
use watchdog::LIMIT;
pub(crate) use watchdog::Watchdog;

pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
}

/// Runs a test on a current-thread runtime, and on one, two and four workers.
pub(crate) fn on_all(test: impl AsyncFn(EventLoop)) {
    let _watchdog = Watchdog::new();
    for workers in [0, 1, 2, 4] {
        let mut builder = match workers {
            0 => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        if workers > 0 {
            builder.worker_threads(workers);
        }
        let runtime = builder.build().unwrap();
        runtime.block_on(test(runtime.event_loop()));
    }
}

/// What a protocol was told.
#[derive(Debug)]
pub(crate) enum Event {
    Made(Transport),
    Data(Vec<u8>),
    Eof,
    Paused,
    Resumed,
    Lost(Option<io::Error>),
}

impl Event {
    pub(crate) fn made(self) -> Transport {
        match self {
            Event::Made(transport) => transport,
            other => panic!("{other:?} instead of the connection"),
        }
    }

    pub(crate) fn data(self) -> Vec<u8> {
        match self {
            Event::Data(data) => data,
            other => panic!("{other:?} instead of data"),
        }
    }

    pub(crate) fn lost(self) -> Option<io::Error> {
        match self {
            Event::Lost(error) => error,
            other => panic!("{other:?} instead of the end"),
        }
    }
}

pub(crate) type React = Box<dyn FnMut(&Event, &Transport) + Send>;

/// Tells a channel what it is told, after doing what the test wants done.
pub(crate) struct Recorder {
    pub(crate) transport: Option<Transport>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) react: React,
    pub(crate) keep_open: bool,
}

impl Recorder {
    fn tell(&mut self, event: Event) {
        if let Some(transport) = &self.transport {
            (self.react)(&event, transport);
        }
        let _ = self.events.send(event);
    }
}

impl Protocol for Recorder {
    fn connection_made(&mut self, transport: Transport) {
        self.transport = Some(transport.clone());
        self.tell(Event::Made(transport));
    }

    fn data_received(&mut self, data: &[u8]) {
        self.tell(Event::Data(data.to_vec()));
    }

    fn eof_received(&mut self) -> bool {
        self.tell(Event::Eof);
        self.keep_open
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.tell(Event::Lost(error));
    }

    fn pause_writing(&mut self) {
        self.tell(Event::Paused);
    }

    fn resume_writing(&mut self) {
        self.tell(Event::Resumed);
    }
}

/// One connection from a plain socket to a recorder behind a server.
pub(crate) struct Link {
    pub(crate) peer: TcpStream,
    pub(crate) transport: Transport,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) told: mpsc::Receiver<String>,
    pub(crate) server: Server,
    // Last: the runtime goes when all else has been looked at.
    pub(crate) runtime: Runtime,
    _watchdog: Watchdog,
}

impl Link {
    /// With a reaction that is called in each callback, before the event is recorded.
    pub(crate) fn reacting(
        keep_open: bool,
        react: impl FnMut(&Event, &Transport) + Send + 'static,
    ) -> Self {
        let watchdog = Watchdog::new();
        let runtime = runtime();
        let told = told(&runtime.event_loop());
        let (sender, events) = mpsc::channel();
        let mut react: Option<React> = Some(Box::new(react));
        let server = serve(&runtime, move || Recorder {
            transport: None,
            events: sender.clone(),
            react: react.take().expect("one connection"),
            keep_open,
        });
        let peer = connect(server.local_addr());
        let transport = match events.recv() {
            Ok(event) => event.made(),
            Err(error) => panic!("{error}"),
        };
        Self {
            peer,
            transport,
            events,
            told,
            server,
            runtime,
            _watchdog: watchdog,
        }
    }

    pub(crate) fn new() -> Self {
        Self::reacting(false, |_, _| ())
    }

    pub(crate) fn next(&self) -> Event {
        self.events
            .recv()
            .expect("the protocol was told more before it was dropped")
    }

    /// The last event is the loss, there is one of it, and nothing comes after it.
    pub(crate) fn assert_lost_once(&self) -> Option<io::Error> {
        let mut lost = None;
        // Ends when the protocol is dropped, and its sender with it; the factory's goes with the server.
        self.server.close();
        while let Ok(event) = self.events.recv() {
            assert!(lost.is_none(), "{event:?} after the connection was lost");
            if let Event::Lost(error) = event {
                lost = Some(error);
            }
        }
        lost.expect("connection_lost was called")
    }
}

pub(crate) fn serve<P: Protocol>(
    runtime: &Runtime,
    factory: impl FnMut() -> P + Send + 'static,
) -> Server {
    let event_loop = runtime.event_loop();
    runtime
        .block_on(async move { event_loop.create_server(factory, "127.0.0.1:0").await })
        .unwrap()
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// What the exception handler is told, as text.
pub(crate) fn told(event_loop: &EventLoop) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let handler = move |_: &EventLoop, context: &ExceptionContext| {
        let _ = sender.send(context.to_string());
    };
    event_loop.set_exception_handler(Some(Box::new(handler)));
    receiver
}

pub(crate) fn read_exactly(mut stream: &TcpStream, length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    stream.read_exact(&mut data).unwrap();
    data
}

pub(crate) fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut data = Vec::new();
    stream.read_to_end(&mut data).unwrap();
    data
}

/// Closes a socket so that the other end sees a reset: with something unread in it.
pub(crate) fn reset(stream: TcpStream) {
    while let Err(error) = stream.peek(&mut [0]) {
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
    drop(stream);
}

/// Polls a future a number of times at most. Lets others run in between.
pub(crate) async fn poll_times<F: Future>(
    mut future: Pin<&mut F>,
    times: u32,
) -> Option<F::Output> {
    for _ in 0..times {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        heist::task::yield_now().await;
    }
    None
}

/// Bytes whose place can be told from their values.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}
