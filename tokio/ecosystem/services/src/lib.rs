//! Two servers that know tokio alone. `compare` builds them on the real tokio and on heist.

pub mod mini_redis;
