//! Pipes, as their users see them.
#![cfg(unix)]

use std::fs::File;
use std::future::Future;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::Duration;

use heist_reactor::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, Interest, ReadBuf};
use heist_reactor::net::unix::pipe::{self, OpenOptions, Receiver, Sender};
use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_reactor::time::timeout;
use heist_reactor::{Config, Reactor};

fn run(test: impl AsyncFnOnce() + Send + 'static) {
    within_limit(|| block_on(test()));
}

fn is_pending(future: impl Future) -> bool {
    pin!(future)
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
}

/// A named pipe in a folder of its own, which is removed with it.
fn named() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    (folder, path)
}

#[test]
fn every_byte_arrives_and_then_the_end() {
    run(async || {
        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        let byte = |nth: usize| ((nth * 31) >> 3) as u8;
        let writer = std::thread::spawn(move || {
            let bytes: Vec<u8> = (0..1 << 20).map(byte).collect();
            block_on(sender.write_all(&bytes)).unwrap();
        });
        let mut heard = Vec::new();
        receiver.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard.len(), 1 << 20);
        assert!(heard.iter().enumerate().all(|(nth, &is)| is == byte(nth)));
        writer.join().unwrap();
        assert_eq!(receiver.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn pipes_are_read_and_written_without_waiting() {
    run(async || {
        let (sender, receiver) = pipe::pipe().unwrap();
        let mut room = [0; 8];
        assert_eq!(
            receiver.try_read(&mut room).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        assert!(is_pending(receiver.readable()));
        sender.writable().await.unwrap();
        assert_eq!(sender.try_write(b"ab").unwrap(), 2);
        let buffers = [IoSlice::new(b"c"), IoSlice::new(b"defgh")];
        assert_eq!(sender.try_write_vectored(&buffers).unwrap(), 6);
        receiver.readable().await.unwrap();
        assert_eq!(receiver.try_read(&mut room[..2]).unwrap(), 2);
        let (mut one, mut other) = ([0; 1], [0; 2]);
        let mut buffers = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
        assert_eq!(receiver.try_read_vectored(&mut buffers).unwrap(), 3);
        let mut buffer = Vec::new();
        assert_eq!(receiver.try_read_buf(&mut buffer).unwrap(), 3);
        assert_eq!((&room[..2], &one, &other), (&b"ab"[..], b"c", b"de"));
        assert_eq!(buffer, b"fgh");
        let read = || Ok(rustix::io::read(&receiver, &mut [0; 8])?);
        let none = receiver.try_io(read).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::WouldBlock);
        let write = || Ok(rustix::io::write(&sender, b"x")?);
        assert_eq!(sender.try_io(write).unwrap(), 1);
        let ready = receiver.ready(Interest::READABLE).await.unwrap();
        assert!(ready.is_readable() && !ready.is_read_closed());
    });
}

#[test]
fn a_sender_without_a_receiver_gets_an_error() {
    run(async || {
        let (mut sender, receiver) = pipe::pipe().unwrap();
        drop(receiver);
        let error = sender.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let ready = sender.ready(Interest::WRITABLE).await.unwrap();
        assert!(ready.is_writable());
        sender.shutdown().await.unwrap();
    });
}

#[test]
fn a_sender_waits_while_the_pipe_is_full() {
    run(async || {
        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        let mut written = 0;
        let full = timeout(Duration::from_millis(200), async {
            loop {
                written += sender.write(&[7; 3000]).await.unwrap();
            }
        });
        full.await.unwrap_err();
        let write = std::thread::spawn(move || block_on(sender.write_all(b"more")));
        let mut heard = vec![0; written + 4];
        receiver.read_exact(&mut heard).await.unwrap();
        assert!(heard.ends_with(b"\x07more"));
        write.join().unwrap().unwrap();
    });
}

/// In packet mode a read returns one packet, however many there are.
#[cfg(target_os = "linux")]
#[test]
fn what_follows_a_packet_is_read() {
    run(async || {
        use rustix::pipe::{PipeFlags, pipe_with};
        let flags = PipeFlags::DIRECT | PipeFlags::NONBLOCK | PipeFlags::CLOEXEC;
        let (receiver, sender) = pipe_with(flags).unwrap();
        let mut receiver = Receiver::from_owned_fd(receiver).unwrap();
        for _ in 0..10 {
            for packet in [&b"ab"[..], b"c", b"def"] {
                rustix::io::write(&sender, packet).unwrap();
            }
            for length in [2, 1, 3] {
                let mut room = [0; 64];
                let read = timeout(Duration::from_secs(30), receiver.read(&mut room)).await;
                assert_eq!(read.expect("what is there is read").unwrap(), length);
            }
        }
    });
}

#[test]
fn a_named_pipe_may_be_opened_by_one_sender_after_the_other() {
    run(async || {
        let (_folder, path) = named();
        // Nobody reads yet.
        assert!(OpenOptions::new().open_sender(&path).is_err());
        let mut receiver = OpenOptions::new().open_receiver(&path).unwrap();
        // It hasn't had a sender yet, so this isn't the end.
        assert!(is_pending(receiver.read(&mut [0; 8])));
        for round in 0..3 {
            let mut sender = OpenOptions::new().open_sender(&path).unwrap();
            // The end that came before is over: reading waits, and does not turn in a circle.
            let (count, waker) = CountWakes::new();
            let mut room = [0; 8];
            let mut buffer = ReadBuf::new(&mut room);
            let mut cx = Context::from_waker(&waker);
            let polled = Pin::new(&mut receiver).poll_read(&mut cx, &mut buffer);
            assert!(polled.is_pending(), "{round}");
            sender.write_all(b"abc").await.unwrap();
            while count.get() == 0 {
                std::thread::yield_now();
            }
            receiver.read_exact(&mut [0; 3]).await.unwrap();
            drop(sender);
            assert_eq!(receiver.read(&mut [0; 8]).await.unwrap(), 0);
            // The event of the end has come, too.
            while !receiver
                .ready(Interest::READABLE)
                .await
                .unwrap()
                .is_read_closed()
            {
                std::thread::yield_now();
            }
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_named_pipe_opened_both_ways_has_no_end() {
    run(async || {
        let (_folder, path) = named();
        let mut both = OpenOptions::new();
        both.read_write(true);
        let mut sender = both.open_sender(&path).unwrap();
        sender.write_all(b"ab").await.unwrap();
        let mut receiver = both.open_receiver(&path).unwrap();
        drop(sender);
        receiver.read_exact(&mut [0; 2]).await.unwrap();
        assert!(is_pending(receiver.read(&mut [0; 8])));
    });
}

#[test]
fn what_is_no_pipe_or_the_wrong_end_is_refused() {
    run(async || {
        let exe = std::env::current_exe().unwrap();
        let kind = ErrorKind::InvalidInput;
        let open = || File::open(&exe).unwrap();
        assert_eq!(Receiver::from_file(open()).unwrap_err().kind(), kind);
        assert_eq!(Sender::from_file(open()).unwrap_err().kind(), kind);
        let opened = OpenOptions::new().open_receiver(&exe).unwrap_err();
        assert_eq!(opened.kind(), kind);
        // Unchecked, it is the poller that refuses.
        let opened = OpenOptions::new().unchecked(true).open_receiver(&exe);
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::PermissionDenied);
        let (receiver, sender) = std::io::pipe().unwrap();
        let wrong = Sender::from_owned_fd(OwnedFd::from(receiver)).unwrap_err();
        assert_eq!(wrong.kind(), kind);
        let wrong = Receiver::from_owned_fd(OwnedFd::from(sender)).unwrap_err();
        assert_eq!(wrong.kind(), kind);
    });
}

#[test]
fn ends_come_from_std_and_go_back_to_it() {
    run(async || {
        let (receiver, sender) = std::io::pipe().unwrap();
        let mut sender = Sender::from_owned_fd(sender.into()).unwrap();
        let mut receiver = Receiver::from_file(OwnedFd::from(receiver).into()).unwrap();
        // It was in blocking mode, and is no longer.
        assert!(is_pending(receiver.read(&mut [0; 8])));
        sender.write_all(b"ab").await.unwrap();
        receiver.read_exact(&mut [0; 2]).await.unwrap();
        let (sender_number, receiver_number) = (sender.as_raw_fd(), receiver.as_raw_fd());
        let mut sender = File::from(sender.into_blocking_fd().unwrap());
        let mut receiver = File::from(receiver.into_nonblocking_fd().unwrap());
        assert_eq!(sender.as_raw_fd(), sender_number);
        assert_eq!(receiver.as_raw_fd(), receiver_number);
        let none = receiver.read(&mut [0; 8]).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::WouldBlock);
        sender.write_all(b"x").unwrap();
        assert_eq!(receiver.read(&mut [0; 8]).unwrap(), 1);
        let mut receiver = Receiver::from_file_unchecked(receiver).unwrap();
        sender.write_all(b"y").unwrap();
        receiver.read_exact(&mut [0; 1]).await.unwrap();
    });
}

#[test]
fn after_the_end_of_its_reactor_a_pipe_fails() {
    within_limit(|| {
        let reactor = Reactor::new(Config::default()).expect("a poller");
        let (sender, receiver) = {
            let _entered = reactor.enter();
            pipe::pipe().unwrap()
        };
        let (woken, waker) = CountWakes::new();
        let mut cx = Context::from_waker(&waker);
        assert!(receiver.poll_read_ready(&mut cx).is_pending());
        reactor.shutdown();
        assert_eq!(woken.get(), 1);
        assert!(block_on(receiver.readable()).is_err());
        assert!(sender.try_write(b"x").is_err());
        let polled = sender.poll_write_ready(&mut cx);
        assert!(matches!(polled, std::task::Poll::Ready(Err(_))));
    });
}
