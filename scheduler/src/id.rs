//! Ids of tasks.

use heist_sync::sys::atomic::Ordering;
use heist_sync::sys::hints::AtomicU64;
use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;

/// Identifies a task in this process. An id is never used again.
///
/// Ids say nothing about the order in which tasks were spawned.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(NonZeroU64);

/// How many ids a thread takes at a time, so that a spawn touches no counter that threads share.
const BLOCK: u64 = 1 << 10;

thread_local! {
    /// The next id of this thread's block. At a multiple of `BLOCK` the block is used up.
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

impl Id {
    /// Makes an id that no task has.
    #[doc(hidden)]
    pub fn next() -> Self {
        NEXT.try_with(|cell| {
            let mut next = cell.get();
            if next.is_multiple_of(BLOCK) {
                next = Self::block();
            }
            cell.set(next + 1);
            Self::new(next)
        })
        // The thread is ending and its locals are gone, so it takes a block for one id.
        .unwrap_or_else(|_| Self::new(Self::block()))
    }

    /// The first id of a fresh block. The block's last id is never given out, because the cell would be at a multiple
    /// by then.
    fn block() -> u64 {
        static BLOCKS: AtomicU64 = AtomicU64::new(0);
        // Ordering: Relaxed: blocks only have to be distinct.
        BLOCKS.fetch_add(1, Ordering::Relaxed) * BLOCK + 1
    }

    fn new(id: u64) -> Self {
        Self::from_u64(id).expect("ids start at 1")
    }

    /// The id with that number, if there can be one.
    pub(crate) fn from_u64(id: u64) -> Option<Self> {
        NonZeroU64::new(id).map(Self)
    }

    #[inline]
    pub(crate) fn as_u64(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Id;
    use std::collections::HashSet;

    #[test]
    fn ids_of_several_threads_are_distinct() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..5_000).map(|_| Id::next()).collect::<Vec<_>>()))
            .collect();
        let mut seen = HashSet::new();
        for thread in threads {
            for id in thread.join().expect("no panic") {
                assert!(seen.insert(id), "{id} twice");
            }
        }
    }
}
