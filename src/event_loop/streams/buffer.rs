//! What has arrived and was not read yet. Taking from its front costs what is taken, however much is left.

use std::ops::Deref;

#[derive(Default)]
pub(super) struct Buffer {
    data: Vec<u8>,
    /// What comes before this was taken.
    start: usize,
}

impl Buffer {
    pub(super) fn extend(&mut self, data: &[u8]) {
        // What moves is never more than what was taken since the last time.
        if self.start > self.len() {
            self.data.drain(..self.start);
            self.start = 0;
        }
        self.data.extend_from_slice(data);
    }

    /// Takes the first `size` bytes, or all if there are fewer.
    pub(super) fn take(&mut self, size: usize) -> Vec<u8> {
        if size < self.len() {
            let taken = self[..size].to_vec();
            self.start += size;
            return taken;
        }
        let mut taken = std::mem::take(&mut self.data);
        taken.drain(..std::mem::take(&mut self.start));
        taken
    }

    pub(super) fn take_all(&mut self) -> Vec<u8> {
        self.take(usize::MAX)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.data[self.start..]
    }
}
