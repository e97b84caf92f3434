//! What only Unix has.

use std::os::unix::fs::DirBuilderExt;

use super::DirBuilder;

impl DirBuilder {
    /// Sets the permissions of the directories that are made, less those of the process's umask. By default `0o777`.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    pub(super) fn set_mode(&self, builder: &mut std::fs::DirBuilder) {
        if let Some(mode) = self.mode {
            builder.mode(mode);
        }
    }
}
