//! Executors: limits, names, the default one, and their end.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use heist::event_loop::ThreadPoolExecutor;

use super::on_each;

#[test]
fn a_pool_has_no_more_threads_than_it_may() {
    on_each(|event_loop| {
        let pool = ThreadPoolExecutor::new("narrow", 2).unwrap();
        assert_eq!((pool.name(), pool.max_workers()), ("narrow", 2));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs: Vec<_> = (0..20)
            .map(|_| {
                let (now, most) = (now.clone(), most.clone());
                event_loop.run_in_executor(Some(&pool), move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(1));
                    now.fetch_sub(1, Ordering::SeqCst);
                    thread::current().name().map(str::to_owned)
                })
            })
            .collect();
        event_loop
            .run_until_complete(async {
                for job in jobs {
                    let name = job.await.unwrap().unwrap();
                    assert!(["narrow_0", "narrow_1"].contains(&&*name), "{name}");
                }
            })
            .unwrap();
        assert!(most.load(Ordering::SeqCst) <= 2);
    });
}

#[test]
fn a_pool_that_is_shut_down_ends_what_it_has_and_takes_no_more() {
    on_each(|event_loop| {
        let pool = ThreadPoolExecutor::new("ending", 1).unwrap();
        let jobs: Vec<_> = (0..5).map(|number| pool.submit(move || number)).collect();
        pool.shutdown(true, false);
        assert!(jobs.iter().all(|job| job.is_finished()));
        let late = event_loop.run_in_executor(Some(&pool), || 1);
        let late = event_loop.run_until_complete(late).unwrap();
        assert!(late.unwrap_err().is_cancelled());
        for (number, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.blocking_join().unwrap(), number);
        }
        pool.shutdown(true, false);
    });
}

#[test]
fn a_shutdown_that_cancels_drops_what_waits_and_lets_the_rest_end() {
    on_each(|event_loop| {
        let pool = ThreadPoolExecutor::new("cancelling", 1).unwrap();
        let (begins, has_begun) = mpsc::channel::<()>();
        let (release, held) = mpsc::channel::<()>();
        let running = pool.submit(move || {
            begins.send(()).unwrap();
            held.recv().is_ok()
        });
        has_begun.recv().unwrap();
        let waiting = pool.map(|number| number, 0..10);
        pool.shutdown(false, true);
        for job in waiting {
            let ended = event_loop.run_until_complete(job).unwrap();
            assert!(ended.unwrap_err().is_cancelled());
        }
        release.send(()).unwrap();
        // A later call that waits does so, whoever shut the pool down.
        pool.shutdown(true, false);
        assert!(running.is_finished());
        assert!(running.blocking_join().unwrap());
    });
}

#[test]
fn each_call_of_shutdown_that_waits_waits_for_the_end() {
    on_each(|_| {
        let pool = Arc::new(ThreadPoolExecutor::new("waits", 1).unwrap());
        let (release, held) = mpsc::channel::<()>();
        let running = pool.submit(move || held.recv().is_ok());
        pool.shutdown(false, false);
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let pool = pool.clone();
                thread::spawn(move || pool.shutdown(true, false))
            })
            .collect();
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        release.send(()).unwrap();
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert!(running.is_finished());
    });
}

#[test]
fn a_function_mapped_over_items_gives_its_results_in_their_order() {
    on_each(|event_loop| {
        let pool = ThreadPoolExecutor::new("maps", 3).unwrap();
        let handles = pool.map(
            |text: String| text.len(),
            ["", "a", "bc"].map(str::to_owned),
        );
        let lengths: Vec<_> = handles
            .into_iter()
            .map(|handle| event_loop.run_until_complete(handle).unwrap().unwrap())
            .collect();
        assert_eq!(lengths, [0, 1, 2]);
    });
}

#[test]
fn each_thread_calls_the_initializer_once() {
    on_each(|_| {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let count = move || _ = counted.fetch_add(1, Ordering::SeqCst);
        let pool = ThreadPoolExecutor::with_initializer("prepared", 2, count).unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 0);
        // Both wait for each other, so there are two threads. One that has had nothing to do for long may have made way for
        // another one.
        let meeting = Arc::new(std::sync::Barrier::new(2));
        let met = move |_| {
            meeting.wait();
            thread::current().id()
        };
        let ids = pool.map(met, 0..8).into_iter();
        let threads: HashSet<_> = ids.map(|id| id.blocking_join().unwrap()).collect();
        pool.shutdown(true, false);
        assert!(threads.len() >= 2);
        assert_eq!(calls.load(Ordering::SeqCst), threads.len());
    });
}

#[test]
fn an_initializer_that_panics_breaks_the_pool() {
    on_each(|_| {
        let breaks = || assert!(std::hint::black_box(false), "in the initializer");
        let pool = ThreadPoolExecutor::with_initializer("broken", 1, breaks).unwrap();
        for job in pool.map(|_| unreachable!("the thread was not prepared"), 0..3) {
            let ended: Result<(), _> = job.blocking_join();
            let payload = ended.unwrap_err().into_panic();
            let text = payload.downcast_ref::<&str>().unwrap();
            assert!(text.contains("the initializer"), "{text}");
        }
        // It still ends.
        pool.shutdown(true, false);
    });
}

#[test]
fn a_dropped_pool_still_runs_what_it_has() {
    on_each(|_| {
        let pool = ThreadPoolExecutor::new("dropped", 1).unwrap();
        let (sender, receiver) = mpsc::channel::<()>();
        let first = pool.submit(move || receiver.recv());
        let second = pool.submit(|| 2);
        drop(pool);
        sender.send(()).unwrap();
        assert!(first.blocking_join().unwrap().is_ok());
        assert_eq!(second.blocking_join().unwrap(), 2);
    });
}

#[test]
fn the_default_executor_can_be_replaced_and_shut_down() {
    on_each(|event_loop| {
        let pool = Arc::new(ThreadPoolExecutor::new("default", 1).unwrap());
        event_loop.set_default_executor(pool.clone());
        let output = event_loop.run_until_complete(async {
            let name = || thread::current().name().map(str::to_owned);
            let name = event_loop.run_in_executor(None, name).await.unwrap();
            event_loop.shutdown_default_executor(None).await.unwrap();
            let late = event_loop.run_in_executor(None, || 1).await;
            (name, late.unwrap_err().is_cancelled())
        });
        assert_eq!(output, Ok((Some("default_0".to_owned()), true)));
    });
}

#[test]
fn the_shutdown_of_the_default_executor_has_a_limit() {
    on_each(|event_loop| {
        let pool = Arc::new(ThreadPoolExecutor::new("stuck", 1).unwrap());
        event_loop.set_default_executor(pool);
        let (sender, receiver) = mpsc::channel::<()>();
        let stuck = event_loop.run_in_executor(None, move || receiver.recv());
        let limit = Some(Duration::from_millis(5));
        let output = event_loop.run_until_complete(event_loop.shutdown_default_executor(limit));
        assert!(output.unwrap().is_err());
        sender.send(()).unwrap();
        assert!(
            event_loop
                .run_until_complete(stuck)
                .unwrap()
                .unwrap()
                .is_ok()
        );
    });
}

#[test]
fn a_job_that_panics_harms_no_other() {
    on_each(|event_loop| {
        let pool = ThreadPoolExecutor::new("panics", 1).unwrap();
        let panics = event_loop.run_in_executor(Some(&pool), || {
            assert!(std::hint::black_box(false), "in the job");
        });
        let fine = event_loop.run_in_executor(Some(&pool), || 1);
        let output = event_loop.run_until_complete(async { (panics.await, fine.await) });
        let (panicked, fine) = output.unwrap();
        assert!(panicked.unwrap_err().is_panic());
        assert_eq!(fine.unwrap(), 1);
    });
}

#[test]
fn a_pool_that_is_shut_down_by_its_own_thread_says_what_is_wrong() {
    on_each(|event_loop| {
        let pool = Arc::new(ThreadPoolExecutor::new("own", 1).unwrap());
        let own = pool.clone();
        let job = event_loop.run_in_executor(Some(&pool), move || own.shutdown(true, false));
        let ended = event_loop.run_until_complete(job).unwrap();
        assert!(ended.unwrap_err().is_panic());
        // Without waiting, it may.
        let own = pool.clone();
        let job = event_loop.run_in_executor(Some(&pool), move || own.shutdown(false, false));
        event_loop.run_until_complete(job).unwrap().unwrap();
    });
}

#[test]
fn the_names_of_threads_leave_nul_characters_out() {
    on_each(|_| {
        for shut_down in [false, true] {
            let pool = ThreadPoolExecutor::new("a\0b", 1).unwrap();
            assert_eq!(pool.name(), "a\0b");
            let name = pool.submit(|| thread::current().name().map(str::to_owned));
            assert_eq!(name.blocking_join().unwrap().as_deref(), Some("ab_0"));
            if shut_down {
                pool.shutdown(true, false);
            }
            drop(pool);
        }
    });
}
