//! [`AsyncReadExt`].

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;

use crate::io::operation::{Operate, Operation, poll_each};
use crate::io::polls::{poll_read_buf, poll_read_checked, poll_read_slice};
use crate::io::{AsyncRead, CHUNK, Chain, ReadBuf, Take};

/// The methods that read a number: `read_…` for each type, most significant byte first, and `read_…_le`, least significant
/// byte first.
macro_rules! read_numbers {
    ($($number:ty, $bytes:literal: $read:ident, $read_le:ident;)+) => {$(
        #[doc = concat!("Reads ", $bytes, " bytes as a `", stringify!($number), "`, most significant byte first.")]
        ///
        /// # Errors
        ///
        /// As [`read_exact`](Self::read_exact).
        ///
        /// # Cancel safety
        ///
        /// If you drop the future, some bytes may have been read. They are lost.
        ///
        /// [`AsyncWriteExt`](super::AsyncWriteExt) has an example with numbers.
        fn $read(&mut self) -> Operate<'_, Self, ReadNumber<$number, $bytes>>
        where
            Self: Unpin,
        {
            Operate::new(self, ReadNumber::new(<$number>::from_be_bytes))
        }

        #[doc = concat!("Reads ", $bytes, " bytes as a `", stringify!($number), "`, least significant byte first.")]
        ///
        /// # Errors
        ///
        /// As [`read_exact`](Self::read_exact).
        ///
        /// # Cancel safety
        ///
        /// If you drop the future, some bytes may have been read. They are lost.
        ///
        /// [`AsyncWriteExt`](super::AsyncWriteExt) has an example with numbers.
        fn $read_le(&mut self) -> Operate<'_, Self, ReadNumber<$number, $bytes>>
        where
            Self: Unpin,
        {
            Operate::new(self, ReadNumber::new(<$number>::from_le_bytes))
        }
    )+};
}

/// Async functions to read bytes.
///
/// ```
/// use heist::io::{AsyncReadExt, AsyncWriteExt};
/// use heist::net::{TcpListener, TcpStream};
///
/// #[heist::main]
/// async fn main() {
///     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
///     let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
///     let (mut server, _) = listener.accept().await.unwrap();
///     client.write_all(b"to the last byte").await.unwrap();
///     client.shutdown().await.unwrap();
///
///     let mut start = [0; 2];
///     server.read_exact(&mut start).await.unwrap();
///     let mut rest = Vec::new();
///     assert_eq!(server.read_to_end(&mut rest).await.unwrap(), 14);
///     assert_eq!(rest, b" the last byte");
/// }
/// ```
pub trait AsyncReadExt: AsyncRead {
    /// A reader that reads this one to its end, and then `next`.
    ///
    /// ```
    /// use heist::io::AsyncReadExt;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut all = String::new();
    ///     (&b"one, "[..]).chain(&b"two"[..]).read_to_string(&mut all).await.unwrap();
    ///     assert_eq!(all, "one, two");
    /// }
    /// ```
    fn chain<R>(self, next: R) -> Chain<Self, R>
    where
        Self: Sized,
        R: AsyncRead,
    {
        Chain::new(self, next)
    }

    /// Reads some bytes, at least one, and returns how many. 0 means the end, or that `buf` is empty.
    ///
    /// # Errors
    ///
    /// Any error from the reader.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// ```
    /// use heist::io::AsyncReadExt;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut reader = &b"hello"[..];
    ///     let mut buffer = [0; 4];
    ///     let mut all = Vec::new();
    ///     loop {
    ///         let length = reader.read(&mut buffer).await?;
    ///         if length == 0 {
    ///             break;
    ///         }
    ///         all.extend_from_slice(&buffer[..length]);
    ///     }
    ///     assert_eq!(all, b"hello");
    ///     Ok(())
    /// }
    /// ```
    fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> Operate<'a, Self, Read<'a>>
    where
        Self: Unpin,
    {
        Operate::new(self, Read(buf))
    }

    /// Reads some bytes into the free part of `buf`, such as a `Vec<u8>` with capacity, and makes its filled part longer by
    /// them. Returns how many. 0 means the end, or that `buf` is full. The free part need not be initialized.
    ///
    /// # Errors
    ///
    /// Any error from the reader.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost.
    ///
    /// ```
    /// use heist::io::AsyncReadExt;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut received = Vec::with_capacity(64);
    ///     assert_eq!((&b"bytes"[..]).read_buf(&mut received).await.unwrap(), 5);
    ///     assert_eq!(received, b"bytes");
    /// }
    /// ```
    fn read_buf<'a, B>(&'a mut self, buf: &'a mut B) -> Operate<'a, Self, ReadInto<'a, B>>
    where
        Self: Unpin,
        B: BufMut + ?Sized,
    {
        Operate::new(self, ReadInto(buf))
    }

    /// Reads until `buf` is full. Returns its length.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the end comes first, or any error from the reader except `Interrupted`. `buf` may hold anything
    /// then.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, some bytes may have been read. They are in `buf`, but you can't tell how many.
    ///
    /// [`AsyncReadExt`] has an example.
    fn read_exact<'a>(&'a mut self, buf: &'a mut [u8]) -> Operate<'a, Self, ReadExact<'a>>
    where
        Self: Unpin,
    {
        Operate::new(self, ReadExact(ReadBuf::new(buf)))
    }

    read_numbers! {
        u8, 1: read_u8, read_u8_le;
        i8, 1: read_i8, read_i8_le;
        u16, 2: read_u16, read_u16_le;
        i16, 2: read_i16, read_i16_le;
        u32, 4: read_u32, read_u32_le;
        i32, 4: read_i32, read_i32_le;
        u64, 8: read_u64, read_u64_le;
        i64, 8: read_i64, read_i64_le;
        u128, 16: read_u128, read_u128_le;
        i128, 16: read_i128, read_i128_le;
        f32, 4: read_f32, read_f32_le;
        f64, 8: read_f64, read_f64_le;
    }

    /// Reads to the end, and appends what was read to `buf`. Returns how many bytes were read.
    ///
    /// If `buf` has room for all, it isn't allocated anew, unless its capacity is below 32.
    ///
    /// # Errors
    ///
    /// Any error from the reader except `Interrupted`. What was read so far stays in `buf`.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, what was read so far is in `buf`.
    ///
    /// [`AsyncReadExt`] has an example.
    fn read_to_end<'a>(&'a mut self, buf: &'a mut Vec<u8>) -> Operate<'a, Self, ReadToEnd<'a>>
    where
        Self: Unpin,
    {
        let (start, given) = (buf.len(), buf.capacity());
        Operate::new(self, ReadToEnd { buf, start, given })
    }

    /// Reads to the end, and appends what was read to `dst`. Returns how many bytes were read.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the bytes aren't UTF-8, or any error from the reader except `Interrupted`. `dst` is unchanged
    /// then.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, what was read so far is lost.
    ///
    /// [`chain`](Self::chain) has an example.
    fn read_to_string<'a>(&'a mut self, dst: &'a mut String) -> Operate<'a, Self, ReadToString<'a>>
    where
        Self: Unpin,
    {
        Operate::new(
            self,
            ReadToString {
                bytes: Vec::new(),
                dst,
            },
        )
    }

    /// A reader that reads at most `limit` bytes from this one.
    ///
    /// ```
    /// use heist::io::AsyncReadExt;
    ///
    /// #[heist::main]
    /// async fn main() {
    ///     let mut some = String::new();
    ///     (&b"hello, world"[..]).take(5).read_to_string(&mut some).await.unwrap();
    ///     assert_eq!(some, "hello");
    /// }
    /// ```
    fn take(self, limit: u64) -> Take<Self>
    where
        Self: Sized,
    {
        Take::new(self, limit)
    }
}

impl<R: AsyncRead + ?Sized> AsyncReadExt for R {}

/// [`AsyncReadExt::read`].
pub struct Read<'a>(&'a mut [u8]);

impl<R: AsyncRead + ?Sized> Operation<R> for Read<'_> {
    type Output = usize;

    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        poll_read_slice(io, cx, self.0)
    }
}

/// [`AsyncReadExt::read_buf`].
pub struct ReadInto<'a, B: ?Sized>(&'a mut B);

impl<R: AsyncRead + ?Sized, B: BufMut + ?Sized> Operation<R> for ReadInto<'_, B> {
    type Output = usize;

    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        poll_read_buf(io, cx, self.0)
    }
}

/// [`AsyncReadExt::read_exact`].
pub struct ReadExact<'a>(ReadBuf<'a>);

impl<R: AsyncRead + ?Sized> Operation<R> for ReadExact<'_> {
    type Output = usize;

    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        poll_exact(io, cx, &mut self.0)
    }
}

/// Polls until `buffer` is full. Returns its length.
fn poll_exact<R: AsyncRead + ?Sized>(
    mut reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<Result<usize>> {
    poll_each(cx, |cx| {
        if buffer.remaining() != 0 && ready!(poll_read_checked(reader.as_mut(), cx, buffer))? == 0 {
            return Poll::Ready(Err(Error::from(ErrorKind::UnexpectedEof)));
        }
        Poll::Ready(Ok((buffer.remaining() == 0).then_some(buffer.capacity())))
    })
}

/// [`AsyncReadExt::read_u8`] and its like.
pub struct ReadNumber<T, const N: usize> {
    bytes: [u8; N],
    filled: usize,
    from_bytes: fn([u8; N]) -> T,
}

impl<T, const N: usize> ReadNumber<T, N> {
    fn new(from_bytes: fn([u8; N]) -> T) -> Self {
        Self {
            bytes: [0; N],
            filled: 0,
            from_bytes,
        }
    }
}

impl<R: AsyncRead + ?Sized, T, const N: usize> Operation<R> for ReadNumber<T, N> {
    type Output = T;

    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let mut buffer = ReadBuf::new(&mut self.bytes);
        buffer.set_filled(self.filled);
        let polled = poll_exact(io, cx, &mut buffer);
        self.filled = buffer.filled().len();
        ready!(polled)?;
        Poll::Ready(Ok((self.from_bytes)(self.bytes)))
    }
}

/// [`AsyncReadExt::read_to_end`].
pub struct ReadToEnd<'a> {
    buf: &'a mut Vec<u8>,
    /// How long it was before.
    start: usize,
    /// Its capacity then.
    given: usize,
}

impl<R: AsyncRead + ?Sized> Operation<R> for ReadToEnd<'_> {
    type Output = usize;

    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        ready!(poll_to_end(io, cx, self.buf, self.given))?;
        Poll::Ready(Ok(self.buf.len() - self.start))
    }
}

/// [`AsyncReadExt::read_to_string`].
pub struct ReadToString<'a> {
    bytes: Vec<u8>,
    dst: &'a mut String,
}

impl<R: AsyncRead + ?Sized> Operation<R> for ReadToString<'_> {
    type Output = usize;

    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        ready!(poll_to_end(io, cx, &mut self.bytes, 0))?;
        let text = std::str::from_utf8(&self.bytes)
            .map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
        self.dst.push_str(text);
        Poll::Ready(Ok(text.len()))
    }
}

/// Less room than this is not worth a read.
const LITTLE: usize = 32;

/// Polls until all has been read, and appended to `buffer`, whose capacity was `given`.
fn poll_to_end<R: AsyncRead + ?Sized>(
    mut reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buffer: &mut Vec<u8>,
    given: usize,
) -> Poll<Result<()>> {
    poll_each(cx, |cx| {
        if buffer.capacity() - buffer.len() < LITTLE {
            // Whoever gave the buffer may have known how much there is to read. So nothing is allocated just to learn that
            // the end has come.
            if buffer.capacity() == given && given >= LITTLE {
                let mut more = [0; LITTLE];
                let done = ready!(poll_read_slice(reader.as_mut(), cx, &mut more))?;
                buffer.extend_from_slice(&more[..done]);
                return Poll::Ready(Ok((done == 0).then_some(())));
            }
            buffer.reserve(CHUNK);
        }
        // Some readers initialize all that they are given. The limit keeps a large buffer from being cleared again for
        // each few bytes read.
        let free = (buffer.capacity() - buffer.len()).min(16 * CHUNK);
        let mut free = (&mut *buffer).limit(free);
        let done = ready!(poll_read_buf(reader.as_mut(), cx, &mut free))?;
        Poll::Ready(Ok((done == 0).then_some(())))
    })
}
