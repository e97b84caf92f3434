//! What the operating systems do differently.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{Descriptor, read_uninit};
#[cfg(windows)]
pub(crate) use windows::{Descriptor, read_uninit};
