//! A protocol in its connection, and how others reach it.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::inbox::Inbox;
use super::link::{Link, Wish};
use super::protocol::{BufferedProtocol, Protocol};
use super::transport::Transport;
use crate::sync::oneshot;

/// A protocol of whatever type, as the connection's task has it.
pub(crate) trait Serve: Send {
    fn connection_made(&mut self, transport: Transport);
    fn data_received(&mut self, data: &[u8]);
    fn as_buffered(&mut self) -> Option<&mut dyn BufferedProtocol>;
    fn eof_received(&mut self) -> bool;
    fn connection_lost(&mut self, error: Option<io::Error>);
    fn pause_writing(&mut self);
    fn resume_writing(&mut self);
    /// Runs the first errand. Returns whether there are more.
    fn run_errand(&mut self) -> bool;
    /// Gives the protocol to whoever waits for it, or drops it.
    fn end(self: Box<Self>);
}

pub(crate) struct Served<P> {
    inbox: Open<P>,
    protocol: P,
    end: oneshot::Sender<P>,
}

/// An inbox that its protocol looks into. Dropped with the protocol, whatever becomes of that, it is closed. So nobody
/// waits for a protocol that is not there any more.
struct Open<P>(Arc<Inbox<P>>);

impl<P> Drop for Open<P> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Makes the task's side and the user's side of a protocol.
pub(crate) fn pair<P: Protocol>(
    protocol: P,
    link: &Arc<Link>,
) -> (Box<dyn Serve>, ProtocolHandle<P>) {
    let inbox = Inbox::new();
    let (end, ended) = oneshot::channel();
    let handle = ProtocolHandle {
        inbox: inbox.clone(),
        link: link.clone(),
        end: Some(ended),
    };
    let served = Served {
        protocol,
        inbox: Open(inbox),
        end,
    };
    (Box::new(served), handle)
}

impl<P: Protocol> Serve for Served<P> {
    fn connection_made(&mut self, transport: Transport) {
        self.protocol.connection_made(transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.protocol.data_received(data);
    }

    fn as_buffered(&mut self) -> Option<&mut dyn BufferedProtocol> {
        self.protocol.as_buffered()
    }

    fn eof_received(&mut self) -> bool {
        self.protocol.eof_received()
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.protocol.connection_lost(error);
    }

    fn pause_writing(&mut self) {
        self.protocol.pause_writing();
    }

    fn resume_writing(&mut self) {
        self.protocol.resume_writing();
    }

    fn run_errand(&mut self) -> bool {
        let Some((errand, more)) = self.inbox.0.pop() else {
            return false;
        };
        errand(&mut self.protocol);
        more
    }

    fn end(self: Box<Self>) {
        self.inbox.0.close();
        // Nobody may want it.
        drop(self.end.send(self.protocol));
    }
}

/// The wish that the connection's task goes on with another protocol.
pub(crate) struct SetProtocol(pub(crate) Box<dyn Serve>);

impl Transport {
    /// Exchanges the protocol: the connection goes on with `protocol`. Returns a handle of it.
    ///
    /// Callbacks after the one that runs now go to `protocol`. The old one hears nothing more, not even
    /// `connection_lost`; its [`wait_lost`](ProtocolHandle::wait_lost) returns it. `connection_made` of the new one is
    /// not called. If the connection is over, `protocol` is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol, Transport};
    ///
    /// /// Reads a greeting, then leaves the connection to an echo.
    /// struct Greeting(Option<Transport>);
    /// struct Echo(Transport);
    ///
    /// impl Protocol for Greeting {
    ///     fn connection_made(&mut self, transport: Transport) {
    ///         self.0 = Some(transport);
    ///     }
    ///     fn data_received(&mut self, _greeting: &[u8]) {
    ///         let transport = self.0.take().unwrap();
    ///         transport.write(b"welcome");
    ///         transport.set_protocol(Echo(transport.clone()));
    ///     }
    /// }
    ///
    /// impl Protocol for Echo {
    ///     fn data_received(&mut self, data: &[u8]) {
    ///         self.0.write(data);
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// #     use heist::io::{AsyncReadExt, AsyncWriteExt};
    /// #     let server = EventLoop::current().create_server(|| Greeting(None), "127.0.0.1:0").await?;
    /// #     let mut peer = heist::net::TcpStream::connect(server.local_addr()).await?;
    /// #     let mut answer = [0; 7];
    /// #     for (said, heard) in [(&b"hello"[..], b"welcome"), (b"seven b", b"seven b")] {
    /// #         peer.write_all(said).await?;
    /// #         peer.read_exact(&mut answer).await?;
    /// #         assert_eq!(&answer, heard);
    /// #     }
    /// #     Ok(())
    /// # }
    /// ```
    pub fn set_protocol<P: Protocol>(&self, protocol: P) -> ProtocolHandle<P> {
        let (served, handle) = pair(protocol, &self.link);
        self.link.set_inbox(handle.inbox.clone());
        let wish: Wish = Box::new(SetProtocol(served));
        self.link.wish(wish);
        handle
    }

    /// A handle of the protocol, if it is a `P` and the connection is not over.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Counter(u32);
    /// impl Protocol for Counter {}
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let event_loop = EventLoop::current();
    ///     let server = event_loop.create_server(|| Counter(0), "127.0.0.1:0").await?;
    ///     let (transport, _) = event_loop.create_connection(|| Counter(4), server.local_addr()).await?;
    ///     let protocol = transport.get_protocol::<Counter>().unwrap();
    ///     assert_eq!(protocol.with(|counter| counter.0).await, Some(4));
    ///     Ok(())
    /// }
    /// ```
    pub fn get_protocol<P: Protocol>(&self) -> Option<ProtocolHandle<P>> {
        let inbox = self.link.inbox()?.downcast::<Inbox<P>>().ok()?;
        Some(ProtocolHandle {
            inbox,
            link: self.link.clone(),
            end: None,
        })
    }
}

impl<P> ProtocolHandle<P> {
    /// Makes the link know of the protocol.
    pub(crate) fn announce(&self)
    where
        P: 'static,
    {
        self.link.set_inbox(self.inbox.clone());
    }
}

/// A protocol that its connection owns. Made by [`EventLoop::create_connection`](crate::event_loop::EventLoop::create_connection),
/// [`Transport::set_protocol`] and [`Transport::get_protocol`].
///
/// Dropping it changes nothing for the connection.
pub struct ProtocolHandle<P> {
    inbox: Arc<Inbox<P>>,
    link: Arc<Link>,
    /// Only the first handle of a protocol gets it back.
    end: Option<oneshot::Receiver<P>>,
}

impl<P: Protocol> ProtocolHandle<P> {
    /// Calls `function` with the protocol, as one of the connection's callbacks, and returns its result. Returns `None`
    /// if the connection is over, or has another protocol by now.
    ///
    /// If several wait, the connection looks after its transport in between: what was written is sent, and the protocol
    /// is told about the marks.
    ///
    /// If `function` panics, that is reported to the exception handler, the connection is lost, and this returns `None`.
    ///
    /// # Cancel safety
    ///
    /// Once this was polled, `function` is called even if the future is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Counter(u32);
    /// impl Protocol for Counter {}
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let event_loop = EventLoop::current();
    ///     let server = event_loop.create_server(|| Counter(0), "127.0.0.1:0").await?;
    ///     let (transport, protocol) = event_loop.create_connection(|| Counter(4), server.local_addr()).await?;
    ///     assert_eq!(protocol.with(|counter| counter.0).await, Some(4));
    ///     transport.close();
    ///     assert_eq!(protocol.wait_lost().await.unwrap().0, 4);
    ///     Ok(())
    /// }
    /// ```
    pub async fn with<R: Send + 'static>(
        &self,
        function: impl FnOnce(&mut P) -> R + Send + 'static,
    ) -> Option<R> {
        let (sender, receiver) = oneshot::channel();
        self.inbox.push(Box::new(move |protocol: &mut P| {
            // Nobody may be waiting any more.
            let _ = sender.send(function(protocol));
        }));
        self.link.note_errand();
        receiver.await.ok()
    }

    /// Waits until the connection is over or has another protocol, and returns this one. The socket is closed by then.
    ///
    /// Returns `None` if the connection ended before `connection_made` was called. Only the first handle of a protocol
    /// gets it: for handles by [`Transport::get_protocol`] this returns `None` at once.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the handle.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Protocol};
    ///
    /// struct Counter(u32);
    /// impl Protocol for Counter {
    ///     fn connection_lost(&mut self, _error: Option<std::io::Error>) {
    ///         self.0 += 1;
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let create = EventLoop::current().create_connection(|| Counter(0), listener.local_addr()?);
    /// # let (transport, protocol) = create.await?;
    ///
    /// transport.close();
    /// assert_eq!(protocol.wait_lost().await.unwrap().0, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_lost(self) -> Option<P> {
        self.end?.await.ok()
    }
}

impl<P> fmt::Debug for ProtocolHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtocolHandle").finish_non_exhaustive()
    }
}
