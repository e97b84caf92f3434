//! A child process that hasn't been reaped: how its end is noticed, and what becomes of it when its owner is gone.
//!
//! Whoever takes the exit status *reaps* the process; until then it stays a zombie. The status is taken through the one
//! [`std::process::Child`], which is in one place at a time: with its owner, or in an [`Orphan`]. So the number of the process can't
//! have been given to another one as long as nobody else in the program waits for children that aren't its own.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use heist_sync::sys::Mutex;
use mio::Interest;

use super::pidfd::Pidfd;
use crate::readiness::News;
use crate::registered::Registered;
use crate::signal::unix::{Signal, SignalKind, signal};

/// How the end of a child is noticed.
#[derive(Debug)]
enum Notice {
    /// Its own descriptor becomes readable, once.
    Pidfd(Registered<Pidfd>),
    /// Each SIGCHLD may be about it.
    Signal(Signal),
}

impl Notice {
    /// The best one there is. It belongs to the reactor of this thread, if that has not been shut down.
    fn of(child: &std::process::Child) -> io::Result<Self> {
        let registered =
            Pidfd::open(child).map(|pidfd| Registered::new(pidfd, Interest::READABLE, News::NONE));
        match registered {
            Some(Ok(pidfd)) => Ok(Self::Pidfd(pidfd)),
            _ => Self::for_life(child),
        }
    }

    /// One that depends on no runtime.
    fn for_life(child: &std::process::Child) -> io::Result<Self> {
        let registered = Pidfd::open(child)
            .map(|pidfd| Registered::with_default(pidfd, Interest::READABLE, News::NONE));
        match registered {
            Some(Ok(pidfd)) => Ok(Self::Pidfd(pidfd)),
            _ => Self::signal(),
        }
    }

    fn signal() -> io::Result<Self> {
        signal(SignalKind::child()).map(Self::Signal)
    }
}

/// A child, and how its end is noticed.
#[derive(Debug)]
struct Process {
    child: std::process::Child,
    notice: Notice,
}

impl Process {
    /// Reaps the child as soon as it has ended. The task that polled last is woken. It calls no waker itself.
    fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        loop {
            match &mut self.notice {
                Notice::Pidfd(pidfd) => {
                    let seen = ready!(pidfd.reads().poll(cx));
                    if let Some(status) = self.child.try_wait()? {
                        return Poll::Ready(Ok(status));
                    }
                    self.notice = if seen.may_transfer() {
                        // It has ended, but a debugger holds it. When that lets it go, there is a signal.
                        Notice::signal()?
                    } else {
                        // The runtime that the descriptor belonged to is gone.
                        Notice::for_life(&self.child)?
                    };
                }
                Notice::Signal(signal) => {
                    // A signal that came before we listened is not heard: we look at the child in any case, after the waker is in
                    // place.
                    let heard = signal.poll_at_no_cost(cx);
                    if let Some(status) = self.child.try_wait()? {
                        return Poll::Ready(Ok(status));
                    }
                    ready!(heard);
                }
            }
        }
    }
}

/// A child that runs, as its owner has it. When it is dropped, it is reaped sooner or later.
#[derive(Debug)]
pub(super) struct Running {
    /// `None` only when it is dropped.
    process: Option<Process>,
    pub(super) kill_on_drop: bool,
}

impl Running {
    /// Takes over a child that was just started.
    ///
    /// # Errors
    ///
    /// If its end can't be noticed. Then it has been killed.
    pub(super) fn new(mut child: std::process::Child) -> io::Result<Self> {
        match Notice::of(&child) {
            Ok(notice) => Ok(Self {
                process: Some(Process { child, notice }),
                kill_on_drop: false,
            }),
            Err(error) => {
                // Nothing else would reap it. It ends at once, so this takes no time worth speaking of.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it is not dropped")
    }

    pub(super) fn id(&self) -> u32 {
        let process = self.process.as_ref().expect("it is not dropped");
        process.child.id()
    }

    pub(super) fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        self.process().poll_exit(cx)
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process().child.try_wait()
    }

    /// Kills it. It must not have been reaped.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        let process = self.process();
        match &process.notice {
            Notice::Pidfd(pidfd) => pidfd.io().kill(),
            Notice::Signal(_) => process.child.kill(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // If there is an error, it isn't our child: another part of the program has reaped it, or we are a child made by `fork`.
        let Ok(None) = self.try_wait() else { return };
        if self.kill_on_drop {
            let _ = self.kill();
        }
        if let Some(process) = self.process.take() {
            Orphan::adopt(process);
        }
    }
}

/// A child whose owner is gone. It is the waker of its own notice: whoever wakes it reaps the child if that has ended. Only
/// the notice holds it.
struct Orphan(Mutex<Option<Process>>);

impl Orphan {
    fn adopt(mut process: Process) {
        // The runtime whose reactor has the descriptor may end or stand still.
        if let Ok(notice) = Notice::for_life(&process.child) {
            process.notice = notice;
        }
        Arc::new(Self(Mutex::new(Some(process)))).wake();
    }
}

impl Wake for Orphan {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(self.clone());
        let mut place = self.0.lock();
        let Some(process) = &mut *place else { return };
        if process
            .poll_exit(&mut Context::from_waker(&waker))
            .is_ready()
        {
            let reaped = place.take();
            // Dropping it leaves the reactor, and may drop wakers.
            drop(place);
            drop(reaped);
        }
    }
}
