//! A worker's queues, and what thieves see of them.
//!
//! | queue | holds | order | taken by others |
//! |---|---|---|---|
//! | slot | the task that the current poll woke or spawned last | only the newest | on a thief's last pass, once it has aged |
//! | fresh | tasks that an event, a spawn or another task woke | first in, first out | half at a time |
//! | yielded | tasks that woke themselves while being polled | first in, first out | half at a time |
//!
//! Invariants:
//! - **Q1** A task is in one queue (S1 of the task's state).
//! - **Q2** A worker never sleeps with a task in one of its queues. So a push to the slot alone needs to wake no other
//!   worker: its own worker is awake, and takes the task next. If a long poll holds that worker up, the slot ages, and
//!   a thief may take the task.

use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};

use heist_sync::sys::atomic::{AtomicPtr, Ordering};
use heist_sync::sys::deque::{Steal, Stealer, Worker};

use crate::cell::Runnable;

/// One task, in a word.
pub struct Slot(AtomicPtr<()>);

/// What a thief has seen in a slot. If it is still there later, the owner has not got on meanwhile. It is an address
/// and not a pointer: the task may be freed by now, and another one made at its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen(NonZeroUsize);

impl Slot {
    /// An empty slot.
    pub fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts a task in, and returns the one that was there. For the owner only.
    #[inline]
    pub fn put(&self, task: Runnable) -> Option<Runnable> {
        // Ordering: AcqRel: releases the task to a thief's `steal`. It acquires only what this thread released itself.
        let before = self.0.swap(task.into_word(), Ordering::AcqRel);
        // SAFETY: the swap took the word out, so nobody else has it.
        NonNull::new(before).map(|word| unsafe { Runnable::from_word(word) })
    }

    /// Takes the task out. For the owner only.
    #[inline]
    pub fn take(&self) -> Option<Runnable> {
        // Ordering: hint only: the owner itself put the task there, and the swap shows whether a thief has taken it.
        if self.0.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // Ordering: Acquire pairs with the AcqRel in `put`, though this same thread called that.
        let word = self.0.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: the swap took the word out, so nobody else has it.
        NonNull::new(word).map(|word| unsafe { Runnable::from_word(word) })
    }

    /// What is there now, for a later [`steal`](Self::steal).
    pub fn look(&self) -> Option<Seen> {
        // Ordering: hint only; only a pointer that the CAS in `steal` took out is followed, not this one.
        NonZeroUsize::new(self.0.load(Ordering::Relaxed).addr()).map(Seen)
    }

    /// Takes the task that was `seen`, if it is still there. The same address may mean another stay of the same task,
    /// or another task. That is just as good, because a task in the slot is always scheduled.
    pub fn steal(&self, seen: Seen) -> Option<Runnable> {
        // Ordering: Acquire pairs with the AcqRel in `put`, so that the task is seen as its owner left it.
        let word = self
            .0
            .compare_exchange(
                ptr::without_provenance_mut(seen.0.get()),
                ptr::null_mut(),
                Ordering::Acquire,
                Ordering::Relaxed,
            )
            .ok()?;
        // SAFETY: the exchange took the word out, so nobody else has it.
        NonNull::new(word).map(|word| unsafe { Runnable::from_word(word) })
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Slot").field(&self.look().is_some()).finish()
    }
}

/// The ends of the queues that the owner uses.
#[derive(Debug)]
pub struct Local {
    /// See the table at the head of this file.
    pub fresh: Worker<Runnable>,
    /// See the table at the head of this file.
    pub yielded: Worker<Runnable>,
}

/// The ends of the queues that thieves use.
#[derive(Debug)]
pub struct Open {
    /// See the table at the head of this file.
    pub slot: Slot,
    fresh: Stealer<Runnable>,
    yielded: Stealer<Runnable>,
}

impl Local {
    /// Makes empty queues, and the thieves' ends of them.
    pub fn new() -> (Self, Open) {
        let (fresh, yielded) = (Worker::new_fifo(), Worker::new_fifo());
        let open = Open {
            slot: Slot::new(),
            fresh: fresh.stealer(),
            yielded: yielded.stealer(),
        };
        (Self { fresh, yielded }, open)
    }
}

impl Open {
    /// Moves half of the fresh tasks to the thief's `dest`, and returns one of them.
    pub fn steal_fresh(&self, dest: &Worker<Runnable>) -> Option<Runnable> {
        persist(|| self.fresh.steal_batch_and_pop(dest))
    }

    /// Moves half of the yielded tasks to the thief's `dest`, and returns one of them.
    pub fn steal_yielded(&self, dest: &Worker<Runnable>) -> Option<Runnable> {
        persist(|| self.yielded.steal_batch_and_pop(dest))
    }

    /// Moves half of a queue to the thief's `dest`, fresh tasks before yielded ones, and returns one of them.
    pub fn steal_into(&self, dest: &Worker<Runnable>) -> Option<Runnable> {
        self.steal_fresh(dest).or_else(|| self.steal_yielded(dest))
    }

    /// Takes out the tasks that lie here now, but none that come meanwhile. With `yielded`, the yielded ones too.
    pub(crate) fn take_out(&self, yielded: bool, mut take: impl FnMut(Runnable)) {
        let yields = if yielded { self.yielded.len() } else { 0 };
        let fresh = (0..self.fresh.len()).map_while(|_| persist(|| self.fresh.steal()));
        let yields = (0..yields).map_while(|_| persist(|| self.yielded.steal()));
        let slot = self.slot.look().and_then(|seen| self.slot.steal(seen));
        slot.into_iter()
            .chain(fresh)
            .chain(yields)
            .for_each(&mut take);
    }

    /// Whether a thief would find something, apart from the slot (Q2).
    pub fn has_work(&self) -> bool {
        self.has_fresh() || self.has_yielded()
    }

    /// How many tasks lie here.
    pub fn depth(&self) -> usize {
        usize::from(self.slot.look().is_some()) + self.fresh.len() + self.yielded.len()
    }

    /// Whether there are fresh tasks, apart from the slot (Q2).
    pub fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Whether there are yielded tasks.
    pub fn has_yielded(&self) -> bool {
        !self.yielded.is_empty()
    }
}

/// Steals until the answer is final.
pub(crate) fn persist(mut steal: impl FnMut() -> Steal<Runnable>) -> Option<Runnable> {
    loop {
        match steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => heist_sync::sys::hint::spin_loop(),
        }
    }
}

#[cfg(all(test, not(heist_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::cell::{Schedule, TaskRef, new_task};
    use crate::id::Id;

    #[derive(Clone)]
    struct Nowhere;

    impl Schedule for Nowhere {
        fn schedule(&self, _task: Runnable) {}
        fn release(&self, _task: &TaskRef) {}
    }

    /// A task that notes its number when it runs.
    fn task(number: usize, last: &Arc<AtomicUsize>) -> Runnable {
        let last = last.clone();
        let future = async move { last.store(number, Ordering::Relaxed) };
        // SAFETY: the future and its output are `Send`.
        let (task, runnable, _) = unsafe { new_task(future, Nowhere, Id::next(), 0) };
        // The runtime's reference: dropped by the run.
        std::mem::forget(task);
        runnable
    }

    #[test]
    fn a_thief_asks_until_the_answer_is_final() {
        let last = Arc::default();
        let mut answers = vec![
            Steal::Empty,
            Steal::Success(task(1, &last)),
            Steal::Retry,
            Steal::Retry,
        ];
        let mut steal = || answers.pop().expect("asked no further");
        assert!(persist(&mut steal).is_some());
        assert!(persist(&mut steal).is_none());
    }

    #[test]
    fn a_thief_takes_fresh_tasks_before_yielded_ones_and_slots_only_when_asked_to() {
        let last = Arc::default();
        let (local, open) = Local::new();
        let (thief, _) = Local::new();
        assert!(open.slot.put(task(0, &last)).is_none());
        assert!(!open.has_work() && open.steal_into(&thief.fresh).is_none());
        local.yielded.push(task(1, &last));
        local.fresh.push(task(2, &last));
        for number in [2, 1] {
            assert!(open.has_work());
            open.steal_into(&thief.fresh).expect("there is one").run();
            assert_eq!(last.load(Ordering::Relaxed), number);
        }
        assert!(open.steal_into(&thief.fresh).is_none());
        let seen = open.slot.look().expect("it lies there still");
        open.slot.steal(seen).expect("nobody took it").run();
        assert_eq!(last.load(Ordering::Relaxed), 0);
    }
}
