//! Child processes, as callbacks.
//!
//! One task owns the process and the protocol, and is the only one to call it. Each pipe is a connection of its own,
//! whose protocol hands what happens on to that task as an errand. A pipe is not read from while the task has something
//! of it that the protocol was not given, so a slow protocol doesn't make data pile up.

mod pipe;
mod task;

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind};
use std::process::ExitStatus;
use std::sync::Arc;

use heist_sync::sys::Mutex;
use rustix::process::Signal;

use crate::event_loop::Transport;
use crate::signal::unix::SignalKind;
use crate::sync::Notify;

/// What happens to a child process and its pipes, as callbacks. They are called one after the other.
///
/// `connection_made` is called first, once. `connection_lost` is called last, once, when the process has ended and its
/// pipes are closed. Pipes have numbers: 0 is the child's standard input, 1 its standard output, and 2 its standard
/// error. A callback that panics is reported to the exception handler, and kills the process.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
///
/// struct Output(Vec<u8>, Promise<Vec<u8>>);
///
/// impl SubprocessProtocol for Output {
///     fn pipe_data_received(&mut self, fd: i32, data: &[u8]) {
///         assert_eq!(fd, 1);
///         self.0.extend_from_slice(data);
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
///     event_loop.subprocess_shell(|| Output(Vec::new(), promise), "echo hello").await?;
///     assert_eq!(output.await.unwrap(), b"hello\n");
///     Ok(())
/// }
/// ```
pub trait SubprocessProtocol: Send + 'static {
    /// The process was started. Keep `transport` to write to its standard input, to end it, and to ask how it has ended.
    ///
    /// If this panics, the exception handler hears of it, and the process is killed. Whoever asked for the process gets it all
    /// the same, as in asyncio: [`subprocess_exec`](crate::event_loop::EventLoop::subprocess_exec) returns `Ok`.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol, SubprocessTransport};
    ///
    /// struct Says(Promise<Vec<u8>>, Vec<u8>);
    /// impl SubprocessProtocol for Says {
    ///     fn connection_made(&mut self, transport: SubprocessTransport) {
    ///         transport.get_pipe_transport(0).unwrap().write(b"hello");
    ///         transport.get_pipe_transport(0).unwrap().close();
    ///     }
    /// #   fn pipe_data_received(&mut self, _fd: i32, data: &[u8]) { self.1.extend_from_slice(data) }
    /// #   fn connection_lost(&mut self, _error: Option<std::io::Error>) { let _ = self.0.set_result(self.1.clone()); }
    ///     // …
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let (promise, heard) = event_loop.create_future();
    ///
    /// let protocol = Says(promise, Vec::new());
    /// event_loop.subprocess_shell(|| protocol, "cat").await?;
    /// assert_eq!(heard.await.unwrap(), b"hello");
    /// # Ok(())
    /// # }
    /// ```
    fn connection_made(&mut self, transport: SubprocessTransport) {
        let _ = transport;
    }

    /// The child has written to a pipe, at least one byte. Where the data is cut means nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    ///
    /// struct Errors(Promise<i32>);
    /// impl SubprocessProtocol for Errors {
    ///     fn pipe_data_received(&mut self, fd: i32, data: &[u8]) {
    ///         assert!(!data.is_empty());
    ///         let _ = self.0.set_result(fd);
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let (promise, fd) = event_loop.create_future();
    ///
    /// event_loop.subprocess_shell(|| Errors(promise), "echo oh no >&2").await?;
    /// assert_eq!(fd.await.unwrap(), 2);
    /// # Ok(())
    /// # }
    /// ```
    fn pipe_data_received(&mut self, fd: i32, data: &[u8]) {
        let _ = (fd, data);
    }

    /// A pipe is closed, by either side. `error` is what went wrong, and `None` if nothing did.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    /// use std::io;
    ///
    /// struct Pipes(Vec<i32>, Promise<Vec<i32>>);
    /// impl SubprocessProtocol for Pipes {
    ///     fn pipe_connection_lost(&mut self, fd: i32, _error: Option<io::Error>) {
    ///         self.0.push(fd);
    ///     }
    ///     fn connection_lost(&mut self, _error: Option<io::Error>) {
    ///         self.0.sort();
    ///         let _ = self.1.set_result(self.0.clone());
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let (promise, closed) = event_loop.create_future();
    ///
    /// event_loop.subprocess_shell(|| Pipes(Vec::new(), promise), "exit").await?;
    /// assert_eq!(closed.await.unwrap(), [0, 1, 2]);
    /// # Ok(())
    /// # }
    /// ```
    fn pipe_connection_lost(&mut self, fd: i32, error: Option<io::Error>) {
        let _ = (fd, error);
    }

    /// The process has ended. [`SubprocessTransport::get_returncode`] says how. Its pipes may still be open, and may still
    /// deliver data.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    ///
    /// struct Exits(Promise<()>);
    /// impl SubprocessProtocol for Exits {
    ///     fn process_exited(&mut self) {
    ///         let _ = self.0.set_result(());
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let (promise, exited) = event_loop.create_future();
    ///
    /// let transport = event_loop.subprocess_shell(|| Exits(promise), "exit 3").await?;
    /// exited.await.unwrap();
    /// assert_eq!(transport.get_returncode().unwrap().code(), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    fn process_exited(&mut self) {}

    /// The process has ended, and its pipes are closed. Nothing more is called. If the process has given a pipe to
    /// another process, the pipe is closed once that one has ended too, or after [`SubprocessTransport::close`].
    ///
    /// `error` is `None` however the process has ended. It is an error if that can't be known, if a callback has panicked,
    /// or if the runtime was shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    ///
    /// struct Ends(Promise<bool>);
    /// impl SubprocessProtocol for Ends {
    ///     fn connection_lost(&mut self, error: Option<std::io::Error>) {
    ///         let _ = self.0.set_result(error.is_none());
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let (promise, known) = event_loop.create_future();
    ///
    /// // That the program fails is no error here.
    /// event_loop.subprocess_shell(|| Ends(promise), "exit 3").await?;
    /// assert!(known.await.unwrap());
    /// # Ok(())
    /// # }
    /// ```
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }

    /// More bytes wait to be written to the child's standard input than the high-water mark allows.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    ///
    /// struct Paused(Promise<()>);
    /// impl SubprocessProtocol for Paused {
    ///     fn pause_writing(&mut self) {
    ///         let _ = self.0.set_result(());
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let (promise, paused) = event_loop.create_future();
    ///
    /// // It doesn't read.
    /// let transport = event_loop.subprocess_shell(|| Paused(promise), "exec sleep 60").await?;
    /// while transport.get_pipe_transport(0).unwrap().write(&[0; 65536]) {}
    /// assert!(paused.await.is_ok());
    /// transport.close();
    /// # Ok(())
    /// # }
    /// ```
    fn pause_writing(&mut self) {}

    /// The bytes that wait have fallen to the low-water mark.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    /// use heist::process::Command;
    /// use std::{io::Write, process::Stdio};
    ///
    /// struct Resumed(Promise<()>);
    /// impl SubprocessProtocol for Resumed {
    ///     fn resume_writing(&mut self) {
    ///         let _ = self.0.set_result(());
    ///     }
    /// }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// # let (promise, resumed) = event_loop.create_future();
    ///
    /// // It reads its standard input once it may.
    /// let (may, mut read_now) = std::io::pipe()?;
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "read may <&2; cat"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(may);
    /// let transport = event_loop.subprocess_exec(|| Resumed(promise), command).await?;
    /// while transport.get_pipe_transport(0).unwrap().write(&[0; 65536]) {}
    /// read_now.write_all(b"\n")?;
    /// assert!(resumed.await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    fn resume_writing(&mut self) {}
}

/// How a [`SubprocessProtocol`] reaches its process.
///
/// It is cheap to clone, and all clones are the same process. No method waits.
///
/// # Examples
///
/// ```
/// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol, SubprocessTransport};
///
/// /// Tells how the process has ended.
/// struct Ends(Option<SubprocessTransport>, Promise<Option<i32>>);
///
/// impl SubprocessProtocol for Ends {
///     fn connection_made(&mut self, transport: SubprocessTransport) {
///         assert!(transport.get_pid() > 0 && transport.get_returncode().is_none());
///         // Standard input: `cat` ends with it.
///         transport.get_pipe_transport(0).unwrap().close();
///         self.0 = Some(transport);
///     }
///     fn connection_lost(&mut self, _error: Option<std::io::Error>) {
///         let status = self.0.take().unwrap().get_returncode().unwrap();
///         let _ = self.1.set_result(status.code());
///     }
/// }
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let event_loop = EventLoop::current();
///     let (promise, code) = event_loop.create_future();
///     let transport = event_loop.subprocess_shell(|| Ends(None, promise), "exec cat").await?;
///     assert_eq!(code.await.unwrap(), Some(0));
///     // It has ended, so nobody can be asked to end.
///     assert!(transport.is_closing() && transport.terminate().is_err());
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct SubprocessTransport {
    shared: Arc<Shared>,
}

struct Shared {
    pid: u32,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    pipes: [Option<Transport>; 3],
    /// Signals to send, in order.
    signals: VecDeque<Signal>,
    errands: bool,
    closing: bool,
    status: Option<ExitStatus>,
    /// The process has ended, and perhaps nobody knows how.
    ended: bool,
}

impl Shared {
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state.lock());
        self.wake.notify_one();
        result
    }
}

impl SubprocessTransport {
    /// The number of the process.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, SubprocessProtocol};
    ///
    /// struct Quiet;
    /// impl SubprocessProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let transport = EventLoop::current().subprocess_shell(|| Quiet, "exit").await?;
    /// assert_ne!(transport.get_pid(), std::process::id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_pid(&self) -> u32 {
        self.shared.pid
    }

    /// How the process has ended. `None` while it runs, and if that can't be known.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    ///
    /// # struct Ends(Promise<()>);
    /// # impl SubprocessProtocol for Ends {
    /// #     fn process_exited(&mut self) { let _ = self.0.set_result(()); }
    /// # }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// let (promise, ended) = event_loop.create_future();
    /// let transport = event_loop.subprocess_shell(|| Ends(promise), "read line; exit 3").await?;
    /// assert!(transport.get_returncode().is_none());
    /// transport.get_pipe_transport(0).unwrap().close();
    /// ended.await.unwrap();
    /// assert_eq!(transport.get_returncode().unwrap().code(), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_returncode(&self) -> Option<ExitStatus> {
        self.shared.state.lock().status
    }

    /// The transport of a pipe: 0 is the child's standard input. `None` if there is no such pipe, or it is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    ///
    /// # struct Hear(Promise<Vec<u8>>);
    /// # impl SubprocessProtocol for Hear {
    /// #     fn pipe_data_received(&mut self, _fd: i32, data: &[u8]) { let _ = self.0.set_result(data.to_vec()); }
    /// # }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// let (promise, heard) = event_loop.create_future();
    /// let transport = event_loop.subprocess_shell(|| Hear(promise), "cat").await?;
    /// let stdin = transport.get_pipe_transport(0).unwrap();
    /// stdin.write(b"x");
    /// stdin.close();
    /// assert_eq!(heard.await.unwrap(), b"x");
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_pipe_transport(&self, fd: i32) -> Option<Transport> {
        let index = usize::try_from(fd).ok()?;
        self.shared.state.lock().pipes.get(index)?.clone()
    }

    /// Sends a signal to the process, soon.
    ///
    /// # Errors
    ///
    /// `NotFound` if the process has ended. `InvalidInput` if the system has no such signal.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    /// use heist::signal::unix::SignalKind;
    /// use std::os::unix::process::ExitStatusExt;
    ///
    /// # struct Ends(Promise<()>);
    /// # impl SubprocessProtocol for Ends {
    /// #     fn process_exited(&mut self) { let _ = self.0.set_result(()); }
    /// # }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// let (promise, ended) = event_loop.create_future();
    /// let transport = event_loop.subprocess_shell(|| Ends(promise), "exec cat").await?;
    /// transport.send_signal(SignalKind::user_defined1())?;
    /// ended.await.unwrap();
    /// let signal = transport.get_returncode().unwrap().signal();
    /// assert_eq!(signal, Some(SignalKind::user_defined1().as_raw_value()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_signal(&self, kind: SignalKind) -> io::Result<()> {
        let unknown = || io::Error::new(ErrorKind::InvalidInput, "no such signal");
        self.send(Signal::from_named_raw(kind.as_raw_value()).ok_or_else(unknown)?)
    }

    fn send(&self, signal: Signal) -> io::Result<()> {
        self.shared.change(|state| {
            if state.ended {
                return Err(io::Error::new(ErrorKind::NotFound, "the process has ended"));
            }
            state.signals.push_back(signal);
            Ok(())
        })
    }

    /// Asks the process to end (SIGTERM).
    ///
    /// # Errors
    ///
    /// See [`send_signal`](Self::send_signal).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    /// use std::os::unix::process::ExitStatusExt;
    ///
    /// # struct Ends(Promise<()>);
    /// # impl SubprocessProtocol for Ends {
    /// #     fn process_exited(&mut self) { let _ = self.0.set_result(()); }
    /// # }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// let (promise, ended) = event_loop.create_future();
    /// let transport = event_loop.subprocess_shell(|| Ends(promise), "exec cat").await?;
    /// transport.terminate()?;
    /// ended.await.unwrap();
    /// assert_eq!(transport.get_returncode().unwrap().signal(), Some(15));
    /// # Ok(())
    /// # }
    /// ```
    pub fn terminate(&self) -> io::Result<()> {
        self.send(Signal::TERM)
    }

    /// Kills the process (SIGKILL).
    ///
    /// # Errors
    ///
    /// See [`send_signal`](Self::send_signal).
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    /// use std::os::unix::process::ExitStatusExt;
    ///
    /// # struct Ends(Promise<()>);
    /// # impl SubprocessProtocol for Ends {
    /// #     fn process_exited(&mut self) { let _ = self.0.set_result(()); }
    /// # }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// let (promise, ended) = event_loop.create_future();
    /// let transport = event_loop.subprocess_shell(|| Ends(promise), "exec cat").await?;
    /// transport.kill()?;
    /// ended.await.unwrap();
    /// assert_eq!(transport.get_returncode().unwrap().signal(), Some(9));
    /// // It has ended, so there is nothing to kill.
    /// assert!(transport.kill().is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn kill(&self) -> io::Result<()> {
        self.send(Signal::KILL)
    }

    /// Closes the pipes, and kills the process if it has not ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, Promise, SubprocessProtocol};
    ///
    /// # struct Ends(Promise<()>);
    /// # impl SubprocessProtocol for Ends {
    /// #     fn connection_lost(&mut self, _error: Option<std::io::Error>) { let _ = self.0.set_result(()); }
    /// # }
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// # let event_loop = EventLoop::current();
    /// let (promise, ended) = event_loop.create_future();
    /// let transport = event_loop.subprocess_shell(|| Ends(promise), "exec cat").await?;
    /// transport.close();
    /// ended.await.unwrap();
    /// assert!(transport.get_pipe_transport(0).is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) {
        let pipes = self.shared.change(|state| {
            if !state.closing {
                state.closing = true;
                state.signals.push_back(Signal::KILL);
            }
            state.pipes.clone()
        });
        pipes.iter().flatten().for_each(Transport::close);
    }

    /// Whether [`close`](Self::close) was called, or the process has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use heist::event_loop::{EventLoop, SubprocessProtocol};
    ///
    /// struct Quiet;
    /// impl SubprocessProtocol for Quiet {}
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    ///
    /// let transport = EventLoop::current().subprocess_shell(|| Quiet, "exec cat").await?;
    /// assert!(!transport.is_closing());
    /// transport.close();
    /// assert!(transport.is_closing());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_closing(&self) -> bool {
        let state = self.shared.state.lock();
        state.closing || state.ended
    }
}

impl fmt::Debug for SubprocessTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubprocessTransport")
            .field("pid", &self.get_pid())
            .field("returncode", &self.get_returncode())
            .finish_non_exhaustive()
    }
}
