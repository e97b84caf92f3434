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
    /// Panics after [`write_eof`](Self::write_eof), unless the connection is closing.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::Read;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (_reader, mut writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// writer.write(b"hello");
    /// let mut heard = [0; 5];
    /// listener.accept()?.0.read_exact(&mut heard)?;
    /// assert_eq!(&heard, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn write(&mut self, data: &[u8]) {
        self.transport.write(data);
    }

    /// Sends several pieces of data, as [`write`](Self::write) would send them in one piece.
    ///
    /// # Panics
    ///
    /// Panics after [`write_eof`](Self::write_eof), unless the connection is closing.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::Read;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (_reader, mut writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// writer.writelines(["good", "bye"]);
    /// let mut heard = [0; 7];
    /// listener.accept()?.0.read_exact(&mut heard)?;
    /// assert_eq!(&heard, b"goodbye");
    /// # Ok(())
    /// # }
    /// ```
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
    /// If the connection is lost, whatever ended it.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (_reader, mut writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// let (mut peer, _) = listener.accept()?;
    /// std::thread::spawn(move || std::io::copy(&mut peer, &mut std::io::sink()));
    /// for _ in 0..100 {
    ///     writer.write(&[0; 65536]);
    ///     writer.drain().await?;
    ///     assert!(!writer.transport().is_writing_paused());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn drain(&mut self) -> io::Result<()> {
        self.shared.drain().await
    }

    /// Closes the sending half, once what was written was sent. See [`Transport::write_eof`].
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::Read;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (_reader, mut writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// writer.write(b"all");
    /// writer.write_eof();
    /// let mut heard = String::new();
    /// listener.accept()?.0.read_to_string(&mut heard)?;
    /// assert_eq!(heard, "all");
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_eof(&mut self) {
        self.transport.write_eof();
    }

    /// Whether the sending half can be closed alone.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (_reader, writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// assert!(writer.can_write_eof());
    /// # Ok(())
    /// # }
    /// ```
    pub fn can_write_eof(&self) -> bool {
        self.transport.can_write_eof()
    }

    /// Closes the connection, once what was written was sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    /// use std::io::Read;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (_reader, mut writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// writer.write(b"goodbye");
    /// writer.close();
    /// let mut heard = String::new();
    /// listener.accept()?.0.read_to_string(&mut heard)?;
    /// assert_eq!(heard, "goodbye");
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&mut self) {
        self.transport.close();
    }

    /// Whether the connection is closing or closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (_reader, mut writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// assert!(!writer.is_closing());
    /// writer.close();
    /// assert!(writer.is_closing());
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (_reader, mut writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// writer.close();
    /// assert!(writer.wait_closed().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_closed(&mut self) -> io::Result<()> {
        self.shared.wait_closed().await
    }

    /// Looks up what the transport tells about itself besides. See [`Transport::get_extra_info`].
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, extra};
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (_reader, writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// assert_eq!(writer.get_extra_info(extra::PEERNAME).unwrap(), listener.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_extra_info<T>(&self, key: Key<T>) -> Option<T> {
        self.transport.get_extra_info(key)
    }

    /// The transport below.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::EventLoop;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (_reader, writer) = EventLoop::current().open_connection(listener.local_addr()?).await?;
    /// assert_eq!(writer.transport().peer_addr(), Some(listener.local_addr()?));
    /// # Ok(())
    /// # }
    /// ```
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Starts TLS, once what was written was sent. See [`Transport::start_tls`].
    ///
    /// # Cancel safety
    ///
    /// Once this was polled, TLS is started even if the future is dropped.
    ///
    /// # Errors
    ///
    /// See [`Transport::start_tls`].
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::tls::{ClientTls, ServerTls, rustls};
    /// use heist::event_loop::{EventLoop, extra};
    /// use std::sync::Arc;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let provider = Arc::new(rustls::crypto::ring::default_provider());
    /// # let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    /// # let config = rustls::ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    /// # let config = config.unwrap().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key);
    /// # let server_config = Arc::new(config.unwrap());
    /// # let mut roots = rustls::RootCertStore::empty();
    /// # roots.add(made.cert.der().clone()).unwrap();
    /// # let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    /// # let client_config = Arc::new(config.unwrap().with_root_certificates(roots).with_no_client_auth());
    /// # let event_loop = EventLoop::current();
    /// # let tls = ServerTls::new(server_config);
    /// # let start = event_loop.start_server(async |_, mut writer| writer.write(b"hello\n"), "127.0.0.1:0");
    /// # let server = start.with(|server| server.tls(tls)).await?;
    /// let (mut reader, mut writer) = event_loop.open_connection(server.local_addr()).await?;
    /// writer.start_tls(ClientTls::new(client_config, "localhost".try_into().unwrap())).await?;
    /// assert!(writer.get_extra_info(extra::TLS).is_some());
    /// assert_eq!(reader.readline().await?, b"hello\n");
    /// # Ok(())
    /// # }
    /// ```
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
