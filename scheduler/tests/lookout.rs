//! What the lookout measures, while spares come and go. Alone in its process, whose panics it counts.

#[path = "support/watch.rs"]
mod watch;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use heist_reactor::time::sleep;
use heist_scheduler::task;
use watch::{watchdog, workers};

static PANICS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_spare_that_goes_takes_no_measure_along() {
    let _dog = watchdog();
    std::panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        eprintln!("{panic}");
    }));
    let runtime = workers(1);
    let (open, gate) = mpsc::channel::<()>();
    let blocked = runtime.spawn(async move {
        let _ = gate.recv();
    });
    // A spare does this.
    let polled = runtime.spawn(async {
        for _ in 0..10_000 {
            task::yield_now().await;
        }
    });
    runtime.block_on(polled).expect("no panic");
    assert!(runtime.metrics().num_spare_workers() > 0);
    drop(open);
    runtime.block_on(blocked).expect("no panic");
    let a_tick = || {
        let slept = runtime.spawn(sleep(Duration::from_millis(2)));
        runtime.block_on(slept).expect("no panic");
    };
    while runtime.metrics().num_spare_workers() > 0 {
        a_tick();
    }
    (0..20).for_each(|_| a_tick());
    drop(runtime);
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
}
