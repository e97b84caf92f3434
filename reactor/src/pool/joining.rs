//! Waiting for threads to end, with a limit.
//!
//! A thread that has left its loop still runs the destructors of its thread-locals, which may be anybody's code. The
//! standard library can only wait for a thread without a limit. So if there is a limit, another thread does the
//! waiting.

use std::time::Instant;

use heist_sync::sys::{channel, thread};

/// Joins threads that have left their loops. Returns how many haven't ended by `deadline`; these end by themselves.
pub(crate) fn join_all(handles: Vec<thread::JoinHandle<()>>, deadline: Option<Instant>) -> usize {
    let mut left = handles.len();
    let Some(deadline) = deadline else {
        handles.into_iter().for_each(|handle| drop(handle.join()));
        return 0;
    };
    if left == 0 || deadline <= Instant::now() {
        return left;
    }
    let (tell, told) = channel::bounded(left);
    let join = move || {
        for handle in handles {
            drop(handle.join());
            // Perhaps nobody listens any more.
            let _ = tell.send(());
        }
    };
    // If no thread can be started, the handles are dropped with the closure, and no message arrives.
    let joiner = thread::Builder::new().name("heist-join".to_owned());
    let _joiner = joiner.spawn(join);
    while left > 0 && told.recv_deadline(deadline).is_ok() {
        left -= 1;
    }
    left
}
