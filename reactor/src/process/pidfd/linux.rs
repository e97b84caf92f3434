//! Linux: a descriptor for a process.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::Child;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A descriptor for a process. It becomes readable when the process has ended.
#[derive(Debug)]
pub(in crate::process) struct Pidfd(OwnedFd);

impl Pidfd {
    /// The descriptor of a child whose exit status hasn't been taken yet. `None` if the kernel gives none.
    pub(in crate::process) fn open(child: &Child) -> Option<Self> {
        let opened = pidfd_open(Pid::from_child(child), PidfdFlags::empty());
        opened.ok().map(Self)
    }

    /// Kills the process. Unlike a number, the descriptor never means another process.
    pub(in crate::process) fn kill(&self) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.0, Signal::KILL)?)
    }
}

impl AsRawFd for Pidfd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
