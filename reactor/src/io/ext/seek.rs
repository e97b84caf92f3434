//! [`AsyncSeekExt`].

use std::io::{Result, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::io::AsyncSeek;
use crate::io::operation::{Operate, Operation};

/// Async functions to move to another position.
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
/// use std::io::Cursor;
///
/// #[heist::main]
/// async fn main() {
///     let mut cursor = Cursor::new(b"hello, world");
///     assert_eq!(cursor.seek(SeekFrom::End(-5)).await.unwrap(), 7);
///     let mut end = String::new();
///     cursor.read_to_string(&mut end).await.unwrap();
///     assert_eq!(end, "world");
/// }
/// ```
pub trait AsyncSeekExt: AsyncSeek {
    /// Moves to `pos`. Returns the position from the start.
    ///
    /// # Errors
    ///
    /// If the position is before the start, or any other error from the seek.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the seek may have taken place or not.
    ///
    /// [`AsyncSeekExt`] has an example.
    fn seek(&mut self, pos: SeekFrom) -> Operate<'_, Self, Seek>
    where
        Self: Unpin,
    {
        Operate::new(self, Seek(Some(pos)))
    }

    /// Moves to the start.
    ///
    /// # Errors
    ///
    /// Any error from the seek.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the seek may have taken place or not.
    ///
    /// ```
    /// use heist::io::{AsyncSeekExt, AsyncWriteExt};
    /// use std::io::Cursor;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut cursor = Cursor::new(Vec::new());
    ///     cursor.write_all(b"hello").await?;
    ///     assert_eq!(cursor.stream_position().await?, 5);
    ///     cursor.rewind().await?;
    ///     assert_eq!(cursor.stream_position().await?, 0);
    ///     Ok(())
    /// }
    /// ```
    fn rewind(&mut self) -> Operate<'_, Self, Seek>
    where
        Self: Unpin,
    {
        self.seek(SeekFrom::Start(0))
    }

    /// The position from the start.
    ///
    /// # Errors
    ///
    /// Any error from the seek.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing has changed.
    ///
    /// [`rewind`](Self::rewind) has an example.
    fn stream_position(&mut self) -> Operate<'_, Self, Seek>
    where
        Self: Unpin,
    {
        self.seek(SeekFrom::Current(0))
    }
}

impl<S: AsyncSeek + ?Sized> AsyncSeekExt for S {}

/// [`AsyncSeekExt::seek`] and its like. `None` once the seek has begun.
pub struct Seek(Option<SeekFrom>);

impl<S: AsyncSeek + ?Sized> Operation<S> for Seek {
    type Output = u64;

    fn poll(&mut self, mut io: Pin<&mut S>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        if let Some(position) = self.0 {
            // A seek that was given up may still be under way.
            ready!(io.as_mut().poll_complete(cx))?;
            io.as_mut().start_seek(position)?;
            self.0 = None;
        }
        io.poll_complete(cx)
    }
}
