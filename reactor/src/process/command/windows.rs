//! What Windows has besides.

use std::ffi::OsStr;
use std::os::windows::process::CommandExt;

use super::Command;

/// On Windows.
impl Command {
    /// Sets the flags of the call that makes the process (`CreateProcess`).
    pub fn creation_flags(&mut self, flags: u32) -> &mut Command {
        self.std.creation_flags(flags);
        self
    }

    /// Adds text to the command line as it is, without quotes.
    pub fn raw_arg<S: AsRef<OsStr>>(&mut self, text_to_append_as_is: S) -> &mut Command {
        self.std.raw_arg(text_to_append_as_is);
        self
    }
}
