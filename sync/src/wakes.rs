//! Wakers that have been taken out of a structure and are still to be woken.
//!
//! Waking a waker runs somebody else's code: it may lock, panic, or use the primitive that wakes it. So every primitive
//! collects wakers under its lock, releases the lock, and then wakes them.

use std::task::Waker;

use crate::contain::{Panics, at_last, contain};

/// Wakes a waker, if there is one, as a caller's last step.
#[inline]
pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        at_last(|| waker.wake());
    }
}

/// Wakers to wake, in order. There is nearly always one, so only a second one allocates.
#[derive(Default)]
#[must_use = "a waker that is dropped here is a task that sleeps for ever"]
pub(crate) struct Wakes {
    first: Option<Waker>,
    rest: Vec<Waker>,
}

impl Wakes {
    pub(crate) fn push(&mut self, waker: Waker) {
        match self.first {
            None => self.first = Some(waker),
            Some(_) => self.rest.push(waker),
        }
    }

    /// Wakes all of them. If one panics, the others are woken all the same, and the panic goes on afterwards.
    #[inline]
    pub(crate) fn wake_all(self) {
        if self.first.is_some() {
            self.wake_those();
        }
    }

    /// Wakes all of them, for a caller that has a value to return: a panic ends here.
    #[inline]
    pub(crate) fn wake_all_contained(self) {
        if self.first.is_some() {
            contain(|| self.wake_those());
        }
    }

    fn wake_those(self) {
        if self.rest.is_empty() {
            return wake(self.first);
        }
        let mut panics = Panics::default();
        for waker in self.first.into_iter().chain(self.rest) {
            panics.run(|| waker.wake());
        }
        panics.go_on();
    }
}
