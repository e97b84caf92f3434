//! The blocking pool, as its users see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use heist_reactor::blocking::{self, Failed, Refused};
use heist_reactor::testing::{block_on, within_limit};
use heist_reactor::{Config, Reactor};

fn reactor(change: impl FnOnce(&mut Config)) -> Reactor {
    let mut config = Config::default();
    change(&mut config);
    Reactor::new(config).expect("a poller")
}

fn end(reactor: &Reactor) {
    reactor.pool().shutdown();
    assert!(reactor.pool().join(None));
    assert_eq!(reactor.pool().num_threads(), 0);
    assert_eq!(reactor.pool().num_idle(), 0);
}

#[test]
fn a_job_that_panics_costs_no_thread_and_its_panic_comes_back() {
    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("what a panic carries panics");
        }
    }

    within_limit(|| {
        let reactor = reactor(|config| config.max_blocking_threads = 1);
        let _entered = reactor.enter();
        let failed = block_on(blocking::spawn(|| panic!("a job panics"))).unwrap_err();
        assert!(matches!(failed, Failed::Panicked(payload) if payload.is::<&str>()));
        let bad = Box::new(|| std::panic::panic_any(PanicsWhenDropped));
        reactor.pool().submit(bad).expect("it is open");
        assert_eq!(block_on(blocking::spawn(|| 7)).unwrap(), 7);
        assert_eq!(reactor.pool().num_threads(), 1);
        end(&reactor);
    });
}

#[test]
fn there_are_never_more_threads_than_the_maximum() {
    within_limit(|| {
        let reactor = reactor(|config| config.max_blocking_threads = 3);
        let _entered = reactor.enter();
        let running = Arc::new(AtomicUsize::new(0));
        let jobs: Vec<_> = (0..200)
            .map(|_| {
                let running = running.clone();
                blocking::spawn(move || {
                    let at_once = running.fetch_add(1, Ordering::SeqCst) + 1;
                    std::thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    at_once
                })
            })
            .collect();
        let most = jobs.into_iter().map(|job| block_on(job).unwrap()).max();
        assert!(most <= Some(3), "{most:?} at once");
        end(&reactor);
    });
}

#[test]
fn a_job_that_cannot_wait_is_taken_at_once_or_comes_back() {
    within_limit(|| {
        let reactor = reactor(|config| config.max_blocking_threads = 1);
        let pool = reactor.pool();
        let (begun, begins) = mpsc::channel();
        let (end_it, ends) = mpsc::channel::<()>();
        let long = Box::new(move || {
            begun.send(()).expect("the test waits");
            let _ = ends.recv();
        });
        pool.submit_now(long).expect("a thread starts for it");
        begins.recv().expect("it runs");
        let refused = pool.submit_now(Box::new(|| {}));
        let Err(Refused::NoThread(job, _)) = refused else {
            panic!("the one thread is taken");
        };
        drop(end_it);
        while pool.num_idle() == 0 {
            std::thread::yield_now();
        }
        pool.submit_now(job).expect("an idle thread takes it");
        end(&reactor);
    });
}

#[test]
fn threads_have_names_and_call_their_hooks() {
    within_limit(|| {
        let (started, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let reactor = reactor(|config| {
            let (started, stopped) = (started.clone(), stopped.clone());
            config.thread_name = Arc::new(|| "blocked".to_owned());
            config.on_thread_start = Some(Arc::new(move || {
                started.fetch_add(1, Ordering::SeqCst);
                panic!("a hook panics");
            }));
            config.on_thread_stop = Some(Arc::new(move || {
                stopped.fetch_add(1, Ordering::SeqCst);
            }));
        });
        let _entered = reactor.enter();
        let name = blocking::spawn(|| std::thread::current().name().map(str::to_owned));
        assert_eq!(block_on(name).unwrap().as_deref(), Some("blocked"));
        end(&reactor);
        assert_eq!(
            started.load(Ordering::SeqCst),
            stopped.load(Ordering::SeqCst)
        );
    });
}

#[test]
fn a_pool_that_was_shut_down_gives_jobs_back() {
    within_limit(|| {
        let reactor = reactor(|_| ());
        let _entered = reactor.enter();
        end(&reactor);
        let refused = reactor.pool().submit(Box::new(|| ())).unwrap_err();
        assert!(matches!(refused, Refused::Shutdown(_)));
        assert!(matches!(
            block_on(blocking::spawn(|| ())),
            Err(Failed::ShutDown)
        ));
    });
}

#[test]
fn jobs_queued_at_the_end_resolve_and_the_one_that_runs_is_waited_for() {
    within_limit(|| {
        let reactor = reactor(|config| config.max_blocking_threads = 1);
        let _entered = reactor.enter();
        let (release, released) = mpsc::channel::<()>();
        let (starts, started) = mpsc::channel::<()>();
        let running = blocking::spawn(move || {
            starts.send(()).expect("somebody listens");
            released.recv().is_err()
        });
        started.recv().expect("it starts");
        let queued: Vec<_> = (0..10).map(|_| blocking::spawn(|| ())).collect();
        reactor.pool().shutdown();
        for job in queued {
            assert!(matches!(block_on(job), Err(Failed::ShutDown)));
        }
        let start = Instant::now();
        let soon = Some(start + Duration::from_millis(50));
        assert!(!reactor.pool().join(soon), "a job still runs");
        assert!(start.elapsed() >= Duration::from_millis(50));
        drop(release);
        assert!(block_on(running).unwrap());
        assert!(reactor.pool().join(None));
    });
}

#[test]
fn a_job_may_end_the_pool_that_it_runs_in() {
    within_limit(|| {
        let reactor = reactor(|_| ());
        let _entered = reactor.enter();
        let own = reactor.clone();
        let joined = block_on(blocking::spawn(move || {
            own.pool().shutdown();
            own.pool().join(None)
        }));
        assert!(!joined.unwrap(), "it can't wait for itself");
        assert!(reactor.pool().join(None));
    });
}

#[test]
fn every_job_runs_though_threads_give_up_all_the_time() {
    within_limit(|| {
        let reactor = reactor(|config| {
            config.thread_keep_alive = Duration::from_micros(20);
            config.max_blocking_threads = 4;
        });
        let run = Arc::new(AtomicUsize::new(0));
        let submitters: Vec<_> = (0..4)
            .map(|nth| {
                let (reactor, run) = (reactor.clone(), run.clone());
                std::thread::spawn(move || {
                    let _entered = reactor.enter();
                    for _ in 0..500 {
                        let run = run.clone();
                        let job = blocking::spawn(move || run.fetch_add(1, Ordering::SeqCst));
                        if nth % 2 == 0 {
                            block_on(job).unwrap();
                        }
                    }
                })
            })
            .collect();
        submitters
            .into_iter()
            .for_each(|submitter| submitter.join().unwrap());
        let _entered = reactor.enter();
        // A job that is queued behind the others tells that they are done, with one thread at a time.
        while run.load(Ordering::SeqCst) < 2_000 {
            block_on(blocking::spawn(|| ())).unwrap();
        }
        end(&reactor);
    });
}
