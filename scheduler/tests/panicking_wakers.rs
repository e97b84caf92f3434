//! Wakers whose clone, wake or drop panics or comes back into what it waits for, and values whose drop panics: wherever
//! that is, nobody who waits is forgotten, nothing is lost, and no second panic ends the process. And in which task it is.

#[path = "support/watch.rs"]
mod watch;

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use heist_scheduler::runtime::Runtime;
use heist_scheduler::task::task_group::Failure;
use heist_scheduler::task::{self, AbortHandle, AbortOnDropHandle, JoinSet, LocalSet, TaskGroup};
use heist_sync::oneshot;
use watch::{current_thread, watchdog};

const CLONE: usize = 1;
const WAKE: usize = 2;
const DROP: usize = 4;

type Call = Arc<dyn Fn() + Send + Sync>;
type PollFn = Box<dyn FnMut(&mut Context<'_>) -> Poll<bool>>;

/// What the wakers of one [`Fuse`] share.
#[derive(Default)]
struct Fuse {
    /// What panics.
    armed: AtomicUsize,
    alive: AtomicUsize,
    /// Called by each clone, wake and drop, so often.
    calls: Mutex<Option<Call>>,
    calls_left: AtomicUsize,
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: a waker's data is an `Arc` of a fuse, borrowed.
        let fuse = unsafe { std::mem::ManuallyDrop::new(Arc::from_raw(data.cast::<Fuse>())) };
        fuse.blow(CLONE);
        fuse.raw()
    },
    |data| {
        // SAFETY: as above, owned.
        let fuse = unsafe { Arc::from_raw(data.cast::<Fuse>()) };
        fuse.alive.fetch_sub(1, Ordering::SeqCst);
        fuse.blow(WAKE);
    },
    |data| {
        // SAFETY: as above, borrowed.
        let fuse = unsafe { std::mem::ManuallyDrop::new(Arc::from_raw(data.cast::<Fuse>())) };
        fuse.blow(WAKE);
    },
    |data| {
        // SAFETY: as above, owned.
        let fuse = unsafe { Arc::from_raw(data.cast::<Fuse>()) };
        fuse.alive.fetch_sub(1, Ordering::SeqCst);
        fuse.blow(DROP);
    },
);

impl Fuse {
    fn call(&self, call: impl Fn() + Send + Sync + 'static, times: usize) {
        *self.calls.lock().unwrap() = Some(Arc::new(call));
        self.calls_left.store(times, Ordering::SeqCst);
    }

    fn blow(&self, what: usize) {
        let left = |left: usize| left.checked_sub(1);
        let due = self
            .calls_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left);
        let call = self.calls.lock().unwrap().clone();
        if let (Ok(_), Some(call)) = (due, call) {
            call();
        }
        if self.armed.load(Ordering::SeqCst) & what != 0 {
            panic!("a waker");
        }
    }

    fn raw(self: &Arc<Self>) -> RawWaker {
        self.alive.fetch_add(1, Ordering::SeqCst);
        RawWaker::new(Arc::into_raw(self.clone()).cast(), &VTABLE)
    }

    fn waker(self: &Arc<Self>) -> Waker {
        // SAFETY: the table keeps `RawWaker`'s contract.
        unsafe { Waker::from_raw(self.raw()) }
    }

    /// Polls with a waker of this, which is dropped in peace. None where the clone's panic has ended the poll.
    fn poll<T>(
        self: &Arc<Self>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Option<Poll<T>> {
        let waker = self.waker();
        let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut Context::from_waker(&waker))));
        let armed = self.armed.swap(0, Ordering::SeqCst);
        drop(waker);
        self.armed.store(armed, Ordering::SeqCst);
        assert!(polled.is_ok() || armed & CLONE != 0, "only its clone may");
        polled.ok()
    }

    fn arm(&self, what: usize) {
        self.armed.store(what, Ordering::SeqCst);
    }
}

/// Panics as it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb");
    }
}

/// What is waited for: polled, and let come.
struct Waiting {
    /// Whether it can be polled on after a poll that panicked.
    goes_on: bool,
    /// Says at last whether all was well.
    poll: PollFn,
    /// Uses what is waited for from elsewhere.
    touch: Box<dyn Fn() + Send + Sync>,
    open: oneshot::Sender<()>,
}

/// Runs what is ready.
fn run(runtime: &Runtime) {
    runtime.block_on(async {
        for _ in 0..4 {
            task::yield_now().await;
        }
    });
}

fn a_handle(runtime: &Runtime) -> Waiting {
    let (open, gate) = oneshot::channel();
    let mut handle = runtime.spawn(gate);
    let abort = handle.abort_handle();
    Waiting {
        goes_on: true,
        poll: Box::new(move |cx| Pin::new(&mut handle).poll(cx).map(|it| it.is_ok())),
        touch: Box::new(move || touch(&abort)),
        open,
    }
}

fn an_aborting_handle(runtime: &Runtime) -> Waiting {
    let (open, gate) = oneshot::channel();
    let mut handle = AbortOnDropHandle::new(runtime.spawn(gate));
    let abort = handle.abort_handle();
    Waiting {
        goes_on: true,
        poll: Box::new(move |cx| Pin::new(&mut handle).poll(cx).map(|it| it.is_ok())),
        touch: Box::new(move || touch(&abort)),
        open,
    }
}

fn a_set(runtime: &Runtime) -> Waiting {
    let (open, gate) = oneshot::channel();
    let mut set = JoinSet::new();
    let abort = set.spawn_on(gate, runtime.handle());
    Waiting {
        goes_on: true,
        poll: Box::new(move |cx| set.poll_join_next(cx).map(|it| it.unwrap().is_ok())),
        touch: Box::new(move || touch(&abort)),
        open,
    }
}

fn a_group(runtime: &Runtime) -> Waiting {
    let (open, gate) = oneshot::channel();
    let mut group = TaskGroup::<(), oneshot::error::RecvError>::new();
    group.spawn_on(gate, runtime.handle());
    let (spawner, handle) = (group.spawner(), runtime.handle().clone());
    let mut join = Box::pin(group.join());
    Waiting {
        goes_on: false,
        poll: Box::new(move |cx| join.as_mut().poll(cx).map(|it| it.is_ok())),
        touch: Box::new(move || {
            let _inside = handle.enter();
            spawner.spawn(async { Ok(()) });
        }),
        open,
    }
}

fn a_local_set(_: &Runtime) -> Waiting {
    let (open, gate) = oneshot::channel();
    let mut set = LocalSet::new();
    let handle = set.spawn_local(gate);
    let abort = handle.abort_handle();
    Waiting {
        goes_on: true,
        poll: Box::new(move |cx| Pin::new(&mut set).poll(cx).map(|()| handle.is_finished())),
        touch: Box::new(move || touch(&abort)),
        open,
    }
}

fn touch(abort: &AbortHandle) {
    if !abort.is_finished() {
        abort.abort();
    }
}

/// What happens before the end.
#[derive(Clone, Copy)]
enum Step {
    /// Its fuse is armed from here on.
    Arm,
    /// A poll with the fuse's waker.
    Poll,
    /// A poll with another waker.
    PollAnother,
    /// What was waited for comes.
    Open,
}

/// Ways to get through a wait.
const WAYS: [&[Step]; 7] = [
    &[Step::Arm, Step::Poll, Step::Open],
    &[Step::Poll, Step::Arm, Step::Open],
    &[Step::Poll, Step::Arm, Step::PollAnother, Step::Open],
    &[Step::PollAnother, Step::Arm, Step::Poll, Step::Open],
    &[Step::Poll, Step::Arm, Step::Poll, Step::Open],
    &[Step::Arm, Step::Open, Step::Poll],
    &[Step::Poll, Step::Arm, Step::Open, Step::Poll],
];

/// Goes all the ways with all faults, to the end or only so far, and then all is dropped, in both orders.
fn survive(wait: fn(&Runtime) -> Waiting) {
    let _dog = watchdog();
    let runtime = current_thread();
    // Miri takes its time over a panic.
    let (first, to_the_end) = if cfg!(miri) { (7, true) } else { (1, false) };
    for faults in first..8 {
        for (way, steps) in WAYS.iter().enumerate() {
            for stop in if to_the_end { steps.len() } else { 0 }..=steps.len() {
                let fuse = Arc::new(Fuse::default());
                let Waiting {
                    goes_on,
                    mut poll,
                    open,
                    ..
                } = wait(&runtime);
                let mut open = Some(open);
                let mut polled = Poll::Pending;
                for step in &steps[..stop] {
                    match step {
                        _ if polled.is_ready() => {}
                        Step::Arm => fuse.arm(faults),
                        Step::Poll => match fuse.poll(&mut poll) {
                            Some(answer) => polled = answer,
                            None if goes_on => {}
                            // It has nothing to say any more, and is dropped.
                            None => polled = Poll::Ready(true),
                        },
                        Step::PollAnother => {
                            polled = poll(&mut Context::from_waker(Waker::noop()));
                        }
                        Step::Open => {
                            let open = open.take().expect("it opens once");
                            // A local set's own task wakes who polls the set.
                            let _ = open.send(());
                            run(&runtime);
                        }
                    }
                }
                if stop == steps.len() && polled.is_pending() {
                    polled = poll(&mut Context::from_waker(Waker::noop()));
                }
                if stop == steps.len() {
                    assert_eq!(polled, Poll::Ready(true), "faults {faults}, way {way}");
                }
                drop(poll);
                drop(open);
                run(&runtime);
                let left = fuse.alive.load(Ordering::SeqCst);
                assert_eq!(left, 0, "faults {faults}, way {way}, {stop} steps");
            }
        }
    }
    assert_eq!(runtime.block_on(runtime.spawn(async { 7 })).unwrap(), 7);
}

#[test]
fn a_handle_survives_its_wakers() {
    survive(a_handle);
}

#[test]
fn a_handle_that_aborts_survives_its_wakers() {
    survive(an_aborting_handle);
}

#[test]
fn a_set_survives_its_wakers() {
    survive(a_set);
}

#[test]
fn a_group_survives_its_wakers() {
    survive(a_group);
}

#[test]
fn a_local_set_survives_its_wakers() {
    survive(a_local_set);
}

#[test]
fn wakers_may_use_what_they_wait_for() {
    let _dog = watchdog();
    let runtime = current_thread();
    for what in [a_handle, an_aborting_handle, a_set, a_group, a_local_set] {
        for steps in WAYS {
            let fuse = Arc::new(Fuse::default());
            let mut waiting = what(&runtime);
            fuse.call(waiting.touch, 20);
            let mut open = Some(waiting.open);
            let mut polled = Poll::Pending;
            for step in steps {
                match step {
                    _ if polled.is_ready() => {}
                    Step::Arm => {}
                    Step::Poll => polled = fuse.poll(&mut waiting.poll).expect("no panic"),
                    Step::PollAnother => {
                        polled = (waiting.poll)(&mut Context::from_waker(Waker::noop()));
                    }
                    Step::Open => {
                        let _ = open.take().expect("it opens once").send(());
                        run(&runtime);
                    }
                }
            }
            while polled.is_pending() {
                run(&runtime);
                polled = (waiting.poll)(&mut Context::from_waker(Waker::noop()));
            }
        }
    }
}

#[test]
fn an_iterator_that_panics_leaves_the_set_that_it_extends_whole() {
    let _dog = watchdog();
    let runtime = current_thread();
    runtime.block_on(async {
        let mut set = JoinSet::new();
        let futures = (0..3).map(|i| {
            assert!(i < 2, "as it should");
            async move { i }
        });
        let extended = catch_unwind(AssertUnwindSafe(|| set.extend(futures)));
        assert!(extended.is_err());
        assert_eq!(set.join_all().await.iter().sum::<i32>(), 1);
    });
}

#[test]
fn a_handle_whose_old_waker_panics_comes_into_a_set_whole() {
    let _dog = watchdog();
    let runtime = current_thread();
    for ended in [false, true] {
        let fuse = Arc::new(Fuse::default());
        let mut handle = runtime.spawn(async { 7 });
        let polled = fuse.poll(|cx| Pin::new(&mut handle).poll(cx));
        assert!(polled.is_some_and(|polled| polled.is_pending()));
        if ended {
            run(&runtime);
        }
        fuse.arm(DROP);
        let mut set = JoinSet::new();
        set.insert(handle);
        let joined = runtime.block_on(set.join_next());
        assert_eq!(joined.expect("one").expect("no panic"), 7);
        assert!(set.is_empty());
        assert_eq!(fuse.alive.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_task_that_ends_as_the_sets_waker_is_cloned_is_joined() {
    let _dog = watchdog();
    let runtime = Arc::new(current_thread());
    let mut set = JoinSet::new();
    set.spawn_on(async { 7 }, runtime.handle());
    let fuse = Arc::new(Fuse::default());
    let inside = runtime.clone();
    // The first call is the clone's.
    fuse.call(move || run(&inside), 1);
    fuse.arm(DROP);
    // The clone turns out not to be needed.
    let polled = fuse.poll(|cx| set.poll_join_next(cx));
    let Some(Poll::Ready(Some(Ok(7)))) = polled else {
        panic!("{polled:?}");
    };
}

#[test]
fn a_set_or_group_dropped_by_a_panic_ends_no_process_whatever_its_waker_does() {
    let _dog = watchdog();
    let runtime = current_thread();
    for what in [a_handle, an_aborting_handle, a_set, a_group, a_local_set] {
        let fuse = Arc::new(Fuse::default());
        let mut waiting = what(&runtime);
        let polled = fuse.poll(&mut waiting.poll);
        assert!(polled.is_some_and(|polled| polled.is_pending()));
        fuse.arm(DROP | WAKE);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _waiting = waiting;
            panic!("as it should");
        }));
        assert!(unwound.is_err());
        run(&runtime);
        assert_eq!(fuse.alive.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn outputs_that_panic_as_they_are_dropped_hide_no_result() {
    let _dog = watchdog();
    let runtime = current_thread();
    runtime.block_on(async {
        // Two, as one drop that panics while the other's panic is on its way would end the process.
        let mut set = JoinSet::new();
        set.spawn(async { Bomb });
        set.spawn(async { Bomb });
        set.spawn(async {
            task::yield_now().await;
            panic!("as it should")
        });
        let mut all = pin!(set.join_all());
        let joined = poll_fn(
            |cx| match catch_unwind(AssertUnwindSafe(|| all.as_mut().poll(cx))) {
                Ok(polled) => polled.map(|_| None),
                Err(payload) => Poll::Ready(Some(payload)),
            },
        );
        let payload = joined.await.expect("a panic");
        assert_eq!(payload.downcast_ref(), Some(&"as it should"));

        let mut set = JoinSet::new();
        set.spawn(async { Bomb });
        set.spawn(async { Bomb });
        task::yield_now().await;
        task::yield_now().await;
        set.shutdown().await;
        assert!(set.is_empty());

        for dropped in [false, true] {
            let mut group = TaskGroup::<Bomb, Bomb>::new();
            group.spawn(async { Ok(Bomb) });
            group.spawn(async { Ok(Bomb) });
            group.spawn(async move {
                task::yield_now().await;
                if dropped { pending().await } else { Err(Bomb) }
            });
            task::yield_now().await;
            task::yield_now().await;
            if dropped {
                drop(group);
            } else {
                let error = group.join().await.map(|_| ()).expect_err("one has failed");
                let mut failures = error.into_failures();
                let Some(Failure::Error(_, bomb)) = failures.pop() else {
                    panic!("{} failures", failures.len());
                };
                assert!(failures.is_empty());
                std::mem::forget(bomb);
            }
        }
    });
}

#[test]
fn a_child_whose_drop_panics_with_a_payload_that_does_too_has_ended() {
    struct Ready;
    impl Future for Ready {
        type Output = Result<i32, ()>;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            Poll::Ready(Ok(7))
        }
    }
    impl Drop for Ready {
        fn drop(&mut self) {
            std::panic::panic_any(Bomb);
        }
    }
    let _dog = watchdog();
    let runtime = current_thread();
    let mut group = TaskGroup::new();
    group.spawn_on(Ready, runtime.handle());
    assert_eq!(runtime.block_on(group.join()).expect("it is done"), [7]);
}

thread_local! {
    static SEEN: Cell<Option<task::Id>> = const { Cell::new(None) };
}

/// Notes in which task it is dropped.
struct Notes;

impl Drop for Notes {
    fn drop(&mut self) {
        SEEN.set(task::try_id());
    }
}

/// Each of `drops` drops what a task has left, and gives that task's id.
fn are_inside(drops: &[fn(&Runtime) -> task::Id]) {
    let _dog = watchdog();
    let runtime = current_thread();
    for (place, drops) in drops.iter().enumerate() {
        SEEN.set(None);
        let id = drops(&runtime);
        assert_eq!(SEEN.get(), Some(id), "place {place}");
        assert_eq!(task::try_id(), None);
    }
}

#[test]
fn an_output_is_dropped_with_the_id_of_its_task() {
    are_inside(&[
        // The output, by the worker.
        |runtime| {
            let id = runtime.spawn(async { Notes }).id();
            run(runtime);
            id
        },
        // The output, by the handle.
        |runtime| {
            let handle = runtime.spawn(async { Notes });
            run(runtime);
            assert_eq!(SEEN.get(), None);
            handle.id()
        },
        // The output, by a handle in another task.
        |runtime| {
            let handle = runtime.spawn(async { Notes });
            run(runtime);
            let id = handle.id();
            runtime
                .block_on(runtime.spawn(async move {
                    let outer = task::id();
                    drop(handle);
                    assert_eq!(task::id(), outer);
                }))
                .expect("no panic");
            id
        },
    ]);
}

#[test]
fn a_future_is_dropped_with_the_id_of_its_task() {
    are_inside(&[
        // The future, at the task's end.
        |runtime| {
            let notes = Notes;
            let handle = runtime.spawn(async move { drop(notes) });
            let id = handle.id();
            runtime.block_on(handle).expect("no panic");
            id
        },
        // The future, as it is aborted.
        |runtime| {
            let notes = Notes;
            let handle = runtime.spawn(async move {
                let _notes = notes;
                pending::<()>().await;
            });
            run(runtime);
            handle.abort();
            run(runtime);
            handle.id()
        },
        // The future of a local task, by the set's drop.
        |_| {
            let (set, notes) = (LocalSet::new(), Notes);
            let handle = set.spawn_local(async move {
                let _notes = notes;
                pending::<()>().await;
            });
            drop(set);
            handle.id()
        },
        // The future of a task that its runtime lets in no more.
        |_| {
            let (runtime, notes) = (current_thread(), Notes);
            let outside = runtime.handle().clone();
            drop(runtime);
            let handle = outside.spawn(async move { drop(notes) });
            handle.id()
        },
        // The future, by the runtime's end.
        |_| {
            let (runtime, notes) = (current_thread(), Notes);
            let handle = runtime.spawn(async move {
                let _notes = notes;
                pending::<()>().await;
            });
            run(&runtime);
            drop(runtime);
            handle.id()
        },
    ]);
}
