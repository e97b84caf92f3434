//! An error that several callers are given.

use std::io;

/// The same error once more. If it is not one of the operating system, it keeps its kind and its text.
pub(crate) fn copy_error(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
