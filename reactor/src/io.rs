//! Reading and writing: four traits in tokio's shape, and what is made of them.
//!
//! The module `io` of the crate `heist` re-exports all of this. Its documentation says what to use for what.

pub mod compat;

#[cfg(unix)]
pub mod unix {
    //! Waiting for any file descriptor.

    #[doc(hidden)]
    #[allow(deprecated)]
    pub use crate::async_fd::AsyncFdTryNewError;
    pub use crate::async_fd::{
        AsyncFd, AsyncFdReadyGuard, AsyncFdReadyMutGuard, AsyncFdRegisterError, TryIoError,
    };
}

mod buffered;
mod chain;
mod copy;
mod duplex;
mod endless;
mod ext;
mod join;
mod operation;
mod polls;
mod read_buf;
mod split;
mod stdio;
mod take;
mod traits;

pub use crate::backend::{Interest, Ready};
pub use buffered::{BufReader, BufStream, BufWriter};
pub use chain::Chain;
pub use copy::{copy, copy_bidirectional, copy_bidirectional_with_sizes, copy_buf};
pub use duplex::{DuplexStream, SimplexStream, duplex, simplex};
pub use endless::{Empty, Repeat, Sink, empty, repeat, sink};
pub use ext::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, Lines, Split};
pub use join::{Join, join};
pub(crate) use polls::read_into;
pub use read_buf::ReadBuf;
pub use split::{ReadHalf, WriteHalf, split};
#[doc(no_inline)]
pub use std::io::{Error, ErrorKind, Result, SeekFrom};
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
pub use take::Take;
pub use traits::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};

/// How much [`copy()`] holds at once, and [`AsyncReadExt::read_to_end`] asks for at first.
const CHUNK: usize = 8 * 1024;
