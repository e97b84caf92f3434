//! Reading and writing: four traits in tokio's shape, and what is made of them.
//!
//! | to | see |
//! |---|---|
//! | read, write, seek | [`AsyncReadExt`], [`AsyncWriteExt`], [`AsyncSeekExt`] |
//! | read line by line | [`AsyncBufReadExt`] |
//! | read and write in larger parts than the program does | [`BufReader`], [`BufWriter`], [`BufStream`] |
//! | make two of one stream, or one of two | [`split()`], [`join()`] |
//! | connect two tasks by a stream in memory | [`duplex()`], [`simplex`] |
//! | read the standard input, write to the standard outputs | [`stdin`], [`stdout`], [`stderr`] |
//! | read nothing, or one byte for ever; throw away what is written | [`empty`], [`repeat`], [`sink`] |
//! | copy from a reader to a writer, or both ways | [`copy()`], [`copy_buf`], [`copy_bidirectional`] |
//! | say what one waits for at a source | [`Interest`], [`Ready`] |
//! | wait for any descriptor of Unix | [`unix::AsyncFd`] |
//! | use a type with the traits of `futures_io`, or hand it one | [`compat`] |
//!
//! Functions that read or write several times try again after [`ErrorKind::Interrupted`]. Each time after the first costs a
//! unit of the task's [budget](heist_sync::coop), so a task that reads from an endless reader still yields. A writer that
//! claims more bytes than it was given gets an error.
//!
//! The sockets of heist also implement the traits of `futures_io`, for crates that ask for those. What is made here of other
//! streams has heist's traits only, and so have the streams in memory and the standard ones: wrap them by [`compat`].

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
