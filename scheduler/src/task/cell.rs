//! A task's memory, and the table of functions that know its types.

use std::any::Any;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::cell::UnsafeCell;
use heist_sync::sys::hints::AtomicU8;
use heist_sync::waits::{self, Wait};

use super::error::Untold;
use super::join::JoinHandle;
use super::owned::Links;
use super::state::{End, Joiner, Start, State, Wake};
use super::waker::borrowed_waker;
use super::{Id, JoinError, Origin, as_own};
use crate::hooks::{OnUnjoined, contain, drop_payload};

/// Where a task goes when it is woken, and whom it leaves when it is complete.
///
/// A clone is taken out of the task before each call: a published task may be run to its end, and freed, before
/// `schedule` returns.
pub trait Schedule: Clone + Send + Sync + 'static {
    /// Whether its tasks are blocking jobs.
    const JOBS: bool = false;

    /// Queues a task that was woken. The task may be gone by the time this returns.
    fn schedule(&self, task: Runnable);

    /// Queues a task that was woken while it was being polled: it goes behind those that an event woke.
    fn yield_now(&self, task: Runnable) {
        self.schedule(task);
    }

    /// Calls `poll`, which polls the task with `waker`.
    #[inline]
    fn around_poll<R>(&self, waker: &Waker, poll: impl FnOnce() -> Poll<R>) -> Poll<R> {
        let _ = waker;
        poll()
    }

    /// The task has panicked. Gives whom to tell, should nobody join it.
    fn panicked(&self) -> Option<OnUnjoined> {
        None
    }

    /// The task is about to be complete; its runtime forgets it. Called once, by the thread that ran it.
    fn release(&self, task: &TaskRef);
}

/// What every holder of a task may see.
pub(super) struct Header {
    pub(super) state: State,
    vtable: &'static Vtable,
    /// Guarded by the lock of the task's shard of [`Owned`](super::Owned).
    pub(super) links: UnsafeCell<Links>,
    pub(super) id: Id,
    /// Where the task was spawned, and its name.
    pub(super) origin: Origin,
    /// Which shard of [`Owned`](super::Owned) lists the task.
    pub(super) shard: u16,
    /// What the task waits for, as its last poll has left it; a [`Wait`].
    waits: AtomicU8,
    is_job: bool,
}

/// A task with its types.
#[repr(C)]
struct Cell<F: Future, S> {
    /// First, so that a pointer to the cell is one to the header.
    header: Header,
    scheduler: S,
    stage: UnsafeCell<Stage<F>>,
    join_waker: UnsafeCell<Option<Waker>>,
}

enum Stage<F: Future> {
    Running(F),
    Finished(Result<F::Output, JoinError>),
    Consumed,
}

/// The functions that know a task's types. All take a pointer to a live task.
struct Vtable {
    /// Requires the task's `Runnable`, consumed.
    run: unsafe fn(NonNull<Header>),
    /// Requires that the caller's wake or abort answered [`Wake::Queue`].
    schedule: unsafe fn(NonNull<Header>),
    /// Requires that `COMPLETE` was seen, by the handle, or by the completing worker with no handle left.
    drop_output: unsafe fn(NonNull<Header>),
    /// Requires that `COMPLETE` was seen by the handle, and a `Poll<Result<F::Output, JoinError>>` to write to.
    take_output: unsafe fn(NonNull<Header>, *mut ()),
    /// Gives out the join waker's cell. To use it is a matter of S4.
    join_waker: unsafe fn(NonNull<Header>) -> NonNull<UnsafeCell<Option<Waker>>>,
    /// Requires that the last reference is gone.
    free: unsafe fn(NonNull<Header>),
}

/// A pointer to a task, with no promise of its own about references.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct RawTask(pub(super) NonNull<Header>);

/// A counted reference to a task.
pub struct TaskRef(RawTask);

/// Evidence that a task is scheduled (S1 in `state.rs`): whoever holds it runs it, once. Dropped instead, it cancels
/// the task.
pub struct Runnable(RawTask);

// SAFETY: what the two types give access to is `State`, which is atomic, and, through `run`, the future, which is
// `Send` or stays with the thread that spawned it, by the contract of `new_task`.
unsafe impl Send for Runnable {}
// SAFETY: a `&Runnable` gives access to the header alone.
unsafe impl Sync for Runnable {}
// SAFETY: as for `Runnable`; a reference can free the task, by when the future is gone (S2).
unsafe impl Send for TaskRef {}
// SAFETY: as for `Send`.
unsafe impl Sync for TaskRef {}

/// As [`new_task_from`], from the caller's place and without a name.
///
/// # Safety
/// As there.
#[track_caller]
pub unsafe fn new_task<F, S>(
    future: F,
    scheduler: S,
    id: Id,
    shard: u16,
) -> (TaskRef, Runnable, JoinHandle<F::Output>)
where
    F: Future + 'static,
    S: Schedule,
{
    // SAFETY: the caller's promise.
    unsafe { new_task_from(future, scheduler, id, shard, Origin::caller()) }
}

/// Makes a task, scheduled, with its runtime's reference, its handle, and the evidence that lets it run.
///
/// # Safety
/// If `F` or its output isn't `Send`, `scheduler` must see to it that the task runs on this thread only, and the
/// handle must stay here too.
pub unsafe fn new_task_from<F, S>(
    future: F,
    scheduler: S,
    id: Id,
    shard: u16,
    origin: Origin,
) -> (TaskRef, Runnable, JoinHandle<F::Output>)
where
    F: Future + 'static,
    S: Schedule,
{
    let cell = Box::new(Cell {
        header: Header {
            state: State::born(),
            vtable: &Cell::<F, S>::VTABLE,
            links: UnsafeCell::new(Links::default()),
            id,
            origin,
            shard,
            waits: AtomicU8::new(Wait::Start as u8),
            is_job: S::JOBS,
        },
        scheduler,
        stage: UnsafeCell::new(Stage::Running(future)),
        join_waker: UnsafeCell::new(None),
    });
    let raw = RawTask(NonNull::from(Box::leak(cell)).cast());
    (TaskRef(raw), Runnable(raw), JoinHandle::new(raw))
}

impl<F: Future + 'static, S: Schedule> Cell<F, S> {
    const VTABLE: Vtable = Vtable {
        run: Self::run,
        schedule: Self::schedule,
        drop_output: Self::drop_output,
        take_output: Self::take_output,
        join_waker: Self::join_waker,
        free: Self::free,
    };

    /// # Safety
    /// `header` is that of a live task of these types.
    unsafe fn of<'a>(header: NonNull<Header>) -> &'a Self {
        // SAFETY: the caller's promise; the pointer came from the whole box in `new_task`.
        unsafe { header.cast::<Self>().as_ref() }
    }

    /// # Safety
    /// As [`Vtable::run`].
    unsafe fn run(header: NonNull<Header>) {
        // SAFETY: S2: not complete, so alive until `finish`.
        let cell = unsafe { Self::of(header) };
        let result = match cell.header.state.start_poll() {
            Start::Cancel => cell.cancel(),
            Start::Poll => match cell.poll(header) {
                Poll::Ready(result) => result,
                Poll::Pending => {
                    // Before `end_poll`, as the task may be gone after it.
                    let scheduler = cell.scheduler.clone();
                    match cell.header.state.end_poll() {
                        End::Idle => return,
                        End::Requeue => return scheduler.yield_now(Runnable(RawTask(header))),
                        End::Cancel => cell.cancel(),
                    }
                }
            },
        };
        // SAFETY: this thread set RUNNING and stored nothing yet.
        unsafe { Self::finish(header, result) };
    }

    /// Polls the future, once. A panic is a result.
    fn poll(&self, header: NonNull<Header>) -> Poll<Result<F::Output, JoinError>> {
        let waker = borrowed_waker(RawTask(header));
        waits::forget();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            self.stage.with_mut(|stage| {
                // SAFETY: RUNNING is ours, so the stage is too (S1, S3).
                let Stage::Running(future) = (unsafe { &mut *stage }) else {
                    unreachable!("a task that isn't complete has its future")
                };
                // SAFETY: the cell is on the heap, and the future leaves it only by being dropped in place.
                let future = unsafe { Pin::new_unchecked(future) };
                self.scheduler
                    .around_poll(&waker, || future.poll(&mut Context::from_waker(&waker)))
            })
        }));
        match polled {
            Ok(Poll::Pending) => {
                // Ordering: hint only.
                self.header
                    .waits
                    .store(waits::left() as u8, Ordering::Relaxed);
                Poll::Pending
            }
            // A future that is done has its output; a panic in its drop costs no more than a line.
            Ok(Poll::Ready(output)) => {
                let dropped = self.drop_future();
                contain(|| drop(dropped));
                Poll::Ready(Ok(output))
            }
            Err(payload) => {
                // The first panic is the task's; one in the drop has been printed by the hook.
                let second = self.drop_future();
                contain(|| drop(second));
                Poll::Ready(Err(self.panicked(payload)))
            }
        }
    }

    /// Drops the future of a cancelled task. A panic in its drop is the result then.
    fn cancel(&self) -> Result<F::Output, JoinError> {
        self.drop_future()?;
        Err(JoinError::cancelled(self.header.id))
    }

    /// The error of a task that has panicked.
    fn panicked(&self, payload: Box<dyn Any + Send>) -> JoinError {
        let header = &self.header;
        let tell = self.scheduler.clone().panicked();
        let untold =
            tell.map(|tell| Untold::new(tell, header.origin.name(), header.origin.location()));
        JoinError::panic_untold(header.id, payload, untold)
    }

    /// Drops the future in place, by the thread that holds RUNNING.
    fn drop_future(&self) -> Result<(), JoinError> {
        self.replace_stage(Stage::Consumed)
            .map_err(|payload| self.panicked(payload))
    }

    /// Drops what the stage holds and puts `next` there. The caller owns the stage.
    fn replace_stage(&self, next: Stage<F>) -> Result<(), Box<dyn Any + Send>> {
        self.stage.with_mut(|stage| {
            // Dropped where it stands, as a future is pinned; `Consumed` comes first, should the drop panic.
            let dropped = catch_unwind(AssertUnwindSafe(|| {
                // SAFETY: the caller owns the stage; what was there is overwritten below, not dropped again.
                unsafe { std::ptr::drop_in_place(stage) }
            }));
            // SAFETY: as above: the stage holds nothing that needs a drop.
            unsafe { stage.write(next) };
            dropped
        })
    }

    /// Stores the result and tells whoever waits for it.
    ///
    /// # Safety
    /// The caller holds RUNNING, and uses the task no more.
    unsafe fn finish(header: NonNull<Header>, result: Result<F::Output, JoinError>) {
        let task = RawTask(header);
        // SAFETY: S2: the runtime's reference is dropped at the end.
        let cell = unsafe { Self::of(header) };
        // The stage is `Consumed`: nothing is dropped here.
        let stored = cell.replace_stage(Stage::Finished(result));
        debug_assert!(stored.is_ok());
        // Before COMPLETE, so that whoever has seen a task end finds it counted out. It is the runtime's reference
        // from here on.
        let runtime = ManuallyDrop::new(TaskRef(task));
        cell.scheduler.clone().release(&runtime);
        match cell.header.state.complete() {
            Joiner::Silent => {}
            // SAFETY: complete, and no handle left.
            Joiner::Gone => unsafe { cell.discard_output() },
            Joiner::Waiting => {
                cell.join_waker.with(|waker| {
                    // SAFETY: S4: JOIN_WAKER is set and COMPLETE too: read-only for all.
                    let waker = unsafe { (*waker).as_ref() }.expect("published");
                    contain(|| waker.wake_by_ref());
                });
                if cell.header.state.joiner_woken() {
                    // SAFETY: S4: the handle has gone and left the cell to this thread.
                    unsafe { task.drop_join_waker() };
                }
            }
        }
        drop(ManuallyDrop::into_inner(runtime));
    }

    /// # Safety
    /// As [`Vtable::schedule`].
    unsafe fn schedule(header: NonNull<Header>) {
        // SAFETY: S1 and S2: the caller holds the one `Runnable`, so the task is alive until it is published.
        let scheduler = unsafe { Self::of(header) }.scheduler.clone();
        scheduler.schedule(Runnable(RawTask(header)));
    }

    /// # Safety
    /// As [`Vtable::drop_output`].
    unsafe fn drop_output(header: NonNull<Header>) {
        // SAFETY: the caller holds a reference.
        let cell = unsafe { Self::of(header) };
        // SAFETY: COMPLETE was seen, and the output is the caller's.
        let taken = |stage: *const Stage<F>| matches!(unsafe { &*stage }, Stage::Consumed);
        if !cell.stage.with(taken) {
            // SAFETY: the caller's promise.
            as_own(cell.header.id, || unsafe { cell.discard_output() });
        }
    }

    /// Drops an output that nobody has taken.
    ///
    /// # Safety
    /// As [`Vtable::drop_output`].
    #[inline(never)]
    unsafe fn discard_output(&self) {
        self.stage.with(|stage| {
            // SAFETY: COMPLETE was seen, and the output is the caller's.
            if let Stage::Finished(Err(error)) = unsafe { &*stage } {
                error.tell();
            }
        });
        if let Err(payload) = self.replace_stage(Stage::Consumed) {
            drop_payload(payload);
        }
    }

    /// # Safety
    /// As [`Vtable::take_output`].
    unsafe fn take_output(header: NonNull<Header>, to: *mut ()) {
        // SAFETY: the handle holds a reference.
        let cell = unsafe { Self::of(header) };
        // SAFETY: COMPLETE and JOIN_INTEREST: the output is the handle's alone.
        let stage = cell
            .stage
            .with_mut(|stage| unsafe { std::mem::replace(&mut *stage, Stage::Consumed) });
        let Stage::Finished(result) = stage else {
            panic!("JoinHandle polled after completion")
        };
        let to = to.cast::<Poll<Result<F::Output, JoinError>>>();
        // SAFETY: the caller's promise.
        unsafe { *to = Poll::Ready(result) };
    }

    /// # Safety
    /// As [`Vtable::join_waker`].
    unsafe fn join_waker(header: NonNull<Header>) -> NonNull<UnsafeCell<Option<Waker>>> {
        // SAFETY: the caller holds a reference.
        NonNull::from(&unsafe { Self::of(header) }.join_waker)
    }

    /// # Safety
    /// As [`Vtable::free`].
    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: the box of `new_task`, which nobody else points to any more.
        drop(unsafe { Box::from_raw(header.cast::<Self>().as_ptr()) });
    }
}

impl Header {
    /// What the task waits for, as far as known.
    pub(super) fn waits(&self) -> Wait {
        // Ordering: hint only.
        Wait::from_number(self.waits.load(Ordering::Relaxed))
    }

    /// What those wait for who join it.
    #[inline]
    pub(super) fn joined(&self) -> Wait {
        if self.is_job {
            Wait::BlockingJob
        } else {
            Wait::Join
        }
    }

    /// What the handles show of a task.
    pub(super) fn describe(&self, mut debug: std::fmt::DebugStruct<'_, '_>) -> std::fmt::Result {
        debug.field("id", &self.id);
        if let Some(name) = self.origin.name() {
            debug.field("name", &name);
        }
        debug
            .field("spawned_at", &format_args!("{}", self.origin.location()))
            .finish()
    }
}

impl RawTask {
    /// The header. The caller keeps the task alive for as long as the answer is used.
    pub(super) fn header<'a>(self) -> &'a Header {
        // SAFETY: every maker of a `RawTask` holds a reference, or S2 for it, while it uses this.
        unsafe { self.0.as_ref() }
    }

    /// Queues the task after a transition that answered [`Wake::Queue`], frees it after [`Wake::Free`].
    pub(super) fn follow(self, wake: Wake) {
        match wake {
            Wake::Nothing => {}
            // SAFETY: the transition gave the `Runnable` to us.
            Wake::Queue => unsafe { (self.header().vtable.schedule)(self.0) },
            // SAFETY: the transition dropped the last reference.
            Wake::Free => unsafe { (self.header().vtable.free)(self.0) },
        }
    }

    /// Drops a reference, and the task with the last one.
    pub(super) fn drop_ref(self) {
        if self.header().state.drop_ref() {
            self.follow(Wake::Free);
        }
    }

    /// # Safety
    /// As the `drop_output` of the table.
    pub(super) unsafe fn drop_output(self) {
        // SAFETY: the caller's promise.
        unsafe { (self.header().vtable.drop_output)(self.0) }
    }

    /// # Safety
    /// As the `take_output` of the table.
    pub(super) unsafe fn take_output(self, to: *mut ()) {
        // SAFETY: the caller's promise.
        unsafe { (self.header().vtable.take_output)(self.0, to) }
    }

    /// Stores the handle's waker, and gives out the one that was there, whose drop is user code.
    ///
    /// # Safety
    /// The caller is the handle and JOIN_WAKER is clear (S4).
    #[must_use]
    pub(super) unsafe fn store_join_waker(self, waker: Waker) -> Option<Waker> {
        // SAFETY: the caller holds a reference.
        let cell = unsafe { (self.header().vtable.join_waker)(self.0).as_ref() };
        // SAFETY: S4: ours alone.
        cell.with_mut(|slot| unsafe { (*slot).replace(waker) })
    }

    /// Whether the stored waker is as good as `waker`.
    ///
    /// # Safety
    /// The caller is the handle, and has set JOIN_WAKER (S4).
    pub(super) unsafe fn join_waker_is(self, waker: &Waker) -> bool {
        // SAFETY: the caller holds a reference.
        let cell = unsafe { (self.header().vtable.join_waker)(self.0).as_ref() };
        // SAFETY: S4: read-only for both.
        cell.with(|slot| unsafe { (*slot).as_ref() }.is_some_and(|stored| stored.will_wake(waker)))
    }

    /// Drops the join waker, whose drop is user code.
    ///
    /// # Safety
    /// The cell is the caller's (S4).
    pub(super) unsafe fn drop_join_waker(self) {
        // SAFETY: the caller holds a reference.
        let cell = unsafe { (self.header().vtable.join_waker)(self.0).as_ref() };
        // SAFETY: the caller's promise.
        let waker = cell.with_mut(|slot| unsafe { (*slot).take() });
        contain(|| drop(waker));
    }
}

impl TaskRef {
    pub(super) fn raw(&self) -> RawTask {
        self.0
    }

    /// One more reference to the task of `raw`.
    pub(super) fn again(raw: RawTask) -> Self {
        raw.header().state.add_ref();
        Self(raw)
    }

    /// The reference, for someone who will turn it back.
    pub(super) fn into_raw(self) -> RawTask {
        ManuallyDrop::new(self).0
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.0.header().id
    }

    /// Where the task was spawned.
    pub fn location(&self) -> &'static Location<'static> {
        self.0.header().origin.location()
    }

    /// The task's name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.0.header().origin.name()
    }

    /// What the task waits for, as far as its last poll has told.
    pub fn waits_for(&self) -> Wait {
        self.0.header().waits()
    }

    /// Marks the task cancelled. Its future is dropped by the thread that would poll it next; where none would, by
    /// the one that takes it from the queue into which this puts it.
    pub fn abort(&self) {
        self.0.follow(self.0.header().state.abort());
    }

    /// Marks the task cancelled. To run what it gives out, if anything, falls to the caller: that drops the future.
    #[must_use]
    pub fn cancel(&self) -> Option<Runnable> {
        let ours = self.0.header().state.abort() == Wake::Queue;
        ours.then(|| Runnable(self.0))
    }

    /// Whether the output is there.
    pub fn is_finished(&self) -> bool {
        self.0.header().state.is_complete()
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        Self::again(self.0)
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        self.0.drop_ref();
    }
}

impl Runnable {
    /// Polls the task, once. Never unwinds.
    pub fn run(self) {
        let task = ManuallyDrop::new(self).0;
        // SAFETY: the evidence, consumed.
        unsafe { (task.header().vtable.run)(task.0) }
    }

    /// Where the task was spawned.
    pub fn location(&self) -> &'static Location<'static> {
        self.0.header().origin.location()
    }

    /// The task's name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.0.header().origin.name()
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.0.header().id
    }

    /// The evidence as a word, for [`Self::from_word`].
    pub(crate) fn into_word(self) -> *mut () {
        ManuallyDrop::new(self).0.0.as_ptr().cast()
    }

    /// # Safety
    /// `word` came from [`Self::into_word`], and is used once.
    pub(crate) unsafe fn from_word(word: NonNull<()>) -> Self {
        Self(RawTask(word.cast()))
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        // Whoever has RUNNING next finds the mark; that is us.
        let wake = self.0.header().state.abort();
        debug_assert_eq!(wake, Wake::Nothing, "S1: scheduled already");
        let task = Runnable(self.0);
        as_own(task.id(), || task.run());
    }
}

impl std::fmt::Debug for Runnable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.header().describe(f.debug_struct("Runnable"))
    }
}

impl std::fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.header().describe(f.debug_struct("TaskRef"))
    }
}
