//! A test that hangs fails.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Longer than any test takes, on any machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(300);

/// Ends the process if the test hangs.
pub(crate) struct Watchdog(
    #[allow(dead_code, reason = "dropping it is what ends the wait")] mpsc::Sender<()>,
);

impl Watchdog {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        let name = thread::current().name().unwrap_or("unnamed").to_owned();
        thread::spawn(move || {
            if receiver.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("the test {name} hangs");
                std::process::abort();
            }
        });
        Self(sender)
    }
}
