//! How a runtime is configured.

use std::env::{self, VarError};
use std::fmt;
use std::io;
use std::time::Duration;

use heist_reactor::backend::Backend;
use heist_sync::protocol::contain;

use super::current_thread::CurrentThread;
use super::hook_home::HookHome;
use super::multi_thread::MultiThread;
use super::{Handle, Kind, Runtime};
use crate::cell::UnjoinedPanic;
use crate::queue::Local;
use crate::workers::crew::Crew;
use crate::workers::driver::Driver;
use crate::workers::hooks::{Hooks, UnhandledPanic};
use crate::workers::shared::{self, Flavor, Remote, Shared, Worker};
use crate::workers::stall::{OnStall, Stall, Stalls};
use crate::workers::watch::Watch;
use crate::workers::{relief, run};

const DEFAULT_NAME: &str = "heist-worker";

/// It has tokio's name, so that programs that are moved keep their settings.
const WORKER_THREADS: &str = "TOKIO_WORKER_THREADS";

type Name = std::sync::Arc<dyn Fn() -> String + Send + Sync>;
type Hook = std::sync::Arc<dyn Fn() + Send + Sync>;

/// How the threads of a runtime are made.
struct Threads {
    name: Name,
    stack_size: Option<usize>,
    on_start: Option<Hook>,
    on_stop: Option<Hook>,
}

/// Builds a [`Runtime`].
///
/// # Examples
/// ```
/// use heist::runtime::Builder;
///
/// let runtime = Builder::new_multi_thread()
///     .worker_threads(2)
///     .thread_name("crawler")
///     .build()?;
/// # drop(runtime);
/// # std::io::Result::Ok(())
/// ```
pub struct Builder {
    flavor: Flavor,
    name: Option<String>,
    workers: Option<usize>,
    max_workers: usize,
    max_spares: Option<usize>,
    stall_threshold: Duration,
    on_stall: Option<OnStall>,
    threads: Threads,
    hooks: Hooks,
    max_blocking_threads: usize,
    keep_alive: Duration,
    backend: Backend,
    start_paused: bool,
}

impl Builder {
    /// Builds a runtime whose workers have a thread each. By default there is one for each processor that the process
    /// may use. If a control group limits the process to fewer, that counts. [`worker_threads`](Self::worker_threads) and
    /// the environment variable `TOKIO_WORKER_THREADS` change the number.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().worker_threads(2).build()?;
    /// assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new_multi_thread() -> Self {
        Self::new(Flavor::MultiThread)
    }

    /// Builds a runtime that runs its tasks on the thread that calls [`block_on`](Runtime::block_on), during that call
    /// only. It starts threads for blocking jobs only.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    /// use std::thread;
    ///
    /// let runtime = Builder::new_current_thread().build()?;
    /// let task = runtime.spawn(async { thread::current().id() });
    /// assert_eq!(runtime.block_on(task).expect("no panic"), thread::current().id());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new_current_thread() -> Self {
        Self::new(Flavor::CurrentThread)
    }

    fn new(flavor: Flavor) -> Self {
        Self {
            flavor,
            name: None,
            workers: None,
            max_workers: 0,
            max_spares: None,
            stall_threshold: Duration::from_millis(10),
            on_stall: None,
            threads: Threads {
                name: std::sync::Arc::new(|| DEFAULT_NAME.to_owned()),
                stack_size: None,
                on_start: None,
                on_stop: None,
            },
            hooks: Hooks::default(),
            max_blocking_threads: 512,
            keep_alive: Duration::from_secs(10),
            backend: Backend::Auto,
            start_paused: false,
        }
    }

    /// Sets the name of the runtime, which [`Handle::name`] returns.
    ///
    /// # Panics
    /// Panics if the name is empty or blank.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_current_thread().name("crawler").build()?;
    /// assert_eq!(runtime.handle().name(), Some("crawler"));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn name(&mut self, val: impl Into<String>) -> &mut Self {
        let name = val.into();
        assert!(!name.trim().is_empty(), "runtime name shouldn't be empty");
        self.name = Some(name);
        self
    }

    /// Sets how many workers a multi-thread runtime has. A current-thread runtime always has one.
    ///
    /// # Default
    /// The value of the environment variable `TOKIO_WORKER_THREADS`. If it isn't set, the number of processors that the
    /// process may use.
    ///
    /// # Panics
    /// Panics if `val` is 0.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().worker_threads(2).build()?;
    /// assert_eq!(runtime.metrics().num_workers(), 2);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn worker_threads(&mut self, val: usize) -> &mut Self {
        assert!(val > 0, "Worker threads cannot be set to 0");
        self.workers = Some(val);
        self
    }

    /// Sets the largest number of workers that [`Handle::set_worker_threads`] may ask for. The default is the number of
    /// processors that the process may use, or the initial number of workers if that is larger. Each costs some memory
    /// from the start.
    ///
    /// [`Handle::set_worker_threads`] has an example.
    pub fn max_worker_threads(&mut self, val: usize) -> &mut Self {
        self.max_workers = val;
        self
    }

    /// Sets how many spare workers a multi-thread runtime may add while long polls hold up other tasks. The default is
    /// as many as it has workers; 0 means none.
    ///
    /// This limits how many polls compute at once beside the workers. A spare worker that stands in for a worker whose poll
    /// blocks counts too. Any number of other polls may block, on Linux, where heist can tell which do: if the thread of a
    /// spare worker blocks, another thread takes over from it, as often as needed.
    /// With 0 there is no spare worker to take over, so polls that block hold the runtime up. Workers whose thread blocks
    /// in [`block_in_place`](crate::task::block_in_place) need no spare.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread()
    ///     .worker_threads(2)
    ///     .max_spare_workers(4)
    ///     .build()?;
    /// // Nothing is held up, so there is no spare worker.
    /// assert_eq!(runtime.metrics().num_spare_workers(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn max_spare_workers(&mut self, val: usize) -> &mut Self {
        self.max_spares = Some(val);
        self
    }

    /// Sets how long a poll may take, while other tasks wait for its worker, before it counts as a stall. The default
    /// is 10 ms.
    ///
    /// Other tasks don't wait that long: if all workers are held up, a spare worker takes them within a millisecond or
    /// two. After the threshold it also takes tasks that merely yielded.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    /// use std::time::Duration;
    ///
    /// let runtime = Builder::new_multi_thread()
    ///     .stall_threshold(Duration::from_millis(50))
    ///     .on_stall(|stall| eprintln!("{stall}"))
    ///     .build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stall_threshold(&mut self, val: Duration) -> &mut Self {
        self.stall_threshold = val;
        self
    }

    /// Sets a function that is called once for each stall, while it lasts: a poll that has taken longer than
    /// [`stall_threshold`](Self::stall_threshold) while other tasks waited for its worker. The reactor thread calls it.
    /// If it blocks, another thread takes over from the reactor thread. If it panics, the panic is printed and has no
    /// other effect. If no function is set, and the feature `tracing` is on, a stall is an event of the crate `tracing`.
    ///
    /// A current-thread runtime reports no stalls, because it has no second thread to watch the first.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread()
    ///     .on_stall(|stall| eprintln!("{stall}"))
    ///     .build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_stall<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&Stall) + Send + Sync + 'static,
    {
        self.on_stall = Some(std::sync::Arc::new(f));
        self
    }

    /// Sets how many threads for blocking jobs there may be at once, beside the workers. It also limits how many
    /// threads may take over from workers that block, in place or in a poll. The default is 512.
    ///
    /// # Panics
    /// Panics if `val` is 0.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// // Runs one blocking job after the other.
    /// let runtime = Builder::new_multi_thread().max_blocking_threads(1).build()?;
    /// let jobs = [1, 2, 3].map(|number| runtime.spawn_blocking(move || number * number));
    /// let squares = jobs.map(|job| runtime.block_on(job).expect("no panic"));
    /// assert_eq!(squares, [1, 4, 9]);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn max_blocking_threads(&mut self, val: usize) -> &mut Self {
        assert!(val > 0, "Max blocking threads cannot be set to 0");
        self.max_blocking_threads = val;
        self
    }

    /// Sets how long a thread for blocking jobs waits for the next job before it ends. The default is 10 s.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    /// use std::time::Duration;
    ///
    /// let runtime = Builder::new_multi_thread()
    ///     .thread_keep_alive(Duration::from_secs(60))
    ///     .build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn thread_keep_alive(&mut self, duration: Duration) -> &mut Self {
        self.keep_alive = duration;
        self
    }

    /// Sets which poller the reactor waits with. The default is [`Backend::Auto`], which lets the environment variable
    /// `HEIST_REACTOR` choose (`mio`, `poll` or `auto`). Any other choice made here takes precedence over the environment.
    /// The [module](super::backend) has the details, and the contract for pollers of your own.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::{Backend, Builder};
    ///
    /// # #[cfg(unix)]
    /// # {
    /// let runtime = Builder::new_multi_thread().reactor(Backend::Poll).build()?;
    /// assert_eq!(runtime.handle().backend(), "poll");
    /// # }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn reactor(&mut self, val: Backend) -> &mut Self {
        self.backend = val;
        self
    }

    /// Sets the name of the runtime's threads. These are the workers, the threads for blocking jobs, and the reactor thread,
    /// which tokio doesn't have.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().thread_name("crawler").build()?;
    /// let name = runtime.spawn(async { std::thread::current().name().map(str::to_owned) });
    /// assert_eq!(runtime.block_on(name).expect("no panic").as_deref(), Some("crawler"));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn thread_name(&mut self, val: impl Into<String>) -> &mut Self {
        let name = val.into();
        self.thread_name_fn(move || name.clone())
    }

    /// Sets a function that names each thread of the runtime, as [`thread_name`](Self::thread_name) does. If it panics, the
    /// thread has the default name. NUL characters in a name are left out.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let next = AtomicUsize::new(0);
    /// let runtime = Builder::new_multi_thread()
    ///     .thread_name_fn(move || format!("crawler-{}", next.fetch_add(1, Ordering::Relaxed)))
    ///     .build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn thread_name_fn<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.threads.name = std::sync::Arc::new(move || {
            contain(&f).map_or_else(|| DEFAULT_NAME.to_owned(), |name| name.replace('\0', ""))
        });
        self
    }

    /// Sets the stack size of each thread, in bytes. The default is that of std, 2 MiB at the time of writing.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().thread_stack_size(4 << 20).build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn thread_stack_size(&mut self, val: usize) -> &mut Self {
        self.threads.stack_size = Some(val);
        self
    }

    /// Sets a function that each thread of the runtime calls when it starts: workers, threads for blocking jobs, and
    /// the reactor thread. It is called inside the runtime: `Handle::current` works. If it panics, the panic is printed and has
    /// no other effect.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let (started, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    /// let (starts, stops) = (started.clone(), stopped.clone());
    /// let runtime = Builder::new_multi_thread()
    ///     .worker_threads(2)
    ///     .on_thread_start(move || _ = starts.fetch_add(1, Ordering::Relaxed))
    ///     .on_thread_stop(move || _ = stops.fetch_add(1, Ordering::Relaxed))
    ///     .build()?;
    /// drop(runtime);
    /// // All its threads have ended by now.
    /// assert_eq!(started.load(Ordering::Relaxed), stopped.load(Ordering::Relaxed));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_thread_start<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.threads.on_start = Some(std::sync::Arc::new(f));
        self.hooks.on_thread_start = true;
        self
    }

    /// Sets a function that each thread of the runtime calls before it ends. It is called inside the runtime, unless the thread
    /// outlives that (`shutdown_background`). If it panics, the panic is printed and has no other effect.
    ///
    /// [`on_thread_start`](Self::on_thread_start) has an example.
    pub fn on_thread_stop<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.threads.on_stop = Some(std::sync::Arc::new(f));
        self
    }

    /// Sets a function that a worker's thread calls before it goes to sleep. If there is something to do after all,
    /// because the function itself has woken a task for instance, `on_thread_unpark` follows at once. If it panics, the
    /// panic is printed and has no other effect.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let sleeps = Arc::new(AtomicUsize::new(0));
    /// let count = sleeps.clone();
    /// let runtime = Builder::new_multi_thread()
    ///     .on_thread_park(move || _ = count.fetch_add(1, Ordering::Relaxed))
    ///     .on_thread_unpark(|| { /* There is something to do. */ })
    ///     .build()?;
    /// runtime.block_on(async {});
    /// println!("the workers have slept {} times", sleeps.load(Ordering::Relaxed));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_thread_park<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.hooks.on_park = Some(std::sync::Arc::new(f));
        self
    }

    /// Sets a function that a worker's thread calls after it has slept. If it panics, the panic is printed and has no
    /// other effect.
    ///
    /// [`on_thread_park`](Self::on_thread_park) has an example.
    pub fn on_thread_unpark<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.hooks.on_unpark = Some(std::sync::Arc::new(f));
        self
    }

    /// Sets a function that each thread calls when it begins to work as a worker, with the worker's number. Use it to
    /// bind the thread to a processor. When tasks block in place, threads change workers, so the same thread may call
    /// it again. If it panics, the panic is printed and has no other effect. A current-thread runtime doesn't call it.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread()
    ///     .on_worker_start(|worker| {
    ///         // Where a crate for it is at hand: bind this thread to the processor `worker`.
    ///         let _ = worker;
    ///     })
    ///     .build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_worker_start<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(usize) + Send + Sync + 'static,
    {
        self.hooks.on_worker_start = Some(std::sync::Arc::new(f));
        self
    }

    /// Sets after how many polls a busy worker collects events from the reactor. The default is 61. A worker whose polls take
    /// long looks once a millisecond, if that is sooner. In a multi-thread runtime the reactor thread collects events too.
    ///
    /// # Panics
    /// Panics if `val` is 0.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// // Events are served sooner, and tasks more slowly.
    /// let runtime = Builder::new_current_thread().event_interval(8).build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn event_interval(&mut self, val: u32) -> &mut Self {
        assert!(val > 0, "event_interval must be greater than 0");
        self.hooks.event_interval = val;
        self
    }

    /// Sets after how many polls a worker looks for tasks from outside before those in its own queues. By default a worker
    /// of a multi-thread runtime looks five times a millisecond, or every 61 polls if that is sooner.
    ///
    /// # Panics
    /// Panics if `val` is 0.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// // Tasks that other threads spawn wait less.
    /// let runtime = Builder::new_multi_thread().global_queue_interval(8).build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn global_queue_interval(&mut self, val: u32) -> &mut Self {
        assert!(val > 0, "global_queue_interval must be greater than 0");
        self.hooks.injector_interval = Some(val);
        self
    }

    /// Sets what the runtime does when a task panics, whether or not the task is joined. By default it does nothing.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::{Builder, UnhandledPanic};
    ///
    /// let runtime = Builder::new_current_thread()
    ///     .unhandled_panic(UnhandledPanic::ShutdownRuntime)
    ///     .build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn unhandled_panic(&mut self, behavior: UnhandledPanic) -> &mut Self {
        self.hooks.unhandled = behavior;
        self
    }

    /// Sets a function that is called for each panic of a task or a blocking job whose handle was dropped. Whoever
    /// drops the output calls it: the worker or the owner of the handle. If it panics, the panic is printed and has no
    /// other effect.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread()
    ///     .on_unjoined_panic(|panic| eprintln!("{panic}"))
    ///     .build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_unjoined_panic<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&UnjoinedPanic<'_>) + Send + Sync + 'static,
    {
        self.hooks.on_unjoined = Some(std::sync::Arc::new(f));
        self
    }

    /// Sets whether time is paused in the runtime from the start, as `heist::time::pause` pauses it. This is for tests. It
    /// works for both flavors.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    /// use heist::time::{Duration, Instant, sleep};
    ///
    /// let runtime = Builder::new_multi_thread().start_paused(true).build()?;
    /// runtime.block_on(async {
    ///     let start = Instant::now();
    ///     sleep(Duration::from_secs(3_600)).await;
    ///     assert_eq!(start.elapsed(), Duration::from_secs(3_600));
    /// });
    /// # std::io::Result::Ok(())
    /// ```
    pub fn start_paused(&mut self, start_paused: bool) -> &mut Self {
        self.start_paused = start_paused;
        self
    }

    /// Does nothing, because sockets and timers always work. It is here for programs that are moved from tokio.
    ///
    /// # Examples
    /// ```
    /// use heist::runtime::Builder;
    ///
    /// let runtime = Builder::new_multi_thread().enable_all().build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn enable_all(&mut self) -> &mut Self {
        self
    }

    /// The same as [`enable_all`](Self::enable_all).
    pub fn enable_io(&mut self) -> &mut Self {
        self
    }

    /// The same as [`enable_all`](Self::enable_all).
    pub fn enable_time(&mut self) -> &mut Self {
        self
    }

    /// Does nothing but check its argument: heist bounds by itself how many events one look at the reactor takes. It is
    /// here for programs that are moved from tokio.
    ///
    /// # Panics
    /// Panics if `capacity` is 0.
    #[track_caller]
    pub fn max_io_events_per_tick(&mut self, capacity: usize) -> &mut Self {
        assert!(capacity > 0, "max_io_events_per_tick must be non-zero");
        self
    }

    /// The same as [`max_io_events_per_tick`](Self::max_io_events_per_tick).
    ///
    /// # Panics
    /// Panics if `capacity` is 0.
    #[track_caller]
    pub fn max_io_events_per_busy_tick(&mut self, capacity: usize) -> &mut Self {
        assert!(capacity > 0, "max_io_events_per_busy_tick must be non-zero");
        self
    }

    /// Builds the runtime, and starts its threads.
    ///
    /// # Errors
    /// Fails if the operating system refuses the poller or a thread, or if the [backend](Backend::Auto) is left to the
    /// environment variable `HEIST_REACTOR` and that names none. What was started by then has ended again.
    ///
    /// # Panics
    /// Panics if [`worker_threads`](Self::worker_threads) is left to the environment variable `TOKIO_WORKER_THREADS` and that
    /// is not a number above 0.
    ///
    /// [`Builder`] has an example.
    pub fn build(&mut self) -> io::Result<Runtime> {
        self.build_for(None)
    }

    pub(super) fn is_multi_thread(&self) -> bool {
        self.flavor == Flavor::MultiThread
    }

    /// Builds the runtime, for the one thread with the number `local_to` if there is one.
    pub(super) fn build_for(&mut self, local_to: Option<u64>) -> io::Result<Runtime> {
        heist_sync::protocol::announce_blocking(|wait| relief::give_way(wait));
        heist_sync::protocol::ask_scheduler(crate::cell::is_due);
        let (regular, places, spares) = self.places();
        let (locals, remotes): (Vec<_>, Vec<_>) = (0..places)
            .map(|_| Local::new())
            .map(|(local, open)| (local, Remote::new(open)))
            .unzip();
        let threads = places.saturating_add(self.max_blocking_threads);
        let home = HookHome::default();
        let driver = Driver::new(self.reactor_config(&home), threads)?;
        if self.start_paused {
            driver.pause();
        }
        let crew = Crew::new(places, regular, spares);
        let stalls = Stalls::new(self.stall_threshold, self.on_stall.clone());
        let kind = shared::Kind {
            flavor: self.flavor,
            name: self.name.as_deref().map(Into::into),
            local_to,
        };
        let shared = Shared::new(
            remotes,
            crew,
            stalls,
            self.hooks.clone(),
            driver,
            kind,
            run::serve,
        );
        // Before any thread starts.
        if self.threads.on_start.is_some() || self.threads.on_stop.is_some() {
            home.set(&shared);
        }
        let mut workers: Vec<_> = locals
            .into_iter()
            .enumerate()
            .map(|(index, local)| Worker::new(shared.clone(), index, local))
            .collect();
        let kind = match self.flavor {
            Flavor::CurrentThread => {
                shared.crew.enlist(0);
                let worker = workers.pop().expect("it has one worker");
                Kind::CurrentThread(CurrentThread::new(Box::new(worker)))
            }
            Flavor::MultiThread => {
                let watch = Watch::new(shared.clone());
                shared.driver.start_thread(Box::new(watch))?;
                Kind::MultiThread(MultiThread::start(&shared, workers)?)
            }
        };
        Ok(Runtime {
            handle: Handle::of(shared),
            kind,
            ended: false,
            process: std::process::id(),
            _home: home,
        })
    }

    /// How many regular workers there are to begin with, how many workers there is room for, and how many of those may
    /// be spares.
    fn places(&self) -> (usize, usize, usize) {
        match self.flavor {
            Flavor::CurrentThread => (1, 1, 0),
            Flavor::MultiThread => {
                let regular = self.workers.unwrap_or_else(default_workers);
                let max = match self.max_workers {
                    0 => num_cpus::get(),
                    max => max,
                };
                let spares = self.max_spares.unwrap_or(regular);
                (regular, regular.max(max).saturating_add(spares), spares)
            }
        }
    }

    fn reactor_config(&self, home: &HookHome) -> heist_reactor::Config {
        let around = |hook: &Option<Hook>| hook.as_ref().map(|hook| home.around(hook));
        heist_reactor::Config {
            thread_name: self.threads.name.clone(),
            thread_stack_size: self.threads.stack_size,
            max_blocking_threads: self.max_blocking_threads,
            thread_keep_alive: self.keep_alive,
            on_thread_start: around(&self.threads.on_start),
            on_thread_stop: around(&self.threads.on_stop),
            backend: self.backend.clone(),
        }
    }
}

/// How many workers a multi-thread runtime has unless the program says.
fn default_workers() -> usize {
    match env::var(WORKER_THREADS) {
        Ok(value) => match value.parse() {
            Ok(0) => panic!("`{WORKER_THREADS}` cannot be set to 0"),
            Ok(workers) => workers,
            Err(error) => panic!("`{WORKER_THREADS}` must be a number, not {value:?}: {error}"),
        },
        Err(VarError::NotPresent) => num_cpus::get(),
        Err(VarError::NotUnicode(value)) => {
            panic!("`{WORKER_THREADS}` must be a number, not {value:?}")
        }
    }
}

impl Runtime {
    /// Makes a multi-thread runtime with one worker for each processor that the process may use, or as many as the
    /// environment variable `TOKIO_WORKER_THREADS` says.
    ///
    /// # Panics
    /// Panics if `TOKIO_WORKER_THREADS` is set and is not a number above 0.
    ///
    /// # Errors
    /// Fails if the operating system refuses the poller or a thread.
    ///
    /// [`Runtime`] has an example.
    pub fn new() -> io::Result<Self> {
        Builder::new_multi_thread().build()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("flavor", &self.flavor)
            .field("name", &self.name)
            .field("worker_threads", &self.workers)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .field("thread_keep_alive", &self.keep_alive)
            .field("thread_stack_size", &self.threads.stack_size)
            .field("reactor", &self.backend)
            .finish_non_exhaustive()
    }
}
