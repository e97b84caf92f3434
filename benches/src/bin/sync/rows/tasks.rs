//! Tasks that compete with each other, on heist's runtime with two workers, for the primitives of every crate.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use benches::measure::nanos_each;
use heist::runtime::Builder;

use crate::libs::{Barrier, Channel, Fan, Mutex, Notify, Oneshot, RwLock, Semaphore};

const CAPACITY: usize = 128;

/// Runs `future` as a task, so that only the workers take part.
fn run<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let runtime = Builder::new_multi_thread().worker_threads(2).build();
    let runtime = runtime.expect("a runtime of two workers");
    let task = runtime.spawn(future);
    runtime.block_on(task).expect("no task panics here")
}

/// Nanoseconds for each of `count` operations that are shared by `tasks` tasks.
fn share<F, Fut>(tasks: usize, count: usize, work: F) -> f64
where
    F: Fn(usize) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    run(async move {
        let start = Instant::now();
        let each = count / tasks;
        let tasks: Vec<_> = (0..tasks).map(|_| heist::spawn(work(each))).collect();
        for task in tasks {
            task.await.expect("no task panics here");
        }
        nanos_each(start, count)
    })
}

fn locks<M: Mutex>(count: usize, tasks: usize, yields: bool) -> f64 {
    let mutex = Arc::new(M::new());
    share(tasks, count, move |each| {
        let mutex = mutex.clone();
        async move {
            for _ in 0..each {
                mutex.add_one(yields).await;
            }
        }
    })
}

pub(super) fn mutex_2<M: Mutex>(count: usize) -> f64 {
    locks::<M>(count, 2, false)
}

pub(super) fn mutex_64<M: Mutex>(count: usize) -> f64 {
    locks::<M>(count, 64, false)
}

pub(super) fn mutex_yield<M: Mutex>(count: usize) -> f64 {
    locks::<M>(count, 64, true)
}

/// 64 tasks. Each of them writes once in `writes` times, or never if `writes` is 0.
fn reads_and_writes<L: RwLock>(count: usize, writes: usize, yields: bool) -> f64 {
    let lock = Arc::new(L::new());
    share(64, count, move |each| {
        let lock = lock.clone();
        async move {
            for i in 1..=each {
                if writes > 0 && i % writes == 0 {
                    lock.write(yields).await;
                } else {
                    lock.read(yields).await;
                }
            }
        }
    })
}

pub(super) fn reads<L: RwLock>(count: usize) -> f64 {
    reads_and_writes::<L>(count, 0, false)
}

pub(super) fn some_writes<L: RwLock>(count: usize) -> f64 {
    reads_and_writes::<L>(count, 10, false)
}

pub(super) fn some_writes_yield<L: RwLock>(count: usize) -> f64 {
    reads_and_writes::<L>(count, 10, true)
}

fn permits<S: Semaphore>(count: usize, yields: bool) -> f64 {
    let semaphore = Arc::new(S::new(4));
    share(64, count, move |each| {
        let semaphore = semaphore.clone();
        async move {
            for _ in 0..each {
                semaphore.hold(1, yields).await;
            }
        }
    })
}

pub(super) fn semaphore<S: Semaphore>(count: usize) -> f64 {
    permits::<S>(count, false)
}

pub(super) fn semaphore_yield<S: Semaphore>(count: usize) -> f64 {
    permits::<S>(count, true)
}

/// 8 tasks that wait for each other, again and again. The figure is for each time that all of them have come.
pub(super) fn barrier<B: Barrier>(count: usize) -> f64 {
    const TASKS: usize = 8;
    let barrier = Arc::new(B::new(TASKS));
    let nanos = share(TASKS, count * TASKS, move |each| {
        let barrier = barrier.clone();
        async move {
            for _ in 0..each {
                barrier.wait().await;
            }
        }
    });
    nanos * TASKS as f64
}

/// Two tasks, each of which waits for the other.
pub(super) fn notify<N: Notify>(count: usize) -> f64 {
    run(async move {
        let (here, there) = (Arc::new(N::new()), Arc::new(N::new()));
        let (far_here, far_there) = (here.clone(), there.clone());
        let start = Instant::now();
        let far = heist::spawn(async move {
            for _ in 0..count {
                far_there.wait().await;
                far_here.notify_one();
            }
        });
        for _ in 0..count {
            there.notify_one();
            here.wait().await;
        }
        far.await.expect("no task panics here");
        nanos_each(start, count)
    })
}

/// Pairs of tasks. Each pair is made for one exchange over two oneshots. A thousand pairs run at a time.
pub(super) fn oneshot<O: Oneshot>(count: usize) -> f64 {
    const AT_ONCE: usize = 1_000;
    let pair = || {
        heist::spawn(async {
            let (ping, pinged) = O::ends();
            let (pong, ponged) = O::ends();
            drop(heist::spawn(async move {
                O::send(pong, O::recv(pinged).await);
            }));
            O::send(ping, 1);
            O::recv(ponged).await;
        })
    };
    run(async move {
        let start = Instant::now();
        for _ in 0..count / AT_ONCE {
            let pairs: Vec<_> = (0..AT_ONCE).map(|_| pair()).collect();
            for pair in pairs {
                pair.await.expect("no task panics here");
            }
        }
        nanos_each(start, count)
    })
}

/// A channel with so many tasks at its ends.
fn channel<C: Channel>(count: usize, senders: usize, tx: C::Tx, rx: Vec<C::Rx>) -> f64 {
    run(async move {
        let start = Instant::now();
        for _ in 0..senders {
            let mut tx = tx.clone();
            drop(heist::spawn(async move {
                for value in 0..count / senders {
                    C::send(&mut tx, value as u64).await;
                }
            }));
        }
        drop(tx);
        let receive = |mut rx| async move {
            let mut received = 0;
            while C::recv(&mut rx).await.is_some() {
                received += 1;
            }
            received
        };
        let receivers: Vec<_> = rx.into_iter().map(|rx| heist::spawn(receive(rx))).collect();
        let mut received = 0;
        for receiver in receivers {
            received += receiver.await.expect("no task panics here");
        }
        assert_eq!(received, count / senders * senders);
        nanos_each(start, received)
    })
}

fn to_one<C: Channel>(count: usize, capacity: usize, senders: usize) -> f64 {
    let (tx, rx) = C::ends(capacity);
    channel::<C>(count, senders, tx, vec![rx])
}

pub(super) fn one_to_one<C: Channel>(count: usize) -> f64 {
    to_one::<C>(count, CAPACITY, 1)
}

pub(super) fn eight_to_one<C: Channel>(count: usize) -> f64 {
    to_one::<C>(count, CAPACITY, 8)
}

pub(super) fn hundred_to_one<C: Channel>(count: usize) -> f64 {
    to_one::<C>(count, CAPACITY, 100)
}

/// Like [`one_to_one`], but the channel has room for one message.
pub(super) fn narrow<C: Channel>(count: usize) -> f64 {
    to_one::<C>(count, 1, 1)
}

/// The channel holds nothing: a sender and a receiver must meet.
pub(super) fn rendezvous<C: Channel>(count: usize) -> f64 {
    to_one::<C>(count, 0, 1)
}

fn many_to_many<C: Channel<Rx: Clone>>(count: usize, ends: usize) -> f64 {
    let (tx, rx) = C::ends(CAPACITY);
    channel::<C>(count, ends, tx, vec![rx; ends])
}

pub(super) fn four_to_four<C: Channel<Rx: Clone>>(count: usize) -> f64 {
    many_to_many::<C>(count, 4)
}

/// Two tasks that send a message there and back.
pub(super) fn round_trip<C: Channel>(count: usize) -> f64 {
    run(async move {
        let (mut ping, mut pinged) = C::ends(1);
        let (mut pong, mut ponged) = C::ends(1);
        let start = Instant::now();
        let far = heist::spawn(async move {
            while let Some(value) = C::recv(&mut pinged).await {
                C::send(&mut pong, value).await;
            }
        });
        for value in 0..count {
            C::send(&mut ping, value as u64).await;
            C::recv(&mut ponged).await;
        }
        drop(ping);
        far.await.expect("no task panics here");
        nanos_each(start, count)
    })
}

/// Sends `count` values to all of `receivers` tasks. When there is no more room, the sender waits for the last of them.
fn fan<F: Fan>(count: usize, receivers: usize) -> f64 {
    run(async move {
        let tx = F::tx();
        // The number of receivers that have not yet seen everything that was sent, and the notification that the last
        // one sends.
        let behind = Arc::new(AtomicUsize::new(0));
        let caught_up = Arc::new(heist::sync::Notify::new());
        for _ in 0..receivers {
            let mut rx = F::rx(&tx);
            let (behind, caught_up) = (behind.clone(), caught_up.clone());
            drop(heist::spawn(async move {
                loop {
                    for _ in 0..F::ROOM {
                        F::recv(&mut rx).await;
                    }
                    // Ordering: hint only. The notification orders what matters.
                    if behind.fetch_sub(1, Ordering::Relaxed) == 1 {
                        caught_up.notify_one();
                    }
                }
            }));
        }
        let start = Instant::now();
        for _ in 0..count / F::ROOM {
            // Ordering: hint only. What is sent next orders it.
            behind.store(receivers, Ordering::Relaxed);
            for value in 0..F::ROOM {
                F::send(&tx, value as u64);
            }
            caught_up.notified().await;
        }
        let nanos = nanos_each(start, count / F::ROOM * F::ROOM);
        // Receivers that lose their sender would panic. So the sender stays until the process ends.
        std::mem::forget(tx);
        nanos
    })
}

pub(super) fn fan_1<F: Fan>(count: usize) -> f64 {
    fan::<F>(count, 1)
}

pub(super) fn fan_8<F: Fan>(count: usize) -> f64 {
    fan::<F>(count, 8)
}

pub(super) fn fan_64<F: Fan>(count: usize) -> f64 {
    fan::<F>(count, 64)
}
