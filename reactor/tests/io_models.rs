//! Random mixes of operations on streams: the same as a plain model does, and the same as tokio does.

use std::collections::VecDeque;
use std::io::{Cursor, ErrorKind, IoSlice, SeekFrom};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use heist_reactor::io::{
    self, AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex,
};
use heist_reactor::testing::CountWakes;
use proptest::collection::vec;
use proptest::prelude::*;

fn cases() -> ProptestConfig {
    let default = if cfg!(miri) { 8 } else { 500 };
    let cases = std::env::var("HEIST_PROPTEST_CASES")
        .map_or(default, |text| text.parse().expect("a number of cases"));
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// Polls once.
fn poll_with<T>(waker: &Waker, future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

/// What is always ready.
fn now<T>(future: impl Future<Output = T>) -> T {
    match poll_with(Waker::noop(), future) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a stream in memory never waits"),
    }
}

/// What is done to a buffered stream.
#[derive(Debug, Clone)]
enum Step {
    Read(usize),
    ReadExact(usize),
    /// Fill the buffer, and take so many bytes of it.
    Consume(usize),
    Write(Vec<u8>),
    WriteAll(Vec<u8>),
    WriteVectored(Vec<Vec<u8>>),
    Seek(SeekFrom),
    Position,
    Flush,
    Shutdown,
    /// Make a `BufStream` of the reader round the writer, and back, the other way round.
    Rebuild,
}

/// What came of it: bytes, or a number, or an error.
type Outcome = Result<(Vec<u8>, u64), ErrorKind>;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = || vec(any::<u8>(), 0..12);
    let position = prop_oneof![
        (0..40_u64).prop_map(SeekFrom::Start),
        (-20..20_i64).prop_map(SeekFrom::Current),
        (-40..5_i64).prop_map(SeekFrom::End),
        Just(SeekFrom::Current(i64::MIN)),
    ];
    let step = prop_oneof![
        (0..12_usize).prop_map(Step::Read),
        (0..12_usize).prop_map(Step::ReadExact),
        (0..12_usize).prop_map(Step::Consume),
        bytes().prop_map(Step::Write),
        bytes().prop_map(Step::WriteAll),
        vec(bytes(), 0..4).prop_map(Step::WriteVectored),
        position.prop_map(Step::Seek),
        Just(Step::Position),
        Just(Step::Flush),
        Just(Step::Shutdown),
        Just(Step::Rebuild),
    ];
    vec(step, 0..40)
}

/// What the steps give on the `BufStream` of that crate, and what the file holds in the end.
macro_rules! outcomes {
    ($($io:ident)::+, $steps:expr, $reads:expr, $writes:expr) => {{
        use $($io)::+::{
            AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufStream, BufWriter,
        };
        let file = Cursor::new((0..30).collect::<Vec<u8>>());
        let reader = BufReader::with_capacity($reads, file);
        let mut stream = BufStream::from(BufWriter::with_capacity($writes, reader));
        let mut outcomes: Vec<Outcome> = Vec::new();
        for step in $steps {
            let mut bytes = Vec::new();
            let done = match step {
                Step::Read(len) => {
                    bytes.resize(*len, 0);
                    now(stream.read(&mut bytes)).map(|len| len as u64)
                }
                Step::ReadExact(len) => {
                    bytes.resize(*len, 0);
                    now(stream.read_exact(&mut bytes)).map(|len| len as u64)
                }
                Step::Consume(len) => now(stream.fill_buf()).map(|filled| {
                    bytes.extend_from_slice(filled);
                    (*len).min(filled.len())
                }).map(|len| {
                    stream.consume(len);
                    len as u64
                }),
                Step::Write(bytes) => now(stream.write(bytes)).map(|len| len as u64),
                Step::WriteAll(bytes) => now(stream.write_all(bytes)).map(|()| 0),
                Step::WriteVectored(parts) => {
                    let parts: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
                    now(stream.write_vectored(&parts)).map(|len| len as u64)
                }
                Step::Seek(position) => now(stream.seek(*position)),
                Step::Position => now(stream.stream_position()),
                Step::Flush => now(stream.flush()).map(|()| 0),
                Step::Shutdown => now(stream.shutdown()).map(|()| 0),
                Step::Rebuild => {
                    now(stream.flush()).unwrap();
                    let file = stream.into_inner();
                    let writer = BufWriter::with_capacity($writes, file);
                    stream = BufStream::from(BufReader::with_capacity($reads, writer));
                    Ok(0)
                }
            };
            outcomes.push(done.map(|len| (bytes, len)).map_err(|error| error.kind()));
        }
        now(stream.flush()).unwrap();
        (outcomes, stream.into_inner())
    }};
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_buffered_stream_does_what_that_of_tokio_does(
        steps in steps(),
        reads in 1..10_usize,
        writes in 0..10_usize,
    ) {
        let ours = outcomes!(heist_reactor::io, &steps, reads, writes);
        let theirs = outcomes!(tokio::io, &steps, reads, writes);
        prop_assert_eq!(ours, theirs);
    }
}

/// What is done at one end of a duplex stream.
#[derive(Debug, Clone)]
enum Move {
    Read(usize),
    Write(Vec<u8>),
    WriteVectored(Vec<Vec<u8>>),
    Flush,
    Shutdown,
    Drop,
}

fn moves() -> impl Strategy<Value = Vec<(usize, Move)>> {
    let bytes = || vec(any::<u8>(), 0..6);
    let kind = prop_oneof![
        8 => (0..8_usize).prop_map(Move::Read),
        4 => bytes().prop_map(Move::Write),
        4 => vec(bytes(), 0..3).prop_map(Move::WriteVectored),
        1 => Just(Move::Flush),
        1 => Just(Move::Shutdown),
        1 => Just(Move::Drop),
    ];
    vec((0..2_usize, kind), 0..60)
}

/// One direction, as simple as it can be.
#[derive(Debug, Default)]
struct Plain {
    bytes: VecDeque<u8>,
    closed: bool,
}

impl Plain {
    fn read(&mut self, len: usize) -> Poll<Outcome> {
        if self.bytes.is_empty() && !self.closed && len > 0 {
            return Poll::Pending;
        }
        let len = len.min(self.bytes.len());
        Poll::Ready(Ok((self.bytes.drain(..len).collect(), len as u64)))
    }

    fn write(&mut self, bytes: &[u8], most: usize) -> Poll<Outcome> {
        if self.closed {
            return Poll::Ready(Err(ErrorKind::BrokenPipe));
        }
        let len = bytes.len().min(most - self.bytes.len());
        if len == 0 && !bytes.is_empty() {
            return Poll::Pending;
        }
        self.bytes.extend(&bytes[..len]);
        Poll::Ready(Ok((Vec::new(), len as u64)))
    }
}

/// Does a move at a stream of either crate that is whole, or in `$read` and `$write`.
macro_rules! do_move {
    ($move:expr, $waker:expr, $read:expr, $write:expr) => {{
        let mut bytes = Vec::new();
        let done = match $move {
            Move::Read(len) => {
                bytes.resize(*len, 0);
                let read = poll_with($waker, $read.read(&mut bytes));
                read.map_ok(|len| {
                    bytes.truncate(len);
                    len as u64
                })
            }
            Move::Write(bytes) => poll_with($waker, $write.write(bytes)).map_ok(|len| len as u64),
            Move::WriteVectored(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
                poll_with($waker, $write.write_vectored(&parts)).map_ok(|len| len as u64)
            }
            Move::Flush => poll_with($waker, $write.flush()).map_ok(|()| 0),
            Move::Shutdown => poll_with($waker, $write.shutdown()).map_ok(|()| 0),
            Move::Drop => unreachable!("that is done elsewhere"),
        };
        done.map(|done| done.map(|len| (bytes, len)).map_err(|error| error.kind()))
    }};
}

/// One end: whole, or split.
enum End {
    Whole(DuplexStream),
    Split(ReadHalf<DuplexStream>, WriteHalf<DuplexStream>),
}

/// Who waits for what, and how often he had been woken before.
struct Waits {
    count: Arc<CountWakes>,
    waker: Waker,
    since: Option<usize>,
}

impl Waits {
    fn new() -> Self {
        let (count, waker) = CountWakes::new();
        Self {
            count,
            waker,
            since: None,
        }
    }

    /// If this could go on now, it must have been woken.
    fn check(&mut self, can_go_on: bool) {
        if let Some(since) = self.since.filter(|_| can_go_on) {
            assert!(
                self.count.get() > since,
                "it could go on, and nobody tells it"
            );
            self.since = None;
        }
    }
}

fn compare_duplex(moves: &[(usize, Move)], most: usize) {
    let (one, other) = duplex(most);
    let (read, write) = io::split(other);
    let mut ends = [Some(End::Whole(one)), Some(End::Split(read, write))];
    let (one, other) = tokio::io::duplex(most);
    let mut theirs = [Some(one), Some(other)];
    // What each end writes.
    let mut plain = [Plain::default(), Plain::default()];
    // Each end's reader and writer.
    let mut waits: [[Waits; 2]; 2] = std::array::from_fn(|_| [Waits::new(), Waits::new()]);
    for (at, step) in moves {
        let at = *at;
        if matches!(step, Move::Drop) {
            if ends[at].take().is_some() {
                plain.iter_mut().for_each(|way| way.closed = true);
                waits[at].iter_mut().for_each(|waits| waits.since = None);
            }
            theirs[at] = None;
        }
        if let (Some(end), Some(their)) = (&mut ends[at], &mut theirs[at]) {
            let expected = match step {
                Move::Read(len) => plain[1 - at].read(*len),
                Move::Write(bytes) => plain[at].write(bytes, most),
                Move::WriteVectored(parts) => plain[at].write(&parts.concat(), most),
                _ => Poll::Ready(Ok((Vec::new(), 0))),
            };
            if matches!(step, Move::Shutdown) {
                plain[at].closed = true;
            }
            let waits = &mut waits[at][usize::from(!matches!(step, Move::Read(_)))];
            let got = match end {
                End::Whole(end) => do_move!(step, &waits.waker, end, end),
                End::Split(read, write) => do_move!(step, &waits.waker, read, write),
            };
            assert_eq!(got, expected);
            if got.is_pending() {
                waits.since = Some(waits.count.get());
            }
            let tokio_got = {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                do_move!(step, Waker::noop(), their, their)
            };
            assert_eq!(tokio_got, expected);
        }
        for (at, [reader, writer]) in waits.iter_mut().enumerate() {
            let (to_read, to_write) = (&plain[1 - at], &plain[at]);
            reader.check(to_read.closed || !to_read.bytes.is_empty());
            writer.check(to_write.closed || to_write.bytes.len() < most);
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_duplex_stream_does_what_two_queues_do_and_what_tokios_does(
        moves in moves(),
        most in 1..9_usize,
    ) {
        compare_duplex(&moves, most);
    }
}
