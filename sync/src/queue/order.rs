//! The orders in which queues give out items.

use std::cmp::Ordering;
use std::collections::VecDeque;

/// An order: [`Fifo`], [`Lifo`] or [`Priority`].
pub trait Order<T>: sealed::Order<T> {}

impl<T, O: sealed::Order<T>> Order<T> for O {}

mod sealed {
    pub trait Order<T> {
        type Store: Default + IntoIterator<Item = T>;

        /// Puts `item` in. It is in even if this panics.
        fn push(store: &mut Self::Store, item: T);
        /// Takes the next item out; if this panics, takes none. No item is dropped.
        fn pop(store: &mut Self::Store) -> Option<T>;
        fn len(store: &Self::Store) -> usize;
    }
}

/// A store with room for this many items keeps all of it.
const FEW: usize = 32;

/// How much room a store that holds `len` items keeps, if that is less than it has. A store that fills and empties
/// again moves each item at most once more.
fn room_to_keep(len: usize, room: usize) -> Option<usize> {
    (room > FEW && len < room / 4).then_some(room / 2)
}

/// First in, first out.
#[derive(Debug)]
pub struct Fifo(());

/// Last in, first out.
#[derive(Debug)]
pub struct Lifo(());

/// Smallest first. Equal items in the order in which they were put.
#[derive(Debug)]
pub struct Priority(());

impl<T> sealed::Order<T> for Fifo {
    type Store = VecDeque<T>;

    fn push(store: &mut VecDeque<T>, item: T) {
        store.push_back(item);
    }

    fn pop(store: &mut VecDeque<T>) -> Option<T> {
        let item = store.pop_front();
        if let Some(room) = room_to_keep(store.len(), store.capacity()) {
            store.shrink_to(room);
        }
        item
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
        pop_last(store)
    }

    fn len(store: &Vec<T>) -> usize {
        store.len()
    }
}

/// Takes the last item out, and gives back the room that is too much.
fn pop_last<T>(items: &mut Vec<T>) -> Option<T> {
    let item = items.pop();
    if let Some(room) = room_to_keep(items.len(), items.capacity()) {
        items.shrink_to(room);
    }
    item
}

impl<T: Ord> sealed::Order<T> for Priority {
    type Store = Heap<T>;

    fn push(store: &mut Heap<T>, item: T) {
        let number = store.pushed;
        store.pushed += 1;
        store.entries.push(Entry { item, number });
        store.rise(store.entries.len() - 1);
    }

    fn pop(store: &mut Heap<T>) -> Option<T> {
        store.move_least_to_the_end();
        pop_last(&mut store.entries).map(|entry| entry.item)
    }

    fn len(store: &Heap<T>) -> usize {
        store.entries.len()
    }
}

/// The store of a [`Priority`] queue: a heap with the smallest item first.
///
/// It is not std's heap, because no item may leave it while others are compared. A comparison may panic, and the item
/// would then be dropped under the queue's lock.
#[derive(Debug)]
pub struct Heap<T> {
    /// No entry comes before its parent, which is at (its place - 1) / 2.
    entries: Vec<Entry<T>>,
    pushed: u64,
}

/// An item, and how many were put before it.
#[derive(Debug)]
struct Entry<T> {
    item: T,
    number: u64,
}

impl<T: Ord> Entry<T> {
    fn comes_before(&self, other: &Self) -> bool {
        match self.item.cmp(&other.item) {
            Ordering::Less => true,
            Ordering::Equal => self.number < other.number,
            Ordering::Greater => false,
        }
    }
}

impl<T: Ord> Heap<T> {
    /// Moves the entry at `place` up past all those that it comes before.
    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if !self.entries[place].comes_before(&self.entries[parent]) {
                return;
            }
            self.entries.swap(place, parent);
            place = parent;
        }
    }

    /// The rest is a heap by itself then. If a comparison panics, it may not be.
    fn move_least_to_the_end(&mut self) {
        let Some(end) = self.entries.len().checked_sub(1) else {
            return;
        };
        self.entries.swap(0, end);
        // The entry that has come to the top mostly belongs near the end. So it moves down without being looked at,
        // then up again.
        let mut place = 0;
        loop {
            let left = 2 * place + 1;
            if left >= end {
                break;
            }
            let right = left + 1;
            let right_is_next =
                right < end && self.entries[right].comes_before(&self.entries[left]);
            let child = if right_is_next { right } else { left };
            self.entries.swap(place, child);
            place = child;
        }
        if place < end {
            self.rise(place);
        }
    }
}

impl<T> Default for Heap<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            pushed: 0,
        }
    }
}

/// Yields the items in no particular order.
impl<T> IntoIterator for Heap<T> {
    type Item = T;
    type IntoIter = Items<T>;

    fn into_iter(self) -> Items<T> {
        Items(self.entries.into_iter())
    }
}

/// The items of a [`Heap`].
#[derive(Debug)]
pub struct Items<T>(std::vec::IntoIter<Entry<T>>);

impl<T> Iterator for Items<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.next().map(|entry| entry.item)
    }
}

#[cfg(test)]
mod tests {
    use super::sealed::Order;
    use super::{FEW, Fifo, Lifo, Priority};

    fn gives_back<O: Order<u32>>(room: fn(&O::Store) -> usize) {
        let mut store = O::Store::default();
        let (large, times) = if cfg!(miri) {
            (1_000, 3)
        } else {
            (10_000, 100)
        };
        for burst in [large, 1_000] {
            (0..burst).for_each(|item| O::push(&mut store, item));
            let most = room(&store);
            // Half of it is kept without a change.
            while O::len(&store) > most / 4 {
                O::pop(&mut store);
                assert_eq!(room(&store), most);
            }
            let mut changes = 0;
            while let before = room(&store)
                && O::pop(&mut store).is_some()
            {
                changes += u32::from(room(&store) != before);
                assert!(room(&store) <= FEW.max(4 * O::len(&store) + 4));
            }
            assert!((5..=10).contains(&changes), "{changes} of {burst}");
            // A small one gives back nothing and takes nothing.
            let kept = room(&store);
            for _ in 0..times {
                (0..10).for_each(|item| O::push(&mut store, item));
                while O::pop(&mut store).is_some() {}
                assert_eq!(room(&store), kept);
            }
        }
    }

    #[test]
    fn a_store_gives_back_the_room_that_a_burst_took() {
        gives_back::<Fifo>(|store| store.capacity());
        gives_back::<Lifo>(|store| store.capacity());
        gives_back::<Priority>(|store| store.entries.capacity());
    }

    #[test]
    fn a_heap_gives_out_the_least_first_and_equals_in_order() {
        use super::Heap;
        let mut heap = Heap::default();
        let mut number = 1_u32;
        let rounds = if cfg!(miri) { 60 } else { 2_000 };
        for round in 0..rounds {
            // The first numbers of a sequence that goes round.
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Priority::push(&mut heap, number >> 26);
            if round % 3 == 0 {
                let least = heap.entries.iter().map(|entry| (entry.item, entry.number));
                let least = least.min().expect("there is one");
                let popped = Priority::pop(&mut heap);
                assert_eq!(popped, Some(least.0));
                assert!(heap.entries.iter().all(|entry| entry.number != least.1));
            }
        }
    }
}
