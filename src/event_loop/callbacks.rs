//! The loop's callbacks: the queue that keeps their order, and what is told about those that panic or take long.

pub(super) mod calls;
pub(super) mod debug;
pub(super) mod exception;
mod queue;

pub use calls::{CallHandle, TimerHandle};
pub use debug::{SlowCallback, SlowCallbackHandler};
pub use exception::ExceptionContext;
