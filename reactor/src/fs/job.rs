//! One hop to the blocking pool.

use std::io;

use crate::blocking;

/// Runs `job` on the pool, and returns what it returns.
pub(super) async fn run<T, F>(job: F) -> io::Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> io::Result<T> + Send + 'static,
{
    blocking::spawn(job).await?
}
