//! The task of one datagram socket.

use std::any::Any;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::{DatagramProtocol, DatagramTransport, Datagrams, Link, Next};
use crate::event_loop::base::within::{UnderWay, shut_down};
use crate::event_loop::{Address, EventLoop, ExceptionContext};
use crate::sync::oneshot;
use crate::task::coop;

/// More than the largest datagram of any kind that is in use.
const READ_SIZE: usize = 256 * 1024;

thread_local! {
    /// The buffer for this thread's reads. It is taken while a datagram is delivered, so idle sockets have none.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

struct Driver {
    event_loop: EventLoop,
    /// Where the user asked for the socket.
    location: &'static Location<'static>,
    /// `Some` until the socket is closed.
    protocol: Option<Box<dyn DatagramProtocol>>,
    link: Arc<Link>,
    socket: Option<Arc<Datagrams>>,
    /// Between `connection_made` and `connection_lost`.
    is_made: bool,
}

/// Starts the task, and waits until `connection_made` has been called.
pub(crate) async fn start(
    event_loop: &EventLoop,
    socket: Datagrams,
    protocol: Box<dyn DatagramProtocol>,
    location: &'static Location<'static>,
) -> io::Result<DatagramTransport> {
    let socket = Arc::new(socket);
    let link = Link::new(socket.clone());
    let transport = DatagramTransport { link: link.clone() };
    let driver = Driver {
        event_loop: event_loop.clone(),
        location,
        protocol: Some(protocol),
        link,
        socket: Some(socket),
        is_made: false,
    };
    let (made, is_made) = oneshot::channel();
    let name = match &transport.link.local {
        Some(local) => format!("datagram socket {local}"),
        None => "datagram socket".to_owned(),
    };
    event_loop.spawn_own(&name, driver.run(made));
    let under_way = UnderWay::new(transport, DatagramTransport::abort);
    // If the runtime shuts down, there is no answer.
    is_made.await.map_err(|_| shut_down())?;
    Ok(under_way.keep())
}

impl Driver {
    async fn run(mut self, made: oneshot::Sender<()>) {
        let transport = DatagramTransport {
            link: self.link.clone(),
        };
        self.is_made = true;
        self.call("connection_made", |protocol| {
            protocol.connection_made(transport)
        });
        let _ = made.send(());
        let mut drained = false;
        loop {
            match self.link.advance(drained) {
                Next::PauseWriting => self.call("pause_writing", |it| it.pause_writing()),
                Next::ResumeWriting => self.call("resume_writing", |it| it.resume_writing()),
                Next::Error(error) => self.call("error_received", |it| it.error_received(error)),
                Next::SetProtocol(protocol) => self.set_protocol(protocol),
                Next::Read => drained = !self.read(),
                Next::Wait { write } => {
                    let (link, socket) = (self.link.clone(), self.socket.clone());
                    if let Err(error) = wait(&link, socket, write).await {
                        self.link.fail(error);
                    }
                    drained = false;
                }
                Next::Lost(error) => return self.lose(error),
            }
            coop::consume_budget().await;
        }
    }

    /// Receives one datagram and delivers it. Returns `false` if there was none.
    fn read(&mut self) -> bool {
        let Some(socket) = &self.socket else {
            return false;
        };
        let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
        buffer.resize(READ_SIZE, 0);
        let received = socket.try_receive(&mut buffer);
        let found = self.take_in(received, &buffer);
        let _ = BUFFER.try_with(|cell| cell.set(buffer));
        found
    }

    /// Does what a read came to. Returns `false` if there was nothing to read.
    fn take_in(&mut self, received: io::Result<(usize, Address)>, buffer: &[u8]) -> bool {
        match received {
            Ok(_) if self.link.is_closing() => {}
            Ok((length, from)) => {
                let data = &buffer[..length];
                self.call("datagram_received", |it| it.datagram_received(data, &from));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => self.call("error_received", |it| it.error_received(error)),
        }
        true
    }

    /// Calls the protocol. If it panics, the socket is closed.
    fn call(&mut self, name: &'static str, callback: impl FnOnce(&mut dyn DatagramProtocol)) {
        let Some(protocol) = self.protocol.as_deref_mut() else {
            return;
        };
        let callback = || catch_unwind(AssertUnwindSafe(|| callback(protocol)));
        if let Err(payload) = self.event_loop.watch(name, self.location, callback) {
            let message = format!("the protocol panicked in {name}");
            self.link.fail(io::Error::other(message));
            self.report(name, payload);
        }
    }

    fn set_protocol(&mut self, protocol: Box<dyn DatagramProtocol>) {
        let old = self.protocol.replace(protocol);
        self.drop_protocol(old);
    }

    fn drop_protocol(&self, protocol: Option<Box<dyn DatagramProtocol>>) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(protocol))) {
            self.report("drop", payload);
        }
    }

    /// Closes the socket, and drops the protocol.
    fn close(&mut self) {
        let next = self.link.release();
        self.socket = None;
        self.drop_protocol(next);
        let protocol = self.protocol.take();
        self.drop_protocol(protocol);
    }

    fn report(&self, name: &str, payload: Box<dyn Any + Send>) {
        let context = ExceptionContext::new(format!("a protocol panicked in {name}"));
        self.event_loop
            .call_exception_handler(context.at(self.location).with_panic(payload));
    }

    fn lose(&mut self, error: Option<io::Error>) {
        self.is_made = false;
        self.call("connection_lost", |protocol| {
            protocol.connection_lost(error)
        });
        self.close();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.is_made {
            self.lose(Some(shut_down()));
        }
        self.close();
    }
}

/// Waits until somebody wants something from the task, or the socket is ready.
async fn wait(link: &Link, socket: Option<Arc<Datagrams>>, write: bool) -> io::Result<()> {
    let Some(socket) = socket else {
        return Ok(());
    };
    let mut woken = pin!(link.wake.notified());
    poll_fn(|cx| {
        if woken.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(ready) = socket.poll_read_ready(cx) {
            return Poll::Ready(ready);
        }
        if write {
            return socket.poll_write_ready(cx);
        }
        Poll::Pending
    })
    .await
}
