//! The part of a task that every holder may see, and the kinds of holder.

use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr::NonNull;
use std::task::Waker;

use heist_sync::protocol::contain;
use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::cell::UnsafeCell;
use heist_sync::sys::hints::AtomicU8;
use heist_sync::waits::Wait;

use super::origin::Origin;
use super::state::{State, Wake};
use crate::id::Id;
use crate::thread;

/// The part of a task that every holder may see.
pub(super) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static Vtable,
    /// Guarded by the lock of the task's shard of [`Owned`](super::Owned).
    pub(super) links: UnsafeCell<Links>,
    pub(super) id: Id,
    /// Where the task was spawned, and its name.
    pub(super) origin: Origin,
    /// Which shard of [`Owned`](super::Owned) lists the task.
    pub(super) shard: u16,
    /// What the task waits for, as its last poll reported it; a [`Wait`].
    pub(super) waits: AtomicU8,
    pub(super) is_job: bool,
    /// [`Schedule::AT_ONCE`](super::Schedule::AT_ONCE).
    pub(super) wakes_at_once: bool,
}

/// A task's neighbours in its shard.
#[derive(Default)]
pub(super) struct Links {
    pub(super) before: Option<NonNull<Header>>,
    pub(super) after: Option<NonNull<Header>>,
}

/// The functions that know a task's types. All take a pointer to a live task.
pub(super) struct Vtable {
    /// Requires the task's `Runnable`, consumed.
    pub(super) run: unsafe fn(NonNull<Header>),
    /// Requires that the caller's wake or abort returned [`Wake::Queue`].
    pub(super) schedule: unsafe fn(NonNull<Header>),
    /// Requires that `COMPLETE` was seen: by the handle, or by the completing worker if no handle is left.
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    /// Requires that `COMPLETE` was seen by the handle, and a `Poll<Result<F::Output, JoinError>>` to write to.
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    /// Returns the join waker's cell. S4 says who may use it.
    pub(super) join_waker: unsafe fn(NonNull<Header>) -> NonNull<UnsafeCell<Option<Waker>>>,
    /// Requires that the last reference is gone.
    pub(super) free: unsafe fn(NonNull<Header>),
}

/// A pointer to a task. It promises nothing about references.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct RawTask(pub(super) NonNull<Header>);

/// A counted reference to a task.
pub struct TaskRef(pub(super) RawTask);

/// Evidence that a task is scheduled (S1 in `state.rs`). Whoever holds it runs the task, once. Dropping it instead
/// cancels the task.
pub struct Runnable(pub(super) RawTask);

// SAFETY: the two types give access to `State`, which is atomic, and, through `run`, to the future. By the contract of
// `new_task`, the future is `Send` or stays with the thread that spawned it.
unsafe impl Send for Runnable {}

// SAFETY: a `&Runnable` gives access only to the header.
unsafe impl Sync for Runnable {}

// SAFETY: as for `Runnable`. A reference can also free the task, but the future is gone by then (S2).
unsafe impl Send for TaskRef {}

// SAFETY: as for `Send`.
unsafe impl Sync for TaskRef {}

impl Header {
    /// What the task waits for, as far as known.
    pub(super) fn waits(&self) -> Wait {
        // Ordering: hint only.
        Wait::from_number(self.waits.load(Ordering::Relaxed))
    }

    /// What those that join the task wait for.
    #[inline]
    pub(super) fn joined(&self) -> Wait {
        if self.is_job {
            Wait::BlockingJob
        } else {
            Wait::Join
        }
    }

    /// What the handles' `Debug` shows of a task.
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
    /// The header. The caller keeps the task alive while it uses the returned reference.
    pub(super) fn header<'a>(self) -> &'a Header {
        // SAFETY: whoever makes a `RawTask` holds a reference, or relies on S2, while it uses this.
        unsafe { self.0.as_ref() }
    }

    /// Queues the task after a transition that returned [`Wake::Queue`], and frees it after [`Wake::Free`].
    pub(super) fn follow(self, wake: Wake) {
        match wake {
            Wake::Nothing => {}
            // SAFETY: the transition gave the `Runnable` to us.
            Wake::Queue => unsafe { (self.header().vtable.schedule)(self.0) },
            // SAFETY: the transition dropped the last reference.
            Wake::Free => unsafe { (self.header().vtable.free)(self.0) },
        }
    }

    /// Drops a reference, and frees the task if it was the last one.
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

    /// Stores the handle's waker, and returns the one that was there. Dropping that one is user code.
    ///
    /// # Safety
    /// The caller is the handle and JOIN_WAKER is clear (S4).
    #[must_use]
    pub(super) unsafe fn store_join_waker(self, waker: Waker) -> Option<Waker> {
        // SAFETY: the caller holds a reference.
        let cell = unsafe { (self.header().vtable.join_waker)(self.0).as_ref() };
        // SAFETY: S4: the cell is ours alone.
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

    /// Drops the join waker. Its drop is user code.
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

    /// The reference as a pointer. The caller has to turn it back.
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

    /// Marks the task cancelled. The thread that would poll the future next drops it. If no thread would poll it, this
    /// queues the task, and the thread that takes it from the queue drops the future.
    pub fn abort(&self) {
        self.0.follow(self.0.header().state.abort());
    }

    /// Marks the task cancelled. If this returns a `Runnable`, the caller has to run it: that drops the future.
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
        // SAFETY: the evidence is consumed.
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
        // Whoever sets RUNNING next finds the mark, and that is us.
        let wake = self.0.header().state.abort();
        debug_assert_eq!(wake, Wake::Nothing, "S1: scheduled already");
        let task = Runnable(self.0);
        thread::as_own(task.id(), || task.run());
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
