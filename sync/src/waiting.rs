//! The waiting list: the tasks that wait for a lock, a permit, a notification or room in a channel, in order.
//!
//! Every primitive in which more than one task can wait is built on it, and it is the only part of them with pointers.
//! [`Notify`](crate::Notify), [`Semaphore`](crate::Semaphore), [`Mutex`](crate::Mutex) and the bounded channel are safe
//! code round a word of state of their own and a [`WaitQueue`]. The queue decides nothing: its users decide when to
//! queue, whom to release, and what a release means.
//!
//! A [`Waiter`] is part of the future that waits, so waiting allocates nothing. It holds a node; the queue is a doubly
//! linked list of such nodes under one lock. A future that owns a share of its primitive, instead of borrowing it, has
//! a [`KeptWaiter`]: a waiter with that share.
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
//! 2. Only the holder of the queue's lock touches `prev`, `next` and `waker` of a node.
//! 3. A node does not move and is not dropped while it is linked. A waiter is pinned before it can be queued, and its
//!    `drop` unlinks it. A pinned value's memory is not reused before its `drop` has run.
//! 4. The last thing that a releaser does to a node is to store the outcome, because its owner may free the node at
//!    once after that, without taking the lock. So the store comes after the node has been unlinked and its waker
//!    taken.
//! 5. No user code runs under the lock: wakers are cloned before it is taken, and dropped or woken after it is
//!    released. (`Waker::will_wake` compares two pointers and calls nobody.)
//! 6. In the state `IDLE` and in an outcome, only the owner of a node changes its state. So in these states the owner
//!    may trust an unlocked load.
//! 7. A waiter's queue is alive and stays in its place as long as the waiter lives: it is borrowed, or it is a part of
//!    what the [`KeptWaiter`] round the waiter keeps.
//!
//! # Orderings
//!
//! The lock orders everything but one thing: the store of an outcome is a Release and the owner's load an Acquire. So
//! an owner that sees the outcome without the lock also sees everything that its releaser did before (the data behind a
//! mutex, the node's links at rest).

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

/// Why a waiter was released. The queue's user gives it its meaning. At least [`FIRST_OUTCOME`].
pub(crate) type Outcome = u32;

/// The smallest outcome. Smaller numbers are states.
pub(crate) const FIRST_OUTCOME: Outcome = 2;

/// A flag in an outcome: the waiter has been given something that others wait for, which it holds until it is polled or
/// dropped. Such waiters are watched: [`futurelock`].
pub(crate) const HOLDS: Outcome = 1 << 30;

/// A flag beside an outcome in a node's state: the waiter is in [`futurelock`]'s register.
const WATCHED: u32 = 1 << 31;

/// Where a waiter was made, in the user's code.
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

// SAFETY: the list owns nothing that is bound to a thread. What it points to is only touched under its lock (invariant
// 2), and can be sent itself: a waker always, `N` by the bound.
unsafe impl<N: Send> Send for List<N> {}

/// One waiter's place in a list.
struct Node<N> {
    /// `IDLE`, `QUEUED` or an outcome, the latter perhaps with `WATCHED`.
    state: AtomicU32,
    /// For reports: what it waits for, and where it was made, if it is watched.
    wait: Wait,
    place: Option<Place>,
    links: UnsafeCell<Links<N>>,
    /// What the queue's user wants to know of this waiter. Only its owner writes it, and never while it is queued.
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
    /// The address by which [`futurelock`] knows the waiter.
    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// Called by the owner of a released node: it is no longer watched.
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

// SAFETY: the queue may be used from any thread (it is a lock, and `N: Send`). The pointers in a node are followed
// under that lock alone (invariant 2), from any thread. What a node holds by value may be sent: a waker always, `N` by
// the bound.
unsafe impl<N: Copy + Send> Send for Waiter<'_, N> {}
// SAFETY: a shared waiter gives away its state (an atomic), `data` by copy, and nothing else.
unsafe impl<N: Copy + Send + Sync> Sync for Waiter<'_, N> {}

/// A waiter together with what keeps its queue alive.
pub(crate) struct KeptWaiter<K, N: Copy + 'static> {
    /// Its queue is a part of what `keeper` keeps, so it is dropped first.
    waiter: Waiter<'static, N>,
    keeper: K,
}

/// A share in a value, which keeps the value alive.
///
/// # Safety
///
/// What it points to stays alive, stays in its place, and is never reached by a `&mut`, as long as the keeper lives,
/// even if the keeper itself is moved.
pub(crate) unsafe trait Keeper: Deref {}

// SAFETY: a share keeps the value, which does not move with it. A `&mut` to it would need this very share, or its end.
unsafe impl<T: ?Sized> Keeper for std::sync::Arc<T> {}
#[cfg(heist_loom)]
// SAFETY: as for std's.
unsafe impl<T: ?Sized> Keeper for crate::sys::Arc<T> {}

/// Where a waiter stands, as its owner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not in the queue.
    Idle,
    /// In the queue, unless it is being released at this moment.
    Queued,
    /// Somebody else took it out of the queue, for this reason.
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

    /// Takes the lock, for a few steps without any user code (invariant 5).
    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, N> {
        Locked {
            list: self.list.lock(),
            queue: self,
        }
    }
}

/// The queue while it is locked.
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

    /// Releases the first waiter with `outcome`, and returns its waker, to be woken after the lock is released.
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

    /// Queues an idle waiter behind the first one. There is a first one.
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

    /// Takes `waiter` out of the queue for its owner, and returns its waker, to be dropped after the lock is released.
    /// Returns `None` if it is not in the queue: it never was, or it has been released.
    pub(crate) fn remove(&mut self, waiter: Pin<&mut Waiter<'_, N>>) -> Option<Waker> {
        if self.standing(&waiter) != Standing::Queued {
            return None;
        }
        let node = NonNull::from(&waiter.node);
        let waker = self.unlink(node);
        // Ordering: hint only. The owner itself changes its node's state, and is the next to read it.
        waiter.node.state.store(IDLE, Ordering::Relaxed);
        waker
    }

    /// Where `waiter` stands. This is exact, because nobody can release it while the lock is held.
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
        // Ordering: hint only. Whoever looks at a queued node holds the lock, or is its owner.
        waiter.node.state.store(QUEUED, Ordering::Relaxed);
        node
    }

    /// Unlinks a node of this list and stores its outcome.
    #[inline]
    fn release(&mut self, node: Link<N>, outcome: Outcome) -> Waker {
        // What follows says whether the node is linked: invariant 1.
        assert!(outcome >= FIRST_OUTCOME, "an outcome is no state");
        let waker = self.unlink(node).expect("a queued node has a waker");
        let state = if outcome & HOLDS != 0 && futurelock::is_on() {
            // SAFETY: the node was linked, hence alive (invariant 3), until its outcome is stored.
            Self::watch(unsafe { node.as_ref() }, outcome, &waker)
        } else {
            outcome
        };
        // Ordering: Release pairs with the Acquire in `Waiter::standing`, so that the owner sees the node at rest and
        // everything that was done before its release. From here on the node may be gone: invariant 4.
        // SAFETY: the node was linked, hence alive (invariant 3), until this very store.
        unsafe { (*node.as_ptr()).state.store(state, Ordering::Release) };
        waker
    }

    /// Puts a waiter that is about to be released with `outcome` into the register, and returns the state to store.
    #[cold]
    fn watch(node: &Node<N>, outcome: Outcome, waker: &Waker) -> u32 {
        let Some(place) = node.place else {
            return outcome;
        };
        futurelock::granted(node.address(), place, node.wait, waker);
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

    /// Calls `f` with the links of a node that is in this list, or that its owner is putting in.
    #[inline]
    fn links<R>(&mut self, node: Link<N>, f: impl FnOnce(&mut Links<N>) -> R) -> R {
        // SAFETY: a linked node is alive (invariant 3), and one that is being put in is borrowed by the caller.
        let node = unsafe { node.as_ref() };
        node.links.with_mut(|links| {
            // SAFETY: the lock of the node's own queue is held, by `&mut self`, and only its holder touches links
            // (invariants 1 and 2). No `f` in this file reaches for another node's links.
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

    /// Lets the waiter be watched once it is given something. It waits for `wait`, and was made at `place`.
    #[inline]
    pub(crate) fn watched(mut self, wait: Wait, place: Place) -> Self {
        self.node.wait = wait;
        self.node.place = Some(place);
        self
    }

    /// Its queue.
    fn queue(&self) -> &WaitQueue<N> {
        // SAFETY: the queue is alive, and is only ever shared, as long as the waiter lives: invariant 7.
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
        // SAFETY: nothing is moved out of the pin. Others read `data` of linked nodes only. This node is idle, and only
        // its owner can change that (invariants 1 and 6).
        unsafe { self.get_unchecked_mut().node.data = data };
    }

    /// Polls a waiter that has been queued. Returns its outcome, or `Pending`; then the waker of `cx` is in the queue,
    /// in place of an earlier one.
    pub(crate) fn poll_queued(self: Pin<&mut Self>, cx: &Context<'_>) -> Poll<Outcome> {
        if let Standing::Released(outcome) = self.standing() {
            return Poll::Ready(outcome);
        }
        if let Some(known) = self.with_waker(|waker| {
            // This compares and calls nobody: invariant 5.
            waker.as_ref().is_some_and(|old| old.will_wake(cx.waker()))
        }) {
            if known {
                return Poll::Pending;
            }
            // Invariant 5: it is cloned without the lock. The waiter may be released meanwhile.
            let mut waker = Some(cx.waker().clone());
            let swapped = self.with_waker(|old| std::mem::swap(old, &mut waker));
            // Invariant 5: the lock is free by now. This drops the old waker, or the new one if it came too late.
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
            drop(locked);
            self.node.seen();
        }
    }

    /// Calls `f` with the waker of a queued waiter, under the lock. Returns `None` if the waiter has been released.
    fn with_waker<R>(&self, f: impl FnOnce(&mut Option<Waker>) -> R) -> Option<R> {
        let mut locked = self.queue().lock();
        (locked.standing(self) == Standing::Queued).then(|| {
            let node = NonNull::from(&self.node);
            locked.links(node, |links| f(&mut links.waker))
        })
    }
}

impl<K: Keeper, N: Copy + 'static> KeptWaiter<K, N> {
    /// Makes a waiter that is not queued yet. `find` finds its queue in what `keeper` keeps.
    pub(crate) fn new(keeper: K, find: impl FnOnce(&K::Target) -> &WaitQueue<N>, data: N) -> Self {
        let queue = NonNull::from(find(&keeper));
        // SAFETY: `find` borrows from what the keeper keeps, for as long as that is kept. The borrow ends with the
        // waiter. The waiter lies beside the keeper, is never moved out of here, and is dropped first.
        let waiter = Waiter::new(unsafe { queue.as_ref() }, data);
        Self { waiter, keeper }
    }

    /// What its queue is a part of.
    pub(crate) fn kept(&self) -> &K::Target {
        &self.keeper
    }

    /// The waiter, and what its queue is a part of.
    pub(crate) fn parts(self: Pin<&mut Self>) -> (Pin<&mut Waiter<'static, N>>, &K::Target) {
        // SAFETY: nothing is moved out. The waiter stays pinned, and nobody gets a `&mut` to the keeper.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: it is a field of a pinned value, and pinned with it from here on: `KeptWaiter` has no `drop` of its
        // own, and gives out the waiter in no other way.
        (
            unsafe { Pin::new_unchecked(&mut this.waiter) },
            &this.keeper,
        )
    }
}

impl<N: Copy> Drop for Waiter<'_, N> {
    #[inline]
    fn drop(&mut self) {
        // This is the usual case: never queued, or released. Nothing points here then (invariants 1 and 6).
        match self.standing() {
            Standing::Idle => {}
            Standing::Queued => self.leave(),
            Standing::Released(_) => self.node.seen(),
        }
    }
}
