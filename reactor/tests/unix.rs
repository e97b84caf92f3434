//! Unix sockets, as their users see them.
#![cfg(unix)]

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd};
use std::os::unix::net as std_net;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use heist_reactor::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadBuf};
use heist_reactor::net::unix::SocketAddr;
use heist_reactor::net::{
    TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSocket, UnixStream,
};
use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_reactor::time::timeout;
use heist_reactor::{Config, Reactor};
use socket2::SockRef;

fn run(test: impl AsyncFnOnce() + Send + 'static) {
    within_limit(|| block_on(test()));
}

/// A path in a folder of its own, which is removed with it.
fn path() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    (folder, path)
}

/// This end ours, the other std's, so that the test says when it does what.
fn pair() -> (UnixStream, std_net::UnixStream) {
    let (here, there) = std_net::UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    (UnixStream::from_std(here).unwrap(), there)
}

fn is_pending(future: impl Future) -> bool {
    pin!(future)
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
}

/// Awaits a future for what is there already.
async fn at_once<T>(future: impl Future<Output = T>) -> T {
    let done = timeout(Duration::from_secs(30), future).await;
    done.expect("it waits for what is there already")
}

#[test]
fn streams_connect_and_every_byte_arrives() {
    run(async || {
        const LEN: usize = 4 << 20;
        let (_folder, path) = path();
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        let byte = |nth: usize| ((nth * 31) >> 3) as u8;
        let echo = std::thread::spawn(move || {
            block_on(async {
                let (mut stream, peer) = listener.accept().await.unwrap();
                assert!(peer.is_unnamed());
                let (mut read, mut write) = stream.split();
                heist_reactor::io::copy(&mut read, &mut write)
                    .await
                    .unwrap();
            });
        });
        let stream = UnixStream::connect(&path).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*path));
        assert!(stream.local_addr().unwrap().is_unnamed());
        let (mut read, mut write) = stream.into_split();
        let writer = std::thread::spawn(move || {
            block_on(async {
                let bytes: Vec<u8> = (0..LEN).map(byte).collect();
                for piece in bytes.chunks(65_521) {
                    write.write_all(piece).await.unwrap();
                }
            });
        });
        let mut back = Vec::new();
        read.read_to_end(&mut back).await.unwrap();
        assert_eq!(back.len(), LEN);
        let mut bytes = back.iter().enumerate();
        assert!(bytes.all(|(nth, &there)| there == byte(nth)));
        writer.join().unwrap();
        echo.join().unwrap();
    });
}

#[test]
fn streams_are_read_and_written_without_waiting() {
    run(async || {
        let (stream, mut peer) = pair();
        let mut room = [0; 8];
        let none = stream.try_read(&mut room).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::WouldBlock);
        assert!(is_pending(stream.readable()));
        peer.write_all(b"abcdefgh").unwrap();
        stream.readable().await.unwrap();
        assert_eq!(stream.try_read(&mut room[..2]).unwrap(), 2);
        let (mut one, mut other) = ([0; 1], [0; 2]);
        let mut buffers = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
        assert_eq!(stream.try_read_vectored(&mut buffers).unwrap(), 3);
        let mut buffer = Vec::with_capacity(8);
        assert_eq!(stream.try_read_buf(&mut buffer).unwrap(), 3);
        assert_eq!((&room[..2], &one, &other), (&b"ab"[..], b"c", b"de"));
        assert_eq!(buffer, b"fgh");
        stream.writable().await.unwrap();
        assert_eq!(stream.try_write(b"ab").unwrap(), 2);
        let buffers = [IoSlice::new(b"c"), IoSlice::new(b"de")];
        assert_eq!(stream.try_write_vectored(&buffers).unwrap(), 3);
        peer.read_exact(&mut room[..5]).unwrap();
        assert_eq!(&room[..5], b"abcde");
        assert!(stream.take_error().unwrap().is_none());
        let ready = stream.ready(Interest::WRITABLE).await.unwrap();
        assert!(ready.is_writable() && !ready.is_readable());
    });
}

/// A read stops behind bytes that a descriptor came with. That is no sign that there is nothing behind them.
#[cfg(target_os = "linux")]
#[test]
fn what_follows_a_descriptor_is_read() {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    run(async || {
        let (mut stream, mut peer) = pair();
        for _ in 0..10 {
            let passed = [peer.as_fd()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            assert!(control.push(SendAncillaryMessage::ScmRights(&passed)));
            let with = [IoSlice::new(b"with")];
            sendmsg(&peer, &with, &mut control, SendFlags::empty()).unwrap();
            peer.write_all(b"behind").unwrap();
            let mut heard = Vec::new();
            while heard.len() < 10 {
                let mut room = [0; 64];
                let len = at_once(stream.read(&mut room)).await.unwrap();
                heard.extend_from_slice(&room[..len]);
            }
            assert_eq!(heard, b"withbehind");
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn descriptors_are_passed_by_operations_of_ones_own() {
    use rustix::net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
    };

    run(async || {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut end, passed) = std_net::UnixStream::pair().unwrap();
        let fds = [passed.as_fd()];
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(&fds));
            let bytes = [IoSlice::new(b"x")];
            Ok(sendmsg(&one, &bytes, &mut control, SendFlags::empty())?)
        };
        let receive = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut room = [0; 8];
            let mut buffers = [IoSliceMut::new(&mut room)];
            recvmsg(&other, &mut buffers, &mut control, RecvFlags::empty())?;
            let mut fds = control.drain().flat_map(|message| match message {
                RecvAncillaryMessage::ScmRights(fds) => fds.collect::<Vec<_>>(),
                _ => Vec::new(),
            });
            Ok(fds.next())
        };
        let none = other.try_io(Interest::READABLE, receive).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::WouldBlock);
        one.async_io(Interest::WRITABLE, send).await.unwrap();
        let fd = other.async_io(Interest::READABLE, receive).await.unwrap();
        let mut received = std_net::UnixStream::from(fd.expect("passed"));
        end.write_all(b"through").unwrap();
        let mut heard = [0; 7];
        received.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"through");
    });
}

#[test]
fn a_peer_that_closes_one_direction_can_still_be_written_to() {
    run(async || {
        let (mut stream, mut peer) = pair();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        stream.write_all(b"late").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut heard = String::new();
        peer.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "late");
        assert!(stream.write(b"x").await.is_err());
        drop(peer);
        stream.shutdown().await.unwrap();
    });
}

#[test]
fn a_peer_that_is_gone_is_an_error_for_the_writer() {
    run(async || {
        let (mut stream, peer) = pair();
        drop(peer);
        let error = stream.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let buffers = [IoSlice::new(b"x")];
        let error = stream.write_vectored(&buffers).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn a_writer_waits_for_a_peer_that_does_not_read() {
    run(async || {
        let (mut stream, mut peer) = pair();
        let mut written = 0;
        let full = timeout(Duration::from_millis(200), async {
            loop {
                written += stream.write(&[7; 4096]).await.unwrap();
            }
        });
        full.await.unwrap_err();
        let write = std::thread::spawn(move || block_on(stream.write_all(b"more")));
        let mut heard = vec![0; written + 4];
        peer.read_exact(&mut heard).unwrap();
        assert!(heard.ends_with(b"\x07more"));
        write.join().unwrap().unwrap();
    });
}

#[test]
fn halves_of_one_connection_reunite_and_those_of_two_do_not() {
    run(async || {
        let ((first, mut peer), (second, _other_peer)) = (pair(), pair());
        let ((read, write), (other_read, other_write)) = (first.into_split(), second.into_split());
        assert!(read.peer_addr().unwrap().is_unnamed() && write.local_addr().is_ok());
        peer.write_all(b"ab").unwrap();
        read.readable().await.unwrap();
        assert_eq!(read.try_read(&mut [0; 1]).unwrap(), 1);
        write.writable().await.unwrap();
        assert_eq!(write.try_write(b"x").unwrap(), 1);
        let apart = read.reunite(other_write).unwrap_err();
        assert!(apart.to_string().contains("not from the same connection"));
        let (read, other_write) = (apart.0, apart.1);
        let mut whole = read.reunite(write).unwrap();
        whole.write_all(b"open").await.unwrap();
        // Forgotten, a writing half leaves its direction open.
        let (mut read, write) = whole.into_split();
        write.forget();
        read.read_exact(&mut [0; 1]).await.unwrap();
        peer.set_nonblocking(true).unwrap();
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 5);
        assert_eq!(
            peer.read(&mut [0; 8]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        drop(other_write.reunite(other_read).unwrap());
    });
}

#[test]
fn the_peer_is_known_by_its_credentials() {
    run(async || {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = one.peer_cred().unwrap();
        assert_eq!(peer.uid(), rustix_uid());
        assert_eq!(peer, peer.clone());
        #[cfg(target_os = "linux")]
        assert_eq!(peer.pid(), Some(std::process::id() as i32));
        // Without a peer there is nobody. Linux says so in numbers.
        let (_folder, path) = path();
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        drop(socket.listen(1).unwrap());
    });
}

fn rustix_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    let (_folder, path) = path();
    std::fs::write(&path, "").unwrap();
    path.metadata().unwrap().uid()
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_names_are_addresses_and_leave_nothing_behind() {
    run(async || {
        let name = format!("\0heist-test-{}", std::process::id());
        let listener = UnixListener::bind(&name).unwrap();
        let taken = UnixListener::bind(&name).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        let address = listener.local_addr().unwrap();
        assert_eq!(address.as_abstract_name(), Some(&name.as_bytes()[1..]));
        assert!(address.as_pathname().is_none() && !address.is_unnamed());
        assert!(format!("{address:?}").contains("abstract"));
        drop(UnixStream::connect(&name).await.unwrap());
        drop(UnixStream::connect_addr(&address).await.unwrap());
        let socket = UnixSocket::new_stream().unwrap();
        drop(socket.connect(&name).await.unwrap());
        drop(listener);
        let gone = UnixStream::connect(&name).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::ConnectionRefused);

        let server = UnixDatagram::bind(&name).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        client.send_to(b"abc", &name).await.unwrap();
        assert_eq!(server.recv(&mut [0; 8]).await.unwrap(), 3);
        client.connect(&name).unwrap();
        client.send(b"ab").await.unwrap();
        let (length, peer) = server.recv_from(&mut [0; 8]).await.unwrap();
        assert!(length == 2 && peer.is_unnamed());
        let std_address = std_net::SocketAddr::from(server.local_addr().unwrap());
        assert!(!SocketAddr::from(std_address).is_unnamed());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_receiver_can_answer_a_sender_with_an_abstract_name() {
    run(async || {
        for (nth, end) in ["", "\0", "a\0b\0\0"].into_iter().enumerate() {
            let name = |kind| format!("\0heist-test-{kind}-{nth}-{}{end}", std::process::id());
            let server = UnixDatagram::bind(name("server")).unwrap();
            let client = UnixDatagram::bind(name("client")).unwrap();
            client.send_to(b"ask", name("server")).await.unwrap();
            let (_, from) = server.recv_from(&mut [0; 8]).await.unwrap();
            assert_eq!(
                from.as_abstract_name(),
                Some(&name("client").as_bytes()[1..])
            );
            assert!(from.as_pathname().is_none() && !from.is_unnamed());
        }
    });
}

/// A socket of that kind, bound to a path that fills all of an address. The system takes such a path. The standard library has
/// no room for it.
#[cfg(target_os = "linux")]
fn bound_to_the_longest_path(folder: &std::path::Path, kind: libc::c_int) -> std::os::fd::OwnedFd {
    let name = format!("{kind}");
    let mut path = folder.join(name).into_os_string().into_encoded_bytes();
    path.resize(108, b'x');
    // SAFETY: zeros are an address, and the system reads no more of it than its size. Nobody else has the new descriptor.
    unsafe {
        let mut address: libc::sockaddr_un = std::mem::zeroed();
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        for (to, from) in address.sun_path.iter_mut().zip(&path) {
            *to = *from as libc::c_char;
        }
        let socket = libc::socket(libc::AF_UNIX, kind, 0);
        let size = size_of_val(&address) as libc::socklen_t;
        assert_eq!(libc::bind(socket, (&raw const address).cast(), size), 0);
        FromRawFd::from_raw_fd(socket)
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_peer_with_the_longest_path_does_no_harm() {
    run(async || {
        let (folder, path) = path();
        let server = UnixDatagram::bind(&path).unwrap();
        let client = bound_to_the_longest_path(folder.path(), libc::SOCK_DGRAM);
        let client = std_net::UnixDatagram::from(client);
        client.send_to(b"abc", &path).unwrap();
        let (length, from) = server.recv_from(&mut [0; 8]).await.unwrap();
        assert!(length == 3 && from.as_abstract_name().is_none());

        let path = folder.path().join("listener");
        let listener = UnixListener::bind(&path).unwrap();
        let client = bound_to_the_longest_path(folder.path(), libc::SOCK_STREAM);
        let client = socket2::Socket::from(client);
        client
            .connect(&socket2::SockAddr::unix(&path).unwrap())
            .unwrap();
        let (mut stream, from) = listener.accept().await.unwrap();
        assert!(from.as_abstract_name().is_none());
        let _ = (from, stream.peer_addr().unwrap());
        client.send(b"abc").unwrap();
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 3);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_listener_tells_the_abstract_name_of_a_peer() {
    run(async || {
        let name = |kind| format!("\0heist-test-{kind}-of-stream-{}\0a\0", std::process::id());
        let listener = UnixListener::bind(name("server")).unwrap();
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(name("client")).unwrap();
        let stream = socket.connect(name("server")).await.unwrap();
        let (accepted, from) = listener.accept().await.unwrap();
        for address in [
            from,
            accepted.peer_addr().unwrap(),
            stream.local_addr().unwrap(),
        ] {
            assert_eq!(
                address.as_abstract_name(),
                Some(&name("client").as_bytes()[1..])
            );
        }
        drop(UnixStream::connect(name("server")).await.unwrap());
        assert!(listener.accept().await.unwrap().1.is_unnamed());
    });
}

#[test]
fn paths_that_are_none_are_errors() {
    run(async || {
        let (folder, path) = path();
        let long = folder.path().join("x".repeat(200));
        for bad in [long, PathBuf::from("a\0b")] {
            let kind = ErrorKind::InvalidInput;
            assert_eq!(UnixListener::bind(&bad).unwrap_err().kind(), kind);
            assert_eq!(UnixStream::connect(&bad).await.unwrap_err().kind(), kind);
            assert_eq!(UnixDatagram::bind(&bad).unwrap_err().kind(), kind);
            let datagram = UnixDatagram::unbound().unwrap();
            assert_eq!(datagram.connect(&bad).unwrap_err().kind(), kind);
            assert_eq!(datagram.send_to(b"x", &bad).await.unwrap_err().kind(), kind);
            assert_eq!(datagram.try_send_to(b"x", &bad).unwrap_err().kind(), kind);
            let socket = UnixSocket::new_stream().unwrap();
            assert_eq!(socket.bind(&bad).unwrap_err().kind(), kind);
            assert_eq!(socket.connect(&bad).await.unwrap_err().kind(), kind);
        }
        let nobody = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(nobody.kind(), ErrorKind::NotFound);
        drop(UnixListener::bind(&path).unwrap());
        let taken = UnixListener::bind(&path).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
        let gone = UnixStream::connect(&path).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_socket_does_what_its_kind_can() {
    run(async || {
        let (_folder, path) = path();
        let datagram = || UnixSocket::new_datagram().unwrap();
        assert!(datagram().listen(1).is_err());
        assert!(datagram().connect(&path).await.is_err());
        assert!(UnixSocket::new_stream().unwrap().datagram().is_err());
        let socket = datagram();
        socket.bind(&path).unwrap();
        // SAFETY: the number comes from a socket that has given it up.
        let socket = unsafe { UnixSocket::from_raw_fd(socket.into_raw_fd()) };
        let server = socket.datagram().unwrap();
        let client = UnixDatagram::unbound().unwrap();
        client.send_to(b"x", &path).await.unwrap();
        assert_eq!(server.recv(&mut [0; 8]).await.unwrap(), 1);
        assert!(UnixSocket::new_stream().unwrap().as_raw_fd() > 2);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_listener_whose_queue_is_full_refuses_at_once() {
    run(async || {
        let (_folder, path) = path();
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        let listener = socket.listen(0).unwrap();
        let _waits = UnixStream::connect(&path).await.unwrap();
        let full = at_once(UnixStream::connect(&path)).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        listener.accept().await.unwrap();
        drop(UnixStream::connect(&path).await.unwrap());
    });
}

#[test]
fn accepting_waits_with_the_last_waker() {
    run(async || {
        let (_folder, path) = path();
        let listener = UnixListener::bind(&path).unwrap();
        let ((first, first_waker), (last, last_waker)) = (CountWakes::new(), CountWakes::new());
        for waker in [&first_waker, &last_waker] {
            let mut cx = Context::from_waker(waker);
            assert!(listener.poll_accept(&mut cx).is_pending());
        }
        let _client = std_net::UnixStream::connect(&path).unwrap();
        while last.get() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(first.get(), 0);
        let mut cx = Context::from_waker(&last_waker);
        assert!(listener.poll_accept(&mut cx).is_ready());
        assert!(listener.take_error().unwrap().is_none());
    });
}

#[test]
fn datagrams_keep_their_bounds() {
    run(async || {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut room = [0; 8];
        let none = other.try_recv(&mut room).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::WouldBlock);
        one.send(b"too long for it").await.unwrap();
        one.send(b"").await.unwrap();
        assert_eq!(one.try_send(b"abc").unwrap(), 3);
        assert_eq!(other.recv(&mut room).await.unwrap(), 8);
        assert_eq!(other.recv(&mut room).await.unwrap(), 0);
        let (length, from) = other.recv_from(&mut room).await.unwrap();
        assert!(length == 3 && from.is_unnamed());
        let mut buffer = Vec::with_capacity(8);
        for datagram in [&b"a"[..], b"bc", b"def", b"g"] {
            one.send(datagram).await.unwrap();
        }
        assert_eq!(other.recv_buf(&mut buffer).await.unwrap(), 1);
        assert_eq!(other.try_recv_buf(&mut buffer).unwrap(), 2);
        assert_eq!(other.recv_buf_from(&mut buffer).await.unwrap().0, 3);
        assert_eq!(other.try_recv_buf_from(&mut buffer).unwrap().0, 1);
        assert_eq!(buffer, b"abcdefg");
        assert!(other.try_recv_from(&mut room).is_err());
        other.connect("/nowhere").unwrap_err();
    });
}

#[test]
fn datagrams_tell_where_they_came_from() {
    run(async || {
        let ((_folder, path), (_other_folder, other_path)) = (path(), path());
        let server = UnixDatagram::bind(&path).unwrap();
        let client = UnixDatagram::bind(&other_path).unwrap();
        client.send_to(b"ask", &path).await.unwrap();
        let (_, from) = server.recv_from(&mut [0; 8]).await.unwrap();
        let back = from.as_pathname().expect("it has a path").to_owned();
        assert_eq!(back, other_path);
        assert_eq!(server.try_send_to(b"answer", &back).unwrap(), 6);
        client.connect(&path).unwrap();
        assert_eq!(client.peer_addr().unwrap().as_pathname(), Some(&*path));
        assert_eq!(client.recv(&mut [0; 8]).await.unwrap(), 6);
        let gone = client.send_to(b"x", "/nowhere").await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_sender_waits_while_the_queue_is_full() {
    run(async || {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut sent = 0;
        while one.try_send(&[7; 100]).is_ok() {
            sent += 1;
        }
        assert!(sent > 0 && is_pending(one.send(b"x")));
        let waits = std::thread::spawn(move || block_on(async move { one.send(b"last").await }));
        for _ in 0..sent {
            assert_eq!(other.recv(&mut [0; 200]).await.unwrap(), 100);
        }
        assert_eq!(other.recv(&mut [0; 200]).await.unwrap(), 4);
        waits.join().unwrap().unwrap();
    });
}

#[test]
fn a_direction_that_is_shut_down_stays_so() {
    run(async || {
        let (one, other) = UnixDatagram::pair().unwrap();
        one.send(b"before").await.unwrap();
        one.shutdown(Shutdown::Both).unwrap();
        let error = one.send(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(other.recv(&mut [0; 8]).await.unwrap(), 6);
        assert!(other.send(b"x").await.is_err());
        assert!(one.take_error().unwrap().is_none());
    });
}

#[test]
fn each_poll_function_of_datagrams_waits_with_the_last_waker() {
    type Wait = fn(&UnixDatagram, &mut Context<'_>, &mut ReadBuf<'_>) -> Poll<io::Result<()>>;
    let waits: [Wait; 3] = [
        |socket, cx, buffer| socket.poll_recv(cx, buffer),
        |socket, cx, buffer| socket.poll_recv_from(cx, buffer).map_ok(drop),
        |socket, cx, _| socket.poll_recv_ready(cx),
    ];
    within_limit(move || {
        for wait in waits {
            let (_folder, path) = path();
            let (one, other) = (UnixDatagram::unbound().unwrap(), UnixDatagram::bind(&path));
            let other = other.unwrap();
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
            assert!(one.poll_send_to(&mut cx, b"abc", &path).is_ready());
            while last.get() == 0 {
                std::thread::yield_now();
            }
            assert_eq!(first.get(), 0);
            assert!(wait(&other, &mut cx, &mut buffer).is_ready());
            one.connect(&path).unwrap();
            assert!(one.poll_send(&mut cx, b"abc").is_ready());
        }
    });
}

#[test]
fn operations_of_datagrams_of_ones_own_wait_and_clear() {
    run(async || {
        let (one, other) = UnixDatagram::pair().unwrap();
        let receive = || SockRef::from(&other).recv(&mut [MaybeUninit::uninit(); 8]);
        let none = other.try_io(Interest::READABLE, receive).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::WouldBlock);
        assert!(is_pending(other.readable()));
        one.writable().await.unwrap();
        one.send(b"abc").await.unwrap();
        assert_eq!(
            other.async_io(Interest::READABLE, receive).await.unwrap(),
            3
        );
    });
}

#[test]
fn sockets_come_from_std_and_go_back_to_it() {
    run(async || {
        let (_folder, path) = path();
        let listener = std_net::UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = UnixListener::try_from(listener).unwrap();
        let listener = std_net::UnixListener::try_from(listener).unwrap();
        let listener = UnixListener::from_std(listener).unwrap();
        let stream = UnixStream::connect(&path).await.unwrap();
        let stream = std_net::UnixStream::try_from(stream).unwrap();
        let mut stream = UnixStream::try_from(stream).unwrap();
        stream.write_all(b"x").await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        accepted.read_exact(&mut [0; 1]).await.unwrap();
        let (one, other) = UnixDatagram::pair().unwrap();
        let one = std_net::UnixDatagram::try_from(one).unwrap();
        let one = UnixDatagram::try_from(one).unwrap();
        one.send(b"x").await.unwrap();
        let other = other.into_std().unwrap();
        assert_eq!(other.recv(&mut [0; 8]).unwrap(), 1);
    });
}

#[test]
fn after_the_end_of_their_reactor_sockets_fail() {
    within_limit(|| {
        let reactor = Reactor::new(Config::default()).expect("a poller");
        let (_folder, path) = path();
        let (listener, (mut stream, _peer), (datagram, _other)) = {
            let _entered = reactor.enter();
            let listener = UnixListener::bind(&path).unwrap();
            (listener, pair(), UnixDatagram::pair().unwrap())
        };
        let (woken, waker) = CountWakes::new();
        let mut cx = Context::from_waker(&waker);
        assert!(listener.poll_accept(&mut cx).is_pending());
        let mut room = [0; 8];
        let mut read = Box::pin(stream.read(&mut room));
        assert!(read.as_mut().poll(&mut cx).is_pending());
        assert!(datagram.try_recv(&mut [0; 1]).is_err());
        assert!(datagram.poll_recv_ready(&mut cx).is_pending());
        reactor.shutdown();
        assert_eq!(woken.get(), 3);
        assert!(block_on(read).is_err());
        assert!(block_on(listener.accept()).is_err());
        assert!(block_on(poll_fn(|cx| datagram.poll_send(cx, b"x"))).is_err());
        assert!(stream.try_write(b"x").is_err());
    });
}

#[test]
fn tasks_share_a_datagram_socket() {
    run(async || {
        let (one, other) = UnixDatagram::pair().unwrap();
        let other = Arc::new(other);
        assert!(other.try_recv(&mut [0; 1]).is_err());
        let receivers: Vec<_> = (0..4)
            .map(|_| {
                let other = other.clone();
                std::thread::spawn(move || block_on(async move { other.recv(&mut [0; 4]).await }))
            })
            .collect();
        for _ in 0..receivers.len() {
            one.send(b"x").await.unwrap();
        }
        for receiver in receivers {
            assert_eq!(receiver.join().unwrap().unwrap(), 1);
        }
    });
}

/// In programs with debug assertions, as with tokio.
#[cfg(debug_assertions)]
#[test]
fn a_socket_in_blocking_mode_is_refused() {
    fn refuses<T>(from_std: impl FnOnce() -> io::Result<T> + std::panic::UnwindSafe) {
        let panic = std::panic::catch_unwind(|| from_std().map(drop)).unwrap_err();
        let what = panic.downcast_ref::<&str>().unwrap();
        assert!(what.contains("set_nonblocking"), "{what}");
    }
    run(async || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        refuses(|| TcpStream::from_std(stream));
        refuses(|| TcpListener::from_std(listener));
        refuses(|| UdpSocket::try_from(socket));
        let folder = tempfile::tempdir().unwrap();
        let listener = std_net::UnixListener::bind(folder.path().join("a")).unwrap();
        let (stream, _other) = std_net::UnixStream::pair().unwrap();
        let (datagram, _other) = std_net::UnixDatagram::pair().unwrap();
        refuses(|| UnixListener::from_std(listener));
        refuses(|| UnixStream::try_from(stream));
        refuses(|| UnixDatagram::from_std(datagram));
    });
}
