//! Several futures, each polled only when it was woken.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use heist_sync::sys::Mutex;

/// Futures that are polled together. Polling costs as much as there are futures that were woken.
pub(super) struct Many<F> {
    futures: Vec<Option<F>>,
    left: usize,
    woken: Arc<Woken>,
    wakers: Vec<Waker>,
}

/// Which futures were woken since the last poll, and who wants to know.
struct Woken {
    state: Mutex<State>,
}

struct State {
    indexes: VecDeque<usize>,
    /// Whether an index is in `indexes`.
    marked: Vec<bool>,
    parent: Option<Waker>,
}

/// The waker of one of the futures.
struct Child {
    woken: Arc<Woken>,
    index: usize,
}

impl Wake for Child {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.woken.state.lock();
        if std::mem::replace(&mut state.marked[self.index], true) {
            return;
        }
        state.indexes.push_back(self.index);
        let parent = state.parent.take();
        drop(state);
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}

impl<F: Future + Unpin> Many<F> {
    pub(super) fn new(futures: impl IntoIterator<Item = F>) -> Self {
        let futures: Vec<_> = futures.into_iter().map(Some).collect();
        let count = futures.len();
        let woken = Arc::new(Woken {
            state: Mutex::new(State {
                indexes: (0..count).collect(),
                marked: vec![true; count],
                parent: None,
            }),
        });
        let waker = |index| {
            let woken = woken.clone();
            Waker::from(Arc::new(Child { woken, index }))
        };
        let wakers = (0..count).map(waker).collect();
        Self {
            futures,
            left: count,
            woken,
            wakers,
        }
    }

    /// How many futures aren't complete.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// The next output, with the index of its future. `None` once all are complete.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, F::Output)>> {
        let mut parent = None;
        while self.left > 0 {
            let mut state = self.woken.state.lock();
            let Some(index) = state.indexes.pop_front() else {
                let Some(parent) = parent.take() else {
                    drop(state);
                    // Cloned without the lock, as a waker may do anything.
                    parent = Some(cx.waker().clone());
                    continue;
                };
                let old = state.parent.replace(parent);
                drop(state);
                drop(old);
                return Poll::Pending;
            };
            state.marked[index] = false;
            drop(state);
            let Some(future) = &mut self.futures[index] else {
                continue;
            };
            let mut cx = Context::from_waker(&self.wakers[index]);
            if let Poll::Ready(output) = Pin::new(future).poll(&mut cx) {
                self.futures[index] = None;
                self.left -= 1;
                return Poll::Ready(Some((index, output)));
            }
        }
        Poll::Ready(None)
    }

    /// The futures that aren't complete, in their order.
    pub(super) fn into_pending(self) -> Vec<F> {
        self.futures.into_iter().flatten().collect()
    }
}
