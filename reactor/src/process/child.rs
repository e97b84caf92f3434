//! A child process, as its owner sees it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Output};
use std::task::{Context, Poll, ready};

use heist_sync::coop;
use heist_sync::waits::{self, Wait};

use super::pipes::{ChildStderr, ChildStdin, ChildStdout};
use super::running::Running;
use crate::io::{AsyncRead, AsyncReadExt};

/// A child process. [`Command::spawn`](super::Command::spawn) makes it.
///
/// If you drop it, the process goes on. Its exit status is taken when it ends, so it leaves no zombie. With
/// [`kill_on_drop`](super::Command::kill_on_drop), the process is killed.
///
/// ```
/// use heist::io::AsyncWriteExt;
/// use heist::process::Command;
/// use std::process::Stdio;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let mut sort = Command::new("sort")
///         .stdin(Stdio::piped())
///         .stdout(Stdio::piped())
///         .spawn()?;
///     sort.stdin.as_mut().unwrap().write_all(b"b\na\n").await?;
///     // This closes the pipe, so that `sort` comes to the end of its input.
///     let output = sort.wait_with_output().await?;
///     assert_eq!(output.stdout, b"a\nb\n");
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Child {
    state: State,
    /// The pipe to the child's standard input, if it was asked for.
    pub stdin: Option<ChildStdin>,
    /// The pipe from the child's standard output, if it was asked for.
    pub stdout: Option<ChildStdout>,
    /// The pipe from the child's standard error, if it was asked for.
    pub stderr: Option<ChildStderr>,
}

#[derive(Debug)]
enum State {
    Running(Running),
    Done(ExitStatus),
}

impl Child {
    /// Takes over a child that was just started. If that fails, the child is killed.
    pub(super) fn new(mut child: std::process::Child, kill_on_drop: bool) -> io::Result<Self> {
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut running = Running::new(child)?;
        running.kill_on_drop = true;
        let stdin = pipes.0.map(ChildStdin::from_std).transpose()?;
        let stdout = pipes.1.map(ChildStdout::from_std).transpose()?;
        let stderr = pipes.2.map(ChildStderr::from_std).transpose()?;
        running.kill_on_drop = kill_on_drop;
        Ok(Self {
            state: State::Running(running),
            stdin,
            stdout,
            stderr,
        })
    }

    /// The number of the process. `None` once its exit status was taken, because the number may mean another process then.
    ///
    /// To send a signal other than SIGKILL to the process, pass this number to the `kill` of a crate such as `libc` or
    /// `rustix`. If it is `Some`, the number still means this process: it is not given to another one before the exit status
    /// was taken.
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut child = Command::new("sleep").arg("1000").spawn()?;
    ///     let id = child.id().expect("it has not been waited for") as i32;
    ///     // SAFETY: this call touches no memory. The child has not been waited for, so the number is still its own.
    ///     unsafe { libc::kill(id, libc::SIGTERM) };
    ///     assert!(!child.wait().await?.success());
    ///     assert_eq!(child.id(), None);
    ///     Ok(())
    /// }
    /// ```
    pub fn id(&self) -> Option<u32> {
        match &self.state {
            State::Running(running) => Some(running.id()),
            State::Done(_) => None,
        }
    }

    /// The handle of the process. `None` once its exit status was taken.
    #[cfg(windows)]
    pub fn raw_handle(&self) -> Option<std::os::windows::io::RawHandle> {
        match &self.state {
            State::Running(running) => Some(running.raw_handle()),
            State::Done(_) => None,
        }
    }

    /// Kills the process (SIGKILL), without waiting until it has ended. Does nothing if it has ended already.
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns. Also if another part of the program has taken the exit status.
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut child = Command::new("sleep").arg("1000").spawn()?;
    ///     child.start_kill()?;
    ///     assert!(!child.wait().await?.success());
    ///     Ok(())
    /// }
    /// ```
    pub fn start_kill(&mut self) -> io::Result<()> {
        if self.try_wait()?.is_none()
            && let State::Running(running) = &mut self.state
        {
            running.kill()?;
            running.kill_on_drop = false;
        }
        Ok(())
    }

    /// Kills the process (SIGKILL), and waits until it has ended. Processes that the child has started are not killed.
    ///
    /// # Errors
    ///
    /// See [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    ///
    /// # Cancel safety
    ///
    /// If you drop the future after its first poll, the process has been killed. [`wait`](Self::wait) waits for its end.
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut child = Command::new("sleep").arg("1000").spawn()?;
    ///     child.kill().await?;
    ///     assert_eq!(child.wait().await?.code(), None);
    ///     Ok(())
    /// }
    /// ```
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Waits until the process has ended. After that, this returns the same status each time.
    ///
    /// It closes the pipe to the child's standard input first, so that the child doesn't wait for more. A child that writes more
    /// than its pipes hold doesn't end before somebody reads: see [`wait_with_output`](Self::wait_with_output).
    ///
    /// # Errors
    ///
    /// Any error that the operating system returns. Also if another part of the program has taken the exit status, or if this
    /// program ignores SIGCHLD: then the status is lost.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost except the pipe to the child's standard input. You can call this again.
    ///
    /// ```
    /// use heist::process::Command;
    /// use heist::time::{Duration, timeout};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut child = Command::new("sleep").arg("1000").spawn()?;
    ///     match timeout(Duration::from_millis(10), child.wait()).await {
    ///         Ok(status) => println!("it has ended: {}", status?),
    ///         Err(_) => child.kill().await?,
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        poll_fn(|cx| self.poll_wait(cx)).await
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        let running = match &mut self.state {
            State::Running(running) => running,
            State::Done(status) => return Poll::Ready(Ok(*status)),
        };
        let coop = ready!(coop::poll_proceed(cx));
        let exit = ready!(waits::noted(Wait::ChildProcess, running.poll_exit(cx)));
        coop.made_progress();
        if let Ok(status) = exit {
            self.state = State::Done(status);
        }
        Poll::Ready(exit)
    }

    /// Returns the exit status if the process has ended. This doesn't wait, and doesn't close the pipe to the child's standard
    /// input.
    ///
    /// # Errors
    ///
    /// See [`wait`](Self::wait).
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut child = Command::new("sleep").arg("1000").spawn()?;
    ///     assert_eq!(child.try_wait()?, None);
    ///     child.kill().await?;
    ///     assert!(child.try_wait()?.is_some_and(|status| !status.success()));
    ///     Ok(())
    /// }
    /// ```
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match &mut self.state {
            State::Done(status) => Ok(Some(*status)),
            State::Running(running) => {
                let exit = running.try_wait()?;
                if let Some(status) = exit {
                    self.state = State::Done(status);
                }
                Ok(exit)
            }
        }
    }

    /// Reads all that the child prints into its pipes, and waits until it has ended and both pipes are closed.
    ///
    /// It closes the pipe to the child's standard input first. Only output that goes into a pipe is read. If the child has
    /// started other processes, these may hold the pipes open after the child's end. Then this waits for them too.
    ///
    /// # Errors
    ///
    /// See [`wait`](Self::wait). Any error of reading. After an error the child is dropped.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the child is dropped, and what was read is lost.
    ///
    /// ```
    /// use std::process::Stdio;
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    ///     let output = child.wait_with_output().await?;
    ///     assert_eq!(output.stdout, b"hello\n");
    ///     Ok(())
    /// }
    /// ```
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        let (mut stdout, mut stderr) = (self.stdout.take(), self.stderr.take());
        let mut wait = pin!(self.wait());
        let mut read_stdout = pin!(read_all(&mut stdout));
        let mut read_stderr = pin!(read_all(&mut stderr));
        let (mut status, mut out, mut err) = (None, None, None);
        poll_fn(|cx| {
            // All three are polled each time: the child may wait for any of them.
            let ended = advance(wait.as_mut(), &mut status, cx)?;
            let read_out = advance(read_stdout.as_mut(), &mut out, cx)?;
            let read_err = advance(read_stderr.as_mut(), &mut err, cx)?;
            if ended && read_out && read_err {
                return Poll::Ready(io::Result::Ok(()));
            }
            waits::note(Wait::ChildProcess);
            Poll::Pending
        })
        .await?;
        Ok(Output {
            status: status.expect("it has ended"),
            stdout: out.expect("it was read"),
            stderr: err.expect("it was read"),
        })
    }
}

/// Reads to the end, if there is anything to read from.
async fn read_all<R: AsyncRead + Unpin>(pipe: &mut Option<R>) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    if let Some(pipe) = pipe {
        pipe.read_to_end(&mut all).await?;
    }
    Ok(all)
}

/// Polls `future` unless it has completed. Returns whether it has.
fn advance<T>(
    future: Pin<&mut impl Future<Output = io::Result<T>>>,
    done: &mut Option<T>,
    cx: &mut Context<'_>,
) -> io::Result<bool> {
    if done.is_none()
        && let Poll::Ready(result) = future.poll(cx)
    {
        *done = Some(result?);
    }
    Ok(done.is_some())
}
