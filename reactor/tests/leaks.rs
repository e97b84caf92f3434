//! What is made and dropped leaves nothing behind. One test, as it counts the descriptors and the memory of the process.
#![cfg(target_os = "linux")]

#[path = "support/counting.rs"]
mod counting;

use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::process::Stdio;
use std::task::{Context, Waker};

use counting::in_use;
use heist_reactor::net::{TcpListener, TcpSocket, TcpStream};
use heist_reactor::process::Command;
use heist_reactor::signal::unix::{SignalKind, signal};
use heist_reactor::testing::{block_on, within_limit};
use heist_reactor::time::{Duration, timeout};
use heist_reactor::{Config, Monitor, Reactor};
use rustix::process::{Pid, test_kill_process};

struct Plain;

impl Monitor for Plain {}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("proc").count()
}

/// What can't be registered, connected or bound.
async fn fail_in_every_way() {
    for _ in 0..200 {
        // The poller refuses a regular file.
        let file: OwnedFd = std::fs::File::open("/proc/self/status")
            .expect("proc")
            .into();
        rustix::io::ioctl_fionbio(&file, true).expect("a flag like any other");
        assert!(TcpStream::from_std(file.into()).is_err());
        let bound = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = bound.local_addr().expect("bound");
        assert!(TcpListener::bind(address).await.is_err(), "it is taken");
        // It has a port, so that nobody else gets it, and doesn't listen.
        let deaf = TcpSocket::new_v4().expect("a socket");
        deaf.bind("127.0.0.1:0".parse().expect("an address"))
            .expect("a port");
        let address = deaf.local_addr().expect("bound");
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
    }
}

async fn connect_and_close() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    for _ in 0..500 {
        let client = TcpStream::connect(address).await.expect("it listens");
        let (server, _) = listener.accept().await.expect("a peer");
        let (read, write) = server.into_split();
        drop((write, client, read));
    }
}

fn drop_timeouts_that_wait(count: usize) {
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..count {
        let waits = timeout(Duration::from_secs(3_600), std::future::pending::<()>());
        assert!(pin!(waits).poll(&mut cx).is_pending());
    }
}

fn start_and_end_a_reactor() {
    let reactor = Reactor::new(Config::default()).expect("a poller");
    reactor.start_thread(Box::new(Plain)).expect("a thread");
    let job = Box::new(|| ());
    reactor.pool().submit(job).expect("it is open");
    reactor.pool().shutdown();
    reactor.shutdown();
    assert!(reactor.pool().join(None));
    assert!(reactor.join_thread(None));
}

/// Signals are listened for, and children are waited for, dropped and refused.
async fn listen_and_start() {
    for _ in 0..20 {
        let mut listener = signal(SignalKind::user_defined1()).expect("a handler");
        let mut cx = Context::from_waker(Waker::noop());
        assert!(listener.poll_recv(&mut cx).is_pending());
        let printed = Command::new("echo").arg("text").output().await;
        assert_eq!(printed.expect("a child").stdout, b"text\n");
        assert!(Command::new("/nowhere/at/all").spawn().is_err());
        let mut endless = Command::new("sleep");
        let endless = endless
            .arg("1000")
            .kill_on_drop(true)
            .stdout(Stdio::piped());
        let endless = endless.spawn().expect("a child");
        let pid = Pid::from_raw(endless.id().expect("it runs").cast_signed()).expect("a number");
        drop(endless);
        // Once it is reaped, the thread that has done so may still hold its descriptor for a moment.
        while test_kill_process(pid).is_ok() || pidfds() > 0 {
            std::thread::yield_now();
        }
    }
}

fn pidfds() -> usize {
    let all = std::fs::read_dir("/proc/self/fd").expect("proc");
    let targets = all.filter_map(|one| std::fs::read_link(one.ok()?.path()).ok());
    targets
        .filter(|target| target.to_string_lossy().contains("pidfd"))
        .count()
}

#[test]
fn nothing_is_left_behind() {
    within_limit(|| {
        // The default reactor, and what threads keep for themselves.
        block_on(connect_and_close());
        block_on(listen_and_start());
        (0..20).for_each(|_| start_and_end_a_reactor());
        drop_timeouts_that_wait(200_000);
        let (before, memory) = (descriptors(), in_use());
        block_on(fail_in_every_way());
        block_on(connect_and_close());
        block_on(listen_and_start());
        (0..100).for_each(|_| start_and_end_a_reactor());
        drop_timeouts_that_wait(1_000_000);
        assert_eq!(descriptors(), before);
        let grown = in_use().saturating_sub(memory);
        assert!(grown < 16_384, "{grown} bytes more than before");
    });
}
