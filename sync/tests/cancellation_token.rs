//! What `CancellationToken` promises.
#![cfg(not(heist_loom))]

#[path = "support/task.rs"]
mod support;

use std::collections::HashSet;
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use heist_sync::{CancellationToken, coop, oneshot, waits};
use support::{Drops, Wakes, block_on, calling_waker, task, within_limit};

#[test]
fn cancelling_one_cancels_its_clones_and_descendants_and_nobody_else() {
    let root = CancellationToken::new();
    let (one, other) = (root.child_token(), root.child_token());
    let below = one.child_token().child_token();
    one.clone().cancel();
    assert!(one.is_cancelled() && below.is_cancelled());
    assert!(!root.is_cancelled() && !other.is_cancelled());
    root.cancel();
    assert!(other.is_cancelled());
    assert!(root.child_token().is_cancelled());
}

#[test]
fn whoever_waits_is_woken_by_an_ancestors_cancellation() {
    let root = CancellationToken::new();
    let below = root.child_token().child_token();
    let mut tasks: Vec<_> = (0..100).map(|_| task(below.cancelled())).collect();
    for one in &mut tasks {
        one.expect_pending();
    }
    root.cancel();
    for one in &mut tasks {
        assert!(one.woken());
        one.expect_ready();
        one.expect_ready();
    }
    task(below.cancelled()).expect_ready();
}

#[test]
fn a_second_cancellation_wakes_nobody() {
    let token = CancellationToken::new();
    let mut waiting = task(token.cancelled());
    waiting.expect_pending();
    token.cancel();
    assert!(waiting.woken());
    token.cancel();
    assert!(!waiting.woken());
}

#[test]
fn a_dropped_middle_leaves_its_children_to_the_one_above() {
    let root = CancellationToken::new();
    let middle = root.child_token();
    let children: Vec<_> = (0..5).map(|_| middle.child_token()).collect();
    let beside = root.child_token();
    drop(middle);
    root.cancel();
    assert!(children.iter().all(CancellationToken::is_cancelled));
    assert!(beside.is_cancelled());
}

#[test]
fn children_outlive_the_first_of_the_tree() {
    let root = CancellationToken::new();
    let (one, other) = (root.child_token(), root.child_token());
    let below = one.child_token();
    drop(root);
    one.cancel();
    assert!(below.is_cancelled() && !other.is_cancelled());
    let late = other.child_token();
    other.cancel();
    assert!(late.is_cancelled());
}

#[test]
fn any_of_many_children_may_be_dropped_or_cancelled_in_any_order() {
    use heist_sync::sys::rand::Rand;
    for seed in 0..if cfg!(miri) { 2 } else { 60 } {
        let rand = Rand::new(seed);
        // Each token's ancestors by number, itself included, as the plainest account of the tree.
        let mut tokens = vec![(CancellationToken::new(), vec![0])];
        let mut cancelled = HashSet::new();
        for number in 1..if cfg!(miri) { 30 } else { 150 } {
            let at = rand.below(tokens.len() as u32) as usize;
            match rand.below(6) {
                0..=2 => {
                    let mut line = tokens[at].1.clone();
                    line.push(number);
                    tokens.push((tokens[at].0.child_token(), line));
                }
                3 => tokens.push((tokens[at].0.clone(), tokens[at].1.clone())),
                4 if tokens.len() > 1 => drop(tokens.swap_remove(at)),
                5 if rand.below(3) == 0 => {
                    tokens[at].0.cancel();
                    cancelled.insert(*tokens[at].1.last().unwrap());
                }
                _ => {}
            }
            for (token, line) in &tokens {
                let expected = line.iter().any(|number| cancelled.contains(number));
                assert_eq!(token.is_cancelled(), expected, "{seed} {number}");
            }
        }
    }
}

#[test]
fn a_deep_tree_is_cancelled_and_dropped_without_recursion() {
    let depth = if cfg!(miri) { 200 } else { 200_000 };
    for cancel in [true, false] {
        // On a stack that a recursion of a few thousand would use up.
        std::thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(move || {
                let mut line = vec![CancellationToken::new()];
                for _ in 0..depth {
                    line.push(line.last().unwrap().child_token());
                }
                if cancel {
                    line[0].cancel();
                    assert!(line.iter().all(CancellationToken::is_cancelled));
                }
                drop(line);
            })
            .unwrap()
            .join()
            .unwrap();
    }
}

#[test]
fn a_line_whose_middles_are_dropped_stays_short_and_is_still_reached() {
    let root = CancellationToken::new();
    let mut last = root.child_token();
    for _ in 0..if cfg!(miri) { 100 } else { 100_000 } {
        last = last.child_token();
    }
    root.cancel();
    assert!(last.is_cancelled());
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let token = CancellationToken::new();
    let (early, late) = (Wakes::new(), Wakes::new());
    let mut waiting = task(token.clone().cancelled_owned());
    assert!(waiting.poll_with(&early.waker()).is_pending());
    assert!(waiting.poll_with(&late.waker()).is_pending());
    token.cancel();
    assert_eq!((early.take(), late.take()), (0, 1));
}

#[test]
fn a_wait_that_is_dropped_is_not_woken() {
    let token = CancellationToken::new();
    let wakes = Wakes::new();
    let mut waiting = task(token.cancelled());
    assert!(waiting.poll_with(&wakes.waker()).is_pending());
    let mut other = task(token.cancelled());
    other.expect_pending();
    drop(waiting);
    token.cancel();
    assert_eq!(wakes.take(), 0);
    assert!(other.woken());
}

#[test]
fn an_owned_wait_is_a_handle_of_its_token() {
    let root = CancellationToken::new();
    let mut waiting = task(root.child_token().cancelled_owned());
    waiting.expect_pending();
    root.cancel();
    assert!(waiting.woken());
    waiting.expect_ready();
}

#[test]
fn wakers_that_come_back_find_it_unlocked() {
    within_limit(|| {
        let token = CancellationToken::new();
        let again = token.clone();
        let waker = calling_waker(move || {
            let child = again.child_token();
            let _ = task(child.cancelled()).poll();
            child.cancel();
            let _ = task(again.cancelled()).poll();
            // From a wake: it is cancelled already. From a clone or a drop before that: not yet.
            if again.is_cancelled() {
                again.cancel();
            }
        });
        let child = token.child_token();
        let mut first = task(token.cancelled());
        let mut second = task(child.cancelled());
        assert!(first.poll_with(&waker).is_pending());
        assert!(second.poll_with(&waker).is_pending());
        assert!(second.poll_with(&waker.clone()).is_pending());
        drop(first);
        token.cancel();
        assert!(second.poll_with(&waker).is_ready());
    });
}

#[test]
fn a_waker_that_cancels_as_it_is_cloned_completes_the_wait() {
    within_limit(|| {
        let token = CancellationToken::new();
        let again = token.clone();
        let waker = calling_waker(move || again.cancel());
        assert!(task(token.cancelled()).poll_with(&waker).is_ready());
    });
}

#[test]
fn a_panicking_waker_keeps_nobody_asleep_and_leaves_the_token_cancelled() {
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let token = CancellationToken::new();
    let child = token.child_token();
    let mut bombed = task(token.cancelled());
    assert!(bombed.poll_with(&Arc::new(Bomb).into()).is_pending());
    let mut waiting = task(child.cancelled());
    waiting.expect_pending();
    assert!(catch_unwind(AssertUnwindSafe(|| token.cancel())).is_err());
    assert!(waiting.woken());
    waiting.expect_ready();
    bombed.expect_ready();
}

#[test]
fn a_future_is_run_until_the_token_is_cancelled() {
    let token = CancellationToken::new();
    let mut short = task(token.run_until_cancelled(ready(1)));
    assert_eq!(short.expect_ready(), Some(1));

    let drops = Drops::default();
    let held = drops.value(7);
    let mut endless = task(token.clone().run_until_cancelled_owned(async move {
        let _held = held;
        pending::<()>().await;
    }));
    endless.expect_pending();
    token.cancel();
    assert!(endless.woken());
    assert_eq!(endless.expect_ready(), None);
    assert_eq!(drops.seen(), [7]);
}

#[test]
fn a_future_that_ends_with_the_cancellation_wins_and_one_that_comes_after_is_not_polled() {
    let token = CancellationToken::new();
    let (send, recv) = oneshot::channel();
    let mut both = task(token.run_until_cancelled(recv));
    both.expect_pending();
    token.cancel();
    send.send(3).unwrap();
    assert_eq!(both.expect_ready(), Some(Ok(3)));

    let mut late = task(token.run_until_cancelled(async { unreachable!("it is not polled") }));
    assert_eq!(late.expect_ready(), None::<()>);
}

#[test]
fn guards_cancel_when_dropped_unless_they_are_disarmed() {
    let token = CancellationToken::new();
    let guard = token.clone().drop_guard();
    assert_eq!(guard.token(), &token);
    assert_eq!(guard.disarm(), token);
    let borrowed = token.drop_guard_ref();
    assert_eq!(borrowed.token(), &token);
    borrowed.disarm();
    assert!(!token.is_cancelled());

    let child = token.child_token();
    drop(child.drop_guard_ref());
    assert!(child.is_cancelled() && !token.is_cancelled());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = token.clone().drop_guard();
        panic!("with a guard");
    }));
    assert!(panicked.is_err() && token.is_cancelled());
}

#[test]
#[expect(
    clippy::mutable_key_type,
    reason = "a token is hashed by where its node lies"
)]
fn clones_are_equal_and_children_are_not() {
    let token = CancellationToken::new();
    let child = token.child_token();
    assert_eq!(token, token.clone());
    assert_ne!(token, child);
    let set: HashSet<_> = [token.clone(), token.clone(), child].into();
    assert_eq!(set.len(), 2);
    assert_eq!(
        format!("{token:?}"),
        "CancellationToken { is_cancelled: false }"
    );
    assert_eq!(
        format!("{:?}", token.cancelled()),
        "WaitForCancellationFuture { token: CancellationToken { is_cancelled: false }, .. }"
    );
}

#[test]
fn a_cancelled_token_still_ends_a_poll() {
    let token = CancellationToken::new();
    token.cancel();
    let mut seen = 0;
    let mut greedy = task(async {
        loop {
            token.cancelled().await;
            seen += 1;
        }
    });
    coop::budget(|| greedy.expect_pending());
    assert!(greedy.woken());
    drop(greedy);
    assert_eq!(seen, 128);
}

#[test]
fn a_task_that_runs_until_it_is_cancelled_waits_for_what_it_runs() {
    let token = CancellationToken::new();
    waits::forget();
    task(token.cancelled()).expect_pending();
    assert_eq!(waits::left(), waits::Wait::Cancelled);
    let (_send, recv) = oneshot::channel::<()>();
    waits::forget();
    task(token.run_until_cancelled(recv)).expect_pending();
    assert_eq!(waits::left(), waits::Wait::Oneshot);
}

#[test]
fn children_that_come_and_go_beside_a_cancellation_are_all_cancelled() {
    const THREADS: usize = 3;
    let rounds = if cfg!(miri) { 3 } else { 300 };
    within_limit(move || {
        for _ in 0..rounds {
            let root = CancellationToken::new();
            let woken = Arc::new(AtomicUsize::new(0));
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    let (parent, woken) = (root.child_token(), woken.clone());
                    std::thread::spawn(move || {
                        let mut line = vec![parent];
                        for _ in 0..20 {
                            line.push(line.last().unwrap().child_token());
                            if line.len() > 4 {
                                line.remove(1);
                            }
                        }
                        for token in line {
                            block_on(token.cancelled_owned());
                            woken.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            root.cancel();
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(woken.load(Ordering::Relaxed), 4 * THREADS);
        }
    });
}

#[test]
fn blocking_cancelled_waits_for_another_thread() {
    within_limit(|| {
        let token = CancellationToken::new();
        let canceller = token.clone();
        let thread = std::thread::spawn(move || canceller.cancel());
        token.blocking_cancelled();
        thread.join().unwrap();
    });
}

#[test]
fn the_types_may_be_sent_shared_and_caught() {
    fn check<T: Send + Sync>(_: &T) {}
    fn caught<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>(_: &T) {}
    fn unpin<T: Unpin>(_: &T) {}
    let token = CancellationToken::new();
    check(&token);
    caught(&token);
    unpin(&token);
    check(&token.cancelled());
    check(&token.clone().cancelled_owned());
    check(&token.run_until_cancelled(ready(1)));
    check(&token.drop_guard_ref());
    check(&token.clone().drop_guard());
}
