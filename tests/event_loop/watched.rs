//! Readers and writers of descriptors, operations on sockets, and signal handlers.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

use heist::event_loop::EventLoop;
use heist::signal::unix::SignalKind;
use heist::time::{Duration, timeout};

use super::{nobody, on_all, pattern, told};

async fn next<T>(receiver: &mpsc::Receiver<T>) -> T {
    loop {
        match receiver.try_recv() {
            Ok(told) => return told,
            Err(mpsc::TryRecvError::Empty) => heist::task::yield_now().await,
            Err(mpsc::TryRecvError::Disconnected) => panic!("nothing more is told"),
        }
    }
}

/// Returns once the loop has gone round some times.
async fn turns(event_loop: &EventLoop) {
    for _ in 0..50 {
        let (promise, future) = event_loop.create_future();
        event_loop.call_soon(move || {
            let _ = promise.set_result(());
        });
        future.await.unwrap();
        heist::time::sleep(Duration::from_micros(100)).await;
    }
}

fn pair() -> (Arc<UnixStream>, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    (Arc::new(here), there)
}

#[test]
fn a_reader_is_called_as_long_as_something_is_there() {
    on_all(async |event_loop| {
        let (here, mut there) = pair();
        let (sender, receiver) = mpsc::channel();
        let reads = here.clone();
        event_loop
            .add_reader(&*here, move || {
                let mut byte = [0];
                (&*reads).read_exact(&mut byte).unwrap();
                sender.send(byte[0]).unwrap();
            })
            .unwrap();
        for round in 0..3 {
            there.write_all(b"abc").unwrap();
            for expected in *b"abc" {
                assert_eq!(next(&receiver).await, expected, "{round}");
            }
        }
        assert!(event_loop.remove_reader(&*here));
        there.write_all(b"late").unwrap();
        turns(&event_loop).await;
        assert!(receiver.try_recv().is_err());
        assert!(!event_loop.remove_reader(&*here));
    });
}

#[test]
fn a_second_reader_takes_the_place_of_the_first() {
    on_all(async |event_loop| {
        let (here, mut there) = pair();
        let (first, heard_first) = mpsc::channel::<()>();
        event_loop
            .add_reader(&*here, move || first.send(()).unwrap())
            .unwrap();
        there.write_all(b"x").unwrap();
        next(&heard_first).await;
        let (second, heard_second) = mpsc::channel::<()>();
        event_loop
            .add_reader(&*here, move || {
                let _ = second.send(());
            })
            .unwrap();
        next(&heard_second).await;
        // What the first had to say was said before, and it is dropped.
        while heard_first.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
            heist::task::yield_now().await;
        }
        assert!(event_loop.remove_reader(&*here));
    });
}

#[test]
fn a_reader_and_a_writer_of_one_descriptor_go_together_and_may_remove_themselves() {
    on_all(async |event_loop| {
        let (here, mut there) = pair();
        let (sender, receiver) = mpsc::channel();
        for direction in ["read", "write"] {
            let (event_loop_too, fd, sender) = (event_loop.clone(), here.clone(), sender.clone());
            let callback = move || {
                let removed = match direction {
                    "read" => event_loop_too.remove_reader(&*fd),
                    _ => event_loop_too.remove_writer(&*fd),
                };
                assert!(removed);
                sender.send(direction).unwrap();
            };
            match direction {
                "read" => event_loop.add_reader(&*here, callback).unwrap(),
                _ => event_loop.add_writer(&*here, callback).unwrap(),
            }
        }
        assert_eq!(next(&receiver).await, "write");
        there.write_all(b"x").unwrap();
        assert_eq!(next(&receiver).await, "read");
        turns(&event_loop).await;
        assert!(receiver.try_recv().is_err());
    });
}

#[test]
fn a_reader_that_panics_is_reported_and_goes_on() {
    on_all(async |event_loop| {
        let told = told(&event_loop);
        let (here, mut there) = pair();
        event_loop
            .add_reader(&*here, || panic!("as the test wants it"))
            .unwrap();
        there.write_all(b"x").unwrap();
        for _ in 0..3 {
            assert!(next(&told).await.ends_with("as the test wants it"));
        }
        assert!(event_loop.remove_reader(&*here));
    });
}

#[test]
fn a_regular_file_cannot_be_watched() {
    on_all(async |event_loop| {
        let file = tempfile::tempfile().unwrap();
        if event_loop.add_reader(&file, || ()).is_ok() {
            // Some pollers take it.
            assert!(event_loop.remove_reader(&file));
        }
    });
}

#[test]
fn sockets_are_read_and_written_as_futures() {
    on_all(async |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let client =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        let accept = event_loop.sock_accept(&listener);
        let connect = event_loop.sock_connect(&client, address);
        let (accepted, connected) = heist::join!(accept, connect);
        connected.unwrap();
        let (served, from) = accepted.unwrap();
        assert_eq!(client.local_addr().unwrap().as_socket(), Some(from));

        let message = pattern(5_000_000);
        let send = event_loop.sock_sendall(&client, &message);
        let receive = async {
            let mut all = Vec::new();
            while all.len() < message.len() {
                let data = event_loop.sock_recv(&served, 1_000_000).await.unwrap();
                assert!(!data.is_empty());
                all.extend(data);
            }
            all
        };
        let (sent, received) = heist::join!(send, receive);
        sent.unwrap();
        assert!(received == message);

        let mut buffer = [0; 10];
        let waits = event_loop.sock_recv_into(&served, &mut buffer);
        assert!(timeout(Duration::from_millis(1), waits).await.is_err());
        event_loop.sock_sendall(&client, b"hello").await.unwrap();
        assert_eq!(
            event_loop
                .sock_recv_into(&served, &mut buffer)
                .await
                .unwrap(),
            5
        );
        drop(client);
        assert!(event_loop.sock_recv(&served, 10).await.unwrap().is_empty());
    });
}

#[test]
fn datagrams_are_sent_and_received_as_futures() {
    on_all(async |event_loop| {
        let sockets = [(); 2].map(|()| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        });
        let addresses = sockets
            .each_ref()
            .map(|socket| socket.local_addr().unwrap());
        let receive = event_loop.sock_recvfrom(&sockets[1], 3);
        let send = event_loop.sock_sendto(&sockets[0], b"hello", addresses[1]);
        let (received, sent) = heist::join!(receive, send);
        assert_eq!(sent.unwrap(), 5);
        assert_eq!(received.unwrap(), (b"hel".to_vec(), addresses[0]));
    });
}

#[test]
fn a_socket_in_blocking_mode_and_a_refusal_are_errors() {
    on_all(async |event_loop| {
        let (blocking, _peer) = UnixStream::pair().unwrap();
        let error = event_loop.sock_recv(&blocking, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let (_keeps, gone) = nobody("127.0.0.1");
        let client =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        let error = event_loop.sock_connect(&client, gone).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

/// Sends a signal to this process.
fn send(signal: &str) {
    let id = std::process::id().to_string();
    let killed = std::process::Command::new("kill")
        .args([signal, &id])
        .status();
    assert!(killed.unwrap().success());
}

#[test]
fn a_signal_handler_is_called_replaced_and_removed() {
    on_all(async |event_loop| {
        let kind = SignalKind::user_defined2();
        let send = || send("-USR2");
        let (first, second) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let count = |counter: &Arc<AtomicU32>| {
            let counter = counter.clone();
            move || {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        event_loop.add_signal_handler(kind, count(&first)).unwrap();
        for round in 1..3 {
            send();
            while first.load(Ordering::Relaxed) < round {
                heist::task::yield_now().await;
            }
        }
        event_loop.add_signal_handler(kind, count(&second)).unwrap();
        send();
        while second.load(Ordering::Relaxed) == 0 {
            heist::task::yield_now().await;
        }
        assert_eq!(first.load(Ordering::Relaxed), 2);
        assert!(event_loop.remove_signal_handler(kind));
        assert!(!event_loop.remove_signal_handler(kind));
        assert!(
            event_loop
                .add_signal_handler(SignalKind::from_raw(9), || ())
                .is_err()
        );
    });
}

#[test]
fn a_signal_handler_that_panics_is_reported_and_goes_on() {
    on_all(async |event_loop| {
        let reports = told(&event_loop);
        let kind = SignalKind::user_defined1();
        event_loop
            .add_signal_handler(kind, || panic!("as the test wants it"))
            .unwrap();
        for _ in 0..2 {
            send("-USR1");
            assert!(next(&reports).await.ends_with("as the test wants it"));
        }
        assert!(event_loop.remove_signal_handler(kind));
    });
}

#[test]
fn a_signal_that_came_before_its_handler_was_replaced_is_not_lost() {
    on_all(async |event_loop| {
        let kind = SignalKind::window_change();
        // Nothing of the loop runs meanwhile: its callbacks wait behind this one.
        let (told, receiver) = mpsc::channel();
        let again = told.clone();
        let same = event_loop.clone();
        event_loop.add_signal_handler(kind, || ()).unwrap();
        event_loop.call_soon(move || {
            send("-WINCH");
            same.add_signal_handler(kind, move || again.send(()).unwrap())
                .unwrap();
        });
        next(&receiver).await;
        assert!(event_loop.remove_signal_handler(kind));
    });
}

#[test]
fn a_signal_handler_that_replaces_itself_is_followed_by_the_new_one() {
    on_all(async |event_loop| {
        let kind = SignalKind::io();
        let (told, receiver) = mpsc::channel();
        let same = event_loop.clone();
        event_loop
            .add_signal_handler(kind, move || {
                let told = told.clone();
                told.send(1).unwrap();
                same.add_signal_handler(kind, move || told.send(2).unwrap())
                    .unwrap();
            })
            .unwrap();
        for expected in [1, 2, 2] {
            send("-IO");
            assert_eq!(next(&receiver).await, expected);
        }
        assert!(event_loop.remove_signal_handler(kind));
    });
}
