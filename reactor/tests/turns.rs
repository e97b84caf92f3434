//! The poller, who may wait in it, and the reactor thread.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use heist_reactor::io::ReadBuf;
use heist_reactor::net::{TcpListener, TcpStream};
use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_reactor::time::sleep;
use heist_reactor::{Config, Crew, Monitor, Pace, Reactor};

fn reactor() -> Reactor {
    Reactor::new(Config::default()).expect("a poller")
}

struct Plain;

impl Monitor for Plain {}

#[test]
fn a_wait_ends_by_its_limit() {
    within_limit(|| {
        let reactor = reactor();
        let mut turn = reactor.try_borrow().expect("free");
        for limit in [0, 1, 1_000_000, 5_000_000].map(Duration::from_nanos) {
            let start = Instant::now();
            assert_eq!(turn.wait(Some(limit)), 0);
            assert!(start.elapsed() >= limit);
        }
    });
}

#[test]
fn a_limit_too_long_to_count_waits() {
    within_limit(|| {
        let reactor = reactor();
        let _entered = reactor.enter();
        for limit in [Duration::MAX, Duration::from_secs(60 * 60 * 24 * 49)] {
            let (count, waker) = CountWakes::new();
            let mut slept = pin!(sleep(Duration::from_secs(3_600)));
            assert!(
                slept
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            let soon = heist_reactor::time::Instant::now() + Duration::from_millis(10);
            slept.as_mut().reset(soon);
            let mut turn = reactor.try_borrow().expect("free");
            while count.get() == 0 {
                turn.wait(Some(limit));
            }
        }
    });
}

#[test]
fn an_unpark_ends_the_next_wait_or_the_one_under_way() {
    within_limit(|| {
        let reactor = reactor();
        reactor.unpark();
        reactor.unpark();
        let mut turn = reactor.try_borrow().expect("free");
        turn.wait(None);
        let caller = std::thread::spawn({
            let reactor = reactor.clone();
            move || {
                // Soon or late: either way the wait must end.
                std::thread::yield_now();
                reactor.unpark();
            }
        });
        turn.wait(None);
        drop(turn);
        caller.join().expect("no panic");
    });
}

#[test]
fn only_one_holds_the_poller() {
    let reactor = reactor();
    let turn = reactor.try_borrow().expect("free");
    assert!(reactor.try_borrow().is_none());
    drop(turn);
    assert!(reactor.try_borrow().is_some());
}

#[test]
fn reactors_entered_may_be_left_in_any_order() {
    let (a, b) = (reactor(), reactor());
    let same = |x: Option<Reactor>, y: &Reactor| {
        let _held = y.try_borrow().expect("free");
        x.expect("one is entered").try_borrow().is_none()
    };
    let left_a = a.enter();
    let left_b = b.enter();
    assert!(same(Reactor::try_current(), &b));
    drop(left_a);
    assert!(same(Reactor::try_current(), &b));
    drop(left_b);
    assert!(Reactor::try_current().is_none());
}

#[test]
fn the_thread_serves_whoever_lets_the_poller_go() {
    within_limit(|| {
        let reactor = reactor();
        let turn = reactor.try_borrow().expect("free");
        reactor.start_thread(Box::new(Plain)).expect("a thread");
        assert!(
            reactor.start_thread(Box::new(Plain)).is_err(),
            "one is enough"
        );
        let _entered = reactor.enter();
        // Long enough for the thread to go to rest; a shorter one would be served as well.
        let (sends, sent) = mpsc::channel::<()>();
        let _ = sent.recv_timeout(Duration::from_millis(60));
        drop(turn);
        block_on(sleep(Duration::from_millis(1)));
        drop(sends);
        reactor.shutdown();
        assert!(reactor.join_thread(None));
        reactor.shutdown();
    });
}

/// The monitor of workers that do this all the time.
struct Has(Crew);

impl Monitor for Has {
    fn crew(&mut self) -> Crew {
        self.0
    }
}

#[test]
fn the_thread_lets_go_when_a_worker_gets_up() {
    within_limit(|| {
        let reactor = reactor();
        reactor
            .start_thread(Box::new(Has(Crew::Idle)))
            .expect("a thread");
        let _entered = reactor.enter();
        block_on(sleep(Duration::from_millis(1)));
        let mut taken = false;
        while !taken {
            // Each wake-up frees the poller for a tick; without one, the thread keeps it.
            block_on(sleep(Duration::from_micros(100)));
            taken = reactor.try_borrow().is_some();
        }
        reactor.shutdown();
        assert!(reactor.join_thread(None));
    });
}

#[cfg(unix)]
#[test]
fn the_thread_lets_go_at_an_event_when_all_workers_are_busy() {
    use heist_reactor::io::unix::AsyncFd;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    within_limit(|| {
        let reactor = reactor();
        reactor
            .start_thread(Box::new(Has(Crew::Busy)))
            .expect("a thread");
        let _entered = reactor.enter();
        let (one, mut other) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        let source = AsyncFd::new(one).unwrap();
        let mut taken = false;
        while !taken {
            // Nobody waits for it. It is read, because only so many bytes find room.
            other.write_all(b"x").unwrap();
            taken = reactor.try_borrow().is_some();
            source.get_ref().read_exact(&mut [0]).unwrap();
        }
        other.write_all(b"x").unwrap();
        // It comes back, though nobody calls it.
        block_on(source.readable()).unwrap().retain_ready();
        block_on(sleep(Duration::from_millis(1)));
        drop(source);
        reactor.shutdown();
        assert!(reactor.join_thread(None));
    });
}

#[test]
fn a_monitor_that_panics_does_not_end_the_thread() {
    struct Panics(bool);

    impl Monitor for Panics {
        fn dispatch(&mut self, _: &mut Vec<Waker>) {
            self.0 = !self.0;
            assert!(self.0, "the monitor panics");
        }

        fn crew(&mut self) -> Crew {
            panic!("the monitor panics");
        }

        fn tick(&mut self, _: &mut Vec<Waker>) -> Pace {
            panic!("the monitor panics");
        }
    }

    within_limit(|| {
        let reactor = reactor();
        reactor
            .start_thread(Box::new(Panics(false)))
            .expect("a thread");
        let _entered = reactor.enter();
        for _ in 0..20 {
            block_on(sleep(Duration::from_micros(500)));
        }
        reactor.shutdown();
        assert!(reactor.join_thread(None));
    });
}

#[test]
fn the_monitor_ticks_as_long_as_it_has_work() {
    struct Counts(mpsc::SyncSender<()>);

    impl Monitor for Counts {
        fn tick(&mut self, _: &mut Vec<Waker>) -> Pace {
            match self.0.send(()) {
                Ok(()) => Pace::Slow,
                Err(_) => Pace::Rest,
            }
        }
    }

    within_limit(|| {
        let (sends, ticks) = mpsc::sync_channel(0);
        let reactor = reactor();
        reactor
            .start_thread(Box::new(Counts(sends)))
            .expect("a thread");
        reactor.unpark();
        for _ in 0..20 {
            ticks.recv().expect("it ticks");
        }
        drop(ticks);
        reactor.shutdown();
        assert!(reactor.join_thread(None));
    });
}

#[test]
fn the_thread_can_be_waited_for_with_a_limit() {
    within_limit(|| {
        let reactor = reactor();
        reactor.start_thread(Box::new(Plain)).expect("a thread");
        let soon = Some(Instant::now() + Duration::from_millis(20));
        assert!(!reactor.join_thread(soon), "nobody has told it to end");
        reactor.shutdown();
        assert!(reactor.join_thread(None));
        assert!(reactor.start_thread(Box::new(Plain)).is_err());
    });
}

#[test]
fn after_shutdown_everything_that_waits_fails_and_nothing_registers() {
    within_limit(|| {
        let reactor = reactor();
        let (_listener, mut streams) = {
            let _entered = reactor.enter();
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let address = listener.local_addr().expect("bound");
            let streams: Vec<_> = (0..100)
                .map(|_| {
                    let stream = std::net::TcpStream::connect(address).expect("it listens");
                    stream.set_nonblocking(true).expect("a socket");
                    TcpStream::from_std(stream).expect("it registers")
                })
                .collect();
            (listener, streams)
        };
        let (count, waker) = CountWakes::new();
        let mut cx = Context::from_waker(&waker);
        for stream in &streams {
            assert!(
                stream
                    .poll_peek(&mut cx, &mut ReadBuf::new(&mut [0; 8]))
                    .is_pending()
            );
        }
        reactor.shutdown();
        assert_eq!(count.get(), 100);
        for stream in &mut streams {
            let mut buffer = [0; 8];
            let read = heist_reactor::io::AsyncReadExt::read(stream, &mut buffer);
            assert!(matches!(pin!(read).poll(&mut cx), Poll::Ready(Err(_))));
        }
        let _entered = reactor.enter();
        assert!(block_on(TcpListener::bind("127.0.0.1:0")).is_err());
        drop(reactor);
        drop(streams);
    });
}

#[test]
fn what_a_dropped_reactor_leaves_behind_is_harmless() {
    within_limit(|| {
        let reactor = reactor();
        let entered = reactor.enter();
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let mut slept = Box::pin(sleep(Duration::from_secs(3_600)));
        let _ = slept.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(entered);
        let alive = Arc::new(());
        reactor
            .pool()
            .submit(Box::new({
                let alive = alive.clone();
                move || drop(alive)
            }))
            .expect("it is open");
        drop(reactor);
        drop(listener);
        drop(slept);
    });
}

/// A waker that uses the reactor's context, timers and sockets as it is dropped, as user code may.
struct Meddles(Arc<CountWakes>);

impl std::task::Wake for Meddles {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Meddles {
    fn drop(&mut self) {
        let reactor = Reactor::new(Config::default()).expect("a poller");
        let _entered = reactor.enter();
        let (_, waker) = CountWakes::new();
        let mut slept = pin!(sleep(Duration::from_secs(3_600)));
        let polled = Reactor::nursed(&waker, || {
            slept.as_mut().poll(&mut Context::from_waker(&waker))
        });
        assert!(polled.is_pending());
        std::task::Wake::wake(self.0.clone());
    }
}

#[test]
fn a_reactor_that_is_dropped_lets_its_wakers_go() {
    within_limit(|| {
        let (gone, own) = (reactor(), reactor());
        let (dropped, _) = CountWakes::new();
        let meddles = || Waker::from(Arc::new(Meddles(dropped.clone())));
        let entered = gone.enter();
        let mut slept = Box::pin(sleep(Duration::from_millis(1)));
        let polled = slept.as_mut().poll(&mut Context::from_waker(&meddles()));
        assert!(polled.is_pending());
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let polled = listener.poll_accept(&mut Context::from_waker(&meddles()));
        assert!(polled.is_pending());
        drop(entered);
        let _entered = own.enter();
        assert_eq!(dropped.get(), 0);
        drop(gone);
        assert_eq!(dropped.get(), 2);

        let (woken, waker) = CountWakes::new();
        let cx = &mut Context::from_waker(&waker);
        assert!(matches!(listener.poll_accept(cx), Poll::Ready(Err(_))));
        if slept.as_mut().poll(cx).is_pending() {
            while woken.get() == 0 {
                own.try_borrow().expect("nobody else has it").wait(None);
            }
            assert!(slept.as_mut().poll(cx).is_ready());
        }
    });
}

#[test]
fn a_timer_refused_for_the_end_gives_its_waker_back() {
    use heist_reactor::protocol::{Kick, Rejected, Signal, Timers};
    struct NoKick;
    impl Kick for NoKick {
        fn kick(&self) {}
    }
    let timers = Timers::new(heist_sync::sys::Arc::new(Signal::new(NoKick)), 1);
    timers.close(&mut Vec::new());
    let (_, waker) = CountWakes::new();
    match timers.shards()[0].insert(1, waker.clone()) {
        Err(Rejected::Closed(back)) => assert!(back.will_wake(&waker)),
        other => panic!("{other:?}"),
    }
}
