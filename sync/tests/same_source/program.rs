// A program that meets much of what tokio and heist have in common. `rt` is the one crate or the other.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use rt::runtime::{Builder, Handle, LocalOptions, LocalRuntime, Runtime, RuntimeFlavor};
use rt::sync::{Barrier, Mutex, Notify, OnceCell, RwLock, Semaphore, SetOnce};
use rt::sync::{broadcast, mpsc, oneshot, watch};
use rt::task::{JoinSet, LocalSet};

/// What the program has found, line by line.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    #[track_caller]
    fn note(&mut self, what: impl Debug) {
        let line = std::panic::Location::caller().line();
        self.0.push(format!("line {line}: {what:?}"));
    }

    /// Notes the text of a panic.
    #[track_caller]
    fn panics<R>(&mut self, f: impl FnOnce() -> R) {
        let payload = catch_unwind(AssertUnwindSafe(|| drop(f()))).expect_err("it panics");
        let text = payload.downcast_ref::<&str>().map(|text| text.to_string());
        self.note(text.or_else(|| payload.downcast_ref::<String>().cloned()));
    }
}

pub(super) fn results() -> Vec<String> {
    let mut found = Found::default();
    macros_expand(&mut found);
    runtimes(&mut found);
    contexts(&mut found);
    tasks(&mut found);
    local_tasks(&mut found);
    task_locals(&mut found);
    selects_and_joins(&mut found);
    channels(&mut found);
    locks(&mut found);
    waits_for_time(&mut found);
    found.0
}

fn current_thread() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Attributes name their crate, so each has its twin.
fn macros_expand(found: &mut Found) {
    use rt as renamed;
    #[renamed::main(flavor = "current_thread", crate = "rt", name = "main")]
    async fn main() -> Option<String> {
        Handle::current().name().map(str::to_owned)
    }
    #[renamed::main(flavor = "local", crate = "rt")]
    async fn local() -> u32 {
        let kept = Rc::new(3);
        rt::task::spawn_local(async move { *kept })
            .await
            .expect("no panic")
    }
    #[renamed::main(flavor = "multi_thread", worker_threads = 2, crate = "rt")]
    async fn workers() -> usize {
        Handle::current().metrics().num_workers()
    }
    found.note((main(), local(), workers()));
}

fn runtimes(found: &mut Found) {
    let started = Arc::new(AtomicUsize::new(0));
    let (starts, stops) = (started.clone(), started.clone());
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4)
        .thread_name("a name")
        .thread_name_fn(|| "another".to_owned())
        .thread_stack_size(3 * 1024 * 1024)
        .thread_keep_alive(Duration::from_millis(10))
        .on_thread_start(move || {
            starts.fetch_add(1, SeqCst);
        })
        .on_thread_stop(move || {
            stops.fetch_sub(1, SeqCst);
        })
        .on_thread_park(|| ())
        .on_thread_unpark(|| ())
        .global_queue_interval(31)
        .event_interval(61)
        .max_io_events_per_tick(64)
        .name("service")
        .enable_all()
        .build()
        .expect("a runtime");
    let handle: Handle = runtime.handle().clone();
    found.note((
        handle.name(),
        handle.runtime_flavor() == RuntimeFlavor::MultiThread,
    ));
    found.note(handle.id() == runtime.block_on(async { Handle::current().id() }));
    let name = runtime.spawn_blocking(|| std::thread::current().name().map(str::to_owned));
    found.note(runtime.block_on(name).expect("no panic"));
    found.note(runtime.block_on(async { rt::runtime::worker_index() }));
    let index = runtime.spawn(async { rt::runtime::worker_index().is_some() });
    found.note(runtime.block_on(index).expect("no panic"));
    let metrics = runtime.metrics();
    found.note((metrics.num_workers(), metrics.num_alive_tasks() < 9));
    found.note(metrics.global_queue_depth());
    found.note(metrics.worker_total_busy_duration(0) > Duration::from_secs(3_600));
    let unknown = catch_unwind(AssertUnwindSafe(|| metrics.worker_park_count(99))).is_err();
    found.note(unknown);
    found.note(handle.block_on(async { rt::spawn(async { 5 }).await.expect("no panic") }));
    runtime.shutdown_timeout(Duration::from_secs(60));
    found.note(started.load(SeqCst));
    let refused = handle.spawn(async {});
    found.note(
        current_thread()
            .block_on(refused)
            .map_err(|error| error.is_cancelled()),
    );
}

fn contexts(found: &mut Found) {
    let error = Handle::try_current().expect_err("there is none");
    found.note((
        error.is_missing_context(),
        error.is_thread_local_destroyed(),
    ));
    let runtime = current_thread();
    {
        let _inside = runtime.enter();
        found.note(Handle::try_current().is_ok());
    }
    found.note(runtime.block_on(async { rt::runtime::worker_index() }));
    found.note(rt::runtime::worker_index());
    found.note(rt::runtime::is_rt_shutdown_err(
        &std::io::ErrorKind::Other.into(),
    ));
    runtime.shutdown_background();
    found.panics(|| Builder::new_multi_thread().name(" ").build());
    found.panics(|| Builder::new_multi_thread().worker_threads(0).build());
    found.panics(|| Builder::new_multi_thread().global_queue_interval(0).build());
    found.panics(|| {
        Builder::new_current_thread()
            .max_io_events_per_tick(0)
            .build()
    });
    found.panics(|| Builder::new_multi_thread().build_local(LocalOptions::default()));
}

fn tasks(found: &mut Found) {
    let runtime = current_thread();
    runtime.block_on(async {
        let task = rt::spawn(async { rt::task::try_id() });
        let id = task.id();
        found.note(task.await.expect("no panic") == Some(id));
        let error = rt::spawn(async { panic!("in a task") })
            .await
            .expect_err("it panics");
        found.note((error.is_panic(), error.is_cancelled()));
        let payload = error.into_panic();
        found.note(payload.downcast_ref::<&str>());
        let endless = rt::spawn(pending::<()>());
        let abort = endless.abort_handle();
        abort.abort();
        let error = endless.await.expect_err("aborted");
        found.note((
            error.is_cancelled(),
            abort.is_finished(),
            error.id() == abort.id(),
        ));
        found.note(error.try_into_panic().is_err());

        let mut set: JoinSet<u32> = (0..3).map(|n| async move { n }).collect();
        set.spawn(async { 3 });
        set.spawn_on(async { 4 }, &Handle::current());
        set.spawn_blocking(|| 5);
        found.note((set.len(), set.is_empty()));
        let mut ended = Vec::new();
        while let Some(value) = set.join_next().await {
            ended.push(value.expect("no panic"));
        }
        ended.sort_unstable();
        found.note(ended);
        set.extend((0..2).map(|_| pending::<u32>()));
        found.note(set.try_join_next().is_none());
        set.abort_all();
        found.note(set.join_next_with_id().await.map(|ended| ended.is_err()));
        set.shutdown().await;
        found.note(set.len());
        set.spawn(ready(6));
        found.note(set.join_all().await);

        rt::task::coop::consume_budget().await;
        rt::task::coop::unconstrained(async { rt::task::yield_now().await }).await;
        found.note(rt::task::coop::cooperative(ready(7)).await);
        found.note(rt::task::coop::has_budget_remaining());
        let mut spent = 0;
        let counted = std::future::poll_fn(|cx| {
            while let std::task::Poll::Ready(unit) = rt::task::coop::poll_proceed(cx) {
                unit.made_progress();
                spent += 1;
            }
            std::task::Poll::Ready(spent)
        });
        found.note(
            rt::spawn(async move { rt::task::yield_now().await })
                .await
                .is_ok(),
        );
        found.note(counted.await > 100);
    });
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .expect("a runtime");
    let task =
        runtime.spawn(async { rt::task::block_in_place(|| Handle::current().block_on(ready(8))) });
    found.note(runtime.block_on(task).expect("no panic"));
}

fn local_tasks(found: &mut Found) {
    let runtime = current_thread();
    let set = LocalSet::new();
    found.note(set.id() != runtime.handle().id());
    let count = Rc::new(Cell::new(0));
    let adds = || {
        let count = count.clone();
        async move { count.set(count.get() + 1) }
    };
    set.spawn_local(adds());
    {
        let _inside = set.enter();
        rt::task::spawn_local(adds());
    }
    let (one, other) = (adds(), adds());
    set.block_on(&runtime, async {
        rt::task::spawn_local(one).await.expect("no panic");
        let mut tasks = JoinSet::new();
        tasks.spawn_local(other);
        tasks.join_all().await;
    });
    found.note(count.get());
    runtime.block_on(set);

    let local = LocalRuntime::new().expect("a runtime");
    local.spawn_local(adds());
    let (one, other) = (adds(), adds());
    local.block_on(async {
        rt::task::spawn_local(one).await.expect("no panic");
        rt::task::spawn_local(async { rt::task::spawn_local(other).await })
            .await
            .expect("no panic")
            .expect("no panic");
    });
    found.note(count.get());
    {
        let _inside = local.enter();
        drop(rt::task::spawn_local(adds()));
    }
    found.note((
        local.metrics().num_alive_tasks(),
        local.handle().name().is_none(),
    ));
    let job = local.spawn_blocking(rt::runtime::worker_index);
    found.note(local.block_on(job).expect("no panic"));
    local.spawn_local(pending::<Rc<()>>());
    local.shutdown_background();
    found.note((count.get(), Rc::strong_count(&count)));
    found.panics(|| rt::task::spawn_local(async {}));
}

rt::task_local! {
    static NUMBER: u32;
    #[allow(unused)]
    pub(super) static TEXT: RefCell<String>;
}

fn task_locals(found: &mut Found) {
    current_thread().block_on(async {
        found.note(NUMBER.try_get().map_err(|error| error.to_string()));
        found.note(format!("{:?}", NUMBER.try_with(|_| ()).expect_err("unset")));
        let mut scoped = Box::pin(NUMBER.scope(1, async {
            let inner = NUMBER.scope(2, async {
                rt::task::yield_now().await;
                NUMBER.get()
            });
            (
                inner.await,
                NUMBER.get(),
                rt::spawn(async { NUMBER.try_get().is_ok() })
                    .await
                    .expect("no panic"),
            )
        }));
        found.note(scoped.as_mut().await);
        found.note((scoped.as_mut().take_value(), scoped.as_mut().take_value()));
        found.panics(|| {
            pin!(scoped).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
        });
        let text = TEXT.scope(RefCell::new(String::new()), async {
            TEXT.with(|text| text.borrow_mut().push('a'));
            TEXT.with(|text| text.borrow().len())
        });
        found.note(text.await);
        found.panics(|| NUMBER.get());
        found.panics(|| NUMBER.sync_scope(1, || NUMBER.with(|_| NUMBER.sync_scope(2, || ()))));
        /// What it sees as it is dropped.
        struct Sees(Rc<Cell<Option<u32>>>);
        impl Drop for Sees {
            fn drop(&mut self) {
                self.0.set(NUMBER.try_get().ok());
            }
        }
        let seen = Rc::new(Cell::new(None));
        let sees = Sees(seen.clone());
        drop(NUMBER.scope(9, async move { drop(sees) }));
        found.note(seen.get());
        found.note(NUMBER.sync_scope(10, || NUMBER.try_with(|number| number + 1)));
    });
}

fn selects_and_joins(found: &mut Found) {
    current_thread().block_on(async {
        let winner = rt::select! {
            biased;
            _ = pending::<()>() => 1,
            Some(n) = ready(None::<u32>) => n,
            n = ready(3), if true => n,
            else => 4,
        };
        found.note(winner);
        let none = rt::select! { Some(n) = ready(None::<u32>) => n, else => 5 };
        found.note(none);
        found.note(rt::join!(ready(1), async {
            rt::task::yield_now().await;
            2
        }));
        found.note(rt::join!(biased; ready(1)));
        found.note(rt::try_join!(ready(Ok::<_, u8>(1)), ready(Err::<u8, _>(2))));
        found.note(rt::try_join!(biased; ready(Ok::<_, u8>(1)), ready(Ok(2)),));
        let future = async { 6 };
        rt::pin!(future);
        found.note((&mut future).await);
        rt::pin! { let other = async { 7 }; }
        found.note(other.await);
    });
    found.panics(|| {
        current_thread().block_on(async {
            rt::select! { Some(()) = ready(None) => () }
        })
    });
}

fn channels(found: &mut Found) {
    current_thread().block_on(async {
        let (sender, mut receiver) = mpsc::channel::<u32>(2);
        sender.reserve().await.expect("open").send(1);
        sender.try_send(2).expect("there is room");
        found.note(sender.try_send(3).map_err(|error| error.into_inner()));
        found.note((sender.capacity(), receiver.len(), receiver.max_capacity()));
        let mut many = Vec::new();
        found.note(receiver.recv_many(&mut many, 10).await);
        let weak = sender.downgrade();
        drop(sender);
        found.note((
            receiver.recv().await,
            weak.upgrade().is_none(),
            receiver.try_recv(),
        ));
        let (sender, mut receiver) = mpsc::unbounded_channel();
        sender.send(4).expect("open");
        receiver.close();
        found.note((receiver.recv().await, receiver.recv().await, sender.send(5)));

        let (sender, receiver) = oneshot::channel();
        found.note(sender.send(1));
        found.note(receiver.await);
        let (sender, receiver) = oneshot::channel::<()>();
        drop(sender);
        found.note(receiver.await.map_err(|error| error.to_string()));

        let (sender, mut receiver) = broadcast::channel(2);
        let mut late = sender.subscribe();
        (0..3).for_each(|n| drop(sender.send(n)));
        found.note((
            receiver.recv().await,
            receiver.recv().await,
            late.try_recv(),
        ));
        drop(sender);
        found.note((receiver.recv().await, receiver.recv().await));

        let (sender, mut receiver) = watch::channel(1);
        found.note((*receiver.borrow(), receiver.has_changed()));
        sender.send_replace(2);
        receiver.changed().await.expect("open");
        found.note(*receiver.borrow_and_update());
        sender.send_modify(|n| *n += 1);
        found.note(receiver.wait_for(|n| *n == 3).await.map(|n| *n));
        found.note(sender.send_if_modified(|_| false));
        drop(sender);
        found.note(receiver.changed().await.map_err(|error| error.to_string()));
    });
}

fn locks(found: &mut Found) {
    current_thread().block_on(async {
        let mutex = Arc::new(Mutex::new(1));
        let guard = mutex.lock().await;
        found.note(mutex.try_lock().map(|guard| *guard).is_err());
        drop(guard);
        *mutex.clone().lock_owned().await += 1;
        found.note(format!("{mutex:?}"));
        found.note(Arc::try_unwrap(mutex).expect("the only one").into_inner());

        let lock = RwLock::new((1, 2));
        let read = rt::sync::RwLockReadGuard::map(lock.read().await, |pair| &pair.0);
        found.note((*read, lock.try_write().is_err(), lock.try_read().is_ok()));
        drop(read);
        let write = lock.write().await;
        found.note(write.downgrade().1);

        let semaphore = Arc::new(Semaphore::new(3));
        let permit = semaphore.acquire_many(2).await.expect("open");
        found.note((
            semaphore.available_permits(),
            semaphore.try_acquire_many(2).map(drop),
        ));
        permit.forget();
        semaphore.add_permits(1);
        found.note(
            semaphore
                .clone()
                .acquire_owned()
                .await
                .map(|permit| permit.num_permits()),
        );
        semaphore.close();
        found.note(
            semaphore
                .acquire()
                .await
                .map(drop)
                .map_err(|error| error.to_string()),
        );

        let notify = Notify::new();
        notify.notify_one();
        notify.notified().await;
        let mut waiting = pin!(notify.notified());
        found.note(waiting.as_mut().enable());
        notify.notify_waiters();
        waiting.await;

        let barrier = Arc::new(Barrier::new(2));
        let (one, other) = rt::join!(barrier.wait(), barrier.wait());
        found.note((one.is_leader(), other.is_leader()));

        let cell = OnceCell::new();
        found.note(cell.get_or_init(|| async { 1 }).await);
        found.note((
            cell.get(),
            cell.set(2).map_err(|error| error.is_already_init_err()),
        ));
        let failed = OnceCell::<u8>::new();
        found.note(
            failed
                .get_or_try_init(|| async { Err::<u8, _>("no") })
                .await,
        );
        let once = SetOnce::new();
        found.note((once.set(1).is_ok(), once.set(2).is_err(), once.wait().await));
    });
}

fn waits_for_time(found: &mut Found) {
    use rt::time::{self, Instant, MissedTickBehavior};
    current_thread().block_on(async {
        let before = Instant::now();
        time::sleep(Duration::from_millis(2)).await;
        found.note(before.elapsed() >= Duration::from_millis(2));
        let elapsed = time::timeout(Duration::from_millis(1), pending::<()>()).await;
        found.note(elapsed.map_err(|error| error.to_string()));
        found.note(time::timeout_at(Instant::now() + Duration::from_secs(600), ready(1)).await);
        let mut interval = time::interval(Duration::from_millis(1));
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (first, second) = (interval.tick().await, interval.tick().await);
        found.note((
            second >= first,
            interval.period(),
            interval.missed_tick_behavior(),
        ));
        let mut sleep = pin!(time::sleep(Duration::from_secs(600)));
        sleep.as_mut().reset(before);
        sleep.as_mut().await;
        found.note(sleep.is_elapsed());
    });
    found.panics(|| rt::time::interval(Duration::ZERO));
}
