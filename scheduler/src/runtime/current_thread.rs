//! A runtime whose one worker belongs to whichever thread blocks on it.
//!
//! The worker lies in `worker` until a `block_on` takes it, and is put back at the end. A `block_on` that finds it
//! taken polls its own future meanwhile, and is woken when the worker becomes free. Paused time doesn't jump while it does,
//! or has to: whoever has the worker looks at `waiting`.

use heist_sync::sys::atomic::{AtomicBool, Ordering};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc as StdArc;
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use heist_sync::sys::{Arc, Mutex};

use super::root::{self, Ended};
use crate::workers::park::Parker;
use crate::workers::run;
use crate::workers::seat;
use crate::workers::shared::{Shared, Worker};
use crate::workers::sleep::Root;

/// A current-thread runtime's worker, and the threads that wait for it.
pub(super) struct CurrentThread {
    worker: Mutex<Option<Box<Worker>>>,
    waiting: Mutex<Vec<StdArc<RootWaker>>>,
}

/// Wakes a thread that blocks on the runtime, whether it sleeps as the worker or waits for it.
struct RootWaker {
    woken: AtomicBool,
    /// Whether a thread that hasn't the worker polls the future, or is about to.
    polling: AtomicBool,
    thread: Parker,
    shared: Arc<Shared>,
}

impl Wake for RootWaker {
    fn wake(self: StdArc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &StdArc<Self>) {
        // Ordering: Release pairs with the Acquire in `poll_if_woken`. The tokens below come after it, so that a thread
        // that they wake sees it.
        self.woken.store(true, Ordering::Release);
        self.thread.unpark(|| {});
        self.shared.unpark(0);
    }
}

impl RootWaker {
    /// Whether the future has nothing to do, and isn't being polled.
    fn is_at_rest(&self) -> bool {
        // Ordering: Acquire pairs with the AcqRel in `poll_if_woken`: if the wake was taken, `polling` is seen. And with the
        // Release in `poll_aside`.
        !self.woken.load(Ordering::Acquire) && !self.polling.load(Ordering::Acquire)
    }
}

/// A future, which is polled whenever it was woken, and its output.
struct RootFuture<'a, F: Future> {
    list: &'a CurrentThread,
    future: Pin<&'a mut F>,
    waker: Waker,
    flag: StdArc<RootWaker>,
    output: Option<F::Output>,
}

impl<F: Future> RootFuture<'_, F> {
    fn poll_if_woken(&mut self) -> bool {
        // Ordering: Acquire pairs with the Release in `wake_by_ref`, and Release with the Acquire in `is_at_rest`.
        if self.output.is_none()
            && self.flag.woken.swap(false, Ordering::AcqRel)
            && let Poll::Ready(output) = root::poll(self.future.as_mut(), &self.waker)
        {
            self.output = Some(output);
        }
        self.output.is_some()
    }

    /// As [`poll_if_woken`](Self::poll_if_woken), on a thread that hasn't the worker.
    fn poll_aside(&mut self, shared: &Shared) -> bool {
        /// However the poll ends.
        struct Ends<'a>(&'a RootWaker, &'a Shared);

        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                // Ordering: Release pairs with the Acquire in `is_at_rest`.
                self.0.polling.store(false, Ordering::Release);
                self.1.driver.running.rests();
            }
        }

        let flag = self.flag.clone();
        // Ordering: Relaxed: `pass` has a fence, and `poll_if_woken` releases it.
        flag.polling.store(true, Ordering::Relaxed);
        let _ends = Ends(&flag, shared);
        shared.driver.running.pass();
        seat::without_index(|| self.poll_if_woken())
    }
}

impl<F: Future> Root for RootFuture<'_, F> {
    fn turn(&mut self, shared: &Shared) -> bool {
        // The alarm comes first: a root that joins the task that has rung it would be done otherwise.
        shared.alarm.is_rung() || self.poll_if_woken()
    }

    fn is_woken(&self, _: &Shared) -> bool {
        self.goes_on()
    }

    fn others_rest(&self) -> bool {
        self.list.roots_rest()
    }

    fn goes_on(&self) -> bool {
        // Ordering: Relaxed: a wake that this misses has left a token.
        self.flag.woken.load(Ordering::Relaxed)
    }
}

/// The roots of a turn: those of other threads.
struct Others<'a>(&'a CurrentThread);

impl Root for Others<'_> {
    fn turn(&mut self, shared: &Shared) -> bool {
        shared.modes.is_closed()
    }

    fn is_woken(&self, shared: &Shared) -> bool {
        shared.modes.is_closed()
    }

    fn others_rest(&self) -> bool {
        self.0.roots_rest()
    }
}

impl CurrentThread {
    pub(super) fn new(worker: Box<Worker>) -> Self {
        Self {
            worker: Mutex::new(Some(worker)),
            waiting: Mutex::default(),
        }
    }

    pub(super) fn block_on<F: Future>(
        &self,
        shared: &Arc<Shared>,
        future: F,
    ) -> Result<F::Output, Ended> {
        let flag = StdArc::new(RootWaker {
            woken: AtomicBool::new(true),
            polling: AtomicBool::new(false),
            thread: Parker::default(),
            shared: shared.clone(),
        });
        let mut root = RootFuture {
            list: self,
            future: pin!(future),
            waker: Waker::from(flag.clone()),
            flag,
            output: None,
        };
        let _waiting = Waiting::enter(self, &root.flag);
        let _listening = shared.alarm.listen_if(&shared.hooks, &root.waker);
        loop {
            if shared.alarm.is_rung() {
                return Err(Ended);
            }
            match self.take(shared) {
                Some(mut taken) => run::run(shared, &mut taken.worker, &mut root),
                None if !root.poll_aside(shared) => root.flag.thread.park(),
                None => {}
            }
            if let Some(output) = root.output.take() {
                return Ok(output);
            }
        }
    }

    /// One turn for a foreign event loop; see [`run::turn`]. Does nothing if another thread has the worker.
    pub(super) fn turn(
        &self,
        shared: &Arc<Shared>,
        limit: Option<Duration>,
    ) -> (usize, Option<Duration>) {
        match self.take(shared) {
            Some(mut taken) => run::turn(shared, &mut taken.worker, &Others(self), limit),
            None => (0, None),
        }
    }

    /// Whether the futures of all threads that block on the runtime have nothing to do.
    fn roots_rest(&self) -> bool {
        self.waiting.lock().iter().all(|root| root.is_at_rest())
    }

    /// Takes the worker for this thread, if it is there.
    fn take<'a>(&'a self, shared: &'a Arc<Shared>) -> Option<Taken<'a>> {
        let worker = self.worker.lock().take()?;
        worker.count_awake();
        Some(Taken {
            from: self,
            shared,
            worker: Some(worker),
        })
    }

    /// The runtime has closed: cancels all tasks, on this thread, or at the end of the `block_on` that has the worker.
    pub(super) fn drain(&self, shared: &Arc<Shared>) {
        let worker = self.worker.lock().take();
        if let Some(worker) = worker {
            run::drain(shared, worker);
        }
    }
}

/// The worker, which is put back however its use ends.
struct Taken<'a> {
    from: &'a CurrentThread,
    shared: &'a Arc<Shared>,
    worker: Option<Box<Worker>>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let worker = self.worker.take();
        if let Some(worker) = &worker {
            worker.count_asleep();
        }
        debug_assert!(
            worker.is_some(),
            "nobody else takes a current-thread runtime's worker"
        );
        *self.from.worker.lock() = worker;
        if self.shared.modes.is_closed() {
            self.from.drain(self.shared);
        }
        for waiting in &*self.from.waiting.lock() {
            waiting.thread.unpark(|| {});
        }
    }
}

/// An entry in the list of the threads that block on the runtime.
struct Waiting<'a> {
    list: &'a CurrentThread,
    flag: StdArc<RootWaker>,
}

impl<'a> Waiting<'a> {
    fn enter(list: &'a CurrentThread, flag: &StdArc<RootWaker>) -> Self {
        list.waiting.lock().push(flag.clone());
        Self {
            list,
            flag: flag.clone(),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.list
            .waiting
            .lock()
            .retain(|flag| !StdArc::ptr_eq(flag, &self.flag));
        // Whoever has the worker may have seen a wake that nobody will take any more.
        self.flag.shared.driver.running.rests();
    }
}
