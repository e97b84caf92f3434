//! `Condvar`: a queue beside a mutex.

use std::collections::{BTreeMap, VecDeque};

use heist_sync::{Condvar, Mutex, MutexGuard};

use crate::driver::{Futures, check};

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait,
    Poll,
    Drop,
    One,
    All,
}

/// Where one that waits stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Queued,
    /// Notified alone, or with all others.
    One,
    All,
}

/// The mutex is free at each step, so a waiter that was notified has it at its next poll.
#[test]
fn condvar_agrees_with_its_account() {
    const STEPS: &[Step] = &[
        Step::Wait,
        Step::Wait,
        Step::Poll,
        Step::Poll,
        Step::Drop,
        Step::One,
        Step::One,
        Step::All,
    ];
    check(STEPS, 60, |steps| {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        let mut futures: Futures<'_, MutexGuard<'_, ()>> = Futures::new();
        let mut queue: VecDeque<usize> = VecDeque::new();
        let mut states: BTreeMap<usize, State> = BTreeMap::new();
        for (step, n) in steps {
            let mut told = Vec::new();
            match (step, futures.some(*n)) {
                (Step::Wait, _) => {
                    let guard = mutex.try_lock().expect("nobody holds it");
                    let number = futures.add(condvar.wait(guard));
                    assert!(futures.poll(number).is_pending());
                    queue.push_back(number);
                    states.insert(number, State::Queued);
                }
                (Step::Poll, Some(number)) => {
                    let notified = states[&number] != State::Queued;
                    assert_eq!(futures.poll(number).is_ready(), notified);
                    if notified {
                        states.remove(&number);
                    }
                }
                (Step::Drop, Some(number)) => {
                    futures.drop(number);
                    queue.retain(|one| *one != number);
                    if states.remove(&number) == Some(State::One) {
                        told.extend(queue.pop_front().map(|next| (next, State::One)));
                    }
                }
                (Step::One, _) => {
                    condvar.notify_one();
                    told.extend(queue.pop_front().map(|next| (next, State::One)));
                }
                (Step::All, _) => {
                    condvar.notify_all();
                    told.extend(queue.drain(..).map(|next| (next, State::All)));
                }
                _ => {}
            }
            let woken: Vec<_> = told.iter().map(|(number, _)| *number).collect();
            assert_eq!(futures.woken(), woken);
            states.extend(told);
        }
    });
}
