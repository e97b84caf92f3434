//! Writes to pipes without SIGPIPE. A socket can be told with each write, a pipe can't.
//!
//! Programs in Rust ignore the signal from the start, so this costs them nothing. Where it would end the process (a library
//! in a program of another language, or a program that wants it so), it is blocked on this thread during the write. If the
//! write has raised it, it is taken away before it is unblocked.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::hints::AtomicBool;

/// Whether the signal ended the process when a pipe was last made.
static ENDS_PROCESS: AtomicBool = AtomicBool::new(false);

/// Looks what the signal does. Each new pipe calls this.
pub(crate) fn note_sigpipe() {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: it asks, and the system writes the answer to `action`.
    let asked = unsafe { libc::sigaction(libc::SIGPIPE, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all zero is a value of this type, and the system has written another.
    let action = unsafe { action.assume_init() };
    let ends = asked == 0 && action.sa_sigaction == libc::SIG_DFL;
    // Ordering: hint only: a write on another thread has got its pipe from this one.
    ENDS_PROCESS.store(ends, Ordering::Relaxed);
}

/// Does a write to a pipe. If nobody reads any more, it fails and raises no signal.
pub(crate) fn without_sigpipe<R>(write: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    // Ordering: hint only, see `note_sigpipe`.
    if !ENDS_PROCESS.load(Ordering::Relaxed) {
        return write();
    }
    let Some(blocked) = Blocked::new() else {
        return write();
    };
    let result = write();
    if matches!(&result, Err(error) if error.kind() == io::ErrorKind::BrokenPipe) {
        blocked.take_away();
    }
    result
}

/// The signal is blocked on this thread, and was not before.
struct Blocked {
    sigpipe: libc::sigset_t,
    before: libc::sigset_t,
}

impl Blocked {
    /// Blocks the signal. `None` if it was blocked already: then it ends nothing.
    fn new() -> Option<Blocked> {
        // SAFETY: all zero is a value of these types, and the system sets them.
        let (mut sigpipe, mut before) = unsafe { std::mem::zeroed() };
        // SAFETY: all pointers are to sets of our own.
        let was_blocked = unsafe {
            libc::sigemptyset(&mut sigpipe);
            libc::sigemptyset(&mut before);
            libc::sigaddset(&mut sigpipe, libc::SIGPIPE);
            libc::pthread_sigmask(libc::SIG_BLOCK, &sigpipe, &mut before) != 0
                || libc::sigismember(&before, libc::SIGPIPE) == 1
        };
        (!was_blocked).then_some(Blocked { sigpipe, before })
    }

    /// Takes the signal away that a write has raised. It is pending on this thread.
    fn take_away(&self) {
        let mut number = 0;
        // SAFETY: all pointers are to values of our own. `sigwait` returns at once, since the signal is pending.
        unsafe {
            let mut pending = std::mem::zeroed();
            libc::sigpending(&mut pending);
            if libc::sigismember(&pending, libc::SIGPIPE) == 1 {
                libc::sigwait(&self.sigpipe, &mut number);
            }
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: `before` is what the system gave.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
    }
}
