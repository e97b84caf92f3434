//! The functions that a runtime was told to call, and how often it looks at its event sources.

use std::sync::Arc;
use std::task::Waker;

use heist_sync::sys::Mutex;
use heist_sync::sys::atomic::{AtomicBool, Ordering};

use crate::cell::OnUnjoined;

/// Called without arguments, by a thread of the runtime.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

/// Called with the number of a worker.
pub(crate) type WorkerHook = Arc<dyn Fn(usize) + Send + Sync>;

/// The functions that workers call, and the workers' intervals, in polls.
#[derive(Clone)]
pub(crate) struct Hooks {
    pub(crate) event_interval: u32,
    /// If it isn't set, it depends on how long polls last.
    pub(crate) injector_interval: Option<u32>,
    /// Whether each thread begins with a function of the user's.
    pub(crate) on_thread_start: bool,
    pub(crate) on_park: Option<Hook>,
    pub(crate) on_unpark: Option<Hook>,
    pub(crate) on_worker_start: Option<WorkerHook>,
    pub(crate) on_unjoined: Option<OnUnjoined>,
    pub(crate) unhandled: UnhandledPanic,
}

/// After how many short polls a worker looks at the injector first, and wakes the tasks that the reactor has events for.
/// It is a prime, so that it doesn't fall in step with programs' own periods. Other runtimes settled on the same value.
pub(crate) const INTERVAL: u32 = 61;

impl Default for Hooks {
    fn default() -> Self {
        Self {
            event_interval: INTERVAL,
            injector_interval: None,
            on_thread_start: false,
            on_park: None,
            on_unpark: None,
            on_worker_start: None,
            on_unjoined: None,
            unhandled: UnhandledPanic::Ignore,
        }
    }
}

/// What a runtime does when a task panics. The task's handle returns the panic in any case.
///
/// [`Builder::unhandled_panic`](crate::runtime::Builder::unhandled_panic) has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnhandledPanic {
    /// The runtime goes on. The default.
    Ignore,
    /// The runtime ends as in a drop: all tasks are dropped, and every `block_on` of it panics.
    ShutdownRuntime,
}

/// Set when a task has panicked in a runtime that ends for that reason, together with the root futures to wake then.
#[derive(Default)]
pub(crate) struct Alarm {
    rung: AtomicBool,
    roots: Mutex<Vec<Waker>>,
}

/// The entry of a root future that is woken by the panic.
pub(crate) struct Listening<'a>(&'a Alarm, Waker);

impl Alarm {
    /// Whether it has been rung.
    pub(crate) fn is_rung(&self) -> bool {
        // Ordering: Relaxed: a waiting root is woken after it was set, and acquires by the wake.
        self.rung.load(Ordering::Relaxed)
    }

    pub(crate) fn ring(&self) {
        // Ordering: Relaxed: see above.
        self.rung.store(true, Ordering::Relaxed);
        let roots = std::mem::take(&mut *self.roots.lock());
        roots.into_iter().for_each(Waker::wake);
    }

    /// Arranges that `waker` is woken when the alarm is rung, until the returned value is dropped. The caller has to
    /// look at [`is_rung`](Self::is_rung) afterwards.
    fn listen(&self, waker: &Waker) -> Listening<'_> {
        self.roots.lock().push(waker.clone());
        Listening(self, waker.clone())
    }

    /// As [`listen`](Self::listen), but only if a panic ends the runtime.
    pub(crate) fn listen_if<'a>(&'a self, hooks: &Hooks, waker: &Waker) -> Option<Listening<'a>> {
        let ends = hooks.unhandled == UnhandledPanic::ShutdownRuntime;
        ends.then(|| self.listen(waker))
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        let mut roots = self.0.roots.lock();
        let own = roots.iter().position(|waker| waker.will_wake(&self.1));
        let own = own.map(|at| roots.swap_remove(at));
        drop(roots);
        drop(own);
    }
}
