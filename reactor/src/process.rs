//! Child processes, on Unix.
//!
//! ```
//! use heist::process::Command;
//!
//! # #[heist::main]
//! # async fn main() -> std::io::Result<()> {
//! let output = Command::new("echo").arg("hello").output().await?;
//! assert_eq!(output.stdout, b"hello\n");
//! # Ok(())
//! # }
//! ```
//!
//! | to | use |
//! |---|---|
//! | run a program and wait for its end | [`Command::status`] |
//! | the same, and take what it prints | [`Command::output`] |
//! | talk to it while it runs, or kill it | [`Command::spawn`], [`Child`] |
//!
//! A [`Child`] can be waited for in any runtime, on another executor, or outside of any; it outlives the runtime that has
//! started it. Its pipes belong to the runtime in which they were made, as sockets do.
//!
//! No zombie is left. A child that is dropped goes on running, unless [`kill_on_drop`](Command::kill_on_drop) is set.
//! When it ends, the thread that serves sockets outside of runtimes takes its exit status.
//!
//! On Linux each child is watched by a descriptor of its own (a pidfd). Where there is none, in older kernels or because the process
//! has too many descriptors open, and on other systems, heist listens for SIGCHLD. Then each end of a child costs a look at
//! every child that is waited for. A process that ignores SIGCHLD, or waits for children that aren't its own, takes away
//! the exit status: then [`Child::wait`] fails.
//!
//! Windows: not there yet.

mod child;
mod command;
mod pipes;
mod running;

pub use child::Child;
pub use command::Command;
pub use pipes::{ChildStderr, ChildStdin, ChildStdout};

// Miri has no processes.
#[cfg_attr(
    any(not(target_os = "linux"), miri),
    path = "process/pidfd/portable.rs"
)]
#[cfg_attr(all(target_os = "linux", not(miri)), path = "process/pidfd/linux.rs")]
mod pidfd;
