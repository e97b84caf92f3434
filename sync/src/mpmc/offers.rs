//! The values that the waiting senders of a channel without a buffer offer, in order.
//!
//! An offer that is withdrawn leaves a gap, because closing it at once would move all offers behind it. These rules
//! hold:
//!
//! 1. Tickets rise from the first to the last, so an offer is found by binary search.
//! 2. The first entry is no gap, and at most half of the entries are gaps.
//! 3. There is memory for at most four times as many entries as there are, plus a few.
//!
//! So on average a step costs no more than the search.

use std::collections::VecDeque;

/// With this few entries there is no memory to give back, and there are no gaps to close.
const FEW: usize = 16;

pub(super) struct Offers<T> {
    /// A gap has no value.
    entries: VecDeque<(u64, Option<T>)>,
    gaps: usize,
    next_ticket: u64,
}

impl<T> Default for Offers<T> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            gaps: 0,
            next_ticket: 0,
        }
    }
}

impl<T> Offers<T> {
    /// How many offers there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.gaps
    }

    /// Adds an offer, and returns its ticket.
    pub(super) fn push(&mut self, value: T) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.entries.push_back((ticket, Some(value)));
        ticket
    }

    /// Takes the oldest offer.
    pub(super) fn pop(&mut self) -> Option<T> {
        let (_, value) = self.entries.pop_front()?;
        self.tidy();
        value
    }

    /// Takes back the offer with this ticket.
    pub(super) fn withdraw(&mut self, ticket: u64) -> Option<T> {
        let index = self
            .entries
            .binary_search_by_key(&ticket, |entry| entry.0)
            .ok()?;
        let value = self.entries[index].1.take()?;
        self.gaps += 1;
        self.tidy();
        Some(value)
    }

    /// Keeps rules 2 and 3.
    fn tidy(&mut self) {
        while let Some((_, None)) = self.entries.front() {
            self.entries.pop_front();
            self.gaps -= 1;
        }
        if self.gaps > FEW && 2 * self.gaps > self.entries.len() {
            self.entries.retain(|entry| entry.1.is_some());
            self.gaps = 0;
        }
        shrink(&mut self.entries);
    }
}

/// Gives back memory that a burst has left: rule 3.
pub(super) fn shrink<E>(entries: &mut VecDeque<E>) {
    if entries.capacity() > 4 * (entries.len() + FEW) {
        entries.shrink_to(2 * entries.len() + FEW);
    }
}

#[cfg(all(test, not(any(heist_loom, heist_shuttle))))]
mod tests {
    use super::{FEW, Offers};
    use crate::sys::rand::Rand;

    fn check(offers: &Offers<u64>) {
        assert!(offers.entries.front().is_none_or(|first| first.1.is_some()));
        assert!(offers.gaps <= FEW.max(offers.entries.len() / 2));
        assert!(offers.entries.capacity() <= 4 * (offers.entries.len() + FEW));
        let gaps = offers.entries.iter().filter(|entry| entry.1.is_none());
        assert_eq!(gaps.count(), offers.gaps);
    }

    #[test]
    fn offers_withdrawn_in_any_order_leave_few_gaps_and_no_memory() {
        let rand = Rand::new(7);
        let mut offers = Offers::default();
        // Each step looks at all of them, which takes minutes under Miri.
        let count = if cfg!(miri) { 100 } else { 2_000 };
        let mut tickets: Vec<_> = (0..count).map(|value| offers.push(value)).collect();
        while !tickets.is_empty() {
            let ticket = tickets.swap_remove(rand.below(tickets.len() as u32) as usize);
            assert_eq!(offers.withdraw(ticket), Some(ticket));
            assert_eq!(offers.withdraw(ticket), None);
            assert_eq!(offers.len(), tickets.len());
            check(&offers);
        }
    }

    #[test]
    fn the_oldest_that_is_left_comes_first() {
        let mut offers = Offers::default();
        let tickets: Vec<_> = (0..100).map(|value| offers.push(value)).collect();
        for ticket in tickets.iter().filter(|ticket| *ticket % 3 != 0) {
            offers.withdraw(*ticket);
            check(&offers);
        }
        for value in (0..100).step_by(3) {
            assert_eq!(offers.pop(), Some(value));
            check(&offers);
        }
        assert_eq!(offers.pop(), None);
    }
}
