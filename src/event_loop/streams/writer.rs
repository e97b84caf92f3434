//! The writing side of a stream.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::shared::Shared;
use crate::event_loop::Transport;
use crate::event_loop::extra::Key;

/// Writes to a stream: [`EventLoop::open_connection`](crate::event_loop::EventLoop::open_connection) says how to get one.
///
/// If it is dropped, the connection is closed once what was written was sent.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{EventLoop, extra};
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let event_loop = EventLoop::current();
///     let server = event_loop.start_server(|_reader, mut writer| async move {
///         writer.writelines(["good", "bye"]);
///         // Waits while more bytes wait to be sent than the high-water mark allows.
///         writer.drain().await.unwrap();
///         writer.close();
///         assert!(writer.is_closing());
///         writer.wait_closed().await.unwrap();
///     }, "127.0.0.1:0").await?;
///     let (mut reader, writer) = event_loop.open_connection(server.local_addr()).await?;
///     assert_eq!(writer.get_extra_info(extra::PEERNAME).unwrap(), server.local_addr());
///     assert_eq!(reader.read_to_end().await?, b"goodbye");
///     assert!(reader.at_eof());
///     Ok(())
/// }
/// ```
pub struct StreamWriter {
    shared: Arc<Shared>,
    transport: Transport,
}

impl StreamWriter {
    pub(super) fn new(shared: Arc<Shared>, transport: Transport) -> Self {
        Self { shared, transport }
    }

    /// Sends `data`, after what was written before. This never waits: see [`Transport::write`]. Call
    /// [`drain`](Self::drain) after it, so that a slow peer doesn't make the data pile up.
    ///
    /// # Panics
    ///
    /// Panics after [`write_eof`](Self::write_eof).
    #[track_caller]
    pub fn write(&mut self, data: &[u8]) {
        self.transport.write(data);
    }

    /// Sends several pieces of data, as [`write`](Self::write) would send them in one piece.
    ///
    /// # Panics
    ///
    /// Panics after [`write_eof`](Self::write_eof).
    #[track_caller]
    pub fn writelines<D: AsRef<[u8]>>(&mut self, lines: impl IntoIterator<Item = D>) {
        self.transport.writelines(lines);
    }

    /// Waits until more may be written: until no more bytes wait to be sent than the low-water mark, if there were more
    /// than the high-water mark. Otherwise this returns at once.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost.
    ///
    /// # Errors
    ///
    /// If the connection is lost.
    pub async fn drain(&mut self) -> io::Result<()> {
        self.shared.drain().await
    }

    /// Closes the sending half, once what was written was sent. See [`Transport::write_eof`].
    pub fn write_eof(&mut self) {
        self.transport.write_eof();
    }

    /// Whether the sending half can be closed alone.
    pub fn can_write_eof(&self) -> bool {
        self.transport.can_write_eof()
    }

    /// Closes the connection, once what was written was sent.
    pub fn close(&mut self) {
        self.transport.close();
    }

    /// Whether the connection is closing or closed.
    pub fn is_closing(&self) -> bool {
        self.transport.is_closing()
    }

    /// Waits until the connection is over. The socket is closed by then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost.
    ///
    /// # Errors
    ///
    /// The error with which the connection was lost.
    pub async fn wait_closed(&mut self) -> io::Result<()> {
        self.shared.wait_closed().await
    }

    /// Looks up what the transport tells about itself besides. See [`Transport::get_extra_info`].
    pub fn get_extra_info<T>(&self, key: Key<T>) -> Option<T> {
        self.transport.get_extra_info(key)
    }

    /// The transport below.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Starts TLS, once what was written was sent. See [`Transport::start_tls`].
    ///
    /// # Errors
    ///
    /// See [`Transport::start_tls`].
    #[cfg(feature = "tls")]
    pub async fn start_tls(
        &mut self,
        tls: impl Into<crate::event_loop::tls::Tls>,
    ) -> io::Result<()> {
        self.transport.start_tls(tls).await
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.transport.close();
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter")
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}
