//! Readers and writers with a buffer, split and joined: as if there were none.

use std::future::Future;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use heist_reactor::io::{
    self, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite,
    AsyncWriteExt, BufReader, BufStream, BufWriter, ErrorKind, ReadBuf,
};
use heist_reactor::testing::{CountWakes, block_on, within_limit};
use heist_sync::coop;

/// Numbers that look random, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A file in memory that does less than it is asked for, and at times nothing for now.
struct Slow {
    file: Cursor<Vec<u8>>,
    dice: Dice,
}

impl Slow {
    fn new(bytes: Vec<u8>, seed: u64) -> Self {
        Self {
            file: Cursor::new(bytes),
            dice: Dice(seed),
        }
    }

    /// Whether this poll is for nothing.
    fn waits(&mut self, cx: &mut Context<'_>) -> bool {
        let waits = self.dice.below(3) == 0;
        if waits {
            cx.waker().wake_by_ref();
        }
        waits
    }

    fn some_of(&mut self, len: usize) -> usize {
        len.min(1 + self.dice.below(8) as usize)
    }
}

impl AsyncRead for Slow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.waits(cx) {
            return Poll::Pending;
        }
        let len = self.some_of(buf.remaining());
        let mut part = vec![0; len];
        let read = std::io::Read::read(&mut self.file, &mut part)?;
        buf.put_slice(&part[..read]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Slow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.waits(cx) {
            return Poll::Pending;
        }
        let len = self.some_of(buf.len());
        Pin::new(&mut self.file).poll_write(cx, &buf[..len])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.waits(cx) {
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for Slow {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.file).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if self.waits(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.file).poll_complete(cx)
    }
}

/// A file of std.
trait File: Read + Write + Seek {}

impl File for Cursor<Vec<u8>> {}

/// Does the same to both at random, and compares them.
async fn compare(stream: &mut BufStream<Slow>, plain: &mut dyn File, dice: &mut Dice) {
    for _ in 0..200 {
        match dice.below(4) {
            0 => {
                let mut ours = vec![0; dice.below(20) as usize];
                let len = plain.read(&mut ours.clone()).unwrap();
                plain.seek(SeekFrom::Current(-(len as i64))).unwrap();
                ours.truncate(len);
                let mut theirs = ours.clone();
                plain.read_exact(&mut theirs).unwrap();
                stream.read_exact(&mut ours).await.unwrap();
                assert_eq!(ours, theirs);
            }
            1 => {
                // What was read ahead has to be given up before something is written in its place.
                stream.seek(SeekFrom::Current(0)).await.unwrap();
                let bytes: Vec<_> = (0..=dice.below(20)).map(|byte| byte as u8).collect();
                plain.write_all(&bytes).unwrap();
                stream.write_all(&bytes).await.unwrap();
                stream.flush().await.unwrap();
            }
            2 => {
                let offset = dice.below(30) as i64 - 15;
                let ours = stream.seek(SeekFrom::Current(offset)).await;
                let theirs = plain.seek(SeekFrom::Current(offset));
                assert_eq!(ours.ok(), theirs.ok());
            }
            _ => assert_eq!(
                stream.stream_position().await.unwrap(),
                plain.stream_position().unwrap()
            ),
        }
    }
}

#[test]
fn a_buffered_stream_does_what_one_without_a_buffer_does() {
    within_limit(|| {
        block_on(async {
            for seed in 1..60 {
                let start: Vec<_> = (0..100).collect();
                let mut dice = Dice(seed);
                let slow = Slow::new(start.clone(), seed);
                let (reads, writes) = (dice.below(12) as usize + 1, dice.below(12) as usize + 1);
                let mut stream = BufStream::with_capacity(reads, writes, slow);
                let mut plain = Cursor::new(start);
                compare(&mut stream, &mut plain, &mut dice).await;
                let file = stream.into_inner().file;
                assert_eq!(file.get_ref(), plain.get_ref(), "seed {seed}");
            }
        });
    });
}

#[test]
fn a_reader_takes_what_is_buffered_first_and_large_reads_go_past_it() {
    block_on(async {
        let mut reader = BufReader::with_capacity(4, &b"0123456789"[..]);
        let mut two = [0; 2];
        reader.read_exact(&mut two).await.unwrap();
        assert_eq!((&two, reader.buffer()), (b"01", &b"23"[..]));
        let mut many = [0; 6];
        assert_eq!(reader.read(&mut many).await.unwrap(), 2);
        assert_eq!(reader.read(&mut many).await.unwrap(), 6);
        assert!(reader.buffer().is_empty());
        assert_eq!(&many, b"456789");
        // Consuming more than there is takes what there is.
        let mut reader = BufReader::with_capacity(4, &b"0123456789"[..]);
        reader.fill_buf().await.unwrap();
        reader.consume(100);
        assert_eq!(reader.fill_buf().await.unwrap(), b"4567");
    });
}

#[test]
fn a_writer_keeps_the_order_of_what_is_written() {
    within_limit(|| {
        block_on(async {
            for seed in 1..60 {
                let mut dice = Dice(seed);
                let mut writer =
                    BufWriter::with_capacity(dice.below(10) as usize, Slow::new(Vec::new(), seed));
                let mut expected = Vec::new();
                for _ in 0..100 {
                    let parts: Vec<Vec<u8>> = (0..dice.below(4))
                        .map(|part| vec![part as u8; dice.below(6) as usize])
                        .collect();
                    let slices: Vec<_> = parts.iter().map(|p| std::io::IoSlice::new(p)).collect();
                    let written = writer.write_vectored(&slices).await.unwrap();
                    expected.extend(parts.concat().into_iter().take(written));
                }
                writer.shutdown().await.unwrap();
                assert!(writer.buffer().is_empty());
                assert_eq!(writer.get_ref().file.get_ref(), &expected);
            }
        });
    });
}

#[test]
fn a_writer_that_takes_no_more_is_an_error_and_nothing_is_lost() {
    block_on(async {
        let mut room = [0; 3];
        let mut writer = BufWriter::with_capacity(8, Cursor::new(&mut room[..]));
        writer.write_all(b"abcde").await.unwrap();
        let error = writer.flush().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
        assert_eq!(writer.buffer(), b"de");
    });
}

#[test]
fn a_seek_further_than_a_number_goes_is_done_in_two() {
    block_on(async {
        let mut reader = BufReader::with_capacity(8, Cursor::new(vec![0; 16]));
        reader.read_u8().await.unwrap();
        // From the reader's place that is more than an i64 can say.
        let error = reader.seek(SeekFrom::Current(i64::MIN)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(reader.stream_position().await.unwrap(), 1);
    });
}

#[test]
fn the_halves_of_a_stream_are_put_together_again() {
    block_on(async {
        let (reader, mut writer) = io::split(io::join(&b"abc"[..], Vec::new()));
        let (other, _other_writer) = io::split(io::join(&b"abc"[..], Vec::<u8>::new()));
        assert!(reader.is_pair_of(&writer) && !other.is_pair_of(&writer));
        writer.write_all(b"x").await.unwrap();
        let (left, written) = reader.unsplit(writer).into_inner();
        assert_eq!((left, &*written), (&b"abc"[..], &b"x"[..]));
    });
}

#[test]
#[should_panic = "halves of different streams"]
fn halves_of_different_streams_are_not() {
    let stream = || io::join(&b""[..], Vec::<u8>::new());
    let (reader, _writer) = io::split(stream());
    let (_reader, writer) = io::split(stream());
    reader.unsplit(writer);
}

#[test]
fn what_never_waits_yields() {
    fn yields(mut step: impl AsyncFnMut()) {
        let (_, waker) = CountWakes::new();
        let mut endless = pin!(async {
            loop {
                step().await;
            }
        });
        let mut poll = || endless.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(coop::budget(&mut poll).is_pending());
    }
    within_limit(|| {
        yields(async || drop(io::empty().read(&mut [0]).await));
        yields(async || drop(io::repeat(0).read(&mut [0]).await));
        yields(async || drop(io::sink().write(&[0]).await));
        yields(async || drop(io::empty().flush().await));
    });
}
