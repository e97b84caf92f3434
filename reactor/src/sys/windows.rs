//! Windows.
#![allow(unsafe_code)]

use std::io::{self, Read};
use std::mem::MaybeUninit;

/// What an object of the system is named by.
pub(crate) trait Descriptor {}

impl<S> Descriptor for S {}

/// Reads into `buffer`, and returns what was read: the start of `buffer`. All of `buffer` is set to zero before.
pub(crate) fn read_uninit<'a, S>(
    source: &S,
    buffer: &'a mut [MaybeUninit<u8>],
) -> io::Result<&'a mut [u8]>
where
    for<'b> &'b S: Read,
{
    buffer.fill(MaybeUninit::new(0));
    // SAFETY: each byte was just set.
    let buffer = unsafe { buffer.assume_init_mut() };
    let done = (&mut &*source).read(buffer)?;
    Ok(&mut buffer[..done])
}
