//! A thread that waits for a future, at a seat that it keeps from one wait to the next.

use std::future::poll_fn;
use std::task::Poll;

use heist_sync::protocol::block_on;
use heist_sync::sys::Arc;
use heist_sync::sys::atomic::{AtomicBool, Ordering};
use heist_sync::sys::thread;
use loom_tests::{Census, model};

/// Two threads each set a flag and wake; the wait ends when both flags are seen. The flags carry no order of their own:
/// the wakes do.
#[test]
fn blocking_each_wake_is_heard() {
    let census = Census::new(&["one wake for both", "one after the other"]);
    let counted = census.clone();
    model("blocking_each_wake_is_heard", None, move || {
        let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let mut wakers = Vec::new();
        let mut polls = 0;
        block_on(poll_fn(|cx| {
            polls += 1;
            if wakers.is_empty() {
                for i in 0..2 {
                    let flags = flags.clone();
                    let waker = cx.waker().clone();
                    wakers.push(thread::spawn(move || {
                        // Ordering: hint only, the wake orders it.
                        flags[i].store(true, Ordering::Relaxed);
                        waker.wake();
                    }));
                }
                return Poll::Pending;
            }
            // Ordering: hint only, the wake orders it.
            let all = flags.iter().all(|flag| flag.load(Ordering::Relaxed));
            if all { Poll::Ready(()) } else { Poll::Pending }
        }));
        counted.saw(if polls == 2 {
            "one wake for both"
        } else {
            "one after the other"
        });
        for waker in wakers {
            waker.join().unwrap();
        }
    });
    census.assert_all_seen();
}

/// A wake that comes after its wait has ended disturbs the next one at the same seat, and ends it no sooner.
#[test]
fn blocking_a_late_wake_harms_no_later_wait() {
    let census = Census::new(&["no poll too many", "a poll too many"]);
    let counted = census.clone();
    model(
        "blocking_a_late_wake_harms_no_later_wait",
        None,
        move || {
            let mut late = None;
            let mut first = 0;
            block_on(poll_fn(|cx| {
                first += 1;
                if first == 1 {
                    let waker = cx.waker().clone();
                    late = Some(thread::spawn(move || waker.wake()));
                    // Its own wake: the wait ends with one or both of them.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(())
            }));
            let flag = Arc::new(AtomicBool::new(false));
            let mut setting = None;
            let mut second = 0;
            block_on(poll_fn(|cx| {
                second += 1;
                if setting.is_none() {
                    let flag = flag.clone();
                    let waker = cx.waker().clone();
                    setting = Some(thread::spawn(move || {
                        // Ordering: hint only, the wake orders it.
                        flag.store(true, Ordering::Relaxed);
                        waker.wake();
                    }));
                    return Poll::Pending;
                }
                // Ordering: hint only, the wake orders it.
                if flag.load(Ordering::Relaxed) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }));
            counted.saw(match second {
                2 => "no poll too many",
                _ => "a poll too many",
            });
            late.unwrap().join().unwrap();
            setting.unwrap().join().unwrap();
        },
    );
    census.assert_all_seen();
}
