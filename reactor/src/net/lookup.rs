//! Look-ups of host names, on threads of their own.
//!
//! The system's look-up blocks its thread. If a name server doesn't answer, that takes up to half a minute, and nothing
//! can cut it short. So each reactor has a pool for look-ups alone. They delay no file and no blocking job, and nobody waits
//! for the threads of this pool when the reactor shuts down.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::AssertUnwindSafe;
use std::vec;

use heist_sync::oneshot;

use crate::context;
use crate::current::default_reactor;
use crate::pool::{Pool, Refused};
use crate::reactor::Reactor;
use crate::sources::shut_down;

type Answer = io::Result<vec::IntoIter<SocketAddr>>;

/// Asks the system for the addresses of a host. If the future is dropped while the look-up is in the queue, the look-up is
/// skipped.
pub(super) async fn look_up(host: String, port: u16) -> Answer {
    let answered = async move {
        let answered = match context::with_entered(Reactor::clone) {
            Some(reactor) => begin(reactor.lookup_pool(), host, port),
            None => begin(default_reactor()?.lookup_pool(), host, port),
        };
        // If the pool is shut down, it drops what is queued.
        answered?.await.unwrap_or_else(|_| Err(shut_down()))
    };
    // A panic leaves an answer as it is.
    AssertUnwindSafe(answered).await
}

/// Queues a look-up. Without a pool, the reactor has been shut down.
fn begin(pool: Option<&Pool>, host: String, port: u16) -> io::Result<oneshot::Receiver<Answer>> {
    let (answer, answered) = oneshot::channel();
    let job = move || {
        if !answer.is_closed() {
            // If the future has been dropped meanwhile, so is the answer.
            let _ = answer.send((&*host, port).to_socket_addrs());
        }
    };
    match pool.ok_or_else(shut_down)?.submit(Box::new(job)) {
        Ok(()) => Ok(answered),
        Err(Refused::NoThread(_, error)) => Err(error),
        Err(Refused::Shutdown(_)) => Err(shut_down()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::begin;
    use crate::config::Config;
    use crate::pool::{Pool, PoolConfig};

    #[test]
    fn a_look_up_without_a_thread_fails() {
        let mut config = PoolConfig::from_config(&Config::default());
        config.spawner = Box::new(|_, _| Err(io::Error::from_raw_os_error(11)));
        let pool = Pool::new(config);
        let look_up = |pool| begin(pool, "localhost".to_owned(), 80).map(drop);
        let error = look_up(Some(&pool)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(11));
        pool.shutdown();
        look_up(Some(&pool)).unwrap_err();
        look_up(None).unwrap_err();
    }
}
