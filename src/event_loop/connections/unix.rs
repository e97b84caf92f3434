//! Servers and connections at Unix sockets.

use std::io;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::create_connection::{CreateConnection, Options, drive};
use super::create_server::{self, CreateServer, serve};
use super::listener::Bound;
use crate::event_loop::base::within::Making;
use crate::event_loop::transports::socket::Opened;
use crate::event_loop::transports::socket_file::SocketFile;
use crate::event_loop::{EventLoop, Protocol};
use crate::net::UnixStream;

impl EventLoop {
    /// Listens at a Unix socket, and serves each connection with a protocol that `factory` makes.
    ///
    /// A socket that an earlier program has left at `path` is replaced. When the server is closed, the file is removed,
    /// unless another has taken its place. All else is as [`create_server`](Self::create_server) says.
    ///
    /// # Errors
    ///
    /// If the system refuses, for example because something else is at `path`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol, Transport};
    ///
    /// struct Greeter;
    /// impl Protocol for Greeter {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         transport.write(b"hello");
    ///         transport.close();
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     # let folder = tempfile::tempdir()?;
    ///     # let path = folder.path().join("socket");
    ///     let event_loop = EventLoop::current();
    ///     let server = event_loop.create_unix_server(|| Greeter, &path).await?;
    ///     let (mut reader, _writer) = event_loop.open_unix_connection(&path).await?;
    ///     assert_eq!(reader.read_to_end().await?, b"hello");
    ///     server.close();
    ///     server.wait_closed().await;
    ///     assert!(!path.exists());
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn create_unix_server<P, F>(
        &self,
        factory: F,
        path: impl AsRef<Path>,
    ) -> CreateServer<'static>
    where
        P: Protocol,
        F: FnMut() -> P + Send + 'static,
    {
        let path = path.as_ref().to_owned();
        let make = async move |event_loop: EventLoop, options: create_server::Options| {
            options.without_tcp()?;
            let bound = bind(&path, options.listener.backlog)?;
            serve(&event_loop, vec![bound], factory, options)
        };
        CreateServer {
            making: Making::new(self, create_server::Options::new(), make),
        }
    }

    /// Connects to a Unix socket, and runs the connection with the protocol that `factory` makes.
    ///
    /// When this returns, `connection_made` has been called.
    ///
    /// # Cancel safety, errors, panics
    ///
    /// See [`create_connection`](Self::create_connection).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol, Transport};
    ///
    /// struct Greeter;
    /// impl Protocol for Greeter {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         transport.write(b"hello");
    ///         transport.close();
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     # let folder = tempfile::tempdir()?;
    ///     # let path = folder.path().join("socket");
    ///     let listener = heist::net::UnixListener::bind(&path)?;
    ///     let (_, protocol) = EventLoop::current().create_unix_connection(|| Greeter, &path).await?;
    ///     let (mut accepted, _) = listener.accept().await?;
    ///     let mut heard = String::new();
    ///     heist::io::AsyncReadExt::read_to_string(&mut accepted, &mut heard).await?;
    ///     assert_eq!(heard, "hello");
    ///     drop(accepted);
    ///     protocol.wait_lost().await;
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn create_unix_connection<'a, P, F>(
        &self,
        factory: F,
        path: impl AsRef<Path>,
    ) -> CreateConnection<'a, P>
    where
        P: Protocol,
        F: FnOnce() -> P + Send + 'a,
    {
        let path = path.as_ref().to_owned();
        let make = async move |event_loop: EventLoop, options: Options| {
            let (upgrade, location) = options.without_addresses()?;
            let opened = Opened::unix(connect(path).await?);
            drive(&event_loop, opened, factory(), upgrade, location).await
        };
        CreateConnection {
            making: Making::new(self, Options::new(), make),
        }
    }
}

async fn connect(path: PathBuf) -> io::Result<UnixStream> {
    let named = |error: io::Error| {
        let message = format!("can't connect to {}: {error}", path.display());
        io::Error::new(error.kind(), message)
    };
    UnixStream::connect(&path).await.map_err(named)
}

fn bind(path: &Path, backlog: u32) -> io::Result<Bound> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    SocketFile::remove_stale(path);
    let named = |error: io::Error| {
        let message = format!("can't listen at {}: {error}", path.display());
        io::Error::new(error.kind(), message)
    };
    socket.bind(&SockAddr::unix(path)?).map_err(named)?;
    let file = SocketFile::new(path).ok();
    Ok(Bound::of(socket, backlog)?.removing(file))
}
