//! Several pieces of user code that panic at once: the first panic goes to the caller, no other ends the process, and
//! nobody who is to be told is left asleep.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::task::{Poll, Wake, Waker};

use heist_sync::queue::Queue;
use heist_sync::{
    Mutex, Notify, RwLock, RwLockUpgradableReadGuard, Semaphore, broadcast, mpmc, mpsc, oneshot,
};

use crate::support::{calling_waker, task};

struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        resume_unwind(Box::new("a waker that panics"));
    }
}

fn bomb() -> Waker {
    Arc::new(Bomb).into()
}

/// A value whose drop panics.
#[derive(Clone)]
struct Mine;

impl Drop for Mine {
    fn drop(&mut self) {
        resume_unwind(Box::new("a drop that panics"));
    }
}

fn panics(f: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
}

#[test]
fn the_end_of_an_mpsc_receiver_tells_all() {
    let (sender, receiver) = mpsc::channel(1);
    let permit = sender.try_reserve().unwrap();
    permit.send(Mine);
    let mut bombed = task(sender.reserve());
    let mut bombed_too = task(sender.closed());
    let mut sending = task(sender.reserve());
    let mut closed = task(sender.closed());
    assert!(bombed.poll_with(&bomb()).is_pending());
    assert!(bombed_too.poll_with(&bomb()).is_pending());
    sending.expect_pending();
    closed.expect_pending();
    panics(|| drop(receiver));
    assert!(sending.woken() && closed.woken());
    assert!(sending.expect_ready().is_err());
    closed.expect_ready();
    assert!(bombed.expect_ready().is_err());
    bombed_too.expect_ready();
}

#[test]
fn the_close_of_an_mpmc_channel_tells_all() {
    for capacity in [0, 1] {
        let (sender, receiver) = mpmc::bounded(capacity);
        if capacity == 1 {
            sender.try_send(1).unwrap();
        }
        let mut bombed = task(sender.send(2));
        let mut bombed_too = task(sender.closed());
        let mut sending = task(sender.send(3));
        let mut closed = task(sender.closed());
        assert!(bombed.poll_with(&bomb()).is_pending());
        assert!(bombed_too.poll_with(&bomb()).is_pending());
        sending.expect_pending();
        closed.expect_pending();
        panics(|| drop(receiver));
        assert!(sending.woken() && closed.woken());
        assert!(sending.expect_ready().is_err());
        closed.expect_ready();
        assert!(bombed.expect_ready().is_err());
    }
}

#[test]
fn the_close_of_an_mpmc_channel_tells_its_receivers() {
    for capacity in [0, 1] {
        let (sender, receiver) = mpmc::bounded::<u32>(capacity);
        let mut bombed = task(sender.closed());
        let mut receiving = task(receiver.recv());
        assert!(bombed.poll_with(&bomb()).is_pending());
        receiving.expect_pending();
        panics(|| {
            sender.close();
        });
        assert!(receiving.woken());
        assert_eq!(receiving.expect_ready(), None);
    }
}

/// A waker whose drop panics.
struct LateBomb;

impl Wake for LateBomb {
    fn wake(self: Arc<Self>) {}
}

impl Drop for LateBomb {
    fn drop(&mut self) {
        resume_unwind(Box::new("a waker's drop that panics"));
    }
}

/// Drops `dropped` while the thread unwinds.
fn unwind_with<D>(dropped: D) {
    panics(|| {
        let _dropped = dropped;
        resume_unwind(Box::new("whatever it is"));
    });
}

#[test]
fn an_end_of_a_channel_dropped_while_the_thread_unwinds_does_not_end_the_process() {
    let (sender, mut receiver) = mpsc::channel::<u32>(1);
    assert!(task(receiver.recv()).poll_with(&bomb()).is_pending());
    unwind_with(sender);
    for waker in [bomb, || Arc::new(LateBomb).into()] {
        let (mut sender, mut receiver) = oneshot::channel::<u32>();
        assert!(task(&mut receiver).poll_with(&waker()).is_pending());
        assert!(task(sender.closed()).poll_with(&waker()).is_pending());
        unwind_with(sender);
        let (mut sender, mut receiver) = oneshot::channel::<u32>();
        assert!(task(&mut receiver).poll_with(&waker()).is_pending());
        assert!(task(sender.closed()).poll_with(&waker()).is_pending());
        unwind_with(receiver);
    }
}

#[test]
fn a_wait_given_up_while_the_thread_unwinds_does_not_end_the_process() {
    fn give_up(wait: impl Future) {
        let mut wait = task(wait);
        let waker = Arc::new(LateBomb).into();
        assert!(wait.poll_with(&waker).is_pending());
        // The wait has the other share of it.
        drop(waker);
        unwind_with(wait);
    }
    let (sender, _receiver) = mpsc::channel(1);
    sender.try_send(1).unwrap();
    give_up(sender.send(2));
    give_up(sender.reserve());
    for capacity in [0, 1] {
        let (sender, receiver) = mpmc::bounded(capacity);
        give_up(receiver.recv());
        let _ = sender.try_send(1);
        give_up(sender.send(2));
    }
}

#[test]
fn the_last_receiver_of_a_broadcast_tells_all() {
    let (sender, receiver) = broadcast::channel(2);
    assert!(sender.send(Mine).is_ok());
    assert!(sender.send(Mine).is_ok());
    let mut bombed = task(sender.closed());
    let mut closed = task(sender.closed());
    assert!(bombed.poll_with(&bomb()).is_pending());
    closed.expect_pending();
    panics(|| drop(receiver));
    assert!(closed.woken());
    closed.expect_ready();
    bombed.expect_ready();
}

#[test]
fn the_shutdown_of_a_queue_tells_all() {
    let queue = Queue::bounded(1);
    queue.try_put(1).unwrap();
    let mut bombed = task(queue.put(2));
    let mut bombed_too = task(queue.join());
    let mut putting = task(queue.put(3));
    let mut joining = task(queue.join());
    assert!(bombed.poll_with(&bomb()).is_pending());
    assert!(bombed_too.poll_with(&bomb()).is_pending());
    putting.expect_pending();
    joining.expect_pending();
    panics(|| queue.shutdown(true));
    assert!(putting.woken() && joining.woken());
    assert!(putting.expect_ready().is_err());
    joining.expect_ready();
    assert!(task(queue.get()).expect_ready().is_err());
}

#[test]
fn the_shutdown_of_a_queue_of_mines_tells_all() {
    let queue = Queue::unbounded();
    assert!(queue.try_put(Mine).is_ok());
    let mut bombed = task(queue.join());
    let mut joining = task(queue.join());
    assert!(bombed.poll_with(&bomb()).is_pending());
    joining.expect_pending();
    panics(|| queue.shutdown(true));
    assert!(joining.woken());
    joining.expect_ready();
    assert!(matches!(queue.try_get(), Err(error) if error.to_string().contains("shut")));
}

/// A waker whose clone lets `held` go, and the drop of that clone panics.
fn lets_go<G: Send + 'static>(held: G) -> Waker {
    let (held, calls) = (StdMutex::new(Some(held)), AtomicUsize::new(0));
    calling_waker(move || match calls.fetch_add(1, Ordering::SeqCst) {
        0 => drop(held.lock().unwrap().take()),
        1 => resume_unwind(Box::new("a waker whose drop panics")),
        _ => {}
    })
}

#[test]
fn a_poll_that_panics_once_it_has_what_it_waited_for_gives_it_back() {
    let mutex = Arc::new(Mutex::new(()));
    let waker = lets_go(mutex.clone().try_lock_owned().unwrap());
    let mut locking = task(mutex.lock());
    panics(|| drop(locking.poll_with(&waker)));
    assert!(mutex.try_lock().is_ok());

    let semaphore = Arc::new(Semaphore::new(1));
    let waker = lets_go(semaphore.clone().try_acquire_owned().unwrap());
    let mut acquiring = task(semaphore.acquire());
    panics(|| drop(acquiring.poll_with(&waker)));
    assert_eq!(semaphore.available_permits(), 1);

    let notify = Arc::new(Notify::new());
    let notifies = notify.clone();
    let waker = lets_go(OnDrop(move || notifies.notify_one()));
    let mut notified = task(notify.notified());
    panics(|| _ = notified.poll_with(&waker));
    drop(notified);
    task(notify.notified()).expect_ready();

    let lock = Arc::new(RwLock::new(()));
    let waker = lets_go(lock.clone().try_write_owned().unwrap());
    let mut reading = task(lock.read());
    panics(|| drop(reading.poll_with(&waker)));
    assert!(lock.try_write().is_ok());

    let waker = lets_go(lock.clone().try_read_owned().unwrap());
    let upgradable = lock.try_upgradable_read().unwrap();
    let mut upgrading = task(RwLockUpgradableReadGuard::upgrade(upgradable));
    panics(|| drop(upgrading.poll_with(&waker)));
    drop(upgrading);
    assert!(lock.try_write().is_ok());
}

/// Calls a function when dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_lock_given_out_while_the_thread_unwinds_is_held() {
    let lock = RwLock::new(());
    let writer = lock.try_write().unwrap();
    let mut first = task(lock.read());
    let mut between = task(lock.write());
    let mut bombed = task(lock.read());
    first.expect_pending();
    between.expect_pending();
    assert!(bombed.poll_with(&bomb()).is_pending());
    drop(writer);
    // The first is on its way, and is to wake the one behind the writer.
    drop(between);
    let mut polled = None;
    panics(|| {
        let _polls = OnDrop(|| polled = Some(first.poll()));
        resume_unwind(Box::new("unwinding"));
    });
    let Some(Poll::Ready(guard)) = polled else {
        panic!("the lock is free");
    };
    assert!(lock.try_write().is_err());
    drop(guard);
    drop(bombed);
    assert!(lock.try_write().is_ok());
}
