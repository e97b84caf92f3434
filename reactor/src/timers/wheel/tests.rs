use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Wake, Waker};

use heist_sync::sys::rand::Rand;

use super::{FEW, Found, GRAIN, KEPT, Key, Wheel};

/// A waker that can be told from others.
struct Tag;

impl Wake for Tag {
    fn wake(self: Arc<Self>) {}
}

fn tagged() -> Waker {
    Waker::from(Arc::new(Tag))
}

/// The wheel, and an ordered map that does the same.
struct Pair {
    rand: Rand,
    wheel: Wheel,
    model: BTreeMap<(u64, u64), (Key, Waker)>,
    number: u64,
    now: u64,
}

impl Pair {
    fn new(seed: u64) -> Self {
        Self {
            rand: Rand::new(seed),
            wheel: Wheel::new(),
            model: BTreeMap::new(),
            number: 0,
            now: 0,
        }
    }

    /// A random length: any number of bits up to 63, so that every level has its turn.
    fn length(&self, bits: u32) -> u64 {
        let bits = self.rand.below(bits + 1);
        let random =
            u64::from(self.rand.below(u32::MAX)) << 32 | u64::from(self.rand.below(u32::MAX));
        random & ((1 << bits) - 1)
    }

    fn insert(&mut self, deadline: u64) {
        self.number += 1;
        let waker = tagged();
        let key = if self.rand.below(4) == 0 {
            let key = self.wheel.reserve().of(deadline);
            assert!(matches!(self.wheel.find(key), Found::Reserved));
            self.wheel.fulfil(key, waker.clone());
            key
        } else {
            self.wheel.insert(deadline, waker.clone())
        };
        self.model.insert((deadline, self.number), (key, waker));
    }

    fn remove(&mut self) {
        if self.model.is_empty() {
            return;
        }
        let nth = self.rand.below(self.model.len() as u32) as usize;
        let at = *self.model.keys().nth(nth).expect("within its length");
        let (key, waker) = self.model.remove(&at).expect("it is there");
        assert!(
            matches!(self.wheel.find(key), Found::Waiting(found) if found.will_wake(&waker)),
            "it is here"
        );
        let removed = self.wheel.remove(key).expect("it is here");
        assert!(removed.will_wake(&waker));
        assert!(self.wheel.remove(key).is_none(), "an entry leaves once");
    }

    /// Lets the time `by` pass, and takes out what is due, or some of it.
    fn pass(&mut self, by: u64) {
        self.now = self.now.saturating_add(by);
        let moves = 1 + self.rand.below(64) as usize;
        while !self.wheel.turn_to(self.now, moves) {
            // Nothing may be missed between two rounds of moving.
            self.check();
        }
        let mut left = self.rand.below(100);
        while left > 0 {
            left -= 1;
            let due = self.model.first_key_value().map(|(&at, _)| at);
            let due = due.filter(|&(deadline, _)| deadline <= self.now);
            let expected = due.map(|at| self.model.remove(&at).expect("it is there").1);
            let popped = self.wheel.pop_due(self.now);
            assert_eq!(popped.is_some(), expected.is_some(), "at {}", self.now);
            let (Some(popped), Some(expected)) = (popped, expected) else {
                break;
            };
            assert!(
                popped.will_wake(&expected),
                "by deadline, then by insertion"
            );
        }
    }

    fn check(&mut self) {
        assert_eq!(self.wheel.len(), self.model.len());
        let first = self.model.first_key_value();
        let exact = first.map(|(&(deadline, _), _)| deadline);
        let earliest = self.wheel.earliest();
        assert_eq!(earliest.is_some(), exact.is_some());
        assert!(earliest <= exact, "{earliest:?} is later than {exact:?}");
        assert_eq!(self.wheel.first(), exact);
    }
}

#[test]
fn random_insertions_removals_and_expiries_agree_with_an_ordered_map() {
    for seed in 0..60 {
        let mut pair = Pair::new(seed);
        // Each seed has a horizon of its own, from nanoseconds to centuries.
        let bits = 8 + (seed as u32 * 7) % 56;
        for _ in 0..3_000 {
            match pair.rand.below(10) {
                0..5 => {
                    let deadline = pair.now.saturating_add(pair.length(bits));
                    pair.insert(deadline);
                }
                5 => {
                    let deadline = pair.now.saturating_sub(pair.length(bits));
                    pair.insert(deadline);
                }
                6..8 => pair.remove(),
                _ => {
                    let by = pair.length(bits.min(60) - 3);
                    pair.pass(by);
                }
            }
            pair.check();
        }
    }
}

#[test]
fn deadlines_at_the_edges_of_grains_and_levels_fire_when_due() {
    let mut edges: Vec<u64> = (0..63)
        .flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1])
        .collect();
    edges.extend([u64::MAX - 1, GRAIN - 1, GRAIN, GRAIN + 1]);
    edges.sort_unstable();
    edges.dedup();
    let mut wheel = Wheel::new();
    for &edge in &edges {
        wheel.insert(edge, tagged());
    }
    for &edge in &edges {
        if edge > 0 {
            assert!(wheel.turn_to(edge - 1, usize::MAX));
            assert!(wheel.pop_due(edge - 1).is_none(), "{edge} is early");
        }
        assert!(wheel.turn_to(edge, usize::MAX));
        assert!(wheel.pop_due(edge).is_some(), "{edge} is late");
    }
    assert_eq!(wheel.len(), 0);
}

#[test]
fn a_key_does_not_find_the_entry_that_took_its_place() {
    let mut wheel = Wheel::new();
    let old = wheel.insert(5, tagged());
    drop(wheel.remove(old));
    let new = wheel.insert(5, tagged());
    assert_eq!(old.node, new.node, "the place is used again");
    assert!(matches!(wheel.find(old), Found::Gone));
    assert!(matches!(wheel.find(new), Found::Waiting(_)));
}

#[test]
fn entries_made_and_removed_leave_nothing_behind() {
    let mut wheel = Wheel::new();
    for _ in 0..100_000 {
        // One entry of this grain, and one of a far slot.
        let near = wheel.insert(GRAIN / 2, tagged());
        let far = wheel.insert(1 << 40, tagged());
        assert!(wheel.remove(near).is_some() && wheel.remove(far).is_some());
    }
    assert!(wheel.near.len() <= FEW + 1, "{} items", wheel.near.len());
    assert_eq!((wheel.nodes.len(), wheel.len()), (2, 0));
}

#[test]
fn a_crowd_that_has_gone_gives_its_memory_back() {
    let mut wheel = Wheel::new();
    let keys: Vec<Key> = (0..2 * KEPT as u64)
        .map(|nth| wheel.insert(nth << 12, tagged()))
        .collect();
    for key in keys {
        assert!(wheel.remove(key).is_some());
    }
    assert_eq!((wheel.nodes.capacity(), wheel.near.capacity()), (0, 0));
    let key = wheel.insert(1, tagged());
    assert!(wheel.remove(key).is_some());
}

#[test]
fn a_crowd_due_at_one_instant_moves_and_leaves_in_bouts() {
    let mut wheel = Wheel::new();
    let wakers: Vec<Waker> = (0..1_000).map(|_| tagged()).collect();
    for waker in &wakers {
        wheel.insert(1 << 30, waker.clone());
    }
    let mut bouts = 0;
    while !wheel.turn_to(1 << 30, 100) {
        bouts += 1;
        assert_eq!(wheel.earliest(), Some(1 << 30));
    }
    assert!(bouts >= 10, "{bouts} bouts");
    for waker in &wakers {
        assert!(wheel.pop_due(1 << 30).expect("it is due").will_wake(waker));
    }
}

#[test]
fn a_reserved_place_is_no_entry_until_it_is_fulfilled() {
    let mut wheel = Wheel::new();
    let (given_up, kept) = (wheel.reserve(), wheel.reserve().of(GRAIN));
    assert_eq!((wheel.len(), wheel.earliest()), (0, None));
    assert!(wheel.remove(given_up).is_none());
    assert!(matches!(wheel.find(given_up), Found::Gone));
    wheel.fulfil(kept, tagged());
    assert_eq!((wheel.len(), wheel.earliest()), (1, Some(GRAIN)));
    assert!(wheel.remove(kept).is_some());
    assert_eq!((wheel.len(), wheel.reserved), (0, 0));
}
