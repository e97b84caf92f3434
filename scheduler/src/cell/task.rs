//! A task's memory, and the table of functions that know its types.

use std::any::Any;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use heist_sync::protocol::{contain, drop_payload};
use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::cell::UnsafeCell;
use heist_sync::sys::hints::AtomicU8;
use heist_sync::waits::{self, Wait};

use super::error::{JoinError, Untold};
use super::header::{Header, Links, RawTask, Runnable, TaskRef, Vtable};
use super::join::JoinHandle;
use super::origin::Origin;
use super::state::{End, Joiner, Start, State};
use super::unjoined::OnUnjoined;
use super::waker::borrowed_waker;
use crate::id::Id;
use crate::thread::as_own;

/// Where a task goes when it is woken, and which runtime it leaves when it is complete.
///
/// A clone is taken out of the task before each call, because a published task may run to its end, and be freed, before
/// `schedule` returns.
pub trait Schedule: Clone + Send + Sync + 'static {
    /// Whether its tasks are blocking jobs.
    const JOBS: bool = false;
    /// Whether [`schedule`](Self::schedule) takes no time, and calls no code of others.
    const AT_ONCE: bool = false;

    /// Queues a task that was woken. The task may be gone by the time this returns.
    fn schedule(&self, task: Runnable);

    /// Queues a task that was woken while it was being polled. It goes behind tasks that an event woke.
    fn yield_now(&self, task: Runnable) {
        self.schedule(task);
    }

    /// Calls `poll`, which polls the task with `waker`.
    #[inline]
    fn around_poll<R>(&self, waker: &Waker, poll: impl FnOnce() -> Poll<R>) -> Poll<R> {
        let _ = waker;
        poll()
    }

    /// The task has panicked. Returns the function to call if nobody joins the task.
    fn panicked(&self) -> Option<OnUnjoined> {
        None
    }

    /// The task is about to be complete; its runtime forgets it. Called once, by the thread that ran it.
    fn release(&self, task: &TaskRef);
}

/// A task with its types.
#[repr(C)]
struct Cell<F: Future, S> {
    /// The first field, so that a pointer to the cell is also a pointer to the header.
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

/// As [`new_task_from`], with the caller's location and without a name.
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

/// Makes a scheduled task. Returns the runtime's reference, the evidence that lets it run, and its handle.
///
/// # Safety
/// If `F` or its output isn't `Send`, `scheduler` must make sure that the task runs on this thread only. The handle
/// must stay on this thread too.
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
            wakes_at_once: S::AT_ONCE,
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
        // SAFETY: the caller's promise. The pointer came from the whole box in `new_task`.
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
                    // Before `end_poll`, because the task may be gone after it.
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

    /// Polls the future, once. A panic becomes the result.
    fn poll(&self, header: NonNull<Header>) -> Poll<Result<F::Output, JoinError>> {
        /// If the poll panics, drops the future while the panic unwinds: the drop can ask `thread::panicking`.
        struct Unwinds<'a, F: Future + 'static, S: Schedule>(&'a Cell<F, S>);

        impl<F: Future + 'static, S: Schedule> Drop for Unwinds<'_, F, S> {
            fn drop(&mut self) {
                // The first panic is the task's result. The hook has printed one in the drop.
                let second = self.0.drop_future();
                contain(|| drop(second));
            }
        }

        let waker = borrowed_waker(RawTask(header));
        waits::forget();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let unwinds = Unwinds(self);
            let polled = self.stage.with_mut(|stage| {
                // SAFETY: RUNNING is ours, so the stage is too (S1, S3).
                let Stage::Running(future) = (unsafe { &mut *stage }) else {
                    unreachable!("a task that isn't complete has its future")
                };
                // SAFETY: the cell is on the heap, and the future leaves it only when it is dropped in place.
                let future = unsafe { Pin::new_unchecked(future) };
                self.scheduler
                    .around_poll(&waker, || future.poll(&mut Context::from_waker(&waker)))
            });
            std::mem::forget(unwinds);
            polled
        }));
        match polled {
            Ok(Poll::Pending) => {
                // Ordering: hint only.
                self.header
                    .waits
                    .store(waits::left() as u8, Ordering::Relaxed);
                Poll::Pending
            }
            // A future that is done has its output. A panic in its drop is only printed.
            Ok(Poll::Ready(output)) => {
                let dropped = self.drop_future();
                contain(|| drop(dropped));
                Poll::Ready(Ok(output))
            }
            Err(payload) => Poll::Ready(Err(self.panicked(payload))),
        }
    }

    /// Drops the future of a cancelled task. If the drop panics, the panic is the result.
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

    /// Drops the future in place. The caller's thread holds RUNNING.
    fn drop_future(&self) -> Result<(), JoinError> {
        self.replace_stage(Stage::Consumed)
            .map_err(|payload| self.panicked(payload))
    }

    /// Drops what the stage holds, and puts `next` there. The caller owns the stage.
    fn replace_stage(&self, next: Stage<F>) -> Result<(), Box<dyn Any + Send>> {
        self.stage.with_mut(|stage| {
            // It is dropped in place, because a future is pinned. `Consumed` is written first, in case the drop panics.
            let dropped = catch_unwind(AssertUnwindSafe(|| {
                // SAFETY: the caller owns the stage. What was there is overwritten below, and not dropped again.
                unsafe { std::ptr::drop_in_place(stage) }
            }));
            // SAFETY: as above: the stage holds nothing that needs a drop.
            unsafe { stage.write(next) };
            dropped
        })
    }

    /// Stores the result, and wakes whoever waits for it.
    ///
    /// # Safety
    /// The caller holds RUNNING, and doesn't use the task afterwards.
    unsafe fn finish(header: NonNull<Header>, result: Result<F::Output, JoinError>) {
        let task = RawTask(header);
        // SAFETY: S2: the runtime's reference is dropped at the end.
        let cell = unsafe { Self::of(header) };
        // The stage is `Consumed`: nothing is dropped here.
        let stored = cell.replace_stage(Stage::Finished(result));
        debug_assert!(stored.is_ok());
        // Before COMPLETE, so that whoever has seen a task end finds it no longer counted. `runtime` is the runtime's
        // reference from here on.
        let runtime = ManuallyDrop::new(TaskRef(task));
        cell.scheduler.clone().release(&runtime);
        match cell.header.state.complete() {
            Joiner::Silent => {}
            // SAFETY: the task is complete, and no handle is left.
            Joiner::Gone => unsafe { cell.discard_output() },
            Joiner::Waiting => {
                cell.join_waker.with(|waker| {
                    // SAFETY: S4: JOIN_WAKER and COMPLETE are set, so the cell is read-only for all.
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
        // SAFETY: COMPLETE and JOIN_INTEREST: only the handle uses the output.
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
