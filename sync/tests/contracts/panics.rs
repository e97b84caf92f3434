//! Several pieces of user code that panic at once: the first panic goes to the caller, no other ends the process, and
//! nobody who is to be told is left asleep.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::{Wake, Waker};

use heist_sync::queue::Queue;
use heist_sync::{broadcast, mpmc, mpsc};

use crate::support::task;

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
