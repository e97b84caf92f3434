//! One thread and nobody else: what an operation costs by itself. The futures are polled by hand and never wait.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use benches::measure::nanos_each;

use crate::libs::{Channel, Fan, Mutex, Notify, Once, Oneshot, RwLock, Semaphore, Try};

const CAPACITY: usize = 128;

/// The output of a future that doesn't have to wait. This is inlined: otherwise the future would be moved here and the
/// copy would count. A future that is awaited where it was made isn't copied.
#[inline(always)]
pub(super) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nobody is there to be waited for"),
    }
}

/// Nanoseconds that one of `count` calls of `f` takes.
fn each(count: usize, mut f: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..count {
        f();
    }
    nanos_each(start, count)
}

pub(super) fn mutex<M: Mutex>(count: usize) -> f64 {
    let mutex = black_box(M::new());
    each(count, || now(mutex.add_one(false)))
}

pub(super) fn read<L: RwLock>(count: usize) -> f64 {
    let lock = black_box(L::new());
    each(count, || {
        black_box(now(lock.read(false)));
    })
}

pub(super) fn write<L: RwLock>(count: usize) -> f64 {
    let lock = black_box(L::new());
    each(count, || now(lock.write(false)))
}

pub(super) fn semaphore<S: Semaphore>(count: usize) -> f64 {
    let semaphore = black_box(S::new(10));
    each(count, || now(semaphore.hold(1, false)))
}

pub(super) fn notify<N: Notify>(count: usize) -> f64 {
    let notify = black_box(N::new());
    each(count, || now(notify.there_and_back()))
}

pub(super) fn oneshot<O: Oneshot>(count: usize) -> f64 {
    each(count, || {
        let (tx, rx) = O::ends();
        O::send(tx, black_box(1));
        black_box(now(O::recv(rx)));
    })
}

pub(super) fn channel<C: Channel>(count: usize) -> f64 {
    let (mut tx, mut rx) = C::ends(CAPACITY);
    each(count, || {
        now(C::send(&mut tx, black_box(1)));
        black_box(now(C::recv(&mut rx)));
    })
}

pub(super) fn try_channel<C: Try>(count: usize) -> f64 {
    let (mut tx, mut rx) = C::ends(CAPACITY);
    each(count, || {
        assert!(C::try_send(&mut tx, black_box(1)));
        assert!(C::try_recv(&mut rx).is_some());
    })
}

/// Makes a channel, clones its sender, and drops both ends.
pub(super) fn made<C: Channel>(count: usize) -> f64 {
    each(count, || {
        let (tx, rx) = C::ends(CAPACITY);
        black_box((tx.clone(), tx, rx));
    })
}

pub(super) fn fan<F: Fan>(count: usize) -> f64 {
    let tx = F::tx();
    let mut rx = F::rx(&tx);
    each(count, || {
        F::send(&tx, black_box(1));
        black_box(now(F::recv(&mut rx)));
    })
}

pub(super) fn once<O: Once>(count: usize) -> f64 {
    let once = black_box(O::new());
    each(count, || {
        black_box(now(once.get()));
    })
}
