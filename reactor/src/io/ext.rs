//! The async functions of readers and writers.
#![expect(
    missing_debug_implementations,
    reason = "operations are inside of `Operate`, which has it"
)]

mod buf_read;
mod read;
mod seek;
mod write;

pub use buf_read::{AsyncBufReadExt, Lines, Split};
pub use read::AsyncReadExt;
pub use seek::AsyncSeekExt;
pub use write::AsyncWriteExt;
