//! The task of one datagram socket.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::{DatagramProtocol, DatagramTransport, Datagrams, Link, Next};
use crate::event_loop::{EventLoop, ExceptionContext};
use crate::sync::oneshot;
use crate::task::coop;

/// More than the largest datagram of any kind that is in use.
const READ_SIZE: usize = 256 * 1024;

struct Driver<P: DatagramProtocol> {
    event_loop: EventLoop,
    protocol: P,
    link: Arc<Link>,
    socket: Option<Arc<Datagrams>>,
    /// Between `connection_made` and `connection_lost`.
    is_made: bool,
}

/// Starts the task, and waits until `connection_made` has been called.
pub(crate) async fn start<P: DatagramProtocol>(
    event_loop: &EventLoop,
    socket: Datagrams,
    protocol: P,
) -> DatagramTransport {
    let socket = Arc::new(socket);
    let link = Link::new(socket.clone());
    let transport = DatagramTransport { link: link.clone() };
    let driver = Driver {
        event_loop: event_loop.clone(),
        protocol,
        link,
        socket: Some(socket),
        is_made: false,
    };
    let (made, is_made) = oneshot::channel();
    event_loop.create_task(driver.run(made));
    // This fails if the runtime shuts down. The transport then says that it is closed.
    let _ = is_made.await;
    transport
}

impl<P: DatagramProtocol> Driver<P> {
    async fn run(mut self, made: oneshot::Sender<()>) {
        let transport = DatagramTransport {
            link: self.link.clone(),
        };
        self.is_made = true;
        self.call("connection_made", |protocol| {
            protocol.connection_made(transport)
        });
        let _ = made.send(());
        // Idle sockets have no buffer.
        let mut buffer = Vec::new();
        let mut drained = false;
        loop {
            match self.link.advance(drained) {
                Next::PauseWriting => self.call("pause_writing", P::pause_writing),
                Next::ResumeWriting => self.call("resume_writing", P::resume_writing),
                Next::Error(error) => self.call("error_received", |it| it.error_received(error)),
                Next::Read => drained = !self.read(&mut buffer),
                Next::Wait { write } => {
                    buffer = Vec::new();
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
    fn read(&mut self, buffer: &mut Vec<u8>) -> bool {
        let Some(socket) = &self.socket else {
            return false;
        };
        buffer.resize(READ_SIZE, 0);
        match socket.try_receive(buffer) {
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
    fn call(&mut self, name: &str, callback: impl FnOnce(&mut P)) {
        let protocol = &mut self.protocol;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(protocol))) {
            let message = format!("the protocol panicked in {name}");
            self.link.fail(io::Error::other(message));
            self.report(name, payload);
        }
    }

    fn report(&self, name: &str, payload: Box<dyn Any + Send>) {
        let context = ExceptionContext::new(format!("a protocol panicked in {name}"));
        self.event_loop
            .call_exception_handler(context.with_panic(payload));
    }

    fn lose(&mut self, error: Option<io::Error>) {
        self.is_made = false;
        self.call("connection_lost", |protocol| {
            protocol.connection_lost(error)
        });
        self.link.release();
        self.socket = None;
    }
}

impl<P: DatagramProtocol> Drop for Driver<P> {
    fn drop(&mut self) {
        if self.is_made {
            self.lose(Some(io::Error::other("the runtime was shut down")));
        }
        self.link.release();
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
