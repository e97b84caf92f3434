//! Signals of the operating system.
//!
//! | to | use |
//! |---|---|
//! | end the program in order on Ctrl-C | [`ctrl_c`] |
//! | listen for any signal on Unix | `signal::unix` |
//!
//! Nothing is installed before it is asked for. From then on the process keeps the handler until it ends, also when nobody
//! listens any more: a signal that would have ended the process does so no longer. A handler that was there before is called
//! as well.
//!
//! Listeners work in every runtime of the process, on other executors, and in threads without a runtime. What carries the signals
//! is the thread that also serves sockets outside of runtimes. So signals reach each listener whichever runtimes have been
//! shut down.
//!
//! On systems other than Unix, [`ctrl_c`] fails with [`ErrorKind::Unsupported`](std::io::ErrorKind::Unsupported).

use std::io;

#[cfg(not(unix))]
#[path = "signal/unsupported.rs"]
mod system;
#[cfg(unix)]
#[path = "signal/interrupt.rs"]
mod system;
#[cfg(unix)]
pub mod unix;

#[cfg(unix)]
mod bell;

/// Completes when the process receives Ctrl-C (SIGINT).
///
/// It listens from the first poll on. From then on Ctrl-C no longer ends the process, also after this has completed. To hear
/// of more than one, on Unix use `signal::unix::signal`.
///
/// # Errors
///
/// If the handler can't be installed. In a child made by `fork`. On systems other than Unix.
///
/// # Cancel safety
///
/// If you drop the future, it hears of nothing any more. A Ctrl-C that comes before you call this again does nothing.
///
/// ```no_run
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     heist::signal::ctrl_c().await?;
///     println!("the end");
///     Ok(())
/// }
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    system::ctrl_c().await
}
