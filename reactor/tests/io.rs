//! Readers and writers that break their promises.

use std::io::{IoSlice, IoSliceMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use heist_reactor::io::{self, AsyncReadExt, AsyncWriteExt, ErrorKind, copy};
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

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn whoever_claims_more_than_was_asked_is_not_believed() {
    block_on(async {
        let liar = || Script(vec![|_| Ok(2), |len| Ok(len + 1)]);
        let mut buffer = [0; 8];
        let error = liar().read_exact(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let mut all = b"before".to_vec();
        let error = liar().read_to_end(&mut all).await.unwrap_err();
        assert_eq!(
            (error.kind(), &*all),
            (ErrorKind::InvalidData, &b"beforexx"[..])
        );
        let error = liar().write_all(&buffer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let error = copy(&mut liar(), &mut Script(vec![|_| Ok(1), |_| Ok(1)]))
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
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0(buffer.len()))
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

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// Answers with these in turn, `None` being that there is nothing for now; then it must not be asked again.
struct Bursts(Vec<Option<usize>>);

impl AsyncRead for Bursts {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.0.remove(0) {
            Some(len) => Poll::Ready(Ok(len)),
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
    let mut reader = Always(|len| Ok(len + 1));
    let mut room = [0; 3];
    let buffers = &mut [IoSliceMut::new(&mut room)];
    let error = block_on(reader.read_vectored(buffers)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    let buffers = [IoSlice::new(&[0; 3])];
    let error = block_on(reader.write_vectored(&buffers)).unwrap_err();
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
