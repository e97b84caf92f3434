//! The reactor thread's watch: whatever a waker does that blocks the thread, another takes it over, with the wakers that
//! are left.

use std::sync::Arc as StdArc;
use std::task::{Wake, Waker};
use std::time::Duration;

use heist_reactor::protocol::{Next, Relay};
use heist_sync::sys::atomic::{AtomicUsize, Ordering};
use heist_sync::sys::thread::JoinHandle;
use heist_sync::sys::{Arc, Condvar, Mutex, thread};
use loom_tests::{Census, model};

/// Under loom a wait of zero ends at any moment, and a stand-in leaves where it finds nothing to do.
const KEEP_ALIVE: Duration = Duration::ZERO;
/// For how many there are threads in a model.
const STAND_INS: usize = 3;

/// What wakers do to each other.
#[derive(Default)]
struct Told {
    told: Mutex<bool>,
    changed: Condvar,
}

struct Blocks(Arc<Told>);

impl Wake for Blocks {
    fn wake(self: StdArc<Self>) {
        let mut told = self.0.told.lock();
        while !*told {
            self.0.changed.wait(&mut told);
        }
    }
}

struct Tells(Arc<Told>);

impl Wake for Tells {
    fn wake(self: StdArc<Self>) {
        *self.0.told.lock() = true;
        self.0.changed.notify_all();
    }
}

/// The watch: the batches of wakers that are still to come, the next one last.
struct Watch {
    batches: Vec<Vec<Waker>>,
}

struct Reactor {
    relay: Relay<Watch>,
    brought: Mutex<usize>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    census: Census,
}

fn reactor(census: &Census) -> Arc<Reactor> {
    Arc::new(Reactor {
        relay: Relay::new().expect("a watchdog"),
        brought: Mutex::default(),
        threads: Mutex::default(),
        census: census.clone(),
    })
}

/// The reactor thread, from its start or from when it takes over: calls all batches.
fn serve(reactor: &Arc<Reactor>, mut watch: Watch, mut wakers: Vec<Waker>) {
    loop {
        if wakers.is_empty() {
            match watch.batches.pop() {
                Some(next) => wakers = next,
                None => return reactor.relay.stop(&mut wakers),
            }
        }
        if reactor.relay.lay_down(watch, &mut wakers) {
            bring_stand_in(reactor);
        }
        watch = loop {
            match reactor.relay.next() {
                Next::Call(waker) => waker.wake(),
                Next::Watch(watch) => break watch,
                Next::Nothing => return reactor.census.saw("lost it"),
            }
        };
    }
}

fn bring_stand_in(reactor: &Arc<Reactor>) {
    let mut brought = reactor.brought.lock();
    if *brought == STAND_INS {
        return reactor.relay.has_none();
    }
    *brought += 1;
    drop(brought);
    let own = reactor.clone();
    let stand_in = thread::spawn(move || match own.relay.stand_in(KEEP_ALIVE) {
        Some((watch, wakers)) => serve(&own, watch, wakers),
        None => own.census.saw("left"),
    });
    reactor.threads.lock().push(stand_in);
}

fn run(reactor: &Arc<Reactor>, watch: Watch) {
    serve(reactor, watch, Vec::new());
    loop {
        let Some(thread) = reactor.threads.lock().pop() else {
            return;
        };
        thread.join().unwrap();
    }
}

/// A waker blocks until the one behind it has been called. A batch before it may have brought a stand-in that is about to
/// leave. If nobody took the watch, or the wakers with it, the model would stand still.
#[test]
fn what_comes_behind_a_waker_that_blocks_is_called() {
    let census = Census::new(&["lost it", "left"]);
    let counted = census.clone();
    model(
        "what_comes_behind_a_waker_that_blocks_is_called",
        Some(2),
        move || {
            let told = Arc::new(Told::default());
            let blocks = Waker::from(StdArc::new(Blocks(told.clone())));
            let tells = Waker::from(StdArc::new(Tells(told.clone())));
            let reactor = reactor(&counted);
            let nothing = || vec![Waker::noop().clone()];
            let batches = vec![vec![blocks, tells], nothing()];
            run(&reactor, Watch { batches });
            assert!(*told.told.lock());
        },
    );
    census.assert_all_seen();
}

/// Counts how often it is called.
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// All ends while the reactor thread calls wakers. Each is called once, be it by the thread, by its stand-in or by whoever
/// ends it all; and no thread stays.
#[test]
fn what_is_left_at_the_end_is_called_once() {
    let census = Census::new(&["all by threads", "some at the end", "lost it", "left"]);
    let counted = census.clone();
    model(
        "what_is_left_at_the_end_is_called_once",
        Some(2),
        move || {
            let calls = StdArc::new(Counts(AtomicUsize::new(0)));
            let waker = || Waker::from(calls.clone());
            let reactor = reactor(&counted);
            let ends = thread::spawn({
                let (reactor, counted) = (reactor.clone(), counted.clone());
                move || {
                    let mut left = Vec::new();
                    reactor.relay.stop(&mut left);
                    counted.saw(match left.len() {
                        0 => "all by threads",
                        _ => "some at the end",
                    });
                    left.into_iter().for_each(Waker::wake);
                }
            });
            let batches = vec![vec![waker(), waker()]];
            run(&reactor, Watch { batches });
            ends.join().unwrap();
            assert_eq!(calls.0.load(Ordering::Relaxed), 2);
            assert_eq!(StdArc::strong_count(&calls), 1);
        },
    );
    census.assert_all_seen();
}
