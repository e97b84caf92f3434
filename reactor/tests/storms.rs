//! System calls that fail, or find nothing, for no fault of their caller. This program has its own `read`, `send`, `epoll_wait`,
//! `ppoll` and so on, which the standard library and all crates call. They are the system's, except in a storm.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

#[path = "storms/calls.rs"]
mod calls;

use std::io::{self, IoSlice, IoSliceMut};
use std::time::Duration;

use calls::{Storm, fail_call, in_storm, injected, turn};
use heist_reactor::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use heist_reactor::net::unix::pipe;
use heist_reactor::net::{
    TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream,
};
use heist_reactor::testing::{block_on, within_limit};
use heist_reactor::time::sleep;
use heist_reactor::{Config, Reactor};

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|nth| ((nth * 31) >> 3) as u8).collect()
}

/// Sends some bytes in pieces of several sizes, and reads them in others, one way.
async fn carries(mut to: impl AsyncWrite + Unpin, mut from: impl AsyncRead + Unpin) {
    let sent = bytes(300_000);
    let write = async {
        let (first, second) = sent.split_at(100_000);
        for piece in first.chunks(997) {
            to.write_all(piece).await.unwrap();
        }
        let mut left = second;
        while !left.is_empty() {
            let (one, other) = left.split_at(left.len().min(1_234));
            let buffers = [
                IoSlice::new(one),
                IoSlice::new(&other[..other.len().min(7)]),
            ];
            let done = to.write_vectored(&buffers).await.unwrap();
            left = &left[done..];
        }
        to.shutdown().await.unwrap();
        drop(to);
    };
    let read = async {
        let mut heard = vec![0; 100];
        for byte in heard.chunks_mut(1) {
            from.read_exact(byte).await.unwrap();
        }
        from.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let ((), heard) = heist::join!(write, read);
    assert!(heard == sent);
}

async fn tcp_pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let address = listener.local_addr().unwrap();
    let (connected, accepted) = heist::join!(TcpStream::connect(address), listener.accept());
    (connected.unwrap(), accepted.unwrap().0)
}

/// Everything that sends and receives does so.
async fn everything_works() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..20 {
        let (mut one, mut other) = tcp_pair(&listener).await;
        one.write_all(b"ab").await.unwrap();
        while other.peek(&mut [0; 2]).await.unwrap() < 2 {}
        let (mut first, mut second) = ([0; 1], [0; 1]);
        let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        let read = std::future::poll_fn(|cx| {
            let other = std::pin::Pin::new(&mut other);
            futures_io::AsyncRead::poll_read_vectored(other, cx, &mut buffers)
        });
        assert_eq!(read.await.unwrap(), 2);
    }
    let (one, other) = tcp_pair(&listener).await;
    let ((one_reads, one_writes), (other_reads, other_writes)) =
        (one.into_split(), other.into_split());
    heist::join!(
        carries(one_writes, other_reads),
        carries(other_writes, one_reads)
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let (connected, accepted) = heist::join!(UnixStream::connect(&path), listener.accept());
    carries(connected.unwrap(), accepted.unwrap().0).await;
    let (sender, receiver) = pipe::pipe().unwrap();
    carries(sender, receiver).await;

    let (one, other) = UnixDatagram::pair().unwrap();
    datagrams(
        async |nth| one.send(&[nth]).await,
        async |room| other.recv(room).await,
    )
    .await;
    let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = other.local_addr().unwrap();
    datagrams(
        async |nth| one.send_to(&[nth], address).await,
        async |room| {
            other.peek_from(&mut [0; 1]).await?;
            Ok(other.recv_from(room).await?.0)
        },
    )
    .await;
    one.connect(address).await.unwrap();
    datagrams(
        async |nth| one.send(&[nth]).await,
        async |room| other.recv(room).await,
    )
    .await;
    sleep(Duration::from_millis(2)).await;
}

/// Sends and receives some datagrams, one at a time.
async fn datagrams(
    send: impl AsyncFn(u8) -> io::Result<usize>,
    receive: impl AsyncFn(&mut [u8]) -> io::Result<usize>,
) {
    for nth in 0..100 {
        let mut room = [0; 8];
        let (sent, received) = heist::join!(send(nth), receive(&mut room));
        assert_eq!((sent.unwrap(), received.unwrap(), room[0]), (1, 1, nth));
    }
}

/// Everything works in the storm, which has struck often.
fn everything_works_in(storm: Storm) {
    within_limit(move || {
        let _turn = turn();
        block_on(everything_works());
        let before = injected();
        in_storm(storm, || block_on(everything_works()));
        let times = injected() - before;
        // A poller that asks about a part once, until it is rearmed, can be told of it for nothing once as often.
        assert!(times > 15, "it has struck {times} times");
    });
}

#[test]
fn calls_that_a_signal_interrupts_are_made_again() {
    everything_works_in(Storm::Interrupt);
}

/// As if somebody else had taken what was there: the call would block, and there is an event soon after it or before it returns.
#[test]
fn calls_that_find_nothing_are_made_again_at_the_next_event() {
    everything_works_in(Storm::Block);
}

/// For sockets that have nothing, for sockets that are gone, and twice the same.
#[test]
fn events_for_nothing_do_no_harm() {
    everything_works_in(Storm::Events);
}

#[test]
fn all_storms_at_once() {
    everything_works_in(Storm::All);
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("proc").count()
}

/// Makes each of the calls fail in turn that begin something. The operation fails with the same error, and leaves no
/// descriptor behind. When no call fails, it succeeds.
fn fails_cleanly<T>(name: &str, mut operation: impl FnMut() -> io::Result<T>) {
    drop(operation().expect("nothing fails"));
    for errno in [libc::ENOMEM, libc::ENFILE, libc::ENOBUFS] {
        for nth in 0.. {
            let before = descriptors();
            let (failed, result) = fail_call(nth, errno, &mut operation);
            let result = result.map(drop);
            assert_eq!(descriptors(), before, "{name}, call {nth}");
            if !failed {
                result.expect("nothing fails");
                assert!(nth > 0, "{name} makes no call");
                break;
            }
            let error = result.expect_err("the call is needed");
            assert_eq!(error.raw_os_error(), Some(errno), "{name}, call {nth}");
        }
    }
}

#[test]
fn what_fails_half_way_leaves_no_descriptor_behind() {
    within_limit(|| {
        let _turn = turn();
        block_on(everything_works());
        fails_cleanly("bind", || block_on(TcpListener::bind("127.0.0.1:0")));
        fails_cleanly("udp", || block_on(UdpSocket::bind("127.0.0.1:0")));
        fails_cleanly("pipe", pipe::pipe);
        fails_cleanly("pair", UnixStream::pair);
        fails_cleanly("datagrams", UnixDatagram::pair);
        fails_cleanly("reactor", || Reactor::new(Config::default()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // The other end stays in the backlog.
        fails_cleanly("connect", || block_on(TcpStream::connect(address)));
        fails_cleanly("socket", || {
            let connect = async { TcpSocket::new_v4()?.connect(address).await };
            block_on(connect)
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        fails_cleanly("unix", || {
            let _ = std::fs::remove_file(&path);
            UnixListener::bind(&path)
        });
        let unix = std::os::unix::net::UnixListener::bind(folder.path().join("other")).unwrap();
        fails_cleanly("unix connect", || {
            block_on(UnixStream::connect(folder.path().join("other")))
        });
        drop(unix);
    });
}

#[test]
fn a_listener_goes_on_after_any_error() {
    within_limit(|| {
        let _turn = turn();
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        for errno in [
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOBUFS,
            libc::ENOMEM,
            libc::ECONNABORTED,
            libc::EPROTO,
            libc::EPERM,
            libc::ENETDOWN,
        ] {
            let peer = std::net::TcpStream::connect(address).unwrap();
            let (failed, error) = fail_call(0, errno, || block_on(listener.accept()));
            assert!(failed);
            assert_eq!(error.unwrap_err().raw_os_error(), Some(errno));
            let (_, from) = block_on(listener.accept()).expect("it is still there");
            assert_eq!(from, peer.local_addr().unwrap());
            // If it can't be registered (`epoll_ctl`, or `fstat64` before `poll`), it is closed, and the listener goes on.
            let peer = std::net::TcpStream::connect(address).unwrap();
            let (failed, error) = fail_call(1, errno, || block_on(listener.accept()));
            assert!(failed);
            assert_eq!(error.unwrap_err().raw_os_error(), Some(errno));
            assert_eq!(io::Read::read(&mut &peer, &mut [0; 1]).unwrap(), 0);
        }
    });
}
