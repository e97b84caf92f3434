//! Reading and writing: four traits in tokio's shape, and what is made of them.
//!
//! | to | see |
//! |---|---|
//! | read, write, seek | [`AsyncReadExt`], [`AsyncWriteExt`], [`AsyncSeekExt`] |
//! | read line by line | [`AsyncBufReadExt`] |
//! | make few large reads or writes of many small ones | [`BufReader`], [`BufWriter`], [`BufStream`] |
//! | split a stream into a reader and a writer, or join the two | [`split()`], [`join()`] |
//! | connect two tasks by a stream in memory | [`duplex()`], [`simplex`] |
//! | read the standard input, write to the standard outputs | [`stdin`], [`stdout`], [`stderr`] |
//! | read nothing, or one byte for ever; throw away what is written | [`empty`], [`repeat`], [`sink`] |
//! | copy from a reader to a writer, or both ways | [`copy()`], [`copy_buf`], [`copy_bidirectional`] |
//! | read or write by a trait of [`std::io`], in code that blocks | [`SyncIoBridge`] |
//! | implement a reader or a writer | [`AsyncRead`], [`ReadBuf`], [`AsyncWrite`] |
//! | choose whether to wait for reads or for writes | [`Interest`], [`Ready`] |
//! | wait for any file descriptor, on Unix | [`unix::AsyncFd`](unix/struct.AsyncFd.html) |
//! | use a type that has the traits of `futures_io`, or hand out one | [`compat`] |
//!
//! The traits are heist's own. They have the signatures of tokio's, so code moves over by changing paths. A type that
//! implements tokio's traits does not implement these: [`compat`] says what to do.
//!
//! Functions that read or write several times try again after [`ErrorKind::Interrupted`]. Each time after the first costs a
//! unit of the task's [budget](crate::task::coop), so a task that reads from an endless reader still yields. A writer that
//! claims more bytes than it was given gets an error.
//!
//! Sockets, files and the pipes of child processes also implement the traits of `futures_io`, for crates that ask for
//! those. Buffers, halves of [`split()`], streams in memory and the standard streams don't: wrap them by [`compat`].

use std::io::{BufRead, IoSlice, Read, Seek, Write};

#[doc(inline)]
pub use heist_reactor::io::*;

use crate::runtime::Handle;

/// Wraps an asynchronous stream, and has a blocking trait of std for each of heist's traits that `T` has.
///
/// Each call blocks its thread until the stream is ready. So use it in [`spawn_blocking`](crate::task::spawn_blocking), or
/// on a thread of your own, to hand a stream to a library that can only block. In a task of a multi-thread runtime, another
/// thread takes over the worker meanwhile. In a task of a current-thread runtime, a call that waits for another task of the
/// same runtime never returns.
///
/// The stream is polled inside the runtime in which the bridge was made, if there is one. The bridge has the interface of
/// `tokio_util::io::SyncIoBridge`.
///
/// Dropping it drops the stream, and neither flushes nor shuts it down.
///
/// ```
/// use std::io::{BufRead, BufReader, Write};
///
/// use heist::io::{AsyncReadExt, AsyncWriteExt, SyncIoBridge, duplex};
///
/// #[heist::main]
/// async fn main() {
///     let (mut one, other) = duplex(16);
///     let mut bridge = SyncIoBridge::new(other);
///     let blocking = heist::task::spawn_blocking(move || {
///         let mut line = String::new();
///         BufReader::new(&mut bridge).read_line(&mut line).unwrap();
///         write!(bridge, "{} bytes", line.len()).unwrap();
///         bridge.shutdown().unwrap();
///     });
///
///     one.write_all(b"how long is this?\n").await.unwrap();
///     let mut answer = String::new();
///     one.read_to_string(&mut answer).await.unwrap();
///     assert_eq!(answer, "18 bytes");
///     blocking.await.unwrap();
/// }
/// ```
#[derive(Debug)]
pub struct SyncIoBridge<T> {
    src: T,
    runtime: Option<Handle>,
}

impl<T: Unpin> SyncIoBridge<T> {
    /// Makes a bridge to `src`, which is polled inside the current runtime. If there is none, `src` is polled outside of any.
    pub fn new(src: T) -> Self {
        let runtime = Handle::try_current().ok();
        Self { src, runtime }
    }

    /// Makes a bridge to `src`, which is polled inside the runtime `rt`.
    pub fn new_with_handle(src: T, rt: Handle) -> Self {
        let runtime = Some(rt);
        Self { src, runtime }
    }

    /// The stream.
    pub fn into_inner(self) -> T {
        self.src
    }

    /// Blocks on what `operation` makes of the stream.
    fn block_on<'a, F: Future>(&'a mut self, operation: impl FnOnce(&'a mut T) -> F) -> F::Output {
        let _entered = self.runtime.as_ref().map(Handle::enter);
        heist_sync::protocol::block_on(operation(&mut self.src))
    }
}

impl<T: AsyncWrite> SyncIoBridge<T> {
    /// Whether [`Write::write_vectored`] writes from more than one buffer.
    pub fn is_write_vectored(&self) -> bool {
        self.src.is_write_vectored()
    }
}

impl<T: AsyncWrite + Unpin> SyncIoBridge<T> {
    /// Shuts down writing. std's traits have nothing like it.
    ///
    /// # Errors
    ///
    /// Any error from the stream.
    pub fn shutdown(&mut self) -> Result<()> {
        self.block_on(T::shutdown)
    }
}

impl<T> AsRef<T> for SyncIoBridge<T> {
    fn as_ref(&self) -> &T {
        &self.src
    }
}

impl<T> AsMut<T> for SyncIoBridge<T> {
    fn as_mut(&mut self) -> &mut T {
        &mut self.src
    }
}

impl<T: AsyncRead + Unpin> Read for SyncIoBridge<T> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        self.block_on(|src| src.read(buf))
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> Result<usize> {
        self.block_on(|src| src.read_to_end(buf))
    }

    fn read_to_string(&mut self, buf: &mut String) -> Result<usize> {
        self.block_on(|src| src.read_to_string(buf))
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> Result<()> {
        self.block_on(|src| src.read_exact(buf)).map(drop)
    }
}

impl<T: AsyncBufRead + Unpin> BufRead for SyncIoBridge<T> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        self.block_on(T::fill_buf)
    }

    fn consume(&mut self, amt: usize) {
        AsyncBufReadExt::consume(&mut self.src, amt);
    }

    fn read_until(&mut self, byte: u8, buf: &mut Vec<u8>) -> Result<usize> {
        self.block_on(|src| src.read_until(byte, buf))
    }

    fn read_line(&mut self, buf: &mut String) -> Result<usize> {
        self.block_on(|src| src.read_line(buf))
    }
}

impl<T: AsyncWrite + Unpin> Write for SyncIoBridge<T> {
    fn write(&mut self, buf: &[u8]) -> Result<usize> {
        self.block_on(|src| src.write(buf))
    }

    fn flush(&mut self) -> Result<()> {
        self.block_on(T::flush)
    }

    fn write_all(&mut self, buf: &[u8]) -> Result<()> {
        self.block_on(|src| src.write_all(buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> Result<usize> {
        self.block_on(|src| src.write_vectored(bufs))
    }
}

impl<T: AsyncSeek + Unpin> Seek for SyncIoBridge<T> {
    fn seek(&mut self, pos: SeekFrom) -> Result<u64> {
        self.block_on(|src| src.seek(pos))
    }
}
