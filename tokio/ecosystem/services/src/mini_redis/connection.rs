//! A connection: frames in, frames out.

use std::io::{ErrorKind, Result};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::frame::Frame;

/// What is to be written is sent when it has this length, or when the other side has to say something first.
const FULL: usize = 64 << 10;

pub(super) struct Connection {
    stream: TcpStream,
    read: BytesMut,
    written: BytesMut,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Connection {
            stream,
            read: BytesMut::with_capacity(4096),
            written: BytesMut::with_capacity(4096),
        }
    }

    /// The next frame, or none if the other side has closed between two. Sends what is written before it waits. Nothing is
    /// lost when it is cancelled.
    pub(super) async fn read(&mut self) -> Result<Option<Frame>> {
        loop {
            if let Some(frame) = Frame::take(&mut self.read)? {
                return Ok(Some(frame));
            }
            self.flush().await?;
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return if self.read.is_empty() {
                    Ok(None)
                } else {
                    Err(ErrorKind::ConnectionReset.into())
                };
            }
        }
    }

    pub(super) async fn write(&mut self, frame: &Frame) -> Result<()> {
        frame.write(&mut self.written);
        if self.written.len() >= FULL {
            self.flush().await
        } else {
            Ok(())
        }
    }

    pub(super) async fn flush(&mut self) -> Result<()> {
        self.stream.write_all_buf(&mut self.written).await
    }
}
