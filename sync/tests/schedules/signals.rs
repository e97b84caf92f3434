//! What tells that something has happened.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use heist_sync::Notify;

use crate::harness::{attempt, explore, on_threads, one_in, wait};

/// Takes one of `tokens`, if there is one.
fn take(tokens: &AtomicUsize) -> bool {
    tokens
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        .is_ok()
}

#[test]
fn notify_one_reaches_one_who_stays() {
    const TAKERS: usize = 3;
    explore(|| {
        let both = Arc::new((Notify::new(), AtomicUsize::new(0)));
        on_threads(TAKERS + 3, move |number| {
            let (notify, tokens) = &*both;
            match number {
                0..TAKERS => {
                    while !take(tokens) {
                        // Comes, and may leave before it looks at what fell to it.
                        if one_in(3) && attempt(notify.notified()).is_some() {
                            continue;
                        }
                        wait(notify.notified());
                    }
                    // One permit may stand for several notifications.
                    notify.notify_one();
                }
                _ => {
                    tokens.fetch_add(1, Ordering::SeqCst);
                    if one_in(2) {
                        notify.notify_one();
                    } else {
                        notify.notify_last();
                    }
                }
            }
        });
    });
}

#[test]
fn notify_waiters_reaches_all_who_were_there() {
    explore(|| {
        let both = Arc::new((Notify::new(), AtomicUsize::new(0)));
        on_threads(5, move |number| {
            let (notify, open) = &*both;
            if number == 0 {
                open.store(1, Ordering::SeqCst);
                return notify.notify_waiters();
            }
            if number == 1 {
                // Takes and leaves permits beside it.
                notify.notify_one();
                attempt(notify.notified());
                return;
            }
            loop {
                let mut notified = pin!(notify.notified());
                if one_in(2) {
                    notified.as_mut().enable();
                }
                if open.load(Ordering::SeqCst) == 1 {
                    break;
                }
                wait(notified);
            }
        });
    });
}
