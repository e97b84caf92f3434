//! The child of a fork shares the parent's poller. It must not spoil it.
#![cfg(all(unix, not(miri)))]

use std::future::Future;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use heist_reactor::backend::Backend;
use heist_reactor::io::AsyncReadExt;
use heist_reactor::io::unix::AsyncFd;
use heist_reactor::net::UnixStream;
use heist_reactor::testing::{block_on, within_limit};
use heist_reactor::{Config, Monitor, Reactor};

struct Plain;

impl Monitor for Plain {}

fn pair() -> (net::UnixStream, net::UnixStream) {
    let (here, there) = net::UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    (here, there)
}

/// Runs a test while no other test of this process runs. A child that is forked while another thread makes a reactor would find
/// the registry of reactors locked for good.
fn in_turn(test: impl FnOnce() + Send + 'static) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    within_limit(test);
}

/// Runs `child` in a forked child, which then ends. Returns whether `child` returned true.
fn in_child(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child calls nothing that needs another thread: no lock that one may have held but malloc's, with which the
    // C library deals. It leaves by `_exit`.
    let forked = unsafe { libc::fork() };
    assert!(forked >= 0);
    if forked == 0 {
        let right = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
        // SAFETY: it may be called at any time.
        unsafe { libc::_exit(i32::from(!matches!(right, Ok(true)))) };
    }
    let mut status = 0;
    // SAFETY: it is a child of ours, which nobody else waits for.
    assert_eq!(unsafe { libc::waitpid(forked, &mut status, 0) }, forked);
    status == 0
}

fn drops_in_a_child_leave_the_parent_alone(backend: Backend) {
    let config = Config {
        backend,
        ..Config::default()
    };
    let reactor = Reactor::new(config).unwrap();
    reactor.start_thread(Box::new(Plain)).unwrap();
    let entered = reactor.enter();
    let (here, mut there) = pair();
    let mut stream = UnixStream::from_std(here).unwrap();
    let (fd_here, mut fd_there) = pair();
    let fd = AsyncFd::new(OwnedFd::from(fd_here)).unwrap();
    let (spare, _other) = pair();
    let (mut stream, fd) = {
        let mut cx = Context::from_waker(Waker::noop());
        let mut byte = [0];
        assert!(pin!(stream.read(&mut byte)).poll(&mut cx).is_pending());
        assert!(pin!(fd.readable()).poll(&mut cx).is_pending());
        let mut kept = Some((stream, fd));
        assert!(in_child(|| {
            drop(kept.take());
            // A new one would tell the parent of events that it knows nothing of.
            UnixStream::from_std(spare).is_err()
        }));
        kept.expect("only the child's copy was dropped")
    };
    there.write_all(b"a").unwrap();
    fd_there.write_all(b"b").unwrap();
    let mut byte = [0];
    assert_eq!(block_on(stream.read(&mut byte)).unwrap(), 1);
    drop(block_on(fd.readable()).unwrap());
    // Here they leave as ever.
    stream.into_std().unwrap();
    fd.into_inner();
    drop(entered);
    reactor.shutdown();
    assert!(reactor.join_thread(None));
}

#[test]
fn a_socket_that_a_child_drops_stays_registered_in_the_parent() {
    in_turn(|| {
        for backend in [Backend::Mio, Backend::Poll] {
            drops_in_a_child_leave_the_parent_alone(backend);
        }
    });
}

/// Without a thread, as in a process that forks before it starts any.
#[test]
fn a_reactor_made_in_the_child_works_there() {
    in_turn(|| {
        assert!(in_child(|| {
            let reactor = Reactor::new(Config::default()).unwrap();
            let _entered = reactor.enter();
            let (here, mut there) = pair();
            let mut stream = UnixStream::from_std(here).unwrap();
            let mut cx = Context::from_waker(Waker::noop());
            let mut byte = [0];
            assert!(pin!(stream.read(&mut byte)).poll(&mut cx).is_pending());
            there.write_all(b"a").unwrap();
            let mut turn = reactor.try_borrow().unwrap();
            loop {
                turn.wait(None);
                if let Poll::Ready(read) = pin!(stream.read(&mut byte)).poll(&mut cx) {
                    return read.unwrap() == 1;
                }
            }
        }));
    });
}
