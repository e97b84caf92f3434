//! What to start, and how.

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::path::Path;
use std::process::{Command as StdCommand, ExitStatus, Output, Stdio};

use super::child::Child;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

/// Says which program to start, and how. It has the methods of [`std::process::Command`], and can be used several times.
///
/// Starting a process blocks the thread for a fraction of a millisecond, longer if the process is large.
///
/// ```
/// use heist::process::Command;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let status = Command::new("sh").args(["-c", "exit 3"]).status().await?;
///     assert_eq!(status.code(), Some(3));
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Command {
    std: StdCommand,
    kill_on_drop: bool,
}

impl Command {
    /// Makes a command that starts `program`, without arguments. The child has the environment, the working directory and the
    /// standard streams of this process. A name without a slash is searched for in `PATH`.
    ///
    /// [`Command`] has an example.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        Self::from(StdCommand::new(program))
    }

    /// std's command inside. It tells what was set.
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// let mut command = Command::new("echo");
    /// command.arg("hello");
    /// assert_eq!(command.as_std().get_program(), "echo");
    /// assert_eq!(command.as_std().get_args().count(), 1);
    /// ```
    pub fn as_std(&self) -> &StdCommand {
        &self.std
    }

    /// std's command inside, for what this one has no method for.
    ///
    /// [`as_std`](Self::as_std) has an example.
    pub fn as_std_mut(&mut self) -> &mut StdCommand {
        &mut self.std
    }

    /// Turns this into std's command. [`kill_on_drop`](Self::kill_on_drop) is lost.
    pub fn into_std(self) -> StdCommand {
        self.std
    }

    /// Adds an argument.
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let output = Command::new("echo").arg("a b").args(["c", "d"]).output().await?;
    ///     assert_eq!(output.stdout, b"a b c d\n");
    ///     Ok(())
    /// }
    /// ```
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.std.arg(arg);
        self
    }

    /// Adds arguments.
    ///
    /// [`arg`](Self::arg) has an example.
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.std.args(args);
        self
    }

    /// Sets a variable of the environment.
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let greet = r#"echo "$GREETING, $NAME""#;
    ///     let mut command = Command::new("/bin/sh");
    ///     command.args(["-c", greet]).env("NAME", "Robin").envs([("GREETING", "hello")]);
    ///     assert_eq!(command.output().await?.stdout, b"hello, Robin\n");
    ///     command.env_remove("NAME");
    ///     assert_eq!(command.output().await?.stdout, b"hello, \n");
    ///     Ok(())
    /// }
    /// ```
    pub fn env<K, V>(&mut self, key: K, val: V) -> &mut Command
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.env(key, val);
        self
    }

    /// Sets variables of the environment.
    ///
    /// [`env`](Self::env) has an example.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.envs(vars);
        self
    }

    /// Removes a variable from the environment.
    ///
    /// [`env`](Self::env) has an example.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.std.env_remove(key);
        self
    }

    /// Starts with an empty environment.
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut command = Command::new("/usr/bin/env");
    ///     let output = command.env_clear().env("NAME", "Robin").output().await?;
    ///     assert_eq!(output.stdout, b"NAME=Robin\n");
    ///     Ok(())
    /// }
    /// ```
    pub fn env_clear(&mut self) -> &mut Command {
        self.std.env_clear();
        self
    }

    /// Sets the working directory of the child. If the path of the program is relative, it depends on the system whether it
    /// is searched from that directory or from this process's.
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let output = Command::new("pwd").current_dir("/").output().await?;
    ///     assert_eq!(output.stdout, b"/\n");
    ///     Ok(())
    /// }
    /// ```
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Command {
        self.std.current_dir(dir);
        self
    }

    /// Sets the standard input. By default the child inherits that of this process.
    ///
    /// ```
    /// use heist::process::Command;
    /// use std::process::Stdio;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     // It reads the end at once, and what it prints is thrown away.
    ///     let mut command = Command::new("cat");
    ///     command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    ///     assert!(command.status().await?.success());
    ///     Ok(())
    /// }
    /// ```
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stdin(cfg);
        self
    }

    /// Sets the standard output. By default the child inherits that of this process; for [`output`](Self::output) it is a pipe.
    ///
    /// ```
    /// use heist::io::{AsyncBufReadExt, BufReader};
    /// use heist::process::Command;
    /// use std::process::Stdio;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut child = Command::new("sh")
    ///         .args(["-c", "echo one; echo two"])
    ///         .stdout(Stdio::piped())
    ///         .spawn()?;
    ///     let mut lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
    ///     assert_eq!(lines.next_line().await?.as_deref(), Some("one"));
    ///     assert_eq!(lines.next_line().await?.as_deref(), Some("two"));
    ///     assert_eq!(lines.next_line().await?, None);
    ///     assert!(child.wait().await?.success());
    ///     Ok(())
    /// }
    /// ```
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stdout(cfg);
        self
    }

    /// Sets the standard error. By default the child inherits that of this process; for [`output`](Self::output) it is a pipe.
    ///
    /// [`stdout`](Self::stdout) has an example.
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stderr(cfg);
        self
    }

    /// Sets whether the process is killed when its [`Child`] is dropped before it has ended. By default it is not. A killed process
    /// leaves no zombie, but it may end a moment after the drop.
    ///
    /// Only this process is killed, not those that it has started. To end these too on Unix, give them a process group of their
    /// own, and kill the group:
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// # #[heist::main]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut shell = Command::new("sh")
    ///     .args(["-c", "sleep 1000 & sleep 1000"])
    ///     .process_group(0)
    ///     .spawn()?;
    /// // The group has the number of its first process.
    /// let group = shell.id().expect("it has not been waited for") as i32;
    /// // SAFETY: this call touches no memory. The child has not been waited for, so the number is still that of its group.
    /// unsafe { libc::kill(-group, libc::SIGKILL) };
    /// assert!(!shell.wait().await?.success());
    /// # Ok(())
    /// # }
    /// ```
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Command {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// Whether the process is killed when its [`Child`] is dropped.
    ///
    /// ```
    /// let mut command = heist::process::Command::new("sleep");
    /// assert!(!command.get_kill_on_drop());
    /// assert!(command.kill_on_drop(true).get_kill_on_drop());
    /// ```
    pub fn get_kill_on_drop(&self) -> bool {
        self.kill_on_drop
    }

    /// Starts the program.
    ///
    /// The child's pipes belong to the current runtime. Outside of any, they are served by a thread that starts at first use.
    ///
    /// # Errors
    ///
    /// If there is no such program, if it may not be run, or if the system has no room for another process. If the pipes can't be
    /// registered, for instance because the current runtime has been shut down. If this fails, no process is left running.
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut child = Command::new("sleep").arg("1000").spawn()?;
    ///     child.kill().await?;
    ///     assert!(!child.wait().await?.success());
    ///     Ok(())
    /// }
    /// ```
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.spawn_with(StdCommand::spawn)
    }

    /// Calls `with` with std's command, to start the program in a way of your own or of the system's.
    ///
    /// # Errors
    ///
    /// Any error of `with`. See [`spawn`](Self::spawn).
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut child = Command::new("true").spawn_with(|command| {
    ///         println!("{command:?} starts");
    ///         command.spawn()
    ///     })?;
    ///     assert!(child.wait().await?.success());
    ///     Ok(())
    /// }
    /// ```
    pub fn spawn_with(
        &mut self,
        with: impl FnOnce(&mut StdCommand) -> io::Result<std::process::Child>,
    ) -> io::Result<Child> {
        let child = with(&mut self.std)?;
        Child::new(child, self.kill_on_drop)
    }

    /// Starts the program, and waits until it has ended. It starts at the call, before the future is polled. Pipes that were
    /// asked for are closed at once.
    ///
    /// # Errors
    ///
    /// See [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the child is dropped: it goes on, unless [`kill_on_drop`](Self::kill_on_drop) is set.
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let status = Command::new("sh").args(["-c", "exit 3"]).status().await?;
    ///     assert_eq!(status.code(), Some(3));
    ///     Ok(())
    /// }
    /// ```
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let child = self.spawn();
        async {
            let mut child = child?;
            drop((child.stdout.take(), child.stderr.take()));
            child.wait().await
        }
    }

    /// Starts the program, waits until it has ended, and returns what it has printed. It starts at the call, before the future is
    /// polled.
    ///
    /// Standard output and standard error become pipes, also for later uses of this command. The standard input is as set.
    ///
    /// # Errors
    ///
    /// See [`spawn`](Self::spawn) and [`Child::wait_with_output`].
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, the child is dropped: it goes on, unless [`kill_on_drop`](Self::kill_on_drop) is set.
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let output = Command::new("echo").arg("hello").output().await?;
    ///     assert!(output.status.success());
    ///     assert_eq!(output.stdout, b"hello\n");
    ///     Ok(())
    /// }
    /// ```
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        self.std.stdout(Stdio::piped());
        self.std.stderr(Stdio::piped());
        let child = self.spawn();
        async { child?.wait_with_output().await }
    }
}

impl From<StdCommand> for Command {
    fn from(std: StdCommand) -> Command {
        Command {
            std,
            kill_on_drop: false,
        }
    }
}
