//! The workers: which task each of them polls next, when it sleeps, what wakes it, and which thread uses it.
//! `workers/README.md` is a guide to the files.

pub(crate) mod adrift;
pub(crate) mod alive;
mod counters;
pub(crate) mod crew;
pub(crate) mod driver;
pub(crate) mod engage;
pub(crate) mod extensions;
pub(crate) mod figures;
pub(crate) mod home;
pub(crate) mod hooks;
pub(crate) mod idle;
mod lookout;
mod looks;
mod modes;
pub(crate) mod offer;
mod own_queues;
pub(crate) mod park;
pub(crate) mod relief;
mod rounds;
pub(crate) mod run;
pub(crate) mod runtime_id;
mod samples;
mod search;
pub(crate) mod seat;
pub(crate) mod shared;
pub(crate) mod sleep;
pub(crate) mod stall;
mod tally;
mod thread_state;
mod together;
mod wake;
pub(crate) mod watch;
mod worker;
