//! Signals on Unix.
//!
//! ```
//! use heist::signal::unix::{SignalKind, signal};
//!
//! #[heist::main]
//! async fn main() -> std::io::Result<()> {
//!     let mut hangups = signal(SignalKind::hangup())?;
//!     # rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP)?;
//!     hangups.recv().await;
//!     println!("reading the configuration again");
//!     Ok(())
//! }
//! ```

use std::ffi::c_int;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use heist_sync::coop;
use heist_sync::waits::{self, Wait};

use super::bell::{Bell, listen};
use crate::arrivals::Listener;

/// A kind of signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind(c_int);

/// The kinds by name.
macro_rules! kinds {
    ($($(#[$attribute:meta])* $name:ident: $signal:ident, $what:literal;)+) => {
        impl SignalKind {
            $(
                #[doc = concat!("`", stringify!($signal), "`: ", $what)]
                $(#[$attribute])*
                pub const fn $name() -> Self {
                    Self(libc::$signal)
                }
            )+
        }
    };
}

kinds! {
    alarm: SIGALRM, "a timer of the system has expired. By default it ends the process.";
    child: SIGCHLD, "a child process has ended, was stopped or goes on. By default nothing happens.";
    hangup: SIGHUP, "the terminal is gone. By default it ends the process.";
    #[cfg(any(target_os = "dragonfly", target_os = "freebsd", target_os = "macos", target_os = "netbsd", target_os = "openbsd", target_os = "illumos"))]
    info: SIGINFO, "somebody asks for the status. By default nothing happens.";
    interrupt: SIGINT, "Ctrl-C. By default it ends the process.";
    io: SIGIO, "a descriptor is ready. By default it ends the process on some systems, and does nothing on others.";
    pipe: SIGPIPE, "a write to a pipe that nobody reads. Programs in Rust ignore it from their start.";
    quit: SIGQUIT, "Ctrl-\\\\. By default it ends the process with a core dump.";
    terminate: SIGTERM, "the process is asked to end. By default it does.";
    user_defined1: SIGUSR1, "means what the program likes. By default it ends the process.";
    user_defined2: SIGUSR2, "means what the program likes. By default it ends the process.";
    window_change: SIGWINCH, "the terminal has another size. By default nothing happens.";
}

impl SignalKind {
    /// The kind with this number. If there is no such signal, [`signal`] fails. Real-time signals count from
    /// `libc::SIGRTMIN()`.
    ///
    /// ```
    /// use heist::signal::unix::{SignalKind, signal};
    ///
    /// # #[cfg(target_os = "linux")] {
    /// let real_time = SignalKind::from_raw(libc::SIGRTMIN() + 1);
    /// assert!(signal(real_time).is_ok());
    /// # }
    /// ```
    pub const fn from_raw(signum: c_int) -> Self {
        Self(signum)
    }

    /// Its number.
    pub const fn as_raw_value(&self) -> c_int {
        self.0
    }
}

impl From<c_int> for SignalKind {
    fn from(signum: c_int) -> Self {
        Self::from_raw(signum)
    }
}

impl From<SignalKind> for c_int {
    fn from(kind: SignalKind) -> Self {
        kind.as_raw_value()
    }
}

/// Listens for signals of one kind.
///
/// It hears of signals that arrive after it was made. Several that arrive before the next [`recv`](Self::recv) count as one. If
/// there are several listeners for one kind, each hears of every signal. It also implements `Stream` of `futures_core`.
///
/// [`signal`] makes one.
#[derive(Debug)]
#[must_use = "a listener does nothing unless it is asked"]
pub struct Signal {
    listener: Listener,
    bell: &'static Bell,
}

/// Makes a listener for signals of this kind.
///
/// The first listener of a kind installs a handler, which stays until the process ends, even if all listeners are gone. From
/// then on the signal no longer does what it does by default. A handler that was there before is called as well. If another
/// part of the program installs a handler later and doesn't call this one, the listeners hear nothing more.
///
/// # Errors
///
/// For SIGKILL and SIGSTOP, which nobody can catch, and for SIGILL, SIGFPE and SIGSEGV, which have to be dealt with in the
/// handler itself. If there is no such signal. If the system refuses the handler, a pipe, or the thread that serves the
/// listeners. In a child made by `fork`.
///
/// ```no_run
/// use heist::signal::unix::{SignalKind, signal};
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let mut hangup = signal(SignalKind::hangup())?;
///     let mut terminate = signal(SignalKind::terminate())?;
///     loop {
///         heist::select! {
///             _ = hangup.recv() => println!("reading the configuration again"),
///             _ = terminate.recv() => break,
///         }
///     }
///     Ok(())
/// }
/// ```
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let (listener, bell) = listen(kind.0)?;
    Ok(Signal { listener, bell })
}

impl Signal {
    /// Waits for a signal. Completes at once if one has arrived since the last call.
    ///
    /// It returns `None` only in a child made by `fork`, because the listener doesn't hear the signals that the child receives.
    ///
    /// # Cancel safety
    ///
    /// If you drop the future, nothing is lost: the next call hears of what has arrived.
    ///
    /// ```
    /// use heist::signal::unix::{SignalKind, signal};
    ///
    /// #[heist::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let mut resized = signal(SignalKind::window_change())?;
    ///     # rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::WINCH)?;
    ///     assert_eq!(resized.recv().await, Some(()));
    ///     Ok(())
    /// }
    /// ```
    pub async fn recv(&mut self) -> Option<()> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for [`recv`](Self::recv). The task that polled last is woken.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let coop = ready!(coop::poll_proceed(cx));
        let heard = ready!(waits::noted(Wait::Signal, self.poll_at_no_cost(cx)));
        coop.made_progress();
        Poll::Ready(heard)
    }

    /// Like [`poll_recv`](Self::poll_recv), but it costs nothing of the task's budget. So it calls no waker.
    pub(crate) fn poll_at_no_cost(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let bell = self.bell;
        if !bell.is_ours() {
            return Poll::Ready(None);
        }
        let mut silenced = false;
        let heard = self.listener.poll(cx, bell.rings(), || {
            bell.silence();
            silenced = true;
        });
        if silenced {
            bell.rearm();
        }
        heard.map(Some)
    }
}

impl Stream for Signal {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.poll_recv(cx)
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.listener.leave(self.bell.rings());
    }
}
