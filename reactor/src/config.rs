//! How a reactor and its threads are made.

use std::fmt;
use std::time::Duration;

use heist_sync::protocol::contain;

use crate::backend::Backend;

/// A function that names a thread.
pub type ThreadName = std::sync::Arc<dyn Fn() -> String + Send + Sync>;
/// A function that a thread calls as it starts or stops.
pub type ThreadHook = std::sync::Arc<dyn Fn() + Send + Sync>;

/// How a [`Reactor`](crate::Reactor) and its blocking pool are made.
#[derive(Clone)]
pub struct Config {
    /// Names each thread.
    pub thread_name: ThreadName,
    /// The size of each thread's stack, in bytes. `None` is std's default.
    pub thread_stack_size: Option<usize>,
    /// How many threads the blocking pool may have at once.
    pub max_blocking_threads: usize,
    /// How long a thread waits for something to do before it ends.
    pub thread_keep_alive: Duration,
    /// Called by each thread as it starts.
    pub on_thread_start: Option<ThreadHook>,
    /// Called by each thread as it stops.
    pub on_thread_stop: Option<ThreadHook>,
    /// Which poller the reactor waits with.
    pub backend: Backend,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            thread_name: std::sync::Arc::new(|| "heist-reactor".to_owned()),
            thread_stack_size: None,
            max_blocking_threads: 512,
            thread_keep_alive: Duration::from_secs(10),
            on_thread_start: None,
            on_thread_stop: None,
            backend: Backend::Auto,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("thread_stack_size", &self.thread_stack_size)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .field("thread_keep_alive", &self.thread_keep_alive)
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

/// Calls a hook of the user's. A panic in it goes no further.
pub(crate) fn call_hook(hook: Option<&ThreadHook>) {
    if let Some(hook) = hook {
        contain(|| hook());
    }
}
