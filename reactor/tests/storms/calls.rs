//! The system's calls, with faults.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{c_int, c_long, c_void};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use libc::{
    epoll_event, iovec, msghdr, nfds_t, pollfd, sigset_t, size_t, sockaddr, socklen_t, ssize_t,
    stat64, timespec,
};

/// What goes wrong with every second call.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Storm {
    None,
    /// A signal interrupts it.
    Interrupt,
    /// It finds nothing, and later there is something.
    Block,
    /// It reports events for nothing.
    Events,
    /// All of these, each as often as on its own.
    All,
}

impl Storm {
    fn has(self, which: Storm) -> bool {
        self == which || self == Storm::All
    }
}

static STORM: Mutex<Storm> = Mutex::new(Storm::None);
static INJECTED: AtomicUsize = AtomicUsize::new(0);

/// How many faults there have been.
pub(crate) fn injected() -> usize {
    INJECTED.load(Ordering::Relaxed)
}

/// The storm hits the whole process, so the tests take turns.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// Calls `f` in a storm.
pub(crate) fn in_storm(storm: Storm, f: impl FnOnce()) {
    struct Calm;
    impl Drop for Calm {
        fn drop(&mut self) {
            *STORM.lock().unwrap() = Storm::None;
        }
    }
    let _calm = Calm;
    *STORM.lock().unwrap() = storm;
    f();
}

thread_local! {
    /// How many calls that begin something may still succeed on this thread, and the error of the one after them.
    static FAIL: Cell<Option<(usize, c_int)>> = const { Cell::new(None) };
}

/// Calls `f`, in which the call number `nth` of those that begin something fails. Returns whether there was one.
pub(crate) fn fail_call<T>(nth: usize, errno: c_int, f: impl FnOnce() -> T) -> (bool, T) {
    FAIL.set(Some((nth, errno)));
    let result = f();
    (FAIL.take().is_none(), result)
}

/// Every second time, as if by chance; but from the same start each time.
fn strikes() -> bool {
    static STATE: AtomicU64 = AtomicU64::new(0);
    let mut mixed = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed >> 63 == 1
}

/// How a poller watches a socket.
#[derive(Clone, Copy)]
enum Watch {
    /// By `epoll`: the poller and the event.
    Epoll(c_int, epoll_event),
    /// By `poll`, in one of the calls so far. The reactor makes the poller ask about it again.
    Poll,
}

/// The sockets that a poller watches, by number.
static WATCHED: Mutex<BTreeMap<c_int, Watch>> = Mutex::new(BTreeMap::new());

fn watched() -> MutexGuard<'static, BTreeMap<c_int, Watch>> {
    WATCHED.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// The poller's own descriptors have the tokens at the end.
fn is_own(event: &epoll_event) -> bool {
    event.u64 >= u64::MAX - 1
}

/// The error of a call that begins something.
fn begins() -> Option<c_int> {
    let (left, errno) = FAIL.take()?;
    if left == 0 {
        INJECTED.fetch_add(1, Ordering::Relaxed);
        return Some(errno);
    }
    FAIL.set(Some((left - 1, errno)));
    None
}

/// The error of a call that transfers something.
fn transfers(fd: c_int) -> Option<c_int> {
    let storm = *STORM.lock().unwrap();
    if storm.has(Storm::Interrupt) && strikes() {
        INJECTED.fetch_add(1, Ordering::Relaxed);
        return Some(libc::EINTR);
    }
    if storm.has(Storm::Block) && strikes() {
        let watched = watched();
        match *watched.get(&fd)? {
            Watch::Epoll(_, event) if is_own(&event) => return None,
            // This makes the system report anew what there is.
            Watch::Epoll(poller, mut event) => {
                let change = libc::EPOLL_CTL_MOD;
                // SAFETY: the event is ours. If the poller no longer watches the descriptor, this fails.
                unsafe { libc::syscall(libc::SYS_epoll_ctl, poller, change, fd, &mut event) };
            }
            // `poll` reports what there is each time.
            Watch::Poll => {}
        }
        INJECTED.fetch_add(1, Ordering::Relaxed);
        return Some(libc::EAGAIN);
    }
    None
}

fn fail(errno: c_int) -> c_int {
    // SAFETY: this is the thread's own.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// Defines functions of the system's names. Each asks for a fault first, and then makes the system's call.
macro_rules! calls {
    ($($fault:expr => $name:ident($($arg:ident: $type:ty),*) -> $result:ty: $call:ident($($pass:expr),*);)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($arg: $type),*) -> $result {
            if let Some(errno) = $fault {
                return fail(errno) as $result;
            }
            // SAFETY: as the caller promises.
            unsafe { libc::syscall(libc::$call, $($pass as c_long),*) as $result }
        }
    )*};
}

calls! {
    begins() => socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int: SYS_socket(domain, kind, protocol);
    begins() => socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int: SYS_socketpair(domain, kind, protocol, pair);
    begins() => bind(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int: SYS_bind(fd, address, len);
    begins() => listen(fd: c_int, backlog: c_int) -> c_int: SYS_listen(fd, backlog);
    begins() => connect(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int: SYS_connect(fd, address, len);
    begins().or_else(|| transfers(fd)) => accept4(fd: c_int, address: *mut sockaddr, len: *mut socklen_t, flags: c_int) -> c_int: SYS_accept4(fd, address, len, flags);
    begins() => pipe2(pair: *mut c_int, flags: c_int) -> c_int: SYS_pipe2(pair, flags);
    begins() => epoll_create1(flags: c_int) -> c_int: SYS_epoll_create1(flags);
    begins() => eventfd(count: c_int, flags: c_int) -> c_int: SYS_eventfd2(count, flags);
    begins() => fstat64(fd: c_int, state: *mut stat64) -> c_int: SYS_fstat(fd, state);
    begins() => timerfd_create(clock: c_int, flags: c_int) -> c_int: SYS_timerfd_create(clock, flags);
    transfers(fd) => read(fd: c_int, buffer: *mut c_void, len: size_t) -> ssize_t: SYS_read(fd, buffer, len);
    transfers(fd) => write(fd: c_int, buffer: *const c_void, len: size_t) -> ssize_t: SYS_write(fd, buffer, len);
    transfers(fd) => readv(fd: c_int, buffers: *const iovec, count: c_int) -> ssize_t: SYS_readv(fd, buffers, count);
    transfers(fd) => writev(fd: c_int, buffers: *const iovec, count: c_int) -> ssize_t: SYS_writev(fd, buffers, count);
    transfers(fd) => recv(fd: c_int, buffer: *mut c_void, len: size_t, flags: c_int) -> ssize_t: SYS_recvfrom(fd, buffer, len, flags, 0, 0);
    transfers(fd) => send(fd: c_int, buffer: *const c_void, len: size_t, flags: c_int) -> ssize_t: SYS_sendto(fd, buffer, len, flags, 0, 0);
    transfers(fd) => recvfrom(fd: c_int, buffer: *mut c_void, len: size_t, flags: c_int, address: *mut sockaddr, address_len: *mut socklen_t) -> ssize_t: SYS_recvfrom(fd, buffer, len, flags, address, address_len);
    transfers(fd) => sendto(fd: c_int, buffer: *const c_void, len: size_t, flags: c_int, address: *const sockaddr, address_len: socklen_t) -> ssize_t: SYS_sendto(fd, buffer, len, flags, address, address_len);
    transfers(fd) => recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t: SYS_recvmsg(fd, message, flags);
    transfers(fd) => sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t: SYS_sendmsg(fd, message, flags);
}

/// Remembers what is watched.
#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_ctl(
    poller: c_int,
    what: c_int,
    fd: c_int,
    event: *mut epoll_event,
) -> c_int {
    if what == libc::EPOLL_CTL_ADD
        && let Some(errno) = begins()
    {
        return fail(errno);
    }
    let mut watched = watched();
    // SAFETY: as the caller promises.
    let done = unsafe { libc::syscall(libc::SYS_epoll_ctl, poller, what, fd, event) as c_int };
    if what == libc::EPOLL_CTL_DEL {
        watched.remove(&fd);
    } else if done == 0 {
        // SAFETY: the caller passes an event.
        watched.insert(fd, Watch::Epoll(poller, unsafe { *event }));
    }
    done
}

/// Forgets what is closed: `poll` isn't told.
#[unsafe(no_mangle)]
unsafe extern "C" fn close(fd: c_int) -> c_int {
    watched().remove(&fd);
    // SAFETY: as the caller promises.
    unsafe { libc::syscall(libc::SYS_close, fd) as c_int }
}

/// Remembers what is watched. The first one is the poller's own.
#[unsafe(no_mangle)]
unsafe extern "C" fn ppoll(
    asked: *mut pollfd,
    count: nfds_t,
    timeout: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    let storm = *STORM.lock().unwrap();
    if storm.has(Storm::Interrupt) && strikes() {
        INJECTED.fetch_add(1, Ordering::Relaxed);
        return fail(libc::EINTR);
    }
    // SAFETY: the caller passes so many.
    let sockets = unsafe { std::slice::from_raw_parts_mut(asked, count as usize) };
    let sockets = sockets.get_mut(1..).unwrap_or_default();
    watched().extend(sockets.iter().map(|socket| (socket.fd, Watch::Poll)));
    // The system changes what it is given.
    let mut left = (!timeout.is_null()).then(|| {
        // SAFETY: the caller passes a time, or null.
        unsafe { *timeout }
    });
    let timeout = left
        .as_mut()
        .map_or(std::ptr::null_mut(), std::ptr::from_mut);
    // SAFETY: as the caller promises.
    let mut found =
        unsafe { libc::syscall(libc::SYS_ppoll, asked, count, timeout, mask, 8) as c_int };
    if found < 0 || !storm.has(Storm::Events) {
        return found;
    }
    // Those that have nothing. What is gone isn't asked about: the poller drops the answer for what leaves meanwhile.
    for socket in sockets {
        let news = socket.events & (libc::POLLIN | libc::POLLOUT) & !socket.revents;
        if news != 0 && strikes() {
            INJECTED.fetch_add(1, Ordering::Relaxed);
            found += c_int::from(socket.revents == 0);
            socket.revents |= news;
        }
    }
    found
}

#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_wait(
    poller: c_int,
    events: *mut epoll_event,
    most: c_int,
    timeout_ms: c_int,
) -> c_int {
    let storm = *STORM.lock().unwrap();
    if storm.has(Storm::Interrupt) && strikes() {
        INJECTED.fetch_add(1, Ordering::Relaxed);
        return fail(libc::EINTR);
    }
    let no_mask = std::ptr::null::<sigset_t>();
    // SAFETY: as the caller promises.
    let mut count = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait,
            poller,
            events,
            most,
            timeout_ms,
            no_mask,
            8,
        ) as c_int
    };
    if count < 0 || !storm.has(Storm::Events) {
        return count;
    }
    let mut add = |event: epoll_event| {
        if count < most && !is_own(&event) && strikes() {
            INJECTED.fetch_add(1, Ordering::Relaxed);
            // SAFETY: there is room for `most`.
            unsafe { *events.add(count as usize) = event };
            count += 1;
        }
    };
    for watch in watched().values() {
        // One that has nothing, and one that is gone: the tokens of later ones have higher bits set.
        let events = (libc::EPOLLIN | libc::EPOLLOUT) as u32;
        if let Watch::Epoll(its, event) = watch
            && *its == poller
        {
            let token = event.u64;
            add(epoll_event { events, u64: token });
            add(epoll_event {
                events,
                u64: token ^ (1 << 40),
            });
        }
    }
    count
}
