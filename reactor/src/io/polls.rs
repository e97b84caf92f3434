//! One poll of a reader or writer, which isn't trusted: whatever it does, no byte is taken for read that wasn't.
#![allow(unsafe_code)]

use std::io::{self, Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;

use super::{AsyncRead, AsyncWrite, ReadBuf};

/// Polls for one read into the free part of `buffer`, and returns how many bytes were read. A buffer that is full is an end
/// of the stream.
///
/// # Errors
///
/// Any error from the reader.
///
/// # Panics
///
/// If the reader returns another buffer than the one that it was given.
pub(crate) fn poll_read_buf<R, B>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buffer: &mut B,
) -> Poll<io::Result<usize>>
where
    R: AsyncRead + ?Sized,
    B: BufMut + ?Sized,
{
    if !buffer.has_remaining_mut() {
        return Poll::Ready(Ok(0));
    }
    let chunk = buffer.chunk_mut();
    // SAFETY: nothing here makes initialized bytes uninitialized. `ReadBuf::uninit` lends them to those only who promise the
    // same.
    let mut free = ReadBuf::uninit(unsafe { chunk.as_uninit_slice_mut() });
    let start = free.filled().as_ptr();
    ready!(reader.poll_read(cx, &mut free))?;
    assert!(
        std::ptr::eq(free.filled().as_ptr(), start),
        "a reader has exchanged its buffer"
    );
    let done = free.filled().len();
    // SAFETY: the reader's buffer is the one that we gave it, and so many bytes of it are filled.
    unsafe { buffer.advance_mut(done) };
    Poll::Ready(Ok(done))
}

/// Reads into the free part of `buffer` by `read`, and returns what it gives.
///
/// # Errors
///
/// Any error of `read`.
///
/// # Panics
///
/// If `read` exchanges the buffer that it was given.
pub(crate) fn read_into<B: BufMut + ?Sized, T>(
    buffer: &mut B,
    read: impl FnOnce(&mut ReadBuf<'_>) -> io::Result<T>,
) -> io::Result<T> {
    let chunk = buffer.chunk_mut();
    // SAFETY: nothing here makes initialized bytes uninitialized. `ReadBuf::uninit` lends them to those only who promise the
    // same.
    let mut free = ReadBuf::uninit(unsafe { chunk.as_uninit_slice_mut() });
    let start = free.filled().as_ptr();
    let result = read(&mut free)?;
    assert!(
        std::ptr::eq(free.filled().as_ptr(), start),
        "a reader has exchanged its buffer"
    );
    let done = free.filled().len();
    // SAFETY: the buffer is the one that we gave, and so many bytes of it are filled.
    unsafe { buffer.advance_mut(done) };
    Ok(result)
}

/// Polls for one read into `buffer`, and returns how many bytes were read.
///
/// # Errors
///
/// Any error from the reader.
pub(crate) fn poll_read_slice<R: AsyncRead + ?Sized>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    poll_read_checked(reader, cx, &mut buffer)
}

/// Polls for one read that fills some more of `buffer`, and returns how many bytes were read.
///
/// # Errors
///
/// Any error from the reader.
///
/// # Panics
///
/// If the reader returns another buffer than the one that it was given, or one with less in it.
pub(crate) fn poll_read_checked<R: AsyncRead + ?Sized>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<usize>> {
    let (start, filled) = (buffer.filled().as_ptr(), buffer.filled().len());
    ready!(reader.poll_read(cx, buffer))?;
    assert!(
        std::ptr::eq(buffer.filled().as_ptr(), start) && filled <= buffer.filled().len(),
        "a reader has exchanged its buffer"
    );
    Poll::Ready(Ok(buffer.filled().len() - filled))
}

/// Polls for one read of at most `limit` bytes into `buffer`, and returns how many bytes were read. The reader sees only so
/// many bytes of the buffer.
///
/// # Errors
///
/// Any error from the reader.
///
/// # Panics
///
/// If the reader returns another buffer than the one that it was given.
pub(crate) fn poll_read_limited<R: AsyncRead + ?Sized>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
    limit: usize,
) -> Poll<io::Result<usize>> {
    let mut part = buffer.take(limit);
    let done = ready!(poll_read_checked(reader, cx, &mut part))?;
    let initialized = part.initialized().len();
    // SAFETY: `part` began at our unfilled part, and so many bytes of it are initialized.
    unsafe { buffer.assume_init(initialized) };
    buffer.advance(done);
    Poll::Ready(Ok(done))
}

/// Polls for one write, and checks what the writer says of it.
pub(crate) fn poll_write<W: AsyncWrite + ?Sized>(
    writer: Pin<&mut W>,
    cx: &mut Context<'_>,
    buffer: &[u8],
) -> Poll<io::Result<usize>> {
    let done = ready!(writer.poll_write(cx, buffer))?;
    Poll::Ready(no_more_than(buffer.len(), done))
}

/// Returns `done`, or an error if it is more than `len`.
pub(crate) fn no_more_than(len: usize, done: usize) -> io::Result<usize> {
    if done > len {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!("a writer claims to have written {done} bytes of {len}"),
        ));
    }
    Ok(done)
}
