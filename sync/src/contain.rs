//! Calls of user code whose panic has nobody to go to.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`; its panic, which the panic hook has printed, ends here, with what it carries.
pub fn contain<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).map_err(drop_payload).ok()
}

/// How often in a row the drop of what a panic carries may panic itself.
const MOST_NESTED: usize = 8;

/// Drops what a panic carries, which is user code again, and then what that drop's own panic carries, and so on. What
/// has no end is forgotten.
pub fn drop_payload(mut payload: Box<dyn Any + Send>) {
    for _ in 0..MOST_NESTED {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    std::mem::forget(payload);
}
