//! Ctrl-C on Unix: SIGINT.

use std::io;

use super::bell::forked;
use super::unix::{SignalKind, signal};

pub(super) async fn ctrl_c() -> io::Result<()> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    interrupts.recv().await.ok_or_else(forked)
}
