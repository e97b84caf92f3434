//! Whether two processors are two cores. Only on two cores can one measure what two workers gain.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// One line: how long two threads take that spin at once, compared with one that spins alone.
pub fn report() -> String {
    let (alone, together) = (best(1), best(2));
    let ratio = together.as_secs_f64() / alone.as_secs_f64();
    let measured = format!("Two threads that spin at once take {ratio:.2} times as long as one");
    if ratio <= 1.1 {
        format!("{measured}: two real cores.")
    } else {
        format!(
            "**WARNING**: {measured}: the two processors share a core, or others use them. \
             Figures of two workers mean little here."
        )
    }
}

/// How long `threads` threads take that spin at once. The best of five tries.
fn best(threads: usize) -> Duration {
    let tries = (0..5).map(|_| {
        let start = Barrier::new(threads);
        std::thread::scope(|scope| {
            let spinners: Vec<_> = (0..threads).map(|_| scope.spawn(|| spin(&start))).collect();
            let times = spinners.into_iter().map(|spinner| spinner.join().unwrap());
            times.max().expect("a thread")
        })
    });
    tries.min().expect("a try")
}

/// Work of about 100 ms, which begins at `start`. It has eight chains of multiplications that don't wait for each
/// other, so one thread fills a core. Two hyperthreads of one core take twice as long.
fn spin(start: &Barrier) -> Duration {
    const STEPS: usize = 40_000_000;
    start.wait();
    let started = Instant::now();
    let mut chains = black_box([1_u64, 2, 3, 4, 5, 6, 7, 8]);
    for _ in 0..STEPS {
        for chain in &mut chains {
            *chain = chain.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
        }
    }
    black_box(chains);
    started.elapsed()
}
