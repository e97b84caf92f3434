//! Look-ups of host names, on threads of their own.
//!
//! The system's look-up blocks its thread. If a name server doesn't answer, that takes up to half a minute, and nothing
//! can cut it short. So each reactor has a pool for look-ups alone. They delay no file and no blocking job, and nobody waits
//! for the threads of this pool when the reactor shuts down.

use std::io;
use std::panic::AssertUnwindSafe;

use heist_sync::oneshot;

use crate::context;
use crate::current::default_reactor;
use crate::pool::{Pool, Refused};
use crate::reactor::Reactor;
use crate::sources::shut_down;

/// Runs a look-up of names that blocks, on the threads that [`lookup_host`](super::lookup_host) uses.
///
/// It completes when `function` has returned. Nobody waits for these threads when the runtime shuts down, and they delay
/// no file and no blocking job. So this is for calls of the system or of a library that ask a name server.
///
/// # Cancel safety
///
/// If the future is dropped before a thread has taken it up, `function` is not called. After that it runs to its end, and
/// its result is dropped.
///
/// # Errors
///
/// That of `function`. If no thread could be started, or if the runtime has shut down.
///
/// # Examples
///
/// ```
/// use std::net::ToSocketAddrs as _;
///
/// #[heist::main]
/// async fn main() -> std::io::Result<()> {
///     let found = heist::net::run_lookup(|| ("localhost", 80).to_socket_addrs()).await?;
///     assert!(found.count() > 0);
///     Ok(())
/// }
/// ```
pub async fn run_lookup<T: Send + 'static>(
    function: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let answered = async move {
        let answered = match context::with_entered(Reactor::clone) {
            Some(reactor) => begin(reactor.lookup_pool(), function),
            None => begin(default_reactor()?.lookup_pool(), function),
        };
        // If the pool is shut down, it drops what is queued.
        answered?.await.unwrap_or_else(|_| Err(shut_down()))
    };
    // A panic leaves an answer as it is.
    AssertUnwindSafe(answered).await
}

/// Queues a look-up. Without a pool, the reactor has been shut down.
fn begin<T: Send + 'static>(
    pool: Option<&Pool>,
    function: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<oneshot::Receiver<io::Result<T>>> {
    let (answer, answered) = oneshot::channel();
    let job = move || {
        if !answer.is_closed() {
            // If the future has been dropped meanwhile, so is the answer.
            let _ = answer.send(function());
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
        let look_up = |pool| begin(pool, || Ok(())).map(drop);
        let error = look_up(Some(&pool)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(11));
        pool.shutdown();
        look_up(Some(&pool)).unwrap_err();
        look_up(None).unwrap_err();
    }
}
