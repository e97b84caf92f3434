//! Wakers that block, and proof that events and timers go on meanwhile. The tests of the scheduler use it too.

use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Wake, Waker};
use std::time::Duration;

use heist_reactor::io::AsyncReadExt;
use heist_reactor::net::TcpStream;
use heist_reactor::testing::block_on;
use heist_reactor::time::sleep;

pub(crate) const SOON: Duration = Duration::from_millis(1);

/// A waker that says that it is called, and then blocks until its gate is opened.
struct Blocks {
    called: mpsc::Sender<()>,
    gate: Mutex<mpsc::Receiver<()>>,
}

impl Wake for Blocks {
    fn wake(self: Arc<Self>) {
        self.called.send(()).expect("the test listens");
        // By a message, or as the gate is dropped.
        let _ = self.gate.lock().expect("no panic").recv();
    }
}

/// Opens the gate when dropped; `called` tells that the waker blocks.
pub(crate) struct Gate {
    pub(crate) called: mpsc::Receiver<()>,
    _open: mpsc::Sender<()>,
}

/// A waker that blocks whoever calls it, and its gate.
pub(crate) fn blocking_waker() -> (Gate, Waker) {
    let (calls, called) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    let waker = Waker::from(Arc::new(Blocks {
        called: calls,
        gate: Mutex::new(gate),
    }));
    let gate = Gate {
        called,
        _open: open,
    };
    (gate, waker)
}

/// One end in the reactor, the other outside.
pub(crate) fn pair() -> (TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let outside = std::net::TcpStream::connect(listener.local_addr().expect("bound"));
    let (inside, _) = listener.accept().expect("a connection");
    inside.set_nonblocking(true).expect("a socket");
    let inside = TcpStream::from_std(inside).expect("it registers");
    (inside, outside.expect("it listens"))
}

/// A timer and a socket, each of which wakes somebody.
pub(crate) fn both_are_served() {
    block_on(sleep(SOON));
    let (mut inside, mut outside) = pair();
    let mut buffer = [0];
    let mut read = pin!(inside.read(&mut buffer));
    let mut written = false;
    let read = block_on(poll_fn(|cx| {
        let polled = read.as_mut().poll(cx);
        if !std::mem::replace(&mut written, true) {
            assert!(polled.is_pending());
            outside.write_all(b"x").expect("it is connected");
        }
        polled
    }));
    assert_eq!(read.expect("it is connected"), 1);
}
