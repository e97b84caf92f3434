//! The bytes that go to the blocking pool and come back.

use std::cmp;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

use crate::io::ReadBuf;

/// Bytes that were read from a file, but not yet taken by the reader: those of a read whose future was dropped, or of one
/// whose next poll had less room.
#[derive(Default)]
pub(super) struct Ahead {
    /// All that was ever initialized. It is kept, so that only the first read has to do that.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Ahead {
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    /// Moves as much as fits into `buffer`.
    pub(super) fn take(&mut self, buffer: &mut ReadBuf<'_>) {
        let end = self.start + cmp::min(self.len(), buffer.remaining());
        buffer.put_slice(&self.bytes[self.start..end]);
        self.start = end;
    }

    /// Reads at most `room` bytes. There must be none left from before.
    pub(super) fn read_from(&mut self, mut file: &File, room: usize) -> io::Result<()> {
        debug_assert!(self.is_empty());
        if self.bytes.len() < room {
            // What is in it is of no use, so it isn't copied.
            self.bytes = vec![0; room];
        }
        (self.start, self.end) = (0, 0);
        self.end = retry(|| file.read(&mut self.bytes[..room]))?;
        Ok(())
    }

    /// A copy of the bytes that are left.
    pub(super) fn copy(&self) -> Self {
        let bytes = self.bytes[self.start..self.end].to_vec();
        let (start, end) = (0, bytes.len());
        Self { bytes, start, end }
    }

    /// By how many bytes the file's position is ahead of the reader's.
    pub(super) fn lead(&self) -> i64 {
        i64::try_from(self.len()).expect("no buffer is longer than an i64 can count")
    }

    pub(super) fn clear(&mut self) {
        self.end = self.start;
    }

    /// Moves the file's position back to the reader's, so that what is here is read again. If the file has no position,
    /// as a pipe has none, what is here stays.
    pub(super) fn unread(&mut self, mut file: &File) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        match file.seek(SeekFrom::Current(-self.lead())) {
            Ok(_) => self.clear(),
            Err(error) if error.kind() == ErrorKind::NotSeekable => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// What an operation of the pool takes along, and brings back.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) ahead: Ahead,
    /// What is to be written.
    pub(super) outgoing: Vec<u8>,
}

impl Buffers {
    /// Nothing is to be written.
    pub(super) fn with_ahead(ahead: Ahead) -> Self {
        Self {
            ahead,
            outgoing: Vec::new(),
        }
    }

    /// Writes all of `outgoing` where the reader's position is.
    pub(super) fn write_to(&mut self, mut file: &File) -> io::Result<()> {
        self.ahead.unread(file)?;
        file.write_all(&self.outgoing)
    }
}

/// Tries again as long as a signal interrupts it.
pub(super) fn retry<T>(mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match operation() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
