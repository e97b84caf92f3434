//! The loop itself: which runtime it belongs to, how it is built and run, and where its blocking functions run.

mod builder;
mod event_loop;
mod executor;
mod implementations;
mod pool;
mod task_future;
pub(super) mod within;

pub use builder::{Builder, OwnedEventLoop, Stopped, run};
pub use event_loop::{EventLoop, ExceptionHandler, RuntimeExt, TaskFactory};
pub use executor::to_thread;
pub use implementations::{Implementation, implementations, register_implementation};
pub use pool::ThreadPoolExecutor;
pub use task_future::TaskFuture;
