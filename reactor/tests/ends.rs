//! What happens to those who wait when their reactor ends.
#![cfg(all(unix, not(miri)))]

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use heist_reactor::backend::{Backend, PosixPoll};
use heist_reactor::io::unix::AsyncFd;
use heist_reactor::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadBuf};
use heist_reactor::net::unix::pipe;
use heist_reactor::net::{
    TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream,
};
use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_reactor::{Config, Reactor};

/// One who waits.
type Wait<'a> = Pin<Box<dyn Future<Output = io::Result<()>> + 'a>>;

/// Those who wait, by name.
#[derive(Default)]
struct Waits<'a>(Vec<(&'static str, Wait<'a>)>);

impl<'a> Waits<'a> {
    fn add<R>(&mut self, name: &'static str, wait: impl Future<Output = io::Result<R>> + 'a) {
        self.0
            .push((name, Box::pin(async { wait.await.map(drop) })));
    }

    /// Each of them waits. Then the reactor ends, and each fails.
    fn end_with(self, reactor: &Reactor) {
        let mut waiting = Vec::new();
        for (name, mut wait) in self.0 {
            let (woken, waker) = CountWakes::new();
            let polled = wait.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending(), "{name}: {polled:?}");
            waiting.push((name, wait, woken));
        }
        reactor.shutdown();
        for (name, mut wait, woken) in waiting {
            assert!(woken.get() > 0, "{name}: not woken");
            let (_, waker) = CountWakes::new();
            match wait.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(result) => assert!(result.is_err(), "{name}: no error"),
                Poll::Pending => panic!("{name}: still waits"),
            }
        }
    }
}

/// Adds waits, each named by what it is.
macro_rules! add {
    ($waits:ident: $($wait:expr,)+) => {
        $($waits.add(stringify!($wait), $wait);)+
    };
}

/// Adds the waits of a socket with each interest that isn't there, and operations that find nothing.
macro_rules! add_interests {
    ($waits:ident, $socket:expr, [$($interest:expr),+]) => {
        $(add! { $waits:
            $socket.ready($interest),
            $socket.async_io($interest, nothing),
        })+
    };
}

const PRIORITY_AND_ERROR: Interest = Interest::PRIORITY.add(Interest::ERROR);
const READABLE_OR_WRITABLE: Interest = Interest::READABLE.add(Interest::WRITABLE);

fn nothing() -> io::Result<()> {
    panic!("it is called while nothing is there")
}

/// Runs a test with a reactor that has been entered, one of each kind.
fn with_each_reactor(test: fn(&Reactor)) {
    let custom = Backend::custom(PosixPoll::new);
    for backend in [Backend::Mio, Backend::Poll, custom] {
        within_limit(move || {
            let config = Config {
                backend,
                ..Config::default()
            };
            let reactor = Reactor::new(config).expect("a poller");
            let _entered = reactor.enter();
            test(&reactor);
        });
    }
}

/// Does an operation until it would block.
fn exhaust<R>(mut operation: impl FnMut() -> io::Result<R>) {
    let error = loop {
        if let Err(error) = operation() {
            break error;
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

/// A connection that counts as ready for nothing (nobody takes the reactor's events), and its peer.
fn tcp() -> (TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let here = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    here.set_nonblocking(true).unwrap();
    let here = TcpStream::from_std(here).unwrap();
    exhaust(|| here.try_write(&[0; 65_536]));
    exhaust(|| here.try_read(&mut [0; 1]));
    (here, listener.accept().unwrap().0)
}

#[test]
fn all_who_wait_for_a_stream_fail() {
    with_each_reactor(|reactor| {
        let (stream, _peer) = tcp();
        let (other, _other_peer) = tcp();
        let (mut reads, mut writes) = other.into_split();
        let (unix, _unix_peer) = UnixStream::pair().unwrap();
        exhaust(|| unix.try_write(&[0; 65_536]));
        exhaust(|| unix.try_read(&mut [0; 1]));
        let (mut buffer, mut looked_at) = ([0; 8], [0; 8]);
        let mut free = ReadBuf::new(&mut looked_at);
        let mut waits = Waits::default();
        add! { waits:
            stream.readable(),
            stream.writable(),
            stream.ready(PRIORITY_AND_ERROR),
            stream.peek(&mut buffer),
            poll_fn(|cx| stream.poll_peek(cx, &mut free)),
            poll_fn(|cx| stream.poll_write_ready(cx)),
            reads.read_u8(),
            writes.write_all(b"x"),
            unix.readable(),
            unix.writable(),
            poll_fn(|cx| unix.poll_read_ready(cx)),
            poll_fn(|cx| unix.poll_write_ready(cx)),
        }
        add_interests! { waits, stream,
            [Interest::READABLE, Interest::WRITABLE, Interest::PRIORITY, Interest::ERROR, READABLE_OR_WRITABLE]
        }
        add_interests! { waits, unix,
            [Interest::READABLE, Interest::WRITABLE, Interest::ERROR, READABLE_OR_WRITABLE]
        }
        waits.end_with(reactor);
    });
}

#[test]
fn all_who_wait_for_a_connection_fail() {
    with_each_reactor(|reactor| {
        let folder = tempfile::tempdir().unwrap();
        let tcp = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let unix = UnixListener::bind(folder.path().join("socket")).unwrap();
        let mut waits = Waits::default();
        add! { waits:
            tcp.accept(),
            unix.accept(),
            poll_fn(|cx| tcp.poll_accept(cx)),
            poll_fn(|cx| unix.poll_accept(cx)),
        }
        waits.end_with(reactor);
    });
}

#[test]
fn all_who_wait_for_a_datagram_fail() {
    with_each_reactor(|reactor| {
        let udp = block_on(UdpSocket::bind("127.0.0.1:0")).unwrap();
        exhaust(|| udp.try_recv(&mut [0; 1]));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let named = UnixDatagram::bind(&path).unwrap();
        let unix = UnixDatagram::unbound().unwrap();
        unix.connect(&path).unwrap();
        exhaust(|| unix.try_send(b"x"));
        exhaust(|| unix.try_recv(&mut [0; 1]));
        let [a, b, c, d, e, f, g, h] = &mut [[0; 8]; 8];
        let [mut g, mut h] = [g, h].map(|buffer| ReadBuf::new(buffer));
        let (mut vec, mut another, mut third, mut fourth) = (vec![], vec![], vec![], vec![]);
        let mut waits = Waits::default();
        add! { waits:
            udp.readable(),
            udp.recv(a),
            udp.recv_from(b),
            udp.recv_buf(&mut vec),
            udp.recv_buf_from(&mut another),
            udp.peek(c),
            udp.peek_from(d),
            udp.peek_sender(),
            poll_fn(|cx| udp.poll_recv_from(cx, &mut g)),
            unix.readable(),
            unix.writable(),
            unix.recv(e),
            unix.recv_from(f),
            unix.recv_buf(&mut third),
            unix.recv_buf_from(&mut fourth),
            unix.send(b"x"),
            poll_fn(|cx| unix.poll_recv(cx, &mut h)),
            poll_fn(|cx| unix.poll_send(cx, b"x")),
        }
        add_interests! { waits, udp, [Interest::READABLE, Interest::ERROR] }
        add_interests! { waits, unix,
            [Interest::READABLE, Interest::WRITABLE, Interest::ERROR, READABLE_OR_WRITABLE]
        }
        waits.end_with(reactor);
        drop(named);
    });
}

#[test]
fn all_who_wait_for_a_pipe_fail() {
    with_each_reactor(|reactor| {
        let (sender, _receiver) = pipe::pipe().unwrap();
        let (_sender, receiver) = pipe::pipe().unwrap();
        exhaust(|| sender.try_write(&[0; 4_096]));
        let mut waits = Waits::default();
        add! { waits:
            sender.writable(),
            sender.ready(Interest::WRITABLE),
            sender.ready(Interest::WRITABLE | Interest::ERROR),
            poll_fn(|cx| sender.poll_write_ready(cx)),
            receiver.readable(),
            receiver.ready(Interest::READABLE),
            poll_fn(|cx| receiver.poll_read_ready(cx)),
        }
        waits.end_with(reactor);
    });
}

#[test]
fn all_who_wait_for_a_descriptor_fail() {
    with_each_reactor(|reactor| {
        let watched = || {
            let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
            here.set_nonblocking(true).unwrap();
            exhaust(|| io::Write::write(&mut &here, &[0; 65_536]));
            (AsyncFd::new(here).unwrap(), there)
        };
        let ((fd, _there), (mut changed, _other), (mut third, _third)) =
            (watched(), watched(), watched());
        let mut waits = Waits::default();
        add! { waits:
            fd.readable(),
            fd.writable(),
            fd.ready(Interest::READABLE),
            fd.ready(Interest::WRITABLE),
            fd.ready(Interest::PRIORITY),
            fd.ready(Interest::ERROR),
            fd.ready(READABLE_OR_WRITABLE),
            fd.async_io(Interest::READABLE, |_| nothing()),
            fd.async_io(Interest::WRITABLE, |_| nothing()),
            poll_fn(|cx| fd.poll_read_ready(cx).map_ok(drop)),
            poll_fn(|cx| fd.poll_write_ready(cx).map_ok(drop)),
            changed.writable_mut(),
            third.async_io_mut(Interest::WRITABLE, |_| nothing()),
        }
        waits.end_with(reactor);
    });
}
