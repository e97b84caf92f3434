//! Files, as their users see them.

use std::fs as std_fs;
use std::future::Future;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use heist_reactor::blocking;
use heist_reactor::fs::{self, DirBuilder, File, OpenOptions};
use heist_reactor::io::{
    AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt, ReadBuf,
};
use heist_reactor::testing::{block_on, within_limit};
use heist_reactor::{Config, Reactor};
use heist_sync::coop;
use proptest::prelude::*;
use tempfile::TempDir;

#[cfg(unix)]
#[path = "fs/unix.rs"]
mod unix;

/// Runs a test in a folder of its own.
fn run(test: impl AsyncFnOnce(&Path) + Send + 'static) {
    within_limit(|| {
        let folder = TempDir::new().expect("a folder");
        block_on(test(folder.path()));
    });
}

/// Runs a test in a folder and a reactor of its own. Its pool has so many threads.
fn run_with_pool(threads: usize, test: impl FnOnce(&Reactor, &Path) + Send + 'static) {
    within_limit(move || {
        let config = Config {
            max_blocking_threads: threads,
            ..Config::default()
        };
        let reactor = Reactor::new(config).expect("a poller");
        let folder = TempDir::new().expect("a folder");
        let entered = reactor.enter();
        test(&reactor, folder.path());
        drop(entered);
        reactor.pool().shutdown();
        assert!(reactor.pool().join(None));
    });
}

/// Occupies a thread of the pool until the sender is dropped. Returns once it is occupied.
fn occupy(reactor: &Reactor) -> mpsc::Sender<()> {
    let (begun, begins) = mpsc::channel();
    let (end, ends) = mpsc::channel::<()>();
    let job = Box::new(move || {
        begun.send(()).expect("the test waits");
        let _ = ends.recv();
    });
    reactor.pool().submit(job).expect("it is open");
    begins.recv().expect("the job runs");
    end
}

/// Polls a future once and drops it. What a thread of the pool does for it may be done by then, or not.
fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A file for reading and writing that never reads at once, and the clone that sees to that.
async fn on_the_pool(path: &Path) -> (File, File) {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    let file = options.open(path).await.expect("it opens");
    let clone = file.try_clone().await.expect("it is cloned");
    (file, clone)
}

#[derive(Debug, Clone)]
enum Step {
    Read(usize),
    /// Polled once, then dropped.
    GiveUpRead(usize),
    Write(Vec<u8>),
    GiveUpWrite(Vec<u8>),
    Seek(SeekFrom),
    GiveUpSeek(SeekFrom),
    SetLen(u64),
    Flush,
    Clone,
}

fn step() -> impl Strategy<Value = Step> {
    let position = prop_oneof![
        (0..6_000u64).prop_map(SeekFrom::Start),
        (-6_000..600i64).prop_map(SeekFrom::End),
        (-3_000..3_000i64).prop_map(SeekFrom::Current),
        Just(SeekFrom::Current(i64::MIN)),
        Just(SeekFrom::Current(0)),
    ];
    let bytes = proptest::collection::vec(any::<u8>(), 0..2_000);
    prop_oneof![
        4 => (0..3_000usize).prop_map(Step::Read),
        3 => (0..3_000usize).prop_map(Step::GiveUpRead),
        3 => bytes.clone().prop_map(Step::Write),
        1 => bytes.prop_map(Step::GiveUpWrite),
        3 => position.clone().prop_map(Step::Seek),
        1 => position.prop_map(Step::GiveUpSeek),
        1 => (0..6_000u64).prop_map(Step::SetLen),
        1 => Just(Step::Flush),
        1 => Just(Step::Clone),
    ]
}

/// Does what one of heist's files has read on one of std's.
fn same_read(std: &mut std_fs::File, asked: usize, read: &[u8]) {
    let mut expected = vec![0; read.len()];
    std.read_exact(&mut expected).expect("as much is there");
    assert_eq!(read, expected);
    if read.is_empty() && asked > 0 {
        assert_eq!(std.read(&mut [0]).expect("a read"), 0, "it is the end");
    }
}

/// Does one step with both files, and compares.
async fn do_step(step: Step, ours: &mut File, std: &mut std_fs::File) {
    match step {
        Step::Read(len) => {
            let mut buffer = vec![0; len];
            let done = ours.read(&mut buffer).await.expect("a read");
            same_read(std, len, &buffer[..done]);
        }
        Step::GiveUpRead(len) => {
            let mut buffer = vec![0; len];
            let done = poll_once(ours.read(&mut buffer)).map(|done| done.expect("a read"));
            // What is pending is still to be read.
            if let Poll::Ready(done) = done {
                same_read(std, len, &buffer[..done]);
            }
        }
        Step::Write(bytes) => {
            ours.write_all(&bytes).await.expect("a write");
            std.write_all(&bytes).expect("a write");
        }
        Step::GiveUpWrite(bytes) => {
            if let Poll::Ready(done) = poll_once(ours.write(&bytes)) {
                std.write_all(&bytes[..done.expect("a write")])
                    .expect("a write");
            }
        }
        Step::Seek(position) => {
            let reached = ours.seek(position).await;
            match std.seek(position) {
                Ok(expected) => assert_eq!(reached.expect("a seek"), expected),
                Err(error) => assert_eq!(reached.unwrap_err().kind(), error.kind()),
            }
        }
        Step::GiveUpSeek(position) => {
            let given_up = poll_once(ours.seek(position));
            // It has taken place or not. If it has failed, the next seek says so.
            let reached = match ours.stream_position().await {
                Ok(reached) => reached,
                Err(_) => ours.stream_position().await.expect("a position"),
            };
            let before = std.stream_position().expect("a position");
            let expected = std.seek(position).unwrap_or(before);
            assert!(reached == expected || given_up.is_pending() && reached == before);
            std.seek(SeekFrom::Start(reached)).expect("a seek");
        }
        Step::SetLen(len) => {
            ours.set_len(len).await.expect("a length");
            std.set_len(len).expect("a length");
        }
        Step::Flush => ours.flush().await.expect("a flush"),
        Step::Clone => {
            let mut clone = ours.try_clone().await.expect("a clone");
            let position = clone.stream_position().await.expect("a position");
            assert_eq!(position, std.stream_position().expect("a position"));
        }
    }
}

fn compare(steps: Vec<Step>, append: bool, most: usize) {
    let folder = TempDir::new().expect("a folder");
    let paths = [folder.path().join("ours"), folder.path().join("std")];
    let mut options = std_fs::OpenOptions::new();
    options.read(true).create(true).append(append).write(true);
    let mut std = options.open(&paths[1]).expect("it opens");
    block_on(async {
        let opened = OpenOptions::from(options).open(&paths[0]).await;
        let mut ours = opened.expect("it opens");
        ours.set_max_buf_size(most);
        for step in steps {
            do_step(step, &mut ours, &mut std).await;
        }
        ours.flush().await.expect("a flush");
        let position = ours.stream_position().await.expect("a position");
        assert_eq!(position, std.stream_position().expect("a position"));
        let mut back = ours.into_std().await;
        assert_eq!(back.stream_position().expect("a position"), position);
    });
    let [ours, std] = paths.map(|path| std_fs::read(path).expect("it is there"));
    assert_eq!(ours, std);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_does_what_one_of_std_does(
        steps in proptest::collection::vec(step(), 1..40),
        append: bool,
        most in prop_oneof![Just(2 << 20), 1..2_000usize],
    ) {
        within_limit(move || compare(steps, append, most));
    }
}

#[test]
fn what_is_appended_comes_at_the_end() {
    run(async |folder| {
        let path = folder.join("log");
        std_fs::write(&path, "one ").unwrap();
        let mut options = OpenOptions::new();
        let mut log = options.read(true).append(true).open(&path).await.unwrap();
        let mut other = options.open(&path).await.unwrap();
        log.write_all(b"two ").await.unwrap();
        log.flush().await.unwrap();
        other.write_all(b"three ").await.unwrap();
        other.flush().await.unwrap();
        log.rewind().await.unwrap();
        let mut start = [0; 4];
        log.read_exact(&mut start).await.unwrap();
        log.write_all(b"four").await.unwrap();
        log.flush().await.unwrap();
        assert_eq!(&start, b"one ");
        assert_eq!(std_fs::read(&path).unwrap(), b"one two three four");
    });
}

#[test]
fn clones_share_their_position() {
    run(async |folder| {
        let path = folder.join("bytes");
        std_fs::write(&path, "0123456789").unwrap();
        let mut first = File::open(&path).await.unwrap();
        let mut two = [0; 2];
        first.read_exact(&mut two).await.unwrap();
        let mut second = first.try_clone().await.unwrap();
        second.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"23");
        first.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"45");
        second.seek(SeekFrom::Start(8)).await.unwrap();
        first.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"89");
    });
}

#[test]
fn a_file_that_is_cut_off_ends_early_and_goes_on_when_it_grows() {
    run(async |folder| {
        let path = folder.join("bytes");
        for on_the_pool_only in [false, true] {
            std_fs::write(&path, [7; 300_000]).unwrap();
            let mut file = File::open(&path).await.unwrap();
            let _clone = match on_the_pool_only {
                true => Some(file.try_clone().await.unwrap()),
                false => None,
            };
            let mut start = [0; 100_000];
            file.read_exact(&mut start).await.unwrap();
            let other = OpenOptions::new().write(true).open(&path).await.unwrap();
            other.set_len(150_000).await.unwrap();
            let mut rest = Vec::new();
            file.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest.len(), 50_000);
            other.set_len(100).await.unwrap();
            assert_eq!(file.read(&mut start).await.unwrap(), 0);
            other.set_len(150_010).await.unwrap();
            rest.clear();
            file.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, [0; 10]);
        }
    });
}

#[test]
fn a_read_that_was_given_up_loses_nothing() {
    run_with_pool(1, |reactor, folder| {
        let path = folder.join("bytes");
        std_fs::write(&path, "0123456789").unwrap();
        let give_up_read = |file: &mut File| {
            let _busy = occupy(reactor);
            assert!(poll_once(file.read(&mut [0; 8])).is_pending());
        };
        block_on(async {
            let (mut file, _clone) = on_the_pool(&path).await;
            give_up_read(&mut file);
            let mut three = [0; 3];
            file.read_exact(&mut three).await.unwrap();
            assert_eq!(&three, b"012");
            // What was read and not taken is overwritten where the reader is.
            file.write_all(b"x").await.unwrap();
            file.read_exact(&mut three).await.unwrap();
            assert_eq!(&three, b"456");
            give_up_read(&mut file);
            assert_eq!(file.stream_position().await.unwrap(), 7);
            give_up_read(&mut file);
            let mut std = file.into_std().await;
            assert_eq!(std.stream_position().unwrap(), 7);
            assert_eq!(std_fs::read(&path).unwrap(), b"012x456789");
        });
    });
}

#[test]
fn nothing_that_was_written_is_lost_when_the_file_is_dropped() {
    run_with_pool(1, |reactor, folder| {
        for round in 0..100 {
            let path = folder.join(round.to_string());
            let busy = block_on(async {
                let mut file = File::create(&path).await.unwrap();
                let busy = occupy(reactor);
                assert_eq!(file.write(b"data").await.unwrap(), 4);
                busy
            });
            drop(busy);
            // The one thread does jobs in their order.
            block_on(blocking::spawn(|| ())).unwrap();
            assert_eq!(std_fs::read(&path).unwrap(), b"data");
        }
    });
}

#[test]
fn nothing_that_was_written_is_lost_when_the_pool_shuts_down() {
    for _ in 0..20 {
        run_with_pool(1, |reactor, folder| {
            let path = folder.join("file");
            let mut file = block_on(File::create(&path)).unwrap();
            let busy = occupy(reactor);
            assert_eq!(block_on(file.write(b"data")).unwrap(), 4);
            reactor.pool().shutdown();
            drop(busy);
            block_on(file.flush()).unwrap();
            assert_eq!(std_fs::read(&path).unwrap(), b"data");
            // Nothing is promised any more.
            block_on(file.write(b"more")).unwrap_err();
            drop(file);
            assert!(reactor.pool().join(None));
            assert_eq!(std_fs::read(&path).unwrap(), b"data");
        });
    }
}

#[test]
fn nothing_that_was_written_is_lost_when_the_runtime_is_dropped() {
    use heist::runtime::Builder;
    within_limit(|| {
        let folder = TempDir::new().unwrap();
        for round in 0..200 {
            let path = folder.path().join(round.to_string());
            let mut builder = match round % 2 {
                0 => Builder::new_current_thread(),
                _ => Builder::new_multi_thread(),
            };
            let runtime = builder.max_blocking_threads(1).build().unwrap();
            runtime.block_on(async {
                let mut file = File::create(&path).await.unwrap();
                file.write(b"data").await.unwrap();
            });
            drop(runtime);
            assert_eq!(std_fs::read(&path).unwrap(), b"data");
        }
    });
}

#[test]
fn operations_fail_once_the_pool_has_shut_down() {
    run_with_pool(1, |reactor, folder| {
        let path = folder.join("file");
        std_fs::write(&path, "data").unwrap();
        let (mut file, clone) = block_on(on_the_pool(&path));
        let mut entries = block_on(fs::read_dir(folder)).unwrap();
        reactor.pool().shutdown();
        block_on(async {
            for _ in 0..2 {
                file.read(&mut [0; 4]).await.unwrap_err();
                file.write(b"more").await.unwrap_err();
                file.seek(SeekFrom::End(0)).await.unwrap_err();
                file.set_len(1).await.unwrap_err();
                file.sync_all().await.unwrap_err();
                file.metadata().await.unwrap_err();
                file.try_clone().await.unwrap_err();
                fs::read(&path).await.unwrap_err();
                File::open(&path).await.unwrap_err();
                fs::read_dir(folder).await.unwrap_err();
            }
            assert!(entries.next_entry().await.unwrap().is_some());
            assert!(entries.next_entry().await.unwrap().is_none());
            drop(clone);
            let mut std = file.into_std().await;
            let mut data = String::new();
            std.read_to_string(&mut data).unwrap();
            assert_eq!(data, "data");
        });
    });
}

#[test]
fn what_was_read_ahead_is_still_there_after_the_pool_has_refused_a_job() {
    for what in 0..4 {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        std_fs::write(&path, "abcdef").unwrap();
        let one_thread = Config {
            max_blocking_threads: 1,
            ..Config::default()
        };
        let reactor = Reactor::new(one_thread).unwrap();
        let entered = reactor.enter();
        let mut file = block_on(async {
            let (mut file, _clone) = on_the_pool(&path).await;
            let occupied = occupy(&reactor);
            assert!(poll_once(file.read(&mut [0; 3])).is_pending());
            drop(occupied);
            // This brings the bytes home.
            file.read(&mut []).await.unwrap();
            reactor.pool().shutdown();
            match what {
                0 => drop(file.write(b"x").await.unwrap_err()),
                1 => drop(file.stream_position().await.unwrap_err()),
                2 => drop(file.set_len(1).await.unwrap_err()),
                _ => drop(file.try_clone().await.unwrap_err()),
            }
            file
        });
        drop(entered);
        // In another runtime it goes on.
        let mut all = String::new();
        block_on(file.read_to_string(&mut all)).unwrap();
        assert_eq!(all, "abcdef");
    }
}

#[test]
fn an_error_of_a_write_comes_with_the_next_write_or_flush() {
    run(async |folder| {
        let path = folder.join("file");
        std_fs::write(&path, "data").unwrap();
        let mut file = File::open(&path).await.unwrap();
        file.write_all(b"x").await.unwrap();
        file.flush().await.unwrap_err();
        file.flush().await.unwrap();
        file.write_all(b"x").await.unwrap();
        file.write_all(b"x").await.unwrap_err();
        file.flush().await.unwrap();
        // Others keep it for them.
        file.write_all(b"x").await.unwrap();
        file.seek(SeekFrom::Start(1)).await.unwrap();
        let mut rest = String::new();
        file.read_to_string(&mut rest).await.unwrap();
        file.sync_all().await.unwrap();
        assert_eq!(rest, "ata");
        file.flush().await.unwrap_err();
        file.shutdown().await.unwrap();
    });
}

#[test]
fn errors_are_those_of_the_system() {
    run(async |folder| {
        let missing = folder.join("missing");
        let kind = |error: io::Error| error.kind();
        for error in [
            File::open(&missing).await.unwrap_err(),
            fs::read(&missing).await.unwrap_err(),
            fs::metadata(&missing).await.unwrap_err(),
            fs::read_dir(&missing).await.unwrap_err(),
            fs::remove_file(&missing).await.unwrap_err(),
            fs::remove_dir_all(&missing).await.unwrap_err(),
            fs::create_dir(missing.join("below")).await.unwrap_err(),
            fs::canonicalize(&missing).await.unwrap_err(),
            fs::rename(&missing, folder.join("to")).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
        let file = folder.join("file");
        File::create_new(&file).await.unwrap();
        let again = File::create_new(&file).await.map_err(kind).unwrap_err();
        assert_eq!(again, ErrorKind::AlreadyExists);
        let neither = OpenOptions::new().open(&file).await.map_err(kind);
        assert_eq!(neither.unwrap_err(), ErrorKind::InvalidInput);
        fs::write(&file, [0xff]).await.unwrap();
        let no_text = fs::read_to_string(&file).await.map_err(kind);
        assert_eq!(no_text.unwrap_err(), ErrorKind::InvalidData);
        assert!(File::create(folder).await.is_err());
        assert!(fs::read(folder).await.is_err());
    });
}

#[test]
fn sixty_four_files_are_written_and_read_at_the_same_time() {
    run(async |folder| {
        let paths: Vec<PathBuf> = (0..64).map(|i| folder.join(i.to_string())).collect();
        let threads: Vec<_> = paths
            .into_iter()
            .enumerate()
            .map(|(i, path)| {
                std::thread::spawn(move || {
                    block_on(async {
                        let bytes = vec![i as u8; 10_000 + i];
                        let mut options = OpenOptions::new();
                        options.read(true).write(true).create(true);
                        let mut file = options.open(&path).await.unwrap();
                        for part in bytes.chunks(1_000) {
                            file.write_all(part).await.unwrap();
                        }
                        file.rewind().await.unwrap();
                        let mut read = Vec::new();
                        file.read_to_end(&mut read).await.unwrap();
                        assert_eq!(read, bytes);
                    });
                })
            })
            .collect();
        threads.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn a_task_that_only_reads_what_is_there_yields() {
    run(async |folder| {
        let path = folder.join("bytes");
        std_fs::write(&path, vec![7; 1 << 20]).unwrap();
        let mut file = File::open(&path).await.unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let mut ready = 0;
        coop::budget(|| {
            while let Poll::Ready(result) =
                Pin::new(&mut file).poll_read(&mut cx, &mut ReadBuf::new(&mut [0; 16]))
            {
                result.unwrap();
                ready += 1;
            }
        });
        assert!(ready <= 128, "{ready} reads in one poll");
        let mut seeks = 0;
        coop::budget(|| {
            while poll_once(file.rewind()).is_ready() && seeks < 200 {
                seeks += 1;
            }
        });
        assert!(seeks <= 128, "{seeks} seeks in one poll");
    });
}

#[test]
fn several_buffers_are_written_in_one_go() {
    run(async |folder| {
        let path = folder.join("bytes");
        let mut file = File::create(&path).await.unwrap();
        assert!(file.is_write_vectored());
        file.set_max_buf_size(5);
        let parts = [&b""[..], b"ab", b"", b"cdef"].map(io::IoSlice::new);
        assert_eq!(file.write_vectored(&parts).await.unwrap(), 5);
        assert_eq!(file.write_vectored(&parts[..1]).await.unwrap(), 0);
        file.flush().await.unwrap();
        assert_eq!(std_fs::read(&path).unwrap(), b"abcde");
    });
}

#[test]
fn a_file_of_std_goes_in_and_comes_out() {
    run(async |folder| {
        let path = folder.join("bytes");
        std_fs::write(&path, "0123456789").unwrap();
        let mut std = std_fs::File::open(&path).unwrap();
        std.seek(SeekFrom::Start(4)).unwrap();
        let mut file = File::from(std);
        let mut two = [0; 2];
        file.read_exact(&mut two).await.unwrap();
        file.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"67");
        let mut std = file.try_into_std().expect("nothing is under way");
        assert_eq!(std.stream_position().unwrap(), 8);
        let busy = File::from(std.try_clone().unwrap());
        // A job of it may still be under way.
        drop(poll_once(busy.sync_all()));
        let mut rest = String::new();
        busy.into_std().await.read_to_string(&mut rest).unwrap();
        assert_eq!((rest.as_str(), std.stream_position().unwrap()), ("89", 10));
    });
}

#[test]
fn the_traits_of_futures_io_do_the_same() {
    use futures_io::{AsyncSeek as _, AsyncWrite as _};
    run(async |folder| {
        let (mut file, _clone) = on_the_pool(&folder.join("bytes")).await;
        let mut file = Pin::new(&mut file);
        let mut buffer = [0; 8];
        std::future::poll_fn(|cx| futures_io::AsyncWrite::poll_write(file.as_mut(), cx, b"hello"))
            .await
            .unwrap();
        std::future::poll_fn(|cx| file.as_mut().poll_close(cx))
            .await
            .unwrap();
        let seek = SeekFrom::End(-4);
        let at = std::future::poll_fn(|cx| file.as_mut().poll_seek(cx, seek)).await;
        assert_eq!(at.unwrap(), 1);
        let read = std::future::poll_fn(|cx| {
            futures_io::AsyncRead::poll_read(file.as_mut(), cx, &mut buffer)
        });
        assert_eq!(read.await.unwrap(), 4);
        assert_eq!(&buffer[..4], b"ello");
    });
}

#[test]
fn a_directory_is_listed_whole() {
    run(async |folder| {
        for i in 0..100 {
            std_fs::write(folder.join(i.to_string()), "").unwrap();
        }
        std_fs::create_dir(folder.join("below")).unwrap();
        let mut entries = fs::read_dir(folder).await.unwrap();
        let mut names = Vec::new();
        loop {
            // Giving up loses no entry.
            if let Poll::Ready(Ok(Some(entry))) = poll_once(entries.next_entry()) {
                names.push(entry.file_name());
            }
            let Some(entry) = entries.next_entry().await.unwrap() else {
                break;
            };
            let kind = entry.file_type().await.unwrap();
            assert_eq!(kind.is_dir(), entry.file_name() == "below");
            assert_eq!(entry.metadata().await.unwrap().is_dir(), kind.is_dir());
            assert_eq!(entry.path(), folder.join(entry.file_name()));
            names.push(entry.file_name());
        }
        assert!(entries.next_entry().await.unwrap().is_none());
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 101);
    });
}

#[test]
fn files_and_directories_are_made_moved_and_removed() {
    run(async |folder| {
        let deep = folder.join("a/b/c");
        fs::create_dir_all(&deep).await.unwrap();
        fs::create_dir_all(&deep).await.unwrap();
        DirBuilder::new().create(&deep).await.unwrap_err();
        let recursive = DirBuilder::new().recursive(true).create(&deep).await;
        recursive.unwrap();
        let (one, two, three) = (deep.join("one"), deep.join("two"), deep.join("three"));
        fs::write(&one, "hello").await.unwrap();
        assert_eq!(fs::copy(&one, &two).await.unwrap(), 5);
        fs::rename(&two, &three).await.unwrap();
        assert!(!fs::try_exists(&two).await.unwrap());
        fs::hard_link(&three, &two).await.unwrap();
        fs::remove_file(&three).await.unwrap();
        assert_eq!(fs::read_to_string(&two).await.unwrap(), "hello");
        let absolute = fs::canonicalize(deep.join("../c/two")).await.unwrap();
        assert_eq!(absolute, std_fs::canonicalize(&two).unwrap());
        let mut permissions = fs::metadata(&two).await.unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&two, permissions.clone())
            .await
            .unwrap();
        assert!(
            fs::symlink_metadata(&two)
                .await
                .unwrap()
                .permissions()
                .readonly()
        );
        let file = File::open(&two).await.unwrap();
        #[expect(
            clippy::permissions_set_readonly_false,
            reason = "the folder goes away"
        )]
        permissions.set_readonly(false);
        file.set_permissions(permissions).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 5);
        fs::remove_dir(&deep).await.unwrap_err();
        fs::remove_dir_all(folder.join("a")).await.unwrap();
        assert!(!fs::try_exists(folder.join("a")).await.unwrap());
    });
}

#[test]
fn times_are_set_after_the_write_before() {
    run(async |folder| {
        let mut file = File::create(folder.join("file")).await.unwrap();
        file.write_all(b"data").await.unwrap();
        let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        file.set_modified(then).await.unwrap();
        assert_eq!(file.metadata().await.unwrap().modified().unwrap(), then);
    });
}

#[test]
fn promises_of_traits_are_kept() {
    fn goes_anywhere<T: Send + Sync + Unpin>() {}
    fn is_send<T: Send>(_: T) {}
    goes_anywhere::<File>();
    goes_anywhere::<fs::ReadDir>();
    goes_anywhere::<fs::DirEntry>();
    goes_anywhere::<OpenOptions>();
    goes_anywhere::<DirBuilder>();
    is_send(File::open("x"));
    is_send(fs::read("x"));
    is_send(async {
        let mut file = File::open("x").await?;
        file.set_len(0).await?;
        file.read(&mut [0; 8]).await?;
        file.try_clone().await
    });
}
