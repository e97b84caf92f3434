//! Calls of user code whose panic has nobody to go to, or has to wait.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

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

/// Drops each of a user's values, also after one whose drop panics.
pub fn drop_each<T>(values: Vec<T>) {
    if std::mem::needs_drop::<T>() {
        for value in values {
            contain(|| drop(value));
        }
    }
}

/// Calls user code whose panic keeps the caller from giving out what it has just taken: then `undo` gives that back
/// before the panic goes on. On a thread that is unwinding already the panic ends here, and the caller goes on.
pub(crate) fn or_undo(f: impl FnOnce(), undo: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        if std::thread::panicking() {
            drop_payload(payload);
        } else {
            contain(undo);
            resume_unwind(payload);
        }
    }
}

/// Calls user code as a caller's last step. Its panic goes on, unless this thread is unwinding already: two at once would
/// end the process.
#[inline]
pub(crate) fn at_last(f: impl FnOnce()) {
    if std::thread::panicking() {
        contain(f);
    } else {
        f();
    }
}

/// Several calls of user code, each of which is made whatever becomes of the others. The first panic goes on afterwards.
///
/// A guard whose drop makes the next call would do for one panic; where the next call panics too, the process ends.
#[derive(Default)]
#[must_use = "a panic is to go on"]
pub(crate) struct Panics(Option<Box<dyn Any + Send>>);

impl Panics {
    /// Calls `f`, now.
    pub(crate) fn run(&mut self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            if self.0.is_none() {
                self.0 = Some(payload);
            } else {
                drop_payload(payload);
            }
        }
    }

    /// The first panic goes on, unless this thread is unwinding already.
    pub(crate) fn go_on(self) {
        match self.0 {
            Some(payload) if std::thread::panicking() => drop_payload(payload),
            Some(payload) => resume_unwind(payload),
            None => {}
        }
    }
}
