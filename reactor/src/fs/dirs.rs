//! Directories: made and removed.

use std::io;
use std::path::Path;

use super::job;

#[cfg(unix)]
mod unix;

/// Makes a directory.
///
/// # Errors
///
/// If there is something with this name, or the directory above doesn't exist.
///
/// # Cancel safety
///
/// If you drop the future after its first poll, this happens all the same.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     heist::fs::create_dir(folder.path().join("a")).await?;
///     Ok(())
/// }
/// ```
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    job::run(move || std::fs::create_dir(path)).await
}

/// Makes a directory, and those above it that don't exist.
///
/// # Errors
///
/// If one of them can't be made. Some of those above may have been made by then. It is no error if the directory exists.
///
/// # Cancel safety
///
/// If you drop the future after its first poll, this happens all the same.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     heist::fs::create_dir_all(folder.path().join("a/b/c")).await?;
///     Ok(())
/// }
/// ```
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    job::run(move || std::fs::create_dir_all(path)).await
}

/// Removes an empty directory.
///
/// # Errors
///
/// If it doesn't exist, isn't empty, or is no directory.
///
/// # Cancel safety
///
/// If you drop the future after its first poll, this happens all the same.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("a");
///     heist::fs::create_dir(&path).await?;
///     heist::fs::remove_dir(&path).await?;
///     Ok(())
/// }
/// ```
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    job::run(move || std::fs::remove_dir(path)).await
}

/// Removes a directory and everything in it. Symbolic links in it are removed, not what they lead to.
///
/// # Errors
///
/// If something in it can't be removed. Other things may be gone then.
///
/// # Cancel safety
///
/// If you drop the future after its first poll, this happens all the same.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     heist::fs::create_dir_all(folder.path().join("a/b/c")).await?;
///     heist::fs::remove_dir_all(folder.path().join("a")).await?;
///     Ok(())
/// }
/// ```
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    job::run(move || std::fs::remove_dir_all(path)).await
}

/// How a directory is made.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("a/b");
///     heist::fs::DirBuilder::new().recursive(true).create(&path).await?;
///     assert!(heist::fs::metadata(&path).await?.is_dir());
///     Ok(())
/// }
/// ```
#[derive(Debug, Default)]
pub struct DirBuilder {
    recursive: bool,
    #[cfg(unix)]
    mode: Option<u32>,
}

impl DirBuilder {
    /// Makes one directory, with the system's default permissions.
    ///
    /// [`DirBuilder`] has an example.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether directories above that don't exist are made too. If so, it is no error if the directory exists.
    ///
    /// [`DirBuilder`] has an example.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// Makes the directory.
    ///
    /// # Errors
    ///
    /// As [`create_dir`], or as [`create_dir_all`] if it is [`recursive`](Self::recursive).
    ///
    /// # Cancel safety
    ///
    /// If you drop the future after its first poll, this happens all the same.
    ///
    /// [`DirBuilder`] has an example.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(self.recursive);
        #[cfg(unix)]
        self.set_mode(&mut builder);
        let path = path.as_ref().to_owned();
        job::run(move || builder.create(path)).await
    }
}
