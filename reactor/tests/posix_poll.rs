//! The poller made of `poll(2)` keeps the contract of pollers, clause by clause.
#![cfg(all(unix, not(miri)))]

use std::io::{self, ErrorKind, Read, Write};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use heist_reactor::backend::{Event, Interest, Poller, PosixPoll, Ready};
use heist_reactor::testing::within_limit;

const NOW: Option<Duration> = Some(Duration::ZERO);

fn pair() -> (UnixStream, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    there.set_nonblocking(true).unwrap();
    (here, there)
}

/// What one wait reports, by token.
fn wait(poller: &PosixPoll, timeout: Option<Duration>) -> Vec<(usize, Ready)> {
    let mut events = Vec::new();
    poller.wait(&mut events, timeout).unwrap();
    events.sort_by_key(|event| event.token);
    let told = |event: Event| (event.token, event.ready);
    events.into_iter().map(told).collect()
}

/// Waits in a thread of its own until there is an event or a notification. The thread tells what there was.
fn waiter(poller: &Arc<PosixPoll>) -> mpsc::Receiver<Vec<(usize, Ready)>> {
    let (found, finds) = mpsc::channel();
    let poller = poller.clone();
    thread::spawn(move || {
        let events = wait(&poller, None);
        // Before the test goes on and ends.
        drop(poller);
        found.send(events)
    });
    finds
}

fn shared() -> Arc<PosixPoll> {
    Arc::new(PosixPoll::new().unwrap())
}

#[test]
fn what_is_ready_when_it_is_registered_is_news() {
    within_limit(|| {
        let (poller, (here, mut there)) = (PosixPoll::new().unwrap(), pair());
        there.write_all(b"a").unwrap();
        let both = Interest::READABLE | Interest::WRITABLE;
        poller.register(here.as_raw_fd(), 7, both).unwrap();
        assert_eq!(
            wait(&poller, None),
            [(7, Ready::READABLE | Ready::WRITABLE)]
        );
    });
}

#[test]
fn what_nobody_consumes_is_reported_once() {
    within_limit(|| {
        let (poller, (here, mut there)) = (PosixPoll::new().unwrap(), pair());
        poller
            .register(here.as_raw_fd(), 1, Interest::READABLE)
            .unwrap();
        for _ in 0..3 {
            assert_eq!(wait(&poller, NOW), []);
            there.write_all(b"a").unwrap();
            assert_eq!(wait(&poller, None), [(1, Ready::READABLE)]);
            let before = Instant::now();
            let limit = Duration::from_millis(2);
            assert_eq!(wait(&poller, Some(limit)), []);
            assert!(before.elapsed() >= limit);
            // Rearmed while it is ready: again. Rearmed while it isn't: once it is.
            poller.rearm(1, Interest::READABLE);
            assert_eq!(wait(&poller, None), [(1, Ready::READABLE)]);
            assert_eq!((&here).read(&mut [0; 8]).unwrap(), 1);
            poller.rearm(1, Interest::READABLE);
        }
    });
}

#[test]
fn each_part_is_reported_by_itself() {
    within_limit(|| {
        let (poller, (here, mut there)) = (PosixPoll::new().unwrap(), pair());
        let both = Interest::READABLE | Interest::WRITABLE;
        poller.register(here.as_raw_fd(), 1, both).unwrap();
        assert_eq!(wait(&poller, None), [(1, Ready::WRITABLE)]);
        there.write_all(b"a").unwrap();
        assert_eq!(wait(&poller, None), [(1, Ready::READABLE)]);
        poller.rearm(1, Interest::WRITABLE);
        assert_eq!(wait(&poller, None), [(1, Ready::WRITABLE)]);
        assert_eq!(wait(&poller, NOW), []);
        // Neither is armed, and the end is news all the same.
        drop(there);
        let [(1, ready)] = wait(&poller, None)[..] else {
            panic!("one event");
        };
        assert!(ready.is_read_closed() && ready.is_write_closed());
        assert_eq!(wait(&poller, NOW), []);
    });
}

#[test]
fn only_what_was_asked_for_is_reported() {
    within_limit(|| {
        let (poller, (here, mut there)) = (PosixPoll::new().unwrap(), pair());
        there.write_all(b"a").unwrap();
        poller
            .register(here.as_raw_fd(), 1, Interest::WRITABLE)
            .unwrap();
        assert_eq!(wait(&poller, None), [(1, Ready::WRITABLE)]);
        poller.rearm(1, Interest::READABLE);
        assert_eq!(wait(&poller, NOW), []);
    });
}

#[test]
fn what_is_registered_or_rearmed_during_a_wait_counts_in_it() {
    within_limit(|| {
        let (poller, (here, mut there)) = (shared(), pair());
        there.write_all(b"a").unwrap();
        let finds = waiter(&poller);
        poller
            .register(here.as_raw_fd(), 1, Interest::READABLE)
            .unwrap();
        assert_eq!(finds.recv().unwrap(), [(1, Ready::READABLE)]);
        let finds = waiter(&poller);
        poller.rearm(1, Interest::READABLE);
        assert_eq!(finds.recv().unwrap(), [(1, Ready::READABLE)]);
    });
}

#[test]
fn a_notification_ends_the_wait_under_way_or_the_next_one() {
    within_limit(|| {
        let poller = shared();
        for _ in 0..100 {
            let finds = waiter(&poller);
            poller.notify();
            assert_eq!(finds.recv().unwrap(), []);
        }
        poller.notify();
        poller.notify();
        assert_eq!(wait(&poller, None), []);
        // The two have counted as one.
        let limit = Duration::from_millis(1);
        let before = Instant::now();
        assert_eq!(wait(&poller, Some(limit)), []);
        assert!(before.elapsed() >= limit);
    });
}

#[test]
fn a_notification_hides_no_event() {
    within_limit(|| {
        let (poller, (here, mut there)) = (PosixPoll::new().unwrap(), pair());
        poller
            .register(here.as_raw_fd(), 1, Interest::READABLE)
            .unwrap();
        there.write_all(b"a").unwrap();
        poller.notify();
        assert_eq!(wait(&poller, None), [(1, Ready::READABLE)]);
    });
}

/// While `poll` waits for a file, the system keeps it open: its peer would not hear that it was closed.
#[test]
fn what_has_left_during_a_wait_is_closed_at_once() {
    within_limit(|| {
        let poller = shared();
        let (_sentry, mut alarm) = pair();
        poller
            .register(_sentry.as_raw_fd(), 0, Interest::READABLE)
            .unwrap();
        let finds = waiter(&poller);
        for token in 1..200 {
            let (here, mut there) = pair();
            poller
                .register(here.as_raw_fd(), token, Interest::READABLE)
                .unwrap();
            // Now and then the waiter is in the call by now, and now and then it isn't.
            if token % 2 == 0 {
                thread::yield_now();
            }
            poller.deregister(here.as_raw_fd(), token).unwrap();
            drop(here);
            assert_eq!(there.read(&mut [0; 8]).unwrap(), 0);
        }
        alarm.write_all(b"a").unwrap();
        assert_eq!(finds.recv().unwrap(), [(0, Ready::READABLE)]);
    });
}

#[test]
fn a_token_or_a_descriptor_that_came_back_is_a_new_one() {
    within_limit(|| {
        let (poller, (here, mut there)) = (PosixPoll::new().unwrap(), pair());
        there.write_all(b"a").unwrap();
        for _ in 0..3 {
            let fd = here.as_raw_fd();
            poller.register(fd, 1, Interest::READABLE).unwrap();
            assert_eq!(wait(&poller, None), [(1, Ready::READABLE)]);
            poller.deregister(fd, 1).unwrap();
            assert_eq!(wait(&poller, NOW), []);
            poller.register(fd, 2, Interest::READABLE).unwrap();
            assert_eq!(wait(&poller, None), [(2, Ready::READABLE)]);
            poller.rearm(1, Interest::READABLE);
            assert_eq!(wait(&poller, NOW), []);
            poller.deregister(fd, 2).unwrap();
        }
    });
}

fn kind_of_refusal(poller: &PosixPoll, fd: RawFd, token: usize) -> ErrorKind {
    let refused = poller.register(fd, token, Interest::READABLE);
    refused.expect_err("it can't be watched").kind()
}

#[test]
fn what_cant_be_watched_is_refused_and_forgotten() {
    within_limit(|| {
        let (poller, (here, _there)) = (PosixPoll::new().unwrap(), pair());
        let file = tempfile::tempfile().unwrap();
        let folder = std::fs::File::open(std::env::temp_dir()).unwrap();
        for fd in [file.as_raw_fd(), folder.as_raw_fd()] {
            assert_eq!(kind_of_refusal(&poller, fd, 1), ErrorKind::PermissionDenied);
        }
        for fd in [-1, RawFd::MIN, RawFd::MAX] {
            let error = poller.register(fd, 1, Interest::READABLE).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        }
        let fd = here.as_raw_fd();
        poller.register(fd, 1, Interest::READABLE).unwrap();
        assert_eq!(kind_of_refusal(&poller, fd, 2), ErrorKind::AlreadyExists);
        let error = poller.deregister(fd, 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(wait(&poller, NOW), []);
        poller.deregister(fd, 1).unwrap();
    });
}

#[test]
fn a_descriptor_closed_underneath_is_an_error_reported_once() {
    within_limit(|| {
        let (poller, (here, _there)) = (PosixPoll::new().unwrap(), pair());
        // A number that no other test's descriptor takes meanwhile.
        // SAFETY: it copies an open descriptor.
        let high = unsafe { libc::fcntl(here.as_raw_fd(), libc::F_DUPFD, 900) };
        assert!(high >= 900);
        poller.register(high, 1, Interest::READABLE).unwrap();
        assert_eq!(wait(&poller, NOW), []);
        // SAFETY: nobody else has this descriptor but the poller, whose mishap this is.
        assert_eq!(unsafe { libc::close(high) }, 0);
        assert_eq!(wait(&poller, None), [(1, Ready::ERROR)]);
        assert_eq!(wait(&poller, NOW), []);
        poller.deregister(high, 1).unwrap();
    });
}

#[test]
fn a_number_that_stands_for_another_descriptor_by_now_can_be_watched() {
    within_limit(|| {
        let (poller, (here, _there)) = (PosixPoll::new().unwrap(), pair());
        let (other, mut peer) = pair();
        // A number that no other test's descriptor takes meanwhile.
        // SAFETY: it copies an open descriptor.
        let high = unsafe { libc::fcntl(here.as_raw_fd(), libc::F_DUPFD, 950) };
        assert!(high >= 950);
        poller.register(high, 1, Interest::READABLE).unwrap();
        assert_eq!(wait(&poller, NOW), []);
        // SAFETY: nobody else has this number but the poller, whose mishap this is.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), high) }, high);
        poller.register(high, 2, Interest::READABLE).unwrap();
        peer.write_all(b"a").unwrap();
        assert_eq!(wait(&poller, None), [(2, Ready::READABLE)]);
        assert_eq!(kind_of_refusal(&poller, high, 3), ErrorKind::AlreadyExists);
        // The one before has left by that.
        assert!(poller.deregister(high, 1).is_err());
        poller.rearm(2, Interest::READABLE);
        assert_eq!(wait(&poller, None), [(2, Ready::READABLE)]);
        poller.deregister(high, 2).unwrap();
        // SAFETY: nobody uses it any more.
        assert_eq!(unsafe { libc::close(high) }, 0);
    });
}

#[test]
fn what_leaves_is_known_by_its_token() {
    within_limit(|| {
        let (poller, (here, there)) = (PosixPoll::new().unwrap(), pair());
        let fd = here.as_raw_fd();
        poller.register(fd, 1, Interest::WRITABLE).unwrap();
        // Its owner has another descriptor by now.
        poller.deregister(there.as_raw_fd(), 1).unwrap();
        assert_eq!(wait(&poller, NOW), []);
        poller.register(fd, 2, Interest::WRITABLE).unwrap();
        assert_eq!(wait(&poller, None), [(2, Ready::WRITABLE)]);
    });
}

/// A connection with an entry in the queue of errors, which lasts until somebody takes it. This end and the other.
#[cfg(target_os = "linux")]
fn with_lasting_error() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut here = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (there, _) = listener.accept().unwrap();
    // The time at which what is sent was acknowledged.
    let flags = libc::SOF_TIMESTAMPING_TX_ACK | libc::SOF_TIMESTAMPING_SOFTWARE;
    // SAFETY: the system reads a number of our own.
    let set = unsafe {
        libc::setsockopt(
            here.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPING,
            (&raw const flags).cast(),
            size_of_val(&flags) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0);
    here.write_all(b"a").unwrap();
    (here, there)
}

#[cfg(target_os = "linux")]
#[test]
fn an_error_that_nobody_fetches_hides_nothing_that_comes_later() {
    within_limit(|| {
        let (poller, (here, there)) = (PosixPoll::new().unwrap(), with_lasting_error());
        let interest = Interest::READABLE | Interest::PRIORITY;
        poller.register(here.as_raw_fd(), 1, interest).unwrap();
        let [(1, ready)] = wait(&poller, None)[..] else {
            panic!("one event");
        };
        assert!(ready.is_error() && !ready.is_priority(), "{ready:?}");
        socket2::SockRef::from(&there)
            .send_out_of_band(b"u")
            .unwrap();
        // The reader finds nothing to read. Urgent bytes haven't been reported yet.
        poller.rearm(1, Interest::READABLE);
        let mut rounds = 0;
        while !wait(&poller, None)
            .iter()
            .any(|(_, ready)| ready.is_priority())
        {
            rounds += 1;
            assert!(rounds < 1_000, "it is not reported");
            poller.rearm(1, Interest::READABLE);
        }
    });
}

/// A socket whose error nobody has fetched.
fn socket_with_error() -> UdpSocket {
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(gone.local_addr().unwrap()).unwrap();
    drop(gone);
    socket.send(b"a").unwrap();
    socket
}

#[test]
fn an_error_that_nobody_fetches_is_not_reported_in_a_loop() {
    within_limit(|| {
        let (poller, socket) = (PosixPoll::new().unwrap(), socket_with_error());
        poller
            .register(socket.as_raw_fd(), 1, Interest::READABLE)
            .unwrap();
        let before = Instant::now();
        for _ in 0..4 {
            let [(1, ready)] = wait(&poller, None)[..] else {
                panic!("one event");
            };
            assert!(ready.is_error());
            poller.rearm(1, Interest::READABLE);
        }
        // The first came at once, each other one after a pause.
        assert!(before.elapsed() >= Duration::from_millis(3));
        // What else is news doesn't wait for the pause.
        assert!(socket.take_error().unwrap().is_some());
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let own = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(b"a", own.local_addr().unwrap()).unwrap();
        poller
            .register(own.as_raw_fd(), 2, Interest::READABLE)
            .unwrap();
        assert!(wait(&poller, None).contains(&(2, Ready::READABLE)));
    });
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn an_urgent_byte_that_nobody_reads_is_not_reported_in_a_loop() {
    within_limit(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let there = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (here, _) = listener.accept().unwrap();
        let poller = PosixPoll::new().unwrap();
        let both = Interest::READABLE | Interest::PRIORITY;
        poller.register(here.as_raw_fd(), 1, both).unwrap();
        socket2::SockRef::from(&there)
            .send_out_of_band(b"u")
            .unwrap();
        assert_eq!(wait(&poller, None), [(1, Ready::PRIORITY)]);
        // A reader that waits for data hears nothing of it.
        poller.rearm(1, Interest::READABLE);
        assert_eq!(wait(&poller, NOW), []);
        let before = Instant::now();
        for _ in 0..3 {
            poller.rearm(1, Interest::PRIORITY);
            assert_eq!(wait(&poller, None), [(1, Ready::PRIORITY)]);
        }
        assert!(before.elapsed() >= Duration::from_millis(2));
    });
}

#[test]
fn a_pipe_tells_of_its_other_end() {
    within_limit(|| {
        let poller = PosixPoll::new().unwrap();
        let (reader, writer) = io::pipe().unwrap();
        poller
            .register(reader.as_raw_fd(), 1, Interest::READABLE)
            .unwrap();
        drop(writer);
        let [(1, ready)] = wait(&poller, None)[..] else {
            panic!("one event");
        };
        assert!(ready.is_read_closed());
        let (reader, writer) = io::pipe().unwrap();
        poller
            .register(writer.as_raw_fd(), 2, Interest::WRITABLE)
            .unwrap();
        assert_eq!(wait(&poller, None), [(2, Ready::WRITABLE)]);
        drop(reader);
        let [(2, ready)] = wait(&poller, None)[..] else {
            panic!("one event");
        };
        assert!(ready.is_write_closed() && ready.is_error());
    });
}

#[test]
fn waits_keep_to_fractions_of_a_millisecond() {
    within_limit(|| {
        let poller = PosixPoll::new().unwrap();
        for timeout in [1_000, 200_000, 1_500_000].map(Duration::from_nanos) {
            let before = Instant::now();
            assert_eq!(wait(&poller, Some(timeout)), []);
            assert!(before.elapsed() >= timeout);
        }
        poller.notify();
        assert_eq!(wait(&poller, Some(Duration::MAX)), []);
    });
}

#[test]
fn many_descriptors_at_once() {
    within_limit(|| {
        let poller = PosixPoll::new().unwrap();
        let pairs: Vec<_> = (0..150).map(|_| pair()).collect();
        for (token, (here, _)) in pairs.iter().enumerate() {
            poller
                .register(here.as_raw_fd(), token, Interest::READABLE)
                .unwrap();
        }
        for (_, there) in pairs.iter().step_by(3) {
            (&*there).write_all(b"a").unwrap();
        }
        let expected: Vec<_> = (0..150)
            .step_by(3)
            .map(|token| (token, Ready::READABLE))
            .collect();
        assert_eq!(wait(&poller, None), expected);
        assert_eq!(wait(&poller, NOW), []);
    });
}
