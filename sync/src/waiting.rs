//! The waiting list: who waits for a lock, a permit, a notification or room in a channel, in order.
//!
//! It is the heart of every primitive in which more than one task can wait, and the one place of theirs with pointers:
//! [`Notify`](crate::Notify), [`Semaphore`](crate::Semaphore), [`Mutex`](crate::Mutex) and the bounded channel are safe
//! code round a word of state of their own and a [`WaitQueue`]. It decides nothing: when to queue, whom to release and
//! what a release means are its users' business.
//!
//! A [`Waiter`] is part of the future that waits, so waiting allocates nothing. It holds a node; the queue is a doubly
//! linked list of such nodes under one lock. A future that owns a share of its primitive instead of borrowing it has a
//! [`KeptWaiter`]: a waiter with that share.
//!
//! # States of a node
//!
//! | `state` | linked | `waker` | who moves it on |
//! |---|---|---|---|
//! | `IDLE` | no | none | its owner, to `QUEUED`, under the lock: [`Locked::push_back`], [`Locked::push_front`] |
//! | `QUEUED` | yes | some | whoever holds the lock, to an outcome ([`Locked::pop_front`]); or its owner under the lock, to `IDLE` ([`Locked::remove`]) |
//! | an outcome, ≥ 2 | no | none | its owner, to `IDLE`: [`Waiter::reset`] |
//!
//! # Invariants
//!
//! 1. A node is linked into the list of its own queue if and only if its state is `QUEUED`, whenever the lock is free.
//!    No node is ever linked into another queue's list.
//! 2. `prev`, `next` and `waker` of a node are touched by the holder of its queue's lock alone.
//! 3. A node does not move and is not dropped while it is linked: a waiter is pinned before it can be queued, and its
//!    `drop` unlinks it. A pinned value's memory is not reused before its `drop` has run.
//! 4. The last thing that a releaser does to a node is to store the outcome: its owner may free the node at once, without
//!    taking the lock. So the store comes after the node has been unlinked and its waker taken.
//! 5. No code of a user runs under the lock: wakers are cloned before it is taken, and dropped or woken after it is let
//!    go. (`Waker::will_wake` compares two pointers and calls nobody.)
//! 6. From `IDLE` and from an outcome only its owner moves a node, so in these states the owner may trust an unlocked
//!    load.
//! 7. A waiter's queue is alive and stays where it is for as long as the waiter lives: it is borrowed, or a part of what
//!    the [`KeptWaiter`] round the waiter keeps.
//!
//! # Orderings
//!
//! The lock orders everything but one thing: the store of an outcome is a Release and the owner's load an Acquire, so an
//! owner that sees the outcome without the lock also sees all that its releaser did before (the data behind a mutex, the
//! node's links at rest).

use std::marker::{PhantomData, PhantomPinned};
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll, Waker};

use crate::contain::at_last;
use crate::futurelock;
use crate::sys::atomic::{AtomicU32, Ordering};
use crate::sys::cell::UnsafeCell;
use crate::sys::{Mutex, MutexGuard};
use crate::waits::Wait;

const IDLE: u32 = 0;
const QUEUED: u32 = 1;

/// Why a waiter was released; its queue's user gives it its meaning. At least [`FIRST_OUTCOME`].
pub(crate) type Outcome = u32;

/// The least outcome: what lies below are states.
pub(crate) const FIRST_OUTCOME: Outcome = 2;

/// In an outcome: the waiter has been given something that others wait for, which it holds until it is polled or dropped.
/// Such waiters are watched: [`futurelock`].
pub(crate) const HOLDS: Outcome = 1 << 30;

/// In a node's state beside an outcome: the waiter is in [`futurelock`]'s register.
const WATCHED: u32 = 1 << 31;

/// Where a waiter was made, by whom the user knows.
pub(crate) type Place = &'static Location<'static>;

/// The queue: a list of waiters under a lock.
pub(crate) struct WaitQueue<N> {
    list: Mutex<List<N>>,
}

struct List<N> {
    /// First and last node; both or neither.
    ends: Option<(Link<N>, Link<N>)>,
}

/// One node of a list.
type Link<N> = NonNull<Node<N>>;

// SAFETY: the list owns no thread-bound thing: what it points to is only touched under its lock (invariant 2), and is
// itself sendable: a waker always, `N` by the bound.
unsafe impl<N: Send> Send for List<N> {}

/// One waiter's place in a list.
struct Node<N> {
    /// `IDLE`, `QUEUED` or an outcome, the latter perhaps with `WATCHED`.
    state: AtomicU32,
    /// For reports: what it waits for, and where it was made, if it is to be watched.
    wait: Wait,
    place: Option<Place>,
    links: UnsafeCell<Links<N>>,
    /// What the queue's user wants to know of this waiter; written by its owner alone, and never while it is queued.
    data: N,
    /// The list points here: invariant 3.
    _pinned: PhantomPinned,
}

struct Links<N> {
    prev: Option<Link<N>>,
    next: Option<Link<N>>,
    waker: Option<Waker>,
}

impl<N> Node<N> {
    /// What [`futurelock`] knows the waiter by.
    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// Of a released node, by its owner: it is no more to be watched.
    #[inline]
    fn seen(&self) {
        // Ordering: hint only. The owner has seen the outcome.
        if self.state.load(Ordering::Relaxed) & WATCHED != 0 {
            futurelock::seen(self.address());
        }
    }
}

/// The waiting end: part of the future that waits.
pub(crate) struct Waiter<'q, N: Copy> {
    /// Invariant 7.
    queue: NonNull<WaitQueue<N>>,
    node: Node<N>,
    _queue: PhantomData<&'q WaitQueue<N>>,
}

// SAFETY: the queue may be used from any thread (it is a lock, and `N: Send`); the pointers in a node are followed under
// that lock alone (invariant 2), from whichever thread; what a node holds by value may be sent: a waker always, `N` by
// the bound.
unsafe impl<N: Copy + Send> Send for Waiter<'_, N> {}
// SAFETY: a shared waiter gives away its state (an atomic), `data` by copy, and nothing else.
unsafe impl<N: Copy + Send + Sync> Sync for Waiter<'_, N> {}

/// A waiter with what keeps its queue alive.
pub(crate) struct KeptWaiter<K, N: Copy + 'static> {
    /// Its queue is a part of what `keeper` keeps, hence first to be dropped.
    waiter: Waiter<'static, N>,
    keeper: K,
}

/// A share in a value, which keeps it.
///
/// # Safety
///
/// What it points to stays alive, where it is, and out of reach of any `&mut`, for as long as the keeper lives, wherever
/// the keeper itself is moved to.
pub(crate) unsafe trait Keeper: Deref {}

// SAFETY: a share keeps the value, which does not move with it. A `&mut` to it would need this very share, or its end.
unsafe impl<T: ?Sized> Keeper for std::sync::Arc<T> {}
#[cfg(heist_loom)]
// SAFETY: as of std's.
unsafe impl<T: ?Sized> Keeper for crate::sys::Arc<T> {}

/// Where a waiter stands, as its owner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not in the queue.
    Idle,
    /// In the queue, unless it is being released just now.
    Queued,
    /// Taken out of the queue by somebody else, and why.
    Released(Outcome),
}

impl<N: Copy> WaitQueue<N> {
    /// An empty queue.
    pub(crate) fn new() -> Self {
        Self {
            list: Mutex::new(List { ends: None }),
        }
    }

    /// An empty queue, in a constant.
    #[cfg(not(heist_loom))]
    pub(crate) const fn const_new() -> Self {
        Self {
            list: Mutex::new(List { ends: None }),
        }
    }

    /// Takes the lock, for a few steps without any code of a user in them (invariant 5).
    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, N> {
        Locked {
            list: self.list.lock(),
            queue: self,
        }
    }
}

/// The queue, locked.
#[must_use = "the queue is locked for as long as this lives"]
pub(crate) struct Locked<'q, N> {
    list: MutexGuard<'q, List<N>>,
    queue: &'q WaitQueue<N>,
}

impl<N: Copy> Locked<'_, N> {
    /// Whether nobody waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.list.ends.is_none()
    }

    /// What the first waiter wants.
    #[inline]
    pub(crate) fn front(&self) -> Option<N> {
        let (first, _) = self.list.ends?;
        // SAFETY: linked nodes are alive (invariant 3), and while they are linked nobody writes `data`.
        Some(unsafe { (*first.as_ptr()).data })
    }

    /// Queues an idle waiter behind all others.
    #[inline]
    pub(crate) fn push_back(&mut self, waiter: Pin<&mut Waiter<'_, N>>, waker: Waker) {
        let node = self.admit(waiter, waker);
        self.list.ends = Some(match self.list.ends {
            None => (node, node),
            Some((first, last)) => {
                self.links(last, |links| links.next = Some(node));
                self.links(node, |links| links.prev = Some(last));
                (first, node)
            }
        });
    }

    /// Queues an idle waiter before all others.
    pub(crate) fn push_front(&mut self, waiter: Pin<&mut Waiter<'_, N>>, waker: Waker) {
        let node = self.admit(waiter, waker);
        self.list.ends = Some(match self.list.ends {
            None => (node, node),
            Some((first, last)) => {
                self.links(first, |links| links.prev = Some(node));
                self.links(node, |links| links.next = Some(first));
                (node, last)
            }
        });
    }

    /// Releases the first waiter with `outcome`, and gives its waker out, to be woken after the lock is let go.
    #[inline]
    pub(crate) fn pop_front(&mut self, outcome: Outcome) -> Option<Waker> {
        let (first, _) = self.list.ends?;
        Some(self.release(first, outcome))
    }

    /// Releases the last waiter with `outcome`.
    pub(crate) fn pop_back(&mut self, outcome: Outcome) -> Option<Waker> {
        let (_, last) = self.list.ends?;
        Some(self.release(last, outcome))
    }

    /// Queues an idle waiter behind the first, which there is.
    pub(crate) fn push_second(&mut self, waiter: Pin<&mut Waiter<'_, N>>, waker: Waker) {
        let node = self.admit(waiter, waker);
        let (first, last) = self.list.ends.expect("there is a first");
        let third = self.links(first, |links| links.next.replace(node));
        self.links(node, |links| {
            (links.prev, links.next) = (Some(first), third)
        });
        match third {
            Some(third) => self.links(third, |links| links.prev = Some(node)),
            None => assert!(last == first, "only the last has none behind it"),
        }
        self.list.ends = Some((first, if last == first { node } else { last }));
    }

    /// Takes `waiter` out, by its owner, and gives its waker back, to be dropped after the lock is let go. `None` where
    /// it is not in the queue, as it never was or has been released.
    pub(crate) fn remove(&mut self, waiter: Pin<&mut Waiter<'_, N>>) -> Option<Waker> {
        if self.standing(&waiter) != Standing::Queued {
            return None;
        }
        let node = NonNull::from(&waiter.node);
        let waker = self.unlink(node);
        // Ordering: hint only. The owner itself moves its node, and reads it next.
        waiter.node.state.store(IDLE, Ordering::Relaxed);
        waker
    }

    /// Where `waiter` stands, exactly, as nobody can release it while the lock is held.
    #[inline]
    pub(crate) fn standing(&self, waiter: &Waiter<'_, N>) -> Standing {
        assert!(
            ptr::eq(self.queue, waiter.queue.as_ptr()),
            "a waiter belongs to one queue"
        );
        waiter.standing()
    }

    /// The checks and the steps that both ways of queueing share.
    #[inline]
    fn admit(&mut self, waiter: Pin<&mut Waiter<'_, N>>, waker: Waker) -> Link<N> {
        assert!(
            self.standing(&waiter) == Standing::Idle,
            "a waiter is queued once"
        );
        let node = NonNull::from(&waiter.node);
        self.links(node, |links| {
            *links = Links {
                prev: None,
                next: None,
                waker: Some(waker),
            }
        });
        // Ordering: hint only. Who looks at a queued node holds the lock, or is its owner.
        waiter.node.state.store(QUEUED, Ordering::Relaxed);
        node
    }

    /// Unlinks a node of this list and stores its outcome.
    #[inline]
    fn release(&mut self, node: Link<N>, outcome: Outcome) -> Waker {
        // What lies below says whether the node is linked: invariant 1.
        assert!(outcome >= FIRST_OUTCOME, "an outcome is no state");
        let waker = self.unlink(node).expect("a queued node has a waker");
        let state = if outcome & HOLDS != 0 && futurelock::is_on() {
            // SAFETY: the node was linked, hence alive (invariant 3), until its outcome is stored.
            Self::watch(unsafe { node.as_ref() }, outcome)
        } else {
            outcome
        };
        // Ordering: Release pairs with the Acquire in `Waiter::standing`, so that the owner sees the node at rest and all
        // that was done before its release. From here on the node may be gone: invariant 4.
        // SAFETY: the node was linked, hence alive (invariant 3), until this very store.
        unsafe { (*node.as_ptr()).state.store(state, Ordering::Release) };
        waker
    }

    /// Puts a waiter that is about to be released with `outcome` into the register, and gives the state to store.
    #[cold]
    fn watch(node: &Node<N>, outcome: Outcome) -> u32 {
        let Some(place) = node.place else {
            return outcome;
        };
        futurelock::granted(node.address(), place, node.wait);
        outcome | WATCHED
    }

    /// Takes a node of this list out of it.
    #[inline]
    fn unlink(&mut self, node: Link<N>) -> Option<Waker> {
        let (prev, next, waker) = self.links(node, |links| {
            (links.prev.take(), links.next.take(), links.waker.take())
        });
        if let Some(prev) = prev {
            self.links(prev, |links| links.next = next);
        }
        if let Some(next) = next {
            self.links(next, |links| links.prev = prev);
        }
        let (first, last) = self.list.ends.expect("a linked node has a list");
        let first = if first == node { next } else { Some(first) };
        let last = if last == node { prev } else { Some(last) };
        self.list.ends = first.zip(last);
        waker
    }

    /// Calls `f` with the links of a node that is in this list, or that its owner is just putting in.
    #[inline]
    fn links<R>(&mut self, node: Link<N>, f: impl FnOnce(&mut Links<N>) -> R) -> R {
        // SAFETY: a linked node is alive (invariant 3), and one that is being put in is borrowed by the caller.
        let node = unsafe { node.as_ref() };
        node.links.with_mut(|links| {
            // SAFETY: the lock of the node's own queue is held, by `&mut self`, and only its holder touches links
            // (invariants 1 and 2); no `f` in this file reaches for another node's links.
            f(unsafe { &mut *links })
        })
    }
}

impl<'q, N: Copy> Waiter<'q, N> {
    /// A waiter that is not queued yet.
    #[inline]
    pub(crate) fn new(queue: &'q WaitQueue<N>, data: N) -> Self {
        Self {
            queue: NonNull::from(queue),
            _queue: PhantomData,
            node: Node {
                state: AtomicU32::new(IDLE),
                wait: Wait::Unknown,
                place: None,
                links: UnsafeCell::new(Links {
                    prev: None,
                    next: None,
                    waker: None,
                }),
                data,
                _pinned: PhantomPinned,
            },
        }
    }

    /// Has the waiter watched once it is given something: it waits for `wait`, and was made at `place`.
    #[inline]
    pub(crate) fn watched(mut self, wait: Wait, place: Place) -> Self {
        self.node.wait = wait;
        self.node.place = Some(place);
        self
    }

    /// Its queue.
    fn queue(&self) -> &WaitQueue<N> {
        // SAFETY: alive, and only ever shared, for as long as the waiter lives: invariant 7.
        unsafe { self.queue.as_ref() }
    }

    /// Where the waiter stands.
    #[inline]
    pub(crate) fn standing(&self) -> Standing {
        // Ordering: Acquire pairs with the Release in `Locked::release`, so that the owner of a released waiter sees what
        // its releaser did.
        match self.node.state.load(Ordering::Acquire) {
            IDLE => Standing::Idle,
            QUEUED => Standing::Queued,
            outcome => Standing::Released(outcome & !WATCHED),
        }
    }

    /// The owner has taken note of the outcome: the waiter may be queued again.
    pub(crate) fn reset(self: Pin<&mut Self>) {
        assert!(
            matches!(self.standing(), Standing::Released(_)),
            "a queued waiter stays linked: invariant 1"
        );
        self.node.seen();
        // Ordering: hint only. A released node is its owner's alone.
        self.node.state.store(IDLE, Ordering::Relaxed);
    }

    /// Writes what the queue's user wants to know of an idle waiter.
    pub(crate) fn set_data(self: Pin<&mut Self>, data: N) {
        assert_eq!(
            self.standing(),
            Standing::Idle,
            "a queued waiter's data is read by others"
        );
        // SAFETY: nothing is moved out of the pin. Others read `data` of linked nodes alone, and this one is idle, which
        // only its owner can change (invariants 1 and 6).
        unsafe { self.get_unchecked_mut().node.data = data };
    }

    /// Polls a waiter that has been queued: its outcome, or `Pending` with the waker of `cx` left in the queue, in place
    /// of an earlier one.
    pub(crate) fn poll_queued(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<Outcome> {
        if let Standing::Released(outcome) = self.standing() {
            return Poll::Ready(outcome);
        }
        if let Some(known) = self.with_waker(|waker| {
            // Compares, calls nobody: invariant 5.
            waker.as_ref().is_some_and(|old| old.will_wake(cx.waker()))
        }) {
            if known {
                return Poll::Pending;
            }
            // Invariant 5: cloned without the lock; the waiter may be released meanwhile.
            let mut waker = Some(cx.waker().clone());
            let swapped = self.with_waker(|old| std::mem::swap(old, &mut waker));
            // Invariant 5: by now the lock is free, and the old waker, or the new one that came too late, is dropped.
            drop(waker);
            if swapped.is_some() {
                return Poll::Pending;
            }
        }
        match self.standing() {
            Standing::Released(outcome) => Poll::Ready(outcome),
            other => unreachable!("a queued waiter was {other:?}"),
        }
    }

    /// Leaves the queue, for good.
    #[cold]
    fn leave(&mut self) {
        let mut locked = self.queue().lock();
        if locked.standing(self) == Standing::Queued {
            let waker = locked.unlink(NonNull::from(&self.node));
            // Invariant 5.
            drop(locked);
            at_last(|| drop(waker));
        } else {
            self.node.seen();
        }
    }

    /// Calls `f` with the waker of a queued waiter, under the lock; `None` where it has been released.
    fn with_waker<R>(&self, f: impl FnOnce(&mut Option<Waker>) -> R) -> Option<R> {
        let mut locked = self.queue().lock();
        (locked.standing(self) == Standing::Queued).then(|| {
            let node = NonNull::from(&self.node);
            locked.links(node, |links| f(&mut links.waker))
        })
    }
}

impl<K: Keeper, N: Copy + 'static> KeptWaiter<K, N> {
    /// A waiter that is not queued yet, of the queue that `find` finds in what `keeper` keeps.
    pub(crate) fn new(keeper: K, find: impl FnOnce(&K::Target) -> &WaitQueue<N>, data: N) -> Self {
        let queue = NonNull::from(find(&keeper));
        // SAFETY: `find` borrows from what the keeper keeps, for however long that is kept. The borrow's end is the
        // waiter's, which lies beside the keeper, is never moved out of here, and is dropped first.
        let waiter = Waiter::new(unsafe { queue.as_ref() }, data);
        Self { waiter, keeper }
    }

    /// What its queue is a part of.
    pub(crate) fn kept(&self) -> &K::Target {
        &self.keeper
    }

    /// The waiter, and what its queue is a part of.
    pub(crate) fn parts(self: Pin<&mut Self>) -> (Pin<&mut Waiter<'static, N>>, &K::Target) {
        // SAFETY: nothing is moved out; the waiter stays pinned, and nobody gets at the keeper by `&mut`.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: it is a field of what is pinned, and pinned with it from here on: `KeptWaiter` has no `drop` of its own,
        // and gives the waiter out in no other way.
        (
            unsafe { Pin::new_unchecked(&mut this.waiter) },
            &this.keeper,
        )
    }
}

impl<N: Copy> Drop for Waiter<'_, N> {
    #[inline]
    fn drop(&mut self) {
        // The way of most: never queued, or released. Then nothing points here (invariants 1 and 6).
        match self.standing() {
            Standing::Idle => {}
            Standing::Queued => self.leave(),
            Standing::Released(_) => self.node.seen(),
        }
    }
}
