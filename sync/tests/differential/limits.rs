//! What is asked too much, and callbacks that panic: once each, as a panic is slow.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::sync::{OnceCell, RwLock, Semaphore, broadcast, mpsc, oneshot, watch};
use crate::driver::Value;

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What `f` gives, or that it panics.
fn outcome<R: Into<Value>>(f: impl FnOnce() -> R) -> Value {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result.into(),
        Err(_) => Value::Word("panics"),
    }
}

/// What is seen of each, by name.
pub(crate) fn outcomes() -> Vec<(&'static str, Value)> {
    [sizes(), permits(), callbacks()].concat()
}

fn sizes() -> Vec<(&'static str, Value)> {
    const MOST: usize = Semaphore::MAX_PERMITS;
    let channel = |buffer| outcome(|| mpsc::channel::<()>(buffer).0.is_closed());
    let semaphore = |permits| outcome(|| Semaphore::new(permits).available_permits());
    let broadcast = |capacity| outcome(|| broadcast::channel::<()>(capacity).0.len());
    let rwlock = |readers| outcome(|| RwLock::with_max_readers((), readers).try_read().is_ok());
    vec![
        ("MAX_PERMITS", Value::Number(MOST)),
        ("a channel of none", channel(0)),
        ("a channel of the most", channel(MOST)),
        ("a channel of more than the most", channel(MOST + 1)),
        ("a semaphore of the most", semaphore(MOST)),
        ("a semaphore of more than the most", semaphore(MOST + 1)),
        ("a broadcast of none", broadcast(0)),
        ("a broadcast of more than the most", broadcast(usize::MAX)),
        ("a lock of no readers", rwlock(0)),
        ("a lock of the most readers", rwlock(u32::MAX >> 3)),
        (
            "a lock of more than the most readers",
            rwlock((u32::MAX >> 3) + 1),
        ),
    ]
}

fn permits() -> Vec<(&'static str, Value)> {
    const MOST: usize = Semaphore::MAX_PERMITS;
    let after = |semaphore: &Semaphore| semaphore.available_permits();
    let one_too_many = outcome(|| {
        let semaphore = Semaphore::new(MOST);
        semaphore.add_permits(1);
        after(&semaphore)
    });
    let as_many = outcome(|| {
        let semaphore = Semaphore::new(MOST);
        let permit = semaphore.try_acquire_many(u32::MAX);
        let held = permit.as_ref().map_or(0, |permit| permit.num_permits());
        vec![held, after(&semaphore)]
    });
    let forgets = outcome(|| {
        let semaphore = Semaphore::new(3);
        vec![semaphore.forget_permits(usize::MAX), after(&semaphore)]
    });
    let strangers = outcome(|| {
        let (one, other) = (Semaphore::new(1), Semaphore::new(1));
        let mut permit = one.try_acquire().expect("it has one");
        permit.merge(other.try_acquire().expect("it has one"));
        permit.num_permits()
    });
    let owned_strangers = outcome(|| {
        let semaphore = || Arc::new(Semaphore::new(1));
        let mut permit = semaphore().try_acquire_owned().expect("it has one");
        permit.merge(semaphore().try_acquire_owned().expect("it has one"));
        permit.num_permits()
    });
    vec![
        ("a permit more than the most", one_too_many),
        ("as many permits as can be asked for", as_many),
        ("forgetting more permits than there are", forgets),
        ("merging a stranger's permit", strangers),
        ("merging a stranger's owned permit", owned_strangers),
    ]
}

/// A value whose first clone panics.
#[derive(Debug)]
struct Fragile(Cell<bool>);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(!self.0.replace(false), "the first clone");
        Self(Cell::new(false))
    }
}

fn callbacks() -> Vec<(&'static str, Value)> {
    let twice = outcome(|| {
        let (sender, mut receiver) = oneshot::channel();
        sender.send(()).expect("there is a receiver");
        assert!(poll(Pin::new(&mut receiver)).is_ready(), "it has been sent");
        poll(Pin::new(&mut receiver)).is_ready()
    });
    let (sender, mut receiver) = watch::channel(1);
    let modify = outcome(|| {
        sender.send_modify(|value| {
            *value = 2;
            panic!("in the middle");
        });
        true
    });
    let after_modify = vec![
        *receiver.borrow(),
        usize::from(receiver.has_changed().expect("it is open")),
    ];
    let waits = outcome(|| {
        let wait = pin!(receiver.wait_for(|_| panic!("at the first look")));
        poll(wait).is_ready()
    });
    let after_wait = outcome(|| {
        sender.send_replace(3);
        let changed = poll(pin!(receiver.changed())).is_ready();
        vec![usize::from(changed), *receiver.borrow_and_update()]
    });
    let cell = OnceCell::new();
    let computes = outcome(|| {
        let compute = pin!(cell.get_or_init(|| async { panic!("while it computes") }));
        poll(compute).is_ready()
    });
    let sets = outcome(|| cell.set(1).is_ok());
    let (sender, mut receiver) = broadcast::channel(2);
    let _other = sender.subscribe();
    sender
        .send(Fragile(Cell::new(true)))
        .expect("there are two");
    let clones = outcome(|| receiver.try_recv().is_ok());
    let after_clone = outcome(|| receiver.try_recv().is_ok());
    vec![
        ("a receiver polled once more", twice),
        ("send_modify that panics", modify),
        ("what that leaves", Value::List(after_modify)),
        ("wait_for that panics", waits),
        ("changed after that", after_wait),
        ("get_or_init that panics", computes),
        ("set after that", sets),
        ("recv of a value whose clone panics", clones),
        ("recv after that", after_clone),
    ]
}
