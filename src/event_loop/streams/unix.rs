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
    pub fn open_unix_connection(&self, path: impl AsRef<Path>) -> OpenConnection<'static> {
        OpenConnection::new(|protocol| self.create_unix_connection(|| protocol, path))
    }

    /// Listens at a Unix socket, and runs `client_connected` as a task for each connection. See
    /// [`start_server`](Self::start_server) and [`create_unix_server`](Self::create_unix_server).
    ///
    /// # Cancel safety, errors
    ///
    /// See [`create_unix_server`](Self::create_unix_server).
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
