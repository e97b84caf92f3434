//! Which source a token names.
//!
//! A token is an index and a generation. If one source takes the place of another, their generations differ. So an
//! event that was fetched for the old source finds nothing.
//!
//! Invariants:
//! 1. No two sources in the table have the same token. No source has the token of one that left within the last 2^30
//!    insertions (2^10 on systems with 32-bit words).
//! 2. A closed table is empty, and stays so. So each source either is handed to whoever closes the table, or has left
//!    before, or was refused.

use heist_sync::sys::Arc;
use slab::Slab;

/// How many bits of a token are the index.
const INDEX_BITS: u32 = if usize::BITS == 64 { 32 } else { 20 };
/// As many generations as fit above the index. The topmost bits stay free: tokens with them are the poller's own.
const GENERATIONS: usize = 1 << (usize::BITS - INDEX_BITS - 2);

/// The sources of one reactor, by token.
#[derive(Debug)]
pub struct Table<S> {
    entries: Slab<(usize, Arc<S>)>,
    generation: usize,
    closed: bool,
}

impl<S> Default for Table<S> {
    fn default() -> Self {
        Self {
            entries: Slab::new(),
            generation: 0,
            closed: false,
        }
    }
}

impl<S> Table<S> {
    /// Adds a source and returns its token. `None` if the table has been closed or is full.
    pub fn insert(&mut self, source: Arc<S>) -> Option<usize> {
        if self.closed || self.entries.vacant_key() >> INDEX_BITS != 0 {
            return None;
        }
        self.generation = (self.generation + 1) % GENERATIONS;
        let index = self.entries.insert((self.generation, source));
        Some(index | self.generation << INDEX_BITS)
    }

    /// The source that a token names.
    pub fn get(&self, token: usize) -> Option<&Arc<S>> {
        let (index, generation) = split(token);
        let (of_entry, source) = self.entries.get(index)?;
        (*of_entry == generation).then_some(source)
    }

    /// Takes a source out. Drop it while no lock is held.
    #[must_use]
    pub fn remove(&mut self, token: usize) -> Option<Arc<S>> {
        self.get(token)?;
        let (_, source) = self.entries.remove(split(token).0);
        Some(source)
    }

    /// Takes all sources out and refuses new ones.
    #[must_use]
    pub fn close(&mut self) -> Vec<Arc<S>> {
        self.closed = true;
        self.entries.drain().map(|(_, source)| source).collect()
    }
}

fn split(token: usize) -> (usize, usize) {
    (token & ((1 << INDEX_BITS) - 1), token >> INDEX_BITS)
}

#[cfg(test)]
mod tests {
    use super::{Arc, Table};

    #[test]
    fn a_token_does_not_find_the_source_that_took_its_place() {
        let mut table = Table::default();
        let old = table.insert(Arc::new(1)).expect("open");
        assert_eq!(table.remove(old).as_deref(), Some(&1));
        let new = table.insert(Arc::new(2)).expect("open");
        assert_ne!(old, new);
        assert!(table.get(old).is_none());
        assert!(table.remove(old).is_none());
        assert_eq!(table.get(new).map(|source| **source), Some(2));
    }

    #[test]
    fn tokens_never_collide_with_those_of_the_poller() {
        let mut table = Table {
            generation: super::GENERATIONS - 2,
            ..Table::default()
        };
        for _ in 0..4 {
            let token = table.insert(Arc::new(())).expect("open");
            assert!(token < usize::MAX / 2);
            assert!(table.get(token).is_some());
        }
    }

    #[test]
    fn a_closed_table_refuses() {
        let mut table = Table::default();
        let token = table.insert(Arc::new(1)).expect("open");
        assert_eq!(table.close().len(), 1);
        assert!(table.insert(Arc::new(2)).is_none());
        assert!(table.get(token).is_none());
        assert!(table.remove(token).is_none());
    }
}
