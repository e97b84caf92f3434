//! A file's bytes to a socket, without a copy in this process.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

/// `sendfile(2)`.
pub(crate) fn sendfile(
    socket: impl AsFd,
    file: &File,
    mut offset: u64,
    count: u64,
) -> io::Result<u64> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    Ok(rustix::fs::sendfile(socket, file, Some(&mut offset), count)? as u64)
}
