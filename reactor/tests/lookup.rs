//! Look-ups of host names. This program has a `getaddrinfo` of its own, which the standard library calls: it knows some names,
//! and one of them is slow.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::ffi::{CStr, c_char, c_int};
use std::future::Future;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::ptr;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use heist::runtime::Builder;
use heist::task::spawn_blocking;
use heist_reactor::net::{TcpListener, TcpSocket, TcpStream, UdpSocket, lookup_host};
use heist_reactor::testing::{block_on, within_limit};
use heist_reactor::{Config, Reactor};
use libc::addrinfo;

/// How many look-ups run at once.
const THREADS: usize = 64;

/// What has been looked up, and whether slow names are answered.
struct Names {
    asked: Vec<String>,
    under_way: usize,
    open: bool,
}

static NAMES: Mutex<Names> = Mutex::new(Names {
    asked: Vec::new(),
    under_way: 0,
    open: false,
});
static CHANGED: Condvar = Condvar::new();

fn names() -> MutexGuard<'static, Names> {
    NAMES.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// Knows `v4.test`, `v6first.test` with addresses of both families, `slow.test`, and no other.
///
/// # Safety
///
/// As for the system's.
#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    result: *mut *mut addrinfo,
) -> c_int {
    // SAFETY: the caller passes a string.
    let name = unsafe { CStr::from_ptr(node) };
    let name = name.to_str().expect("from a str");
    let mut all = names();
    all.asked.push(name.to_owned());
    all.under_way += 1;
    CHANGED.notify_all();
    while name == "slow.test" && !all.open {
        all = CHANGED.wait(all).expect("no panic");
    }
    all.under_way -= 1;
    drop(all);
    let addresses: &[&CStr] = match name {
        "v4.test" | "slow.test" => &[c"127.0.0.1"],
        "v6first.test" => &[c"::1", c"127.0.0.1"],
        _ => return libc::EAI_NONAME,
    };
    // SAFETY: this is the type of the system's own function, which comes after this one.
    let system: unsafe extern "C" fn(
        *const c_char,
        *const c_char,
        *const addrinfo,
        *mut *mut addrinfo,
    ) -> c_int =
        unsafe { std::mem::transmute(libc::dlsym(libc::RTLD_NEXT, c"getaddrinfo".as_ptr())) };
    // A list that the system's `freeaddrinfo` takes apart one by one.
    let mut end = result;
    for address in addresses {
        // SAFETY: as the caller promises; `end` is where the last entry ends.
        unsafe {
            *end = ptr::null_mut();
            assert_eq!(system(address.as_ptr(), service, hints, end), 0);
            end = &raw mut (**end).ai_next;
        }
    }
    0
}

/// The tests share the names and the threads, so they take turns. At the end each slow look-up is answered.
struct Turn {
    _turn: MutexGuard<'static, ()>,
}

fn turn() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(|poison| poison.into_inner());
    let mut names = names();
    names.asked.clear();
    names.open = false;
    Turn { _turn: turn }
}

impl Drop for Turn {
    fn drop(&mut self) {
        answer();
    }
}

/// Waits until that many look-ups have begun and not ended.
fn wait_for(under_way: usize) {
    let mut names = names();
    while names.under_way != under_way {
        names = CHANGED.wait(names).expect("no panic");
    }
}

/// Answers the slow look-ups, and waits until they have ended.
fn answer() {
    let mut names = names();
    names.open = true;
    CHANGED.notify_all();
    while names.under_way > 0 {
        names = CHANGED
            .wait_timeout(names, Duration::from_millis(1))
            .expect("no panic")
            .0;
    }
}

fn asked() -> Vec<String> {
    names().asked.clone()
}

/// Looks a name up, and returns what comes first.
async fn first(name: &str) -> SocketAddr {
    let mut addresses = lookup_host((name, 80)).await.expect("it is known");
    addresses.next().expect("it has one")
}

#[test]
fn slow_look_ups_delay_no_job_and_no_end_of_a_runtime() {
    within_limit(|| {
        let _turn = turn();
        // Fewer threads for jobs than there are look-ups.
        let runtime = Builder::new_multi_thread()
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        for _ in 0..THREADS + 100 {
            runtime.spawn(lookup_host("slow.test:80"));
        }
        wait_for(THREADS);
        let entered = runtime.enter();
        let mut queued = Box::pin(lookup_host("slow.test:80"));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(queued.as_mut().poll(&mut cx).is_pending());
        drop(entered);
        runtime.block_on(async {
            assert_eq!(spawn_blocking(|| 7).await.expect("no panic"), 7);
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("bound").to_string();
            TcpStream::connect(address).await.expect("it listens");
        });
        // Nor do they delay those of another.
        let _ = block_on(first("v4.test"));
        // It ends while all of them are under way or wait. Those that have not begun never do.
        drop(runtime);
        assert!(block_on(queued).is_err());
        answer();
        assert_eq!(asked().len(), THREADS + 1);
    });
}

#[test]
fn after_the_end_of_its_reactor_a_look_up_fails() {
    within_limit(|| {
        let _turn = turn();
        for used in [false, true] {
            let reactor = Reactor::new(Config::default()).expect("a poller");
            let _entered = reactor.enter();
            if used {
                let _ = block_on(first("v4.test"));
            }
            reactor.shutdown();
            assert!(block_on(lookup_host("v4.test:80")).is_err());
            assert!(block_on(TcpStream::connect("v4.test:80")).is_err());
        }
    });
}

#[test]
fn look_ups_that_are_given_up_are_skipped() {
    within_limit(|| {
        let _turn = turn();
        let mut cx = Context::from_waker(Waker::noop());
        let mut waits = || {
            let mut look_up = Box::pin(lookup_host("slow.test:80"));
            assert!(look_up.as_mut().poll(&mut cx).is_pending());
            look_up
        };
        let given_up: Vec<_> = (0..THREADS + 100).map(|_| waits()).collect();
        let kept = waits();
        wait_for(THREADS);
        drop(given_up);
        answer();
        let mut addresses = block_on(kept).expect("it is known");
        assert_eq!(addresses.next(), Some("127.0.0.1:80".parse().unwrap()));
        assert_eq!(asked().len(), THREADS + 1);
    });
}

#[test]
fn numbers_are_not_looked_up() {
    within_limit(|| {
        let _turn = turn();
        let local = "127.0.0.1:80".parse::<SocketAddr>().unwrap();
        let local_6 = "[::1]:80".parse::<SocketAddr>().unwrap();
        // At the first poll.
        fn at_once<T>(future: impl Future<Output = T>) -> T {
            match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(done) => done,
                Poll::Pending => panic!("it is looked up"),
            }
        }
        macro_rules! known {
            ($host:expr, $address:expr) => {
                let mut addresses = at_once(lookup_host($host)).expect("an address");
                assert_eq!((addresses.next(), addresses.next()), (Some($address), None));
            };
        }
        known!("127.0.0.1:80", local);
        known!(String::from("127.0.0.1:80"), local);
        known!(("127.0.0.1", 80), local);
        known!((Ipv4Addr::LOCALHOST, 80), local);
        known!(local, local);
        let list = [local];
        known!(&list[..], local);
        known!("[::1]:80", local_6);
        known!("::1:80", local_6);
        known!(("::1", 80), local_6);
        known!((String::from("::1"), 80), local_6);
        known!((Ipv6Addr::LOCALHOST, 80), local_6);
        assert!(asked().is_empty());
    });
}

#[test]
fn a_name_has_all_its_addresses_in_the_order_of_the_system() {
    within_limit(|| {
        let _turn = turn();
        let both: Vec<_> = block_on(lookup_host("v6first.test:7"))
            .expect("it is known")
            .collect();
        let expected = ["[::1]:7", "127.0.0.1:7"].map(|one| one.parse().unwrap());
        assert_eq!(both, expected);
        let unknown = block_on(lookup_host("unknown.test:7"));
        assert!(unknown.is_err());
        assert_eq!(asked(), ["v6first.test", "unknown.test"]);
    });
}

/// A listener whose port nobody else gets: not in IPv6, and not when the listener is gone. The sockets keep it.
fn listener_of_one_family() -> (TcpListener, Vec<TcpSocket>) {
    loop {
        let keeper = TcpSocket::new_v4().expect("IPv4");
        let socket = TcpSocket::new_v4().expect("IPv4");
        keeper.set_reuseaddr(true).expect("an option");
        socket.set_reuseaddr(true).expect("an option");
        keeper
            .bind((Ipv4Addr::LOCALHOST, 0).into())
            .expect("a port");
        let address = keeper.local_addr().expect("bound");
        socket.bind(address).expect("it is shared");
        let mut keepers = vec![keeper];
        // Where there is no IPv6, nobody can have the port in it.
        if let Ok(other) = TcpSocket::new_v6() {
            match other.bind((Ipv6Addr::LOCALHOST, address.port()).into()) {
                Err(error) if error.kind() == ErrorKind::AddrInUse => continue,
                _ => keepers.push(other),
            }
        }
        return (socket.listen(16).expect("it is bound"), keepers);
    }
}

#[test]
fn a_name_is_connected_to_by_the_family_that_answers() {
    within_limit(|| {
        let _turn = turn();
        block_on(async {
            let (listener, _keepers) = listener_of_one_family();
            let address = listener.local_addr().expect("bound");
            let name = ("v6first.test", address.port());
            let stream = TcpStream::connect(name).await.expect("it listens");
            assert_eq!(stream.peer_addr().expect("connected"), address);
            drop((stream, listener));
            let refused = TcpStream::connect(name).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            let text = refused.to_string();
            for address in [format!("[::1]:{}", name.1), address.to_string()] {
                assert!(text.contains(&address), "{text}");
            }
            // Others take the first that works, one after the other.
            let udp = UdpSocket::bind("v4.test:0")
                .await
                .expect("an address of ours");
            assert!(udp.local_addr().expect("bound").is_ipv4());
        });
    });
}

#[test]
fn a_connect_that_is_dropped_gives_its_look_up_up() {
    within_limit(|| {
        let _turn = turn();
        let mut cx = Context::from_waker(Waker::noop());
        let mut connect = Box::pin(TcpStream::connect("slow.test:80"));
        assert!(connect.as_mut().poll(&mut cx).is_pending());
        wait_for(1);
        drop(connect);
        answer();
        let _ = block_on(first("v4.test"));
    });
}
