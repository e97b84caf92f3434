//! From asyncio's I/O to heist's: every public member of Python 3.14's `asyncio` for transports, protocols, streams,
//! sockets, pipes, child processes and signals, and what stands for it here.
//!
//! Keyword arguments are methods of what a call returns, set before it is awaited:
//! `loop.create_server(f, host, port, backlog=5)` is `event_loop.create_server(f, (host, port)).backlog(5).await`.
//!
//! # Transports
//!
//! | asyncio | here |
//! |---|---|
//! | `BaseTransport.close`, `is_closing` | [`Transport::close`], [`Transport::is_closing`] |
//! | `get_extra_info(name)` | [`Transport::get_extra_info`], with typed keys: [`extra`] |
//! | `set_protocol`, `get_protocol` | [`Transport::set_protocol`], [`Transport::get_protocol`] |
//! | `is_reading`, `pause_reading`, `resume_reading` | the same |
//! | `write`, `writelines` | the same; they tell whether more may be written |
//! | `write_eof`, `can_write_eof` | the same. Over TLS, asyncio can't, and heist sends `close_notify` |
//! | `abort` | [`Transport::abort`] |
//! | `get_write_buffer_size`, `get_write_buffer_limits`, `set_write_buffer_limits` | the same |
//! | `DatagramTransport.sendto`, `abort`, `close` | [`DatagramTransport`] |
//! | `SubprocessTransport.get_pid`, `get_returncode`, `get_pipe_transport`, `send_signal`, `terminate`, `kill`, `close` | `SubprocessTransport` has all of them |
//! | `ReadTransport`, `WriteTransport`, `BaseTransport` | none: [`Transport`] is all of them. Writing to the reading end of a pipe panics |
//!
//! # Protocols
//!
//! | asyncio | here |
//! |---|---|
//! | `BaseProtocol` | none: each trait has its methods |
//! | `Protocol` | [`Protocol`]. `eof_received` returns a `bool` |
//! | `BufferedProtocol` | [`BufferedProtocol`], handed out as [`Buffered`]. `get_buffer` has no size hint; asyncio's is always -1 |
//! | `DatagramProtocol` | [`DatagramProtocol`] |
//! | `SubprocessProtocol` | `SubprocessProtocol`, with `pause_writing` and `resume_writing` for the standard input |
//!
//! # Connections and servers
//!
//! | asyncio | here |
//! |---|---|
//! | `loop.create_connection` | [`EventLoop::create_connection`]. `local_addr` and `happy_eyeballs_delay` are methods. It interleaves always. `all_errors`: an error names all addresses that failed. `sock`: [`EventLoop::connect_accepted_socket`]. `family`, `proto`, `flags`: choose among the addresses that [`lookup_host`](crate::net::lookup_host) finds |
//! | `loop.create_server` | [`EventLoop::create_server`]. `backlog`, `reuse_address`, `reuse_port`, `keep_alive`, `start_serving` are methods. `sock`: [`EventLoop::create_server_from`] |
//! | `loop.connect_accepted_socket` | [`EventLoop::connect_accepted_socket`] |
//! | `ssl`, `server_hostname`, `ssl_handshake_timeout`, `ssl_shutdown_timeout` | `tls::ClientTls`, `tls::ServerTls`, with feature `tls` |
//! | `loop.start_tls` | `Transport::start_tls`. The transport stays the same |
//! | `loop.sendfile` | [`Transport::sendfile`]. `fallback`: none, as it always reads and writes |
//! | `Server.close`, `close_clients`, `abort_clients`, `wait_closed`, `is_serving`, `sockets`, `get_loop` | [`Server`] has all of them |
//! | `Server.start_serving`, `serve_forever` | the same; `async with server` is `serve_forever`, which closes when it is dropped |
//! | `loop.create_unix_connection`, `create_unix_server` | `EventLoop::create_unix_connection`, `EventLoop::create_unix_server`. `cleanup_socket`: always. `sock`: none |
//! | `loop.create_datagram_endpoint` | [`EventLoop::create_datagram_endpoint`]. `local_addr`, `remote_addr`, `reuse_port`, `allow_broadcast`, `sock` are methods; Unix paths have methods of their own |
//!
//! # Pipes, child processes, descriptors, signals
//!
//! | asyncio | here |
//! |---|---|
//! | `loop.connect_read_pipe`, `connect_write_pipe` | `EventLoop::connect_read_pipe`, `EventLoop::connect_write_pipe`, for pipes and Unix sockets. Terminals: [`io::stdin`](crate::io::stdin) and its like |
//! | `loop.subprocess_exec`, `subprocess_shell` | `EventLoop::subprocess_exec`, with a `process::Command`; `EventLoop::subprocess_shell` |
//! | `create_subprocess_exec`, `create_subprocess_shell`, `subprocess.Process` | `process::Command` and `process::Child` |
//! | child watchers | none: no choice is needed |
//! | `loop.add_reader`, `remove_reader`, `add_writer`, `remove_writer` | the same |
//! | `loop.sock_recv`, `sock_recv_into`, `sock_recvfrom`, `sock_sendall`, `sock_sendto`, `sock_connect`, `sock_accept` | the same |
//! | `loop.sock_recvfrom_into`, `sock_sendfile` | none: `sock_recvfrom` and [`Transport::sendfile`] |
//! | `loop.add_signal_handler`, `remove_signal_handler` | the same |
//!
//! # Streams
//!
//! | asyncio | here |
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

#[allow(unused_imports, reason = "for the links above")]
use super::*;
