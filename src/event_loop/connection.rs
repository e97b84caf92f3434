//! The task of one connection: it owns the protocol and is the only one to call it.
//!
//! It asks the [`Link`] what comes next, does that, and waits when there is nothing. It has these states, in this
//! order:
//! - new: `connection_made` has not been called. If the task is dropped now, the protocol hears nothing at all.
//! - made: each callback runs with no lock held, and a panic in it is caught.
//! - lost: `connection_lost` has been called. Only [`Driver::lose`] does that, and the destructor calls it too. So when
//!   a runtime is shut down, its connections end once, as they do otherwise.

use std::any::Any;
use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::base::EventLoop;
use super::exception::ExceptionContext;
use super::protocol::{Inbox, Protocol, ProtocolHandle};
use super::transport::{Link, Next, Transport};
use crate::net::{TcpStream, ToSocketAddrs};
use crate::sync::oneshot;
use crate::task;

/// How much is read at once.
const READ_SIZE: usize = 64 * 1024;

thread_local! {
    /// The buffer for this thread's reads. It is taken while it is delivered, so idle connections have none.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

#[derive(PartialEq)]
enum Stage {
    New,
    Made,
    Lost,
}

impl EventLoop {
    /// Connects to `addr` and runs the connection with the protocol that `factory` makes.
    ///
    /// The addresses that `addr` resolves to are tried one after the other. When this returns, `connection_made` has
    /// been called.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before there is a connection, the attempt is given up. After that, the connection goes
    /// on by itself.
    ///
    /// # Errors
    ///
    /// Fails if resolving or connecting fails.
    ///
    /// # Panics
    ///
    /// Panics if `factory` does.
    ///
    /// # Examples
    ///
    /// See [`Protocol`].
    pub async fn create_connection<P, F, A>(
        &self,
        factory: F,
        addr: A,
    ) -> io::Result<(Transport, ProtocolHandle<P>)>
    where
        P: Protocol,
        F: FnOnce() -> P,
        A: ToSocketAddrs,
    {
        let stream = TcpStream::connect(addr).await?;
        let (connection, made) = start(self, stream, factory(), |_| ());
        // This fails if the runtime shuts down. The transport then says that it is closed.
        let _ = made.await;
        Ok(connection)
    }
}

struct Driver<P: Protocol, C: Send + 'static> {
    event_loop: EventLoop,
    /// `Some` until it is given to whoever waits for it.
    protocol: Option<P>,
    stage: Stage,
    stream: Arc<TcpStream>,
    link: Arc<Link>,
    inbox: Arc<Inbox<P>>,
    end: Option<oneshot::Sender<P>>,
    /// Dropped when the connection is over, after the socket was closed.
    _counted: C,
}

/// Starts the task. The receiver is told when `connection_made` has been called. `count` is called with the
/// connection's link. What it returns is dropped when the connection is over.
pub(super) fn start<P: Protocol, C: Send + 'static>(
    event_loop: &EventLoop,
    stream: TcpStream,
    protocol: P,
    count: impl FnOnce(&Arc<Link>) -> C,
) -> ((Transport, ProtocolHandle<P>), oneshot::Receiver<()>) {
    // Callbacks write whole answers, so holding them back for more is never useful. A socket that refuses this is about
    // to fail anyway.
    let _ = stream.set_nodelay(true);
    let stream = Arc::new(stream);
    let link = Link::new(stream.clone());
    let inbox = Inbox::new();
    let (end, ended) = oneshot::channel();
    let (made, is_made) = oneshot::channel();
    let driver = Driver {
        event_loop: event_loop.clone(),
        protocol: Some(protocol),
        stage: Stage::New,
        stream,
        link: link.clone(),
        inbox: inbox.clone(),
        end: Some(end),
        _counted: count(&link),
    };
    event_loop.create_task(driver.run(made));
    let handle = ProtocolHandle {
        inbox,
        link: link.clone(),
        end: ended,
    };
    ((Transport { link }, handle), is_made)
}

impl<P: Protocol, C: Send + 'static> Driver<P, C> {
    async fn run(mut self, made: oneshot::Sender<()>) {
        self.stage = Stage::Made;
        let transport = Transport {
            link: self.link.clone(),
        };
        self.call("connection_made", |protocol| {
            protocol.connection_made(transport)
        });
        // Whoever connected may have gone away.
        let _ = made.send(());
        let mut drained = false;
        loop {
            match self.link.advance(drained) {
                Next::PauseWriting => drop(self.call("pause_writing", P::pause_writing)),
                Next::ResumeWriting => drop(self.call("resume_writing", P::resume_writing)),
                Next::Read => drained = !self.read(),
                Next::Errands => self.run_errands(),
                Next::Wait { read, write } => {
                    if let Err(error) = wait(&self.link, &self.stream, read, write).await {
                        self.link.fail(error);
                    }
                    drained = false;
                }
                Next::Lost(error) => return self.lose(error),
            }
            task::coop::consume_budget().await;
        }
    }

    /// Runs what others want done with the protocol, until it panics.
    fn run_errands(&mut self) {
        while let Some(errand) = self.inbox.pop() {
            if self.call("an errand", errand).is_none() {
                return;
            }
        }
    }

    /// Reads once and delivers it. Returns `false` if there was nothing to read.
    fn read(&mut self) -> bool {
        let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
        buffer.resize(READ_SIZE, 0);
        let read = self.stream.try_read(&mut buffer);
        let found = !matches!(&read, Err(error) if error.kind() == ErrorKind::WouldBlock);
        match read {
            // `close` may have come from another thread since.
            Ok(_) if !self.link.delivers() => {}
            Ok(0) => {
                self.link.note_eof();
                if self.call("eof_received", P::eof_received) == Some(false) {
                    self.link.close();
                }
            }
            Ok(length) => {
                let data = &buffer[..length];
                self.call("data_received", |protocol| protocol.data_received(data));
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => self.link.fail(error),
        }
        let _ = BUFFER.try_with(|cell| cell.set(buffer));
        found
    }

    /// Calls the protocol. If it panics, the connection is over.
    fn call<R>(&mut self, name: &str, callback: impl FnOnce(&mut P) -> R) -> Option<R> {
        let protocol = self.protocol.as_mut()?;
        match catch_unwind(AssertUnwindSafe(|| callback(protocol))) {
            Ok(value) => Some(value),
            Err(payload) => {
                self.link
                    .fail(io::Error::other(format!("the protocol panicked in {name}")));
                self.report(name, payload);
                None
            }
        }
    }

    fn report(&self, name: &str, payload: Box<dyn Any + Send>) {
        let context = ExceptionContext::new(format!("a protocol panicked in {name}"));
        self.event_loop
            .call_exception_handler(context.with_panic(payload));
    }

    /// Ends the connection: the last callback, then the socket.
    fn lose(&mut self, error: Option<io::Error>) {
        self.stage = Stage::Lost;
        self.call("connection_lost", |protocol| {
            protocol.connection_lost(error)
        });
        self.link.release();
        let (inbox, end, protocol) = (self.inbox.clone(), self.end.take(), self.protocol.take());
        // If nobody wants the protocol, or the results of its errands, they are dropped here.
        let dropped = catch_unwind(AssertUnwindSafe(move || {
            inbox.close();
            end.zip(protocol)
                .map(|(end, protocol)| drop(end.send(protocol)))
        }));
        if let Err(payload) = dropped {
            self.report("drop", payload);
        }
    }
}

impl<P: Protocol, C: Send + 'static> Drop for Driver<P, C> {
    fn drop(&mut self) {
        match self.stage {
            Stage::New => {
                self.link.release();
                self.inbox.close();
            }
            Stage::Made => self.lose(Some(io::Error::other("the runtime was shut down"))),
            Stage::Lost => {}
        }
    }
}

/// Waits until somebody wants something from the task, or until the socket is ready to be read or written as asked for.
async fn wait(link: &Link, stream: &TcpStream, read: bool, write: bool) -> io::Result<()> {
    let mut woken = pin!(link.wake.notified());
    let mut readable = pin!(read.then(|| stream.readable()));
    let mut writable = pin!(write.then(|| stream.writable()));
    poll_fn(|cx| {
        if woken.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if let Some(Poll::Ready(ready)) = readable.as_mut().as_pin_mut().map(|ready| ready.poll(cx))
        {
            return Poll::Ready(ready);
        }
        if let Some(Poll::Ready(ready)) = writable.as_mut().as_pin_mut().map(|ready| ready.poll(cx))
        {
            return Poll::Ready(ready);
        }
        Poll::Pending
    })
    .await
}
