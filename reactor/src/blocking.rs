//! Threads for jobs that block.

pub(crate) mod pool;

pub use pool::{Job, Pool, PoolConfig, Refused};
