//! Datagrams: what a datagram socket calls, and how to send.
//!
//! One task a socket owns the protocol. It reads, sends what waits, and calls the protocol. Invariants:
//! 1. `out` holds the datagrams that the socket didn't take, in order. A datagram goes to the socket directly only
//!    while `out` is empty.
//! 2. Once `closing` is set it stays set, and nothing is added to `out`. `gone` implies that `out` is empty.
//! 3. `waiting` is set by the task, in the same hold of the lock in which it last looked. It is cleared by whoever has
//!    something for the task, who then owes it a `notify_one`.

mod create;
mod socket;
mod task;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use heist_sync::sys::{Mutex, MutexGuard};

use crate::event_loop::Address;
use crate::event_loop::extra::{Facts, Key, TransportSocket};
use crate::event_loop::transports::link::{HIGH_WATER, marks};
use crate::sync::Notify;

pub use create::CreateDatagramEndpoint;
use socket::Datagrams;

/// What a datagram that waits counts beside its bytes, as in asyncio.
const HEADER: usize = 8;

/// What happens on a datagram socket, as callbacks. They are called one after the other.
///
/// `connection_made` is called first, once, and `connection_lost` last, once. A callback that panics is reported to the
/// exception handler, and ends the socket with an error.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{Address, DatagramProtocol, DatagramTransport, EventLoop, Promise};
///
/// #[derive(Default)]
/// struct Echo(Option<DatagramTransport>);
/// impl DatagramProtocol for Echo {
///     fn connection_made(&mut self, transport: DatagramTransport) {
///         self.0 = Some(transport);
///     }
///     fn datagram_received(&mut self, data: &[u8], from: &Address) {
///         self.0.as_ref().unwrap().sendto(data, Some(from));
///     }
/// }
///
/// struct Ask(Promise<Vec<u8>>);
/// impl DatagramProtocol for Ask {
///     fn connection_made(&mut self, transport: DatagramTransport) {
///         transport.sendto(b"hello", None);
///     }
///     fn datagram_received(&mut self, data: &[u8], _from: &Address) {
///         let _ = self.0.set_result(data.to_vec());
///     }
/// }
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let event_loop = EventLoop::current();
///     let server = event_loop.create_datagram_endpoint(Echo::default).local_addr("127.0.0.1:0").await?;
///     let address = server.local_addr().and_then(|address| address.ip()).unwrap();
///
///     let (promise, answer) = event_loop.create_future();
///     event_loop.create_datagram_endpoint(|| Ask(promise)).remote_addr(address).await?;
///     assert_eq!(answer.await.unwrap(), b"hello");
///     Ok(())
/// }
/// ```
pub trait DatagramProtocol: Send + 'static {
    /// The socket is open. Keep `transport` to send later.
    ///
    /// If this panics, the exception handler hears of it, and the socket is closed. Whoever asked for the socket gets it all the
    /// same, as in asyncio:
    /// [`create_datagram_endpoint`](crate::event_loop::EventLoop::create_datagram_endpoint) returns `Ok`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, DatagramTransport, EventLoop};
    ///
    /// struct Greeter;
    /// impl DatagramProtocol for Greeter {
    ///     fn connection_made(&mut self, transport: DatagramTransport) {
    ///         transport.sendto(b"hello", None);
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Greeter);
    /// create.remote_addr(peer.local_addr()?).await?;
    /// let mut heard = [0; 5];
    /// peer.recv(&mut heard)?;
    /// assert_eq!(&heard, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    fn connection_made(&mut self, transport: DatagramTransport) {
        let _ = transport;
    }

    /// A datagram was received. It may be empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{Address, DatagramProtocol, EventLoop, Promise};
    ///
    /// struct Hear(Promise<(Vec<u8>, Address)>);
    /// impl DatagramProtocol for Hear {
    ///     fn datagram_received(&mut self, data: &[u8], from: &Address) {
    ///         let _ = self.0.set_result((data.to_vec(), from.clone()));
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let (promise, heard) = event_loop.create_future();
    /// # let create = event_loop.create_datagram_endpoint(|| Hear(promise));
    /// # let transport = create.local_addr("127.0.0.1:0").await?;
    /// # let address = transport.local_addr().unwrap().ip().unwrap();
    /// # let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    ///
    /// peer.send_to(b"hello", address)?;
    /// assert_eq!(heard.await.unwrap(), (b"hello".to_vec(), peer.local_addr()?.into()));
    /// # Ok(())
    /// # }
    /// ```
    fn datagram_received(&mut self, data: &[u8], from: &Address) {
        let _ = (data, from);
    }

    /// Sending or receiving has failed, and the socket goes on. Often it says that an earlier datagram reached nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, DatagramTransport, EventLoop, Promise};
    ///
    /// struct TooMuch(Promise<()>);
    /// impl DatagramProtocol for TooMuch {
    ///     fn connection_made(&mut self, transport: DatagramTransport) {
    ///         // More than a datagram can hold.
    ///         transport.sendto(&[0; 70_000], None);
    ///     }
    ///     fn error_received(&mut self, _error: std::io::Error) {
    ///         let _ = self.0.set_result(());
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let (promise, failed) = event_loop.create_future();
    /// # let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    ///
    /// let create = event_loop.create_datagram_endpoint(|| TooMuch(promise));
    /// let transport = create.remote_addr(peer.local_addr()?).await?;
    /// assert!(failed.await.is_ok());
    /// assert!(!transport.is_closing());
    /// # Ok(())
    /// # }
    /// ```
    fn error_received(&mut self, error: io::Error) {
        let _ = error;
    }

    /// The socket is closed, and nothing more is called.
    ///
    /// `error` is `None` after [`DatagramTransport::close`] and [`DatagramTransport::abort`]. It is an error if a callback
    /// has panicked, if the socket can't be watched, or if the runtime was shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop, Promise};
    /// use std::io;
    ///
    /// struct Ends(Promise<Option<io::ErrorKind>>);
    /// impl DatagramProtocol for Ends {
    ///     fn connection_lost(&mut self, error: Option<io::Error>) {
    ///         let _ = self.0.set_result(error.map(|error| error.kind()));
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let (promise, ended) = event_loop.create_future();
    ///
    /// let create = event_loop.create_datagram_endpoint(|| Ends(promise));
    /// let transport = create.local_addr("127.0.0.1:0").await?;
    /// transport.close();
    /// assert_eq!(ended.await.unwrap(), None);
    /// # Ok(())
    /// # }
    /// ```
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }

    /// More bytes wait to be sent than the high-water mark allows: stop sending for now. Called after the callback that sent
    /// too much; [`DatagramTransport::sendto`] returns `false` at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, DatagramTransport, EventLoop, Promise};
    ///
    /// struct Filler(Promise<()>);
    /// impl DatagramProtocol for Filler {
    ///     fn connection_made(&mut self, transport: DatagramTransport) {
    ///         while transport.sendto(&[0; 1024], None) {}
    ///     }
    ///     fn pause_writing(&mut self) {
    ///         let _ = self.0.set_result(());
    ///     }
    /// }
    /// # #[cfg(not(target_os = "linux"))]
    /// # fn main() {}
    /// # #[cfg(target_os = "linux")]
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("socket");
    /// # let event_loop = EventLoop::current();
    /// # let (promise, paused) = event_loop.create_future();
    ///
    /// // A peer that receives nothing. A full Unix socket makes its senders wait.
    /// let _peer = std::os::unix::net::UnixDatagram::bind(&path)?;
    /// event_loop.create_datagram_endpoint(|| Filler(promise)).remote_path(&path).await?;
    /// assert!(paused.await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    fn pause_writing(&mut self) {}

    /// The bytes that wait to be sent have fallen to the low-water mark: go on sending.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, DatagramTransport, EventLoop, Promise};
    ///
    /// struct Filler(Promise<()>);
    /// impl DatagramProtocol for Filler {
    ///     fn connection_made(&mut self, transport: DatagramTransport) {
    ///         while transport.sendto(&[0; 1024], None) {}
    ///     }
    ///     fn resume_writing(&mut self) {
    ///         let _ = self.0.set_result(());
    ///     }
    /// }
    /// # #[cfg(not(target_os = "linux"))]
    /// # fn main() {}
    /// # #[cfg(target_os = "linux")]
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("socket");
    /// # let event_loop = EventLoop::current();
    /// # let (promise, resumed) = event_loop.create_future();
    ///
    /// let peer = std::os::unix::net::UnixDatagram::bind(&path)?;
    /// event_loop.create_datagram_endpoint(|| Filler(promise)).remote_path(&path).await?;
    /// // Once the peer receives, sending goes on.
    /// std::thread::spawn(move || while peer.recv(&mut [0; 1024]).is_ok() {});
    /// assert!(resumed.await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    fn resume_writing(&mut self) {}
}

/// How a [`DatagramProtocol`] sends, and closes its socket.
///
/// It is cheap to clone, and all clones are the same socket. No method waits. A transport that is kept does not keep
/// the socket open.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{DatagramProtocol, EventLoop};
///
/// struct Quiet;
/// impl DatagramProtocol for Quiet {}
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
///     let transport = create.local_addr("127.0.0.1:0").await?;
///     transport.set_write_buffer_limits(Some(4096), None)?;
///     assert_eq!(transport.get_write_buffer_limits(), (1024, 4096));
///     assert_eq!(transport.get_write_buffer_size(), 0);
///     assert!(transport.local_addr().is_some() && transport.peer_addr().is_none());
///     transport.close();
///     assert!(transport.is_closing());
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct DatagramTransport {
    link: Arc<Link>,
}

pub(super) struct Link {
    state: Mutex<State>,
    wake: Notify,
    local: Option<Address>,
    remote: Option<Address>,
}

struct State {
    socket: Option<Arc<Datagrams>>,
    out: VecDeque<(Vec<u8>, Option<Address>)>,
    /// The bytes in `out`.
    size: usize,
    high: usize,
    low: usize,
    paused: bool,
    pause_due: bool,
    closing: bool,
    gone: bool,
    error: Option<io::Error>,
    /// Errors of sending that the protocol has not heard of. At most one is kept.
    unheard: Option<io::Error>,
    waiting: bool,
    /// The protocol that the task goes on with.
    next_protocol: Option<Box<dyn DatagramProtocol>>,
}

/// What the task does next.
enum Next {
    SetProtocol(Box<dyn DatagramProtocol>),
    PauseWriting,
    ResumeWriting,
    Error(io::Error),
    Read,
    Wait { write: bool },
    Lost(Option<io::Error>),
}

impl Link {
    fn new(socket: Arc<Datagrams>) -> Arc<Self> {
        let (local, remote) = (socket.local_addr(), socket.peer_addr());
        let state = State {
            socket: Some(socket),
            out: VecDeque::new(),
            size: 0,
            high: HIGH_WATER,
            low: HIGH_WATER / 4,
            paused: false,
            pause_due: false,
            closing: false,
            gone: false,
            error: None,
            unheard: None,
            waiting: false,
            next_protocol: None,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            wake: Notify::new(),
            local,
            remote,
        })
    }

    fn advance(&self, drained: bool) -> Next {
        let mut state = self.state.lock();
        state.waiting = false;
        if let Some(protocol) = state.next_protocol.take() {
            return Next::SetProtocol(protocol);
        }
        if state.pause_due {
            state.pause_due = false;
            return Next::PauseWriting;
        }
        state.flush();
        if let Some(error) = state.unheard.take() {
            return Next::Error(error);
        }
        if state.paused && state.size <= state.low && !state.gone {
            state.paused = false;
            return Next::ResumeWriting;
        }
        if state.gone || (state.closing && state.out.is_empty()) {
            state.closing = true;
            return Next::Lost(state.error.take());
        }
        if !drained && !state.closing {
            return Next::Read;
        }
        state.waiting = true;
        Next::Wait {
            write: !state.out.is_empty(),
        }
    }

    fn is_closing(&self) -> bool {
        self.state.lock().closing
    }

    fn fail(&self, error: io::Error) {
        self.change(|state| state.fail(Some(error)));
    }

    /// Drops the socket, for good. Returns the protocol that was to come next: the caller drops it, because that runs
    /// code of the user.
    fn release(&self) -> Option<Box<dyn DatagramProtocol>> {
        let mut state = self.state.lock();
        state.fail(None);
        let (socket, protocol) = (state.socket.take(), state.next_protocol.take());
        drop(state);
        drop(socket);
        protocol
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        self.wake_task(state);
    }

    fn wake_task(&self, mut state: MutexGuard<'_, State>) {
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        if waiting {
            self.wake.notify_one();
        }
    }
}

impl State {
    fn fail(&mut self, error: Option<io::Error>) {
        if self.gone {
            return;
        }
        (self.closing, self.gone, self.error) = (true, true, error);
        (self.pause_due, self.size) = (false, 0);
        self.out = VecDeque::new();
    }

    /// Sends what the socket takes. An error costs its datagram.
    fn flush(&mut self) {
        let Some(socket) = &self.socket else { return };
        while let Some((data, to)) = self.out.front() {
            match socket.try_send(data, to.as_ref()) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => self.unheard = Some(error),
                Ok(()) => {}
            }
            self.size -= data.len() + HEADER;
            self.out.pop_front();
        }
    }

    /// Returns whether the task must hear of it.
    fn send(&mut self, data: &[u8], to: Option<&Address>) -> bool {
        let Some(socket) = &self.socket else {
            return false;
        };
        if self.out.is_empty() {
            match socket.try_send(data, to) {
                Ok(()) => return false,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.unheard = Some(error);
                    return true;
                }
            }
        }
        self.out.push_back((data.to_vec(), to.cloned()));
        self.size += data.len() + HEADER;
        self.check_high_water();
        true
    }

    fn check_high_water(&mut self) {
        if self.size > self.high && !self.paused && !self.gone {
            (self.paused, self.pause_due) = (true, true);
        }
    }
}

impl Facts for Link {
    fn peer(&self) -> Option<Address> {
        self.remote.clone()
    }

    fn local(&self) -> Option<Address> {
        self.local.clone()
    }

    fn socket(&self) -> Option<TransportSocket> {
        let socket = self.state.lock().socket.clone()?;
        Some(TransportSocket::new(socket))
    }
}

impl DatagramTransport {
    /// Sends a datagram to `to`, or to the remote address that the socket was made with. If the socket doesn't take it
    /// at once, it is kept and sent later.
    ///
    /// Returns `true` if more may be sent, and `false` once more bytes wait to be sent than the high-water mark allows.
    /// If the transport is closing, this does nothing and returns `false`. If sending fails, `error_received` is called:
    /// for example if `to` is the address of a Unix socket without a name.
    ///
    /// # Panics
    ///
    /// Panics without `to` if the socket has no remote address.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.local_addr("127.0.0.1:0").await?;
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// assert!(transport.sendto(b"hello", Some(&peer.local_addr()?.into())));
    /// let mut heard = [0; 5];
    /// peer.recv(&mut heard)?;
    /// assert_eq!(&heard, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn sendto(&self, data: &[u8], to: Option<&Address>) -> bool {
        assert!(
            to.is_some() || self.link.remote.is_some(),
            "`DatagramTransport::sendto` needs an address, as the socket has no remote one"
        );
        let mut state = self.link.state.lock();
        if state.closing {
            return false;
        }
        let wake = state.send(data, to);
        let more = !state.paused;
        if wake {
            self.link.wake_task(state);
        }
        more
    }

    /// Closes the socket, once all that was sent is on its way. Then `connection_lost(None)` is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.remote_addr(peer.local_addr()?).await?;
    /// transport.sendto(b"goodbye", None);
    /// transport.close();
    /// assert!(!transport.sendto(b"too late", None));
    /// let mut heard = [0; 7];
    /// peer.recv(&mut heard)?;
    /// assert_eq!(&heard, b"goodbye");
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) {
        self.link.change(|state| state.closing = true);
    }

    /// Closes the socket at once. What waits to be sent is dropped. Then `connection_lost(None)` is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.local_addr("127.0.0.1:0").await?;
    /// transport.abort();
    /// assert!(transport.is_closing());
    /// assert_eq!(transport.get_write_buffer_size(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn abort(&self) {
        self.link.change(|state| state.fail(None));
    }

    /// Whether the transport is closing or closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.local_addr("127.0.0.1:0").await?;
    /// assert!(!transport.is_closing());
    /// transport.close();
    /// assert!(transport.is_closing());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_closing(&self) -> bool {
        self.link.is_closing()
    }

    /// The number of bytes that wait to be sent. Each datagram counts eight more, so that empty ones count too.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.local_addr("127.0.0.1:0").await?;
    /// assert_eq!(transport.get_write_buffer_size(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_write_buffer_size(&self) -> usize {
        self.link.state.lock().size
    }

    /// The low-water mark and the high-water mark, in bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.local_addr("127.0.0.1:0").await?;
    /// assert_eq!(transport.get_write_buffer_limits(), (16 * 1024, 64 * 1024));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_write_buffer_limits(&self) -> (usize, usize) {
        let state = self.link.state.lock();
        (state.low, state.high)
    }

    /// Sets the marks. See [`Transport::set_write_buffer_limits`](crate::event_loop::Transport::set_write_buffer_limits).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] if `low` is above `high`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.local_addr("127.0.0.1:0").await?;
    /// transport.set_write_buffer_limits(Some(4096), None)?;
    /// assert_eq!(transport.get_write_buffer_limits(), (1024, 4096));
    /// assert!(transport.set_write_buffer_limits(Some(1), Some(2)).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_write_buffer_limits(
        &self,
        high: Option<usize>,
        low: Option<usize>,
    ) -> io::Result<()> {
        let (high, low) = marks(high, low)?;
        self.link.change(|state| {
            (state.high, state.low) = (high, low);
            state.check_high_water();
        });
        Ok(())
    }

    /// Exchanges the protocol: the socket goes on with `protocol`.
    ///
    /// Callbacks after the one that runs now go to `protocol`. The old one is dropped and hears nothing more, not even
    /// `connection_lost`. `connection_made` of the new one is not called. If the socket is closed, `protocol` is dropped.
    ///
    /// If it is called from outside the protocol's callbacks, one datagram that is on its way may still go to the old one.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{Address, DatagramProtocol, DatagramTransport, EventLoop, Promise};
    ///
    /// /// Waits for the first datagram, then leaves the socket to another protocol.
    /// struct First(Option<(DatagramTransport, Second)>, Option<Second>);
    /// struct Second(Promise<Vec<u8>>);
    ///
    /// impl DatagramProtocol for First {
    ///     fn connection_made(&mut self, transport: DatagramTransport) {
    ///         self.0 = self.1.take().map(|second| (transport, second));
    ///     }
    ///     fn datagram_received(&mut self, _data: &[u8], _from: &Address) {
    ///         if let Some((transport, second)) = self.0.take() {
    ///             transport.set_protocol(second);
    ///         }
    ///     }
    /// }
    ///
    /// impl DatagramProtocol for Second {
    ///     fn datagram_received(&mut self, data: &[u8], _from: &Address) {
    ///         let _ = self.0.set_result(data.to_vec());
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let event_loop = EventLoop::current();
    ///     let (promise, heard) = event_loop.create_future();
    ///     let first = First(None, Some(Second(promise)));
    ///     let transport = event_loop.create_datagram_endpoint(|| first).local_addr("127.0.0.1:0").await?;
    ///     let address = transport.local_addr().and_then(|address| address.ip()).unwrap();
    ///     let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    ///     peer.send_to(b"first", address)?;
    ///     peer.send_to(b"second", address)?;
    ///     assert_eq!(heard.await.unwrap(), b"second");
    ///     Ok(())
    /// }
    /// ```
    pub fn set_protocol<P: DatagramProtocol>(&self, protocol: P) {
        let protocol: Box<dyn DatagramProtocol> = Box::new(protocol);
        let mut state = self.link.state.lock();
        if state.socket.is_none() {
            drop(state);
            drop(protocol);
            return;
        }
        let old = state.next_protocol.replace(protocol);
        self.link.wake_task(state);
        drop(old);
    }

    /// Looks up what the transport tells about itself besides: see [`extra`](crate::event_loop::extra).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop, extra};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.local_addr("127.0.0.1:0").await?;
    /// assert_eq!(transport.get_extra_info(extra::SOCKNAME), transport.local_addr());
    /// assert_eq!(transport.get_extra_info(extra::PEERNAME), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_extra_info<T>(&self, key: Key<T>) -> Option<T> {
        key.look_up(&*self.link)
    }

    /// The address of this socket.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.local_addr("127.0.0.1:0").await?;
    /// let address = transport.local_addr().and_then(|address| address.ip()).unwrap();
    /// assert_ne!(address.port(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr(&self) -> Option<Address> {
        self.link.local.clone()
    }

    /// The remote address that the socket was made with, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{DatagramProtocol, EventLoop};
    ///
    /// struct Quiet;
    /// impl DatagramProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    ///
    /// let create = EventLoop::current().create_datagram_endpoint(|| Quiet);
    /// let transport = create.remote_addr(peer.local_addr()?).await?;
    /// assert_eq!(transport.peer_addr(), Some(peer.local_addr()?.into()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer_addr(&self) -> Option<Address> {
        self.link.remote.clone()
    }
}

impl fmt::Debug for DatagramTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramTransport")
            .field("local", &self.link.local)
            .field("closing", &self.is_closing())
            .finish_non_exhaustive()
    }
}
