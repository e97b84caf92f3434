//! `create_task`, the task factory, and tasks that start eagerly.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use heist::task::yield_now;

use super::{Log, on_each};

#[test]
fn a_task_factory_sees_each_task() {
    on_each(|event_loop| {
        let (log, polls) = (Log::default(), Arc::new(AtomicUsize::new(0)));
        let (seen, counted) = (log.clone(), polls.clone());
        event_loop.set_task_factory(Some(Box::new(move |event_loop, task| {
            seen.note(format!("{:?} {}", task.name(), event_loop.is_closed()));
            let counted = counted.clone();
            task.wrap(|future| async move {
                counted.fetch_add(1, Ordering::SeqCst);
                future.await;
                counted.fetch_add(10, Ordering::SeqCst);
            })
        })));
        assert!(event_loop.get_task_factory().is_some());
        let named = event_loop.task_builder().name("one").spawn(async {
            yield_now().await;
            1
        });
        let unnamed = event_loop.create_task(async { 2 });
        let sum =
            event_loop.run_until_complete(async { named.await.unwrap() + unnamed.await.unwrap() });
        assert_eq!((sum, polls.load(Ordering::SeqCst)), (Ok(3), 22));
        assert_eq!(log.take(), ["Some(\"one\") false", "None false"]);
        event_loop.set_task_factory(None);
        assert!(event_loop.get_task_factory().is_none());
    });
}

#[test]
fn a_factory_that_drops_the_future_is_a_panic_of_the_task() {
    on_each(|event_loop| {
        event_loop.set_task_factory(Some(Box::new(|_, task| {
            task.wrap(|future| async move { drop(future) })
        })));
        let task = event_loop.create_task(async { 1 });
        let error = event_loop.run_until_complete(task).unwrap().unwrap_err();
        assert!(error.is_panic());
    });
}

#[test]
fn an_eager_task_runs_up_to_its_first_wait() {
    on_each(|event_loop| {
        let log = Log::default();
        let noting = log.clone();
        let (go_on, may_go_on) = heist::sync::oneshot::channel();
        let task = event_loop
            .task_builder()
            .eager_start(true)
            .spawn(async move {
                noting.note("begun");
                may_go_on.await.unwrap();
                noting.note("ended");
            });
        log.note("spawned");
        go_on.send(()).unwrap();
        event_loop.run_until_complete(task).unwrap().unwrap();
        assert_eq!(log.take(), ["begun", "spawned", "ended"]);
    });
}

#[test]
fn a_task_that_panics_is_an_error_of_its_handle_alone() {
    on_each(|event_loop| {
        let task = event_loop.create_task(async {
            assert!(std::hint::black_box(false), "in the task");
        });
        let error = event_loop.run_until_complete(task).unwrap().unwrap_err();
        assert!(error.is_panic());
        assert_eq!(event_loop.run_until_complete(async { 1 }), Ok(1));
    });
}
