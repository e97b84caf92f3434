//! Signals, as those see them who listen. Each test has a signal of its own, as they run in one process.
#![cfg(all(unix, not(miri)))]

use std::ffi::c_int;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use heist::runtime::Builder;
use heist_reactor::signal::ctrl_c;
use heist_reactor::signal::unix::{Signal, SignalKind, signal};
use heist_reactor::testing::{CountWakes, block_on, within_limit};

unsafe extern "C" {
    /// Sends a signal to this thread. It has been handled when this returns.
    #[link_name = "raise"]
    safe fn raise_here(signal: c_int) -> c_int;
    safe fn fork() -> c_int;
    safe fn _exit(status: c_int) -> !;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    #[link_name = "signal"]
    fn set_handler(signal: c_int, handler: extern "C" fn(c_int)) -> usize;
}

fn raise(kind: SignalKind) {
    assert_eq!(raise_here(kind.as_raw_value()), 0);
}

fn listen(kind: SignalKind) -> Signal {
    signal(kind).expect("a signal that can be caught")
}

/// Whether it has heard, without waiting.
fn has_heard(signal: &mut Signal) -> bool {
    let heard = signal.poll_recv(&mut Context::from_waker(Waker::noop()));
    assert_ne!(heard, Poll::Ready(None));
    heard.is_ready()
}

/// A real-time signal, for a test of its own.
#[cfg(target_os = "linux")]
fn real_time(number: c_int) -> SignalKind {
    SignalKind::from_raw(libc::SIGRTMIN() + number)
}

/// Elsewhere one that no other test has.
#[cfg(not(target_os = "linux"))]
fn real_time(number: c_int) -> SignalKind {
    let spare = [
        libc::SIGXCPU,
        libc::SIGXFSZ,
        libc::SIGVTALRM,
        libc::SIGPROF,
        libc::SIGURG,
        libc::SIGTRAP,
        libc::SIGSYS,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGTSTP,
    ];
    SignalKind::from_raw(spare[number as usize])
}

#[test]
fn kinds_are_the_systems_numbers() {
    let kinds = [
        (SignalKind::alarm(), libc::SIGALRM),
        (SignalKind::child(), libc::SIGCHLD),
        (SignalKind::hangup(), libc::SIGHUP),
        (SignalKind::interrupt(), libc::SIGINT),
        (SignalKind::io(), libc::SIGIO),
        (SignalKind::pipe(), libc::SIGPIPE),
        (SignalKind::quit(), libc::SIGQUIT),
        (SignalKind::terminate(), libc::SIGTERM),
        (SignalKind::user_defined1(), libc::SIGUSR1),
        (SignalKind::user_defined2(), libc::SIGUSR2),
        (SignalKind::window_change(), libc::SIGWINCH),
    ];
    for (kind, number) in kinds {
        assert_eq!(c_int::from(kind), number);
        assert_eq!(SignalKind::from(number), kind);
    }
}

#[test]
fn what_cannot_be_caught_is_refused() {
    let forbidden = [
        libc::SIGKILL,
        libc::SIGSTOP,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGSEGV,
    ];
    for number in forbidden.into_iter().chain([0, -1, 10_000, c_int::MIN]) {
        let refused = signal(SignalKind::from_raw(number));
        assert!(refused.is_err(), "{number}");
    }
}

#[test]
fn a_signal_from_anywhere_is_heard() {
    use rustix::process::{getpid, kill_process};
    within_limit(|| {
        let mut hangups = listen(SignalKind::hangup());
        for _ in 0..100 {
            kill_process(getpid(), rustix::process::Signal::HUP).unwrap();
            assert_eq!(block_on(hangups.recv()), Some(()));
        }
        // It may have been handled by a thread that is slower than this one, but not twice.
        assert!(!has_heard(&mut hangups));
    });
}

#[test]
fn several_signals_before_the_next_look_are_one() {
    let mut signals = listen(real_time(0));
    assert!(!has_heard(&mut signals));
    (0..5).for_each(|_| raise(real_time(0)));
    assert!(has_heard(&mut signals));
    assert!(!has_heard(&mut signals));
    raise(real_time(0));
    assert!(has_heard(&mut signals));
    assert!(!has_heard(&mut signals));
}

#[test]
fn each_listener_hears_of_what_comes_after_it() {
    within_limit(|| {
        let kind = real_time(1);
        let (mut first, mut second) = (listen(kind), listen(kind));
        raise(kind);
        let mut third = listen(kind);
        assert!(!has_heard(&mut third));
        block_on(first.recv());
        // One that goes, having heard or not, takes nothing from the others.
        drop(first);
        block_on(second.recv());
        raise(kind);
        drop(second);
        block_on(third.recv());
        assert!(!has_heard(&mut third));
    });
}

#[test]
fn other_kinds_are_not_heard() {
    within_limit(|| {
        let (mut one, mut other) = (listen(real_time(2)), listen(real_time(3)));
        let (wakes, waker) = CountWakes::new();
        assert!(one.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        raise(real_time(3));
        block_on(other.recv());
        // It may be woken, as all are, but it has heard of nothing.
        assert!(!has_heard(&mut one));
        assert!(wakes.get() <= 1);
        raise(real_time(2));
        block_on(one.recv());
        assert!(!has_heard(&mut other));
    });
}

#[test]
fn the_task_that_polled_last_is_woken() {
    within_limit(|| {
        let kind = real_time(4);
        let mut signals = listen(kind);
        let mut recv = Box::pin(signals.recv());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(recv.as_mut().poll(&mut cx).is_pending());
        let (count, waker) = CountWakes::new();
        let mut cx = Context::from_waker(&waker);
        assert!(recv.as_mut().poll(&mut cx).is_pending());
        raise(kind);
        while count.get() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(block_on(recv), Some(()));
    });
}

#[test]
fn it_is_a_stream() {
    within_limit(|| {
        let kind = SignalKind::window_change();
        let mut resized = listen(kind);
        raise(kind);
        let next = block_on(poll_fn(|cx| Pin::new(&mut resized).poll_next(cx)));
        assert_eq!(next, Some(()));
    });
}

#[test]
fn a_listener_outlives_the_runtime_that_it_was_made_in() {
    within_limit(|| {
        let kind = SignalKind::user_defined2();
        let runtimes = [Builder::new_current_thread(), Builder::new_multi_thread()];
        let [first, second] = runtimes.map(|mut builder| builder.build().expect("a runtime"));
        let (mut own, other) = first.block_on(async { (listen(kind), listen(kind)) });
        drop(first);
        let other = second.spawn(async move {
            let mut other = other;
            other.recv().await;
        });
        raise(kind);
        second.block_on(other).expect("no panic");
        assert_eq!(block_on(own.recv()), Some(()));
        drop(second);
        raise(kind);
        assert_eq!(block_on(own.recv()), Some(()));
    });
}

#[test]
fn ctrl_c_completes_once_for_each() {
    within_limit(|| {
        for _ in 0..2 {
            let mut pressed = pin!(ctrl_c());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(pressed.as_mut().poll(&mut cx).is_pending());
            raise(SignalKind::interrupt());
            block_on(pressed).expect("a handler");
        }
    });
}

#[test]
fn a_handler_of_others_is_still_called() {
    static CALLED: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn others(_: c_int) {
        CALLED.fetch_add(1, Ordering::Relaxed);
    }
    within_limit(|| {
        let kind = SignalKind::quit();
        // SAFETY: the handler only counts.
        unsafe { set_handler(kind.as_raw_value(), others) };
        let mut signals = listen(kind);
        raise(kind);
        block_on(signals.recv());
        assert_eq!(CALLED.load(Ordering::Relaxed), 1);
        // Nobody listens any more, but it is called all the same.
        drop(signals);
        raise(kind);
        assert_eq!(CALLED.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn a_flood_blocks_nobody_and_hides_no_other_signal() {
    within_limit(|| {
        let (flood, other) = (real_time(5), real_time(6));
        let (mut floods, mut others) = (listen(flood), listen(other));
        // Far more than the pipe holds; a reader may be a listener of another test, or nobody.
        (0..100_000).for_each(|_| raise(flood));
        raise(other);
        block_on(others.recv());
        block_on(floods.recv());
        assert!(!has_heard(&mut floods) && !has_heard(&mut others));
    });
}

#[test]
fn threads_that_listen_and_threads_that_raise_lose_no_last_signal() {
    const SIGNALS: usize = 2_000;
    within_limit(|| {
        let kinds = [real_time(7), real_time(8)];
        let threads: Vec<_> = kinds
            .iter()
            .map(|&kind| {
                let (mut one, mut other) = (listen(kind), listen(kind));
                std::thread::spawn(move || {
                    for _ in 0..SIGNALS {
                        raise(kind);
                        block_on(one.recv());
                        block_on(other.recv());
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}

#[test]
fn a_child_made_by_fork_takes_no_news_from_its_parent() {
    within_limit(|| {
        let kind = real_time(9);
        let mut signals = listen(kind);
        let (_, waker) = CountWakes::new();
        let mut cx = Context::from_waker(&waker);
        assert!(signals.poll_recv(&mut cx).is_pending());
        let child = fork();
        if child == 0 {
            let failed = signal(SignalKind::alarm()).is_err_and(|e| e.kind() == ErrorKind::Other);
            raise(kind);
            let ended = signals.poll_recv(&mut cx) == Poll::Ready(None);
            _exit(c_int::from(!(failed && ended)));
        }
        let mut status = -1;
        // SAFETY: `status` is there for the call's length.
        assert_eq!(unsafe { waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "the child's");
        assert!(!has_heard(&mut signals), "it was the child's");
        raise(kind);
        assert_eq!(block_on(signals.recv()), Some(()));
    });
}
