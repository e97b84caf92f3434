//! [`split`]: a reader and a writer made of one stream.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;

use heist_sync::sys::{Arc, Mutex};

use super::traits::{forward_read, forward_write};
use super::{AsyncRead, AsyncWrite};

/// What the two halves share. The stream is pinned in its box, so that it may be polled under a lock and still be put
/// together again.
struct Shared<T> {
    stream: Mutex<Pin<Box<T>>>,
    vectored: bool,
}

/// The reading half of a stream: from [`split`].
pub struct ReadHalf<T>(Arc<Shared<T>>);

/// The writing half of a stream: from [`split`].
pub struct WriteHalf<T>(Arc<Shared<T>>);

/// Splits a stream into a reader and a writer, which two tasks may have.
///
/// Each poll of a half takes a lock, which the other half takes too. The streams of [`net`](crate::net) have an `into_split`
/// of their own, which needs none. The stream is closed once both halves are dropped.
///
/// ```
/// use heist::io::{self, AsyncReadExt, AsyncWriteExt};
///
/// #[heist::main]
/// async fn main() {
///     let (mut reader, mut writer) = io::split(io::join(&b"in"[..], Vec::new()));
///     let mut read = String::new();
///     reader.read_to_string(&mut read).await.unwrap();
///     writer.write_all(b"out").await.unwrap();
///     assert_eq!(&**reader.unsplit(writer).writer(), b"out");
/// }
/// ```
pub fn split<T: AsyncRead + AsyncWrite>(stream: T) -> (ReadHalf<T>, WriteHalf<T>) {
    let shared = Arc::new(Shared {
        vectored: stream.is_write_vectored(),
        stream: Mutex::new(Box::pin(stream)),
    });
    (ReadHalf(shared.clone()), WriteHalf(shared))
}

impl<T> ReadHalf<T> {
    /// Whether the two come from the same stream.
    ///
    /// [`unsplit`](Self::unsplit) has an example.
    pub fn is_pair_of(&self, other: &WriteHalf<T>) -> bool {
        other.is_pair_of(self)
    }

    /// Puts the two halves together again.
    ///
    /// # Panics
    ///
    /// If they don't come from the same stream.
    ///
    /// ```
    /// use heist::io::{duplex, split};
    ///
    /// let (one, _other) = duplex(16);
    /// let (read, write) = split(one);
    /// assert!(read.is_pair_of(&write));
    /// let _one = read.unsplit(write);
    /// ```
    #[track_caller]
    pub fn unsplit(self, other: WriteHalf<T>) -> T
    where
        T: Unpin,
    {
        assert!(
            self.is_pair_of(&other),
            "tried to put together halves of different streams"
        );
        drop(other);
        let shared = Arc::try_unwrap(self.0).ok().expect("there were only two");
        *Pin::into_inner(shared.stream.into_inner())
    }
}

impl<T> WriteHalf<T> {
    /// Whether the two come from the same stream.
    ///
    /// [`ReadHalf::unsplit`] has an example.
    pub fn is_pair_of(&self, other: &ReadHalf<T>) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

// If a poll panics, the lock is free afterwards, and the stream is as the panic left it.
impl<T> UnwindSafe for ReadHalf<T> {}
impl<T> RefUnwindSafe for ReadHalf<T> {}
impl<T> UnwindSafe for WriteHalf<T> {}
impl<T> RefUnwindSafe for WriteHalf<T> {}

forward_read!([T: AsyncRead] ReadHalf<T>, self => self.0.stream.lock().as_mut());
forward_write!([T: AsyncWrite] WriteHalf<T>, self => self.0.stream.lock().as_mut(), self.0.vectored);

impl<T> fmt::Debug for ReadHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for WriteHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf").finish_non_exhaustive()
    }
}
