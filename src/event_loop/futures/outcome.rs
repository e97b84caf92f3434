//! An outcome that is set once, and who waits for it. This file knows neither tasks nor loops, so a model can hold it
//! against every interleaving.
//!
//! Invariants:
//! 1. The value is set once, in a cell that is read without a lock.
//! 2. Whoever adds a waker or a callback looks at the cell under the lock first. The setter takes what waits under the
//!    lock, after it has set the cell. So what is added is either taken by the setter or refused.
//! 3. Callbacks are handed out in the order in which they were added. The setter takes them again and again until it finds
//!    none, and only then sets `drained`. Until then callbacks are still accepted, and wait their turn.
//! 4. Removing costs no more than the logarithm of how many there are.

use std::collections::BTreeMap;
use std::task::Waker;

use heist_sync::sys::{Mutex, OnceCell};

/// An outcome `O`, and callbacks `C` that wait for it.
pub(crate) struct Outcome<O, C> {
    value: OnceCell<O>,
    waiting: Mutex<Waiting<C>>,
}

struct Waiting<C> {
    last_id: u64,
    wakers: BTreeMap<u64, Waker>,
    callbacks: BTreeMap<u64, C>,
    drained: bool,
}

impl<C> Waiting<C> {
    fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

impl<O, C> Outcome<O, C> {
    pub(crate) fn new() -> Self {
        Self {
            value: OnceCell::new(),
            waiting: Mutex::new(Waiting {
                last_id: 0,
                wakers: BTreeMap::new(),
                callbacks: BTreeMap::new(),
                drained: false,
            }),
        }
    }

    pub(crate) fn get(&self) -> Option<&O> {
        self.value.get()
    }

    /// Sets the outcome, or returns it if there is one already. Callbacks are given to `schedule`, then wakers to
    /// `wake`, with no lock held. Neither may panic.
    pub(crate) fn set(
        &self,
        value: O,
        mut schedule: impl FnMut(C),
        wake: impl FnMut(Waker),
    ) -> Result<(), O> {
        self.value.set(value)?;
        let wakers = loop {
            let mut waiting = self.waiting.lock();
            let callbacks = std::mem::take(&mut waiting.callbacks);
            if callbacks.is_empty() {
                waiting.drained = true;
                break std::mem::take(&mut waiting.wakers);
            }
            drop(waiting);
            callbacks.into_values().for_each(&mut schedule);
        };
        wakers.into_values().for_each(wake);
        Ok(())
    }

    /// Adds a callback. It comes back if it is too late for the setter to take it.
    pub(crate) fn add(&self, callback: C) -> (u64, Option<C>) {
        let mut waiting = self.waiting.lock();
        let id = waiting.id();
        if waiting.drained {
            return (id, Some(callback));
        }
        waiting.callbacks.insert(id, callback);
        (id, None)
    }

    /// Takes a callback back, unless the setter has taken it.
    pub(crate) fn remove(&self, id: u64) -> Option<C> {
        self.waiting.lock().callbacks.remove(&id)
    }

    /// Leaves a waker, in the place that the caller has already or in a new one. Returns whether there is an outcome.
    pub(crate) fn wait(&self, place: &mut Option<u64>, waker: &Waker) -> bool {
        if self.value.get().is_some() {
            return true;
        }
        // Cloned and dropped without the lock, as a waker may do anything.
        let waker = waker.clone();
        let mut waiting = self.waiting.lock();
        if self.value.get().is_some() {
            drop(waiting);
            return true;
        }
        let id = *place.get_or_insert_with(|| waiting.id());
        let old = waiting.wakers.insert(id, waker);
        drop(waiting);
        drop(old);
        false
    }

    /// Takes a waker back.
    pub(crate) fn forget(&self, place: u64) {
        let waker = self.waiting.lock().wakers.remove(&place);
        drop(waker);
    }
}
