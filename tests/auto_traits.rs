//! Which types may be sent, shared, moved, and looked at after a panic. What tokio 1.54 has too has at least the traits
//! that it has there; sleeps, timeouts, intervals, guards, sets of tasks and futures of sockets have more. `sync` has a table of its own.

use std::cell::Cell;
use std::future::Ready;
use std::io::IoSlice;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use heist::io::{AsyncReadExt, AsyncWriteExt};
use heist::{io, net, runtime, task, time};

const ALL: &[&str] = &["Send", "Sync", "Unpin", "UnwindSafe", "RefUnwindSafe"];
const NONE: &[&str] = &[];

struct Probe<T>(PhantomData<T>);

/// What a method of `Probe` answers where the trait is there comes first; these are for where it isn't.
trait Lacks {
    fn is_send(&self) -> bool {
        false
    }
    fn is_sync(&self) -> bool {
        false
    }
    fn is_unpin(&self) -> bool {
        false
    }
    fn is_unwind_safe(&self) -> bool {
        false
    }
    fn is_ref_unwind_safe(&self) -> bool {
        false
    }
}

impl<T> Lacks for Probe<T> {}

impl<T: Send> Probe<T> {
    fn is_send(&self) -> bool {
        true
    }
}

impl<T: Sync> Probe<T> {
    fn is_sync(&self) -> bool {
        true
    }
}

impl<T: Unpin> Probe<T> {
    fn is_unpin(&self) -> bool {
        true
    }
}

impl<T: UnwindSafe> Probe<T> {
    fn is_unwind_safe(&self) -> bool {
        true
    }
}

impl<T: RefUnwindSafe> Probe<T> {
    fn is_ref_unwind_safe(&self) -> bool {
        true
    }
}

/// The type of what `f`, which is never called, gives.
fn given<T>(_: impl FnOnce() -> T) -> Probe<T> {
    Probe(PhantomData)
}

/// For a closure that is never called.
fn any<T>() -> T {
    unreachable!("only its type counts")
}

macro_rules! is {
    ($probe:expr, $name:expr, $expected:expr) => {
        let probe = $probe;
        let has = [
            probe.is_send(),
            probe.is_sync(),
            probe.is_unpin(),
            probe.is_unwind_safe(),
            probe.is_ref_unwind_safe(),
        ];
        let has = ALL.iter().zip(has).filter(|(_, has)| *has);
        let has: Vec<_> = has.map(|(name, _)| *name).collect();
        assert_eq!(has, $expected, "{}", $name);
    };
}

macro_rules! types {
    ($($type:ty: $expected:expr;)*) => {
        $(is!(given(any::<$type>), stringify!($type), $expected);)*
    };
}

/// What an asynchronous function gives: with its arguments made by `any`, `_` being of the type in front.
macro_rules! futures {
    ($($type:ty, $this:ident => $call:expr, $expected:expr;)*) => {$(
        is!(
            given(|| { let $this: $type = any(); $call }),
            concat!(stringify!($type), ": ", stringify!($call)),
            $expected
        );
    )*};
}

#[test]
fn types_have_the_traits_of_tokios() {
    types! {
        net::TcpListener: ALL;
        net::TcpStream: ALL;
        net::TcpSocket: ALL;
        net::ReadHalf<'static>: ALL;
        net::WriteHalf<'static>: ALL;
        net::OwnedReadHalf: ALL;
        net::OwnedWriteHalf: ALL;
        net::ReuniteError: ALL;
        net::UdpSocket: ALL;
        net::tcp::OwnedReadHalf: ALL;
        io::Interest: ALL;
        io::Ready: ALL;
        io::BufReader<net::TcpStream>: ALL;
        io::BufWriter<net::TcpStream>: ALL;
        io::BufStream<net::TcpStream>: ALL;
        io::Join<net::TcpStream, net::TcpStream>: ALL;
        io::ReadHalf<net::TcpStream>: ALL;
        io::WriteHalf<net::TcpStream>: ALL;
        io::DuplexStream: ALL;
        io::SimplexStream: ALL;
        io::Empty: ALL;
        io::Repeat: ALL;
        io::Sink: ALL;
        io::Stdin: ALL;
        io::Stdout: ALL;
        io::Stderr: ALL;
        io::SyncIoBridge<net::TcpStream>: ALL;
        time::Sleep: ALL;
        time::Interval: ALL;
        time::Instant: ALL;
        time::MissedTickBehavior: ALL;
        time::error::Elapsed: ALL;
        time::Timeout<Ready<u8>>: ALL;
        time::Timeout<Ready<Rc<u8>>>: &["Unpin", "UnwindSafe", "RefUnwindSafe"];
        time::Timeout<Ready<Cell<u8>>>: &["Send", "Unpin", "UnwindSafe"];
        runtime::Runtime: ALL;
        runtime::Handle: ALL;
        runtime::EnterGuard<'static>: &["Sync", "Unpin", "UnwindSafe", "RefUnwindSafe"];
        runtime::Builder: &["Send", "Sync", "Unpin"];
        runtime::RuntimeFlavor: ALL;
        runtime::RuntimeMetrics: ALL;
        runtime::TryCurrentError: ALL;
        runtime::Id: ALL;
        task::JoinHandle<u8>: ALL;
        task::JoinHandle<Rc<u8>>: &["Unpin", "UnwindSafe", "RefUnwindSafe"];
        task::JoinHandle<Cell<u8>>: ALL;
        task::AbortHandle: ALL;
        task::JoinError: &["Send", "Sync", "Unpin"];
        task::Id: ALL;
        task::JoinSet<u8>: ALL;
        task::JoinSet<Rc<u8>>: &["Unpin", "UnwindSafe", "RefUnwindSafe"];
        task::JoinSet<Cell<u8>>: ALL;
        task::LocalSet: &["Unpin"];
        task::LocalEnterGuard: &["Unpin", "UnwindSafe", "RefUnwindSafe"];
        task::coop::Unconstrained<Ready<u8>>: ALL;
        task::coop::Unconstrained<Ready<Rc<u8>>>: &["Unpin", "UnwindSafe", "RefUnwindSafe"];
        task::coop::Unconstrained<Ready<Cell<u8>>>: &["Send", "Unpin", "UnwindSafe"];
        task::coop::RestoreOnPending: &["Unpin", "UnwindSafe"];
    }
}

#[cfg(unix)]
#[test]
fn types_of_unix_have_the_traits_of_tokios() {
    use io::unix::{AsyncFd, AsyncFdReadyGuard, AsyncFdReadyMutGuard, TryIoError};
    types! {
        net::UnixStream: ALL;
        net::UnixListener: ALL;
        net::UnixDatagram: ALL;
        net::UnixSocket: ALL;
        net::unix::SocketAddr: ALL;
        net::unix::UCred: ALL;
        net::unix::ReadHalf<'static>: ALL;
        net::unix::OwnedWriteHalf: ALL;
        net::unix::ReuniteError: ALL;
        net::unix::pipe::Sender: ALL;
        net::unix::pipe::Receiver: ALL;
        net::unix::pipe::OpenOptions: ALL;
        AsyncFd<std::os::fd::OwnedFd>: ALL;
        AsyncFd<Rc<std::os::fd::OwnedFd>>: &["Unpin", "UnwindSafe", "RefUnwindSafe"];
        AsyncFdReadyGuard<'static, std::os::fd::OwnedFd>: ALL;
        AsyncFdReadyMutGuard<'static, std::os::fd::OwnedFd>: &["Send", "Sync", "Unpin", "RefUnwindSafe"];
        TryIoError: ALL;
    }
    futures! {
        &'static net::UnixListener, x => x.accept(), &["Send", "Sync", "UnwindSafe", "RefUnwindSafe"];
        &'static net::UnixDatagram, x => x.recv(any::<Bytes>()), &["Send", "Sync", "RefUnwindSafe"];
        &'static net::UnixDatagram, x => x.send_to(any::<&'static [u8]>(), "x"), &["Send", "Sync"];
        u8, _x => net::UnixStream::connect("x"), &["Send", "Sync"];
        &'static AsyncFd<std::os::fd::OwnedFd>, x => x.readable(), &["Send", "Sync", "UnwindSafe", "RefUnwindSafe"];
    }
}

type Bytes = &'static mut [u8];

#[cfg(unix)]
#[test]
fn processes_and_signals_have_the_traits_of_tokios() {
    use heist::{process, signal};
    types! {
        process::Command: &["Send", "Sync", "Unpin"];
        process::Child: ALL;
        process::ChildStdin: ALL;
        process::ChildStdout: ALL;
        process::ChildStderr: ALL;
        signal::unix::Signal: ALL;
        signal::unix::SignalKind: ALL;
    }
    futures! {
        &'static mut process::Command, x => x.status(), &["Send", "Sync"];
        &'static mut process::Command, x => x.output(), &["Send", "Sync"];
        &'static mut process::Child, x => x.wait(), &["Send", "Sync", "RefUnwindSafe"];
        &'static mut process::Child, x => x.kill(), &["Send", "Sync", "RefUnwindSafe"];
        process::Child, x => x.wait_with_output(), &["Send", "Sync", "RefUnwindSafe"];
        u8, _x => signal::ctrl_c(), &["Send", "Sync", "RefUnwindSafe"];
        &'static mut signal::unix::Signal, x => x.recv(), &["Send", "Sync", "RefUnwindSafe"];
    }
}

#[test]
fn futures_have_the_traits_of_tokios() {
    futures! {
        &'static net::TcpListener, x => x.accept(), &["Send", "Sync", "UnwindSafe", "RefUnwindSafe"];
        &'static net::TcpStream, x => x.readable(), &["Send", "Sync", "UnwindSafe", "RefUnwindSafe"];
        &'static net::TcpStream, x => x.writable(), &["Send", "Sync", "UnwindSafe", "RefUnwindSafe"];
        &'static net::TcpStream, x => x.ready(io::Interest::READABLE), &["Send", "Sync", "UnwindSafe", "RefUnwindSafe"];
        &'static net::TcpStream, x => x.peek(any::<Bytes>()), &["Send", "Sync", "RefUnwindSafe"];
        &'static mut net::OwnedReadHalf, x => x.peek(any::<Bytes>()), &["Send", "Sync", "RefUnwindSafe"];
        &'static mut net::ReadHalf<'static>, x => x.peek(any::<Bytes>()), &["Send", "Sync", "RefUnwindSafe"];
        net::TcpSocket, x => x.connect(any()), &["Send", "Sync", "UnwindSafe", "RefUnwindSafe"];
        &'static net::UdpSocket, x => x.recv(any::<Bytes>()), &["Send", "Sync", "RefUnwindSafe"];
        &'static net::UdpSocket, x => x.recv_from(any::<Bytes>()), &["Send", "Sync", "RefUnwindSafe"];
        &'static net::UdpSocket, x => x.send(any::<&'static [u8]>()), &["Send", "Sync", "UnwindSafe", "RefUnwindSafe"];
        &'static net::UdpSocket, x => x.send_to(any::<&'static [u8]>(), "x"), &["Send", "Sync", "UnwindSafe", "RefUnwindSafe"];
        u8, _x => net::TcpStream::connect("x"), &["Send", "Sync"];
        u8, _x => net::TcpListener::bind("x"), &["Send", "Sync", "UnwindSafe", "RefUnwindSafe"];
        u8, _x => net::lookup_host("x"), &["Send", "Sync", "UnwindSafe", "RefUnwindSafe"];
        &'static mut time::Interval, x => x.tick(), &["Send", "Sync", "RefUnwindSafe"];
        &'static mut net::TcpStream, x => x.read(any::<Bytes>()), &["Send", "Sync", "Unpin", "RefUnwindSafe"];
        &'static mut net::TcpStream, x => x.read_exact(any::<Bytes>()), &["Send", "Sync", "Unpin", "RefUnwindSafe"];
        &'static mut net::TcpStream, x => x.read_to_end(any::<&'static mut Vec<u8>>()), &["Send", "Sync", "Unpin", "RefUnwindSafe"];
        &'static mut net::TcpStream, x => x.read_to_string(any::<&'static mut String>()), &["Send", "Sync", "Unpin", "RefUnwindSafe"];
        &'static mut net::TcpStream, x => x.write(any::<&'static [u8]>()), &["Send", "Sync", "Unpin", "RefUnwindSafe"];
        &'static mut net::TcpStream, x => x.write_vectored(any::<&'static [IoSlice<'static>]>()), &["Send", "Sync", "Unpin", "RefUnwindSafe"];
        &'static mut net::TcpStream, x => x.write_all(any::<&'static [u8]>()), &["Send", "Sync", "Unpin", "RefUnwindSafe"];
        &'static mut net::TcpStream, x => x.flush(), &["Send", "Sync", "Unpin", "RefUnwindSafe"];
        &'static mut net::TcpStream, x => x.shutdown(), &["Send", "Sync", "Unpin", "RefUnwindSafe"];
        &'static mut net::TcpStream, x => io::copy(x, any::<&'static mut net::TcpStream>()), &["Send", "Sync", "RefUnwindSafe"];
        &'static mut io::BufReader<net::TcpStream>, x => io::copy_buf(x, any::<&'static mut net::TcpStream>()), &["Send", "Sync", "RefUnwindSafe"];
        &'static mut net::TcpStream, x => io::copy_bidirectional(x, any::<&'static mut net::TcpStream>()), &["Send", "Sync", "RefUnwindSafe"];
        u8, _x => task::yield_now(), &["Send", "Sync", "RefUnwindSafe"];
        u8, _x => task::coop::consume_budget(), &["Send", "Sync", "UnwindSafe", "RefUnwindSafe"];
        &'static mut task::JoinSet<u8>, x => x.join_next(), &["Send", "Sync", "RefUnwindSafe"];
        &'static mut task::JoinSet<u8>, x => x.shutdown(), &["Send", "Sync", "RefUnwindSafe"];
        task::JoinSet<u8>, x => x.join_all(), &["Send", "Sync", "RefUnwindSafe"];
        &'static task::LocalSet, x => x.run_until(std::future::ready(1u8)), NONE;
    }
}
