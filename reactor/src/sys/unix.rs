//! Unix.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

/// What an object of the system is named by.
pub(crate) trait Descriptor: AsFd {}

impl<S: AsFd> Descriptor for S {}

/// Reads into `buffer`, and returns what was read: the start of `buffer`.
#[inline]
pub(crate) fn read_uninit<'a>(
    source: &impl Descriptor,
    buffer: &'a mut [MaybeUninit<u8>],
) -> io::Result<&'a mut [u8]> {
    let (read, _) = rustix::io::read(source, buffer)?;
    Ok(read)
}
