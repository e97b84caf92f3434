//! TCP, as its users see it.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_io::AsyncRead;
use heist_reactor::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadBuf};
use heist_reactor::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_reactor::time::timeout;
use heist_reactor::{Config, Reactor};

/// A connection: this end ours, the other std's, so that the test says when it does what.
async fn pair() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let peer =
        std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (stream, _) = listener.accept().await.expect("a peer");
    (stream, peer)
}

fn run(test: impl AsyncFnOnce() + Send + 'static) {
    within_limit(|| block_on(test()));
}

/// Reads into several buffers, one after the other.
async fn read_vectored(
    stream: &mut TcpStream,
    buffers: &mut [IoSliceMut<'_>],
) -> io::Result<usize> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_read_vectored(cx, buffers)).await
}

#[test]
fn what_was_not_read_is_read_next() {
    run(async || {
        let (mut stream, mut peer) = pair().await;
        peer.write_all(b"0123456789").unwrap();
        let mut one = [0; 1];
        let mut rest = [0; 9];
        stream.read_exact(&mut one).await.unwrap();
        stream.read_exact(&mut rest).await.unwrap();
        assert_eq!((&one, &rest), (b"0", b"123456789"));
        // A short read takes the readiness back; what comes after it brings it again.
        let mut large = [0; 64];
        for _ in 0..100 {
            peer.write_all(b"ab").unwrap();
            let mut read = 0;
            while read < 2 {
                read += stream.read(&mut large).await.unwrap();
            }
        }
        peer.write_all(b"end").unwrap();
        drop(peer);
        let mut end = Vec::new();
        stream.read_to_end(&mut end).await.unwrap();
        assert_eq!(end, b"end");
        assert_eq!(
            stream.read(&mut large).await.unwrap(),
            0,
            "the end stays the end"
        );
    });
}

#[test]
fn what_is_peeked_is_read_again() {
    run(async || {
        let (mut stream, mut peer) = pair().await;
        peer.write_all(b"abc").unwrap();
        let mut buffer = [0; 8];
        while stream.peek(&mut buffer).await.unwrap() < 3 {}
        assert_eq!(stream.peek(&mut buffer).await.unwrap(), 3);
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 3);
        assert_eq!(&buffer[..3], b"abc");
        assert_eq!(
            stream.try_read(&mut buffer).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
    });
}

#[test]
fn several_buffers_are_read_and_written_in_one_go() {
    run(async || {
        let (mut stream, mut peer) = pair().await;
        let written = stream
            .write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cde")])
            .await;
        assert_eq!(written.unwrap(), 5);
        let mut heard = [0; 5];
        peer.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"abcde");
        peer.write_all(b"vwxyz").unwrap();
        let (mut first, mut second) = ([0; 2], [0; 3]);
        while stream.peek(&mut heard).await.unwrap() < 5 {}
        let buffers = &mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(read_vectored(&mut stream, buffers).await.unwrap(), 5);
        assert_eq!((&first, &second), (b"vw", b"xyz"));
    });
}

/// Polls a future that has all that it waits for: nothing new comes for it.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let done = block_on(timeout(Duration::from_secs(30), future));
    done.expect("it waits for what is there already")
}

#[test]
fn more_buffers_than_the_system_takes_leave_the_rest_to_be_read() {
    run(async || {
        let (mut stream, mut peer) = pair().await;
        let sent = [7; 3_000];
        peer.write_all(&sent).unwrap();
        while stream.peek(&mut [0; 3_000]).await.unwrap() < 3_000 {}
        let mut room = [0; 2_000];
        let mut buffers: Vec<_> = room.chunks_mut(1).map(IoSliceMut::new).collect();
        let first = at_once(read_vectored(&mut stream, &mut buffers)).unwrap();
        let mut rest = vec![0; 3_000 - first];
        at_once(stream.read_exact(&mut rest)).unwrap();
        assert!(room[..first].iter().chain(&rest).all(|&byte| byte == 7));
        // The same by `try_read_vectored`.
        peer.write_all(&sent).unwrap();
        while stream.peek(&mut [0; 3_000]).await.unwrap() < 3_000 {}
        let mut buffers: Vec<_> = room.chunks_mut(1).map(IoSliceMut::new).collect();
        let first = stream.try_read_vectored(&mut buffers).unwrap();
        assert_eq!(stream.try_read(&mut [0; 3_000]).unwrap(), 3_000 - first);
    });
}

#[test]
fn more_buffers_than_the_system_takes_leave_room_to_be_written_to() {
    run(async || {
        let (mut stream, mut peer) = pair().await;
        let buffers = vec![IoSlice::new(b"x"); 2_000];
        let first = at_once(stream.write_vectored(&buffers)).unwrap();
        let second = at_once(stream.write_vectored(&buffers)).unwrap();
        let third = stream.try_write_vectored(&buffers).unwrap();
        let fourth = stream.try_write(b"x").unwrap();
        let mut heard = vec![0; first + second + third + fourth];
        peer.read_exact(&mut heard).unwrap();
        assert!(heard.iter().all(|&byte| byte == b'x'));
    });
}

/// A read stops before an urgent byte, whatever lies behind it.
#[test]
fn what_lies_behind_an_urgent_byte_is_read() {
    run(async || {
        for inline in [false, true] {
            let (mut stream, mut peer) = pair().await;
            let ours = socket2::SockRef::from(&stream);
            ours.set_out_of_band_inline(inline).unwrap();
            for _ in 0..100 {
                peer.write_all(b"before").unwrap();
                socket2::SockRef::from(&peer)
                    .send_out_of_band(b"!")
                    .unwrap();
                peer.write_all(b"behind").unwrap();
                let want: &[u8] = if inline {
                    b"before!behind"
                } else {
                    b"beforebehind"
                };
                let mut heard = Vec::new();
                while heard.len() < want.len() {
                    let mut room = [0; 64];
                    let len = timeout(Duration::from_secs(30), stream.read(&mut room)).await;
                    let len = len.expect("what is there is read").unwrap();
                    heard.extend_from_slice(&room[..len]);
                }
                assert_eq!(heard, want);
            }
            // After it short means drained again.
            let error = stream.try_read(&mut [0; 64]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
    });
}

#[test]
fn empty_buffers_are_no_short_reads_or_writes() {
    run(async || {
        let (mut stream, mut peer) = pair().await;
        peer.write_all(b"ab").unwrap();
        while stream.peek(&mut [0; 2]).await.unwrap() < 2 {}
        assert_eq!(at_once(stream.read(&mut [])).unwrap(), 0);
        let (mut none, mut one, mut more) = ([], [0; 1], []);
        let buffers = &mut [&mut none[..], &mut one, &mut more].map(IoSliceMut::new);
        assert_eq!(at_once(read_vectored(&mut stream, buffers)).unwrap(), 1);
        assert_eq!(at_once(stream.read(&mut [0; 1])).unwrap(), 1);
        assert_eq!(at_once(stream.write(&[])).unwrap(), 0);
        let buffers = [IoSlice::new(&[]), IoSlice::new(b"x"), IoSlice::new(&[])];
        assert_eq!(at_once(stream.write_vectored(&buffers)).unwrap(), 1);
        assert_eq!(at_once(stream.write(b"y")).unwrap(), 1);

        // More empty ones in front than the system takes.
        peer.write_all(b"c").unwrap();
        let mut buffers: Vec<_> = (0..2_000).map(|_| IoSliceMut::new(&mut [])).collect();
        buffers.push(IoSliceMut::new(&mut one));
        assert_eq!(
            at_once(read_vectored(&mut stream, &mut buffers)).unwrap(),
            1
        );
        let mut buffers = vec![IoSlice::new(b""); 2_000];
        buffers.push(IoSlice::new(b"z"));
        assert_eq!(at_once(stream.write_vectored(&buffers)).unwrap(), 1);
    });
}

#[test]
fn a_direction_that_we_shut_down_is_at_its_end_at_once() {
    run(async || {
        let (mut stream, mut peer) = pair().await;
        peer.write_all(b"ab").unwrap();
        while stream.peek(&mut [0; 2]).await.unwrap() < 2 {}
        socket2::SockRef::from(&stream)
            .shutdown(std::net::Shutdown::Read)
            .unwrap();
        // What has come is read, short as it is, and then the end.
        assert_eq!(at_once(stream.read(&mut [0; 8])).unwrap(), 2);
        assert_eq!(at_once(stream.read(&mut [0; 8])).unwrap(), 0);
        stream.shutdown().await.unwrap();
        assert!(at_once(stream.write(b"x")).is_err());
    });
}

#[test]
fn a_peer_that_closes_one_direction_can_still_be_written_to() {
    run(async || {
        let (mut stream, mut peer) = pair().await;
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        let ready = stream
            .ready(Interest::READABLE | Interest::WRITABLE)
            .await
            .unwrap();
        assert!(ready.is_readable() && ready.is_writable() && !ready.is_write_closed());
        stream.write_all(b"late").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut heard = String::new();
        peer.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "late");
    });
}

#[test]
fn a_reset_is_an_error_for_reader_and_writer() {
    run(async || {
        let (mut stream, peer) = pair().await;
        socket2::SockRef::from(&peer)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(peer);
        let error = stream.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(stream.write(b"gone").await.is_err());
        stream.shutdown().await.unwrap();
    });
}

#[test]
fn a_connection_refused_is_an_error() {
    run(async || {
        // It has the port, so that no other test gets it, and doesn't listen.
        let bound = TcpSocket::new_v4().unwrap();
        bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = bound.local_addr().unwrap();
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let refused = TcpSocket::new_v4()
            .unwrap()
            .connect(address)
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn futures_are_sent_and_shared() {
    fn check<F: Future + Send + Sync>(_: F) {}
    check(TcpStream::connect("localhost:1"));
    check(lookup_host("localhost:1"));
    check(TcpListener::bind("localhost:1"));
}

#[test]
fn addresses_that_are_none_are_errors() {
    run(async || {
        for bad in ["localhost", "localhost:port", "127.0.0.1:65536", ""] {
            let error = TcpStream::connect(bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad:?}");
        }
        let none: &[std::net::SocketAddr] = &[];
        assert_eq!(
            TcpStream::connect(none).await.unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        // Too long for a name, so nobody is asked for it.
        let long = format!("{}:80", "x".repeat(300));
        assert!(lookup_host(long).await.is_err());
    });
}

#[test]
fn two_tasks_share_a_connection_and_every_byte_arrives() {
    run(async || {
        const LEN: usize = 4 << 20;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let byte = |nth: usize| ((nth * 31) >> 3) as u8;
        let echo = std::thread::spawn(move || {
            block_on(async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut read, mut write) = stream.split();
                heist_reactor::io::copy(&mut read, &mut write)
                    .await
                    .unwrap();
            });
        });
        let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
        let writer = std::thread::spawn(move || {
            block_on(async {
                let bytes: Vec<u8> = (0..LEN).map(byte).collect();
                for piece in bytes.chunks(65_521) {
                    write.write_all(piece).await.unwrap();
                }
                // Dropped with much of it still on its way.
            });
        });
        let mut back = Vec::new();
        read.read_to_end(&mut back).await.unwrap();
        assert_eq!(back.len(), LEN);
        assert!(
            back.iter()
                .enumerate()
                .all(|(nth, &there)| there == byte(nth))
        );
        writer.join().unwrap();
        echo.join().unwrap();
    });
}

#[test]
fn halves_of_one_connection_reunite_and_those_of_two_do_not() {
    run(async || {
        let ((first, _a), (second, _b)) = (pair().await, pair().await);
        let ((read, write), (other_read, other_write)) = (first.into_split(), second.into_split());
        let apart = read.reunite(other_write).unwrap_err();
        let (read, other_write) = (apart.0, apart.1);
        let mut whole = read.reunite(write).unwrap();
        whole.write_all(b"open").await.unwrap();
        drop(other_write.reunite(other_read).unwrap());
    });
}

#[test]
fn the_last_waker_of_a_direction_is_the_one_woken() {
    run(async || {
        let (mut stream, mut peer) = pair().await;
        let (first, first_waker) = CountWakes::new();
        let (last, last_waker) = CountWakes::new();
        let mut buffer = [0; 8];
        for waker in [&first_waker, &last_waker] {
            let mut cx = Context::from_waker(waker);
            assert!(
                Pin::new(&mut stream)
                    .poll_read(&mut cx, &mut buffer)
                    .is_pending()
            );
        }
        peer.write_all(b"x").unwrap();
        while last.get() == 0 {
            heist_reactor::time::sleep(Duration::from_micros(200)).await;
        }
        assert_eq!(first.get(), 0);
    });
}

#[test]
fn any_number_of_async_functions_wait_for_one_direction() {
    run(async || {
        let (stream, mut peer) = pair().await;
        assert!(stream.try_read(&mut [0; 8]).is_err());
        let (count, waker) = CountWakes::new();
        let mut cx = Context::from_waker(&waker);
        let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(stream.readable())).collect();
        for readable in &mut waiting {
            assert!(readable.as_mut().poll(&mut cx).is_pending());
        }
        drop(waiting.split_off(5));
        peer.write_all(b"x").unwrap();
        stream.readable().await.unwrap();
        while count.get() < 5 {
            std::thread::yield_now();
        }
        assert_eq!(count.get(), 5, "those that were dropped are not woken");
        for readable in waiting {
            readable.await.unwrap();
        }
    });
}

#[test]
fn a_waker_that_drops_another_socket_of_its_batch_harms_nothing() {
    struct Drops(Mutex<Vec<TcpStream>>, Arc<CountWakes>);

    impl Wake for Drops {
        fn wake(self: Arc<Self>) {
            let dropped = std::mem::take(&mut *self.0.lock().expect("no panic"));
            drop(dropped);
            Wake::wake(self.1.clone());
        }
    }

    within_limit(|| {
        let reactor = Reactor::new(Config::default()).expect("a poller");
        let _entered = reactor.enter();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut ours, mut peers) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            peers.push(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
            let (stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            ours.push(TcpStream::from_std(stream).unwrap());
        }
        let (count, _) = CountWakes::new();
        let drops = Arc::new(Drops(Mutex::default(), count.clone()));
        let waker = Waker::from(drops.clone());
        let mut turn = reactor.try_borrow().expect("free");
        turn.wait(Some(Duration::ZERO));
        for stream in &ours {
            let peeked = stream.poll_peek(
                &mut Context::from_waker(&waker),
                &mut ReadBuf::new(&mut [0; 1]),
            );
            assert!(peeked.is_pending());
        }
        drops.0.lock().unwrap().append(&mut ours);
        for peer in &mut peers {
            peer.write_all(b"x").unwrap();
        }
        while count.get() == 0 {
            turn.wait(None);
        }
        // The place of a socket that is gone goes to a new one, which hears of its own events only.
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = TcpStream::from_std(stream).unwrap();
        turn.wait(Some(Duration::ZERO));
        let peeked = stream.poll_peek(
            &mut Context::from_waker(Waker::noop()),
            &mut ReadBuf::new(&mut [0; 1]),
        );
        assert!(peeked.is_pending());
        drop(peer);
    });
}

#[test]
fn a_socket_of_one_reactor_works_wherever_it_is_polled() {
    within_limit(|| {
        struct Plain;
        impl heist_reactor::Monitor for Plain {}

        let (own, other) = [(); 2]
            .map(|()| Reactor::new(Config::default()).expect("a poller"))
            .into();
        own.start_thread(Box::new(Plain)).expect("a thread");
        let (mut stream, mut peer) = {
            let _entered = own.enter();
            block_on(pair())
        };
        let _entered = other.enter();
        peer.write_all(b"far").unwrap();
        let mut heard = [0; 3];
        block_on(stream.read_exact(&mut heard)).unwrap();
        own.shutdown();
        assert!(block_on(stream.read(&mut heard)).is_err());
    });
}

#[test]
fn sockets_come_from_std_and_go_back_to_it() {
    run(async || {
        let (stream, mut peer) = pair().await;
        let mut std_stream = std::net::TcpStream::try_from(stream).unwrap();
        std_stream.write_all(b"std").unwrap();
        let mut stream = TcpStream::try_from(std_stream).unwrap();
        stream.write_all(b"ours").await.unwrap();
        drop(stream);
        let mut heard = String::new();
        peer.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "stdours");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = std::net::TcpListener::try_from(listener).unwrap();
        let listener = TcpListener::try_from(listener).unwrap();
        drop(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        listener.accept().await.unwrap();
    });
}

#[test]
fn options_are_set_and_read_back() {
    run(async || {
        let (stream, _peer) = pair().await;
        stream.set_nodelay(true).unwrap();
        assert!(stream.nodelay().unwrap());
        stream.set_ttl(42).unwrap();
        assert_eq!(stream.ttl().unwrap(), 42);
        stream.set_linger(Some(Duration::from_secs(1))).unwrap();
        assert_eq!(stream.linger().unwrap(), Some(Duration::from_secs(1)));
        assert!(stream.take_error().unwrap().is_none());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.set_ttl(43).unwrap();
        assert_eq!(listener.ttl().unwrap(), 43);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn what_arrives_can_be_confirmed_at_once() {
    run(async || {
        let (stream, _peer) = pair().await;
        for quick in [true, false] {
            stream.set_quickack(quick).unwrap();
            assert_eq!(stream.quickack().unwrap(), quick);
        }
    });
}

#[test]
fn options_are_set_before_the_socket_is_used() {
    run(async || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_keepalive(true).unwrap();
        socket.set_nodelay(true).unwrap();
        assert!(socket.keepalive().unwrap() && socket.nodelay().unwrap());
        socket.set_reuseaddr(true).unwrap();
        assert!(socket.reuseaddr().unwrap());
        socket.set_linger(Some(Duration::from_secs(2))).unwrap();
        assert_eq!(socket.linger().unwrap(), Some(Duration::from_secs(2)));
        socket.set_zero_linger().unwrap();
        assert_eq!(socket.linger().unwrap(), Some(Duration::ZERO));
        socket.set_linger(None).unwrap();
        socket.set_send_buffer_size(16 << 10).unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        // The system may take more for itself.
        assert!(socket.send_buffer_size().unwrap() >= 16 << 10);
        assert!(socket.recv_buffer_size().unwrap() >= 16 << 10);
        assert!(socket.take_error().unwrap().is_none());
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let listener = socket.listen(8).unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
        let client = TcpSocket::new_v4().unwrap();
        client.set_nodelay(true).unwrap();
        let client = client.connect(address).await.unwrap();
        assert!(client.nodelay().unwrap());
        assert_eq!(client.as_ref().peer_addr().unwrap(), address);
        listener.accept().await.unwrap();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn options_of_linux_are_set_before_the_socket_is_used() {
    use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
    run(async || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseport(true).unwrap();
        assert!(socket.reuseport().unwrap());
        socket.set_tos_v4(0x10).unwrap();
        assert_eq!(socket.tos_v4().unwrap(), 0x10);
        assert_eq!(socket.device().unwrap(), None);
        socket.bind_device(Some(b"lo")).unwrap();
        assert_eq!(socket.device().unwrap().as_deref(), Some(&b"lo"[..]));
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let second = TcpSocket::new_v4().unwrap();
        second.set_reuseport(true).unwrap();
        second.bind(socket.local_addr().unwrap()).unwrap();
        let number = second.as_raw_fd();
        assert_eq!(second.into_raw_fd(), number);
        // SAFETY: the number comes from a socket that has given it up.
        drop(unsafe { TcpSocket::from_raw_fd(number) });
        if let Ok(socket) = TcpSocket::new_v6() {
            socket.set_tclass_v6(0x20).unwrap();
            assert_eq!(socket.tclass_v6().unwrap(), 0x20);
        }
    });
}

#[test]
fn a_connection_without_linger_is_reset() {
    run(async || {
        let (stream, mut peer) = pair().await;
        stream.set_zero_linger().unwrap();
        drop(stream);
        let error = peer.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn halves_wait_and_try_by_themselves() {
    run(async || {
        let (mut stream, mut peer) = pair().await;
        let (ours, theirs) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
        {
            let (mut read, write) = stream.split();
            let mut room = [0; 8];
            assert!(read.try_read(&mut room).is_err());
            peer.write_all(b"abcd").unwrap();
            read.readable().await.unwrap();
            while read.peek(&mut room).await.unwrap() < 4 {}
            let mut buffer = ReadBuf::new(&mut room);
            let peeked = poll_fn(|cx| read.poll_peek(cx, &mut buffer)).await;
            assert_eq!((peeked.unwrap(), buffer.filled()), (4, &b"abcd"[..]));
            assert_eq!(read.try_read_buf(&mut Vec::with_capacity(8)).unwrap(), 4);
            write.writable().await.unwrap();
            assert_eq!(write.try_write(b"x").unwrap(), 1);
            assert!(write.ready(Interest::WRITABLE).await.unwrap().is_writable());
            assert_eq!(
                (read.local_addr().unwrap(), write.peer_addr().unwrap()),
                (ours, theirs)
            );
        }
        let (mut read, write) = stream.into_split();
        peer.write_all(b"abcd").unwrap();
        assert!(read.ready(Interest::READABLE).await.unwrap().is_readable());
        let peeked = poll_fn(|cx| read.poll_peek(cx, &mut ReadBuf::new(&mut [0; 8]))).await;
        assert!(peeked.unwrap() > 0);
        read.readable().await.unwrap();
        let mut one = [0; 1];
        assert_eq!(
            read.try_read_vectored(&mut [IoSliceMut::new(&mut one)])
                .unwrap(),
            1
        );
        assert_eq!(write.try_write_vectored(&[IoSlice::new(b"y")]).unwrap(), 1);
        assert_eq!(
            (read.peer_addr().unwrap(), write.local_addr().unwrap()),
            (theirs, ours)
        );
        let mut heard = [0; 2];
        peer.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"xy");
    });
}

#[test]
fn a_ready_operation_in_a_loop_yields_in_the_end() {
    run(async || {
        let (mut stream, peer) = pair().await;
        drop(peer);
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
        // At its end a stream is always ready; the budget of a poll ends the loop all the same.
        let mut reads = 0;
        let polled = heist_sync::coop::budget(|| {
            let forever = async {
                loop {
                    let _ = stream.read(&mut [0; 1]).await;
                    reads += 1;
                }
            };
            pin!(forever)
                .poll(&mut Context::from_waker(Waker::noop()))
                .map(|()| ())
        });
        assert_eq!(polled, Poll::Pending);
        assert!((1..=128).contains(&reads), "{reads}");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn descriptors_are_closed_on_exec() {
    run(async || {
        use std::os::fd::AsRawFd;
        let (stream, peer) = pair().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let child = std::process::Command::new("ls")
            .args(["-l", "/proc/self/fd"])
            .output();
        let listed = String::from_utf8(child.expect("ls").stdout).unwrap();
        assert!(
            !listed.contains("eventpoll") && !listed.contains("timerfd"),
            "{listed}"
        );
        // Sockets of whoever started the tests may be there.
        for fd in [stream.as_raw_fd(), listener.as_raw_fd()] {
            let socket = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
            assert!(!listed.contains(socket.to_str().unwrap()), "{listed}");
        }
        assert!(stream.as_raw_fd() != peer.as_raw_fd() && listener.as_raw_fd() > 2);
    });
}
