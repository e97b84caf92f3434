//! Calls of user code whose panic has nobody to go to.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `f`; its panic, which the panic hook has printed, ends here, with what it carries.
pub fn contain<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).map_err(drop_payload).ok()
}

/// Drops what a panic carries, which is user code again, and then what that drop's own panic carries. What a third one
/// would carry is forgotten.
pub fn drop_payload(payload: Box<dyn Any + Send>) {
    let dropped = |payload| catch_unwind(AssertUnwindSafe(|| drop(payload)));
    if let Err(second) = dropped(payload)
        && let Err(third) = dropped(second)
    {
        std::mem::forget(third);
    }
}
