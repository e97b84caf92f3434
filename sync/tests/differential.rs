//! heist's primitives beside tokio's: the same operations on both at once, made up at random, must give the same answers,
//! the same wake-ups and the same counts. What differs and is meant to is listed in `differential/differences.rs`, with
//! the reason; any other difference fails, shrunk to a short list of operations.
//!
//! Each file of `differential` beside the driver describes one primitive by the names that heist and tokio share, and is
//! compiled twice, once for each.
//!
//! `HEIST_PROPTEST_CASES` asks for more cases of each primitive than CI runs. They are the same in each run.
#![cfg(not(any(heist_loom, heist_shuttle, miri)))]
#![allow(
    clippy::duplicate_mod,
    reason = "once for heist and once for tokio is the whole point"
)]

#[path = "support/task.rs"]
mod support;

#[path = "differential/differences.rs"]
mod differences;
#[path = "differential/driver.rs"]
mod driver;
#[path = "differential/parts.rs"]
mod parts;

#[path = "differential"]
mod heist {
    /// heist's, laid out as tokio's.
    pub(crate) mod sync {
        pub(crate) use heist_sync::*;
        pub(crate) mod futures {
            pub(crate) use heist_sync::OwnedNotified;
        }
    }

    pub(crate) mod actors;
    pub(crate) mod barrier;
    pub(crate) mod broadcast;
    pub(crate) mod limits;
    pub(crate) mod mpsc;
    pub(crate) mod mutex;
    pub(crate) mod notify;
    pub(crate) mod once;
    pub(crate) mod oneshot;
    pub(crate) mod rwlock;
    pub(crate) mod semaphore;
    pub(crate) mod set_once;
    pub(crate) mod unbounded;
    pub(crate) mod watch;
}

#[path = "differential"]
mod tokio {
    pub(crate) use ::tokio::sync;

    pub(crate) mod actors;
    pub(crate) mod barrier;
    pub(crate) mod broadcast;
    pub(crate) mod limits;
    pub(crate) mod mpsc;
    pub(crate) mod mutex;
    pub(crate) mod notify;
    pub(crate) mod once;
    pub(crate) mod oneshot;
    pub(crate) mod rwlock;
    pub(crate) mod semaphore;
    pub(crate) mod set_once;
    pub(crate) mod unbounded;
    pub(crate) mod watch;
}

use differences::judge;
use driver::{Value, check};

#[test]
fn mpsc_does_as_tokios() {
    for capacity in [1, 2, 3, 40, (1 << 28) - 1, 1 << 40] {
        check::<heist::mpsc::World, tokio::mpsc::World>("mpsc", capacity);
    }
}

#[test]
fn unbounded_does_as_tokios() {
    check::<heist::unbounded::World, tokio::unbounded::World>("mpsc", 0);
}

#[test]
fn oneshot_does_as_tokios() {
    check::<heist::oneshot::World, tokio::oneshot::World>("oneshot", 0);
}

#[test]
fn semaphore_does_as_tokios() {
    for permits in [0, 1, 3] {
        check::<heist::semaphore::World, tokio::semaphore::World>("semaphore", permits);
    }
}

#[test]
fn notify_does_as_tokios() {
    check::<heist::notify::World, tokio::notify::World>("notify", 0);
}

#[test]
fn broadcast_does_as_tokios() {
    for capacity in [1, 2, 3] {
        check::<heist::broadcast::World, tokio::broadcast::World>("broadcast", capacity);
    }
}

#[test]
fn watch_does_as_tokios() {
    check::<heist::watch::World, tokio::watch::World>("watch", 0);
}

#[test]
fn barrier_does_as_tokios() {
    for parties in [0, 1, 2, 3] {
        check::<heist::barrier::World, tokio::barrier::World>("barrier", parties);
    }
}

#[test]
fn once_does_as_tokios() {
    check::<heist::once::World, tokio::once::World>("once", 0);
}

#[test]
fn set_once_does_as_tokios() {
    check::<heist::set_once::World, tokio::set_once::World>("set_once", 0);
}

#[test]
fn mutex_does_as_tokios() {
    check::<heist::mutex::World, tokio::mutex::World>("mutex", 0);
}

#[test]
fn rwlock_does_as_tokios() {
    for readers in [1, 2, 1_000] {
        check::<heist::rwlock::World, tokio::rwlock::World>("rwlock", readers);
    }
}

#[test]
fn limits_are_tokios() {
    let both = heist::limits::outcomes()
        .into_iter()
        .zip(tokio::limits::outcomes());
    for ((what, heist), (_, tokio)) in both {
        let known = judge("limits", "any", what, &heist, &tokio);
        assert!(
            known.is_some(),
            "{what}: heist has {heist:?}, tokio {tokio:?}"
        );
    }
}

/// With tokio a request that was sent by a permit after the actor's end is kept, so there each client that sends is demanded
/// to end, and of those that reserve that the answers are right.
#[test]
fn actors_that_end_leave_no_client_without_an_answer() {
    use heist::actors::{Way, good, run};

    for seed in 0..3_000 {
        let clients = 2 + (seed % 5) as usize;
        for (way, of_tokio) in Way::ALL.into_iter().zip(tokio::actors::Way::ALL) {
            let ends = run(way, seed, clients);
            let known = judge(
                "actors",
                "any",
                "stuck",
                &Value::from(ends.stuck),
                &Value::from(0),
            );
            assert!(
                known.is_some(),
                "{way:?}, seed {seed}, {clients} clients: {ends:?}"
            );
            if ends.stuck == 0 {
                assert_eq!(ends, good(clients), "{way:?}, seed {seed}");
            }
            let ends = tokio::actors::run(of_tokio, seed, clients);
            let good = tokio::actors::good(clients);
            match of_tokio {
                tokio::actors::Way::Send | tokio::actors::Way::TrySend => assert_eq!(ends, good),
                _ => assert_eq!(ends.answers, good.answers),
            }
        }
    }
}
