//! A set of tasks: completions against joining, aborting, detaching and dropping.

use heist_scheduler::task::{JoinError, JoinSet};
use heist_sync::sys::{Arc, thread};
use loom_tests::block_on::block_on;
use loom_tests::fake::Fake;
use loom_tests::{Census, model};

/// A set of two tasks whose outputs tell them apart, and the thread's share of each.
fn two_tasks(fake: &Fake) -> JoinSet<Arc<u8>> {
    let mut set = JoinSet::new();
    for i in 0..2 {
        set.insert(fake.spawn(async move { Arc::new(i) }));
    }
    set
}

fn output(joined: Option<Result<Arc<u8>, JoinError>>) -> u8 {
    *joined.expect("a task is left").expect("no panic")
}

/// Two workers complete a task each while the set is joined: each is joined once, and the wait ends.
#[test]
fn join_set_two_completions_against_join() {
    let census = Census::new(&["in order", "the other way"]);
    let counted = census.clone();
    model(
        "join_set_two_completions_against_join",
        Some(2),
        move || {
            let fake = Fake::default();
            let mut set = two_tasks(&fake);
            let runs = [(); 2].map(|()| fake.pop().expect("two were spawned"));
            let threads = runs.map(|task| thread::spawn(move || task.run()));
            let first = output(block_on(set.join_next()));
            let second = output(block_on(set.join_next()));
            assert_eq!(first + second, 1);
            assert!(block_on(set.join_next()).is_none());
            counted.saw(if first == 0 {
                "in order"
            } else {
                "the other way"
            });
            for thread in threads {
                thread.join().expect("no panic");
            }
        },
    );
    census.assert_all_seen();
}

/// A task comes into the set while it completes: it is announced once, by its note or by the set.
#[test]
fn join_set_insert_against_completion() {
    model("join_set_insert_against_completion", Some(3), || {
        let fake = Fake::default();
        let handles = [0, 1].map(|i| fake.spawn(async move { Arc::new(i) }));
        let runs = [(); 2].map(|()| fake.pop().expect("two were spawned"));
        let threads = runs.map(|task| thread::spawn(move || task.run()));
        let mut set = JoinSet::new();
        for handle in handles {
            set.insert(handle);
        }
        let both = output(block_on(set.join_next())) + output(block_on(set.join_next()));
        assert_eq!(both, 1);
        assert!(set.is_empty() && set.try_join_next().is_none());
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}

/// A completion, an abort of all, and a join: each task is joined once, with one result or the other.
#[test]
fn join_set_completion_against_abort_against_join() {
    let census = Census::new(&["completed", "cancelled"]);
    let counted = census.clone();
    let name = "join_set_completion_against_abort_against_join";
    model(name, Some(2), move || {
        let fake = Fake::default();
        let mut set = JoinSet::new();
        let abort = set.insert(fake.spawn(async { Arc::new(0) }));
        let task = fake.pop().expect("it was spawned");
        let running = thread::spawn(move || task.run());
        let aborting = thread::spawn(move || abort.abort());
        match block_on(set.join_next()).expect("one task") {
            Ok(_) => counted.saw("completed"),
            Err(error) => {
                assert!(error.is_cancelled());
                counted.saw("cancelled");
            }
        }
        assert!(block_on(set.join_next()).is_none());
        running.join().expect("no panic");
        aborting.join().expect("no panic");
    });
    census.assert_all_seen();
}

/// The set is dropped while two workers complete its tasks: outputs, notes and the queue are freed, once.
#[test]
fn join_set_drop_against_completions() {
    model("join_set_drop_against_completions", Some(2), || {
        let fake = Fake::default();
        let set = two_tasks(&fake);
        let runs = [(); 2].map(|()| fake.pop().expect("two were spawned"));
        let threads = runs.map(|task| thread::spawn(move || task.run()));
        drop(set);
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(fake.owned().live(), 0);
    });
}

/// A task is detached while it completes, and another comes into the set under its key: the set isn't told of the
/// first one's end as if it were the second's.
#[test]
fn join_set_detach_against_completion() {
    model("join_set_detach_against_completion", Some(3), || {
        let fake = Fake::default();
        let mut set = JoinSet::new();
        set.insert(fake.spawn(async { Arc::new(0) }));
        let first = fake.pop().expect("it was spawned");
        let running = thread::spawn(move || first.run());
        set.detach_all();
        set.insert(fake.spawn(async { Arc::new(1) }));
        let second = fake.pop().expect("it was spawned");
        let later = thread::spawn(move || second.run());
        assert_eq!(output(block_on(set.join_next())), 1);
        running.join().expect("no panic");
        later.join().expect("no panic");
    });
}
