//! The semaphore: permits are in one place each, and a cancelled waiter holds nobody up.

#[path = "support/poll.rs"]
mod support;

use std::future::Future;
use std::task::{Context, Poll, Waker};

use heist_sync::sys::cell::UnsafeCell;
use heist_sync::sys::{Arc, thread};
use heist_sync::{Semaphore, TryAcquireError};
use loom_tests::{Census, model};
use support::{block_on, poll_once};

/// A request for two is given up while permits come in one by one: none is lost, and the one behind gets its own.
#[test]
fn semaphore_cancelled_waiter() {
    let census = Census::new(&["given up", "served"]);
    let counted = census.clone();
    model("semaphore_cancelled_waiter", Some(2), move || {
        let semaphore = Arc::new(Semaphore::new(1));
        let giving_up = {
            let semaphore = semaphore.clone();
            thread::spawn(move || poll_once(semaphore.acquire_many(2)).is_some())
        };
        let waiting = {
            let semaphore = semaphore.clone();
            thread::spawn(move || {
                let permit = block_on(semaphore.acquire()).unwrap();
                assert_eq!(permit.num_permits(), 1);
            })
        };
        thread::yield_now();
        semaphore.add_permits(1);
        let served = giving_up.join().unwrap();
        counted.saw(if served { "served" } else { "given up" });
        waiting.join().unwrap();
        assert_eq!(semaphore.available_permits(), 2);
    });
    census.assert_all_seen();
}

/// A request for more than there is, first in the queue, is given up: the one behind it gets what there is.
#[test]
fn semaphore_given_up_request_makes_way() {
    model("semaphore_given_up_request_makes_way", Some(3), || {
        let semaphore = Arc::new(Semaphore::new(1));
        let giving_up = {
            let semaphore = semaphore.clone();
            thread::spawn(move || assert!(poll_once(semaphore.acquire_many(2)).is_none()))
        };
        let waiting = {
            let semaphore = semaphore.clone();
            thread::spawn(move || block_on(semaphore.acquire()).unwrap().forget())
        };
        let closed = semaphore.is_closed();
        giving_up.join().unwrap();
        waiting.join().unwrap();
        assert!(!closed && semaphore.available_permits() == 0);
    });
}

/// A permit is granted while the semaphore is closed: who looks after the close is refused, and no permit is lost.
#[test]
fn semaphore_grant_against_close() {
    let census = Census::new(&["granted", "refused at once", "refused later"]);
    let counted = census.clone();
    model("semaphore_grant_against_close", Some(2), move || {
        let semaphore = Arc::new(Semaphore::new(0));
        let mut waiting = Box::pin(semaphore.acquire());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        let granting = {
            let semaphore = semaphore.clone();
            thread::spawn(move || semaphore.add_permits(1))
        };
        let closing = {
            let semaphore = semaphore.clone();
            thread::spawn(move || semaphore.close())
        };
        let looked = waiting.as_mut().poll(&mut cx);
        closing.join().unwrap();
        let left = match looked {
            Poll::Ready(Ok(permit)) => {
                permit.forget();
                counted.saw("granted");
                0
            }
            Poll::Ready(Err(_)) => {
                counted.saw("refused at once");
                1
            }
            Poll::Pending => {
                let Poll::Ready(Err(_)) = waiting.as_mut().poll(&mut cx) else {
                    panic!("it looked after the close");
                };
                counted.saw("refused later");
                1
            }
        };
        granting.join().unwrap();
        assert_eq!(semaphore.available_permits(), left);
    });
    census.assert_all_seen();
}

/// A close, an acquire and a forget meet: nobody waits for ever, and closed stays closed.
#[test]
fn semaphore_close_acquire_forget() {
    let census = Census::new(&["acquired", "refused", "forgotten"]);
    let counted = census.clone();
    model("semaphore_close_acquire_forget", Some(2), move || {
        let semaphore = Arc::new(Semaphore::new(1));
        let acquiring = {
            let semaphore = semaphore.clone();
            thread::spawn(move || match block_on(semaphore.acquire()) {
                Ok(permit) => {
                    permit.forget();
                    true
                }
                Err(_) => false,
            })
        };
        let closing = {
            let semaphore = semaphore.clone();
            thread::spawn(move || semaphore.close())
        };
        thread::yield_now();
        let forgotten = semaphore.forget_permits(1);
        closing.join().unwrap();
        let acquired = acquiring.join().unwrap();
        counted.saw(if acquired { "acquired" } else { "refused" });
        if forgotten == 1 {
            counted.saw("forgotten");
        }
        assert!(semaphore.is_closed());
        assert_eq!(
            semaphore.try_acquire().unwrap_err(),
            TryAcquireError::Closed
        );
        let left = usize::from(!acquired) - forgotten;
        assert_eq!(semaphore.available_permits(), left);
    });
    census.assert_all_seen();
}

/// What is done under the only permit is done by one at a time, and seen by the next.
#[test]
fn semaphore_excludes() {
    model("semaphore_excludes", Some(2), || {
        let semaphore = Arc::new(Semaphore::new(1));
        let count = Arc::new(Count(UnsafeCell::new(0)));
        let threads = [(); 2].map(|()| {
            let (semaphore, count) = (semaphore.clone(), count.clone());
            thread::spawn(move || {
                let _permit = block_on(semaphore.acquire()).unwrap();
                count.add();
            })
        });
        if let Ok(_permit) = semaphore.try_acquire() {
            count.add();
        }
        for thread in threads {
            thread.join().unwrap();
        }
        let _permit = semaphore.try_acquire().unwrap();
        assert!(count.add() >= 2);
    });
}

/// A count that only the semaphore protects.
struct Count(UnsafeCell<u32>);

// SAFETY: the models touch it under a permit alone; that this is enough is what they show.
unsafe impl Sync for Count {}
// SAFETY: a number may be sent.
unsafe impl Send for Count {}

impl Count {
    fn add(&self) -> u32 {
        self.0.with_mut(|count| {
            // SAFETY: under the only permit.
            unsafe {
                *count += 1;
                *count - 1
            }
        })
    }
}
