//! Room in a bounded channel that has been reserved and not used yet.

use std::fmt;
use std::iter::FusedIterator;

use super::chan::Chan;
use super::receiving::Sole;

/// Room for one message; dropping it gives the room back. Made by [`Sender::reserve`](super::Sender::reserve)
/// and [`Sender::try_reserve`](super::Sender::try_reserve).
///
/// [`send`](Self::send) has an example.
#[must_use = "a permit that is dropped sends nothing"]
pub struct Permit<'a, T> {
    chan: &'a Chan<T, Sole>,
}

/// Room for several messages: an iterator of permits for one message each. Dropping it gives the rest back. Made by
/// [`Sender::reserve_many`](super::Sender::reserve_many) and
/// [`Sender::try_reserve_many`](super::Sender::try_reserve_many).
///
/// [`Sender::reserve_many`](super::Sender::reserve_many) has an example.
#[must_use = "permits that are dropped send nothing"]
pub struct PermitIterator<'a, T> {
    chan: &'a Chan<T, Sole>,
    left: usize,
}

impl<'a, T> Permit<'a, T> {
    /// The permit has been taken from the channel by the caller.
    pub(super) fn new(chan: &'a Chan<T, Sole>) -> Self {
        Self { chan }
    }

    /// Sends a message without waiting. It is sent even if the receiver was closed; if the receiver was dropped, the
    /// message is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = heist::sync::mpsc::channel(1);
    /// sender.try_reserve().unwrap().send(1);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn send(self, value: T) {
        let chan = self.chan;
        std::mem::forget(self);
        chan.send_permitted(value);
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.chan.give_back(1);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl<'a, T> PermitIterator<'a, T> {
    /// The permits have been taken from the channel by the caller.
    pub(super) fn new(chan: &'a Chan<T, Sole>, left: usize) -> Self {
        Self { chan, left }
    }
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Permit<'a, T>> {
        self.left = self.left.checked_sub(1)?;
        Some(Permit::new(self.chan))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> FusedIterator for PermitIterator<'_, T> {}

impl<T> Drop for PermitIterator<'_, T> {
    fn drop(&mut self) {
        self.chan.give_back(self.left as u64);
    }
}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitIterator")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
