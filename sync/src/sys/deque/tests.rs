//! The seam between the real queues and their stand-in. Both are driven by the same operations in the same order, and
//! both must keep what the scheduler relies on. After that, real thieves steal from the real ones, and each item must
//! come out exactly once.

use std::collections::VecDeque;

use crate::sys::Arc;
use crate::sys::atomic::{AtomicUsize, Ordering};
use crate::sys::rand::Rand;
use crate::sys::thread;

/// Drives two workers and an injector with random operations, beside plain queues that say what must come out.
macro_rules! keeps_the_contract {
    ($name:ident, $queues:path) => {
        #[test]
        fn $name() {
            use $queues::{Injector, Steal, Worker};
            for seed in 0..if cfg!(miri) { 1 } else { 200 } {
                let random = Rand::new(seed);
                let workers = [Worker::new_fifo(), Worker::new_fifo()];
                let injector = Injector::new();
                let mut plain = [VecDeque::new(), VecDeque::new(), VecDeque::new()];
                for item in 0..400_u32 {
                    let mine = random.below(2) as usize;
                    let other = 1 - mine;
                    match random.below(7) {
                        0 | 1 => {
                            workers[mine].push(item);
                            plain[mine].push_back(item);
                        }
                        2 => {
                            injector.push(item);
                            plain[2].push_back(item);
                        }
                        3 => assert_eq!(workers[mine].pop(), plain[mine].pop_front()),
                        4 => {
                            let stolen = workers[other].stealer().steal().success();
                            assert_eq!(stolen, plain[other].pop_front());
                        }
                        from => {
                            let from = if from == 5 { other } else { 2 };
                            let first = match from {
                                2 => injector.steal_batch_and_pop(&workers[mine]),
                                _ => workers[from].stealer().steal_batch_and_pop(&workers[mine]),
                            };
                            assert_ne!(first, Steal::Retry, "nobody is in the way");
                            assert_eq!(first.success(), plain[from].pop_front());
                            // Only "about half" is promised: take over how many moved, in order.
                            while plain[mine].len() < workers[mine].len() {
                                let moved =
                                    plain[from].pop_front().expect("no more than there was");
                                plain[mine].push_back(moved);
                            }
                        }
                    }
                    assert_eq!(workers[0].len(), plain[0].len());
                    assert_eq!(workers[1].len(), plain[1].len());
                    assert_eq!(injector.len(), plain[2].len());
                    assert_eq!(injector.is_empty(), plain[2].is_empty());
                }
            }
        }
    };
}

keeps_the_contract!(the_queues_in_use_keep_the_contract, super);
keeps_the_contract!(the_stand_in_keeps_the_contract, super::stand_in);

/// A thief that steals from its own queue takes one item and loses none. No thief should do that.
macro_rules! bears_a_theft_from_itself {
    ($name:ident, $queues:path) => {
        #[test]
        fn $name() {
            use $queues::{Steal, Worker};
            let mine = Worker::new_fifo();
            (0..5).for_each(|item| mine.push(item));
            assert_eq!(mine.stealer().steal_batch_and_pop(&mine), Steal::Success(0));
            assert!((1..5).eq(std::iter::from_fn(|| mine.pop())));
            assert_eq!(mine.stealer().steal_batch_and_pop(&mine), Steal::Empty);
        }
    };
}

bears_a_theft_from_itself!(the_queues_in_use_bear_a_theft_from_themselves, super);
bears_a_theft_from_itself!(the_stand_in_bears_a_theft_from_itself, super::stand_in);

/// An owner pushes and pops, an injector is filled meanwhile, and two thieves take from both.
#[test]
fn each_item_comes_out_exactly_once() {
    const ITEMS: usize = if cfg!(miri) { 50 } else { 200_000 };
    let seen: Arc<Vec<AtomicUsize>> = Arc::new((0..2 * ITEMS).map(|_| 0.into()).collect());
    let left = Arc::new(AtomicUsize::new(2 * ITEMS));
    let count = {
        let (seen, left) = (seen.clone(), left.clone());
        move |item: usize| {
            // Ordering: hint only; the threads are joined before the counts are read.
            seen[item].fetch_add(1, Ordering::Relaxed);
            left.fetch_sub(1, Ordering::Relaxed);
        }
    };
    let owner = super::Worker::new_fifo();
    let injector = Arc::new(super::Injector::new());
    let thief = || {
        let (stealer, injector) = (owner.stealer(), injector.clone());
        let (count, left) = (count.clone(), left.clone());
        thread::spawn(move || {
            let mine = super::Worker::new_fifo();
            // Ordering: hint only.
            while left.load(Ordering::Relaxed) > 0 {
                let stolen = stealer.steal_batch_and_pop(&mine);
                let stolen = stolen.or_else(|| injector.steal_batch_and_pop(&mine));
                stolen.success().into_iter().for_each(&count);
                while let Some(item) = mine.pop() {
                    count(item);
                }
                thread::yield_now();
            }
        })
    };
    let thieves = [thief(), thief()];
    let outside = thread::spawn({
        let injector = injector.clone();
        move || (ITEMS..2 * ITEMS).for_each(|item| injector.push(item))
    });
    for item in 0..ITEMS {
        owner.push(item);
        if item % 3 == 0 {
            owner.pop().into_iter().for_each(&count);
        }
    }
    outside.join().unwrap();
    thieves.into_iter().for_each(|thief| thief.join().unwrap());
    // Ordering: hint only; the threads have been joined.
    assert!(seen.iter().all(|count| count.load(Ordering::Relaxed) == 1));
}
