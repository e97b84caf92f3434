//! [`OpenOptions`], and how a [`File`] is opened.

use std::fs::OpenOptions as StdOpenOptions;
use std::io;
use std::path::Path;

use super::file::File;
use super::job;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

/// How a file is opened: for reading, for writing, or both, and what happens if it doesn't exist.
///
/// It has the options of [`std::fs::OpenOptions`], with the same meaning.
///
/// ```
/// use heist::fs::OpenOptions;
/// use heist::io::AsyncWriteExt;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("log");
///     let mut log = OpenOptions::new().append(true).create(true).open(&path).await?;
///     log.write_all(b"it has begun\n").await?;
///     log.flush().await?;
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(StdOpenOptions);

impl OpenOptions {
    /// Makes options that are all off.
    ///
    /// [`OpenOptions`] has an example.
    pub fn new() -> OpenOptions {
        OpenOptions(StdOpenOptions::new())
    }

    /// Sets whether the file can be read.
    ///
    /// ```
    /// use heist::fs::OpenOptions;
    /// use heist::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let folder = tempfile::tempdir()?;
    ///     let mut options = OpenOptions::new();
    ///     options.read(true).write(true).create(true).truncate(true);
    ///     let mut file = options.open(folder.path().join("notes")).await?;
    ///     file.write_all(b"hello").await?;
    ///     file.rewind().await?;
    ///     let mut text = String::new();
    ///     file.read_to_string(&mut text).await?;
    ///     assert_eq!(text, "hello");
    ///     Ok(())
    /// }
    /// ```
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.0.read(read);
        self
    }

    /// Sets whether the file can be written to. Writes begin at its start, and replace the bytes that are there.
    ///
    /// [`read`](Self::read) has an example.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.0.write(write);
        self
    }

    /// Sets whether each write goes to the end that the file has at that moment.
    ///
    /// [`OpenOptions`] has an example.
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.0.append(append);
        self
    }

    /// Sets whether the file is emptied. This needs [`write`](Self::write).
    ///
    /// [`read`](Self::read) has an example.
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.0.truncate(truncate);
        self
    }

    /// Sets whether the file is created if it doesn't exist. This needs [`write`](Self::write) or [`append`](Self::append).
    ///
    /// [`read`](Self::read) has an example.
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.0.create(create);
        self
    }

    /// Sets whether the file must be new: if it exists, [`open`](Self::open) fails with `AlreadyExists`. Nobody else can
    /// create it between the check and the creation. [`create`](Self::create) and [`truncate`](Self::truncate) have no
    /// effect then.
    ///
    /// [`open`](Self::open) has an example.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.0.create_new(create_new);
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    ///
    /// `NotFound`, `PermissionDenied`, `AlreadyExists` for [`create_new`](Self::create_new), `InvalidInput` if the options
    /// contradict each other, and whatever else the system says. If the blocking pool has been shut down.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future after its first poll, the file is opened, created or truncated all the same, and closed.
    ///
    /// ```
    /// use heist::fs::OpenOptions;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let folder = tempfile::tempdir()?;
    ///     let path = folder.path().join("lock");
    ///     // Only one process gets it.
    ///     let first = OpenOptions::new().write(true).create_new(true).open(&path).await;
    ///     let second = OpenOptions::new().write(true).create_new(true).open(&path).await;
    ///     assert!(first.is_ok() && second.is_err());
    ///     Ok(())
    /// }
    /// ```
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let (options, path) = (self.0.clone(), path.as_ref().to_owned());
        job::run(move || options.open(path).map(File::opened)).await
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<StdOpenOptions> for OpenOptions {
    fn from(options: StdOpenOptions) -> Self {
        OpenOptions(options)
    }
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, no file stays open.
    ///
    /// ```
    /// #[heist::main]
    /// async fn main() {
    ///     let missing = heist::fs::File::open("/no/such/file").await;
    ///     assert_eq!(missing.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    /// }
    /// ```
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        Self::options().read(true).open(path).await
    }

    /// Opens a file for writing. It is created if it doesn't exist, and emptied if it does.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    ///
    /// # Cancel safety
    ///
    /// If you drop the future after its first poll, the file is created or emptied all the same.
    ///
    /// [`File`] has an example.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = Self::options();
        options.write(true).create(true).truncate(true);
        options.open(path).await
    }

    /// Creates a file for reading and writing.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if there is something with this name. Otherwise as [`OpenOptions::open`].
    ///
    /// # Cancel safety
    ///
    /// If you drop the future after its first poll, the file is created all the same.
    ///
    /// ```
    /// use heist::fs::File;
    /// use std::io::ErrorKind;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let folder = tempfile::tempdir()?;
    ///     let path = folder.path().join("lock");
    ///     let _file = File::create_new(&path).await?;
    ///     let again = File::create_new(&path).await;
    ///     assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
    ///     Ok(())
    /// }
    /// ```
    pub async fn create_new<P: AsRef<Path>>(path: P) -> io::Result<File> {
        let mut options = Self::options();
        options.read(true).write(true).create_new(true);
        options.open(path).await
    }

    /// Makes options to open a file with, all off.
    ///
    /// ```
    /// use heist::fs::File;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let folder = tempfile::tempdir()?;
    ///     let path = folder.path().join("log");
    ///     let _log = File::options().append(true).create(true).open(path).await?;
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }
}
