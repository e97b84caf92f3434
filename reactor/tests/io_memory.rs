//! `split`, `join`, `duplex`, `simplex`: streams made of others, and streams in memory.

use std::io::IoSlice;
use std::marker::PhantomPinned;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use heist_reactor::io::{
    self, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream,
    ErrorKind, ReadBuf, duplex, simplex,
};
use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_sync::coop;

/// Runs a test.
fn run(test: impl Future<Output = ()> + Send + 'static) {
    within_limit(|| block_on(test));
}

/// Polls once.
fn poll_with<T>(waker: &Waker, future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

#[test]
fn what_one_end_writes_the_other_reads() {
    run(async {
        let (mut one, mut other) = duplex(8);
        one.write_all(b"there").await.unwrap();
        other.write_all(b"back").await.unwrap();
        let mut bytes = [0; 8];
        assert_eq!(other.read(&mut bytes).await.unwrap(), 5);
        assert_eq!(&bytes[..5], b"there");
        assert_eq!(one.read(&mut bytes[..2]).await.unwrap(), 2);
        assert_eq!(one.read(&mut bytes[2..]).await.unwrap(), 2);
        assert_eq!(&bytes[..4], b"back");
        assert_eq!(one.read(&mut []).await.unwrap(), 0);
        assert_eq!(one.write(&[]).await.unwrap(), 0);
    });
}

#[test]
fn a_full_end_waits_for_the_reader() {
    let (woken, waker) = CountWakes::new();
    let (mut one, mut other) = duplex(4);
    assert!(matches!(
        poll_with(&waker, one.write(b"abcdef")),
        Poll::Ready(Ok(4))
    ));
    assert!(poll_with(&waker, one.write(b"ef")).is_pending());
    assert!(matches!(
        poll_with(&waker, one.write(b"")),
        Poll::Ready(Ok(0))
    ));
    assert_eq!(woken.get(), 0);
    let mut two = [0; 2];
    assert_eq!(block_on(other.read(&mut two)).unwrap(), 2);
    assert_eq!(woken.get(), 1);
    let both = [IoSlice::new(b""), IoSlice::new(b"e"), IoSlice::new(b"fgh")];
    assert_eq!(block_on(one.write_vectored(&both)).unwrap(), 2);
    let mut all = [0; 8];
    assert_eq!(block_on(other.read(&mut all)).unwrap(), 4);
    assert_eq!(&all[..4], b"cdef");
    // Nobody waits now, so nobody is woken.
    assert_eq!(woken.get(), 1);
}

#[test]
fn an_empty_end_waits_for_the_writer() {
    let (woken, waker) = CountWakes::new();
    let (old, before) = CountWakes::new();
    let (mut one, mut other) = duplex(4);
    assert!(poll_with(&before, other.read(&mut [0])).is_pending());
    assert!(poll_with(&waker, other.read(&mut [0])).is_pending());
    assert_eq!(block_on(one.write(b"")).unwrap(), 0);
    assert_eq!((old.get(), woken.get()), (0, 0));
    assert_eq!(block_on(one.write(b"x")).unwrap(), 1);
    assert_eq!((old.get(), woken.get()), (0, 1));
}

#[test]
fn the_end_comes_after_what_was_written() {
    run(async {
        let (mut one, mut other) = duplex(8);
        one.write_all(b"last").await.unwrap();
        one.shutdown().await.unwrap();
        let error = one.write(b"").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let mut all = Vec::new();
        assert_eq!(other.read_to_end(&mut all).await.unwrap(), 4);
        assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
        // The other direction is still open.
        other.write_all(b"still").await.unwrap();
        drop(other);
        assert_eq!(one.read_to_end(&mut all).await.unwrap(), 5);
        assert_eq!(all, b"laststill");
    });
}

#[test]
fn dropping_an_end_wakes_who_waits_at_the_other() {
    for which in 0..3 {
        let (woken, waker) = CountWakes::new();
        let (mut one, mut other) = duplex(1);
        block_on(one.write_all(b"x")).unwrap();
        if which != 0 {
            assert!(poll_with(&waker, one.write(b"y")).is_pending());
        }
        if which != 1 {
            assert!(poll_with(&waker, one.read(&mut [0])).is_pending());
        }
        if which == 0 {
            // A shutdown tells the reader, and only it.
            block_on(other.shutdown()).unwrap();
            assert_eq!(woken.get(), 1);
        }
        drop(other);
        assert_eq!(woken.get(), [1, 1, 2][which]);
        let error = block_on(one.write(b"y")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(block_on(one.read(&mut [0])).unwrap(), 0);
    }
}

#[test]
#[should_panic = "`max_buf_size` must be greater than 0"]
fn a_stream_without_room_is_refused() {
    let _ = duplex(0);
}

/// Looks at the stream when it is woken, which hangs if the stream is locked. Then it panics.
struct Looks(Mutex<Option<DuplexStream>>);

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        let mut held = self.0.lock().unwrap();
        if let Some(stream) = &mut *held {
            let (_, waker) = CountWakes::new();
            coop::budget(|| {
                assert!(poll_with(&waker, stream.read(&mut [])).is_ready());
                assert!(poll_with(&waker, stream.write(&[])).is_ready());
            });
        }
        drop(held);
        panic!("a waker panics");
    }
}

#[test]
fn wakers_are_called_when_the_lock_is_free_and_may_panic() {
    within_limit(|| {
        let (mut one, mut other) = duplex(4);
        let looks = Arc::new(Looks(Mutex::new(None)));
        let waker = Waker::from(looks.clone());
        assert!(poll_with(&waker, other.read(&mut [0])).is_pending());
        *looks.0.lock().unwrap() = Some(other);
        block_on(one.write_all(b"x")).unwrap();
        let mut other = looks.0.lock().unwrap().take().unwrap();
        assert_eq!(block_on(other.read_u8()).unwrap(), b'x');
        assert!(poll_with(&waker, other.read(&mut [0])).is_pending());
        drop(one);
        assert_eq!(block_on(other.read(&mut [0])).unwrap(), 0);
    });
}

#[test]
fn a_task_whose_budget_is_used_up_is_woken_when_the_lock_is_free() {
    within_limit(|| {
        for read in [true, false] {
            let (mut one, other) = duplex(4);
            let looks = Arc::new(Looks(Mutex::new(Some(other))));
            let waker = Waker::from(looks.clone());
            coop::budget(|| {
                while coop::has_budget_remaining() {
                    assert!(poll_with(&waker, one.write(&[])).is_ready());
                }
                let woken = catch_unwind(AssertUnwindSafe(|| match read {
                    true => poll_with(&waker, one.read(&mut [0])).map(drop),
                    false => poll_with(&waker, one.write(b"x")).map(drop),
                }));
                assert!(woken.is_err(), "the waker panics");
            });
            // It has panicked at its end.
            assert!(looks.0.lock().is_ok());
        }
    });
}

#[test]
fn two_threads_exchange_everything_through_a_narrow_stream() {
    const BYTES: usize = if cfg!(miri) { 300 } else { 100_000 };
    within_limit(|| {
        let pattern = |seed: usize| -> Vec<u8> {
            (0..BYTES).map(|at| ((at * 31 + seed) >> 3) as u8).collect()
        };
        let end = move |stream: DuplexStream, own: usize, its: usize| {
            let (mut read, mut write) = io::split(stream);
            let writer = thread::spawn(move || {
                block_on(async {
                    for part in pattern(own).chunks(37) {
                        write.write_all(part).await.unwrap();
                    }
                    write.shutdown().await.unwrap();
                });
                write
            });
            let mut all = Vec::new();
            block_on(read.read_to_end(&mut all)).unwrap();
            assert!(all == pattern(its));
            read.unsplit(writer.join().unwrap())
        };
        let (one, other) = duplex(16);
        let there = thread::spawn(move || end(one, 1, 2));
        end(other, 2, 1);
        there.join().unwrap();
    });
}

#[test]
fn streams_in_memory_yield() {
    within_limit(|| {
        let yields = |future: Pin<&mut dyn Future<Output = ()>>| {
            let (woken, waker) = CountWakes::new();
            let mut future = future;
            let polled = coop::budget(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
            assert!(polled.is_pending());
            assert_eq!(woken.get(), 1);
        };
        // Nobody else is needed for these.
        let (mut one, mut other) = duplex(4);
        yields(pin!(async {
            loop {
                one.write_all(b"ab").await.unwrap();
                other.read_exact(&mut [0; 2]).await.unwrap();
            }
        }));
        let (mut one, _) = duplex(4);
        yields(pin!(async {
            loop {
                one.write(b"ab").await.unwrap_err();
            }
        }));
        let (_, mut other) = duplex(4);
        yields(pin!(async {
            loop {
                other.read(&mut [0]).await.unwrap();
            }
        }));
    });
}

#[test]
fn one_way_is_closed_by_shutdown_only() {
    run(async {
        let (woken, waker) = CountWakes::new();
        let (mut read, mut write) = simplex(4);
        assert!(write.is_write_vectored());
        assert!(poll_with(&waker, read.read(&mut [0; 4])).is_pending());
        write.write_all(b"ab").await.unwrap();
        assert_eq!(woken.get(), 1);
        let mut all = [0; 4];
        assert_eq!(read.read(&mut all).await.unwrap(), 2);
        assert!(poll_with(&waker, read.read(&mut [0; 4])).is_pending());
        write.shutdown().await.unwrap();
        assert_eq!(woken.get(), 2);
        drop(write);
        assert_eq!(read.read(&mut all).await.unwrap(), 0);

        let mut whole = io::SimplexStream::new_unsplit(2);
        whole.write_all(b"x").await.unwrap();
        assert_eq!(whole.read_u8().await.unwrap(), b'x');
    });
}

/// A stream that must not be moved, and whose polls panic if `panics`.
#[derive(Default)]
struct Pinned {
    panics: bool,
    _pinned: PhantomPinned,
}

impl AsyncRead for Pinned {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        assert!(!self.panics, "a reader panics");
        buf.put_slice(b"x");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pinned {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn halves_of_a_stream_know_each_other() {
    run(async {
        let (mut read, mut write) = io::split(Pinned::default());
        assert_eq!(read.read_u8().await.unwrap(), b'x');
        write.write_all(b"y").await.unwrap();
        assert!(!write.is_write_vectored());
        let (other_read, other_write) = io::split(duplex(1).0);
        assert!(other_read.is_pair_of(&other_write) && other_write.is_pair_of(&other_read));
        assert!(other_write.is_write_vectored());

        let (third_read, third_write) = io::split(duplex(1).0);
        assert!(!third_read.is_pair_of(&other_write) && !other_write.is_pair_of(&third_read));
        let unsplit = catch_unwind(AssertUnwindSafe(|| third_read.unsplit(other_write)));
        assert!(unsplit.is_err());
        drop(third_write);
    });
}

#[test]
fn a_panic_in_one_half_leaves_the_other() {
    let panics = Pinned {
        panics: true,
        ..Pinned::default()
    };
    let (mut read, mut write) = io::split(panics);
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(read.read_u8()))).is_err());
    block_on(write.write_all(b"y")).unwrap();
}

#[test]
fn joined_streams_read_from_one_and_write_to_the_other() {
    run(async {
        let mut stream = io::join(&b"one\ntwo"[..], Vec::new());
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        assert_eq!(line, "one\n");
        stream.write_all(b"out").await.unwrap();
        assert!(stream.is_write_vectored());
        assert_eq!(*stream.reader(), b"two");
        stream.writer_mut().push(b'!');
        *stream.reader_mut() = b"three";
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "three");
        let mut pinned = pin!(stream);
        assert_eq!(pinned.as_mut().reader_pin_mut().len(), 0);
        assert_eq!(pinned.as_mut().writer_pin_mut().len(), 4);
        let (reader, writer) = io::join(&b"in"[..], b"out".to_vec()).into_inner();
        assert_eq!((reader, &*writer), (&b"in"[..], &b"out"[..]));
    });
}
