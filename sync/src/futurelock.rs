//! Finds *futurelocks*: futures that were given a lock, and are not polled.
//!
//! A task may hold a future that waits for a lock, while the task itself waits for something else. Examples are a
//! `select!` by reference whose other branch takes the same lock, or a `join!` inside a stream of buffered futures. If
//! that future is given the lock and nobody polls it, every task behind it waits for ever, its own task included, and
//! nothing shows why.
//!
//! This module shows why. If a waiter is given a lock, a permit or room in a channel, and is not polled for a second,
//! it is reported with the place in the source that made it: the call of `lock`, `acquire` or `send`. If its task is in a
//! poll, or has been woken and waits for its turn, it isn't reported yet: it may still be polled. The report goes to
//! standard error; [`on_report`] takes it elsewhere. Programs that are built with debug assertions are watched;
//! others are watched from a call of [`report_after`] on. While watching is off it costs one look at a flag for each
//! waiter that is released.
//!
//! A place is reported when its first waiter is found. After that its waiters are counted, and it is reported again
//! each time the count has doubled. So 100,000 waiters of one place make at most 17 reports. [`unpolled`] lists each
//! waiter that there is now.
//!
//! # Examples
//!
//! The future `first` is ahead of `second` in the queue for the lock, but the task polls `second` only:
//!
//! ```
//! use std::time::Duration;
//!
//! use heist::sync::{Mutex, futurelock};
//!
//! #[heist::main]
//! async fn main() {
//!     futurelock::report_after(Duration::from_secs(5));
//!     let lock = Mutex::new(());
//!     let guard = lock.lock().await;
//!     let mut first = Box::pin(lock.lock());
//!     let mut second = Box::pin(lock.lock());
//!     // Both futures are polled once, so that they queue.
//!     heist::select! {
//!         biased;
//!         _ = &mut first => unreachable!("the lock is held"),
//!         _ = &mut second => unreachable!("the lock is held"),
//!         _ = std::future::ready(()) => (),
//!     }
//!     drop(guard);
//!
//!     // `second.await` would wait for ever here: the lock was given to `first`.
//!     let found = futurelock::unpolled(Duration::ZERO);
//!     assert_eq!(found.len(), 1);
//!     assert!(found[0].to_string().contains("given a lock"), "{}", found[0]);
//! }
//! ```

// # Invariants
//
// 1. If watching was on when a waiter was released, the waiter is in the register, by its address. It is there from just
//    before the outcome that gives it something is stored until its owner looks at that outcome or drops the waiter.
//    The outcome itself carries the mark that it is there, so only such an owner pays for the register.
// 2. The register's lock is taken beneath the lock of a waiting list. Nothing is called under it.
// 3. The register holds a waker only of a task of heist's scheduler, so cloning it and asking for its state call no code of
//    others. It is dropped when the lock is free.
// 4. One thread looks, started with the first entry. It sleeps without a limit while nothing is left to report.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::contain::contain;
use crate::sys::atomic::Ordering;
use crate::sys::hints::{AtomicBool, AtomicU64};
use crate::sys::{Condvar, Mutex, thread};
use crate::waits::Wait;

/// Whether waiters are put into the register.
static WATCHING: AtomicBool = AtomicBool::new(cfg!(debug_assertions));

/// How many nanoseconds a waiter is not polled before it is reported.
static LIMIT_NS: AtomicU64 = AtomicU64::new(1_000_000_000);

/// The thread pauses at least this long between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

static REGISTER: Mutex<Register> = Mutex::new(Register {
    granted: BTreeMap::new(),
    not_found: 0,
    places: BTreeMap::new(),
    looker: Looker::None,
    handler: None,
});

/// Tells the thread that there is an entry.
static NEWS: Condvar = Condvar::new();

/// Whether the task of this waker is in a poll, or has been woken and waits for its turn. `None` if it is not a task of
/// the scheduler that answers.
pub type IsDue = fn(&Waker) -> Option<bool>;

static IS_DUE: OnceLock<IsDue> = OnceLock::new();

/// Makes [`futurelock`](self) ask `is_due` about tasks. The first call counts, for the whole process.
pub fn ask_scheduler(is_due: IsDue) {
    let _ = IS_DUE.set(is_due);
}

/// The scheduler's answer; see [`IsDue`].
fn is_due(task: &Waker) -> Option<bool> {
    IS_DUE.get().and_then(|is_due| is_due(task))
}

type Handler = Arc<dyn Fn(&Futurelock) + Send + Sync>;

struct Register {
    /// By the address of the waiter.
    granted: BTreeMap<usize, Granted>,
    /// How many of them haven't been found yet.
    not_found: usize,
    /// The waiters that were found, by the place that made them.
    places: BTreeMap<&'static Location<'static>, Found>,
    looker: Looker,
    /// `None` means standard error.
    handler: Option<Handler>,
}

/// What was found of one place.
#[derive(Default)]
struct Found {
    /// How many waiters were found.
    count: usize,
    /// How many there were at the last report.
    reported: usize,
}

struct Granted {
    place: &'static Location<'static>,
    wait: Wait,
    since: Instant,
    /// The task that waits, if it is one of heist's scheduler.
    task: Option<Waker>,
    found: bool,
}

/// The thread that looks.
#[derive(PartialEq)]
enum Looker {
    None,
    Awake,
    Asleep,
}

/// A waiter that was given what others wait for, and has not been polled since. It implements `Display` with a text for
/// people.
#[derive(Debug, Clone)]
pub struct Futurelock {
    place: &'static Location<'static>,
    wait: Wait,
    unpolled: Duration,
    count: usize,
}

impl Futurelock {
    /// Where the waiter was made: the call of `lock`, `acquire`, `send` or the like.
    pub fn location(&self) -> &'static Location<'static> {
        self.place
    }

    /// What the waiter was given.
    pub fn wait(&self) -> Wait {
        self.wait
    }

    /// For how long the waiter has not been polled since.
    pub fn unpolled_for(&self) -> Duration {
        self.unpolled
    }

    /// How many waiters from the same place have been found so far, whether reported or only counted.
    pub fn count(&self) -> usize {
        self.count
    }
}

impl fmt::Display for Futurelock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the future made at {} was given {} {:?} ago and has not been polled since, so nobody else gets it; does its \
             task wait for something else, in a `select!` or a loop over other futures?",
            self.place, self.wait, self.unpolled
        )?;
        match self.count {
            0 | 1 => Ok(()),
            count => write!(f, " ({count} futures of that place so far)"),
        }
    }
}

/// Watches waiters from now on, and reports those that were given something and are not polled for `limit`. The limit
/// is at least a millisecond.
///
/// Programs with debug assertions are watched from their start, with a limit of a second.
pub fn report_after(limit: Duration) {
    let nanos = limit.max(SHORTEST_PAUSE).as_nanos();
    // Ordering: hint only, as everywhere in this module: a waiter is watched a little earlier or later.
    LIMIT_NS.store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    WATCHING.store(true, Ordering::Relaxed);
    // The thread may be in the middle of a longer pause. Taking the lock makes sure that it is not just before one.
    drop(REGISTER.lock());
    NEWS.notify_one();
}

/// Stops watching waiters.
pub fn off() {
    // Ordering: hint only.
    WATCHING.store(false, Ordering::Relaxed);
}

/// Makes reports go to `handler`, on a thread of this crate, instead of standard error.
///
/// # Examples
///
/// ```
/// use heist::sync::futurelock;
///
/// futurelock::on_report(|report| eprintln!("{} at {}", report.wait(), report.location()));
/// ```
pub fn on_report(handler: impl Fn(&Futurelock) + Send + Sync + 'static) {
    let handler: Option<Handler> = Some(Arc::new(handler));
    let before = std::mem::replace(&mut REGISTER.lock().handler, handler);
    // User code: dropped after the lock is released.
    drop(before);
}

/// Lists the waiters that were given something and have not been polled for `at_least` since, whether they have been
/// reported or not. Only waiters that are watched are listed.
pub fn unpolled(at_least: Duration) -> Vec<Futurelock> {
    let now = Instant::now();
    let register = REGISTER.lock();
    let found = register.granted.values();
    found
        .filter(|granted| granted.unpolled(now) >= at_least)
        .map(|granted| {
            let place = register.places.get(granted.place);
            granted.describe(now, place.map_or(0, |found| found.count))
        })
        .collect()
}

/// Reports what is due at `now`, which may lie in the future.
#[doc(hidden)]
pub fn look(now: Instant) {
    let mut register = REGISTER.lock();
    let handler = register.handler.clone();
    let due = register.find(now, limit());
    drop(register);
    for report in due {
        // Standard error may be closed, which panics.
        contain(|| match &handler {
            Some(handler) => handler(&report),
            None => eprintln!("heist: {report}"),
        });
    }
    // User code: if it was replaced meanwhile, it is dropped here.
    contain(|| drop(handler));
}

impl Register {
    /// Counts the waiters that are due at `now`, and returns those whose place is to be reported.
    fn find(&mut self, now: Instant, limit: Duration) -> Vec<Futurelock> {
        let mut due: BTreeMap<_, &Granted> = BTreeMap::new();
        for granted in self.granted.values_mut() {
            if granted.found || granted.unpolled(now) < limit || granted.may_be_polled() {
                continue;
            }
            granted.found = true;
            self.not_found -= 1;
            self.places.entry(granted.place).or_default().count += 1;
            let longest = due.entry(granted.place).or_insert(granted);
            if granted.since < longest.since {
                *longest = granted;
            }
        }
        let due = due.into_iter().filter_map(|(place, granted)| {
            let found = self.places.entry(place).or_default();
            (found.count >= 2 * found.reported).then(|| {
                found.reported = found.count;
                granted.describe(now, found.count)
            })
        });
        due.collect()
    }
}

impl Granted {
    fn unpolled(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// Whether its task is due to be polled, or is in a poll that has not reached it yet.
    fn may_be_polled(&self) -> bool {
        self.task.as_ref().and_then(is_due) == Some(true)
    }

    fn describe(&self, now: Instant, count: usize) -> Futurelock {
        Futurelock {
            place: self.place,
            wait: self.wait,
            unpolled: self.unpolled(now),
            count,
        }
    }
}

fn limit() -> Duration {
    // Ordering: hint only.
    Duration::from_nanos(LIMIT_NS.load(Ordering::Relaxed))
}

/// Whether waiters are watched.
#[inline]
pub(crate) fn is_on() -> bool {
    // Ordering: hint only.
    WATCHING.load(Ordering::Relaxed)
}

/// Called just before the waiter at `address` is given what it waits for. `waker` is woken then.
#[cold]
pub(crate) fn granted(
    address: usize,
    place: &'static Location<'static>,
    wait: Wait,
    waker: &Waker,
) {
    let granted = Granted {
        place,
        wait,
        since: Instant::now(),
        // Invariant 3.
        task: is_due(waker).is_some().then(|| waker.clone()),
        found: false,
    };
    let mut register = REGISTER.lock();
    register.not_found += 1;
    register.granted.insert(address, granted);
    match register.looker {
        Looker::Awake => {}
        Looker::Asleep => {
            NEWS.notify_one();
        }
        // A thread that never ends is an error there.
        Looker::None if cfg!(miri) => {}
        Looker::None => {
            let thread = thread::Builder::new().name("heist-futurelock".into());
            // If no thread can be started, the next entry tries again.
            if thread.spawn(look_for_ever).is_ok() {
                register.looker = Looker::Awake;
            }
        }
    }
}

/// Called when the owner of the waiter at `address`, which is in the register, looks at what it was given or drops it.
#[cold]
pub(crate) fn seen(address: usize) {
    let mut register = REGISTER.lock();
    let granted = register.granted.remove(&address);
    if granted.as_ref().is_some_and(|granted| !granted.found) {
        register.not_found -= 1;
    }
    drop(register);
    // This may be the task's last reference, and so its runtime's, whose hooks are user code.
    contain(|| drop(granted));
}

fn look_for_ever() {
    loop {
        let mut register = REGISTER.lock();
        while register.not_found == 0 {
            register.looker = Looker::Asleep;
            NEWS.wait(&mut register);
        }
        register.looker = Looker::Awake;
        // Most are gone by then.
        let pause = (limit() / 4).max(SHORTEST_PAUSE);
        NEWS.wait_for(&mut register, pause);
        drop(register);
        look(Instant::now());
    }
}
