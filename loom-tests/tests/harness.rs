//! The harness itself: that loom explores, that a foreign outcome fails, that a model's panic is its test's.

use loom_tests::{Census, model};

/// Two threads that add one each by a load and a store. Some interleaving loses an update, so exploring must fail:
/// where this test does not panic, loom is not switched on beneath `sys`, and no other model shows anything.
#[test]
#[cfg(heist_loom)]
#[should_panic(expected = "an update was lost")]
fn canary_loses_an_update() {
    use heist_sync::sys::Arc;
    use heist_sync::sys::atomic::{AtomicUsize, Ordering};
    use heist_sync::sys::thread;

    model("canary_loses_an_update", None, || {
        let count = Arc::new(AtomicUsize::new(0));
        let add = |count: &AtomicUsize| {
            let seen = count.load(Ordering::SeqCst);
            count.store(seen + 1, Ordering::SeqCst);
        };
        let other = thread::spawn({
            let count = count.clone();
            move || add(&count)
        });
        add(&count);
        other.join().unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2, "an update was lost");
    });
}

/// The same with an atomic addition: every interleaving counts to two, and the model sees both orders.
#[test]
fn canary_keeps_both_updates() {
    use heist_sync::sys::Arc;
    use heist_sync::sys::atomic::{AtomicUsize, Ordering};
    use heist_sync::sys::thread;

    let census = Census::new(&["first", "second"]);
    let counted = census.clone();
    model("canary_keeps_both_updates", None, move || {
        let count = Arc::new(AtomicUsize::new(0));
        let other = thread::spawn({
            let count = count.clone();
            move || count.fetch_add(1, Ordering::AcqRel)
        });
        let before = count.fetch_add(1, Ordering::AcqRel);
        counted.saw(if before == 0 { "first" } else { "second" });
        assert_eq!(
            before + other.join().unwrap(),
            1,
            "one saw 0, the other saw 1"
        );
    });
    census.assert_all_seen();
}

#[test]
#[should_panic(expected = "not a legal outcome")]
fn an_outcome_that_is_not_legal_fails() {
    Census::new(&["ok"]).saw("cancelled");
}

#[test]
#[should_panic(expected = "on purpose")]
fn a_panic_in_a_model_is_a_panic_of_its_test() {
    model("a_panic_in_a_model_is_a_panic_of_its_test", None, || {
        panic!("on purpose")
    });
}
