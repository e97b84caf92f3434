//! `copy_buf`, `copy_bidirectional`. `copy` is in `io.rs`.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::thread;

use heist_reactor::io::{
    self, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
    BufWriter, ErrorKind, ReadBuf, copy_bidirectional, copy_bidirectional_with_sizes, copy_buf,
    duplex,
};
use heist_reactor::net::{TcpListener, TcpStream};
use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_sync::coop;

/// Runs a test.
fn run(test: impl Future<Output = ()> + Send + 'static) {
    within_limit(|| block_on(test));
}

type Answer = io::Result<usize>;

/// Reads give these in turn, `Ok(0)` being the end. When there are no more, a read is pending. It counts what is written,
/// and notes what else is done.
#[derive(Default)]
struct Scripted {
    reads: VecDeque<Answer>,
    writes: VecDeque<Answer>,
    written: usize,
    done: Vec<&'static str>,
    /// So many flushes and shutdowns are pending first.
    slow: usize,
}

impl Scripted {
    fn reads(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            reads: answers.into_iter().collect(),
            ..Self::default()
        }
    }

    fn writes(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            writes: answers.into_iter().collect(),
            ..Self::default()
        }
    }

    fn poll_done(&mut self, what: &'static str) -> Poll<io::Result<()>> {
        if self.slow > 0 {
            self.slow -= 1;
            return Poll::Pending;
        }
        self.done.push(what);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(answer) = self.reads.pop_front() else {
            return Poll::Pending;
        };
        Poll::Ready(answer.map(|len| buf.put_slice(&vec![b'x'; len])))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let answer = self.writes.pop_front().unwrap_or(Ok(buf.len()));
        self.written += answer.as_ref().unwrap_or(&0);
        Poll::Ready(answer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_done("flush")
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_done("shutdown")
    }
}

fn fails<T>(kind: ErrorKind) -> io::Result<T> {
    Err(kind.into())
}

/// Polls so many times, and returns what the last poll gave.
fn poll_times<T>(times: usize, future: impl Future<Output = T>) -> Poll<T> {
    let (_, waker) = CountWakes::new();
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    for _ in 1..times {
        assert!(future.as_mut().poll(&mut cx).is_pending());
    }
    future.poll(&mut cx)
}

#[test]
fn a_buffered_reader_is_copied_and_flushed() {
    let reads = [Ok(5), fails(ErrorKind::Interrupted), Ok(2)];
    let mut reader = BufReader::new(Scripted::reads(reads));
    let mut writer = Scripted::writes([Ok(3), fails(ErrorKind::Interrupted), Ok(2)]);
    writer.slow = 1;
    // The flush is pending, then done, then there is nothing to flush.
    assert!(poll_times(3, copy_buf(&mut reader, &mut writer)).is_pending());
    assert_eq!((writer.written, &*writer.done), (7, &["flush"][..]));
    reader.get_mut().reads.push_back(Ok(0));
    let copied = poll_times(1, copy_buf(&mut reader, &mut writer));
    assert!(matches!(copied, Poll::Ready(Ok(0))));
    assert_eq!(writer.done, ["flush", "flush"]);
}

#[test]
fn copy_buf_does_not_ask_a_reader_again_that_has_ended() {
    // What comes after the end is not for this copy.
    let mut reader = BufReader::new(Scripted::reads([Ok(5), Ok(0), Ok(3)]));
    let mut writer = Scripted::writes([Ok(5)]);
    writer.slow = 1;
    let copied = poll_times(2, copy_buf(&mut reader, &mut writer));
    assert!(matches!(copied, Poll::Ready(Ok(5))));
    assert_eq!((writer.written, &*writer.done), (5, &["flush"][..]));
    assert_eq!(reader.get_ref().reads.len(), 1);
}

#[test]
fn what_copy_buf_has_not_written_is_still_in_the_reader() {
    let mut reader = BufReader::new(Scripted::reads([Ok(5)]));
    let mut writer = Scripted::writes([Ok(3), fails(ErrorKind::BrokenPipe)]);
    let error = block_on(copy_buf(&mut reader, &mut writer)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert_eq!(reader.buffer().len(), 2);
    for (answer, kind) in [(0, ErrorKind::WriteZero), (3, ErrorKind::InvalidData)] {
        writer.writes = [Ok(answer)].into();
        let error = block_on(copy_buf(&mut reader, &mut writer)).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(reader.buffer().len(), 2);
    }
    reader.get_mut().reads = [fails(ErrorKind::ConnectionReset)].into();
    let error = block_on(copy_buf(&mut reader, &mut writer)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn each_end_is_passed_on_and_the_other_direction_goes_on() {
    run(async {
        for client_first in [true, false] {
            let (mut client, mut inside) = duplex(4);
            let (mut outside, mut server) = duplex(4);
            let mut copying = pin!(copy_bidirectional(&mut inside, &mut outside));
            let (_, waker) = CountWakes::new();
            let mut go_on = || copying.as_mut().poll(&mut Context::from_waker(&waker));
            let (first, second) = if client_first {
                (&mut client, &mut server)
            } else {
                (&mut server, &mut client)
            };
            first.write_all(b"abc").await.unwrap();
            first.shutdown().await.unwrap();
            assert!(go_on().is_pending());
            let mut heard = Vec::new();
            second.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, b"abc");
            for _ in 0..3 {
                second.write_all(b"defg").await.unwrap();
                assert!(go_on().is_pending());
                first.read_exact(&mut [0; 4]).await.unwrap();
            }
            second.shutdown().await.unwrap();
            let Poll::Ready(Ok(copied)) = go_on() else {
                panic!("both have ended");
            };
            assert_eq!(copied, if client_first { (3, 12) } else { (12, 3) });
            assert_eq!(first.read(&mut [0]).await.unwrap(), 0);
        }
    });
}

#[test]
fn streams_are_flushed_when_nothing_comes_and_before_they_are_closed() {
    let mut one = Scripted::reads([Ok(5)]);
    let mut other = BufWriter::new(Scripted::reads([Ok(2), Ok(0)]));
    one.slow = 2;
    other.get_mut().slow = 1;
    assert!(poll_times(4, copy_bidirectional(&mut one, &mut other)).is_pending());
    assert_eq!((one.written, &*one.done), (2, &["flush", "shutdown"][..]));
    let inside = other.get_ref();
    assert_eq!((inside.written, &*inside.done), (5, &["flush"][..]));

    one.reads.push_back(Ok(0));
    other.get_mut().reads.push_back(Ok(0));
    let copied = poll_times(1, copy_bidirectional(&mut one, &mut other));
    assert!(matches!(copied, Poll::Ready(Ok((0, 0)))));
    assert_eq!(other.get_ref().done, ["flush", "flush", "shutdown"]);
}

#[test]
fn an_error_of_either_side_ends_both_directions() {
    let reset = || Scripted::reads([Ok(1), fails(ErrorKind::ConnectionReset)]);
    let broken = Scripted::writes([fails(ErrorKind::BrokenPipe)]);
    let full = Scripted::writes([Ok(0)]);
    let lies = Scripted::writes([Ok(2)]);
    let cases = [
        (Scripted::default(), ErrorKind::ConnectionReset),
        (broken, ErrorKind::BrokenPipe),
        (full, ErrorKind::WriteZero),
        (lies, ErrorKind::InvalidData),
    ];
    for (mut other, kind) in cases {
        let writes = std::mem::take(&mut other.writes);
        for swapped in [false, true] {
            other.writes = writes
                .iter()
                .map(|answer| match answer {
                    Ok(done) => Ok(*done),
                    Err(error) => fails(error.kind()),
                })
                .collect();
            let copied = match swapped {
                false => block_on(copy_bidirectional(&mut reset(), &mut other)),
                true => block_on(copy_bidirectional(&mut other, &mut reset())),
            };
            assert_eq!(copied.unwrap_err().kind(), kind);
            assert!(!other.done.contains(&"shutdown"));
        }
    }
}

#[test]
fn a_direction_holds_no_more_than_it_was_given() {
    run(async {
        // A read of more would panic in `put_slice`; these fit exactly.
        let mut one = Scripted::reads([Ok(3), Ok(3), Ok(0)]);
        let mut other = Scripted::reads([Ok(1), Ok(0)]);
        let copied = copy_bidirectional_with_sizes(&mut one, &mut other, 3, 1).await;
        assert_eq!(copied.unwrap(), (6, 1));
    });
}

#[test]
#[should_panic = "`b_to_a_buf_size` must be greater than 0"]
fn a_direction_that_may_hold_nothing_is_refused() {
    let (mut one, mut other) = duplex(1);
    let _ = block_on(copy_bidirectional_with_sizes(&mut one, &mut other, 1, 0));
}

#[test]
fn an_endless_direction_yields_and_leaves_the_other_its_turns() {
    within_limit(|| {
        let (mut sender, receiver) = duplex(1024);
        block_on(sender.write_all(&[b'y'; 1024])).unwrap();
        drop(sender);
        // From one to the other there is no end. Back there are 1024 bytes, which cost budget to read.
        let mut one = io::join(io::repeat(b'x'), Vec::new());
        let mut other = io::join(receiver, io::sink());
        let (woken, waker) = CountWakes::new();
        {
            let mut copying = pin!(copy_bidirectional_with_sizes(&mut one, &mut other, 16, 16));
            for polls in 1..=10 {
                let mut cx = Context::from_waker(&waker);
                let polled = coop::budget(|| copying.as_mut().poll(&mut cx));
                assert!(polled.is_pending());
                assert!(woken.get() >= polls);
            }
        }
        assert_eq!(one.writer(), &[b'y'; 1024]);

        let mut endless = BufReader::new(io::repeat(b'x'));
        let mut sink = io::sink();
        let mut copying = pin!(copy_buf(&mut endless, &mut sink));
        let mut cx = Context::from_waker(&waker);
        assert!(coop::budget(|| copying.as_mut().poll(&mut cx)).is_pending());
    });
}

#[test]
fn a_proxy_passes_everything_on_between_sockets() {
    const BYTES: usize = if cfg!(miri) { 10_000 } else { 3_000_000 };
    within_limit(|| {
        let connected = || {
            block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let one = TcpStream::connect(address).await.unwrap();
                (one, listener.accept().await.unwrap().0)
            })
        };
        let (client, mut inside) = connected();
        let (mut outside, server) = connected();
        let proxy = thread::spawn(move || block_on(copy_bidirectional(&mut inside, &mut outside)));
        let pattern = |seed: usize| -> Vec<u8> {
            (0..BYTES + seed)
                .map(|at| (((at + seed) * 7) >> 4) as u8)
                .collect()
        };
        let end = move |stream: TcpStream, own: usize, its: usize| {
            let (mut read, mut write) = stream.into_split();
            let writer = thread::spawn(move || {
                block_on(async {
                    write.write_all(&pattern(own)).await.unwrap();
                    write.shutdown().await.unwrap();
                });
            });
            let mut all = Vec::new();
            block_on(read.read_to_end(&mut all)).unwrap();
            assert!(all == pattern(its));
            writer.join().unwrap();
        };
        let far = thread::spawn(move || end(server, 1, 2));
        end(client, 2, 1);
        far.join().unwrap();
        let copied = proxy.join().unwrap().unwrap();
        assert_eq!(copied, (BYTES as u64 + 2, BYTES as u64 + 1));
    });
}

#[test]
fn copies_lines_that_were_peeked_at() {
    run(async {
        let mut reader = BufReader::new(&b"header\nbody"[..]);
        let mut header = String::new();
        reader.read_line(&mut header).await.unwrap();
        let mut body = Vec::new();
        assert_eq!(copy_buf(&mut reader, &mut body).await.unwrap(), 4);
        assert_eq!(body, b"body");
    });
}
