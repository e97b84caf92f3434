//! How a runtime is told what to be.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use heist_sync::sys::{Arc, thread};

use super::current_thread::CurrentThread;
use super::multi_thread::MultiThread;
use super::{Handle, Kind, Runtime};
use crate::driver::Driver;
use crate::queue::Local;
use crate::shared::{Flavor, Remote, Shared};
use crate::worker::Worker;

const DEFAULT_NAME: &str = "heist-worker";

type Name = std::sync::Arc<dyn Fn() -> String + Send + Sync>;
type Hook = std::sync::Arc<dyn Fn() + Send + Sync>;

/// How the threads of a runtime are made.
#[derive(Clone)]
pub(super) struct Threads {
    name: Name,
    stack_size: Option<usize>,
    on_start: Option<Hook>,
    on_stop: Option<Hook>,
}

impl Threads {
    pub(super) fn builder(&self) -> thread::Builder {
        let builder = thread::Builder::new().name((self.name)());
        match self.stack_size {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
    }

    pub(super) fn on_start(&self) {
        if let Some(hook) = &self.on_start {
            hook();
        }
    }

    pub(super) fn on_stop(&self) {
        if let Some(hook) = &self.on_stop {
            hook();
        }
    }
}

/// Builds a [`Runtime`].
///
/// # Examples
/// ```
/// use heist_scheduler::runtime::Builder;
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
    workers: Option<usize>,
    threads: Threads,
    max_blocking_threads: usize,
    keep_alive: Duration,
}

impl Builder {
    /// A runtime whose workers have a thread each, by default one a processor that the process may use (a quota of
    /// its control group counts).
    pub fn new_multi_thread() -> Self {
        Self::new(Flavor::MultiThread)
    }

    /// A runtime that runs its tasks on the thread that calls [`block_on`](Runtime::block_on), and only meanwhile. It
    /// starts no thread but for blocking jobs.
    pub fn new_current_thread() -> Self {
        Self::new(Flavor::CurrentThread)
    }

    fn new(flavor: Flavor) -> Self {
        Self {
            flavor,
            workers: None,
            threads: Threads {
                name: std::sync::Arc::new(|| DEFAULT_NAME.to_owned()),
                stack_size: None,
                on_start: None,
                on_stop: None,
            },
            max_blocking_threads: 512,
            keep_alive: Duration::from_secs(10),
        }
    }

    /// How many workers a multi-thread runtime has. A current-thread runtime has one, whatever is said here.
    ///
    /// # Panics
    /// If `val` is 0.
    #[track_caller]
    pub fn worker_threads(&mut self, val: usize) -> &mut Self {
        assert!(val > 0, "Worker threads cannot be set to 0");
        self.workers = Some(val);
        self
    }

    /// How many threads for blocking jobs there may be at once, beside the workers. 512 by default.
    ///
    /// # Panics
    /// If `val` is 0.
    #[track_caller]
    pub fn max_blocking_threads(&mut self, val: usize) -> &mut Self {
        assert!(val > 0, "Max blocking threads cannot be set to 0");
        self.max_blocking_threads = val;
        self
    }

    /// How long a thread for blocking jobs waits for the next one before it ends. 10 s by default.
    pub fn thread_keep_alive(&mut self, duration: Duration) -> &mut Self {
        self.keep_alive = duration;
        self
    }

    /// The name of the runtime's threads.
    pub fn thread_name(&mut self, val: impl Into<String>) -> &mut Self {
        let name = val.into();
        self.thread_name_fn(move || name.clone())
    }

    /// A function that names each thread. Where it panics, the thread has the default name; a NUL in a name is left
    /// out.
    pub fn thread_name_fn<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.threads.name = std::sync::Arc::new(move || {
            let name = catch_unwind(AssertUnwindSafe(&f));
            name.unwrap_or_else(|_| DEFAULT_NAME.to_owned())
                .replace('\0', "")
        });
        self
    }

    /// The stack of each thread, in bytes. By default what std gives, 2 MiB at the time of writing.
    pub fn thread_stack_size(&mut self, val: usize) -> &mut Self {
        self.threads.stack_size = Some(val);
        self
    }

    /// Called by each thread of the runtime as it starts: workers, threads for blocking jobs, the reactor thread. A
    /// panic in it is printed, and costs nothing else.
    pub fn on_thread_start<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.threads.on_start = Some(std::sync::Arc::new(f));
        self
    }

    /// Called by each thread of the runtime before it ends. A panic in it is printed, and costs nothing else.
    pub fn on_thread_stop<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.threads.on_stop = Some(std::sync::Arc::new(f));
        self
    }

    /// Does nothing: sockets and timers always work. It is here for programs that come from elsewhere.
    pub fn enable_all(&mut self) -> &mut Self {
        self
    }

    /// As [`enable_all`](Self::enable_all).
    pub fn enable_io(&mut self) -> &mut Self {
        self
    }

    /// As [`enable_all`](Self::enable_all).
    pub fn enable_time(&mut self) -> &mut Self {
        self
    }

    /// Builds the runtime, and starts its threads.
    ///
    /// # Errors
    /// Where the operating system refuses the poller or a thread. What was started by then has ended again.
    pub fn build(&mut self) -> io::Result<Runtime> {
        let count = match self.flavor {
            Flavor::CurrentThread => 1,
            Flavor::MultiThread => self.workers.unwrap_or_else(num_cpus::get),
        };
        let (locals, remotes): (Vec<_>, Vec<_>) = (0..count)
            .map(|_| Local::new())
            .map(|(local, open)| (local, Remote::new(open)))
            .unzip();
        let driver = Driver::new(self.reactor_config())?;
        let shared = Arc::new(Shared::new(remotes, driver, self.flavor));
        let mut workers: Vec<_> = locals
            .into_iter()
            .enumerate()
            .map(|(index, local)| Worker::new(shared.clone(), index, local))
            .collect();
        let kind = match self.flavor {
            Flavor::CurrentThread => Kind::CurrentThread(CurrentThread::new(
                workers.pop().expect("it has one worker"),
            )),
            Flavor::MultiThread => {
                shared.driver.start_thread(&shared)?;
                Kind::MultiThread(MultiThread::start(&shared, workers, &self.threads)?)
            }
        };
        Ok(Runtime {
            handle: Handle::of(shared),
            kind,
            ended: false,
        })
    }

    fn reactor_config(&self) -> heist_reactor::Config {
        heist_reactor::Config {
            thread_name: self.threads.name.clone(),
            thread_stack_size: self.threads.stack_size,
            max_blocking_threads: self.max_blocking_threads,
            thread_keep_alive: self.keep_alive,
            on_thread_start: self.threads.on_start.clone(),
            on_thread_stop: self.threads.on_stop.clone(),
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("flavor", &self.flavor)
            .field("worker_threads", &self.workers)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .field("thread_keep_alive", &self.keep_alive)
            .field("thread_stack_size", &self.threads.stack_size)
            .finish_non_exhaustive()
    }
}
