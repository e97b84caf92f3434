//! Tasks that talk: oneshots, channels, a mutex.

use std::sync::Arc;
use std::time::Instant;

use super::spawn::inside;
use crate::rt::{Lock as _, OneTx as _, Rt, Rx as _, Tx as _};
use benches::measure::nanos_each;

const CAPACITY: usize = 128;

/// Each pair consists of two new tasks that hand a value there and back. A thousand pairs run at a time.
pub(super) fn ping_pong<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const PAIRS: usize = 1_000;
    const TIMES: usize = 50;
    async fn round<R: Rt>(count: usize) -> f64 {
        let start = Instant::now();
        let pair = || {
            R::spawn(async {
                let (ping, pinged) = R::oneshot();
                let (pong, ponged) = R::oneshot();
                R::spawn_detached(async move {
                    pinged.await;
                    pong.send(());
                });
                ping.send(());
                ponged.await;
            })
        };
        let pairs: Vec<_> = (0..count).map(|_| pair()).collect();
        for pair in pairs {
            pair.await;
        }
        nanos_each(start, count)
    }
    inside(runtime, async {
        for _ in 0..TIMES / 10 {
            round::<R>(PAIRS).await;
        }
        let mut nanos = 0.0;
        for _ in 0..TIMES {
            nanos += round::<R>(PAIRS).await;
        }
        nanos / TIMES as f64
    })
}

pub(super) fn ring<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const NODES: usize = 500;
    const TOKENS: usize = 8;
    const LAPS: usize = 200;
    inside(runtime, async {
        let start = Instant::now();
        let (first, mut inbox) = R::channel::<usize>(CAPACITY);
        let (finished, mut tokens) = R::channel::<()>(TOKENS);
        for node in 0..NODES {
            let (next, next_inbox) = if node + 1 < NODES {
                let (next, next_inbox) = R::channel(CAPACITY);
                (next, Some(next_inbox))
            } else {
                (first.clone(), None)
            };
            let mut mine = match next_inbox {
                Some(next_inbox) => std::mem::replace(&mut inbox, next_inbox),
                None => std::mem::replace(&mut inbox, R::channel(1).1),
            };
            let finished = finished.clone();
            R::spawn_detached(async move {
                while let Some(hops) = mine.recv().await {
                    if hops == 0 {
                        finished.send(()).await;
                    } else {
                        next.send(hops - 1).await;
                    }
                }
            });
        }
        for _ in 0..TOKENS {
            first.send(NODES * LAPS).await;
        }
        for _ in 0..TOKENS {
            tokens.recv().await;
        }
        nanos_each(start, TOKENS * NODES * LAPS)
    })
}

pub(super) fn one_to_one<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    inside(runtime, many_to_one::<R>(1, 2_000_000))
}

pub(super) fn eight_to_one<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    inside(runtime, many_to_one::<R>(8, 2_000_000))
}

async fn many_to_one<R: Rt>(senders: usize, messages: usize) -> f64 {
    let start = Instant::now();
    let (sender, mut receiver) = R::channel::<usize>(CAPACITY);
    for _ in 0..senders {
        let sender = sender.clone();
        R::spawn_detached(async move {
            for message in 0..messages / senders {
                sender.send(message).await;
            }
        });
    }
    drop(sender);
    let receiver = R::spawn(async move {
        let mut count = 0;
        while receiver.recv().await.is_some() {
            count += 1;
        }
        count
    });
    assert_eq!(receiver.await, messages);
    nanos_each(start, messages)
}

pub(super) fn mutex<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const TASKS: usize = 64;
    const LOCKS: usize = 10_000;
    inside(runtime, async {
        let lock = Arc::new(R::Lock::new());
        let start = Instant::now();
        let task = || {
            let lock = lock.clone();
            R::spawn(async move {
                for _ in 0..LOCKS {
                    lock.add_one().await;
                }
            })
        };
        let tasks: Vec<_> = (0..TASKS).map(|_| task()).collect();
        for task in tasks {
            task.await;
        }
        nanos_each(start, TASKS * LOCKS)
    })
}
