//! asyncio's names, and heist's.
//!
//! These tables have every public member of asyncio 3.14, and what heist has for it. Where heist has the same thing, it
//! has asyncio's name and order of calls, as far as Rust's idioms allow: a result in the place of an exception, ownership
//! in the place of a check while the program runs, a builder in the place of keyword arguments. So
//! `loop.create_server(f, host, port, backlog=5)` is `event_loop.create_server(f, (host, port)).backlog(5).await`.
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
//! | `ThreadPoolExecutor(max_workers, thread_name_prefix, initializer)`, `submit`, `map`, `shutdown(wait, cancel_futures)` | [`ThreadPoolExecutor`] |
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
//! # Transports
//!
//! | asyncio | heist |
//! |---|---|
//! | `BaseTransport.close`, `is_closing` | [`Transport::close`], [`Transport::is_closing`] |
//! | `get_extra_info(name)` | [`Transport::get_extra_info`], with typed keys: [`extra`] |
//! | `set_protocol`, `get_protocol` | [`Transport::set_protocol`], [`Transport::get_protocol`] |
//! | `is_reading`, `pause_reading`, `resume_reading` | the same |
//! | `write`, `writelines` | the same; they tell whether more may be written |
//! | `write_eof`, `can_write_eof` | the same. Over TLS, asyncio can't, and heist sends `close_notify` |
//! | `abort` | [`Transport::abort`] |
//! | `get_write_buffer_size`, `get_write_buffer_limits`, `set_write_buffer_limits` | the same |
//! | `DatagramTransport.sendto`, `abort`, `close` | [`DatagramTransport`], with `set_protocol` and `get_extra_info` too. `get_protocol`: none, as the socket's task owns it |
//! | `SubprocessTransport.get_pid`, `get_returncode`, `get_pipe_transport`, `send_signal`, `terminate`, `kill`, `close` | `SubprocessTransport` has all of them |
//! | `ReadTransport`, `WriteTransport`, `BaseTransport` | none: [`Transport`] is all of them. Writing to the reading end of a pipe panics |
//!
//! # Protocols
//!
//! | asyncio | heist |
//! |---|---|
//! | `BaseProtocol` | none: each trait has its methods |
//! | `Protocol` | [`Protocol`]. `eof_received` returns a `bool` |
//! | `BufferedProtocol` | [`BufferedProtocol`], handed out as [`Buffered`]. `get_buffer` has no size hint; asyncio's is always -1 |
//! | `DatagramProtocol` | [`DatagramProtocol`] |
//! | `SubprocessProtocol` | `SubprocessProtocol`, with `pause_writing` and `resume_writing` for the standard input |
//!
//! # Connections and servers
//!
//! | asyncio | heist |
//! |---|---|
//! | `loop.create_connection` | [`EventLoop::create_connection`]. `local_addr` and `happy_eyeballs_delay` are methods. It interleaves always. `all_errors`: an error names all addresses that failed. `sock`: [`EventLoop::connect_accepted_socket`]. `family` is a method. `flags`: give it the addresses that [`EventLoop::getaddrinfo`] finds. `proto`: none, it is TCP |
//! | `loop.create_server` | [`EventLoop::create_server`]. `family`, `backlog`, `reuse_address`, `reuse_port`, `keep_alive`, `start_serving` are methods. `flags`: as above. `sock`: [`EventLoop::create_server_from`] |
//! | `loop.connect_accepted_socket` | [`EventLoop::connect_accepted_socket`]. `ssl`: its method `tls`, with a `tls::ServerTls` |
//! | `ssl`, `server_hostname`, `ssl_handshake_timeout`, `ssl_shutdown_timeout` | `tls::ClientTls`, `tls::ServerTls`, with feature `tls` |
//! | `loop.start_tls` | `Transport::start_tls`. The transport stays the same |
//! | `loop.sendfile` | [`Transport::sendfile`]. `fallback`: always |
//! | `Server.close`, `close_clients`, `abort_clients`, `wait_closed`, `is_serving`, `sockets`, `get_loop` | [`Server`] has all of them |
//! | `Server.start_serving`, `serve_forever` | the same; `async with server` is `serve_forever`, which closes when it is dropped |
//! | `loop.create_unix_connection`, `create_unix_server` | `EventLoop::create_unix_connection`, `EventLoop::create_unix_server`. `cleanup_socket`: always. `sock`: none |
//! | `loop.create_datagram_endpoint` | [`EventLoop::create_datagram_endpoint`]. `family`, `local_addr`, `remote_addr`, `reuse_port`, `allow_broadcast`, `sock` are methods; Unix paths have methods of their own |
//!
//! # Pipes, child processes, descriptors, signals
//!
//! | asyncio | heist |
//! |---|---|
//! | `loop.connect_read_pipe`, `connect_write_pipe` | `EventLoop::connect_read_pipe`, `EventLoop::connect_write_pipe`, for pipes and Unix sockets. Terminals: [`io::stdin`](crate::io::stdin) and its like |
//! | `loop.subprocess_exec`, `subprocess_shell` | `EventLoop::subprocess_exec`, with a `process::Command`; `EventLoop::subprocess_shell` |
//! | `create_subprocess_exec`, `create_subprocess_shell`, `subprocess.Process` | `process::Command` and `process::Child` |
//! | child watchers | none: no choice is needed |
//! | `loop.add_reader`, `remove_reader`, `add_writer`, `remove_writer` | the same |
//! | `loop.sock_recv`, `sock_recv_into`, `sock_recvfrom`, `sock_recvfrom_into`, `sock_sendall`, `sock_sendfile`, `sock_sendto`, `sock_connect`, `sock_accept` | the same |
//! | `loop.add_signal_handler`, `remove_signal_handler` | the same |
//!
//! # Streams
//!
//! | asyncio | heist |
//! |---|---|
//! | `open_connection`, `start_server` | [`EventLoop::open_connection`], [`EventLoop::start_server`]. `limit` is a method, and so is `with` for all other keyword arguments |
//! | `open_unix_connection`, `start_unix_server` | `EventLoop::open_unix_connection`, `EventLoop::start_unix_server` |
//! | `StreamReader.read(n)`, `read(-1)` | [`StreamReader::read`], [`StreamReader::read_to_end`] |
//! | `readexactly`, `readline`, `readuntil`, `at_eof` | the same; `readuntil` takes one or several separators |
//! | `StreamReader.feed_data`, `feed_eof`, `set_exception`, `set_transport` | none: only the connection feeds a reader |
//! | `async for line in reader` | a loop of [`StreamReader::readline`] |
//! | `StreamWriter.write`, `writelines`, `write_eof`, `can_write_eof`, `drain`, `close`, `is_closing`, `wait_closed`, `get_extra_info`, `start_tls`, `transport` | the same |
//! | `IncompleteReadError`, `LimitOverrunError` | [`IncompleteReadError`], [`LimitOverrunError`], in a [`ReadError`] |
//! | `StreamReaderProtocol` | [`StreamProtocol`], which has no methods of its own |
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
