//! The side of a connection that users hold.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::address::Address;
use super::extra::{Facts, Key, TransportSocket};
use super::link::{Link, Written};
use super::socket::Directions;

impl Facts for Link {
    fn peer(&self) -> Option<Address> {
        self.peer.clone()
    }

    fn local(&self) -> Option<Address> {
        self.local.clone()
    }

    fn socket(&self) -> Option<TransportSocket> {
        Link::socket(self).map(|socket| TransportSocket::new(socket))
    }
}

/// How a [`Protocol`](crate::event_loop::Protocol) writes to its connection and ends it.
///
/// It is cheap to clone, and all clones are the same connection. Every method may be called from any thread, and from
/// within the protocol's callbacks. No method waits. A transport that is kept does not keep the socket open.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{EventLoop, Protocol, Transport};
///
/// /// Says goodbye and closes; hears nothing.
/// struct Goodbye;
///
/// impl Protocol for Goodbye {
///     fn connection_made(&mut self, transport: Transport) {
///         transport.pause_reading();
///         transport.writelines(["good", "bye"]);
///         transport.close();
///         assert!(transport.is_closing() && !transport.is_reading());
///     }
/// }
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     use heist::io::AsyncReadExt;
///
///     let server = EventLoop::current().create_server(|| Goodbye, "127.0.0.1:0").await?;
///     let mut peer = heist::net::TcpStream::connect(server.local_addr()).await?;
///     let mut said = Vec::new();
///     peer.read_to_end(&mut said).await?;
///     assert_eq!(said, b"goodbye");
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Transport {
    pub(crate) link: Arc<Link>,
}

impl Transport {
    /// Sends `data`, after what was written before. If the socket doesn't take all of it at once, the rest is kept and
    /// sent as soon as the socket takes it.
    ///
    /// Returns `true` if more may be written, and `false` once more bytes wait to be sent than the
    /// [high-water mark](Self::set_write_buffer_limits) allows. The data is kept all the same; go on when
    /// `resume_writing` is called. A loop that writes should stop at `false`, because `pause_writing` is called only
    /// after the callback that writes has returned.
    ///
    /// If the transport is closing, this does nothing and returns `false`. If sending fails the connection is lost, with
    /// the error.
    ///
    /// # Panics
    ///
    /// Panics after [`write_eof`](Self::write_eof), unless the transport is closing. Panics if it is the reading end of
    /// a pipe.
    ///
    /// # Examples
    ///
    /// See [`Protocol`](crate::event_loop::Protocol), for this and the other methods.
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    /// use std::io::Read;
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Quiet, listener.local_addr()?).await?;
    /// assert!(transport.write(b"hello"));
    /// let mut heard = [0; 5];
    /// listener.accept()?.0.read_exact(&mut heard)?;
    /// assert_eq!(&heard, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn write(&self, data: &[u8]) -> bool {
        self.check_direction();
        match self.link.write(data) {
            Written::Taken(more) => more,
            Written::AfterEof => panic!("`Transport::write` after `write_eof`"),
        }
    }

    #[track_caller]
    fn check_direction(&self) {
        #[cfg(unix)]
        assert!(
            self.link.directions != Directions::Read,
            "`Transport::write` to the reading end of a pipe"
        );
        #[cfg(not(unix))]
        let Directions::Both = self.link.directions;
    }

    /// Sends several pieces of data with no other write in between, as [`write`](Self::write) would send them in one
    /// piece.
    ///
    /// # Panics
    ///
    /// Panics where [`write`](Self::write) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    /// use std::io::Read;
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Quiet, listener.local_addr()?).await?;
    /// transport.writelines(["good", "bye"]);
    /// let mut heard = [0; 7];
    /// listener.accept()?.0.read_exact(&mut heard)?;
    /// assert_eq!(&heard, b"goodbye");
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn writelines<D: AsRef<[u8]>>(&self, lines: impl IntoIterator<Item = D>) -> bool {
        // The iterator is user code, so it runs before the lock is taken.
        let mut all = Vec::new();
        for line in lines {
            all.extend_from_slice(line.as_ref());
        }
        self.write(&all)
    }

    /// Closes the sending half, once what was written has been sent. The peer sees the end of the stream. Data that it
    /// still sends is delivered.
    ///
    /// With TLS, the peer gets a notice that nothing more will come (`close_notify`). On a pipe, this is the same as
    /// [`close`](Self::close).
    ///
    /// Does nothing if it was called before, or if the transport is closing.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    /// use std::io::Read;
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Quiet, listener.local_addr()?).await?;
    /// transport.write(b"all");
    /// transport.write_eof();
    /// let (mut peer, mut heard) = (listener.accept()?.0, String::new());
    /// peer.read_to_string(&mut heard)?;
    /// assert_eq!(heard, "all");
    /// // The peer may still send.
    /// assert!(!transport.is_closing());
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_eof(&self) {
        if self.can_write_eof() {
            self.link.write_eof();
        } else {
            self.link.close();
        }
    }

    /// Whether the sending half can be closed alone: it can, unless this is a pipe.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Quiet, listener.local_addr()?).await?;
    /// assert!(transport.can_write_eof());
    /// # Ok(())
    /// # }
    /// ```
    pub fn can_write_eof(&self) -> bool {
        self.link.directions == Directions::Both
    }

    /// Closes the connection, once what was written has been sent. Then `connection_lost(None)` is called.
    ///
    /// Nothing that is received from now on is delivered. A peer that reads nothing can hold this up as long as it
    /// likes; [`abort`](Self::abort) doesn't wait for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    /// use std::io::Read;
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, protocol) = event_loop.create_connection(|| Quiet, listener.local_addr()?).await?;
    /// transport.write(b"goodbye");
    /// transport.close();
    /// assert!(protocol.wait_lost().await.is_some());
    /// let mut heard = String::new();
    /// listener.accept()?.0.read_to_string(&mut heard)?;
    /// assert_eq!(heard, "goodbye");
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) {
        self.link.close();
    }

    /// Closes the connection at once and drops what was not yet sent. Then `connection_lost(None)` is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol, Transport};
    ///
    /// struct Filler;
    /// impl Protocol for Filler {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         while transport.write(&[0; 65536]) {}
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, protocol) = event_loop.create_connection(|| Filler, listener.local_addr()?).await?;
    /// // The peer reads nothing, so `close` would wait for ever.
    /// transport.abort();
    /// assert!(protocol.wait_lost().await.is_some());
    /// assert_eq!(transport.get_write_buffer_size(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn abort(&self) {
        self.link.abort();
    }

    /// Whether the transport is closing or closed, whoever closed it.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Quiet, listener.local_addr()?).await?;
    /// assert!(!transport.is_closing());
    /// transport.close();
    /// assert!(transport.is_closing());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_closing(&self) -> bool {
        self.link.is_closing()
    }

    /// Stops reading from the socket: the protocol gets no data until [`resume_reading`](Self::resume_reading).
    ///
    /// If it is called from within a callback, it holds at once. If it is called from elsewhere, one `data_received`
    /// that is on its way may still come. Does nothing if reading is paused, or if the transport is closing.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol, Transport};
    ///
    /// struct Paused;
    /// impl Protocol for Paused {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         transport.pause_reading();
    ///     }
    ///     fn data_received(&mut self, _data: &[u8]) {
    ///         unreachable!();
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use std::io::Write;
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Paused, listener.local_addr()?).await?;
    /// listener.accept()?.0.write_all(b"hello")?;
    /// assert!(!transport.is_reading() && !transport.is_closing());
    /// # Ok(())
    /// # }
    /// ```
    pub fn pause_reading(&self) {
        self.link.pause_reading();
    }

    /// Starts reading again. Does nothing if reading is not paused.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, Protocol, Transport};
    ///
    /// struct Paused(Promise<Vec<u8>>);
    /// impl Protocol for Paused {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         transport.pause_reading();
    ///     }
    ///     fn data_received(&mut self, data: &[u8]) {
    ///         let _ = self.0.set_result(data.to_vec());
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # use std::io::Write;
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let (promise, heard) = event_loop.create_future();
    /// # let (transport, _) = event_loop.create_connection(|| Paused(promise), listener.local_addr()?).await?;
    ///
    /// listener.accept()?.0.write_all(b"hello")?;
    /// assert!(!heard.done());
    /// transport.resume_reading();
    /// assert_eq!(heard.await.unwrap(), b"hello");
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume_reading(&self) {
        self.link.resume_reading();
    }

    /// Whether data is read: reading is neither paused nor is the transport closing.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Quiet, listener.local_addr()?).await?;
    /// assert!(transport.is_reading());
    /// transport.pause_reading();
    /// assert!(!transport.is_reading());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_reading(&self) -> bool {
        self.link.is_reading()
    }

    /// Whether more bytes wait to be sent than the high-water mark allows, and the low-water mark has not been reached
    /// since. This is so from the write that does it, before `pause_writing` is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Quiet, listener.local_addr()?).await?;
    /// assert!(!transport.is_writing_paused());
    /// // The peer reads nothing.
    /// while transport.write(&[0; 65536]) {}
    /// assert!(transport.is_writing_paused());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_writing_paused(&self) -> bool {
        self.link.is_paused()
    }

    /// The number of bytes that wait to be sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Quiet, listener.local_addr()?).await?;
    /// assert_eq!(transport.get_write_buffer_size(), 0);
    /// // The peer reads nothing.
    /// while transport.write(&[0; 65536]) {}
    /// assert!(transport.get_write_buffer_size() > 64 * 1024);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_write_buffer_size(&self) -> usize {
        self.link.buffered()
    }

    /// The low-water mark and the high-water mark, in bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Quiet, listener.local_addr()?).await?;
    /// assert_eq!(transport.get_write_buffer_limits(), (16 * 1024, 64 * 1024));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_write_buffer_limits(&self) -> (usize, usize) {
        self.link.limits()
    }

    /// Sets the marks at which `pause_writing` and `resume_writing` are called. The first is called when more than
    /// `high` bytes wait to be sent, the second when no more than `low` bytes still do.
    ///
    /// Without `high` it is four times `low`, or 64 KiB if `low` isn't given either. Without `low` it is a quarter of
    /// `high`. If `high` is 0, the protocol is paused whenever anything waits.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `low` is above `high`. Nothing is changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{Protocol, Transport};
    ///
    /// struct Chatty;
    ///
    /// impl Protocol for Chatty {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         transport.set_write_buffer_limits(Some(4096), None).unwrap();
    ///         assert_eq!(transport.get_write_buffer_limits(), (1024, 4096));
    ///         assert!(transport.set_write_buffer_limits(Some(1), Some(2)).is_err());
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///         let event_loop = heist::event_loop::EventLoop::current();
    ///         let server = event_loop.create_server(|| Chatty, "127.0.0.1:0").await?;
    ///         let (transport, _) = event_loop.create_connection(|| Chatty, server.local_addr()).await?;
    ///         assert!(!transport.is_closing());
    ///         Ok(())
    /// }
    /// ```
    pub fn set_write_buffer_limits(
        &self,
        high: Option<usize>,
        low: Option<usize>,
    ) -> io::Result<()> {
        self.link.set_limits(high, low)
    }

    /// Looks up what the transport tells about itself besides: see [`extra`](super::extra).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol, extra};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Quiet, listener.local_addr()?).await?;
    /// assert_eq!(transport.get_extra_info(extra::PEERNAME).unwrap(), listener.local_addr()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_extra_info<T>(&self, key: Key<T>) -> Option<T> {
        key.look_up(&*self.link)
    }

    /// The address of the peer, unless this is no TCP connection, or it was over before it could be looked up.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Quiet, listener.local_addr()?).await?;
    /// assert_eq!(transport.peer_addr(), Some(listener.local_addr()?));
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.link.peer.as_ref()?.ip()
    }

    /// The address of this end, unless this is no TCP connection, or it was over before it could be looked up.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let (transport, _) = event_loop.create_connection(|| Quiet, listener.local_addr()?).await?;
    /// let (_peer, address) = listener.accept()?;
    /// assert_eq!(transport.local_addr(), Some(address));
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.link.local.as_ref()?.ip()
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("peer", &self.link.peer)
            .field("closing", &self.is_closing())
            .finish_non_exhaustive()
    }
}
