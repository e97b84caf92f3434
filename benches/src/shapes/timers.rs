//! Deadlines.

use std::future::{Future as _, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::spawn::inside;
use crate::rt::Rt;
use benches::measure::{nanos_each, percentile, process_cpu, resident_bytes};

const MILLION: usize = 1_000_000;

/// The usual life of a timeout: its first poll arms it, and it is dropped long before it fires.
pub(super) fn timeout_dropped<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const TIMEOUTS: usize = 500_000;
    async fn round<R: Rt>(count: usize) -> f64 {
        let start = Instant::now();
        for _ in 0..count {
            let mut timeout = pin!(R::timeout(Duration::from_secs(30), pending()));
            poll_fn(|cx| {
                assert!(timeout.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        }
        nanos_each(start, count)
    }
    inside(runtime, async {
        round::<R>(TIMEOUTS / 10).await;
        round::<R>(TIMEOUTS).await
    })
}

pub(super) fn many_sleeps<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const SLEEPS: u64 = 200_000;
    const WITHIN_MICROS: u64 = 500_000;
    inside(runtime, async {
        let before = process_cpu();
        let sleeper = |number: u64| {
            // Spread over half a second, in no order.
            let micros = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % WITHIN_MICROS;
            R::spawn(async move { R::sleep(Duration::from_micros(micros)).await })
        };
        let sleepers: Vec<_> = (0..SLEEPS).map(sleeper).collect();
        for sleeper in sleepers {
            sleeper.await;
        }
        (process_cpu() - before).as_nanos() as f64 / SLEEPS as f64
    })
}

/// Many timeouts at a time, each far from firing. They are in boxes, which count as their memory.
pub(super) fn million_held<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    runtime.block_on(runtime.spawn_from_outside(async {
        let (before, resident) = (process_cpu(), resident_bytes());
        let mut all = Vec::with_capacity(MILLION);
        for number in 0..MILLION as u64 {
            // Between 30 s and a minute, in no order.
            let micros = 30_000_000 + number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 30_000_000;
            let mut timeout = Box::pin(R::timeout(Duration::from_micros(micros), pending()));
            poll_fn(|cx| {
                assert!(timeout.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            all.push(timeout);
            // As it would be, if each belonged to a task of its own.
            R::yield_now().await;
        }
        let bytes = resident_bytes() - resident;
        drop(all);
        let cpu = (process_cpu() - before).as_nanos() as f64;
        vec![cpu / MILLION as f64, bytes as f64 / MILLION as f64]
    }))
}

/// Many tasks with a timeout each, and all fire. Their start and their end count too.
pub(super) fn million_fire<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    runtime.block_on(runtime.spawn_from_outside(async {
        let (before, resident) = (process_cpu(), resident_bytes());
        // The first fires after most tasks have begun.
        let first = Duration::from_secs(4);
        let start = Instant::now();
        let waits = |number: u64| {
            let micros = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 1_000_000;
            let at = first + Duration::from_micros(micros);
            R::spawn(async move {
                let left = at.saturating_sub(start.elapsed());
                assert!(!R::timeout(left, pending()).await);
            })
        };
        let mut all = Vec::with_capacity(MILLION);
        for number in 0..MILLION as u64 {
            all.push(waits(number));
            if number % 64 == 0 {
                R::yield_now().await;
            }
        }
        R::sleep(first.saturating_sub(start.elapsed())).await;
        let bytes = resident_bytes() - resident;
        for task in all {
            task.await;
        }
        let cpu = (process_cpu() - before).as_nanos() as f64;
        vec![cpu / MILLION as f64, bytes as f64 / MILLION as f64]
    }))
}

pub(super) fn late<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    inside(runtime, async {
        let mut late = lateness::<R>(500).await;
        percentile(&mut late, 50)
    })
}

/// By how many µs each of `count` sleeps of 1 ms was late. The sleeps come one after the other.
pub(super) async fn lateness<R: Rt>(count: usize) -> Vec<f64> {
    const SLEEP: Duration = Duration::from_millis(1);
    let mut late = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        R::sleep(SLEEP).await;
        late.push(start.elapsed().saturating_sub(SLEEP).as_nanos() as f64 / 1_000.0);
    }
    late
}
