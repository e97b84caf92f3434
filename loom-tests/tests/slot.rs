//! The slot: its owner puts and takes, thieves look and steal; each task is run once.

use heist_scheduler::protocol::Slot;
use heist_sync::sys::atomic::{AtomicUsize, Ordering};
use heist_sync::sys::{Arc, thread};
use loom_tests::fake::Fake;
use loom_tests::{Census, model};

/// The owner puts two tasks and takes what is left, against two thieves.
#[test]
fn slot_gives_each_task_once() {
    let census = Census::new(&["kept", "stolen", "stolen twice"]);
    let counted = census.clone();
    model("slot_gives_each_task_once", Some(3), move || {
        let fake = Fake::default();
        let slot = Arc::new(Slot::new());
        let runs = Arc::new(AtomicUsize::new(0));
        let spawn = || {
            let runs = runs.clone();
            // The handle keeps the task's memory: run twice, it fails by the state's assertion, not by a crash.
            let handle = fake.spawn(async move {
                runs.fetch_add(1, Ordering::Relaxed);
            });
            (fake.pop().expect("it was spawned"), handle)
        };
        let ((first, _keep_first), (second, _keep_second)) = (spawn(), spawn());
        let thieves: Vec<_> = (0..2)
            .map(|_| {
                let slot = slot.clone();
                thread::spawn(move || {
                    let task = slot.look().and_then(|seen| slot.steal(seen));
                    let stolen = task.is_some();
                    if let Some(task) = task {
                        task.run();
                    }
                    stolen
                })
            })
            .collect();
        assert!(slot.put(first).is_none());
        if let Some(displaced) = slot.put(second) {
            displaced.run();
        }
        if let Some(task) = slot.take() {
            task.run();
        }
        let stolen = thieves
            .into_iter()
            .map(|thief| thief.join().expect("no panic"))
            .filter(|&stolen| stolen)
            .count();
        assert_eq!(runs.load(Ordering::Relaxed), 2);
        counted.saw(["kept", "stolen", "stolen twice"][stolen]);
    });
    census.assert_all_seen();
}

/// What a thief has seen may have left the slot and come back: it is the same task, scheduled again, and is run once
/// for each time.
#[test]
fn slot_may_hold_the_same_task_again() {
    model("slot_may_hold_the_same_task_again", Some(3), || {
        let fake = Fake::default();
        let slot = Arc::new(Slot::new());
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = polls.clone();
        let mut left = 2;
        let _keep = fake.spawn(std::future::poll_fn(move |cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            left -= 1;
            if left > 0 {
                cx.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(())
        }));
        assert!(slot.put(fake.pop().expect("it was spawned")).is_none());
        let thieves: Vec<_> = (0..2)
            .map(|_| {
                let slot = slot.clone();
                thread::spawn(move || {
                    if let Some(task) = slot.look().and_then(|seen| slot.steal(seen)) {
                        task.run();
                    }
                })
            })
            .collect();
        if let Some(task) = slot.take() {
            task.run();
            // It woke itself: scheduled, it goes to the slot again.
            if let Some(again) = fake.pop() {
                assert!(slot.put(again).is_none());
            }
        }
        for thief in thieves {
            thief.join().expect("no panic");
        }
        while let Some(task) = slot.take().or_else(|| fake.pop()) {
            task.run();
        }
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    });
}
