//! Memory in bytes: what is asked of the allocator, and what the future or the value itself takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::task::{Context, Waker};

use super::alone::now;
use crate::libs::{Channel, Fan, Mutex, Notify, Oneshot, Semaphore};

/// The system's allocator, which counts while counting is on.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Set before a row of this kind begins. The process runs nothing else.
static ON: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicIsize = AtomicIsize::new(0);

fn count(bytes: usize, sign: isize) {
    // Ordering: hint only. One thread counts.
    if ON.load(Ordering::Relaxed) {
        LIVE.fetch_add(bytes as isize * sign, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the promises.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promises are those that this needs.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promises are those that this needs.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller's promises are those that this needs.
        unsafe { System.dealloc(pointer, layout) };
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(size, 1);
        // SAFETY: the caller's promises are those that this needs.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Bytes that `f` allocates and that live as long as what it returns.
fn added<T>(f: impl FnOnce() -> T) -> (f64, T) {
    // Ordering: hint only. One thread counts.
    ON.store(true, Ordering::Relaxed);
    let before = LIVE.load(Ordering::Relaxed);
    let value = f();
    ((LIVE.load(Ordering::Relaxed) - before) as f64, value)
}

/// An empty channel.
pub(super) fn empty<C: Channel>(capacity: usize) -> f64 {
    added(|| C::ends(capacity)).0
}

pub(super) fn empty_oneshot<O: Oneshot>(_count: usize) -> f64 {
    added(O::ends).0
}

pub(super) fn empty_fan<F: Fan>(_count: usize) -> f64 {
    added(F::tx).0
}

/// How many bytes one message of 8 bytes takes in a channel that holds `count` of them, without those of an empty
/// channel.
pub(super) fn message<C: Channel>(count: usize) -> f64 {
    let (mut tx, rx) = C::ends(count);
    let (bytes, ()) = added(|| {
        for value in 0..count {
            now(C::send(&mut tx, value as u64));
        }
    });
    drop(rx);
    bytes / count as f64
}

/// The bytes that each of `count` waiting futures takes: its own size, and what it has allocated.
fn waiting<F: Future>(count: usize, make: impl Fn(usize) -> F) -> f64 {
    let mut futures: Vec<_> = Vec::with_capacity(count);
    let (bytes, ()) = added(|| {
        for i in 0..count {
            let mut future = Box::pin(make(i));
            let poll = future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(poll.is_pending(), "there is nothing to wait for");
            futures.push(future);
        }
    });
    bytes / count as f64
}

pub(super) fn waiting_lock<M: Mutex>(count: usize) -> f64 {
    let mutex = M::new();
    let mut holder = pin!(mutex.add_one(true));
    let held = heist::runtime::Builder::new_current_thread().build();
    let held = held
        .expect("a runtime")
        .block_on(std::future::poll_fn(|cx| {
            std::task::Poll::Ready(holder.as_mut().poll(cx))
        }));
    assert!(held.is_pending(), "the lock is held");
    waiting(count, |_| mutex.add_one(false))
}

pub(super) fn waiting_permit<S: Semaphore>(count: usize) -> f64 {
    let semaphore = S::new(0);
    waiting(count, |_| semaphore.hold(1, false))
}

pub(super) fn waiting_notified<N: Notify>(count: usize) -> f64 {
    let notify = N::new();
    waiting(count, |_| notify.wait())
}

/// Receivers that each have their own channel.
pub(super) fn waiting_recv<C: Channel>(count: usize) -> f64 {
    let mut ends: Vec<_> = (0..count).map(|_| C::ends(1)).collect();
    let mut futures = Vec::with_capacity(count);
    let (bytes, ()) = added(|| {
        for (_, rx) in &mut ends {
            let mut future = Box::pin(C::recv(rx));
            let poll = future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(poll.is_pending(), "the channel is empty");
            futures.push(future);
        }
    });
    bytes / count as f64
}

/// Receivers of one channel.
pub(super) fn waiting_fan<F: Fan>(count: usize) -> f64 {
    let tx = F::tx();
    let mut receivers: Vec<_> = (0..count).map(|_| F::rx(&tx)).collect();
    let mut futures = Vec::with_capacity(count);
    let (bytes, ()) = added(|| {
        for rx in &mut receivers {
            let mut future = Box::pin(F::recv(rx));
            let poll = future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(poll.is_pending(), "nothing was sent");
            futures.push(future);
        }
    });
    bytes / count as f64
}

/// Senders to one full channel.
pub(super) fn waiting_send<C: Channel>(count: usize) -> f64 {
    let (mut tx, rx) = C::ends(1);
    now(C::send(&mut tx, 1));
    let mut senders = vec![tx; count];
    let mut futures = Vec::with_capacity(count);
    let (bytes, ()) = added(|| {
        for tx in &mut senders {
            let mut future = Box::pin(C::send(tx, 2));
            let poll = future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(poll.is_pending(), "the channel is full");
            futures.push(future);
        }
    });
    drop(futures);
    drop(rx);
    bytes / count as f64
}

/// The value itself.
pub(super) fn size<T>(_count: usize) -> f64 {
    size_of::<T>() as f64
}
