//! A panic that is the caller's fault points at the caller's line.
#![cfg(not(any(heist_loom, heist_shuttle)))]

#[path = "support/task.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex as StdMutex};

use heist_sync::queue::{LifoQueue, PriorityQueue, Queue};
use heist_sync::{Barrier, RwLock, Semaphore, broadcast};
use support::task;

const MOST: usize = Semaphore::MAX_PERMITS;

/// The clone of it receives the value that it is a clone of.
struct Greedy(Arc<StdMutex<Option<broadcast::Receiver<Greedy>>>>);

impl Clone for Greedy {
    fn clone(&self) -> Self {
        let receiver = self.0.lock().unwrap().take();
        receiver
            .expect("cloned once")
            .try_recv()
            .unwrap_or_else(|_| unreachable!())
    }
}

fn receive_in_a_clone() {
    let place = Arc::new(StdMutex::new(None));
    let (sender, mut receiver) = broadcast::channel(1);
    *place.lock().unwrap() = Some(sender.subscribe());
    assert!(sender.send(Greedy(place)).is_ok());
    let _ = receiver.try_recv();
}

fn broken() -> Barrier {
    let barrier = Barrier::new(2);
    barrier.abort();
    barrier
}

fn merge_others() {
    let (one, other) = (Semaphore::new(1), Semaphore::new(1));
    let mut permit = one.try_acquire().unwrap();
    permit.merge(other.try_acquire().unwrap());
}

fn merge_others_owned() {
    let [one, other] = [(); 2].map(|()| Arc::new(Semaphore::new(1)));
    let mut permit = one.try_acquire_owned().unwrap();
    permit.merge(other.try_acquire_owned().unwrap());
}

/// What panics, by name, each on a line of this file.
const CASES: &[(&str, fn())] = &[
    ("Semaphore::new", || _ = Semaphore::new(MOST + 1)),
    ("Semaphore::const_new", || {
        _ = Semaphore::const_new(MOST + 1)
    }),
    ("Semaphore::add_permits", || {
        Semaphore::new(MOST).add_permits(1)
    }),
    ("SemaphorePermit::merge", merge_others),
    ("OwnedSemaphorePermit::merge", merge_others_owned),
    ("RwLock::with_max_readers", || {
        _ = RwLock::with_max_readers((), 0)
    }),
    ("RwLock::with_max_readers", || {
        _ = RwLock::with_max_readers((), u32::MAX)
    }),
    ("RwLock::const_with_max_readers", || {
        _ = RwLock::const_with_max_readers((), 0)
    }),
    ("Queue::bounded", || _ = Queue::<u8>::bounded(0)),
    ("Queue::bounded", || _ = Queue::<u8>::bounded(MOST + 1)),
    ("LifoQueue::bounded", || _ = LifoQueue::<u8>::bounded(0)),
    ("PriorityQueue::bounded", || {
        _ = PriorityQueue::<u8>::bounded(MOST + 1)
    }),
    ("Queue::task_done", || Queue::<u8>::unbounded().task_done()),
    ("broadcast::channel", || _ = broadcast::channel::<u8>(0)),
    ("broadcast::channel", || {
        _ = broadcast::channel::<u8>(usize::MAX)
    }),
    ("broadcast::Sender::new", || {
        _ = broadcast::Sender::<u8>::new(0)
    }),
    ("broadcast::Receiver::try_recv", receive_in_a_clone),
    ("Barrier::blocking_wait", || _ = broken().blocking_wait()),
];

#[test]
fn a_panic_that_is_the_callers_fault_points_at_the_caller() {
    static PLACE: StdMutex<Option<(String, u32)>> = StdMutex::new(None);
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().expect("it is always known");
        *PLACE.lock().unwrap() = Some((place.file().to_string(), place.line()));
    }));
    let mut wrong = Vec::new();
    for (name, call) in CASES {
        if catch_unwind(call).is_ok() {
            wrong.push(format!("{name} did not panic"));
        }
        let (file, line) = PLACE.lock().unwrap().take().expect("the hook was called");
        if file != file!() {
            wrong.push(format!("{name} points at {file}:{line}"));
        }
    }
    // A future panics in its poll, which nobody's call is; its message tells.
    let barrier = broken();
    let (line, mut wait) = (line!(), task(barrier.wait()));
    let panic = catch_unwind(AssertUnwindSafe(|| wait.poll().is_ready())).unwrap_err();
    let text = panic.downcast_ref::<String>().expect("a text").clone();
    let _ = std::panic::take_hook();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(text.contains(&format!("{}:{line}", file!())), "{text}");
}
