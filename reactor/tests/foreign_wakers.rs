//! A waker that blocks the thread that calls it holds up nobody else: not what was to be woken with it, nor the events and
//! timers that come while it blocks.

#[path = "support/blocking_waker.rs"]
mod blocking_waker;

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use blocking_waker::{SOON, blocking_waker, both_are_served, pair};
use heist_reactor::io::ReadBuf;
use heist_reactor::testing::within_limit;
use heist_reactor::time::{Instant, Sleep, sleep, sleep_until};
use heist_reactor::{Config, Monitor, Reactor};

struct Plain;

impl Monitor for Plain {}

/// A waker that sends a message.
struct Tells(mpsc::Sender<()>);

impl Wake for Tells {
    fn wake(self: Arc<Self>) {
        self.0.send(()).expect("the test listens");
    }
}

/// A sleep that waits with this waker. On a busy machine it may take some tries to get one.
fn sleeping(waker: &Waker, duration: Duration) -> Pin<Box<Sleep>> {
    loop {
        let mut slept = Box::pin(sleep(duration));
        let polled = slept.as_mut().poll(&mut Context::from_waker(waker));
        if polled.is_pending() {
            return slept;
        }
    }
}

/// Blocks the reactor thread in a waker for a timer, and then the next one in a waker for a socket, and so on.
fn wakers_that_block_hold_up_nothing() {
    let mut blocked = Vec::new();
    for _ in 0..2 {
        let (gate, waker) = blocking_waker();
        let _sleeps = sleeping(&waker, SOON);
        gate.called.recv().expect("it is woken");
        blocked.push(gate);
        both_are_served();

        let (gate, waker) = blocking_waker();
        let (inside, mut outside) = pair();
        let polled = inside.poll_peek(
            &mut Context::from_waker(&waker),
            &mut ReadBuf::new(&mut [0]),
        );
        assert!(polled.is_pending());
        outside.write_all(b"x").expect("it is connected");
        gate.called.recv().expect("it is woken");
        blocked.push(gate);
        both_are_served();
    }
    while blocked.pop().is_some() {
        both_are_served();
    }
}

#[test]
fn a_waker_that_blocks_the_reactor_thread_holds_up_no_event_and_no_timer() {
    within_limit(|| {
        let reactor = Reactor::new(Config::default()).expect("a poller");
        reactor.start_thread(Box::new(Plain)).expect("a thread");
        let entered = reactor.enter();
        wakers_that_block_hold_up_nothing();
        drop(entered);
        reactor.shutdown();
        assert!(reactor.join_thread(None));
        assert_eq!(reactor.threads_left(), 0);
    });
}

#[test]
fn outside_any_runtime_too() {
    within_limit(wakers_that_block_hold_up_nothing);
}

#[test]
fn whoever_is_woken_together_with_one_that_blocks_is_woken() {
    within_limit(|| {
        let reactor = Reactor::new(Config::default()).expect("a poller");
        let entered = reactor.enter();
        let deadline = Instant::now() + SOON;
        let (gates, mut sleeps): (Vec<_>, Vec<_>) = (0..3)
            .map(|_| {
                let (gate, waker) = blocking_waker();
                let mut slept = Box::pin(sleep_until(deadline));
                let polled = slept.as_mut().poll(&mut Context::from_waker(&waker));
                (polled.is_pending().then_some(gate), slept)
            })
            .unzip();
        let (tell, told) = mpsc::channel();
        let waker = Waker::from(Arc::new(Tells(tell)));
        let mut last = Box::pin(sleep_until(deadline));
        let pending = last.as_mut().poll(&mut Context::from_waker(&waker));
        // Only now, so that one turn finds them all.
        while Instant::now() < deadline {
            std::thread::yield_now();
        }
        reactor.start_thread(Box::new(Plain)).expect("a thread");
        if pending.is_pending() {
            told.recv().expect("it is woken");
        }
        for gate in gates.iter().flatten() {
            gate.called.recv().expect("it is woken");
        }
        both_are_served();
        drop(gates);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            sleeps
                .iter_mut()
                .all(|slept| slept.as_mut().poll(&mut cx) == Poll::Ready(()))
        );
        drop(entered);
        reactor.shutdown();
        assert!(reactor.join_thread(None));
    });
}

#[test]
fn a_shutdown_wakes_those_behind_one_that_blocks_and_waits_for_it() {
    within_limit(|| {
        let reactor = Reactor::new(Config {
            // No more than one of its threads can block.
            max_blocking_threads: 1,
            ..Config::default()
        });
        let reactor = reactor.expect("a poller");
        reactor.start_thread(Box::new(Plain)).expect("a thread");
        let entered = reactor.enter();
        let (tell, told) = mpsc::channel();
        let tells = Waker::from(Arc::new(Tells(tell)));
        let mut gates = Vec::new();
        let mut sleeps = Vec::new();
        for is_last in [false, true] {
            let (gate, waker) = blocking_waker();
            sleeps.push(sleeping(&waker, SOON));
            if is_last {
                sleeps.push(sleeping(&tells, SOON));
            }
            gate.called.recv().expect("it is woken");
            gates.push(gate);
        }
        drop(entered);
        reactor.shutdown();
        told.recv().expect("the end wakes it");
        assert!(!reactor.join_thread(Some(std::time::Instant::now() + SOON)));
        assert_eq!(reactor.threads_left(), 2);
        drop(gates);
        assert!(reactor.join_thread(None));
    });
}

#[test]
fn a_stand_in_leaves_again() {
    within_limit(|| {
        let reactor = Reactor::new(Config {
            thread_keep_alive: SOON,
            ..Config::default()
        });
        let reactor = reactor.expect("a poller");
        reactor.start_thread(Box::new(Plain)).expect("a thread");
        let entered = reactor.enter();
        both_are_served();
        while reactor.threads_left() > 1 {
            std::thread::yield_now();
        }
        both_are_served();
        drop(entered);
        reactor.shutdown();
        assert!(reactor.join_thread(None));
    });
}
