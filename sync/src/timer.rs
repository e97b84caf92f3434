//! Waiting with a time limit: the only thing in this crate that needs a clock that wakes tasks.
//!
//! [`set_timer`] sets the clock. heist's reactor does that when it is first made. If nobody does, a thread of this
//! crate measures the time. It is started at first use and stays.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{LazyLock, OnceLock};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use crate::contain::contain;
use crate::coop;
use crate::sys::{Condvar, Mutex};

/// A sleep, whoever made it.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Makes a sleep.
pub type MakeSleep = fn(Duration) -> Sleep;

static MAKE: OnceLock<MakeSleep> = OnceLock::new();

/// Makes every sleep of this crate with `make` from now on. The first call counts, for the whole process.
pub fn set_timer(make: MakeSleep) {
    let _ = MAKE.set(make);
}

/// The output of `future`, if it completes within `limit`. It is polled before the clock is looked at, so a future that
/// is ready is never too late.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut sleep = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        let make = || MAKE.get().map_or_else(|| own(limit), |make| make(limit));
        sleep
            .get_or_insert_with(make)
            .as_mut()
            .poll(cx)
            .map(|()| None)
    })
    .await
}

/// A sleep on the crate's own thread.
fn own(limit: Duration) -> Sleep {
    Box::pin(OwnSleep {
        deadline: Instant::now().checked_add(limit),
        key: None,
    })
}

/// The sleepers by deadline, and for equal deadlines by number.
static SLEEPERS: LazyLock<Sleepers> = LazyLock::new(|| Sleepers {
    list: Mutex::new(List {
        by_deadline: BTreeMap::new(),
        next: 0,
        thread_runs: false,
    }),
    earlier: Condvar::new(),
});

struct Sleepers {
    list: Mutex<List>,
    /// Notified when there is an earlier deadline than the one that the thread waits for.
    earlier: Condvar,
}

struct List {
    by_deadline: BTreeMap<Key, Waker>,
    next: u64,
    thread_runs: bool,
}

type Key = (Instant, u64);

/// A sleep that the crate's own thread ends. Without a deadline it never ends.
struct OwnSleep {
    deadline: Option<Instant>,
    /// Its place in the list, once it has been polled.
    key: Option<Key>,
}

impl Future for OwnSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        // If the budget is used up, the future has not been tried.
        let unit = ready!(coop::poll_proceed(cx));
        if Instant::now() >= deadline {
            unit.made_progress();
            return Poll::Ready(());
        }
        // User code, so before the lock.
        let waker = cx.waker().clone();
        let mut list = SLEEPERS.list.lock();
        if !list.thread_runs {
            // This is done under the lock, and before anybody relies on it: if no thread can be started, the next sleep
            // tries again.
            let thread = std::thread::Builder::new().name("heist-sync-timer".to_owned());
            if let Err(error) = thread.spawn(run) {
                drop(list);
                panic!("a thread for time limits: {error}");
            }
            list.thread_runs = true;
        }
        let key = *self.key.get_or_insert_with(|| {
            list.next += 1;
            (deadline, list.next)
        });
        let is_first = list
            .by_deadline
            .first_key_value()
            .is_none_or(|(&first, _)| key < first);
        let old = list.by_deadline.insert(key, waker);
        drop(list);
        drop(old);
        if is_first {
            SLEEPERS.earlier.notify_one();
        }
        Poll::Pending
    }
}

impl Drop for OwnSleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = SLEEPERS.list.lock().by_deadline.remove(&key);
            drop(waker);
        }
    }
}

/// The thread: it wakes each sleeper at its deadline.
fn run() {
    let mut list = SLEEPERS.list.lock();
    loop {
        match list.by_deadline.first_entry() {
            None => SLEEPERS.earlier.wait(&mut list),
            Some(first) => match first.key().0.saturating_duration_since(Instant::now()) {
                Duration::ZERO => {
                    let waker = first.remove();
                    drop(list);
                    // If a waker panics, the others are woken all the same.
                    contain(|| waker.wake());
                    list = SLEEPERS.list.lock();
                }
                left => {
                    SLEEPERS.earlier.wait_for(&mut list, left);
                }
            },
        }
    }
}
