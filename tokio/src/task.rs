//! Tasks. See heist's module `task`.

pub use heist::task::*;
