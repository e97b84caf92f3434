//! What Unix has besides.
#![allow(unsafe_code)]

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;

use super::Command;

/// On Unix.
impl Command {
    /// Sets the name by which the program is called: its argument 0.
    ///
    /// ```
    /// use heist::process::Command;
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut command = Command::new("/bin/sh");
    ///     let output = command.arg0("robin").args(["-c", "echo $0"]).output().await?;
    ///     assert_eq!(output.stdout, b"robin\n");
    ///     Ok(())
    /// }
    /// ```
    pub fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.std.arg0(arg);
        self
    }

    /// Sets the user of the process. This also drops its supplementary groups if this process is root's.
    pub fn uid(&mut self, id: u32) -> &mut Command {
        self.std.uid(id);
        self
    }

    /// Sets the group of the process.
    pub fn gid(&mut self, id: u32) -> &mut Command {
        self.std.gid(id);
        self
    }

    /// Sets the process group of the process. 0 makes a new one with the number of the process.
    ///
    /// [`kill_on_drop`](Self::kill_on_drop) has an example.
    pub fn process_group(&mut self, pgroup: i32) -> &mut Command {
        self.std.process_group(pgroup);
        self
    }

    /// Calls `f` in the child, before the program starts. If it fails, so does [`spawn`](Self::spawn), with the same error number.
    ///
    /// # Safety
    ///
    /// `f` runs after `fork`, in a copy of this process that has one thread. It may call only what POSIX allows in a signal handler:
    /// it must not allocate, and it must take no lock. See [`CommandExt::pre_exec`].
    pub unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller promises what std asks for.
        unsafe { self.std.pre_exec(f) };
        self
    }
}
