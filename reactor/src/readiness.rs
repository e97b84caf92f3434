//! Whether one direction of a source is worth a system call, and who waits for that.
//!
//! The poller is edge-triggered: it tells of each change once. What it told is kept in one word a direction, until
//! an operation finds that it is no longer so. The word holds the bits below and a tick, which counts the events:
//!
//! | bit | set by | cleared by |
//! |---|---|---|
//! | READY | an event; registering, where it is likely | an operation that would block, or that drained the source |
//! | ERROR | an event | together with READY, by an operation that would block |
//! | URGENT | an event: there is an urgent byte, before which a read stops | likewise |
//! | CLOSED | an event: the peer, or we, closed this direction | never |
//! | SHUT_DOWN | the end of the reactor | never |
//!
//! Those who wait are of two kinds: the last task that called a `poll_*` function, and any number of async functions,
//! each with an entry in a list that it takes back when it is dropped.
//!
//! Invariants:
//! 1. A clear takes effect only on the word that was seen before the operation: an event since then has changed the
//!    tick, and stays. The tick has 59 bits, so it does not come round.
//! 2. Each direction has its own tick: an event of the one never keeps the other's clear from taking effect.
//! 3. Whoever is to wait has looked at the word after its waker was in place, under the lock; whoever sets the word
//!    takes the wakers out afterwards, under the lock.
//! 4. Wakers are woken, cloned and dropped with the lock free. An entry of the list is its owner's to drop only
//!    until an event takes all of them; a round number tells the two apart.
//!
//! Orderings. Invariant 3 as cases: where the setter's stretch of the lock comes first, the waiter's look is ordered
//! after the set by the lock and sees it; where the waiter's comes first, the setter finds its waker. So the lock
//! alone keeps a wake from being lost. Besides it, the setter releases and the looker acquires, so that what the
//! event is about (in the kernel; in a model, a plain word) is seen by the operation that follows the look.

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
/// All bits; the tick is above them.
const BITS: u64 = 0b1_1111;
/// One event.
const TICK: u64 = BITS + 1;

/// What an event says of a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News(u64);

impl News {
    /// Nothing.
    pub const NONE: News = News(0);
    /// An operation may go through.
    pub const READY: News = News(READY);
    /// An error is to be fetched by an operation.
    pub const ERROR: News = News(READY | ERROR);
    /// There is an urgent byte.
    pub const URGENT: News = News(READY | URGENT);
    /// No more will come, or go.
    pub const CLOSED: News = News(READY | CLOSED);
    /// The reactor has been shut down.
    pub const SHUT_DOWN: News = News(SHUT_DOWN);

    /// These, and `other` where `condition` holds.
    #[must_use]
    pub fn and(self, condition: bool, other: News) -> News {
        News(self.0 | if condition { other.0 } else { 0 })
    }
}

/// The word as it was seen, to be given back to [`Direction::clear`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen(u64);

impl Seen {
    /// Whether an operation is worth trying.
    pub fn is_ready(self) -> bool {
        self.0 & BITS != 0
    }

    /// Whether an error waits to be fetched.
    pub fn is_error(self) -> bool {
        self.0 & ERROR != 0
    }

    /// Whether no more will come, or go.
    pub fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// Whether an operation that goes through for less than it was asked has drained the source, for all that is known.
    /// Not where it may have stopped before an error or an urgent byte.
    pub fn may_be_drained(self) -> bool {
        self.0 & (ERROR | URGENT) == 0
    }

    /// Whether the reactor has been shut down.
    pub fn is_shut_down(self) -> bool {
        self.0 & SHUT_DOWN != 0
    }
}

/// An entry of the list. Give it back with [`Direction::unlist`].
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    index: usize,
    round: u64,
}

/// One direction of a source. See the head of this file.
pub struct Direction {
    word: AtomicU64,
    waiters: Mutex<Waiters>,
    /// What those wait for who wait here.
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
    /// In which data comes in.
    pub read: Direction,
    /// In which data goes out.
    pub write: Direction,
}

impl Source {
    /// Nobody waits; `news` is taken to be so of both directions until an operation finds otherwise.
    pub fn new(news: News) -> Self {
        Self {
            read: Direction::new(news, Wait::Readable),
            write: Direction::new(news, Wait::Writable),
        }
    }

    /// Tells each direction what there is to tell of it (invariant 2), and takes the wakers of those who waited.
    pub fn tell(&self, read: News, write: News, wakers: &mut Vec<Waker>) {
        if read != News::NONE {
            self.read.set(read, wakers);
        }
        if write != News::NONE {
            self.write.set(write, wakers);
        }
    }
}

/// Where a waiter's waker goes.
enum Place<'a> {
    Poller,
    List(&'a mut Option<Listed>),
}

impl Direction {
    /// Nobody waits; `news` is taken to be so until an operation finds otherwise.
    pub fn new(news: News, wait: Wait) -> Self {
        Self {
            word: AtomicU64::new(news.0),
            waiters: Mutex::default(),
            wait,
        }
    }

    /// Looks.
    #[inline]
    pub fn look(&self) -> Seen {
        // Ordering: Acquire pairs with the Release in `set`, so that the operation that follows sees what the event
        // was about.
        Seen(self.word.load(Ordering::Acquire))
    }

    /// Takes back what was seen, as an operation has found it no longer so, unless there has been an event since.
    pub fn clear(&self, seen: Seen) {
        let cleared = seen.0 & !(READY | ERROR | URGENT);
        // Ordering: Relaxed: nothing is published, and whoever waits next looks under the lock. A failure means that
        // there is news (invariant 1), which the next look acquires.
        let _ = self
            .word
            .compare_exchange(seen.0, cleared, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Tells of an event, and takes the wakers of all who wait: to be woken with no lock held.
    pub fn set(&self, news: News, wakers: &mut Vec<Waker>) {
        // Ordering: hint only: the exchange below has the say.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let next = (word | news.0).wrapping_add(TICK);
            // Ordering: Release pairs with the Acquire in `look`.
            match self
                .word
                .compare_exchange_weak(word, next, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(newer) => word = newer,
            }
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
        waits::noted(self.wait, self.wait(cx, Place::Poller))
    }

    /// Waits for news as one of any number of async functions, of which `entry` is this one's.
    pub fn poll_listed(&self, cx: &mut Context<'_>, entry: &mut Option<Listed>) -> Poll<Seen> {
        let seen = self.look();
        if seen.is_ready() {
            return Poll::Ready(seen);
        }
        waits::noted(self.wait, self.wait(cx, Place::List(entry)))
    }

    /// Takes an entry back.
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

    /// Puts the waker in place and looks again (invariant 3).
    fn wait(&self, cx: &mut Context<'_>, mut place: Place<'_>) -> Poll<Seen> {
        let mut spare = None;
        loop {
            let mut waiters = self.waiters.lock();
            let seen = self.look();
            if seen.is_ready() {
                return Poll::Ready(seen);
            }
            if waiters
                .find(&place)
                .is_some_and(|waker| waker.will_wake(cx.waker()))
            {
                return Poll::Pending;
            }
            let Some(waker) = spare.take() else {
                // Cloned with the lock free (invariant 4).
                drop(waiters);
                spare = Some(cx.waker().clone());
                continue;
            };
            let old = waiters.put(&mut place, waker);
            drop(waiters);
            drop(old);
            return Poll::Pending;
        }
    }
}

impl Waiters {
    /// The waker that is in that place.
    fn find(&self, place: &Place<'_>) -> Option<&Waker> {
        match place {
            Place::Poller => self.poller.as_ref(),
            Place::List(Some(entry)) if entry.round == self.round => self.list.get(entry.index),
            Place::List(_) => None,
        }
    }

    /// Puts a waker there, and gives out the one that it replaces.
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

// No code of the user's runs under its lock, so a panic leaves it as it is.
impl UnwindSafe for Direction {}
impl RefUnwindSafe for Direction {}

impl fmt::Debug for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direction")
            .field("seen", &self.look())
            .finish_non_exhaustive()
    }
}
