//! Reading and writing: all that [`heist_reactor::io`] has, and a bridge to code that blocks.
//!
//! The table [there](heist_reactor::io) says what to use for what. One row more:
//!
//! | to | see |
//! |---|---|
//! | use an asynchronous stream where a [`std::io::Read`] or [`std::io::Write`] is asked for | [`SyncIoBridge`] |

use std::io::{BufRead, IoSlice, Read, Seek, Write};

#[doc(inline)]
pub use heist_reactor::io::*;

use crate::runtime::Handle;

/// An asynchronous stream as a blocking one: it has std's traits wherever `T` has heist's.
///
/// Each call blocks its thread until the stream is ready. So use it in [`spawn_blocking`](crate::task::spawn_blocking), or
/// on a thread of your own, to hand a stream to a library that can only block. In a task of a multi-thread runtime, another
/// thread takes over the worker meanwhile. In a task of a current-thread runtime, a call that waits for another task of it
/// never returns.
///
/// The stream is polled inside the runtime in which the bridge was made, if there is one. It has the interface of
/// `tokio_util::io::SyncIoBridge`.
///
/// Dropping it drops the stream, and neither flushes nor shuts it down.
///
/// ```
/// use std::io::{BufRead, BufReader, Write};
///
/// use heist::io::{AsyncReadExt, AsyncWriteExt, SyncIoBridge, duplex};
/// # #[heist::main]
/// # async fn main() {
/// let (mut one, other) = duplex(16);
/// let mut bridge = SyncIoBridge::new(other);
/// let blocking = heist::task::spawn_blocking(move || {
///     let mut line = String::new();
///     BufReader::new(&mut bridge).read_line(&mut line).unwrap();
///     write!(bridge, "{} bytes", line.len()).unwrap();
///     bridge.shutdown().unwrap();
/// });
///
/// one.write_all(b"how long is this?\n").await.unwrap();
/// let mut answer = String::new();
/// one.read_to_string(&mut answer).await.unwrap();
/// assert_eq!(answer, "18 bytes");
/// blocking.await.unwrap();
/// # }
/// ```
#[derive(Debug)]
pub struct SyncIoBridge<T> {
    src: T,
    runtime: Option<Handle>,
}

impl<T: Unpin> SyncIoBridge<T> {
    /// A bridge to `src`, which is polled inside the current runtime. Outside of any runtime it is polled outside of any.
    pub fn new(src: T) -> Self {
        let runtime = Handle::try_current().ok();
        Self { src, runtime }
    }

    /// A bridge to `src`, which is polled inside the runtime `rt`.
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
