//! What `check-surface` can't see: names that are there by another way.
#![cfg(unix)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use tokio::io::{Interest, unix::AsyncFd};
use tokio::net::ToSocketAddrs;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(240);

#[test]
fn all_of_tokios_addresses_are_addresses() {
    fn is_one<T: ToSocketAddrs + ?Sized>() {}
    is_one::<SocketAddr>();
    is_one::<SocketAddrV4>();
    is_one::<SocketAddrV6>();
    is_one::<(IpAddr, u16)>();
    is_one::<(Ipv4Addr, u16)>();
    is_one::<(Ipv6Addr, u16)>();
    is_one::<(&str, u16)>();
    is_one::<(String, u16)>();
    is_one::<&[SocketAddr]>();
    is_one::<str>();
    is_one::<String>();
    is_one::<&&String>();
}

#[test]
fn pipes_of_children_become_stdio() {
    fn is_one<T: TryInto<Stdio, Error = std::io::Error>>() {}
    is_one::<tokio::process::ChildStdin>();
    is_one::<tokio::process::ChildStdout>();
    is_one::<tokio::process::ChildStderr>();
}

#[tokio::test]
async fn the_times_of_a_file_can_be_set() {
    let path = std::env::temp_dir().join(format!("heist-times-{}", std::process::id()));
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let times = tokio::fs::FileTimes::new()
        .set_accessed(long_ago)
        .set_modified(long_ago);
    let file = tokio::fs::File::create(&path).await.unwrap();
    file.set_times(times).await.unwrap();
    let modified = file.metadata().await.unwrap().modified().unwrap();
    tokio::fs::remove_file(&path).await.unwrap();
    assert_eq!(modified, long_ago);
}

#[test]
#[allow(deprecated)]
fn errors_that_nothing_returns_are_there() {
    fn is_one<T: std::error::Error + Clone>() {}
    is_one::<tokio::sync::mpsc::error::RecvError>();
    is_one::<tokio::time::error::Error>();
    assert!(tokio::time::error::Error::shutdown().is_shutdown());
    assert!(tokio::time::error::Error::at_capacity().is_at_capacity());
    assert!(tokio::time::error::Error::invalid().is_invalid());
    assert!(!tokio::time::error::Error::invalid().is_shutdown());
}

/// A descriptor that nothing lends.
#[derive(Debug)]
struct Number(RawFd);

impl AsRawFd for Number {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

fn take_one(number: &Number) -> std::io::Result<u8> {
    use std::io::Read as _;
    use std::mem::ManuallyDrop;
    use std::os::unix::net::UnixStream;
    // SAFETY: The descriptor is open, and stays so, because nothing is dropped.
    let mut stream = ManuallyDrop::new(unsafe { UnixStream::from_raw_fd(number.0) });
    let mut byte = [0];
    stream.read_exact(&mut byte).map(|()| byte[0])
}

#[tokio::test]
async fn a_descriptor_that_is_a_mere_number_can_be_waited_for() {
    use std::io::Write as _;
    let (mut there, here) = std::os::unix::net::UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    let mut fd = AsyncFd::new(Number(here.as_raw_fd())).unwrap();
    assert_eq!(fd.as_fd().as_raw_fd(), here.as_raw_fd());

    there.write_all(b"abc").unwrap();
    let read = timeout(LONG, async {
        let first = fd.async_io(Interest::READABLE, take_one).await.unwrap();
        let mut guard = fd.readable().await.unwrap();
        assert!(guard.ready().is_readable());
        let second = guard.try_io(|fd| take_one(fd.get_ref())).unwrap().unwrap();
        assert_eq!(guard.get_ref().as_raw_fd(), here.as_raw_fd());
        let mut guard = fd.readable_mut().await.unwrap();
        let third = guard.try_io(|fd| take_one(fd.get_mut())).unwrap().unwrap();
        assert_eq!(guard.get_mut().get_mut().0, here.as_raw_fd());
        guard.try_io(|fd| take_one(fd.get_ref())).unwrap_err();
        [first, second, third]
    });
    assert_eq!(read.await.unwrap(), *b"abc");
    assert_eq!(fd.into_inner().0, here.as_raw_fd());
}

#[tokio::test]
async fn a_descriptor_that_cannot_be_watched_comes_back() {
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let number = OwnedFd::from(file);
    if cfg!(target_os = "linux") {
        let (number, error) = AsyncFd::try_new(number).unwrap_err().into_parts();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        assert!(number.as_raw_fd() >= 0);
    }
}

#[tokio::test]
async fn a_wait_for_a_descriptor_that_lends_its_value_is_send_though_the_value_is_not_sync() {
    /// It may move to another thread, but not be shared between threads.
    struct Unshared(OwnedFd, std::cell::Cell<()>);
    impl AsRawFd for Unshared {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_raw_fd()
        }
    }
    fn is_send<T: Send>(_: T) {}

    let (here, _there) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut fd = AsyncFd::new(Unshared(here.into(), std::cell::Cell::new(()))).unwrap();
    is_send(fd.readable_mut());
    is_send(fd.writable_mut());
    is_send(fd.ready_mut(Interest::READABLE));
    is_send(fd.async_io_mut(Interest::READABLE, |_| Ok(())));
}
