//! Sleeps of the task that this thread polls. They become entries when the poll ends, if they still exist then.
//!
//! A timeout is often over in the same poll in which it began. Making it an entry costs a lock and a clone of the
//! waker, and undoing that costs the same again. But waking a task while it is being polled has no effect before that
//! poll ends. So the entry can wait until then. If the sleep is gone by then, its entry is never made.
//!
//! While a task is polled ([`nursed`]), the nursery is open for its waker, and for no other. Any other waker, such as
//! that of a `block_on` inside the task, needs its entry at once. If a sleep is polled with the task's waker, it
//! becomes an item here. It gets the key of a place that this thread has reserved in the shard before. From then on it
//! is a sleep like any other: whoever polls or drops it in another thread goes to the shard, and finds the place
//! reserved (`timers.rs`).
//!
//! Invariants:
//! 1. Items are made only while the nursery is open, and only with the waker that it is open for. When the task's poll
//!    has ended in `Pending`, and before the scheduler lets the task go, each item that is left becomes an entry, or
//!    the task is woken. The task is woken if the deadline has passed, if the reactor is gone, or if the sleep has
//!    moved to another thread meanwhile, which may have polled, reset or dropped it.
//! 2. If the poll has ended otherwise, nobody waits. The items that are left become entries all the same, with a waker
//!    that does nothing. So a sleep that nobody ever drops keeps its place until its deadline and no longer.
//! 3. A place is free or an item's, not both. As long as the item is here, its sleep can take it back, which frees the
//!    place. The item is here as long as the poll lasts. A sleep that was polled elsewhere meanwhile knows that it is
//!    an entry. It leaves the nursery alone, even when it comes back.
//! 4. A poll inside a poll finds the nursery closed if the outer one has items.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::task::{Poll, RawWakerVTable, Waker};

use heist_sync::sys::thread_local_const;

use crate::context::{self, Home};
use crate::poller::PollKick;
use crate::reactor::Reactor;
use crate::timers::{Closed, Key, Shard};

/// How many sleeps of one poll may be here. Further ones become entries at once.
const PLACES: usize = 4;

/// What can be read at any time, at little cost.
struct State {
    /// The waker that the nursery is open for: its two words. They are compared, and never dereferenced.
    open: Cell<(*const (), *const RawWakerVTable)>,
    /// How many items there are.
    items: Cell<usize>,
}

/// The places. Those of items come first, then the free ones.
struct Nursery {
    /// The reactor and shard of the places. This is not a reference, as a thread may live far longer than the reactor.
    home: Option<Home>,
    keys: [Key; PLACES],
    len: usize,
}

const CLOSED: (*const (), *const RawWakerVTable) = (ptr::null(), ptr::null());

thread_local_const! {
    static STATE: State = State { open: Cell::new(CLOSED), items: Cell::new(0) };
}
thread_local_const! {
    static NURSERY: RefCell<Nursery> =
        RefCell::new(Nursery { home: None, keys: [Key::NONE; PLACES], len: 0 });
}

/// Ends a period in which the nursery is open, or closed for a poll inside a poll.
struct Opened {
    outer: (*const (), *const RawWakerVTable),
    open: bool,
}

impl Reactor {
    /// Polls a task of a runtime. Sleeps that begin and end in this poll cost next to nothing. `waker` must be the
    /// task's own: cloning it must only count, and waking it must have no effect before the poll has ended.
    #[inline]
    pub fn nursed<R>(waker: &Waker, poll: impl FnOnce() -> Poll<R>) -> Poll<R> {
        nursed(waker, poll)
    }
}

/// Polls a task while the nursery is open for its waker. Cloning the waker must only count.
#[inline]
pub(crate) fn nursed<R>(waker: &Waker, poll: impl FnOnce() -> Poll<R>) -> Poll<R> {
    let opened = STATE.with(|state| {
        let open = state.items.get() == 0;
        let ours = if open { words(waker) } else { CLOSED };
        Opened {
            outer: state.open.replace(ours),
            open,
        }
    });
    let polled = poll();
    if polled.is_pending() && opened.open && STATE.with(|state| state.items.get()) > 0 {
        settle(waker);
    }
    polled
}

impl Drop for Opened {
    #[inline]
    fn drop(&mut self) {
        let left = STATE.with(|state| {
            state.open.set(self.outer);
            state.items.get()
        });
        if self.open && left > 0 {
            // Invariant 2.
            settle_with(Waker::noop());
        }
    }
}

fn words(waker: &Waker) -> (*const (), *const RawWakerVTable) {
    (waker.data(), ptr::from_ref(waker.vtable()))
}

/// Makes entries of all items, and wakes the task if necessary (invariant 1).
#[cold]
fn settle(waker: &Waker) {
    if settle_with(waker) {
        waker.wake_by_ref();
    }
}

/// Makes entries of all items. Returns whether `waker` has to be woken at once. If the locals of this thread are gone,
/// so are the items.
#[cold]
fn settle_with(waker: &Waker) -> bool {
    let items = STATE.with(|state| state.items.replace(0));
    let owed = NURSERY.try_with(|nursery| nursery.borrow_mut().settle(items, waker));
    owed.unwrap_or(true)
}

/// Makes an item, if `waker` is the one that the nursery is open for and there is room.
#[inline(always)]
pub(crate) fn nurse(
    waker: &Waker,
    home: Home,
    shard: &Shard<PollKick>,
    deadline: u64,
) -> Option<Key> {
    // The key travels as words that fit registers. If it went through memory, it would be written in halves and read as
    // a whole, and the read would wait for both writes.
    let (number, node) = STATE.with(|state| {
        let items = state.items.get();
        if state.open.get() != words(waker) || items == PLACES {
            return Key::NONE.words();
        }
        let take = |nursery: &RefCell<Nursery>| {
            let mut nursery = nursery.borrow_mut();
            nursery.take(items, home, shard, deadline)
        };
        let taken = NURSERY.try_with(take).unwrap_or(Key::NONE.words());
        if taken != Key::NONE.words() {
            state.items.set(items + 1);
        }
        taken
    });
    let key = Key::from_words(number, node).of(deadline);
    ((number, node) != Key::NONE.words()).then_some(key)
}

/// Takes an item back, if it is here.
#[inline(always)]
pub(crate) fn take_back(home: Home, key: &Key) -> bool {
    let (number, node) = key.words();
    STATE.with(|state| {
        let items = state.items.get();
        if items == 0 {
            return false;
        }
        let back = NURSERY.try_with(|nursery| {
            let mut nursery = nursery.borrow_mut();
            nursery.take_back(items, home, (number, node))
        });
        let back = back.unwrap_or(false);
        if back {
            state.items.set(items - 1);
        }
        back
    })
}

/// If the item is here, gives it another deadline and returns its new key.
pub(crate) fn put_off(home: Home, key: Key, deadline: u64) -> Option<Key> {
    let items = STATE.with(|state| state.items.get());
    let put_off = |nursery: &RefCell<Nursery>| {
        let mut nursery = nursery.borrow_mut();
        nursery.put_off(items, home, key, deadline)
    };
    NURSERY.try_with(put_off).ok().flatten()
}

impl Nursery {
    /// Makes an item of a free place. `items` places before it are items.
    #[inline(always)]
    fn take(
        &mut self,
        items: usize,
        home: Home,
        shard: &Shard<PollKick>,
        deadline: u64,
    ) -> (u64, u64) {
        if (self.home != Some(home) || items == self.len) && !self.provide(items, home, shard) {
            return Key::NONE.words();
        }
        let key = &mut self.keys[items];
        key.put_off(deadline);
        key.words()
    }

    /// Ensures that there is a free place after `items` places, in that shard.
    #[cold]
    fn provide(&mut self, items: usize, home: Home, shard: &Shard<PollKick>) -> bool {
        if self.home != Some(home) {
            if items > 0 {
                return false;
            }
            self.give_up();
            self.home = Some(home);
        }
        if items == self.len {
            if !shard.reserve(&mut self.keys[items..]) {
                return false;
            }
            self.len = PLACES;
        }
        true
    }

    /// Frees the place of an item, if it is one of the first `items`.
    #[inline(always)]
    fn take_back(&mut self, items: usize, home: Home, key: (u64, u64)) -> bool {
        let Some(at) = self.position(items, home, key) else {
            return false;
        };
        if at != items - 1 {
            self.keys.swap(at, items - 1);
        }
        true
    }

    /// Gives the item another deadline, if it is one of the first `items`.
    fn put_off(&mut self, items: usize, home: Home, key: Key, deadline: u64) -> Option<Key> {
        let at = self.position(items, home, key.words())?;
        self.keys[at] = key.of(deadline);
        Some(self.keys[at])
    }

    /// Where an item is among the first `items`.
    #[inline(always)]
    fn position(&self, items: usize, home: Home, key: (u64, u64)) -> Option<usize> {
        let here = || {
            self.keys[..items]
                .iter()
                .rposition(|item| item.words() == key)
        };
        (self.home == Some(home)).then(here).flatten()
    }

    /// Makes entries of the items. Returns whether the task has to be woken at once.
    fn settle(&mut self, items: usize, waker: &Waker) -> bool {
        let keys = &mut self.keys[..items];
        let settle = |home| context::with_shard(home, |shard| shard.settle(keys, waker));
        match self.home.and_then(settle) {
            Some(Ok(owed)) => owed,
            None | Some(Err(Closed)) => {
                // The places are gone with the reactor.
                self.len = 0;
                true
            }
        }
    }

    /// Gives all places up.
    fn give_up(&mut self) {
        if let Some(home) = self.home.take() {
            let keys = &self.keys[..self.len];
            context::with_shard(home, |shard| shard.give_up(keys));
        }
        self.len = 0;
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::{Context, Poll};
    use std::time::Duration;

    use super::{PLACES, nursed};
    use crate::testing::{CountWakes, within_limit};
    use crate::time::sleep;
    use crate::wakeup::NEVER;
    use crate::{Config, Reactor};

    #[test]
    fn a_sleep_that_is_forgotten_keeps_its_place_until_its_deadline_and_no_longer() {
        within_limit(|| {
            let reactor = Reactor::new(Config::default()).expect("a poller");
            let _entered = reactor.enter();
            let (_, waker) = CountWakes::new();
            let places = || -> usize {
                let shards = reactor.timers().shards().iter();
                shards.map(|shard| shard.places()).sum()
            };
            let ends: [fn() -> Poll<()>; 3] =
                [|| Poll::Ready(()), || Poll::Pending, || panic!("in a poll")];
            for end in ends {
                for forgotten in 1..1_000 {
                    let poll = || {
                        for _ in 0..forgotten % (PLACES + 3) {
                            let mut slept = Box::pin(sleep(Duration::from_millis(1)));
                            let _ = slept.as_mut().poll(&mut Context::from_waker(&waker));
                            std::mem::forget(slept);
                        }
                        end()
                    };
                    let _ = catch_unwind(AssertUnwindSafe(|| nursed(&waker, poll)));
                }
                while reactor.timers().next() != NEVER {
                    let mut turn = reactor.try_borrow().expect("nobody else has it");
                    turn.wait(None);
                }
                assert!(places() <= PLACES, "{} are left", places());
            }
        });
    }
}
