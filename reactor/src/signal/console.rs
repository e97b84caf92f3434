//! Ctrl-C on Windows.

use std::io;

pub(super) async fn ctrl_c() -> io::Result<()> {
    super::windows::ctrl_c()?.recv().await;
    Ok(())
}
