//! [`Join`]: a reader and a writer as one.

use std::pin::Pin;

use pin_project_lite::pin_project;

use super::traits::{forward_buf_read, forward_read, forward_write};
use super::{AsyncBufRead, AsyncRead, AsyncWrite};

pin_project! {
    /// A reader and a writer as one: what [`join`] returns.
    #[derive(Debug)]
    pub struct Join<R, W> {
        #[pin]
        reader: R,
        #[pin]
        writer: W,
    }
}

/// Makes one of a reader and a writer.
///
/// ```
/// use heist::io::{self, AsyncReadExt, AsyncWriteExt};
///
/// #[heist::main]
/// async fn main() {
///     let mut both = io::join(&b"in"[..], Vec::new());
///     let mut read = String::new();
///     both.read_to_string(&mut read).await.unwrap();
///     both.write_all(b"out").await.unwrap();
///     assert_eq!((&*read, &**both.writer()), ("in", &b"out"[..]));
/// }
/// ```
pub fn join<R, W>(reader: R, writer: W) -> Join<R, W>
where
    R: AsyncRead,
    W: AsyncWrite,
{
    Join { reader, writer }
}

impl<R, W> Join<R, W> {
    /// The two.
    pub fn into_inner(self) -> (R, W) {
        (self.reader, self.writer)
    }

    /// The reader.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// The writer.
    pub fn writer(&self) -> &W {
        &self.writer
    }

    /// The reader.
    pub fn reader_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The writer.
    pub fn writer_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// The reader, pinned.
    pub fn reader_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().reader
    }

    /// The writer, pinned.
    pub fn writer_pin_mut(self: Pin<&mut Self>) -> Pin<&mut W> {
        self.project().writer
    }
}

forward_read!([R: AsyncRead, W] Join<R, W>, self => self.project().reader);
forward_buf_read!([R: AsyncBufRead, W] Join<R, W>, self => self.project().reader);
forward_write!([R, W: AsyncWrite] Join<R, W>, self => self.project().writer, self.writer.is_write_vectored());
