//! Symbolic links on Windows.

use std::io;
use std::path::Path;

use crate::fs::job;

/// Makes a symbolic link `link` that leads to the directory `original`.
///
/// # Errors
///
/// If `link` exists, or the process may not do so.
///
/// # Cancel safety
///
/// If you drop the future after its first poll, this happens all the same.
///
/// ```no_run
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     heist::fs::symlink_dir("original", "link").await?;
///     Ok(())
/// }
/// ```
pub async fn symlink_dir(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    job::run(move || std::os::windows::fs::symlink_dir(original, link)).await
}

/// Makes a symbolic link `link` that leads to the file `original`.
///
/// # Errors
///
/// If `link` exists, or the process may not do so.
///
/// # Cancel safety
///
/// If you drop the future after its first poll, this happens all the same.
///
/// ```no_run
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     heist::fs::symlink_file("original", "link").await?;
///     Ok(())
/// }
/// ```
pub async fn symlink_file(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    job::run(move || std::os::windows::fs::symlink_file(original, link)).await
}
