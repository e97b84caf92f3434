//! The reactor: one poller, the sources and timers registered with it, and threads for blocking jobs. `thread.rs` says
//! how it gets its own thread. `context.rs` and `current.rs` say how a thread finds its reactor.

use std::fmt;
use std::io;
use std::sync::OnceLock;
use std::task::Waker;
use std::time::{Duration, Instant};

use heist_sync::protocol::contain;
use heist_sync::sys::{Arc, Mutex};

use crate::config::Config;
use crate::handover::{Handover, Held};
use crate::monitor::Watch;
use crate::poller::{PollKick, Poller};
use crate::pool::{Pool, PoolConfig, PoolWatch};
use crate::registry;
use crate::relay::Relay;
use crate::sources::Shares;
use crate::standstill::Standstill;
use crate::ticker::Ticker;
use crate::timers::Timers;
use crate::wakeup::{NEVER, Signal};

/// How many look-ups of host names run at once; more of them queue up. Their threads do little but wait, so there may be
/// many more than there are processors. There are enough that some dozen names whose servers don't answer leave threads for
/// the others. There are few enough for the limits of servers and of descriptors: each look-up has a socket or two.
const MAX_LOOKUP_THREADS: usize = 64;

/// A shared reference to a poller, its sources and timers, and a pool of threads for blocking jobs.
///
/// A thread that has nothing to do may [borrow the poller](Self::try_borrow) and wait in it. When nobody does, the
/// [reactor thread](Self::start_thread) waits in it, if it was started.
#[derive(Clone)]
pub struct Reactor(pub(crate) Arc<Shared>);

/// What the references to one reactor share.
pub(crate) struct Shared {
    pub(crate) handover: Handover<Poller>,
    signal: Arc<Signal<PollKick>>,
    #[cfg(unix)]
    descriptor: Option<std::os::fd::RawFd>,
    id: u32,
    timers: Arc<Timers<PollKick>>,
    sources: Shares,
    pool: Pool,
    /// Made when it is first needed. See [`Reactor::lookup_pool`].
    lookup_pool: OnceLock<Pool>,
    /// Threads that are the reactor thread, have been it, or stand in for it.
    pub(crate) threads: Pool,
    pub(crate) relay: Relay<Box<Watch>>,
    ticker: Ticker,
    /// How long one of these threads waits for something to do before it ends.
    pub(crate) keep_alive: Duration,
    pub(crate) life: Mutex<Life>,
}

/// Where the reactor's life stands.
#[derive(Default)]
pub(crate) struct Life {
    pub(crate) thread_started: bool,
    pub(crate) shut_down: bool,
}

impl Reactor {
    /// A reactor that has no thread yet, and that is not yet the clock for the limits in `heist_sync`.
    pub(crate) fn bare(config: Config) -> io::Result<Reactor> {
        let (poller, kick) = Poller::new(config.backend.clone())?;
        let signal = Arc::new(Signal::new(kick));
        // A model must not depend on the machine.
        let shards = if cfg!(heist_loom) {
            1
        } else {
            std::thread::available_parallelism().map_or(1, usize::from)
        };
        let shards = shards.next_power_of_two().min(64);
        let sources = Shares::new(poller.registry()?, shards);
        let relay = Relay::new()?;
        let ticker = Ticker::new()?;
        let timers = Timers::new(signal.clone(), shards);
        let timers = Arc::new(timers);
        let jobs = JobsRun(timers.standstill().clone());
        Ok(Reactor(Arc::new(Shared {
            #[cfg(unix)]
            descriptor: poller.descriptor(),
            // Nothing fails from here on.
            id: registry::register(timers.clone()),
            timers,
            sources,
            pool: Pool::watched(PoolConfig::from_config(&config), Box::new(jobs)),
            threads: Pool::new(PoolConfig {
                max_threads: config.max_blocking_threads.max(2),
                ..PoolConfig::from_config(&config)
            }),
            lookup_pool: OnceLock::new(),
            relay,
            ticker,
            keep_alive: config.thread_keep_alive,
            handover: Handover::new(poller),
            signal,
            life: Mutex::default(),
        })))
    }

    /// The poller's descriptor, which lives as long as the reactor. After [`Turn::arm`] it becomes readable when a turn
    /// would find something. `None` if the poller has none.
    #[cfg(unix)]
    pub fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        self.0.descriptor
    }

    /// What its poller is called: `"mio"`, `"poll"`, or as the program's own says.
    pub fn backend(&self) -> &str {
        self.0.sources.backend()
    }

    /// Takes the right to wait in the poller. `None` if somebody else has it.
    pub fn try_borrow(&self) -> Option<Turn<'_>> {
        self.0.try_borrow()
    }

    /// Makes the current wait in the poller return at once. If there is none, the next one will.
    pub fn unpark(&self) {
        self.0.signal.unpark();
    }

    /// Wakes the reactor thread if it sleeps without a limit, so that its [`Monitor`](crate::Monitor) ticks again. Call
    /// this after getting up to work. If the thread is awake, this costs a fence and two loads.
    pub fn rouse_thread(&self) {
        self.0.handover.rouse(|| self.0.signal.unpark());
    }

    /// Somebody has done what the [`Monitor`](crate::Monitor) does at a tick. If the reactor thread sleeps until its next tick, it
    /// sleeps for `length` from now, or until the next deadline. It takes a free poller only at its ticks: see
    /// [`free_for`](Self::free_for).
    pub fn put_off_tick(&self, length: Duration) {
        let shared = &self.0;
        let length = shared.until_deadline(length);
        let stopped = || shared.handover.is_stopped();
        shared.ticker.put_off(length, stopped);
    }

    /// For how long the poller has been free. `None` if somebody holds it. Both are estimates.
    pub fn free_for(&self) -> Option<Duration> {
        self.0.handover.free_for()
    }

    /// A thread gets up to run code of this runtime. It is seen already (see [`Running`]). Waits while a paused clock
    /// jumps. This also does what [`rouse_thread`](Self::rouse_thread) does.
    #[inline]
    pub fn get_up(&self) {
        // It has a SeqCst fence.
        self.rouse_thread();
        self.0.timers.standstill().pass_after_fence();
    }

    /// Something that runs code of this runtime, and that isn't counted by [`Running`], is at rest. If the clock is
    /// paused, this wakes whoever waits in the poller. Call it after a SeqCst fence.
    #[inline]
    pub fn rests(&self) {
        self.0.timers.standstill().rests_after_fence();
    }

    /// Counts what runs code of this runtime.
    pub fn running(&self) -> Running {
        Running(self.0.timers.standstill().clone())
    }

    /// Pauses the clock, as [`time::pause`](crate::time::pause) does.
    ///
    /// # Panics
    ///
    /// If it is paused already.
    #[track_caller]
    pub fn pause(&self) {
        if let Err(why) = self.0.timers.pause() {
            panic!("{why}");
        }
    }

    /// Ends everything but the blocking pool. From now on sources fail with an error, and timers take no more entries. Tasks
    /// that wait for either are woken, one after the other: a waker that blocks delays those after it. The reactor thread ends.
    /// Calling this again does nothing.
    pub fn shutdown(&self) {
        let mut wakers = Vec::new();
        self.close(&mut wakers);
        wake_all(&mut wakers);
    }

    /// Does what [`shutdown`](Self::shutdown) does, but leaves it to the caller to wake who waits.
    pub fn close(&self, wakers: &mut Vec<Waker>) {
        self.0.life.lock().shut_down = true;
        self.0.handover.stop();
        self.0.ticker.end();
        self.0.relay.stop(wakers);
        self.0.signal.unpark();
        self.0.threads.shutdown();
        // A thread that looks up a name ends some time after it.
        if let Some(pool) = self.0.lookup_pool.get() {
            pool.shutdown();
        }
        self.0.timers.close(wakers);
        self.0.sources.shut_down(wakers);
    }

    /// Waits until the reactor thread has ended, and so have the threads that a waker has blocked. Waits until `deadline` at
    /// most, and returns whether they have ended. If one of these threads calls this, it returns false at once.
    pub fn join_thread(&self, deadline: Option<Instant>) -> bool {
        self.0.threads.join(deadline)
    }

    /// How many of these threads have not ended, including those that [`join_thread`](Self::join_thread) has waited for in
    /// vain.
    pub fn threads_left(&self) -> usize {
        self.0.threads.num_left()
    }

    /// The threads for blocking jobs.
    pub fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// The threads for look-ups of host names. `None` after [`shutdown`](Self::shutdown). Nobody waits for them to end, so they
    /// call no hooks.
    pub(crate) fn lookup_pool(&self) -> Option<&Pool> {
        // While this is held, the reactor isn't shut down, or has been.
        let life = self.0.life.lock();
        if life.shut_down {
            return None;
        }
        let config = || {
            PoolConfig::from_config(&Config {
                thread_name: std::sync::Arc::new(|| "heist-lookup".to_owned()),
                max_blocking_threads: MAX_LOOKUP_THREADS,
                thread_keep_alive: self.0.keep_alive,
                ..Config::default()
            })
        };
        let watch = || Box::new(JobsRun(self.0.timers.standstill().clone()));
        let pool = || Pool::watched(config(), watch());
        Some(self.0.lookup_pool.get_or_init(pool))
    }

    /// What is registered with the poller.
    pub(crate) fn sources(&self) -> &Shares {
        &self.0.sources
    }

    /// Its number, which no other reactor has.
    pub(crate) fn id(&self) -> u32 {
        self.0.id
    }

    /// Its timers.
    pub(crate) fn timers(&self) -> &Timers<PollKick> {
        &self.0.timers
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn standstill(&self) -> &Standstill<PollKick> {
        self.timers.standstill()
    }

    /// Whether nobody runs who isn't counted.
    fn is_at_rest(&self, at_rest: &dyn Fn() -> bool) -> bool {
        let no_lookup = || self.lookup_pool.get().is_none_or(Pool::is_at_rest);
        self.pool.is_at_rest() && no_lookup() && at_rest()
    }

    /// Whether a paused clock would jump now.
    fn will_jump(&self, at_rest: &dyn Fn() -> bool) -> bool {
        let at_rest = || self.is_at_rest(at_rest);
        self.timers.next() != NEVER && self.standstill().is_quiet(at_rest)
    }

    /// Whether a deadline may have passed that nobody has seen to.
    pub(crate) fn is_due(&self) -> bool {
        self.timers.is_due()
    }

    /// The reactor thread's sleep between two ticks. Returns whether to go on.
    pub(crate) fn sleep_until_tick(&self, length: Duration) -> bool {
        let length = self.until_deadline(length);
        self.ticker.sleep(length, || self.handover.is_stopped())
    }

    /// For how long the reactor thread sleeps: for `limit`, or until the next deadline, if nobody has the poller and would see
    /// to it.
    fn until_deadline(&self, limit: Duration) -> Duration {
        if self.handover.free_for().is_none() {
            return limit;
        }
        let deadline = self.timers.real_instant(self.timers.next());
        deadline.map_or(limit, |deadline| {
            limit.min(deadline.saturating_duration_since(Instant::now()))
        })
    }

    pub(crate) fn try_borrow(&self) -> Option<Turn<'_>> {
        self.handover
            .try_borrow()
            .map(|poller| Turn::new(self, poller))
    }
}

/// Counts what runs code of a runtime, so that a paused clock stands still meanwhile. See `standstill.rs`.
///
/// What the turn's caller tells of in `at_rest`, and the jobs of the reactor's pool, need not be counted.
#[derive(Debug, Clone)]
pub struct Running(Arc<Standstill<PollKick>>);

impl Running {
    /// Counts `n` more. Call [`pass`](Self::pass) before they run.
    pub fn begin(&self, n: usize) {
        self.0.begin(n);
    }

    /// Counts `n` less.
    pub fn end(&self, n: usize) {
        self.0.end(n);
    }

    /// What was counted, or is seen otherwise, is about to run. Waits while a paused clock jumps.
    pub fn pass(&self) {
        self.0.pass();
    }

    /// What was seen otherwise is at rest. If the clock is paused, this wakes whoever waits in the poller.
    pub fn rests(&self) {
        self.0.rests();
    }
}

/// The jobs of a reactor's pool run code of its runtime, and look-ups answer to it.
struct JobsRun(Arc<Standstill<PollKick>>);

impl PoolWatch for JobsRun {
    fn begins(&self) {
        // The pool's lock does what the fence does: the look takes it too.
        self.0.pass_after_fence();
    }

    fn rests(&self) {
        self.0.rests_after_fence();
    }
}

/// Wakes them all, and returns how many there were. If one panics, the others are woken all the same.
pub fn wake_all(wakers: &mut Vec<Waker>) -> usize {
    let mut woken = 0;
    for waker in wakers.drain(..) {
        contain(|| waker.wake());
        woken += 1;
    }
    woken
}

/// The right to wait in the poller. Dropping it lets the poller go.
#[derive(Debug)]
pub struct Turn<'a> {
    shared: &'a Shared,
    poller: Held<'a, Poller>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(shared: &'a Shared, poller: Held<'a, Poller>) -> Self {
        Self { shared, poller }
    }

    pub(crate) fn shared(&self) -> &'a Shared {
        self.shared
    }

    /// Waits for events and deadlines, for `limit` at most (`None`: without a limit). Wakes those who wait for them, and
    /// returns how many it woke.
    ///
    /// It may return early without waking anybody: after [`Reactor::unpark`], on a signal, or for a timer that is gone. A
    /// `limit` of a millisecond or more is rounded up to whole milliseconds. A shorter one, and deadlines, are as exact as the
    /// system allows. With a `limit` of zero, a paused clock doesn't jump.
    pub fn wait(&mut self, limit: Option<Duration>) -> usize {
        let mut woken = Vec::new();
        let waits = limit.is_none_or(|limit| !limit.is_zero());
        self.collect(limit, &mut woken, &|| waits);
        wake_all(&mut woken)
    }

    /// Like [`wait`](Self::wait), but wakes nobody: it adds the wakers to `woken`. Wakers may be anybody's code, so let the
    /// poller go before you call them. Returns how many sources had events.
    ///
    /// If the clock is paused, nothing is ready and nobody runs, this makes the clock jump to the next deadline, whatever the
    /// `limit` is: a jump takes no time. `at_rest` says whether nobody runs, apart from those that [`Running`] counts and the jobs of the pool. If anything was woken,
    /// the caller must be seen to run before it lets the poller go.
    pub fn collect(
        &mut self,
        limit: Option<Duration>,
        woken: &mut Vec<Waker>,
        at_rest: &dyn Fn() -> bool,
    ) -> usize {
        let before = woken.len();
        let waits = limit.is_none_or(|limit| !limit.is_zero());
        if waits {
            self.sleep(limit, at_rest);
        } else {
            self.poller.look();
            // If it was armed, the holder has slept until now.
            self.shared.signal.awake();
        }
        let (shared, poller) = (self.shared, &mut *self.poller);
        let events = shared.sources.dispatch(poller.events(), woken);
        shared.timers.expire(&mut poller.pace, woken);
        if woken.len() == before && shared.standstill().is_paused() {
            self.jump(woken, at_rest);
        }
        events
    }

    /// Makes the paused clock jump until somebody is woken, if nobody runs and nothing is ready.
    fn jump(&mut self, woken: &mut Vec<Waker>, at_rest: &dyn Fn() -> bool) {
        let (shared, poller) = (self.shared, &mut *self.poller);
        let before = woken.len();
        while woken.len() == before {
            let (mut ready, mut looked) = (false, false);
            // The last runner may have made something ready since we looked. It can't any more, behind the gate.
            let nothing_ready = || {
                poller.look();
                looked = true;
                ready = poller.events().next().is_some();
                !ready
            };
            let jumped = shared
                .timers
                .jump(|| shared.is_at_rest(at_rest), nothing_ready);
            if looked {
                shared.sources.dispatch(poller.events(), woken);
            }
            if jumped {
                shared.timers.expire(&mut poller.pace, woken);
            } else if !ready {
                return;
            }
        }
    }

    /// Leaves the wait to whoever waits for the [descriptor](Reactor::descriptor). From now until the next
    /// [`wait`](Self::wait), whatever would end a wait makes the descriptor readable. Returns for how long one may wait
    /// for it at most. If something has happened already, that is zero. `None` means without a limit.
    ///
    /// `at_rest` is as in [`collect`](Self::collect): the next wait makes a paused clock jump.
    pub fn arm(&mut self, at_rest: &dyn Fn() -> bool) -> Option<Duration> {
        let shared = self.shared;
        if !shared.signal.announce() {
            return Some(Duration::ZERO);
        }
        if shared.standstill().is_paused() {
            let goes_on = shared.timers.is_due() || shared.will_jump(at_rest);
            return goes_on.then_some(Duration::ZERO);
        }
        let deadline = shared.timers.next();
        shared.signal.settle(deadline);
        let until = shared.timers.real_instant(deadline)?;
        let now = Instant::now();
        if until <= now {
            return Some(Duration::ZERO);
        }
        self.poller.arm(now, until)
    }

    /// Announces the wait, so that it can be cut short, and waits.
    fn sleep(&mut self, limit: Option<Duration>, at_rest: &dyn Fn() -> bool) {
        let shared = self.shared;
        if !shared.signal.announce() || shared.handover.is_stopped() {
            self.poller.look();
        } else if shared.standstill().is_paused() {
            // No deadline comes by itself. But a turn takes only some of those that are due. What is ready comes before a
            // jump. Whoever lies down after this look, and whoever makes the first deadline, ends the wait.
            match shared.timers.is_due() || shared.will_jump(at_rest) {
                true => self.poller.look(),
                false => self.poller.wait(limit, None),
            }
        } else {
            let deadline = shared.timers.next();
            shared.signal.settle(deadline);
            let until = shared
                .timers
                .real_instant(self.poller.pace.wake_for(deadline));
            self.poller
                .wait(limit, until.map(|until| (Instant::now(), until)));
        }
        shared.signal.awake();
    }
}

impl Drop for Shared {
    /// Wakes whoever waits for what can't come any more, as [`Reactor::shutdown`] does. So no waker stays in something
    /// that others may still hold. They would drop the waker with it, at a time that its owner does not expect.
    fn drop(&mut self) {
        registry::forget(self.id);
        if self.life.get_mut().shut_down {
            return;
        }
        let mut wakers = Vec::new();
        self.timers.close(&mut wakers);
        self.sources.shut_down(&mut wakers);
        wake_all(&mut wakers);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
