//! What others want done with a protocol that its task owns.

use std::collections::VecDeque;
use std::sync::Arc;

use heist_sync::sys::Mutex;

type Errand<P> = Box<dyn FnOnce(&mut P) + Send>;

pub(crate) struct Inbox<P> {
    state: Mutex<State<P>>,
}

struct State<P> {
    errands: VecDeque<Errand<P>>,
    closed: bool,
}

impl<P> Inbox<P> {
    pub(crate) fn new() -> Arc<Self> {
        let state = State {
            errands: VecDeque::new(),
            closed: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    /// If it is closed, drops the errand, which tells whoever gave it.
    pub(crate) fn push(&self, errand: Errand<P>) {
        let mut state = self.state.lock();
        if !state.closed {
            state.errands.push_back(errand);
            return;
        }
        drop(state);
        drop(errand);
    }

    /// The first errand, and whether there are more.
    pub(crate) fn pop(&self) -> Option<(Errand<P>, bool)> {
        let mut state = self.state.lock();
        let errand = state.errands.pop_front()?;
        Some((errand, !state.errands.is_empty()))
    }

    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let errands = std::mem::take(&mut state.errands);
        drop(state);
        drop(errands);
    }
}
