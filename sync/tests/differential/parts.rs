//! What worlds are made of: futures, things that several futures may take in turn, and messages that are counted.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::driver::{Seen, Value};

/// A waker that counts, and knows when it was woken last.
#[derive(Default)]
struct Wakes {
    count: AtomicUsize,
    last: AtomicUsize,
}

impl Wakes {
    fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(self.clone())
    }

    /// How often it was woken since the last call.
    fn take(&self) -> usize {
        self.count.swap(0, Ordering::Relaxed)
    }

    /// When it was woken, if it was since `take`: what is less was earlier.
    fn last(&self) -> Option<usize> {
        (self.count.load(Ordering::Relaxed) > 0).then(|| self.last.load(Ordering::Relaxed))
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        static CLOCK: AtomicUsize = AtomicUsize::new(0);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.last
            .store(CLOCK.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// A future, and the wakers it was polled with.
struct Entry {
    number: usize,
    kind: &'static str,
    /// None where it is lost.
    future: Option<Pin<Box<dyn Future<Output = Value>>>>,
    wakes: Arc<Wakes>,
    /// The wakers before the last.
    stale: Vec<Arc<Wakes>>,
    /// It has been polled, and not woken since.
    waits: bool,
    forgotten: bool,
}

/// Futures that have not completed, in the order in which they were made.
#[derive(Default)]
pub(crate) struct Futures {
    next: usize,
    entries: Vec<Entry>,
    /// Whether one has been dropped before it completed.
    given_up: bool,
}

impl Futures {
    /// Keeps a future, which has not been polled. `kind` is the name under which its result is noted.
    pub(crate) fn add(
        &mut self,
        kind: &'static str,
        future: impl Future<Output = Value> + 'static,
    ) {
        self.entries.push(Entry {
            number: self.next,
            kind,
            future: Some(Box::pin(future)),
            wakes: Arc::default(),
            stale: Vec::new(),
            waits: false,
            forgotten: false,
        });
        self.next += 1;
    }

    /// The number of the next to be kept.
    pub(crate) fn upcoming(&self) -> usize {
        self.next
    }

    /// How many there are of a kind, forgotten ones too.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.kind == kind)
            .count()
    }

    /// The place of some future that isn't forgotten.
    fn some(&self, n: usize) -> Option<usize> {
        let known = (0..self.entries.len()).filter(|&i| !self.entries[i].forgotten);
        let count = known.clone().count();
        known.into_iter().nth(n.checked_rem(count)?)
    }

    pub(crate) fn poll(&mut self, n: usize, fresh: bool, seen: &Seen) {
        if let Some(at) = self.some(n) {
            self.poll_at(at, fresh, seen);
        }
    }

    fn poll_at(&mut self, at: usize, fresh: bool, seen: &Seen) {
        let entry = &mut self.entries[at];
        if fresh {
            let last = std::mem::take(&mut entry.wakes);
            entry.stale.push(last);
        }
        let waker = entry.wakes.waker();
        let future = entry.future.as_mut().expect("the lost are not polled");
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => {
                entry.waits = true;
                seen.note(entry.kind, "pending");
            }
            Poll::Ready(value) => {
                seen.note(entry.kind, value);
                self.entries.remove(at);
            }
        }
    }

    pub(crate) fn drop(&mut self, n: usize) {
        if let Some(at) = self.some(n) {
            self.given_up = true;
            self.entries.remove(at);
        }
    }

    /// Neither polls some future nor drops it any more, until all is over.
    pub(crate) fn forget(&mut self, n: usize) {
        if let Some(at) = self.some(n) {
            self.entries[at].forgotten = true;
        }
    }

    /// Whether one has been dropped before it completed.
    pub(crate) fn given_up(&self) -> bool {
        self.given_up
    }

    /// Whether one has been forgotten.
    pub(crate) fn forgotten(&self) -> bool {
        self.entries.iter().any(|entry| entry.forgotten)
    }

    /// Polls who was woken, but the forgotten, in the order of that, until nobody is; notes which ones complete, without
    /// regard to the order.
    pub(crate) fn settle(&mut self, seen: &Seen) {
        let first = |entries: &[Entry]| {
            let places = 0..entries.len();
            let known = places.filter(|&at| !entries[at].forgotten);
            let woken = known.filter_map(|at| Some((entries[at].wakes.last()?, at)));
            woken.min().map(|(_, at)| at)
        };
        let mut settled = Vec::new();
        while let Some(at) = first(&self.entries) {
            self.entries[at].wakes.take();
            let number = self.entries[at].number;
            self.poll_at(at, false, &Seen::default());
            if self
                .entries
                .get(at)
                .is_none_or(|entry| entry.number != number)
            {
                settled.push(number);
            }
        }
        settled.sort_unstable();
        seen.note("settled", settled);
    }

    /// Polls a future once, and forgets it for good: it outlives all that it waits for.
    pub(crate) fn poll_and_lose<R>(
        &mut self,
        kind: &'static str,
        future: impl Future<Output = R>,
        seen: &Seen,
    ) {
        /// Where a leak check finds what is meant to be lost.
        static LOST: Mutex<Vec<usize>> = Mutex::new(Vec::new());

        let wakes: Arc<Wakes> = Arc::default();
        let waker = wakes.waker();
        let mut future = Box::pin(future);
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        seen.note(kind, if poll.is_ready() { "ready" } else { "pending" });
        self.entries.push(Entry {
            number: self.next,
            kind,
            future: None,
            wakes,
            stale: Vec::new(),
            waits: poll.is_pending(),
            forgotten: true,
        });
        self.next += 1;
        let address = std::ptr::from_ref(&*future).addr();
        LOST.lock().expect("nothing in it panics").push(address);
        std::mem::forget(future);
    }

    /// Another waker has taken the place of those that the lost have left.
    pub(crate) fn leave_lost(&mut self) {
        let lost = self
            .entries
            .iter_mut()
            .filter(|entry| entry.future.is_none());
        lost.for_each(|entry| entry.waits = false);
    }

    /// Notes which ones were woken since the last call, forgotten ones too.
    pub(crate) fn note_wakes(&mut self, seen: &Seen) {
        let mut woken = Vec::new();
        let mut needless = 0;
        for entry in &mut self.entries {
            let wakes = entry.wakes.take();
            if wakes > 0 && std::mem::take(&mut entry.waits) {
                woken.push(entry.number);
                needless += wakes - 1;
            } else {
                needless += wakes;
            }
            needless += entry.stale.iter().map(|wakes| wakes.take()).sum::<usize>();
        }
        seen.note("wakes", woken);
        seen.note("needless wakes", needless);
    }
}

/// What a thing that is polled without a future is polled with.
#[derive(Default)]
pub(crate) struct Poller {
    wakes: Arc<Wakes>,
    /// It was pending, and has not been woken since.
    waits: bool,
}

impl Poller {
    /// Polls, and notes the answer.
    pub(crate) fn poll<R>(
        &mut self,
        kind: &'static str,
        seen: &Seen,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
        value: impl FnOnce(R) -> Value,
    ) {
        let waker = self.wakes.waker();
        let poll = poll(&mut Context::from_waker(&waker));
        self.waits = poll.is_pending();
        match poll {
            Poll::Pending => seen.note(kind, "pending"),
            Poll::Ready(answer) => seen.note(kind, value(answer)),
        }
    }

    /// Another waker may have taken the place of this one.
    pub(crate) fn leave(&mut self) {
        self.waits = false;
    }

    /// Notes whether it was woken since the last call.
    pub(crate) fn note_wakes(&mut self, seen: &Seen) {
        let wakes = self.wakes.take();
        let woken = wakes > 0 && std::mem::take(&mut self.waits);
        seen.note("wake of what is polled", woken);
        seen.note("needless wakes", wakes - usize::from(woken));
    }
}

/// Is pending once, and wakes nobody: a place between two steps of a future, to be dropped at.
pub(crate) async fn stage() {
    let mut polled = false;
    poll_fn(|_| match std::mem::replace(&mut polled, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// Things of one kind. Clones have the same ones.
pub(crate) struct Pool<T>(Rc<RefCell<Vec<T>>>);

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<T> Pool<T> {
    pub(crate) fn of(one: T) -> Self {
        let pool = Self::default();
        pool.put(one);
        pool
    }

    pub(crate) fn put(&self, one: T) {
        self.0.borrow_mut().push(one);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Takes some one out.
    pub(crate) fn take(&self, n: usize) -> Option<T> {
        let mut all = self.0.borrow_mut();
        let at = n.checked_rem(all.len())?;
        Some(all.remove(at))
    }

    /// Takes some one out until the loan is dropped.
    pub(crate) fn lend(&self, n: usize) -> Option<Lent<T>> {
        let one = self.take(n)?;
        Some(Lent {
            pool: self.clone(),
            one: Some(one),
        })
    }

    /// Some one as it lies there.
    pub(crate) fn with<R>(&self, n: usize, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut one = self.lend(n)?;
        Some(f(&mut one))
    }

    /// `f` of each.
    pub(crate) fn each<R>(&self, f: impl FnMut(&T) -> R) -> Vec<R> {
        self.0.borrow().iter().map(f).collect()
    }
}

impl Pool<usize> {
    /// Takes out all of these numbers, in order.
    pub(crate) fn sorted(&self) -> Vec<usize> {
        let mut all = self.0.take();
        all.sort_unstable();
        all
    }
}

/// One of a pool, on loan.
pub(crate) struct Lent<T> {
    pool: Pool<T>,
    one: Option<T>,
}

impl<T> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.one.as_ref().expect("it goes with the loan")
    }
}

impl<T> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.one.as_mut().expect("it goes with the loan")
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        self.pool.0.borrow_mut().extend(self.one.take());
    }
}

/// Counts futures that hold something. Clones count the same.
#[derive(Clone, Default)]
pub(crate) struct Held(Rc<Cell<usize>>);

/// One that holds something.
pub(crate) struct Holder(Held);

impl Held {
    pub(crate) fn hold(&self) -> Holder {
        self.0.update(|count| count + 1);
        Holder(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.get()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.0.update(|count| count - 1);
    }
}

/// Makes messages, numbered, and counts those that have not been dropped.
#[derive(Clone, Default)]
pub(crate) struct Press {
    made: Rc<Cell<usize>>,
    alive: Rc<Cell<usize>>,
}

impl Press {
    pub(crate) fn message(&self) -> Message {
        let number = self.made.get();
        self.made.set(number + 1);
        self.alive.set(self.alive.get() + 1);
        Message {
            number,
            alive: self.alive.clone(),
        }
    }

    pub(crate) fn alive(&self) -> usize {
        self.alive.get()
    }
}

/// A message that is counted.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) number: usize,
    alive: Rc<Cell<usize>>,
}

impl Clone for Message {
    fn clone(&self) -> Self {
        self.alive.set(self.alive.get() + 1);
        Self {
            number: self.number,
            alive: self.alive.clone(),
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.alive.set(self.alive.get() - 1);
    }
}
