//! Linux: what can be done with a file at once, without waiting for a device.
//!
//! `preadv2` with `RWF_NOWAIT` reads what is in the page cache. With the offset -1 it reads where the file's own position is
//! and moves it, as `read` does, so descriptors that share a position and files opened to append need no special care.
//!
//! What its results mean:
//!
//! | result | meaning |
//! |---|---|
//! | some bytes | they were read, maybe fewer than there are: the rest may not be in the cache |
//! | no bytes | the end, probably. `read` on the pool says so for sure, as kernels have been wrong here |
//! | `EAGAIN` | not in the cache |
//! | another error | the filesystem refuses the flag, or the read fails: `read` on the pool finds out. It is not tried again |
//!
//! Where it is not used:
//! - Linux 5.9 and 5.10 return 0 although the end is not reached (BUGS in `man 2 preadv2`).
//! - With `O_DIRECT` it waits for the device all the same.
//! - A shared position is locked while another descriptor reads, and that read may wait for the device. So a file that was
//!   cloned doesn't use it.
//! - Pipes, terminals and other files that aren't regular don't need it: what they wait for is not the page cache.

use std::fs::File;
use std::io::{self, IoSliceMut, Seek, SeekFrom};
use std::sync::OnceLock;

use rustix::fs::{FileType, OFlags};
use rustix::io::{Errno, ReadWriteFlags};

use crate::io::ReadBuf;

/// The most that is read at once. To copy it takes some ten microseconds.
const MOST: usize = 128 * 1024;

/// The offset for the file's own position.
const OWN_POSITION: u64 = u64::MAX;

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtOnce {
    /// The system has not been asked, since that may wait.
    Unknown,
    /// It is worth a try.
    Maybe,
    /// It has worked: the file is regular and on a filesystem that has a page cache.
    Works,
    Never,
}

impl AtOnce {
    pub(crate) const UNKNOWN: AtOnce = AtOnce::Unknown;
    pub(crate) const NEVER: AtOnce = AtOnce::Never;

    /// Asks the system if nothing is known yet. This may wait.
    pub(crate) fn known(self, file: &File) -> AtOnce {
        match self {
            AtOnce::Unknown if may_work(file) => AtOnce::Maybe,
            AtOnce::Unknown => AtOnce::Never,
            known => known,
        }
    }

    /// Reads at most `most` bytes into what isn't filled of `buffer`. Returns whether it has read any.
    #[inline]
    pub(crate) fn read(&mut self, file: &File, buffer: &mut ReadBuf<'_>, most: usize) -> bool {
        if !matches!(self, AtOnce::Maybe | AtOnce::Works) {
            return false;
        }
        let room = buffer.remaining().min(most).min(MOST);
        let free = &mut [IoSliceMut::new(buffer.initialize_unfilled_to(room))];
        match rustix::io::preadv2(file, free, OWN_POSITION, ReadWriteFlags::NOWAIT) {
            Ok(done) => {
                *self = AtOnce::Works;
                buffer.advance(done);
                done > 0
            }
            Err(Errno::AGAIN | Errno::INTR) => false,
            Err(_) => {
                *self = AtOnce::Never;
                false
            }
        }
    }

    /// Moves the position, if that is known not to wait. A move from the end may ask the filesystem for the length, so it
    /// isn't done at once.
    #[inline]
    pub(crate) fn seek(self, mut file: &File, position: SeekFrom) -> Option<io::Result<u64>> {
        let at_once = self == AtOnce::Works && !matches!(position, SeekFrom::End(_));
        at_once.then(|| file.seek(position))
    }
}

fn may_work(file: &File) -> bool {
    let is_regular =
        rustix::fs::fstat(file).is_ok_and(|it| FileType::from_raw_mode(it.st_mode).is_file());
    let is_cached = rustix::fs::fcntl_getfl(file).is_ok_and(|it| !it.contains(OFlags::DIRECT));
    is_regular && is_cached && kernel_is_right()
}

fn kernel_is_right() -> bool {
    static RIGHT: OnceLock<bool> = OnceLock::new();
    *RIGHT.get_or_init(|| {
        let uname = rustix::system::uname();
        uname.release().to_str().is_ok_and(release_is_right)
    })
}

/// Whether a kernel with this release, such as `6.1.0-18-amd64`, is not one of those with the bug.
fn release_is_right(release: &str) -> bool {
    let mut numbers = release.split(|sign: char| !sign.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    match (next(), next()) {
        (Some(major), Some(minor)) => !matches!((major, minor), (5, 9 | 10)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::release_is_right;

    #[test]
    fn kernels_with_the_bug_are_known() {
        for wrong in [
            "5.9.0",
            "5.9-rc1",
            "5.10.0-8-amd64",
            "5.10",
            "",
            "x",
            "5",
            "5.x",
        ] {
            assert!(!release_is_right(wrong), "{wrong}");
        }
        for right in [
            "5.8.18", "5.11.0", "5.90.1", "4.19.0-6", "6.9.3", "6.10.0+", "15.9.0",
        ] {
            assert!(release_is_right(right), "{right}");
        }
    }
}
