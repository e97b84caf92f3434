//! [`stdin`], [`stdout`], [`stderr`]: std's, whose calls block, by way of the pool.

use std::io::{ErrorKind, Read, Result, Write};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{AsyncRead, AsyncWrite, ReadBuf};
use crate::blocking::{self, Spawned};

/// How much is read or written at once at most.
const MOST: usize = 2 * 1024 * 1024;

/// The standard input of the process.
///
/// It is meant for input from a file or from another program. Each read is a blocking read on a thread of the blocking pool,
/// and nothing can cancel that. If one is under way when the runtime is dropped, the drop waits until the user presses
/// Enter. `shutdown_timeout` and `shutdown` wait only for a limited time. For a dialogue with a user, it is better to start
/// a thread that reads from [`std::io::stdin`].
///
/// All handles read from the same input. What a handle has read ahead is lost if you drop it, so use one only. To read
/// lines, put a [`BufReader`](super::BufReader) round it.
///
/// # Cancel safety
///
/// If you drop the future of a read, the read goes on, and the next read gets what it finds.
///
/// ```no_run
/// use heist::io::{self, AsyncBufReadExt, BufReader};
///
/// #[heist::main]
/// async fn main() {
///     let mut lines = BufReader::new(io::stdin()).lines();
///     while let Some(line) = lines.next_line().await.unwrap() {
///         println!("{} bytes", line.len());
///     }
/// }
/// ```
pub fn stdin() -> Stdin {
    Stdin {
        std: std::io::stdin(),
        bytes: Vec::new(),
        unread: 0..0,
        job: None,
    }
}

/// The standard output of the process.
///
/// A write completes at once, and a thread of the blocking pool passes the bytes on to [`std::io::stdout`]. That keeps what
/// comes after the last line feed. So call [`flush`](super::AsyncWriteExt::flush), which waits until everything has been
/// written, before the program ends. The next call returns the error of a write. If the runtime ends meanwhile, the bytes
/// are still passed on.
///
/// A single write stays in one piece, but [`write_all`](super::AsyncWriteExt::write_all) may make several. Each handle
/// writes in order. What different handles write may come in any order, so use one only:
///
/// ```
/// use heist::io::{self, AsyncWriteExt};
///
/// #[heist::main]
/// async fn main() {
///     let mut stdout = io::stdout();
///     for word in ["hello", " ", "world\n"] {
///         stdout.write_all(word.as_bytes()).await.unwrap();
///     }
///     stdout.flush().await.unwrap();
/// }
/// ```
///
/// The console of Windows takes UTF-8 only. There, a write ends before a character that isn't complete.
pub fn stdout() -> Stdout {
    Stdout {
        std: std::io::stdout(),
        writing: Writing::default(),
    }
}

/// The standard error output of the process.
///
/// It is like [`stdout`], but [`std::io::stderr`] keeps nothing. So a flush only waits until the last write has ended.
///
/// ```
/// use heist::io::{self, AsyncWriteExt};
///
/// #[heist::main]
/// async fn main() {
///     io::stderr().write_all(b"something is wrong\n").await.unwrap();
/// }
/// ```
pub fn stderr() -> Stderr {
    Stderr {
        std: std::io::stderr(),
        writing: Writing::default(),
    }
}

/// What [`stdin`] returns.
#[derive(Debug)]
pub struct Stdin {
    pub(crate) std: std::io::Stdin,
    bytes: Vec<u8>,
    /// The part of the bytes that was read and not taken yet.
    unread: Range<usize>,
    job: Option<Spawned<(Vec<u8>, Result<usize>)>>,
}

impl AsyncRead for Stdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = &mut *self;
        if this.unread.is_empty() && buf.remaining() > 0 {
            let len = buf.remaining().min(MOST);
            let bytes = &mut this.bytes;
            let job = this.job.get_or_insert_with(|| {
                let mut bytes = std::mem::take(bytes);
                blocking::spawn(move || {
                    bytes.resize(len, 0);
                    let read = read_some(&mut std::io::stdin(), &mut bytes);
                    (bytes, read)
                })
            });
            let done = ready!(Pin::new(job).poll(cx));
            this.job = None;
            let (bytes, read) = done?;
            this.bytes = bytes;
            this.unread = 0..read?;
        }
        let taken = this.unread.len().min(buf.remaining());
        buf.put_slice(&this.bytes[this.unread.clone()][..taken]);
        this.unread.start += taken;
        Poll::Ready(Ok(()))
    }
}

/// Reads once. A read that is interrupted is none.
fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// What is under way at an output.
#[derive(Debug, Default)]
struct Writing {
    job: Option<Spawned<(Vec<u8>, Result<()>)>>,
    /// The bytes of the next job.
    bytes: Vec<u8>,
    /// Whether anything was written since the last flush.
    unflushed: bool,
}

impl Writing {
    /// Polls until no job is under way. An error is that of the last one.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(job) = &mut self.job else {
            return Poll::Ready(Ok(()));
        };
        let done = ready!(Pin::new(job).poll(cx));
        self.job = None;
        let (bytes, result) = done?;
        self.bytes = bytes;
        Poll::Ready(result)
    }

    /// Begins a job, which runs even if the runtime ends first.
    fn begin(&mut self, job: impl FnOnce(&[u8]) -> Result<()> + Send + 'static) -> Result<()> {
        let bytes = std::mem::take(&mut self.bytes);
        let job = blocking::spawn_mandatory(move || {
            let result = job(&bytes);
            (bytes, result)
        });
        self.job = Some(job?);
        Ok(())
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        mut std: impl Write + Send + 'static,
    ) -> Poll<Result<usize>> {
        ready!(self.poll_idle(cx))?;
        let mut part = &bytes[..bytes.len().min(MOST)];
        if cfg!(windows) {
            part = whole_characters(part);
        }
        if part.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(part);
        self.begin(move |bytes| std.write_all(bytes))?;
        self.unflushed = true;
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        mut std: impl Write + Send + 'static,
    ) -> Poll<Result<()>> {
        ready!(self.poll_idle(cx))?;
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        self.begin(move |_| std.flush())?;
        self.unflushed = false;
        self.poll_idle(cx)
    }
}

/// `bytes` without a character at their end that isn't complete. If that is all there is, or if it isn't UTF-8, it stays.
fn whole_characters(bytes: &[u8]) -> &[u8] {
    let tail = bytes.len().saturating_sub(3);
    for start in (tail..bytes.len()).rev() {
        let needed = match bytes[start] {
            0x80..0xc0 => continue,
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0.. => 4,
            _ => 1,
        };
        let complete = bytes.len() - start >= needed;
        return if complete || start == 0 {
            bytes
        } else {
            &bytes[..start]
        };
    }
    bytes
}

macro_rules! output {
    ($name:ident, $function:ident) => {
        #[doc = concat!("What [`", stringify!($function), "`] returns.")]
        #[derive(Debug)]
        pub struct $name {
            pub(crate) std: std::io::$name,
            writing: Writing,
        }

        impl AsyncWrite for $name {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<Result<usize>> {
                self.writing.poll_write(cx, buf, std::io::$function())
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                self.writing.poll_flush(cx, std::io::$function())
            }

            /// Only flushes: it stays open.
            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                self.poll_flush(cx)
            }
        }
    };
}

output!(Stdout, stdout);
output!(Stderr, stderr);

#[cfg(test)]
mod tests {
    use super::whole_characters;

    #[test]
    fn a_write_ends_before_a_character_that_is_not_complete() {
        let text = "aä€𝄞".as_bytes();
        for (len, whole) in [
            (0, 0),
            (1, 1),
            (2, 1),
            (3, 3),
            (4, 3),
            (5, 3),
            (6, 6),
            (7, 6),
            (8, 6),
            (9, 6),
            (10, 10),
        ] {
            assert_eq!(whole_characters(&text[..len]), &text[..whole]);
        }
        // What can't be helped is left to std.
        assert_eq!(whole_characters(b"\xe2\x82"), b"\xe2\x82");
        assert_eq!(whole_characters(b"a\x80\x80\x80"), b"a\x80\x80\x80");
        assert_eq!(whole_characters(b"\xff"), b"\xff");
    }
}
