//! The timers of all reactors that exist. A sleep keeps its reactor's number, not the reactor.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use heist_sync::sys::{Arc, Mutex};

use crate::poller::PollKick;
use crate::timers::Timers;

#[derive(Default)]
struct Reactors {
    registered: u32,
    timers: BTreeMap<u32, Arc<Timers<PollKick>>>,
}

fn reactors() -> &'static Mutex<Reactors> {
    static REACTORS: OnceLock<Mutex<Reactors>> = OnceLock::new();
    REACTORS.get_or_init(Mutex::default)
}

/// Stores a reactor's timers under a number that no other reactor ever has.
pub(crate) fn register(timers: Arc<Timers<PollKick>>) -> u32 {
    if cfg!(heist_loom) {
        // What a model makes ends with the model, so it must not be kept in a static.
        return 0;
    }
    let mut reactors = reactors().lock();
    // No process makes four thousand million reactors. A number that is still in use is passed over.
    loop {
        reactors.registered = reactors.registered.wrapping_add(1);
        if !reactors.timers.contains_key(&reactors.registered) {
            break;
        }
    }
    let id = reactors.registered;
    reactors.timers.insert(id, timers);
    id
}

/// Removes the timers of a reactor that is gone.
pub(crate) fn forget(id: u32) {
    if cfg!(heist_loom) {
        return;
    }
    let timers = reactors().lock().timers.remove(&id);
    drop(timers);
}

/// The timers of a reactor, if it is not gone.
pub(crate) fn find(id: u32) -> Option<Arc<Timers<PollKick>>> {
    reactors().lock().timers.get(&id).cloned()
}
