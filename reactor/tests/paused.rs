//! A reactor whose time is paused: a wait jumps to the next deadline, unless something runs.

use std::future::Future;
#[cfg(unix)]
use std::io;
#[cfg(unix)]
use std::os::fd::RawFd;
use std::pin::{Pin, pin};
use std::sync::mpsc;
#[cfg(unix)]
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};
use std::task::{Context, Waker};
use std::time::Duration;

#[cfg(unix)]
use heist_reactor::Running;
#[cfg(unix)]
use heist_reactor::backend::{Backend, Event, Interest, Poller, Ready};
#[cfg(unix)]
use heist_reactor::io::unix::AsyncFd;
use heist_reactor::testing::{CountWakes, within_limit};
use heist_reactor::time::{self, Instant, Sleep, sleep};
use heist_reactor::{Config, Reactor, blocking};

const HOUR: Duration = Duration::from_secs(3_600);
const MOMENT: Duration = Duration::from_millis(5);

fn paused() -> Reactor {
    let reactor = Reactor::new(Config::default()).expect("a poller");
    reactor.pause();
    reactor
}

/// Makes a sleep wait. Its waker counts.
fn wait_for(slept: Pin<&mut Sleep>) -> std::sync::Arc<CountWakes> {
    let (count, waker) = CountWakes::new();
    assert!(slept.poll(&mut Context::from_waker(&waker)).is_pending());
    count
}

#[test]
fn a_wait_jumps_to_the_next_deadline() {
    within_limit(|| {
        let reactor = paused();
        let _entered = reactor.enter();
        let start = Instant::now();
        let (mut one, mut other) = (pin!(sleep(2 * HOUR)), pin!(sleep(HOUR)));
        let (_one, _other) = (wait_for(one.as_mut()), wait_for(other.as_mut()));
        let mut turn = reactor.try_borrow().expect("nobody has it");
        assert_eq!(turn.wait(None), 1);
        assert_eq!(start.elapsed(), HOUR);
        assert!(other.is_elapsed() && !one.is_elapsed());
        assert_eq!(turn.wait(None), 1);
        assert_eq!(start.elapsed(), 2 * HOUR);
        assert_eq!(turn.wait(Some(MOMENT)), 0, "there is no deadline");
        assert_eq!(start.elapsed(), 2 * HOUR);
    });
}

#[test]
fn a_sleep_that_is_reset_to_now_is_over_at_its_next_poll() {
    within_limit(|| {
        let reactor = paused();
        let _entered = reactor.enter();
        let mut slept = pin!(sleep(HOUR));
        let count = wait_for(slept.as_mut());
        slept.as_mut().reset(Instant::now());
        assert_eq!(count.get(), 1);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(slept.poll(&mut cx).is_ready());
    });
}

#[test]
fn a_look_without_a_wait_jumps_nowhere() {
    within_limit(|| {
        let reactor = paused();
        let _entered = reactor.enter();
        let start = Instant::now();
        let mut slept = pin!(sleep(HOUR));
        let _count = wait_for(slept.as_mut());
        let mut turn = reactor.try_borrow().expect("nobody has it");
        assert_eq!(turn.wait(Some(Duration::ZERO)), 0);
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn a_deadline_that_was_cancelled_is_no_place_to_jump_to() {
    within_limit(|| {
        let reactor = paused();
        let _entered = reactor.enter();
        let start = Instant::now();
        let mut kept = pin!(sleep(HOUR));
        let _count = wait_for(kept.as_mut());
        for nth in 1..200 {
            let mut dropped = pin!(sleep(nth * MOMENT));
            let _count = wait_for(dropped.as_mut());
        }
        let mut turn = reactor.try_borrow().expect("nobody has it");
        assert_eq!(turn.wait(None), 1);
        assert_eq!(start.elapsed(), HOUR);
        let mut dropped = Box::pin(sleep(MOMENT));
        let _count = wait_for(dropped.as_mut());
        drop(dropped);
        assert_eq!(turn.wait(Some(MOMENT)), 0);
        assert_eq!(start.elapsed(), HOUR, "no deadline is left");
    });
}

#[test]
fn what_runs_keeps_time_from_jumping_and_wakes_the_wait_at_its_end() {
    within_limit(|| {
        let reactor = paused();
        let _entered = reactor.enter();
        let start = Instant::now();
        let mut slept = pin!(sleep(HOUR));
        let _count = wait_for(slept.as_mut());
        let running = reactor.running();
        running.begin(2);
        let mut turn = reactor.try_borrow().expect("nobody has it");
        assert_eq!(turn.wait(Some(MOMENT)), 0);
        running.end(1);
        assert_eq!(turn.wait(Some(MOMENT)), 0);
        assert_eq!(start.elapsed(), Duration::ZERO);
        let ends = std::thread::spawn(move || {
            std::thread::sleep(MOMENT);
            running.end(1);
        });
        while turn.wait(None) == 0 {}
        assert_eq!(start.elapsed(), HOUR);
        ends.join().unwrap();
    });
}

#[test]
fn a_blocking_job_keeps_time_from_jumping_and_wakes_the_wait_at_its_end() {
    within_limit(|| {
        let reactor = paused();
        let _entered = reactor.enter();
        let start = Instant::now();
        let mut slept = pin!(sleep(HOUR));
        let _count = wait_for(slept.as_mut());
        let (end, ends) = mpsc::channel::<()>();
        drop(blocking::spawn(move || ends.recv()));
        let mut turn = reactor.try_borrow().expect("nobody has it");
        assert_eq!(turn.wait(Some(MOMENT)), 0);
        assert_eq!(start.elapsed(), Duration::ZERO);
        drop(end);
        while turn.wait(None) == 0 {}
        assert_eq!(start.elapsed(), HOUR);
    });
}

#[test]
fn resuming_and_the_first_deadline_end_a_wait_without_a_limit() {
    within_limit(|| {
        let reactor = paused();
        let waiting = std::thread::spawn({
            let reactor = reactor.clone();
            move || {
                let mut turn = reactor.try_borrow().expect("nobody has it");
                while turn.wait(None) == 0 {}
            }
        });
        let _entered = reactor.enter();
        let mut slept = pin!(sleep(HOUR));
        let _count = wait_for(slept.as_mut());
        waiting.join().unwrap();

        reactor.running().begin(1);
        let mut slept = pin!(sleep(MOMENT));
        let _count = wait_for(slept.as_mut());
        let waiting = std::thread::spawn({
            let reactor = reactor.clone();
            move || {
                let mut turn = reactor.try_borrow().expect("nobody has it");
                while turn.wait(None) == 0 {}
            }
        });
        std::thread::yield_now();
        time::resume();
        waiting.join().unwrap();
        assert!(slept.is_elapsed());
    });
}

#[test]
fn a_crowd_that_is_due_at_once_leaves_in_one_place_of_time() {
    within_limit(|| {
        let reactor = paused();
        let _entered = reactor.enter();
        let start = Instant::now();
        let mut crowd: Vec<_> = (0..20_000).map(|_| Box::pin(sleep(HOUR))).collect();
        let counts: Vec<_> = crowd.iter_mut().map(|it| wait_for(it.as_mut())).collect();
        let mut turn = reactor.try_borrow().expect("nobody has it");
        let mut woken = 0;
        while woken < crowd.len() {
            woken += turn.wait(None);
            assert_eq!(start.elapsed(), HOUR);
        }
        drop(counts);
        let mut more: Vec<_> = (0..20_000).map(|_| Box::pin(sleep(HOUR))).collect();
        let counts: Vec<_> = more.iter_mut().map(|it| wait_for(it.as_mut())).collect();
        let advance = pin!(time::advance(2 * HOUR));
        let (_count, waker) = CountWakes::new();
        assert!(advance.poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(counts.iter().all(|count| count.get() == 1), "all at once");
    });
}

#[test]
fn a_crowd_that_is_due_leaves_even_if_something_runs_by_then() {
    within_limit(|| {
        let reactor = paused();
        let _entered = reactor.enter();
        let mut crowd: Vec<_> = (0..5_000).map(|_| Box::pin(sleep(HOUR))).collect();
        let (count, waker) = CountWakes::new();
        for slept in &mut crowd {
            assert!(
                slept
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        let mut turn = reactor.try_borrow().expect("nobody has it");
        let running = reactor.running();
        let mut left = crowd.len() - turn.wait(None);
        assert!(0 < left, "it takes some of them at a time");
        running.begin(1);
        while left > 0 {
            left -= turn.wait(None);
        }
        assert_eq!(count.get(), crowd.len());
        running.end(1);
    });
}

/// A poller whose first wait without a limit finds nothing, and ends as its one source becomes ready.
#[cfg(unix)]
struct Late {
    ends: Box<dyn Fn() + Send + Sync>,
    ready: AtomicBool,
    token: AtomicUsize,
}

#[cfg(unix)]
impl Poller for Late {
    fn name(&self) -> &str {
        "late"
    }

    fn register(&self, _: RawFd, token: usize, _: Interest) -> io::Result<()> {
        self.token.store(token, SeqCst);
        Ok(())
    }

    fn rearm(&self, _: usize, _: Interest) {}

    fn deregister(&self, _: RawFd, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let token = self.token.load(SeqCst);
        if self.ready.swap(false, SeqCst) {
            let ready = Ready::READABLE;
            events.push(Event { token, ready });
        } else if timeout.is_none() {
            self.ready.store(true, SeqCst);
            (self.ends)();
        }
        Ok(())
    }

    fn notify(&self) {}
}

#[cfg(unix)]
#[test]
fn what_the_last_run_made_ready_comes_before_a_jump() {
    within_limit(|| {
        let running = Arc::new(OnceLock::<Running>::new());
        // What the poller holds keeps no reactor.
        let ends = Arc::downgrade(&running);
        let late = move || {
            let ends = ends.clone();
            Ok(Late {
                ends: Box::new(move || {
                    let running = ends.upgrade().expect("the test holds it");
                    running.get().expect("it runs").end(1);
                }),
                ready: AtomicBool::new(false),
                token: AtomicUsize::new(0),
            })
        };
        let reactor = Reactor::new(Config {
            backend: Backend::custom(late),
            ..Config::default()
        });
        let reactor = reactor.expect("a poller");
        reactor.pause();
        let _entered = reactor.enter();
        let start = Instant::now();
        let mut far = pin!(sleep(HOUR));
        let slept = wait_for(far.as_mut());
        let source = AsyncFd::new(io::stdin()).expect("registered");
        let mut readable = pin!(source.readable());
        let (read, waker) = CountWakes::new();
        let mut cx = Context::from_waker(&waker);
        assert!(readable.as_mut().poll(&mut cx).is_pending());
        let mut turn = reactor.try_borrow().expect("nobody has it");
        running.get_or_init(|| reactor.running()).begin(1);
        // The pause ended the first wait before it began.
        assert_eq!(turn.wait(None), 0);
        assert_eq!(turn.wait(None), 1);
        assert_eq!((read.get(), slept.get()), (1, 0));
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(turn.wait(None), 1);
        assert_eq!(start.elapsed(), HOUR);
    });
}
