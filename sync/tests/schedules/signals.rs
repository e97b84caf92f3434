//! What tells that something has happened.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use heist_sync::{Barrier, CancellationToken, Condvar, Event, Mutex, Notify, OnceCell, SetOnce};
use shuttle::thread;

use crate::harness::{attempt, explore, on_threads, one_in, perhaps, pick, wait};

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

#[test]
fn condvar_hands_each_token_to_one_who_stays() {
    const TAKERS: usize = 3;
    explore(|| {
        let both = Arc::new((Mutex::new(0usize), Condvar::new()));
        on_threads(TAKERS + 2, move |number| {
            let (tokens, added) = &*both;
            if number >= TAKERS {
                for _ in 0..2 {
                    *wait(tokens.lock()) += 1;
                    if one_in(3) {
                        added.notify_all();
                    } else {
                        added.notify_one();
                    }
                }
                return;
            }
            if one_in(2) {
                // Comes, and leaves, perhaps with a notification, perhaps while it takes the mutex again.
                attempt(async { drop(added.wait(tokens.lock().await).await) });
                // What it has seen was for one who takes.
                added.notify_one();
            }
            let mut guard = if one_in(2) {
                wait(async {
                    added
                        .wait_while(tokens.lock().await, |tokens| *tokens == 0)
                        .await
                })
            } else {
                added.blocking_wait_while(tokens.blocking_lock(), |tokens| *tokens == 0)
            };
            *guard -= 1;
        });
    });
}

#[test]
fn token_cancels_all_below_it_and_nothing_else() {
    explore(|| {
        let (root, other) = (CancellationToken::new(), CancellationToken::new());
        let middle = root.child_token();
        let (above, beside) = (root.clone(), other.child_token());
        let wanted = pick(2) == 0;
        let cancels = thread::spawn(move || match wanted {
            true => above.cancel(),
            false => drop(above.drop_guard()),
        });
        let tokens: Vec<_> = (0..3).map(|_| middle.child_token()).collect();
        let waiters: Vec<_> = tokens
            .into_iter()
            .map(|token| {
                let middle = middle.clone();
                thread::spawn(move || {
                    let below = token.child_token();
                    if one_in(2) {
                        // A line of tokens whose middle is gone.
                        drop(token);
                    }
                    if one_in(3) {
                        perhaps(middle.child_token().cancelled_owned());
                    }
                    wait(below.cancelled());
                    assert!(middle.is_cancelled() || below.is_cancelled());
                    assert!(below.child_token().is_cancelled());
                })
            })
            .collect();
        drop(middle);
        for thread in waiters {
            thread.join().expect("ends well");
        }
        cancels.join().expect("ends well");
        assert!(root.is_cancelled() && !beside.is_cancelled());
    });
}

#[test]
fn event_releases_all_who_wait_when_it_is_set() {
    explore(|| {
        let both = Arc::new((Event::new(), AtomicUsize::new(0)));
        on_threads(5, move |number| {
            let (event, sets) = &*both;
            if number == 0 {
                // Cleared in between: who was released then stays so. The last time it stays set.
                for last in [false, true] {
                    sets.fetch_add(1, Ordering::SeqCst);
                    event.set();
                    if !last && one_in(2) {
                        event.clear();
                    }
                }
                return;
            }
            if one_in(3) {
                attempt(event.wait());
            }
            wait(event.wait());
            assert!(sets.load(Ordering::SeqCst) > 0);
        });
    });
}

#[test]
fn barrier_lets_all_pass_at_once_and_names_one_leader() {
    const PARTIES: usize = 3;
    explore(|| {
        let both = Arc::new((Barrier::new(PARTIES), [const { AtomicUsize::new(0) }; 4]));
        on_threads(PARTIES, move |_| {
            let (barrier, [arrived, again, leaders, leaders_again]) = &*both;
            for (arrived, leaders) in [(arrived, leaders), (again, leaders_again)] {
                arrived.fetch_add(1, Ordering::SeqCst);
                let result = wait(barrier.wait());
                assert_eq!(arrived.load(Ordering::SeqCst), PARTIES);
                let before = leaders.fetch_add(usize::from(result.is_leader()), Ordering::SeqCst);
                assert!(before == 0 || !result.is_leader());
            }
        });
    });
}

#[test]
fn barrier_aborted_or_given_up_leaves_nobody_waiting() {
    explore(|| {
        let barrier = Arc::new(Barrier::new(3));
        on_threads(5, move |number| match number {
            0 => barrier.abort(),
            1 => {
                attempt(barrier.checked_wait());
            }
            _ => {
                let _ = perhaps(barrier.checked_wait());
            }
        });
    });
}

#[test]
fn once_cell_is_filled_once_whoever_gives_up() {
    explore(|| {
        let all = Arc::new((OnceCell::new(), AtomicUsize::new(0)));
        on_threads(5, move |number| {
            let (cell, filled) = &*all;
            let compute = || async {
                thread::yield_now();
                YieldOnce(false).await;
                filled.fetch_add(1, Ordering::SeqCst);
                number
            };
            let got = match pick(4) {
                0 => perhaps(cell.get_or_init(compute)).copied(),
                1 => {
                    let failed = perhaps(cell.get_or_try_init(|| async { Err::<usize, ()>(()) }));
                    failed.and_then(Result::ok).copied()
                }
                2 => cell.set(number).is_ok().then_some(number),
                _ => Some(*wait(cell.get_or_init(compute))),
            };
            if let Some(got) = got {
                assert_eq!(cell.get(), Some(&got));
                assert!(filled.load(Ordering::SeqCst) <= 1);
            }
        });
    });
}

/// Pending once, and woken.
struct YieldOnce(bool);

impl std::future::Future for YieldOnce {
    type Output = ();

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    }
}

#[test]
fn set_once_shows_one_value_to_all() {
    explore(|| {
        let cell = Arc::new(SetOnce::new());
        let shared = cell.clone();
        on_threads(5, move |number| {
            if number < 2 {
                let set = shared.set(number);
                assert!(set.is_ok() || shared.get().is_some_and(|value| *value != number));
                return;
            }
            if one_in(3) {
                attempt(shared.wait());
            }
            let value = *wait(shared.wait());
            assert_eq!(shared.get(), Some(&value));
        });
        assert!(cell.initialized());
    });
}
