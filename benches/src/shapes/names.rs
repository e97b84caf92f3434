//! Look-ups of names.

use std::time::Instant;

use crate::rt::Rt;
use benches::measure::nanos_each;

pub(super) fn look_up<R: Rt>(runtime: &R, _workers: usize) -> Vec<f64> {
    const NAMES: usize = 4_000;
    const AT_A_TIME: usize = 64;
    const ADDRESSES: usize = 100_000;
    runtime.block_on(runtime.spawn_from_outside(async {
        times::<R>("localhost", NAMES / 10).await;
        let start = Instant::now();
        times::<R>("localhost", NAMES).await;
        let one_by_one = nanos_each(start, NAMES) / 1_000.0;
        let start = Instant::now();
        let tasks: Vec<_> = (0..AT_A_TIME)
            .map(|_| R::spawn(times::<R>("localhost", NAMES / AT_A_TIME)))
            .collect();
        for task in tasks {
            task.await;
        }
        let together = nanos_each(start, NAMES / AT_A_TIME * AT_A_TIME) / 1_000.0;
        let start = Instant::now();
        times::<R>("127.0.0.1", ADDRESSES).await;
        vec![one_by_one, together, nanos_each(start, ADDRESSES)]
    }))
}

async fn times<R: Rt>(host: &'static str, count: usize) {
    for _ in 0..count {
        assert!(R::lookup(host).await > 0);
    }
}
