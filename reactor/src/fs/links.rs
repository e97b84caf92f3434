//! Links.

use std::io;
use std::path::{Path, PathBuf};

use super::job;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::symlink;
#[cfg(windows)]
pub use windows::{symlink_dir, symlink_file};

/// Gives the file `original` a second name, `link`.
///
/// # Errors
///
/// If `original` doesn't exist, `link` does, or they are on different filesystems.
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
///     heist::fs::write(&original, "hello").await?;
///     heist::fs::hard_link(&original, &link).await?;
///     assert_eq!(heist::fs::read(&link).await?, b"hello");
///     Ok(())
/// }
/// ```
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    let (original, link) = (original.as_ref().to_owned(), link.as_ref().to_owned());
    job::run(move || std::fs::hard_link(original, link)).await
}

/// Where a symbolic link leads.
///
/// # Errors
///
/// If it doesn't exist, or is no symbolic link.
///
/// # Cancel safety
///
/// If you drop the future, nothing is lost.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     assert!(heist::fs::read_link(folder.path()).await.is_err());
///     Ok(())
/// }
/// ```
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    job::run(move || std::fs::read_link(path)).await
}
