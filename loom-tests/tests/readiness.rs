//! Readiness: an event against the clear of a stale one, against those who wait, against those who leave; and the
//! table of sources against their leaving and against the end of the reactor.

use std::sync::Arc as StdArc;
use std::task::{Context, Wake, Waker};

use heist_reactor::protocol::{Direction, News, Seen, Source, Stale, Table, Wanted};
use heist_sync::sys::atomic::{AtomicUsize, Ordering};
use heist_sync::sys::{Arc, thread};
use heist_sync::waits::Wait;
use loom_tests::{Census, model};

/// A waker that remembers whether it was woken. The payload makes a waker that leaks, or is dropped twice, fail.
struct Flag {
    woken: AtomicUsize,
    _payload: Arc<()>,
}

impl Flag {
    fn new() -> StdArc<Self> {
        StdArc::new(Self {
            woken: AtomicUsize::new(0),
            _payload: Arc::new(()),
        })
    }

    fn woken(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `wake`: a task that was woken sees what its waker saw.
        self.woken.load(Ordering::Acquire) > 0
    }
}

impl Wake for Flag {
    fn wake(self: StdArc<Self>) {
        // Ordering: Release pairs with the Acquire in `woken`.
        self.woken.fetch_add(1, Ordering::Release);
    }
}

fn wake_all(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

/// Two devices each bring one piece of data; a reader takes what it sees, and clears when it sees nothing new. Data
/// that it has not taken must leave the direction ready, and the reader woken where it had gone to wait.
#[test]
fn a_newer_event_survives_a_stale_clear() {
    let census = Census::new(&["took both", "left some"]);
    let counted = census.clone();
    model("a_newer_event_survives_a_stale_clear", Some(3), move || {
        let direction = Arc::new(Direction::new(News::READY, Wait::Readable));
        let data = Arc::new(AtomicUsize::new(0));
        let devices = [(); 2].map(|()| {
            let (direction, data) = (direction.clone(), data.clone());
            thread::spawn(move || {
                // Ordering: Relaxed: the event carries it.
                data.fetch_add(1, Ordering::Relaxed);
                let mut wakers = Vec::new();
                direction.set(News::READY, &mut wakers);
                wake_all(wakers);
            })
        });
        let flag = Flag::new();
        let waker = Waker::from(flag.clone());
        let mut cx = Context::from_waker(&waker);
        let mut taken = 0;
        let mut waits = false;
        while taken < 2 && !waits {
            match direction.poll(&mut cx) {
                std::task::Poll::Pending => waits = true,
                std::task::Poll::Ready(seen) => {
                    // Ordering: Relaxed: what the event carried is seen, what comes after it may be.
                    let there = data.load(Ordering::Relaxed);
                    if there > taken {
                        taken = there;
                    } else {
                        direction.clear(seen);
                    }
                }
            }
        }
        devices
            .into_iter()
            .for_each(|device| device.join().unwrap());
        counted.saw(if taken == 2 { "took both" } else { "left some" });
        if taken < 2 {
            assert!(direction.look().is_ready(), "an event was cleared unseen");
            assert!(flag.woken(), "the reader waits for data that is there");
        }
    });
    census.assert_all_seen();
}

/// One looks until its news is gone: takes what is there, and clears when it finds nothing new. Returns how much it took.
fn take(
    direction: &Direction,
    there: &AtomicUsize,
    has_news: fn(Seen) -> bool,
    clear: fn(&Direction, Seen),
) -> usize {
    let mut taken = 0;
    loop {
        let seen = direction.look();
        if !has_news(seen) {
            return taken;
        }
        // Ordering: Relaxed: what the event carried is seen, what comes after it may be.
        let found = there.load(Ordering::Relaxed);
        if found == taken {
            clear(direction, seen);
            return taken;
        }
        taken = found;
    }
}

/// A device brings data and an error in one event, a reader takes the data, another task the error; each clears when it finds
/// nothing new. What one of them has not taken must stay its news.
#[test]
fn each_clears_its_own_news_alone() {
    let census = Census::new(&["took both", "left the data", "left the error", "left both"]);
    let counted = census.clone();
    model("each_clears_its_own_news_alone", Some(3), move || {
        let direction = Arc::new(Direction::new(News::ERROR, Wait::Readable));
        let data = Arc::new(AtomicUsize::new(0));
        let errors = Arc::new(AtomicUsize::new(0));
        let device = {
            let (direction, data, errors) = (direction.clone(), data.clone(), errors.clone());
            thread::spawn(move || {
                // Ordering: Relaxed: the event carries both.
                data.fetch_add(1, Ordering::Relaxed);
                errors.fetch_add(1, Ordering::Relaxed);
                direction.set(News::ERROR, &mut Vec::new());
            })
        };
        let reader = {
            let direction = direction.clone();
            thread::spawn(move || take(&direction, &data, Seen::may_transfer, Direction::clear))
        };
        let error = take(&direction, &errors, Seen::is_error, |direction, seen| {
            direction.clear_part(seen, Stale::ERROR);
        });
        let read = reader.join().unwrap();
        device.join().unwrap();
        let left = direction.look();
        assert!(
            read == 1 || left.may_transfer(),
            "the reader's news is lost"
        );
        assert!(
            error == 1 || left.is_error(),
            "the news of the error is lost"
        );
        counted.saw(match (read, error) {
            (1, 1) => "took both",
            (0, 1) => "left the data",
            (1, 0) => "left the error",
            _ => "left both",
        });
    });
    census.assert_all_seen();
}

/// The reader finds nothing and clears; meanwhile the other direction has events. The clear must take effect: the
/// reader waits, instead of trying again and again.
#[test]
fn a_write_event_does_not_keep_a_read_from_clearing() {
    model(
        "a_write_event_does_not_keep_a_read_from_clearing",
        None,
        || {
            let source = Arc::new(Source::new(News::READY));
            let devices = [(); 2].map(|()| {
                let source = source.clone();
                thread::spawn(move || {
                    let mut wakers = Vec::new();
                    source.tell(News::NONE, News::READY, &mut wakers);
                    wake_all(wakers);
                })
            });
            let flag = Flag::new();
            let waker = Waker::from(flag.clone());
            let mut cx = Context::from_waker(&waker);
            if let std::task::Poll::Ready(seen) = source.read.poll(&mut cx) {
                // The read would block.
                source.read.clear(seen);
            }
            assert!(
                source.read.poll(&mut cx).is_pending(),
                "the reader tries for ever"
            );
            devices
                .into_iter()
                .for_each(|device| device.join().unwrap());
            assert!(!flag.woken(), "a write event woke the reader");
            assert!(source.write.look().is_ready());
        },
    );
}

/// Two tasks wait on one source, the one to read, under a second waker by now, the other to write; an event for both.
#[test]
fn both_tasks_of_a_source_are_woken_by_their_last_waker() {
    let census = Census::new(&["woken", "ready at once"]);
    let counted = census.clone();
    model(
        "both_tasks_of_a_source_are_woken_by_their_last_waker",
        Some(3),
        move || {
            let source = Arc::new(Source::new(News::NONE));
            let poller = thread::spawn({
                let source = source.clone();
                move || {
                    let mut wakers = Vec::new();
                    source.tell(News::READY, News::READY, &mut wakers);
                    wake_all(wakers);
                }
            });
            let writer = thread::spawn({
                let source = source.clone();
                move || {
                    let flag = Flag::new();
                    let mut entry = None;
                    let waker = Waker::from(flag.clone());
                    let polled = source
                        .write
                        .poll_listed(&mut Context::from_waker(&waker), &mut entry);
                    (flag, entry, polled.is_ready())
                }
            });
            let flags = [Flag::new(), Flag::new()];
            let ready = flags.each_ref().map(|flag| {
                let waker = Waker::from(flag.clone());
                source
                    .read
                    .poll(&mut Context::from_waker(&waker))
                    .is_ready()
            });
            poller.join().unwrap();
            let (flag, entry, writer_ready) = writer.join().unwrap();
            assert!(writer_ready || flag.woken(), "the writer waits for ever");
            assert!(
                ready[1] || flags[1].woken(),
                "the reader's last waker was forgotten"
            );
            counted.saw(if ready[1] { "ready at once" } else { "woken" });
            if let Some(entry) = entry {
                source.write.unlist(entry);
            }
        },
    );
    census.assert_all_seen();
}

/// One task waits for an error; meanwhile a reader finds nothing and clears, and the error comes. The clear must not
/// make the event forget who waits.
#[test]
fn a_clear_leaves_those_who_wait() {
    let census = Census::new(&["woken", "ready at once"]);
    let counted = census.clone();
    model("a_clear_leaves_those_who_wait", None, move || {
        let direction = Arc::new(Direction::new(News::READY, Wait::Readable));
        let device = thread::spawn({
            let direction = direction.clone();
            move || {
                let mut wakers = Vec::new();
                direction.set(News::ERROR, &mut wakers);
                wake_all(wakers);
            }
        });
        let reader = thread::spawn({
            let direction = direction.clone();
            move || direction.clear(direction.look())
        });
        let flag = Flag::new();
        let waker = Waker::from(flag.clone());
        let mut entry = None;
        let ready = direction
            .poll_listed_for(Wanted::ERROR, &mut Context::from_waker(&waker), &mut entry)
            .is_ready();
        device.join().unwrap();
        reader.join().unwrap();
        assert!(ready || flag.woken(), "it waits for ever");
        counted.saw(if ready { "ready at once" } else { "woken" });
        if let Some(entry) = entry {
            direction.unlist(entry);
        }
    });
    census.assert_all_seen();
}

/// One async function is dropped, another comes to wait, while an event takes the list of those who wait. What the
/// first takes back must be its own entry.
#[test]
fn a_dropped_waiter_takes_back_its_own_entry_only() {
    let census = Census::new(&["waits", "ready at once"]);
    let counted = census.clone();
    model(
        "a_dropped_waiter_takes_back_its_own_entry_only",
        Some(3),
        move || {
            let direction = Arc::new(Direction::new(News::NONE, Wait::Readable));
            let (first, second) = (Flag::new(), Flag::new());
            let mut entry = None;
            let waker = Waker::from(first.clone());
            assert!(
                direction
                    .poll_listed(&mut Context::from_waker(&waker), &mut entry)
                    .is_pending()
            );
            let poller = thread::spawn({
                let direction = direction.clone();
                move || {
                    let mut wakers = Vec::new();
                    direction.set(News::READY, &mut wakers);
                    wake_all(wakers);
                }
            });
            let newcomer = thread::spawn({
                let (direction, second) = (direction.clone(), second.clone());
                move || {
                    // The read would block, whoever has seen the event before.
                    direction.clear(direction.look());
                    let mut entry = None;
                    let waker = Waker::from(second);
                    let polled =
                        direction.poll_listed(&mut Context::from_waker(&waker), &mut entry);
                    (entry, polled.is_ready())
                }
            });
            direction.unlist(entry.expect("it waits"));
            poller.join().unwrap();
            let (entry, ready) = newcomer.join().unwrap();
            counted.saw(if ready { "ready at once" } else { "waits" });
            let mut wakers = Vec::new();
            direction.set(News::READY, &mut wakers);
            wake_all(wakers);
            assert!(
                ready || second.woken(),
                "somebody else's entry was taken back"
            );
            if let Some(entry) = entry {
                direction.unlist(entry);
            }
        },
    );
    census.assert_all_seen();
}

/// An event has been fetched for a source; the source leaves, and another takes its place. The event must not reach
/// the newcomer, and who waits for the old one must not be left in the table.
#[test]
fn a_fetched_event_does_not_reach_the_next_source_in_its_place() {
    let census = Census::new(&["told", "gone", "gone, and another in its place"]);
    let counted = census.clone();
    model(
        "a_fetched_event_does_not_reach_the_next_source_in_its_place",
        None,
        move || {
            let table = Arc::new(Table::new(1));
            let old = Arc::new(Source::new(News::NONE));
            let token = table.insert(0, old.clone()).expect("open");
            let flag = Flag::new();
            let waker = Waker::from(flag.clone());
            assert!(old.read.poll(&mut Context::from_waker(&waker)).is_pending());
            let poller = thread::spawn({
                let table = table.clone();
                move || {
                    let mut wakers = Vec::new();
                    table.with(token, |source| {
                        source.tell(News::READY, News::READY, &mut wakers);
                    });
                    wake_all(wakers);
                }
            });
            let leaver = thread::spawn({
                let table = table.clone();
                move || {
                    let left = table.remove(0, token);
                    assert!(left.is_some(), "it was there");
                }
            });
            let new = Arc::new(Source::new(News::NONE));
            let new_token = table.insert(0, new.clone()).expect("open");
            poller.join().unwrap();
            leaver.join().unwrap();
            assert_ne!(token, new_token);
            assert!(
                !new.read.look().is_ready(),
                "an old event reached a new source"
            );
            assert_eq!(old.read.look().is_ready(), flag.woken());
            assert!(table.with(token, |_| ()).is_none(), "it was left behind");
            // The slot of both is the lower half of their tokens.
            counted.saw(match (flag.woken(), token as u32 == new_token as u32) {
                (true, _) => "told",
                (false, true) => "gone, and another in its place",
                (false, false) => "gone",
            });
        },
    );
    census.assert_all_seen();
}

/// Sources come on one thread and leave on another, and a third brings some more. No two of them may have one slot, and
/// each must be found under its token.
#[test]
fn no_two_sources_have_one_slot() {
    let census = Census::new(&["taken from the other's pool", "new"]);
    let counted = census.clone();
    model("no_two_sources_have_one_slot", Some(3), move || {
        let table = Arc::new(Table::new(2));
        let old = [10, 11].map(|value| table.insert(0, Arc::new(value)).expect("open"));
        let leaver = thread::spawn({
            let table = table.clone();
            move || {
                for (token, value) in old.into_iter().zip(10..) {
                    let left = table.remove(1, token).expect("it was there");
                    assert_eq!(*left, value);
                }
            }
        });
        let comes = |thread, value| {
            let token = table.insert(thread, Arc::new(value)).expect("open");
            (token, value)
        };
        let other = thread::spawn({
            let table = table.clone();
            move || (table.insert(0, Arc::new(21)).expect("open"), 21)
        });
        let mut new = vec![comes(0, 20)];
        leaver.join().unwrap();
        new.push(other.join().unwrap());
        new.push(comes(1, 22));
        for &(token, value) in &new {
            let found = table.with(token, |found| *found);
            assert_eq!(found, Some(value), "another has its slot");
        }
        let reused = new[..2].iter().any(|&(token, _)| token as u32 <= 1);
        counted.saw(if reused {
            "taken from the other's pool"
        } else {
            "new"
        });
    });
    census.assert_all_seen();
}

/// A source leaves while the reactor shuts down, and an event for it is handed out. It is told of the end, or has left,
/// and never both.
#[test]
fn a_source_that_leaves_during_shutdown_is_handed_out_once() {
    let census = Census::new(&[
        "left",
        "left with an event",
        "closed",
        "closed with an event",
    ]);
    let counted = census.clone();
    model(
        "a_source_that_leaves_during_shutdown_is_handed_out_once",
        None,
        move || {
            let table = Arc::new(Table::new(1));
            let source = Arc::new(Source::new(News::NONE));
            let token = table.insert(0, source.clone()).expect("open");
            let leaver = thread::spawn({
                let table = table.clone();
                move || table.remove(0, token).is_some()
            });
            let poller = thread::spawn({
                let table = table.clone();
                move || {
                    let tell = |source: &Source| {
                        source.tell(News::READY, News::NONE, &mut Vec::new());
                    };
                    table.with(token, tell).is_some()
                }
            });
            let closed = table.close();
            let left = leaver.join().unwrap();
            let told = poller.join().unwrap();
            assert_ne!(left, closed.len() == 1, "handed out twice, or not at all");
            assert_eq!(source.read.look().is_ready(), told);
            assert!(table.insert(0, source).is_none(), "closed");
            counted.saw(match (left, told) {
                (true, false) => "left",
                (true, true) => "left with an event",
                (false, false) => "closed",
                (false, true) => "closed with an event",
            });
        },
    );
    census.assert_all_seen();
}

/// Sources register while the reactor shuts down: each is refused, or told.
#[test]
fn a_source_that_registers_during_shutdown_is_refused_or_told() {
    let census = Census::new(&["refused", "told"]);
    let counted = census.clone();
    model(
        "a_source_that_registers_during_shutdown_is_refused_or_told",
        Some(3),
        move || {
            let table = Arc::new(Table::new(1));
            // One of them finds a free slot, the other makes one.
            let token = table.insert(0, Arc::new(Source::new(News::NONE)));
            drop(table.remove(0, token.expect("open")));
            let registrants = [(); 2].map(|()| {
                let table = table.clone();
                thread::spawn(move || {
                    let source = Arc::new(Source::new(News::NONE));
                    let token = table.insert(0, source.clone())?;
                    let flag = Flag::new();
                    let waker = Waker::from(flag.clone());
                    let ready = source
                        .read
                        .poll(&mut Context::from_waker(&waker))
                        .is_ready();
                    Some((source, flag, ready, token))
                })
            });
            let sources = table.close();
            let mut wakers = Vec::new();
            for source in sources {
                source.tell(News::SHUT_DOWN, News::SHUT_DOWN, &mut wakers);
            }
            wake_all(wakers);
            for registrant in registrants {
                let Some((source, flag, ready, token)) = registrant.join().unwrap() else {
                    counted.saw("refused");
                    continue;
                };
                counted.saw("told");
                assert!(source.read.look().is_shut_down(), "it was forgotten");
                assert!(ready || flag.woken(), "it waits for ever");
                assert!(
                    table.remove(0, token).is_none(),
                    "nothing stays in the table"
                );
            }
        },
    );
    census.assert_all_seen();
}
