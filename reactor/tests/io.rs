//! Readers and writers that break their promises.

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use heist_reactor::io::{AsyncReadExt, AsyncWriteExt, copy};
use heist_reactor::testing::block_on;

/// Answers each call with the next of these.
struct Script(Vec<fn(usize) -> io::Result<usize>>);

impl Script {
    fn next(&mut self, len: usize) -> Poll<io::Result<usize>> {
        if self.0.is_empty() {
            return Poll::Ready(Ok(0));
        }
        Poll::Ready(self.0.remove(0)(len))
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        buffer.fill(b'x');
        self.next(buffer.len())
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.next(buffer.len())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn whoever_claims_more_than_was_asked_is_not_believed() {
    block_on(async {
        let liar = || Script(vec![|_| Ok(2), |len| Ok(len + 1)]);
        let mut buffer = [0; 8];
        let error = liar().read_exact(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let mut all = b"before".to_vec();
        let error = liar().read_to_end(&mut all).await.unwrap_err();
        assert_eq!(
            (error.kind(), &*all),
            (ErrorKind::InvalidData, &b"beforexx"[..])
        );
        let error = liar().write_all(&buffer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let error = copy(&mut liar(), &mut Script(vec![|_| Ok(1), |_| Ok(1)]))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    });
}

#[test]
fn an_end_too_soon_is_an_error() {
    block_on(async {
        let error = Script(vec![|_| Ok(3)])
            .read_exact(&mut [0; 4])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let error = Script(vec![|_| Ok(3)])
            .write_all(&[0; 4])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
    });
}

#[test]
fn a_reader_that_panics_or_fails_leaves_only_what_was_read() {
    let mut all = Vec::new();
    let read = catch_unwind(AssertUnwindSafe(|| {
        block_on(Script(vec![|_| Ok(3), |_| panic!("a reader panics")]).read_to_end(&mut all))
    }));
    assert!(read.is_err());
    assert_eq!(all, b"xxx");
    let fails: fn(usize) -> io::Result<usize> = |_| Err(ErrorKind::Other.into());
    let mut text = "before".to_owned();
    let read = block_on(Script(vec![|_| Ok(3), fails]).read_to_string(&mut text));
    assert!(read.is_err());
    assert_eq!(text, "before");
}
