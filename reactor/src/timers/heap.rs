//! A pairing heap of deadlines over a slab: exact order, insertion and removal of a leaf without a search.
//!
//! Each node knows its first child, its next sibling, and the node before it (the sibling to its left, or the parent
//! of a first child), all by index. A key names a node by index and by a number that no other entry ever gets, so a
//! key that has outlived its entry finds nothing.

use std::task::Waker;

use slab::Slab;

/// No node.
const NONE: u32 = u32::MAX;

/// Names an entry of one heap, and none that comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    index: u32,
    number: u64,
}

struct Node {
    deadline: u64,
    /// Counts the insertions: the order of equal deadlines.
    number: u64,
    waker: Waker,
    child: u32,
    next: u32,
    previous: u32,
}

/// Deadlines with their wakers, the earliest on top.
pub(super) struct Heap {
    nodes: Slab<Node>,
    root: u32,
    inserted: u64,
}

impl Heap {
    pub(super) fn new() -> Self {
        Self {
            nodes: Slab::new(),
            root: NONE,
            inserted: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Adds an entry.
    pub(super) fn push(&mut self, deadline: u64, waker: Waker) -> Key {
        self.inserted += 1;
        let number = self.inserted;
        let index = self.nodes.insert(Node {
            deadline,
            number,
            waker,
            child: NONE,
            next: NONE,
            previous: NONE,
        });
        // 2^32 − 1 entries of a heap would fill 240 GiB.
        let index = u32::try_from(index).expect("fewer timers than memory holds");
        self.root = self.meld(self.root, index);
        Key { index, number }
    }

    /// The waker of an entry that is still here.
    pub(super) fn waker(&mut self, key: Key) -> Option<&mut Waker> {
        let node = self.nodes.get_mut(key.index as usize)?;
        (node.number == key.number).then_some(&mut node.waker)
    }

    /// Takes an entry out, if it is still here.
    pub(super) fn remove(&mut self, key: Key) -> Option<Waker> {
        self.waker(key)?;
        if key.index == self.root {
            return Some(self.pop_root());
        }
        self.detach(key.index);
        let node = self.nodes.remove(key.index as usize);
        let orphans = self.merge_pairs(node.child);
        self.root = self.meld(self.root, orphans);
        Some(node.waker)
    }

    /// The earliest deadline.
    pub(super) fn earliest(&self) -> Option<u64> {
        (self.root != NONE).then(|| self.node(self.root).deadline)
    }

    /// Takes the earliest entry out if its deadline is not after `now`.
    pub(super) fn pop_due(&mut self, now: u64) -> Option<Waker> {
        if self.earliest()? > now {
            return None;
        }
        Some(self.pop_root())
    }

    fn pop_root(&mut self) -> Waker {
        let root = self.nodes.remove(self.root as usize);
        self.root = self.merge_pairs(root.child);
        root.waker
    }

    fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    fn node_mut(&mut self, index: u32) -> &mut Node {
        &mut self.nodes[index as usize]
    }

    /// Makes one tree of two, either of which may be none; both are roots without siblings.
    fn meld(&mut self, a: u32, b: u32) -> u32 {
        if a == NONE || b == NONE {
            return if a == NONE { b } else { a };
        }
        let order = |node: &Node| (node.deadline, node.number);
        let (top, under) = if order(self.node(a)) <= order(self.node(b)) {
            (a, b)
        } else {
            (b, a)
        };
        let eldest = std::mem::replace(&mut self.node_mut(top).child, under);
        let node = self.node_mut(under);
        node.next = eldest;
        node.previous = top;
        if eldest != NONE {
            self.node_mut(eldest).previous = under;
        }
        top
    }

    /// Cuts the tree under `index`, which is not the root, out of the heap.
    fn detach(&mut self, index: u32) {
        let (previous, next) = (self.node(index).previous, self.node(index).next);
        if self.node(previous).child == index {
            self.node_mut(previous).child = next;
        } else {
            self.node_mut(previous).next = next;
        }
        if next != NONE {
            self.node_mut(next).previous = previous;
        }
        let node = self.node_mut(index);
        (node.previous, node.next) = (NONE, NONE);
    }

    /// Makes one tree of a list of siblings: melds them in pairs from the left, then the pairs from the right.
    fn merge_pairs(&mut self, first: u32) -> u32 {
        // The pairs so far, chained by `next`, the latest first.
        let mut pairs = NONE;
        let mut rest = first;
        while rest != NONE {
            let a = rest;
            let b = self.cut(a);
            rest = if b == NONE { NONE } else { self.cut(b) };
            let pair = self.meld(a, b);
            self.node_mut(pair).next = pairs;
            pairs = pair;
        }
        let mut root = NONE;
        while pairs != NONE {
            let pair = pairs;
            pairs = self.cut(pair);
            root = self.meld(root, pair);
        }
        root
    }

    /// Makes a node of a list of siblings a root by itself, and returns the next of the list.
    fn cut(&mut self, index: u32) -> u32 {
        let node = self.node_mut(index);
        node.previous = NONE;
        std::mem::replace(&mut node.next, NONE)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::{Wake, Waker};

    use heist_sync::sys::rand::Rand;

    use super::{Heap, Key};

    /// A waker that can be told from others.
    struct Tag(AtomicU64, u64);

    impl Wake for Tag {
        fn wake(self: Arc<Self>) {
            self.0.store(self.1, Ordering::Relaxed);
        }
    }

    fn tagged(tag: u64) -> (Arc<Tag>, Waker) {
        let tag = Arc::new(Tag(AtomicU64::new(0), tag));
        (tag.clone(), Waker::from(tag))
    }

    #[test]
    fn random_pushes_pops_and_removals_agree_with_an_ordered_map() {
        for seed in 0..20 {
            let rand = Rand::new(seed);
            let mut heap = Heap::new();
            let mut model: BTreeMap<(u64, u64), (Key, Waker)> = BTreeMap::new();
            for number in 1..4_000 {
                match rand.below(8) {
                    0..4 => {
                        let deadline = u64::from(rand.below(500));
                        let waker = tagged(number).1;
                        let key = heap.push(deadline, waker.clone());
                        model.insert((deadline, number), (key, waker));
                    }
                    4..6 => {
                        let now = u64::from(rand.below(500));
                        let due = model.first_key_value().map(|(&at, _)| at);
                        let due = due.filter(|&(deadline, _)| deadline <= now);
                        let expected = due.map(|at| model.remove(&at).expect("it is there").1);
                        let popped = heap.pop_due(now);
                        assert_eq!(popped.is_some(), expected.is_some());
                        if let (Some(a), Some(b)) = (popped, expected) {
                            assert!(
                                a.will_wake(&b),
                                "in the order of deadlines, then of insertion"
                            );
                        }
                    }
                    _ if !model.is_empty() => {
                        let nth = rand.below(model.len() as u32) as usize;
                        let (&at, &(key, _)) = model.iter().nth(nth).expect("within its length");
                        let (_, waker) = model.remove(&at).expect("it is there");
                        assert!(heap.remove(key).expect("it is here").will_wake(&waker));
                        assert!(heap.remove(key).is_none(), "an entry leaves once");
                    }
                    _ => {}
                }
                assert_eq!(heap.len(), model.len());
                let earliest = model.first_key_value().map(|(&(deadline, _), _)| deadline);
                assert_eq!(heap.earliest(), earliest);
            }
        }
    }

    #[test]
    fn a_key_does_not_find_the_entry_that_took_its_place() {
        let mut heap = Heap::new();
        let (_, waker) = tagged(1);
        let old = heap.push(5, waker.clone());
        drop(heap.remove(old));
        let new = heap.push(5, waker);
        assert_eq!(old.index, new.index, "the place is used again");
        assert!(heap.waker(old).is_none());
        assert!(heap.waker(new).is_some());
    }
}
