//! The methods that wait of everything but channels.

use std::sync::Arc;

use heist_sync::{
    Barrier, CancellationToken, Condvar, Event, Mutex, Notify, OnceCell, OwnedMutexGuard,
    OwnedRwLockReadGuard, OwnedRwLockUpgradableReadGuard, OwnedRwLockWriteGuard, RwLock,
    RwLockUpgradableReadGuard, Semaphore, SetOnce,
};

use crate::setup::{Case, Lender, again, all, case, passing, sturdy};

pub(crate) fn cases() -> Vec<Case> {
    [
        semaphore(),
        notify(),
        mutex(),
        rwlock(),
        upgrades(),
        token(),
        gates(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn semaphore() -> Vec<Case> {
    type P = Arc<Semaphore>;
    let new = || Arc::new(Semaphore::new(0));
    let give = |n: usize| move |semaphore: &P| semaphore.add_permits(n);
    vec![
        again(case(
            "Semaphore::acquire",
            new,
            |s: Arc<P>| async move { drop(s.acquire().await) },
            give(1),
        )),
        again(case(
            "Semaphore::acquire_many",
            new,
            |s: Arc<P>| async move { drop(s.acquire_many(3).await) },
            give(3),
        )),
        again(case(
            "Semaphore::acquire_owned",
            new,
            |s: Arc<P>| async move { drop((*s).clone().acquire_owned().await) },
            give(1),
        )),
        again(case(
            "Semaphore::acquire_many_owned",
            new,
            |s: Arc<P>| async move { drop((*s).clone().acquire_many_owned(2).await) },
            give(2),
        )),
        all(case(
            "Semaphore::acquire, closed",
            new,
            |s: Arc<P>| async move { drop(s.acquire().await) },
            |s: &P| s.close(),
        )),
    ]
}

fn notify() -> Vec<Case> {
    type P = Arc<Notify>;
    let new = || Arc::new(Notify::new());
    vec![
        again(case(
            "Notify::notified, one",
            new,
            |n: Arc<P>| async move { n.notified().await },
            |n: &P| n.notify_one(),
        )),
        sturdy(again(case(
            "Notify::notified_owned, one",
            new,
            |n: Arc<P>| (*n).clone().notified_owned(),
            |n: &P| n.notify_one(),
        ))),
        passing(all(case(
            "Notify::notified, all",
            new,
            |n: Arc<P>| async move { n.notified().await },
            |n: &P| n.notify_waiters(),
        ))),
        passing(all(case(
            "Notify::notified_owned, all",
            new,
            |n: Arc<P>| (*n).clone().notified_owned(),
            |n: &P| n.notify_waiters(),
        ))),
    ]
}

fn mutex() -> Vec<Case> {
    type P = (Arc<Mutex<()>>, Lender<OwnedMutexGuard<()>>);
    fn new() -> P {
        let mutex = Arc::new(Mutex::new(()));
        let guard = mutex.clone().try_lock_owned().expect("it is free");
        (mutex, Lender::new(guard))
    }
    let unlock = |p: &P| drop(p.1.take());
    type C = (Mutex<u32>, Condvar);
    let pair = || (Mutex::new(0), Condvar::new());
    vec![
        case(
            "Mutex::lock",
            new,
            |p: Arc<P>| async move { drop(p.0.lock().await) },
            unlock,
        ),
        case(
            "Mutex::lock_owned",
            new,
            |p: Arc<P>| async move { drop(p.0.clone().lock_owned().await) },
            unlock,
        ),
        passing(again(case(
            "Condvar::wait, one",
            pair,
            |p: Arc<C>| async move { drop(p.1.wait(p.0.lock().await).await) },
            |p: &C| p.1.notify_one(),
        ))),
        passing(all(case(
            "Condvar::wait, all",
            pair,
            |p: Arc<C>| async move { drop(p.1.wait(p.0.lock().await).await) },
            |p: &C| p.1.notify_all(),
        ))),
        all(case(
            "Condvar::wait_while",
            pair,
            |p: Arc<C>| async move { drop(p.1.wait_while(p.0.lock().await, |n| *n == 0).await) },
            |p: &C| {
                *p.0.blocking_lock() += 1;
                p.1.notify_all();
            },
        )),
    ]
}

fn rwlock() -> Vec<Case> {
    type Writer = (Arc<RwLock<()>>, Lender<OwnedRwLockWriteGuard<()>>);
    type Reader = (Arc<RwLock<()>>, Lender<OwnedRwLockReadGuard<()>>);
    fn written() -> Writer {
        let lock = Arc::new(RwLock::new(()));
        let guard = lock.clone().try_write_owned().expect("it is free");
        (lock, Lender::new(guard))
    }
    fn read() -> Reader {
        let lock = Arc::new(RwLock::new(()));
        let guard = lock.clone().try_read_owned().expect("it is free");
        (lock, Lender::new(guard))
    }
    let stop_writing = |p: &Writer| drop(p.1.take());
    let stop_reading = |p: &Reader| drop(p.1.take());
    vec![
        case(
            "RwLock::read",
            written,
            |p: Arc<Writer>| async move { drop(p.0.read().await) },
            stop_writing,
        ),
        case(
            "RwLock::read_owned",
            written,
            |p: Arc<Writer>| async move { drop(p.0.clone().read_owned().await) },
            stop_writing,
        ),
        case(
            "RwLock::write",
            read,
            |p: Arc<Reader>| async move { drop(p.0.write().await) },
            stop_reading,
        ),
        case(
            "RwLock::write, beside a writer",
            written,
            |p: Arc<Writer>| async move { drop(p.0.write().await) },
            stop_writing,
        ),
        case(
            "RwLock::write_owned",
            read,
            |p: Arc<Reader>| async move { drop(p.0.clone().write_owned().await) },
            stop_reading,
        ),
        case(
            "RwLock::upgradable_read",
            written,
            |p: Arc<Writer>| async move { drop(p.0.upgradable_read().await) },
            stop_writing,
        ),
        case(
            "RwLock::upgradable_read_owned",
            written,
            |p: Arc<Writer>| async move { drop(p.0.clone().upgradable_read_owned().await) },
            stop_writing,
        ),
        case(
            "RwLock::read, by a downgrade",
            written,
            |p: Arc<Writer>| async move { drop(p.0.read().await) },
            |p: &Writer| {
                drop(p.1.take().map(OwnedRwLockWriteGuard::downgrade));
            },
        ),
    ]
}

fn upgrades() -> Vec<Case> {
    type P = (Arc<RwLock<()>>, Lender<OwnedRwLockReadGuard<()>>);
    fn read() -> P {
        let lock = Arc::new(RwLock::new(()));
        let guard = lock.clone().try_read_owned().expect("it is free");
        (lock, Lender::new(guard))
    }
    let stop = |p: &P| drop(p.1.take());
    vec![
        case(
            "RwLockUpgradableReadGuard::upgrade",
            read,
            |p: Arc<P>| async move {
                let guard = p.0.upgradable_read().await;
                drop(RwLockUpgradableReadGuard::upgrade(guard).await);
            },
            stop,
        ),
        case(
            "OwnedRwLockUpgradableReadGuard::upgrade",
            read,
            |p: Arc<P>| async move {
                let guard = p.0.clone().upgradable_read_owned().await;
                drop(OwnedRwLockUpgradableReadGuard::upgrade(guard).await);
            },
            stop,
        ),
    ]
}

fn token() -> Vec<Case> {
    type P = CancellationToken;
    let cancel = |token: &P| token.cancel();
    vec![
        all(case(
            "CancellationToken::cancelled",
            P::new,
            |t: Arc<P>| async move { t.cancelled().await },
            cancel,
        )),
        sturdy(all(case(
            "CancellationToken::cancelled_owned",
            P::new,
            |t: Arc<P>| (*t).clone().cancelled_owned(),
            cancel,
        ))),
        all(case(
            "CancellationToken::cancelled, of a child",
            P::new,
            |t: Arc<P>| async move { t.child_token().cancelled().await },
            cancel,
        )),
        all(case(
            "CancellationToken::run_until_cancelled",
            P::new,
            |t: Arc<P>| async move {
                t.run_until_cancelled(std::future::pending::<()>())
                    .await
                    .unwrap_or(())
            },
            cancel,
        )),
        all(case(
            "CancellationToken::run_until_cancelled_owned",
            P::new,
            |t: Arc<P>| async move {
                let token = (*t).clone();
                token
                    .run_until_cancelled_owned(std::future::pending::<()>())
                    .await
                    .unwrap_or(())
            },
            cancel,
        )),
    ]
}

fn gates() -> Vec<Case> {
    async fn arrive(barrier: Arc<Barrier>) {
        let _ = barrier.checked_wait().await;
    }
    vec![
        all(case(
            "Event::wait",
            Event::new,
            |event: Arc<Event>| async move { event.wait().await },
            |event: &Event| event.set(),
        )),
        all(case(
            "Barrier::checked_wait, aborted",
            || Barrier::new(9),
            arrive,
            |barrier: &Barrier| barrier.abort(),
        )),
        passing(all(case(
            "Barrier::checked_wait, reset",
            || Barrier::new(9),
            arrive,
            |barrier: &Barrier| barrier.reset(),
        ))),
        all(case(
            "SetOnce::wait",
            SetOnce::new,
            |cell: Arc<SetOnce<u32>>| async move {
                cell.wait().await;
            },
            |cell: &SetOnce<u32>| assert!(cell.set(1).is_ok()),
        )),
        case(
            "OnceCell::get_or_init, by the one who computes",
            || (OnceCell::new(), Event::new()),
            |both: Arc<(OnceCell<u32>, Event)>| async move {
                both.0
                    .get_or_init(|| async {
                        both.1.wait().await;
                        1
                    })
                    .await;
            },
            |both: &(OnceCell<u32>, Event)| both.1.set(),
        ),
    ]
}
