//! `call_soon`, `call_at`, handles, the exception handler, and the loop itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use heist::event_loop::context::{Context, ContextVar};
use heist::event_loop::{EventLoop, ExceptionContext, RuntimeExt as _};
use heist::runtime::Builder;

use super::{Watchdog, runtime, told};

#[test]
fn call_soon_runs_callbacks_in_the_order_in_which_they_were_given() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let event_loop = runtime.event_loop();
    let (sender, receiver) = mpsc::channel();
    for number in 0..10_000 {
        let sender = sender.clone();
        event_loop.call_soon(move || sender.send(number).unwrap());
    }
    drop(sender);
    assert!(receiver.iter().eq(0..10_000));
}

#[test]
fn a_callback_given_by_a_callback_runs_after_those_that_wait() {
    let _watchdog = Watchdog::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    let event_loop = runtime.event_loop();
    let (sender, receiver) = mpsc::channel();
    let (inner, first, second, third) =
        (event_loop.clone(), sender.clone(), sender.clone(), sender);
    event_loop.call_soon(move || {
        first.send(1).unwrap();
        let stop = inner.clone();
        inner.call_soon(move || {
            third.send(3).unwrap();
            stop.stop();
        });
    });
    event_loop.call_soon(move || second.send(2).unwrap());
    runtime.block_on(event_loop.run_forever());
    assert!(receiver.iter().eq(1..=3));
}

#[test]
fn callbacks_never_run_two_at_once() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let event_loop = runtime.event_loop();
    let (busy, (sender, receiver)) = (Arc::new(AtomicBool::new(false)), mpsc::channel());
    let givers = (0..4).map(|_| {
        let (event_loop, busy, sender) = (event_loop.clone(), busy.clone(), sender.clone());
        thread::spawn(move || {
            for number in 0..500 {
                let (busy, sender) = (busy.clone(), sender.clone());
                let callback = move || {
                    assert!(!busy.swap(true, Ordering::SeqCst), "two callbacks at once");
                    thread::yield_now();
                    busy.store(false, Ordering::SeqCst);
                    sender.send(()).unwrap();
                };
                match number % 2 {
                    0 => drop(event_loop.call_soon_threadsafe(callback)),
                    _ => drop(event_loop.call_later(Duration::from_micros(number), callback)),
                }
            }
        })
    });
    givers
        .collect::<Vec<_>>()
        .into_iter()
        .for_each(|giver| giver.join().unwrap());
    drop(sender);
    assert_eq!(receiver.iter().count(), 2_000);
}

#[test]
fn call_at_goes_by_time_and_then_by_the_order_of_the_calls() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let event_loop = runtime.event_loop();
    let (sender, receiver) = mpsc::channel();
    // However long the calls take, the loop runs none of the callbacks before all of them are given.
    let (go, gate) = mpsc::channel::<()>();
    event_loop.call_soon(move || {
        let _ = gate.recv();
    });
    let start = event_loop.time() + Duration::from_millis(20);
    // Each of three times is given to several callbacks, the latest time first.
    for number in 0..30u32 {
        let when = start + Duration::from_millis(u64::from(2 - number % 3));
        let (sender, clock) = (sender.clone(), event_loop.clone());
        event_loop.call_at(when, move || {
            assert!(clock.time() >= when, "too early");
            sender.send((2 - number % 3, number)).unwrap();
        });
    }
    drop((sender, go));
    let order: Vec<_> = receiver.iter().collect();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!((order.len(), &order), (30, &sorted));
}

#[test]
fn a_new_first_timer_is_not_late_because_of_a_later_one() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let event_loop = runtime.event_loop();
    let (sender, receiver) = mpsc::channel();
    event_loop.call_later(Duration::from_secs(3_600), || unreachable!());
    // The loop's task now sleeps for an hour, unless it is told.
    let told = sender.clone();
    event_loop.call_soon(move || told.send("soon").unwrap());
    assert_eq!(receiver.recv(), Ok("soon"));
    event_loop.call_later(Duration::from_millis(1), move || {
        sender.send("later").unwrap()
    });
    assert_eq!(receiver.recv(), Ok("later"));
}

#[test]
fn a_delay_too_long_for_the_clock_means_never() {
    let runtime = runtime();
    let event_loop = runtime.event_loop();
    for delay in [
        Duration::MAX,
        Duration::from_secs(u64::MAX / 2),
        Duration::from_secs(1 << 40),
    ] {
        let timer = event_loop.call_later(delay, || unreachable!());
        assert!(timer.when() > event_loop.time() + Duration::from_secs(1_000_000));
        timer.cancel();
    }
}

#[test]
fn a_cancelled_callback_is_dropped_at_once_and_never_runs() {
    let _watchdog = Watchdog::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    let event_loop = runtime.event_loop();
    let kept = Arc::new(());
    let (soon, later) = (kept.clone(), kept.clone());
    let soon = event_loop.call_soon(move || panic!("ran with {soon:?}"));
    let later = event_loop.call_later(Duration::ZERO, move || panic!("ran with {later:?}"));
    assert!(!soon.cancelled() && !later.cancelled() && Arc::strong_count(&kept) == 3);
    soon.cancel();
    later.cancel();
    later.clone().cancel();
    assert!(soon.cancelled() && later.cancelled() && Arc::strong_count(&kept) == 1);
    let told = told(&event_loop);
    let stop = event_loop.clone();
    event_loop.call_soon(move || stop.stop());
    runtime.block_on(event_loop.run_forever());
    assert!(told.try_recv().is_err());
}

#[test]
fn cancelling_what_has_run_changes_nothing() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let event_loop = runtime.event_loop();
    let (sender, receiver) = mpsc::channel();
    let soon = event_loop.call_soon(|| ());
    let later = event_loop.call_later(Duration::ZERO, move || sender.send(()).unwrap());
    receiver.recv().unwrap();
    soon.cancel();
    later.cancel();
    assert!(!soon.cancelled() && !later.cancelled());
}

#[test]
fn a_callback_that_panics_is_reported_and_the_loop_goes_on() {
    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let event_loop = runtime.event_loop();
    let told = told(&event_loop);
    let (sender, receiver) = mpsc::channel();
    event_loop.call_soon(|| panic!("number {}", 1));
    event_loop.call_later(Duration::ZERO, || std::panic::panic_any(2));
    event_loop.call_soon(move || sender.send(()).unwrap());
    receiver.recv().unwrap();
    let mut reports = [told.recv().unwrap(), told.recv().unwrap()];
    reports.sort();
    assert_eq!(
        reports[0],
        "a callback of the event loop panicked: not a string"
    );
    assert_eq!(
        reports[1],
        "a callback of the event loop panicked: number 1"
    );
}

#[test]
fn a_handler_that_panics_does_no_harm() {
    let _watchdog = Watchdog::new();
    struct PanicsInDrop;
    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let runtime = runtime();
    let event_loop = runtime.event_loop();
    event_loop.set_exception_handler(Some(Box::new(|_, _| panic!("in the handler"))));
    event_loop.call_soon(|| std::panic::panic_any(PanicsInDrop));
    let told = {
        let (sender, receiver) = mpsc::channel();
        event_loop.call_soon(move || sender.send(()).unwrap());
        receiver.recv().unwrap();
        told(&event_loop)
    };
    event_loop.call_exception_handler(ExceptionContext::new("by hand").with_error("why"));
    assert_eq!(told.recv().unwrap(), "by hand: why");
}

#[test]
fn callbacks_of_a_closed_loop_are_cancelled() {
    let _watchdog = Watchdog::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    let event_loop = runtime.event_loop();
    let kept = Arc::new(());
    let held =
        [kept.clone(), kept.clone(), kept.clone(), kept.clone()].map(|held| move || drop(held));
    let [first, second, third, fourth] = held;
    let (soon, later) = (
        event_loop.call_soon(first),
        event_loop.call_later(Duration::from_secs(600), second),
    );
    drop(runtime);
    assert!(event_loop.is_closed() && soon.cancelled() && later.cancelled());
    let (soon, later) = (
        event_loop.call_soon(third),
        event_loop.call_later(Duration::ZERO, fourth),
    );
    assert!(soon.cancelled() && later.cancelled());
    assert_eq!(Arc::strong_count(&kept), 1);
}

#[test]
fn a_runtime_has_one_loop_and_each_its_own() {
    let _watchdog = Watchdog::new();
    let (one, other) = (runtime(), Builder::new_current_thread().build().unwrap());
    assert_eq!(one.event_loop(), one.handle().event_loop());
    assert_ne!(one.event_loop(), other.event_loop());
    assert_eq!(
        one.block_on(async { EventLoop::current() }),
        one.event_loop()
    );
    assert_eq!(
        other.block_on(async { EventLoop::try_current() }).unwrap(),
        other.event_loop()
    );
    assert!(EventLoop::try_current().is_err());
    let inside = one
        .block_on(one.event_loop().create_task(async { EventLoop::current() }))
        .unwrap();
    assert_eq!(inside, one.event_loop());
}

#[test]
fn run_in_executor_may_block() {
    let _watchdog = Watchdog::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    let (sender, receiver) = mpsc::channel();
    let event_loop = runtime.event_loop();
    let blocks = event_loop.run_in_executor(None, move || receiver.recv());
    event_loop.call_soon(move || sender.send(3).unwrap());
    assert_eq!(runtime.block_on(blocks).unwrap(), Ok(3));
}

#[test]
fn the_loop_can_be_sent_and_shared() {
    fn holds<T: Send + Sync + Clone + 'static>() {}
    holds::<EventLoop>();
    holds::<heist::event_loop::CallHandle>();
    holds::<heist::event_loop::TimerHandle>();
    holds::<heist::event_loop::Transport>();
    holds::<heist::event_loop::Server>();
    holds::<heist::event_loop::Future<String>>();
}

#[test]
fn an_inherited_value_that_panics_in_its_drop_is_reported_and_the_loop_goes_on() {
    #[derive(Clone)]
    struct Bomb(#[allow(dead_code, reason = "its drop is what counts")] Arc<Fuse>);
    struct Fuse;
    impl Drop for Fuse {
        fn drop(&mut self) {
            panic!("as the test wants it");
        }
    }
    static BOMB: ContextVar<Bomb> = ContextVar::new("bomb").inherited();

    let _watchdog = Watchdog::new();
    let runtime = runtime();
    let event_loop = runtime.event_loop();
    let told = told(&event_loop);
    let (sender, receiver) = mpsc::channel();
    let mut context = Context::new();
    let same = event_loop.clone();
    let (go, gone) = mpsc::channel::<()>();
    context.run(|| {
        BOMB.set(Bomb(Arc::new(Fuse)));
        same.call_soon(move || assert!(gone.recv().is_err()));
        for number in 0..3 {
            let sender = sender.clone();
            same.call_soon(move || sender.send(number).unwrap());
        }
    });
    let after = sender.clone();
    // The callbacks are the last that have the value.
    drop(context);
    drop(go);
    event_loop.call_soon(move || after.send(3).unwrap());
    drop(sender);
    assert!(receiver.iter().eq(0..4));
    assert!(told.recv().unwrap().ends_with("as the test wants it"));
}
