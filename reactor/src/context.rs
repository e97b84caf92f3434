//! Which reactor a thread is in: the one that it entered last, or else the default one.

use std::cell::{Cell, RefCell};
use std::io;
use std::marker::PhantomData;
use std::sync::OnceLock;

use heist_sync::sys::{Arc, Mutex};

use crate::config::Config;
use crate::monitor::NoScheduler;
use crate::poller::PollKick;
use crate::reactor::Reactor;
use crate::registry;
use crate::timers::{Shard, Timers};

thread_local! {
    /// The reactors entered, each with the number of its guard. The innermost is last.
    static ENTERED: RefCell<Vec<(u64, Reactor)>> = const { RefCell::new(Vec::new()) };
    static NEXT_GUARD: Cell<u64> = const { Cell::new(0) };
}

/// Leaves the reactor that [`Reactor::enter`] entered, when dropped. Guards may be dropped in any order.
#[derive(Debug)]
#[must_use = "the reactor is left when the guard is dropped"]
pub struct EnterGuard {
    number: u64,
    /// It belongs to the thread that entered. It may be shared, but not sent.
    _not_send: PhantomData<std::sync::MutexGuard<'static, ()>>,
}

pub(crate) fn enter(reactor: Reactor) -> EnterGuard {
    // A thread whose locals are gone can't enter anything, and has nothing to leave.
    let number = NEXT_GUARD
        .try_with(|next| next.replace(next.get() + 1))
        .unwrap_or(0);
    let _ = ENTERED.try_with(|entered| entered.borrow_mut().push((number, reactor)));
    EnterGuard {
        number,
        _not_send: PhantomData,
    }
}

impl Drop for EnterGuard {
    fn drop(&mut self) {
        let left = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let at = entered
                .iter()
                .rposition(|&(number, _)| number == self.number);
            at.map(|at| entered.remove(at))
        });
        // This may be the last reference to the reactor, so it is dropped after the borrow is over.
        drop(left);
    }
}

/// Calls `f` with the reactor that was entered last, if there is one.
#[inline(always)]
pub(crate) fn with_entered<R>(f: impl FnOnce(&Reactor) -> R) -> Option<R> {
    ENTERED
        .try_with(|entered| {
            let entered = entered.borrow();
            entered.last().map(|(_, reactor)| f(reactor))
        })
        .ok()
        .flatten()
}

/// A shard of a reactor, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Home(u64);

impl Home {
    /// The shard `shard` of the reactor with that number.
    pub(crate) fn new(reactor: u32, shard: usize) -> Self {
        // There are 64 shards at most.
        Self(u64::from(reactor) << 32 | shard as u64)
    }

    pub(crate) fn reactor(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(crate) fn shard(self) -> usize {
        self.0 as u32 as usize
    }
}

/// Calls `f` with a shard of timers. `f` must call no user code. `None` if the reactor is gone.
#[inline]
pub(crate) fn with_shard<R>(home: Home, f: impl FnOnce(&Arc<Shard<PollKick>>) -> R) -> Option<R> {
    let mut f = Some(f);
    let mut call = |timers: &Timers<PollKick>| {
        let f = f.take()?;
        Some(f(&timers.shards()[home.shard()]))
    };
    let entered =
        with_entered(|reactor| (reactor.id() == home.reactor()).then(|| call(reactor.timers())));
    if let Some(Some(called)) = entered {
        return called;
    }
    if let Some(reactor) = DEFAULT
        .get()
        .filter(|reactor| reactor.id() == home.reactor())
    {
        return call(reactor.timers());
    }
    call(&*registry::find(home.reactor())?)
}

/// The reactor for every thread that has entered none. It is made when it is first needed, and lives as long as the
/// process.
static DEFAULT: OnceLock<Reactor> = OnceLock::new();

/// The reactor for every thread that has entered none. It lives as long as the process.
pub(crate) fn default_reactor() -> io::Result<&'static Reactor> {
    static STARTING: OnceLock<Mutex<()>> = OnceLock::new();
    if let Some(reactor) = DEFAULT.get() {
        return Ok(reactor);
    }
    let _one_starts_it = STARTING.get_or_init(Mutex::default).lock();
    if let Some(reactor) = DEFAULT.get() {
        return Ok(reactor);
    }
    let reactor = Reactor::bare(Config::default())?;
    reactor.start_thread(Box::new(NoScheduler))?;
    Ok(DEFAULT.get_or_init(|| reactor))
}
