//! What only Unix has.

use std::os::unix::fs::DirEntryExt;

use super::DirEntry;

impl DirEntry {
    /// The number of its inode.
    pub fn ino(&self) -> u64 {
        self.std.ino()
    }
}
