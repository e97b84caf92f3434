//! What the operating systems do differently.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{
    Descriptor, as_descriptor, own_descriptor, read_uninit, send, send_vectored,
};
#[cfg(windows)]
pub(crate) use windows::{
    Descriptor, as_descriptor, own_descriptor, read_uninit, send, send_vectored,
};
