//! Files and directories by their names.

use std::fs::{Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use super::job;

/// What the system knows of a file or directory: its kind, length, permissions and times. Follows symbolic links.
///
/// # Errors
///
/// If it doesn't exist, or a directory on the way can't be searched.
///
/// # Cancel safety
///
/// If you drop the future, nothing is lost.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     assert!(heist::fs::metadata(folder.path()).await?.is_dir());
///     Ok(())
/// }
/// ```
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    job::run(move || std::fs::metadata(path)).await
}

/// Like [`metadata`], but of a symbolic link itself.
///
/// # Errors
///
/// As [`metadata`].
///
/// # Cancel safety
///
/// If you drop the future, nothing is lost.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     assert!(!heist::fs::symlink_metadata(folder.path()).await?.is_symlink());
///     Ok(())
/// }
/// ```
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let path = path.as_ref().to_owned();
    job::run(move || std::fs::symlink_metadata(path)).await
}

/// Whether a file or directory exists. Follows symbolic links.
///
/// # Errors
///
/// If the system can't tell, for instance because a directory on the way can't be searched.
///
/// # Cancel safety
///
/// If you drop the future, nothing is lost.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     assert!(!heist::fs::try_exists(folder.path().join("nothing")).await?);
///     Ok(())
/// }
/// ```
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    let path = path.as_ref().to_owned();
    job::run(move || std::fs::exists(path)).await
}

/// The absolute path without symbolic links.
///
/// # Errors
///
/// If it doesn't exist, or a directory on the way can't be searched.
///
/// # Cancel safety
///
/// If you drop the future, nothing is lost.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let folder = heist::fs::canonicalize(folder.path()).await?;
///     assert!(folder.is_absolute());
///     Ok(())
/// }
/// ```
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref().to_owned();
    job::run(move || std::fs::canonicalize(path)).await
}

/// Changes the permissions of a file or directory.
///
/// # Errors
///
/// If it doesn't exist, or the process may not do so.
///
/// # Cancel safety
///
/// If you drop the future after its first poll, this happens all the same.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("text");
///     heist::fs::write(&path, "hello").await?;
///     let mut permissions = heist::fs::metadata(&path).await?.permissions();
///     permissions.set_readonly(true);
///     heist::fs::set_permissions(&path, permissions).await?;
///     Ok(())
/// }
/// ```
pub async fn set_permissions(path: impl AsRef<Path>, perm: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    job::run(move || std::fs::set_permissions(path, perm)).await
}

/// Renames a file or directory. If `to` is a file, it is replaced in one step: others see the old file or the new one.
///
/// # Errors
///
/// If `from` doesn't exist, or `to` is on another filesystem, or the process may not do so.
///
/// # Cancel safety
///
/// If you drop the future after its first poll, this happens all the same.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let (from, to) = (folder.path().join("a"), folder.path().join("b"));
///     heist::fs::write(&from, "hello").await?;
///     heist::fs::rename(&from, &to).await?;
///     assert_eq!(heist::fs::read(&to).await?, b"hello");
///     Ok(())
/// }
/// ```
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    job::run(move || std::fs::rename(from, to)).await
}

/// Removes a file.
///
/// # Errors
///
/// If it doesn't exist or is a directory, or the process may not do so.
///
/// # Cancel safety
///
/// If you drop the future after its first poll, this happens all the same.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("text");
///     heist::fs::write(&path, "hello").await?;
///     heist::fs::remove_file(&path).await?;
///     assert!(!heist::fs::try_exists(&path).await?);
///     Ok(())
/// }
/// ```
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    job::run(move || std::fs::remove_file(path)).await
}
