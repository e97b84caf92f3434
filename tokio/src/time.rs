//! Waiting for a point in time. See heist's module `time`.

pub use heist::time::*;

pub mod error;
