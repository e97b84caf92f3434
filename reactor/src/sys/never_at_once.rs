//! Where the system can't say whether a file can be read without waiting.

use std::fs::File;
use std::io::{self, SeekFrom};

use crate::io::ReadBuf;

/// Nothing is done at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtOnce;

impl AtOnce {
    pub(crate) const UNKNOWN: AtOnce = AtOnce;
    pub(crate) const NEVER: AtOnce = AtOnce;

    pub(crate) fn known(self, _: &File) -> AtOnce {
        self
    }

    pub(crate) fn read(&mut self, _: &File, _: &mut ReadBuf<'_>, _: usize) -> bool {
        false
    }

    pub(crate) fn seek(self, _: &File, _: SeekFrom) -> Option<io::Result<u64>> {
        None
    }
}
