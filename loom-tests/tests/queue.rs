//! The queues of work: what is put is taken once, whoever gives up or shuts down meanwhile, and who joins hears of the
//! last item that is done.

#[path = "support/poll.rs"]
mod support;

use heist_sync::queue::Queue;
use heist_sync::sys::{Arc, thread};
use loom_tests::{Census, model};
use support::{block_on, poll_once};

/// Two items are put while one taker gives up after one look: each is taken once.
#[test]
fn queue_gives_each_item_to_one() {
    let census = Census::new(&["given up", "taken"]);
    let counted = census.clone();
    model("queue_gives_each_item_to_one", Some(2), move || {
        let queue = Arc::new(Queue::unbounded());
        let putting = {
            let queue = queue.clone();
            thread::spawn(move || {
                for item in [1, 2] {
                    queue.try_put(Arc::new(item)).expect("it is open");
                }
            })
        };
        let giving_up = {
            let queue = queue.clone();
            thread::spawn(move || poll_once(queue.get()))
        };
        let mut taken = vec![*block_on(queue.get()).expect("it is open")];
        let outcome = match giving_up.join().unwrap() {
            Some(item) => {
                taken.push(*item.expect("it is open"));
                "taken"
            }
            None => {
                taken.push(*block_on(queue.get()).expect("it is open"));
                "given up"
            }
        };
        putting.join().unwrap();
        counted.saw(outcome);
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
        assert!(queue.is_empty());
    });
    census.assert_all_seen();
}

/// A queue is shut down at once while one puts and one takes: each hears of it, and what was put is taken or dropped,
/// and done.
#[test]
fn queue_shut_down_keeps_nobody_waiting() {
    let census = Census::new(&["refused", "taken", "dropped"]);
    let counted = census.clone();
    model("queue_shut_down_keeps_nobody_waiting", Some(3), move || {
        let queue = Arc::new(Queue::unbounded());
        let putting = {
            let queue = queue.clone();
            thread::spawn(move || queue.try_put(Arc::new(1)).is_ok())
        };
        let taking = {
            let queue = queue.clone();
            thread::spawn(move || {
                let mut taken = 0;
                while let Ok(item) = block_on(queue.get()) {
                    taken += *item;
                    queue.task_done();
                }
                taken
            })
        };
        queue.shutdown(true);
        block_on(queue.join());
        let put = putting.join().unwrap();
        let taken = taking.join().unwrap();
        counted.saw(match (put, taken) {
            (false, 0) => "refused",
            (true, 1) => "taken",
            (true, 0) => "dropped",
            _ => panic!("taken though it was never put"),
        });
        assert_eq!((queue.len(), queue.unfinished()), (0, 0));
    });
    census.assert_all_seen();
}

/// An item is done while two threads join: they go on, at once or woken.
#[test]
fn queue_join_hears_of_the_last_item() {
    let census = Census::new(&["at once", "woken"]);
    let counted = census.clone();
    model("queue_join_hears_of_the_last_item", Some(2), move || {
        let queue = Arc::new(Queue::unbounded());
        queue.try_put(1).expect("it is open");
        let working = {
            let queue = queue.clone();
            thread::spawn(move || queue.task_done())
        };
        let joining = {
            let queue = queue.clone();
            thread::spawn(move || block_on(queue.join()))
        };
        counted.saw(match poll_once(queue.join()) {
            Some(()) => "at once",
            None => {
                block_on(queue.join());
                "woken"
            }
        });
        working.join().unwrap();
        joining.join().unwrap();
    });
    census.assert_all_seen();
}

/// Two items are done, the first maybe before the second is put: who joins after that isn't released by late news of the
/// first.
#[test]
fn queue_join_is_not_released_early() {
    model("queue_join_is_not_released_early", Some(2), || {
        let queue = Arc::new(Queue::unbounded());
        let workers = [1, 2].map(|item| {
            queue.try_put(item).expect("it is open");
            let queue = queue.clone();
            thread::spawn(move || queue.task_done())
        });
        block_on(queue.join());
        assert_eq!(queue.unfinished(), 0);
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
    });
}
