//! Waiting for any descriptor.
#![cfg(unix)]

use std::fs::File;
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use heist_reactor::backend::Backend;
use heist_reactor::io::unix::AsyncFd;
use heist_reactor::io::{Interest, Ready};
use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_reactor::{Config, Reactor};

fn run(test: impl AsyncFnOnce() + Send + 'static) {
    within_limit(|| block_on(test()));
}

/// The watched end of a pair, and the other.
fn pair() -> (AsyncFd<UnixStream>, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    (AsyncFd::new(here).unwrap(), there)
}

fn is_pending(future: impl Future) -> bool {
    pin!(future)
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
}

#[test]
fn what_is_not_cleared_stays_ready() {
    run(async || {
        let (fd, mut there) = pair();
        assert!(is_pending(fd.readable()));
        there.write_all(b"a").unwrap();
        for _ in 0..3 {
            let mut guard = fd.readable().await.unwrap();
            assert!(guard.ready().is_readable() && !guard.ready().is_writable());
            guard.retain_ready();
        }
        assert_eq!((&mut fd.get_ref()).read(&mut [0; 8]).unwrap(), 1);
        fd.readable().await.unwrap().clear_ready();
        assert!(is_pending(fd.readable()));
        there.write_all(b"b").unwrap();
        let mut guard = fd.readable().await.unwrap();
        assert!(matches!(
            guard.try_io(|fd| fd.get_ref().read(&mut [0; 8])),
            Ok(Ok(1))
        ));
        assert!(guard.try_io(|fd| fd.get_ref().read(&mut [0; 8])).is_err());
        assert_eq!(guard.ready(), Ready::EMPTY);
        assert!(is_pending(fd.readable()));
    });
}

#[test]
fn a_guard_clears_nothing_newer_than_itself() {
    within_limit(|| {
        let reactor = Reactor::new(Config::default()).expect("a poller");
        let _entered = reactor.enter();
        let (fd, mut there) = pair();
        let mut turn = reactor.try_borrow().expect("free");
        there.write_all(b"a").unwrap();
        turn.wait(None);
        let mut cx = Context::from_waker(Waker::noop());
        let std::task::Poll::Ready(Ok(mut guard)) = fd.poll_read_ready(&mut cx) else {
            panic!("it is ready");
        };
        assert_eq!(fd.get_ref().read(&mut [0; 8]).unwrap(), 1);
        // News comes between the operation and the clear.
        there.write_all(b"b").unwrap();
        turn.wait(Some(Duration::ZERO));
        guard.clear_ready();
        // A poller that works by edges has told already. Another tells now.
        turn.wait(Some(Duration::ZERO));
        assert!(fd.poll_read_ready(&mut cx).is_ready());
    });
}

#[test]
fn parts_are_cleared_by_themselves() {
    run(async || {
        let (fd, mut there) = pair();
        there.write_all(b"a").unwrap();
        drop(fd.readable().await.unwrap());
        drop(fd.writable().await.unwrap());
        let both = Interest::READABLE | Interest::WRITABLE;
        let mut guard = fd.ready(both).await.unwrap();
        assert!(guard.ready().is_readable() && guard.ready().is_writable());
        // A poller may tell again of what is still there, so there is nothing any more.
        let mut io = fd.get_ref();
        assert_eq!(io.read(&mut [0; 8]).unwrap(), 1);
        guard.clear_ready_matching(Ready::READABLE);
        assert!(!guard.ready().is_readable() && guard.ready().is_writable());
        assert!(is_pending(fd.readable()) && !is_pending(fd.writable()));
        while io.write(&[0; 1 << 16]).is_ok() {}
        guard.clear_ready_matching(Ready::WRITABLE);
        assert!(is_pending(fd.writable()));
        assert_eq!(guard.get_inner().as_raw_fd(), fd.as_raw_fd());
    });
}

#[test]
fn a_closed_direction_stays_ready() {
    run(async || {
        let (fd, there) = pair();
        drop(there);
        for _ in 0..3 {
            let mut guard = fd.readable().await.unwrap();
            assert!(guard.ready().is_read_closed());
            guard.clear_ready();
        }
    });
}

#[test]
fn operations_wait_and_clear() {
    run(async || {
        let (mut fd, mut there) = pair();
        let none = fd.try_io(Interest::READABLE, |io| (&mut &*io).read(&mut [0; 8]));
        assert_eq!(none.unwrap_err().kind(), ErrorKind::WouldBlock);
        there.write_all(b"abc").unwrap();
        let mut room = [0; 2];
        let read = fd.async_io(Interest::READABLE, |mut io| io.read(&mut room));
        assert_eq!(read.await.unwrap(), 2);
        let read = fd.async_io_mut(Interest::READABLE, |io| io.read(&mut room));
        assert_eq!(read.await.unwrap(), 1);
        let none = fd.try_io_mut(Interest::READABLE, |io| io.read(&mut room));
        assert_eq!(none.unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(is_pending(fd.readable()));
        fd.async_io_mut(Interest::WRITABLE, |io| io.write_all(b"back"))
            .await
            .unwrap();
        let mut guard = fd.writable_mut().await.unwrap();
        guard.get_inner_mut().write_all(b"more").unwrap();
        assert!(matches!(
            guard.try_io(|fd| fd.get_mut().flush()),
            Ok(Ok(()))
        ));
        let mut heard = [0; 8];
        there.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"backmore");
    });
}

#[test]
fn a_writer_waits_until_there_is_room() {
    run(async || {
        let (fd, mut there) = pair();
        let piece = [7; 4096];
        let mut written = 0;
        loop {
            let mut guard = fd.writable().await.unwrap();
            match guard.try_io(|fd| fd.get_ref().write(&piece)) {
                Ok(done) => written += done.unwrap(),
                Err(_full) => break,
            }
        }
        assert!(is_pending(fd.writable()));
        let mut heard = vec![0; written];
        there.read_exact(&mut heard).unwrap();
        fd.writable().await.unwrap().retain_ready();
    });
}

#[test]
fn descriptors_that_cannot_be_watched_are_given_back() {
    let open = || File::open(std::env::current_exe().unwrap()).unwrap();
    let (file, error) = AsyncFd::try_new(open()).unwrap_err().into_parts();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    file.metadata().unwrap();
    let refused = AsyncFd::with_interest(open(), Interest::READABLE).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    // Watched already.
    let (fd, _there) = pair();
    let again = AsyncFd::try_new(fd.as_fd()).unwrap_err();
    assert_eq!(io::Error::from(again).kind(), ErrorKind::AlreadyExists);
    // Not open at all.
    // SAFETY: nothing uses the number.
    let closed = unsafe { AsyncFd::register(RawFd::MAX) };
    let (number, error) = closed.unwrap_err().into_parts();
    assert_eq!((number, error.raw_os_error()), (RawFd::MAX, Some(9)));
}

#[test]
fn a_value_that_is_taken_out_can_be_watched_again() {
    run(async || {
        let (fd, mut there) = pair();
        let io = fd.into_inner();
        let fd = AsyncFd::with_interest(io, Interest::READABLE).unwrap();
        there.write_all(b"x").unwrap();
        drop(fd.readable().await.unwrap());
        // A number that is used again is another descriptor.
        let number = fd.as_raw_fd();
        drop(fd);
        let (fd, mut there) = pair();
        assert!(is_pending(fd.readable()));
        there.write_all(b"x").unwrap();
        assert!(fd.readable().await.unwrap().ready().is_readable());
        assert!(number > 2);
    });
}

#[test]
fn each_wait_has_the_last_waker() {
    within_limit(|| {
        let (fd, mut there) = pair();
        let ((first, first_waker), (last, last_waker)) = (CountWakes::new(), CountWakes::new());
        for waker in [&first_waker, &last_waker] {
            let mut cx = Context::from_waker(waker);
            assert!(fd.poll_read_ready(&mut cx).is_pending());
        }
        // Any number of async functions besides.
        let (listed, listed_waker) = CountWakes::new();
        let mut cx = Context::from_waker(&listed_waker);
        let mut waits: Vec<_> = (0..3).map(|_| Box::pin(fd.readable())).collect();
        for wait in &mut waits {
            assert!(wait.as_mut().poll(&mut cx).is_pending());
        }
        there.write_all(b"x").unwrap();
        while last.get() == 0 || listed.get() < 3 {
            std::thread::yield_now();
        }
        assert_eq!((first.get(), last.get(), listed.get()), (0, 1, 3));
    });
}

#[test]
fn after_the_end_of_its_reactor_it_fails() {
    within_limit(|| {
        let reactor = Reactor::new(Config::default()).expect("a poller");
        let (fd, _there) = {
            let _entered = reactor.enter();
            pair()
        };
        let (woken, waker) = CountWakes::new();
        let mut wait = Box::pin(fd.readable());
        assert!(
            wait.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        reactor.shutdown();
        assert_eq!(woken.get(), 1);
        assert!(block_on(wait).is_err());
        assert!(fd.try_io(Interest::WRITABLE, |_| Ok(())).is_err());
        let (there, _here) = UnixStream::pair().unwrap();
        let _entered = reactor.enter();
        let (there, _error) = AsyncFd::try_new(there).unwrap_err().into_parts();
        drop(there);
    });
}

#[test]
fn it_holds_any_value_that_has_a_descriptor() {
    run(async || {
        let (here, mut there) = UnixStream::pair().unwrap();
        let shared = Arc::new(OwnedFd::from(here));
        let fd = AsyncFd::with_interest(shared.clone(), Interest::READABLE).unwrap();
        there.write_all(b"x").unwrap();
        drop(fd.readable().await.unwrap());
        assert!(Arc::ptr_eq(&fd.into_inner(), &shared));
        // SAFETY: `shared` keeps it open.
        let fd = unsafe { AsyncFd::register(shared.as_raw_fd()) }.unwrap();
        drop(fd.readable().await.unwrap());
    });
}

/// Who waits for urgent bytes and who reads don't take each other's news.
#[cfg(target_os = "linux")]
#[test]
fn a_reader_leaves_the_urgent_byte_to_whoever_waits_for_it() {
    run(async || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let there = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (here, _) = listener.accept().unwrap();
        here.set_nonblocking(true).unwrap();
        let fd = AsyncFd::with_interest(here, Interest::READABLE | Interest::PRIORITY).unwrap();
        socket2::SockRef::from(&there)
            .send_out_of_band(b"!")
            .unwrap();
        drop(fd.ready(Interest::PRIORITY).await.unwrap());
        // The reader finds nothing. (A read at this place would make the system drop the byte.)
        let would_block = |_: &_| io::Result::<()>::Err(ErrorKind::WouldBlock.into());
        fd.try_io(Interest::READABLE, would_block).unwrap_err();
        assert!(is_pending(fd.readable()));
        let mut guard = fd.ready(Interest::PRIORITY).await.unwrap();
        assert!(guard.ready().is_priority());
        let mut room = [std::mem::MaybeUninit::uninit(); 1];
        let urgent = |fd: &AsyncFd<std::net::TcpStream>| {
            socket2::SockRef::from(fd.get_ref()).recv_out_of_band(&mut room)
        };
        assert!(matches!(guard.try_io(urgent), Ok(Ok(1))));
        guard.clear_ready();
        assert!(is_pending(fd.ready(Interest::PRIORITY)));
    });
}

/// A number, whatever it stands for.
#[derive(Debug)]
struct Number(RawFd);

impl AsRawFd for Number {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

#[test]
fn a_descriptor_closed_underneath_hangs_nobody_who_leaves() {
    for backend in [Backend::Mio, Backend::Poll] {
        within_limit(|| {
            let config = Config {
                backend,
                ..Config::default()
            };
            let reactor = Reactor::new(config).expect("a poller");
            let _entered = reactor.enter();
            let (here, _there) = UnixStream::pair().unwrap();
            // A number that no other test's descriptor takes meanwhile.
            // SAFETY: it copies an open descriptor.
            let high = unsafe { libc::fcntl(here.as_raw_fd(), libc::F_DUPFD, 900) };
            // SAFETY: it breaks the promise to keep the descriptor open, to see what comes of it.
            let fd = unsafe { AsyncFd::register(Number(high)) }.unwrap();
            assert!(is_pending(fd.readable()));
            // SAFETY: nobody else uses it.
            assert_eq!(unsafe { libc::close(high) }, 0);
            let mut turn = reactor.try_borrow().expect("free");
            turn.wait(Some(Duration::ZERO));
            turn.wait(Some(Duration::ZERO));
            assert_eq!(fd.into_inner().0, high);
            // SAFETY: see above. The number stands for nothing any more.
            let refused = unsafe { AsyncFd::register(Number(high)) };
            let (_, error) = refused.unwrap_err().into_parts();
            assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        });
    }
}

#[test]
fn a_descriptor_that_was_exchanged_is_in_nobodys_way() {
    for backend in [Backend::Mio, Backend::Poll] {
        within_limit(|| {
            let config = Config {
                backend,
                ..Config::default()
            };
            let reactor = Reactor::new(config).expect("a poller");
            let _entered = reactor.enter();
            // At a number that no other test's descriptor takes meanwhile.
            let high = |socket: UnixStream| {
                // SAFETY: it copies an open descriptor.
                let fd = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_DUPFD, 970) };
                assert!(fd >= 970);
                // SAFETY: nobody else has it.
                unsafe { OwnedFd::from_raw_fd(fd) }
            };
            for exchanged_is_dropped in [false, true] {
                let ((one, _peer), (two, mut peer_of_two)) =
                    (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
                let mut exchanged = AsyncFd::new(high(one)).unwrap();
                let number = exchanged.as_raw_fd();
                *exchanged.get_mut() = tempfile::tempfile().unwrap().into();
                let exchanged = (!exchanged_is_dropped).then_some(exchanged);
                // The number is free, so that the next one takes it.
                let next = AsyncFd::new(high(two)).unwrap();
                assert_eq!(next.as_raw_fd(), number);
                peer_of_two.write_all(b"x").unwrap();
                while is_pending(next.readable()) {
                    reactor.try_borrow().expect("free").wait(None);
                }
                drop(exchanged);
                assert!(is_pending(next.ready(Interest::ERROR)));
                peer_of_two.write_all(b"x").unwrap();
                drop(next);
            }
        });
    }
}

#[test]
fn a_regular_file_is_refused_by_each_poller() {
    for backend in [Backend::Poll, Backend::Mio] {
        within_limit(|| {
            let always = backend_watches_files(&backend);
            let config = Config {
                backend,
                ..Config::default()
            };
            let reactor = Reactor::new(config).expect("a poller");
            let _entered = reactor.enter();
            let registered = AsyncFd::new(tempfile::tempfile().unwrap());
            assert!(registered.is_ok() == always);
        });
    }
}

/// kqueue does.
fn backend_watches_files(backend: &Backend) -> bool {
    matches!(backend, Backend::Mio) && !cfg!(target_os = "linux")
}
