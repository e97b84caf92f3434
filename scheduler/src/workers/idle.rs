//! Which workers sleep, which search, and which one to wake: the protocol that leaves no task lying in a queue while a
//! worker sleeps. `idle/README.md` has the two procedures and the proof. The comments here cite its numbers.

use heist_sync::sys::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use heist_sync::sys::{CachePadded, hints};

/// How many workers one word of sleepers holds.
const WORD: usize = u64::BITS as usize;

/// The one authoritative record of which workers sleep, one bit for each, and how many search.
#[derive(Debug)]
pub struct Idle {
    /// How many workers there are at the moment: a hint for the limit on searching.
    workers: hints::AtomicUsize,
    /// How many workers look for work in others' queues, including those that were woken to do so and don't run yet.
    searching: CachePadded<AtomicUsize>,
    /// Bit `i`: worker `i` sleeps, or is about to. Whoever clears a bit has the worker: either the worker itself, or
    /// the thread that wakes it.
    sleepers: Box<[CachePadded<AtomicU64>]>,
}

impl Idle {
    /// A record for `workers` workers, in which all are awake and none searches.
    pub fn new(workers: usize) -> Self {
        Self {
            workers: hints::AtomicUsize::new(workers),
            searching: CachePadded::new(AtomicUsize::new(0)),
            sleepers: (0..workers.div_ceil(WORD))
                .map(|_| CachePadded::new(AtomicU64::new(0)))
                .collect(),
        }
    }

    /// Says how many of the workers there are at the moment.
    pub fn set_workers(&self, workers: usize) {
        // Ordering: hint only.
        self.workers.store(workers, Ordering::Relaxed);
    }

    /// P2–P4: after a push, picks the sleeper that has to be woken for it, if there is one. The caller unparks it.
    #[inline]
    #[must_use = "the worker picked waits to be unparked"]
    pub fn claim(&self) -> Option<usize> {
        self.claim_below(usize::MAX)
    }

    /// [`claim`](Self::claim) among the workers below `limit`, for work that the others may not take.
    #[inline]
    #[must_use = "the worker picked waits to be unparked"]
    pub fn claim_below(&self, limit: usize) -> Option<usize> {
        // Ordering: SeqCst, P2: pairs with the fences in `announce` and `search_ended`: either the sleeper's second
        // look sees the push, or the loads below see that it no longer searches and sleeps.
        fence(Ordering::SeqCst);
        // Ordering: Relaxed: the fence orders it.
        if self.searching.load(Ordering::Relaxed) != 0 {
            return None;
        }
        self.claim_any_below(limit)
    }

    /// P4 without asking whether a worker searches already: for a batch that is worth several workers.
    #[must_use = "the worker picked waits to be unparked"]
    pub fn claim_any(&self) -> Option<usize> {
        self.claim_any_below(usize::MAX)
    }

    /// P2 and P4 while one worker takes tasks for all (`together.rs`). Returns whether it slept; it is claimed then.
    #[must_use = "the worker picked waits to be unparked"]
    pub fn claim_this(&self, worker: usize) -> bool {
        // Ordering: SeqCst, P2: pairs with the fence in `announce`: either its second look sees the push, or the load
        // below sees that it sleeps.
        fence(Ordering::SeqCst);
        if !self.is_asleep(worker) {
            return false;
        }
        let (word, bit) = self.place(worker);
        // Ordering: as in `claim_any_below`.
        self.searching.fetch_add(1, Ordering::Relaxed);
        if word.fetch_and(!bit, Ordering::AcqRel) & bit != 0 {
            return true;
        }
        self.searching.fetch_sub(1, Ordering::AcqRel);
        false
    }

    fn claim_any_below(&self, limit: usize) -> Option<usize> {
        loop {
            let (word, i) = self.some_sleeper().filter(|&(_, i)| i < limit)?;
            // The count rises before the bit is cleared, so a woken worker is never seen neither asleep nor searching.
            // Ordering: Relaxed; the AcqRel below publishes it.
            self.searching.fetch_add(1, Ordering::Relaxed);
            let bit = 1 << (i % WORD);
            // Ordering: AcqRel: only one of the threads that try to clear the bit succeeds. It publishes the count
            // above.
            if word.fetch_and(!bit, Ordering::AcqRel) & bit != 0 {
                return Some(i);
            }
            // P5: another thread has the worker. Our count may have kept a third thread, which posts, from waking a
            // worker. So we look again in its place.
            // Ordering: AcqRel, then SeqCst: a poster that read our count has its fence before this one, so that we
            // see each bit that it would have seen.
            self.searching.fetch_sub(1, Ordering::AcqRel);
            fence(Ordering::SeqCst);
        }
    }

    /// The first worker whose bit is set, and the word that holds it.
    fn some_sleeper(&self) -> Option<(&AtomicU64, usize)> {
        self.sleepers.iter().enumerate().find_map(|(i, word)| {
            // Ordering: Relaxed: the caller's fence orders it.
            let bits = word.load(Ordering::Relaxed);
            (bits != 0).then(|| (&**word, i * WORD + bits.trailing_zeros() as usize))
        })
    }

    /// A worker without work asks whether it may search. At most half of the workers that are awake do.
    #[must_use]
    pub fn try_search(&self) -> bool {
        // Ordering: hint only, here and in `asleep`: the limit saves work, and no promise depends on it.
        if 2 * self.searching.load(Ordering::Relaxed) >= self.awake() {
            return false;
        }
        self.search();
        true
    }

    /// A worker searches even beyond the limit, because it has seen work at its second look.
    pub fn search(&self) {
        // Ordering: Relaxed: a poster that misses it wakes one worker too many, never one too few.
        self.searching.fetch_add(1, Ordering::Relaxed);
    }

    /// F1 and F2: a searching worker has found work. True if no other worker searches now and `more` says that there is
    /// more work: the caller has to [`claim`](Self::claim) another worker then.
    #[must_use]
    pub fn search_ended(&self, more: impl FnOnce() -> bool) -> bool {
        // Ordering: AcqRel: the last searcher has seen what the earlier ones saw.
        if self.searching.fetch_sub(1, Ordering::AcqRel) != 1 {
            return false;
        }
        // Ordering: SeqCst, F2: pairs with the fence in `claim`: a poster that read the count before we took ours back
        // has its fence before this one, so that the look sees its push.
        fence(Ordering::SeqCst);
        more()
    }

    /// S1 and S2: the worker announces that it is about to sleep. It must look at the queues again afterwards.
    pub fn announce(&self, worker: usize, searching: bool) {
        let (word, bit) = self.place(worker);
        // Ordering: AcqRel: the thread that clears the bit next is ordered after us.
        let before = word.fetch_or(bit, Ordering::AcqRel);
        debug_assert_eq!(before & bit, 0, "a worker announces itself once");
        if searching {
            // After the bit is set, so that the worker is never seen neither searching nor asleep.
            // Ordering: AcqRel: a poster that reads the lower count sees the bit.
            self.searching.fetch_sub(1, Ordering::AcqRel);
        }
        // Ordering: SeqCst, S2: pairs with the fence in `claim`.
        fence(Ordering::SeqCst);
    }

    /// The worker doesn't sleep after all, or no longer. False if another thread had claimed it: it counts as searching
    /// then.
    #[must_use]
    pub fn retract(&self, worker: usize) -> bool {
        let (word, bit) = self.place(worker);
        // Ordering: AcqRel: only one of the threads that try to clear the bit succeeds. It acquires the count that a
        // claimer made.
        word.fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    /// How many workers are awake, including those whose thread is on its way.
    pub fn awake(&self) -> usize {
        // Ordering: hint only.
        let workers = self.workers.load(Ordering::Relaxed);
        workers.saturating_sub(self.asleep())
    }

    /// Whether a worker sleeps, or is about to. If so, whatever it did before is seen.
    pub fn is_asleep(&self, worker: usize) -> bool {
        let (word, bit) = self.place(worker);
        // Ordering: Acquire pairs with the AcqRel in `announce`, for who asks whether all is at rest. A hint to others.
        word.load(Ordering::Acquire) & bit != 0
    }

    /// How many workers sleep.
    pub fn asleep(&self) -> usize {
        // Ordering: hint only.
        self.sleepers
            .iter()
            .map(|word| word.load(Ordering::Relaxed).count_ones() as usize)
            .sum()
    }

    fn place(&self, worker: usize) -> (&AtomicU64, u64) {
        (&self.sleepers[worker / WORD], 1 << (worker % WORD))
    }
}

#[cfg(all(test, not(heist_loom)))]
mod tests {
    use super::Idle;

    #[test]
    fn a_sleeper_is_claimed_once_and_counts_as_searching() {
        let idle = Idle::new(100);
        idle.announce(99, false);
        idle.announce(3, false);
        assert_eq!(idle.claim(), Some(3));
        assert_eq!(idle.claim(), None, "a searcher is on its way");
        assert!(!idle.retract(3));
        assert!(idle.search_ended(|| true));
        assert_eq!(idle.claim(), Some(99));
        assert!(idle.search_ended(|| true));
        assert_eq!(idle.claim(), None);
    }

    #[test]
    fn the_last_searcher_wakes_nobody_where_there_is_no_more_work() {
        let idle = Idle::new(2);
        idle.search();
        idle.search();
        let unasked = || -> bool { panic!("another searches still") };
        assert!(!idle.search_ended(unasked));
        assert!(!idle.search_ended(|| false));
    }

    #[test]
    fn at_most_half_of_those_awake_search() {
        let idle = Idle::new(5);
        idle.announce(0, false);
        assert!(idle.try_search());
        assert!(idle.try_search());
        assert!(!idle.try_search(), "four are awake");
        assert!(!idle.search_ended(|| true));
        assert!(idle.search_ended(|| true));
    }
}
