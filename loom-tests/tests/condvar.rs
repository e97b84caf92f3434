//! The condition variable: who changes the data and notifies is heard by one who waits.

#[path = "support/poll.rs"]
mod support;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use heist_sync::sys::{Arc, thread};
use heist_sync::{Condvar, Mutex, OwnedMutexGuard};
use loom_tests::{Census, model};
use support::{block_on, poll_once};

#[derive(Default)]
struct Shared {
    data: Mutex<u32>,
    changed: Condvar,
}

impl Shared {
    /// Waits for the data to be above zero, and takes one off.
    async fn take(&self) {
        let guard = self.data.lock().await;
        let mut guard = self.changed.wait_while(guard, |data| *data == 0).await;
        *guard -= 1;
    }
}

fn taker(shared: &Arc<Shared>) -> thread::JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || block_on(shared.take()))
}

/// One waits and another gives up waiting while a third changes the data and notifies one of them.
#[test]
fn condvar_notify_against_cancel() {
    let census = Census::new(&["took it", "gave up"]);
    let counted = census.clone();
    model("condvar_notify_against_cancel", Some(2), move || {
        let shared = Arc::new(Shared::default());
        let waiting = taker(&shared);
        let giving_up = {
            let shared = shared.clone();
            thread::spawn(move || poll_once(shared.take()).is_some())
        };
        block_on(async {
            *shared.data.lock().await += 1;
            shared.changed.notify_one();
        });
        if giving_up.join().unwrap() {
            counted.saw("took it");
            block_on(async {
                *shared.data.lock().await += 1;
                shared.changed.notify_one();
            });
        } else {
            counted.saw("gave up");
        }
        waiting.join().unwrap();
        assert_eq!(*block_on(shared.data.lock()), 0);
    });
    census.assert_all_seen();
}

/// Two wait, and are told together.
#[test]
fn condvar_notify_all() {
    model("condvar_notify_all", Some(2), || {
        let shared = Arc::new(Shared::default());
        let waiting = [taker(&shared), taker(&shared)];
        block_on(async {
            *shared.data.lock().await += 2;
        });
        shared.changed.notify_all();
        for thread in waiting {
            thread.join().unwrap();
        }
        assert_eq!(*block_on(shared.data.lock()), 0);
    });
}

/// One that was notified gives up while it waits for the mutex: the other is notified in its place.
#[test]
fn condvar_cancel_before_the_mutex() {
    type Waiting = Pin<Box<dyn Future<Output = OwnedMutexGuard<u32>> + Send>>;
    model("condvar_cancel_before_the_mutex", Some(2), || {
        let mutex = std::sync::Arc::new(Mutex::new(0));
        let changed = std::sync::Arc::new(Condvar::new());
        let [mut first, second]: [Waiting; 2] = [(); 2].map(|()| {
            let (mutex, changed) = (mutex.clone(), changed.clone());
            let mut waiting: Waiting = Box::pin(async move {
                let guard = mutex.lock_owned().await;
                changed.wait_owned(guard).await
            });
            let mut cx = Context::from_waker(Waker::noop());
            assert!(waiting.as_mut().poll(&mut cx).is_pending());
            waiting
        });
        let mut guard = mutex.clone().try_lock_owned().unwrap();
        *guard += 1;
        changed.notify_one();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        let unlocking = thread::spawn(move || drop(guard));
        let waiting = thread::spawn(move || *block_on(second));
        thread::yield_now();
        drop(first);
        unlocking.join().unwrap();
        assert_eq!(waiting.join().unwrap(), 1);
        assert!(mutex.try_lock().is_ok());
    });
}
