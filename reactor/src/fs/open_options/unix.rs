//! What only Unix has.

use std::os::unix::fs::OpenOptionsExt;

use super::OpenOptions;

impl OpenOptions {
    /// Sets the permissions of a file that is created, less those of the process's umask. By default `0o666`.
    pub fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.0.mode(mode);
        self
    }

    /// Adds flags for the system's `open`, such as `O_NOFOLLOW`.
    pub fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.0.custom_flags(flags);
        self
    }
}
