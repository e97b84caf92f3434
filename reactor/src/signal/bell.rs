//! The pipe by which handlers tell of signals, and the handlers themselves. `arrivals.rs` has the protocol.
//!
//! The pipe is registered with the default reactor, whose thread lives as long as the process. So it serves the listeners of
//! all runtimes, and no runtime's end matters.
//!
//! The child of a `fork` shares the pipe with its parent. It neither writes to it nor reads from it, so it doesn't take the
//! parent's news: [`Bell::is_ours`].
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::io::{self, ErrorKind, Read, Write};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::OnceLock;

use heist_sync::sys::{Arc, Mutex};
use mio::Interest;
use mio::unix::pipe::{self, Receiver, Sender};
use rustix::process::{Pid, getpid};

use crate::arrivals::{self, Arrivals, Listener};
use crate::readiness::News;
use crate::registered::Registered;

/// The one bell of the process.
#[derive(Debug)]
pub(super) struct Bell {
    rope: Sender,
    pipe: Registered<Receiver>,
    silencing: Mutex<()>,
    owner: Pid,
}

static BELL: OnceLock<Bell> = OnceLock::new();

/// The kinds that have a handler.
#[derive(Default)]
struct Handlers(BTreeMap<c_int, Arc<Arrivals>>);

// No user code runs under its lock, so a panic leaves it as it is.
impl UnwindSafe for Bell {}
impl RefUnwindSafe for Bell {}

impl Bell {
    fn hang_up() -> io::Result<Self> {
        let (rope, receiver) = pipe::new()?;
        Ok(Self {
            rope,
            pipe: Registered::with_default(receiver, Interest::READABLE, News::NONE)?,
            silencing: Mutex::default(),
            owner: getpid(),
        })
    }

    /// Whether this process has made it. If not, this is the child of a `fork`.
    pub(super) fn is_ours(&self) -> bool {
        self.owner == getpid()
    }

    /// What the listeners wait for.
    pub(super) fn rings(&self) -> arrivals::Bell<'_> {
        arrivals::Bell {
            direction: self.pipe.reads().direction(),
            silencing: &self.silencing,
        }
    }

    /// Rings it. It is called in signal handlers: it does nothing but write.
    fn ring(&self) {
        // If the pipe is full, the bell rings already.
        let ring = || (&self.rope).write(&[0]);
        while ring().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {}
    }

    /// Empties the pipe.
    pub(super) fn silence(&self) {
        let mut bytes = [0; 256];
        loop {
            match (&mut self.pipe.io()).read(&mut bytes) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }

    /// Makes the poller tell of the pipe again, after it was silenced and its readiness was cleared.
    pub(super) fn rearm(&self) {
        self.pipe.reads().rearm();
    }
}

/// A listener for signals of this number, and the bell that it waits for.
///
/// # Errors
///
/// If the signal can't be caught, or the system refuses the handler, the pipe or the reactor's thread. In a child made by `fork`.
pub(super) fn listen(number: c_int) -> io::Result<(Listener, &'static Bell)> {
    static HANDLERS: OnceLock<Mutex<Handlers>> = OnceLock::new();
    if BELL.get().is_some_and(|bell| !bell.is_ours()) {
        // Not even the lock may be taken: a thread that is not here may have held it.
        return Err(forked());
    }
    if number <= 0 || signal_hook_registry::FORBIDDEN.contains(&number) {
        return Err(io::Error::other(format!("signal {number} can't be caught")));
    }
    let mut handlers = HANDLERS.get_or_init(Mutex::default).lock();
    let bell = match BELL.get() {
        Some(bell) => bell,
        None => {
            let made = Bell::hang_up()?;
            BELL.get_or_init(|| made)
        }
    };
    let arrivals = match handlers.0.get(&number) {
        Some(arrivals) => arrivals.clone(),
        None => {
            let arrivals = Arc::new(Arrivals::default());
            install(number, arrivals.clone(), bell)?;
            handlers.0.insert(number, arrivals.clone());
            arrivals
        }
    };
    Ok((Listener::new(arrivals), bell))
}

/// Installs the handler of one kind. Those that were there before are called as well.
fn install(number: c_int, arrivals: Arc<Arrivals>, bell: &'static Bell) -> io::Result<()> {
    let handler = move || {
        if bell.is_ours() {
            arrivals.arrive(|| bell.ring());
        }
    };
    // SAFETY: the handler calls only `getpid`, an atomic addition and `write`, which POSIX allows in a signal handler. It
    // doesn't panic. The registry saves `errno` around it, and never drops it.
    unsafe { signal_hook_registry::register(number, handler) }?;
    Ok(())
}

/// The error of whoever listens in a child made by `fork`.
pub(super) fn forked() -> io::Error {
    io::Error::other(
        "signals are heard in the process that listened first, not in a child made by fork",
    )
}
