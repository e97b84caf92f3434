//! The tree behind [`CancellationToken`](super::CancellationToken): it says which tokens are cancelled together.
//!
//! A node is what all clones of one token share: a flag, a queue of those that wait for it, and its place in the tree.
//! All places of one tree are under one lock, which the first node of the tree holds. So there is no order of locks to
//! keep, and a whole subtree changes at once. Looking at the flag and waiting for it don't take that lock.
//!
//! # States of a node
//!
//! | state | flag | in the tree | left by |
//! |---|---|---|---|
//! | live | clear | yes | [`Node::cancel`] of it or of an ancestor; the end of its last handle |
//! | cancelled | set | no | never |
//! | abandoned | clear | no | never: nobody can look at it |
//!
//! # Invariants
//!
//! 1. Only the holder of the tree's lock touches the places of its nodes.
//! 2. `b` is among the children of `a`, at `b`'s index, if and only if `a` is `b`'s parent, whenever the lock is free.
//! 3. A node that has a parent or children is live and has a handle, or its last handle is about to take the lock. So
//!    the shares that parents and children have in each other, which are cycles, end with the handles.
//! 4. The flag of a node is set under the lock, after those of all its descendants: whoever sees it set sees theirs
//!    set. It is set before its waiters are released, and is looked at under the queue's lock before a waiter queues.
//!    So nobody waits for a cancellation that has happened.
//! 5. A node that leaves with its last handle leaves its children to its parent. So a cancellation from above still
//!    reaches them, and nodes in the middle that are gone take no memory. If there is no parent, each child becomes the
//!    top of a tree of its own, still under the common lock.
//! 6. Nothing recurses: a subtree is gathered in a list. A node that is freed has no place in a tree (3), so it frees
//!    no other node but the one with the lock, which refers to none.
//!
//! # Orderings
//!
//! Setting the flag is a Release and looking at it an Acquire: whoever sees the cancellation sees what was done before
//! it. The lock orders the rest.

use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, ready};

use crate::sys::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sys::cell::UnsafeCell;
use crate::sys::{Arc, Mutex, MutexGuard};
use crate::waiting::{FIRST_OUTCOME, Outcome, Standing, WaitQueue, Waiter};
use crate::wakes::Wakes;

const CANCELLED: Outcome = FIRST_OUTCOME;

/// From this many children on, the list of children gives memory back.
const FEW: usize = 32;

/// What the clones of a token share.
pub(super) struct Node {
    cancelled: AtomicBool,
    /// The number of tokens.
    handles: AtomicUsize,
    queue: WaitQueue<()>,
    trunk: Trunk,
    place: UnsafeCell<Place>,
}

/// Where the tree's lock is.
enum Trunk {
    Here(Mutex<()>),
    /// In the first node of the tree.
    There(Arc<Node>),
}

/// A node's place in its tree.
struct Place {
    parent: Option<Arc<Node>>,
    /// Its index among its parent's children.
    index: usize,
    children: Vec<Arc<Node>>,
}

// SAFETY: `place` is touched under the tree's lock alone (invariant 1), and what it holds may be sent. Everything else
// can be shared by itself.
unsafe impl Sync for Node {}
// SAFETY: as for `Sync`: a node is shared, and whoever has it last may free it.
unsafe impl Send for Node {}

/// A tree's lock while it is held.
struct Locked<'a> {
    lock: &'a Mutex<()>,
    _held: MutexGuard<'a, ()>,
}

impl Node {
    /// Makes the first node of a new tree, with one handle.
    pub(super) fn new() -> Arc<Self> {
        Self::with(Trunk::Here(Mutex::new(())), false)
    }

    /// Makes a child of `parent`, with one handle. It is cancelled if `parent` is.
    pub(super) fn child(parent: &Arc<Self>) -> Arc<Self> {
        if parent.is_cancelled() {
            return Self::with(Trunk::Here(Mutex::new(())), true);
        }
        let first = match &parent.trunk {
            Trunk::Here(_) => parent,
            Trunk::There(first) => first,
        };
        // Memory is allocated before the lock is taken.
        let child = Self::with(Trunk::There(first.clone()), false);
        let mut tree = parent.lock();
        if parent.is_cancelled() {
            // Ordering: hint only, nobody else has it yet.
            child.cancelled.store(true, Ordering::Relaxed);
        } else {
            Self::adopt(parent, &mut tree, child.clone());
        }
        drop(tree);
        child
    }

    fn with(trunk: Trunk, cancelled: bool) -> Arc<Self> {
        Arc::new(Self {
            cancelled: AtomicBool::new(cancelled),
            handles: AtomicUsize::new(1),
            queue: WaitQueue::new(),
            trunk,
            place: UnsafeCell::new(Place {
                parent: None,
                index: 0,
                children: Vec::new(),
            }),
        })
    }

    pub(super) fn is_cancelled(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `cancel`, so that what came before the cancellation is seen, and
        // so that the descendants are seen cancelled (invariant 4).
        self.cancelled.load(Ordering::Acquire)
    }

    /// Adds a handle, which is made from another one.
    pub(super) fn add_handle(&self) {
        // Ordering: hint only. A handle is made from one that keeps the count above zero.
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes a handle. The last one takes the node out of its tree.
    pub(super) fn drop_handle(&self) {
        // Ordering: AcqRel, so that the last one comes after everything that was done through the others.
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 && !self.is_cancelled() {
            self.abandon();
        }
    }

    /// Invariant 5.
    fn abandon(&self) {
        let mut tree = self.lock();
        // If it was cancelled meanwhile, from above, it has no place any more, and nothing is found.
        let (parent, children) = self.leave(&mut tree);
        for child in children {
            child.place(&mut tree, |place| place.parent = None);
            if let Some(parent) = &parent {
                Self::adopt(parent, &mut tree, child);
            }
        }
        drop(tree);
        // This may free the parent, which takes no lock.
        drop(parent);
    }

    /// Cancels the node and all its descendants, and wakes those that wait for them.
    pub(super) fn cancel(this: &Arc<Self>) {
        if this.is_cancelled() {
            return;
        }
        let mut tree = this.lock();
        if this.is_cancelled() {
            return;
        }
        let (parent, children) = this.leave(&mut tree);
        let mut family = vec![this.clone()];
        family.extend(children);
        let mut next = 1;
        while let Some(node) = family.get(next) {
            // The shares in its parent are in `family` too, so nothing is freed here.
            let children = node.place(&mut tree, |place| {
                place.parent = None;
                std::mem::take(&mut place.children)
            });
            family.extend(children);
            next += 1;
        }
        // Descendants come after their ancestors in the list: invariant 4.
        for node in family.iter().rev() {
            // Ordering: Release pairs with the Acquire in `is_cancelled`.
            node.cancelled.store(true, Ordering::Release);
        }
        drop(tree);
        drop(parent);
        let mut wakes = Wakes::default();
        for node in family {
            let mut locked = node.queue.lock();
            while let Some(waker) = locked.pop_front(CANCELLED) {
                wakes.push(waker);
            }
        }
        wakes.wake_all();
    }

    /// Polls for the cancellation.
    pub(super) fn poll_cancelled(
        &self,
        mut waiter: Pin<&mut Waiter<'_, ()>>,
        cx: &Context<'_>,
    ) -> Poll<()> {
        if self.is_cancelled() {
            return Poll::Ready(());
        }
        if waiter.standing() != Standing::Idle {
            ready!(waiter.as_mut().poll_queued(cx));
            waiter.reset();
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let mut locked = self.queue.lock();
        // Invariant 4: from here on a cancellation finds the waiter in the queue.
        if self.is_cancelled() {
            return Poll::Ready(());
        }
        locked.push_back(waiter, waker);
        Poll::Pending
    }

    /// The queue of those that wait for the cancellation.
    pub(super) fn queue(&self) -> &WaitQueue<()> {
        &self.queue
    }

    fn lock(&self) -> Locked<'_> {
        let lock = self.lock_of_tree();
        Locked {
            lock,
            _held: lock.lock(),
        }
    }

    fn lock_of_tree(&self) -> &Mutex<()> {
        match &self.trunk {
            Trunk::Here(lock) => lock,
            Trunk::There(first) => match &first.trunk {
                Trunk::Here(lock) => lock,
                Trunk::There(_) => unreachable!("the first of a tree has its lock"),
            },
        }
    }

    /// Makes `child`, which has no parent, a child of this node.
    fn adopt(this: &Arc<Self>, tree: &mut Locked<'_>, child: Arc<Self>) {
        let index = this.place(tree, |place| place.children.len());
        child.place(tree, |place| {
            place.parent = Some(this.clone());
            place.index = index;
        });
        this.place(tree, |place| place.children.push(child));
    }

    /// Takes the node out from under its parent and from over its children, and returns both. The caller has to change
    /// the children's own places.
    fn leave(&self, tree: &mut Locked<'_>) -> (Option<Arc<Self>>, Vec<Arc<Self>>) {
        let (parent, index, children) = self.place(tree, |place| {
            let children = std::mem::take(&mut place.children);
            (place.parent.take(), place.index, children)
        });
        if let Some(parent) = &parent {
            let moved = parent.place(tree, |place| {
                let left = place.children.swap_remove(index);
                debug_assert!(ptr::eq(&*left, self), "invariant 2");
                let (len, room) = (place.children.len(), place.children.capacity());
                if room > FEW && len < room / 4 {
                    place.children.shrink_to(room / 2);
                }
                place.children.get(index).cloned()
            });
            if let Some(moved) = moved {
                moved.place(tree, |place| place.index = index);
            }
        }
        (parent, children)
    }

    /// Calls `f` with this node's place.
    fn place<R>(&self, tree: &mut Locked<'_>, f: impl FnOnce(&mut Place) -> R) -> R {
        assert!(
            ptr::eq(self.lock_of_tree(), tree.lock),
            "a node's place is under its tree's lock"
        );
        self.place.with_mut(|place| {
            // SAFETY: the tree's lock is held, by `&mut tree`, which `f` can't use for another call. Only the lock's
            // holder touches places (invariant 1).
            f(unsafe { &mut *place })
        })
    }
}
