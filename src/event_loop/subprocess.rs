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
    fn connection_made(&mut self, transport: SubprocessTransport) {
        let _ = transport;
    }

    /// The child has written to a pipe.
    fn pipe_data_received(&mut self, fd: i32, data: &[u8]) {
        let _ = (fd, data);
    }

    /// A pipe is closed.
    fn pipe_connection_lost(&mut self, fd: i32, error: Option<io::Error>) {
        let _ = (fd, error);
    }

    /// The process has ended. [`SubprocessTransport::get_returncode`] says how. Its pipes may still be open, and may still
    /// deliver data.
    fn process_exited(&mut self) {}

    /// The process has ended, and its pipes are closed. Nothing more is called. If the process has given a pipe to
    /// another process, the pipe is closed once that one has ended too, or after [`SubprocessTransport::close`].
    ///
    /// `error` is `None` however the process has ended. It is an error if that can't be known, if a callback has panicked,
    /// or if the runtime was shut down.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }

    /// More bytes wait to be written to the child's standard input than the high-water mark allows.
    fn pause_writing(&mut self) {}

    /// The bytes that wait have fallen to the low-water mark.
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
    pub fn get_pid(&self) -> u32 {
        self.shared.pid
    }

    /// How the process has ended. `None` while it runs, and if that can't be known.
    pub fn get_returncode(&self) -> Option<ExitStatus> {
        self.shared.state.lock().status
    }

    /// The transport of a pipe: 0 is the child's standard input. `None` if there is no such pipe, or it is closed.
    pub fn get_pipe_transport(&self, fd: i32) -> Option<Transport> {
        let index = usize::try_from(fd).ok()?;
        self.shared.state.lock().pipes.get(index)?.clone()
    }

    /// Sends a signal to the process, soon.
    ///
    /// # Errors
    ///
    /// `NotFound` if the process has ended. `InvalidInput` if the system has no such signal.
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
    pub fn terminate(&self) -> io::Result<()> {
        self.send(Signal::TERM)
    }

    /// Kills the process (SIGKILL).
    ///
    /// # Errors
    ///
    /// See [`send_signal`](Self::send_signal).
    pub fn kill(&self) -> io::Result<()> {
        self.send(Signal::KILL)
    }

    /// Closes the pipes, and kills the process if it has not ended.
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
