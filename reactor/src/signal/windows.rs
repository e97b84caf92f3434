//! Events of the console, on Windows.
//!
//! ```no_run
//! use heist::signal::windows;
//!
//! #[heist::main]
//! async fn main() -> std::io::Result<()> {
//!     let mut ctrl_c = windows::ctrl_c()?;
//!     let mut ctrl_break = windows::ctrl_break()?;
//!     heist::select! {
//!         _ = ctrl_c.recv() => println!("Ctrl-C"),
//!         _ = ctrl_break.recv() => println!("Ctrl-Break"),
//!     }
//!     Ok(())
//! }
//! ```
//!
//! This part of heist is compiled for each change, but no machine with Windows has run it yet.

// The system calls the handler on a thread of its own, at any time. So it may take locks and call wakers. An event is counted; each
// listener has its own place for a waker, and knows up to which event it has heard. All of an event's state is under one lock,
// and no waker is called, cloned or dropped under it.
#![allow(unsafe_code)]

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use futures_core::Stream;
use heist_sync::coop;
use heist_sync::protocol::contain;
use slab::Slab;
use windows_sys::Win32::Foundation::{FALSE, TRUE};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT,
    SetConsoleCtrlHandler,
};
use windows_sys::core::BOOL;

/// What is known of one kind of event.
#[derive(Debug)]
struct Event(Mutex<State>);

#[derive(Debug)]
struct State {
    /// How often it has come.
    times: u64,
    /// A place for each listener.
    listeners: Slab<Option<Waker>>,
}

impl Event {
    const fn new() -> Self {
        Self(Mutex::new(State {
            times: 0,
            listeners: Slab::new(),
        }))
    }

    // No user code runs under the lock, so a panic leaves it as it is.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has come. Returns whether anybody listens.
    fn arrive(&self) -> bool {
        let mut state = self.state();
        state.times += 1;
        let listens = !state.listeners.is_empty();
        let places = state.listeners.iter_mut();
        let wakers: Vec<_> = places.filter_map(|(_, place)| place.take()).collect();
        drop(state);
        for waker in wakers {
            contain(|| waker.wake());
        }
        listens
    }
}

static CTRL_C: Event = Event::new();
static CTRL_BREAK: Event = Event::new();
static CTRL_CLOSE: Event = Event::new();
static CTRL_LOGOFF: Event = Event::new();
static CTRL_SHUTDOWN: Event = Event::new();

/// What the system calls.
unsafe extern "system" fn handle(kind: u32) -> BOOL {
    let (event, ends) = match kind {
        CTRL_C_EVENT => (&CTRL_C, false),
        CTRL_BREAK_EVENT => (&CTRL_BREAK, false),
        CTRL_CLOSE_EVENT => (&CTRL_CLOSE, true),
        CTRL_LOGOFF_EVENT => (&CTRL_LOGOFF, true),
        CTRL_SHUTDOWN_EVENT => (&CTRL_SHUTDOWN, true),
        _ => return FALSE,
    };
    if !event.arrive() {
        // The next handler: by default the process ends.
        return FALSE;
    }
    // After these the system ends the process as soon as the handler returns, or some seconds later. The program has this time.
    while ends {
        std::thread::park();
    }
    TRUE
}

/// One who listens for an event.
#[derive(Debug)]
struct Listener {
    event: &'static Event,
    place: usize,
    heard: u64,
}

impl Listener {
    fn new(event: &'static Event) -> io::Result<Self> {
        static INSTALLED: OnceLock<i32> = OnceLock::new();
        let error = *INSTALLED.get_or_init(|| {
            // SAFETY: the handler is a function of this program, which may be called on any thread at any time.
            let done = unsafe { SetConsoleCtrlHandler(Some(handle), TRUE) };
            let error = io::Error::last_os_error().raw_os_error();
            if done == FALSE {
                error.unwrap_or(-1)
            } else {
                0
            }
        });
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        let mut state = event.state();
        Ok(Self {
            event,
            heard: state.times,
            place: state.listeners.insert(None),
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let coop = ready!(coop::poll_proceed(cx));
        let waker = cx.waker().clone();
        let mut state = self.event.state();
        let times = state.times;
        let place = &mut state.listeners[self.place];
        let old = if times == self.heard {
            place.replace(waker)
        } else {
            place.take()
        };
        drop(state);
        drop(old);
        if times == self.heard {
            return Poll::Pending;
        }
        self.heard = times;
        coop.made_progress();
        Poll::Ready(Some(()))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let waker = self.event.state().listeners.remove(self.place);
        drop(waker);
    }
}

/// The events by name.
macro_rules! events {
    ($($type:ident, $make:ident: $event:ident, $what:literal;)+) => {$(
        #[doc = concat!("Listens for ", $what, ".")]
        ///
        /// It hears of events that come after it was made. Several that come before the next `recv` count as one. It also
        /// implements `Stream` of `futures_core`.
        #[derive(Debug)]
        #[must_use = "a listener does nothing unless it is asked"]
        pub struct $type(Listener);

        #[doc = concat!("Makes a listener for ", $what, ".")]
        ///
        /// As long as there is one, the event no longer does what it does by default.
        ///
        /// # Errors
        ///
        /// If the system refuses the handler.
        pub fn $make() -> io::Result<$type> {
            Listener::new(&$event).map($type)
        }

        impl $type {
            /// Waits for an event. Completes at once if one has come since the last call. It never returns `None`.
            ///
            /// # Cancel safety
            ///
            /// If you drop the future, nothing is lost: the next call hears of what has come.
            pub async fn recv(&mut self) -> Option<()> {
                poll_fn(|cx| self.poll_recv(cx)).await
            }

            /// Polls for `recv`. The task that polled last is woken.
            pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
                self.0.poll(cx)
            }
        }

        impl Stream for $type {
            type Item = ();

            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
                self.poll_recv(cx)
            }
        }
    )+};
}

events! {
    CtrlC, ctrl_c: CTRL_C, "Ctrl-C";
    CtrlBreak, ctrl_break: CTRL_BREAK, "Ctrl-Break";
    CtrlClose, ctrl_close: CTRL_CLOSE, "the closing of the console's window. The system ends the process some seconds later";
    CtrlLogoff, ctrl_logoff: CTRL_LOGOFF, "the end of the user's session. The system ends the process some seconds later";
    CtrlShutdown, ctrl_shutdown: CTRL_SHUTDOWN, "the shutdown of the system. It ends the process some seconds later";
}
