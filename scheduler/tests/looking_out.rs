//! What workers that look out for each other leave to the reactor thread: events, and reports of stalls.

#![cfg(unix)]

#[path = "support/watch.rs"]
mod watch;

use std::io::Write;
use std::os::unix::net;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use heist_reactor::io::AsyncReadExt;
use heist_reactor::net::UnixStream;
use heist_scheduler::runtime::{Builder, Runtime};
use heist_scheduler::task;
use watch::watchdog;

/// Tasks do short polls, then longer ones. An event comes meanwhile. Few polls later its task has seen it.
fn an_event_comes(runtime: &Runtime) {
    const SHORT: usize = 20_000;
    const FEW: usize = 400;
    let (seen, polls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let tasks = [(); 2].map(|()| {
        let (seen, polls) = (seen.clone(), polls.clone());
        runtime.spawn(async move {
            while !seen.load(Ordering::SeqCst) {
                let begin = Instant::now();
                let long = polls.fetch_add(1, Ordering::SeqCst) > SHORT;
                while long && begin.elapsed() < Duration::from_millis(2) {}
                task::yield_now().await;
            }
        })
    });
    let (ours, mut theirs) = net::UnixStream::pair().expect("a pair");
    ours.set_nonblocking(true).expect("a socket");
    let reader = runtime.spawn(async move {
        let mut ours = UnixStream::from_std(ours).expect("a socket");
        ours.read_u8().await.expect("a byte");
        seen.store(true, Ordering::SeqCst);
    });
    while polls.load(Ordering::SeqCst) < SHORT + 10 {
        std::thread::yield_now();
    }
    let before = polls.load(Ordering::SeqCst);
    theirs.write_all(b"x").expect("it is open");
    runtime.block_on(reader).expect("no panic");
    assert!(polls.load(Ordering::SeqCst) < before + FEW);
    for task in tasks {
        runtime.block_on(task).expect("no panic");
    }
}

#[test]
fn an_event_comes_beside_a_spare_that_is_busy() {
    let _dog = watchdog();
    for workers in [1, 2, 1, 2, 1, 2] {
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .max_spare_workers(1)
            .build()
            .expect("a runtime");
        let (opens, blocked): (Vec<_>, Vec<_>) = (0..workers)
            .map(|_| {
                let (open, gate) = mpsc::channel::<()>();
                (
                    open,
                    runtime.spawn(async move {
                        let _ = gate.recv();
                    }),
                )
            })
            .unzip();
        an_event_comes(&runtime);
        drop(opens);
        for task in blocked {
            runtime.block_on(task).expect("no panic");
        }
    }
}

#[test]
fn an_event_comes_however_seldom_workers_are_to_look_at_events() {
    let _dog = watchdog();
    for workers in [1, 2, 4] {
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .event_interval(u32::MAX)
            .build()
            .expect("a runtime");
        an_event_comes(&runtime);
    }
}

#[test]
fn each_stall_that_counts_is_reported_even_if_the_runtime_ends() {
    let _dog = watchdog();
    for _ in 0..20 {
        let reports = Arc::new(AtomicUsize::new(0));
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .stall_threshold(Duration::from_millis(1))
            .on_stall({
                let reports = reports.clone();
                move |_| {
                    reports.fetch_add(1, Ordering::SeqCst);
                }
            })
            .build()
            .expect("a runtime");
        let handle = runtime.handle().clone();
        for _ in 0..3 {
            drop(runtime.spawn(async {
                loop {
                    task::yield_now().await;
                }
            }));
        }
        let stalls = {
            let handle = handle.clone();
            move || handle.metrics().stall_count()
        };
        let stalled = {
            let stalls = stalls.clone();
            runtime.spawn(async move {
                (0..2).for_each(|_| drop(task::spawn(async {})));
                while stalls() == 0 {
                    std::thread::yield_now();
                }
            })
        };
        runtime.block_on(stalled).expect("no panic");
        drop(runtime);
        assert_eq!(reports.load(Ordering::SeqCst) as u64, stalls());
    }
}
