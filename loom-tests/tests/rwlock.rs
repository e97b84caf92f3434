//! The reader-writer lock: one writer or many readers, and no waiter asleep beside a lock that would take it.
//!
//! Under loom a waiter that is beaten once to the lock is starving, so hand-overs take part in each model.

#[path = "support/poll.rs"]
mod support;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use heist_sync::sys::cell::UnsafeCell;
use heist_sync::sys::{Arc, thread};
use heist_sync::{
    OwnedRwLockReadGuard, OwnedRwLockUpgradableReadGuard, OwnedRwLockWriteGuard, RwLock,
    RwLockUpgradableReadGuard,
};
use loom_tests::{Census, model};
use support::{block_on, poll_once};

/// A number in a cell that the model watches: an access that the lock doesn't order fails it.
struct Watched(UnsafeCell<u32>);

// SAFETY: a number may be sent.
unsafe impl Send for Watched {}
// SAFETY: the lock hands the cell to one to write or to many to read; that it does, the model's cell checks.
unsafe impl Sync for Watched {}

impl Watched {
    fn get(&self) -> u32 {
        self.0.with(|number| {
            // SAFETY: the caller holds the lock.
            unsafe { *number }
        })
    }

    fn add(&self) -> u32 {
        self.0.with_mut(|number| {
            // SAFETY: the caller holds the lock as its writer.
            unsafe {
                *number += 1;
                *number
            }
        })
    }
}

/// Not the model's `Arc`: what is owned by a guard is shared by std's.
type Shared = std::sync::Arc<RwLock<Watched>>;
type Waiting<G> = Pin<Box<dyn Future<Output = G> + Send>>;

fn watched() -> RwLock<Watched> {
    RwLock::new(Watched(UnsafeCell::new(0)))
}

/// Polls once what must wait.
fn queue<G>(future: impl Future<Output = G> + Send + 'static) -> Waiting<G> {
    let mut waiting: Waiting<G> = Box::pin(future);
    poll_pending(&mut waiting);
    waiting
}

fn poll_pending<G>(waiting: &mut Waiting<G>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
}

/// A lock held to read, and a writer that waits for it, starving: it was woken once to find the lock taken again.
fn starving_writer() -> (
    Shared,
    OwnedRwLockReadGuard<Watched>,
    Waiting<OwnedRwLockWriteGuard<Watched>>,
) {
    let lock = Shared::new(watched());
    let held = lock.clone().try_read_owned().unwrap();
    let mut waiting = queue(lock.clone().write_owned());
    drop(held);
    let barged = lock.clone().try_write_owned().unwrap();
    poll_pending(&mut waiting);
    (lock, barged.downgrade(), waiting)
}

/// Two writers, one of which goes on as a reader, and a reader between them.
#[test]
fn rwlock_two_writers_a_reader_and_a_downgrade() {
    let census = Census::new(&["saw 0", "saw 1", "saw 2"]);
    let counted = census.clone();
    model(
        "rwlock_two_writers_a_reader_and_a_downgrade",
        Some(2),
        move || {
            let lock = Arc::new(watched());
            let downgrading = {
                let lock = lock.clone();
                thread::spawn(move || {
                    let guard = block_on(lock.write());
                    let written = guard.add();
                    let guard = guard.downgrade();
                    assert_eq!(guard.get(), written);
                })
            };
            let writing = {
                let lock = lock.clone();
                thread::spawn(move || {
                    block_on(lock.write()).add();
                })
            };
            let seen = block_on(lock.read()).get();
            counted.saw(["saw 0", "saw 1", "saw 2"][seen as usize]);
            downgrading.join().unwrap();
            writing.join().unwrap();
            assert_eq!(lock.try_write().unwrap().add(), 3);
        },
    );
    census.assert_all_seen();
}

/// A starving writer has the lock handed over by the reader that leaves, while another tries to barge in.
#[test]
fn rwlock_hand_over_keeps_others_out() {
    let census = Census::new(&["in time", "kept out"]);
    let counted = census.clone();
    model("rwlock_hand_over_keeps_others_out", Some(3), move || {
        let (lock, held, waiting) = starving_writer();
        let leaving = thread::spawn(move || drop(held));
        let barging = {
            let lock = lock.clone();
            thread::spawn(move || lock.try_write().is_ok_and(|number| number.add() > 0))
        };
        let guard = block_on(waiting);
        let before = guard.get();
        guard.add();
        drop(guard);
        leaving.join().unwrap();
        // On real threads it takes longer to starve.
        assert!(
            before == 0 || cfg!(not(heist_loom)),
            "nobody comes before one who starves"
        );
        let barged = barging.join().unwrap();
        counted.saw(if barged { "in time" } else { "kept out" });
        assert_eq!(lock.try_write().unwrap().add(), 2 + u32::from(barged));
    });
    census.assert_all_seen();
}

/// The last reader leaves while another waiter's leaving serves the line: the starving writer has the lock handed over all
/// the same, and nobody gets in before it looks.
#[test]
fn rwlock_room_made_during_a_serve_is_handed_over() {
    model(
        "rwlock_room_made_during_a_serve_is_handed_over",
        Some(3),
        || {
            let (lock, held, mut waiting) = starving_writer();
            let behind = queue(lock.clone().write_owned());
            let leaving = thread::spawn(move || drop(held));
            let giving_up = thread::spawn(move || drop(behind));
            // On real threads it takes longer to starve.
            let kept_out = || lock.try_write().is_err() || cfg!(not(heist_loom));
            assert!(kept_out());
            leaving.join().unwrap();
            giving_up.join().unwrap();
            assert!(kept_out(), "it is the starving writer's by now");
            let mut cx = Context::from_waker(Waker::noop());
            assert!(waiting.as_mut().poll(&mut cx).is_ready());
        },
    );
}

/// The lock is handed to a writer that leaves: a reader that waits behind it gets it all the same.
#[test]
fn rwlock_hand_over_to_one_who_leaves() {
    let census = Census::new(&["waited", "did not"]);
    let counted = census.clone();
    model("rwlock_hand_over_to_one_who_leaves", Some(2), move || {
        let (lock, held, waiting) = starving_writer();
        let leaving = thread::spawn(move || drop(held));
        let reading = {
            let lock = lock.clone();
            let counted = counted.clone();
            thread::spawn(move || {
                counted.saw(match lock.try_read() {
                    Ok(_) => "did not",
                    Err(_) => "waited",
                });
                block_on(lock.read()).get();
            })
        };
        thread::yield_now();
        drop(waiting);
        leaving.join().unwrap();
        reading.join().unwrap();
        assert_eq!(lock.try_write().unwrap().add(), 1);
    });
    census.assert_all_seen();
}

/// A writer that waits gives up while the lock comes its way: a reader and a writer get it all the same.
#[test]
fn rwlock_cancelled_waiter() {
    let census = Census::new(&["given up", "locked"]);
    let counted = census.clone();
    model("rwlock_cancelled_waiter", Some(2), move || {
        let lock = Arc::new(watched());
        let held = lock.try_write().unwrap();
        let giving_up = {
            let lock = lock.clone();
            thread::spawn(move || poll_once(lock.write()).is_some())
        };
        let reading = {
            let lock = lock.clone();
            thread::spawn(move || block_on(lock.read()).get())
        };
        thread::yield_now();
        held.add();
        drop(held);
        let locked = giving_up.join().unwrap();
        counted.saw(if locked { "locked" } else { "given up" });
        assert_eq!(reading.join().unwrap(), 1);
        assert_eq!(lock.try_write().unwrap().add(), 2);
    });
    census.assert_all_seen();
}

/// A writer gives up that waits for one reader, and has others wait behind it: they come in while that reader stays.
#[test]
fn rwlock_a_writer_that_gives_up_lets_readers_in() {
    let census = Census::new(&["before", "behind"]);
    let counted = census.clone();
    model(
        "rwlock_a_writer_that_gives_up_lets_readers_in",
        None,
        move || {
            let lock = Arc::new(watched());
            let held = lock.try_read().unwrap();
            let giving_up = {
                let lock = lock.clone();
                thread::spawn(move || assert!(poll_once(lock.write()).is_none()))
            };
            let reading = {
                let lock = lock.clone();
                thread::spawn(move || {
                    let at_once = poll_once(lock.read()).is_some();
                    block_on(lock.read()).get();
                    at_once
                })
            };
            held.get();
            let at_once = reading.join().unwrap();
            counted.saw(if at_once { "before" } else { "behind" });
            giving_up.join().unwrap();
            drop(held);
            assert_eq!(lock.try_write().unwrap().add(), 1);
        },
    );
    census.assert_all_seen();
}

/// A scout is on its way to read; the upgradable reader leaves meanwhile, and trusts the scout to serve the next one.
fn scout_serves(
    name: &str,
    goes: impl Fn(Waiting<OwnedRwLockReadGuard<Watched>>) + Send + Sync + 'static,
) {
    model(name, Some(2), move || {
        let lock = Shared::new(watched());
        let held = lock.clone().try_write_owned().unwrap();
        let scout = queue(lock.clone().read_owned());
        let next = queue(lock.clone().upgradable_read_owned());
        let upgradable = held.downgrade_to_upgradable();
        let waiting = thread::spawn(move || block_on(next).get());
        let leaving = thread::spawn(move || {
            upgradable.get();
            drop(upgradable);
        });
        goes(scout);
        waiting.join().unwrap();
        leaving.join().unwrap();
        assert_eq!(lock.try_write().unwrap().add(), 1);
    });
}

/// It serves once it has the lock.
#[test]
fn rwlock_a_scout_that_reads_serves() {
    scout_serves("rwlock_a_scout_that_reads_serves", |scout| {
        block_on(scout).get();
    });
}

/// It serves when it gives up.
#[test]
fn rwlock_a_scout_that_leaves_serves() {
    scout_serves("rwlock_a_scout_that_leaves_serves", drop);
}

/// Two readers were woken together and go their ways, one by giving up: the writer behind them gets the lock.
#[test]
fn rwlock_woken_readers_before_a_writer() {
    model("rwlock_woken_readers_before_a_writer", Some(2), || {
        let lock = Shared::new(watched());
        let held = lock.clone().try_write_owned().unwrap();
        let first = queue(lock.clone().read_owned());
        let second = queue(lock.clone().read_owned());
        let writer = queue(lock.clone().write_owned());
        drop(held);
        let reading = thread::spawn(move || block_on(first).get());
        let writing = thread::spawn(move || block_on(writer).add());
        thread::yield_now();
        drop(second);
        reading.join().unwrap();
        assert_eq!(writing.join().unwrap(), 1);
        assert_eq!(lock.try_write().unwrap().add(), 2);
    });
}

/// An upgrade against a reader that leaves and comes again, and a writer that waits.
#[test]
fn rwlock_upgrade_against_readers() {
    let census = Census::new(&["read before", "read after", "kept out"]);
    let counted = census.clone();
    model("rwlock_upgrade_against_readers", Some(2), move || {
        let lock = Shared::new(watched());
        let reader = lock.clone().try_read_owned().unwrap();
        let upgradable = lock.try_upgradable_read().unwrap();
        let coming = {
            let lock = lock.clone();
            thread::spawn(move || {
                reader.get();
                drop(reader);
                lock.try_read().ok().map(|number| number.get())
            })
        };
        let writing = {
            let lock = lock.clone();
            thread::spawn(move || block_on(lock.write()).add())
        };
        let before = upgradable.get();
        let guard = block_on(RwLockUpgradableReadGuard::upgrade(upgradable));
        assert_eq!(guard.get(), before, "nobody writes before one who upgrades");
        guard.add();
        drop(guard);
        assert_eq!(writing.join().unwrap(), 2);
        counted.saw(match coming.join().unwrap() {
            Some(0) => "read before",
            Some(_) => "read after",
            None => "kept out",
        });
        assert_eq!(lock.try_write().unwrap().add(), 3);
    });
    census.assert_all_seen();
}

/// An upgrade is given up while the reader that it waits for leaves: another upgradable reader comes after it.
#[test]
fn rwlock_cancelled_upgrade() {
    model("rwlock_cancelled_upgrade", Some(2), || {
        let lock = Shared::new(watched());
        let reader = lock.clone().try_read_owned().unwrap();
        let upgradable = lock.clone().try_upgradable_read_owned().unwrap();
        let upgrading = queue(OwnedRwLockUpgradableReadGuard::upgrade(upgradable));
        let next = queue(lock.clone().upgradable_read_owned());
        let leaving = thread::spawn(move || {
            reader.get();
            drop(reader);
        });
        let upgrading_next = thread::spawn(move || {
            let guard = block_on(next);
            block_on(OwnedRwLockUpgradableReadGuard::upgrade(guard)).add();
        });
        drop(upgrading);
        leaving.join().unwrap();
        upgrading_next.join().unwrap();
        assert_eq!(lock.try_write().unwrap().add(), 2);
    });
}

/// As many readers as may be, one that leaves, and two that wait.
#[test]
fn rwlock_limited_readers() {
    model("rwlock_limited_readers", Some(2), || {
        let lock = Shared::new(RwLock::with_max_readers(Watched(UnsafeCell::new(0)), 1));
        let held = lock.clone().try_read_owned().unwrap();
        let readers = [(); 2].map(|()| {
            let lock = lock.clone();
            thread::spawn(move || block_on(lock.read()).get())
        });
        held.get();
        drop(held);
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 0);
        }
        assert_eq!(lock.try_write().unwrap().add(), 1);
    });
}
