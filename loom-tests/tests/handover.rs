//! The poller's hand-over: whenever the poller is free or somebody is at work, the reactor thread is awake or ticking.

use heist_reactor::protocol::{Handover, Held};
use heist_sync::sys::atomic::{AtomicUsize, Ordering};
use heist_sync::sys::{Arc, Condvar, Mutex, thread};
use loom_tests::{Census, model};

/// Takes the poller as the reactor thread does, resting in between.
fn rest_until_free(handover: &Handover<Arc<()>>) -> Held<'_, Arc<()>> {
    loop {
        if let Some(held) = handover.rest(|| true).or_else(|| handover.try_borrow()) {
            return held;
        }
    }
}

/// Two workers borrow the poller and let it go while the reactor thread goes to rest. It must get the poller in the
/// end: where it slept on, the model would stand still.
#[test]
fn a_poller_let_go_wakes_the_thread_that_rests() {
    let census = Census::new(&["at once", "woken"]);
    let counted = census.clone();
    model(
        "a_poller_let_go_wakes_the_thread_that_rests",
        Some(3),
        move || {
            let handover = Arc::new(Handover::new(Arc::new(())));
            let held = handover.try_borrow().expect("free");
            let resting = thread::spawn({
                let (handover, counted) = (handover.clone(), counted.clone());
                move || {
                    let at_once = handover.rest(|| true);
                    counted.saw(if at_once.is_some() {
                        "at once"
                    } else {
                        "woken"
                    });
                    drop(at_once);
                    drop(rest_until_free(&handover));
                }
            });
            let other = thread::spawn({
                let handover = handover.clone();
                move || drop(handover.try_borrow())
            });
            drop(held);
            other.join().unwrap();
            resting.join().unwrap();
            assert!(handover.try_borrow().is_some(), "free at last");
        },
    );
    census.assert_all_seen();
}

/// The thread is told to end while it goes to rest and a worker holds the poller, for ever: the thread must not sleep.
#[test]
fn a_thread_told_to_end_does_not_rest() {
    model("a_thread_told_to_end_does_not_rest", None, || {
        let handover = Arc::new(Handover::new(Arc::new(())));
        let held = handover.try_borrow().expect("free");
        let resting = thread::spawn({
            let handover = handover.clone();
            move || {
                while !handover.is_stopped() {
                    assert!(handover.rest(|| true).is_none(), "somebody holds it");
                }
            }
        });
        let stopping = thread::spawn({
            let handover = handover.clone();
            move || handover.stop()
        });
        stopping.join().unwrap();
        resting.join().unwrap();
        drop(held);
    });
}

/// Who is at work, as a scheduler counts them: without any order of its own.
#[derive(Default)]
struct AtWork(AtomicUsize);

impl AtWork {
    /// One gets up, and tells the thread.
    fn get_up(&self, handover: &Handover<Arc<()>>, kick: impl FnOnce()) {
        self.0.fetch_add(1, Ordering::Relaxed);
        handover.rouse(kick);
    }

    fn nobody(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// Two workers get up while the thread, which holds the poller, goes to wait in it for good. It must not wait for good
/// before it has seen one of them: where it did, the model would stand still.
#[test]
fn one_who_gets_up_wakes_the_thread_that_settles() {
    let census = Census::new(&["seen", "kicked"]);
    let counted = census.clone();
    model(
        "one_who_gets_up_wakes_the_thread_that_settles",
        Some(3),
        move || {
            let handover = Arc::new(Handover::new(Arc::new(())));
            let at_work = Arc::new(AtWork::default());
            let kicks = Arc::new((Mutex::new(0), Condvar::new()));
            let workers = [(); 2].map(|()| {
                let (handover, at_work, kicks) = (handover.clone(), at_work.clone(), kicks.clone());
                thread::spawn(move || {
                    at_work.get_up(&handover, || {
                        *kicks.0.lock() += 1;
                        kicks.1.notify_all();
                    });
                })
            });
            let held = handover.try_borrow().expect("free");
            handover.settle();
            if at_work.nobody() {
                counted.saw("kicked");
                let mut kicked = kicks.0.lock();
                while *kicked == 0 {
                    kicks.1.wait(&mut kicked);
                }
            } else {
                counted.saw("seen");
            }
            handover.unsettle();
            drop(held);
            for worker in workers {
                worker.join().unwrap();
            }
        },
    );
    census.assert_all_seen();
}

/// The same while the thread goes to rest, as a third holds the poller, for ever.
#[test]
fn one_who_gets_up_wakes_the_thread_that_rests() {
    let census = Census::new(&["seen", "woken"]);
    let counted = census.clone();
    model(
        "one_who_gets_up_wakes_the_thread_that_rests",
        Some(3),
        move || {
            let handover = Arc::new(Handover::new(Arc::new(())));
            let held = handover.try_borrow().expect("free");
            let at_work = Arc::new(AtWork::default());
            let workers = [(); 2].map(|()| {
                let (handover, at_work) = (handover.clone(), at_work.clone());
                thread::spawn(move || at_work.get_up(&handover, || panic!("it holds no poller")))
            });
            let mut quiet = false;
            let none = handover.rest(|| {
                quiet = at_work.nobody();
                quiet
            });
            assert!(none.is_none(), "somebody holds it");
            counted.saw(if quiet { "woken" } else { "seen" });
            drop(held);
            for worker in workers {
                worker.join().unwrap();
            }
        },
    );
    census.assert_all_seen();
}
