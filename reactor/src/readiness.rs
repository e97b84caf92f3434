//! Whether one direction of a source is worth a system call, and who waits until it is.
//!
//! The poller is edge-triggered: it reports each change once. What it reported is kept in one word for each direction,
//! until an operation finds that it is no longer so. The word holds the bits below and a tick, which counts the events:
//!
//! | bit | set by | cleared by |
//! |---|---|---|
//! | READY | an event; registering, if it is likely | an operation that would block, or that drained the source |
//! | CLOSED | an event: the peer has closed this direction, or we have | an operation that would block: a named pipe may be opened again |
//! | STOPS | an event with an error or an urgent byte: a read may stop before it | an operation that would block |
//! | ERROR | an event | whoever waits for errors |
//! | URGENT | an event: there is an urgent byte | whoever waits for urgent bytes |
//! | SHUT_DOWN | the end of the reactor | never |
//! | WAITS | a task that goes to wait | an event, which then takes out the wakers |
//!
//! ERROR and URGENT have waiters of their own. So a reader that would block leaves them in place.
//!
//! There are two kinds of waiters. One is the last task that called a `poll_*` function. The others are async
//! functions, any number of them: each has an entry in a list, and removes the entry when it is dropped.
//!
//! Invariants:
//! 1. A clear takes effect only if the word is still the one seen before the operation, but for WAITS. An event since then
//!    has changed the tick, so its news stays. The tick has 57 bits, so it does not wrap around. A task that goes to wait
//!    stands in the way of no clear.
//! 2. Each direction has its own tick. So an event of one direction never prevents a clear of the other.
//! 3. While a waker is in place, WAITS is set, or the event that has cleared it has yet to take the wakers out. A waiter
//!    sets WAITS under the lock, in the same step in which it looks at the word for the last time. Then it puts its
//!    waker in place, and only then it frees the lock. WAITS may also be set while nobody waits.
//! 4. Wakers are woken, cloned and dropped while the lock is free. The owner of an entry may remove it only until an
//!    event takes the whole list. A round number tells the two cases apart.
//!
//! Orderings. An event sets the word and clears WAITS in one step. So does a waiter set WAITS and look. Both are
//! read-modify-writes of one word, so one of them comes first. The race as cases:
//! - The event comes first: the waiter sees its news, and does not wait.
//! - The waiter comes first: the event sees WAITS, and waits for the lock. When it has the lock, the waker is in place.
//!
//! So no wake is lost, and an event that nobody waits for takes no lock. Besides, the setter releases and the looker
//! acquires. So the operation that follows the look sees what the event is about (in the kernel; in a model, a plain
//! word).

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Context, Poll, Waker};

use heist_sync::sys::Mutex;
use heist_sync::sys::atomic::{AtomicU64, Ordering};
use heist_sync::waits::{self, Wait};
use slab::Slab;

const READY: u64 = 1;
const ERROR: u64 = 1 << 1;
const CLOSED: u64 = 1 << 2;
const SHUT_DOWN: u64 = 1 << 3;
const URGENT: u64 = 1 << 4;
const STOPS: u64 = 1 << 5;
const WAITS: u64 = 1 << 6;
/// All bits; the tick is above them.
const BITS: u64 = 0b111_1111;
/// One event.
const TICK: u64 = BITS + 1;

/// What an event says about a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News(u64);

impl News {
    /// Nothing.
    pub const NONE: News = News(0);
    /// An operation may go through.
    pub const READY: News = News(READY);
    /// An error is to be fetched by an operation.
    pub const ERROR: News = News(READY | STOPS | ERROR);
    /// There is an urgent byte.
    pub const URGENT: News = News(READY | STOPS | URGENT);
    /// No more will come, or go.
    pub const CLOSED: News = News(READY | CLOSED);
    /// The reactor has been shut down.
    pub const SHUT_DOWN: News = News(SHUT_DOWN);

    /// Adds `other` if `condition` holds.
    #[must_use]
    pub fn and(self, condition: bool, other: News) -> News {
        News(self.0 | if condition { other.0 } else { 0 })
    }
}

/// Which news one waits for. The end of the reactor is always among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted(u64);

impl Wanted {
    /// None, but for the end of the reactor.
    pub const NONE: Wanted = Wanted(SHUT_DOWN);
    /// An operation is worth trying: data may come or go, or no more will.
    pub const ANY: Wanted = Wanted(READY | CLOSED | SHUT_DOWN);
    /// There is an urgent byte, or no more will come.
    pub const URGENT: Wanted = Wanted(URGENT | CLOSED | SHUT_DOWN);
    /// An error is to be fetched.
    pub const ERROR: Wanted = Wanted(ERROR | SHUT_DOWN);

    /// Adds `other` if `condition` holds.
    #[must_use]
    pub fn and(self, condition: bool, other: Wanted) -> Wanted {
        Wanted(self.0 | if condition { other.0 } else { 0 })
    }
}

/// Which news an operation has found to be no longer so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale(u64);

impl Stale {
    /// None.
    pub const NONE: Stale = Stale(0);
    /// That data may come or go.
    pub const READY: Stale = Stale(READY | STOPS);
    /// That no more will come, or go.
    pub const CLOSED: Stale = Stale(CLOSED);
    /// That there is an urgent byte.
    pub const URGENT: Stale = Stale(URGENT);
    /// That an error is to be fetched.
    pub const ERROR: Stale = Stale(ERROR);

    /// Adds `other` if `condition` holds.
    #[must_use]
    pub fn and(self, condition: bool, other: Stale) -> Stale {
        Stale(self.0 | if condition { other.0 } else { 0 })
    }
}

/// The word as it was seen. Give it back to [`Direction::clear`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen(u64);

impl Seen {
    /// Whether an operation is worth trying.
    pub fn is_ready(self) -> bool {
        self.has(Wanted::ANY)
    }

    /// Whether it has some of `wanted`.
    fn has(self, wanted: Wanted) -> bool {
        self.0 & wanted.0 != 0
    }

    /// Whether data may come or go.
    pub fn may_transfer(self) -> bool {
        self.0 & READY != 0
    }

    /// Whether there is an urgent byte.
    pub fn is_urgent(self) -> bool {
        self.0 & URGENT != 0
    }

    /// Whether an error waits to be fetched.
    pub fn is_error(self) -> bool {
        self.0 & ERROR != 0
    }

    /// Whether no more will come, or go.
    pub fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether an operation that transferred less than it asked for has drained the source, as far as we know. It may
    /// not have if it could have stopped before an error or an urgent byte.
    pub fn may_be_drained(self) -> bool {
        self.0 & STOPS == 0
    }

    /// Whether the reactor has been shut down.
    pub fn is_shut_down(self) -> bool {
        self.0 & SHUT_DOWN != 0
    }
}

/// An entry in the list. Give it back with [`Direction::unlist`].
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    index: usize,
    round: u64,
}

/// One direction of a source. See the head of this file.
pub struct Direction {
    word: AtomicU64,
    waiters: Mutex<Waiters>,
    /// What those who wait here wait for.
    wait: Wait,
}

#[derive(Default)]
struct Waiters {
    poller: Option<Waker>,
    list: Slab<Waker>,
    /// How often the list has been taken.
    round: u64,
}

/// A source: its two directions.
#[derive(Debug)]
pub struct Source {
    /// The direction in which data comes in.
    pub read: Direction,
    /// The direction in which data goes out.
    pub write: Direction,
}

impl Source {
    /// A source that nobody waits for. Both directions start with `news`, until an operation finds otherwise.
    pub fn new(news: News) -> Self {
        Self {
            read: Direction::new(news, Wait::Readable),
            write: Direction::new(news, Wait::Writable),
        }
    }

    /// Tells each direction its news (invariant 2). Adds the wakers of those who waited to `wakers`.
    pub fn tell(&self, read: News, write: News, wakers: &mut Vec<Waker>) {
        if read != News::NONE {
            self.read.set(read, wakers);
        }
        if write != News::NONE {
            self.write.set(write, wakers);
        }
    }
}

/// Where the waker of a waiter is kept.
enum Place<'a> {
    Poller,
    List(&'a mut Option<Listed>),
}

impl Direction {
    /// A direction that nobody waits for. It starts with `news`, until an operation finds otherwise.
    pub fn new(news: News, wait: Wait) -> Self {
        Self {
            word: AtomicU64::new(news.0),
            waiters: Mutex::default(),
            wait,
        }
    }

    /// The word as it is now.
    #[inline]
    pub fn look(&self) -> Seen {
        // Ordering: Acquire pairs with the Release in `set`, so that the operation that follows sees what the event was
        // about.
        Seen(self.word.load(Ordering::Acquire))
    }

    /// Clears what was seen, because an operation would block. Does nothing if there was an event since.
    pub fn clear(&self, seen: Seen) {
        self.clear_part(seen, Stale::READY.and(true, Stale::CLOSED));
    }

    /// Clears that part of what was seen, because an operation has found that it is no longer so. Does nothing if there
    /// was an event since. If somebody else has cleared another part since, it does nothing either, and the next
    /// operation finds the same again. Returns the word as it is now, if it was cleared.
    pub fn clear_part(&self, seen: Seen, stale: Stale) -> Seen {
        let mut word = seen.0;
        loop {
            let cleared = word & !stale.0;
            // Ordering: Relaxed: this publishes nothing. If it fails, something has come since (invariant 1), and the
            // next look acquires that.
            let exchanged =
                self.word
                    .compare_exchange(word, cleared, Ordering::Relaxed, Ordering::Relaxed);
            match exchanged {
                Ok(_) => return Seen(cleared),
                // Somebody has gone to wait meanwhile. What was seen is as it was.
                Err(newer) if newer == word | WAITS => word = newer,
                Err(_) => return seen,
            }
        }
    }

    /// Records an event, and takes the wakers of all who wait. Wake them while no lock is held.
    pub fn set(&self, news: News, wakers: &mut Vec<Waker>) {
        // Ordering: hint only: the exchange below decides.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let next = ((word & !WAITS) | news.0).wrapping_add(TICK);
            // Ordering: Release pairs with the Acquire in `look`.
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(newer) => word = newer,
            }
        }
        // Invariant 3.
        if word & WAITS == 0 {
            return;
        }
        let mut waiters = self.waiters.lock();
        wakers.extend(waiters.poller.take());
        if !waiters.list.is_empty() {
            waiters.round += 1;
            wakers.extend(waiters.list.drain());
        }
    }

    /// Waits for news as the one task that polls. A later caller takes the place of an earlier one.
    #[inline]
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Seen> {
        let seen = self.look();
        if seen.is_ready() {
            return Poll::Ready(seen);
        }
        waits::noted(self.wait, self.wait(seen, cx, Place::Poller, Wanted::ANY))
    }

    /// Waits for news as one of any number of async functions. `entry` is the entry of this one.
    pub fn poll_listed(&self, cx: &mut Context<'_>, entry: &mut Option<Listed>) -> Poll<Seen> {
        self.poll_listed_for(Wanted::ANY, cx, entry)
    }

    /// Like [`poll_listed`](Self::poll_listed), but waits for some of `wanted`.
    pub fn poll_listed_for(
        &self,
        wanted: Wanted,
        cx: &mut Context<'_>,
        entry: &mut Option<Listed>,
    ) -> Poll<Seen> {
        let seen = self.look();
        if seen.has(wanted) {
            return Poll::Ready(seen);
        }
        waits::noted(self.wait, self.wait(seen, cx, Place::List(entry), wanted))
    }

    /// Removes an entry.
    pub fn unlist(&self, entry: Listed) {
        let mut waiters = self.waiters.lock();
        let waker = if waiters.round == entry.round {
            waiters.list.try_remove(entry.index)
        } else {
            None
        };
        drop(waiters);
        drop(waker);
    }

    /// Looks again and puts the waker in place (invariant 3). `seen` was seen before.
    fn wait(
        &self,
        seen: Seen,
        cx: &mut Context<'_>,
        mut place: Place<'_>,
        wanted: Wanted,
    ) -> Poll<Seen> {
        // Cloned while the lock is free (invariant 4). If nobody waits, the waker is certain to be needed.
        let mut spare = (seen.0 & WAITS == 0).then(|| cx.waker().clone());
        loop {
            let mut waiters = self.waiters.lock();
            let is_in_place = |waker: &Waker| waker.will_wake(cx.waker());
            if waiters.find(&place).is_some_and(is_in_place) {
                let seen = self.look();
                return if seen.has(wanted) {
                    Poll::Ready(seen)
                } else {
                    Poll::Pending
                };
            }
            if spare.is_none() {
                drop(waiters);
                spare = Some(cx.waker().clone());
                continue;
            }
            // Ordering: Acquire pairs with the Release in `set`, as in `look`.
            let seen = Seen(self.word.fetch_or(WAITS, Ordering::Acquire));
            if seen.has(wanted) {
                return Poll::Ready(seen);
            }
            let old = spare.and_then(|waker| waiters.put(&mut place, waker));
            drop(waiters);
            drop(old);
            return Poll::Pending;
        }
    }
}

impl Waiters {
    /// The waker in that place.
    fn find(&self, place: &Place<'_>) -> Option<&Waker> {
        match place {
            Place::Poller => self.poller.as_ref(),
            Place::List(Some(entry)) if entry.round == self.round => self.list.get(entry.index),
            Place::List(_) => None,
        }
    }

    /// Puts a waker into that place, and returns the one that it replaces.
    fn put(&mut self, place: &mut Place<'_>, waker: Waker) -> Option<Waker> {
        match place {
            Place::Poller => self.poller.replace(waker),
            Place::List(Some(entry)) if entry.round == self.round => {
                Some(std::mem::replace(&mut self.list[entry.index], waker))
            }
            Place::List(entry) => {
                **entry = Some(Listed {
                    index: self.list.insert(waker),
                    round: self.round,
                });
                None
            }
        }
    }
}

// No user code runs under its lock, so a panic leaves it as it is.
impl UnwindSafe for Direction {}
impl RefUnwindSafe for Direction {}

impl fmt::Debug for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direction")
            .field("seen", &self.look())
            .finish_non_exhaustive()
    }
}
