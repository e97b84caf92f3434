//! Look-ups of host names, on threads of their own.
//!
//! The system's look-up blocks its thread. If a name server doesn't answer, that takes up to half a minute, and nothing
//! can cut it short. So look-ups have their own pool: they delay no file and no blocking job. The pool belongs to the
//! process, not to a reactor. So a runtime that shuts down waits for none of its threads.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::OnceLock;
use std::vec;

use heist_sync::oneshot;

use crate::config::Config;
use crate::pool::{Pool, PoolConfig, Refused};

/// How many look-ups may run at once; more of them queue up. Their threads do little but wait, so these may be many more
/// than there are processors. There are enough that some dozen names whose servers don't answer leave threads for the
/// others. There are few enough for a server's limits, and for the descriptors: each look-up has a socket or two.
const MAX_THREADS: usize = 64;

/// The pool for look-ups. Its threads start when they are needed, and end when they have been idle for some seconds.
fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| {
        Pool::new(PoolConfig::from_config(&Config {
            thread_name: std::sync::Arc::new(|| "heist-lookup".to_owned()),
            max_blocking_threads: MAX_THREADS,
            ..Config::default()
        }))
    })
}

/// Asks the system for the addresses of a host. If the future is dropped while the look-up is in the queue, the look-up is
/// skipped.
pub(super) async fn look_up(host: String, port: u16) -> io::Result<vec::IntoIter<SocketAddr>> {
    look_up_on(pool(), host, port).await
}

async fn look_up_on(pool: &Pool, host: String, port: u16) -> io::Result<vec::IntoIter<SocketAddr>> {
    let (answer, answered) = oneshot::channel();
    let job = move || {
        if !answer.is_closed() {
            // If the future has been dropped meanwhile, so is the answer.
            let _ = answer.send((&*host, port).to_socket_addrs());
        }
    };
    if let Err(Refused::NoThread(_, error)) = pool.submit(Box::new(job)) {
        return Err(error);
    }
    let not_run = |_| Err(io::Error::other("no thread can look up the host name"));
    answered.await.unwrap_or_else(not_run)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::look_up_on;
    use crate::config::Config;
    use crate::pool::{Pool, PoolConfig};
    use crate::testing::block_on;

    #[test]
    fn a_look_up_without_a_thread_fails() {
        let mut config = PoolConfig::from_config(&Config::default());
        config.spawner = Box::new(|_, _| Err(io::Error::from_raw_os_error(11)));
        let pool = Pool::new(config);
        let look_up = || block_on(look_up_on(&pool, "localhost".to_owned(), 80));
        assert_eq!(look_up().unwrap_err().raw_os_error(), Some(11));
        pool.shutdown();
        look_up().unwrap_err();
    }
}
