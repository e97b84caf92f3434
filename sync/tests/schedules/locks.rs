//! What lets in one, or so many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use heist_sync::{
    Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard,
    Semaphore,
};
use shuttle::thread;

use crate::harness::{attempt, explore, on_threads, one_in, perhaps, pick, wait};

/// Counts who is inside, and lets others run meanwhile.
fn enter(inside: &AtomicUsize, n: usize, most: usize) {
    let before = inside.fetch_add(n, Ordering::SeqCst);
    assert!(before + n <= most, "{} inside, {most} allowed", before + n);
    thread::yield_now();
    inside.fetch_sub(n, Ordering::SeqCst);
}

#[test]
fn semaphore_permits_are_conserved() {
    const PERMITS: usize = 3;
    explore(|| {
        let semaphore = Arc::new(Semaphore::new(PERMITS));
        let (shared, inside) = (semaphore.clone(), AtomicUsize::new(0));
        on_threads(5, move |_| {
            for _ in 0..3 {
                let n = 1 + pick(PERMITS);
                match pick(6) {
                    0 => {
                        if let Some(permit) = perhaps(shared.acquire_many(n as u32)) {
                            let mut permit = permit.expect("open");
                            enter(&inside, n, PERMITS);
                            drop(permit.split(1));
                        }
                    }
                    1 => {
                        if let Some(permit) = perhaps(shared.clone().acquire_many_owned(n as u32)) {
                            enter(&inside, n, PERMITS);
                            drop(permit.expect("open"));
                        }
                    }
                    2 => {
                        if let Ok(permit) = shared.try_acquire_many(n as u32) {
                            enter(&inside, n, PERMITS);
                            drop(permit);
                        }
                    }
                    3 => {
                        // Given back by number.
                        wait(shared.acquire()).expect("open").forget();
                        enter(&inside, 1, PERMITS);
                        shared.add_permits(1);
                    }
                    4 => {
                        let taken = shared.forget_permits(n);
                        enter(&inside, taken, PERMITS);
                        shared.add_permits(taken);
                    }
                    _ => drop(shared.blocking_acquire_many(n as u32)),
                }
            }
        });
        assert_eq!(semaphore.available_permits(), PERMITS);
    });
}

#[test]
fn semaphore_close_reaches_all_who_wait() {
    explore(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let shared = semaphore.clone();
        on_threads(5, move |number| {
            if number == 0 {
                return shared.close();
            }
            for _ in 0..2 {
                // More than there ever will be, for some.
                let Some(permit) = perhaps(shared.acquire_many(1 + pick(2) as u32)) else {
                    continue;
                };
                if permit.is_err() {
                    assert!(shared.is_closed() && shared.try_acquire().is_err());
                }
            }
        });
        assert!(semaphore.is_closed());
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn mutex_lets_in_one_and_forgets_nobody() {
    explore(|| {
        let mutex = Arc::new(Mutex::new([0usize; 2]));
        let (shared, locked) = (mutex.clone(), AtomicUsize::new(0));
        let locks = Arc::new(locked);
        let counted = locks.clone();
        on_threads(5, move |_| {
            for _ in 0..3 {
                let entered = |both: &mut [usize; 2]| {
                    both[0] += 1;
                    thread::yield_now();
                    both[1] += 1;
                    assert_eq!(both[0], both[1]);
                    counted.fetch_add(1, Ordering::SeqCst);
                };
                match pick(6) {
                    0 | 1 => {
                        if let Some(mut guard) = perhaps(shared.lock()) {
                            entered(&mut guard);
                        }
                    }
                    2 => {
                        if let Some(mut guard) = perhaps(shared.clone().lock_owned()) {
                            entered(&mut guard);
                        }
                    }
                    3 => {
                        if let Ok(mut guard) = shared.try_lock() {
                            entered(&mut guard);
                        }
                    }
                    4 => entered(&mut MutexGuard::map(wait(shared.lock()), |both| both)),
                    _ => entered(&mut shared.blocking_lock()),
                }
            }
        });
        let both = *mutex.try_lock().expect("nobody is left");
        assert_eq!(both, [locks.load(Ordering::SeqCst); 2]);
    });
}

#[test]
fn mutex_waiters_that_give_up_pass_the_lock_on() {
    explore(|| {
        let mutex = Arc::new(Mutex::new(()));
        let shared = mutex.clone();
        on_threads(6, move |number| {
            if number % 2 == 0 {
                drop(wait(shared.lock()));
            } else {
                let lock = shared.lock();
                drop(attempt(lock));
                if one_in(2) {
                    drop(attempt(shared.lock()));
                }
            }
        });
        assert!(mutex.try_lock().is_ok());
    });
}

/// Counts who is inside a lock of readers and writers.
#[derive(Default)]
struct Inside(AtomicUsize);

impl Inside {
    const WRITER: usize = 1_000;

    fn read(&self, most: usize) {
        let before = self.0.fetch_add(1, Ordering::SeqCst);
        assert!(before < most, "{before} inside beside a reader");
        thread::yield_now();
        self.0.fetch_sub(1, Ordering::SeqCst);
    }

    fn write(&self, value: &mut usize) {
        let before = self.0.fetch_add(Self::WRITER, Ordering::SeqCst);
        assert_eq!(before, 0, "alone");
        thread::yield_now();
        *value += 1;
        self.0.fetch_sub(Self::WRITER, Ordering::SeqCst);
    }
}

/// One visit to the lock; returns how often it has written.
fn visit(lock: &Arc<RwLock<usize>>, inside: &Inside, most: usize) -> usize {
    match pick(9) {
        0 => {
            if let Some(guard) = perhaps(lock.read()) {
                inside.read(most);
                drop(RwLockReadGuard::map(guard, |value| value));
            }
        }
        1 => {
            if let Some(_guard) = perhaps(lock.clone().read_owned()) {
                inside.read(most);
            }
        }
        2 => {
            if let Ok(_guard) = lock.try_read() {
                inside.read(most);
            }
        }
        3 => {
            if let Some(mut guard) = perhaps(lock.write()) {
                inside.write(&mut guard);
                return 1;
            }
        }
        4 => {
            let mut guard = wait(lock.clone().write_owned());
            inside.write(&mut guard);
            let written = *guard;
            let guard = guard.downgrade();
            inside.read(most);
            assert_eq!(*guard, written);
            return 1;
        }
        5 => {
            if let Ok(mut guard) = lock.try_write() {
                inside.write(&mut guard);
                return 1;
            }
        }
        6 | 7 => return upgrade(lock, inside, most),
        _ => {
            let mut guard = RwLockWriteGuard::map(lock.blocking_write(), |value| value);
            inside.write(&mut guard);
            return 1;
        }
    }
    0
}

/// Reads, and writes perhaps without letting go between the two.
fn upgrade(lock: &RwLock<usize>, inside: &Inside, most: usize) -> usize {
    let Some(guard) = perhaps(lock.upgradable_read()) else {
        return 0;
    };
    inside.read(most);
    let before = *guard;
    let written = match pick(4) {
        0 => perhaps(RwLockUpgradableReadGuard::upgrade(guard)),
        1 => RwLockUpgradableReadGuard::try_upgrade(guard).ok(),
        2 => Some(wait(RwLockUpgradableReadGuard::upgrade(guard))),
        _ => {
            drop(RwLockUpgradableReadGuard::downgrade(guard));
            None
        }
    };
    let Some(mut guard) = written else { return 0 };
    assert_eq!(*guard, before, "nobody wrote in between");
    inside.write(&mut guard);
    if one_in(2) {
        let guard = guard.downgrade_to_upgradable();
        inside.read(most);
        assert_eq!(*guard, before + 1);
    }
    1
}

#[test]
fn rwlock_lets_in_readers_or_a_writer_and_forgets_nobody() {
    explore(|| {
        let most = 2 + pick(3);
        let lock = Arc::new(RwLock::with_max_readers(0, most as u32));
        let (shared, inside) = (lock.clone(), Inside::default());
        let written = Arc::new(AtomicUsize::new(0));
        let total = written.clone();
        on_threads(5, move |_| {
            for _ in 0..3 {
                total.fetch_add(visit(&shared, &inside, most), Ordering::SeqCst);
            }
        });
        let value = *lock.try_write().expect("nobody is left");
        assert_eq!(value, written.load(Ordering::SeqCst));
        assert!(RwLock::try_upgradable_read(&lock).is_ok());
    });
}
