//! Promises and futures.

use std::sync::mpsc;

use heist::event_loop::RuntimeExt as _;
use heist::runtime::Builder;

use super::{Watchdog, runtime};

#[test]
fn everyone_who_awaits_gets_the_result() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let event_loop = runtime.event_loop();
    let (promise, future) = event_loop.create_future::<String>();
    let tasks: Vec<_> = (0..10).map(|_| runtime.spawn(future.clone())).collect();
    assert!(!future.done() && future.result().is_none());
    event_loop.call_soon(move || promise.set_result("all".to_owned()).unwrap());
    for task in tasks {
        assert_eq!(runtime.block_on(task).unwrap().unwrap(), "all");
    }
    assert!(future.done() && !future.cancelled());
    assert_eq!(future.result().unwrap().unwrap(), "all");
    assert_eq!(runtime.block_on(future).unwrap(), "all");
}

#[test]
fn a_future_is_set_once() {
    let runtime = runtime();
    let (promise, future) = runtime.event_loop().create_future();
    promise.set_result(1).unwrap();
    assert_eq!(promise.set_result(2).unwrap_err().0, 2);
    assert!(promise.set_exception("no").is_err());
    assert!(!future.cancel());
    assert!(promise.done() && !promise.cancelled());
    assert_eq!(future.result().unwrap().unwrap(), &1);
}

#[test]
fn an_exception_reaches_everyone() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let (promise, future) = runtime.event_loop().create_future::<()>();
    promise
        .set_exception(std::io::Error::other("broken"))
        .unwrap();
    let error = runtime.block_on(future.clone()).unwrap_err();
    assert_eq!(error.to_string(), "the future failed: broken");
    assert!(error.exception().unwrap().is::<std::io::Error>() && !error.is_cancelled());
    assert!(runtime.block_on(future).unwrap_err().exception().is_some());
}

#[test]
fn cancelling_wakes_those_who_wait_and_is_seen_by_the_promise() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let (promise, future) = runtime.event_loop().create_future::<u32>();
    let waits = runtime.spawn(future.clone());
    assert!(future.cancel());
    assert!(!future.cancel());
    assert!(runtime.block_on(waits).unwrap().unwrap_err().is_cancelled());
    assert!(future.cancelled() && promise.cancelled());
    assert_eq!(promise.set_result(3).unwrap_err().0, 3);
}

#[test]
fn a_promise_that_is_dropped_cancels() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let (promise, future) = runtime.event_loop().create_future::<u32>();
    let waits = runtime.spawn(future);
    drop(promise);
    assert!(runtime.block_on(waits).unwrap().unwrap_err().is_cancelled());
}

#[test]
fn done_callbacks_run_on_the_loop_in_their_order() {
    let _watchdog = Watchdog::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    let event_loop = runtime.event_loop();
    let (sender, receiver) = mpsc::channel();
    let (promise, future) = event_loop.create_future();
    let mut ids = Vec::new();
    for number in 0..10 {
        let sender = sender.clone();
        ids.push(future.add_done_callback(move |future| {
            assert_eq!(future.result().unwrap().unwrap(), &'r');
            sender.send(number).unwrap();
        }));
    }
    assert!(future.remove_done_callback(ids[3]) && !future.remove_done_callback(ids[3]));
    promise.set_result('r').unwrap();
    assert!(
        receiver.try_recv().is_err(),
        "a callback ran inside `set_result`"
    );
    let stop = event_loop.clone();
    future.add_done_callback(move |_| {
        sender.send(10).unwrap();
        stop.stop();
    });
    runtime.block_on(event_loop.run_forever());
    assert!(receiver.try_iter().eq([0, 1, 2, 4, 5, 6, 7, 8, 9, 10]));
}

#[test]
fn a_future_that_is_no_longer_awaited_leaves_no_waker() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let (promise, future) = runtime.event_loop().create_future::<u32>();
    runtime.block_on(async {
        for _ in 0..1_000 {
            let mut gives_up = future.clone();
            let polled = std::future::poll_fn(|cx| {
                let first = std::pin::Pin::new(&mut gives_up).poll(cx).is_pending();
                std::task::Poll::Ready(
                    first && std::pin::Pin::new(&mut gives_up).poll(cx).is_pending(),
                )
            });
            assert!(polled.await);
        }
    });
    promise.set_result(1).unwrap();
    assert_eq!(runtime.block_on(future).unwrap(), 1);
}
