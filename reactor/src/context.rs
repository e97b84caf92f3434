//! Which reactor a thread is in: the one entered last, or else the default one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::marker::PhantomData;
use std::sync::OnceLock;

use heist_sync::sys::{Arc, Mutex};

use crate::poller::PollKick;
use crate::reactor::{Config, Reactor};
use crate::timers::{Home, Shard, Timers};

thread_local! {
    /// The reactors entered, each with the number of its guard, the innermost last.
    static ENTERED: RefCell<Vec<(u64, Reactor)>> = const { RefCell::new(Vec::new()) };
    static NEXT_GUARD: Cell<u64> = const { Cell::new(0) };
}

/// Leaves the reactor that [`Reactor::enter`] entered, when dropped. Guards may be dropped in any order.
#[derive(Debug)]
#[must_use = "the reactor is left when the guard is dropped"]
pub struct EnterGuard {
    number: u64,
    /// It belongs to the thread that entered: it may be shared, but not sent.
    _not_send: PhantomData<std::sync::MutexGuard<'static, ()>>,
}

pub(crate) fn enter(reactor: Reactor) -> EnterGuard {
    // On a thread whose locals are gone nothing can be entered, and nothing needs to be left.
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
        // The reactor may be the last reference: dropped with the borrow given back.
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

/// The timers of all reactors that there are, for threads that have not entered the one they want.
#[derive(Default)]
struct Reactors {
    registered: u32,
    timers: BTreeMap<u32, Arc<Timers<PollKick>>>,
}

fn reactors() -> &'static Mutex<Reactors> {
    static REACTORS: OnceLock<Mutex<Reactors>> = OnceLock::new();
    REACTORS.get_or_init(Mutex::default)
}

/// Makes a reactor's timers known, under a number that no other reactor ever has.
pub(crate) fn register(timers: Arc<Timers<PollKick>>) -> u32 {
    if cfg!(heist_loom) {
        // What a model makes ends with it, and so must not lie in a static.
        return 0;
    }
    let mut reactors = reactors().lock();
    // Four thousand million reactors are more than a process sees; a number still in use is passed over.
    loop {
        reactors.registered = reactors.registered.wrapping_add(1);
        if !reactors.timers.contains_key(&reactors.registered) {
            break;
        }
    }
    let id = reactors.registered;
    reactors.timers.insert(id, timers);
    id
}

/// A reactor is gone.
pub(crate) fn forget(id: u32) {
    if cfg!(heist_loom) {
        return;
    }
    let timers = reactors().lock().timers.remove(&id);
    drop(timers);
}

/// Calls `f`, which calls no user code, with a shard of timers; `None` where its reactor is gone.
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
    let timers = reactors().lock().timers.get(&home.reactor()).cloned();
    call(&*timers?)
}

/// The reactor that serves whoever has entered none, once it was needed. It lives as long as the process.
static DEFAULT: OnceLock<Reactor> = OnceLock::new();

/// The reactor that serves whoever has entered none. It lives as long as the process.
pub(crate) fn default_reactor() -> io::Result<&'static Reactor> {
    static STARTING: OnceLock<Mutex<()>> = OnceLock::new();
    if let Some(reactor) = DEFAULT.get() {
        return Ok(reactor);
    }
    let _one_starts_it = STARTING.get_or_init(Mutex::default).lock();
    if let Some(reactor) = DEFAULT.get() {
        return Ok(reactor);
    }
    let reactor = Reactor::new(Config::default())?;
    reactor.start_thread(Box::new(crate::thread::NoScheduler))?;
    Ok(DEFAULT.get_or_init(|| reactor))
}
