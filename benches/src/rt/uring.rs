//! No runtime: a thread with an `io_uring` loop, written for one purpose, to compare with the epoll loop.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd as _, RawFd};

use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, cqueue, opcode, types};

/// The result of an accept. Those of reads are the connection's descriptor, and those of writes have this bit besides.
const ACCEPT: u64 = u64::MAX;
const WRITE: u64 = 1 << 32;

/// Starts a server that sends back what it reads, up to 64 bytes at a time.
///
/// # Errors
///
/// If the kernel refuses an `io_uring`.
pub(crate) fn echo() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    // It belongs to the thread that makes it.
    let (made, is_made) = std::sync::mpsc::channel();
    std::thread::spawn(move || match ring() {
        Ok(ring) => {
            made.send(Ok(address)).unwrap();
            serve(ring, &listener).unwrap();
        }
        Err(error) => made.send(Err(error)).unwrap(),
    });
    is_made.recv().unwrap()
}

fn ring() -> io::Result<IoUring> {
    let mut fastest = IoUring::builder();
    fastest.setup_single_issuer().setup_defer_taskrun();
    fastest.build(4096).or_else(|_| IoUring::new(4096))
}

fn serve(mut ring: IoUring, listener: &TcpListener) -> io::Result<()> {
    // By descriptor. A buffer never moves, and stays as long as the thread.
    let mut buffers: Vec<Option<Box<[u8; 64]>>> = Vec::new();
    let accept = || {
        let entry = opcode::Accept::new(
            types::Fd(listener.as_raw_fd()),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        );
        entry.build().user_data(ACCEPT)
    };
    push(&mut ring, &[accept()])?;
    let mut done: Vec<cqueue::Entry> = Vec::with_capacity(4096);
    loop {
        ring.submit_and_wait(1)?;
        done.extend(ring.completion());
        for event in done.drain(..) {
            let result = event.result();
            if event.user_data() == ACCEPT {
                let fd = result;
                assert!(fd >= 0, "accept: {}", io::Error::from_raw_os_error(-fd));
                rustix::net::sockopt::set_tcp_nodelay(borrow(fd), true)?;
                let index = fd as usize;
                buffers.resize_with(buffers.len().max(index + 1), || None);
                let buffer = buffers[index].get_or_insert_with(|| Box::new([0; 64]));
                let read = read(fd, buffer);
                push(&mut ring, &[accept(), read])?;
                continue;
            }
            let fd = event.user_data() as u32 as RawFd;
            if event.user_data() & WRITE != 0 {
                assert!(result > 0, "only whole messages are sent");
                continue;
            }
            if result <= 0 {
                // SAFETY: nobody else has it, and nothing is under way on it.
                drop(unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(fd) });
                continue;
            }
            let buffer = buffers[fd as usize].as_mut().unwrap();
            let write = opcode::Send::new(types::Fd(fd), buffer.as_ptr(), result as u32).build();
            // The read begins once the write is done.
            let write = write.flags(Flags::IO_LINK).user_data(WRITE | fd as u64);
            let read = read(fd, buffer);
            push(&mut ring, &[write, read])?;
        }
    }
}

fn read(fd: RawFd, buffer: &mut [u8; 64]) -> Entry {
    let entry = opcode::Recv::new(types::Fd(fd), buffer.as_mut_ptr(), 64);
    entry.build().user_data(fd as u64)
}

/// Queues them, and submits what is queued if there is no room.
fn push(ring: &mut IoUring, entries: &[Entry]) -> io::Result<()> {
    // SAFETY: each buffer stays in its place for as long as the thread, and one operation at a time uses it.
    while unsafe { ring.submission().push_multiple(entries) }.is_err() {
        ring.submit()?;
    }
    Ok(())
}

fn borrow(fd: RawFd) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: it was accepted just now, and is closed at the end of the connection.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }
}
