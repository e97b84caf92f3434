//! What goes wrong with descriptors and peers. Tests that change the whole process run in one of their own.
#![cfg(unix)]

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::process::Command;
use std::task::{Context, Waker};
use std::time::Duration;

use heist_reactor::io::{AsyncReadExt, AsyncWriteExt, Interest};
use heist_reactor::net::unix::pipe;
use heist_reactor::net::{
    TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream,
};
use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_reactor::time::timeout;

fn run(test: impl AsyncFnOnce() + Send + 'static) {
    within_limit(|| block_on(test()));
}

/// Runs the test of that name in a process of its own.
fn in_own_process(name: &str, test: impl AsyncFnOnce() + Send + 'static) {
    const CHILD: &str = "HEIST_TEST_IN_OWN_PROCESS";
    if std::env::var_os(CHILD).is_some() {
        return run(test);
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name, "--nocapture"]).env(CHILD, "1");
    let output = child.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: {printed}{errors}",
        output.status
    );
    assert!(printed.contains("1 passed"), "{printed}");
}

/// A connection: this end ours, the other std's.
async fn pair() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().await.unwrap().0, peer)
}

fn is_pending(future: impl Future) -> bool {
    pin!(future)
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
}

/// Sets how many descriptors the process may have, and returns how many it might have before.
fn limit_descriptors(to: libc::rlim_t) -> libc::rlim_t {
    // SAFETY: the system reads and writes a structure of our own.
    unsafe {
        let mut limit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        let before = limit.rlim_cur;
        limit.rlim_cur = to;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
        before
    }
}

/// Calls `accept` until the budget of one poll is used up, and returns how many times it has failed for want of descriptors.
fn fails_for_want_of_descriptors<T>(accept: impl AsyncFn() -> io::Result<T>) -> usize {
    let mut failed = 0;
    let polled = heist_sync::coop::budget(|| {
        let forever = async {
            loop {
                let error = accept().await.map(drop).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                failed += 1;
            }
        };
        let mut cx = Context::from_waker(Waker::noop());
        pin!(forever).poll(&mut cx).map(|()| ())
    });
    assert!(polled.is_pending());
    failed
}

#[test]
fn a_listener_outlives_the_want_of_descriptors() {
    in_own_process("a_listener_outlives_the_want_of_descriptors", async || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let unix = UnixListener::bind(&path).unwrap();
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(std::net::TcpStream::connect(tcp.local_addr().unwrap()).unwrap());
        }
        let mut unix_client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let before = limit_descriptors(3);
        let failed = fails_for_want_of_descriptors(async || tcp.accept().await);
        assert!((1..=128).contains(&failed), "{failed}");
        let failed = fails_for_want_of_descriptors(async || unix.accept().await);
        assert!((1..=128).contains(&failed), "{failed}");
        let none = TcpStream::connect(tcp.local_addr().unwrap())
            .await
            .unwrap_err();
        assert_eq!(none.raw_os_error(), Some(libc::EMFILE));
        assert!(UdpSocket::bind("127.0.0.1:0").await.is_err());
        assert!(UnixStream::pair().is_err() && pipe::pipe().is_err());
        // Nothing was lost: each that waits is accepted once there are some again.
        limit_descriptors(before);
        for client in &mut clients {
            let (mut accepted, _) = tcp.accept().await.unwrap();
            accepted.write_all(b"x").await.unwrap();
            drop(accepted);
            client.read_to_end(&mut Vec::new()).unwrap();
        }
        let (mut accepted, _) = unix.accept().await.unwrap();
        accepted.write_all(b"x").await.unwrap();
        unix_client.read_exact(&mut [0; 1]).unwrap();
    });
}

#[test]
fn events_come_while_more_descriptors_are_open_than_are_allowed_by_now() {
    let name = "events_come_while_more_descriptors_are_open_than_are_allowed_by_now";
    in_own_process(name, async || {
        // Descriptors that a poller can't be asked about one by one: more than the limit below.
        let pairs: Vec<_> = (0..64).map(|_| UnixStream::pair().unwrap()).collect();
        limit_descriptors(8);
        for (here, there) in &pairs {
            here.try_read(&mut [0; 1]).unwrap_err();
            let read = async {
                // Some come while somebody waits, some before.
                there.writable().await.unwrap();
                there.try_write(b"x").unwrap();
                here.readable().await.unwrap();
                here.try_read(&mut [0; 1])
            };
            let read = timeout(Duration::from_secs(20), read).await;
            assert_eq!(read.expect("it is told").unwrap(), 1);
        }
    });
}

/// What SIGPIPE does to the process, and whether this thread blocks it or has it pending.
fn sigpipe_state() -> (bool, bool) {
    // SAFETY: the system writes to sets of our own.
    unsafe {
        let (mut blocked, mut pending) = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut blocked);
        libc::sigpending(&mut pending);
        let has = |set| libc::sigismember(set, libc::SIGPIPE) == 1;
        (has(&blocked), has(&pending))
    }
}

#[test]
fn no_write_raises_a_signal() {
    in_own_process("no_write_raises_a_signal", async || {
        // As in a program of another language.
        // SAFETY: this sets no handler.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let buffers = [IoSlice::new(b"a"), IoSlice::new(b"b")];

        let (mut stream, peer) = pair().await;
        socket2::SockRef::from(&peer)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        drop(peer);
        stream.read(&mut [0; 1]).await.unwrap_err();
        for _ in 0..2 {
            let gone = stream.write(b"x").await.unwrap_err();
            assert_eq!(gone.kind(), ErrorKind::BrokenPipe);
            let gone = stream.write_vectored(&buffers).await.unwrap_err();
            assert_eq!(gone.kind(), ErrorKind::BrokenPipe);
        }
        let (mut stream, peer) = UnixStream::pair().unwrap();
        drop(peer);
        let gone = stream.write(b"x").await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::BrokenPipe);
        let gone = stream.try_write_vectored(&buffers).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::BrokenPipe);
        let (datagram, peer) = UnixDatagram::pair().unwrap();
        drop(peer);
        datagram.send(b"x").await.unwrap_err();

        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        sender.write_all(b"x").await.unwrap();
        receiver.read_exact(&mut [0; 1]).await.unwrap();
        drop(receiver);
        for _ in 0..2 {
            let gone = sender.write(b"x").await.unwrap_err();
            assert_eq!(gone.kind(), ErrorKind::BrokenPipe);
            let gone = sender.try_write_vectored(&buffers).unwrap_err();
            assert_eq!(gone.kind(), ErrorKind::BrokenPipe);
        }
        assert_eq!(sigpipe_state(), (false, false));
    });
}

#[test]
fn a_descriptor_that_takes_the_number_of_another_has_its_own_events() {
    run(async || {
        let mut numbers = std::collections::HashMap::<_, usize>::new();
        for round in 0..200 {
            let (mut stream, mut peer) = pair().await;
            *numbers.entry(stream.as_raw_fd()).or_default() += 1;
            let (woken, waker) = CountWakes::new();
            assert!(stream.try_read(&mut [0; 8]).is_err());
            assert!(
                stream
                    .poll_read_ready(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            if round % 2 == 0 {
                // It goes while an event for it is on its way.
                peer.write_all(b"late").unwrap();
                drop(stream);
                continue;
            }
            // Nothing of its predecessor's reaches it.
            assert!(is_pending(stream.readable()));
            assert_eq!(woken.get(), 0);
            peer.write_all(b"own").unwrap();
            stream.read_exact(&mut [0; 3]).await.unwrap();
        }
        assert!(numbers.values().any(|&times| times > 1));
    });
}

#[test]
fn a_reset_wakes_both_halves() {
    run(async || {
        let (stream, peer) = pair().await;
        let (mut read, mut write) = stream.into_split();
        while write.try_write(&[7; 65_536]).is_ok() {}
        let (reads, read_waker) = CountWakes::new();
        let (writes, write_waker) = CountWakes::new();
        let mut room = [0; 8];
        let mut reading = Box::pin(read.read(&mut room));
        let mut writing = Box::pin(write.write(b"x"));
        assert!(
            reading
                .as_mut()
                .poll(&mut Context::from_waker(&read_waker))
                .is_pending()
        );
        assert!(
            writing
                .as_mut()
                .poll(&mut Context::from_waker(&write_waker))
                .is_pending()
        );
        // Closing with unread data resets the connection.
        drop(peer);
        while reads.get() == 0 || writes.get() == 0 {
            std::thread::yield_now();
        }
        let reset = reading.await.unwrap_err();
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
        writing.await.unwrap_err();
    });
}

#[test]
fn a_writer_waits_for_a_peer_that_does_not_read() {
    run(async || {
        let (mut stream, mut peer) = pair().await;
        let mut written = 0;
        // Until nothing more has gone in for a while. A slow machine may need the while for other things.
        loop {
            match timeout(Duration::from_millis(300), stream.write(&[7; 65_536])).await {
                Ok(more) => written += more.unwrap(),
                Err(_) if is_pending(stream.writable()) => break,
                Err(_) => {}
            }
        }
        let write = std::thread::spawn(move || block_on(stream.write_all(b"more")));
        let mut heard = vec![0; written + 4];
        peer.read_exact(&mut heard).unwrap();
        assert!(heard.ends_with(b"\x07more"));
        write.join().unwrap().unwrap();
    });
}

/// How many connections wait in a listener's backlog. It is full if they are more than the second number.
#[cfg(target_os = "linux")]
fn backlog(listener: &TcpListener) -> (usize, usize) {
    // SAFETY: the system writes to a structure of our own, and no more than its size.
    unsafe {
        let mut info: libc::tcp_info = std::mem::zeroed();
        let mut size = size_of_val(&info) as libc::socklen_t;
        let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
        let (fd, to) = (listener.as_raw_fd(), (&raw mut info).cast());
        assert_eq!(libc::getsockopt(fd, level, name, to, &mut size), 0);
        (info.tcpi_unacked as usize, info.tcpi_sacked as usize)
    }
}

/// A listener that lets nobody in any more: its backlog is full, and the system drops what comes. And those in the backlog.
#[cfg(target_os = "linux")]
fn full_listener() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut inside = Vec::new();
    loop {
        let (waiting, most) = backlog(&listener);
        if waiting > most {
            return (listener, inside);
        }
        // One that is connected may still be on its way into the backlog.
        if waiting == inside.len() {
            inside.push(block_on(TcpStream::connect(address)).unwrap());
        }
        std::thread::yield_now();
    }
}

/// A listener, and a socket that keeps the port when the listener is gone, so that nobody else gets it.
fn listener_and_keeper() -> (TcpListener, TcpSocket) {
    let sockets = [TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap()];
    let mut address = "127.0.0.1:0".parse().unwrap();
    for socket in &sockets {
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        address = socket.local_addr().unwrap();
    }
    let [socket, keeper] = sockets;
    (socket.listen(1024).unwrap(), keeper)
}

#[cfg(target_os = "linux")]
fn descriptors() -> usize {
    std::fs::read_dir("/dev/fd").unwrap().count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_connect_that_nobody_answers_is_given_up_and_leaves_nothing() {
    in_own_process(
        "a_connect_that_nobody_answers_is_given_up_and_leaves_nothing",
        async || {
            let (listener, inside) = full_listener();
            let full = listener.local_addr().unwrap();
            let before = descriptors();
            let mut waiting: Vec<_> = (0..10)
                .map(|_| Box::pin(TcpStream::connect(full)))
                .collect();
            for connect in &mut waiting {
                assert!(is_pending(connect.as_mut()));
            }
            assert_eq!(descriptors(), before + waiting.len());
            drop(waiting);
            assert_eq!(descriptors(), before);
            // It costs the others of a list no more than the delay.
            let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let second = other.local_addr().unwrap();
            let before = descriptors();
            let stream = TcpStream::connect(&[full, full, second][..]).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), second);
            assert_eq!(descriptors(), before + 1, "the losers are closed");
            // When those who came first have been let in, there is room again.
            let connect = std::thread::spawn(move || block_on(TcpStream::connect(full)));
            for _ in &inside {
                listener.accept().await.unwrap();
            }
            connect.join().unwrap().unwrap();
        },
    );
}

#[test]
fn a_connect_that_is_dropped_is_the_end_of_the_stream_for_the_listener() {
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..100 {
            {
                let mut connect = pin!(TcpStream::connect(address));
                let _ = connect
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()));
            }
            let (mut gone, _) = listener.accept().await.unwrap();
            assert_eq!(gone.read(&mut [0; 1]).await.unwrap(), 0);
        }
        let mut stays = TcpStream::connect(address).await.unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        accepted.write_all(b"x").await.unwrap();
        stays.read_exact(&mut [0; 1]).await.unwrap();
    });
}

#[test]
fn those_in_the_backlog_of_a_listener_that_is_dropped_are_reset() {
    run(async || {
        let (listener, _keeper) = listener_and_keeper();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let mut rooms = vec![[0; 1]; clients.len()];
        let mut reads: Vec<_> = clients
            .iter_mut()
            .zip(&mut rooms)
            .map(|(client, room)| Box::pin(client.read(room)))
            .collect();
        for read in &mut reads {
            assert!(is_pending(read.as_mut()));
        }
        drop(listener);
        for read in reads {
            let reset = read.await.unwrap_err();
            assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
        }
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

/// Two listeners for one queue, as two processes have it. Each event reaches both, and one finds nothing.
#[test]
fn those_who_share_a_queue_take_each_connection_once() {
    run(async || {
        const CLIENTS: usize = 300;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (taken, all_taken) = std::sync::mpsc::channel();
        let stop = heist_sync::CancellationToken::new();
        let accept = |listener: std::net::TcpListener| {
            let (taken, stop) = (taken.clone(), stop.clone());
            std::thread::spawn(move || {
                block_on(stop.run_until_cancelled(async move {
                    let listener = TcpListener::from_std(listener).unwrap();
                    loop {
                        let (_, from) = listener.accept().await.unwrap();
                        taken.send(from).unwrap();
                    }
                }));
            })
        };
        let threads = [accept(listener.try_clone().unwrap()), accept(listener)];
        let mut clients = std::collections::HashSet::new();
        for _ in 0..CLIENTS {
            let client = TcpStream::connect(address).await.unwrap();
            clients.insert(client.local_addr().unwrap());
            assert!(clients.contains(&all_taken.recv().unwrap()));
        }
        stop.cancel();
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(all_taken.try_recv().is_err());
    });
}

/// Sends a signal to the child.
fn send(child: &std::process::Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

/// The name of the environment variable that makes a test the child.
const ECHOES: &str = "HEIST_TEST_ECHOES";

/// A process that is stopped answers when it goes on.
#[test]
fn a_process_that_was_stopped_goes_on() {
    use rustix::process::Signal;
    if let Ok(address) = std::env::var(ECHOES) {
        return run(async move || {
            let stream = TcpStream::connect(address).await.unwrap();
            let (mut read, mut write) = stream.into_split();
            heist_reactor::io::copy(&mut read, &mut write)
                .await
                .unwrap();
        });
    }
    run(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "a_process_that_was_stopped_goes_on"]);
        child.env(ECHOES, listener.local_addr().unwrap().to_string());
        let mut child = child.stdout(std::process::Stdio::null()).spawn().unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        for nth in 0..20 {
            send(&child, Signal::STOP);
            stream.write_all(&[nth]).await.unwrap();
            let mut room = [0; 1];
            let silent = timeout(Duration::from_millis(10), stream.read_exact(&mut room));
            let silent = silent.await.is_err();
            send(&child, Signal::CONT);
            if silent {
                stream.read_exact(&mut room).await.unwrap();
            }
            assert_eq!(room, [nth]);
        }
        drop(stream);
        assert!(child.wait().unwrap().success());
    });
}

/// Whatever the sizes in which bytes are written and read, all of them arrive.
#[test]
fn any_sizes_of_reads_and_writes_carry_all_bytes() {
    run(async || {
        let mut state = 1_u32;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        for _ in 0..200 {
            let (mut stream, mut peer) = pair().await;
            let (mut sent, mut heard) = (0_usize, 0_usize);
            for _ in 0..20 {
                let most = [2, 20, 2_000][random(3)];
                let piece: Vec<u8> = (0..random(most)).map(|nth| (sent + nth) as u8).collect();
                peer.write_all(&piece).unwrap();
                sent += piece.len();
                while heard < sent && random(4) > 0 {
                    let mut room = vec![0; 1 + random(most)];
                    if random(3) == 0 {
                        assert!(stream.peek(&mut room).await.unwrap() > 0);
                    }
                    let read = stream.read(&mut room).await.unwrap();
                    assert!(read > 0);
                    for &byte in &room[..read] {
                        assert_eq!(byte, heard as u8);
                        heard += 1;
                    }
                }
            }
            drop(peer);
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap();
            assert_eq!(heard + rest.len(), sent);
        }
    });
}

/// How a connection ends. Returns the peer, if it is still there.
type End = fn(&TcpStream, std::net::TcpStream) -> Option<std::net::TcpStream>;

/// Which directions are closed, for each way in which a connection ends.
#[test]
fn each_end_of_a_connection_is_told_as_what_it_is() {
    use std::net::Shutdown;
    run(async || {
        let both = Interest::READABLE | Interest::WRITABLE;
        let half_close = |_: &TcpStream, peer: std::net::TcpStream| {
            peer.shutdown(Shutdown::Write).unwrap();
            Some(peer)
        };
        let reset = |_: &TcpStream, peer: std::net::TcpStream| {
            let peer = socket2::SockRef::from(&peer);
            peer.set_linger(Some(Duration::ZERO)).unwrap();
            None
        };
        let shut_down = |ours: &TcpStream, peer| {
            let ours = socket2::SockRef::from(ours);
            ours.shutdown(Shutdown::Both).unwrap();
            Some(peer)
        };
        let ends: [(End, bool, bool); 4] = [
            (|_, peer| Some(peer), false, false),
            (half_close, true, false),
            (reset, true, true),
            (shut_down, true, false),
        ];
        for (nth, (end, read_closed, write_closed)) in ends.into_iter().enumerate() {
            let (stream, peer) = pair().await;
            let peer = end(&stream, peer);
            if read_closed {
                // It is told some time after it has happened.
                while !stream
                    .ready(Interest::READABLE)
                    .await
                    .unwrap()
                    .is_read_closed()
                {
                    std::thread::yield_now();
                }
            }
            let ready = stream.ready(both).await.unwrap();
            assert!(ready.is_writable(), "{nth}");
            assert_eq!(ready.is_read_closed(), read_closed, "{nth}");
            assert!(ready.is_write_closed() || !write_closed, "{nth}");
            drop(peer);
        }
    });
}

/// One task waits for urgent bytes while another reads.
#[cfg(target_os = "linux")]
#[test]
fn urgent_data_reaches_whoever_waits_for_it() {
    run(async || {
        let (stream, mut peer) = pair().await;
        let (urgent, urgent_waker) = CountWakes::new();
        let (ordinary, ordinary_waker) = CountWakes::new();
        assert!(stream.try_read(&mut [0; 8]).is_err());
        let mut waits = Box::pin(stream.ready(Interest::PRIORITY));
        assert!(
            waits
                .as_mut()
                .poll(&mut Context::from_waker(&urgent_waker))
                .is_pending()
        );
        let mut reads = Box::pin(stream.readable());
        assert!(
            reads
                .as_mut()
                .poll(&mut Context::from_waker(&ordinary_waker))
                .is_pending()
        );
        // Ordinary data is none of its business.
        peer.write_all(b"ab").unwrap();
        while ordinary.get() == 0 {
            std::thread::yield_now();
        }
        reads.await.unwrap();
        assert!(
            waits
                .as_mut()
                .poll(&mut Context::from_waker(&urgent_waker))
                .is_pending()
        );
        socket2::SockRef::from(&peer)
            .send_out_of_band(b"!")
            .unwrap();
        while urgent.get() < 2
            && waits
                .as_mut()
                .poll(&mut Context::from_waker(&urgent_waker))
                .is_pending()
        {
            std::thread::yield_now();
        }
        let receive = || {
            let mut byte = [std::mem::MaybeUninit::uninit(); 1];
            socket2::SockRef::from(&stream).recv_out_of_band(&mut byte)
        };
        let received = stream.async_io(Interest::PRIORITY, receive).await;
        assert_eq!(received.unwrap(), 1);
        let mut heard = [0; 2];
        assert_eq!(stream.try_read(&mut heard).unwrap(), 2);
        assert_eq!(&heard, b"ab");
    });
}

/// The system has no event for it when the peer's queue is no longer full, and one for each try in vain.
#[test]
fn a_sender_to_a_queue_that_others_have_filled_goes_on() {
    run(async || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let (other, sender) = (
            UnixDatagram::unbound().unwrap(),
            UnixDatagram::unbound().unwrap(),
        );
        let mut filled = 0;
        while other.try_send_to(b"x", &path).is_ok() {
            filled += 1;
        }
        let mut sends = Box::pin(sender.send_to(b"one", &path));
        let mut polls = 0;
        let counted = poll_fn(|cx| {
            polls += 1;
            sends.as_mut().poll(cx)
        });
        let full = timeout(Duration::from_millis(200), counted).await;
        full.map(drop).unwrap_err();
        assert!(polls < 1_000, "it turns in a circle: {polls}");
        for _ in 0..filled {
            assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 1);
        }
        let sent = timeout(Duration::from_secs(20), sends).await;
        assert_eq!(sent.expect("there is room").unwrap(), 3);
        assert_eq!(receiver.recv(&mut [0; 8]).await.unwrap(), 3);
    });
}
