//! A buffer that a reader fills, which need not be initialized first.
//!
//! The bytes are in three parts, in this order: filled, initialized but not filled, and uninitialized. So
//! `filled <= initialized <= buffer.len()` holds at all times, and only unsafe functions can claim that bytes are
//! initialized.
#![allow(unsafe_code)]

use std::fmt;
use std::mem::MaybeUninit;

use bytes::BufMut;
use bytes::buf::UninitSlice;

/// A buffer that a reader fills. It counts which bytes are filled, and which are at least initialized.
///
/// This is what [`AsyncRead::poll_read`](super::AsyncRead::poll_read) is given. It has the interface of tokio's `ReadBuf`.
///
/// ```
/// use heist::io::ReadBuf;
///
/// let mut bytes = [0; 8];
/// let mut buffer = ReadBuf::new(&mut bytes);
/// buffer.put_slice(b"abc");
/// assert_eq!(buffer.filled(), b"abc");
/// assert_eq!(buffer.remaining(), 5);
/// ```
pub struct ReadBuf<'a> {
    buffer: &'a mut [MaybeUninit<u8>],
    filled: usize,
    initialized: usize,
}

impl<'a> ReadBuf<'a> {
    /// A buffer of initialized bytes.
    ///
    /// [`ReadBuf`] has an example.
    #[inline]
    pub fn new(buffer: &'a mut [u8]) -> ReadBuf<'a> {
        let initialized = buffer.len();
        let buffer: *mut [u8] = buffer;
        // SAFETY: both types have the same layout, and the exclusive borrow of `buffer` goes on for `'a`. Nothing here writes
        // uninitialized bytes, and whoever uses the unsafe functions promises not to.
        let buffer = unsafe { &mut *(buffer as *mut [MaybeUninit<u8>]) };
        ReadBuf {
            buffer,
            filled: 0,
            initialized,
        }
    }

    /// A buffer of bytes that may be uninitialized.
    ///
    /// ```
    /// use heist::io::ReadBuf;
    /// use std::mem::MaybeUninit;
    ///
    /// let mut bytes = [MaybeUninit::uninit(); 8];
    /// let mut buffer = ReadBuf::uninit(&mut bytes);
    /// assert_eq!(buffer.capacity(), 8);
    /// buffer.put_slice(b"abc");
    /// assert_eq!((buffer.filled(), buffer.initialized()), (&b"abc"[..], &b"abc"[..]));
    /// ```
    #[inline]
    pub fn uninit(buffer: &'a mut [MaybeUninit<u8>]) -> ReadBuf<'a> {
        ReadBuf {
            buffer,
            filled: 0,
            initialized: 0,
        }
    }

    /// How many bytes the buffer holds in all.
    ///
    /// [`uninit`](Self::uninit) has an example.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// The filled part.
    ///
    /// [`ReadBuf`] has an example.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        // SAFETY: the filled part is initialized.
        unsafe { self.buffer[..self.filled].assume_init_ref() }
    }

    /// The filled part, to be changed.
    ///
    /// ```
    /// use heist::io::ReadBuf;
    ///
    /// let mut bytes = [0; 8];
    /// let mut buffer = ReadBuf::new(&mut bytes);
    /// buffer.put_slice(b"abc");
    /// buffer.filled_mut().make_ascii_uppercase();
    /// assert_eq!(buffer.filled(), b"ABC");
    /// ```
    #[inline]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        // SAFETY: the filled part is initialized.
        unsafe { self.buffer[..self.filled].assume_init_mut() }
    }

    /// The first `n` bytes after the filled part, or all of them if fewer are left, as a buffer of its own. What is filled
    /// there isn't filled here until you call [`advance`](Self::advance).
    ///
    /// ```
    /// use heist::io::{AsyncRead, ReadBuf};
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll, ready};
    ///
    /// /// Reads three bytes at most.
    /// fn poll_three(
    ///     reader: Pin<&mut impl AsyncRead>,
    ///     cx: &mut Context<'_>,
    ///     buffer: &mut ReadBuf<'_>,
    /// ) -> Poll<std::io::Result<()>> {
    ///     let mut part = buffer.take(3);
    ///     ready!(reader.poll_read(cx, &mut part))?;
    ///     let read = part.filled().len();
    ///     // It is initialized already, as `new` below says.
    ///     buffer.advance(read);
    ///     Poll::Ready(Ok(()))
    /// }
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut bytes = [0; 8];
    ///     let mut buffer = ReadBuf::new(&mut bytes);
    ///     let mut reader = &b"abcdef"[..];
    ///     std::future::poll_fn(|cx| poll_three(Pin::new(&mut reader), cx, &mut buffer)).await?;
    ///     assert_eq!(buffer.filled(), b"abc");
    ///     Ok(())
    /// }
    /// ```
    #[inline]
    pub fn take(&mut self, n: usize) -> ReadBuf<'_> {
        let n = n.min(self.remaining());
        let initialized = (self.initialized - self.filled).min(n);
        let start = self.filled;
        ReadBuf {
            buffer: &mut self.buffer[start..start + n],
            filled: 0,
            initialized,
        }
    }

    /// The initialized part, which begins with the filled part.
    ///
    /// [`uninit`](Self::uninit) has an example.
    #[inline]
    pub fn initialized(&self) -> &[u8] {
        // SAFETY: so many bytes are initialized.
        unsafe { self.buffer[..self.initialized].assume_init_ref() }
    }

    /// The initialized part, to be changed. It begins with the filled part.
    #[inline]
    pub fn initialized_mut(&mut self) -> &mut [u8] {
        // SAFETY: so many bytes are initialized.
        unsafe { self.buffer[..self.initialized].assume_init_mut() }
    }

    /// The whole buffer.
    ///
    /// # Safety
    ///
    /// You must not make initialized bytes uninitialized.
    #[inline]
    pub unsafe fn inner_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.buffer
    }

    /// The part that isn't filled.
    ///
    /// # Safety
    ///
    /// You must not make initialized bytes uninitialized.
    #[inline]
    pub unsafe fn unfilled_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        &mut self.buffer[self.filled..]
    }

    /// The part that isn't filled, initialized. Bytes that weren't are zero now.
    ///
    /// ```
    /// use heist::io::ReadBuf;
    /// use std::io::Read;
    /// use std::mem::MaybeUninit;
    ///
    /// let mut bytes = [MaybeUninit::uninit(); 8];
    /// let mut buffer = ReadBuf::uninit(&mut bytes);
    /// let length = (&b"abc"[..]).read(buffer.initialize_unfilled())?;
    /// buffer.advance(length);
    /// assert_eq!((buffer.filled(), buffer.remaining()), (&b"abc"[..], 5));
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn initialize_unfilled(&mut self) -> &mut [u8] {
        self.initialize_unfilled_to(self.remaining())
    }

    /// The first `n` bytes after the filled part, initialized. Bytes that weren't are zero now.
    ///
    /// # Panics
    ///
    /// If fewer than `n` bytes are left.
    ///
    /// [`initialize_unfilled`](Self::initialize_unfilled) has an example.
    #[inline]
    #[track_caller]
    pub fn initialize_unfilled_to(&mut self, n: usize) -> &mut [u8] {
        assert!(
            n <= self.remaining(),
            "only {} bytes are left of {n}",
            self.remaining()
        );
        let end = self.filled + n;
        if self.initialized < end {
            self.buffer[self.initialized..end].fill(MaybeUninit::new(0));
            self.initialized = end;
        }
        // SAFETY: they are initialized up to `end`.
        unsafe { self.buffer[self.filled..end].assume_init_mut() }
    }

    /// How many bytes aren't filled.
    ///
    /// [`ReadBuf`] has an example.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.capacity() - self.filled
    }

    /// Makes the filled part empty. What is initialized stays so.
    ///
    /// ```
    /// use heist::io::ReadBuf;
    ///
    /// let mut bytes = [0; 8];
    /// let mut buffer = ReadBuf::new(&mut bytes);
    /// buffer.put_slice(b"abc");
    /// buffer.clear();
    /// assert_eq!((buffer.filled().len(), buffer.initialized().len()), (0, 8));
    /// ```
    #[inline]
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Makes the filled part `n` bytes longer.
    ///
    /// # Panics
    ///
    /// If these bytes aren't initialized.
    ///
    /// [`initialize_unfilled`](Self::initialize_unfilled) has an example.
    #[inline]
    #[track_caller]
    pub fn advance(&mut self, n: usize) {
        self.set_filled(
            self.filled
                .checked_add(n)
                .expect("filled is no more than a usize"),
        );
    }

    /// Sets how long the filled part is. It may become shorter.
    ///
    /// # Panics
    ///
    /// If these bytes aren't initialized.
    ///
    /// ```
    /// use heist::io::ReadBuf;
    ///
    /// let mut bytes = [0; 8];
    /// let mut buffer = ReadBuf::new(&mut bytes);
    /// buffer.put_slice(b"abc");
    /// buffer.set_filled(1);
    /// assert_eq!(buffer.filled(), b"a");
    /// ```
    #[inline]
    #[track_caller]
    pub fn set_filled(&mut self, n: usize) {
        assert!(
            n <= self.initialized,
            "filled must not become larger than initialized"
        );
        self.filled = n;
    }

    /// Says that the first `n` bytes after the filled part are initialized.
    ///
    /// # Safety
    ///
    /// They must be.
    #[inline]
    pub unsafe fn assume_init(&mut self, n: usize) {
        self.initialized = self.initialized.max(self.filled + n);
    }

    /// Fills the next bytes with `bytes`.
    ///
    /// # Panics
    ///
    /// If fewer bytes are left.
    ///
    /// [`ReadBuf`] has an example.
    #[inline]
    #[track_caller]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        assert!(
            bytes.len() <= self.remaining(),
            "{} bytes don't fit into {}",
            bytes.len(),
            self.remaining()
        );
        let end = self.filled + bytes.len();
        self.buffer[self.filled..end].write_copy_of_slice(bytes);
        self.initialized = self.initialized.max(end);
        self.filled = end;
    }

    /// Fills the next bytes by `read`, which gets all that aren't filled and returns those that it has filled: the first
    /// few of them. Returns how many.
    ///
    /// # Panics
    ///
    /// If `read` returns other bytes than these.
    #[inline]
    pub(crate) fn fill<E>(
        &mut self,
        read: impl for<'b> FnOnce(&'b mut [MaybeUninit<u8>]) -> Result<&'b mut [u8], E>,
    ) -> Result<usize, E> {
        let unfilled = &mut self.buffer[self.filled..];
        let (start, room) = (unfilled.as_ptr().cast::<u8>(), unfilled.len());
        let done = read(unfilled)?;
        let len = done.len();
        assert!(len == 0 || (std::ptr::eq(done.as_ptr(), start) && len <= room));
        // They are initialized, since there was a `&mut [u8]` of them.
        self.filled += len;
        self.initialized = self.initialized.max(self.filled);
        Ok(len)
    }
}

impl fmt::Debug for ReadBuf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuf")
            .field("filled", &self.filled)
            .field("initialized", &self.initialized)
            .field("capacity", &self.capacity())
            .finish()
    }
}

// SAFETY: `chunk_mut` is exactly what isn't filled, and `remaining_mut` its length. `advance_mut` passes its caller's promise
// on.
unsafe impl BufMut for ReadBuf<'_> {
    fn remaining_mut(&self) -> usize {
        self.remaining()
    }

    unsafe fn advance_mut(&mut self, n: usize) {
        // SAFETY: the caller has initialized these bytes.
        unsafe { self.assume_init(n) };
        self.advance(n);
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        UninitSlice::uninit(&mut self.buffer[self.filled..])
    }
}

#[cfg(test)]
mod tests {
    use super::{MaybeUninit, ReadBuf};

    #[test]
    fn what_is_filled_was_initialized() {
        let mut bytes = [MaybeUninit::uninit(); 8];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        assert_eq!((buffer.capacity(), buffer.remaining()), (8, 8));
        buffer.put_slice(b"ab");
        assert_eq!(
            (buffer.filled(), buffer.initialized()),
            (&b"ab"[..], &b"ab"[..])
        );
        buffer.initialize_unfilled_to(3).copy_from_slice(b"cde");
        assert_eq!(
            (buffer.filled(), buffer.initialized()),
            (&b"ab"[..], &b"abcde"[..])
        );
        buffer.advance(2);
        assert_eq!(buffer.filled(), b"abcd");
        // What was initialized before isn't cleared.
        assert_eq!(buffer.initialize_unfilled(), b"e\0\0\0");
        buffer.set_filled(1);
        let mut taken = buffer.take(3);
        assert_eq!((taken.capacity(), taken.initialized()), (3, &b"bcd"[..]));
        taken.put_slice(b"xy");
        assert_eq!(taken.filled(), b"xy");
        buffer.advance(2);
        assert_eq!(buffer.filled(), b"axy");
        let mut all = buffer.take(usize::MAX);
        assert_eq!((all.capacity(), all.initialized().len()), (5, 5));
        all.put_slice(b"12345");
        buffer.clear();
        assert_eq!((buffer.filled(), buffer.initialized().len()), (&b""[..], 8));
    }

    #[test]
    #[should_panic = "filled must not become larger than initialized"]
    fn what_is_not_initialized_is_not_filled() {
        ReadBuf::uninit(&mut [MaybeUninit::uninit(); 8]).advance(1);
    }

    #[test]
    #[should_panic = "9 bytes don't fit into 8"]
    fn no_more_is_put_than_fits() {
        ReadBuf::new(&mut [0; 8]).put_slice(&[0; 9]);
    }
}
