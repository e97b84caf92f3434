//! The loop's callbacks, their handles, and the task that runs them.
//!
//! The [`Queue`] says what runs when. A callback is in one place, its [`Call`]. Whoever takes it out runs it or drops it,
//! with no lock held.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use heist_sync::sys::Mutex;

use super::exception::ExceptionContext;
use super::queue::{Key, Next, Owed, Queue, RunId};
use crate::event_loop::context::Context;
use crate::sync::Notify;
use crate::task;
use crate::time::{Instant, sleep_until};

/// How many callbacks run before the task lets others have the worker.
const BATCH: usize = 128;

/// What "never" means on the clock: far enough for any program, near enough for any clock.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// `delay` after `now`, or [`NEVER`] if the clock can't represent that.
pub(crate) fn after(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or_else(|| now + NEVER)
}

thread_local! {
    /// Whose callback runs on this thread: the address of its [`Calls`].
    static RUNS_HERE: Cell<*const Calls> = const { Cell::new(std::ptr::null()) };
}

/// What the callbacks need of their loop.
pub(crate) trait Home: Send + 'static {
    /// Hears of panics.
    fn report(&self, context: ExceptionContext);
    /// Runs a callback that was scheduled at `location`.
    fn watch(&self, location: &'static Location<'static>, callback: impl FnOnce());
}

/// The callbacks of one loop.
pub(crate) struct Calls {
    queue: Queue<Arc<dyn Scheduled>, Instant>,
    /// Wakes the task.
    wake: Notify,
    /// Wakes those who wait for the end of a run or of a turn.
    ended: Notify,
    /// Held by whoever spawns the task.
    starting: Mutex<()>,
}

/// A callback, whatever its type.
trait Scheduled: Send + Sync {
    /// Takes the callback out and hands it over, unless that was done before. Then hands over the drop of its context.
    fn run(&self, run: &mut dyn FnMut(&mut dyn FnMut(), &'static Location<'static>));
    fn cancel(&self);
    fn is_cancelled(&self) -> bool;
    fn location(&self) -> &'static Location<'static>;
}

struct Call<F> {
    location: &'static Location<'static>,
    state: Mutex<State<F>>,
}

enum State<F> {
    Due(F, Context),
    /// It ran, or is running.
    Done,
    Cancelled,
}

impl<F: FnOnce() + Send> Scheduled for Call<F> {
    fn run(&self, run: &mut dyn FnMut(&mut dyn FnMut(), &'static Location<'static>)) {
        let mut state = self.state.lock();
        if !matches!(&*state, State::Due(..)) {
            return;
        }
        let taken = std::mem::replace(&mut *state, State::Done);
        drop(state);
        if let State::Due(callback, mut context) = taken {
            let mut callback = Some(callback);
            let mut once = || {
                if let Some(callback) = callback.take() {
                    context.run(callback);
                }
            };
            run(&mut once, self.location);
            // The context's values may panic when they are dropped.
            if !context.is_empty() {
                let mut context = Some(context);
                run(&mut || drop(context.take()), self.location);
            }
        }
    }

    fn cancel(&self) {
        let mut state = self.state.lock();
        if let State::Due(..) = &*state {
            let callback = std::mem::replace(&mut *state, State::Cancelled);
            drop(state);
            drop(callback);
        }
    }

    fn is_cancelled(&self) -> bool {
        matches!(&*self.state.lock(), State::Cancelled)
    }

    fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

/// Cancels a callback for the loop. Its captured values may panic when they are dropped.
fn cancel_for(home: &impl Home, call: &dyn Scheduled) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| call.cancel())) {
        let context =
            ExceptionContext::new("a callback of the event loop panicked as it was dropped");
        home.report(context.at(call.location()).with_panic(payload));
    }
}

fn call<F: FnOnce() + Send + 'static>(
    callback: F,
    location: &'static Location<'static>,
) -> Arc<dyn Scheduled> {
    Arc::new(Call {
        location,
        state: Mutex::new(State::Due(callback, Context::inherited())),
    })
}

impl Calls {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            queue: Queue::new(false),
            wake: Notify::new(),
            ended: Notify::new(),
            starting: Mutex::new(()),
        })
    }

    /// Adds a callback. `spawn` spawns [`run`].
    pub(crate) fn soon(
        &self,
        home: &impl Home,
        spawn: impl FnOnce(),
        callback: impl FnOnce() + Send + 'static,
        location: &'static Location<'static>,
    ) -> CallHandle {
        let call = call(callback, location);
        let accepted = match self.queue.push(call.clone()) {
            Ok(owed) => self.settle(owed, spawn),
            Err(_) => false,
        };
        if !accepted {
            cancel_for(home, &*call);
        }
        CallHandle { call }
    }

    /// Adds a callback for a time.
    pub(crate) fn at(
        self: &Arc<Self>,
        home: &impl Home,
        spawn: impl FnOnce(),
        when: Instant,
        callback: impl FnOnce() + Send + 'static,
        location: &'static Location<'static>,
    ) -> TimerHandle {
        let call = call(callback, location);
        let mut key = (when, 0);
        let accepted = match self.queue.push_timer(when, call.clone()) {
            Ok((given, owed)) => {
                key = given;
                self.settle(owed, spawn)
            }
            Err(_) => false,
        };
        if !accepted {
            cancel_for(home, &*call);
            // Nothing is owed, as there is no runner.
            let _ = self.queue.remove_timer(&key);
        }
        TimerHandle {
            call: CallHandle { call },
            key,
            calls: Arc::downgrade(self),
        }
    }

    /// Does what is owed. False if the runtime has refused the task.
    pub(crate) fn settle(&self, owed: Owed, spawn: impl FnOnce()) -> bool {
        match owed {
            Owed::Nothing => true,
            Owed::Wake => {
                self.wake.notify_one();
                true
            }
            Owed::Start => {
                // Spawning runs no code of the user, and if the runtime drops the task, that takes the queue's lock alone.
                let _starting = self.starting.lock();
                if !self.queue.claim_start() {
                    return true;
                }
                spawn();
                self.queue.confirm_start()
            }
        }
    }

    /// Whether a callback of this loop runs on this thread.
    pub(crate) fn run_here(&self) -> bool {
        RUNS_HERE.try_with(Cell::get) == Ok(std::ptr::from_ref(self))
    }

    pub(crate) fn stop(&self, spawn: impl FnOnce()) {
        let owed = self.queue.stop(self.run_here());
        // If the runtime refuses the task, it has ended all runs, or is about to.
        self.settle(owed, spawn);
    }

    /// Begins a run. `None` if the loop is closed.
    pub(crate) fn begin_run(&self, spawn: impl FnOnce()) -> Option<Run<'_>> {
        let (id, owed) = self.queue.begin_run()?;
        let run = Run {
            calls: self,
            id,
            ends_with: None,
        };
        self.settle(owed, spawn);
        Some(run)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.queue.is_running()
    }

    pub(crate) fn is_gated(&self) -> bool {
        self.queue.is_gated()
    }

    /// Makes callbacks run only during runs.
    pub(crate) fn gate(&self) {
        self.queue.gate();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Closes the loop and drops its callbacks.
    pub(crate) fn close(&self, home: &impl Home) {
        let left = self.queue.close();
        self.drop_all(home, left);
    }

    fn drop_all(&self, home: &impl Home, left: impl IntoIterator<Item = Arc<dyn Scheduled>>) {
        for call in left {
            cancel_for(home, &*call);
        }
        self.ended.notify_waiters();
    }
}

/// A run of the loop, from [`Calls::begin_run`] to its drop.
pub(crate) struct Run<'a> {
    calls: &'a Calls,
    id: RunId,
    /// The turn that it ends with.
    ends_with: Option<u64>,
}

impl Run<'_> {
    /// Waits until a stop ends the run, or the loop is closed.
    pub(crate) async fn until_over(&self) {
        loop {
            let ended = self.calls.ended.notified();
            if self.calls.queue.is_over(self.id) {
                return;
            }
            ended.await;
        }
    }

    /// Whether a stop has ended the run, or the loop is closed.
    pub(crate) fn is_over(&self) -> bool {
        self.calls.queue.is_over(self.id)
    }

    /// Ends the run after one more whole turn.
    pub(crate) async fn finish(mut self, spawn: impl FnOnce()) {
        let Some((turn, owed)) = self.calls.queue.finish(self.id) else {
            return;
        };
        self.ends_with = Some(turn);
        if !self.calls.settle(owed, spawn) {
            return;
        }
        loop {
            let ended = self.calls.ended.notified();
            if self.calls.queue.has_ended(turn) || self.is_over() {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if self.calls.queue.end_run(self.id, self.ends_with) == Owed::Wake {
            self.calls.wake.notify_one();
        }
    }
}

/// Until when the task waits unless it is woken.
async fn wait(wake: &Notify, until: Instant) {
    let (mut woken, mut slept) = (pin!(wake.notified()), pin!(sleep_until(until)));
    poll_fn(|cx| {
        let ready = woken.as_mut().poll(cx).is_ready() || slept.as_mut().poll(cx).is_ready();
        if ready {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// What the task holds. Dropped before its end, it drops the callbacks.
struct Runner<H: Home> {
    calls: Arc<Calls>,
    home: H,
    /// The rest of the turn.
    turn: VecDeque<Arc<dyn Scheduled>>,
    ended: bool,
}

impl<H: Home> Runner<H> {
    /// It has taken all that there was, and is not in the queue's books any more.
    fn end(mut self) {
        self.ended = true;
    }

    fn run_next(&mut self) -> bool {
        let Some(call) = self.turn.pop_front() else {
            return false;
        };
        let home = &self.home;
        let before = RUNS_HERE.replace(Arc::as_ptr(&self.calls));
        call.run(&mut |callback, location| {
            let run = || home.watch(location, callback);
            if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
                let context = ExceptionContext::new("a callback of the event loop panicked");
                home.report(context.at(location).with_panic(payload));
            }
        });
        RUNS_HERE.set(before);
        true
    }
}

impl<H: Home> Drop for Runner<H> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // A runner that was refused has taken nothing.
        if let Some(left) = self.calls.queue.runner_dropped() {
            let turn = std::mem::take(&mut self.turn);
            self.calls
                .drop_all(&self.home, turn.into_iter().chain(left));
        }
    }
}

/// The loop's task: runs callbacks until there are none.
pub(crate) fn run<H: Home>(calls: Arc<Calls>, home: H) -> impl Future<Output = ()> + Send {
    // Outside of the async block, so that a task that is never polled tells of its drop too.
    let mut runner = Runner {
        calls,
        home,
        turn: VecDeque::new(),
        ended: false,
    };
    async move {
        loop {
            match runner.calls.queue.next(Instant::now) {
                Next::Turn(turn) => {
                    runner.turn = turn;
                    let mut ran = 0;
                    while runner.run_next() {
                        ran += 1;
                        if ran % BATCH == 0 {
                            task::yield_now().await;
                        }
                    }
                    if runner.calls.queue.end_turn() {
                        runner.calls.ended.notify_waiters();
                    }
                    task::coop::consume_budget().await;
                }
                Next::Wait(until) => wait(&runner.calls.wake, until).await,
                Next::End => break,
            }
        }
        runner.end();
    }
}

/// A callback that was given to [`EventLoop::call_soon`](crate::event_loop::EventLoop::call_soon).
#[derive(Clone)]
pub struct CallHandle {
    call: Arc<dyn Scheduled>,
}

impl CallHandle {
    /// Drops the callback, unless it has run or is running.
    ///
    /// # Examples
    ///
    /// ```
    /// #[heist::main(flavor = "current_thread")]
    /// async fn main() {
    ///     let call = heist::event_loop::EventLoop::current().call_soon(|| unreachable!());
    ///     call.cancel();
    ///     heist::task::yield_now().await;
    /// }
    /// ```
    pub fn cancel(&self) {
        self.call.cancel();
    }

    /// Whether the callback was cancelled and will never run, either by [`cancel`](Self::cancel) or because the loop
    /// was closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let call = EventLoop::current().call_soon(|| unreachable!());
    /// assert!(!call.cancelled());
    /// call.cancel();
    /// assert!(call.cancelled());
    /// # }
    /// ```
    pub fn cancelled(&self) -> bool {
        self.call.is_cancelled()
    }
}

impl fmt::Debug for CallHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallHandle")
            .field("cancelled", &self.cancelled())
            .finish_non_exhaustive()
    }
}

/// A callback that was given to [`EventLoop::call_later`](crate::event_loop::EventLoop::call_later) or
/// [`EventLoop::call_at`](crate::event_loop::EventLoop::call_at).
#[derive(Clone)]
pub struct TimerHandle {
    call: CallHandle,
    key: Key<Instant>,
    calls: Weak<Calls>,
}

impl TimerHandle {
    /// Drops the callback, unless it has run or is running.
    ///
    /// Nothing of the timer is kept.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::time::Duration;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let timer = EventLoop::current().call_later(Duration::from_secs(60), || unreachable!());
    /// timer.cancel();
    /// assert!(timer.cancelled());
    /// # }
    /// ```
    pub fn cancel(&self) {
        if let Some(calls) = self.calls.upgrade() {
            let (removed, owed) = calls.queue.remove_timer(&self.key);
            if owed == Owed::Wake {
                calls.wake.notify_one();
            }
            drop(removed);
        }
        self.call.cancel();
    }

    /// Whether the callback was cancelled and will never run, either by [`cancel`](Self::cancel) or because the loop
    /// was closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::time::Duration;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// let (promise, ran) = event_loop.create_future();
    /// let timer = event_loop.call_later(Duration::ZERO, move || promise.set_result(()).unwrap());
    /// ran.await.unwrap();
    /// // It has run, so there is nothing to cancel.
    /// timer.cancel();
    /// assert!(!timer.cancelled());
    /// # }
    /// ```
    pub fn cancelled(&self) -> bool {
        self.call.cancelled()
    }

    /// When the callback runs, by the loop's [`time`](crate::event_loop::EventLoop::time).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::time::Duration;
    ///
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let event_loop = EventLoop::current();
    /// let when = event_loop.time() + Duration::from_secs(60);
    /// assert_eq!(event_loop.call_at(when, || ()).when(), when);
    /// # }
    /// ```
    pub fn when(&self) -> Instant {
        self.key.0
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandle")
            .field("when", &self.when())
            .field("cancelled", &self.cancelled())
            .finish_non_exhaustive()
    }
}
