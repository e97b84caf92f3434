//! The poller's hand-over: whenever the poller is free, the reactor thread is awake or ticking.

use heist_reactor::protocol::{Handover, Held};
use heist_sync::sys::{Arc, thread};
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
