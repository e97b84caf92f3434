//! Readers and writers that break their promises.

use std::io::IoSlice;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::string::FromUtf8Error;
use std::task::{Context, Poll};

use heist_reactor::io::compat::FuturesAsyncReadCompatExt;
use heist_reactor::io::{
    self, AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite,
    AsyncWriteExt, ErrorKind, ReadBuf, copy,
};
use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_sync::coop;

/// Answers each call with the next of these.
struct Script(Vec<fn(usize) -> io::Result<usize>>);

impl Script {
    fn next(&mut self, len: usize) -> Poll<io::Result<usize>> {
        if self.0.is_empty() {
            return Poll::Ready(Ok(0));
        }
        Poll::Ready(self.0.remove(0)(len))
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let free = buf.initialize_unfilled();
        free.fill(b'x');
        let done = self.next(free.len());
        done.map_ok(|done| buf.advance(done))
    }
}

/// With this trait it can claim more than it was asked for.
impl futures_io::AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        buffer.fill(b'x');
        self.next(buffer.len())
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.next(buffer.len())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn whoever_claims_more_than_was_asked_is_not_believed() {
    block_on(async {
        let liar = || Script(vec![|_| Ok(2), |len| Ok(len + 1)]);
        let mut buffer = [0; 8];
        let lying_reader = || FuturesAsyncReadCompatExt::compat(liar());
        let error = lying_reader().read_exact(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let mut all = b"before".to_vec();
        let error = lying_reader().read_to_end(&mut all).await.unwrap_err();
        assert_eq!(
            (error.kind(), &*all),
            (ErrorKind::InvalidData, &b"beforexx"[..])
        );
        let error = liar().write_all(&buffer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let error = copy(&mut lying_reader(), &mut Script(vec![|_| Ok(1), |_| Ok(1)]))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    });
}

#[test]
fn an_end_too_soon_is_an_error() {
    block_on(async {
        let error = Script(vec![|_| Ok(3)])
            .read_exact(&mut [0; 4])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let error = Script(vec![|_| Ok(3)])
            .write_all(&[0; 4])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
    });
}

#[test]
fn a_reader_that_panics_or_fails_leaves_only_what_was_read() {
    let mut all = Vec::new();
    let read = catch_unwind(AssertUnwindSafe(|| {
        block_on(Script(vec![|_| Ok(3), |_| panic!("a reader panics")]).read_to_end(&mut all))
    }));
    assert!(read.is_err());
    assert_eq!(all, b"xxx");
    let fails: fn(usize) -> io::Result<usize> = |_| Err(ErrorKind::Other.into());
    let mut text = "before".to_owned();
    let read = block_on(Script(vec![|_| Ok(3), fails]).read_to_string(&mut text));
    assert!(read.is_err());
    assert_eq!(text, "before");
}

const INTERRUPTED: fn(usize) -> io::Result<usize> = |_| Err(ErrorKind::Interrupted.into());

#[test]
fn what_is_interrupted_goes_on() {
    within_limit(|| {
        block_on(async {
            let twice = || {
                Script(vec![
                    INTERRUPTED,
                    |_| Ok(1),
                    INTERRUPTED,
                    INTERRUPTED,
                    |_| Ok(1),
                ])
            };
            assert_eq!(twice().read_exact(&mut [0; 2]).await.unwrap(), 2);
            let mut all = Vec::new();
            assert_eq!(twice().read_to_end(&mut all).await.unwrap(), 2);
            let mut text = String::new();
            assert_eq!(twice().read_to_string(&mut text).await.unwrap(), 2);
            twice().write_all(b"xx").await.unwrap();
            assert_eq!(copy(&mut twice(), &mut twice()).await.unwrap(), 2);
            // One that may do less than it was asked says so.
            let error = twice().read(&mut [0; 2]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Interrupted);
            let error = twice().write(b"xx").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Interrupted);
        });
    });
}

/// A reader and writer that always answers at once.
struct Always(fn(usize) -> io::Result<usize>);

impl AsyncRead for Always {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = buf.initialize_unfilled().len();
        Poll::Ready(self.0(len).map(|done| buf.advance(done)))
    }
}

impl AsyncWrite for Always {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0(buffer.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0(0).map(drop))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// Polls once with the budget of a task: it must yield, and have itself woken.
fn yields<T>(future: impl Future<Output = T>) {
    let (woken, waker) = CountWakes::new();
    let mut future = pin!(future);
    let polled = coop::budget(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
    assert!(polled.is_pending());
    assert_eq!(woken.get(), 1);
}

#[test]
fn what_never_ends_yields() {
    within_limit(|| {
        yields(copy(&mut Always(Ok), &mut Always(Ok)));
        yields(copy(&mut Always(Ok), &mut Always(INTERRUPTED)));
        yields(copy(&mut Always(|_| Ok(0)), &mut Always(INTERRUPTED)));
        yields(Always(|_| Ok(1)).read_to_end(&mut Vec::new()));
        yields(Always(|_| Ok(1)).read_to_string(&mut String::new()));
        yields(Always(|_| Ok(1)).read_exact(&mut [0; 1_000]));
        yields(Always(|_| Ok(1)).write_all(&[0; 1_000]));
        yields(Always(INTERRUPTED).read_exact(&mut [0]));
        yields(Always(INTERRUPTED).read_to_end(&mut Vec::new()));
        yields(Always(INTERRUPTED).read_to_string(&mut String::new()));
        yields(Always(INTERRUPTED).write_all(&[0]));
    });
}

#[test]
fn what_has_yielded_goes_on_where_it_was() {
    within_limit(|| {
        let (_, waker) = CountWakes::new();
        let mut buffer = [0; 1_000];
        let mut reader = Always(|_| Ok(1));
        let mut filling = pin!(reader.read_exact(&mut buffer));
        let mut polls = 0;
        loop {
            polls += 1;
            let mut poll = || filling.as_mut().poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(filled) = coop::budget(&mut poll) {
                assert_eq!(filled.unwrap(), 1_000);
                break;
            }
        }
        assert_eq!(polls, 8);
    });
}

/// Counts flushes; the first takes two polls.
#[derive(Default)]
struct Buffered {
    written: usize,
    flushes: usize,
    begun: bool,
}

impl AsyncWrite for Buffered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written += buffer.len();
        Poll::Ready(Ok(buffer.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.begun, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// Answers with these in turn, `None` being that there is nothing for now; then it must not be asked again.
struct Bursts(Vec<Option<usize>>);

impl AsyncRead for Bursts {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.0.remove(0) {
            Some(len) => {
                buf.put_slice(&vec![b'x'; len]);
                Poll::Ready(Ok(()))
            }
            None => Poll::Pending,
        }
    }
}

/// What each of so many polls of a copy gives; then the copy is dropped.
fn polls(reader: &mut Bursts, writer: &mut Buffered, times: usize) -> Vec<Poll<u64>> {
    let (_, waker) = CountWakes::new();
    let mut copying = pin!(copy(reader, writer));
    let mut poll = || copying.as_mut().poll(&mut Context::from_waker(&waker));
    (0..times).map(|_| poll().map(Result::unwrap)).collect()
}

#[test]
fn copy_flushes_what_it_wrote_when_there_is_no_more_for_now() {
    let mut reader = Bursts(vec![
        None,
        Some(5),
        None,
        None,
        None,
        Some(2),
        None,
        Some(0),
    ]);
    let mut writer = Buffered::default();
    // Nothing was written yet; then the flush begins; then it is done; then there is nothing to flush.
    assert_eq!(polls(&mut reader, &mut writer, 4), [Poll::Pending; 4]);
    assert_eq!((writer.written, writer.flushes), (5, 1));

    let next = polls(&mut reader, &mut writer, 2);
    assert_eq!(next, [Poll::Pending, Poll::Ready(2)]);
    assert_eq!((writer.written, writer.flushes), (7, 3));
}

#[test]
fn copy_does_not_ask_a_reader_again_that_has_ended() {
    let (mut reader, mut writer) = (Bursts(vec![Some(5), Some(0)]), Buffered::default());
    let both = polls(&mut reader, &mut writer, 2);
    assert_eq!(both, [Poll::Pending, Poll::Ready(5)]);
    assert_eq!(writer.flushes, 1);
}

#[test]
fn several_buffers_are_no_way_to_claim_more() {
    let mut writer = Always(|len| Ok(len + 1));
    let buffers = [IoSlice::new(&[0; 3])];
    let error = block_on(writer.write_vectored(&buffers)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[test]
fn a_panic_of_either_side_comes_out_of_copy() {
    let panics: fn(usize) -> io::Result<usize> = |_| panic!("it panics");
    for (reader, writer) in [(panics, Ok as fn(usize) -> _), (Ok, panics)] {
        let copied = catch_unwind(AssertUnwindSafe(|| {
            block_on(copy(&mut Always(reader), &mut Always(writer)))
        }));
        assert!(copied.is_err());
    }
}

/// A reader that gives a byte at a time.
struct Trickle {
    bytes: Vec<u8>,
    /// Whether the next poll is to be pending.
    waits: bool,
}

impl Trickle {
    fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            waits: false,
        }
    }
}

impl AsyncRead for Trickle {
    /// One byte, after one poll for nothing.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.waits = !self.waits;
        if self.waits {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !self.bytes.is_empty() && buf.remaining() > 0 {
            buf.put_slice(&[self.bytes.remove(0)]);
        }
        Poll::Ready(Ok(()))
    }
}

#[test]
fn numbers_are_read_as_they_were_written() {
    within_limit(|| {
        block_on(async {
            let mut bytes = Vec::new();
            bytes.write_u8(1).await.unwrap();
            bytes.write_i16(-2).await.unwrap();
            bytes.write_u32_le(3).await.unwrap();
            bytes.write_i128(-4).await.unwrap();
            bytes.write_f64_le(0.5).await.unwrap();
            assert_eq!(bytes[..7], [1, 0xff, 0xfe, 3, 0, 0, 0]);
            let mut reader = Trickle::new(&bytes);
            assert_eq!(reader.read_u8().await.unwrap(), 1);
            assert_eq!(reader.read_i16().await.unwrap(), -2);
            assert_eq!(reader.read_u32_le().await.unwrap(), 3);
            assert_eq!(reader.read_i128().await.unwrap(), -4);
            assert_eq!(reader.read_f64_le().await.unwrap(), 0.5);
            let error = reader.read_u64().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        });
    });
}

#[test]
fn what_is_taken_ends_where_it_should_and_what_is_chained_goes_on() {
    within_limit(|| {
        block_on(async {
            let mut both = Trickle::new(b"hello").take(3).chain(&b"p me"[..]).take(5);
            let mut all = String::new();
            assert_eq!(both.read_to_string(&mut all).await.unwrap(), 5);
            assert_eq!((&*all, both.limit()), ("help ", 0));
            both.set_limit(1);
            assert_eq!(both.read_u8().await.unwrap(), b'm');
            let (taken, rest) = both.into_inner().into_inner();
            assert_eq!((taken.limit(), rest), (0, &b"e"[..]));
            assert_eq!(taken.into_inner().bytes, b"lo");
            // More than a usize can count is no limit.
            let mut endless = (&b"abc"[..]).take(u64::MAX);
            assert_eq!(endless.read(&mut [0; 8]).await.unwrap(), 3);
        });
    });
}

#[test]
fn a_buffer_that_is_full_reads_nothing_and_one_that_is_not_need_not_be_initialized() {
    within_limit(|| {
        block_on(async {
            let mut received = Vec::with_capacity(4);
            let mut reader = Trickle::new(b"ab");
            while reader.read_buf(&mut received).await.unwrap() != 0 {}
            assert_eq!(received, b"ab");
            let mut full = [0; 2];
            let mut slice = &mut full[..];
            assert_eq!((&b"abc"[..]).read_buf(&mut slice).await.unwrap(), 2);
            assert_eq!((&b"abc"[..]).read_buf(&mut slice).await.unwrap(), 0);
            assert_eq!(&full, b"ab");
        });
    });
}

#[test]
fn a_vec_that_has_room_for_all_is_not_allocated_anew() {
    within_limit(|| {
        block_on(async {
            let bytes: Vec<u8> = (0..100).collect();
            for len in 0..=bytes.len() {
                for capacity in 32..100 {
                    let mut read = Vec::with_capacity(capacity);
                    let mut reader = Trickle::new(&bytes[..len]);
                    assert_eq!(reader.read_to_end(&mut read).await.unwrap(), len);
                    assert_eq!(read, bytes[..len]);
                    assert!(capacity < len || read.capacity() == capacity);
                }
            }
        });
    });
}

#[test]
fn a_buf_that_is_written_is_consumed() {
    within_limit(|| {
        block_on(async {
            let mut source = std::collections::VecDeque::from(b"abcdef".to_vec());
            source.rotate_left(3);
            let mut written = Vec::new();
            written.write_all_buf(&mut source).await.unwrap();
            assert_eq!(written, b"defabc");
            let mut left = &b"abc"[..];
            let mut script = Script(vec![|_| Ok(2), INTERRUPTED, |_| Ok(0)]);
            let error = script.write_all_buf(&mut left).await.unwrap_err();
            assert_eq!((error.kind(), left), (ErrorKind::WriteZero, &b"c"[..]));
        });
    });
}

/// Shows three bytes at a time.
struct Shows(&'static [u8]);

impl AsyncRead for Shows {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncBufRead for Shows {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Poll::Ready(Ok(self.get_mut().0.get(..3).unwrap_or(&[])))
    }

    fn consume(mut self: Pin<&mut Self>, amt: usize) {
        self.0 = &self.0[amt..];
    }
}

#[test]
fn lines_and_parts_end_where_they_should() {
    within_limit(|| {
        block_on(async {
            let mut lines = (&b"one\r\n\ntw\xffo\nthree\r"[..]).lines();
            assert_eq!(lines.next_line().await.unwrap().unwrap(), "one");
            assert_eq!(lines.next_line().await.unwrap().unwrap(), "");
            let error = lines.next_line().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            // No line feed follows, so the carriage return belongs to the line.
            assert_eq!(lines.next_line().await.unwrap().unwrap(), "three\r");
            assert_eq!(lines.next_line().await.unwrap(), None);

            let mut parts = Shows(b"abcd;ef;;ghi").split(b';');
            for part in ["abcd", "ef", "", "ghi"] {
                let next = parts.next_segment().await.unwrap().unwrap();
                assert_eq!(next, part.as_bytes());
            }
            assert_eq!(parts.next_segment().await.unwrap(), None);
        });
    });
}

#[test]
fn a_line_that_is_not_text_leaves_the_string_as_it_was() {
    block_on(async {
        let mut text = "before ".to_owned();
        let mut reader = Shows(b"abc\nd\xff\nefghi");
        assert_eq!(reader.read_line(&mut text).await.unwrap(), 4);
        assert_eq!(text, "before abc\n");
        let error = reader.read_line(&mut text).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(text, "before abc\n");
        let mut bytes = Vec::new();
        assert_eq!(reader.read_until(b'f', &mut bytes).await.unwrap(), 2);
        assert_eq!(bytes, b"ef");
        assert_eq!(reader.fill_buf().await.unwrap(), b"ghi");
        AsyncBufReadExt::consume(&mut reader, 3);
        assert_eq!(reader.fill_buf().await.unwrap(), b"");

        let mut lines = (&b"abc\nd\xff\nefghi"[..]).lines();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "abc");
        let error = lines.next_line().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let bytes = error.into_inner().unwrap().downcast::<FromUtf8Error>();
        assert_eq!(bytes.unwrap().into_bytes(), b"d\xff");
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "efghi");
        assert_eq!(lines.next_line().await.unwrap(), None);
    });
}

#[test]
fn a_future_of_a_generic_reader_is_send() {
    fn is_send<T: Send>(_: T) {}
    fn all<R: AsyncReadExt + AsyncWriteExt + AsyncBufReadExt + AsyncSeekExt + Unpin + Send>(
        mut io: R,
    ) {
        is_send(io.read(&mut []));
        is_send(io.read_to_end(&mut Vec::new()));
        is_send(io.write_all(&[]));
        is_send(io.read_line(&mut String::new()));
        is_send(io.fill_buf());
        is_send(io.seek(io::SeekFrom::Start(0)));
        is_send(async move { io.flush().await });
    }
    all(std::io::Cursor::new(Vec::new()));
}

#[test]
fn what_came_from_the_other_family_does_as_before() {
    within_limit(|| {
        block_on(async {
            use heist_reactor::io::compat::HeistAsyncReadCompatExt;

            // Ours, theirs, and ours again.
            let cursor = std::io::Cursor::new(b"0123456789".to_vec());
            let theirs = HeistAsyncReadCompatExt::compat(cursor);
            let mut ours = FuturesAsyncReadCompatExt::compat(theirs);
            assert_eq!(ours.seek(io::SeekFrom::Start(7)).await.unwrap(), 7);
            let mut end = String::new();
            ours.read_to_string(&mut end).await.unwrap();
            assert_eq!(end, "789");
            assert_eq!(ours.stream_position().await.unwrap(), 10);
            ours.seek(io::SeekFrom::End(-10)).await.unwrap();
            ours.write_all(b"ab").await.unwrap();
            ours.rewind().await.unwrap();
            assert_eq!(ours.fill_buf().await.unwrap(), b"ab23456789");
            assert!(ours.seek(io::SeekFrom::End(-11)).await.is_err());
        });
    });
}
