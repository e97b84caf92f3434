//! The core of the event loop: runs, callbacks, futures, tasks, contexts, executors and implementations.
//!
//! What asyncio has, behaves as CPython's own tests of asyncio say.

#[path = "event_loop_core/context.rs"]
mod context;
#[path = "event_loop_core/creation.rs"]
mod creation;
#[path = "event_loop_core/debug.rs"]
mod debug;
#[path = "event_loop_core/endings.rs"]
mod endings;
#[path = "event_loop_core/executors.rs"]
mod executors;
#[path = "event_loop_core/futures.rs"]
mod futures;
#[path = "event_loop_core/implementations.rs"]
mod implementations;
#[path = "event_loop_core/layers.rs"]
mod layers;
#[path = "event_loop_core/names.rs"]
mod names;
#[path = "event_loop_core/runs.rs"]
mod runs;
#[path = "event_loop_core/tasks.rs"]
mod tasks;
#[path = "support/watchdog.rs"]
mod watchdog;

use std::sync::{Arc, Mutex, mpsc};

use heist::event_loop::{EventLoop, OwnedEventLoop};
pub(crate) use watchdog::Watchdog;

/// Runs a test on each kind of loop: current-thread, one worker, two workers.
pub(crate) fn on_each(test: impl Fn(OwnedEventLoop)) {
    let _watchdog = Watchdog::new();
    test(
        EventLoop::builder()
            .implementation("current_thread")
            .build()
            .unwrap(),
    );
    for workers in 1..=2 {
        let builder = EventLoop::builder().implementation("multi_thread");
        test(builder.worker_threads(workers).build().unwrap());
    }
}

/// What happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl ToString) {
        self.0.lock().unwrap().push(what.to_string());
    }

    /// A callback that notes `what`.
    pub(crate) fn noting<T>(&self, what: T) -> impl FnOnce() + Send + use<T>
    where
        T: ToString + Send + 'static,
    {
        let log = self.clone();
        move || log.note(what)
    }

    /// What was noted since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Panics when it is dropped.
pub(crate) struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

/// What the exception handler of `event_loop` hears from now on.
pub(crate) fn told(event_loop: &EventLoop) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    event_loop.set_exception_handler(Some(Box::new(move |_, context| {
        let _ = sender.send(context.to_string());
    })));
    receiver
}
