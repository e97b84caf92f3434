//! What crossbeam-deque promises, in the plainest form: a queue under a lock. If somebody is in a thief's way, the
//! thief is told to try again, as in crossbeam-deque.

use std::collections::VecDeque;

use crate::sys::{Arc, Mutex};

pub use crossbeam_deque::Steal;

type Queue<T> = Arc<Mutex<VecDeque<T>>>;

/// The owner's end of a worker's queue.
#[derive(Debug)]
pub struct Worker<T>(Queue<T>);

/// A thief's end of a worker's queue.
#[derive(Debug)]
pub struct Stealer<T>(Queue<T>);

/// A queue that all may push to and steal from.
#[derive(Debug)]
pub struct Injector<T>(Queue<T>);

/// Takes the front of `from`.
fn steal_one<T>(from: &Queue<T>) -> Steal<T> {
    match from.try_lock() {
        Some(mut queue) => queue.pop_front().map_or(Steal::Empty, Steal::Success),
        None => Steal::Retry,
    }
}

/// Moves half of `from`, rounded up, to the back of `dest`, and returns the first of the items.
fn steal_half_and_pop<T>(from: &Queue<T>, dest: &Worker<T>) -> Steal<T> {
    if Arc::ptr_eq(from, &dest.0) {
        return dest.pop().map_or(Steal::Empty, Steal::Success);
    }
    let mut taken: VecDeque<T> = {
        let Some(mut queue) = from.try_lock() else {
            return Steal::Retry;
        };
        let half = queue.len().div_ceil(2);
        queue.drain(..half).collect()
    };
    let Some(first) = taken.pop_front() else {
        return Steal::Empty;
    };
    if !taken.is_empty() {
        dest.0.lock().extend(taken);
    }
    Steal::Success(first)
}

impl<T> Worker<T> {
    /// An empty queue: first in, first out.
    pub fn new_fifo() -> Self {
        Self(Arc::new(Mutex::new(VecDeque::new())))
    }

    /// A thief's end.
    pub fn stealer(&self) -> Stealer<T> {
        Stealer(self.0.clone())
    }

    /// Adds at the back.
    pub fn push(&self, task: T) {
        self.0.lock().push_back(task);
    }

    /// Takes from the front.
    pub fn pop(&self) -> Option<T> {
        self.0.lock().pop_front()
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of items in the queue.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl<T> Stealer<T> {
    /// Takes one from the front.
    pub fn steal(&self) -> Steal<T> {
        steal_one(&self.0)
    }

    /// Moves about half of the items to `dest` and returns the first of them.
    pub fn steal_batch_and_pop(&self, dest: &Worker<T>) -> Steal<T> {
        steal_half_and_pop(&self.0, dest)
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of items in the queue.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl<T> Clone for Stealer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Injector<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Injector<T> {
    /// An empty queue.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(VecDeque::new())))
    }

    /// Adds at the back.
    pub fn push(&self, task: T) {
        self.0.lock().push_back(task);
    }

    /// Takes one from the front.
    pub fn steal(&self) -> Steal<T> {
        steal_one(&self.0)
    }

    /// Moves about half of the items to `dest` and returns the first of them.
    pub fn steal_batch_and_pop(&self, dest: &Worker<T>) -> Steal<T> {
        steal_half_and_pop(&self.0, dest)
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of items in the queue.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }
}
