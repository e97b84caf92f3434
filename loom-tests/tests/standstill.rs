//! Paused time against those that run: it jumps once the last of them rests, and in no run.
//!
//! The jumper waits as the holder of the poller does. That nobody woke it shows as a deadlock. The last model is of the
//! whole reactor, under loom alone: its poller is the one of models there, which reports what is written to wires.

use heist_reactor::protocol::{Kick, Signal, Standstill};
use heist_sync::sys::atomic::{AtomicBool, AtomicUsize, Ordering};
use heist_sync::sys::{Arc, Condvar, Mutex, thread};
use loom_tests::{Census, model};

/// A wait that ends when it is rung for.
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

    fn ring(&self) {
        *self.rung.lock() = true;
        self.bell.notify_all();
    }
}

struct Ring(Arc<Doorbell>);

impl Kick for Ring {
    fn kick(&self) {
        self.0.ring();
    }
}

/// A clock, and one runner that isn't counted, as a worker isn't: `awake` tells of it.
struct Scene {
    standstill: Standstill<Ring>,
    signal: Arc<Signal<Ring>>,
    poller: Arc<Doorbell>,
    time: AtomicUsize,
    awake: AtomicBool,
}

impl Scene {
    fn new() -> Arc<Self> {
        let poller = Arc::new(Doorbell::default());
        let signal = Arc::new(Signal::new(Ring(poller.clone())));
        Arc::new(Self {
            standstill: Standstill::new(signal.clone()),
            signal,
            poller,
            time: AtomicUsize::new(0),
            awake: AtomicBool::new(false),
        })
    }

    fn pause(&self) {
        let pause = || Ok::<(), ()>(());
        self.standstill.set_paused(true, pause).unwrap();
    }

    fn at_rest(&self) -> bool {
        !self.awake.load(Ordering::Acquire)
    }

    /// Makes time jump if it may.
    fn jump(&self) -> bool {
        let jump = || self.time.store(1, Ordering::Relaxed);
        self.standstill.jump(|| self.at_rest(), jump).is_some()
    }

    /// Waits in the poller, again and again, until time may jump, as the poller's holder does.
    fn jump_at_last(&self) {
        loop {
            let looks = !self.signal.announce()
                || self.standstill.is_paused() && self.standstill.is_quiet(|| self.at_rest());
            if !looks {
                self.poller.wait();
            }
            self.signal.awake();
            if self.jump() {
                return;
            }
        }
    }

    /// What a runner does: time must not move meanwhile. Returns what time it is.
    fn run(&self) -> usize {
        let time = self.time.load(Ordering::Relaxed);
        assert_eq!(
            time,
            self.time.load(Ordering::Relaxed),
            "time moved in a run"
        );
        time
    }
}

/// Two that are woken from outside get up while time is about to jump: one that is counted, and one that isn't.
#[test]
fn time_moves_in_no_run() {
    let census = Census::new(&["both before", "one before", "none before", "no jump"]);
    let counted = census.clone();
    model("time_moves_in_no_run", None, move || {
        let scene = Scene::new();
        scene.pause();
        let one = thread::spawn({
            let scene = scene.clone();
            move || {
                scene.standstill.begin(1);
                scene.standstill.pass();
                let time = scene.run();
                scene.standstill.end(1);
                time
            }
        });
        let other = thread::spawn({
            let scene = scene.clone();
            move || {
                scene.awake.store(true, Ordering::Relaxed);
                scene.standstill.pass();
                let time = scene.run();
                scene.awake.store(false, Ordering::Release);
                scene.standstill.rests();
                time
            }
        });
        let jumped = scene.jump();
        let after = one.join().unwrap() + other.join().unwrap();
        counted.saw(match (jumped, after) {
            (true, 0) => "both before",
            (true, 1) => "one before",
            (true, _) => "none before",
            (false, _) => "no jump",
        });
    });
    census.assert_all_seen();
}

/// One that isn't counted wakes one that is, and lies down. Time jumps once both rest, and after the second has run.
#[test]
fn time_jumps_once_the_last_one_rests() {
    model("time_jumps_once_the_last_one_rests", Some(3), || {
        let scene = Scene::new();
        scene.pause();
        scene.awake.store(true, Ordering::Relaxed);
        let (woken, ran) = (
            Arc::new(Doorbell::default()),
            Arc::new(AtomicBool::new(false)),
        );
        let first = thread::spawn({
            let (scene, woken) = (scene.clone(), woken.clone());
            move || {
                scene.run();
                scene.standstill.begin(1);
                woken.ring();
                scene.awake.store(false, Ordering::Release);
                scene.standstill.rests();
            }
        });
        let second = thread::spawn({
            let (scene, ran) = (scene.clone(), ran.clone());
            move || {
                woken.wait();
                scene.standstill.pass();
                scene.run();
                ran.store(true, Ordering::Relaxed);
                scene.standstill.end(1);
            }
        });
        scene.jump_at_last();
        assert!(ran.load(Ordering::Relaxed), "time jumped before it ran");
        first.join().unwrap();
        second.join().unwrap();
    });
}

/// Time is paused from outside while another gets up and lies down: it jumps, but not in that run.
#[test]
fn time_that_is_paused_beside_a_run_jumps_after_it() {
    let census = Census::new(&["before", "after"]);
    let counted = census.clone();
    let name = "time_that_is_paused_beside_a_run_jumps_after_it";
    model(name, Some(3), move || {
        let scene = Scene::new();
        let pausing = thread::spawn({
            let scene = scene.clone();
            move || scene.pause()
        });
        let running = thread::spawn({
            let scene = scene.clone();
            move || {
                scene.awake.store(true, Ordering::Relaxed);
                scene.standstill.pass();
                let time = scene.run();
                scene.awake.store(false, Ordering::Release);
                scene.standstill.rests();
                time
            }
        });
        scene.jump_at_last();
        pausing.join().unwrap();
        let ran_after = running.join().unwrap();
        counted.saw(["before", "after"][ran_after]);
    });
    census.assert_all_seen();
}

/// Whether a task was woken.
#[cfg(heist_loom)]
#[derive(Default)]
struct Woken(AtomicBool);

#[cfg(heist_loom)]
impl std::task::Wake for Woken {
    fn wake(self: std::sync::Arc<Self>) {
        // Ordering: Relaxed: whoever holds the poller wakes and looks.
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Two runners write to one wire each and lie down, one that is counted and one that isn't. The holder of the poller has asked
/// for events before or after that. Both are told before time jumps.
#[cfg(heist_loom)]
#[test]
fn what_the_last_runners_wrote_comes_before_a_jump() {
    use heist_reactor::protocol::Wire;
    use heist_reactor::time::{Duration, Instant, sleep};
    use heist_reactor::{Config, Reactor, wake_all};
    use heist_sync::sys::atomic::fence;
    use std::future::Future;
    use std::task::{Context, Waker};

    let census = Census::new(&["one turn", "two turns"]);
    let counted = census.clone();
    let name = "what_the_last_runners_wrote_comes_before_a_jump";
    model(name, Some(2), move || {
        let reactor = Reactor::new(Config::default()).unwrap();
        let _entered = reactor.enter();
        reactor.pause();
        let start = Instant::now();
        let tasks = [(); 3].map(|()| std::sync::Arc::new(Woken::default()));
        let [sleeper, readers @ ..] = tasks.each_ref().map(|task| Waker::from(task.clone()));
        let mut late = std::pin::pin!(sleep(Duration::from_secs(1)));
        let polled = late.as_mut().poll(&mut Context::from_waker(&sleeper));
        assert!(polled.is_pending());
        let wires = readers.map(|reader| {
            let wire = Arc::new(Wire::new(&reactor));
            assert!(wire.poll(&mut Context::from_waker(&reader)).is_pending());
            wire
        });
        let awake = Arc::new(AtomicBool::new(true));
        let running = reactor.running();
        running.begin(1);
        let [one, other] = wires.clone();
        let one = thread::spawn(move || {
            running.pass();
            one.write();
            running.end(1);
        });
        let other = thread::spawn({
            let (reactor, awake) = (reactor.clone(), awake.clone());
            move || {
                reactor.get_up();
                other.write();
                awake.store(false, Ordering::Release);
                fence(Ordering::SeqCst);
                reactor.rests();
            }
        });
        let mut turn = reactor.try_borrow().expect("it is free");
        let (mut turns, mut woken) = (0, Vec::new());
        let [late, read @ ..] = &tasks;
        while !late.0.load(Ordering::Relaxed) {
            turn.collect(None, &mut woken, &|| !awake.load(Ordering::Acquire));
            turns += usize::from(wake_all(&mut woken) > 0);
            let all = read.iter().all(|task| task.0.load(Ordering::Relaxed));
            assert!(all || Instant::now() == start, "time jumped before");
        }
        one.join().unwrap();
        other.join().unwrap();
        // The last turn is that of the jump.
        counted.saw(["one turn", "two turns"][turns - 2]);
    });
    census.assert_all_seen();
}
