//! Waiting for any file descriptor.

pub use heist::io::unix::*;
