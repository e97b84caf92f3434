//! What a set of tasks with keys promises: each is joined once, with its key, unless another took its key.

#[path = "support/watch.rs"]
mod watch;

use std::future::pending;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use heist_scheduler::task::{JoinMap, LocalSet};
use heist_sync::oneshot;
use watch::{current_thread, each_kind, watchdog};

#[test]
fn every_task_is_joined_once_with_its_key() {
    let _dog = watchdog();
    for runtime in each_kind() {
        runtime.block_on(async {
            let mut map = JoinMap::new();
            for key in 0..100 {
                map.spawn(key, async move { key * 2 });
            }
            map.spawn(100, async { panic!("as it should") });
            map.spawn(101, pending());
            map.spawn_blocking(102, || 204);
            assert!(map.abort(&101) && !map.abort(&1_000));
            assert_eq!((map.len(), map.keys().len()), (103, 103));
            let mut seen = [false; 103];
            while let Some((key, result)) = map.join_next().await {
                match result {
                    Ok(output) => assert_eq!(output, 2 * key),
                    Err(error) if error.is_panic() => assert_eq!(key, 100),
                    Err(_) => assert_eq!(key, 101),
                }
                assert!(!seen[key] && !map.contains_key(&key));
                seen[key] = true;
            }
            assert_eq!(seen, [true; 103]);
            assert!(map.is_empty() && map.try_join_next().is_none());
        });
    }
}

#[test]
fn a_task_whose_key_is_taken_is_aborted_and_not_joined() {
    let _dog = watchdog();
    current_thread().block_on(async {
        let mut map = JoinMap::new();
        let (held, gone) = oneshot::channel::<()>();
        map.spawn("a", async move {
            let _held = held;
            pending().await
        });
        map.spawn("b", async { 1 });
        map.spawn("a", async { 2 });
        assert_eq!(map.len(), 2);
        assert!(gone.await.is_err(), "it was aborted");
        let mut joined = Vec::new();
        while let Some((key, result)) = map.join_next().await {
            joined.push((key, result.unwrap()));
        }
        joined.sort_unstable();
        assert_eq!(joined, [("a", 2), ("b", 1)]);
        // One that has ended is replaced as well.
        map.spawn("a", async { 3 });
        heist_scheduler::task::yield_now().await;
        map.spawn("a", async { 4 });
        assert_eq!(map.join_next().await.unwrap().1.unwrap(), 4);
        assert!(map.join_next().await.is_none());
    });
}

#[test]
fn keys_choose_who_is_aborted() {
    let _dog = watchdog();
    current_thread().block_on(async {
        let mut map = JoinMap::with_capacity(8);
        for name in ["one", "two", "three", "four"] {
            map.spawn(name.to_owned(), async move {
                if name.len() > 3 {
                    pending::<()>().await;
                }
            });
        }
        assert!(map.contains_key("one") && !map.contains_key("five"));
        map.abort_matching(|name| name.starts_with('t') || name.starts_with('f'));
        let mut cancelled = Vec::new();
        while let Some((name, result)) = map.join_next().await {
            if result.is_err_and(|error| error.is_cancelled()) {
                cancelled.push(name);
            }
        }
        cancelled.sort_unstable();
        // Nobody had been polled yet.
        assert_eq!(cancelled, ["four", "three", "two"]);
    });
}

/// A key that always has the same hash, and whose comparison may panic.
#[derive(Debug)]
struct Odd(u32, bool);

impl Hash for Odd {
    fn hash<H: Hasher>(&self, state: &mut H) {
        7.hash(state);
    }
}

impl PartialEq for Odd {
    fn eq(&self, other: &Self) -> bool {
        assert!(!self.1 && !other.1, "it can't be compared");
        self.0 == other.0
    }
}

impl Eq for Odd {}

#[test]
fn keys_that_collide_or_panic_confuse_nobody() {
    let _dog = watchdog();
    current_thread().block_on(async {
        let mut map = JoinMap::new();
        for key in 0..20 {
            map.spawn(Odd(key, false), async move { key });
        }
        let payload = Arc::new(());
        let held = payload.clone();
        let spawned = catch_unwind(AssertUnwindSafe(|| {
            map.spawn(Odd(0, true), async move {
                drop(held);
                100
            });
        }));
        assert!(spawned.is_err());
        assert_eq!(map.len(), 20);
        let mut seen = 0;
        while let Some((key, result)) = map.join_next().await {
            assert_eq!(result.unwrap(), key.0);
            seen += 1;
        }
        assert_eq!(seen, 20);
        map.shutdown().await;
        assert_eq!(Arc::strong_count(&payload), 1);
    });
}

#[test]
fn none_outlives_the_map_unless_it_is_detached() {
    let _dog = watchdog();
    current_thread().block_on(async {
        let payload = Arc::new(());
        let holds = || {
            let payload = payload.clone();
            async move {
                let _payload = payload;
                pending::<()>().await
            }
        };
        let mut map = JoinMap::new();
        map.spawn(1, holds());
        map.spawn(2, holds());
        map.shutdown().await;
        assert_eq!((Arc::strong_count(&payload), map.len()), (1, 0));
        map.spawn(1, holds());
        drop(map);
        heist_scheduler::task::yield_now().await;
        assert_eq!(Arc::strong_count(&payload), 1);
        let mut map = JoinMap::new();
        let (sender, receiver) = oneshot::channel();
        map.spawn(1, async move { sender.send(7).unwrap() });
        map.detach_all();
        assert!(map.is_empty() && !map.contains_key(&1));
        assert_eq!(receiver.await.unwrap(), 7);
    });
}

#[test]
fn polls_are_woken_by_the_next_that_ends() {
    let _dog = watchdog();
    current_thread().block_on(async {
        let mut map = JoinMap::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(map.poll_join_next(&mut cx), Poll::Ready(None)));
        let set = LocalSet::new();
        let local = std::rc::Rc::new(5);
        map.spawn_local_on("local", async move { *local }, &set);
        assert!(map.poll_join_next(&mut cx).is_pending());
        let joined = set.run_until(map.join_next()).await;
        let (key, result) = joined.unwrap();
        assert_eq!((key, result.unwrap()), ("local", 5));
    });
}
