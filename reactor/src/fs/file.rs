//! [`File`].

use std::fmt;
use std::fs::{File as StdFile, FileTimes, Metadata, Permissions};
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use heist_sync::Mutex;

use super::job;
use crate::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};
use crate::sys::AtOnce;
use inner::Inner;

#[cfg(feature = "futures-io")]
mod futures;
mod inner;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

/// How many bytes one operation moves at most, unless [`File::set_max_buf_size`] says otherwise.
const MAX_BUF_SIZE: usize = 2 * 1024 * 1024;

/// An open file.
///
/// [`AsyncReadExt`](crate::io::AsyncReadExt), [`AsyncWriteExt`](crate::io::AsyncWriteExt) and
/// [`AsyncSeekExt`](crate::io::AsyncSeekExt) have the functions to read, write and seek.
///
/// # What happens where
///
/// Operations run on the blocking pool of the current runtime, one at a time for each file. On Linux a read of what is in
/// the page cache is done at once, without the pool, if the filesystem can tell (ext4, XFS, Btrfs and others can). It reads
/// at most 128 KiB. A read may always return less than was asked for. Only 0 bytes mean the end of the file.
///
/// # Writes
///
/// A write completes when its bytes have been copied to a buffer. The pool writes them afterwards, and the next operation
/// waits for that. If it fails, the next write or flush returns the error. So call
/// [`flush`](crate::io::AsyncWriteExt::flush) before you drop the file: it waits until the system has all bytes. If you drop
/// the file without a flush, the bytes are still written, even if the runtime shuts down meanwhile, but you learn neither
/// when, nor whether it failed. To wait until they are on the disk, use [`sync_all`](Self::sync_all).
///
/// # Cancel safety
///
/// If you drop the future of a read, no byte is lost: the next read returns what that one has read. If you drop the future
/// of one `write`, none of its bytes are written. A `write_all` makes several writes, and those that are complete count.
///
/// ```
/// use heist::fs::File;
/// use heist::io::{AsyncReadExt, AsyncWriteExt};
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("greeting");
///     let mut file = File::create(&path).await?;
///     file.write_all(b"hello, world").await?;
///     file.flush().await?;
///
///     let mut greeting = String::new();
///     File::open(&path).await?.read_to_string(&mut greeting).await?;
///     assert_eq!(greeting, "hello, world");
///     Ok(())
/// }
/// ```
pub struct File {
    std: Arc<StdFile>,
    inner: Mutex<Inner>,
    max_buf_size: usize,
    /// A seek by the trait of `futures_io` that is under way.
    #[cfg(feature = "futures-io")]
    seeking: Option<SeekFrom>,
}

impl File {
    /// Makes a file from one of std. It keeps its position.
    ///
    /// ```
    /// use heist::fs::File;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let file = File::from_std(tempfile::tempfile()?);
    ///     assert_eq!(file.metadata().await?.len(), 0);
    ///     let _std: std::fs::File = file.into_std().await;
    ///     Ok(())
    /// }
    /// ```
    pub fn from_std(std: StdFile) -> File {
        Self::new(std, AtOnce::UNKNOWN)
    }

    /// A file that has just been opened. Call it on the blocking pool.
    pub(super) fn opened(std: StdFile) -> File {
        let at_once = AtOnce::UNKNOWN.known(&std);
        Self::new(std, at_once)
    }

    fn new(std: StdFile, at_once: AtOnce) -> File {
        File {
            std: Arc::new(std),
            inner: Mutex::new(Inner::new(at_once)),
            max_buf_size: MAX_BUF_SIZE,
            #[cfg(feature = "futures-io")]
            seeking: None,
        }
    }

    /// Waits until everything that was written is on the disk, and the file's metadata too.
    ///
    /// # Errors
    ///
    /// Any error from the disk. If the last write has failed, the next write or flush returns that error, and this doesn't.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// ```
    /// use heist::fs::File;
    /// use heist::io::AsyncWriteExt;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let folder = tempfile::tempdir()?;
    ///     let mut file = File::create(folder.path().join("ledger")).await?;
    ///     file.write_all(b"paid").await?;
    ///     file.flush().await?;
    ///     file.sync_all().await?;
    ///     // Now it outlives a loss of power.
    ///     Ok(())
    /// }
    /// ```
    pub async fn sync_all(&self) -> io::Result<()> {
        let mut inner = self.inner.lock().await;
        inner.settle().await;
        self.job(|std| std.sync_all()).await
    }

    /// Like [`sync_all`](Self::sync_all), but only for the metadata that is needed to read the bytes again.
    ///
    /// # Errors
    ///
    /// As [`sync_all`](Self::sync_all).
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// [`sync_all`](Self::sync_all) has an example.
    pub async fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.inner.lock().await;
        inner.settle().await;
        self.job(|std| std.sync_data()).await
    }

    /// Makes the file `size` bytes long. What is beyond that is cut off. If it was shorter, zeros are added. The position stays.
    ///
    /// # Errors
    ///
    /// If the file isn't open for writing, or is no regular file.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the length may have changed or not, or may still change. The next operation waits for that.
    ///
    /// ```
    /// use heist::fs::File;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let folder = tempfile::tempdir()?;
    ///     let file = File::create(folder.path().join("room")).await?;
    ///     file.set_len(1 << 20).await?;
    ///     assert_eq!(file.metadata().await?.len(), 1 << 20);
    ///     Ok(())
    /// }
    /// ```
    pub async fn set_len(&self, size: u64) -> io::Result<()> {
        let mut inner = self.inner.lock().await;
        inner.alone(&self.std, move |std| std.set_len(size)).await
    }

    /// What the system knows of the file. It doesn't wait for a write that is under way, so flush first if you want to know
    /// the length.
    ///
    /// # Errors
    ///
    /// Any error from the system.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// ```
    /// use heist::fs::File;
    /// use heist::io::AsyncWriteExt;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut file = File::from_std(tempfile::tempfile()?);
    ///     file.write_all(b"hello").await?;
    ///     file.flush().await?;
    ///     assert_eq!(file.metadata().await?.len(), 5);
    ///     Ok(())
    /// }
    /// ```
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.job(|std| std.metadata()).await
    }

    /// Another handle of the same open file. Both have one position: if one reads, writes or seeks, the other's position
    /// moves too. From then on all their reads use the pool, even of what is in the page cache.
    ///
    /// # Errors
    ///
    /// If the process has too many open files.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// ```
    /// use heist::fs::File;
    /// use heist::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut file = File::from_std(tempfile::tempfile()?);
    ///     let mut same = file.try_clone().await?;
    ///     file.write_all(b"hello").await?;
    ///     file.rewind().await?;
    ///     let mut text = String::new();
    ///     same.read_to_string(&mut text).await?;
    ///     assert_eq!(text, "hello");
    ///     Ok(())
    /// }
    /// ```
    pub async fn try_clone(&self) -> io::Result<File> {
        let mut inner = self.inner.lock().await;
        inner.level(&self.std).await?;
        inner.at_once = AtOnce::NEVER;
        let mut file = Self::new(self.job(|std| std.try_clone()).await?, AtOnce::NEVER);
        file.max_buf_size = self.max_buf_size;
        Ok(file)
    }

    /// Turns this into a file of std. Waits for what is under way first.
    ///
    /// # Panics
    ///
    /// If the job of a future that was dropped still uses the file, and the process has too many open files for a copy.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the file is closed.
    ///
    /// [`from_std`](Self::from_std) has an example.
    pub async fn into_std(mut self) -> StdFile {
        // If the position can't be moved back, the bytes that were read ahead are lost: there is nobody to give them to.
        let _ = self.inner.get_mut().level(&self.std).await;
        match Arc::try_unwrap(self.std) {
            Ok(std) => std,
            Err(shared) => shared.try_clone().expect("a job still uses the file"),
        }
    }

    /// Turns this into a file of std, if nothing is under way.
    ///
    /// # Errors
    ///
    /// Returns the file as it is if something is under way.
    ///
    /// ```
    /// use heist::fs::File;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let file = File::from_std(tempfile::tempfile()?);
    ///     assert!(file.try_into_std().is_ok());
    ///     Ok(())
    /// }
    /// ```
    #[expect(clippy::result_large_err, reason = "the file itself goes back")]
    pub fn try_into_std(mut self) -> Result<StdFile, Self> {
        match Arc::try_unwrap(self.std) {
            Ok(std) => Ok(std),
            Err(shared) => {
                self.std = shared;
                Err(self)
            }
        }
    }

    /// Changes the file's permissions.
    ///
    /// # Errors
    ///
    /// If the process may not do so.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future after its first poll, they change all the same.
    ///
    /// ```
    /// use heist::fs::File;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let folder = tempfile::tempdir()?;
    ///     let file = File::create(folder.path().join("constitution")).await?;
    ///     let mut permissions = file.metadata().await?.permissions();
    ///     permissions.set_readonly(true);
    ///     file.set_permissions(permissions).await?;
    ///     assert!(file.metadata().await?.permissions().readonly());
    ///     Ok(())
    /// }
    /// ```
    pub async fn set_permissions(&self, perm: Permissions) -> io::Result<()> {
        self.job(move |std| std.set_permissions(perm)).await
    }

    /// Sets the times at which the file was last read and changed. Waits for a write that is under way first, because that
    /// sets them too.
    ///
    /// # Errors
    ///
    /// If the process may not do so.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, they may have changed or not.
    ///
    /// ```
    /// use heist::fs::File;
    /// use std::fs::FileTimes;
    /// use std::time::{Duration, SystemTime};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let file = File::from_std(tempfile::tempfile()?);
    ///     let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    ///     file.set_times(FileTimes::new().set_accessed(then).set_modified(then)).await?;
    ///     assert_eq!(file.metadata().await?.modified()?, then);
    ///     Ok(())
    /// }
    /// ```
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        let mut inner = self.inner.lock().await;
        inner.settle().await;
        self.job(move |std| std.set_times(times)).await
    }

    /// Sets the time at which the file was last changed.
    ///
    /// # Errors
    ///
    /// As [`set_times`](Self::set_times).
    ///
    /// # Cancel safety
    ///
    /// As [`set_times`](Self::set_times).
    ///
    /// [`set_times`](Self::set_times) has an example.
    pub async fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time)).await
    }

    /// Sets how many bytes one read or write moves at most. The default is 2 MiB.
    ///
    /// # Panics
    ///
    /// If it is 0.
    ///
    /// ```
    /// use heist::fs::File;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut file = File::from_std(tempfile::tempfile()?);
    ///     file.set_max_buf_size(64 * 1024);
    ///     assert_eq!(file.max_buf_size(), 64 * 1024);
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn set_max_buf_size(&mut self, max_buf_size: usize) {
        assert!(max_buf_size > 0, "`max_buf_size` must be greater than 0");
        self.max_buf_size = max_buf_size;
    }

    /// How many bytes one read or write moves at most.
    ///
    /// [`set_max_buf_size`](Self::set_max_buf_size) has an example.
    pub fn max_buf_size(&self) -> usize {
        self.max_buf_size
    }

    /// Runs `job` on the pool.
    async fn job<T: Send + 'static>(
        &self,
        job: impl FnOnce(&StdFile) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let std = self.std.clone();
        job::run(move || job(&std)).await
    }
}

impl AsyncRead for File {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let inner = this.inner.get_mut();
        inner.poll_read(&this.std, this.max_buf_size, cx, buf)
    }
}

impl AsyncWrite for File {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    /// Waits for the write that is under way, and returns its error.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().inner.get_mut().poll_flush(cx)
    }

    /// The same as a flush. The file stays open until it is dropped.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let inner = this.inner.get_mut();
        inner.poll_write(&this.std, this.max_buf_size, cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl AsyncSeek for File {
    /// Begins to move to `position`.
    ///
    /// # Errors
    ///
    /// If another operation is under way. [`poll_complete`](AsyncSeek::poll_complete) waits for it.
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let this = self.get_mut();
        this.inner.get_mut().start_seek(&this.std, position)
    }

    /// Waits until the seek has ended, and returns the position from the start. Without a seek it waits for what is under way,
    /// and returns where the last seek has led. The error of a seek whose future was dropped comes from the next one.
    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.get_mut().inner.get_mut().poll_complete(cx)
    }
}

impl From<StdFile> for File {
    fn from(std: StdFile) -> Self {
        Self::from_std(std)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("std", &self.std)
            .finish_non_exhaustive()
    }
}
