//! A group of tasks: ends of its children against spawning, joining and dropping.

use std::future::pending;

use heist_scheduler::task::TaskGroup;
use heist_sync::sys::atomic::{AtomicBool, Ordering};
use heist_sync::sys::{Arc, thread};
use loom_tests::block_on::block_on;
use loom_tests::fake::Fake;
use loom_tests::{Census, model};

type Group = TaskGroup<Arc<u8>, Arc<u8>>;

/// Two children end on two threads while the group is joined: the wait ends, with both outputs in order.
#[test]
fn task_group_ends_against_join() {
    model("task_group_ends_against_join", Some(2), || {
        let fake = Fake::default();
        let group = Group::new();
        for i in 0..2 {
            group.spawn_by(async move { Ok(Arc::new(i)) }, |child| {
                fake.spawn(child).abort_handle()
            });
        }
        let runs = [(); 2].map(|()| fake.pop().expect("two were spawned"));
        let threads = runs.map(|task| thread::spawn(move || task.run()));
        let outputs = block_on(group.join()).expect("no failure");
        assert_eq!(outputs.iter().map(|i| **i).collect::<Vec<_>>(), [0, 1]);
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}

/// A child fails while another, which would never end, is spawned, while a third thread runs what comes: the other is
/// refused or cancelled, and the wait ends.
#[test]
fn task_group_failure_against_spawn() {
    let census = Census::new(&["spawned", "refused"]);
    let counted = census.clone();
    model("task_group_failure_against_spawn", Some(2), move || {
        let fake = Fake::default();
        let group = Group::new();
        let failing = async { Err(Arc::new(7)) };
        group.spawn_by(failing, |child| fake.spawn(child).abort_handle());
        let task = fake.pop().expect("it was spawned");
        let failing = thread::spawn(move || task.run());
        let ended = Arc::new(AtomicBool::new(false));
        let (runner, end) = (fake.clone(), ended.clone());
        let running = thread::spawn(move || runner.run_until(|| end.load(Ordering::Acquire)));
        let spawned = group.spawn_by(pending(), |child| fake.spawn(child).abort_handle());
        counted.saw(match spawned {
            Some(_) => "spawned",
            None => "refused",
        });
        let error = block_on(group.join()).expect_err("one failed");
        assert_eq!(error.failures().len(), 1);
        // Ordering: Release pairs with the Acquire of the runner, which runs no more then.
        ended.store(true, Ordering::Release);
        fake.nudge();
        failing.join().expect("no panic");
        running.join().expect("no panic");
    });
    census.assert_all_seen();
}

/// The group is dropped while one child succeeds and another begins a wait without end: both end, and everything is
/// freed, once.
#[test]
fn task_group_drop_against_ends() {
    model("task_group_drop_against_ends", Some(3), || {
        let fake = Fake::default();
        let group = Group::new();
        let payload = Arc::new(7);
        for i in 0..2 {
            let payload = payload.clone();
            let child = async move {
                if i == 1 {
                    pending::<()>().await;
                }
                Ok(payload)
            };
            group.spawn_by(child, |child| fake.spawn(child).abort_handle());
        }
        let runs = [(); 2].map(|()| fake.pop().expect("two were spawned"));
        let threads = runs.map(|task| thread::spawn(move || task.run()));
        drop(group);
        for thread in threads {
            thread.join().expect("no panic");
        }
        while let Some(task) = fake.pop() {
            task.run();
        }
        assert_eq!(fake.owned().live(), 0);
        assert_eq!(Arc::strong_count(&payload), 1);
    });
}
