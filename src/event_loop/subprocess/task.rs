//! The task of one child process.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::task::Poll;

use heist_sync::sys::Mutex;
use rustix::process::{Pid, Signal, kill_process};

use super::pipe::Pipe;
use super::{Shared, State, SubprocessProtocol, SubprocessTransport};
use crate::event_loop::base::within::{UnderWay, shut_down, within};
use crate::event_loop::transports::inbox::Inbox;
use crate::event_loop::{EventLoop, ExceptionContext};
use crate::process::{Child, Command};
use crate::sync::{Notify, oneshot};
use crate::task::coop;

impl EventLoop {
    /// Starts a program, with the protocol that `factory` makes.
    ///
    /// Those of its standard streams are pipes that the command says so of, by
    /// [`Stdio::piped`](std::process::Stdio::piped); asyncio makes pipes of all three. The process belongs to this
    /// loop's runtime, whoever calls. When this returns, `connection_made` has been called. If the runtime is shut down,
    /// the process is killed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it returns, a process that was started by then is killed.
    ///
    /// # Errors
    ///
    /// If the program can't be started. If the runtime is shut down meanwhile.
    ///
    /// # Panics
    ///
    /// Panics if `factory` does. A panic in `connection_made` is not passed on:
    /// [`SubprocessProtocol::connection_made`] says what becomes of it.
    ///
    /// # Examples
    ///
    /// See [`SubprocessProtocol`].
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    /// use heist::process::Command;
    ///
    /// # struct Hear(Promise<Vec<u8>>, Vec<u8>);
    /// # impl SubprocessProtocol for Hear {
    /// #     fn pipe_data_received(&mut self, _fd: i32, data: &[u8]) { self.1.extend_from_slice(data) }
    /// #     fn connection_lost(&mut self, _error: Option<std::io::Error>) { let _ = self.0.set_result(self.1.clone()); }
    /// # }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// let (promise, heard) = event_loop.create_future();
    /// let mut command = Command::new("echo");
    /// command.arg("hello").stdout(std::process::Stdio::piped());
    /// event_loop.subprocess_exec(|| Hear(promise, Vec::new()), command).await?;
    /// assert_eq!(heard.await.unwrap(), b"hello\n");
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn subprocess_exec<P, F>(
        &self,
        factory: F,
        command: Command,
    ) -> impl Future<Output = io::Result<SubprocessTransport>>
    where
        P: SubprocessProtocol,
        F: FnOnce() -> P,
    {
        within(self, start(self, factory, command, Location::caller()))
    }

    /// Runs a line in the shell `/bin/sh`, with the protocol that `factory` makes. Its standard streams are pipes.
    /// Otherwise like [`subprocess_exec`](Self::subprocess_exec).
    ///
    /// Don't put texts from elsewhere into the line: the shell may take them for commands.
    ///
    /// # Cancel safety, errors, panics
    ///
    /// See [`subprocess_exec`](Self::subprocess_exec).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    ///
    /// /// Collects what the program prints.
    /// struct Output(Vec<u8>, Promise<Vec<u8>>);
    ///
    /// impl SubprocessProtocol for Output {
    ///     fn pipe_data_received(&mut self, fd: i32, data: &[u8]) {
    ///         if fd == 1 {
    ///             self.0.extend_from_slice(data);
    ///         }
    ///     }
    ///     fn connection_lost(&mut self, _error: Option<std::io::Error>) {
    ///         let _ = self.1.set_result(std::mem::take(&mut self.0));
    ///     }
    /// }
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let event_loop = EventLoop::current();
    ///     let (promise, output) = event_loop.create_future();
    ///     let protocol = Output(Vec::new(), promise);
    ///     event_loop.subprocess_shell(|| protocol, "echo one; echo two").await?;
    ///     assert_eq!(output.await.unwrap(), b"one\ntwo\n");
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn subprocess_shell<P, F>(
        &self,
        factory: F,
        line: impl AsRef<std::ffi::OsStr>,
    ) -> impl Future<Output = io::Result<SubprocessTransport>>
    where
        P: SubprocessProtocol,
        F: FnOnce() -> P,
    {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(line);
        for stream in [Command::stdin, Command::stdout, Command::stderr] {
            stream(&mut command, Stdio::piped());
        }
        self.subprocess_exec(factory, command)
    }
}

struct Driver<P: SubprocessProtocol> {
    event_loop: EventLoop,
    /// Where the user asked for the process.
    location: &'static Location<'static>,
    protocol: P,
    child: Child,
    shared: Arc<Shared>,
    inbox: Arc<Inbox<P>>,
    /// Between `connection_made` and `connection_lost`.
    is_made: bool,
    /// The last thing that was done was an errand, so a look at the process comes first.
    after_errand: bool,
    error: Option<io::Error>,
}

async fn start<P: SubprocessProtocol>(
    event_loop: &EventLoop,
    factory: impl FnOnce() -> P,
    mut command: Command,
    location: &'static Location<'static>,
) -> io::Result<SubprocessTransport> {
    command.kill_on_drop(true);
    let name = format!("child process {}", command.as_std().get_program().display());
    let mut child = command.spawn()?;
    let shared = Arc::new(Shared {
        pid: child.id().unwrap_or_default(),
        state: Mutex::new(State::default()),
        wake: Notify::new(),
    });
    let inbox = Inbox::new();
    let pipe = |fd| Pipe {
        fd,
        inbox: inbox.clone(),
        shared: shared.clone(),
        transport: None,
    };
    let transport = SubprocessTransport {
        shared: shared.clone(),
    };
    let under_way = UnderWay::new(transport, SubprocessTransport::close);
    let add = |fd: i32, pipe| shared.state.lock().pipes[fd as usize] = Some(pipe);
    if let Some(stdin) = child.stdin.take() {
        let stdin: OwnedFd = stdin.into_owned_fd()?;
        let connect = event_loop.connect_write_pipe(|| pipe(0), stdin);
        add(0, connect.at(location).await?.0);
    }
    let stdout = child.stdout.take().map(|it| it.into_owned_fd());
    let stderr = child.stderr.take().map(|it| it.into_owned_fd());
    for (fd, output) in [(1, stdout), (2, stderr)] {
        if let Some(output) = output {
            let connect = event_loop.connect_read_pipe(|| pipe(fd), output?);
            add(fd, connect.at(location).await?.0);
        }
    }
    let driver = Driver {
        event_loop: event_loop.clone(),
        location,
        protocol: factory(),
        child,
        shared,
        inbox,
        is_made: false,
        after_errand: false,
        error: None,
    };
    let (made, is_made) = oneshot::channel();
    event_loop.spawn_own(&name, driver.run(made));
    // If the runtime shuts down, there is no answer.
    is_made.await.map_err(|_| shut_down())?;
    Ok(under_way.keep())
}

/// What the task does next.
enum Next {
    Signal(Signal),
    Errand,
    Look,
    Wait,
    Lost,
}

impl<P: SubprocessProtocol> Driver<P> {
    async fn run(mut self, made: oneshot::Sender<()>) {
        let transport = SubprocessTransport {
            shared: self.shared.clone(),
        };
        self.is_made = true;
        self.call("connection_made", |it| it.connection_made(transport));
        let _ = made.send(());
        loop {
            match self.next() {
                Next::Signal(signal) => self.signal(signal),
                Next::Errand => {
                    if let Some((errand, more)) = self.inbox.pop() {
                        self.shared.state.lock().errands |= more;
                        self.call("a callback of a pipe", errand);
                    }
                }
                Next::Look => {
                    if let Some(status) = self.wait(false).await {
                        self.exited(status);
                    }
                }
                Next::Wait => {
                    if let Some(status) = self.wait(true).await {
                        self.exited(status);
                    }
                }
                Next::Lost => return self.lose(),
            }
            coop::consume_budget().await;
        }
    }

    fn next(&mut self) -> Next {
        let mut state = self.shared.state.lock();
        // Pipes that always have an errand hold up neither a signal nor the news that the process has ended.
        if !state.ended
            && let Some(signal) = state.signals.pop_front()
        {
            return Next::Signal(signal);
        }
        if state.errands {
            if !state.ended && std::mem::take(&mut self.after_errand) {
                return Next::Look;
            }
            state.errands = false;
            self.after_errand = true;
            return Next::Errand;
        }
        let is_open = state.pipes.iter().any(Option::is_some);
        if state.ended && !is_open {
            Next::Lost
        } else {
            Next::Wait
        }
    }

    /// The process is reaped by this task alone. So its number still means it while `id` gives one.
    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = id.and_then(Pid::from_raw) {
            // It may have ended just now.
            let _ = kill_process(pid, signal);
        }
    }

    /// Looks whether the process has ended. If it `waits`, returns once that is so or somebody wants something.
    async fn wait(&mut self, waits: bool) -> Option<io::Result<ExitStatus>> {
        let has_ended = self.shared.state.lock().ended;
        let shared = self.shared.clone();
        let mut woken = pin!(shared.wake.notified());
        let mut exit = pin!(self.child.wait());
        poll_fn(|cx| {
            if waits && woken.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            if !has_ended && let Poll::Ready(status) = exit.as_mut().poll(cx) {
                return Poll::Ready(Some(status));
            }
            if waits {
                Poll::Pending
            } else {
                Poll::Ready(None)
            }
        })
        .await
    }

    fn exited(&mut self, status: io::Result<ExitStatus>) {
        let mut state = self.shared.state.lock();
        state.ended = true;
        match status {
            Ok(status) => state.status = Some(status),
            Err(error) => self.error = Some(error),
        }
        drop(state);
        self.call("process_exited", P::process_exited);
    }

    /// Calls the protocol. If it panics, the process is killed.
    fn call(&mut self, name: &'static str, callback: impl FnOnce(&mut P)) {
        let protocol = &mut self.protocol;
        let callback = || catch_unwind(AssertUnwindSafe(|| callback(protocol)));
        if let Err(payload) = self.event_loop.watch(name, self.location, callback) {
            let message = format!("the protocol panicked in {name}");
            self.error.get_or_insert(io::Error::other(message));
            let transport = SubprocessTransport {
                shared: self.shared.clone(),
            };
            transport.close();
            self.report(name, payload);
        }
    }

    fn report(&self, name: &str, payload: Box<dyn Any + Send>) {
        let context = ExceptionContext::new(format!("a protocol panicked in {name}"));
        self.event_loop
            .call_exception_handler(context.at(self.location).with_panic(payload));
    }

    fn lose(&mut self) {
        self.is_made = false;
        let error = self.error.take();
        self.call("connection_lost", |it| it.connection_lost(error));
        self.inbox.close();
    }
}

impl<P: SubprocessProtocol> Drop for Driver<P> {
    fn drop(&mut self) {
        if self.is_made {
            self.shared.state.lock().ended = true;
            self.error.get_or_insert_with(shut_down);
            self.lose();
        }
        self.inbox.close();
    }
}
