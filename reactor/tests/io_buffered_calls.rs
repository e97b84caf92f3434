//! What `BufReader`, `BufWriter`, `BufStream` ask of the stream inside, and when. `empty`, `repeat`, `sink`.

use std::io::{Cursor, IoSlice, SeekFrom};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use heist_reactor::io::{
    self, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite,
    AsyncWriteExt, BufReader, BufStream, BufWriter, ErrorKind, ReadBuf,
};
use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_sync::coop;

/// A stream in memory that answers as it is told, and notes each call.
#[derive(Debug, Default)]
struct Noted {
    inner: Cursor<Vec<u8>>,
    /// Every call that does something, and its size.
    calls: Vec<(&'static str, usize)>,
    /// At most so many bytes are read or written at once, if it isn't 0.
    most: usize,
    /// So many calls are pending first.
    pending: usize,
    /// So many calls fail after that.
    failing: usize,
    /// One more fails after so many that don't.
    fails_after: Option<usize>,
    /// The error is `Interrupted`.
    interrupted: bool,
    vectored: bool,
    seeking: bool,
}

impl Noted {
    fn new(bytes: &[u8]) -> Self {
        Self {
            inner: Cursor::new(bytes.to_vec()),
            ..Self::default()
        }
    }

    fn most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    fn len(&self, len: usize) -> usize {
        if self.most == 0 {
            len
        } else {
            len.min(self.most)
        }
    }

    fn poll_call(
        &mut self,
        cx: &mut Context<'_>,
        call: &'static str,
        len: usize,
    ) -> Poll<io::Result<()>> {
        if self.pending > 0 {
            self.pending -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.failing > 0 {
            self.failing -= 1;
            let kind = [ErrorKind::ConnectionReset, ErrorKind::Interrupted];
            return Poll::Ready(Err(kind[usize::from(self.interrupted)].into()));
        }
        if let Some(left) = &mut self.fails_after {
            if *left == 0 {
                self.fails_after = None;
                return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
            }
            *left -= 1;
        }
        self.calls.push((call, len));
        Poll::Ready(Ok(()))
    }

    fn take_calls(&mut self) -> Vec<(&'static str, usize)> {
        std::mem::take(&mut self.calls)
    }
}

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = self.len(buf.remaining());
        std::task::ready!(self.poll_call(cx, "read", buf.remaining()))?;
        let mut part = vec![0; len];
        let done = std::io::Read::read(&mut self.inner, &mut part)?;
        buf.put_slice(&part[..done]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Noted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let len = self.len(buf.len());
        std::task::ready!(self.poll_call(cx, "write", buf.len()))?;
        Poll::Ready(std::io::Write::write(&mut self.inner, &buf[..len]))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_call(cx, "flush", 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_call(cx, "shutdown", 0)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.to_vec()).collect();
        let len = self.len(all.len());
        std::task::ready!(self.poll_call(cx, "vectored", all.len()))?;
        Poll::Ready(std::io::Write::write(&mut self.inner, &all[..len]))
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }
}

impl AsyncSeek for Noted {
    /// As files do, it wants what is under way to be completed first.
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        assert!(!self.seeking, "complete the other one first");
        std::io::Seek::seek(&mut self.inner, position)?;
        self.seeking = true;
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if self.seeking {
            if self.pending > 0 || self.failing > 0 {
                let polled = self.poll_call(cx, "", 0);
                self.seeking = polled.is_pending();
                return polled.map_ok(|()| 0);
            }
            self.calls.push(("seek", 0));
            self.seeking = false;
        }
        Poll::Ready(Ok(self.inner.position()))
    }
}

/// Runs a test.
fn run(test: impl Future<Output = ()> + Send + 'static) {
    within_limit(|| block_on(test));
}

/// Polls once.
fn poll<T>(future: impl Future<Output = T>) -> Poll<T> {
    let (_, waker) = CountWakes::new();
    pin!(future).poll(&mut Context::from_waker(&waker))
}

#[test]
fn small_reads_come_out_of_one_large_one() {
    run(async {
        let mut reader = BufReader::with_capacity(4, Noted::new(b"abcdefghij"));
        let mut two = [0; 2];
        for expected in [b"ab", b"cd", b"ef"] {
            assert_eq!(reader.read(&mut two).await.unwrap(), 2);
            assert_eq!(&two, expected);
        }
        assert_eq!(reader.get_mut().take_calls(), [("read", 4), ("read", 4)]);
        assert_eq!(reader.buffer(), b"gh");

        // A large read empties the buffer first, then goes past it.
        let mut large = [0; 6];
        assert_eq!(reader.read(&mut large).await.unwrap(), 2);
        assert_eq!(reader.read(&mut large).await.unwrap(), 2);
        assert_eq!(reader.get_mut().take_calls(), [("read", 6)]);
        assert_eq!(reader.read(&mut large).await.unwrap(), 0);
        assert_eq!(reader.fill_buf().await.unwrap(), b"");
    });
}

#[test]
fn a_failed_or_pending_read_loses_nothing() {
    run(async {
        let mut reader = BufReader::with_capacity(4, Noted::new(b"abcdef"));
        assert_eq!(reader.fill_buf().await.unwrap(), b"abcd");
        reader.consume(4);
        reader.get_mut().pending = 1;
        reader.get_mut().failing = 1;
        assert!(poll(reader.fill_buf()).is_pending());
        let error = reader.fill_buf().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(reader.buffer(), b"");
        assert_eq!(reader.fill_buf().await.unwrap(), b"ef");
        // More than is there can't be taken.
        reader.consume(usize::MAX);
        assert_eq!(reader.buffer(), b"");
        assert_eq!(reader.into_inner().inner.position(), 6);
    });
}

#[test]
fn a_seek_counts_from_what_was_read_and_throws_the_rest_away() {
    run(async {
        let mut reader = BufReader::with_capacity(8, Noted::new(b"0123456789"));
        assert_eq!(reader.read_u8().await.unwrap(), b'0');
        assert_eq!(reader.buffer(), b"1234567");
        assert_eq!(reader.seek(SeekFrom::Current(2)).await.unwrap(), 3);
        assert_eq!(reader.buffer(), b"");
        assert_eq!(reader.read_u8().await.unwrap(), b'3');
        assert_eq!(reader.stream_position().await.unwrap(), 4);
        assert_eq!(reader.seek(SeekFrom::End(-1)).await.unwrap(), 9);
        assert_eq!(reader.read_u8().await.unwrap(), b'9');
        reader.rewind().await.unwrap();
        assert_eq!(reader.read_u8().await.unwrap(), b'0');
        // Without a seek, the position is also that up to which was read.
        let (_, waker) = CountWakes::new();
        let position = Pin::new(&mut reader).poll_complete(&mut Context::from_waker(&waker));
        assert!(matches!(position, Poll::Ready(Ok(1))));
        assert_eq!(reader.buffer(), b"1234567");
    });
}

#[test]
fn a_seek_before_the_start_fails_and_keeps_the_buffer() {
    run(async {
        let mut reader = BufReader::with_capacity(8, Noted::new(b"0123456789"));
        assert_eq!(reader.read_u8().await.unwrap(), b'0');
        assert!(reader.seek(SeekFrom::Current(-2)).await.is_err());
        assert_eq!(reader.buffer(), b"1234567");
        reader.get_mut().pending = 1;
        reader.get_mut().failing = 1;
        assert!(reader.seek(SeekFrom::Start(5)).await.is_err());
        assert_eq!(reader.buffer(), b"1234567");
        assert_eq!(reader.seek(SeekFrom::Start(5)).await.unwrap(), 5);
    });
}

#[test]
fn a_seek_further_back_than_one_step_can_go_takes_two() {
    run(async {
        // Cursors count in `u64`, so that one may stand there.
        let mut reader = BufReader::with_capacity(8, Cursor::new(b"0123456789".to_vec()));
        assert_eq!(reader.read_u8().await.unwrap(), b'0');
        let error = reader.seek(SeekFrom::Current(i64::MIN)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        // The first step has been taken.
        assert_eq!(reader.stream_position().await.unwrap(), 1);
    });
}

#[test]
fn a_seek_that_was_given_up_is_completed_by_the_next() {
    run(async {
        let mut reader = BufReader::with_capacity(8, Noted::new(b"0123456789"));
        assert_eq!(reader.read_u8().await.unwrap(), b'0');
        reader.get_mut().pending = 1;
        assert!(poll(reader.seek(SeekFrom::Start(7))).is_pending());
        assert!(
            Pin::new(&mut reader)
                .start_seek(SeekFrom::Start(0))
                .is_err()
        );
        assert_eq!(reader.seek(SeekFrom::Current(1)).await.unwrap(), 8);

        let mut writer = BufWriter::with_capacity(8, Noted::new(b""));
        writer.write_all(b"abc").await.unwrap();
        writer.get_mut().pending = 1;
        assert!(poll(writer.seek(SeekFrom::Start(1))).is_pending());
        assert_eq!(writer.seek(SeekFrom::Current(1)).await.unwrap(), 2);
        writer.write_all(b"X").await.unwrap();
        writer.flush().await.unwrap();
        assert_eq!(writer.get_ref().inner.get_ref(), b"abX");
    });
}

#[test]
fn small_writes_go_out_in_one_large_one() {
    run(async {
        let mut writer = BufWriter::with_capacity(4, Noted::new(b""));
        for part in [b"ab", b"cd", b"ef"] {
            assert_eq!(writer.write(part).await.unwrap(), 2);
        }
        assert_eq!(writer.get_mut().take_calls(), [("write", 4)]);
        assert_eq!(writer.buffer(), b"ef");
        // A large write goes past the buffer, once that is empty.
        assert_eq!(writer.write(b"ghijk").await.unwrap(), 5);
        let calls = writer.get_mut().take_calls();
        assert_eq!(calls, [("write", 2), ("write", 5)]);
        writer.write_all(b"l").await.unwrap();
        writer.flush().await.unwrap();
        writer.write_all(b"m").await.unwrap();
        writer.shutdown().await.unwrap();
        let expected = [("write", 1), ("flush", 0), ("write", 1), ("shutdown", 0)];
        assert_eq!(writer.get_mut().take_calls(), expected);
        assert_eq!(writer.into_inner().inner.into_inner(), b"abcdefghijklm");
    });
}

#[test]
fn what_could_not_be_written_stays_in_the_buffer() {
    run(async {
        let mut writer = BufWriter::with_capacity(8, Noted::new(b"").most(3));
        writer.write_all(b"abcdefg").await.unwrap();
        writer.write_all(b"hij").await.unwrap();
        writer.get_mut().pending = 1;
        assert!(poll(writer.flush()).is_pending());
        writer.get_mut().failing = 1;
        let error = writer.flush().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(writer.buffer(), b"hij");
        writer.get_mut().failing = 3;
        writer.get_mut().interrupted = true;
        writer.flush().await.unwrap();
        assert_eq!(writer.buffer(), b"");
        assert_eq!(writer.get_ref().inner.get_ref(), b"abcdefghij");
    });
}

#[test]
fn what_was_written_before_an_error_is_not_written_again() {
    run(async {
        let mut noted = Noted::new(b"").most(2);
        noted.fails_after = Some(1);
        let mut writer = BufWriter::with_capacity(8, noted);
        writer.write_all(b"abcdef").await.unwrap();
        writer.flush().await.unwrap_err();
        assert_eq!(writer.buffer(), b"cdef");
        writer.write_all(b"gh").await.unwrap();
        writer.flush().await.unwrap();
        assert_eq!(writer.get_ref().inner.get_ref(), b"abcdefgh");
    });
}

#[test]
fn a_writer_that_takes_no_more_is_an_error() {
    run(async {
        let mut writer =
            BufWriter::with_capacity(8, Cursor::new([0; 2].to_vec().into_boxed_slice()));
        writer.write_all(b"abc").await.unwrap();
        let error = writer.flush().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
        assert_eq!(writer.buffer(), b"c");
    });
}

fn slices<const N: usize>(parts: [&'static [u8]; N]) -> [IoSlice<'static>; N] {
    parts.map(IoSlice::new)
}

#[test]
fn several_buffers_go_together_if_the_writer_takes_several() {
    run(async {
        let mut noted = Noted::new(b"");
        noted.vectored = true;
        let mut writer = BufWriter::with_capacity(8, noted);
        assert!(writer.is_write_vectored());
        assert_eq!(writer.write_vectored(&[]).await.unwrap(), 0);
        assert_eq!(writer.write_vectored(&slices([b""])).await.unwrap(), 0);
        let done = writer.write_vectored(&slices([b"", b"ab", b"cde"])).await;
        assert_eq!(done.unwrap(), 5);
        assert_eq!(writer.buffer(), b"abcde");
        writer.get_mut().take_calls();
        // Too much for the room, but not for the buffer.
        let done = writer.write_vectored(&slices([b"fg", b"hi"])).await;
        assert_eq!((done.unwrap(), writer.buffer()), (4, &b"fghi"[..]));
        // Too much for the buffer.
        let done = writer.write_vectored(&slices([b"jkl", b"mnopqr"])).await;
        assert_eq!((done.unwrap(), writer.buffer()), (9, &b""[..]));
        let calls = writer.get_mut().take_calls();
        assert_eq!(calls, [("write", 5), ("write", 4), ("vectored", 9)]);
        assert_eq!(writer.get_ref().inner.get_ref(), b"abcdefghijklmnopqr");
    });
}

#[test]
fn buffers_that_fit_are_kept_if_the_writer_takes_one_at_a_time() {
    run(async {
        let mut writer = BufWriter::with_capacity(8, Noted::new(b""));
        assert!(writer.is_write_vectored());
        assert_eq!(writer.write_vectored(&[]).await.unwrap(), 0);
        assert_eq!(writer.write_vectored(&slices([b""])).await.unwrap(), 0);
        let done = writer.write_vectored(&slices([b"", b"ab", b"cde"])).await;
        assert_eq!((done.unwrap(), writer.buffer()), (5, &b"abcde"[..]));
        // All together are too much for the buffer, but not the first two.
        let done = writer
            .write_vectored(&slices([b"f", b"gh", b"ijklmnop"]))
            .await;
        assert_eq!((done.unwrap(), writer.buffer()), (3, &b"abcdefgh"[..]));
        assert_eq!(writer.get_mut().take_calls(), []);
        // The first one needs room, and makes some for the second.
        let done = writer
            .write_vectored(&slices([b"ij", b"klm", b"nopq"]))
            .await;
        assert_eq!((done.unwrap(), writer.buffer()), (5, &b"ijklm"[..]));
        assert_eq!(writer.get_mut().take_calls(), [("write", 8)]);
        // The first one is as large as the buffer.
        let done = writer.write_vectored(&slices([b"nopqrstu", b"v"])).await;
        assert_eq!((done.unwrap(), writer.buffer()), (8, &b""[..]));
        assert_eq!(writer.get_mut().take_calls(), [("write", 5), ("write", 8)]);
        assert_eq!(writer.get_ref().inner.get_ref(), b"abcdefghijklmnopqrstu");
    });
}

#[test]
fn without_capacity_each_write_goes_through() {
    run(async {
        let mut writer = BufWriter::with_capacity(0, Noted::new(b""));
        writer.write_all(b"a").await.unwrap();
        assert_eq!(writer.write(b"").await.unwrap(), 0);
        assert_eq!(
            writer.write_vectored(&[IoSlice::new(b"b")]).await.unwrap(),
            1
        );
        assert_eq!(writer.get_ref().inner.get_ref(), b"ab");
    });
}

#[test]
#[should_panic = "capacity must be greater than zero"]
fn a_reader_without_capacity_is_refused() {
    let _ = BufReader::with_capacity(0, io::empty());
}

#[test]
fn a_seek_writes_what_waits_or_is_none() {
    run(async {
        let mut writer = BufWriter::with_capacity(8, Noted::new(b"0123456789"));
        writer.write_all(b"ab").await.unwrap();
        let (_, waker) = CountWakes::new();
        let position = Pin::new(&mut writer).poll_complete(&mut Context::from_waker(&waker));
        assert!(matches!(position, Poll::Ready(Ok(2))));
        assert_eq!(writer.seek(SeekFrom::Current(3)).await.unwrap(), 5);
        writer.write_all(b"c").await.unwrap();
        assert_eq!(writer.seek(SeekFrom::Start(9)).await.unwrap(), 9);
        writer.write_all(b"d").await.unwrap();
        writer.get_mut().failing = 1;
        let error = writer.rewind().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        // It has not been rewound, also not by the flush.
        writer.flush().await.unwrap();
        assert_eq!(writer.get_ref().inner.get_ref(), b"ab234c678d");
        assert!(writer.seek(SeekFrom::End(-11)).await.is_err());
        assert_eq!(writer.stream_position().await.unwrap(), 10);
    });
}

#[test]
fn a_stream_reads_and_writes_through_its_buffers() {
    run(async {
        let mut stream = BufStream::with_capacity(4, 4, Noted::new(b"0123456789"));
        assert_eq!(stream.read_u8().await.unwrap(), b'0');
        stream.write_all(b"ab").await.unwrap();
        // What waits is written where the stream inside stands; then it goes back to where the reader was.
        assert_eq!(stream.seek(SeekFrom::Current(0)).await.unwrap(), 3);
        assert_eq!(stream.get_ref().inner.get_ref(), b"0123ab6789");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "3ab6789");
        stream.write_all(b"x").await.unwrap();
        assert!(stream.is_write_vectored());
        stream.shutdown().await.unwrap();
        assert_eq!(stream.into_inner().inner.into_inner(), b"0123ab6789x");
    });
}

#[test]
fn buffers_keep_what_they_hold_in_the_other_order() {
    run(async {
        let reader = BufReader::with_capacity(4, Noted::new(b"0123456789"));
        let mut writer = BufWriter::with_capacity(4, reader);
        assert_eq!(writer.read_u8().await.unwrap(), b'0');
        writer.write_all(b"ab").await.unwrap();
        let mut stream = BufStream::from(writer);
        assert_eq!(stream.fill_buf().await.unwrap(), b"123");
        stream.flush().await.unwrap();
        assert_eq!(stream.into_inner().inner.into_inner(), b"0123ab6789");
    });
}

#[test]
fn nothing_one_byte_and_nowhere() {
    within_limit(|| {
        block_on(async {
            let mut empty = io::empty();
            assert_eq!(empty.read(&mut [0; 4]).await.unwrap(), 0);
            assert_eq!(empty.fill_buf().await.unwrap(), b"");
            assert_eq!(empty.write(b"abc").await.unwrap(), 3);
            let two = [IoSlice::new(b"ab"), IoSlice::new(b"c")];
            assert_eq!(empty.write_vectored(&two).await.unwrap(), 3);
            assert_eq!(empty.seek(SeekFrom::Start(9)).await.unwrap(), 0);
            let mut sink = io::sink();
            assert_eq!(sink.write_vectored(&two).await.unwrap(), 3);
            sink.write_all(&[0; 10_000]).await.unwrap();
            sink.shutdown().await.unwrap();
            let mut read = Vec::with_capacity(5);
            io::repeat(b'x').read_buf(&mut read).await.unwrap();
            assert_eq!(read, vec![b'x'; read.capacity()]);
        });
        // They yield.
        let (woken, waker) = CountWakes::new();
        let endless = async {
            loop {
                io::repeat(0).read(&mut [0]).await.unwrap();
                io::sink().write(&[0]).await.unwrap();
                io::empty().fill_buf().await.unwrap();
            }
        };
        let mut endless = pin!(endless);
        let polled: Poll<()> =
            coop::budget(|| endless.as_mut().poll(&mut Context::from_waker(&waker)));
        assert!(polled.is_pending());
        assert_eq!(woken.get(), 1);
    });
}
