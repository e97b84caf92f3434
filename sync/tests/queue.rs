//! The queues: order, bounds, the count of unfinished work, shutdown, and what a cancelled wait leaves behind.

#[path = "support/task.rs"]
mod support;

use std::cmp::Reverse;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use heist_sync::queue::{
    LifoQueue, Order, OrderedQueue, PriorityQueue, PutError, Queue, TryGetError, TryPutError,
};
use heist_sync::waits::{self, Wait};
use support::{Drops, block_on, calling_waker, task, within_limit};

fn drain<T, O: Order<T>>(queue: &OrderedQueue<T, O>) -> Vec<T> {
    std::iter::from_fn(|| queue.try_get().ok()).collect()
}

#[test]
fn each_queue_gives_items_out_in_its_order() {
    let (first, last, least) = (
        Queue::unbounded(),
        LifoQueue::unbounded(),
        PriorityQueue::unbounded(),
    );
    for item in [(2, 'a'), (1, 'b'), (2, 'c'), (0, 'd')] {
        first.try_put(item).unwrap();
        last.try_put(item).unwrap();
        // Equal by what is compared; told apart by when they came.
        least.try_put(Reverse(Keyed(item))).unwrap();
    }
    assert_eq!(drain(&first), [(2, 'a'), (1, 'b'), (2, 'c'), (0, 'd')]);
    assert_eq!(drain(&last), [(0, 'd'), (2, 'c'), (1, 'b'), (2, 'a')]);
    let least: Vec<_> = drain(&least)
        .into_iter()
        .map(|Reverse(Keyed(item))| item)
        .collect();
    assert_eq!(least, [(2, 'a'), (2, 'c'), (1, 'b'), (0, 'd')]);
}

/// Compared by its number alone.
struct Keyed((u32, char));

impl PartialEq for Keyed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Keyed {}

impl PartialOrd for Keyed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keyed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.0.cmp(&other.0.0)
    }
}

#[test]
fn a_bounded_queue_has_room_for_so_many_and_says_so() {
    let queue = Queue::bounded(2);
    assert_eq!((queue.len(), queue.max_capacity()), (0, Some(2)));
    assert!(queue.is_empty() && !queue.is_full());
    queue.try_put(1).unwrap();
    queue.try_put(2).unwrap();
    assert!(queue.is_full());
    assert!(matches!(queue.try_put(3), Err(TryPutError::Full(3))));
    assert_eq!(queue.try_get(), Ok(1));
    queue.try_put(3).unwrap();
    assert_eq!(drain(&queue), [2, 3]);
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    assert_eq!(Queue::<u8>::unbounded().max_capacity(), None);
    assert!(catch_unwind(|| Queue::<u8>::bounded(0)).is_err());
}

#[test]
fn who_waits_is_served_in_turn_and_nobody_gets_in_between() {
    let queue = Queue::bounded(1);
    let (mut first, mut second) = (task(queue.get()), task(queue.get()));
    first.expect_pending();
    second.expect_pending();
    waits::forget();
    second.expect_pending();
    assert_eq!(waits::left(), Wait::QueueGet);
    queue.try_put(1).unwrap();
    assert!(first.woken() && !second.woken());
    // The item is the first one's.
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    second.expect_pending();
    assert_eq!(first.expect_ready(), Ok(1));
    queue.try_put(2).unwrap();
    assert_eq!(second.expect_ready(), Ok(2));

    queue.try_put(3).unwrap();
    let (mut first, mut second) = (task(queue.put(4)), task(queue.put(5)));
    first.expect_pending();
    second.expect_pending();
    assert_eq!(queue.try_get(), Ok(3));
    assert!(first.woken() && !second.woken());
    assert!(matches!(queue.try_put(6), Err(TryPutError::Full(6))));
    first.expect_ready().unwrap();
    assert_eq!(queue.try_get(), Ok(4));
    second.expect_ready().unwrap();
    assert_eq!(queue.try_get(), Ok(5));
}

#[test]
fn a_cancelled_wait_loses_neither_item_nor_wake() {
    let queue = Queue::bounded(1);
    // Before it was served, and after.
    for served in [false, true] {
        let (mut given_up, mut stays) = (task(queue.get()), task(queue.get()));
        given_up.expect_pending();
        stays.expect_pending();
        if served {
            queue.try_put(1).unwrap();
            drop(given_up);
        } else {
            drop(given_up);
            queue.try_put(1).unwrap();
        }
        assert!(stays.woken());
        assert_eq!(stays.expect_ready(), Ok(1));
    }
    for served in [false, true] {
        queue.try_put(2).unwrap();
        let (mut given_up, mut stays) = (task(queue.put(3)), task(queue.put(4)));
        given_up.expect_pending();
        stays.expect_pending();
        if served {
            assert_eq!(queue.try_get(), Ok(2));
            drop(given_up);
        } else {
            drop(given_up);
            assert_eq!(queue.try_get(), Ok(2));
        }
        assert!(stays.woken());
        stays.expect_ready().unwrap();
        assert_eq!(drain(&queue), [4]);
    }
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let queue = Queue::bounded(1);
    let woken = Arc::new(AtomicUsize::new(0));
    let counted = woken.clone();
    let waker = calling_waker(move || {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let mut get = task(queue.get());
    get.expect_pending();
    assert!(get.poll_with(&waker).is_pending());
    let before = woken.load(Ordering::SeqCst);
    queue.try_put(1).unwrap();
    assert!(!get.woken() && woken.load(Ordering::SeqCst) > before);
    assert_eq!(get.expect_ready(), Ok(1));
}

#[test]
fn a_waker_may_use_the_queue() {
    within_limit(|| {
        let queue = Arc::new(Queue::bounded(1));
        let inner = queue.clone();
        let waker = calling_waker(move || {
            let _ = (
                inner.len(),
                inner.try_get(),
                inner.try_put(7),
                inner.unfinished(),
            );
        });
        for _ in 0..3 {
            let (mut get, mut put) = (task(queue.get()), task(queue.put(1)));
            let _ = (get.poll_with(&waker), put.poll_with(&waker));
            let _ = (queue.try_put(2), queue.try_get());
            let mut join = task(queue.join());
            let _ = join.poll_with(&waker);
        }
        queue.shutdown(true);
    });
}

#[test]
fn join_waits_until_all_that_was_put_is_done() {
    let queue = Queue::unbounded();
    block_on(queue.join());
    for item in 0..2 {
        queue.try_put(item).unwrap();
    }
    let (mut join, mut other) = (task(queue.join()), task(queue.join()));
    join.expect_pending();
    waits::forget();
    other.expect_pending();
    assert_eq!(waits::left(), Wait::QueueJoin);
    assert_eq!(drain(&queue), [0, 1]);
    // Taken out is not done.
    join.expect_pending();
    queue.task_done();
    join.expect_pending();
    assert_eq!(queue.unfinished(), 1);
    queue.task_done();
    assert!(join.woken() && other.woken());
    // What comes after is another matter.
    queue.try_put(2).unwrap();
    join.expect_ready();
    other.expect_ready();
    task(queue.join()).expect_pending();
}

#[test]
fn more_done_than_put_is_a_panic_and_changes_nothing() {
    let queue = Queue::unbounded();
    queue.try_put(1).unwrap();
    queue.task_done();
    let panic = catch_unwind(AssertUnwindSafe(|| queue.task_done())).unwrap_err();
    let text = panic.downcast_ref::<&str>().expect("a text");
    assert!(text.contains("more often"), "{text}");
    assert_eq!((queue.unfinished(), queue.try_get()), (0, Ok(1)));
}

#[test]
fn a_queue_that_was_shut_down_gives_out_what_it_has_and_takes_nothing() {
    let queue = Queue::bounded(2);
    queue.try_put(1).unwrap();
    queue.try_put(2).unwrap();
    let (mut put, mut join) = (task(queue.put(3)), task(queue.join()));
    put.expect_pending();
    join.expect_pending();
    queue.shutdown(false);
    assert!(queue.is_shut_down() && put.woken() && !join.woken());
    let Err(PutError(3)) = put.expect_ready() else {
        panic!("it was refused");
    };
    assert!(matches!(queue.try_put(4), Err(TryPutError::ShutDown(4))));
    assert_eq!(block_on(queue.put(5)).unwrap_err().into_inner(), 5);
    assert_eq!(block_on(queue.get()), Ok(1));
    assert_eq!(queue.try_get(), Ok(2));
    assert!(block_on(queue.get()).is_err());
    assert_eq!(queue.try_get(), Err(TryGetError::ShutDown));
    queue.task_done();
    queue.task_done();
    join.expect_ready();
    // Twice is as good as once.
    queue.shutdown(true);
    assert_eq!(queue.unfinished(), 0);
}

#[test]
fn who_waits_for_an_item_hears_of_the_shutdown() {
    for immediate in [false, true] {
        let queue = Queue::<u32>::unbounded();
        let mut get = task(queue.get());
        get.expect_pending();
        queue.shutdown(immediate);
        assert!(get.woken());
        assert_eq!(
            get.expect_ready().unwrap_err().to_string(),
            "the queue was shut down"
        );
    }
}

#[test]
fn an_immediate_shutdown_drops_what_there_is_and_counts_it_as_done() {
    let drops = Drops::default();
    let queue = Queue::unbounded();
    for number in 0..3 {
        queue.try_put(drops.value(number)).unwrap();
    }
    let taken = queue.try_get().unwrap();
    let mut join = task(queue.join());
    join.expect_pending();
    queue.shutdown(true);
    assert_eq!(drops.seen(), [1, 2]);
    // One is still being worked on.
    join.expect_pending();
    queue.task_done();
    join.expect_ready();
    assert!(queue.try_get().is_err());
    drop(taken);
}

#[test]
fn an_item_is_not_lost_to_the_waker_of_one_who_puts() {
    let queue = Queue::bounded(1);
    let armed = Arc::new(AtomicBool::new(false));
    for (number, how) in [(0, "try_get"), (1, "get"), (2, "blocking_get")] {
        queue.try_put(number).unwrap();
        let mut put = task(queue.put(10 + number));
        let bomb = armed.clone();
        let waker = calling_waker(move || assert!(!bomb.load(Ordering::SeqCst), "a waker"));
        assert!(put.poll_with(&waker).is_pending());
        armed.store(true, Ordering::SeqCst);
        let got = catch_unwind(AssertUnwindSafe(|| match how {
            "try_get" => queue.try_get().ok(),
            "get" => task(queue.get()).expect_ready().ok(),
            _ => queue.blocking_get().ok(),
        }));
        armed.store(false, Ordering::SeqCst);
        assert_eq!(got.expect("its panic ends there"), Some(number), "{how}");
        queue.task_done();
        assert_eq!(queue.unfinished(), 0);
        put.expect_ready().unwrap();
        assert_eq!(queue.try_get(), Ok(10 + number));
        queue.task_done();
    }
}

#[test]
fn an_immediate_shutdown_survives_all_drops_that_panic() {
    /// A value whose drop panics, and is counted.
    struct Mine(u32, Arc<AtomicUsize>);
    impl Drop for Mine {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::SeqCst);
            std::panic::resume_unwind(Box::new(self.0));
        }
    }
    impl PartialEq for Mine {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other).is_eq()
        }
    }
    impl Eq for Mine {}
    impl PartialOrd for Mine {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Mine {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.cmp(&other.0)
        }
    }
    fn check<O: Order<Mine>>(queue: &OrderedQueue<Mine, O>) {
        let dropped = Arc::new(AtomicUsize::new(0));
        for number in 0..3 {
            queue.try_put(Mine(number, dropped.clone())).ok().unwrap();
        }
        let mut join = task(queue.join());
        join.expect_pending();
        let panic = catch_unwind(AssertUnwindSafe(|| queue.shutdown(true))).unwrap_err();
        assert_eq!(panic.downcast_ref::<u32>(), Some(&0), "the first goes on");
        assert_eq!(dropped.load(Ordering::SeqCst), 3);
        join.expect_ready();
    }
    check(&Queue::unbounded());
    check(&LifoQueue::unbounded());
    check(&PriorityQueue::unbounded());
}

#[test]
fn an_item_that_uses_the_queue_as_it_is_dropped_is_dropped_outside_the_lock() {
    /// Panics when compared, if told to; its drop looks at the queue.
    struct Curious(Touchy, std::sync::Weak<PriorityQueue<Curious>>);
    impl Drop for Curious {
        fn drop(&mut self) {
            if let Some(queue) = self.1.upgrade() {
                let _ = (queue.len(), queue.unfinished(), queue.is_full());
            }
        }
    }
    impl PartialEq for Curious {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for Curious {}
    impl PartialOrd for Curious {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Curious {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.cmp(&other.0)
        }
    }
    within_limit(|| {
        let touchy = Arc::new(AtomicBool::new(false));
        let queue = Arc::new(PriorityQueue::bounded(4));
        for number in [3, 1, 2] {
            let item = Curious(Touchy(number, touchy.clone()), Arc::downgrade(&queue));
            queue.try_put(item).ok().unwrap();
        }
        touchy.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            assert!(catch_unwind(AssertUnwindSafe(|| queue.try_get().is_ok())).is_err());
        }
        // Nothing is lost by that: neither an item, nor the right to take it.
        assert_eq!((queue.len(), queue.unfinished()), (3, 3));
        touchy.store(false, Ordering::SeqCst);
        let mut numbers: Vec<_> = drain(&queue).iter().map(|item| item.0.0).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3]);
        for number in 0..4 {
            let item = Curious(Touchy(number, touchy.clone()), Arc::downgrade(&queue));
            queue.try_put(item).ok().unwrap();
        }
        assert!(queue.is_full());
        queue.shutdown(true);
    });
}

/// Panics when compared, if told to.
struct Touchy(u32, Arc<AtomicBool>);

impl PartialEq for Touchy {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Touchy {}

impl PartialOrd for Touchy {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Touchy {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        assert!(!self.1.load(Ordering::SeqCst), "not to be compared");
        self.0.cmp(&other.0)
    }
}

#[test]
fn a_comparison_that_panics_leaves_the_queue_in_order() {
    let touchy = Arc::new(AtomicBool::new(false));
    let queue = PriorityQueue::bounded(4);
    let item = |number| Touchy(number, touchy.clone());
    queue.try_put(item(2)).ok().unwrap();
    touchy.store(true, Ordering::SeqCst);
    let put = catch_unwind(AssertUnwindSafe(|| queue.try_put(item(1)).is_ok()));
    assert!(put.is_err());
    touchy.store(false, Ordering::SeqCst);
    // It is in, and counts.
    assert_eq!((queue.len(), queue.unfinished()), (2, 2));
    queue.try_put(item(3)).ok().unwrap();
    touchy.store(true, Ordering::SeqCst);
    assert!(catch_unwind(AssertUnwindSafe(|| queue.try_get().is_ok())).is_err());
    touchy.store(false, Ordering::SeqCst);
    // None has left by that.
    assert_eq!(queue.len(), 3);
    queue.try_put(item(0)).ok().unwrap();
    assert!(queue.is_full());
    assert!(matches!(queue.try_put(item(9)), Err(TryPutError::Full(_))));
    assert_eq!(drain(&queue).len(), 4);
    assert!(queue.try_get().is_err());
}

#[test]
fn threads_and_tasks_share_a_queue_by_blocking() {
    within_limit(|| {
        let queue = Arc::new(Queue::bounded(3));
        let takers: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                std::thread::spawn(move || {
                    let mut sum = 0;
                    while let Ok(item) = queue.blocking_get() {
                        sum += item;
                        queue.task_done();
                    }
                    sum
                })
            })
            .collect();
        let putters: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                std::thread::spawn(move || (1..=1_000).for_each(|i| queue.blocking_put(i).unwrap()))
            })
            .collect();
        putters
            .into_iter()
            .for_each(|putter| putter.join().unwrap());
        queue.blocking_join();
        queue.shutdown(false);
        let sum: u32 = takers.into_iter().map(|taker| taker.join().unwrap()).sum();
        assert_eq!(sum, 3 * 500_500);
    });
}

#[test]
fn a_wait_that_is_dropped_at_any_poll_leaves_the_queue_as_it_was() {
    let queue = Queue::bounded(1);
    for polls in 0..3 {
        let mut get = task(queue.get());
        (0..polls).for_each(|_| get.expect_pending());
        drop(get);
        queue.try_put(polls).unwrap();
        let mut put = task(queue.put(9));
        (0..polls).for_each(|_| put.expect_pending());
        drop(put);
        let mut join = task(queue.join());
        for _ in 0..polls {
            assert_eq!(join.poll(), Poll::Pending);
        }
        drop(join);
        assert_eq!(drain(&queue), [polls]);
        queue.task_done();
    }
}
