//! What the tests of the scheduler have in common.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use heist_scheduler::runtime::{Builder, Runtime};

/// How long a test may take; Miri interprets, and may share the machine with many of its seeds.
const LIMIT: Duration = Duration::from_secs(if cfg!(miri) { 3_600 } else { 300 });

/// Ends the process if it isn't dropped in time: a test that hangs fails.
pub struct Watchdog {
    _alive: mpsc::Sender<()>,
}

/// A watchdog over the rest of a test.
pub fn watchdog() -> Watchdog {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let (alive, gone) = mpsc::channel();
    thread::spawn(move || {
        if gone.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs");
            std::process::abort();
        }
    });
    Watchdog { _alive: alive }
}

/// A runtime that runs its tasks where it is blocked on.
pub fn current_thread() -> Runtime {
    Builder::new_current_thread()
        .build()
        .expect("a current-thread runtime")
}

/// A runtime with so many workers.
pub fn workers(n: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(n)
        .build()
        .expect("a multi-thread runtime")
}

/// Runtimes of each kind.
pub fn each_kind() -> Vec<Runtime> {
    vec![current_thread(), workers(1), workers(2)]
}

/// Counts its drops.
pub struct Count(pub Arc<AtomicUsize>);

impl Count {
    /// A counter, and what counts in it.
    pub fn new() -> (Self, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        (Self(count.clone()), count)
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Calls `f` as it is dropped.
pub struct OnDrop<F: FnOnce()>(pub Option<F>);

/// Calls `f` when the answer is dropped.
pub fn on_drop<F: FnOnce()>(f: F) -> OnDrop<F> {
    OnDrop(Some(f))
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// Notes the thread on which it is dropped. Not `Send`.
pub struct Here {
    dropped: mpsc::Sender<thread::ThreadId>,
    _not_send: std::rc::Rc<()>,
}

impl Here {
    pub fn new(dropped: &mpsc::Sender<thread::ThreadId>) -> Self {
        Self {
            dropped: dropped.clone(),
            _not_send: std::rc::Rc::new(()),
        }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let _ = self.dropped.send(thread::current().id());
    }
}
