//! Which poller a reactor waits with, and the contract of pollers.
//!
//! A poller tells its reactor which descriptors are ready. The reactor does the rest: tokens, wakers, timers. There are two
//! pollers here:
//!
//! - *mio* is the default. It uses epoll, kqueue or IOCP.
//! - *poll* uses `poll(2)`, on Unix ([`PosixPoll`]). It asks the system about all descriptors each time, so it is for programs
//!   with few of them, and for systems where mio has nothing better.
//!
//! To choose one, run the program with the environment variable `HEIST_REACTOR` set to `mio` or `poll`, or call
//! [`Builder::reactor`](../struct.Builder.html#method.reactor). A program can bring a poller of its own by
//! [`Backend::custom`].
//!
//! # The contract
//!
//! What a poller owes its reactor, and what it may rely on:
//!
//! 1. **Registration.** From the return of [`register`](Poller::register) on, it watches the descriptor for what the interest
//!    asks for, and for errors and hang-ups in any case. What is ready by then is news as well. If it can't watch the
//!    descriptor, it returns an error and keeps nothing: of a regular file for instance, or if the descriptor is
//!    registered already. No two registrations have the same token at the same time.
//! 2. **Edges.** It reports each part of readiness at least once after it became so, and then need not report it again
//!    until there is a change or a [`rearm`](Poller::rearm). The reactor calls `rearm` after an operation has found a part not
//!    ready. If that part is ready at this time, or later, it must be reported, once more or for the first time. So a poller
//!    may work by edges (and do nothing in `rearm`), or report a part once and rest until `rearm`. A report too many costs a
//!    turn, and nothing else. But it must not report for ever what nobody has consumed: the reactor would never sleep.
//! 3. **Errors and hang-ups** count as parts of their own. If a descriptor can't be watched any more, because it was closed
//!    without being deregistered, that is an error to report, or nothing. Once an error or a hang-up was reported, the
//!    poller may rest with this descriptor until a `rearm` of any part. What becomes so meanwhile is reported then.
//! 4. **Deregistration.** From the return of [`deregister`](Poller::deregister) on, it doesn't use the descriptor, not even
//!    in a wait that is under way, so the caller may close it. The reactor ignores events with the tokens of
//!    descriptors that have left.
//! 5. **Any thread** may call all but `wait` at any time, also during a wait, which takes the change into account. None of
//!    these calls takes as long as a wait.
//! 6. **Waiting.** One thread at a time calls [`wait`](Poller::wait). It adds the events to a list that is empty. It may return
//!    early, without any event. With a timeout of zero it doesn't wait but looks. An error other than `Interrupted`
//!    makes the reactor pause for a millisecond, as the next call may fail likewise.
//! 7. **Wake-up.** [`notify`](Poller::notify) ends the wait that is under way, or else the next one. Several calls may
//!    count as one.
//! 8. **Alarm.** A wait ends at the timeout, as exactly as the system can: deadlines come from here. It must not end early
//!    again and again.
//! 9. **Panics** in `register`, `deregister` and `wait` count as errors.
//!
//! In the child of a `fork` the reactor asks its parent's poller for nothing: registering fails, and
//! deregistering does nothing. The parent's registrations stay as they are.

use std::ffi::OsStr;
use std::fmt;
use std::io;
#[cfg(unix)]
use std::os::fd::{BorrowedFd, RawFd};
#[cfg(unix)]
use std::time::Duration;

mod interest;
#[cfg(all(unix, not(heist_loom)))]
mod posix_poll;
mod ready;
#[cfg(unix)]
pub(crate) mod watchlist;

pub use interest::Interest;
#[cfg(all(unix, not(heist_loom)))]
pub use posix_poll::PosixPoll;
pub use ready::Ready;

/// The variable of the environment that chooses for [`Backend::Auto`].
const VARIABLE: &str = "HEIST_REACTOR";

/// Which poller a runtime's reactor waits with.
///
/// ```
/// use heist::runtime::{Backend, Builder};
///
/// let runtime = Builder::new_current_thread().reactor(Backend::Mio).build()?;
/// assert_eq!(runtime.handle().backend(), "mio");
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Backend {
    /// The one that the environment variable `HEIST_REACTOR` names: `mio`, `poll`, or `auto`. If it isn't set, or is
    /// `auto`: mio, and poll where mio has neither epoll nor kqueue nor IOCP. If it is anything else, no runtime
    /// can be built. The default reactor, which serves outside of runtimes, is made in this way too.
    #[default]
    Auto,
    /// mio: epoll, kqueue or IOCP. The environment changes nothing about it.
    Mio,
    /// `poll(2)`, on Unix. Elsewhere no runtime can be built with it. The environment changes nothing about it.
    Poll,
    /// The program's own: see [`custom`](Self::custom).
    #[cfg(unix)]
    #[doc(hidden)]
    Custom(Custom),
}

/// What makes the program's own pollers.
#[cfg(unix)]
#[derive(Clone)]
pub struct Custom(std::sync::Arc<MakePoller>);

#[cfg(unix)]
type MakePoller = dyn Fn() -> io::Result<Box<dyn Poller>> + Send + Sync;

impl Backend {
    /// The program's own poller. `make` is called for each runtime that is built. Read the
    /// [contract](self#the-contract) first.
    ///
    /// ```
    /// use heist::runtime::Builder;
    /// use heist::runtime::backend::{Backend, Event, Interest, Poller, PosixPoll};
    /// use std::io;
    /// use std::os::fd::RawFd;
    /// use std::time::Duration;
    ///
    /// /// Says what is registered.
    /// struct Talkative(PosixPoll);
    ///
    /// impl Poller for Talkative {
    ///     fn name(&self) -> &str {
    ///         "talkative"
    ///     }
    ///     fn register(&self, fd: RawFd, token: usize, interest: Interest) -> io::Result<()> {
    ///         println!("{fd}: {interest:?}");
    ///         self.0.register(fd, token, interest)
    ///     }
    ///     fn rearm(&self, token: usize, interest: Interest) {
    ///         self.0.rearm(token, interest);
    ///     }
    ///     fn deregister(&self, fd: RawFd, token: usize) -> io::Result<()> {
    ///         self.0.deregister(fd, token)
    ///     }
    ///     fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
    ///         self.0.wait(events, timeout)
    ///     }
    ///     fn notify(&self) {
    ///         self.0.notify();
    ///     }
    /// }
    ///
    /// let runtime = Builder::new_multi_thread()
    ///     .reactor(Backend::custom(|| Ok(Talkative(PosixPoll::new()?))))
    ///     .build()?;
    /// assert_eq!(runtime.handle().backend(), "talkative");
    /// # io::Result::Ok(())
    /// ```
    #[cfg(unix)]
    pub fn custom<P: Poller>(make: impl Fn() -> io::Result<P> + Send + Sync + 'static) -> Backend {
        Backend::Custom(Custom(std::sync::Arc::new(move || {
            Ok(Box::new(make()?) as Box<dyn Poller>)
        })))
    }

    /// The choice, with `Auto` resolved.
    ///
    /// # Errors
    ///
    /// If the environment names something else.
    pub(crate) fn chosen(self) -> io::Result<Backend> {
        match self {
            Backend::Auto => Self::named(std::env::var_os(VARIABLE).as_deref()),
            chosen => Ok(chosen),
        }
    }

    /// What the environment's variable means. `None` if it isn't set.
    fn named(value: Option<&OsStr>) -> io::Result<Backend> {
        match value.map_or(Some("auto"), OsStr::to_str) {
            Some("auto" | "") => Ok(Self::preferred()),
            Some("mio") => Ok(Backend::Mio),
            Some("poll") => Ok(Backend::Poll),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the environment variable {VARIABLE} must be auto, mio or poll, but it is {:?}",
                    value.unwrap_or_default()
                ),
            )),
        }
    }

    /// The best one for this system.
    fn preferred() -> Backend {
        let has_own = cfg!(any(
            windows,
            target_vendor = "apple",
            target_os = "android",
            target_os = "dragonfly",
            target_os = "freebsd",
            target_os = "illumos",
            target_os = "linux",
            target_os = "netbsd",
            target_os = "openbsd",
            target_os = "redox",
        ));
        if has_own { Backend::Mio } else { Backend::Poll }
    }
}

#[cfg(unix)]
impl Custom {
    /// A new poller.
    pub(crate) fn make(&self) -> io::Result<Box<dyn Poller>> {
        (self.0)()
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Auto => "Auto",
            Backend::Mio => "Mio",
            Backend::Poll => "Poll",
            #[cfg(unix)]
            Backend::Custom(_) => "Custom",
        })
    }
}

#[cfg(unix)]
impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom").finish_non_exhaustive()
    }
}

/// That a descriptor has become ready.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The token that the descriptor was registered with.
    pub token: usize,
    /// What it is ready for.
    pub ready: Ready,
}

/// Waits for descriptors, on Unix. The [contract](self#the-contract) says what each function owes.
#[cfg(unix)]
pub trait Poller: Send + Sync + 'static {
    /// What it is called. [`Handle::backend`](../struct.Handle.html#method.backend) returns this.
    fn name(&self) -> &str;

    /// Watches a descriptor, which is open until [`deregister`](Self::deregister).
    ///
    /// # Errors
    ///
    /// If it can't be watched.
    fn register(&self, fd: RawFd, token: usize, interest: Interest) -> io::Result<()>;

    /// An operation has found the descriptor not ready for `interest`. If it is, or once it is, report that again.
    fn rearm(&self, token: usize, interest: Interest);

    /// Doesn't watch any more what was registered with `token`. `fd` is the descriptor that its owner has now: another one
    /// if it was exchanged meanwhile.
    ///
    /// # Errors
    ///
    /// If it isn't registered.
    fn deregister(&self, fd: RawFd, token: usize) -> io::Result<()>;

    /// Waits for events, for `timeout` at most (`None`: without a limit), and adds them to `events`.
    ///
    /// # Errors
    ///
    /// `Interrupted`, or another error of the operating system.
    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends the current wait, or else the next one.
    fn notify(&self);

    /// A descriptor that is readable while a [`wait`](Self::wait) would find something, if there is one. Without one, a
    /// foreign event loop can't wait for the runtime:
    /// [`Runtime::descriptor`](../struct.Runtime.html#method.descriptor) returns `None`.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Backend;
    use std::ffi::OsStr;

    fn named(value: &str) -> Result<String, String> {
        match Backend::named(Some(OsStr::new(value))) {
            Ok(backend) => Ok(format!("{backend:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_environment_names_a_backend() {
        assert_eq!(named("mio").as_deref(), Ok("Mio"));
        assert_eq!(named("poll").as_deref(), Ok("Poll"));
        let unset = format!("{:?}", Backend::named(None).expect("a default"));
        assert_eq!(named("auto"), Ok(unset.clone()));
        assert_eq!(named(""), Ok(unset));
    }

    #[test]
    fn other_names_are_refused_with_what_would_do() {
        for value in ["epoll", "Poll", " mio"] {
            let error = named(value).expect_err("no such backend");
            assert!(error.contains("HEIST_REACTOR") && error.contains("auto, mio or poll"));
            assert!(error.contains(value));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStrExt;
        assert!(Backend::named(Some(OsStr::from_bytes(b"\xff"))).is_err());
    }
}
