//! No coarse clock: the exact one is asked each time.

/// A clock that says nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coarse;

impl Coarse {
    /// Now is the birth.
    pub(super) fn new() -> Self {
        Self
    }

    /// Whether a deadline, in nanoseconds since the birth, is still before us for certain.
    pub(super) fn is_before(&self, _deadline: u64) -> bool {
        false
    }
}
