//! The task of one connection: it owns the protocol and is the only one to call it.
//!
//! It asks the [`Link`] what comes next, does that, and waits when there is nothing. It has these states, in this
//! order:
//! - new: `connection_made` has not been called. If the task is dropped now, or the TLS handshake fails, the protocol
//!   hears nothing at all.
//! - made: each callback runs with no lock held, and a panic in it is caught.
//! - lost: `connection_lost` has been called. Only [`Driver::lose`] does that, and the destructor calls it too. So when
//!   a runtime is shut down, its connections end once, as they do otherwise.

use std::any::Any;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use crate::event_loop::base::within::{UnderWay, shut_down};
use crate::event_loop::transports::barrier::{Barrier, SendFile};
use crate::event_loop::transports::handle::{ProtocolHandle, Serve, SetProtocol, pair};
use crate::event_loop::transports::link::{Link, Next, Wish};
use crate::event_loop::transports::socket::{Directions, Opened, Socket, Upgrade};
use crate::event_loop::{EventLoop, ExceptionContext, Protocol, Transport};
use crate::sync::oneshot;
use crate::task;
use crate::time::{Instant, sleep_until, timeout};

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

pub(crate) struct Driver {
    event_loop: EventLoop,
    /// `Some` until it is given to whoever waits for it.
    served: Option<Box<dyn Serve>>,
    stage: Stage,
    /// `Some` until the connection is lost.
    socket: Option<Arc<dyn Socket>>,
    link: Arc<Link>,
    upgrade: Option<Upgrade>,
    /// Where the user asked for the connection, or for its server.
    location: &'static Location<'static>,
    /// Told when `connection_made` has been called, or why it never will be. A server has none: the exception handler
    /// is told about a failure then.
    made: Option<oneshot::Sender<io::Result<()>>>,
    /// Dropped when the connection is over, after the socket was closed.
    counted: Option<Box<dyn Any + Send>>,
}

impl Driver {
    pub(crate) fn new<P: Protocol>(
        event_loop: &EventLoop,
        opened: Opened,
        protocol: P,
        upgrade: Option<Upgrade>,
        location: &'static Location<'static>,
    ) -> (Self, ProtocolHandle<P>) {
        let socket = opened.socket.clone();
        let link = Link::new(opened);
        let (served, handle) = pair(protocol, &link);
        handle.announce();
        let driver = Self {
            event_loop: event_loop.clone(),
            served: Some(served),
            stage: Stage::New,
            socket: Some(socket),
            link,
            upgrade,
            location,
            made: None,
            counted: None,
        };
        (driver, handle)
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Starts the task. `counted` is dropped when the connection is over.
    pub(crate) fn start(mut self, counted: Box<dyn Any + Send>) {
        self.counted = Some(counted);
        self.spawn();
    }

    fn spawn(self) {
        let event_loop = self.event_loop.clone();
        let name = self.name();
        event_loop.spawn_own(&name, self.run());
    }

    /// What reports call the task.
    fn name(&self) -> String {
        let Link { peer, local, .. } = &*self.link;
        let mut ends = [peer, local].into_iter().flatten();
        match (ends.find(|end| end.is_named()), self.link.directions) {
            (Some(end), _) => format!("connection {end}"),
            (None, Directions::Both) => "connection".to_owned(),
            #[cfg(unix)]
            (None, Directions::Read) => "read pipe".to_owned(),
            #[cfg(unix)]
            (None, Directions::Write) => "write pipe".to_owned(),
        }
    }

    fn transport(&self) -> Transport {
        Transport {
            link: self.link.clone(),
        }
    }

    /// Starts the task, and waits until `connection_made` has been called. Before that, a drop gives the attempt up.
    pub(crate) async fn connect(mut self) -> io::Result<Transport> {
        let (made, is_made) = oneshot::channel();
        self.made = Some(made);
        let transport = self.transport();
        self.spawn();
        let under_way = UnderWay::new(transport, Transport::abort);
        // If the runtime shuts down, there is no answer.
        is_made.await.unwrap_or_else(|_| Err(shut_down()))?;
        Ok(under_way.keep())
    }

    async fn run(mut self) {
        if let Some(upgrade) = self.upgrade.take()
            && let Err(error) = self.change_socket(upgrade).await
        {
            return self.refuse(error);
        }
        self.stage = Stage::Made;
        let transport = self.transport();
        self.call("connection_made", |served| {
            served.connection_made(transport)
        });
        if let Some(made) = self.made.take() {
            // Whoever connected may have gone away.
            let _ = made.send(Ok(()));
        }
        let mut drained = false;
        loop {
            match self.link.advance(drained) {
                Next::PauseWriting => drop(self.call("pause_writing", |it| it.pause_writing())),
                Next::ResumeWriting => drop(self.call("resume_writing", |it| it.resume_writing())),
                Next::Read => drained = self.read(),
                Next::Errand => {
                    if self.call("an errand", |it| it.run_errand()) == Some(true) {
                        self.link.note_errand();
                    }
                }
                Next::Wish(wish) => self.set_protocol(wish),
                Next::Barrier(wish) => {
                    self.pass_barrier(wish).await;
                    drained = false;
                }
                Next::Wait { read, write, until } => {
                    let socket = self.socket.as_deref();
                    let waited = wait(&self.link, socket, read, write, until).await;
                    if let Err(error) = waited {
                        self.link.fail(error);
                    }
                    drained = false;
                }
                Next::Lost(error) => return self.lose(error),
            }
            task::coop::consume_budget().await;
        }
    }

    /// Reads once and delivers it. Returns whether nothing is left to read.
    fn read(&mut self) -> bool {
        let served = self.served.as_deref_mut();
        if served.is_some_and(|served| served.as_buffered().is_some()) {
            return self.read_buffered();
        }
        let Some(socket) = &self.socket else {
            return true;
        };
        let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
        buffer.resize(READ_SIZE, 0);
        let read = read_once(&**socket, &mut buffer);
        let drained = self.take_in(read, |driver, length| {
            let data = &buffer[..length];
            driver.call("data_received", |served| served.data_received(data));
        });
        let _ = BUFFER.try_with(|cell| cell.set(buffer));
        drained
    }

    /// Reads into the protocol's own buffer.
    fn read_buffered(&mut self) -> bool {
        let Some(socket) = self.socket.clone() else {
            return true;
        };
        let read = self.call("get_buffer", |served| {
            let buffer = served.as_buffered()?.get_buffer();
            (!buffer.is_empty()).then(|| read_once(&*socket, buffer))
        });
        let Some(read) = read else {
            return false;
        };
        let empty = || Err(io::Error::other("get_buffer returned an empty buffer"));
        self.take_in(read.unwrap_or_else(empty), |driver, length| {
            driver.call("buffer_updated", |served| {
                if let Some(buffered) = served.as_buffered() {
                    buffered.buffer_updated(length);
                }
            });
        })
    }

    /// Does what a read came to. Returns whether nothing is left to read.
    fn take_in(&mut self, read: io::Result<Read>, deliver: impl FnOnce(&mut Self, usize)) -> bool {
        match read {
            // `close` may have come from another thread since.
            Ok(_) if !self.link.delivers() => {}
            #[cfg(unix)]
            Ok(Read { length: 0, .. }) if self.link.directions == Directions::Write => {
                self.link.note_reader_gone();
            }
            Ok(Read { length: 0, .. }) => {
                self.link.note_eof();
                let stays = self.call("eof_received", |served| served.eof_received());
                if stays == Some(false) || self.link.directions != Directions::Both {
                    self.link.close();
                }
            }
            Ok(Read { length, drained }) => {
                deliver(self, length);
                return drained;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => self.link.fail(error),
        }
        false
    }

    /// Calls the protocol. If it panics, the connection is over.
    fn call<R>(
        &mut self,
        name: &'static str,
        callback: impl FnOnce(&mut dyn Serve) -> R,
    ) -> Option<R> {
        let served = self.served.as_deref_mut()?;
        let callback = || catch_unwind(AssertUnwindSafe(|| callback(served)));
        match self.event_loop.watch(name, self.location, callback) {
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
            .call_exception_handler(context.at(self.location).with_panic(payload));
    }

    fn set_protocol(&mut self, wish: Wish) {
        let Ok(SetProtocol(served)) = wish.downcast::<SetProtocol>().map(|wish| *wish) else {
            return;
        };
        if let Some(old) = self.served.replace(served) {
            self.end(old);
        }
    }

    /// Gives a protocol to whoever waits for it. If nobody does, it is dropped here, and so are its errands' results.
    fn end(&self, served: Box<dyn Serve>) {
        self.guard_drop(|| served.end());
    }

    /// Runs what drops values of the user.
    fn guard_drop(&self, drops: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(drops)) {
            self.report("drop", payload);
        }
    }

    async fn pass_barrier(&mut self, wish: Wish) {
        let Ok(barrier) = wish.downcast::<Barrier>().map(|wish| *wish) else {
            return self.link.lift_barrier(None);
        };
        match barrier {
            Barrier::Upgrade(upgrade, done) => {
                let changed = self.change_socket(upgrade).await;
                if let Err(error) = &changed {
                    let message = format!("TLS could not be started: {error}");
                    self.link.fail(io::Error::new(error.kind(), message));
                }
                // Whoever asked may have gone away.
                let _ = done.send(changed);
            }
            Barrier::SendFile(file) => self.send_file(file).await,
        }
    }

    /// Wraps the socket, and lifts the barrier.
    async fn change_socket(&mut self, upgrade: Upgrade) -> io::Result<()> {
        let closed = || io::Error::new(ErrorKind::NotConnected, "the transport was closed");
        let inner = self.socket.clone().ok_or_else(closed)?;
        let upgraded = upgrade(inner)?;
        let handshake = poll_fn(|cx| upgraded.socket.poll_handshake(cx));
        let handshake = timeout(upgraded.handshake_timeout, handshake);
        // Nobody has written anything to a new connection, so closing it is the same as aborting it.
        let is_new = self.stage == Stage::New;
        let shaken = unless_over(&self.link, is_new, handshake).await;
        let late = |_| io::Error::new(ErrorKind::TimedOut, "the TLS handshake took too long");
        shaken.ok_or_else(closed)?.map_err(late).flatten()?;
        self.socket = Some(upgraded.socket.clone());
        self.link
            .lift_barrier(Some((upgraded.socket, upgraded.close_timeout)));
        Ok(())
    }

    async fn send_file(&mut self, file: SendFile) {
        let Some(socket) = self.socket.clone() else {
            return;
        };
        let SendFile { mut source, done } = file;
        let sent = unless_over(&self.link, false, source.send_to(&socket)).await;
        source.settle().await;
        let result = match sent {
            Some(Ok(())) => Ok(source.sent()),
            Some(Err(error)) => {
                if error.reached_socket() {
                    self.link.fail(error.copy());
                }
                Err(error.into())
            }
            None => Err(ErrorKind::ConnectionAborted.into()),
        };
        self.link.lift_barrier(None);
        // Whoever asked may have gone away.
        let _ = done.send(result);
    }

    /// The connection failed before it was made. The protocol hears nothing.
    fn refuse(&mut self, error: io::Error) {
        let was_closed = self.link.is_closing();
        self.give_back();
        if let Some(made) = self.made.take() {
            // Whoever connected may have gone away, and wants to hear nothing then.
            let _ = made.send(Err(error));
            return;
        }
        // Whoever closed it knows.
        if was_closed {
            return;
        }
        let context = ExceptionContext::new("a connection failed before it was made");
        self.event_loop
            .call_exception_handler(context.at(self.location).with_error(error));
    }

    /// Closes the socket, then gives back the protocol.
    fn give_back(&mut self) {
        self.stage = Stage::Lost;
        let wishes = self.link.release();
        self.socket = None;
        self.guard_drop(|| drop(wishes));
        if let Some(served) = self.served.take() {
            self.end(served);
        }
    }

    /// Ends the connection: the last callback, then the socket.
    fn lose(&mut self, error: Option<io::Error>) {
        self.stage = Stage::Lost;
        self.call("connection_lost", |served| served.connection_lost(error));
        self.give_back();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        match self.stage {
            Stage::New => {
                let wishes = self.link.release();
                self.guard_drop(|| drop(wishes));
            }
            Stage::Made => self.lose(Some(shut_down())),
            Stage::Lost => {}
        }
    }
}

/// What a read came to.
struct Read {
    length: usize,
    /// Nothing is left to read, as far as is known. If there is, the wait for more ends at once.
    drained: bool,
}

fn read_once(socket: &dyn Socket, buffer: &mut [u8]) -> io::Result<Read> {
    let length = socket.try_read(buffer)?;
    Ok(Read {
        length,
        drained: length < buffer.len() && socket.short_means_drained(),
    })
}

/// Runs `future` unless the connection is aborted meanwhile, or, if `closing_ends` it, closed.
async fn unless_over<F: Future>(link: &Link, closing_ends: bool, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        loop {
            if link.waits_and_is_over(closing_ends) {
                return Poll::Ready(None);
            }
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            ready!(link.poll_change(cx));
        }
    })
    .await
}

/// Waits until somebody wants something from the task, or until the socket is ready to be read or written as asked
/// for, or until a time.
async fn wait(
    link: &Link,
    socket: Option<&dyn Socket>,
    read: bool,
    write: bool,
    until: Option<Instant>,
) -> io::Result<()> {
    let Some(socket) = socket else {
        return Ok(());
    };
    let mut slept = pin!(until.map(sleep_until));
    poll_fn(|cx| {
        if read && let Poll::Ready(ready) = socket.poll_read_ready(cx) {
            return Poll::Ready(ready);
        }
        if write && let Poll::Ready(ready) = socket.poll_write_ready(cx) {
            return Poll::Ready(ready);
        }
        if let Some(slept) = slept.as_mut().as_pin_mut()
            && slept.poll(cx).is_ready()
        {
            return Poll::Ready(Ok(()));
        }
        link.poll_change(cx).map(Ok)
    })
    .await
}
