//! Pipes as transports.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::net;

use rustix::fs::FileType;

use super::create_connection::{CreateConnection, Options, drive};
use crate::event_loop::base::within::Making;
use crate::event_loop::transports::barrier::no_tls;
use crate::event_loop::transports::socket::Opened;
use crate::event_loop::transports::socket::unix::WritePipe;
use crate::event_loop::{EventLoop, Protocol};
use crate::net::UnixStream;
use crate::net::unix::pipe;

impl EventLoop {
    /// Reads from a pipe, a named pipe or a Unix socket, with the protocol that `factory` makes.
    ///
    /// The pipe is put into non-blocking mode. Writing to the transport of a pipe that is read from is a mistake, and
    /// panics. When all writers have gone, `eof_received` and then `connection_lost` are called. When this returns,
    /// `connection_made` has been called.
    ///
    /// A Unix socket is read and written, and may speak TLS. A pipe may not.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it returns, the pipe is closed.
    ///
    /// # Errors
    ///
    /// If it is none of these, or not open for reading. If an option is set that is not for it: see
    /// [`CreateConnection`]. If the runtime is shut down meanwhile.
    ///
    /// # Panics
    ///
    /// Panics if `factory` does. A panic in `connection_made` is not passed on:
    /// [`Protocol::connection_made`] says what becomes of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, Protocol};
    /// use std::io::Write;
    ///
    /// struct Listener(Promise<Vec<u8>>);
    /// impl Protocol for Listener {
    ///     fn data_received(&mut self, data: &[u8]) {
    ///         let _ = self.0.set_result(data.to_vec());
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (reader, mut writer) = std::io::pipe()?;
    ///     let event_loop = EventLoop::current();
    ///     let (promise, heard) = event_loop.create_future();
    ///     event_loop.connect_read_pipe(|| Listener(promise), reader).await?;
    ///     writer.write_all(b"hello")?;
    ///     assert_eq!(heard.await.unwrap(), b"hello");
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn connect_read_pipe<'a, P, F>(
        &self,
        factory: F,
        pipe: impl Into<OwnedFd>,
    ) -> CreateConnection<'a, P>
    where
        P: Protocol,
        F: FnOnce() -> P + Send + 'a,
    {
        self.connect_pipe(factory, pipe.into(), |fd| {
            Ok(Opened::pipe(pipe::Receiver::from_owned_fd(fd)?))
        })
    }

    /// Writes to a pipe, a named pipe or a Unix socket, with the protocol that `factory` makes.
    ///
    /// The pipe is put into non-blocking mode. If the reader goes, `connection_lost` is called, with an error if
    /// something waited to be sent. When this returns, `connection_made` has been called.
    ///
    /// A Unix socket is read and written, and may speak TLS. A pipe may not.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it returns, the pipe is closed.
    ///
    /// # Errors
    ///
    /// If it is none of these, or not open for writing. If an option is set that is not for it: see
    /// [`CreateConnection`]. If the runtime is shut down meanwhile.
    ///
    /// # Panics
    ///
    /// Panics if `factory` does. A panic in `connection_made` is not passed on:
    /// [`Protocol::connection_made`] says what becomes of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol, Transport};
    /// use std::io::Read;
    ///
    /// struct Speaker;
    /// impl Protocol for Speaker {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         transport.write(b"hello");
    ///         transport.close();
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let (mut reader, writer) = std::io::pipe()?;
    ///     let (_, protocol) = EventLoop::current().connect_write_pipe(|| Speaker, writer).await?;
    ///     protocol.wait_lost().await;
    ///     let mut heard = String::new();
    ///     reader.read_to_string(&mut heard)?;
    ///     assert_eq!(heard, "hello");
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn connect_write_pipe<'a, P, F>(
        &self,
        factory: F,
        pipe: impl Into<OwnedFd>,
    ) -> CreateConnection<'a, P>
    where
        P: Protocol,
        F: FnOnce() -> P + Send + 'a,
    {
        self.connect_pipe(factory, pipe.into(), |fd| {
            Ok(Opened::pipe(WritePipe::new(pipe::Sender::from_owned_fd(
                fd,
            )?)?))
        })
    }

    /// Runs a connection over a pipe, which `open` opens, or over a Unix socket.
    #[track_caller]
    fn connect_pipe<'a, P, F>(
        &self,
        factory: F,
        fd: OwnedFd,
        open: fn(OwnedFd) -> io::Result<Opened>,
    ) -> CreateConnection<'a, P>
    where
        P: Protocol,
        F: FnOnce() -> P + Send + 'a,
    {
        let make = async move |event_loop: EventLoop, options: Options| {
            let (upgrade, location) = options.without_addresses()?;
            let opened = match kind(&fd)? {
                FileType::Fifo if upgrade.is_some() => return Err(no_tls()),
                FileType::Fifo => open(fd)?,
                _ => socket(fd)?,
            };
            drive(&event_loop, opened, factory(), upgrade, location).await
        };
        CreateConnection {
            making: Making::new(self, Options::new(), make),
        }
    }
}

fn kind(fd: &OwnedFd) -> io::Result<FileType> {
    match FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode) {
        kind @ (FileType::Fifo | FileType::Socket) => Ok(kind),
        _ => Err(io::Error::new(
            ErrorKind::InvalidInput,
            "neither a pipe nor a Unix socket",
        )),
    }
}

fn socket(fd: OwnedFd) -> io::Result<Opened> {
    let stream = net::UnixStream::from(fd);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream).map(Opened::unix)
}
