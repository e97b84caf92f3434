//! Executors: limits, names, the default one, and their end.

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
                    assert_eq!(job.await.unwrap().as_deref(), Some("narrow"));
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
        pool.shutdown(true);
        assert!(jobs.iter().all(|job| job.is_finished()));
        let late = event_loop.run_in_executor(Some(&pool), || 1);
        let late = event_loop.run_until_complete(late).unwrap();
        assert!(late.unwrap_err().is_cancelled());
        for (number, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.blocking_join().unwrap(), number);
        }
        pool.shutdown(true);
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
        assert_eq!(output, Ok((Some("default".to_owned()), true)));
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
        let job = event_loop.run_in_executor(Some(&pool), move || own.shutdown(true));
        let ended = event_loop.run_until_complete(job).unwrap();
        assert!(ended.unwrap_err().is_panic());
        // Without waiting, it may.
        let own = pool.clone();
        let job = event_loop.run_in_executor(Some(&pool), move || own.shutdown(false));
        event_loop.run_until_complete(job).unwrap().unwrap();
    });
}
