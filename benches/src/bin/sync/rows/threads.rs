//! Threads at the ends of a channel, without a runtime.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use benches::measure::nanos_each;

use crate::libs::Blocking;

fn to_one<C: Blocking>(count: usize, capacity: usize, senders: usize) -> f64 {
    let (tx, mut rx) = C::ends(capacity);
    let start = Instant::now();
    let threads: Vec<_> = (0..senders)
        .map(|_| {
            let mut tx = tx.clone();
            thread::spawn(move || {
                for value in 0..count / senders {
                    C::send(&mut tx, value as u64);
                }
            })
        })
        .collect();
    drop(tx);
    let mut received = 0;
    while C::recv(&mut rx).is_some() {
        received += 1;
    }
    for thread in threads {
        thread.join().expect("no thread panics here");
    }
    nanos_each(start, received)
}

pub(super) fn one_to_one<C: Blocking>(count: usize) -> f64 {
    to_one::<C>(count, 128, 1)
}

pub(super) fn four_to_one<C: Blocking>(count: usize) -> f64 {
    to_one::<C>(count, 128, 4)
}

pub(super) fn eight_to_one_place<C: Blocking>(count: usize) -> f64 {
    to_one::<C>(count, 1, 8)
}

/// The same beside one thread for each core that does nothing but spin.
pub(super) fn eight_to_one_place_beside_burners<C: Blocking>(count: usize) -> f64 {
    let done = AtomicBool::new(false);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            // Ordering: hint only, the scope joins the threads.
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let figure = eight_to_one_place::<C>(count);
        // Ordering: as above.
        done.store(true, Ordering::Relaxed);
        figure
    })
}
