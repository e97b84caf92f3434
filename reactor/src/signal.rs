//! Signals of the operating system.
//!
//! | to | use |
//! |---|---|
//! | end the program in order on Ctrl-C | [`ctrl_c`] |
//! | listen for any signal on Unix | `signal::unix` |
//! | listen for any event of the console on Windows | `signal::windows` |
//!
//! On Unix, heist installs a handler for a signal when you first listen for it. The process keeps that handler until it ends, even if
//! nobody listens any more. So a signal that would have ended the process no longer does. A handler that was there before is
//! called as well.
//!
//! Listeners work in every runtime of the process, on other executors, and in threads without a runtime. The thread that
//! serves sockets outside of runtimes brings them the signals. So they hear signals even after a runtime has been shut down.
//!
//! On systems other than Unix and Windows, [`ctrl_c`] fails with [`ErrorKind::Unsupported`](std::io::ErrorKind::Unsupported).

use std::io;

#[cfg_attr(unix, path = "signal/interrupt.rs")]
#[cfg_attr(windows, path = "signal/console.rs")]
#[cfg_attr(not(any(unix, windows)), path = "signal/unsupported.rs")]
mod system;
#[cfg(unix)]
pub mod unix;
#[cfg(windows)]
pub mod windows;

#[cfg(unix)]
mod bell;

/// Completes when the process receives Ctrl-C (SIGINT).
///
/// It listens from the first poll on. From then on Ctrl-C no longer ends the process, on Unix even after this has completed. To
/// listen more than once, use `signal::unix::signal` on Unix: it also hears what comes between two waits.
///
/// # Errors
///
/// If the handler can't be installed, in a child made by `fork`, and on systems other than Unix and Windows.
///
/// # Cancel safety
///
/// If you drop the future, it no longer listens. A Ctrl-C that comes before the first poll of another one is lost. So in a
/// loop, make the future before the loop and pass `&mut` of it to [`select!`](../macro.select.html), as in the second
/// example.
///
/// # Examples
///
/// ```no_run
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     heist::signal::ctrl_c().await?;
///     println!("the end");
///     Ok(())
/// }
/// ```
///
/// In a loop:
///
/// ```no_run
/// use heist::time::{Duration, interval};
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let mut ticks = interval(Duration::from_secs(1));
///     let mut ctrl_c = std::pin::pin!(heist::signal::ctrl_c());
///     loop {
///         heist::select! {
///             _ = ticks.tick() => println!("at work"),
///             result = &mut ctrl_c => break result,
///         }
///     }
/// }
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    system::ctrl_c().await
}
