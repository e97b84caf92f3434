//! Streams at Unix sockets.

use std::future::Future;
use std::path::Path;

use super::reader::StreamReader;
use super::writer::StreamWriter;
use super::{OpenConnection, StartServer};
use crate::event_loop::EventLoop;

impl EventLoop {
    /// Connects to a Unix socket, and returns a reader and a writer.
    ///
    /// # Cancel safety, errors
    ///
    /// See [`create_connection`](Self::create_connection).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::Write;
    /// use std::os::unix::net::UnixListener;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("socket");
    /// let listener = UnixListener::bind(&path)?;
    /// let (mut reader, _writer) = EventLoop::current().open_unix_connection(&path).await?;
    /// listener.accept()?.0.write_all(b"hello")?;
    /// assert_eq!(reader.read_to_end().await?, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn open_unix_connection(&self, path: impl AsRef<Path>) -> OpenConnection<'static> {
        OpenConnection::new(|protocol| self.create_unix_connection(|| protocol, path))
    }

    /// Listens at a Unix socket, and runs `client_connected` as a task for each connection. See
    /// [`start_server`](Self::start_server) and [`create_unix_server`](Self::create_unix_server).
    ///
    /// # Cancel safety, errors
    ///
    /// See [`create_unix_server`](Self::create_unix_server).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     # let folder = tempfile::tempdir()?;
    ///     # let path = folder.path().join("socket");
    ///     let event_loop = EventLoop::current();
    ///     let server = event_loop.start_unix_server(
    ///         async |mut reader, mut writer| {
    ///             if let Ok(line) = reader.readline().await {
    ///                 writer.write(&line);
    ///                 let _ = writer.drain().await;
    ///             }
    ///         },
    ///         &path,
    ///     );
    ///     let server = server.await?;
    ///     let (mut reader, mut writer) = event_loop.open_unix_connection(&path).await?;
    ///     writer.write(b"hello\n");
    ///     assert_eq!(reader.readline().await?, b"hello\n");
    ///     server.close();
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn start_unix_server<F, T>(
        &self,
        client_connected: F,
        path: impl AsRef<Path>,
    ) -> StartServer<'static>
    where
        F: Fn(StreamReader, StreamWriter) -> T + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        StartServer::new(self, client_connected, |factory| {
            self.create_unix_server(factory, path)
        })
    }
}
