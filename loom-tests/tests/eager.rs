//! A task's first poll on the thread that spawns it, against a wake and the end of the runtime.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use heist_sync::sys::atomic::{AtomicBool, Ordering};
use heist_sync::sys::{Arc, Mutex, thread};
use loom_tests::block_on::block_on;
use loom_tests::fake::Fake;
use loom_tests::{Census, model};

/// A thread that is no worker polls a new task, another wakes it, and the runtime ends: the handle resolves, the
/// future is dropped once, and the runtime ends after it.
#[test]
fn eager_poll_against_wake_against_shutdown() {
    let census = Census::new(&["completed", "dropped"]);
    let counted = census.clone();
    let name = "eager_poll_against_wake_against_shutdown";
    model(name, Some(2), move || {
        let fake = Fake::default();
        let flag = Arc::new(AtomicBool::new(false));
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let payload = Arc::new(());
        let (spawner, seen, given, held) =
            (fake.clone(), flag.clone(), wakers.clone(), payload.clone());
        let spawning = thread::spawn(move || {
            let handle = spawner.spawn_eager(poll_fn(move |cx| {
                let _held = &held;
                given.lock().push(cx.waker().clone());
                match seen.load(Ordering::Relaxed) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            }));
            block_on(handle).is_ok()
        });
        let waking = thread::spawn(move || {
            flag.store(true, Ordering::Relaxed);
            let given = std::mem::take(&mut *wakers.lock());
            given.into_iter().for_each(Waker::wake);
        });
        fake.shut_down();
        let completed = spawning.join().expect("no panic");
        waking.join().expect("no panic");
        assert_eq!(Arc::strong_count(&payload), 1);
        counted.saw(if completed { "completed" } else { "dropped" });
    });
    census.assert_all_seen();
}
