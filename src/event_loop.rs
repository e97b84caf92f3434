//! asyncio's event loop: callbacks, settable futures, protocols and transports.
//!
//! This layer is for programs that are written as callbacks, and for programs that are moved from asyncio, libuv or
//! Twisted. It is built on the rest of heist's public API. Tasks and callbacks mix freely.
//!
//! # What runs where
//!
//! - An [`EventLoop`] belongs to a runtime, and each runtime has exactly one: [`EventLoop::current`], or
//!   [`runtime.event_loop()`](RuntimeExt::event_loop). A program that is written as callbacks needs no runtime of its own:
//!   [`EventLoop::builder`] builds a loop that owns its runtime, by one of several [`implementations()`].
//! - The loop's own callbacks run one after the other, on whichever worker is free, and never two at once. They are
//!   those of [`call_soon`](EventLoop::call_soon), [`call_later`](EventLoop::call_later) and
//!   [`call_at`](EventLoop::call_at), and the done-callbacks of a [`Future`]. A turn of the loop runs those that are ready
//!   when it begins. What they schedule waits for the next turn.
//! - Each connection runs the callbacks of its [`Protocol`] one after the other too. The callbacks of different
//!   connections, and of the loop, run in parallel on all workers.
//! - heist holds no lock while a callback runs, so a callback may call anything here.
//! - A callback that panics is reported to the [exception handler](EventLoop::set_exception_handler), and the loop goes
//!   on. If it was a protocol's callback, that connection is lost, and no other.
//! - A loop without anything to do doesn't hold up the [shutdown](crate::runtime::Runtime::shutdown) of its runtime. A
//!   callback that waits for its time does, as a task that sleeps would. So do servers, connections, datagram sockets,
//!   children, and handlers of signals and descriptors: close or remove them first.
//!
//! | to | see |
//! |---|---|
//! | build a loop and run it | [`EventLoop::builder`], [`OwnedEventLoop`], [`run`] |
//! | run callbacks | [`EventLoop::call_soon`], [`EventLoop::call_later`] |
//! | serve connections, or make one | [`Protocol`], [`EventLoop::create_server`], [`EventLoop::create_connection`] |
//! | read and write connections in tasks, with limits | [`StreamReader`], [`StreamWriter`], [`EventLoop::open_connection`] |
//! | send and receive datagrams | [`DatagramProtocol`], [`EventLoop::create_datagram_endpoint`] |
//! | wait for several tasks, or for a limited time | [`tasks`] |
//! | hand values to tasks and callbacks without arguments | [`context`] |
//! | run blocking functions | [`EventLoop::run_in_executor`], [`ThreadPoolExecutor`] |
//! | find callbacks that take long | [`EventLoop::set_debug`] |
//! | choose an implementation, also by `HEIST_EVENT_LOOP` | [`implementations()`] |
//!
//! # From asyncio
//!
//! The module `asyncio` of these docs has the whole table, name by name. What differs most:
//!
//! | asyncio | here |
//! |---|---|
//! | `loop.create_future()` | a pair: the [`Promise`] sets, the [`Future`] waits |
//! | the protocol that `create_connection` returns | a [`ProtocolHandle`], because the connection's task owns the protocol |
//! | an exception in a callback | a panic |
//! | context variables are inherited | only those that say so: [`ContextVar::inherited`](context::ContextVar::inherited) |
//! | a keyword argument of `create_server` and its like | a method of what it returns, called before it is awaited |
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

#[cfg(doc)]
pub mod asyncio;
mod base;
mod callbacks;
mod connections;
pub mod context;
mod datagram;
#[cfg(unix)]
mod events;
mod futures;
mod names;
mod streams;
#[cfg(unix)]
mod subprocess;
pub mod tasks;
mod transports;

pub use base::{
    Builder, EventLoop, ExceptionHandler, Implementation, OwnedEventLoop, RuntimeExt, Stopped,
    TaskFactory, TaskFuture, ThreadPoolExecutor, implementations, register_implementation, run,
    to_thread,
};
pub use callbacks::{CallHandle, ExceptionContext, SlowCallback, SlowCallbackHandler, TimerHandle};
pub use connections::{CreateConnection, CreateServer, Server};
pub use datagram::{CreateDatagramEndpoint, DatagramProtocol, DatagramTransport};
pub use futures::{CallbackId, Future, FutureError, InvalidState, Promise, TaskBuilder};
pub use names::{AddressFamily, AddressInfo, Hints, NameFlags, SocketKind};
pub use streams::{
    IncompleteReadError, LimitOverrunError, OpenConnection, ReadError, StartServer, StreamProtocol,
    StreamReader, StreamWriter,
};
#[cfg(unix)]
pub use subprocess::{SubprocessProtocol, SubprocessTransport};
#[cfg(feature = "tls")]
pub use transports::tls;
pub use transports::{
    Address, Buffered, BufferedProtocol, Protocol, ProtocolHandle, Transport, extra,
};
