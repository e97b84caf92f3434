//! Waiting for threads to end, for so long at most.
//!
//! A thread that has left its loop runs the destructors of its thread-locals still, which are anybody's code. The standard
//! library waits for a thread for ever or not at all, so where there is a limit another thread does the waiting.

use std::time::Instant;

use heist_sync::sys::{channel, thread};

/// Joins threads that have left their loops. How many haven't ended by `deadline`; they end by themselves.
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
            // Nobody may listen any more.
            let _ = tell.send(());
        }
    };
    // Where no thread can be had, the handles go with the closure, and nobody is told anything.
    let joiner = thread::Builder::new().name("heist-join".to_owned());
    let _joiner = joiner.spawn(join);
    while left > 0 && told.recv_deadline(deadline).is_ok() {
        left -= 1;
    }
    left
}
