//! UDP, as its users see it.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use heist_reactor::io::{Interest, ReadBuf};
use heist_reactor::net::UdpSocket;
use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_reactor::time::timeout;
use heist_reactor::{Config, Reactor};
use socket2::SockRef;

fn run(test: impl AsyncFnOnce() + Send + 'static) {
    within_limit(|| block_on(test()));
}

async fn bound() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.expect("a port")
}

/// Two sockets, each connected to the other.
async fn pair() -> (UdpSocket, UdpSocket) {
    let (one, other) = (bound().await, bound().await);
    one.connect(other.local_addr().unwrap()).await.unwrap();
    other.connect(one.local_addr().unwrap()).await.unwrap();
    (one, other)
}

/// Polls a future for what is there already.
async fn at_once<T>(future: impl Future<Output = T>) -> T {
    let done = timeout(Duration::from_secs(30), future).await;
    done.expect("it waits for what is there already")
}

#[test]
fn datagrams_go_to_an_address_and_tell_where_they_came_from() {
    run(async || {
        let (server, client) = (bound().await, bound().await);
        let (to, from) = (server.local_addr().unwrap(), client.local_addr().unwrap());
        let mut room = [0; 16];
        assert_eq!(client.send_to(b"one", to).await.unwrap(), 3);
        assert_eq!(server.recv_from(&mut room).await.unwrap(), (3, from));
        // To a host with a name, and without waiting.
        let named = format!("127.0.0.1:{}", to.port());
        client.send_to(b"two", &*named).await.unwrap();
        assert_eq!(client.try_send_to(b"three", to).unwrap(), 5);
        let mut buffer = Vec::with_capacity(16);
        assert_eq!(server.recv_buf_from(&mut buffer).await.unwrap(), (3, from));
        server.readable().await.unwrap();
        assert_eq!(server.try_recv_buf_from(&mut buffer).unwrap(), (5, from));
        assert_eq!(buffer, b"twothree");
        let none = server.try_recv_from(&mut room).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::WouldBlock);
        let nowhere: &[SocketAddr] = &[];
        let error = client.send_to(b"x", nowhere).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn connected_sockets_know_their_peer() {
    run(async || {
        let (one, other) = pair().await;
        assert_eq!(one.peer_addr().unwrap(), other.local_addr().unwrap());
        let mut room = [0; 16];
        assert_eq!(one.send(b"a").await.unwrap(), 1);
        assert_eq!(one.try_send(b"bc").unwrap(), 2);
        assert_eq!(other.recv(&mut room).await.unwrap(), 1);
        let mut buffer = Vec::new();
        assert_eq!(other.recv_buf(&mut buffer).await.unwrap(), 2);
        assert_eq!(buffer, b"bc");
        one.send(b"d").await.unwrap();
        other.readable().await.unwrap();
        assert_eq!(other.try_recv_buf(&mut buffer).unwrap(), 1);
        // A stranger is not heard.
        bound()
            .await
            .send_to(b"hush", other.local_addr().unwrap())
            .await
            .unwrap();
        one.send(b"e").await.unwrap();
        assert_eq!(other.recv(&mut room).await.unwrap(), 1);
        assert_eq!((&room[..1], &*buffer), (&b"e"[..], &b"bcd"[..]));
        assert!(bound().await.send(b"nobody").await.is_err());
        assert!(bound().await.peer_addr().is_err());
    });
}

/// What is drained is known by an operation that would block, never by a short one: each datagram is short.
#[test]
fn a_short_datagram_says_nothing_about_the_next() {
    run(async || {
        let (one, other) = pair().await;
        for round in 0..100u8 {
            for nth in 0..3 {
                one.send(&[round, nth]).await.unwrap();
            }
            for nth in 0..3 {
                let mut room = [0; 64];
                assert_eq!(at_once(other.recv(&mut room)).await.unwrap(), 2);
                assert_eq!(&room[..2], &[round, nth]);
            }
        }
        // An empty one is a datagram like others.
        one.send(&[]).await.unwrap();
        one.send(b"x").await.unwrap();
        assert_eq!(at_once(other.recv(&mut [0; 8])).await.unwrap(), 0);
        assert_eq!(at_once(other.recv(&mut [0; 8])).await.unwrap(), 1);
    });
}

#[cfg(unix)]
#[test]
fn what_does_not_fit_is_lost_and_the_next_datagram_is_whole() {
    run(async || {
        let (one, other) = pair().await;
        one.send(b"too long").await.unwrap();
        one.send(b"next").await.unwrap();
        let mut room = [0; 3];
        assert_eq!(other.recv(&mut room).await.unwrap(), 3);
        assert_eq!(&room, b"too");
        let mut room = [0; 8];
        assert_eq!(other.recv(&mut room).await.unwrap(), 4);
        // No room at all.
        one.send(b"gone").await.unwrap();
        one.send(b"here").await.unwrap();
        assert_eq!(other.recv(&mut []).await.unwrap(), 0);
        assert_eq!(other.recv(&mut room).await.unwrap(), 4);
        assert_eq!(&room[..4], b"here");
        // Longer than any datagram can be.
        assert!(one.send(&vec![0; 70_000]).await.is_err());
        one.send(b"still").await.unwrap();
        assert_eq!(other.recv(&mut room).await.unwrap(), 5);
    });
}

#[test]
fn a_datagram_that_is_looked_at_stays() {
    run(async || {
        let (one, other) = (bound().await, bound().await);
        let from = one.local_addr().unwrap();
        let mut room = [0; 8];
        let none = other.try_peek_sender().unwrap_err();
        assert_eq!(none.kind(), ErrorKind::WouldBlock);
        one.send_to(b"abc", other.local_addr().unwrap())
            .await
            .unwrap();
        assert_eq!(other.peek_sender().await.unwrap(), from);
        assert_eq!(other.peek_from(&mut room).await.unwrap(), (3, from));
        assert_eq!(other.peek(&mut room).await.unwrap(), 3);
        assert_eq!(other.try_peek(&mut room).unwrap(), 3);
        assert_eq!(other.try_peek_from(&mut room).unwrap(), (3, from));
        assert_eq!(other.try_peek_sender().unwrap(), from);
        assert_eq!(other.recv_from(&mut room).await.unwrap(), (3, from));
        let none = other.try_peek(&mut room).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn each_poll_function_waits_with_the_last_waker() {
    type Wait = fn(&UdpSocket, &mut Context<'_>, &mut ReadBuf<'_>) -> Poll<io::Result<()>>;
    let waits: [Wait; 6] = [
        |socket, cx, buffer| socket.poll_recv(cx, buffer),
        |socket, cx, buffer| socket.poll_recv_from(cx, buffer).map_ok(drop),
        |socket, cx, buffer| socket.poll_peek(cx, buffer),
        |socket, cx, buffer| socket.poll_peek_from(cx, buffer).map_ok(drop),
        |socket, cx, _| socket.poll_peek_sender(cx).map_ok(drop),
        |socket, cx, _| socket.poll_recv_ready(cx),
    ];
    within_limit(move || {
        for wait in waits {
            let (one, other) = block_on(pair());
            // It is not known yet that there is nothing.
            assert!(other.try_recv(&mut [0; 1]).is_err());
            let mut room = [MaybeUninit::uninit(); 8];
            let mut buffer = ReadBuf::uninit(&mut room);
            let ((first, first_waker), (last, last_waker)) = (CountWakes::new(), CountWakes::new());
            for waker in [&first_waker, &last_waker] {
                let mut cx = Context::from_waker(waker);
                assert!(wait(&other, &mut cx, &mut buffer).is_pending());
            }
            let mut cx = Context::from_waker(&first_waker);
            assert!(one.poll_send_ready(&mut cx).is_ready());
            assert!(one.poll_send(&mut cx, b"abc").is_ready());
            while last.get() == 0 {
                std::thread::yield_now();
            }
            assert_eq!(first.get(), 0);
            assert!(wait(&other, &mut cx, &mut buffer).is_ready());
            assert!([&b""[..], b"abc"].contains(&buffer.filled()));
            let address = other.local_addr().unwrap();
            let (stranger, mut cx) = (block_on(bound()), Context::from_waker(Waker::noop()));
            let sent = stranger.poll_send_to(&mut cx, b"to", address);
            assert!(matches!(sent, Poll::Ready(Ok(2))));
        }
    });
}

#[test]
fn what_is_filled_of_a_buffer_stays() {
    run(async || {
        let (one, other) = pair().await;
        let mut room = [MaybeUninit::uninit(); 8];
        let mut buffer = ReadBuf::uninit(&mut room);
        for datagram in [&b"ab"[..], b"cde", b"fghijk"] {
            one.send(datagram).await.unwrap();
            std::future::poll_fn(|cx| other.poll_recv(cx, &mut buffer))
                .await
                .unwrap();
        }
        let whole = if cfg!(unix) {
            &b"abcdefgh"[..]
        } else {
            buffer.filled()
        };
        assert_eq!(buffer.filled(), whole);
    });
}

#[cfg(unix)]
#[test]
fn a_peer_that_is_not_there_is_an_error_once() {
    run(async || {
        let (one, other) = pair().await;
        // It has the port, and takes nothing from anybody but itself. So nobody is there, and nobody else comes.
        let gone = other.local_addr().unwrap();
        other.connect(gone).await.unwrap();
        one.send(b"x").await.unwrap();
        let error = one.recv(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        // The socket goes on.
        let none = one.try_recv(&mut [0; 8]).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::WouldBlock);
        other.connect(one.local_addr().unwrap()).await.unwrap();
        other.send(b"back").await.unwrap();
        assert_eq!(one.recv(&mut [0; 8]).await.unwrap(), 4);
        // It may be fetched as what it is.
        other.connect(gone).await.unwrap();
        one.send(b"x").await.unwrap();
        while one.take_error().unwrap().is_none() {
            std::thread::yield_now();
        }
    });
}

#[test]
fn tasks_share_a_socket() {
    run(async || {
        let socket = Arc::new(bound().await);
        let address = socket.local_addr().unwrap();
        assert!(socket.try_recv(&mut [0; 1]).is_err());
        let receivers: Vec<_> = (0..4)
            .map(|_| {
                let socket = socket.clone();
                std::thread::spawn(move || block_on(async move { socket.recv(&mut [0; 4]).await }))
            })
            .collect();
        let sender = bound().await;
        for _ in 0..receivers.len() {
            sender.send_to(b"x", address).await.unwrap();
        }
        for receiver in receivers {
            assert_eq!(receiver.join().unwrap().unwrap(), 1);
        }
    });
}

#[test]
fn operations_of_ones_own_wait_and_clear() {
    run(async || {
        let (one, other) = pair().await;
        // Two buffers to one datagram, which std has no name for.
        let sent = one.async_io(Interest::WRITABLE, || {
            SockRef::from(&one).send_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"c")])
        });
        assert_eq!(sent.await.unwrap(), 3);
        let receive = || SockRef::from(&other).recv(&mut [MaybeUninit::uninit(); 8]);
        assert_eq!(
            other.async_io(Interest::READABLE, receive).await.unwrap(),
            3
        );
        // The event of a datagram may come when it has been received already.
        let mut readable = loop {
            let none = other.try_io(Interest::READABLE, receive).unwrap_err();
            assert_eq!(none.kind(), ErrorKind::WouldBlock);
            let ready = other.ready(Interest::READABLE | Interest::WRITABLE).await;
            let ready = ready.unwrap();
            other.writable().await.unwrap();
            // It isn't asked before there is an event.
            let mut readable = Box::pin(other.readable());
            let mut cx = Context::from_waker(Waker::noop());
            if readable.as_mut().poll(&mut cx).is_pending() {
                assert!(ready.is_writable());
                break readable;
            }
        };
        one.send(b"d").await.unwrap();
        readable.as_mut().await.unwrap();
    });
}

#[test]
fn a_loop_that_always_succeeds_yields_in_the_end() {
    run(async || {
        let (one, other) = (bound().await, bound().await);
        let to = other.local_addr().unwrap();
        let mut sent = 0;
        let polled = heist_sync::coop::budget(|| {
            let forever = async {
                loop {
                    let _ = one.send_to(b"x", to).await;
                    sent += 1;
                }
            };
            pin!(forever).poll(&mut Context::from_waker(Waker::noop()))
        });
        assert!(polled.map(|()| ()).is_pending());
        assert!((1..=128).contains(&sent), "{sent}");
    });
}

#[test]
fn sockets_come_from_std_and_go_back_to_it() {
    run(async || {
        let std_socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        std_socket.set_nonblocking(true).unwrap();
        let socket = UdpSocket::try_from(std_socket).unwrap();
        let address = socket.local_addr().unwrap();
        bound().await.send_to(b"x", address).await.unwrap();
        assert_eq!(socket.recv(&mut [0; 4]).await.unwrap(), 1);
        let std_socket = std::net::UdpSocket::try_from(socket).unwrap();
        let socket = UdpSocket::from_std(std_socket).unwrap();
        assert_eq!(socket.local_addr().unwrap(), address);
        drop(socket.into_std().unwrap());
    });
}

#[test]
fn after_the_end_of_its_reactor_a_socket_fails() {
    within_limit(|| {
        let reactor = Reactor::new(Config::default()).expect("a poller");
        let socket = {
            let _entered = reactor.enter();
            block_on(bound())
        };
        assert!(socket.try_recv(&mut [0; 1]).is_err());
        let (woken, waker) = CountWakes::new();
        let mut buffer = [0; 8];
        let mut waits = Box::pin(socket.recv(&mut buffer));
        assert!(
            waits
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        reactor.shutdown();
        assert_eq!(woken.get(), 1);
        assert!(block_on(waits).is_err());
        assert!(block_on(socket.send_to(b"x", socket.local_addr().unwrap())).is_err());
        assert!(socket.try_io(Interest::WRITABLE, || Ok(())).is_err());
    });
}

#[test]
fn options_are_set_and_read_back() {
    run(async || {
        let socket = bound().await;
        assert!(!socket.broadcast().unwrap());
        socket.set_broadcast(true).unwrap();
        assert!(socket.broadcast().unwrap());
        socket.set_ttl(42).unwrap();
        assert_eq!(socket.ttl().unwrap(), 42);
        socket.set_multicast_loop_v4(false).unwrap();
        assert!(!socket.multicast_loop_v4().unwrap());
        socket.set_multicast_ttl_v4(7).unwrap();
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 7);
        assert!(socket.take_error().unwrap().is_none());
        assert!(format!("{socket:?}").contains("127.0.0.1"));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn options_of_linux_are_set_and_read_back() {
    run(async || {
        let socket = bound().await;
        socket.set_tos_v4(0x10).unwrap();
        assert_eq!(socket.tos_v4().unwrap(), 0x10);
        assert_eq!(socket.device().unwrap(), None);
        socket.bind_device(Some(b"lo")).unwrap();
        assert_eq!(socket.device().unwrap().as_deref(), Some(&b"lo"[..]));
        socket.bind_device(None).unwrap();
        // No IPv6 on this machine is no fault.
        if let Ok(socket) = UdpSocket::bind("[::1]:0").await {
            socket.set_tclass_v6(0x20).unwrap();
            assert_eq!(socket.tclass_v6().unwrap(), 0x20);
            socket.set_multicast_loop_v6(false).unwrap();
            assert!(!socket.multicast_loop_v6().unwrap());
        }
    });
}

#[test]
fn groups_are_joined_and_left() {
    run(async || {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let group = Ipv4Addr::new(224, 0, 0, 123);
        socket
            .join_multicast_v4(group, Ipv4Addr::LOCALHOST)
            .unwrap();
        socket
            .leave_multicast_v4(group, Ipv4Addr::LOCALHOST)
            .unwrap();
        // Not joined any more, or no group at all.
        assert!(
            socket
                .leave_multicast_v4(group, Ipv4Addr::LOCALHOST)
                .is_err()
        );
        assert!(
            socket
                .join_multicast_v4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST)
                .is_err()
        );
        if let Ok(socket) = UdpSocket::bind("[::]:0").await {
            assert!(socket.join_multicast_v6(&Ipv6Addr::LOCALHOST, 0).is_err());
            assert!(socket.leave_multicast_v6(&Ipv6Addr::LOCALHOST, 0).is_err());
        }
    });
}

#[test]
fn addresses_that_are_none_are_errors() {
    run(async || {
        for bad in ["localhost", "127.0.0.1:65536", ""] {
            let error = UdpSocket::bind(bad).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad:?}");
            assert!(bound().await.connect(bad).await.is_err());
            assert!(bound().await.send_to(b"x", bad).await.is_err());
        }
        let taken = bound().await;
        let error = UdpSocket::bind(taken.local_addr().unwrap())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    });
}
