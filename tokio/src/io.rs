//! Reading and writing. See heist's module `io`.

pub use heist::io::*;

#[cfg(unix)]
pub mod unix;
