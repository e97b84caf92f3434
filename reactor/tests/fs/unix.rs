//! What only Unix has.

use std::fs as std_fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use heist_reactor::fs::{self, DirBuilder, File, OpenOptions};
use heist_reactor::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use heist_reactor::testing::block_on;

use super::{poll_once, run, run_with_pool};

/// Makes a FIFO, and opens it for both directions, which doesn't wait for a peer.
async fn fifo(folder: &Path) -> (File, std_fs::File) {
    let path = folder.join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo").success());
    let mut options = std_fs::OpenOptions::new();
    options.read(true).write(true);
    let opened = OpenOptions::from(options.clone()).open(&path).await;
    (
        opened.expect("it opens"),
        options.open(&path).expect("it opens"),
    )
}

#[test]
fn a_fifo_is_read_piece_by_piece_and_keeps_what_was_given_up() {
    run(async |folder| {
        let (mut fifo, mut peer) = fifo(folder).await;
        let mut eight = [0; 8];
        assert!(poll_once(fifo.read(&mut eight)).is_pending());
        peer.write_all(b"abcdef").unwrap();
        let mut two = [0; 2];
        fifo.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"ab");
        // It has no position to go back to, so a write leaves what was read where it is, and so does a seek that fails.
        fifo.write_all(b"gh").await.unwrap();
        fifo.flush().await.unwrap();
        let error = fifo.rewind().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSeekable);
        let mut six = [0; 6];
        fifo.read_exact(&mut six).await.unwrap();
        assert_eq!(&six, b"cdefgh");
    });
}

#[test]
fn a_reader_of_a_fifo_waits_for_its_writer() {
    run(async |folder| {
        let (both, mut peer) = fifo(folder).await;
        let path = folder.join("fifo");
        let mut reader = File::open(&path).await.unwrap();
        drop(both);
        peer.write_all(b"all").unwrap();
        drop(peer);
        let mut all = String::new();
        reader.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "all");
    });
}

#[test]
fn modes_and_flags_are_heeded() {
    run(async |folder| {
        let path = folder.join("secret");
        let mut options = OpenOptions::new();
        options.write(true).create(true).mode(0o600);
        options.open(&path).await.unwrap();
        let mode = |path| std_fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path.clone()), 0o600);
        let below = folder.join("below");
        DirBuilder::new().mode(0o700).create(&below).await.unwrap();
        assert_eq!(mode(below), 0o700);
        let link = folder.join("link");
        fs::symlink(&path, &link).await.unwrap();
        assert_eq!(fs::read_link(&link).await.unwrap(), path);
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(no_follow);
        options.open(&link).await.unwrap_err();
        options.open(&path).await.unwrap();
        let mut entries = fs::read_dir(folder).await.unwrap();
        while let Some(entry) = entries.next_entry().await.unwrap() {
            let metadata = std_fs::symlink_metadata(entry.path()).unwrap();
            assert_eq!(entry.ino(), metadata.ino());
        }
    });
}

#[test]
fn what_may_not_be_read_is_an_error() {
    run(async |folder| {
        let path = folder.join("secret");
        let mut options = std_fs::OpenOptions::new();
        options.write(true).create(true).mode(0o000);
        options.open(&path).unwrap();
        // A superuser may read it.
        let std = std_fs::read(&path).map_err(|error| error.kind());
        let ours = fs::read(&path).await.map_err(|error| error.kind());
        assert_eq!(ours, std);
        let file = File::open(&path).await.map(drop);
        assert_eq!(file.map_err(|error| error.kind()), std.map(drop));
    });
}

#[test]
fn a_directory_opens_but_does_not_read() {
    run(async |folder| {
        let mut file = File::open(folder).await.unwrap();
        for _ in 0..2 {
            let error = file.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::IsADirectory);
        }
        assert!(file.metadata().await.unwrap().is_dir());
    });
}

/// Linux alone has these.
#[cfg(target_os = "linux")]
mod linux {
    use super::*;

    #[test]
    fn a_full_device_is_an_error_at_the_flush() {
        run(async |_| {
            let mut options = OpenOptions::new();
            let mut full = options.write(true).open("/dev/full").await.unwrap();
            full.write_all(b"x").await.unwrap();
            let error = full.flush().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        });
    }

    #[test]
    fn files_that_the_kernel_makes_up_are_read_whole() {
        run(async |_| {
            for path in [
                "/proc/version",
                "/proc/cpuinfo",
                "/sys/kernel/mm/transparent_hugepage/enabled",
            ] {
                let Ok(expected) = std_fs::read_to_string(path) else {
                    continue;
                };
                let lines = |text: &str| text.lines().count();
                let mut text = String::new();
                let mut file = File::open(path).await.unwrap();
                file.read_to_string(&mut text).await.unwrap();
                assert_eq!(lines(&text), lines(&expected));
                file.rewind().await.unwrap();
                let mut start = [0; 4];
                file.read_exact(&mut start).await.unwrap();
                assert_eq!(&start, &expected.as_bytes()[..4]);
            }
        });
    }

    /// Whether the filesystem can tell what is in the cache.
    fn reads_at_once(path: &Path) -> bool {
        let mut bytes = [0; 1];
        let buffer = &mut [std::io::IoSliceMut::new(&mut bytes)];
        let flags = rustix::io::ReadWriteFlags::NOWAIT;
        let file = std_fs::File::open(path).unwrap();
        rustix::io::preadv2(&file, buffer, 0, flags).is_ok()
    }

    #[test]
    fn what_is_in_the_cache_is_read_without_the_pool() {
        run_with_pool(1, |reactor, folder| {
            let path = folder.join("bytes");
            let bytes: Vec<u8> = (0..500_000u32).map(|i| (i / 7) as u8).collect();
            std_fs::write(&path, &bytes).unwrap();
            if !reads_at_once(&path) {
                eprintln!("the filesystem can't: nothing is tested");
                return;
            }
            let mut file = block_on(File::open(&path)).unwrap();
            let _busy = super::super::occupy(reactor);
            block_on(async {
                let mut read = vec![0; 400_000];
                file.read_exact(&mut read).await.unwrap();
                assert_eq!(read, bytes[..400_000]);
                // Seeks too, once a read has worked.
                file.seek(std::io::SeekFrom::Start(3)).await.unwrap();
                file.seek(std::io::SeekFrom::Current(4)).await.unwrap();
                let mut eight = [0; 8];
                file.read_exact(&mut eight).await.unwrap();
                assert_eq!(eight, bytes[7..15]);
                let error = file.seek(std::io::SeekFrom::Current(-16)).await;
                assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
                assert_eq!(file.stream_position().await.unwrap(), 15);
                // The end is for the pool to tell.
                file.seek(std::io::SeekFrom::Start(500_000)).await.unwrap();
                assert!(poll_once(file.read(&mut eight)).is_pending());
            });
        });
    }

    #[test]
    fn what_was_inherited_shares_its_position() {
        run(async |folder| {
            let path = folder.join("bytes");
            std_fs::write(&path, "0123456789").unwrap();
            let mut std = std_fs::File::open(&path).unwrap();
            let mut file = File::from_std(std.try_clone().unwrap());
            let mut two = [0; 2];
            for expected in [b"01", b"45", b"89"] {
                file.read_exact(&mut two).await.unwrap();
                assert_eq!(&two, expected);
                let _ = std.read(&mut two).unwrap();
            }
        });
    }
}
