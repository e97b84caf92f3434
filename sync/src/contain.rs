//! Calls of user code whose panic can't be passed to anybody, or has to wait.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Calls `f`. If it panics, the panic hook has printed that; the panic ends here, and its payload is dropped.
pub fn contain<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).map_err(drop_payload).ok()
}

/// How many times in a row the drop of a payload may panic in turn.
const MOST_NESTED: usize = 8;

/// Drops the payload of a panic, which is user code again. If that panics, drops that panic's payload, and so on. If
/// there is no end to it, the payload is forgotten.
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

/// Calls user code before the caller has given out what it has just taken. If the code panics, `undo` gives that back
/// before the panic goes on. If the thread is unwinding already, the panic ends here, and the caller goes on.
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

/// Calls user code as a caller's last step. Its panic goes on, unless this thread is unwinding already: two panics at
/// once would abort the process.
#[inline]
pub(crate) fn at_last(f: impl FnOnce()) {
    if std::thread::panicking() {
        contain(f);
    } else {
        f();
    }
}

/// Makes several calls of user code. Each is made even if another one panics. The first panic goes on afterwards.
///
/// A guard whose drop makes the next call would do for one panic. If the next call panicked too, the process would
/// abort.
#[derive(Default)]
#[must_use = "a panic is to go on"]
pub(crate) struct Panics(Option<Box<dyn Any + Send>>);

impl Panics {
    /// Calls `f` now.
    pub(crate) fn run(&mut self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            if self.0.is_none() {
                self.0 = Some(payload);
            } else {
                drop_payload(payload);
            }
        }
    }

    /// Lets the first panic go on, unless this thread is unwinding already.
    pub(crate) fn go_on(self) {
        match self.0 {
            Some(payload) if std::thread::panicking() => drop_payload(payload),
            Some(payload) => resume_unwind(payload),
            None => {}
        }
    }
}
