// Every type, function and trait of tokio 1.54's `io`, `net`, `fs`, `process` and `signal` on Linux, and the methods that can be
// named without naming a type that they are generic over. `rt` is the one crate or the other.

#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_io {
    use super::rt::io::{
        AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt,
        AsyncWrite, AsyncWriteExt, BufReader, BufStream, BufWriter, Chain, DuplexStream, Empty,
        Error, ErrorKind, Interest, Join, Lines, ReadBuf, ReadHalf, Ready, Repeat, Result,
        SeekFrom, SimplexStream, Sink, Split, Stderr, Stdin, Stdout, Take, WriteHalf, copy,
        copy_bidirectional, copy_bidirectional_with_sizes, copy_buf, duplex, empty, join, repeat,
        simplex, sink, split, stderr, stdin, stdout,
    };
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_io_unix {
    use super::rt::io::unix::{
        AsyncFd, AsyncFdReadyGuard, AsyncFdReadyMutGuard, AsyncFdRegisterError, AsyncFdTryNewError,
        TryIoError,
    };
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_net {
    use super::rt::net::{
        TcpListener, TcpSocket, TcpStream, ToSocketAddrs, UdpSocket, UnixDatagram, UnixListener,
        UnixSocket, UnixStream, lookup_host,
    };
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_net_tcp {
    use super::rt::net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_net_unix {
    use super::rt::net::unix::{
        OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, SocketAddr, UCred, WriteHalf, gid_t,
        pid_t, uid_t,
    };
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_net_unix_pipe {
    use super::rt::net::unix::pipe::{OpenOptions, Receiver, Sender, pipe};
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_fs {
    use super::rt::fs::{
        DirBuilder, DirEntry, File, FileTimes, OpenOptions, ReadDir, canonicalize, copy,
        create_dir, create_dir_all, hard_link, metadata, read, read_dir, read_link, read_to_string,
        remove_dir, remove_dir_all, remove_file, rename, set_permissions, symlink,
        symlink_metadata, try_exists, write,
    };
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_process {
    use super::rt::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_signal {
    use super::rt::signal::ctrl_c;
}
#[allow(deprecated, unused_imports, reason = "what is named is enough")]
mod names_of_signal_unix {
    use super::rt::signal::unix::{Signal, SignalKind, signal};
}
#[allow(deprecated, dead_code, reason = "what is named is enough")]
fn names_of_io_methods() {
    has! {
        rt::fs::DirBuilder: mode new recursive;
        rt::fs::DirEntry: file_name file_type ino metadata path;
        rt::fs::File: from_std into_std max_buf_size metadata options set_len set_max_buf_size set_modified set_permissions set_times sync_all sync_data try_clone try_into_std;
        rt::fs::FileTimes: new set_accessed set_modified;
        rt::fs::OpenOptions: append create create_new custom_flags mode new read truncate write;
        rt::fs::ReadDir: next_entry poll_next_entry;
        rt::io::BufReader<rt::io::Empty>: buffer get_mut get_pin_mut get_ref into_inner new with_capacity;
        rt::io::BufStream<rt::io::DuplexStream>: get_mut get_pin_mut get_ref into_inner new with_capacity;
        rt::io::BufWriter<rt::io::Sink>: buffer get_mut get_pin_mut get_ref into_inner new with_capacity;
        rt::io::Chain<rt::io::Empty, rt::io::Empty>: get_mut get_pin_mut get_ref into_inner;
        rt::io::Interest: add is_error is_priority is_readable is_writable remove;
        rt::io::Join<rt::io::Empty, rt::io::Sink>: into_inner reader reader_mut reader_pin_mut writer writer_mut writer_pin_mut;
        rt::io::Lines<rt::io::BufReader<rt::io::Empty>>: get_mut get_ref into_inner next_line poll_next_line;
        rt::io::ReadBuf<'_>: advance assume_init capacity clear filled filled_mut initialize_unfilled initialize_unfilled_to initialized initialized_mut inner_mut new put_slice remaining set_filled take unfilled_mut uninit;
        rt::io::ReadHalf<rt::io::DuplexStream>: is_pair_of unsplit;
        rt::io::Ready: is_empty is_error is_priority is_read_closed is_readable is_writable is_write_closed;
        rt::io::SimplexStream: new_unsplit;
        rt::io::Split<rt::io::BufReader<rt::io::Empty>>: next_segment poll_next_segment;
        rt::io::Take<rt::io::Empty>: get_mut get_pin_mut get_ref into_inner limit set_limit;
        rt::io::WriteHalf<rt::io::DuplexStream>: is_pair_of;
        rt::io::unix::AsyncFd<std::os::fd::OwnedFd>: get_mut get_ref into_inner new poll_read_ready poll_read_ready_mut poll_write_ready poll_write_ready_mut readable readable_mut ready ready_mut register register_with_interest try_new try_with_interest with_interest writable writable_mut;
        rt::io::unix::AsyncFdReadyGuard<'_, std::os::fd::OwnedFd>: clear_ready clear_ready_matching get_inner get_ref ready retain_ready;
        rt::io::unix::AsyncFdReadyMutGuard<'_, std::os::fd::OwnedFd>: clear_ready clear_ready_matching get_inner get_inner_mut get_mut get_ref ready retain_ready;
        rt::io::unix::AsyncFdRegisterError<u8>: into_parts;
        rt::net::TcpListener: accept from_std into_std local_addr poll_accept set_ttl ttl;
        rt::net::TcpSocket: bind bind_device connect device from_std_stream keepalive linger listen local_addr new_v4 new_v6 nodelay recv_buffer_size reuseaddr reuseport send_buffer_size set_keepalive set_linger set_nodelay set_recv_buffer_size set_reuseaddr set_reuseport set_send_buffer_size set_tclass_v6 set_tos set_tos_v4 set_zero_linger take_error tclass_v6 tos tos_v4;
        rt::net::TcpStream: from_std into_split into_std linger local_addr nodelay peek peer_addr poll_peek poll_read_ready poll_write_ready quickack readable ready set_linger set_nodelay set_quickack set_ttl set_zero_linger split take_error try_read try_read_vectored try_write try_write_vectored ttl writable;
        rt::net::UdpSocket: bind_device broadcast device from_std into_std join_multicast_v4 join_multicast_v6 leave_multicast_v4 leave_multicast_v6 local_addr multicast_loop_v4 multicast_loop_v6 multicast_ttl_v4 peek peek_from peek_sender peer_addr poll_peek poll_peek_from poll_peek_sender poll_recv poll_recv_from poll_recv_ready poll_send poll_send_ready poll_send_to readable ready recv recv_from send set_broadcast set_multicast_loop_v4 set_multicast_loop_v6 set_multicast_ttl_v4 set_tclass_v6 set_tos set_tos_v4 set_ttl take_error tclass_v6 tos tos_v4 try_peek try_peek_from try_peek_sender try_recv try_recv_from try_send try_send_to ttl writable;
        rt::net::UnixDatagram: from_std into_std local_addr pair peer_addr poll_recv poll_recv_from poll_recv_ready poll_send poll_send_ready readable ready recv recv_from send shutdown take_error try_recv try_recv_from try_send unbound writable;
        rt::net::UnixListener: accept bind_addr from_std into_std local_addr poll_accept take_error;
        rt::net::UnixSocket: datagram listen new_datagram new_stream;
        rt::net::UnixStream: connect_addr from_std into_split into_std local_addr pair peer_addr peer_cred poll_read_ready poll_write_ready readable ready split take_error try_read try_read_vectored try_write try_write_vectored writable;
        rt::net::tcp::OwnedReadHalf: local_addr peek peer_addr poll_peek readable ready reunite try_read try_read_vectored;
        rt::net::tcp::OwnedWriteHalf: forget local_addr peer_addr ready reunite try_write try_write_vectored writable;
        rt::net::tcp::ReadHalf<'_>: local_addr peek peer_addr poll_peek readable ready try_read try_read_vectored;
        rt::net::tcp::WriteHalf<'_>: local_addr peer_addr ready try_write try_write_vectored writable;
        rt::net::unix::OwnedReadHalf: local_addr peer_addr readable ready reunite try_read try_read_vectored;
        rt::net::unix::OwnedWriteHalf: forget local_addr peer_addr ready reunite try_write try_write_vectored writable;
        rt::net::unix::ReadHalf<'_>: local_addr peer_addr readable ready try_read try_read_vectored;
        rt::net::unix::SocketAddr: as_abstract_name as_pathname is_unnamed;
        rt::net::unix::UCred: gid pid uid;
        rt::net::unix::WriteHalf<'_>: local_addr peer_addr ready try_write try_write_vectored writable;
        rt::net::unix::pipe::OpenOptions: new read_write unchecked;
        rt::net::unix::pipe::Receiver: from_file from_file_unchecked from_owned_fd from_owned_fd_unchecked into_blocking_fd into_nonblocking_fd poll_read_ready readable ready try_read try_read_vectored;
        rt::net::unix::pipe::Sender: from_file from_file_unchecked from_owned_fd from_owned_fd_unchecked into_blocking_fd into_nonblocking_fd poll_write_ready ready try_write try_write_vectored writable;
        rt::process::Child: id kill start_kill try_wait wait wait_with_output;
        rt::process::ChildStderr: from_std into_owned_fd;
        rt::process::ChildStdin: from_std;
        rt::process::ChildStdout: from_std;
        rt::process::Command: as_std as_std_mut env_clear get_kill_on_drop gid into_std kill_on_drop output process_group spawn status uid;
        rt::signal::unix::Signal: poll_recv recv;
        rt::signal::unix::SignalKind: alarm as_raw_value child from_raw hangup interrupt io pipe quit terminate user_defined1 user_defined2 window_change;
    }
}
