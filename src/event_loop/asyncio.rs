//! asyncio's names, and heist's.
//!
//! These tables have the public members of asyncio 3.14 that concern the loop itself, its callbacks, futures and tasks. Where
//! heist has the same thing it has asyncio's name and order of calls, as far as Rust's idioms allow: a result in the
//! place of an exception, ownership in the place of a check while the program runs, a builder in the place of keyword
//! arguments.
//!
//! Not copied, wherever they would come up:
//! - policies: a [`Builder`] or `HEIST_EVENT_LOOP` picks the implementation;
//! - tasks that vanish when nobody holds them: a task of heist lives until it ends;
//! - cancellation that a task can swallow: a cancelled task is dropped at its next `.await`, and its destructors run.
//!
//! # Running
//!
//! | asyncio | heist |
//! |---|---|
//! | `run(main)` | [`run`], or `#[heist::main]` |
//! | `Runner(debug=, loop_factory=)`, `run`, `get_loop`, `close` | [`OwnedEventLoop`]: [`run_until_complete`](OwnedEventLoop::run_until_complete), dereferencing, [`close`](OwnedEventLoop::close) |
//! | `get_running_loop()`, `get_event_loop()` | [`EventLoop::try_current`], [`EventLoop::current`] |
//! | `set_event_loop(loop)` | none: [`Handle::enter`](crate::runtime::Handle::enter) makes a runtime current |
//! | `new_event_loop()` | [`EventLoop::builder`] |
//! | `AbstractEventLoop`, `BaseEventLoop`, `SelectorEventLoop`, `ProactorEventLoop`, `EventLoop` | [`EventLoop`], and [`implementations()`] |
//! | `AbstractEventLoopPolicy`, `get_event_loop_policy()`, `set_event_loop_policy()`, `AbstractServer` | none: see above; [`Server`] |
//! | `loop.run_until_complete(future)` | [`OwnedEventLoop::run_until_complete`]; in a runtime's `block_on`, just await |
//! | `loop.run_forever()` | [`OwnedEventLoop::run_forever`], [`EventLoop::run_forever`] |
//! | `loop.stop()` | [`EventLoop::stop`] |
//! | `loop.is_running()` | [`EventLoop::is_running`] |
//! | `loop.is_closed()` | [`EventLoop::is_closed`] |
//! | `loop.close()` | [`OwnedEventLoop::close`], or a drop; [`OwnedEventLoop::shutdown`] to wait first. Closing a loop that runs doesn't compile |
//! | `loop.shutdown_asyncgens()` | none: a stream of Rust is dropped like any value |
//! | `loop.shutdown_default_executor(timeout)` | [`EventLoop::shutdown_default_executor`] |
//!
//! # Callbacks
//!
//! | asyncio | heist |
//! |---|---|
//! | `loop.call_soon(f, *args, context=)` | [`EventLoop::call_soon`]; arguments are captured; for a context, `move \|\| context.run(f)` |
//! | `loop.call_soon_threadsafe(f)` | [`EventLoop::call_soon_threadsafe`], the same as `call_soon` |
//! | `loop.call_later(delay, f)` | [`EventLoop::call_later`] |
//! | `loop.call_at(when, f)` | [`EventLoop::call_at`] |
//! | `loop.time()` | [`EventLoop::time`] |
//! | `Handle.cancel()`, `cancelled()`, `get_context()` | [`CallHandle::cancel`], [`CallHandle::cancelled`]; no `get_context`: a callback's context is its own |
//! | `TimerHandle.when()` | [`TimerHandle::when`] |
//! | `loop.set_exception_handler(h)`, `get_exception_handler()` | [`EventLoop::set_exception_handler`], [`EventLoop::get_exception_handler`] |
//! | `loop.default_exception_handler(context)` | [`EventLoop::default_exception_handler`] |
//! | `loop.call_exception_handler(context)` | [`EventLoop::call_exception_handler`] |
//! | the `context` dict of a handler | [`ExceptionContext`] |
//! | `loop.set_debug(b)`, `get_debug()` | [`EventLoop::set_debug`], [`EventLoop::get_debug`]; [`Builder::debug`] for `PYTHONASYNCIODEBUG` |
//! | `loop.slow_callback_duration` | [`EventLoop::slow_callback_duration`], [`EventLoop::set_slow_callback_duration`], [`EventLoop::set_slow_callback_handler`] for the log |
//!
//! # Futures
//!
//! | asyncio | heist |
//! |---|---|
//! | `loop.create_future()`, `Future` | [`EventLoop::create_future`]: a [`Promise`] sets, a [`Future`] waits |
//! | `set_result(r)`, `set_exception(e)` | [`Promise::set_result`], [`Promise::set_exception`] |
//! | `result()`, `exception()` | [`Future::result`], [`Future::exception`]; `None` in the place of `InvalidStateError` |
//! | `done()`, `cancelled()` | [`Future::done`], [`Future::cancelled`] |
//! | `cancel(msg=)` | [`Future::cancel`], [`Future::cancel_with`] |
//! | `add_done_callback(f, context=)`, `remove_done_callback(f)` | [`Future::add_done_callback`], and [`Future::remove_done_callback`] with what it returned |
//! | `get_loop()` | [`Future::get_loop`] |
//! | `await future` | the same; several tasks await clones |
//! | `isfuture(o)` | none: a type says it |
//! | `ensure_future(o)`, `wrap_future(f)` | [`EventLoop::ensure_future`], [`EventLoop::ensure_try_future`]; a [`Future`] is a Rust future |
//! | `CancelledError` | [`FutureError::is_cancelled`], [`JoinError::is_cancelled`](crate::task::JoinError::is_cancelled) |
//! | `InvalidStateError` | [`InvalidState`] |
//!
//! # Tasks
//!
//! | asyncio | heist |
//! |---|---|
//! | `create_task(c, name=, context=, eager_start=)`, `loop.create_task` | [`EventLoop::create_task`], [`EventLoop::task_builder`]; `heist::spawn` takes no context along |
//! | `loop.set_task_factory(f)`, `get_task_factory()` | [`EventLoop::set_task_factory`], [`EventLoop::get_task_factory`]: a factory wraps the future |
//! | `eager_task_factory`, `create_eager_task_factory` | [`TaskBuilder::eager_start`] |
//! | `Task.cancel()`, `done()` | [`JoinHandle::abort`](crate::task::JoinHandle::abort), [`is_finished`](crate::task::JoinHandle::is_finished) |
//! | `Task.result()`, `exception()`, `await task` | await the handle: a `Result` with a [`JoinError`](crate::task::JoinError) |
//! | `Task.add_done_callback()` | [`EventLoop::ensure_future`] gives a task as a [`Future`] |
//! | `Task.cancelling()`, `uncancel()` | none: see above |
//! | `Task.get_name()`, `set_name()` | [`TaskBuilder::name`], once |
//! | `Task.get_coro()`, `get_context()`, `get_stack()`, `print_stack()` | none: a future has no stack while it waits; [`ShutdownReport`](crate::runtime::ShutdownReport) names tasks that don't end |
//! | `current_task()` | [`task::try_id`](crate::task::try_id) |
//! | `all_tasks()` | [`RuntimeMetrics::num_alive_tasks`](crate::runtime::RuntimeMetrics::num_alive_tasks) counts them |
//! | `capture_call_graph()`, `print_call_graph()`, `format_call_graph()`, `future_add_to_awaited_by()`, `future_discard_from_awaited_by()` | none: who awaits whom is in the futures themselves, and nobody keeps books |
//! | `sleep(delay)` | [`time::sleep`](crate::time::sleep) |
//! | `gather(*aws)`, `gather(return_exceptions=True)` | [`tasks::gather()`], [`tasks::gather_all`] |
//! | `wait(aws, timeout=, return_when=)` | [`tasks::wait()`] |
//! | `FIRST_COMPLETED`, `FIRST_EXCEPTION`, `ALL_COMPLETED` | [`tasks::ReturnWhen`] |
//! | `wait_for(aw, timeout)` | [`tasks::wait_for`] |
//! | `as_completed(aws)` | [`tasks::as_completed`] |
//! | `timeout(delay)`, `timeout_at(when)` | [`tasks::timeout()`], [`tasks::timeout_at`], and [`run`](tasks::Timeout::run) for the block |
//! | `Timeout.when()`, `reschedule()`, `expired()` | [`tasks::Timeout`] |
//! | `TimeoutError` | [`tasks::TimeoutError`], [`Elapsed`](crate::time::error::Elapsed) |
//! | `shield(aw)` | [`tasks::shield`] |
//! | `TaskGroup` | [`tasks::TaskGroup`] |
//! | `to_thread(f)` | [`to_thread`] |
//! | `run_coroutine_threadsafe(c, loop)` | [`EventLoop::create_task`], from any thread |
//! | `iscoroutine()`, `iscoroutinefunction()`, `coroutine` | none: a type says it |
//!
//! # Executors
//!
//! | asyncio | heist |
//! |---|---|
//! | `loop.run_in_executor(executor, f)` | [`EventLoop::run_in_executor`] |
//! | `loop.set_default_executor(executor)` | [`EventLoop::set_default_executor`] |
//! | `ThreadPoolExecutor(max_workers, thread_name_prefix)`, `submit`, `shutdown(wait)` | [`ThreadPoolExecutor`] |
//! | `ProcessPoolExecutor`, `InterpreterPoolExecutor` | none: threads run in parallel |
//!
//! # Contexts
//!
//! | contextvars | heist |
//! |---|---|
//! | `ContextVar(name, default=)`, `get`, `set`, `reset` | [`ContextVar`](context::ContextVar): inherited only if it is [`inherited`](context::ContextVar::inherited); no default, as `get` gives an `Option` |
//! | `Token.old_value`, `var`, use as a block | [`Token::old_value`](context::Token::old_value); a block is [`Context::run`](context::Context::run) |
//! | `copy_context()` | [`context::copy_context`] |
//! | `Context.run(f)` | [`Context::run`](context::Context::run); it can't be entered twice, because it is borrowed |
//! | `Context` as a mapping | [`Context::get`](context::Context::get), [`len`](context::Context::len) |
//!
//! # Names of hosts
//!
//! | asyncio | heist |
//! |---|---|
//! | `loop.getaddrinfo(host, port, family=, type=, proto=, flags=)` | [`EventLoop::getaddrinfo`] with [`Hints`] |
//! | `loop.getnameinfo(sockaddr, flags)` | [`EventLoop::getnameinfo`] with [`NameFlags`] |
//!
//! # Locks and queues
//!
//! They don't belong to a loop: all of them are in [`sync`](crate::sync), and work on any executor.
//!
//! | asyncio | heist |
//! |---|---|
//! | `Lock` | [`sync::Mutex`](crate::sync::Mutex) |
//! | `Event` | [`sync::Event`](crate::sync::Event) |
//! | `Condition` | [`sync::Condvar`](crate::sync::Condvar) |
//! | `Semaphore`, `BoundedSemaphore` | [`sync::Semaphore`](crate::sync::Semaphore): permits come back by themselves |
//! | `Barrier`, `BrokenBarrierError` | [`sync::Barrier`](crate::sync::Barrier), [`sync::BrokenBarrier`](crate::sync::BrokenBarrier) |
//! | `Queue`, `join`, `task_done` | [`sync::queue`](crate::sync::queue), [`sync::mpmc`](crate::sync::mpmc) |
//! | `PriorityQueue`, `LifoQueue` | none: a collection behind a lock and a [`Notify`](crate::sync::Notify) |
//! | `QueueEmpty`, `QueueFull`, `QueueShutDown` | the errors of [`sync::mpmc`](crate::sync::mpmc) and [`sync::mpsc`](crate::sync::mpsc) |

#[allow(unused_imports, reason = "the links above use them")]
use super::*;
