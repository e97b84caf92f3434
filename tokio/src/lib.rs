//! heist under the name of tokio.
//!
//! A program that has this crate in place of the registry's `tokio` runs on heist, and so do all the crates that it uses:
//!
//! ```toml
//! [patch.crates-io]
//! tokio = { path = "…/heist/tokio" }
//! ```
//!
//! Everything here is heist's. Types are the same types: `tokio::runtime::Handle` is `heist::runtime::Handle`. What isn't
//! heist's has a signature of tokio's that heist lacks: `io::unix::AsyncFd`, [`time::error::Error`] and
//! `sync::mpsc::error::RecvError`.
//!
//! The README tells how to use it. heist's module `differences` lists where heist differs from tokio.

#[cfg(any(unix, windows))]
#[doc(inline)]
pub use heist::process;
#[doc(inline)]
pub use heist::{fs, net, runtime, signal};
#[doc(inline)]
pub use heist::{join, pin, select, spawn, task_local, try_join};
#[doc(inline)]
pub use heist_macros::{tokio_main as main, tokio_test as test};

#[doc(hidden)]
pub use heist::macros;

pub mod io;
pub mod sync;
pub mod task;
pub mod time;

pub mod stream {
    //! Empty, as tokio's is: streams are in the crate `tokio-stream`.
}
