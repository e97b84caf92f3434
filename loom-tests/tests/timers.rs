//! Timers: an earlier deadline, or an unpark, against a poller that goes to sleep; cancelling, polling and closing
//! against firing.

use std::sync::Arc as StdArc;
use std::task::{Context, Poll, Wake, Waker};

use heist_reactor::protocol::{Closed, Key, Kick, NEVER, Rejected, Signal, Timers};
use heist_sync::sys::atomic::{AtomicUsize, Ordering};
use heist_sync::sys::{Arc, Condvar, Mutex, thread};
use loom_tests::{Census, model};

/// A waker that counts. The payload makes a waker that leaks, or is dropped twice, fail.
struct Counter {
    woken: AtomicUsize,
    _payload: Arc<()>,
}

impl Counter {
    fn new() -> StdArc<Self> {
        StdArc::new(Self {
            woken: AtomicUsize::new(0),
            _payload: Arc::new(()),
        })
    }

    fn woken(&self) -> usize {
        // Ordering: Acquire pairs with the Release in `wake`.
        self.woken.load(Ordering::Acquire)
    }
}

impl Wake for Counter {
    fn wake(self: StdArc<Self>) {
        // Ordering: Release pairs with the Acquire in `woken`.
        self.woken.fetch_add(1, Ordering::Release);
    }
}

/// The wait in a poller, as plainly as it can be said: it ends when kicked.
#[derive(Default)]
struct Doorbell {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Doorbell {
    fn wait(&self) {
        let mut rung = self.rung.lock();
        while !*rung {
            self.bell.wait(&mut rung);
        }
        *rung = false;
    }
}

struct Ring(Arc<Doorbell>);

impl Kick for Ring {
    fn kick(&self) {
        *self.0.rung.lock() = true;
        self.0.bell.notify_one();
    }
}

fn poller() -> (Arc<Doorbell>, Arc<Signal<Ring>>) {
    let bell = Arc::new(Doorbell::default());
    (bell.clone(), Arc::new(Signal::new(Ring(bell))))
}

/// The time of all these models. What is due by then is due at once, the rest never.
const NOW: u64 = 30;

/// Wakes who is due.
fn fire(timers: &Timers<Ring>) {
    let mut wakers = Vec::new();
    timers.expire_at(NOW, &mut wakers);
    wakers.into_iter().for_each(Waker::wake);
}

/// One turn of the holder of the poller: it sleeps where nothing is due, and wakes who is.
fn turn(bell: &Doorbell, signal: &Signal<Ring>, timers: &Timers<Ring>) {
    if signal.announce() {
        let deadline = timers.next();
        signal.settle(deadline);
        if deadline > NOW {
            bell.wait();
        }
    }
    signal.awake();
    fire(timers);
}

/// Two threads each insert a deadline that is due, into shards of their own, while the poller's holder looks for the
/// earliest one and goes to sleep. It must not sleep past either.
#[test]
fn an_earlier_deadline_is_not_slept_past() {
    model("an_earlier_deadline_is_not_slept_past", Some(3), || {
        let (bell, signal) = poller();
        let timers = Arc::new(Timers::new(signal.clone(), 2));
        let far = Counter::new();
        let far_key = timers.shards()[0].insert(1_000, far.clone().into());
        let counters = [Counter::new(), Counter::new()];
        let inserters = [0, 1].map(|nth| {
            let (timers, waker) = (timers.clone(), counters[nth].clone().into());
            thread::spawn(move || {
                match timers.shards()[nth].insert(10 * (nth as u64 + 1), waker) {
                    Ok(_) => {}
                    // As a task does that is told so: it goes on at once.
                    Err(Rejected::Passed(waker)) => waker.wake(),
                    Err(Rejected::Closed(_)) => panic!("it is open"),
                }
            })
        });
        while counters.iter().any(|counter| counter.woken() == 0) {
            turn(&bell, &signal, &timers);
        }
        inserters
            .into_iter()
            .for_each(|inserter| inserter.join().unwrap());
        assert!(counters.iter().all(|counter| counter.woken() == 1));
        assert_eq!(far.woken(), 0, "nothing fires early");
        drop(timers.shards()[0].take(far_key.expect("it is open")));
    });
}

/// Two threads each leave a word and unpark the poller's holder, who goes to sleep where it sees none.
#[test]
fn an_unpark_is_not_slept_past() {
    let census = Census::new(&["slept", "never slept"]);
    let counted = census.clone();
    model("an_unpark_is_not_slept_past", Some(3), move || {
        let (bell, signal) = poller();
        let words = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let callers = [0, 1].map(|nth: usize| {
            let (words, signal) = (words.clone(), signal.clone());
            thread::spawn(move || {
                // Ordering: Relaxed: the unpark carries it.
                words[nth].store(1, Ordering::Relaxed);
                signal.unpark();
            })
        });
        let mut sleeps = 0;
        // Ordering: Relaxed: what an unpark that ended a wait carried is seen, more may be.
        while words.iter().any(|word| word.load(Ordering::Relaxed) == 0) {
            if signal.announce() {
                sleeps += 1;
                bell.wait();
            }
            signal.awake();
        }
        callers
            .into_iter()
            .for_each(|caller| caller.join().unwrap());
        counted.saw(if sleeps > 0 { "slept" } else { "never slept" });
    });
    census.assert_all_seen();
}

/// A timer is cancelled as it fires, while another takes its place in the shard. It fires or is cancelled, and the
/// newcomer is neither.
#[test]
fn a_timer_fires_or_is_cancelled_and_never_another_in_its_place() {
    let census = Census::new(&["fired", "cancelled"]);
    let counted = census.clone();
    model(
        "a_timer_fires_or_is_cancelled_and_never_another_in_its_place",
        Some(3),
        move || {
            let (_, signal) = poller();
            let timers = Arc::new(Timers::new(signal, 1));
            let (old, new) = (Counter::new(), Counter::new());
            let key = timers.shards()[0].insert(10, old.clone().into());
            let key = key.expect("it is open");
            let holder = thread::spawn({
                let timers = timers.clone();
                move || fire(&timers)
            });
            let newcomer = thread::spawn({
                let (timers, waker) = (timers.clone(), new.clone().into());
                move || timers.shards()[0].insert(1_000, waker)
            });
            let cancelled = timers.shards()[0].take(key).is_some();
            holder.join().unwrap();
            let new_key = newcomer.join().unwrap().expect("it is open");
            counted.saw(if cancelled { "cancelled" } else { "fired" });
            assert_eq!(old.woken(), usize::from(!cancelled));
            assert_eq!(new.woken(), 0);
            assert_eq!(timers.shards()[0].len(), 1, "the newcomer stays");
            assert!(timers.next() <= 1_000, "and is looked at in time");
            assert!(timers.shards()[0].take(new_key).is_some());
        },
    );
    census.assert_all_seen();
}

/// A sleeping future is polled under a new waker, then dropped, in the moment in which it fires; a third thread fires
/// as well. Where it was told to wait, the last waker is woken or comes back.
#[test]
fn a_sleep_polled_and_dropped_as_it_fires_is_not_forgotten() {
    let census = Census::new(&["ready", "woken", "dropped"]);
    let counted = census.clone();
    model(
        "a_sleep_polled_and_dropped_as_it_fires_is_not_forgotten",
        Some(3),
        move || {
            let (_, signal) = poller();
            let timers = Arc::new(Timers::new(signal, 1));
            let (first, last) = (Counter::new(), Counter::new());
            let shard = &timers.shards()[0];
            let key = shard.insert(10, first.clone().into()).expect("it is open");
            let holders = [(); 2].map(|()| {
                let timers = timers.clone();
                thread::spawn(move || fire(&timers))
            });
            let waker = Waker::from(last.clone());
            let polled = shard
                .poll(key, &mut Context::from_waker(&waker))
                .expect("it is open");
            let taken = shard.take(key).is_some();
            holders
                .into_iter()
                .for_each(|holder| holder.join().unwrap());
            let (first, last) = (first.woken(), last.woken());
            let outcome = match (polled, taken) {
                (Poll::Ready(()), false) => "ready",
                (Poll::Pending, false) => "woken",
                (Poll::Pending, true) => "dropped",
                (Poll::Ready(()), true) => panic!("it fired and was there still"),
            };
            assert_eq!(
                (first, last),
                match outcome {
                    "ready" => (1, 0),
                    "woken" => (0, 1),
                    _ => (0, 0),
                }
            );
            counted.saw(outcome);
            assert_eq!(timers.next(), if taken { timers.next() } else { NEVER });
        },
    );
    census.assert_all_seen();
}

/// A timer is inserted while two turns, one after the other, find it due. Where its poll says that its time has come,
/// it has left the shard, by firing or by never getting in; where not, its waker is woken or comes back.
#[test]
fn a_timer_that_is_ready_has_left_its_shard() {
    let census = Census::new(&["refused", "ready", "woken", "dropped"]);
    let counted = census.clone();
    model(
        "a_timer_that_is_ready_has_left_its_shard",
        Some(3),
        move || {
            let (_, signal) = poller();
            let timers = Arc::new(Timers::new(signal, 1));
            let counter = Counter::new();
            let holders = [(); 2].map(|()| {
                let timers = timers.clone();
                thread::spawn(move || fire(&timers))
            });
            // Something is due in any case, or the turns would not look.
            let other = timers.shards()[0].insert(5, Waker::noop().clone());
            let shard = &timers.shards()[0];
            let waker = Waker::from(counter.clone());
            let inserted = shard.insert(10, waker.clone());
            let outcome = match &inserted {
                Err(_) => "refused",
                Ok(key) => {
                    let polled = shard.poll(*key, &mut Context::from_waker(&waker));
                    let taken = shard.take(*key).is_some();
                    match (polled.expect("it is open"), taken) {
                        (Poll::Ready(()), false) => "ready",
                        (Poll::Ready(()), true) => panic!("it is ready and still there"),
                        (Poll::Pending, false) => "woken",
                        (Poll::Pending, true) => "dropped",
                    }
                }
            };
            holders
                .into_iter()
                .for_each(|holder| holder.join().unwrap());
            let woken = usize::from(matches!(outcome, "ready" | "woken"));
            assert_eq!(counter.woken(), woken);
            counted.saw(outcome);
            drop(other);
            assert!(shard.len() <= 1);
        },
    );
    census.assert_all_seen();
}

/// A shard with an entry that is due, and the key of a place reserved for a sleep that is due as well.
fn nursery() -> (Arc<Timers<Ring>>, Key) {
    let (_, signal) = poller();
    let timers = Arc::new(Timers::new(signal, 1));
    let due = timers.shards()[0].insert(5, Waker::noop().clone());
    assert!(due.is_ok(), "it is open");
    let mut keys = [Key::NONE];
    assert!(timers.shards()[0].reserve(&mut keys), "it is open");
    (timers, keys[0].of(10))
}

/// The end of the poll in which the sleep of `key` was made, in a thread of its own: whether it owes its task a wake.
fn poll_ends(
    timers: &Arc<Timers<Ring>>,
    key: Key,
    maker: &StdArc<Counter>,
) -> thread::JoinHandle<Result<bool, Closed>> {
    let (timers, waker) = (timers.clone(), Waker::from(maker.clone()));
    thread::spawn(move || timers.shards()[0].settle(&mut [key], &waker))
}

/// A sleep is polled in another thread while the poll that it was made in ends, and a turn fires what is due. Its last
/// poller is told that it is ready, or woken; and ready means fired.
#[test]
fn a_sleep_that_leaves_the_poll_it_was_made_in_is_not_forgotten() {
    let census = Census::new(&["ready", "polled first", "settled first"]);
    let counted = census.clone();
    model(
        "a_sleep_that_leaves_the_poll_it_was_made_in_is_not_forgotten",
        Some(3),
        move || {
            let (timers, key) = nursery();
            let (maker, last) = (Counter::new(), Counter::new());
            let made = poll_ends(&timers, key, &maker);
            let turned = thread::spawn({
                let timers = timers.clone();
                move || fire(&timers)
            });
            let shard = &timers.shards()[0];
            let waker = Waker::from(last.clone());
            let polled = shard.poll(key, &mut Context::from_waker(&waker));
            let ready = polled.expect("it is open").is_ready();
            assert!(!ready || shard.has_fired(key), "ready before its time");
            turned.join().unwrap();
            let owed = made.join().unwrap().expect("it is open");
            fire(&timers);
            assert_eq!(last.woken(), usize::from(!ready), "its last poller");
            assert!(shard.is_empty());
            counted.saw(match (ready, owed) {
                (true, _) => "ready",
                (false, true) => "polled first",
                (false, false) => "settled first",
            });
        },
    );
    census.assert_all_seen();
}

/// A sleep is taken out, to be reset or dropped, in another thread while the poll that it was made in ends, and a third
/// thread inserts a timer. Who made it is woken, or its waker comes back, or has been woken; the third is not touched.
#[test]
fn a_sleep_taken_from_the_poll_it_was_made_in_owes_a_wake() {
    let census = Census::new(&["came back", "owed"]);
    let counted = census.clone();
    model(
        "a_sleep_taken_from_the_poll_it_was_made_in_owes_a_wake",
        Some(3),
        move || {
            let (timers, key) = nursery();
            let (maker, other) = (Counter::new(), Counter::new());
            let made = poll_ends(&timers, key, &maker);
            let inserted = thread::spawn({
                let (timers, waker) = (timers.clone(), Waker::from(other.clone()));
                move || timers.shards()[0].insert(1_000, waker)
            });
            let shard = &timers.shards()[0];
            let taken = shard.take(key);
            let owed = made.join().unwrap().expect("it is open");
            assert_ne!(taken.is_some(), owed, "one of the two");
            counted.saw(if owed { "owed" } else { "came back" });
            let inserted = inserted.join().unwrap().expect("it is open");
            assert!(shard.take(inserted).is_some(), "the other stays");
            assert_eq!((maker.woken(), other.woken()), (0, 0));
            assert_eq!(shard.len(), 1, "what was there before");
        },
    );
    census.assert_all_seen();
}

/// Timers are inserted while the reactor shuts down: each is refused, or its waker is woken.
#[test]
fn a_timer_inserted_during_shutdown_is_refused_or_woken() {
    let census = Census::new(&["refused", "woken"]);
    let counted = census.clone();
    model(
        "a_timer_inserted_during_shutdown_is_refused_or_woken",
        None,
        move || {
            let (_, signal) = poller();
            let timers = Arc::new(Timers::new(signal, 2));
            let counters = [Counter::new(), Counter::new()];
            let inserters = [0, 1].map(|nth| {
                let (timers, waker) = (timers.clone(), counters[nth].clone().into());
                thread::spawn(move || timers.shards()[0].insert(1_000 + nth as u64, waker).is_ok())
            });
            let mut wakers = Vec::new();
            timers.close(&mut wakers);
            wakers.into_iter().for_each(Waker::wake);
            for (inserter, counter) in inserters.into_iter().zip(counters) {
                let inserted = inserter.join().unwrap();
                assert_eq!(counter.woken(), usize::from(inserted));
                counted.saw(if inserted { "woken" } else { "refused" });
            }
            assert!(timers.shards()[0].is_empty());
        },
    );
    census.assert_all_seen();
}
