//! What a connection's task does between what was written before and what was written after: `start_tls`, `sendfile`.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::copy_error::copy_error;
use super::socket::{Directions, Socket, Upgrade};
use super::transport::Transport;
use crate::sync::oneshot;
use crate::task::{JoinHandle, spawn_blocking};

/// How much of a file is read at once.
const CHUNK: u64 = 256 * 1024;

/// How much the system is asked to send at once. It takes no more than the socket has room for.
const SENDFILE: u64 = 16 * 1024 * 1024;

pub(crate) enum Barrier {
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    Upgrade(Upgrade, oneshot::Sender<io::Result<()>>),
    SendFile(SendFile),
}

pub(crate) struct SendFile {
    pub(crate) source: Source,
    pub(crate) done: oneshot::Sender<io::Result<u64>>,
}

/// A part of a file, and how much of it was sent.
pub(crate) struct Source {
    file: Arc<File>,
    offset: u64,
    left: u64,
    sent: u64,
    job: Option<JoinHandle<io::Result<u64>>>,
}

/// Why a file was not sent whole.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The connection goes on.
    File(io::Error),
    Socket(io::Error),
}

impl SendError {
    pub(crate) fn reached_socket(&self) -> bool {
        matches!(self, Self::Socket(_))
    }

    pub(crate) fn copy(&self) -> io::Error {
        let (Self::File(error) | Self::Socket(error)) = self;
        copy_error(error)
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::File(error) | Self::Socket(error)) = self;
        error.fmt(f)
    }
}

impl Error for SendError {}

impl From<SendError> for io::Error {
    fn from(error: SendError) -> Self {
        let (SendError::File(error) | SendError::Socket(error)) = error;
        error
    }
}

impl Source {
    /// `count` bytes from `offset` on, or all up to the end.
    pub(crate) fn new(file: File, offset: u64, count: Option<u64>) -> Self {
        Self {
            file: Arc::new(file),
            offset,
            left: count.unwrap_or(u64::MAX),
            sent: 0,
            job: None,
        }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends the part of the file, to its end at most. If the future is dropped, [`settle`](Self::settle).
    pub(crate) async fn send_to(&mut self, socket: &Arc<dyn Socket>) -> Result<(), SendError> {
        match self.send_by_system(socket).await? {
            true => Ok(()),
            false => self.send_by_copying(&**socket).await,
        }
    }

    /// Waits for the job that still has the socket, if there is one.
    pub(crate) async fn settle(&mut self) {
        if let Some(job) = self.job.take() {
            // What it sent is lost with the connection.
            let _ = job.await;
        }
    }

    /// Lets the system move the bytes, on the blocking pool, because it may wait for the disk. Returns `false` if the rest
    /// has to be copied.
    async fn send_by_system(&mut self, socket: &Arc<dyn Socket>) -> Result<bool, SendError> {
        while self.left > 0 {
            let (to, file) = (socket.clone(), self.file.clone());
            let (offset, size) = (self.offset + self.sent, self.left.min(SENDFILE));
            let job = spawn_blocking(move || to.try_sendfile(&file, offset, size));
            let sent = self.job.insert(job).await;
            self.job = None;
            match sent.map_err(|error| SendError::File(io::Error::other(error)))? {
                Ok(0) => return Ok(true),
                Ok(sent) => self.note(sent),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let writable = poll_fn(|cx| socket.poll_write_ready(cx)).await;
                    writable.map_err(SendError::Socket)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_of_peer(&error) => return Err(SendError::Socket(error)),
                // If it isn't just that the system can't, reading or writing fails too, and tells which of both it is.
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    fn note(&mut self, sent: u64) {
        self.sent += sent;
        self.left -= sent;
    }

    async fn send_by_copying(&mut self, socket: &dyn Socket) -> Result<(), SendError> {
        while self.left > 0 {
            let (file, offset) = (self.file.clone(), self.offset + self.sent);
            let size = self.left.min(CHUNK) as usize;
            let read = spawn_blocking(move || {
                let mut chunk = vec![0; size];
                let length = read_at(&file, &mut chunk, offset)?;
                chunk.truncate(length);
                io::Result::Ok(chunk)
            });
            let chunk = read
                .await
                .map_err(|error| SendError::File(io::Error::other(error)))?
                .map_err(SendError::File)?;
            if chunk.is_empty() {
                return Ok(());
            }
            self.send_chunk(socket, &chunk)
                .await
                .map_err(SendError::Socket)?;
        }
        Ok(())
    }

    async fn send_chunk(&mut self, socket: &dyn Socket, mut chunk: &[u8]) -> io::Result<()> {
        while !chunk.is_empty() {
            match socket.try_write(chunk) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => {
                    chunk = &chunk[sent..];
                    self.note(sent as u64);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    poll_fn(|cx| socket.poll_write_ready(cx)).await?;
                    let _ = socket.try_flush();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_of_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::TimedOut
    )
}

/// Reads without regard to the file's position, which other descriptors of it may share.
#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

/// Why a pipe speaks no TLS.
#[cfg(unix)]
pub(crate) fn no_tls() -> io::Error {
    let message = "TLS needs both directions, and a pipe has one";
    io::Error::new(ErrorKind::InvalidInput, message)
}

impl Transport {
    /// Sends `count` bytes of a file from `offset` on, or all up to its end, after what was written before. Returns how
    /// much was sent.
    ///
    /// What is written meanwhile is sent after the file. Nothing is read meanwhile. On Linux, the bytes go from the file to
    /// the socket without a copy in this process (`sendfile(2)`). With TLS, for files that can't be sent so, and elsewhere,
    /// they are read and written, and only a part of the file is in memory at a time.
    ///
    /// # Cancel safety
    ///
    /// Once this was called, the file is sent even if the future is dropped.
    ///
    /// # Errors
    ///
    /// If reading the file fails; the connection goes on. If sending fails; the connection is lost. If the transport is
    /// closing, after `write_eof`, or while another `sendfile` or a `start_tls` is under way.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol, Transport};
    /// # use std::io::Write as _;
    ///
    /// struct Download(std::fs::File);
    ///
    /// impl Protocol for Download {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         let file = self.0.try_clone().unwrap();
    ///         // The future tells how it ends. The file is sent without it too.
    ///         drop(transport.sendfile(file, 0, None));
    ///         transport.close();
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// #     use heist::io::AsyncReadExt;
    /// #     let mut file = tempfile::tempfile()?;
    /// #     file.write_all(b"the whole file")?;
    /// #     let factory = move || Download(file.try_clone().unwrap());
    /// #     let server = EventLoop::current().create_server(factory, "127.0.0.1:0").await?;
    /// #     let mut peer = heist::net::TcpStream::connect(server.local_addr()).await?;
    /// #     let mut all = String::new();
    /// #     peer.read_to_string(&mut all).await?;
    /// #     assert_eq!(all, "the whole file");
    /// #     Ok(())
    /// # }
    /// ```
    pub fn sendfile(
        &self,
        file: File,
        offset: u64,
        count: Option<u64>,
    ) -> impl Future<Output = io::Result<u64>> + Send + use<> {
        let (done, is_done) = oneshot::channel();
        let source = Source::new(file, offset, count);
        let wish = Barrier::SendFile(SendFile { source, done });
        let put = self.link.put_barrier(Box::new(wish));
        async move {
            put?;
            is_done
                .await
                .unwrap_or_else(|_| Err(ErrorKind::ConnectionAborted.into()))
        }
    }

    /// Puts another socket into the connection, once all that was written was sent.
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    pub(crate) fn upgrade(
        &self,
        upgrade: Upgrade,
    ) -> impl Future<Output = io::Result<()>> + Send + use<> {
        let (done, is_done) = oneshot::channel();
        let put = match self.link.directions {
            Directions::Both => self
                .link
                .put_barrier(Box::new(Barrier::Upgrade(upgrade, done))),
            #[cfg(unix)]
            Directions::Read | Directions::Write => Err(no_tls()),
        };
        async move {
            put?;
            is_done
                .await
                .unwrap_or_else(|_| Err(ErrorKind::ConnectionAborted.into()))
        }
    }
}
