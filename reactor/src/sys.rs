//! What the operating systems do differently.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
mod at_once;
#[cfg(not(target_os = "linux"))]
#[path = "sys/never_at_once.rs"]
mod at_once;

pub(crate) use at_once::AtOnce;
#[cfg(unix)]
pub(crate) use unix::{
    Descriptor, NO_SUCH_FAMILY, as_descriptor, expect_nonblocking, note_sigpipe, own_descriptor,
    peer_cred, read, recv, send, send_vectored, without_sigpipe,
};
#[cfg(windows)]
pub(crate) use windows::{
    Descriptor, NO_SUCH_FAMILY, as_descriptor, expect_nonblocking, own_descriptor, recv, send,
    send_vectored,
};
