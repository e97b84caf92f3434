//! A hierarchical timing wheel with an exact heap before it. Insertion and removal need no search, and entries expire
//! in the exact order of their deadlines.
//!
//! A deadline is cut into a grain (2^17 ns, 131 µs) and, above it, digits of six bits, one for each level. `position`
//! is the start of the grain that the wheel has come to. An entry's waker stays in one place. Each entry has an item,
//! which holds all that is needed to sort it. The item is in one of these:
//!
//! | where | which entries |
//! |---|---|
//! | the near heap | those of the current grain and of the past, sorted by deadline, then by insertion |
//! | a slot of level *l* | those that agree with `position` above level *l*, and whose digit at level *l* is the slot's, which is later than that of `position` |
//! | `moving` | those of a slot that the wheel has come to, on their way to lower levels or to the near heap |
//!
//! So most items move twice between insertion and deadline: from the end of one array to the end of another, without a
//! look at the node that they stand for. An item that is cancelled before does not move at all. Only the items of one
//! grain are ever sorted.
//!
//! Invariants:
//! 1. An entry of a lower level is due before an entry of a higher level. Within a level, an entry of a lower digit is
//!    due before one of a higher digit. Both follow from the table. So the first slot of the lowest level in use holds
//!    the earliest entry of the wheel, and nothing in it is due before what the near heap holds.
//! 2. `position` moves on only over empty slots, and only while nothing is moving. So an item in a slot is always where
//!    `slot_for` would put it.
//! 3. A slot's `min` is never later than the deadlines in it. It may be earlier, if the entry with that deadline was
//!    removed.
//! 4. A node says where in its array its item is, unless the item is in the near heap.
//! 5. An item in the near heap stands for an entry exactly if the node has the item's number. The others are stale, and
//!    `stale` counts them. They are less than half of the heap, or a few. No other array has stale items.
//! 6. A number names one entry for ever, so a key that has outlived its entry finds nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem;
use std::task::Waker;

/// No node.
const NONE: u32 = u32::MAX;

const GRAIN_BITS: u32 = 17;
const GRAIN: u64 = 1 << GRAIN_BITS;
const DIGIT_BITS: u32 = 6;
const DIGITS: usize = 1 << DIGIT_BITS;
/// Enough for every deadline.
const LEVELS: usize = (u64::BITS - GRAIN_BITS).div_ceil(DIGIT_BITS) as usize;
/// How many stale items the near heap may hold, whatever its size.
const FEW: usize = 64;
/// How many empty places are kept for entries when there is no entry left.
const KEPT: usize = 4_096;
/// How many empty places a slot keeps.
const SLOT_KEPT: usize = 256;

/// Names one entry of one wheel, and no later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    deadline: u64,
    number: u64,
    /// A whole word, so that keys are copied word by word.
    node: u64,
}

impl Key {
    /// Names nothing.
    pub const NONE: Self = Self {
        deadline: 0,
        number: 0,
        node: NONE as u64,
    };

    fn node(self) -> u32 {
        self.node as u32
    }

    #[inline]
    pub(crate) fn deadline(self) -> u64 {
        self.deadline
    }

    /// Its number and its place, which tell it from other keys.
    #[inline]
    pub(crate) fn words(&self) -> (u64, u64) {
        (self.number, self.node)
    }

    /// The key made of these words, without a deadline.
    #[inline]
    pub(crate) fn from_words(number: u64, node: u64) -> Self {
        Self {
            deadline: 0,
            number,
            node,
        }
    }

    /// Changes the deadline in this key.
    #[inline]
    pub(crate) fn put_off(&mut self, deadline: u64) {
        self.deadline = deadline;
    }

    /// The key of a reserved place, with the deadline that it is now used for.
    #[inline]
    #[must_use]
    pub fn of(self, deadline: u64) -> Self {
        Self { deadline, ..self }
    }
}

/// What a key finds.
pub(super) enum Found<'a> {
    /// An entry that waits, with its waker.
    Waiting(&'a mut Waker),
    /// A place that is still reserved.
    Reserved,
    /// An entry that has left, or a place that has been given up.
    Gone,
}

/// What stands for an entry in the heap or a slot: its key, ordered by deadline, then by insertion.
type Item = (u64, u64, u32);

/// A place for an entry.
struct Node {
    /// Zero if the place is empty.
    number: u64,
    /// `None` if the place is empty or reserved.
    waker: Option<Waker>,
    /// Where its item is in its array. If the place is empty: the next empty place.
    at: u32,
}

#[derive(Clone)]
struct Slot {
    min: u64,
    items: Vec<Item>,
}

/// Deadlines with their wakers.
pub(super) struct Wheel {
    nodes: Vec<Node>,
    /// The first of the empty places.
    empty: u32,
    /// How many places have an entry, and how many are reserved.
    len: usize,
    reserved: usize,
    inserted: u64,
    position: u64,
    /// Which slots of each level have items.
    used: [u64; LEVELS],
    /// `LEVELS` × `DIGITS` slots. Empty before the first insertion.
    slots: Vec<Slot>,
    moving: Slot,
    near: BinaryHeap<Reverse<Item>>,
    stale: usize,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self {
            nodes: Vec::new(),
            empty: NONE,
            len: 0,
            reserved: 0,
            inserted: 0,
            position: 0,
            used: [0; LEVELS],
            slots: Vec::new(),
            moving: Slot::EMPTY,
            near: BinaryHeap::new(),
            stale: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry.
    #[inline]
    pub(super) fn insert(&mut self, deadline: u64, waker: Waker) -> Key {
        let key = self.fill(deadline, Some(waker));
        self.len += 1;
        self.place((deadline, key.number, key.node()));
        key
    }

    /// Reserves a place for an entry that may come. Its key, [for a deadline](Key::of), may be given out before the
    /// entry comes.
    pub(super) fn reserve(&mut self) -> Key {
        self.reserved += 1;
        self.fill(0, None)
    }

    /// Makes an entry of a reserved place.
    pub(super) fn fulfil(&mut self, key: Key, waker: Waker) {
        debug_assert!(matches!(self.find(key), Found::Reserved));
        self.reserved -= 1;
        self.len += 1;
        self.node_mut(key.node()).waker = Some(waker);
        self.place((key.deadline, key.number, key.node()));
    }

    /// What the key finds.
    #[inline]
    pub(super) fn find(&mut self, key: Key) -> Found<'_> {
        match self.nodes.get_mut(key.node as usize) {
            Some(node) if node.number == key.number => match &mut node.waker {
                Some(waker) => Found::Waiting(waker),
                None => Found::Reserved,
            },
            _ => Found::Gone,
        }
    }

    /// Takes an entry out if it is still here. Gives a reserved place up.
    #[inline]
    pub(super) fn remove(&mut self, key: Key) -> Option<Waker> {
        match self.find(key) {
            Found::Waiting(_) => {}
            Found::Reserved => return self.vacate(key.node()),
            Found::Gone => return None,
        }
        let at = self.node(key.node()).at as usize;
        let slot = self.slot_for(key.deadline);
        let of = |items: &[Item]| items.get(at).is_some_and(|item| item.1 == key.number);
        let moved = if let Some(slot) = slot.filter(|&slot| of(&self.slots[slot].items)) {
            let moved = self.slots[slot].remove(at);
            if self.slots[slot].items.is_empty() {
                self.used[slot / DIGITS] &= !(1 << (slot % DIGITS));
            }
            moved
        } else if of(&self.moving.items) {
            self.moving.remove(at)
        } else {
            self.stale += 1;
            None
        };
        if let Some((_, _, node)) = moved {
            self.nodes[node as usize].at = at as u32;
        }
        let waker = self.vacate(key.node());
        self.forget_stale();
        waker
    }

    /// How many places are taken, by entries or reserved.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.len + self.reserved
    }

    /// No entry is due before this time. Once an entry is due, this is exactly the earliest deadline.
    pub(super) fn earliest(&mut self) -> Option<u64> {
        let near = self.first_near().unwrap_or(u64::MAX);
        let wheel = self.first_slot().map(|(slot, _)| self.slots[slot].min);
        let earliest = near.min(self.moving.min).min(wheel.unwrap_or(u64::MAX));
        (earliest != u64::MAX).then_some(earliest)
    }

    /// The earliest deadline, exactly. Unlike [`earliest`](Self::earliest), this looks at each entry of a slot.
    pub(super) fn first(&mut self) -> Option<u64> {
        let near = self.first_near();
        let moving = self.moving.first();
        // Invariant 1: an entry of another slot isn't earlier.
        let wheel = self.first_slot().map(|(slot, _)| &self.slots[slot]);
        let wheel = wheel.and_then(Slot::first);
        near.into_iter().chain(moving).chain(wheel).min()
    }

    /// Moves on to `now`, or towards it if that takes more than `moves` moves of entries. Returns whether it has come
    /// to `now`. If so, [`pop_due`](Self::pop_due) returns what is due.
    pub(super) fn turn_to(&mut self, now: u64, moves: usize) -> bool {
        let mut left = moves;
        loop {
            while let Some(item) = self.moving.pop() {
                self.place(item);
                left -= 1;
                if left == 0 {
                    return false;
                }
            }
            match self.first_slot() {
                Some((slot, start)) if start <= now => {
                    self.position = start;
                    self.used[slot / DIGITS] &= !(1 << (slot % DIGITS));
                    // The arrays are swapped, so that their memory is used again.
                    mem::swap(&mut self.moving, &mut self.slots[slot]);
                }
                _ => break,
            }
        }
        // Invariant 2: every slot up to there is empty.
        self.position = self.position.max(now & !(GRAIN - 1));
        true
    }

    /// If the deadline of the earliest entry in the near heap is not after `now`, takes that entry out. Call this once
    /// the wheel has [come](Self::turn_to) to `now`.
    pub(super) fn pop_due(&mut self, now: u64) -> Option<Waker> {
        if self.first_near()? > now {
            return None;
        }
        let Reverse((_, _, node)) = self.near.pop()?;
        self.vacate(node)
    }

    /// Takes every entry out.
    pub(super) fn drain(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.nodes.iter_mut().filter_map(|node| node.waker.take()));
        *self = Self {
            inserted: self.inserted,
            ..Self::new()
        };
    }

    /// Puts an item where its deadline belongs.
    fn place(&mut self, item: Item) {
        let (deadline, _, node) = item;
        let Some(slot) = self.slot_for(deadline) else {
            return self.near.push(Reverse(item));
        };
        if self.slots.is_empty() {
            self.slots = vec![Slot::EMPTY; LEVELS * DIGITS];
        }
        let Slot { min, items } = &mut self.slots[slot];
        *min = deadline.min(*min);
        // There are at most as many items as nodes.
        let at = items.len() as u32;
        items.push(item);
        self.used[slot / DIGITS] |= 1 << (slot % DIGITS);
        self.node_mut(node).at = at;
    }

    /// The slot for a deadline. `None` if it belongs into the near heap.
    fn slot_for(&self, deadline: u64) -> Option<usize> {
        if deadline < self.position {
            return None;
        }
        let level = ((deadline ^ self.position) >> GRAIN_BITS).checked_ilog2()? / DIGIT_BITS;
        let digit = (deadline >> (GRAIN_BITS + level * DIGIT_BITS)) as usize % DIGITS;
        Some(level as usize * DIGITS + digit)
    }

    /// The first slot of the lowest level in use, and when it begins.
    fn first_slot(&self) -> Option<(usize, u64)> {
        let level = self.used.iter().position(|&used| used != 0)?;
        let digit = self.used[level].trailing_zeros();
        let bits = GRAIN_BITS + level as u32 * DIGIT_BITS;
        let above = bits + DIGIT_BITS;
        // The highest level has nothing above it.
        let common = self.position.checked_shr(above).unwrap_or(0);
        let start = common.checked_shl(above).unwrap_or(0) | u64::from(digit) << bits;
        Some((level * DIGITS + digit as usize, start))
    }

    /// The earliest deadline in the near heap. Removes the stale items in front of it.
    fn first_near(&mut self) -> Option<u64> {
        loop {
            let &Reverse((deadline, number, node)) = self.near.peek()?;
            if self.stale == 0 || self.node(node).number == number {
                return Some(deadline);
            }
            self.near.pop();
            self.stale -= 1;
        }
    }

    /// Removes the stale items if there are too many (invariant 5).
    fn forget_stale(&mut self) {
        if self.stale <= FEW || self.stale <= self.near.len() / 2 {
            return;
        }
        let nodes = &self.nodes;
        self.near
            .retain(|Reverse((_, number, node))| nodes[*node as usize].number == *number);
        self.stale = 0;
    }

    /// Takes an empty place, or makes a new one, and gives it the next number.
    #[inline]
    fn fill(&mut self, deadline: u64, waker: Option<Waker>) -> Key {
        self.inserted += 1;
        let (number, mut node) = (self.inserted, self.empty);
        let filled = Node {
            number,
            waker,
            at: 0,
        };
        if let Some(place) = self.nodes.get_mut(node as usize) {
            self.empty = place.at;
            *place = filled;
        } else {
            // 2^32 − 1 entries in one wheel would fill 200 GiB.
            node = u32::try_from(self.nodes.len()).unwrap_or(NONE);
            assert!(node != NONE, "fewer timers than memory holds");
            self.nodes.push(filled);
        }
        Key {
            deadline,
            number,
            node: node.into(),
        }
    }

    /// Makes a place empty.
    fn vacate(&mut self, index: u32) -> Option<Waker> {
        let empty = mem::replace(&mut self.empty, index);
        let node = self.node_mut(index);
        node.number = 0;
        node.at = empty;
        let waker = node.waker.take();
        if waker.is_some() {
            self.len -= 1;
        } else {
            self.reserved -= 1;
        }
        if self.len == 0 && self.reserved == 0 && self.nodes.len() > KEPT {
            (self.nodes, self.empty) = (Vec::new(), NONE);
            (self.near, self.stale) = (BinaryHeap::new(), 0);
        }
        waker
    }

    fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    fn node_mut(&mut self, index: u32) -> &mut Node {
        &mut self.nodes[index as usize]
    }
}

impl Slot {
    const EMPTY: Self = Self {
        min: u64::MAX,
        items: Vec::new(),
    };

    /// The earliest deadline in it.
    fn first(&self) -> Option<u64> {
        self.items.iter().map(|item| item.0).min()
    }

    /// Takes the last item.
    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop()?;
        self.rest();
        Some(item)
    }

    /// Takes an item out, and returns the item that took its place.
    fn remove(&mut self, at: usize) -> Option<Item> {
        self.items.swap_remove(at);
        let moved = self.items.get(at).copied();
        self.rest();
        moved
    }

    /// Items were taken out. If the slot is empty now, it has no deadline, and keeps little memory.
    fn rest(&mut self) {
        if self.items.is_empty() {
            self.min = u64::MAX;
            if self.items.capacity() > SLOT_KEPT {
                self.items = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests;
