//! Whole files.

use std::io;
use std::path::Path;

use super::job;

/// Reads a whole file.
///
/// # Errors
///
/// If it doesn't exist, can't be read, or is a directory.
///
/// # Cancel safety
///
/// If you drop the future, nothing is lost.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("bytes");
///     heist::fs::write(&path, [1, 2, 3]).await?;
///     assert_eq!(heist::fs::read(&path).await?, [1, 2, 3]);
///     Ok(())
/// }
/// ```
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    // Opening alone may wait, even if all is in the cache: on a pipe, on a lease, on who watches the file. So all of it is one
    // job.
    let path = path.as_ref().to_owned();
    job::run(move || std::fs::read(path)).await
}

/// Reads a whole file as text.
///
/// # Errors
///
/// As [`read`], and `InvalidData` if it isn't UTF-8.
///
/// # Cancel safety
///
/// If you drop the future, nothing is lost.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("text");
///     heist::fs::write(&path, "hello").await?;
///     assert_eq!(heist::fs::read_to_string(&path).await?, "hello");
///     Ok(())
/// }
/// ```
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let path = path.as_ref().to_owned();
    job::run(move || std::fs::read_to_string(path)).await
}

/// Writes `contents` as a whole file. It is created if it doesn't exist, and replaced if it does.
///
/// # Errors
///
/// If the file can't be created or written. It may hold a part of `contents` then.
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
///     heist::fs::write(&path, "bye").await?;
///     assert_eq!(heist::fs::read(&path).await?, b"bye");
///     Ok(())
/// }
/// ```
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    let contents = contents.as_ref().to_owned();
    job::run(move || std::fs::write(path, contents)).await
}

/// Copies a file, with its permissions. Returns how many bytes it has.
/// `to` is replaced if it exists.
///
/// # Errors
///
/// If `from` is no file or can't be read, or if `to` can't be written.
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
///     assert_eq!(heist::fs::copy(&from, &to).await?, 5);
///     Ok(())
/// }
/// ```
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    job::run(move || std::fs::copy(from, to)).await
}
