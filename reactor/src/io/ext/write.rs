//! [`AsyncWriteExt`].

use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;

use crate::io::AsyncWrite;
use crate::io::operation::{Operate, Operation, poll_each};
use crate::io::polls::{no_more_than, poll_write};

/// How many parts of a [`Buf`] are written at once.
const PARTS: usize = 64;

/// The methods that write a number: `write_…` for each type, most significant byte first, and `write_…_le`, least
/// significant byte first.
macro_rules! write_numbers {
    ($($number:ty, $bytes:literal: $write:ident, $write_le:ident;)+) => {$(
        #[doc = concat!("Writes `n` as ", $bytes, " bytes, most significant byte first.")]
        ///
        /// # Errors
        ///
        /// As [`write_all`](Self::write_all).
        ///
        /// # Cancel safety
        ///
        /// If you drop the future, some bytes may have been written. You can't tell how many.
        ///
        /// [`AsyncWriteExt`] has an example with numbers.
        fn $write(&mut self, n: $number) -> Operate<'_, Self, WriteNumber<$bytes>>
        where
            Self: Unpin,
        {
            Operate::new(self, WriteNumber::new(n.to_be_bytes()))
        }

        #[doc = concat!("Writes `n` as ", $bytes, " bytes, least significant byte first.")]
        ///
        /// # Errors
        ///
        /// As [`write_all`](Self::write_all).
        ///
        /// # Cancel safety
        ///
        /// If you drop the future, some bytes may have been written. You can't tell how many.
        ///
        /// [`AsyncWriteExt`] has an example with numbers.
        fn $write_le(&mut self, n: $number) -> Operate<'_, Self, WriteNumber<$bytes>>
        where
            Self: Unpin,
        {
            Operate::new(self, WriteNumber::new(n.to_le_bytes()))
        }
    )+};
}

/// Async functions to write bytes. [`AsyncReadExt`](super::AsyncReadExt) has an example.
///
/// Numbers, which [`AsyncReadExt`](super::AsyncReadExt) reads back:
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncWriteExt};
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let mut written = Vec::new();
///     written.write_u16(0x0102).await?;
///     written.write_i32_le(-7).await?;
///     written.write_f64(0.5).await?;
///     assert_eq!(written[..3], [1, 2, 0xf9]);
///
///     let mut reader = &written[..];
///     assert_eq!(reader.read_u16().await?, 0x0102);
///     assert_eq!(reader.read_i32_le().await?, -7);
///     assert_eq!(reader.read_f64().await?, 0.5);
///     Ok(())
/// }
/// ```
pub trait AsyncWriteExt: AsyncWrite {
    /// Writes some bytes of `src`. Returns how many.
    ///
    /// # Errors
    ///
    /// Any error from the writer.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing has been written.
    ///
    /// ```
    /// use heist::io::AsyncWriteExt;
    /// use std::io::Cursor;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut room = [0; 3];
    ///     // There is room for three bytes only.
    ///     assert_eq!(Cursor::new(&mut room[..]).write(b"hello").await?, 3);
    ///     assert_eq!(&room, b"hel");
    ///     Ok(())
    /// }
    /// ```
    fn write<'a>(&'a mut self, src: &'a [u8]) -> Operate<'a, Self, Write<'a>>
    where
        Self: Unpin,
    {
        Operate::new(self, Write(src))
    }

    /// Writes from several buffers, one after the other. Returns how many bytes.
    ///
    /// # Errors
    ///
    /// Any error from the writer.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing has been written.
    ///
    /// ```
    /// use heist::io::AsyncWriteExt;
    /// use std::io::IoSlice;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut written = Vec::new();
    ///     let parts = [IoSlice::new(b"hello, "), IoSlice::new(b"world")];
    ///     assert_eq!(written.write_vectored(&parts).await?, 12);
    ///     assert_eq!(written, b"hello, world");
    ///     Ok(())
    /// }
    /// ```
    fn write_vectored<'a, 'b>(
        &'a mut self,
        bufs: &'a [IoSlice<'b>],
    ) -> Operate<'a, Self, WriteVectored<'a, 'b>>
    where
        Self: Unpin,
    {
        Operate::new(self, WriteVectored(bufs))
    }

    /// Writes some bytes of `src`, and takes them out of it. Returns how many.
    ///
    /// # Errors
    ///
    /// Any error from the writer.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing has been written.
    ///
    /// [`write_all_buf`](Self::write_all_buf) has an example.
    fn write_buf<'a, B>(&'a mut self, src: &'a mut B) -> Operate<'a, Self, WriteBuf<'a, B>>
    where
        Self: Unpin,
        B: Buf,
    {
        Operate::new(self, WriteBuf(src))
    }

    /// Writes all of `src`, and takes each part out of it once it is written.
    ///
    /// # Errors
    ///
    /// `WriteZero` if the writer takes no more, or any error from it except `Interrupted`. `src` holds what wasn't written.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, `src` holds what wasn't written. Call this again to go on.
    ///
    /// ```
    /// use heist::io::AsyncWriteExt;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let (mut message, mut written) = (&b"all of it"[..], Vec::new());
    ///     written.write_all_buf(&mut message).await.unwrap();
    ///     assert_eq!(written, b"all of it");
    ///     assert!(message.is_empty());
    /// }
    /// ```
    fn write_all_buf<'a, B>(&'a mut self, src: &'a mut B) -> Operate<'a, Self, WriteAllBuf<'a, B>>
    where
        Self: Unpin,
        B: Buf,
    {
        Operate::new(self, WriteAllBuf(src))
    }

    /// Writes all of `src`.
    ///
    /// # Errors
    ///
    /// `WriteZero` if the writer takes no more, or any error from it except `Interrupted`. You can't tell how much was written
    /// then.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, some bytes may have been written. You can't tell how many.
    ///
    /// [`AsyncReadExt`](super::AsyncReadExt) has an example.
    fn write_all<'a>(&'a mut self, src: &'a [u8]) -> Operate<'a, Self, WriteAll<'a>>
    where
        Self: Unpin,
    {
        Operate::new(self, WriteAll(src))
    }

    write_numbers! {
        u8, 1: write_u8, write_u8_le;
        i8, 1: write_i8, write_i8_le;
        u16, 2: write_u16, write_u16_le;
        i16, 2: write_i16, write_i16_le;
        u32, 4: write_u32, write_u32_le;
        i32, 4: write_i32, write_i32_le;
        u64, 8: write_u64, write_u64_le;
        i64, 8: write_i64, write_i64_le;
        u128, 16: write_u128, write_u128_le;
        i128, 16: write_i128, write_i128_le;
        f32, 4: write_f32, write_f32_le;
        f64, 8: write_f64, write_f64_le;
    }

    /// Flushes the writer: sends what it has buffered.
    ///
    /// # Errors
    ///
    /// Any error from the writer.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, you can call this again.
    ///
    /// [`BufWriter`](crate::io::BufWriter) has an example.
    fn flush(&mut self) -> Operate<'_, Self, Flush>
    where
        Self: Unpin,
    {
        Operate::new(self, Flush)
    }

    /// Flushes the writer and closes it. The peer of a connection then reads the end of the stream. You can still read from
    /// the connection.
    ///
    /// # Errors
    ///
    /// Any error from the writer.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, you can call this again.
    ///
    /// [`AsyncReadExt`](super::AsyncReadExt) has an example.
    fn shutdown(&mut self) -> Operate<'_, Self, Shutdown>
    where
        Self: Unpin,
    {
        Operate::new(self, Shutdown)
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWriteExt for W {}

/// [`AsyncWriteExt::write`].
pub struct Write<'a>(&'a [u8]);

impl<W: AsyncWrite + ?Sized> Operation<W> for Write<'_> {
    type Output = usize;

    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        poll_write(io, cx, self.0)
    }
}

/// [`AsyncWriteExt::write_vectored`].
pub struct WriteVectored<'a, 'b>(&'a [IoSlice<'b>]);

impl<W: AsyncWrite + ?Sized> Operation<W> for WriteVectored<'_, '_> {
    type Output = usize;

    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        poll_write_vectored(io, cx, self.0)
    }
}

/// Polls for one write from several buffers, and checks what the writer says of it.
fn poll_write_vectored<W: AsyncWrite + ?Sized>(
    writer: Pin<&mut W>,
    cx: &mut Context<'_>,
    buffers: &[IoSlice<'_>],
) -> Poll<Result<usize>> {
    // The same bytes may be in the list many times.
    let lens = buffers.iter().map(|buffer| buffer.len());
    let len = lens.fold(0, usize::saturating_add);
    let done = ready!(writer.poll_write_vectored(cx, buffers))?;
    Poll::Ready(no_more_than(len, done))
}

/// [`AsyncWriteExt::write_buf`].
pub struct WriteBuf<'a, B>(&'a mut B);

impl<W: AsyncWrite + ?Sized, B: Buf> Operation<W> for WriteBuf<'_, B> {
    type Output = usize;

    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        poll_write_buf(io, cx, self.0)
    }
}

/// Polls for one write from the front of `source`, and takes out of it what was written.
fn poll_write_buf<W: AsyncWrite + ?Sized>(
    writer: Pin<&mut W>,
    cx: &mut Context<'_>,
    source: &mut impl Buf,
) -> Poll<Result<usize>> {
    if !source.has_remaining() {
        return Poll::Ready(Ok(0));
    }
    let done = if writer.is_write_vectored() {
        let mut parts = [IoSlice::new(&[]); PARTS];
        let filled = source.chunks_vectored(&mut parts);
        ready!(poll_write_vectored(writer, cx, &parts[..filled]))?
    } else {
        ready!(poll_write(writer, cx, source.chunk()))?
    };
    source.advance(done);
    Poll::Ready(Ok(done))
}

/// [`AsyncWriteExt::write_all_buf`].
pub struct WriteAllBuf<'a, B>(&'a mut B);

impl<W: AsyncWrite + ?Sized, B: Buf> Operation<W> for WriteAllBuf<'_, B> {
    type Output = ();

    fn poll(&mut self, mut io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        poll_each(cx, |cx| {
            if self.0.has_remaining() && ready!(poll_write_buf(io.as_mut(), cx, self.0))? == 0 {
                return Poll::Ready(Err(Error::from(ErrorKind::WriteZero)));
            }
            Poll::Ready(Ok((!self.0.has_remaining()).then_some(())))
        })
    }
}

/// [`AsyncWriteExt::write_all`].
pub struct WriteAll<'a>(&'a [u8]);

impl<W: AsyncWrite + ?Sized> Operation<W> for WriteAll<'_> {
    type Output = ();

    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        poll_write_all(io, cx, &mut self.0)
    }
}

/// Polls until all of `left` has been written. `left` is what has not.
fn poll_write_all<W: AsyncWrite + ?Sized>(
    mut writer: Pin<&mut W>,
    cx: &mut Context<'_>,
    left: &mut &[u8],
) -> Poll<Result<()>> {
    poll_each(cx, |cx| {
        if !left.is_empty() {
            match ready!(poll_write(writer.as_mut(), cx, left))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                done => *left = &left[done..],
            }
        }
        Poll::Ready(Ok(left.is_empty().then_some(())))
    })
}

/// [`AsyncWriteExt::write_u8`] and its like.
pub struct WriteNumber<const N: usize> {
    bytes: [u8; N],
    written: usize,
}

impl<const N: usize> WriteNumber<N> {
    fn new(bytes: [u8; N]) -> Self {
        Self { bytes, written: 0 }
    }
}

impl<W: AsyncWrite + ?Sized, const N: usize> Operation<W> for WriteNumber<N> {
    type Output = ();

    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut left = &self.bytes[self.written..];
        let polled = poll_write_all(io, cx, &mut left);
        self.written = N - left.len();
        polled
    }
}

/// [`AsyncWriteExt::flush`].
pub struct Flush;

impl<W: AsyncWrite + ?Sized> Operation<W> for Flush {
    type Output = ();

    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        io.poll_flush(cx)
    }
}

/// [`AsyncWriteExt::shutdown`].
pub struct Shutdown;

impl<W: AsyncWrite + ?Sized> Operation<W> for Shutdown {
    type Output = ();

    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        io.poll_shutdown(cx)
    }
}
