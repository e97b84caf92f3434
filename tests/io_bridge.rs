//! `io::SyncIoBridge`.

use std::io::{BufRead, Cursor, IoSlice, Read, Seek, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use heist::io::{
    AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, ErrorKind, ReadBuf, SeekFrom, SyncIoBridge,
    duplex,
};
use heist::runtime::{Builder, Handle, Runtime};
use heist::{task, time};
use heist_reactor::testing::within_limit;

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().build().unwrap(),
        Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap(),
    ]
}

#[test]
fn blocking_code_reads_and_writes_a_stream_of_tasks() {
    within_limit(|| {
        for runtime in runtimes() {
            runtime.block_on(async {
                let (mut one, other) = duplex(4);
                let mut bridge = SyncIoBridge::new(BufReader::new(other));
                assert!(bridge.is_write_vectored());
                let blocking = task::spawn_blocking(move || {
                    let mut line = String::new();
                    bridge.read_line(&mut line).unwrap();
                    assert_eq!(line, "a long line\n");
                    let mut part = Vec::new();
                    bridge.read_until(b',', &mut part).unwrap();
                    assert_eq!(part, b"part,");
                    let mut four = [0; 4];
                    bridge.read_exact(&mut four).unwrap();
                    assert_eq!(&four, b"four");
                    assert_eq!(bridge.fill_buf().unwrap()[0], b'x');
                    bridge.consume(1);
                    let mut rest = String::new();
                    bridge.read_to_string(&mut rest).unwrap();
                    assert_eq!(rest, "rest");
                    assert_eq!(bridge.read(&mut four).unwrap(), 0);
                    bridge.write_all(b"an answer, ").unwrap();
                    let both = [IoSlice::new(b"in "), IoSlice::new(b"parts")];
                    let done = bridge.write_vectored(&both).unwrap();
                    bridge.write_all(&b"in parts"[done..]).unwrap();
                    bridge.flush().unwrap();
                    bridge.shutdown().unwrap();
                    let error = bridge.write(b"x").unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
                });
                one.write_all(b"a long line\npart,fourxrest").await.unwrap();
                one.shutdown().await.unwrap();
                let mut answer = String::new();
                one.read_to_string(&mut answer).await.unwrap();
                assert_eq!(answer, "an answer, in parts");
                blocking.await.unwrap();
            });
        }
    });
}

#[test]
fn it_seeks_and_gives_the_stream_back() {
    within_limit(|| {
        let mut bridge = SyncIoBridge::new(Cursor::new(b"abc".to_vec()));
        assert_eq!(bridge.seek(SeekFrom::End(-1)).unwrap(), 2);
        bridge.write_all(b"xy").unwrap();
        assert_eq!(bridge.as_ref().position(), 4);
        bridge.as_mut().set_position(1);
        let mut rest = Vec::new();
        assert_eq!(bridge.read_to_end(&mut rest).unwrap(), 3);
        assert_eq!(rest, b"bxy");
        assert_eq!(bridge.into_inner().into_inner(), b"abxy");
    });
}

/// Reads one byte, from a task that it spawns in the runtime that it is polled in.
struct Spawns(Option<task::JoinHandle<u8>>);

impl AsyncRead for Spawns {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<heist::io::Result<()>> {
        let task = self.0.get_or_insert_with(|| {
            heist::spawn(async {
                time::sleep(Duration::from_millis(1)).await;
                7
            })
        });
        let byte = std::task::ready!(Pin::new(task).poll(cx)).unwrap();
        buf.put_slice(&[byte]);
        Poll::Ready(Ok(()))
    }
}

#[test]
fn the_stream_is_polled_inside_its_runtime() {
    within_limit(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        // Made inside, used outside.
        let mut inside = runtime.block_on(async { SyncIoBridge::new(Spawns(None)) });
        let mut byte = [0];
        inside.read_exact(&mut byte).unwrap();
        // Made outside.
        let handle = runtime.handle().clone();
        let bridge = SyncIoBridge::new_with_handle(Spawns(None), handle);
        let using = thread::spawn(move || {
            let mut bridge = bridge;
            bridge.read_exact(&mut byte).unwrap();
            assert!(Handle::try_current().is_err());
            byte
        });
        assert_eq!(using.join().unwrap(), [7]);
    });
}

#[test]
fn in_a_task_it_leaves_the_worker_to_others() {
    within_limit(|| {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut one, other) = duplex(4);
            let reading = heist::spawn(async move {
                let mut all = String::new();
                SyncIoBridge::new(other).read_to_string(&mut all).unwrap();
                all
            });
            let writing = heist::spawn(async move {
                one.write_all(b"by the same worker").await.unwrap();
            });
            assert_eq!(reading.await.unwrap(), "by the same worker");
            writing.await.unwrap();
        });
    });
}
