//! Files and directories.
//!
//! | to | see |
//! |---|---|
//! | read or write a whole file | [`read`], [`read_to_string`], [`write()`], [`copy`] |
//! | read, write and seek piece by piece | [`File`], [`OpenOptions`] |
//! | list, make and remove directories | [`read_dir()`], [`create_dir_all`], [`DirBuilder`], [`remove_dir_all`] |
//! | rename, link, remove files | [`rename`], [`hard_link`], [`remove_file`] |
//! | ask about a file | [`metadata`], [`try_exists`], [`canonicalize`] |
//!
//! A file can't tell when it is ready, as a socket can. So what may wait for a disk runs on the blocking pool of the
//! current runtime. Outside any runtime it runs on a pool that starts at first use. Each function is one job there, so
//! [`read`] costs less than opening a file and reading it. On Linux, a [`File`] that is read piece by piece doesn't need the
//! pool for bytes that are in the page cache.
//!
//! # Errors
//!
//! Each function fails as the one of the same name in [`std::fs`] does. It also fails if the pool has been shut down, or if no
//! thread can be started for it.
//!
//! # Cancel safety
//!
//! Nothing happens before the first poll. After it, the job runs to its end even if you drop the future, unless the runtime
//! shuts down before the job's turn has come.

mod buffer;
mod contents;
mod dirs;
mod entries;
mod file;
mod job;
mod links;
mod open_options;
mod read_dir;

#[doc(no_inline)]
pub use std::fs::FileTimes;

pub use contents::{copy, read, read_to_string, write};
pub use dirs::{DirBuilder, create_dir, create_dir_all, remove_dir, remove_dir_all};
pub use entries::{
    canonicalize, metadata, remove_file, rename, set_permissions, symlink_metadata, try_exists,
};
pub use file::File;
#[cfg(unix)]
pub use links::symlink;
pub use links::{hard_link, read_link};
#[cfg(windows)]
pub use links::{symlink_dir, symlink_file};
pub use open_options::OpenOptions;
pub use read_dir::{DirEntry, ReadDir, read_dir};
