//! Child processes.
//!
//! ```
//! use heist::process::Command;
//!
//! #[heist::main]
//! async fn main() -> std::io::Result<()> {
//!     let output = Command::new("echo").arg("hello").output().await?;
//!     assert_eq!(output.stdout, b"hello\n");
//!     Ok(())
//! }
//! ```
//!
//! | to | use |
//! |---|---|
//! | run a program and wait for its end | [`Command::status`] |
//! | the same, and take what it prints | [`Command::output`] |
//! | talk to it while it runs, or kill it | [`Command::spawn`], [`Child`] |
//!
//! On Windows the pipes of a child are read and written by the blocking pool. This part of heist is compiled for each change, but no
//! machine with Windows has run it yet. The rest of this page is about Unix.
//!
//! A [`Child`] can be waited for in any runtime, on another executor, or outside of any. It outlives the runtime that started
//! it. Its pipes belong to the runtime in which they were made, as sockets do.
//!
//! If you drop a [`Child`], the process goes on running, unless [`kill_on_drop`](Command::kill_on_drop) is set. It leaves no
//! zombie: when it ends, the thread that serves sockets outside of runtimes takes its exit status.
//!
//! On Linux each child is watched by a descriptor of its own, a pidfd. If there is none, heist listens for SIGCHLD instead,
//! and looks at every child that is waited for whenever one of them ends. That is so on other systems, with older kernels,
//! and if the process has too many descriptors open.
//!
//! The exit status of a child is lost if the program ignores SIGCHLD, or if another part of it calls a `wait` of the system
//! for any child. Then [`Child::wait`] fails.

mod child;
mod command;
#[cfg_attr(windows, path = "process/windows/pipes.rs")]
mod pipes;
#[cfg_attr(windows, path = "process/windows/running.rs")]
mod running;

pub use child::Child;
pub use command::Command;
pub use pipes::{ChildStderr, ChildStdin, ChildStdout};

// Miri has no processes.
#[cfg(unix)]
#[cfg_attr(
    any(not(target_os = "linux"), miri),
    path = "process/pidfd/portable.rs"
)]
#[cfg_attr(all(target_os = "linux", not(miri)), path = "process/pidfd/linux.rs")]
mod pidfd;
