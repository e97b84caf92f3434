//! asyncio's event loop: callbacks, settable futures, protocols and transports.
//!
//! This layer is for programs that are written as callbacks, and for programs that are moved from asyncio, libuv or
//! Twisted. It is built on the rest of heist's public API. Tasks and callbacks mix freely.
//!
//! # What runs where
//!
//! - An [`EventLoop`] belongs to a runtime, and each runtime has exactly one: [`EventLoop::current`], or
//!   [`runtime.event_loop()`](RuntimeExt::event_loop).
//! - The loop's own callbacks run one after the other, on whichever worker is free, and never two at once. They are
//!   those of [`call_soon`](EventLoop::call_soon), [`call_later`](EventLoop::call_later) and
//!   [`call_at`](EventLoop::call_at), and the done-callbacks of a [`Future`].
//! - Each connection runs the callbacks of its [`Protocol`] one after the other too. The callbacks of different
//!   connections, and of the loop, run in parallel on all workers.
//! - heist holds no lock while a callback runs, so a callback may call anything here.
//! - A callback that panics is reported to the [exception handler](EventLoop::set_exception_handler), and the loop goes
//!   on. If it was a protocol's callback, that connection is lost, and no other.
//!
//! # From asyncio
//!
//! | asyncio | here |
//! |---|---|
//! | `loop.run_until_complete(f)` | [`runtime.block_on(f)`](crate::runtime::Runtime::block_on) |
//! | `loop.run_forever()` | `runtime.block_on(event_loop.run_forever())` |
//! | `loop.call_soon_threadsafe(f)` | the same as [`call_soon`](EventLoop::call_soon) |
//! | `loop.create_future()` | a pair: the [`Promise`] sets, the [`Future`] waits |
//! | the protocol that `create_connection` returns | a [`ProtocolHandle`], because the connection's task owns the protocol |
//! | an exception in a callback | a panic |
//!
//! # Examples
//!
//! ```
//! use heist::event_loop::EventLoop;
//! use std::time::Duration;
//!
//! #[heist::main]
//! async fn main() {
//!     let event_loop = EventLoop::current();
//!     let (promise, answer) = event_loop.create_future();
//!     event_loop.call_later(Duration::from_millis(1), move || promise.set_result(42).unwrap());
//!     assert_eq!(answer.await.unwrap(), 42);
//! }
//! ```

mod base;
mod builder;
mod calls;
mod connection;
pub mod context;
mod creation;
mod debug;
mod exception;
mod executor;
mod future;
mod implementations;
mod outcome;
mod pool;
mod protocol;
mod queue;
mod server;
mod task_future;
pub mod tasks;
mod transport;

pub use base::{EventLoop, ExceptionHandler, RuntimeExt, TaskFactory};
pub use builder::{Builder, OwnedEventLoop, Stopped, run};
pub use calls::{CallHandle, TimerHandle};
pub use creation::TaskBuilder;
pub use debug::{SlowCallback, SlowCallbackHandler};
pub use exception::ExceptionContext;
pub use executor::to_thread;
pub use future::{CallbackId, Future, FutureError, InvalidState, Promise};
pub use implementations::{Implementation, implementations, register_implementation};
pub use pool::ThreadPoolExecutor;
pub use protocol::{Protocol, ProtocolHandle};
pub use server::Server;
pub use task_future::TaskFuture;
pub use transport::Transport;
