//! The event loop: futures that are set once, and the queue of callbacks. These files of the front door use nothing but
//! `heist_sync::sys`.

#[path = "../../src/event_loop/futures/outcome.rs"]
#[allow(dead_code)] // Each model uses its part.
mod outcome;
#[path = "../../src/event_loop/callbacks/queue.rs"]
#[allow(dead_code)] // As above.
mod queue;

use std::task::{Wake, Waker};

use heist_sync::sys::atomic::{AtomicUsize, Ordering};
use heist_sync::sys::{Arc, Mutex, thread};
use loom_tests::{Census, model};
use outcome::Outcome;
use queue::{Next, Owed, Queue};

/// Counts the wakes. The counter isn't modelled: it orders nothing.
struct Counts(std::sync::atomic::AtomicUsize);

impl Wake for Counts {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// A result, a cancellation, and someone who adds a callback and a waker: one of the two is the outcome, the callback is
/// handed out once or comes back, and the waker is woken.
#[test]
fn event_loop_done_callbacks_against_set_and_cancel() {
    let census = Census::new(&["set", "cancelled", "callback taken", "callback refused"]);
    let counted = census.clone();
    let name = "event_loop_done_callbacks_against_set_and_cancel";
    model(name, Some(3), move || {
        let outcome = Arc::new(Outcome::<&str, Arc<u8>>::new());
        let callback = Arc::new(1);
        let woken = std::sync::Arc::new(Counts(0.into()));
        let setters: Vec<_> = ["set", "cancelled"]
            .map(|value| {
                let outcome = outcome.clone();
                thread::spawn(move || {
                    let (mut taken, mut wakers) = (0, 0);
                    let waker = |waker: Waker| {
                        wakers += 1;
                        waker.wake();
                    };
                    let set = outcome.set(value, |_| taken += 1, waker).is_ok();
                    (set, taken, wakers)
                })
            })
            .into_iter()
            .collect();
        let refused = usize::from(outcome.add(callback.clone()).1.is_some());
        let mut place = None;
        let pending = !outcome.wait(&mut place, &Waker::from(woken.clone()));
        let ended: Vec<_> = setters
            .into_iter()
            .map(|setter| setter.join().unwrap())
            .collect();
        assert!(ended[0].0 != ended[1].0, "one of them sets it");
        let taken = ended[0].1 + ended[1].1;
        assert_eq!(taken + refused, 1, "the callback is in one place");
        let wakes = woken.0.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(wakes, usize::from(pending), "whoever waits is woken");
        assert_eq!(Arc::strong_count(&callback), 1);
        let value = outcome.get().unwrap();
        assert_eq!(*value == "set", ended[0].0);
        counted.saw(value);
        counted.saw(if taken == 1 {
            "callback taken"
        } else {
            "callback refused"
        });
    });
    census.assert_all_seen();
}

/// Callbacks that are added during the set are handed out after those that were there, in their order, by whoever it
/// falls to.
#[test]
fn event_loop_done_callbacks_keep_their_order() {
    let census = Census::new(&["all by the setter", "all by the adder", "by both"]);
    let counted = census.clone();
    model(
        "event_loop_done_callbacks_keep_their_order",
        Some(3),
        move || {
            let outcome = Arc::new(Outcome::<(), u8>::new());
            let order = Arc::new(Mutex::new(Vec::new()));
            assert!(outcome.add(0).1.is_none());
            let setter = {
                let (outcome, order) = (outcome.clone(), order.clone());
                thread::spawn(move || {
                    let schedule = |callback| order.lock().push(callback);
                    outcome.set((), schedule, drop).unwrap();
                })
            };
            let removes = {
                let outcome = outcome.clone();
                thread::spawn(move || assert!(outcome.remove(77).is_none()))
            };
            let mut refused = 0;
            for callback in 1..=2 {
                if let (_, Some(callback)) = outcome.add(callback) {
                    refused += 1;
                    order.lock().push(callback);
                }
            }
            setter.join().unwrap();
            removes.join().unwrap();
            assert_eq!(*order.lock(), [0, 1, 2]);
            counted.saw(["all by the setter", "by both", "all by the adder"][refused]);
        },
    );
    census.assert_all_seen();
}

/// A loop in a model.
struct Loop {
    queue: Queue<usize, u64>,
    starting: Mutex<()>,
    /// How often each call ran.
    ran: [AtomicUsize; 3],
    /// How many runners are in a turn.
    inside: AtomicUsize,
}

impl Loop {
    fn new(gated: bool) -> Arc<Self> {
        Arc::new(Self {
            queue: Queue::new(gated),
            starting: Mutex::new(()),
            ran: [0, 0, 0].map(AtomicUsize::new),
            inside: AtomicUsize::new(0),
        })
    }

    /// Does what is owed. A runner that has to be started runs on this thread. `refuses` drops it instead. False if it
    /// was refused.
    fn settle(&self, owed: Owed, refuses: bool) -> bool {
        match owed {
            Owed::Nothing => return true,
            Owed::Wake => panic!("nobody waits for a time here"),
            Owed::Start => {}
        }
        let starting = self.starting.lock();
        if !self.queue.claim_start() {
            return true;
        }
        if refuses {
            assert!(self.queue.runner_dropped().is_none());
        }
        let accepted = self.queue.confirm_start();
        drop(starting);
        assert_eq!(accepted, !refuses);
        if accepted {
            self.run();
        }
        accepted
    }

    /// The runner.
    fn run(&self) {
        loop {
            match self.queue.next(|| 0) {
                Next::Turn(turn) => {
                    // Ordering: Relaxed: two runners at once would be a fault of the queue, which the model sees by the count.
                    assert_eq!(self.inside.fetch_add(1, Ordering::Relaxed), 0);
                    for call in turn {
                        self.ran[call].fetch_add(1, Ordering::Relaxed);
                    }
                    self.inside.fetch_sub(1, Ordering::Relaxed);
                    let _ = self.queue.end_turn();
                }
                Next::Wait(_) => panic!("there are no timers here"),
                Next::End => return,
            }
        }
    }

    fn push(&self, call: usize, refuses: bool) -> bool {
        let owed = self.queue.push(call).expect("nobody closes it");
        self.settle(owed, refuses)
    }

    fn ran(&self, call: usize) -> usize {
        self.ran[call].load(Ordering::Relaxed)
    }
}

/// Two threads give callbacks while a third stops the loop. The run ends, and no callback is lost: it runs in this run or
/// in the next one, once.
#[test]
fn event_loop_stop_against_call_soon() {
    let census = Census::new(&[
        "both in the first run",
        "one in the next",
        "both in the next",
    ]);
    let counted = census.clone();
    model("event_loop_stop_against_call_soon", Some(2), move || {
        let it = Loop::new(true);
        let (run, owed) = it.queue.begin_run().unwrap();
        assert_eq!(owed, Owed::Nothing);
        let givers: Vec<_> = (0..2)
            .map(|call| {
                let it = it.clone();
                thread::spawn(move || assert!(it.push(call, false)))
            })
            .collect();
        let owed = it.queue.stop(false);
        it.settle(owed, false);
        for giver in givers {
            giver.join().unwrap();
        }
        assert!(it.queue.is_over(run), "the stop is not heard");
        let first = it.ran(0) + it.ran(1);
        let (next, owed) = it.queue.begin_run().unwrap();
        it.settle(owed, false);
        assert_eq!((it.ran(0), it.ran(1)), (1, 1));
        assert!(!it.queue.is_over(next), "a stop counts once");
        counted.saw(
            [
                "both in the next",
                "one in the next",
                "both in the first run",
            ][first],
        );
    });
    census.assert_all_seen();
}

/// The runtime refuses one giver's runner, because it is being shut down, and lets in the others'. Their callbacks run.
#[test]
fn event_loop_a_refused_runner_keeps_no_other_call() {
    let census = Census::new(&["refused", "served by another"]);
    let counted = census.clone();
    model(
        "event_loop_a_refused_runner_keeps_no_other_call",
        Some(2),
        move || {
            let it = Loop::new(false);
            let outsider = {
                let it = it.clone();
                thread::spawn(move || it.push(0, true))
            };
            let insider = {
                let it = it.clone();
                thread::spawn(move || assert!(it.push(1, false)))
            };
            assert!(it.push(2, false));
            let accepted = outsider.join().unwrap();
            insider.join().unwrap();
            assert_eq!((it.ran(1), it.ran(2)), (1, 1));
            assert!(it.ran(0) <= 1);
            counted.saw(if accepted {
                "served by another"
            } else {
                "refused"
            });
        },
    );
    census.assert_all_seen();
}
