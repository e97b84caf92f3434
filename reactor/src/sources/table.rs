//! Which source a token names.
//!
//! The table is made of slots. A slot has a lock of its own, and holds one source or none. A token is the index of a
//! slot and a generation, which the slot counts up with each source that it is given. So an event that was fetched for
//! an old source finds nothing, even if another source has taken its slot. No source has to be kept alive for events
//! that are still on their way, and a token that no slot knows does no harm, whoever made it up.
//!
//! Slots come in blocks, each twice as large as the one before. A block never moves, and stays as long as the table. A
//! source is freed when it leaves, but its slot remains. So the table keeps 28 bytes (a slot and an index) for each
//! source of the time when there were most.
//!
//! The indices of free slots are in pools. Each thread has a pool of its own (if there are many threads, some share
//! one). A thread takes indices from its own pool, and gives them back to its own pool, wherever they came from. So
//! threads hardly ever meet here. If its own pool is empty, it takes half of the first pool that has more than [`RUN`]
//! indices. If there is no such pool, it makes a run of new slots.
//!
//! Invariants:
//! 1. Each index is in one pool, or its slot holds a source, or one thread is about to do either with it. Only a closed
//!    table forgets indices.
//! 2. No two sources in the table have the same token. No source has the token of one that left its slot within the
//!    last 2^30 uses of that slot (2^10 on systems with 32-bit words).
//! 3. A closed table is empty, and stays so. So each source either is handed to whoever closes the table, or has left
//!    before, or was refused.
//! 4. New slots are made only if no pool had more than [`RUN`] indices when it was looked at. So sources that come on
//!    one thread and leave on another don't make the table grow.
//! 5. A thread holds one of the locks at a time. No code of users runs under them.
//!
//! Closing: the lock of `made` is taken first. Under it, the table is marked, so no slot is made any more, and all that
//! have been made are seen. Then each slot is emptied and marked under its own lock. A thread that inserts looks at the
//! mark under the same lock. The race as cases:
//! - The inserter has the slot's lock first: whoever closes finds the source there.
//! - Whoever closes has it first: the inserter sees the mark, and the source is refused.

use std::fmt;

use heist_sync::sys::{Arc, CachePadded, Mutex, OnceCell};

/// How many bits of a token are the index.
const INDEX_BITS: u32 = if usize::BITS == 64 { 32 } else { 20 };
/// As many generations as fit above the index. The topmost bits stay free: tokens with them are the poller's own.
const GENERATIONS: usize = 1 << (usize::BITS - INDEX_BITS - 2);
/// The mark of a slot whose table has been closed. It is no generation.
const CLOSED: u32 = u32::MAX;
/// How many slots are made at a time. A power of two.
const RUN: usize = if cfg!(heist_loom) { 1 } else { 32 };
/// How many blocks there can be. The first one is as large as a run.
const BLOCKS: usize = if cfg!(heist_loom) {
    3
} else {
    INDEX_BITS as usize - RUN.trailing_zeros() as usize
};

type Block<S> = Box<[Mutex<Slot<S>>]>;

/// The sources of one reactor, by token.
pub struct Table<S> {
    blocks: [OnceCell<Block<S>>; BLOCKS],
    pools: Box<[CachePadded<Mutex<Vec<u32>>>]>,
    /// How many slots have been made. `None` if the table has been closed.
    made: Mutex<Option<usize>>,
}

struct Slot<S> {
    /// That of the source in it, or of the last one. [`CLOSED`] if the table has been closed.
    generation: u32,
    source: Option<Arc<S>>,
}

impl<S> Table<S> {
    /// An empty table with so many pools: a power of two.
    pub fn new(pools: usize) -> Self {
        Self {
            blocks: std::array::from_fn(|_| OnceCell::new()),
            pools: (0..pools).map(|_| CachePadded::default()).collect(),
            made: Mutex::new(Some(0)),
        }
    }

    /// Adds a source and returns its token. `None` if the table has been closed or is full. `thread` is the number of
    /// the thread that calls this.
    pub fn insert(&self, thread: usize, source: Arc<S>) -> Option<usize> {
        let index = self.free_index(thread)?;
        let mut slot = self.slot(index)?.lock();
        if slot.generation == CLOSED {
            return None;
        }
        let generation = (slot.generation as usize + 1) % GENERATIONS;
        slot.generation = generation as u32;
        slot.source = Some(source);
        Some(index | generation << INDEX_BITS)
    }

    /// Calls `f` with the source that a token names, under the lock of its slot (invariant 5).
    #[inline]
    pub fn with<R>(&self, token: usize, f: impl FnOnce(&S) -> R) -> Option<R> {
        let (index, generation) = split(token);
        let slot = self.slot(index)?.lock();
        let source = slot.source.as_deref()?;
        (slot.generation as usize == generation).then(|| f(source))
    }

    /// Takes a source out. `thread` is the number of the thread that calls this.
    #[must_use]
    pub fn remove(&self, thread: usize, token: usize) -> Option<Arc<S>> {
        let (index, generation) = split(token);
        let mut slot = self.slot(index)?.lock();
        if slot.generation as usize != generation {
            return None;
        }
        let source = slot.source.take()?;
        drop(slot);
        self.pool(thread).lock().push(index as u32);
        Some(source)
    }

    /// Takes all sources out and refuses new ones.
    #[must_use]
    pub fn close(&self) -> Vec<Arc<S>> {
        self.made.lock().take();
        let mut sources = Vec::new();
        for slot in self.blocks.iter().filter_map(OnceCell::get).flatten() {
            let mut slot = slot.lock();
            slot.generation = CLOSED;
            sources.extend(slot.source.take());
        }
        sources
    }

    #[inline]
    fn slot(&self, index: usize) -> Option<&Mutex<Slot<S>>> {
        let (block, offset) = locate(index);
        self.blocks.get(block)?.get()?.get(offset)
    }

    fn pool(&self, thread: usize) -> &Mutex<Vec<u32>> {
        &self.pools[thread & (self.pools.len() - 1)]
    }

    /// An index that nobody else has. `None` if the table has been closed or is full.
    fn free_index(&self, thread: usize) -> Option<usize> {
        let own = self.pool(thread);
        if let Some(index) = own.lock().pop() {
            return Some(index as usize);
        }
        let mut found = self.take_from_others().or_else(|| self.make_slots())?;
        let index = found.pop();
        own.lock().append(&mut found);
        index.map(|index| index as usize)
    }

    fn take_from_others(&self) -> Option<Vec<u32>> {
        self.pools.iter().find_map(|pool| {
            let mut pool = pool.lock();
            let half = pool.len() / 2;
            (pool.len() > RUN).then(|| pool.split_off(half))
        })
    }

    /// Makes a run of slots, and the block that they are in if they are its first ones.
    fn make_slots(&self) -> Option<Vec<u32>> {
        let mut made = self.made.lock();
        let first = (*made)?;
        let (block, offset) = locate(first);
        let block_cell = self.blocks.get(block)?;
        if offset == 0 {
            let slots = (0..RUN << block).map(|_| Mutex::new(Slot::empty()));
            // It is the first to fill the cell: blocks are made in order, under this lock.
            let _ = block_cell.set(slots.collect());
        }
        *made = Some(first + RUN);
        drop(made);
        Some(
            (first..first + RUN)
                .rev()
                .map(|index| index as u32)
                .collect(),
        )
    }
}

impl<S> Slot<S> {
    fn empty() -> Self {
        Self {
            generation: 0,
            source: None,
        }
    }
}

impl<S> fmt::Debug for Table<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}

/// The index and the generation of a token.
fn split(token: usize) -> (usize, usize) {
    (token & ((1 << INDEX_BITS) - 1), token >> INDEX_BITS)
}

/// The block of a slot, and its place there. The blocks have 1, 2, 4, ... runs.
#[inline]
fn locate(index: usize) -> (usize, usize) {
    let block = (index / RUN + 1).ilog2() as usize;
    (block, index - RUN * ((1 << block) - 1))
}

#[cfg(test)]
mod tests {
    use super::{Arc, BLOCKS, GENERATIONS, INDEX_BITS, RUN, Table, locate, split};

    fn get<S: Copy>(table: &Table<S>, token: usize) -> Option<S> {
        table.with(token, |source| *source)
    }

    /// How many slots have been made.
    fn made<S>(table: &Table<S>) -> Option<usize> {
        *table.made.lock()
    }

    #[test]
    fn a_token_does_not_find_the_source_that_took_its_place() {
        let table = Table::new(1);
        let old = table.insert(0, Arc::new(1)).expect("open");
        assert_eq!(table.remove(0, old).as_deref(), Some(&1));
        let new = table.insert(0, Arc::new(2)).expect("open");
        assert_eq!(split(old).0, split(new).0);
        assert_eq!(get(&table, old), None);
        assert!(table.remove(0, old).is_none());
        assert_eq!(get(&table, new), Some(2));
    }

    #[test]
    fn a_token_that_was_made_up_finds_nothing() {
        let table = Table::new(1);
        let token = table.insert(0, Arc::new(1)).expect("open");
        let made_up = [token + 1, token + RUN, usize::MAX, usize::MAX - 1, 0];
        for other in made_up {
            assert_eq!(get(&table, other), None);
            assert!(table.remove(0, other).is_none());
        }
        assert_eq!(get(&table, token), Some(1));
    }

    #[test]
    fn tokens_never_collide_with_those_of_the_poller() {
        let table = Table::new(1);
        let token = table.insert(0, Arc::new(())).expect("open");
        drop(table.remove(0, token));
        let slot = table.slot(split(token).0).expect("made");
        slot.lock().generation = GENERATIONS as u32 - 2;
        for _ in 0..4 {
            let token = table.insert(0, Arc::new(())).expect("open");
            assert!(token < usize::MAX / 2);
            assert!(get(&table, token).is_some());
            drop(table.remove(0, token));
        }
    }

    #[test]
    fn a_closed_table_refuses() {
        let table = Table::new(1);
        let token = table.insert(0, Arc::new(1)).expect("open");
        assert_eq!(table.close().len(), 1);
        // Those of the slots that have been made, and of a new one.
        for _ in 0..2 * RUN {
            assert!(table.insert(0, Arc::new(2)).is_none());
        }
        assert_eq!(get(&table, token), None);
        assert!(table.remove(0, token).is_none());
        assert!(table.close().is_empty());
    }

    #[test]
    fn every_index_has_one_place_until_the_table_is_full() {
        let ends = (0..BLOCKS).map(|block| (RUN << block) - 1);
        let mut next = 0;
        for (block, end) in ends.enumerate() {
            assert_eq!(locate(next), (block, 0));
            assert_eq!(locate(next + end), (block, end));
            next += end + 1;
        }
        assert_eq!(next + RUN, 1 << INDEX_BITS);
        let full = Table::<()>::new(1);
        *full.made.lock() = Some(next);
        assert!(full.insert(0, Arc::new(())).is_none());
    }

    #[test]
    fn sources_that_leave_on_another_thread_do_not_make_it_grow() {
        const AT_A_TIME: usize = 1_000;
        let table = Table::new(4);
        for _ in 0..100 {
            let comes = |source| table.insert(0, Arc::new(source)).expect("open");
            let tokens: Vec<_> = (0..AT_A_TIME).map(comes).collect();
            for (source, &token) in tokens.iter().enumerate() {
                assert_eq!(get(&table, token), Some(source));
            }
            for (thread, token) in tokens.into_iter().enumerate() {
                assert!(table.remove(1 + thread % 3, token).is_some());
            }
        }
        assert!(
            made(&table) <= Some(AT_A_TIME + 5 * RUN),
            "{:?}",
            made(&table)
        );
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_slot_takes_24_bytes() {
        assert_eq!(size_of::<super::Mutex<super::Slot<()>>>(), 24);
    }
}
