//! Each primitive beside the plainest account of what it should do: whatever is called, polled and dropped in whatever
//! order, on one thread, the two agree on every answer, and on who is woken.
//!
//! `HEIST_PROPTEST_CASES` asks for more cases than CI runs. They are the same in each run; a failure is shrunk and printed.
#![cfg(not(any(heist_loom, heist_shuttle)))]

#[path = "support/task.rs"]
mod support;

#[path = "sequential/driver.rs"]
mod driver;

#[path = "sequential/broadcast.rs"]
mod broadcast;
#[path = "sequential/cancellation_token.rs"]
mod cancellation_token;
#[path = "sequential/condvar.rs"]
mod condvar;
#[path = "sequential/locks.rs"]
mod locks;
#[path = "sequential/mpmc.rs"]
mod mpmc;
#[path = "sequential/mpsc.rs"]
mod mpsc;
#[path = "sequential/notify.rs"]
mod notify;
#[path = "sequential/oneshot.rs"]
mod oneshot;
#[path = "sequential/queues.rs"]
mod queues;
#[path = "sequential/semaphore.rs"]
mod semaphore;
#[path = "sequential/signals.rs"]
mod signals;
#[path = "sequential/watch.rs"]
mod watch;
