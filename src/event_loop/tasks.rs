//! The task functions: gather, wait, wait_for, as_completed, timeout, shield, and groups.
//!
//! | to | use |
//! |---|---|
//! | run futures as tasks and take all results, or the first error | [`gather()`] |
//! | the same, with the errors among the results | [`gather_all`] |
//! | wait for the first of several tasks, the first error, or all, for a limited time | [`wait()`] |
//! | take results in the order in which they come | [`as_completed`] |
//! | limit how long one future takes | [`wait_for`] |
//! | limit how long a block takes, with a limit that can change | [`timeout()`], [`timeout_at`] |
//! | keep a future from being cancelled with its caller | [`shield`] |
//! | run tasks that begin and end together | [`TaskGroup`] |
//!
//! # Examples
//!
//! ```
//! use heist::event_loop::tasks;
//!
//! #[heist::main]
//! async fn main() {
//!     let numbers = tasks::gather((1..=3).map(|number| async move { Ok::<u32, std::io::Error>(number * number) }));
//!     assert_eq!(numbers.await.unwrap(), [1, 4, 9]);
//! }
//! ```

mod gather;
mod many;
mod timeout;
mod wait;

pub use crate::task::TaskGroup;
pub use gather::{AsCompleted, Gather, GatherAll, as_completed, gather, gather_all};
pub use timeout::{Timeout, TimeoutError, timeout, timeout_at};
pub use wait::{ReturnWhen, Waited, shield, wait, wait_for};
