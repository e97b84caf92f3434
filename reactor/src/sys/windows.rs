//! Windows.

use std::io::{self, Read};
use std::mem::MaybeUninit;

/// What an object of the system is named by.
pub(crate) trait Descriptor {}

impl<S> Descriptor for S {}

/// Reads into `buffer`, and returns what was read: the start of `buffer`. All of `buffer` is set to zero before.
pub(crate) fn read_uninit<'a, S>(
    mut source: &'a S,
    buffer: &'a mut [MaybeUninit<u8>],
) -> io::Result<&'a mut [u8]>
where
    &'a S: Read,
{
    let buffer = buffer.write_filled(0);
    let done = source.read(buffer)?;
    Ok(&mut buffer[..done])
}
