//! Symbolic links on Unix.

use std::io;
use std::path::Path;

use crate::fs::job;

/// Makes a symbolic link `link` that leads to `original`, which need not exist.
///
/// # Errors
///
/// If `link` exists, or the process may not do so.
///
/// # Cancel safety
///
/// If you drop the future after its first poll, this happens all the same.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let (original, link) = (folder.path().join("a"), folder.path().join("b"));
///     heist::fs::symlink(&original, &link).await?;
///     assert_eq!(heist::fs::read_link(&link).await?, original);
///     Ok(())
/// }
/// ```
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    job::run(move || std::os::unix::fs::symlink(original, link)).await
}
