//! The task functions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use heist::event_loop::tasks::{
    ReturnWhen, TaskGroup, as_completed, gather, gather_all, shield, timeout, timeout_at, wait,
    wait_for,
};
use heist::sync::oneshot;
use heist::task::{JoinHandle, yield_now};
use heist::time::{Duration, Instant, sleep};

use super::on_each;

/// Counts how many of these are gone.
struct Gone(Arc<AtomicUsize>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

async fn until(gone: &AtomicUsize, count: usize) {
    while gone.load(Ordering::SeqCst) < count {
        yield_now().await;
    }
}

const LONG: Duration = Duration::from_secs(3_600);

#[test]
fn gather_keeps_the_order_of_the_futures() {
    on_each(|event_loop| {
        let output = event_loop.run_until_complete(async {
            gather((0..50).map(|number: u32| async move {
                for _ in 0..50 - number {
                    yield_now().await;
                }
                Ok::<_, ()>(number)
            }))
            .await
            .unwrap()
        });
        assert_eq!(output, Ok((0..50).collect::<Vec<_>>()));
        let none = event_loop.run_until_complete(async {
            gather(Vec::<std::future::Ready<Result<(), ()>>>::new()).await
        });
        assert!(none.unwrap().unwrap().is_empty());
    });
}

#[test]
fn gather_returns_the_first_error_and_the_others_go_on() {
    on_each(|event_loop| {
        let ended = Arc::new(AtomicUsize::new(0));
        event_loop
            .run_until_complete(async {
                let futures = (0..3).map(|number| {
                    let ended = Gone(ended.clone());
                    async move {
                        if number == 1 {
                            return Err("one");
                        }
                        for _ in 0..10 {
                            yield_now().await;
                        }
                        // It has come to its end.
                        drop(ended);
                        std::future::pending::<()>().await;
                        Ok(())
                    }
                });
                let failure = gather(futures).await.unwrap_err();
                assert_eq!(failure.to_string(), "one");
                until(&ended, 3).await;
            })
            .unwrap();
    });
}

#[test]
fn a_dropped_gather_cancels_its_tasks() {
    on_each(|event_loop| {
        let gone = Arc::new(AtomicUsize::new(0));
        event_loop
            .run_until_complete(async {
                let futures = (0..3).map(|_| {
                    let gone = Gone(gone.clone());
                    async move {
                        let _gone = gone;
                        sleep(LONG).await;
                        Ok::<(), ()>(())
                    }
                });
                assert!(
                    wait_for(gather(futures), Some(Duration::from_millis(1)))
                        .await
                        .is_err()
                );
                until(&gone, 3).await;
            })
            .unwrap();
    });
}

#[test]
fn gather_all_has_panics_among_its_outcomes() {
    on_each(|event_loop| {
        let output = event_loop.run_until_complete(async {
            gather_all((0..4).map(|number| async move {
                assert_ne!(number, 2, "two");
                number
            }))
            .await
        });
        let outcomes = output.unwrap();
        assert_eq!(outcomes.len(), 4);
        for (number, outcome) in outcomes.into_iter().enumerate() {
            match number {
                2 => assert!(outcome.unwrap_err().is_panic()),
                _ => assert_eq!(outcome.unwrap(), number),
            }
        }
    });
}

/// Tasks of which the first ends at once, the second fails after that, and the third waits.
fn three() -> Vec<JoinHandle<u32>> {
    let first = heist::spawn(async { 0 });
    let ended = first.abort_handle();
    let second = heist::spawn(async move {
        while !ended.is_finished() {
            yield_now().await;
        }
        panic!("the second")
    });
    let third = heist::spawn(async {
        sleep(LONG).await;
        2
    });
    vec![first, second, third]
}

#[test]
fn wait_returns_when_it_was_told_to() {
    on_each(|event_loop| {
        event_loop
            .run_until_complete(async {
                let waited = wait(three(), ReturnWhen::FirstCompleted, None).await;
                assert!(!waited.done.is_empty() && !waited.pending.is_empty());
                assert!(waited.done.iter().all(|(index, _)| *index < 2));

                let waited = wait(three(), ReturnWhen::FirstException, None).await;
                let failed = waited.done.iter().find(|(index, _)| *index == 1).unwrap();
                assert!(failed.1.as_ref().unwrap_err().is_panic());
                assert_eq!(waited.done.len() + waited.pending.len(), 3);

                // What is pending can be waited for again.
                for task in &waited.pending {
                    task.abort();
                }
                let again = wait(waited.pending, ReturnWhen::AllCompleted, None).await;
                assert!(
                    again
                        .done
                        .last()
                        .unwrap()
                        .1
                        .as_ref()
                        .unwrap_err()
                        .is_cancelled()
                );

                let tasks = three();
                while !(tasks[0].is_finished() && tasks[1].is_finished()) {
                    yield_now().await;
                }
                let limit = Some(Duration::from_millis(1));
                let waited = wait(tasks, ReturnWhen::AllCompleted, limit).await;
                assert_eq!((waited.done.len(), waited.pending.len()), (2, 1));

                let none: Vec<JoinHandle<()>> = Vec::new();
                let waited = wait(none, ReturnWhen::FirstCompleted, None).await;
                assert!(waited.done.is_empty() && waited.pending.is_empty());
            })
            .unwrap();
    });
}

#[test]
fn wait_takes_futures_of_the_loop() {
    on_each(|event_loop| {
        let (promise, first) = event_loop.create_future::<u32>();
        let (_other, second) = event_loop.create_future::<u32>();
        event_loop.call_soon(move || promise.set_exception("bad").unwrap());
        let waited = event_loop
            .run_until_complete(wait(
                [first, second.clone()],
                ReturnWhen::FirstException,
                None,
            ))
            .unwrap();
        assert!(waited.done[0].1.is_err());
        assert_eq!(waited.pending.len(), 1);
        assert!(!second.done());
    });
}

#[test]
fn as_completed_hands_out_what_comes_first() {
    on_each(|event_loop| {
        event_loop
            .run_until_complete(async {
                let (mut senders, mut receivers) = (Vec::new(), Vec::new());
                for _ in 0..3 {
                    let (sender, receiver) = oneshot::channel();
                    senders.push(Some(sender));
                    receivers.push(receiver);
                }
                let mut outcomes = as_completed(receivers);
                assert_eq!((outcomes.len(), outcomes.is_empty()), (3, false));
                for index in [2, 0, 1] {
                    senders[index].take().unwrap().send(index).unwrap();
                    let (first, outcome) = outcomes.next().await.unwrap();
                    assert_eq!((first, outcome.unwrap()), (index, Ok(index)));
                }
                assert!(outcomes.next().await.is_none());
            })
            .unwrap();
    });
}

#[test]
fn a_timeout_can_be_rescheduled_both_ways() {
    on_each(|event_loop| {
        event_loop
            .run_until_complete(async {
                let limit = timeout(Some(Duration::from_millis(2)));
                let same = limit.clone();
                let longer = limit.run(async move {
                    same.reschedule(Some(Instant::now() + LONG)).unwrap();
                    sleep(Duration::from_millis(5)).await;
                });
                assert!(longer.await.is_ok());
                assert!(!limit.expired() && limit.reschedule(None).is_err());

                let limit = timeout(Some(LONG));
                let same = limit.clone();
                // By another task, while the block waits.
                heist::spawn(async move {
                    yield_now().await;
                    same.reschedule(Some(Instant::now())).unwrap();
                });
                assert!(limit.run(sleep(LONG)).await.is_err());
                assert!(limit.expired() && limit.reschedule(None).is_err());

                let limit = timeout_at(None);
                assert_eq!(limit.when(), None);
                assert_eq!(limit.run(async { 1 }).await, Ok(1));
            })
            .unwrap();
    });
}

#[test]
fn a_timeout_in_the_past_ends_the_block_at_its_first_wait() {
    on_each(|event_loop| {
        event_loop
            .run_until_complete(async {
                let past = timeout_at(Some(Instant::now()));
                assert_eq!(past.run(async { "no wait" }).await, Ok("no wait"));
                let past = timeout_at(Some(Instant::now()));
                assert!(past.run(std::future::pending::<()>()).await.is_err());
            })
            .unwrap();
    });
}

#[test]
fn nested_timeouts_expire_each_for_itself() {
    on_each(|event_loop| {
        event_loop
            .run_until_complete(async {
                let (outer, inner) = (timeout(Some(LONG)), timeout(Some(Duration::from_millis(1))));
                let nested = outer.run(async { inner.run(sleep(LONG)).await.is_err() });
                assert_eq!(nested.await, Ok(true));
                assert!(!outer.expired() && inner.expired());
                let (outer, inner) = (timeout(Some(Duration::from_millis(1))), timeout(Some(LONG)));
                let nested = outer.run(async { inner.run(sleep(LONG)).await.is_err() });
                assert!(nested.await.is_err());
                assert!(outer.expired() && !inner.expired());
            })
            .unwrap();
    });
}

#[test]
fn a_shielded_future_goes_on() {
    on_each(|event_loop| {
        let (sender, receiver) = oneshot::channel();
        let output = event_loop.run_until_complete(async {
            let mut shielded = shield(receiver);
            let limit = Some(Duration::from_millis(1));
            assert!(wait_for(&mut shielded, limit).await.is_err());
            sender.send(7).unwrap();
            shielded.await.unwrap()
        });
        assert_eq!(output, Ok(Ok(7)));
    });
}

#[test]
fn wait_for_prefers_the_output_to_the_limit() {
    on_each(|event_loop| {
        let output = event_loop.run_until_complete(wait_for(async { 1 }, Some(Duration::ZERO)));
        assert!(matches!(output, Ok(Ok(1))));
    });
}

#[test]
fn a_group_cancels_its_tasks_when_one_fails() {
    on_each(|event_loop| {
        let gone = Arc::new(AtomicUsize::new(0));
        let held = Gone(gone.clone());
        let error = event_loop.run_until_complete(async {
            let mut group = TaskGroup::new();
            group.spawn(async move {
                let _held = held;
                sleep(LONG).await;
                Ok(())
            });
            group.spawn(async { Err("failed") });
            group.join().await.unwrap_err()
        });
        assert!(error.unwrap().to_string().contains("failed"));
        assert_eq!(gone.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_timeout_that_is_used_twice_keeps_its_state() {
    on_each(|event_loop| {
        let ends = event_loop.run_until_complete(async {
            let limit = timeout(Some(Duration::ZERO));
            let slept = limit.run(std::future::pending::<()>()).await;
            assert!(slept.is_err() && limit.expired());
            let again = limit.clone();
            let second = heist::spawn(async move { again.run(async {}).await });
            assert!(second.await.unwrap_err().is_panic());
            assert!(limit.expired() && limit.reschedule(None).is_err());
        });
        ends.unwrap();
    });
}
