//! A future under a microscope: polled by hand, its wakes counted; wakers that misbehave; and a watchdog.
#![allow(dead_code)] // Each test file uses its part.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::time::Duration;

/// A waker that counts.
#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// How often it was woken since the last call.
    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future and the wakes it got.
pub(crate) struct Task<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
}

pub(crate) fn task<F: Future>(future: F) -> Task<F> {
    Task {
        future: Box::pin(future),
        wakes: Wakes::new(),
    }
}

impl<F: Future> Task<F> {
    /// Polls as a task would.
    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        let waker = self.wakes.waker();
        self.poll_with(&waker)
    }

    /// Polls with another waker.
    pub(crate) fn poll_with(&mut self, waker: &Waker) -> Poll<F::Output> {
        self.future.as_mut().poll(&mut Context::from_waker(waker))
    }

    /// Whether it was woken since the last call.
    pub(crate) fn woken(&self) -> bool {
        self.wakes.take() > 0
    }

    /// Never polls nor drops it again. Its memory stays, where a leak check finds it.
    pub(crate) fn forget(self)
    where
        F: 'static,
    {
        struct Kept(Box<dyn std::any::Any>);
        // SAFETY: nobody gets at it any more.
        unsafe impl Send for Kept {}
        static FORGOTTEN: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
        let kept = Kept(Box::new(std::mem::ManuallyDrop::new(self)));
        FORGOTTEN.lock().unwrap().push(kept);
    }

    pub(crate) fn expect_pending(&mut self) {
        assert!(self.poll().is_pending(), "expected to wait");
    }

    #[track_caller]
    pub(crate) fn expect_ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("expected to be ready"),
        }
    }
}

type Callback = Arc<dyn Fn() + Send + Sync>;

/// A waker whose clone, wake and drop all call `f`.
pub(crate) fn calling_waker(f: impl Fn() + Send + Sync + 'static) -> Waker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);
    fn raw(callback: Callback) -> RawWaker {
        RawWaker::new(Box::into_raw(Box::new(callback)).cast(), &TABLE)
    }
    fn callback(data: *const ()) -> Callback {
        // SAFETY: `data` comes from `raw` and lives until `drop_waker` or `wake`.
        unsafe { (*data.cast::<Callback>()).clone() }
    }
    fn clone(data: *const ()) -> RawWaker {
        let callback = callback(data);
        callback();
        raw(callback)
    }
    fn wake(data: *const ()) {
        drop_waker(data);
    }
    fn wake_by_ref(data: *const ()) {
        callback(data)();
    }
    fn drop_waker(data: *const ()) {
        // SAFETY: as of `callback`; this is the end of it.
        let callback = unsafe { Box::from_raw(data.cast_mut().cast::<Callback>()) };
        callback();
    }
    // SAFETY: the table's functions keep the contract: each `raw` is freed once, and the callback is `Send + Sync`.
    unsafe { Waker::from_raw(raw(Arc::new(f))) }
}

/// Runs `f` on a thread of its own, and fails if it takes longer than five minutes.
pub(crate) fn within_limit<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, finished) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let output = f();
        let _ = done.send(());
        output
    });
    let limit = Duration::from_secs(300);
    if finished.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("it stands still");
    }
    match thread.join() {
        Ok(output) => output,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Polls `future` on this thread until it is done.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// How often values of a test were dropped, by number.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<Mutex<Vec<usize>>>);

impl Drops {
    pub(crate) fn value(&self, number: usize) -> Tracked {
        Tracked(self.clone(), number)
    }

    /// The numbers dropped so far, in order.
    pub(crate) fn seen(&self) -> Vec<usize> {
        self.0.lock().unwrap().clone()
    }
}

/// A value that reports its drop.
pub(crate) struct Tracked(Drops, pub(crate) usize);

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().push(self.1);
    }
}

impl std::fmt::Debug for Tracked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tracked({})", self.1)
    }
}
