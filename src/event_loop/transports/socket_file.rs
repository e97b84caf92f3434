//! The file of a Unix socket.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Removes the file when it is dropped, unless another has taken its place.
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl SocketFile {
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            inode: fs::symlink_metadata(path)?.ino(),
            path: path.to_owned(),
        })
    }

    /// Removes the file of a socket that a program has left behind. Anything else stays.
    pub(crate) fn remove_stale(path: &Path) {
        if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            // If it can't be removed, binding says why.
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
