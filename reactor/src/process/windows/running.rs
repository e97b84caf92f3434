//! A child process, on Windows: how its end is noticed.
//!
//! The system calls a function of ours on a thread of its own, once, after the process has ended. Each child has an [`Ended`], of which
//! that function has a reference of its own. Invariants:
//! 1. `called` is set by that function, and by nothing else, before it gives up its reference.
//! 2. The wait is unregistered before the handle of the process is closed.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, RawHandle};
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use heist_sync::protocol::contain;
use heist_sync::sys::Mutex;
use windows_sys::Win32::Foundation::{FALSE, HANDLE};
use windows_sys::Win32::System::Threading::{
    INFINITE, RegisterWaitForSingleObject, UnregisterWait, WT_EXECUTEONLYONCE,
};

/// Whether the end of a child was told, and who waits for it.
#[derive(Debug, Default)]
struct Ended(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    called: bool,
    waker: Option<Waker>,
}

/// What the system calls. It may do so on any thread, and the waker may do anything.
unsafe extern "system" fn ended(ended: *mut c_void, _: bool) {
    // SAFETY: the pointer is the reference that `Wait::new` has made for this call, of which there is one.
    let ended = unsafe { Arc::from_raw(ended.cast_const().cast::<Ended>()) };
    let mut state = ended.0.lock();
    state.called = true;
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        contain(|| waker.wake());
    }
}

/// The system waits for the end of a process.
#[derive(Debug)]
struct Wait {
    handle: HANDLE,
    ended: Arc<Ended>,
}

// SAFETY: the handle names an object of the system, which any thread may use.
unsafe impl Send for Wait {}
// SAFETY: likewise.
unsafe impl Sync for Wait {}

impl Wait {
    /// The process must stay open until this is dropped.
    fn new(process: RawHandle) -> io::Result<Self> {
        let ended_by_system = Arc::new(Ended::default());
        let reference = Arc::into_raw(ended_by_system.clone());
        let mut handle: HANDLE = std::ptr::null_mut();
        // SAFETY: `ended` takes the reference, and is called once. The process is open as long as the wait is registered.
        let done = unsafe {
            RegisterWaitForSingleObject(
                &mut handle,
                process,
                Some(ended),
                reference.cast(),
                INFINITE,
                WT_EXECUTEONLYONCE,
            )
        };
        if done == FALSE {
            let error = io::Error::last_os_error();
            // SAFETY: it was made above, and the system has refused it.
            drop(unsafe { Arc::from_raw(reference) });
            return Err(error);
        }
        Ok(Self {
            handle,
            ended: ended_by_system,
        })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // SAFETY: it is registered. This is its end.
        let gone = unsafe { UnregisterWait(self.handle) } != FALSE;
        let mut state = self.ended.0.lock();
        let (called, waker) = (state.called, state.waker.take());
        drop(state);
        drop(waker);
        // If it isn't gone, the function is being called, or is about to be.
        if gone && !called {
            // SAFETY: the reference for the function, which wasn't called and will not be.
            unsafe { Arc::decrement_strong_count(Arc::as_ptr(&self.ended)) };
        }
    }
}

/// A child that runs, as its owner has it. When it is dropped, the process goes on.
#[derive(Debug)]
pub(super) struct Running {
    // Invariant 2: fields are dropped in this order.
    wait: Wait,
    child: std::process::Child,
    pub(super) kill_on_drop: bool,
}

impl Running {
    /// Takes over a child that was just started.
    ///
    /// # Errors
    ///
    /// If its end can't be noticed. Then it has been killed.
    pub(super) fn new(mut child: std::process::Child) -> io::Result<Self> {
        match Wait::new(child.as_raw_handle()) {
            Ok(wait) => Ok(Self {
                wait,
                child,
                kill_on_drop: false,
            }),
            Err(error) => {
                let _ = child.kill();
                Err(error)
            }
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn raw_handle(&self) -> RawHandle {
        self.child.as_raw_handle()
    }

    /// Returns the exit status as soon as the child has ended. The task that polled last is woken.
    pub(super) fn poll_exit(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        let waker = cx.waker().clone();
        let old = self.wait.ended.0.lock().waker.replace(waker);
        drop(old);
        // The look comes after the waker is in place: either it finds the end, or the waker is called after it.
        match self.child.try_wait() {
            Ok(None) => Poll::Pending,
            Ok(Some(status)) => Poll::Ready(Ok(status)),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Kills it.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.kill_on_drop {
            // If it has ended already, there is nothing to kill.
            let _ = self.child.kill();
        }
    }
}
