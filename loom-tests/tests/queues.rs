//! A worker's queues and the injector, as the scheduler uses them, against thieves: each task is run once, and what is
//! there is found. The queues beneath are the stand-in; their own races are for the stress tests.

use heist_scheduler::protocol::{Local, Open};
use heist_scheduler::task::{JoinHandle, Runnable};
use heist_sync::protocol::block_on;
use heist_sync::sys::deque::{Injector, Steal};
use heist_sync::sys::{Arc, thread};
use loom_tests::fake::Fake;
use loom_tests::{Census, model};

/// So many tasks, queued nowhere. The handles keep their memory: a task that is run twice fails by the state's
/// assertion.
fn tasks(fake: &Fake, n: usize) -> Vec<(Runnable, JoinHandle<()>)> {
    (0..n)
        .map(|_| {
            let handle = fake.spawn(std::future::ready(()));
            (fake.pop().expect("it was spawned"), handle)
        })
        .collect()
}

/// Takes and runs one task of `victim`, and whatever came with it.
fn steal_and_run(victim: &Open) -> usize {
    let (mine, _open) = Local::new();
    let first = victim.steal_into(&mine.fresh);
    let rest = std::iter::from_fn(|| mine.fresh.pop());
    first.into_iter().chain(rest).map(Runnable::run).count()
}

/// All were run, and none was dropped instead. A second run would have failed already, one that is lost stands still.
fn assert_all_ran(handles: Vec<JoinHandle<()>>) {
    for handle in handles {
        block_on(handle).expect("run, not dropped");
    }
}

/// An owner pushes and pops while two thieves take halves of its queues.
#[test]
fn queue_owner_against_two_thieves() {
    let census = Census::new(&["none stole", "one stole", "both stole"]);
    let counted = census.clone();
    model("queue_owner_against_two_thieves", Some(3), move || {
        let fake = Fake::default();
        let (local, open) = Local::new();
        let open = Arc::new(open);
        let (queued, handles): (Vec<_>, Vec<_>) = tasks(&fake, 4).into_iter().unzip();
        let thieves: Vec<_> = (0..2)
            .map(|_| {
                let open = open.clone();
                thread::spawn(move || steal_and_run(&open))
            })
            .collect();
        for (i, task) in queued.into_iter().enumerate() {
            if i == 1 {
                local.yielded.push(task);
            } else {
                local.fresh.push(task);
            }
        }
        let pop = || local.fresh.pop().or_else(|| local.yielded.pop());
        let kept = std::iter::from_fn(pop).map(Runnable::run).count();
        let stolen: Vec<_> = thieves
            .into_iter()
            .map(|thief| thief.join().expect("no panic"))
            .collect();
        assert_eq!(kept + stolen.iter().sum::<usize>(), 4);
        assert_all_ran(handles);
        let thieves = stolen.into_iter().filter(|&n| n > 0).count();
        counted.saw(["none stole", "one stole", "both stole"][thieves]);
    });
    census.assert_all_seen();
}

/// A queue that is never empty gives each of two thieves a task, though its owner and the other are in the way.
#[test]
fn queue_gives_a_thief_what_is_there() {
    model("queue_gives_a_thief_what_is_there", Some(3), || {
        let fake = Fake::default();
        let (local, open) = Local::new();
        let open = Arc::new(open);
        let mut queued = tasks(&fake, 4).into_iter();
        let mut handles = Vec::new();
        for (task, handle) in queued.by_ref().take(3) {
            local.fresh.push(task);
            handles.push(handle);
        }
        let thieves: Vec<_> = (0..2)
            .map(|_| {
                let open = open.clone();
                thread::spawn(move || open.has_work() && steal_and_run(&open) > 0)
            })
            .collect();
        for (task, handle) in queued {
            local.fresh.push(task);
            handles.push(handle);
        }
        for thief in thieves {
            assert!(thief.join().expect("no panic"), "it was told of nothing");
        }
        std::iter::from_fn(|| local.fresh.pop()).for_each(Runnable::run);
        assert_all_ran(handles);
    });
}

/// What comes from outside, in one batch after another, goes to two workers' queues, from where each may take the
/// other's.
#[test]
fn queue_batches_from_outside_arrive_once() {
    let census = Census::new(&["by one", "by both"]);
    let counted = census.clone();
    model(
        "queue_batches_from_outside_arrive_once",
        Some(3),
        move || {
            let fake = Fake::default();
            let injector = Arc::new(Injector::new());
            let (queued, handles): (Vec<_>, Vec<_>) = tasks(&fake, 4).into_iter().unzip();
            let (locals, opens): (Vec<_>, Vec<_>) = (0..2).map(|_| Local::new()).unzip();
            let opens = Arc::new(opens);
            let workers: Vec<_> = locals
                .into_iter()
                .enumerate()
                .map(|(me, local)| {
                    let (injector, opens) = (injector.clone(), opens.clone());
                    thread::spawn(move || {
                        let injected = match injector.steal_batch_and_pop(&local.fresh) {
                            Steal::Success(task) => Some(task),
                            Steal::Empty | Steal::Retry => None,
                        };
                        let first = injected.or_else(|| opens[1 - me].steal_into(&local.fresh));
                        first.into_iter().map(Runnable::run).count()
                            + std::iter::from_fn(|| local.fresh.pop())
                                .map(Runnable::run)
                                .count()
                    })
                })
                .collect();
            queued.into_iter().for_each(|task| injector.push(task));
            let ran: Vec<_> = workers
                .into_iter()
                .map(|worker| worker.join().expect("no panic"))
                .collect();
            // What came too late for both.
            let mut left = 0;
            while let Steal::Success(task) = injector.steal() {
                task.run();
                left += 1;
            }
            assert_eq!(ran.iter().sum::<usize>() + left, 4);
            assert_all_ran(handles);
            match ran[..] {
                [0, 0] => {}
                [0, _] | [_, 0] => counted.saw("by one"),
                _ => counted.saw("by both"),
            }
        },
    );
    census.assert_all_seen();
}
