//! In which order a queue gives out what was put in.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

/// An order: [`Fifo`], [`Lifo`] or [`Priority`].
pub trait Order<T>: sealed::Order<T> {}

impl<T, O: sealed::Order<T>> Order<T> for O {}

mod sealed {
    pub trait Order<T> {
        type Store: Default;

        fn push(store: &mut Self::Store, item: T);
        fn pop(store: &mut Self::Store) -> Option<T>;
        fn len(store: &Self::Store) -> usize;
    }
}

/// First in, first out.
#[derive(Debug)]
pub struct Fifo(());

/// Last in, first out.
#[derive(Debug)]
pub struct Lifo(());

/// The least first; of equals the one that was put first.
#[derive(Debug)]
pub struct Priority(());

impl<T> sealed::Order<T> for Fifo {
    type Store = VecDeque<T>;

    fn push(store: &mut VecDeque<T>, item: T) {
        store.push_back(item);
    }

    fn pop(store: &mut VecDeque<T>) -> Option<T> {
        store.pop_front()
    }

    fn len(store: &VecDeque<T>) -> usize {
        store.len()
    }
}

impl<T> sealed::Order<T> for Lifo {
    type Store = Vec<T>;

    fn push(store: &mut Vec<T>, item: T) {
        store.push(item);
    }

    fn pop(store: &mut Vec<T>) -> Option<T> {
        store.pop()
    }

    fn len(store: &Vec<T>) -> usize {
        store.len()
    }
}

impl<T: Ord> sealed::Order<T> for Priority {
    type Store = Heap<T>;

    fn push(store: &mut Heap<T>, item: T) {
        let number = store.pushed;
        store.pushed += 1;
        store.entries.push(Entry { item, number });
    }

    fn pop(store: &mut Heap<T>) -> Option<T> {
        store.entries.pop().map(|entry| entry.item)
    }

    fn len(store: &Heap<T>) -> usize {
        store.entries.len()
    }
}

/// The store of a [`Priority`] queue.
#[derive(Debug)]
pub struct Heap<T> {
    entries: BinaryHeap<Entry<T>>,
    pushed: u64,
}

impl<T: Ord> Default for Heap<T> {
    fn default() -> Self {
        Self {
            entries: BinaryHeap::new(),
            pushed: 0,
        }
    }
}

/// An item, and how many were put before it. Ordered for a heap that gives out the greatest.
#[derive(Debug)]
struct Entry<T> {
    item: T,
    number: u64,
}

impl<T: Ord> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_item = other.item.cmp(&self.item);
        by_item.then_with(|| other.number.cmp(&self.number))
    }
}

impl<T: Ord> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Eq for Entry<T> {}
