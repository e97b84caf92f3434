//! Systems where heist hears of no signals.

use std::io;

pub(super) async fn ctrl_c() -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "heist hears of no signals on this system",
    ))
}
