//! Tasks that stay on one thread, and so need not be `Send`.
//!
//! A [`LocalSet`] is a small scheduler of its own, driven by whoever polls it. It has a queue for wakes on its own
//! thread, and an inbox under a lock for wakes from other threads.
//!
//! ```text
//! wake on the set's thread ──────────────► queue ─┐
//! wake from elsewhere ──► inbox, wake the pollers ┴► tick: at most TICK polls ─► Pending, woken if some are left
//!                                                    and, if polls are long, TIME
//! ```
//!
//! Invariants:
//! - **L1** A task is run only by the thread of its set: `queue` is behind an `Rc`, and tasks in the inbox are taken
//!   out only through that `Rc`. So futures are polled and dropped on that thread, even if another thread aborted the
//!   task.
//! - **L2** No task outlives its set: `drop` cancels all, and waits for those that another thread has marked as woken
//!   but not yet put into the inbox. Nothing happens between the two, so the wait is short.
//! - **L3** A poller leaves its waker in the inbox before it looks for tasks there, under one lock. A push takes the
//!   wakers under that lock. So each push is seen by a poll that has begun already, or it wakes a poller.
//! - **L4** A push to `queue` while nobody polls the set wakes the pollers too. A poller that goes wakes the others,
//!   because they may have relied on it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use heist_sync::coop;
use heist_sync::protocol::contain;
use heist_sync::sys::{Arc, Condvar, Mutex, thread_local_const};

use crate::cell::{Id, JoinHandle, Origin, Owned, Runnable, Schedule, TaskRef, new_task_from};
use crate::runtime::local_runtime::Here;
use crate::runtime::{self, Runtime, entered};
use crate::thread::{self, as_own};

/// How many tasks one poll of the set polls before it lets other tasks run.
const TICK: usize = if cfg!(heist_loom) { 4 } else { 61 };
/// After how long a poller gives way if polls are long. It reads the clock after every [`CLOCK`] polls.
const TIME: Duration = if cfg!(heist_loom) {
    Duration::MAX
} else {
    Duration::from_millis(1)
};
const CLOCK: usize = 4;

thread_local_const! {
    /// The sets that were entered on this thread, each with the number of its guard, the innermost last.
    static ENTERED: RefCell<Vec<(u64, Rc<Local>)>> = RefCell::new(Vec::new());
}

/// A set of tasks that stay on the thread of the set. They need not be [`Send`].
///
/// The tasks run while somebody polls the set: in [`run_until`](Self::run_until), in [`block_on`](Self::block_on), or
/// by awaiting the set itself, which completes when all its tasks have ended. A poll of the set runs a bounded number
/// of tasks, each with its own budget, and then yields.
///
/// Dropping the set drops the futures of all its tasks, on its thread.
///
/// # Examples
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use heist::{runtime::Runtime, task};
///
/// let runtime = Runtime::new()?;
/// let local = task::LocalSet::new();
/// let counter = Rc::new(Cell::new(0));
/// local.block_on(&runtime, async {
///     for _ in 0..3 {
///         let counter = counter.clone();
///         let task = task::spawn_local(async move { counter.set(counter.get() + 1) });
///         task.await.expect("no panic");
///     }
/// });
/// assert_eq!(counter.get(), 3);
/// # std::io::Result::Ok(())
/// ```
pub struct LocalSet {
    local: Rc<Local>,
    poller: Poller,
}

/// The part of a set that its thread uses.
struct Local {
    queue: RefCell<VecDeque<Runnable>>,
    remote: Arc<Remote>,
    id: runtime::Id,
    /// Whether a poll of the set is on the stack. That poll looks at the queue before it ends.
    polled: Cell<bool>,
    next_poller: Cell<u64>,
}

/// The part of a set that any thread uses.
struct Remote {
    owned: Owned,
    inbox: Mutex<Inbox>,
    /// A task has come into the inbox of a set that is being dropped.
    arrived: Condvar,
}

#[derive(Default)]
struct Inbox {
    tasks: VecDeque<Runnable>,
    /// The wakers of the set's pollers, with their numbers. A waker that was woken is missing until its poller's next
    /// poll.
    pollers: Vec<(u64, Waker)>,
    dropping: bool,
}

/// Where a local task goes when it is woken.
#[derive(Clone)]
struct Home(Arc<Remote>);

/// Leaves the set that [`LocalSet::enter`] entered when it is dropped. Guards may be dropped in any order.
#[must_use = "the set is left when the guard is dropped"]
pub struct LocalEnterGuard {
    number: u64,
    /// It belongs to the thread that entered.
    _not_send: PhantomData<*const ()>,
}

/// One that polls a set.
struct Poller {
    local: Rc<Local>,
    number: u64,
}

/// Sets `polled` back when dropped.
struct Polled<'a> {
    local: &'a Local,
    before: bool,
    _here: thread::PollsLocal,
}

/// Spawns a task that need not be `Send` into the current [`LocalSet`] or [`LocalRuntime`](crate::runtime::LocalRuntime),
/// whichever was entered last. Call it from one of its tasks, from the future of its `block_on` or
/// [`run_until`](LocalSet::run_until), or with it [entered](LocalSet::enter).
///
/// # Panics
/// Panics if called outside a [`LocalSet`] and outside a [`LocalRuntime`](crate::runtime::LocalRuntime).
///
/// # Examples
/// ```
/// use std::rc::Rc;
/// use heist::{runtime::Runtime, task};
///
/// let runtime = Runtime::new()?;
/// let length = task::LocalSet::new().block_on(&runtime, async {
///     let text = Rc::new("not to be sent");
///     task::spawn_local(async move { text.len() }).await.expect("no panic")
/// });
/// assert_eq!(length, 14);
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_here(future, Origin::caller())
}

/// As [`spawn_local`].
#[track_caller]
pub(super) fn spawn_here<F>(future: F, origin: Origin) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let entered = ENTERED.try_with(|entered| entered.borrow().last().cloned());
    let (number, set) = entered.ok().flatten().unzip();
    match (Here::entered_after(number), set) {
        (Some(runtime), _) => runtime.spawn(future, origin),
        (None, Some(set)) => set.spawn(future, origin),
        (None, None) => panic!(
            "`spawn_local` called from outside of a `task::LocalSet` or `runtime::LocalRuntime`"
        ),
    }
}

impl LocalSet {
    /// Makes an empty set, which belongs to this thread.
    pub fn new() -> Self {
        let local = Rc::new(Local {
            queue: RefCell::default(),
            remote: Arc::new(Remote {
                owned: Owned::new(1),
                inbox: Mutex::default(),
                arrived: Condvar::new(),
            }),
            id: runtime::Id::next(),
            polled: Cell::new(false),
            next_poller: Cell::new(0),
        });
        Self {
            poller: Poller::new(&local),
            local,
        }
    }

    /// The id of this set. No runtime and no other set has it.
    pub fn id(&self) -> runtime::Id {
        self.local.id
    }

    /// Makes this the set into which [`spawn_local`] spawns on this thread, until the guard is dropped. This doesn't
    /// run the tasks.
    ///
    /// # Examples
    /// ```
    /// use heist::task::{LocalSet, spawn_local};
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let local = LocalSet::new();
    ///     let task = {
    ///         let _guard = local.enter();
    ///         spawn_local(async { 42 })
    ///     };
    ///     // It runs only now.
    ///     assert_eq!(local.run_until(task).await.expect("no panic"), 42);
    /// }
    /// ```
    pub fn enter(&self) -> LocalEnterGuard {
        enter(&self.local)
    }

    /// Spawns a task into the set. It runs when the set is next polled.
    ///
    /// # Examples
    /// ```
    /// use heist::task::LocalSet;
    /// use std::rc::Rc;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let local = LocalSet::new();
    ///     let text = Rc::new("not to be sent");
    ///     let length = local.spawn_local(async move { text.len() });
    ///     assert_eq!(local.run_until(length).await.expect("no panic"), 14);
    /// }
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_from(future, Origin::caller())
    }

    pub(super) fn spawn_from<F>(&self, future: F, origin: Origin) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.local.spawn(future, origin)
    }

    /// Polls `future` on this thread inside `runtime` until it completes, and runs the tasks of the set meanwhile.
    /// Tasks that haven't ended by then stay in the set.
    ///
    /// # Panics
    /// The same as for [`Runtime::block_on`].
    ///
    /// [`spawn_local`] has an example.
    #[track_caller]
    pub fn block_on<F: Future>(&self, runtime: &Runtime, future: F) -> F::Output {
        runtime.block_on(self.run_until(future))
    }

    /// Polls `future` until it completes, and runs the tasks of the set meanwhile. Tasks that haven't ended by then
    /// stay in the set.
    ///
    /// # Cancel safety
    /// Dropping the future drops `future`. The tasks stay in the set, and run when it is polled again.
    ///
    /// # Examples
    /// ```
    /// use heist::task;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let local = task::LocalSet::new();
    ///     let answer = local.run_until(async {
    ///         task::spawn_local(async { 42 }).await.expect("no panic")
    ///     });
    ///     assert_eq!(answer.await, 42);
    /// }
    /// ```
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        let poller = Poller::new(&self.local);
        let mut future = pin!(future);
        poll_fn(|cx| poller.poll(cx, |cx| future.as_mut().poll(cx))).await
    }
}

/// Completes when all tasks of the set have ended, and all tasks that they spawned meanwhile.
impl Future for LocalSet {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Looks at the count once before the tasks are polled, in case there are none. After that, the poll that the
        // last task causes looks at it.
        let poll = self.poller.poll(cx, |_| Poll::Pending);
        if self.local.remote.owned.live() == 0 {
            return Poll::Ready(());
        }
        poll
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        let local = &*self.local;
        let _entered = enter(&self.local);
        let _polled = Polled::set(local);
        local.remote.inbox.lock().dropping = true;
        local.remote.owned.close();
        loop {
            while let Some(task) = local.next() {
                run(task);
            }
            if local.remote.owned.live() == 0 {
                return;
            }
            // L2: another thread is about to put a task there.
            let mut inbox = local.remote.inbox.lock();
            while inbox.tasks.is_empty() {
                local.remote.arrived.wait(&mut inbox);
            }
        }
    }
}

/// Polls a task of a set, on its thread.
fn run(task: Runnable) {
    as_own(task.id(), || coop::budget(|| task.run()));
}

impl Local {
    fn spawn<F>(&self, future: F, origin: Origin) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let home = Home(self.remote.clone());
        // SAFETY: L1: tasks that `Home` queues run on the set's thread only. That is this thread, because `self` is
        // behind an `Rc`. A handle to an output that isn't `Send` isn't `Send` either.
        let (task, runnable, handle) =
            unsafe { new_task_from(future, home, Id::next(), 0, origin) };
        if self.remote.owned.list(task) {
            self.push(runnable);
        } else {
            // Dropping the evidence cancels the task, on this thread.
            drop(runnable);
        }
        handle
    }

    /// Queues a task that was woken on this thread.
    fn push(&self, task: Runnable) {
        self.queue.borrow_mut().push_back(task);
        if !self.polled.get() {
            // L4.
            self.remote.wake_pollers();
        }
    }

    fn next(&self) -> Option<Runnable> {
        let next = self.queue.borrow_mut().pop_front();
        next.or_else(|| self.remote.inbox.lock().tasks.pop_front())
    }

    /// Polls tasks, up to a bound in number and in time. Returns whether some may be left.
    fn tick(&self) -> bool {
        let start = Instant::now();
        for polled in 1..=TICK {
            let next = self.queue.borrow_mut().pop_front();
            let Some(task) = next else { return false };
            run(task);
            if polled % CLOCK == 0 && start.elapsed() >= TIME {
                break;
            }
        }
        !self.queue.borrow().is_empty()
    }

    /// Moves the tasks in the inbox to the end of the queue, and leaves `waker` in the inbox (L3).
    fn receive(&self, poller: u64, waker: &Waker) {
        if self.take_inbox(poller, |old| old.will_wake(waker)) {
            return;
        }
        // The clone and the drop of the old waker are user code, so they run without the lock.
        let waker = waker.clone();
        let mut inbox = self.remote.inbox.lock();
        let old = inbox
            .pollers
            .iter()
            .position(|(number, _)| *number == poller);
        let old = old.map(|at| inbox.pollers.swap_remove(at));
        inbox.pollers.push((poller, waker));
        self.queue.borrow_mut().append(&mut inbox.tasks);
        drop(inbox);
        contain(|| drop(old));
    }

    /// Takes the tasks in the inbox, if the poller's waker there is as good as its present one.
    fn take_inbox(&self, poller: u64, is_good: impl Fn(&Waker) -> bool) -> bool {
        let mut inbox = self.remote.inbox.lock();
        let mut pollers = inbox.pollers.iter();
        let good = pollers.any(|(number, old)| *number == poller && is_good(old));
        if good {
            self.queue.borrow_mut().append(&mut inbox.tasks);
        }
        good
    }
}

impl Poller {
    fn new(local: &Rc<Local>) -> Self {
        let number = local.next_poller.replace(local.next_poller.get() + 1);
        Self {
            local: local.clone(),
            number,
        }
    }

    /// Calls `root`, and polls tasks of the set unless `root` is done.
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        root: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let local = &*self.local;
        let _entered = enter(&self.local);
        let _polled = Polled::set(local);
        local.receive(self.number, cx.waker());
        if let Poll::Ready(output) = root(cx) {
            return Poll::Ready(output);
        }
        if local.tick() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        let mut inbox = self.local.remote.inbox.lock();
        let own = inbox
            .pollers
            .iter()
            .position(|(number, _)| *number == self.number);
        let own = own.map(|at| inbox.pollers.swap_remove(at));
        let others = std::mem::take(&mut inbox.pollers);
        drop(inbox);
        contain(|| drop(own));
        wake_all(others);
    }
}

impl Remote {
    fn push(&self, task: Runnable) {
        let mut inbox = self.inbox.lock();
        inbox.tasks.push_back(task);
        let pollers = std::mem::take(&mut inbox.pollers);
        if inbox.dropping {
            // This happens under the lock, because the set may be gone once the lock is released. `self` isn't: `Home`
            // holds it.
            self.arrived.notify_one();
        }
        drop(inbox);
        wake_all(pollers);
    }

    fn wake_pollers(&self) {
        let pollers = std::mem::take(&mut self.inbox.lock().pollers);
        wake_all(pollers);
    }
}

fn wake_all(pollers: Vec<(u64, Waker)>) {
    for (_, waker) in pollers {
        contain(|| waker.wake());
    }
}

impl Schedule for Home {
    fn schedule(&self, task: Runnable) {
        // Any entry of this thread will do, not only the last: an entry means that this is the set's thread.
        let local = ENTERED.try_with(|entered| {
            let entered = entered.borrow();
            let mut sets = entered.iter().rev();
            sets.find(|(_, set)| Arc::ptr_eq(&set.remote, &self.0))
                .map(|(_, set)| set.clone())
        });
        match local {
            Ok(Some(local)) => local.push(task),
            _ => self.0.push(task),
        }
    }

    fn release(&self, task: &TaskRef) {
        // The set looks at the number of live tasks after each of its polls.
        let _ = self.0.owned.release(task);
    }
}

fn enter(local: &Rc<Local>) -> LocalEnterGuard {
    // On a thread whose locals are gone, nothing can be entered, and nothing needs to be left.
    let entered = ENTERED.try_with(|entered| {
        let mut entered = entered.borrow_mut();
        let number = entered::next_number();
        entered.push((number, local.clone()));
        number
    });
    LocalEnterGuard {
        number: entered.unwrap_or(0),
        _not_send: PhantomData,
    }
}

impl Drop for LocalEnterGuard {
    fn drop(&mut self) {
        let left = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let own = |&(number, _): &(u64, _)| number == self.number;
            entered.iter().rposition(own).map(|at| entered.remove(at))
        });
        // It may be the last reference to the set, so it is dropped after the borrow has ended.
        drop(left);
    }
}

impl<'a> Polled<'a> {
    fn set(local: &'a Local) -> Self {
        Self {
            local,
            before: local.polled.replace(true),
            _here: thread::PollsLocal::set(),
        }
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        self.local.polled.set(self.before);
    }
}

impl Default for LocalSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet")
            .field("tasks", &self.local.remote.owned.live())
            .finish()
    }
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish_non_exhaustive()
    }
}
