//! [`read_dir`].

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{FileType, Metadata};
use std::future::{Future, poll_fn};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use heist_sync::coop;

use super::job;
use crate::blocking::{self, Spawned};

#[cfg(unix)]
mod unix;

/// How many entries one job reads.
const CHUNK: usize = 32;

/// Lists a directory, in no order, without `.` and `..`.
///
/// # Errors
///
/// If it doesn't exist, is no directory, or can't be read.
///
/// # Cancel safety
///
/// If you drop the future, nothing is lost.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     heist::fs::write(folder.path().join("a"), "").await?;
///     let mut entries = heist::fs::read_dir(folder.path()).await?;
///     while let Some(entry) = entries.next_entry().await? {
///         assert_eq!(entry.file_name(), "a");
///     }
///     Ok(())
/// }
/// ```
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref().to_owned();
    job::run(move || {
        let mut chunk = Chunk {
            entries: VecDeque::with_capacity(CHUNK),
            rest: Some(std::fs::read_dir(path)?),
        };
        chunk.fill();
        Ok(ReadDir(State::Idle(chunk)))
    })
    .await
}

/// The entries of a directory: what [`read_dir`] returns.
///
/// [`read_dir`] has an example.
#[derive(Debug)]
#[must_use = "it reads nothing unless you ask for entries"]
pub struct ReadDir(State);

#[derive(Debug)]
enum State {
    Idle(Chunk),
    Busy(Spawned<Chunk>),
    /// A job did not run, and the directory is closed.
    Closed,
}

#[derive(Debug)]
struct Chunk {
    entries: VecDeque<io::Result<DirEntry>>,
    /// What is still to be read.
    rest: Option<std::fs::ReadDir>,
}

impl Chunk {
    /// Reads more entries, up to an error.
    fn fill(&mut self) {
        while let Some(rest) = &mut self.rest
            && self.entries.len() < CHUNK
        {
            let Some(entry) = rest.next() else {
                self.rest = None;
                break;
            };
            let failed = entry.is_err();
            self.entries.push_back(entry.map(DirEntry::new));
            if failed {
                break;
            }
        }
    }
}

impl ReadDir {
    /// The next entry, or `None` after the last.
    ///
    /// # Errors
    ///
    /// Any error from the system. You may call this again after it.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, no entry is lost.
    ///
    /// [`read_dir`] has an example.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    /// Like [`next_entry`](Self::next_entry), as a poll.
    ///
    /// # Errors
    ///
    /// As [`next_entry`](Self::next_entry).
    pub fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        loop {
            match &mut self.0 {
                State::Idle(chunk) => {
                    let unit = ready!(coop::poll_proceed(cx));
                    let next = chunk.entries.pop_front();
                    if next.is_some() || chunk.rest.is_none() {
                        unit.made_progress();
                        return Poll::Ready(next.transpose());
                    }
                    let mut chunk = Chunk {
                        entries: std::mem::take(&mut chunk.entries),
                        rest: chunk.rest.take(),
                    };
                    self.0 = State::Busy(blocking::spawn(move || {
                        chunk.fill();
                        chunk
                    }));
                }
                State::Busy(job) => match ready!(Pin::new(job).poll(cx)) {
                    Ok(chunk) => self.0 = State::Idle(chunk),
                    Err(failed) => {
                        self.0 = State::Closed;
                        return Poll::Ready(Err(failed.into()));
                    }
                },
                State::Closed => {
                    let closed = io::Error::other("a read of the directory has failed before");
                    return Poll::Ready(Err(closed));
                }
            }
        }
    }
}

/// An entry of a directory.
///
/// ```
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let folder = tempfile::tempdir()?;
///     heist::fs::write(folder.path().join("note"), "hello").await?;
///
///     let mut entries = heist::fs::read_dir(folder.path()).await?;
///     let entry = entries.next_entry().await?.expect("there is one");
///     assert_eq!(entry.file_name(), "note");
///     assert_eq!(entry.path(), folder.path().join("note"));
///     assert!(entry.file_type().await?.is_file());
///     assert_eq!(entry.metadata().await?.len(), 5);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct DirEntry {
    /// What the directory itself says of it.
    file_type: Option<FileType>,
    std: Arc<std::fs::DirEntry>,
}

impl DirEntry {
    /// Call it on the blocking pool: some filesystems have to look for the type.
    fn new(entry: std::fs::DirEntry) -> Self {
        Self {
            file_type: entry.file_type().ok(),
            std: Arc::new(entry),
        }
    }

    /// Its path: the path that was given to [`read_dir`], joined with the name.
    ///
    /// [`DirEntry`] has an example.
    pub fn path(&self) -> PathBuf {
        self.std.path()
    }

    /// Its name.
    ///
    /// [`DirEntry`] has an example.
    pub fn file_name(&self) -> OsString {
        self.std.file_name()
    }

    /// What the system knows of it. For a symbolic link, that is about the link itself.
    ///
    /// # Errors
    ///
    /// If it doesn't exist any more.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// [`DirEntry`] has an example.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let std = self.std.clone();
        job::run(move || std.metadata()).await
    }

    /// Whether it is a file, a directory, a symbolic link or something else. With most filesystems this is known from the
    /// listing, and completes at once.
    ///
    /// # Errors
    ///
    /// If the listing didn't tell, and it doesn't exist any more.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// [`DirEntry`] has an example.
    pub async fn file_type(&self) -> io::Result<FileType> {
        if let Some(file_type) = self.file_type {
            return Ok(file_type);
        }
        let std = self.std.clone();
        job::run(move || std.file_type()).await
    }
}
